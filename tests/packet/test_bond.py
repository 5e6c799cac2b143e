#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A port that is a bond: net_bonding over two net_af_packet devices, each with a veth.
Bonds set the MAC of their members, which net_pcap cannot.
"""

from frames import (SERVICES, SERVICES6, backend_mac, client_packet, pool, tagged, tcp, tcp6,
                    udp, udp6)
from weirlab import Lab, check, equal, main, write_pcap
from wire import Wire, own_namespace

BACKENDS = 3
MACS = {backend_mac(i) for i in range(BACKENDS)}
BATCH = 64  # frames under way at a time: a ring of af_packet holds some hundred
MEMBERS = 2


class BondLab(Lab):
    """Port p0 is a bond of m0 and m1; frames come and go by x0 and x1."""

    def __init__(self, conf, mode, ports=None):
        vdevs = " ".join(f"--vdev=net_af_packet{i},iface=m{i}" for i in range(MEMBERS))
        super().__init__(conf, [[]], ports, dataplane=f"eal = {vdevs}")
        self.mode = mode
        own_namespace((f"m{i}", f"x{i}") for i in range(MEMBERS))
        self.wires = [Wire(f"x{i}") for i in range(MEMBERS)]

    def device(self, port):
        write_pcap(self.path("00o"), [])  # nothing leaves by a capture file here
        members = ",".join(f"slave=net_af_packet{i}" for i in range(MEMBERS))
        return f"net_bonding0,mode={self.mode},{members}"

    def received(self):
        return self.rpc("status")["counters"]["rx"]["packets"]

    def send(self, frames, members):
        """Frames by each of the first `members` in turn, as many at a time as its ring takes."""
        self.until("the bond is up",
                   lambda: any(port["link"] for port in self.rpc("status")["ports"]))
        sent = self.received()
        for at in range(0, len(frames), BATCH):
            batch = frames[at:at + BATCH]
            for i, frame in enumerate(batch):
                self.wires[i % members].send(frame)
            sent += len(batch)
            self.until("frames received", lambda: self.received() >= sent)


def variety():
    made = []
    for i in range(1000, 1100):
        data = bytes(i % 50)
        made += [tcp(i, data), tagged(udp(i, data), (0x8100, 5)), tcp6(i, data),
                 tagged(udp6(i, data), (0x88A8, 6), (0x8100, 5))]
    return made


def carried(mode, vlan=0, members=MEMBERS):
    """Frames of both families, tagged and not, that come by so many members of a bond.
    Returns what left, by member."""
    frames = variety()
    conf = pool("ipip", BACKENDS, each=lambda i: f"vlan={vlan}") + SERVICES + SERVICES6
    lab = BondLab(conf, mode)
    result = lab.run(lambda lab: lab.send(frames, members))
    left = [wire.received() for wire in lab.wires]
    got = [f for member in left for f in member]
    equal("frames that left", len(got), len(frames))
    tag = b"\x81\x00" + vlan.to_bytes(2, "big") if vlan else b""
    head = 12 + len(tag) + 2 + 20
    equal("clients' packets", sorted(f[head:] for f in got),
          sorted(client_packet(f) for f in frames))
    for frame in got:
        check(frame[0:6] in MACS, f"destination {frame[0:6].hex(':')} is no backend's MAC")
        equal("source MAC", frame[6:12], result.macs[0])
        equal("tag and type", frame[12:head - 20], tag + b"\x08\x00")
    return left


def test_active_backup_has_one_member_at_work():
    equal("frames by member", [len(member) for member in carried(1, members=1)], [400, 0])


def test_balance_sends_by_both_members():
    left = carried(2)
    check(all(left), f"sent by each member: {[len(member) for member in left]}")


def test_a_bond_is_a_trunk():
    left = carried(0, vlan=300)
    check(all(left), f"sent by each member: {[len(member) for member in left]}")


if __name__ == "__main__":
    main(globals())
