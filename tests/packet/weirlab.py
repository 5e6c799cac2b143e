# SPDX-License-Identifier: Apache-2.0
"""Packet tests: the real weir-dataplane and weir-controlplane on capture files.

A Lab is a configuration and the frames that arrive at each (port, queue). run()
starts both programs, waits until every frame has been forwarded or counted as a
drop, stops them and returns what left by each port, with all counters.

A test file defines functions test_* and calls main(). Its runner lists them with
--list, runs those named as arguments (all without), and prints `ok NAME` or
`FAIL NAME: reason` for each. WEIR_BUILD names the build directory.
"""

import collections
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

DEADLINE = 60  # seconds for anything to happen; a sanitizer build is slow
LINK_ETHERNET = 1


class Failure(Exception):
    """What a test found wrong, as a sentence."""


def check(condition, why):
    if not condition:
        raise Failure(why)


def equal(what, got, want):
    if got != want:
        if isinstance(got, bytes):
            got, want = got.hex(), want.hex()
        raise Failure(f"{what} is {got!r}, not {want!r}")


# -- capture files -----------------------------------------------------------


def write_pcap(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, LINK_ETHERNET))
        for i, frame in enumerate(frames):
            f.write(struct.pack("<IIII", i // 1000000, i % 1000000, len(frame), len(frame)))
            f.write(frame)


def read_pcap(path):
    with open(path, "rb") as f:
        data = f.read()
    magic = data[:4]
    order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    frames, at = [], 24
    while at + 16 <= len(data):
        held, = struct.unpack(order + "I", data[at + 8:at + 12])
        frames.append(data[at + 16:at + 16 + held])
        at += 16 + held
    return frames


# -- the two programs --------------------------------------------------------


def fragments(status):
    """The fragment counters of all workers together."""
    total = collections.Counter()
    for worker in status["workers"]:
        total.update(worker["fragments"])
    return total


def punts(counters):
    """By kind: packets to the kernel and from it, as far as there are any."""
    return collections.Counter({name: p["packets"] for name, p in counters["punts"].items()
                                if p["packets"]})


class Program:
    """One of our programs, with its log in a file."""

    def __init__(self, name, path, conf, log):
        self.name = name
        self.log = log
        env = dict(os.environ)
        # A leak at exit is not what these tests are about; anything else is.
        env["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=0:exitcode=99"
        env["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1:exitcode=98"
        with open(log, "wb") as f:
            self.process = subprocess.Popen([path, "-c", conf], env=env, stdout=f, stderr=f)

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def require(self):
        status = self.process.poll()
        if status is not None:
            raise Failure(f"{self.name} ended with status {status}: {self.text()[-2000:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"{self.name} does not end on SIGTERM: {self.text()[-2000:]}")
        if status != 0:
            raise Failure(f"{self.name} ended with status {status}: {self.text()[-4000:]}")
        if "runtime error:" in self.text():
            raise Failure(f"{self.name}: {self.text()[-4000:]}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Result:
    """What came of the frames."""

    def __init__(self):
        self.frames = []  # by port: the frames that left, in order
        self.macs = []  # by port: our source address, 6 bytes
        self.rx = self.tx = None  # packets of all workers
        self.drops = {}  # by reason: packets, without those that are 0
        self.answers = {}  # by kind: packets, without those that are 0
        self.punts = {}  # likewise
        self.fragments = {}  # as `status` gives them, of all workers together
        self.services = {}  # by name, as `services` gives them
        self.backends = {}  # by "pool/name", as `backends` gives them


class Lab:
    """
    conf    the [pool] and [service] sections, as an operator writes them
    inputs  by port: a list of frames, or a list of such lists, one per queue
    ports   further settings of each port, by port: "mtu = 9000"
    """

    def __init__(self, conf, inputs, ports=None, workers=1, dataplane=""):
        self.conf = conf
        self.inputs = [[port] if not port or isinstance(port[0], bytes) else port
                       for port in inputs]
        self.ports = ports or [""] * len(inputs)
        self.workers = workers
        self.dataplane = dataplane
        self.build = os.environ.get("WEIR_BUILD", "build")
        self.directory = tempfile.mkdtemp(prefix="wl", dir="/tmp")  # short: inih's lines are

    def path(self, name):
        return os.path.join(self.directory, name)

    def device(self, port):
        queues = range(len(self.inputs[port]))
        parts = [f"net_pcap{port}"]
        if any(self.inputs[port]):
            parts += [f"rx_pcap={self.path(f'{port}{q}i')}" for q in queues]
        # Every worker sends by a queue of its own, so there is a file for each.
        parts += [f"tx_pcap={self.path(f'{port}{q}o')}" for q in range(self.workers)]
        return ",".join(parts)

    def write(self):
        cpus = os.sched_getaffinity(0)
        chosen = ",".join(str(c) for c in sorted(cpus)[:self.workers])
        lines = [
            "[dataplane]", f"cpus = {chosen}", "idle = adaptive", "huge_pages = no",
            "start = filled", "memory_mb = 128", "arena_mb = 16", self.dataplane,
            f"session_socket = {self.path('session')}",
            f"file_prefix = wl{os.getpid()}",
        ]
        for port, settings in enumerate(self.ports):
            lines += [f"[port p{port}]", f"device = {self.device(port)}", settings]
        lines += ["[controlplane]", f"socket = {self.path('control')}",
                  f"state_file = {self.path('state')}", "flow_seed = 0123456789abcdef", self.conf]
        with open(self.path("conf"), "w") as f:
            f.write("\n".join(lines) + "\n")
        for port, queues in enumerate(self.inputs):
            for queue, frames in enumerate(queues):
                write_pcap(self.path(f"{port}{queue}i"), frames)

    def rpc(self, method, params=None):
        request = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params is not None:
            request["params"] = params
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(DEADLINE)
            s.connect(self.path("control"))
            s.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    raise Failure(f"control socket closed in the answer to {method}")
                data += more
        answer = json.loads(data)
        if "error" in answer:
            raise Failure(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def until(self, what, condition):
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end:
                raise Failure(f"{what}: not within {DEADLINE} s: {self.rpc('status')}")
            time.sleep(0.01)  # polls; the deadline is the test

    def forwarding(self):
        status = self.rpc("status")
        return (status["attached"] and all(w["generation"] > 0 for w in status["workers"])
                and all(b["serving"] for b in self.rpc("backends")["backends"]))

    def wait_done(self, programs, expected):
        """Until every frame is forwarded or dropped: the status that says so."""
        end = time.monotonic() + DEADLINE
        status = None
        while time.monotonic() < end:
            for p in programs:
                p.require()
            try:
                status = self.rpc("status")
                counters = status["counters"]
                rx, tx = counters["rx"]["packets"], counters["tx"]["packets"]
                gone = sum(d["packets"] for d in counters["drops"].values())
                cut = fragments(status)
                kernel = punts(counters)
                if (rx >= expected and cut["holding"] == 0
                        and rx + cut["pieces"] + kernel["from-kernel"]
                        == tx + cut["split"] + gone + kernel["not-a-vip"] + kernel["not-ip"]):
                    return status
            except (FileNotFoundError, ConnectionRefusedError):
                pass  # not listening yet
            time.sleep(0.01)  # polls; the deadline is the test
        raise Failure(f"{expected} frames did not get through: {status}; "
                      + "; ".join(p.text()[-1500:] for p in programs))

    def run(self, meanwhile=None):
        """meanwhile(lab): called when all is forwarded, before the programs stop."""
        programs = []
        try:
            self.write()
            for name in ("weir-dataplane", "weir-controlplane"):
                path = os.path.join(self.build, name.removeprefix("weir-"), name)
                programs.append(Program(name, path, self.path("conf"), self.path(name)))
            expected = sum(len(frames) for queues in self.inputs for frames in queues)
            status = self.wait_done(programs, expected)
            if meanwhile is not None:
                meanwhile(self)
                status = self.wait_done(programs, expected)
            result = self.collect(status)
            for p in reversed(programs):
                p.stop()
            for port in range(len(self.inputs)):
                result.frames.append([f for q in range(self.workers)
                                      for f in read_pcap(self.path(f"{port}{q}o"))])
            return result
        finally:
            for p in programs:
                p.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def collect(self, status):
        result = Result()
        counters = status["counters"]
        result.rx, result.tx = counters["rx"], counters["tx"]
        result.fragments = fragments(status)
        result.drops = {name: d["packets"] for name, d in counters["drops"].items()
                        if d["packets"]}
        result.answers = {name: a["packets"] for name, a in counters["answers"].items()
                          if a["packets"]}
        result.punts = punts(counters)
        result.macs = [bytes.fromhex(p["mac"].replace(":", "")) for p in status["ports"]]
        result.services = {s["name"]: s for s in self.rpc("services")["services"]}
        result.backends = {f"{b['pool']}/{b['name']}": b
                           for b in self.rpc("backends")["backends"]}
        return result


# -- the runner's contract ---------------------------------------------------


class Skipped(Exception):
    """This machine cannot show it; the text says why."""


def needs_two_cpus():
    if len(os.sched_getaffinity(0)) < 2:
        raise Skipped("one CPU: one worker is all there can be")


def run_one(name, function):
    try:
        function()
    except Skipped as why:
        print(f"skip {name}: {why}", flush=True)
        return True
    except Failure as failure:
        reason = str(failure)
    except Exception:  # a fault of the test is a failure like any other
        reason = traceback.format_exc()
    else:
        print(f"ok {name}", flush=True)
        return True
    print(f"FAIL {name}: {' '.join(reason.split())}", flush=True)
    return False


def main(namespace):
    tests = {name: f for name, f in namespace.items() if name.startswith("test_")}
    arguments = sys.argv[1:]
    if arguments == ["--list"]:
        print("\n".join(tests))
        return
    unknown = [name for name in arguments if name not in tests]
    if unknown:
        sys.exit(f"no such test: {', '.join(unknown)}")
    results = [run_one(name, tests[name]) for name in arguments or tests]
    sys.exit(0 if all(results) else 1)
