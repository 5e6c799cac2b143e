#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Right frames, to begin with: DIR/corpus/NAME. Two bytes choose headroom, and where the
rest is cut in two."""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "packet"))

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP  # noqa: E402
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6ND_NS,  # noqa: E402
                                ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig,
                                IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN)
from scapy.layers.ipsec import AH  # noqa: E402
from scapy.layers.l2 import ARP, Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

from frames import (CLIENT, CLIENT6, DNS, HTTP, ROUTER, ROUTER6, ROUTER_MAC, VIP, VIP6, echo6,  # noqa: E402
                    ether, icmp, in_fragments, tagged, tcp, tcp6, udp, udp6)

QUIC = b"\xc0\x00\x00\x00\x01\x08" + bytes(30)
QUIC2 = b"\xd0\x6b\x33\x43\xcf\x08" + bytes(30)  # RFC 9369
CHAIN = [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(segleft=0),
         IPv6ExtHdrFragment(nh=51, id=77), AH(nh=6, payloadlen=2, icv=bytes(4))]
BACK = IP(src=VIP, dst=CLIENT)
BACK6 = IPv6(src=VIP6, dst=CLIENT6)


def error(about, **icmp_fields):
    return ether(IP(src=ROUTER, dst=VIP) / ICMP(**icmp_fields) / Raw(bytes(about)))


def error6(about, kind):
    return ether(IPv6(src=ROUTER6, dst=VIP6) / kind / Raw(bytes(about)))


FRAMES = {
    "tcp": tcp(1000, b"data"),
    "tcp-options": tcp(1001, tcp_options=[("MSS", 1460)], tcp_flags="S"),
    "ip-options": tcp(1002, b"data", ip_options=40),
    "udp": udp(1003, b"query"),
    "udp-options": udp(1004, ip_options=8),
    "quic": udp(1008, QUIC),
    "quic2": udp(1008, QUIC2),
    "long-options": tcp(1006, tcp_options=[("NOP", None)] * 40, flags="MF")[:62],
    "every-port": tcp(1010, b"data", dst="203.0.113.1", dport=22, tcp_flags="S"),
    "padded": udp(1005) + bytes(18),
    "first": udp(1006, bytes(32), flags="MF"),
    "later": udp(1006, bytes(32), frag=5, id=9),
    "tiny": tcp(1006, flags="MF")[:42],
    "icmp": icmp(),
    "full-size": udp(1007, bytes(1472)),
    "vlan": tagged(tcp(1009, b"data"), (0x8100, 100)),
    "qinq": tagged(udp6(1009, b"data"), (0x88A8, 7), (0x8100, 100)),
    "wildcard": tcp(1010, dst="203.0.113.9", dport=9999),
    "tcp6": tcp6(1000, b"data"),
    "udp6": udp6(1003, b"query"),
    "quic6": udp6(1008, QUIC),
    "prefix6": tcp6(1010, dst="2001:db8:6::77"),
    "chain": tcp6(1001, b"data", chain=CHAIN),
    "long-chain": udp6(1001, chain=[IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(28))])] * 3),
    "first6": udp6(1006, bytes(32), chain=[IPv6ExtHdrFragment(m=1, id=9)]),
    "first6-chain": udp6(1006, bytes(32), chain=[IPv6ExtHdrFragment(m=1), IPv6ExtHdrDestOpt()]),
    "later6": udp6(1006, bytes(32), chain=[IPv6ExtHdrFragment(offset=5, id=9)]),
    "echo6": echo6(),
    "echo": ether(IP(src=CLIENT, dst=VIP) / ICMP() / Raw(b"ping")),
    "stray": tcp(1011, b"data", dport=81, tcp_flags="S"),
    "stray6": tcp6(1011, b"data", dport=81, tcp_flags="FA"),
    "stray-udp": udp(1011, bytes(600), dport=54),
    "stray-udp6": udp6(1011, bytes(1300), dport=54),
    "big": tcp(1012, bytes(1600), flags="DF"),
    "big6": udp6(1012, bytes(1600)),
    "arp": bytes(Ether(src=ROUTER_MAC, dst="ff:ff:ff:ff:ff:ff") /
                 ARP(hwsrc=ROUTER_MAC, psrc=ROUTER, pdst=VIP)),
    "solicit": bytes(Ether(src=ROUTER_MAC, dst="33:33:ff:00:00:0a") /
                     IPv6(src=ROUTER6, dst="ff02::1:ff00:a", hlim=255) / ICMPv6ND_NS(tgt=VIP6) /
                     ICMPv6NDOptSrcLLAddr(lladdr=ROUTER_MAC)),
    "unreachable": error(BACK / TCP(sport=HTTP, dport=1000) / Raw(bytes(20)), type=3, code=4),
    "exceeded": error(bytes(BACK / UDP(sport=DNS, dport=1003))[:28], type=11),
    "quoted-options": error(bytes(IP(src=VIP, dst=CLIENT, options=[IPOption_NOP()] * 8) /
                                  TCP(sport=HTTP, dport=1002)), type=12),
    "too-big6": error6(BACK6 / TCP(sport=HTTP, dport=1000), ICMPv6PacketTooBig()),
    "quoted-chain": error6(BACK6 / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(m=1) /
                           UDP(sport=DNS, dport=1003), ICMPv6DestUnreach()),
}

# The first of two frames ends where the second begins: within 255 bytes.
PAIRS = {
    "fragments": in_fragments(udp(1020, bytes(120)), 7, 64),
    "fragments6": in_fragments(udp6(1020, bytes(120)), 7, 64),
    "overlap": [udp(1021, bytes(32), flags="MF", id=7), udp(1021, bytes(64), frag=2, id=7)],
    "refused": [udp(1021, bytes(32), dport=54, flags="MF", id=7), udp(1021, frag=5, id=7)],
    "big-fragments": [udp(1022, bytes(64), flags="MF", id=7),
                      udp(1022, bytes(1472), frag=9, id=7)],
}


def write(name, headroom, cut, frame):
    for view in range(2):  # hashed by tuple, and by source
        with open(os.path.join(sys.argv[1], "corpus", f"{name}-{view}"), "wb") as f:
            f.write(bytes((headroom | view << 7, cut)) + frame)


for name, frame in FRAMES.items():
    write(name, 0x38, 0x22, frame)
    write(f"{name}-tight", 2, 0, frame)  # cut at 0: whole, behind an empty one
for name, pair in PAIRS.items():
    write(name, 0x38, len(pair[0]), b"".join(pair[:2]))
