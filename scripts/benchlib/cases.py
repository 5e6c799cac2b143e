# SPDX-License-Identifier: Apache-2.0
"""What is measured: one Case is one configuration of Weir, its traffic, and testpmd beside it."""

import dataclasses
import itertools
import os

VIPS4 = "203.0.113."
VIPS6 = "2001:db8:113::"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    mode: str = "l2"  # l2, ipip or gue
    family: int = 4
    flows: int = 16384
    services: int = 1
    backends: int = 1000
    workers: int = 1
    tcp_flags: int = 0x10  # ACK; 0x02: SYN, every packet an opener
    moving: bool = False  # every slot changes its owner while we measure, and every flow has a pin
    punt_every: int = 0  # one frame in so many is for no VIP, and goes to the kernel
    note: str = ""

    def members(self):
        """What --json says of every case; what one did not measure is null."""
        return {
            "case": self.name, "mode": self.mode, "family": f"ipv{self.family}", "flows": self.flows,
            "services": self.services, "backends": self.backends, "workers": self.workers,
            "weir_mpps": None, "testpmd_mpps": None, "ratio": None, "weir_cycles": None, "rounds": 0,
        }

    def targets(self):
        """(address, port) of each service: 250 addresses, then further ports."""
        prefix, form = (VIPS4, "d") if self.family == 4 else (VIPS6, "x")
        return [(f"{prefix}{i % 250 + 1:{form}}", 80 + i // 250) for i in range(self.services)]

    def weights(self, i, moved):
        """Weight of backend i: where slots move, one half of the backends takes all from the other."""
        if not self.moving:
            return 10
        return 10 if (i % 2 == 0) != moved else 0

    def config(self, directory, cpus, arena_mb=64, memory_mb=512, mbufs=0, moved=False):
        """The configuration file: replayed capture in, null device out, backends with MACs set by hand."""
        rx = ",".join(f"rx_pcap={directory}/traffic{i}.pcap" for i in range(self.workers))
        lines = [
            "[dataplane]", f"cpus = {','.join(map(str, cpus))}", "idle = busy", "huge_pages = yes",
            f"memory_mb = {memory_mb}", f"arena_mb = {arena_mb}", f"mbufs = {mbufs}",
            f"session_socket = {directory}/session.sock", f"file_prefix = weirbench{os.getpid()}",
            "[port in]", f"device = net_pcap0,{rx},infinite_rx=1",
            *(["punt = tap", f"tap = wbench{os.getpid()}"] if self.punt_every else []),
            "[port out]", "device = net_null0,no-rx=1", "mtu = 1600",
            "[controlplane]", f"socket = {directory}/control.sock", f"state_file = {directory}/state.json",
            "[pool bench]", f"mode = {self.mode}", "check = none",
        ]
        if self.mode != "l2":
            lines.append(f"outer_source = {'10.0.0.1' if self.family == 4 else '2001:db8::1'}")
        for i in range(self.backends):
            if self.family == 4:
                address = f"10.{1 + i // 65536}.{i // 256 % 256}.{i % 256}"
            else:
                address = f"2001:db8:1::{i + 1:x}"
            lines.append(
                f"backend b{i} = {address} weight={self.weights(i, moved)} mac=02:00:00:00:{i // 256:02x}:{i % 256:02x} port=out"
            )
        for i, (address, port) in enumerate(self.targets()):
            lines += [f"[service s{i}]", f"vip = {address}", "protocol = tcp", f"port = {port}", "pool = bench"]
        return "\n".join(lines) + "\n"


SPECIAL = (
    Case("syn-flood", flows=1 << 20, tcp_flags=0x02, note="every packet opens a connection"),
    Case("moving", flows=65536, moving=True, note="all slots moving, every flow pinned, 64 k pins"),
    Case("l2-2-workers", workers=2, note="a file per queue"),
    Case("ipip-2-workers", mode="ipip", workers=2, note="a file per queue"),
    Case("punt", punt_every=64, note="one frame in 64 is for no VIP"),
)


def quick():
    """Under three minutes: what a change of the packet path is most likely to hurt."""
    return [
        Case("l2"),
        Case("ipip", mode="ipip"),
        Case("gue", mode="gue"),
        Case("ipip-6in6", mode="ipip", family=6),
        Case("l2-1000-services", services=1000),
        Case("moving", flows=65536, moving=True, note="all slots moving, every flow pinned, 64 k pins"),
    ]


def full():
    """Every combination, and the special cases."""
    cases = []
    for mode, family, flows, services, backends in itertools.product(
        ("l2", "ipip", "gue"), (4, 6), (1, 16384, 1 << 20), (1, 1000), (10, 1000, 10000)
    ):
        cases.append(Case(f"{mode}-ipv{family}-{flows}f-{services}s-{backends}b", mode, family, flows, services, backends))
    return cases + list(SPECIAL)


def bars():
    """What the project promises (docs/performance.md), each beside what it is compared with."""
    return [
        Case("l2"),
        Case("ipip", mode="ipip"),
        Case("l2-1M-flows", flows=1 << 20),
        Case("ipip-6in6", mode="ipip", family=6),
        Case("l2-1000-services", services=1000),
        Case("moving", flows=65536, moving=True, note="all slots moving, every flow pinned, 64 k pins"),
        Case("l2-2-workers", workers=2, note="a file per queue"),
    ]
