#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Flows that change their receive queue, and with it their worker, while their slots move.

Two queues of one port, a network interface each, so that packets come when a test sends
them and by the queue that it says: class Queues.
"""

import collections
import ctypes
import os
import random
import socket
import subprocess
import time

from frames import ETH, HTTP, SERVICES, VIP, backend_mac, pool, tcp
from weirlab import DEADLINE, Failure, Lab, check, equal, main

MACS = {backend_mac(i): f"b{i}" for i in range(100)}
CLONE_NEWNET = 0x40000000


def interfaces():
    """q0 and q1 for the data plane, p0 and p1 are their other ends; a namespace of ours."""
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        raise Failure("no network namespace")
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as f:
        f.write("1")
    for q in 0, 1:
        subprocess.run(["ip", "link", "add", f"q{q}", "type", "veth", "peer", "name", f"p{q}"],
                       check=True)
        for name in f"q{q}", f"p{q}":
            subprocess.run(["ip", "link", "set", name, "up"], check=True)


class Queues(Lab):
    """A port with two live queues. script(queues) runs while both programs do."""

    def __init__(self, conf, script):
        interfaces()
        super().__init__(conf, [[[], []]], workers=2)
        self.script = script
        self.sockets = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW) for _ in range(2)]
        for q, s in enumerate(self.sockets):
            s.bind((f"p{q}", 0))
        self.sent = 0

    def device(self, port):
        parts = [f"net_pcap{port}"] + [f"rx_iface_in=q{q}" for q in (0, 1)]
        return ",".join(parts + [f"tx_pcap={self.path(f'{port}{q}o')}" for q in (0, 1)])

    def until(self, what, condition):
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end:
                raise Failure(f"{what}: not within {DEADLINE} s: {self.rpc('status')}")
            time.sleep(0.01)  # polls; the deadline is the test

    def by(self, queue, frames):
        """Send by a queue; back when all have been received."""
        for at in range(0, len(frames), 64):  # no more than a ring holds
            for frame in frames[at:at + 64]:
                self.sockets[queue].send(frame)
                self.sent += 1
            self.until("frames received",
                       lambda: self.rpc("status")["counters"]["rx"]["packets"] >= self.sent)

    def forwarding(self):
        status = self.rpc("status")
        return (status["attached"] and all(w["generation"] > 0 for w in status["workers"])
                and all(b["serving"] for b in self.rpc("backends")["backends"]))

    def run_script(self):
        def meanwhile(_):
            self.until("forwarding", self.forwarding)
            self.script(self)

        return self.run(meanwhile)


def data(flow):
    src, sport = flow
    return tcp(sport, b"more", src=src, tcp_flags="PA")


def opener(flow):
    src, sport = flow
    return tcp(sport, src=src, tcp_flags="S")


def flows(count, seed):
    r = random.Random(seed)
    return [(f"10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}",
             r.randrange(1024, 65536)) for _ in range(count)]


def owners(frames):
    """By flow: the backends that its packets went to."""
    found = collections.defaultdict(set)
    for f in frames:
        src = ".".join(str(b) for b in f[ETH + 12:ETH + 16])
        found[src, int.from_bytes(f[ETH + 20:ETH + 22], "big")].add(MACS[f[0:6]])
    return found


def chosen(queues, flow):
    src, sport = flow
    answer = queues.rpc("explain", {"protocol": "tcp", "source": f"{src}:{sport}",
                                    "destination": f"{VIP}:{HTTP}"})
    return answer["backend"]


def test_a_flow_that_changes_its_queue_stays_on_its_backend():
    if len(os.sched_getaffinity(0)) < 2:
        return  # one CPU: one worker is all there can be
    old, new, probes = flows(200, 1), flows(200, 2), flows(100, 3)
    gone = {"b0", "b1"}

    def script(queues):
        queues.by(0, [opener(f) for f in old])
        for name in gone:
            queues.rpc("backend.drain", {"pool": "web", "backend": name})
        queues.by(0, [data(f) for f in old])  # pins of those on b0 and b1 at worker 0
        queues.until("the grace is over",
                     lambda: not any(chosen(queues, f) in gone for f in probes))
        queues.by(0, [opener(f) for f in new])  # to the new owners
        for turn in range(3):
            queues.by(1 - turn % 2, [data(f) for f in old + new])
        for name in gone:  # their slots are pinned now
            queues.rpc("backend.enable", {"pool": "web", "backend": name})
        for turn in range(2):
            queues.by(turn, [data(f) for f in old + new])
        found.extend(w["pins"]["found_elsewhere"] for w in queues.rpc("status")["workers"])

    found = []
    result = Queues(pool("l2", 4) + SERVICES, script).run_script()
    by_flow = owners(result.frames[0])
    equal("flows seen", len(by_flow), 400)
    for flow, backends in by_flow.items():
        equal(f"backends of {flow}", len(backends), 1)
    check(sum(by_flow[f] <= gone for f in old) > 40, "old flows are on those that drain")
    equal("new flows on those that drain", sum(by_flow[f] <= gone for f in new), 0)
    check(found[1] > 40, f"worker 1 found {found[1]} pins at worker 0")


def test_with_hash_source_all_of_a_client_stays():
    """Nothing is an opener there: what arrives in the window is learnt, new or not."""
    if len(os.sched_getaffinity(0)) < 2:
        return
    old = flows(200, 4)
    again = [(src, 1 + sport // 2) for src, sport in old]  # the same clients, other ports
    gone = {"b0", "b1"}

    def script(queues):
        queues.by(0, [opener(f) for f in old])
        for name in gone:
            queues.rpc("backend.drain", {"pool": "web", "backend": name})
        queues.by(0, [opener(f) for f in again])
        queues.by(1, [data(f) for f in again + old])
        for name in gone:
            queues.rpc("backend.enable", {"pool": "web", "backend": name})
        queues.by(0, [data(f) for f in again + old])
        made.extend(w["pins"]["made"] for w in queues.rpc("status")["workers"])

    made = []
    result = Queues(pool("l2", 4, settings="hash = source") + SERVICES, script).run_script()
    by_client = collections.defaultdict(set)
    for (src, _), backends in owners(result.frames[0]).items():
        by_client[src] |= backends
    for client, backends in by_client.items():
        equal(f"backends of {client}", len(backends), 1)
    held = sum(backends <= gone for backends in by_client.values())
    check(held > 40, f"{held} clients are on those that drained")
    equal("pins at worker 0: one a client", made[0], held)


def test_full_pin_tables_are_told():
    """At 70 % and at 80 %, once each, in the log; how full they are, in the status."""
    if len(os.sched_getaffinity(0)) < 2:
        return

    def used(queues):
        return queues.rpc("status")["workers"][0]["pins"]["used"]

    def warnings(queues):
        with open(queues.path("weir-controlplane"), errors="replace") as f:
            return [line.split("(")[2].split(" and")[0] for line in f if "pins in use" in line]

    def script(queues):
        queues.rpc("backend.drain", {"pool": "web", "backend": "b0"})
        equal("room for pins", queues.rpc("status")["workers"][0]["pins"]["capacity"], 1024)
        for limit, said in (740, ["70 %"]), (860, ["70 %", "80 %"]):
            while used(queues) < limit:  # about half of the flows are b0's
                queues.by(0, [data(f) for f in flows(limit - used(queues), queues.sent)])
            queues.until(f"warnings at {limit} pins", lambda: warnings(queues) == said)

    lab = Queues(pool("l2", 2) + SERVICES, script)
    lab.dataplane = "pins = 1024"
    lab.run_script()


if __name__ == "__main__":
    main(globals())
