#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fragments: all of a datagram at the backend of its flow, whatever becomes of their order."""

import collections
import random

from frames import (CLIENT, CLIENT6, DNS, ETH, NO_VIP, NO_VIP6, OUTER, SERVICES, SERVICES6, VIP,
                    VIP6, back4, back6, backend_mac, checksum, client_packet, error4, error6, ether,
                    in_fragments, pool, tcp, udp)
from weirlab import Lab, check, equal, main, needs_two_cpus

from scapy.layers.inet import ICMP, IP, UDP, IPOption_NOP, defragment, fragment
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                fragment6)
from scapy.packet import Raw

BACKENDS = 10
MACS = {backend_mac(i): i for i in range(BACKENDS)}
SETTINGS = pool("l2", BACKENDS) + SERVICES + SERVICES6


class Datagram:
    """`whole`: the frame in one piece; `frames`: in fragments, in order."""

    def __init__(self, number, payload, size=1480, family=4, sport=None, **ip):
        sport = sport or 1000 + number
        data = UDP(sport=sport, dport=DNS) / Raw(random.Random(number).randbytes(payload))
        head = IP(src=CLIENT, dst=VIP, **ip) if family == 4 else IPv6(src=CLIENT6, dst=VIP6)
        self.whole = ether(head / data)
        self.frames = in_fragments(self.whole, number, size)

    def short(self):
        """A packet of the same flow that is not too long for anything."""
        at = ETH + (20 if self.whole[12:14] == b"\x08\0" else 40)
        sport = int.from_bytes(self.whole[at:at + 2], "big")
        data = UDP(sport=sport, dport=DNS) / Raw(b"short")
        if at == ETH + 20:
            return ether(IP(src=CLIENT, dst=VIP) / data)
        return ether(IPv6(src=CLIENT6, dst=VIP6) / data)


def datagrams(count, first=1, family=4):
    return [Datagram(first + i, 2000 + 1111 * (i % 7), family=family) for i in range(count)]


def owners(every):
    """Which backend the flow of each datagram has, by packets in one piece."""
    result = Lab(SETTINGS, [[d.short() for d in every]]).run()
    equal("drops of whole packets", result.drops, {})
    return [MACS[f[0:6]] for f in result.frames[0]]


def check_arrived(result, every):
    """Each fragment of each datagram left once, for the backend of its flow, as it came."""
    equal("drops", result.drops, {})
    check_fragments(result.frames[0], every)


def check_fragments(frames, every):
    want = collections.Counter()
    for d, owner in zip(every, owners(every)):
        want.update((owner, f[ETH:]) for f in d.frames)
    got = collections.Counter((MACS[f[0:6]], f[ETH:]) for f in frames)
    equal("fragments that left", sum(got.values()), sum(want.values()))
    equal("fragments at the wrong backend", sum((got - want).values()), 0)
    check(len({owner for owner, _ in got}) > 5, "they are spread over backends")


def on_two_queues(first, second):
    """A fragment waits for 100 ms, and the machine may take a worker's CPU away for
    longer: what is dropped for that is run again, a few times."""
    for _ in range(10):
        result = Lab(SETTINGS, [[first, second]], workers=2).run()
        if "fragment" not in result.drops:
            break
    return result


def both_families(arrange, held):
    """arrange(datagram): its frames as they arrive. held: how many wait, or None."""
    for family in 4, 6:
        every = datagrams(40, family=family)
        result = Lab(SETTINGS, [[f for d in every for f in arrange(d)]]).run()
        check_arrived(result, every)
        equal("complete datagrams", result.fragments["complete"], len(every))
        if held is not None:
            equal("fragments that waited", result.fragments["held"],
                  sum(held(d) for d in every))


def test_in_order():
    both_families(lambda d: d.frames, None)


def test_in_order_and_one_frame_at_a_time():
    """So far apart that no burst has two of one datagram: none waits."""
    every = datagrams(64)
    rounds = max(len(d.frames) for d in every)
    frames = [d.frames[i] for i in range(rounds) for d in every if i < len(d.frames)]
    result = Lab(SETTINGS, [frames]).run()
    check_arrived(result, every)
    equal("fragments that waited", result.fragments["held"], 0)


def test_reversed():
    both_families(lambda d: d.frames[::-1], lambda d: len(d.frames) - 1)


def test_the_last_one_first_as_linux_once_sent_them():
    both_families(lambda d: d.frames[-1:] + d.frames[:-1], None)


def test_the_first_one_last():
    both_families(lambda d: d.frames[1:] + d.frames[:1], lambda d: len(d.frames) - 1)


def test_many_datagrams_shuffled():
    r = random.Random(5)
    for family in 4, 6:
        every = datagrams(30, family=family)  # 30 x 6 at most: the queue holds them
        frames = [f for d in every for f in d.frames]
        r.shuffle(frames)
        result = Lab(SETTINGS, [frames]).run()
        check_arrived(result, every)


def test_duplicates_are_forwarded():
    every = datagrams(20)
    frames = []
    for d in every:
        frames += [d.frames[0], d.frames[0], d.frames[1], d.frames[1], *d.frames[2:]]
    result = Lab(SETTINGS, [frames]).run()
    owner = owners(every)
    got = collections.Counter((MACS[f[0:6]], f[ETH:]) for f in result.frames[0])
    for d, backend in zip(every, owner):
        for f in d.frames[2:]:
            equal("times one left", got[(backend, f[ETH:])], 1)
        # where the datagram ends with its second one, the copy comes when all is over
        equal("times the first left", got[(backend, d.frames[0][ETH:])], 2)


def test_the_first_one_by_another_queue():
    needs_two_cpus()
    for family in 4, 6:
        every = datagrams(30, family=family)
        result = on_two_queues([d.frames[0] for d in every],
                               [f for d in every for f in d.frames[1:]])
        check_arrived(result, every)
        check(result.fragments["found_elsewhere"] >= len(every), "they were found at the other")


def test_the_first_one_last_and_by_another_queue():
    """The others have all been read, and wait, when it comes: it is behind many packets."""
    needs_two_cpus()
    every = datagrams(30)
    many = [tcp(1000 + i) for i in range(1000)]
    result = on_two_queues(many + [d.frames[0] for d in every],
                           [f for d in every for f in d.frames[1:]])
    result.frames[0] = [f for f in result.frames[0] if f[ETH + 9] == 17]
    check_arrived(result, every)


def test_fragments_of_each_queue_by_turns():
    needs_two_cpus()
    every = datagrams(30)
    frames = [f for d in every for f in d.frames]
    result = on_two_queues(frames[::2], frames[1::2])
    check_arrived(result, every)


def test_a_missing_first_one_is_counted():
    every = datagrams(10)
    result = Lab(SETTINGS, [[f for d in every for f in d.frames[1:]]]).run()
    count = sum(len(d.frames) - 1 for d in every)
    equal("drops", result.drops, {"fragment": count})
    equal("fragments that waited", result.fragments["held"], count)
    equal("frames that left", result.frames[0], [])


def test_more_than_can_wait():
    """400 datagrams whose first ones never come: 256 can wait."""
    every = datagrams(400)
    result = Lab(SETTINGS, [[d.frames[1] for d in every]]).run()
    equal("fragments dropped", sum(result.drops.values()), 400)
    check(set(result.drops) <= {"fragment", "fragment-full"}, f"{result.drops}")
    equal("fragments that waited until the end", result.drops["fragment"], 256)


def test_one_datagram_cannot_fill_the_queue():
    d = Datagram(7, 60000, size=800)
    result = Lab(SETTINGS, [d.frames[1:]]).run()
    equal("drops", result.drops, {"fragment": 48, "fragment-full": len(d.frames) - 49})


def from_others(frame, count, seed):
    """The frame as often, with random sources and identifications."""
    r, made = random.Random(seed), []
    for _ in range(count):
        f = bytearray(frame)
        f[ETH + 4:ETH + 6] = r.randbytes(2)
        f[ETH + 10:ETH + 12] = bytes(2)
        f[ETH + 12:ETH + 16] = b"\x0a" + r.randbytes(3)
        f[ETH + 10:ETH + 12] = checksum(bytes(f[ETH:ETH + 20])).to_bytes(2, "big")
        made.append(bytes(f))
    return made


def flooded(queues):
    """First fragments that nothing follows, later ones that follow nothing; among them
    whole packets, and datagrams in order."""
    count, every = 20000, datagrams(100)
    firsts = from_others(udp(5000, bytes(32), flags="MF"), count, 1)
    laters = from_others(udp(5000, bytes(32), frag=5), count, 2)
    whole = [tcp(1000 + i, b"data") for i in range(count // 10)]
    frames = []
    for i in range(count):
        frames += [firsts[i], laters[i]]
        frames += whole[i // 10:i // 10 + 1] if i % 10 == 0 else []
        frames += every[i // 200].frames if i % 200 == 0 else []
    # Each datagram by one queue, as a network card has it.
    inputs = [frames] if queues == 1 else [[frames[:len(frames) // 2], frames[len(frames) // 2:]]]
    result = Lab(SETTINGS, inputs, workers=queues).run()
    left = collections.Counter(f[ETH:] for f in result.frames[0])
    want = collections.Counter(f[ETH:] for f in firsts + whole)
    want.update(f[ETH:] for d in every for f in d.frames)
    equal("frames that did not leave", sum((want - left).values()), 0)
    equal("frames that should not have left", sum((left - want).values()), 0)
    seen = result.fragments
    equal("drops", sum(result.drops.values()), count)
    check(set(result.drops) == {"fragment", "fragment-full"}, f"drops are {result.drops}")
    # Those that came in one burst with their first one waited for its end.
    check(count <= seen["held"] < count + sum(len(d.frames) for d in every),
          f"{seen['held']} fragments waited")
    equal("first ones noted", seen["noted"], count + len(every))
    check(seen["evicted"] >= count - queues * 4096, f"{seen['evicted']} of {count} gave way")
    mine = {f[ETH:] for d in every for f in d.frames}
    check_fragments([f for f in result.frames[0] if f[ETH:] in mine], every)


def test_a_flood_of_fragments_harms_no_other_packet():
    flooded(1)


def test_a_flood_of_fragments_at_two_workers():
    needs_two_cpus()
    flooded(2)


def overlapping(d, off, length, more=True):
    """Another fragment of an IPv4 datagram."""
    first = IP(d.frames[0][ETH:])
    return ether(IP(src=first.src, dst=first.dst, id=first.id, proto=17, frag=off // 8,
                    flags="MF" if more else 0) / Raw(bytes(length)))


def test_an_overlap_ends_the_datagram():
    for off, length in (1480, 8), (1472, 16), (2952, 1480), (8, 1480):
        d, good = Datagram(9, 8000), Datagram(10, 8000)
        frames = d.frames[:2] + [overlapping(d, off, length)] + d.frames[2:] + good.frames
        result = Lab(SETTINGS, [frames]).run()
        equal(f"drops with {off}+{length}", result.drops,
              {"fragment-overlap": 1 + len(d.frames) - 2})
        equal("frames that left", sorted(f[ETH:] for f in result.frames[0]),
              sorted(f[ETH:] for f in d.frames[:2] + good.frames))


def test_an_overlap_of_ipv6_fragments():
    d = Datagram(9, 8000, family=6)
    wrong = bytearray(d.frames[1])
    at = ETH + 40 + 2  # offset field of the fragment header
    wrong[at:at + 2] = (int.from_bytes(wrong[at:at + 2], "big") - 8).to_bytes(2, "big")
    result = Lab(SETTINGS, [[d.frames[0], d.frames[1], bytes(wrong), *d.frames[2:]]]).run()
    equal("drops", result.drops, {"fragment-overlap": 1 + len(d.frames) - 2})


def test_two_ends_of_one_datagram():
    d = Datagram(9, 8000)
    result = Lab(SETTINGS, [d.frames[:2] + [overlapping(d, 4440, 100, more=False)]
                            + d.frames[3:]]).run()
    # the false end comes first: what goes beyond it is wrong
    equal("drops", result.drops, {"fragment-overlap": len(d.frames) - 3})
    equal("frames that left", len(result.frames[0]), 3)


def test_tiny_first_fragments():
    """RFC 1858: without the whole transport header; those that follow have no first one."""
    cut = bytes(IP(src=CLIENT, dst=VIP, id=3, flags="MF", proto=6) / Raw(bytes(16)))
    rest = bytes(IP(src=CLIENT, dst=VIP, id=3, frag=2, proto=6) / Raw(bytes(40)))
    result = Lab(SETTINGS, [[ether(IP(cut)), ether(IP(rest))]]).run()
    equal("drops", result.drops, {"fragment-tiny": 2})


def test_extension_headers_and_options():
    """What stands before the fragment header, or in front of the datagram, changes nothing."""
    data = UDP(sport=4000, dport=DNS) / Raw(bytes(4000))
    parts = fragment6(IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrDestOpt()
                      / IPv6ExtHdrFragment(id=5) / data, 1280)
    with_options = fragment(IP(src=CLIENT, dst=VIP, id=6, options=[IPOption_NOP()] * 8) / data,
                            fragsize=1000)
    for frames in ([ether(p) for p in parts], [ether(p) for p in with_options]):
        for order in frames, frames[::-1]:
            result = Lab(SETTINGS, [order]).run()
            equal("drops", result.drops, {})
            equal("backends", len({f[0:6] for f in result.frames[0]}), 1)
            equal("fragments", sorted(f[ETH:] for f in result.frames[0]),
                  sorted(f[ETH:] for f in order))


def test_a_dropped_first_one_takes_the_others_along():
    strays = [Datagram(20 + i, 4000) for i in range(5)]
    for d in strays:
        d.frames[0] = bytearray(d.frames[0])
        d.frames[0][ETH + 22:ETH + 24] = (9999).to_bytes(2, "big")  # no such service
        d.frames[0] = bytes(d.frames[0])
    for arrange in (lambda d: d.frames), (lambda d: d.frames[::-1]):
        conf = SETTINGS + f"[vip {VIP}]\nstrays = drop\n"
        result = Lab(conf, [[f for d in strays for f in arrange(d)]]).run()
        equal("drops", result.drops, {"stray": sum(len(d.frames) for d in strays)})


def test_fragments_for_no_vip_are_not_ours():
    d = Datagram(30, 4000)
    frames = [f[:ETH + 16] + bytes((203, 0, 113, 99)) + f[ETH + 20:] for f in d.frames]
    result = Lab(SETTINGS, [frames[::-1]]).run()
    equal("drops", result.drops, {"not-a-vip": len(frames)})
    equal("fragments noted", result.fragments["noted"], 0)


def test_in_tunnels():
    """Every fragment has its own outer header, all with the same source."""
    for family, mode in (4, "ipip"), (6, "ipip"), (4, "gue"), (6, "gue"):
        every = datagrams(10, family=family)
        conf = (pool(mode, BACKENDS, settings="mtu = 1600").replace(
            "outer_source = ", "outer_source = 10.9.0.0/16\n# ") + SERVICES + SERVICES6)
        if "outer_source" not in conf:
            conf = conf.replace("mtu = 1600", "mtu = 1600\nouter_source = 10.9.0.0/16")
        result = Lab(conf, [[f for d in every for f in d.frames[::-1]]],
                     ports=["mtu = 1600"]).run()
        equal("drops", result.drops, {})
        sources = collections.defaultdict(set)
        for f in result.frames[0]:
            outer = ETH + OUTER + (12 if mode == "gue" else 0)
            inner = f[outer:]
            number = inner[4:6] if family == 4 else inner[44:48]
            sources[number].add((f[0:6], f[ETH + 12:ETH + 20],
                                 f[ETH + 20:ETH + 22] if mode == "gue" else b""))
        equal("datagrams", len(sources), len(every))
        for number, ways in sources.items():
            equal(f"ways of {number.hex()}", len(ways), 1)


# -- ICMP ----------------------------------------------------------------------


class ErrorAbout:
    """Of a router, about what the VIP has sent to a client: `frames` of it, in order."""

    def __init__(self, number, family=4, size=200, **ip):
        self.flow = Datagram(number, 100, family=family)
        if family == 4:
            whole = error4(back4(CLIENT, 1000 + number, "udp", **ip), 548)
        else:
            whole = error6(back6(CLIENT6, 1000 + number, "udp", **ip), 1000)
        self.frames = in_fragments(whole, number, size)

    def short(self):
        return self.flow.short()


def test_icmp_errors_in_fragments_reach_the_backend_of_their_flow():
    r = random.Random(6)
    for family in 4, 6:
        every = [ErrorAbout(1 + i, family) for i in range(40)]
        check(min(len(e.frames) for e in every) > 2, "they are in fragments")
        shuffled = [f for e in every[:30] for f in e.frames]
        r.shuffle(shuffled)
        for errors, frames in ((every, [f for e in every for f in e.frames]),
                               (every, [f for e in every for f in e.frames[::-1]]),
                               (every[:30], shuffled)):
            result = Lab(SETTINGS, [frames]).run()
            check_arrived(result, errors)
            equal("complete datagrams", result.fragments["complete"], len(errors))


def test_icmp_errors_in_fragments_by_two_queues():
    needs_two_cpus()
    for family in 4, 6:
        every = [ErrorAbout(1 + i, family) for i in range(30)]
        result = on_two_queues([e.frames[0] for e in every],
                               [f for e in every for f in e.frames[1:]])
        check_arrived(result, every)


def test_an_icmp_error_in_fragments_that_quotes_no_flow():
    for family in 4, 6:
        wrong = [ErrorAbout(1 + i, family, src=NO_VIP if family == 4 else NO_VIP6)
                 for i in range(5)]
        # the first fragment does not hold the quoted ports
        wrong.append(ErrorAbout(9, family, size=24 if family == 4 else 80))
        for order in 1, -1:
            frames = [f for e in wrong for f in e.frames[::order]]
            result = Lab(SETTINGS, [frames]).run()
            equal("drops", result.drops, {"bad-quote": len(frames)})
            equal("frames that left", result.frames[0], [])


def test_an_echo_request_in_fragments_is_not_answered():
    data = Raw(bytes(range(250)) * 20)
    for vip, head, other, echo in \
            ((VIP, IP(src=CLIENT, dst=VIP), IP(src=CLIENT, dst=NO_VIP), ICMP(type=8)),
             (VIP6, IPv6(src=CLIENT6, dst=VIP6), IPv6(src=CLIENT6, dst=NO_VIP6),
              ICMPv6EchoRequest())):
        for order in 1, -1:
            frames = in_fragments(ether(head / echo / data), 77)[::order]
            result = Lab(SETTINGS + f"[vip {vip}]\necho = on\n", [frames]).run()
            equal("drops", result.drops, {"echo-fragment": len(frames)})
            equal("answers", result.answers, {})
            frames = in_fragments(ether(other / echo / data), 77)[::order]
            result = Lab(SETTINGS, [frames]).run()
            equal("drops for another address", result.drops, {"not-a-vip": len(frames)})


def test_fragments_of_other_protocols():
    """They have no service; that is known when the first one has come."""
    frames = in_fragments(ether(IP(src=CLIENT, dst=VIP, proto=47) / Raw(bytes(4000))), 5)
    for order in 1, -1:
        result = Lab(SETTINGS, [frames[::order]]).run()
        equal("drops", result.drops, {"unsupported-l4": len(frames)})


# -- too big ------------------------------------------------------------------


def pieces_of(frames, outer):
    """By identification: the inner packets as scapy objects, in the order of leaving."""
    inner = collections.defaultdict(list)
    for f in frames:
        packet = IP(f[ETH + outer:])
        inner[packet.id].append(packet)
    return inner


def test_too_big_leaves_in_pieces():
    frames = [udp(2000 + i, random.Random(i).randbytes(1400 + i), id=100 + i, tos=4 * (i % 9),
                  ip_options=4 * (i % 3)) for i in range(70)]
    for mode, outer, ports in ("ipip", OUTER, [""]), ("l2", 0, ["mtu = 1400"]):
        result = Lab(pool(mode, BACKENDS) + SERVICES, [frames], ports=ports).run()
        equal("drops", result.drops, {})
        mtu = 1500 if mode == "ipip" else 1400
        big = [f for f in frames if len(client_packet(f)) + outer > mtu]
        check(len(big) > 20, "packets that are too big")
        equal("packets cut", result.fragments["split"], len(big))
        equal("pieces", result.fragments["pieces"], 2 * len(big))
        equal("frames that left", len(result.frames[0]), len(frames) + len(big))
        for f in result.frames[0]:
            check(len(f) - ETH <= mtu, f"a frame of {len(f)} bytes")
            check(f[0:6] in MACS, f"destination {f[0:6].hex(':')} is no backend's MAC")
            equal("source MAC", f[6:12], result.macs[0])
            equal("Ethernet type", f[12:14], b"\x08\x00")
            equal("length of the outer packet", int.from_bytes(f[ETH + 2:ETH + 4], "big"),
                  len(f) - ETH)
        inner = pieces_of(result.frames[0], outer)
        for frame in frames:
            sent = IP(frame[ETH:])
            whole = defragment(inner[sent.id])
            equal("packets of it", len(whole), 1)
            got, want = bytes(whole[0]), client_packet(frame)
            if len(inner[sent.id]) > 1:  # scapy counts length and sum anew
                got, want = bytes(IP(got).payload), bytes(sent.payload)
            equal("client's data", got, want)


def test_pieces_go_to_the_backend_of_the_flow():
    small = [udp(2000 + i, b"x", id=500 + i) for i in range(50)]
    big = [udp(2000 + i, bytes(1472), id=600 + i) for i in range(50)]
    result = Lab(pool("ipip", BACKENDS) + SERVICES, [small + big]).run()
    equal("drops", result.drops, {})
    owner = {}
    for f in result.frames[0]:
        number = int.from_bytes(f[ETH + OUTER + 4:ETH + OUTER + 6], "big")
        owner.setdefault(number % 100, set()).add(f[0:6])
    for number, macs in owner.items():
        equal(f"backends of flow {number}", len(macs), 1)


def test_what_is_cut_keeps_its_place():
    """Of each flow, and of all that have a port in common; also among drops and answers."""
    frames = []
    for i in range(200):
        frames.append(udp(2000 + i % 3, bytes(1480 if i % 5 in (1, 2) else i), id=1000 + i))
        if i % 7 == 0:
            frames.append(udp(2000, dst=NO_VIP))
    for mode, outer in ("ipip", OUTER), ("l2", 0):
        result = Lab(pool(mode, BACKENDS) + SERVICES, [frames]).run()
        equal("packets cut", result.fragments["split"], 80)
        order = [IP(f[ETH + outer:]).id for f in result.frames[0]]
        equal("order", order, [1000 + i for i in range(200) for _ in range(1 + (i % 5 in (1, 2)))])


def test_fragments_are_cut_further():
    every = [Datagram(40 + i, 8000) for i in range(10)]
    for order in 1, -1:
        result = Lab(pool("ipip", BACKENDS, settings="mtu = 1000") + SERVICES,
                     [[f for d in every for f in d.frames[::order]]]).run()
        equal("drops", result.drops, {})
        inner = pieces_of(result.frames[0], OUTER)
        for d in every:
            parts = inner[IP(d.frames[0][ETH:]).id]
            check(max(len(bytes(p)) for p in parts) <= 980, "none is too big")
            random.Random(1).shuffle(parts)
            whole = defragment(parts)
            equal("datagrams of it", len(whole), 1)
            equal("its data", bytes(whole[0].payload), bytes(IP(d.whole[ETH:]).payload))


def test_by_configuration_too_big_is_dropped():
    result = Lab(pool("ipip", BACKENDS, settings="too_big = drop") + SERVICES,
                 [[udp(2000, bytes(1472))]]).run()
    equal("drops", result.drops, {"too-big": 1})


def test_of_two_firsts_that_overlap_one_is_cut():
    """In one burst, and with others between them."""
    data = bytes(UDP(sport=4000, dport=53, len=3508) / Raw(bytes(3500)))

    def part(offset, length):
        return ether(IP(src=CLIENT, dst=VIP, id=5, proto=17, frag=offset // 8, flags="MF") /
                     Raw(data[offset:offset + length]))

    between = [tcp(1000 + i, b"x") for i in range(64)]
    for apart in [], between:
        frames = [part(0, 1480), *apart, part(0, 1472), *apart, part(1480, 600)]
        result = Lab(pool("ipip", 3) + SERVICES, [frames]).run()
        equal("drops", result.drops, {"fragment-overlap": 2})
        equal("cut up", (result.fragments["split"], result.fragments["pieces"]), (1, 2))
        equal("frames that left", len(result.frames[0]), 2 + 2 * len(apart))


def test_what_may_not_be_cut():
    """Options that contradict themselves; a header whose sum is wrong."""
    good = udp(2000, bytes(1472 - 8), ip_options=8)
    bad_option = bytearray(good)
    bad_option[ETH + 20:ETH + 22] = b"\x07\xff"
    bad_option[ETH + 10:ETH + 12] = b"\0\0"
    bad_option[ETH + 10:ETH + 12] = checksum(bytes(bad_option[ETH:ETH + 28])).to_bytes(2, "big")
    bad_sum = bytearray(good)
    bad_sum[ETH + 8] ^= 1
    result = Lab(pool("ipip", BACKENDS) + SERVICES,
                 [[good, bytes(bad_option), bytes(bad_sum)]]).run()
    equal("drops", result.drops, {"bad-header": 2})
    equal("frames that left", len(result.frames[0]), 2)


if __name__ == "__main__":
    main(globals())
