#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`weirctl capture` of what is dropped or answered, and of fragments and pieces, by every kind
of filter: net_pcap on a veth, since a capture begins when Weir runs."""

import os
import struct
import subprocess

from frames import (CLIENT, HTTP, SERVICES, SERVICES6, VIP, VIP6, back4, backend_mac,
                    client_packet, echo6, error4, ether, icmp, pool, tcp, tcp6, udp)
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6ExtHdrRouting
from scapy.packet import Raw
from test_fragment_drops import part
from weirlab import DEADLINE, Lab, check, equal, main, write_pcap
from wire import Wire, own_namespace

BACKENDS = 5
CONF = pool("ipip", BACKENDS, settings="mtu = 700") + SERVICES + SERVICES6
HEAD = 14 + 20  # of what leaves, in front of the client's packet


class LiveLab(Lab):
    """Port p0 is the veth m0; frames come by x0."""

    def __init__(self):
        super().__init__(CONF, [[]])
        own_namespace([("m0", "x0")])
        self.wire = Wire("x0")

    def device(self, port):
        write_pcap(self.path("00o"), [])  # nothing leaves by a capture file here
        return "net_pcap0,rx_iface_in=m0,tx_iface=m0"

    def captured(self, frames, count, *options):
        """The frames again and again, until so many packets are captured: (comment, packet)."""
        file = self.path("captured")
        program = [os.path.join(self.build, "controlplane", "weirctl"), "-s", self.path("control"),
                   "capture", file, "--count", str(count), "--seconds", str(DEADLINE),
                   "--snap", "2000", *options]

        with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as weirctl:
            def has_ended():
                for frame in frames:
                    self.wire.send(frame)
                return weirctl.poll() is not None

            try:
                self.until(f"a capture of {options}", has_ended)
            finally:
                weirctl.kill()
            equal("exit status", weirctl.returncode, 0)
        with open(file, "rb") as f:
            packets = list(packet_blocks(f.read()))
        equal("packets", len(packets), count)
        return packets


def packet_blocks(data):
    """(comment, frame) of each Enhanced Packet Block of a pcapng file."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 6:
            held, = struct.unpack_from("<I", data, at + 20)
            option, comment = at + 28 + (held + 3) // 4 * 4, b""
            while option < at + size - 4:
                code, length = struct.unpack_from("<HH", data, option)
                if code == 1:
                    comment = data[option + 4:option + 4 + length]
                option += 4 + (length + 3) // 4 * 4
            yield comment.decode(), data[at + 28:at + 28 + held]
        at += size


def captures(cases):
    """cases: (frames, options, what is captured, again and again: {(start of comment, frame)})."""
    def ask(lab):
        lab.until("forwarding", lab.forwarding)
        for frames, options, want in cases:
            got = lab.captured(frames, 8 * len(want), *options)
            for comment, frame in got:
                check(any(comment.startswith(start) and frame == whole for start, whole in want),
                      f"{options}: {comment}: {frame.hex()}")
            equal(f"kinds of packets by {options}", len(set(got)), len(want))

    LiveLab().run(ask)


def dropped(reason, *frames):
    return {(f"dropped ({reason})", frame) for frame in frames}


TINY = ether(IP(src=CLIENT, dst=VIP, flags="MF", proto=6) / Raw(bytes(8)))
QUOTE = error4(back4(CLIENT, 999, "tcp", src="192.0.2.77"), 28)
SEGMENTS_LEFT = tcp6(1, chain=[IPv6ExtHdrRouting(segleft=1)])
TRUNCATED = tcp(2, bytes(100))[:80]
ANOTHER = tcp(3, bytes(8), dst="203.0.113.200")


def test_what_is_malformed_matches_by_its_addresses():
    frames = [TINY, QUOTE, SEGMENTS_LEFT, TRUNCATED, ANOTHER]
    want = (dropped("fragment-tiny", TINY) | dropped("bad-quote", QUOTE)
            | dropped("truncated", TRUNCATED))
    captures([
        (frames, ["--destination", VIP], want),
        (frames, ["--source", "198.51.100.0/24", "--drop", "truncated"],
         dropped("truncated", TRUNCATED)),
        (frames, ["--destination", VIP6], dropped("bad-extension", SEGMENTS_LEFT)),
        # no port is known of them
        (frames + [tcp(9)], ["--dport", str(HTTP), "--points", "before"],
         {("as it came", tcp(9)), ("dropped (not-a-vip)", ANOTHER)}),
    ])


def test_fragments_that_are_dropped_match_by_reason():
    alone, other = part(4, 800, 104), tcp(1)
    first, wrong = part(4, 0, 400), part(4, 392, 400)
    captures([
        ([alone, other], ["--drop", "fragment"], dropped("fragment", alone)),
        ([first, wrong, other], ["--drop", "fragment-overlap", "--service", "dns",
                                 "--destination", VIP],
         dropped("fragment-overlap", first, wrong)),
    ])


def test_what_was_answered_came_and_the_answer_left():
    def ask(lab):
        lab.until("forwarding", lab.forwarding)
        asked = [icmp(), echo6()]
        got = lab.captured(asked, 16, "--points", "before")
        equal("what came", set(got), {("as it came", f) for f in asked})
        for comment, frame in lab.captured([icmp()], 8, "--points", "after"):
            equal("comment", comment, "as it left")
            equal("type of ICMP", frame[34], 0)

    LiveLab().run(ask)


def test_pieces_are_captured_as_their_packet():
    whole, other = udp(1, bytes(1400)), tcp(1)

    def ask(lab):
        lab.until("forwarding", lab.forwarding)
        got = lab.captured([whole, other], 12, "--service", "dns")
        came = [frame for comment, frame in got if comment == "as it came"]
        left = [frame for comment, frame in got if comment == "as it left"]
        equal("as it came", set(came), {whole})
        equal("pieces", len(set(left)), 3)
        macs = {frame[0:6] for frame in left}
        equal("backends", len(macs & {backend_mac(i) for i in range(BACKENDS)}), 1)
        equal("bytes of all", sum(len(frame) - HEAD - 20 for frame in set(left)),
              len(client_packet(whole)) - 20)

    LiveLab().run(ask)


if __name__ == "__main__":
    main(globals())
