# SPDX-License-Identifier: Apache-2.0
"""Frames as clients send them, made with scapy, and the configurations they meet."""

import logging

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, fragment  # noqa: E402
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest,  # noqa: E402
                                ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded,
                                IPv6, IPv6ExtHdrFragment, fragment6)
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

ROUTER_MAC = "02:00:5e:00:00:01"
PORT_MAC = "02:00:5e:00:00:02"  # net_pcap takes every destination
CLIENT = "198.51.100.7"
VIP = "203.0.113.10"
OTHER_VIP = "203.0.113.11"
NO_VIP = "203.0.113.99"
CLIENT6 = "2001:db8:c::7"
VIP6 = "2001:db8:5::a"
NO_VIP6 = "2001:db8:5::99"
ROUTER, ROUTER6 = "192.0.2.1", "2001:db8:4::1"  # who sends ICMP errors
OUTER_SOURCE = "10.0.0.1"
OUTER_SOURCE6 = "2001:db8:f::1"
ETH = 14
OUTER = 20

HTTP, DNS = 80, 53

# What a router says, IPv4 as fields of ICMP().
ERRORS = [dict(type=3, code=0), dict(type=3, code=4, nexthopmtu=1400), dict(type=11, code=0),
          dict(type=12, code=0, ptr=20)]
ERRORS6 = [ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=1400), ICMPv6TimeExceeded(),
           ICMPv6ParamProblem(ptr=40)]

SERVICES = f"""
[service www]
vip = {VIP}
protocol = tcp
port = {HTTP}
pool = web
[service dns]
vip = {VIP}
protocol = udp
port = {DNS}
pool = web
"""

SERVICES6 = f"""
[service www6]
vip = {VIP6}
protocol = tcp
port = {HTTP}
pool = web
[service dns6]
vip = {VIP6}
protocol = udp
port = {DNS}
pool = web
"""


def backend_mac(i):
    return bytes((2, 0, 0, 1, i >> 8, i & 0xFF))


def backend_address(i, family=4):
    if family == 6:
        return f"2001:db8:b::{1 + i:x}"
    return f"10.0.{1 + i // 250}.{1 + i % 250}"


def mac_text(mac):
    return mac.hex(":")


def pool(mode, backends=3, port="p0", settings="", each=lambda i: "", family=4, source=None):
    """The section [pool web]; backend number i is "b<i>", with each(i) behind it. family:
    of the backends' addresses; source: what outer_source is if not one address of ours."""
    lines = ["[pool web]", f"mode = {mode}", "check = none", settings]
    if mode != "l2":
        lines.append(f"outer_source = {source or (OUTER_SOURCE if family == 4 else OUTER_SOURCE6)}")
    for i in range(backends):
        lines.append(f"backend b{i} = {backend_address(i, family)} mac={mac_text(backend_mac(i))} "
                     f"port={port} {each(i)}")
    return "\n".join(lines) + "\n"


def ether(packet, **fields):
    return bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC, **fields) / packet)


def ipv4(ip_options=0, **fields):
    """ip_options: bytes of IP options, a multiple of 4 up to 40."""
    return IP(**{"src": CLIENT, "dst": VIP, "options": [IPOption_NOP()] * ip_options, **fields})


def tcp(sport, payload=b"", tcp_flags="A", dport=HTTP, tcp_options=(), **ip):
    return ether(ipv4(**ip) / TCP(sport=sport, dport=dport, flags=tcp_flags, seq=sport,
                                  options=list(tcp_options)) / Raw(payload))


def udp(sport, payload=b"", dport=DNS, **ip):
    return ether(ipv4(**ip) / UDP(sport=sport, dport=dport) / Raw(payload))


def icmp(**ip):
    return ether(ipv4(**ip) / ICMP() / Raw(b"ping"))


def ipv6(**fields):
    return IPv6(**{"src": CLIENT6, "dst": VIP6, **fields})


def tcp6(sport, payload=b"", tcp_flags="A", dport=HTTP, chain=(), **ip):
    """chain: extension headers, scapy's, between the IPv6 header and that of TCP."""
    return ether(behind(ipv6(**ip), chain) / TCP(sport=sport, dport=dport, flags=tcp_flags,
                                                 seq=sport) / Raw(payload))


def udp6(sport, payload=b"", dport=DNS, chain=(), **ip):
    return ether(behind(ipv6(**ip), chain) / UDP(sport=sport, dport=dport) / Raw(payload))


def behind(packet, headers):
    for header in headers:
        packet = packet / header
    return packet


def echo6(**ip):
    return ether(ipv6(**ip) / ICMPv6EchoRequest(data=b"ping"))


def back4(client, sport, proto, options=0, **ip):
    """What the backend sent: from the VIP's service to the client."""
    l4 = TCP(sport=HTTP, dport=sport) if proto == "tcp" else UDP(sport=DNS, dport=sport)
    return IP(**{"src": VIP, "dst": client, "options": [IPOption_NOP()] * options,
                 **ip}) / l4 / Raw(bytes(1200))


def back6(client, sport, proto, chain=(), **ip):
    l4 = TCP(sport=HTTP, dport=sport) if proto == "tcp" else UDP(sport=DNS, dport=sport)
    return behind(IPv6(**{"src": VIP6, "dst": client, **ip}), chain) / l4 / Raw(bytes(1200))


def error4(quote, length, dst=VIP, **fields):
    """length: how many bytes of the packet are quoted."""
    return ether(IP(src=ROUTER, dst=dst) / ICMP(**(fields or ERRORS[1])) /
                 Raw(bytes(quote)[:length]))


def error6(quote, length, kind=None, dst=VIP6):
    return ether(IPv6(src=ROUTER6, dst=dst) / (kind or ERRORS6[1]) / Raw(bytes(quote)[:length]))


def in_fragments(frame, number, size=1480):
    """The packet of a frame without tags in fragments with this identification, each but
    the last with `size` bytes, a multiple of 8."""
    packet = Ether(frame).payload
    if packet.version == 4:
        packet.id = number
        del packet.chksum
        parts = fragment(packet, fragsize=size)
    else:
        data = packet.payload
        packet.remove_payload()
        del packet.nh, packet.plen
        parts = fragment6(packet / IPv6ExtHdrFragment(id=number) / data, size + 20)
    return [ether(part) for part in parts]


def tagged(frame, *tags):
    """The frame with VLAN tags, the outermost first: (TPID, TCI) each."""
    tag = b"".join(tpid.to_bytes(2, "big") + tci.to_bytes(2, "big") for tpid, tci in tags)
    return frame[:12] + tag + frame[12:]


def client_packet(frame):
    """The IP packet of a frame that a client sent, without tags or padding of the link."""
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    at += 2
    if frame[at - 2:at] == b"\x86\xdd":
        return frame[at:at + 40 + int.from_bytes(frame[at + 4:at + 6], "big")]
    return frame[at:at + int.from_bytes(frame[at + 2:at + 4], "big")]


def checksum(data):
    """RFC 1071, as it is written there."""
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
