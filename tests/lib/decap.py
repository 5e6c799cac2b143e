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

from scapy.all import IP, UDP, Dot1Q, Ether, ICMP, Raw, fragment, raw  # pylint: disable=no-name-in-module
from scapy.layers.inet import IPOption_NOP

WEIR, BACKEND, CLIENT = "10.0.0.1", "10.0.0.2", "198.51.100.10"
VIP, OTHER_VIP, NO_VIP = "203.0.113.10", "203.0.113.11", "203.0.113.99"
STRANGER, OTHER_HOST = "192.0.2.1", "10.0.0.77"
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
        self.packed = socket.socket(socket.AF_INET, socket.SOCK_RAW, 4)
        self.packed.setblocking(False)
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
                self.packed.recv(65535)
                arrived.append("packed")
        except BlockingIOError:
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
    for group in (rules, headers, ecn, malformed, fragments):
        group(bench, bench.ether)
    return bench.failed


if __name__ == "__main__":
    sys.exit(main())
