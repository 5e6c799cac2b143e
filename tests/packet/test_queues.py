#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Flows that change their receive queue, and with it their worker, while their slots move;
ICMP errors and fragments that come by the other queue.

Two queues of one port, a network interface each, so that packets come when a test sends
them and by the queue that it says: class Queues.
"""

import collections
import random

from frames import (DNS, ERRORS, ERRORS6, ETH, HTTP, SERVICES, SERVICES6, VIP, back4, back6,
                    backend_mac, error4, error6, in_fragments, pool, tcp, tcp6, udp)
from weirlab import Lab, check, equal, main, needs_two_cpus
from wire import Wire, own_namespace

MACS = {backend_mac(i): f"b{i}" for i in range(100)}


class Queues(Lab):
    """A port with two live queues. script(queues) runs while both programs do."""

    def __init__(self, conf, script):
        own_namespace((f"q{q}", f"p{q}") for q in (0, 1))
        super().__init__(conf, [[[], []]], workers=2)
        self.script = script
        self.wires = [Wire(f"p{q}") for q in (0, 1)]
        self.sent = 0

    def device(self, port):
        parts = [f"net_pcap{port}"] + [f"rx_iface_in=q{q}" for q in (0, 1)]
        return ",".join(parts + [f"tx_pcap={self.path(f'{port}{q}o')}" for q in (0, 1)])

    def by(self, queue, frames, wait=True):
        """Send by a queue; back when all have been received, unless wait is false."""
        for at in range(0, len(frames), 64):  # no more than a ring holds
            for frame in frames[at:at + 64]:
                self.wires[queue].send(frame)
                self.sent += 1
            if wait:
                self.until("frames received", lambda: self.rpc("status")["counters"]["rx"]["packets"] >= self.sent)

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
    needs_two_cpus()
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
    needs_two_cpus()
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


H3 = 443
QUIC_SERVICE = f"""
[service h3]
vip = {VIP}
protocol = udp
port = {H3}
quic = yes
pool = web
"""
# RFC 9000, sections 17.2.2 (version 1) and 17.3.1
INITIAL = bytes.fromhex("c000000001088394c8f03e5157080000449e") + bytes(1180)
SHORT = bytes.fromhex("40aabbcc") + bytes(30)


def test_of_services_that_share_a_pool_one_knows_initials():
    """TCP, QUIC and plain UDP: a SYN begins a flow, and an Initial does where it is one. The
    same bytes for the plain service are learnt, as all that comes in the window."""
    needs_two_cpus()
    probes, gone = flows(100, 7), {"b0", "b1"}
    # By kind: port, first payload, later ones; None: TCP
    kinds = {"syn": (HTTP, None, None), "quic": (H3, INITIAL, SHORT),
             "old quic": (H3, SHORT, SHORT), "plain": (DNS, INITIAL, SHORT)}
    of = {kind: flows(60, 8 + i) for i, kind in enumerate(kinds)}

    def packets(kind, turn):
        port, *payloads = kinds[kind]
        if kind == "syn":
            return [data(f) if turn else opener(f) for f in of[kind]]
        return [udp(sport, payloads[min(turn, 1)], dport=port, src=src) for src, sport in of[kind]]

    def script(queues):
        queues.by(0, packets("old quic", 0))
        for name in gone:
            queues.rpc("backend.drain", {"pool": "web", "backend": name})
        queues.until("the grace is over",
                     lambda: not any(chosen(queues, f) in gone for f in probes))
        for turn in range(3):
            queues.by(turn % 2, [p for kind in kinds for p in packets(kind, turn)])
        for name in gone:  # their slots are pinned now
            queues.rpc("backend.enable", {"pool": "web", "backend": name})
        for turn in 3, 4:
            queues.by(turn % 2, [p for kind in kinds for p in packets(kind, turn)])

    result = Queues(pool("l2", 4) + SERVICES + QUIC_SERVICE, script).run_script()
    by_flow = owners(result.frames[0])
    for kind, its in of.items():
        for flow in its:
            equal(f"backends of {kind} {flow}", len(by_flow[flow]), 1)
        held = sum(by_flow[flow] <= gone for flow in its)
        if kind in ("syn", "quic"):
            equal(f"new flows on those that drain, {kind}", held, 0)
        else:
            check(held > 15, f"{held} flows are on those that drain, {kind}")


def test_full_pin_tables_are_told():
    """At 70 % and at 80 %, once each, in the log; how full they are, in the status."""
    needs_two_cpus()

    def made(queues):  # at once; "used" is told ten times a second
        return queues.rpc("status")["workers"][0]["pins"]["made"]

    def warnings(queues):
        with open(queues.path("weir-controlplane"), errors="replace") as f:
            return [line.split("(")[2].split(" and")[0] for line in f if "pins in use" in line]

    def script(queues):
        queues.rpc("backend.drain", {"pool": "web", "backend": "b0"})
        equal("room for pins", queues.rpc("status")["workers"][0]["pins"]["capacity"], 1024)
        for limit, said in (740, ["70 %"]), (860, ["70 %", "80 %"]):
            while made(queues) < limit:  # about half of the flows are b0's
                queues.by(0, [data(f) for f in flows(limit - made(queues), queues.sent)])
            queues.until(f"warnings at {limit} pins", lambda: warnings(queues) == said)

    lab = Queues(pool("l2", 2) + SERVICES, script)
    lab.dataplane = "pins = 1024"
    lab.run_script()


# -- what does not name the flow itself ------------------------------------------


class Flow:
    """Of either family; knows again what it made."""

    def __init__(self, number):
        self.family, self.sport = 4 + number % 2 * 2, 2000 + number
        self.src = (f"10.7.{number >> 8}.{number & 255}" if self.family == 4
                    else f"2001:db8:c::{number:x}")
        self.made = []

    def keep(self, frames):
        self.made += [f[ETH:] for f in frames]
        return frames

    def packet(self, tcp_flags, payload=b""):
        make = tcp if self.family == 4 else tcp6
        return make(self.sport, payload, tcp_flags, src=self.src)

    def opener(self):
        return self.keep([self.packet("S")])

    def data(self):
        return self.keep([self.packet("PA", b"more")])

    def errors(self):
        """With as little of the quoted packet as there may be: 8 bytes of its TCP."""
        if self.family == 4:
            quote = back4(self.src, self.sport, "tcp")
            return self.keep([error4(quote, 28, **fields) for fields in ERRORS])
        quote = back6(self.src, self.sport, "tcp")
        return self.keep([error6(quote, 48, kind) for kind in ERRORS6])

    def fragments(self):
        return self.keep(in_fragments(self.packet("PA", bytes(4000)), len(self.made)))


def send_errors(queues, all_flows):
    queues.by(1, [f for flow in all_flows for f in flow.errors()])


def send_fragments(queues, all_flows):
    """Both by the other queue, in order and not; one by each, the first one's before the
    others' and after."""
    queues.by(1, [f for flow in all_flows for f in flow.fragments()])
    queues.by(1, [f for flow in all_flows for f in reversed(flow.fragments())])
    split = [flow.fragments() for flow in all_flows]
    queues.by(0, [frames[0] for frames in split])
    queues.by(1, [f for frames in split for f in frames[1:]])
    for flow in all_flows:
        first, *later = flow.fragments()
        queues.by(1, later, wait=False)
        queues.by(0, [first])


def moving_and_pinned(send):
    """Flows that began before backends were drained and after; send(queues, flows) with
    the slots moving, and again with them pinned. Returns what all came to, the flows of
    both kinds, and the pins that worker 1 had afterwards."""
    old, new = [Flow(n) for n in range(60)], [Flow(n) for n in range(60, 120)]
    probes, gone, used = flows(100, 5), ("b0", "b1"), []

    def script(queues):
        queues.by(0, [f for flow in old for f in flow.opener()])
        for name in gone:
            queues.rpc("backend.drain", {"pool": "web", "backend": name})
        queues.by(0, [f for flow in old for f in flow.data()])
        queues.until("the grace is over",
                     lambda: not any(chosen(queues, f) in gone for f in probes))
        queues.by(0, [f for flow in new for f in flow.opener() + flow.data()])
        send(queues, old + new)
        for name in gone:
            queues.rpc("backend.enable", {"pool": "web", "backend": name})
        queues.until("the slots are pinned",
                     lambda: any(chosen(queues, f) in gone for f in probes))
        send(queues, old + new)
        used.append(queues.rpc("status")["workers"][1]["pins"]["used"])

    result = Queues(pool("l2", 4) + SERVICES + SERVICES6, script).run_script()
    return result, old, new, used[0]


def check_kept(result, old, new):
    went = collections.defaultdict(set)
    for f in result.frames[0]:
        went[f[ETH:]].add(MACS[f[0:6]])
    equal("frames that left", len(result.frames[0]), sum(len(f.made) for f in old + new))
    owner = {}
    for flow in old + new:
        backends = set().union(*(went[packet] for packet in flow.made))
        equal(f"backends of {flow.src}", len(backends), 1)
        owner[flow] = backends.pop()
    for family in 4, 6:
        check(sum(owner[f] in ("b0", "b1") for f in old if f.family == family) > 5,
              f"old flows are on those that drained, IPv{family}")
    equal("new flows on those that drained", sum(owner[f] in ("b0", "b1") for f in new), 0)


def test_errors_by_the_other_queue_go_by_the_pin():
    """And leave no pin behind: anyone can forge one."""
    needs_two_cpus()
    result, old, new, used = moving_and_pinned(send_errors)
    equal("drops", result.drops, {})
    check_kept(result, old, new)
    equal("pins of worker 1", used, 0)


def test_fragments_by_the_other_queue_go_by_the_pin():
    needs_two_cpus()
    # A fragment waits for 100 ms, and the machine may take our CPU away for longer.
    for _ in range(10):
        result, old, new, used = moving_and_pinned(send_fragments)
        if "fragment" not in result.drops:
            break
    equal("drops", result.drops, {})
    check_kept(result, old, new)
    check(used > 0, "worker 1 has copied pins")
    equal("complete datagrams", result.fragments["complete"], 8 * len(old + new))


if __name__ == "__main__":
    main(globals())
