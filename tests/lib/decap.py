#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Frames through the decapsulation program, one by one, for e2e/backend_decap.sh.

  decap.py NAMESPACE_W NAMESPACE_B PROGRAM STATE_DIR
  decap.py tun NAMESPACE_B           one packet on tun0, which has no Ethernet header

Sends from eth0 of W to eth0 of B, where weir-backend is up, and states for each
frame what B's sockets received and what the program counted. Every frame is
followed by a good one, the marker: when that arrives, the frame before it has met
its fate, since both took the same queue.
"""
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys

# pylint: disable=no-name-in-module
from scapy.all import IP, UDP, Dot1Q, Ether, ICMP, IPv6, IPv6ExtHdrFragment, Raw, fragment, fragment6, raw
from scapy.layers.inet import IPOption_NOP

WEIR, BACKEND, CLIENT = "10.0.0.1", "10.0.0.2", "198.51.100.10"
VIP, OTHER_VIP, NO_VIP = "203.0.113.10", "203.0.113.11", "203.0.113.99"
STRANGER, OTHER_HOST = "192.0.2.1", "10.0.0.77"
WEIR_6, BACKEND_6, CLIENT_6 = "2001:db8:1::1", "2001:db8:1::2", "2001:db8:c::10"
VIP_6, NO_VIP_6, STRANGER_6 = "2001:db8:f::10", "2001:db8:f::99", "2001:db8:bad::1"
GUE_PORT = 6080
UDP_NO_CHECK6_RX = 102
PORT = 4000
TIMEOUT_S = 5
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
NOT_ECT, ECT_1, ECT_0, CE = 0, 1, 2, 3


def enter(namespace):
    """Move this process; sockets stay in the namespace where they were made."""
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    os.close(fd)



def mac_in(namespace, interface):
    out = subprocess.run(
        ["ip", "-n", namespace, "-o", "link", "show", interface],
        check=True, capture_output=True, text=True,
    ).stdout.split()
    return out[out.index("link/ether") + 1]


def udp_to(vip, payload, src=CLIENT, **ip):
    return IP(src=src, dst=vip, **ip) / UDP(sport=1234, dport=PORT) / Raw(payload)


def outer(src=WEIR, dst=BACKEND, **ip):
    return IP(**{"src": src, "dst": dst, "proto": 4, "flags": "DF", "id": 0, **ip})


class Bench:
    def __init__(self, w, b, program, state_dir):
        self.status_command = [
            "ip", "netns", "exec", b, program, "--interface", "eth0", "--state-dir", state_dir, "status",
        ]  # fmt: skip
        # Packets of two CPUs may overtake each other on a veth.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        enter(b)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_IP, socket.IP_RECVTOS, 1)
        self.udp.bind(("0.0.0.0", PORT))
        self.udp.settimeout(TIMEOUT_S)
        self.udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.udp6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.udp6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        self.udp6.bind(("::", PORT))
        self.udp6.setblocking(False)
        self.packed = []
        for family in (socket.AF_INET, socket.AF_INET6):
            self.packed += [socket.socket(family, socket.SOCK_RAW, n) for n in (4, 41)]
            gue = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                gue.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                gue.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
            gue.bind(("", GUE_PORT))
            self.packed.append(gue)
        for s in self.packed:
            s.setblocking(False)
        enter(w)
        self.ether = Ether(dst=mac_in(b, "eth0"), src=mac_in(w, "eth0"))
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.wire.bind(("eth0", 0))
        self.markers = 0
        self.failed = False

    def counts(self):
        out = subprocess.run(self.status_command, check=True, capture_output=True, text=True).stdout
        words = [line.split() for line in out.splitlines()]
        return {w[0]: int(w[1]) for w in words if len(w) > 3 and w[1].isdigit() and w[2].isdigit()}

    def until_marker(self):
        """What arrives before the marker: (SOURCE, TOS, PAYLOAD) or "packed"."""
        self.markers += 1
        marker = b"marker %d" % self.markers
        self.wire.send(raw(self.ether / outer() / udp_to(VIP, marker)))
        arrived = []
        while True:
            data, control, _, peer = self.udp.recvmsg(65535, 64)
            if data == marker:
                break
            arrived.append((peer[0], control[0][2][0], data))
        try:
            while True:
                data, control, _, peer = self.udp6.recvmsg(65535, 64)
                arrived.append((peer[0], control[0][2][0], data))
        except BlockingIOError:
            pass
        for s in self.packed:
            try:
                while True:
                    s.recv(65535)
                    arrived.append("packed")
            except BlockingIOError:
                pass
        return arrived

    def case(self, name, frames, arrives, fate=None):
        """`fate`: what each frame is counted as; None: not at all."""
        frames = frames if isinstance(frames, list) else [frames]
        before, markers = self.counts(), self.markers
        arrived = []
        try:
            for f in frames:
                self.wire.send(f if isinstance(f, bytes) else raw(f))
                arrived += self.until_marker()
        except TimeoutError:
            arrived = "not even the marker"
        after = self.counts()
        after["decapsulated"] -= self.markers - markers
        changed = {k: after[k] - before[k] for k in after if after[k] != before[k]}
        wanted = {fate: len(frames)} if fate else {}
        if arrived != arrives:
            print(f"FAIL {name}: {arrived} arrived, wanted {arrives}")
        elif changed != wanted:
            print(f"FAIL {name}: counted as {changed}, wanted {wanted}")
        else:
            print(f"ok {name}", flush=True)
            return
        self.failed = True


def rules(bench, eth):
    """Who may send what to whom."""
    hello = [(CLIENT, 0, b"hello")]
    inner = udp_to(VIP, b"hello")
    bench.case("for_a_vip_from_weir_is_unpacked", eth / outer() / inner, hello, "decapsulated")
    bench.case("every_vip_counts", eth / outer() / udp_to(OTHER_VIP, b"hello"), hello, "decapsulated")
    bench.case("plain_packets_are_left_alone", eth / inner, hello)
    bench.case("from_a_stranger_is_dropped", eth / outer(src=STRANGER) / inner, [], "refused-source")
    bench.case("a_neighbouring_address_is_a_stranger", eth / outer(src="10.0.0.3") / inner, [], "refused-source")
    bench.case("no_vip_stays_packed", eth / outer() / udp_to(NO_VIP, b"x"), ["packed"], "not-a-vip")
    bench.case("no_vip_from_a_stranger_stays_packed", eth / outer(src=STRANGER) / udp_to(NO_VIP, b"x"), ["packed"])
    bench.case("for_another_host_stays_packed", eth / outer(dst=OTHER_HOST) / inner, [], "not-this-host")
    bench.case("for_another_host_from_a_stranger", eth / outer(src=STRANGER, dst=OTHER_HOST) / inner, [])
    bench.case("the_vip_as_outer_destination_stays_packed", eth / outer(dst=VIP) / inner, ["packed"], "not-this-host")
    bench.case("another_macs_frame_is_left_alone", Ether(dst="02:00:00:00:00:99", src=eth.src) / outer() / inner, [])
    bench.case("another_vlans_frame_is_left_alone", eth / Dot1Q(vlan=7) / outer() / inner, [])
    bench.case("a_priority_tag_is_no_vlan", eth / Dot1Q(vlan=0, prio=3) / outer() / inner, hello, "decapsulated")
    bench.case("icmp_is_no_tunnel", eth / outer(proto=1) / ICMP(), [])


def headers(bench, eth):
    """Odd but right headers."""
    inner = udp_to(VIP, b"hello")
    hello = [(CLIENT, 0, b"hello")]
    options = [IPOption_NOP()] * 40
    bench.case("outer_options", eth / outer(options=options) / inner, hello, "decapsulated")
    bench.case("inner_options", eth / outer() / udp_to(VIP, b"hello", options=options), hello, "decapsulated")
    bench.case("inner_ttl_1", eth / outer() / udp_to(VIP, b"hello", ttl=1), hello, "decapsulated")
    bench.case("padding_behind_the_packet", raw(eth / outer() / inner) + bytes(26), hello, "decapsulated")
    bench.case("an_empty_datagram", eth / outer() / udp_to(VIP, b""), [(CLIENT, 0, b"")], "decapsulated")
    whole = bytes(range(256)) * 5
    big = udp_to(VIP, whole, flags="DF")
    bench.case("a_packet_of_the_whole_mtu", eth / outer() / big, [(CLIENT, 0, whole)], "decapsulated")
    parts = [eth / outer() / p for p in fragment(udp_to(VIP, whole, id=77), fragsize=400)]
    bench.case("inner_fragments", parts, [(CLIENT, 0, whole)], "decapsulated")
    bad = IP(src=CLIENT, dst=VIP) / UDP(sport=1234, dport=PORT, chksum=0x1234) / Raw(b"x")
    bench.case("a_wrong_inner_checksum_is_still_seen", eth / outer() / bad, [], "decapsulated")


def ecn(bench, eth):
    """RFC 6040, figure 4: the inner ECN field after decapsulation. (ECT(1) on the
    outside alone, which figure 4 copies, is left as Linux tunnels leave it.)"""
    names = {NOT_ECT: "not_ect", ECT_0: "ect0", ECT_1: "ect1", CE: "ce"}
    for i, inner_name in names.items():
        for o, outer_name in names.items():
            name = f"ecn_inner_{inner_name}_outer_{outer_name}"
            frame = eth / outer(tos=o) / udp_to(VIP, b"x", tos=0xB8 | i)
            if o == CE and i == NOT_ECT:
                bench.case(name, frame, [], "congested")
            else:
                want = CE if o == CE else i
                bench.case(name, frame, [(CLIENT, 0xB8 | want, b"x")], "decapsulated")


def malformed(bench, eth):
    inner = udp_to(VIP, b"payload")
    packet = raw(outer() / inner)
    link = raw(eth / outer())[:14]
    bench.case("cut_anywhere_in_the_outer_header", [link + packet[:n] for n in range(20)], [])
    bench.case("cut_anywhere_behind_it", [link + packet[:n] for n in range(20, len(packet))], [], "malformed")
    honest = [raw(eth / outer(len=20 + n) / Raw(raw(inner)[:n])) for n in range(len(inner))]
    bench.case("inner_packet_cut_short", honest, [], "malformed")
    for version in (0, 5, 6, 15):
        frame = eth / outer() / udp_to(VIP, b"x", version=version)
        bench.case(f"inner_version_{version}", frame, [], "malformed")
    for ihl in range(5):
        bench.case(f"inner_ihl_{ihl}", eth / outer() / udp_to(VIP, b"x", ihl=ihl), [], "malformed")
    for length in (0, 19, 65535):
        bench.case(f"inner_length_{length}", eth / outer() / udp_to(VIP, b"x", len=length), [], "malformed")
    bench.case("outer_length_0", eth / outer(len=0) / inner, [], "malformed")
    bench.case("outer_length_65535", eth / outer(len=65535) / inner, [], "malformed")
    bench.case("outer_ihl_4", eth / outer(ihl=4) / inner, [])
    strange = [raw(eth / outer(src=STRANGER, len=20 + n) / Raw(raw(inner)[:n])) for n in range(1, 20)]
    bench.case("a_strangers_nonsense_stays_packed", strange, ["packed"] * len(strange))


def fragments(bench, eth):
    inner = udp_to(VIP, bytes(600))
    parts = [eth / p for p in fragment(outer(flags=0, id=9) / inner, fragsize=200)]
    bench.case("outer_fragments_are_dropped", parts, [], "fragment")
    first = eth / outer(src=STRANGER, flags="MF", id=10) / inner
    bench.case("a_strangers_first_fragment_is_dropped", first, [], "refused-source")


def gue(inner, version=0, control=0, hlen=0, flags=0, protocol=None, checksum=0):
    """UDP and GUE (draft-ietf-intarea-gue), in front of a packet."""
    number = protocol if protocol is not None else 4 if inner.version == 4 else 41
    first = version << 6 | control << 5 | hlen
    return UDP(sport=50000, dport=GUE_PORT, chksum=checksum) / Raw(
        struct.pack("!BBH", first, number, flags) + bytes(4 * hlen) + raw(inner)
    )


class Packing:
    """One of the ways to pack a packet: outer family, inner family, with GUE or not."""

    def __init__(self, eth, o, i, with_gue):
        self.name = f"{'gue_' if with_gue else ''}{i}in{o}"
        self.eth, self.with_gue, self.o, self.i = eth, with_gue, o, i
        self.client = CLIENT if i == 4 else CLIENT_6

    def inner(self, payload=b"hello", vip=True, tos=0):
        if self.i == 4:
            return udp_to(VIP if vip else NO_VIP, payload, tos=tos)
        dst = VIP_6 if vip else NO_VIP_6
        return IPv6(src=CLIENT_6, dst=dst, tc=tos) / UDP(sport=1234, dport=PORT) / Raw(payload)

    def outer(self, stranger=False, tos=0, **fields):
        proto = 17 if self.with_gue else 4 if self.i == 4 else 41
        if self.o == 4:
            return outer(src=STRANGER if stranger else WEIR, proto=proto, tos=tos, **fields)
        return IPv6(src=STRANGER_6 if stranger else WEIR_6, dst=BACKEND_6, nh=proto, tc=tos, **fields)

    def packed(self, inner=None, gue_fields=None, **outer_fields):
        inner = self.inner() if inner is None else inner
        return self.outer(**outer_fields) / (gue(inner, **gue_fields or {}) if self.with_gue else inner)

    def frame(self, *args, **fields):
        link = Ether(dst=self.eth.dst, src=self.eth.src, type=0x0800 if self.o == 4 else 0x86DD)
        return link / self.packed(*args, **fields)

    def fragments(self):
        """An outer packet in pieces."""
        link = Ether(dst=self.eth.dst, src=self.eth.src, type=0x0800 if self.o == 4 else 0x86DD)
        whole = self.inner(bytes(600))
        if self.o == 4:
            packet = self.outer(flags=0, id=9) / (gue(whole) if self.with_gue else whole)
            return [link / p for p in fragment(IP(raw(packet)), fragsize=200)]
        head = self.outer()
        proto, head.nh = head.nh, 44
        body = raw(gue(whole) if self.with_gue else whole)
        return [link / p for p in fragment6(head / IPv6ExtHdrFragment(nh=proto, id=9) / Raw(body), 280)]


def packings(bench, eth):
    """Every family in every other, plainly and by GUE."""
    for o, i, with_gue in [(o, i, g) for g in (False, True) for o in (4, 6) for i in (4, 6)]:
        p = Packing(eth, o, i, with_gue)
        hello = [(p.client, 0, b"hello")]
        bench.case(f"{p.name}_is_unpacked", p.frame(), hello, "decapsulated")
        bench.case(f"{p.name}_from_a_stranger_is_dropped", p.frame(stranger=True), [], "refused-source")
        bench.case(f"{p.name}_for_no_vip_stays_packed", p.frame(p.inner(vip=False)), ["packed"], "not-a-vip")
        bench.case(f"{p.name}_with_padding", raw(p.frame()) + bytes(26), hello, "decapsulated")
        whole = bytes(range(256)) * 5
        bench.case(f"{p.name}_of_full_size", p.frame(p.inner(whole)), [(p.client, 0, whole)], "decapsulated")
        marked = p.frame(p.inner(tos=0xB8 | ECT_0), tos=CE)
        bench.case(f"{p.name}_marked", marked, [(p.client, 0xB8 | CE, b"hello")], "decapsulated")
        bench.case(f"{p.name}_marked_for_nobody", p.frame(tos=CE), [], "congested")
        head = 14 + (20 if o == 4 else 40)
        frame = raw(p.frame())
        cut = [frame[:n] for n in range(head + (8 if with_gue else 0), len(frame))]
        bench.case(f"{p.name}_cut_anywhere", cut, [], "malformed")
        inner = p.inner()
        inner.version = 6 if i == 4 else 4
        wrong = p.frame(inner, {"protocol": 4 if i == 4 else 41})
        bench.case(f"{p.name}_of_the_other_version", wrong, [], "malformed")
        pieces = p.fragments()
        bench.case(f"{p.name}_first_fragment_is_dropped", pieces[0], [], "fragment")
        bench.case(f"{p.name}_further_fragments", pieces[1:], [], None if with_gue else "fragment")
        if not with_gue:
            continue
        bench.case(f"{p.name}_with_a_checksum", p.frame(None, {"checksum": None}), hello, "decapsulated")
        for fields, fate in (
            ({"version": 1}, "gue-version"),
            ({"control": 1}, "gue-options"),
            ({"hlen": 1}, "gue-options"),
            ({"flags": 0x8000}, "gue-options"),
            ({"protocol": 47}, "gue-protocol"),
        ):
            (word,) = fields
            bench.case(f"{p.name}_with_another_{word}", p.frame(None, fields), [], fate)


def without_ethernet(namespace):
    enter(namespace)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((VIP, PORT))
    receiver.settimeout(TIMEOUT_S)
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    os.write(tun, raw(outer() / udp_to(VIP, b"hello")))
    data, peer = receiver.recvfrom(100)
    if (data, peer[0]) != (b"hello", CLIENT):
        return f"got {data} from {peer}"
    return 0


def main():
    if sys.argv[1] == "tun":
        return without_ethernet(sys.argv[2])
    bench = Bench(*sys.argv[1:])
    for group in (rules, headers, ecn, malformed, fragments, packings):
        group(bench, bench.ether)
    return bench.failed


if __name__ == "__main__":
    sys.exit(main())
