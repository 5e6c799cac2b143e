#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which backend: by flow, by weight, by service, on one worker and on two."""

import collections
import math
import random

from frames import (ETH, HTTP, OTHER_VIP, SERVICES, VIP, backend_mac, pool, tcp, udp)
from weirlab import Lab, check, equal, main, needs_two_cpus

BACKENDS = 10
MACS = {backend_mac(i): i for i in range(1000)}


def chosen(frames):
    return [MACS[f[0:6]] for f in frames]


def flows(count, seed=1):
    r = random.Random(seed)
    return [(f"10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}",
             r.randrange(1024, 65536)) for _ in range(count)]


def test_all_packets_of_a_flow_meet_one_backend():
    """SYN to FIN, with and without data, options, other TTLs, in any order."""
    packets = []
    for src, sport in flows(300):
        packets += [((src, sport, "tcp"), tcp(sport, src=src, tcp_flags="S",
                                              tcp_options=[("MSS", 1460)])),
                    ((src, sport, "tcp"), tcp(sport, b"GET /", src=src, tcp_flags="PA", ttl=9)),
                    ((src, sport, "tcp"), tcp(sport, src=src, tcp_flags="FA", tos=8)),
                    ((src, sport, "tcp"), tcp(sport, src=src, tcp_flags="R", ip_options=4)),
                    ((src, sport, "udp"), udp(sport, b"a", src=src)),
                    ((src, sport, "udp"), udp(sport, b"b" * 900, src=src, id=77))]
    random.Random(2).shuffle(packets)
    for mode in "l2", "ipip":
        result = Lab(pool(mode, BACKENDS) + SERVICES, [[p for _, p in packets]]).run()
        equal("drops", result.drops, {})
        owner = {}
        for (flow, _), backend in zip(packets, chosen(result.frames[0])):
            equal(f"backend of {flow}", owner.setdefault(flow, backend), backend)
        equal("backends used", len(set(owner.values())), BACKENDS)


def test_two_workers_choose_alike():
    needs_two_cpus()
    first = [tcp(sport, src=src) for src, sport in flows(500)]
    second = list(reversed(first))
    result = Lab(pool("l2", BACKENDS) + SERVICES, [[first, second]], workers=2).run()
    equal("drops", result.drops, {})
    equal("frames that left", len(result.frames[0]), 1000)
    owner = collections.defaultdict(list)
    for frame in result.frames[0]:
        owner[frame[ETH:]].append(MACS[frame[0:6]])
    for packet, backends in owner.items():
        equal("times a packet left", len(backends), 2)
        equal(f"backend of {packet[12:24].hex()}", backends[0], backends[1])


def test_the_choice_does_not_depend_on_the_order_of_the_file():
    frames = [tcp(sport, src=src) for src, sport in flows(500)]
    lines = pool("l2", BACKENDS).splitlines()
    backends = [line for line in lines if line.startswith("backend")]
    others = [line for line in lines if not line.startswith("backend")]
    one = Lab("\n".join(others + backends) + "\n" + SERVICES, [frames]).run()
    two = Lab("\n".join(others + backends[::-1]) + "\n" + SERVICES, [frames]).run()
    equal("backends of 500 flows", chosen(two.frames[0]), chosen(one.frames[0]))


def test_by_source_a_client_stays_on_one_backend():
    frames = [f for src, _ in flows(200)
              for f in (tcp(1111, src=src), tcp(2222, src=src), udp(3333, src=src))]
    result = Lab(pool("l2", BACKENDS, settings="hash = source") + SERVICES, [frames]).run()
    equal("drops", result.drops, {})
    owner = {}
    for frame, backend in zip(frames, chosen(result.frames[0])):
        client = frame[ETH + 12:ETH + 16]
        equal(f"backend of {client.hex('.')}", owner.setdefault(client, backend), backend)
    equal("backends used", len(set(owner.values())), BACKENDS)


def test_100000_flows_spread_by_weight():
    weights = [1, 2, 3, 4, 10]
    count = 100000
    base = tcp(1)
    frames = []
    for src, sport in flows(count, seed=3):
        frame = bytearray(base)
        frame[ETH + 12:ETH + 16] = bytes(int(part) for part in src.split("."))
        frame[ETH + 20:ETH + 22] = sport.to_bytes(2, "big")
        frames.append(bytes(frame))
    conf = pool("l2", len(weights), each=lambda i: f"weight={weights[i]}")
    result = Lab(conf + SERVICES, [frames]).run()
    equal("drops", result.drops, {})
    got = collections.Counter(chosen(result.frames[0]))
    for i, weight in enumerate(weights):
        share = weight / sum(weights)
        slots = result.backends[f"web/b{i}"]["slots"]
        check(abs(slots / 65537 / share - 1) < 0.01, f"b{i} has {slots} slots of 65537")
        sigma = math.sqrt(count * share * (1 - share))
        # the flows' own spread, and the slots' 1 %
        check(abs(got[i] - count * slots / 65537) < 4.5 * sigma,
              f"b{i} got {got[i]} flows, {count * slots / 65537:.0f} expected")


def test_weight_0_takes_no_flow_and_a_thousand_backends_do():
    frames = [tcp(sport, src=src) for src, sport in flows(3000)]
    conf = pool("l2", 50, each=lambda i: "weight=0" if i == 7 else "")
    result = Lab(conf + SERVICES, [frames]).run()
    equal("drops", result.drops, {})
    equal("flows of b7", chosen(result.frames[0]).count(7), 0)
    result = Lab(pool("l2", 1000) + SERVICES, [frames]).run()
    equal("drops", result.drops, {})
    check(len(set(chosen(result.frames[0]))) > 900, "most of 1,000 backends have a flow")


def test_only_flows_of_a_disabled_backend_go_elsewhere():
    frames = [tcp(sport, src=src) for src, sport in flows(2000)]
    before = Lab(pool("l2", BACKENDS) + SERVICES, [frames]).run()
    conf = pool("l2", BACKENDS, each=lambda i: "state=disabled" if i == 4 else "")
    after = Lab(conf + SERVICES, [frames]).run()
    equal("drops", after.drops, {})
    moved = collections.Counter()
    for old, new in zip(chosen(before.frames[0]), chosen(after.frames[0])):
        if old == 4:
            moved[new] += 1
        else:
            equal("backend of a flow that b4 never had", new, old)
    equal("b4's flows on b4", moved[4], 0)
    equal("backends that took some of them", len(moved), BACKENDS - 1)


def test_without_a_backend_that_serves_packets_are_counted():
    frames = [tcp(sport, src=src) for src, sport in flows(50)]
    result = Lab(pool("l2", 3, each=lambda i: "state=disabled") + SERVICES, [frames]).run()
    equal("drops", result.drops, {"no-backend": 50})
    equal("frames that left", len(result.frames[0]), 0)


def test_the_exact_port_wins_over_every_port():
    conf = (pool("l2", 1) + pool("l2", 1).replace("[pool web]", "[pool rest]")
            .replace("b0 = 10.0.1.1 mac=02:00:00:01:00:00", "b1 = 10.0.1.2 mac=02:00:00:01:00:01")
            + SERVICES + f"[service rest]\nvip = {VIP}\nprotocol = tcp\nport = 0\npool = rest\n")
    frames = [tcp(1000 + i, dport=(HTTP, 81, 1, 65535, 22)[i % 5]) for i in range(100)]
    result = Lab(conf, [frames]).run()
    equal("drops", result.drops, {})
    equal("backends", chosen(result.frames[0]), [0, 1, 1, 1, 1] * 20)
    equal("packets of rest", result.services["rest"]["packets"], 80)


def test_services_of_two_vips_do_not_mix():
    conf = (pool("l2", 1) + pool("l2", 1).replace("[pool web]", "[pool rest]")
            .replace("b0 = 10.0.1.1 mac=02:00:00:01:00:00", "b1 = 10.0.1.2 mac=02:00:00:01:00:01")
            + SERVICES
            + f"[service other]\nvip = {OTHER_VIP}\nprotocol = tcp\nport = {HTTP}\npool = rest\n")
    frames = [tcp(1000 + i, dst=(VIP, OTHER_VIP)[i % 2]) for i in range(100)]
    frames += [udp(2000, dst=OTHER_VIP)]
    result = Lab(conf, [frames]).run()
    equal("drops", result.drops, {"stray": 1})
    equal("backends", chosen(result.frames[0]), [0, 1] * 50)


if __name__ == "__main__":
    main(globals())
