#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""punt = tap: between a port and the kernel, frame by frame, in a network namespace of this
process's own. The TAP stands before the data plane starts, so that nothing is missed.
"""

import collections
import time

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, IPv6, IPv6ExtHdrRouting
from scapy.layers.inet6 import ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from frames import (CLIENT, ETH, NO_VIP, NO_VIP6, ROUTER, ROUTER6, ROUTER_MAC, SERVICES, SERVICES6,
                    VIP, backend_mac, client_packet, ether, in_fragments, pool, tagged, tcp, tcp6,
                    udp, udp6)
from outcome import with_bytes
from test_bond import BondLab
from weirlab import Lab, check, equal, main, needs_two_cpus
from wire import Wire, ip, link, own_namespace

BACKENDS = 3
CONF = pool("l2", BACKENDS) + SERVICES + SERVICES6
TAP = "punt = tap\ntap = tap0\n"
OWN, OWN6 = "192.0.2.9", "2001:db8:4::9"  # the host's address on the TAP
PCAP_MAC = "02:70:63:61:70:00"  # of the first net_pcap port


def arp_request(address=NO_VIP):
    return bytes(Ether(src=ROUTER_MAC, dst="ff:ff:ff:ff:ff:ff")
                 / ARP(op=1, hwsrc=ROUTER_MAC, psrc=ROUTER, pdst=address))


def for_kernel(count):
    """(frame, how it is counted): for no VIP, of all kinds; none twice. Of 25 each, what a
    burst may bring: 375 of the ring for the rest's 511, and 75 of the other's 255."""
    made = []
    for i in range(count):
        data = i.to_bytes(4, "big") + bytes(i % 60)
        parts = in_fragments(udp(5000 + i, bytes(3000), dst=NO_VIP), i)
        made += [(f, "not-a-vip") for f in (
            udp(i, data, dst=NO_VIP), tcp(i, data, dst=NO_VIP, ip_options=8),
            tcp(i, bytes(1460 - len(data)) + data, dst=NO_VIP),
            ether(IP(src=CLIENT, dst=NO_VIP) / ICMP(id=i) / Raw(data)),
            udp6(i, data, dst=NO_VIP6), tcp6(179, data, dst=NO_VIP6, hlim=i % 255 + 1),
            ether(IP(src=CLIENT, dst="224.0.0.5", proto=89, id=i) / Raw(data)),
            tagged(udp(i, data, dst=NO_VIP), (0x8100, 5)), tagged(udp6(i, data, dst=NO_VIP6),
                                                                 (0x88A8, 6), (0x8100, 7)),
            udp(i, data, dst=NO_VIP) + b"\xa5" * 20, *parts,
            # malformed: the offset of TCP, a segment left
            with_bytes(tcp(i, data, dst=NO_VIP), ETH + 32, b"\x40"),
            tcp6(i, data, dst=NO_VIP6, chain=[IPv6ExtHdrRouting(segleft=1)]))]
        arp = arp_request(f"192.0.2.{i % 256}")
        made += [(f, "not-ip") for f in (
            arp + data, tagged(arp, (0x8100, 0x6000 | i)),
            bytes(Ether(src=ROUTER_MAC, dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(data * 9)))]
    return made


def for_services(count):
    made = []
    for i in range(1000, 1000 + count):
        made += [tcp(i, b"data"), udp6(i, b"data"), tagged(tcp6(i, b"data"), (0x8100, 9)), udp(i)]
    return made


def mixed(*lists):
    """One of each in turn, and what the longest has more."""
    lists = [list(frames) for frames in lists]
    return [frames.pop(0) for _ in range(max(len(frames) for frames in lists))
            for frames in lists if frames]


def with_tap():
    own_namespace()
    ip("tuntap", "add", "dev", "tap0", "mode", "tap")
    ip("link", "set", "tap0", "up")
    return Wire("tap0")


def taken(lab, wire, count):
    """So many frames that came out of the TAP; count(lab): as the counters say."""
    frames = []

    def all_there():
        frames.extend(wire.received())
        return len(frames) >= count(lab)

    lab.until("frames at the TAP", all_there)
    return frames


def to_kernel(lab):
    punts = lab.rpc("status")["counters"]["punts"]
    return sum(punts.get(kind, {"packets": 0})["packets"] for kind in ("not-a-vip", "not-ip"))


def check_same(what, got, want):
    got, want = collections.Counter(got), collections.Counter(want)
    equal(f"{what}, too many", [f.hex() for f in (got - want)][:3], [])
    equal(f"{what}, missing", [f.hex() for f in (want - got)][:3], [])


def check_forwarded(frames, sent):
    """All of the services' packets left for backends, as they came."""
    check_same("clients' packets", [client_packet(f) for f in frames],
               [client_packet(f) for f in sent])
    for f in frames:
        check(f[0:5] == backend_mac(0)[0:5], f"destination {f[0:6].hex(':')} is no backend's MAC")


def by_queues(frames, queues, settings=""):
    """A Lab run with the frames dealt out to so many queues, a worker each; and what came
    out of the TAP."""
    wire, came = with_tap(), []
    lab = Lab(CONF, [[frames[q::queues] for q in range(queues)]], ports=[TAP + settings],
              workers=queues)
    return lab.run(lambda lab: came.extend(taken(lab, wire, to_kernel))), came


def both_ways(queues):
    kernel, services = for_kernel(25), for_services(200)
    result, came = by_queues(mixed([f for f, _ in kernel], services), queues)
    equal("drops", result.drops, {})
    equal("punts", result.punts, collections.Counter(kind for _, kind in kernel))
    check_same("frames at the TAP", came, [f for f, _ in kernel])
    check_forwarded(result.frames[0], services)


def test_what_is_for_no_vip_comes_out_of_the_tap():
    both_ways(1)


def test_and_with_two_workers():
    needs_two_cpus()
    both_ways(2)


def kernel_sends(wire, send=300):
    """What the kernel may send: any frame, of any length up to the MTU."""
    made = []
    for i in range(send):
        frame = bytes.fromhex("02005e000001 027063617000 88b5") + i.to_bytes(2, "big")
        frame += bytes((i * 5 + n) & 255 for n in range(44 + i * 37 % 1455))
        made.append(tagged(frame, (0x8100, i)) if i % 3 == 0 else frame)
    for frame in made:
        wire.send(frame)
    return made


def sent_by_kernel(lab):
    return lab.rpc("status")["counters"]["punts"].get("from-kernel", {"packets": 0})["packets"]


def from_the_kernel(workers):
    wire, sent = with_tap(), []

    def meanwhile(lab):
        lab.until("forwarding", lab.forwarding)
        sent.extend(kernel_sends(wire))
        lab.until("frames of the kernel", lambda: sent_by_kernel(lab) >= len(sent))

    result = Lab(CONF, [[]], ports=[TAP], workers=workers).run(meanwhile)
    equal("punts", result.punts, {"from-kernel": len(sent)})
    equal("packets sent", result.tx["packets"], len(sent))
    equal("bytes sent", result.tx["bytes"], sum(len(f) for f in sent))
    equal("frames that left, in order", result.frames[0], sent)


def test_what_the_kernel_sends_leaves_by_the_port():
    from_the_kernel(1)


def test_and_of_a_port_with_two_workers():
    needs_two_cpus()
    from_the_kernel(2)


def test_the_tap_is_the_port_to_the_kernel():
    """Made by the data plane: its MAC and MTU, and up."""
    own_namespace()
    seen = {}

    def meanwhile(lab):
        lab.until("forwarding", lab.forwarding)
        seen.update(link("tap0"))

    result = Lab(CONF, [[]], ports=[TAP + "mtu = 1600"]).run(meanwhile)
    equal("MAC and MTU", (seen["address"], seen["mtu"]), (result.macs[0].hex(":"), 1600))
    check({"UP", "LOWER_UP"} <= set(seen["flags"]), f"it is up: {seen['flags']}")
    equal("the interface, when the program has gone", link("tap0"), None)


def test_the_kernel_answers_for_its_addresses():
    """ARP, ND and ping in both families, with the port's MAC address."""
    with_tap()
    with open("/proc/sys/net/ipv6/conf/tap0/disable_ipv6", "w") as f:
        f.write("0")
    ip("addr", "add", f"{OWN}/24", "dev", "tap0")
    ip("addr", "add", f"{OWN6}/64", "dev", "tap0", "nodad")
    to_us = Ether(src=ROUTER_MAC, dst=PCAP_MAC)
    asked = [arp_request(OWN), bytes(to_us / IP(src=ROUTER, dst=OWN) / ICMP(id=7) / b"ping"),
             bytes(Ether(src=ROUTER_MAC, dst="33:33:ff:00:00:09")
                   / IPv6(src=ROUTER6, dst="ff02::1:ff00:9", hlim=255)
                   / ICMPv6ND_NS(tgt=OWN6) / ICMPv6NDOptSrcLLAddr(lladdr=ROUTER_MAC)),
             bytes(to_us / IPv6(src=ROUTER6, dst=OWN6) / ICMPv6EchoRequest(id=7, data=b"ping"))]
    back = Ether(src=PCAP_MAC, dst=ROUTER_MAC)
    want = [bytes(back / ARP(op=2, hwsrc=PCAP_MAC, psrc=OWN, hwdst=ROUTER_MAC, pdst=ROUTER)),
            bytes(back / IPv6(src=OWN6, dst=ROUTER6, hlim=255) / ICMPv6ND_NA(tgt=OWN6, R=0, S=1)
                  / ICMPv6NDOptDstLLAddr(lladdr=PCAP_MAC))]
    result = Lab(CONF, [asked], ports=[TAP]).run(
        lambda lab: lab.until("four answers", lambda: sent_by_kernel(lab) >= 4))
    equal("MAC of the port", result.macs[0].hex(":"), PCAP_MAC)
    equal("punts to the kernel", (result.punts["not-a-vip"], result.punts["not-ip"]), (3, 1))
    left = result.frames[0]
    for frame in want:
        check(frame in [f[:len(frame)] for f in left], f"{frame.hex()} is not in {left}")
    echoes = [Ether(f) for f in left if ICMP in Ether(f) or Ether(f).haslayer("ICMPv6EchoReply")]
    equal("echo replies", [(e.src, e.dst, e.payload.src) for e in echoes],
          [(PCAP_MAC, ROUTER_MAC, OWN), (PCAP_MAC, ROUTER_MAC, OWN6)])


def flooded(queues):
    """A flood to the host's own address, as fast as a file is read."""
    pps, since = 500, time.monotonic()
    flood = [ether(IP(src=CLIENT, dst=NO_VIP, id=i) / UDP(sport=i, dport=9)) for i in range(20000)]
    neighbours = [arp_request() + i.to_bytes(4, "big") for i in range(200)]
    services = for_services(1000)
    result, came = by_queues(mixed(flood, services, neighbours), queues, f"punt_pps = {pps}")
    most = queues * pps * (1 + time.monotonic() - since)
    through = result.punts["not-a-vip"]
    check(0 < through <= most, f"{through} of the flood came through, {most:.0f} may")
    equal("drops", result.drops, {"punt-full": len(flood) - through})
    equal("punts that are not IP", result.punts["not-ip"], len(neighbours))
    check_same("ARP at the TAP", [f for f in came if f[12:14] == b"\x08\x06"], neighbours)
    of_flood = {f for f in came if f[12:14] == b"\x08\x00"}
    equal("others at the TAP", (len(came) - len(neighbours), len(of_flood)), (through, through))
    check(of_flood <= set(flood), "as they came")
    check_forwarded(result.frames[0], services)


def test_a_flood_to_the_host_is_bounded():
    flooded(1)


def test_a_flood_by_two_workers_is_bounded():
    needs_two_cpus()
    flooded(2)


def test_who_asks_for_a_vip_over_the_limit_is_not_the_kernels():
    wire, came = with_tap(), []
    ours, others = [arp_request(VIP)] * 3, [arp_request(), arp_request("192.0.2.77")]
    lab = Lab(CONF + f"[vip {VIP}]\narp = on\n", [ours + others], ports=[TAP],
              dataplane="answers_per_s = 0")
    result = lab.run(lambda lab: came.extend(taken(lab, wire, lambda lab: 2)))
    equal("drops", result.drops, {"answer-limited": 3})
    check_same("frames at the TAP", came, others)


def test_without_punt_nothing_goes_to_the_kernel():
    own_namespace()
    kernel = for_kernel(10)
    result = Lab(CONF, [[f for f, _ in kernel]]).run()
    equal("drops", result.drops, collections.Counter(kind for _, kind in kernel))
    equal("punts", result.punts, {})


def as_it_came(frame):
    """For net_af_packet has fragments put together, and makes every tag one of 802.1Q."""
    return frame[12:14] != b"\x88\xa8" and (frame[12:14] != b"\x08\x00"
                                            or frame[20] & 0x3f == frame[21] == 0)


def test_a_port_that_is_a_bond():
    lab = BondLab(CONF, mode=1, ports=[TAP])
    ip("tuntap", "add", "dev", "tap0", "mode", "tap")
    ip("link", "set", "tap0", "up")
    wire, kernel, services = Wire("tap0"), for_kernel(20), for_services(50)
    kernel = [(frame, kind) for frame, kind in kernel if as_it_came(frame)]
    came, sent = [], []

    def meanwhile(lab):
        lab.until("forwarding", lab.forwarding)
        lab.send(mixed([f for f, _ in kernel], services), members=1)
        came.extend(taken(lab, wire, to_kernel))
        sent.extend(kernel_sends(wire))
        lab.until("frames of the kernel", lambda: sent_by_kernel(lab) >= len(sent))

    result = lab.run(meanwhile)
    equal("MAC of the bond", result.macs[0].hex(":"), link("m0")["address"])
    equal("drops", result.drops, {})
    equal("punts", result.punts, collections.Counter(kind for _, kind in kernel)
          + collections.Counter({"from-kernel": len(sent)}))
    check_same("frames at the TAP", came, [f for f, _ in kernel])
    left = lab.wires[0].received()
    check_same("frames of the kernel", [f for f in left if f in set(sent)], sent)
    check_forwarded([f for f in left if f not in set(sent)], services)


if __name__ == "__main__":
    main(globals())
