#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What Weir answers itself. An answer is compared whole, with one that scapy makes, so
every field of every header is."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                                ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from frames import (CLIENT, CLIENT6, ETH, HTTP, NO_VIP, NO_VIP6, ROUTER_MAC, SERVICES, SERVICES6,
                    VIP, VIP6, back6, client_packet, ether, ipv4, ipv6, pool, tagged, tcp, tcp6, udp,
                    udp6)
from weirlab import Lab, check, equal, main

ALL = SERVICES + SERVICES6
CONTROL = 0xC0  # internetwork control


def vips(**settings):
    lines = [f"{key} = {value}" for key, value in settings.items()]
    return "\n".join(f"[vip {vip}]\n" + "\n".join(lines) for vip in (VIP, VIP6)) + "\n"


def back(result, packet, port=0, **fields):
    """The frame that goes back to who asked."""
    fields = {"dst": ROUTER_MAC, **fields}
    return bytes(Ether(src=result.macs[port].hex(":"), **fields) / packet)


def from_vip(**fields):
    return IP(**{"src": VIP, "dst": CLIENT, "id": 0, "flags": "DF", "ttl": 64, **fields})


def from_vip6(**fields):
    return IPv6(**{"src": VIP6, "dst": CLIENT6, "hlim": 64, **fields})


def run(frames, conf="", mode="l2", **lab):
    return Lab(pool(mode, 3, **lab.pop("of", {})) + ALL + conf, [frames], **lab).run()


def answered(result, want, **answers):
    equal("frames that left", len(result.frames[0]), len(want))
    for i, (got, right) in enumerate(zip(result.frames[0], want)):
        equal(f"answer number {i}", got, right)
    equal("answers", result.answers, {k.replace("_", "-"): v for k, v in answers.items()})
    equal("drops", result.drops, {})
    equal("packets of services", sum(s["packets"] for s in result.services.values()), 0)
    equal("packets of backends", sum(b["packets"] for b in result.backends.values()), 0)
    equal("sent", result.tx["packets"], len(want))
    equal("bytes sent", result.tx["bytes"], sum(len(f) for f in want))


# -- echo ------------------------------------------------------------------------


def ping(data=b"ping", **ip):
    return ether(ipv4(**ip) / ICMP(id=0x1234, seq=7) / Raw(data))


def ping6(data=b"ping", chain=(), **ip):
    packet = ipv6(**ip)
    for header in chain:
        packet = packet / header
    return ether(packet / ICMPv6EchoRequest(id=0x1234, seq=7, data=data))


def test_echo_requests_are_answered():
    sizes = (0, 1, 56, 1400)
    frames = [ping(bytes(n), tos=0x28, id=n, ttl=9) for n in sizes]
    frames += [ping6(bytes(n), tc=0x28, fl=0x12345, hlim=9) for n in sizes]
    result = run(frames)
    want = [back(result, from_vip(tos=0x28, id=n, flags=0) / ICMP(type=0, id=0x1234, seq=7)
                 / Raw(bytes(n))) for n in sizes]
    want += [back(result, from_vip6(tc=0x28, fl=0x12345)
                  / ICMPv6EchoReply(id=0x1234, seq=7, data=bytes(n))) for n in sizes]
    answered(result, want, echo=8)


def test_options_and_extension_headers_stay_behind():
    result = run([ping(ip_options=12, id=5), ping6(chain=[IPv6ExtHdrDestOpt()])])
    answered(result, [back(result, from_vip(id=5, flags=0) / ICMP(type=0, id=0x1234, seq=7) / b"ping"),
                      back(result, from_vip6() / ICMPv6EchoReply(id=0x1234, seq=7, data=b"ping"))],
             echo=2)


def test_tags_stay():
    tags = ((0x88A8, 10), (0x8100, 0x6064))
    result = run([tagged(ping(id=1), *tags), tagged(ping6(), *tags)])
    want = [back(result, from_vip(id=1, flags=0) / ICMP(type=0, id=0x1234, seq=7) / b"ping"),
            back(result, from_vip6() / ICMPv6EchoReply(id=0x1234, seq=7, data=b"ping"))]
    answered(result, [tagged(f, *tags) for f in want], echo=2)


def test_echo_off_is_silence():
    result = run([ping(), ping6()], vips(echo="off"))
    equal("drops", result.drops, {"echo-off": 2})
    equal("frames that left", len(result.frames[0]), 0)


def test_pings_to_no_vip_are_not_answered():
    result = run([ping(dst=NO_VIP), ping6(dst=NO_VIP6)])
    equal("drops", result.drops, {"not-a-vip": 2})
    equal("answers", result.answers, {})


def test_a_vip_that_is_a_prefix_answers_for_each_address():
    conf = pool("l2", 1) + f"""
[service www]
vip = 203.0.113.0/28
protocol = tcp
port = {HTTP}
pool = web
"""
    asked = ["203.0.113.0", "203.0.113.15", "203.0.113.16"]
    result = Lab(conf, [[ping(dst=a) for a in asked]]).run()
    equal("who answers", [IP(f[ETH:]).src for f in result.frames[0]], asked[:2])
    equal("drops", result.drops, {"not-a-vip": 1})


def test_odd_sources_and_broadcast_are_not_answered():
    sources = ("0.0.0.0", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", VIP)
    frames = [ping(src=s) for s in sources] + [ping6(src=s) for s in ("::", "::1", "ff02::1", VIP6)]
    frames += [b"\xff" * 6 + f[6:] for f in (ping(), ping6())]
    result = run(frames)
    equal("drops", result.drops, {"echo-off": len(frames)})
    equal("answers", result.answers, {})


def test_fragments_of_echo_requests_are_not_answered():
    result = run([ping(flags="MF")])
    equal("answers", result.answers, {})
    equal("frames that left", len(result.frames[0]), 0)


def test_answers_are_limited():
    frames = [ping() for _ in range(300)] + [tcp(1, dport=81, tcp_flags="S")]
    result = run(frames, vips(strays="reject"), dataplane="answers_per_s = 1")
    echo, limited = result.answers["echo"], result.answers["limited"]
    check(1 <= echo < 300, f"{echo} of 300 were answered")
    equal("answered and limited", echo + limited, 300)
    equal("resets, which have a rate of their own", result.answers["reset"], 1)
    equal("drops", result.drops, {"echo-off": limited})


def test_no_answers_at_all():
    result = run([ping(), ping6()], dataplane="answers_per_s = 0")
    equal("answers", result.answers, {"limited": 2})
    equal("drops", result.drops, {"echo-off": 2})


# -- too big -----------------------------------------------------------------------


def too_big(mtu, frame):
    return from_vip(tos=CONTROL) / ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(
        client_packet(frame)[:576 - 28])


def too_big6(mtu, frame):
    return from_vip6(tc=CONTROL) / ICMPv6PacketTooBig(mtu=mtu) / Raw(
        client_packet(frame)[:1280 - 48])


def big(n, **ip):
    return tcp(4000, bytes(i % 251 for i in range(n)), flags="DF", **ip)


def test_too_big_tells_what_the_encapsulation_leaves():
    for mode, family, mtu, want in (("l2", 4, 1400, 1400), ("ipip", 4, 1500, 1480),
                                    ("ipip", 6, 1500, 1460), ("gue", 4, 1500, 1468),
                                    ("gue", 6, 1500, 1448), ("ipip", 4, 1400, 1380)):
        frame, fits = big(1460), big(want - 40)
        frame6, fits6 = tcp6(4000, bytes(1440)), tcp6(4000, bytes(want - 60))
        conf = pool(mode, 3, family=family, settings=f"mtu = {mtu}") if mode != "l2" else None
        if conf is None:  # backends of the client's family
            for f, make, services in ((frame, too_big, SERVICES), (frame6, too_big6, SERVICES6)):
                of = 4 if f is frame else 6
                result = Lab(pool("l2", 3, family=of, settings=f"mtu = {mtu}") + services,
                             [[f]]).run()
                answered(result, [back(result, make(want, f))], too_big=1)
            continue
        result = Lab(conf + ALL, [[frame, frame6]]).run()
        answered(result, [back(result, too_big(want, frame)), back(result, too_big6(want, frame6))],
                 too_big=2)
        result = Lab(conf + ALL, [[fits, fits6]]).run()
        equal(f"{mode} over IPv{family}: drops of what was told to fit", result.drops, {})
        equal("frames that left", len(result.frames[0]), 2)


def test_ipv6_is_told_of_a_later_fragment_too():
    """The first one fits; so does the third, which goes on."""
    whole = ipv6() / UDP(sport=4000, dport=53) / Raw(bytes(2984 - 8))
    first, second, third = ((0, 1000, 1), (1000, 1448, 1), (2448, 536, 0))
    payload = bytes(whole)[40:]

    def part(offset, length, more):
        return ether(ipv6(nh=44) / IPv6ExtHdrFragment(nh=17, id=77, m=more, offset=offset // 8) /
                     Raw(payload[offset:offset + length]))

    frames = [part(*first), part(*second), part(*third)]
    result = Lab(pool("ipip", 3, family=6, settings="mtu = 1500") + ALL, [frames]).run()
    equal("answers", result.answers, {"too-big": 1})
    equal("drops", result.drops, {})
    equal("frames that left", len(result.frames[0]), 3)
    check(back(result, too_big6(1460, frames[1])) in result.frames[0], "no answer is among them")


def test_whatever_the_fragment_header_of_the_later_one_says():
    """The first one has destination options in front of UDP: all of them say 60."""
    data = bytes(IPv6ExtHdrDestOpt(nh=17) / UDP(sport=4000, dport=53, len=2984) / Raw(bytes(2976)))

    def part(offset, length, more):
        return ether(ipv6(nh=44) / IPv6ExtHdrFragment(nh=60, id=78, m=more, offset=offset // 8) /
                     Raw(data[offset:offset + length]))

    frames = [part(0, 1000, 1), part(1000, 1448, 1), part(2448, 544, 0)]
    for order in 1, -1:
        result = Lab(pool("ipip", 3, family=6, settings="mtu = 1500") + ALL,
                     [frames[::order]]).run()
        equal("answers", result.answers, {"too-big": 1})
        equal("drops", result.drops, {})
        equal("frames that left", len(result.frames[0]), 3)
        check(back(result, too_big6(1460, frames[1])) in result.frames[0],
              "no answer is among them")


def test_no_fragment_of_an_error_is_answered():
    """The first one fits, the second does not."""
    whole = bytes(ICMPv6PacketTooBig(mtu=1400) / Raw(
        bytes(back6(CLIENT6, 4000, "udp")) + bytes(1200)))

    def part(offset, length, more):
        return ether(ipv6(nh=44) / IPv6ExtHdrFragment(nh=58, id=79, m=more, offset=offset // 8) /
                     Raw(whole[offset:offset + length]))

    frames = [part(0, 800, 1), part(800, 1448, 1)]
    result = Lab(pool("ipip", 3, family=6, settings="mtu = 1500") + ALL, [frames]).run()
    equal("answers", result.answers, {})
    equal("drops", result.drops, {"too-big": 1})
    equal("frames that left", len(result.frames[0]), 1)


def test_ipv6_is_never_told_less_than_1280():
    frame = tcp6(4000, bytes(1240))  # 1,300 bytes
    result = Lab(pool("gue", 3, family=6, settings="mtu = 1300") + ALL, [[frame]]).run()
    answered(result, [back(result, too_big6(1280, frame))], too_big=1)


def test_without_df_there_is_no_error():
    frame = tcp(4000, bytes(1460), flags=0)
    result = Lab(pool("ipip", 3, settings="too_big = drop") + ALL, [[frame]]).run()
    equal("drops", result.drops, {"too-big": 1})
    equal("answers", result.answers, {})


def test_answers_leave_by_the_port_that_asked():
    frame = big(1460)
    result = Lab(pool("ipip", 3, port="p0") + ALL, [[], [frame, ping(id=3)]]).run()
    equal("frames towards the backends", len(result.frames[0]), 0)
    equal("answers", result.frames[1],
          [back(result, too_big(1480, frame), 1),
           back(result, from_vip(id=3, flags=0) / ICMP(type=0, id=0x1234, seq=7) / b"ping", 1)])


# -- strays --------------------------------------------------------------------------


def reset(**fields):
    return TCP(**{"sport": 81, "dport": 5000, "window": 0, "seq": 0, "ack": 0, **fields})


def test_stray_segments_are_reset():
    rows = (("S", b"", reset(flags="RA", ack=5001)), ("A", b"abc", reset(flags="R", seq=77)),
            ("SA", b"", reset(flags="R", seq=77)), ("FA", b"", reset(flags="R", seq=77)),
            ("", b"abc", reset(flags="RA", ack=5003)), ("F", b"abc", reset(flags="RA", ack=5004)))
    frames, want = [], []
    for flags, data, _ in rows:
        segment = TCP(sport=5000, dport=81, seq=5000, ack=77, flags=flags)
        frames += [ether(ipv4() / segment / Raw(data)), ether(ipv6() / segment / Raw(data))]
    result = run(frames, vips(strays="reject"))
    for _, _, answer in rows:
        want += [back(result, from_vip() / answer), back(result, from_vip6() / answer)]
    answered(result, want, reset=2 * len(rows))


def test_a_reset_is_never_answered():
    frames = [tcp(5000, dport=81, tcp_flags=f) for f in ("R", "RA", "RS")]
    frames += [tcp6(5000, dport=81, tcp_flags=f) for f in ("R", "RA", "RS")]
    result = run(frames, vips(strays="reject"))
    equal("drops", result.drops, {"stray": 6})
    equal("answers", result.answers, {})


def test_stray_datagrams_meet_an_unreachable_port():
    frames = [udp(5000, bytes(n), dport=54) for n in (0, 5, 1400)]
    frames += [udp6(5000, bytes(n), dport=54) for n in (0, 5, 1400)]
    result = run(frames, vips(strays="reject"))
    want = [back(result, from_vip(tos=CONTROL) / ICMP(type=3, code=3)
                 / Raw(client_packet(f)[:576 - 28])) for f in frames[:3]]
    want += [back(result, from_vip6(tc=CONTROL) / ICMPv6DestUnreach(code=4)
                  / Raw(client_packet(f)[:1280 - 48])) for f in frames[3:]]
    answered(result, want, unreachable=6)


def test_strays_are_dropped_unless_it_is_said():
    result = run([tcp(5000, dport=81, tcp_flags="S"), udp6(5000, b"", dport=54)])
    equal("drops", result.drops, {"stray": 2})
    equal("answers", result.answers, {})


def test_explain_says_what_would_be_answered():
    told = []

    def ask(lab):
        for protocol, port in (("tcp", 81), ("udp", 54), ("tcp", HTTP)):
            question = {"protocol": protocol, "source": f"{CLIENT}:5000",
                        "destination": f"{VIP}:{port}"}
            told.append(lab.rpc("explain", question))

    Lab(pool("l2") + SERVICES + f"[vip {VIP}]\nstrays = reject\n", [[ping()]]).run(ask)
    equal("answers", [t["answer"] for t in told], ["reset", "unreachable", None])


# -- ARP and neighbour discovery -----------------------------------------------------


def arp(target, sender="192.0.2.1", op=1):
    return bytes(Ether(src=ROUTER_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=op, hwsrc=ROUTER_MAC, psrc=sender, hwdst="00:00:00:00:00:00", pdst=target))


def solicit(target, src="2001:db8:4::1", dst="ff02::1:ff00:a", hlim=255, mac=True):
    packet = IPv6(src=src, dst=dst, hlim=hlim) / ICMPv6ND_NS(tgt=target)
    if mac:
        packet = packet / ICMPv6NDOptSrcLLAddr(lladdr=ROUTER_MAC)
    return bytes(Ether(src=ROUTER_MAC, dst="33:33:ff:00:00:0a") / packet)


def advert(result, dst, solicited):
    return IPv6(src=VIP6, dst=dst, hlim=255) / ICMPv6ND_NA(
        tgt=VIP6, R=0, S=solicited, O=1) / ICMPv6NDOptDstLLAddr(lladdr=result.macs[0].hex(":"))


def test_arp_is_answered_for_vips_that_want_it():
    result = run([arp(VIP), arp(VIP, sender="0.0.0.0"), tagged(arp(VIP), (0x8100, 5))],
                 vips(arp="on"))
    want = [back(result, ARP(op=2, hwsrc=result.macs[0].hex(":"), psrc=VIP, hwdst=ROUTER_MAC,
                             pdst=sender)) for sender in ("192.0.2.1", "0.0.0.0", "192.0.2.1")]
    want[2] = tagged(want[2], (0x8100, 5))
    answered(result, want, arp=3)


def test_other_arp_is_not():
    frames = [arp(NO_VIP), arp(VIP, op=2), arp(VIP, sender=VIP)]
    result = run(frames, vips(arp="on"))
    equal("drops", result.drops, {"not-ip": 3})
    result = run([arp(VIP)])
    equal("drops with arp = off", result.drops, {"not-ip": 1})
    equal("answers with arp = off", result.answers, {})


def test_solicitations_are_answered_for_vips_that_want_it():
    result = run([solicit(VIP6), solicit(VIP6, mac=False), solicit(VIP6, dst=VIP6),
                  solicit(VIP6, src="::", mac=False)], vips(arp="on"))
    want = [back(result, advert(result, "2001:db8:4::1", 1))] * 3
    want.append(back(result, advert(result, "ff02::1", 0), dst="33:33:00:00:00:01"))
    answered(result, want, nd=4)


def test_other_solicitations_are_not():
    frames = [solicit(NO_VIP6), solicit(VIP6, hlim=254), solicit(VIP6, src="::"),
              solicit(VIP6, src="::", dst="ff02::1", mac=False)]
    wrong = bytearray(solicit(VIP6))
    wrong[ETH + 42] ^= 1  # checksum
    result = run(frames + [bytes(wrong)], vips(arp="on"))
    equal("drops", result.drops, {"not-a-vip": 5})
    result = run([solicit(VIP6)])
    equal("drops with arp = off", result.drops, {"not-a-vip": 1})
    equal("answers with arp = off", result.answers, {})


def test_who_asks_for_a_mac_over_the_limit_is_counted_apart():
    frames = [arp(VIP), solicit(VIP6), solicit(VIP6, dst=VIP6), arp(NO_VIP), solicit(NO_VIP6)]
    result = run(frames, vips(arp="on"), dataplane="answers_per_s = 0")
    equal("answers", result.answers, {"limited": 3})
    equal("drops", result.drops, {"answer-limited": 3, "not-ip": 1, "not-a-vip": 1})
    equal("frames that left", result.frames[0], [])


if __name__ == "__main__":
    main(globals())
