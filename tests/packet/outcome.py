# SPDX-License-Identifier: Apache-2.0
"""What becomes of single frames: forwarded unchanged, or a drop with a reason."""

import collections

from frames import ETH, SERVICES, SERVICES6, VIP, VIP6, client_packet, pool
from weirlab import Lab, equal

# Weir says nothing of its own: what is no service's is a drop under its own name.
SILENT = f"[vip {VIP}]\necho = off\n[vip {VIP6}]\necho = off\n"


def outcome(cases, mode="ipip", ports=None, family=4, settings=""):
    """cases: (frame, reason), reason None for what must be forwarded, unchanged.
    family: that of the backends' addresses. settings: of the pool."""
    conf = pool(mode, family=family, settings=settings) + SERVICES + SERVICES6 + SILENT
    result = Lab(conf, [[frame for frame, _ in cases]], ports=ports).run()
    want = collections.Counter(reason for _, reason in cases if reason is not None)
    equal("drops", result.drops, dict(want))
    passed = [frame for frame, reason in cases if reason is None]
    equal("frames that left", len(result.frames[0]), len(passed))
    head = ETH if mode == "l2" else ETH + (20 if family == 4 else 40)
    for sent, got in zip(passed, result.frames[0]):
        want = client_packet(sent)
        equal("client's packet", got[head:head + len(want)], want)
        equal("bytes behind it", len(got) - head - len(want),
              len(sent) - sent.index(want, ETH) - len(want) if mode == "l2" else 0)


def with_bytes(frame, at, value):
    return frame[:at] + value + frame[at + len(value):]
