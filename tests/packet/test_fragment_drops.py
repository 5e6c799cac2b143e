#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fragments that are dropped: for whom they are counted. The VIP is known of each; the service
and the backend, where the first one of the datagram had come to them."""

from frames import (CLIENT, CLIENT6, DNS, OTHER_VIP, SERVICES, SERVICES6, VIP, VIP6, backend_mac,
                    ether, in_fragments, pool, udp, udp6)
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.packet import Raw
from weirlab import Lab, equal, main

BACKENDS = 10
ELSEWHERE = f"[service other]\nvip = {OTHER_VIP}\nprotocol = udp\nport = {DNS}\npool = web\n"
SETTINGS = pool("l2", BACKENDS) + SERVICES + SERVICES6 + ELSEWHERE
SILENT = f"[vip {VIP}]\nstrays = drop\n[vip {VIP6}]\nstrays = drop\n"
SERVICE = {4: "dns", 6: "dns6"}
ADDRESS = {4: VIP, 6: VIP6}
DATA = bytes(range(256)) * 40


def part(family, off, length, more=True, dport=DNS):
    """Bytes of one datagram, a UDP header in front."""
    data = bytes(UDP(sport=4000, dport=dport, len=8 + len(DATA))) + DATA
    if family == 6:
        head = IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrFragment(id=7, nh=17, m=more,
                                                                offset=off // 8)
    else:
        head = IP(src=CLIENT, dst=VIP, id=7, proto=17, frag=off // 8, flags="MF" if more else 0)
    return ether(head / Raw(data[off:off + length]))


def owner(family):
    """The backend of the datagrams' flow."""
    frame = udp(4000) if family == 4 else udp6(4000)
    result = Lab(SETTINGS, [[frame]]).run()
    return next(f"b{i}" for i in range(BACKENDS) if backend_mac(i) == result.frames[0][0][:6])


def occurred(lab, **whose):
    return {d["name"]: d["packets"] for d in lab.rpc("drops", whose)["drops"] if d["packets"]}


def assert_counted(frames, family, vip=None, known=None, left=0):
    """vip: drops that are counted for the VIP alone; known: those for service and backend."""
    vip, known, seen = vip or {}, known or {}, {}

    def ask(lab):
        seen["VIPs"] = {a: occurred(lab, vip=a) for a in (VIP, VIP6, OTHER_VIP)}

    result = Lab(SETTINGS + SILENT, [frames]).run(ask)
    services = {name: s["drops"] for name, s in result.services.items() if s["drops"]}
    backends = {name: b["drops"] for name, b in result.backends.items() if b["drops"]}
    equal("drops of VIPs", seen["VIPs"],
          {a: vip if a == ADDRESS[family] else {} for a in (VIP, VIP6, OTHER_VIP)})
    equal("drops of services", services, {SERVICE[family]: known} if known else {})
    equal("drops of backends", backends, {f"web/{owner(family)}": known} if known else {})
    equal("drops in all", result.drops, {reason: vip.get(reason, 0) + known.get(reason, 0)
                                         for reason in vip | known})
    equal("frames that left", len(result.frames[0]), left)


def test_without_a_first_one_only_the_vip_is_known():
    for family in 4, 6:
        assert_counted([part(family, 1480 * i, 1480) for i in range(1, 6)], family,
                       vip={"fragment": 5})


def test_so_it_is_of_one_datagram_that_would_fill_the_queue():
    for family in 4, 6:
        assert_counted([part(family, 80 * i, 80) for i in range(1, 61)], family,
                       vip={"fragment": 48, "fragment-full": 12})


def test_and_of_those_that_give_way_to_others():
    frames = [in_fragments(udp(1000 + i, bytes(2000)), i)[1] for i in range(300)]
    assert_counted(frames, 4, vip={"fragment": 256, "fragment-full": 44})


def test_what_overlaps_a_known_datagram_is_its_services_and_backends():
    for family in 4, 6:
        frames = [part(family, 0, 800), part(family, 800, 800), part(family, 792, 800),
                  part(family, 2400, 800), part(family, 3200, 800)]
        assert_counted(frames, family, known={"fragment-overlap": 3}, left=2)


BETWEEN = [udp(5000 + i) for i in range(64)]  # more than a burst


def test_so_is_a_first_one_that_overlaps():
    """In one burst with the other, or behind it. What is a stray first of all stays one."""
    for family in 4, 6:
        for apart in [], BETWEEN:
            for dport, vip, known in ((DNS, {}, {"fragment-overlap": 2}),
                                      (9, {"stray": 1}, {"fragment-overlap": 1})):
                frames = [part(family, 0, 800), *apart, part(family, 0, 808, dport=dport),
                          *BETWEEN, part(family, 1600, 800)]
                assert_counted(frames, family, vip, known,
                               left=1 + len(BETWEEN) + len(apart))


def test_of_a_stray_that_is_overlapped_only_the_vip_is_known():
    for family in 4, 6:
        frames = [part(family, 0, 800, dport=9), *BETWEEN, part(family, 0, 808), *BETWEEN,
                  part(family, 1600, 800)]
        assert_counted(frames, family, vip={"stray": 1, "fragment-overlap": 2},
                       left=2 * len(BETWEEN))


def test_more_pieces_than_are_noted_are_their_services_and_backends():
    """19 without neighbours, the first one among them."""
    for family in 4, 6:
        frames = [part(family, 16 * i, 8) for i in range(24)]
        assert_counted(frames, family, known={"fragment-full": 5}, left=19)


def test_what_the_first_one_met_the_others_meet_at_its_backend():
    conf = SETTINGS.replace("mode = l2", "mode = l2\nmtu = 700\ntoo_big = drop")
    for frames in ([part(4, 0, 800), part(4, 800, 400), part(4, 1200, 400)],
                   [part(4, 1200, 400), part(4, 800, 400), part(4, 0, 800)]):
        result = Lab(conf, [frames]).run()
        equal("drops", result.drops, {"too-big": 3})
        equal("drops of the service", result.services["dns"]["drops"], {"too-big": 3})
        equal("drops of the backend", result.backends[f"web/{owner(4)}"]["drops"], {"too-big": 3})


if __name__ == "__main__":
    main(globals())
