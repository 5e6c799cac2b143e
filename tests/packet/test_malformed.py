#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: each frame is a drop under its own counter, or is forwarded right."""

import collections
import random

from frames import ETH, NO_VIP, SERVICES, client_packet, ether, icmp, pool, tcp, udp
from outcome import outcome, with_bytes
from weirlab import Lab, check, equal, main


def with_ip_length(frame, length):
    return with_bytes(frame, ETH + 2, length.to_bytes(2, "big"))


def numbered(cases):
    """Each of a datagram of its own."""
    return [(with_bytes(frame, ETH + 4, i.to_bytes(2, "big")), reason)
            for i, (frame, reason) in enumerate(cases)]


def whole():
    return [tcp(1000, b"data"), tcp(1001, b"data", ip_options=8), udp(1002, b"data"),
            udp(1003, b"data", ip_options=8)]


def test_cut_at_every_byte():
    cases = [(frame[:cut], "truncated") for frame in whole() for cut in range(len(frame))]
    outcome(cases + [(frame, None) for frame in whole()])


def test_cut_at_every_byte_of_every_header_with_a_length_that_agrees():
    cases = []
    for frame in whole():
        ip_header = (frame[ETH] & 15) * 4
        needed = ip_header + (20 if frame[ETH + 9] == 6 else 8)
        for length in range(ip_header, needed):
            cases.append((with_ip_length(frame, length)[:ETH + length], "truncated"))
            # padding of the link does not make up for it
            cases.append((with_ip_length(frame, length), "truncated"))
    outcome(cases)


def test_ip_length_below_the_header():
    cases = []
    for frame in whole():
        for length in range((frame[ETH] & 15) * 4):
            cases.append((with_ip_length(frame, length), "bad-header"))
    outcome(cases)


def test_ip_length_beyond_the_frame():
    cases = []
    for frame in whole():
        held = len(frame) - ETH
        for length in [held + 1, held + 2, held + 100, 1500, 9000, 32768, 65534, 65535]:
            cases.append((with_ip_length(frame, length), "truncated"))
    outcome(cases)


def test_ip_length_short_of_the_frame_is_padding():
    cases = [(frame + bytes(n), None) for frame in whole() for n in (1, 2, 18, 46, 1000)]
    outcome(cases)
    outcome(cases, mode="l2")


def test_every_ihl():
    short = tcp(1000)  # 40 bytes of IP
    cases = [(with_bytes(short, ETH, bytes([0x40 | ihl])), "bad-header")
             for ihl in (0, 1, 2, 3, 4, 11, 12, 13, 14, 15)]
    for options in range(0, 44, 4):
        cases += [(tcp(1000, b"data", ip_options=options), None),
                  (udp(1000, b"data", ip_options=options), None)]
    outcome(cases)
    outcome(cases, mode="l2")


def test_every_version():
    frame = tcp(1000, b"data")
    outcome([(with_bytes(frame, ETH, bytes([version << 4 | 5])),
              None if version == 4 else "bad-header") for version in range(16)])


def test_every_tcp_offset():
    frame = tcp(1000, bytes(16))  # 36 bytes of TCP: offsets 5 to 9 fit
    outcome([(with_bytes(frame, ETH + 32, bytes([words << 4])),
              None if 5 <= words <= 9 else "bad-header") for words in range(16)])


def test_every_udp_length_near_the_right_one():
    frame = udp(1000, bytes(32))
    outcome([(with_bytes(frame, ETH + 24, length.to_bytes(2, "big")),
              None if 8 <= length <= 40 else "bad-header")
             for length in [*range(60), 255, 256, 1500, 65535]])


def test_fragments_of_a_vip():
    frame = udp(1000, bytes(64))  # 72 bytes of UDP
    fields = [(0x2000, None), (0x6000, None),  # first ones
              (0x2001, "fragment"), (0x0001, "fragment"), (0x4001, "fragment"),
              (0xA001, "fragment"), (0x1FF4, "fragment"),
              (0x1FF5, "bad-header"), (0x3FFF, "bad-header")]  # beyond 65,535 bytes
    cases = [(with_bytes(frame, ETH + 6, field.to_bytes(2, "big")), reason)
             for field, reason in fields]
    # Don't fragment, and the bit of RFC 3514: no fragments
    cases += [(with_bytes(frame, ETH + 6, field), None) for field in (b"\x40\0", b"\x80\0")]
    # the last fragment may be as short as it likes, but one without data is none
    cases += [(with_ip_length(with_bytes(frame, ETH + 6, b"\x00\x08"), 20 + n)[:ETH + 20 + n],
               "fragment" if n else "bad-header") for n in range(9)]
    # those before it have a multiple of eight
    cases += [(with_ip_length(with_bytes(frame, ETH + 6, b"\x20\x08"), 20 + n)[:ETH + 20 + n],
               "bad-header" if n % 8 else "fragment") for n in range(1, 25)]
    outcome(numbered(cases))


def test_fragments_without_the_whole_transport_header_where_it_belongs():
    first = with_bytes(tcp(1000, bytes(20)), ETH + 6, b"\x20\0")  # 40 bytes of TCP
    cases = [(with_ip_length(first, 20 + n)[:ETH + 20 + n],
              "fragment-tiny" if n < 20 else None) for n in (8, 16, 24, 32, 40)]
    later = tcp(1000, bytes(20))
    cases += [(with_bytes(later, ETH + 6, n.to_bytes(2, "big")),
               "fragment-tiny" if n < 3 else "fragment") for n in (1, 2, 3, 4)]
    short = with_bytes(udp(1000, bytes(8)), ETH + 6, b"\x20\0")
    cases += [(with_ip_length(short, 28)[:ETH + 28], None)]
    outcome(numbered(cases))


def test_what_is_not_for_a_service():
    arp = ether(b"\x00\x01\x08\x00\x06\x04\x00\x01" + bytes(20), type=0x0806)
    tagged = ether(b"\x00\x64\x08\x06" + bytes(42), type=0x8100)
    three_tags = ether(b"\x00\x64\x81\x00" * 3 + tcp(1000)[ETH - 2:], type=0x8100)
    ipv6 = ether(b"\x60" + bytes(3) + b"\x00\x14\x3b\x40" + bytes(52), type=0x86DD)
    length_field = ether(bytes(46), type=46)
    cases = [(arp, "not-ip"), (tagged, "not-ip"), (three_tags, "not-ip"),
             (length_field, "not-ip"), (ipv6, "not-a-vip"),
             (tcp(1000, dport=81), "stray"), (udp(1000, dport=80), "stray"),
             (tcp(1000, dport=0), "stray"), (tcp(1000, dst=NO_VIP), "not-a-vip"),
             (udp(1000, dst=NO_VIP), "not-a-vip"), (icmp(), "echo-off"),
             (icmp(dst=NO_VIP), "not-a-vip")]
    for protocol in (0, 2, 4, 41, 47, 50, 58, 132, 255):
        cases.append((with_bytes(tcp(1000), ETH + 9, bytes([protocol])), "unsupported-l4"))
    outcome(cases)


def test_malformed_for_an_address_that_is_no_vip():
    """What is for no VIP is none of ours, whatever is wrong with it."""
    frame = tcp(1000, bytes(20), dst=NO_VIP)
    cases = [(frame[:cut], "truncated" if cut < ETH + 20 else "not-a-vip")
             for cut in range(len(frame))]
    cases += [(with_ip_length(frame, length), "not-a-vip") for length in (0, 19, 39, 61, 65535)]
    cases += [(with_bytes(frame, at, value), "not-a-vip")
              for at, value in ((ETH, b"\x65"), (ETH, b"\x44"), (ETH, b"\x4f"),  # version, IHL
                                (ETH + 32, b"\x40"), (ETH + 32, b"\xf0"),  # offset of TCP
                                (ETH + 6, b"\x20\x01"), (ETH + 6, b"\x00\x01"))]  # fragments
    cases += [(with_bytes(udp(1000, dst=NO_VIP), ETH + 24, b"\0\7"), "not-a-vip")]
    outcome(cases)
    # the same for a VIP
    outcome([(with_bytes(tcp(1000, bytes(20)), ETH, b"\x65"), "bad-header")])


def test_an_empty_frame_and_runts():
    frame = tcp(1000)
    outcome([(b"", "truncated")] + [(frame[:n], "truncated") for n in range(1, ETH + 20)])


def test_frames_of_9000_bytes():
    fits = [tcp(1000, bytes(8960)), udp(1001, bytes(8972))]
    # 9,000 bytes of IP do not fit 1,500; what lies about its length is told apart first
    outcome([(frame, "too-big") for frame in fits]
            + [(with_ip_length(frame, 9001), "truncated") for frame in fits]
            + [(with_ip_length(frame, 19), "bad-header") for frame in fits]
            + [(frame[:5000], "truncated") for frame in fits]
            # a short packet in a long frame: all behind it is padding
            + [(with_ip_length(fits[0], 40), None), (with_ip_length(fits[0], 1400), None)],
            settings="too_big = drop")


def test_nonsense_is_counted_and_nothing_else():
    """Right frames with bytes changed, cut or grown, and pure noise."""
    r = random.Random(20168)
    right = whole()
    frames = []
    for _ in range(20000):
        frame = bytearray(r.choice(right))
        for _ in range(r.randrange(6)):
            frame[r.randrange(min(len(frame), 60))] = r.randrange(256)
        if r.random() < 0.3:
            frame = frame[:r.randrange(len(frame) + 1)]
        elif r.random() < 0.1:
            frame += r.randbytes(r.randrange(3000))
        frames.append(bytes(frame))
    frames += [r.randbytes(r.randrange(200)) for _ in range(5000)]
    for mode in "l2", "ipip":
        result = Lab(pool(mode) + SERVICES, [frames]).run()
        gone = sum(result.drops.values())
        equal("frames accounted for", gone + len(result.frames[0]), len(frames))
        check(len(result.frames[0]) > 1000, "hardly anything was forwarded")
        check(len(result.drops) > 5, f"few reasons: {result.drops}")
        sent = collections.Counter(client_packet(f) for f in frames if len(f) > ETH + 20)
        for got in result.frames[0]:
            inner = client_packet(got) if mode == "l2" else got[ETH + 20:]
            check(sent[inner] > 0, f"a packet that nobody sent: {inner.hex()}")


if __name__ == "__main__":
    main(globals())
