#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Both families in every encapsulation: each field of what is put in front."""

import collections
import ipaddress
import socket

from scapy.layers.inet6 import (IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting)

from frames import (CLIENT6, DNS, ETH, HTTP, OUTER_SOURCE, OUTER_SOURCE6, ROUTER_MAC, SERVICES,
                    SERVICES6, VIP6, backend_address, backend_mac, checksum, client_packet, pool, tagged, tcp, tcp6, udp, udp6)
from weirlab import Lab, check, equal, main

BACKENDS = 3
MACS = {backend_mac(i): i for i in range(BACKENDS)}
GUE_PORT = 6080


def variety():
    """Packets of both families that differ in all that Weir must leave alone."""
    frames = []
    for i in range(120):
        data, tos = bytes(range(i)), i * 37 % 256
        ip = {"src": f"198.51.100.{1 + i}", "tos": tos, "ttl": 1 + i * 13 % 255, "id": i * 401}
        ip6 = {"src": f"2001:db8:c::{1 + i:x}", "tc": tos, "fl": i * 7919 % 2**20,
               "hlim": 1 + i * 13 % 255}
        frames += [tcp(1000 + i, data, tcp_flags="SFRPAUEC"[i % 8], ip_options=i % 11 * 4, **ip),
                   udp(1000 + i, data, **ip),
                   tcp6(1000 + i, data, tcp_flags="SFRPAUEC"[i % 8], **ip6),
                   udp6(1000 + i, data, **ip6)]
    return frames


def chains():
    """IPv6 packets with every extension header there is, and several of them."""
    hop, dst, route = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(segleft=0)
    atomic = IPv6ExtHdrFragment(id=77)
    kinds = [[hop], [dst], [route], [atomic], [hop, dst], [hop, route, dst],
             [hop, dst, route, atomic, dst], [dst] * 7, [hop] + [dst] * 7]
    return [make(3000 + i, bytes(50), chain=chain)
            for i, chain in enumerate(kinds) for make in (tcp6, udp6)]


def number(data):
    return int.from_bytes(data, "big")


def tos_of(inner):
    return inner[1] if inner[0] >> 4 == 4 else number(inner[:2]) >> 4 & 0xFF


def check_outer4(outer, inner, backend, protocol, length, source):
    equal("version and header length", outer[0], 0x45)
    equal("type of service", outer[1], tos_of(inner))
    equal("total length", number(outer[2:4]), length + 20)
    equal("identification", outer[4:6], b"\0\0")
    equal("flags and fragment offset", outer[6:8], b"\x40\0")
    equal("TTL", outer[8], 64)
    equal("protocol", outer[9], protocol)
    equal("sum over the outer header", checksum(outer), 0)
    check(ipaddress.ip_address(outer[12:16]) in ipaddress.ip_network(source), "outer source")
    equal("outer destination", socket.inet_ntop(socket.AF_INET, outer[16:20]),
          backend_address(backend))


def check_outer6(outer, inner, backend, protocol, length, source):
    equal("version", outer[0] >> 4, 6)
    equal("traffic class", tos_of(outer), tos_of(inner))
    equal("payload length", number(outer[4:6]), length)
    equal("next header", outer[6], protocol)
    equal("hop limit", outer[7], 64)
    check(ipaddress.ip_address(outer[8:24]) in ipaddress.ip_network(source), "outer source")
    equal("outer destination", socket.inet_ntop(socket.AF_INET6, outer[24:40]),
          backend_address(backend, 6))


def check_gue(header, protocol, length):
    check(number(header[0:2]) >= 49152, "the UDP source port is no ephemeral one")
    equal("UDP destination port", number(header[2:4]), GUE_PORT)
    equal("UDP length", number(header[4:6]), length)
    equal("UDP checksum", header[6:8], b"\0\0")
    equal("GUE version, C and header length", header[8], 0)
    equal("GUE protocol", header[9], protocol)
    equal("GUE flags", header[10:12], b"\0\0")


def check_frame(frame, sent, mac, mode, family, source):
    """Returns the parts of the outer header that come from the flow hash."""
    inner = client_packet(sent)
    protocol = 4 if inner[0] >> 4 == 4 else 41
    check(frame[0:6] in MACS, f"destination {frame[0:6].hex(':')} is no backend's MAC")
    backend = MACS[frame[0:6]]
    equal("source MAC", frame[6:12], mac)
    if mode == "l2":
        equal("Ethernet type", frame[12:14], b"\x08\x00" if protocol == 4 else b"\x86\xdd")
        equal("client's packet", frame[ETH:], inner)
        return None
    head = 40 if family == 6 else 20
    behind = 12 if mode == "gue" else 0
    outer = frame[ETH:ETH + head]
    equal("Ethernet type", frame[12:14], b"\x08\x00" if family == 4 else b"\x86\xdd")
    (check_outer6 if family == 6 else check_outer4)(
        outer, inner, backend, 17 if mode == "gue" else protocol, len(inner) + behind, source)
    if mode == "gue":
        check_gue(frame[ETH + head:], protocol, len(inner) + behind)
    equal("client's packet", frame[ETH + head + behind:], inner)
    flow = [outer[8:24] if family == 6 else outer[12:16]]
    if family == 6:
        flow.append(number(outer[0:4]) & 0xFFFFF)
    if mode == "gue":
        flow.append(number(frame[ETH + head:ETH + head + 2]))
    return flow


def forwarded(mode, family, frames, source=None, strip=0, **settings):
    """Run, and check each frame that left against the one that came: order is kept."""
    conf = pool(mode, BACKENDS, family=family, source=source, **settings) + SERVICES + SERVICES6
    result = Lab(conf, [frames]).run()
    equal("drops", result.drops, {})
    equal("frames that left", len(result.frames[0]), len(frames))
    net = source or (OUTER_SOURCE if family == 4 else OUTER_SOURCE6)
    return [check_frame(got[:12] + got[12 + strip:], sent, result.macs[0], mode, family, net)
            for sent, got in zip(frames, result.frames[0])]


EVERY_WAY = [("l2", 4), ("l2", 6), ("ipip", 4), ("ipip", 6), ("gue", 4), ("gue", 6)]


def test_every_header_around_both_families():
    for mode, family in EVERY_WAY:
        forwarded(mode, family, variety())


def test_extension_headers_are_walked_and_left_alone():
    for mode, family in EVERY_WAY:
        forwarded(mode, family, chains())


def test_every_traffic_class_in_both_directions():
    frames = [make for tos in range(256) for make in (tcp(5000, tos=tos), tcp6(5000, tc=tos))]
    for mode, family in EVERY_WAY[2:]:
        forwarded(mode, family, frames)


def test_tags_that_came_do_not_leave():
    tags = [[(0x8100, 0x6064)], [(0x88A8, 7)], [(0x88A8, 7), (0x8100, 100)],
            [(0x8100, 7), (0x8100, 8)]]
    frames = [tagged(frame, *tags[i % len(tags)]) for i, frame in enumerate(variety())]
    for mode, family in EVERY_WAY:
        forwarded(mode, family, frames)


def test_from_trunk_to_trunk():
    """Tagged or not, one tag or two: what leaves has the next hop's tag."""
    frames = variety()
    frames += [tagged(f, (0x8100, 5)) for f in frames[:100]]
    frames += [tagged(f, (0x88A8, 6), (0x8100, 5)) for f in frames[:100]]
    for mode, family in EVERY_WAY:
        conf = pool(mode, BACKENDS, family=family, each=lambda i: "vlan=300")
        result = Lab(conf + SERVICES + SERVICES6, [frames]).run()
        equal("drops", result.drops, {})
        equal("frames that left", len(result.frames[0]), len(frames))
        for sent, got in zip(frames, result.frames[0]):
            equal("tag", got[12:16], b"\x81\x00\x01\x2c")
            check_frame(got[:12] + got[16:], sent, result.macs[0], mode, family,
                        OUTER_SOURCE if family == 4 else OUTER_SOURCE6)


def test_padding_stays_outside_of_the_tunnel():
    frames = [f + b"\x55" * max(0, 60 - len(f)) for f in (udp(1), tcp(2), udp(3, b"a"))]
    frames += [f + b"\x55" * 20 for f in (udp6(1), tcp6(2), tagged(udp6(3), (0x8100, 1)))]
    for mode, family in EVERY_WAY[2:]:
        forwarded(mode, family, frames)


def flows_of(parts):
    """By flow: what came of its hash; each flow sent its packets in a row of four."""
    for i in range(0, len(parts), 4):
        for other in parts[i + 1:i + 4]:
            equal("what comes from the flow hash, of one flow", other, parts[i])
    return parts[::4]


def test_one_flow_has_one_outer_source_and_many_have_many():
    frames = []
    for i in range(300):
        make = tcp if i % 2 else tcp6
        frames += [make(2000 + i, bytes(n)) for n in (0, 10, 100, 1000)]
    for mode, family, source, size in (("ipip", 4, "10.64.0.0/16", 65536),
                                       ("ipip", 4, "10.64.0.0/28", 16),
                                       ("ipip", 6, "2001:db8:f::/64", 2**64),
                                       ("ipip", 6, "2001:db8:f::/124", 16),
                                       ("gue", 4, "10.64.0.0/20", 4096)):
        flows = flows_of(forwarded(mode, family, frames, source=source))
        sources = collections.Counter(flow[0] for flow in flows)
        # 300 flows on `size` addresses: at least two of three are not shared
        check(len(sources) >= min(16, size) if size <= 16 else len(sources) > 200,
              f"{len(sources)} outer sources out of {source} for 300 flows")
        if size == 16:
            check(max(sources.values()) < 50, f"one of 16 addresses has {max(sources.values())}")


def test_one_flow_has_one_label_and_one_gue_port():
    frames = [f for i in range(300) for f in [tcp6(2000 + i, bytes(n)) for n in (0, 9, 99, 999)]]
    for mode, family in (("ipip", 6), ("gue", 4), ("gue", 6)):
        flows = flows_of(forwarded(mode, family, frames))
        for part in range(1, len(flows[0])):
            check(len({flow[part] for flow in flows}) > 280, f"{mode} over IPv{family} repeats")


def test_what_fits_is_told_by_the_overhead():
    overhead = {("l2", 4): 0, ("l2", 6): 0, ("ipip", 4): 20, ("ipip", 6): 40, ("gue", 4): 32,
                ("gue", 6): 52}
    for way in EVERY_WAY:
        most = 1500 - overhead[way]
        frames = []
        for n in range(most - 2, most + 1):
            frames += [udp(1, bytes(n - 28)), udp6(1, bytes(n - 48))]
        forwarded(*way, frames)
        big = [udp(1, bytes(most - 27), flags="DF"), udp6(1, bytes(most - 47))]
        result = Lab(pool(way[0], BACKENDS, family=way[1]) + SERVICES + SERVICES6, [big]).run()
        equal("MACs that got something", {f[0:6].hex(":") for f in result.frames[0]}, {ROUTER_MAC})


def test_explain_says_where_an_ipv6_packet_would_go():
    frames = [tcp6(9000 + i) for i in range(20)] + [udp6(9000 + i) for i in range(20)]
    told = []

    def ask(lab):
        for i in range(40):
            told.append(lab.rpc("explain", {
                "protocol": "tcp" if i < 20 else "udp",
                "source": f"[{CLIENT6}]:{9000 + i % 20}",
                "destination": f"[{VIP6}]:{HTTP if i < 20 else DNS}"}))

    for mode, family in EVERY_WAY:
        told.clear()
        result = Lab(pool(mode, BACKENDS, family=family) + SERVICES6, [frames]).run(ask)
        for got, answer in zip(result.frames[0], told):
            equal("backend", (answer["pool"], answer["backend"]), ("web", f"b{MACS[got[0:6]]}"))
            check(answer["drop"] in (None, "none"), f"explain says drop {answer['drop']}")
        equal("services", [answer["service"] for answer in told], ["www6"] * 20 + ["dns6"] * 20)


if __name__ == "__main__":
    main(globals())
