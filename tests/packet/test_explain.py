#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`weirctl explain --pcap`: what it says of the packets of a capture is what happens to them."""

import json
import os
import struct
import subprocess

from frames import (CLIENT, HTTP, NO_VIP, PORT_MAC, ROUTER_MAC, SERVICES, SERVICES6, VIP,
                    backend_mac, ether, ipv4, ipv6, pool, tcp, tcp6, udp)
from scapy.layers.inet import ICMP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from outcome import with_bytes
from weirlab import Lab, check, equal, main, write_pcap

BACKENDS = 5
MACS = {backend_mac(i): f"b{i}" for i in range(BACKENDS)}
SIX = "[service six]\nvip = 2001:db8:f::1\nport = 80\npool = web\n"


def weirctl(lab, *words, parted=False):
    """Exit status and what it says; parted: standard output and error apart."""
    program = os.path.join(lab.build, "controlplane", "weirctl")
    error = subprocess.PIPE if parted else subprocess.STDOUT
    done = subprocess.run([program, "-s", lab.path("control"), *words], stdout=subprocess.PIPE,
                          stderr=error, text=True, timeout=60, check=False)
    return (done.returncode, done.stdout) + ((done.stderr,) if parted else ())


def explained(lab, file):
    status, text = weirctl(lab, "--json", "explain", "--pcap", file)
    equal("exit status", status, 0)
    return json.loads(text)["packets"]


def variety():
    frames = [tcp(1000 + i, bytes(i), tcp_flags="S" if i % 2 else "A") for i in range(20)]
    frames += [udp(2000 + i, bytes(1400)) for i in range(10)]
    frames += [tcp(1, dst=NO_VIP), tcp(2, dport=81), udp(3, bytes(1480)), frames[0][:30]]
    frames += [bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC) / Dot1Q(vlan=7) / ipv4()
                     / TCP(sport=4, dport=HTTP)),
               bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC) / ARP(pdst=VIP)),
               bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC) / ipv4() / ICMP() / bytes(56)),
               udp(8, bytes(1480), flags="DF"),
               bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC) / ipv4(src=CLIENT)
                     / ICMP(type=3, code=4) / ipv4(src=VIP, dst=CLIENT)
                     / TCP(sport=HTTP, dport=1003))]
    frames += [bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC) / IPv6(src="2001:db8:c::1",
                                                                 dst="2001:db8:f::1")
                     / TCP(sport=5000 + i, dport=80, flags="S")) for i in range(5)]
    # the first fragments of an echo request and of an ICMP error; malformed, for no VIP and for one
    frames += [bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC) / packet)
               for packet in (ipv4(flags="MF", id=1) / ICMP() / bytes(56),
                              ipv4(flags="MF", id=2) / ICMP(type=3, code=4)
                              / ipv4(src=VIP, dst=CLIENT) / TCP(sport=HTTP, dport=1003) / bytes(8))]
    frames += [with_bytes(tcp(1, dst=NO_VIP), 14, b"\x44"), with_bytes(tcp(1), 14, b"\x44")]
    return frames


def check_told(frames, result, told):
    equal("packets", len(told), len(frames))
    drops, answers = {}, {}
    # Within a burst Weir's own answers may leave before what it forwards.
    back = bytes.fromhex(ROUTER_MAC.replace(":", ""))
    left = iter([f for f in result.frames[0] if f[0:6] != back])
    said = iter([f for f in result.frames[0] if f[0:6] == back])
    for i, answer in enumerate(told):
        equal("number", answer["number"], i + 1)
        equal(f"length of packet {i}", answer["length"], len(frames[i]))
        if answer["drop"] != "none":
            drops[answer["drop"]] = drops.get(answer["drop"], 0) + 1
            check(answer["frame"] is None, f"packet {i} is dropped and leaves")
            continue
        got = next(said if answer["answer"] else left)
        equal(f"length of what leaves for packet {i}", answer["frame"]["length"], len(got))
        header = bytes.fromhex(answer["frame"]["header"])
        equal(f"start of what leaves for packet {i}", header, got[:len(header)])
        if answer["answer"]:
            answers[answer["answer"]] = answers.get(answer["answer"], 0) + 1
            continue
        equal(f"backend of packet {i}", answer["backend"], MACS[got[0:6]])
        for _ in range(1, answer["pieces"]):
            equal(f"backend of a piece of packet {i}", answer["backend"], MACS[next(left)[0:6]])
    equal("drops", drops, result.drops)
    equal("answers", answers, result.answers)
    equal("frames that are left", len(list(left)) + len(list(said)), 0)


def test_a_capture_is_explained_as_it_is_forwarded():
    frames, told = variety(), {}

    def ask(lab):
        before = lab.rpc("status")["counters"]
        write_pcap(lab.path("asked.pcap"), frames)
        told["json"] = explained(lab, lab.path("asked.pcap"))
        told["status"], told["text"] = weirctl(lab, "explain", "--pcap", lab.path("asked.pcap"),
                                               "--count", "1")
        equal("counters after explain", lab.rpc("status")["counters"], before)

    result = Lab(pool("l2", BACKENDS) + SERVICES + SIX, [frames]).run(ask)
    check_told(frames, result, told["json"])
    equal("exit status", told["status"], 0)
    check(f"{CLIENT}:1000 > {VIP}:80 TCP, {len(frames[0])} bytes" in told["text"],
          f"the text names the packet: {told['text']}")
    check("1 packet: 1 forwarded, 0 dropped, 0 answered" in told["text"],
          f"the text ends with a sum: {told['text']}")


def test_a_later_fragment_would_be_held():
    """No worker has seen its first one. Nothing is held for the question."""
    frames = [udp(1000, bytes(800), flags="MF", id=9, frag=100)]
    told = {}

    def ask(lab):
        write_pcap(lab.path("asked.pcap"), frames)
        told.update(explained(lab, lab.path("asked.pcap"))[0])
        equal("fragments held ever", [w["fragments"]["held"] for w in lab.rpc("status")["workers"]],
              [0])

    Lab(pool("l2", BACKENDS) + SERVICES, [[tcp(1)]]).run(ask)
    equal("drop", told["drop"], "fragment")
    check("would be held until" in told["why"], told["why"])
    equal("frame", told["frame"], None)


def test_a_later_fragment_of_one_that_was_too_big():
    """It is dropped with its first one. One that fits would not be answered, another would."""
    def part(offset, length):
        data = bytes(UDP(sport=4000, dport=53, len=4008)) + bytes(4000)
        return ether(ipv6(nh=44) / IPv6ExtHdrFragment(nh=17, id=5, m=1, offset=offset // 8) /
                     Raw(data[offset:offset + length]))

    first, asked, told = part(0, 1448), [part(1448, 1448), part(2896, 800)], []

    def ask(lab):
        write_pcap(lab.path("asked.pcap"), asked)
        told[:] = explained(lab, lab.path("asked.pcap"))

    for _ in range(10):  # a first one is known for 2 s: not on a machine that stands still
        result = Lab(pool("ipip", BACKENDS, family=6) + SERVICES6, [[first]]).run(ask)
        if told[0]["drop"] != "fragment":
            break
    equal("answers to the first one", result.answers, {"too-big": 1})
    equal("what becomes of the others", [(t["drop"], t["answer"]) for t in told],
          [("none", "too-big"), ("too-big", None)])


def pcapng(frames):
    """Section header, one Ethernet interface, a packet block each."""
    data = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    data += struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20)
    for frame in frames:
        padded = frame + bytes(-len(frame) % 4)
        size = 32 + len(padded)
        data += struct.pack("<IIIIIII", 6, size, 0, 0, 0, len(frame), len(frame))
        data += padded + struct.pack("<I", size)
    return data


RAW, IPV4, IPV6 = 101, 228, 229  # LINKTYPE_*


def raw_and_cut(frames, keep, link=RAW):
    """Captured without Ethernet headers, `keep` bytes of each packet."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, keep, link)
    for frame in frames:
        packet = frame[14:]
        held = packet[:keep]
        data += struct.pack("<IIII", 0, 0, len(held), len(packet)) + held
    return data


def said_to_be(frames, length, link=1):
    """Each record says that so much was on the wire, whatever it holds."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 2000, link)
    for frame in frames:
        data += struct.pack("<IIII", 0, 0, len(frame), length) + frame
    return data


def test_other_captures_are_read_too():
    frames, told = [tcp(1000 + i, bytes(700)) for i in range(8)], {}

    def ask(lab):
        for name, data in ("ng", pcapng(frames)), ("raw", raw_and_cut(frames, 60)), \
                ("ipv4", raw_and_cut(frames, 60, IPV4)), ("short", said_to_be(frames, 20)):
            with open(lab.path(name), "wb") as f:
                f.write(data)
            told[name] = explained(lab, lab.path(name))
        with open(lab.path("bad"), "wb") as f:
            f.write(b"no capture at all, but long enough")
        told["bad"] = weirctl(lab, "explain", "--pcap", lab.path("bad"))
        told["port"] = weirctl(lab, "explain", "--pcap", lab.path("ng"), "--port", "lan")
        told["none"] = weirctl(lab, "explain", "--pcap", lab.path("none"))

    result = Lab(pool("ipip", BACKENDS) + SERVICES, [frames]).run(ask)
    for name in "ng", "raw", "ipv4", "short":
        check_told(frames, result, told[name])
    for name, sentence in ("bad", "unknown file format"), ("none", "No such file"), \
            ("port", "no port lan"):
        equal(f"exit status of {name}", told[name][0], 1)
        check(sentence in told[name][1], f"{name}: {told[name][1]}")


def test_captures_of_ipv6_without_ethernet_headers():
    frames, told = [tcp6(1000 + i, bytes(700)) for i in range(8)], {}

    def ask(lab):
        for link in RAW, IPV6, IPV4:
            with open(lab.path("asked"), "wb") as f:
                f.write(raw_and_cut(frames, 80, link))
            told[link] = explained(lab, lab.path("asked"))

    result = Lab(pool("ipip", BACKENDS, family=6) + SERVICES6, [frames]).run(ask)
    for link in RAW, IPV6:
        check_told(frames, result, told[link])
    equal("IPv6 in a capture of IPv4", {p["drop"] for p in told[IPV4]}, {"not-a-vip"})


def test_what_a_capture_that_is_cut_still_has_is_told():
    frames, seen = [tcp(1000 + i, bytes(100)) for i in range(5)], {}

    def ask(lab):
        for name, data in ("cut", pcapng(frames)[:-10]), ("nothing", pcapng([])[:-10]), \
                ("raw", raw_and_cut(frames, 200)[:-100]):
            with open(lab.path(name), "wb") as f:
                f.write(data)
            seen[name] = [weirctl(lab, *words, "explain", "--pcap", lab.path(name), parted=True)
                          for words in (["--json"], [])]

    Lab(pool("ipip", BACKENDS) + SERVICES, [frames]).run(ask)
    for name, packets in ("cut", 4), ("raw", 4):
        (status, document, complaint), (_, text, _) = seen[name]
        equal("exit status", {s for s, *_ in seen[name]}, {1})
        equal("packets", [p["number"] for p in json.loads(document)["packets"]],
              list(range(1, packets + 1)))
        check("truncated" in json.loads(document)["cut"], f"cut is {document}")
        check("truncated" in complaint and "not read" in complaint, complaint)
        check(f"{packets} packets: {packets} forwarded" in text, text)
    equal("exit status of a file with no packet", seen["nothing"][0][0], 1)


def test_what_is_longer_than_a_frame_is_told_by_its_length():
    frame, told = with_bytes(tcp(1000, bytes(100)), 16, struct.pack(">H", 20000 - 14)), {}

    def ask(lab):
        for name, data in ("ether", said_to_be([frame], 20000)), \
                ("raw", said_to_be([frame[14:]], 20000, RAW)):
            with open(lab.path(name), "wb") as f:
                f.write(data)
            told[name] = (explained(lab, lab.path(name))[0],
                          weirctl(lab, "explain", "--pcap", lab.path(name))[1])

    Lab(pool("ipip", BACKENDS) + SERVICES, [[frame]]).run(ask)
    for name, length in ("ether", 20000), ("raw", 20014):
        answer, text = told[name]
        equal("length in JSON", answer["length"], length)
        equal("drop", answer["drop"], "truncated")
        check(f", {length} bytes" in text, text)


if __name__ == "__main__":
    main(globals())
