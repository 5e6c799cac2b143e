#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Right frames, to begin with: DIR/corpus/NAME. Two bytes choose headroom and split."""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "packet"))

from frames import icmp, tcp, udp  # noqa: E402

FRAMES = {
    "tcp": tcp(1000, b"data"),
    "tcp-options": tcp(1001, tcp_options=[("MSS", 1460)], tcp_flags="S"),
    "ip-options": tcp(1002, b"data", ip_options=40),
    "udp": udp(1003, b"query"),
    "udp-options": udp(1004, ip_options=8),
    "padded": udp(1005) + bytes(18),
    "fragment": udp(1006, bytes(32), flags="MF"),
    "icmp": icmp(),
    "full-size": udp(1007, bytes(1472)),
}

for name, frame in FRAMES.items():
    with open(os.path.join(sys.argv[1], "corpus", name), "wb") as f:
        f.write(b"\x20\x22" + frame)
