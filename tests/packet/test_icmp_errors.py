#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ICMP errors reach the backend of the flow that they are about, on one queue and on two."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.packet import Raw

from frames import (ERRORS, ERRORS6, ETH, NO_VIP, NO_VIP6, ROUTER, ROUTER6, SERVICES, SERVICES6,
                    VIP, VIP6, back4, back6, backend_mac, client_packet, error4, error6, ether,
                    pool, tcp, tcp6, udp, udp6)
from weirlab import Lab, equal, main, needs_two_cpus

BACKENDS = 20
MACS = {backend_mac(i): i for i in range(BACKENDS)}

def flows(count):
    """(family, client's address, port, protocol)"""
    r = random.Random(4)
    return [(4 + i % 4 // 2 * 2, f"198.51.{r.randrange(256)}.{r.randrange(1, 255)}" if i % 4 < 2
             else f"2001:db8:c::{r.randrange(1, 65536):x}", r.randrange(1024, 65536),
             "tcp" if i % 2 else "udp") for i in range(count)]


def of_flow(family, client, sport, proto):
    if family == 6:
        return (tcp6 if proto == "tcp" else udp6)(sport, b"data", src=client)
    return (tcp if proto == "tcp" else udp)(sport, b"data", src=client)


def errors_of(i, family, client, sport, proto):
    """Every kind of error, with as little and as much of the quote as routers send."""
    if family == 6:
        chain = [[], [IPv6ExtHdrDestOpt()], [IPv6ExtHdrFragment(m=1, id=i)],
                 [IPv6ExtHdrFragment(id=i), IPv6ExtHdrDestOpt()]][i % 4]
        least = 40 + 8 * len(chain) + 8
        return [error6(back6(client, sport, proto, chain), (least, least + 12, 1232)[n % 3], kind)
                for n, kind in enumerate(ERRORS6)]
    options = i % 11 * 4
    least = 20 + options + 8
    flags = ["DF", 0, "MF"][i % 3]
    return [error4(back4(client, sport, proto, options, flags=flags),
                   (least, least + 12, 548)[n % 3], **fields)
            for n, fields in enumerate(ERRORS)]


def conf(mode, family=4, **settings):
    return pool(mode, BACKENDS, family=family, **settings) + SERVICES + SERVICES6


def test_errors_reach_the_backend_of_their_flow():
    frames, about = [], []
    for i, flow in enumerate(flows(200)):
        mine = [of_flow(*flow)] + errors_of(i, *flow)
        frames += mine
        about += [flow] * len(mine)
    for mode, family, head in (("l2", 4, 0), ("ipip", 4, 20), ("ipip", 6, 40), ("gue", 4, 32)):
        result = Lab(conf(mode, family), [frames]).run()
        equal("drops", result.drops, {})
        equal("frames that left", len(result.frames[0]), len(frames))
        owner = {}
        for sent, got, flow in zip(frames, result.frames[0], about):
            backend = MACS[got[0:6]]
            equal(f"backend of {flow}", backend, owner.setdefault(flow, backend))
            equal("packet", got[ETH + head:], client_packet(sent))
        equal("backends used", len(set(owner.values())), BACKENDS)


def test_errors_by_another_queue_reach_the_same_backend():
    needs_two_cpus()
    all_flows = flows(200)
    packets = [of_flow(*flow) for flow in all_flows]
    errors = [f for i, flow in enumerate(all_flows) for f in errors_of(i, *flow)]
    lab = Lab(conf("l2"), [[packets, errors]], workers=2)
    result = lab.run()
    equal("drops", result.drops, {})
    owner = {packet[ETH:]: MACS[packet[0:6]] for packet in result.frames[0]}
    equal("packets that left", len(owner), len(packets) + len(errors))
    for i, flow in enumerate(all_flows):
        want = owner[client_packet(of_flow(*flow))]
        for frame in errors_of(i, *flow):
            equal(f"backend of an error about {flow}", owner[client_packet(frame)], want)


def test_by_source_the_error_follows_the_client():
    frames, about = [], []
    for i, flow in enumerate(flows(100)):
        frames += [of_flow(*flow)] + errors_of(i, *flow)
        about += [flow] * 5
    result = Lab(conf("l2", settings="hash = source"), [frames]).run()
    equal("drops", result.drops, {})
    owner = {}
    for got, flow in zip(result.frames[0], about):
        backend = MACS[got[0:6]]
        equal(f"backend of {flow[1]}", backend, owner.setdefault(flow[1], backend))


def test_errors_that_quote_no_flow_of_the_vip():
    client, client6 = "198.51.100.7", "2001:db8:c::7"
    quote, quote6 = back4(client, 5000, "tcp"), back6(client6, 5000, "tcp")
    cases = [
        error4(quote, 27), error4(quote, 20), error4(quote, 0), error4(quote, 19),
        error4(back4(client, 5000, "tcp", options=20), 47),
        error4(back4(client, 5000, "tcp", frag=100), 600),
        error4(back4(client, 5000, "tcp", src=NO_VIP), 600),  # another's packet
        error4(IP(src=VIP, dst=client) / ICMP(type=0) / Raw(bytes(40)), 600),
        error4(IP(src=VIP, dst=client, proto=132) / Raw(bytes(40)), 600),
        error4(IP(src=VIP, dst=client) / TCP(sport=81, dport=5000), 600),  # no service
        error4(bytes(quote6), 600),
        error6(quote6, 47), error6(quote6, 40), error6(quote6, 0), error6(quote6, 39),
        error6(back6(client6, 5000, "tcp", [IPv6ExtHdrDestOpt()]), 55),
        error6(back6(client6, 5000, "tcp", [IPv6ExtHdrFragment(offset=100)]), 600),
        error6(back6(client6, 5000, "tcp", src=NO_VIP6), 600),
        error6(IPv6(src=VIP6, dst=client6, nh=132) / Raw(bytes(40)), 600),
        error6(IPv6(src=VIP6, dst=client6) / UDP(sport=54, dport=5000), 600),
        error6(IPv6(src=VIP6, dst=client6, nh=60) / Raw(b"\x06\xff" + bytes(60)), 600),
        error6(bytes(quote), 600),
    ]
    result = Lab(conf("ipip"), [cases]).run()
    equal("drops", result.drops, {"bad-quote": len(cases)})


def test_errors_to_others_are_not_ours():
    client, client6 = "198.51.100.7", "2001:db8:c::7"
    cases = [error4(back4(client, 5000, "tcp", src=NO_VIP), 600, dst=NO_VIP),
             error4(back4(client, 5000, "tcp"), 600, dst=NO_VIP),
             error6(back6(client6, 5000, "tcp", src=NO_VIP6), 600, dst=NO_VIP6),
             error6(back6(client6, 5000, "tcp"), 600, dst=NO_VIP6)]
    result = Lab(conf("ipip"), [cases]).run()
    equal("drops", result.drops, {"not-a-vip": len(cases)})


def test_what_is_no_error_goes_to_no_backend():
    quote = back4("198.51.100.7", 5000, "tcp")
    quote6 = back6("2001:db8:c::7", 5000, "tcp")
    # source quench, redirect, timestamp, echo replies; RS, NA, redirect, MLD
    cases = [ether(IP(src=ROUTER, dst=VIP) / ICMP(type=kind) / Raw(bytes(quote)[:60]))
             for kind in (0, 4, 5, 9, 10, 13, 14, 255)]
    cases += [ether(IPv6(src=ROUTER6, dst=VIP6, nh=58) / Raw(bytes((kind, 0, 0, 0, 0, 0, 0, 0)) +
                                                             bytes(quote6)[:60]))
              for kind in (0, 5, 127, 129, 130, 133, 136, 137, 255)]
    result = Lab(conf("ipip"), [cases]).run()
    equal("drops", result.drops, {"unsupported-l4": len(cases)})


if __name__ == "__main__":
    main(globals())
