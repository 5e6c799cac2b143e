#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input behind IPv6, extension headers and VLAN tags, and in the quotes of ICMP errors."""

import collections
import itertools
import random

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import (ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.packet import Raw

from frames import (CLIENT, CLIENT6, ETH, HTTP, NO_VIP6, ROUTER, ROUTER6, SERVICES, SERVICES6, VIP,
                    VIP6, client_packet, echo6, ether, ipv6, pool, tagged, tcp, tcp6, udp, udp6)
from outcome import outcome, with_bytes
from weirlab import Lab, check, equal, main

IP6 = 40
NEXT, EXT = ETH + 6, ETH + IP6


def with_length(frame, length):
    """IPv6's payload length."""
    return with_bytes(frame, ETH + 4, length.to_bytes(2, "big"))


def hop():
    return IPv6ExtHdrHopByHop()


def dst():
    return IPv6ExtHdrDestOpt()


def route(left=0):
    return IPv6ExtHdrRouting(segleft=left)


def whole():
    chain = [hop(), dst(), route(), IPv6ExtHdrFragment(id=7), dst()]
    return [tcp6(1000, b"data"), udp6(1001, b"data"), tcp6(1002, b"data", chain=chain),
            udp6(1003, b"data", chain=chain)]


def headers_of(frame):
    """Bytes behind the IPv6 header that are headers: all but the four of data."""
    return len(frame) - EXT - 4


def test_malformed_for_an_address_that_is_no_vip():
    """What is for no VIP is none of ours: a segment on its way, a chain that is too long."""
    frame = tcp6(1000, b"data", dst=NO_VIP6)
    cases = [(frame[:cut], "truncated" if cut < EXT else "not-a-vip") for cut in range(len(frame))]
    for chain in ([route(left=1)], [dst(), hop()], [dst()] * 9,
                  [IPv6ExtHdrFragment(id=1), IPv6ExtHdrFragment(id=1)],
                  [IPv6ExtHdrFragment(id=2, offset=1)]):
        cases.append((tcp6(1000, b"data", chain=chain, dst=NO_VIP6), "not-a-vip"))
    cases.append((with_bytes(frame, ETH, b"\x40"), "not-a-vip"))  # version 4
    outcome(cases)
    outcome([(tcp6(1000, b"data", chain=[route(left=1)]), "bad-extension")])


def test_cut_at_every_byte():
    frames = whole() + [tagged(f, (0x88A8, 5), (0x8100, 6)) for f in whole() + [tcp(1, b"data")]]
    cases = [(frame[:cut], "truncated") for frame in frames for cut in range(len(frame))]
    outcome(cases + [(frame, None) for frame in frames])
    outcome(cases + [(frame, None) for frame in frames], family=6)


def test_cut_at_every_byte_of_every_header_with_a_length_that_agrees():
    cases = []
    for frame in whole():
        for length in range(headers_of(frame)):
            cases.append((with_length(frame, length)[:EXT + length], "truncated"))
            # padding of the link does not make up for it
            cases.append((with_length(frame, length), "truncated"))
    outcome(cases)


def test_length_beyond_the_frame():
    cases = []
    for frame in whole():
        held = len(frame) - EXT
        cases += [(with_length(frame, length), "truncated")
                  for length in (held + 1, held + 2, held + 100, 1500, 9000, 32768, 65495, 65496,
                                 65534, 65535)]
    outcome(cases)


def test_length_short_of_the_frame_is_padding():
    cases = [(frame + bytes(n), None) for frame in whole() for n in (1, 2, 18, 46, 1000)]
    outcome(cases)
    outcome(cases, family=6)
    outcome(cases, mode="l2")


def test_every_version_behind_every_type():
    four, six = tcp(1000, b"data"), tcp6(1000, b"data")
    cases = [(with_bytes(six, ETH, bytes([version << 4])), None if version == 6 else "bad-header")
             for version in range(16)]
    # Where the destination of the other family would be stands something else: no VIP.
    cases += [(with_bytes(four, 12, b"\x86\xdd"), "not-a-vip"),
              (with_bytes(six, 12, b"\x08\x00"), "not-a-vip")]
    outcome(cases)


def test_every_tcp_offset_and_udp_length():
    frame = tcp6(1000, bytes(16))  # 36 bytes of TCP: offsets 5 to 9 fit
    cases = [(with_bytes(frame, EXT + 12, bytes([words << 4])),
              None if 5 <= words <= 9 else "bad-header") for words in range(16)]
    frame = udp6(1000, bytes(32))
    cases += [(with_bytes(frame, EXT + 4, length.to_bytes(2, "big")),
               None if 8 <= length <= 40 else "bad-header")
              for length in [*range(60), 255, 256, 1500, 65535]]
    outcome(cases)


def test_chains_against_the_rules():
    atomic = IPv6ExtHdrFragment(id=7)
    bad = [[dst(), hop()], [hop(), hop()], [atomic, atomic], [dst()] * 9, [hop()] + [dst()] * 8,
           [atomic, hop()]]
    cases = [(udp6(1000, chain=chain), "bad-extension") for chain in bad]
    cases += [(udp6(1000, chain=[dst()] * 8), None), (udp6(1000, chain=[hop()] + [dst()] * 7), None)]
    cases += [(udp6(1000, chain=[route(left)]), "bad-extension" if left else None)
              for left in (0, 1, 2, 255)]
    outcome(cases)


def test_lengths_of_extension_headers():
    """One header of every length in front of UDP, in a packet long enough for all of them."""
    cases = []
    for number in (0, 43, 60):
        for words in range(256):
            size = 8 * (words + 1)
            option = bytes((17, words, 0, 0)) + bytes(size - 4)
            datagram = udp6(1000, b"data")[EXT:]
            packet = ipv6(nh=number) / Raw(option + datagram)
            cases.append((ether(packet), "bad-extension" if size > 512 else None))
            # the header alone says more than there is
            short = ipv6(nh=number) / Raw(bytes((17, words, 0, 0)) + bytes(4))
            cases.append((ether(short), "bad-extension" if size > 512 else "truncated"))
    # AH counts in other units
    for words in range(256):
        size = 4 * (words + 2)
        packet = ipv6(nh=51) / Raw(bytes((17, words)) + bytes(size - 2) + udp6(1, b"x")[EXT:])
        cases.append((ether(packet), "bad-extension" if size > 512 else None))
    outcome(cases)


def test_fragments():
    """The fragment header's own faults; what is right may still wait for its first one."""
    datagrams = itertools.count()

    def piece(data, offset, more):
        header = IPv6ExtHdrFragment(nh=17, offset=offset, m=more, id=next(datagrams))
        return ether(ipv6() / header / Raw(udp6(1000, bytes(2000))[EXT:EXT + data]))

    cases = [(piece(data, 0, 1), "bad-extension" if data % 8 else
              "fragment-tiny" if data < 8 else None) for data in range(1, 33)]
    cases += [(piece(0, 0, 1), "bad-extension"), (piece(0, 5, 0), "bad-extension")]
    cases += [(piece(data, 8191, 0), "fragment" if data <= 7 else "bad-extension")
              for data in (1, 7, 8, 100)]
    cases += [(piece(data, 9, 1), "bad-extension") for data in (1, 7, 9, 100)]
    outcome(cases)


def test_first_fragments_without_their_whole_chain():
    def first(protocol, headers, data):
        packet = ipv6() / IPv6ExtHdrFragment(m=1, id=data)
        for _ in range(headers):
            packet = packet / dst()
        l4 = (tcp6 if protocol == 6 else udp6)(1000, bytes(80))[EXT:]
        packet = bytearray(ether(packet / Raw(l4)))
        packet[EXT + 8 * headers] = protocol  # the last header's next one
        return with_length(bytes(packet), 8 + data)[:EXT + 8 + data]

    cases = []
    for protocol, least in ((6, 20), (17, 8)):
        for headers in range(3):
            cases += [(first(protocol, headers, data),
                       "fragment-tiny" if data < 8 * headers + least else None)
                      for data in range(8, 73, 8)]
    outcome(cases)


def test_parts_of_a_tcp_header_in_a_later_fragment():
    cases = [(ether(ipv6() / IPv6ExtHdrFragment(nh=6, offset=offset, id=offset) / Raw(bytes(30))),
              "fragment-tiny" if offset < 3 else "fragment") for offset in range(1, 6)]
    outcome(cases)


def test_what_is_not_for_a_service():
    cases = [(tcp6(1000, dport=81), "stray"), (udp6(1000, dport=80), "stray"),
             (tcp6(1000, dport=0), "stray"), (tcp6(1000, dst=NO_VIP6), "not-a-vip"),
             (echo6(), "echo-off"), (echo6(dst=NO_VIP6), "not-a-vip"),
             (ether(ipv6(nh=59) / Raw(b"nothing")), "unsupported-l4"),
             (ether(ipv6(nh=59)), "unsupported-l4"),
             (udp6(1, chain=[hop(), dst()], dst=NO_VIP6), "not-a-vip"),
             (ether(IPv6(src=CLIENT6, dst="ff02::1:ff00:a", nh=58) / Raw(b"\x87" + bytes(23))),
              "not-a-vip")]
    for protocol in (1, 2, 4, 41, 47, 50, 58, 59, 132, 135, 139, 140, 255):
        cases.append((with_bytes(tcp6(2560), NEXT, bytes([protocol])), "unsupported-l4"))
        cases.append((with_bytes(tcp6(2560, chain=[dst()]), EXT, bytes([protocol])),
                      "unsupported-l4"))
    outcome(cases)


def test_tags_and_nothing_behind_them():
    tags = [(0x8100, 0x2064), (0x88A8, 3)]
    frames = [tagged(f, *t) for f in (tcp(1, b"x"), tcp6(1, b"x"))
              for t in (tags[:1], tags[1:], tags, tags[::-1], [tags[0]] * 2)]
    cases = [(f, None) for f in frames]
    cases += [(tagged(f, *[tags[0]] * n), "not-ip") for f in (tcp(1), tcp6(1)) for n in (3, 4, 9)]
    cases += [(tagged(ether(bytes(50), type=kind), tags[0]), "not-ip")
              for kind in (0x0806, 0x88CC, 0x8847, 0x9100, 46)]
    outcome(cases)
    outcome(cases, mode="l2")


def errors():
    """ICMP errors in both families, and how many bytes of IP say what they are about."""
    quote = IP(src=VIP, dst=CLIENT) / TCP(sport=HTTP, dport=1000)
    quote6 = (IPv6(src=VIP6, dst=CLIENT6) / dst() / IPv6ExtHdrFragment(m=1, id=3) /
              TCP(sport=HTTP, dport=1000) / Raw(bytes(4)))
    return [(ether(IP(src=ROUTER, dst=VIP) / ICMP(type=3, code=4) / quote), 20 + 8 + 20 + 8),
            (ether(IPv6(src=ROUTER6, dst=VIP6) / ICMPv6PacketTooBig() / quote6),
             40 + 8 + 40 + 16 + 8)]


def with_ip_length(frame, length):
    """The length of IP that the header says, in either family; the frame ends there."""
    if frame[12:14] == b"\x08\x00":
        frame = with_bytes(frame, ETH + 2, length.to_bytes(2, "big"))
    else:
        frame = with_length(frame, length - IP6)
    return frame[:ETH + length]


def test_icmp_errors_cut_at_every_byte():
    cases = []
    for frame, needed in errors():
        cases += [(frame[:cut], "truncated") for cut in range(len(frame))]
        header = 20 if frame[12:14] == b"\x08\x00" else IP6
        for length in range(header, len(frame) - ETH + 1):
            cases.append((with_ip_length(frame, length),
                          "unsupported-l4" if length < header + 8
                          else "bad-quote" if length < needed else None))
    outcome(cases)


def test_every_byte_of_a_quoted_header_changed():
    """Each byte of quote and chain turned over: forwarded where it says nothing of the flow."""
    cases = []
    quote = ETH + 28
    matters = {0, 6, 7, 9, *range(12, 16)}  # version, offset (MF in 6), protocol, source
    frame = errors()[0][0]
    for at in range(20):
        changed = with_bytes(frame, quote + at, bytes([frame[quote + at] ^ 0xFF]))
        cases.append((changed, "bad-quote" if at in matters else None))
    outcome(cases)


def test_nonsense_is_counted_and_nothing_else():
    """Right frames with bytes changed, cut or grown."""
    r = random.Random(20174)
    right = whole() + [udp(1, b"data"), tcp(2, b"data")] + [frame for frame, _ in errors()]
    right += [tagged(f, (0x8100, 5)) for f in right]
    frames = []
    for _ in range(20000):
        frame = bytearray(r.choice(right))
        for _ in range(r.randrange(6)):
            frame[r.randrange(12, min(len(frame), 140))] = r.randrange(256)
        if r.random() < 0.3:
            frame = frame[:r.randrange(len(frame) + 1)]
        elif r.random() < 0.1:
            frame += r.randbytes(r.randrange(1200))
        frames.append(bytes(frame))
    for mode, family, head in (("l2", 4, 0), ("ipip", 6, 40), ("gue", 4, 32)):
        conf = pool(mode, family=family) + SERVICES + SERVICES6
        result = Lab(conf + f"[vip {VIP}]\necho = off\n[vip {VIP6}]\necho = off\n", [frames]).run()
        gone = sum(result.drops.values())
        equal("frames accounted for", gone + len(result.frames[0]), len(frames))
        check(len(result.frames[0]) > 1000, "hardly anything was forwarded")
        check(len(result.drops) > 8, f"few reasons: {result.drops}")
        sent = collections.Counter(client_packet(f) for f in frames if len(f) > ETH + 20)
        for got in result.frames[0]:
            inner = client_packet(got) if mode == "l2" else got[ETH + head:]
            check(sent[inner] > 0, f"a packet that nobody sent: {inner.hex()}")


if __name__ == "__main__":
    main(globals())
