#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A port that is a bond: net_bonding over two net_af_packet devices, each with a veth.

Bonds set the MAC of their members, which net_pcap cannot. All is in a network namespace
of this process's own, which goes with it.
"""

import ctypes
import os
import socket
import struct
import subprocess
import time

from frames import (SERVICES, SERVICES6, backend_mac, client_packet, pool, tagged, tcp, tcp6,
                    udp, udp6)
from weirlab import DEADLINE, Failure, Lab, check, equal, main, write_pcap

BACKENDS = 3
MACS = {backend_mac(i) for i in range(BACKENDS)}
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
SO_RCVBUFFORCE, SOL_PACKET, PACKET_AUXDATA = 33, 263, 8
BATCH = 64  # frames under way at a time: a ring of af_packet holds some hundred
MEMBERS = 2


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def own_namespace():
    """The veths m0-x0 and m1-x1, and nobody else on them."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise Failure(f"unshare: {os.strerror(ctypes.get_errno())}")
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as f:
        f.write("1")
    for i in range(MEMBERS):
        ip("link", "add", f"m{i}", "type", "veth", "peer", "name", f"x{i}")
        ip("link", "set", f"x{i}", "up")
        ip("link", "set", f"m{i}", "up")


class BondLab(Lab):
    """Port p0 is a bond of m0 and m1; frames come and go by x0 and x1."""

    def __init__(self, conf, mode):
        vdevs = " ".join(f"--vdev=net_af_packet{i},iface=m{i}" for i in range(MEMBERS))
        super().__init__(conf, [[]], dataplane=f"eal = {vdevs}")
        self.mode = mode
        self.sockets = []
        for i in range(MEMBERS):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
            s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            s.bind((f"x{i}", 0))
            self.sockets.append(s)

    def device(self, port):
        write_pcap(self.path("00o"), [])  # nothing leaves by a capture file here
        members = ",".join(f"slave=net_af_packet{i}" for i in range(MEMBERS))
        return f"net_bonding0,mode={self.mode},{members}"

    def received(self):
        return self.rpc("status")["counters"]["rx"]["packets"]

    def send(self, frames, members):
        """Frames by each of the first `members` in turn, as many at a time as its ring takes."""
        end = time.monotonic() + DEADLINE
        while not any(port["link"] for port in self.rpc("status")["ports"]):
            check(time.monotonic() < end, "the bond is not up")
            time.sleep(0.005)  # polls; the deadline is the test
        sent = self.received()
        for at in range(0, len(frames), BATCH):
            batch = frames[at:at + BATCH]
            for i, frame in enumerate(batch):
                self.sockets[i % members].send(frame)
            sent += len(batch)
            while self.received() < sent:
                if time.monotonic() > end:
                    raise Failure(f"{self.received()} frames came in, not {sent}")
                time.sleep(0.005)  # polls; the deadline is the test

    def left(self, member):
        """What left by a member; not what we sent to it ourselves."""
        frames = []
        self.sockets[member].setblocking(False)
        while True:
            try:
                frame, extra, _, address = self.sockets[member].recvmsg(65536, 64)
            except BlockingIOError:
                return frames
            if address[2] == socket.PACKET_OUTGOING:
                continue
            # The kernel has taken the outer tag off: struct tpacket_auxdata says which.
            tci, tpid = struct.unpack("=16xHH", extra[0][2])
            tag = struct.pack("!HH", tpid, tci) if tpid else b""
            frames.append(frame[:12] + tag + frame[12:])


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
    end = time.monotonic() + DEADLINE
    macs = []

    def meanwhile(lab):
        lab.send(frames, members)
        macs.extend(port["mac"] for port in lab.rpc("status")["ports"])
        counters = lab.rpc("status")["counters"]
        while counters["tx"]["packets"] < len(frames):
            check(time.monotonic() < end, f"not all was sent: {counters}")
            time.sleep(0.005)  # polls; the deadline is the test
            counters = lab.rpc("status")["counters"]

    lab.run(meanwhile)
    left = [lab.left(member) for member in range(MEMBERS)]
    got = [f for member in left for f in member]
    equal("frames that left", len(got), len(frames))
    tag = b"\x81\x00" + vlan.to_bytes(2, "big") if vlan else b""
    head = 12 + len(tag) + 2 + 20
    equal("clients' packets", sorted(f[head:] for f in got),
          sorted(client_packet(f) for f in frames))
    for frame in got:
        check(frame[0:6] in MACS, f"destination {frame[0:6].hex(':')} is no backend's MAC")
        equal("source MAC", frame[6:12].hex(":"), macs[0])
        equal("tag and type", frame[12:head - 20], tag + b"\x08\x00")
    return left


def test_active_backup_has_one_member_at_work():
    own_namespace()
    equal("frames by member", [len(member) for member in carried(1, members=1)], [400, 0])


def test_balance_sends_by_both_members():
    own_namespace()
    left = carried(2)
    check(all(left), f"sent by each member: {[len(member) for member in left]}")


def test_a_bond_is_a_trunk():
    own_namespace()
    left = carried(0, vlan=300)
    check(all(left), f"sent by each member: {[len(member) for member in left]}")


if __name__ == "__main__":
    main(globals())
