# SPDX-License-Identifier: Apache-2.0
"""Frames as clients send them, made with scapy, and the configurations they meet."""

import logging

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

ROUTER_MAC = "02:00:5e:00:00:01"
PORT_MAC = "02:00:5e:00:00:02"  # net_pcap takes every destination
CLIENT = "198.51.100.7"
VIP = "203.0.113.10"
OTHER_VIP = "203.0.113.11"
NO_VIP = "203.0.113.99"
OUTER_SOURCE = "10.0.0.1"
ETH = 14
OUTER = 20

HTTP, DNS = 80, 53

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


def backend_mac(i):
    return bytes((2, 0, 0, 1, i >> 8, i & 0xFF))


def backend_address(i):
    return f"10.0.{1 + i // 250}.{1 + i % 250}"


def mac_text(mac):
    return mac.hex(":")


def pool(mode, backends=3, port="p0", settings="", each=lambda i: ""):
    """The section [pool web]; backend number i is "b<i>", with each(i) behind it."""
    lines = ["[pool web]", f"mode = {mode}", "check = none", settings]
    if mode == "ipip":
        lines.append(f"outer_source = {OUTER_SOURCE}")
    for i in range(backends):
        lines.append(f"backend b{i} = {backend_address(i)} mac={mac_text(backend_mac(i))} "
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


def client_packet(frame):
    """The IP packet of a frame that a client sent, without padding of the link."""
    return frame[ETH:ETH + int.from_bytes(frame[ETH + 2:ETH + 4], "big")]


def checksum(data):
    """RFC 1071, as it is written there."""
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
