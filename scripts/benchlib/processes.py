# SPDX-License-Identifier: Apache-2.0
"""The programs under test: stopped and continued in turn so that rounds interleave cheaply."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time


class Failed(Exception):
    """A program did not do what the benchmark needs; the message says what it printed last."""


def wait_for(what, seconds, probe, every=0.02):
    """Call probe() until it returns something true; that is the result."""
    deadline = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not after {seconds} s")
        time.sleep(every)


def cpus(workers):
    """The CPUs of so many workers: the last ones that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < workers:
        raise Failed(f"needs {workers} CPUs, may use {len(usable)}")
    return usable[-workers:]


def other_cpu():
    """The CPU of all that is not measured: the first one that this process may use."""
    return min(os.sched_getaffinity(0))


class Process:
    """A child with its output in a file. Never outlives the benchmark: it is killed with its group, and by the
    kernel when the benchmark itself is killed."""

    def __init__(self, argv, log):
        self.name = argv[0]
        self.log = log
        self.out = open(log, "wb")
        self.child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *argv],
            stdin=subprocess.PIPE, stdout=self.out, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        if self.child.poll() is not None:
            with open(self.log, errors="replace") as f:
                tail = f.read()[-2000:]
            raise Failed(f"{self.name} ended with {self.child.returncode}:\n{tail}")
        return True

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        if self.child.poll() is None:
            self.resume()
            self.child.terminate()
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self.out.close()

    def kill(self):
        os.killpg(self.pid, signal.SIGKILL)
        self.child.wait()

    def cpu_seconds(self):
        """CPU time of all threads so far. What others take of the machine does not count."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def memory(self):
        """Bytes: (VmRSS, HugetlbPages) as the kernel counts them."""
        with open(f"/proc/{self.pid}/status") as f:
            fields = dict(line.split(":", 1) for line in f)
        return tuple(int(fields[k].split()[0]) * 1024 for k in ("VmRSS", "HugetlbPages"))


class Weir:
    """weir-dataplane and weir-controlplane with one configuration file."""

    def __init__(self, build, directory, config, traffic=True):
        self.dir = directory
        self.socket = f"{directory}/control.sock"
        self.weirctl_path = f"{build}/controlplane/weirctl"
        path = f"{directory}/weir.conf"
        with open(path, "w") as f:
            f.write(config)
        self.dataplane = Process([f"{build}/dataplane/weir-dataplane", "-c", path], f"{directory}/dataplane.log")
        self.controlplane = self.connection = None
        try:
            self.controlplane = Process(
                ["taskset", "-c", str(other_cpu()), f"{build}/controlplane/weir-controlplane", "-c", path],
                f"{directory}/controlplane.log",
            )
            wait_for("Weir forwards", 60, self.forwards if traffic else self.filled)
        except BaseException:
            self.end()
            raise

    def call(self, method, **params):
        """One JSON-RPC call on a connection that stays open; returns its result."""
        if self.connection is None:
            self.connection = socket.socket(socket.AF_UNIX)
            self.connection.settimeout(30)
            self.connection.connect(self.socket)
            self.answers = self.connection.makefile("r")
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self.answers.readline())
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def rewrite(self, config):
        """Put another configuration in force."""
        with open(f"{self.dir}/weir.conf", "w") as f:
            f.write(config)
        self.call("reload")

    def pins(self):
        return sum(w["pins"]["used"] for w in self.call("status")["workers"])

    def rpc(self, *args):
        out = subprocess.run(
            [self.weirctl_path, "-s", self.socket, "--json", *args], capture_output=True, text=True, timeout=30
        )
        if out.returncode != 0:
            raise Failed(f"weirctl {' '.join(args)}: {out.stderr.strip()}")
        return json.loads(out.stdout)

    def filled(self):
        self.dataplane.alive()
        self.controlplane.alive()
        try:
            return all(w["generation"] > 0 for w in self.rpc("status")["workers"] or [{"generation": 0}])
        except (Failed, KeyError):
            return False

    def forwards(self):
        self.dataplane.alive()
        self.controlplane.alive()
        try:
            return self.rpc("status")["counters"]["tx"]["packets"] > 0
        except (Failed, KeyError):
            return False

    def rate(self, seconds):
        """Packets that left a second of CPU time, and the share of received ones that did not."""
        a, start = self.call("status")["counters"], self.dataplane.cpu_seconds()
        time.sleep(seconds)
        b, end = self.call("status")["counters"], self.dataplane.cpu_seconds()
        sent = b["tx"]["packets"] - a["tx"]["packets"]
        got = b["rx"]["packets"] - a["rx"]["packets"]
        return sent / (end - start), 1 - sent / got if got else 0.0

    def pause(self):
        self.dataplane.pause()

    def resume(self):
        self.dataplane.resume()

    def end(self):
        if self.connection is not None:
            self.connection.close()
        for p in (self.controlplane, self.dataplane):
            if p is not None:
                p.end()


class Testpmd:
    """dpdk-testpmd --forward-mode=macswap on the same devices: receives, swaps the MACs, sends."""

    def __init__(self, directory, name, workers, vdevs, mbufs, memory_mb):
        lcores = ",".join([f"0@{other_cpu()}"] + [f"{i + 1}@{c}" for i, c in enumerate(workers)])
        eal = [f"--lcores={lcores}", "--no-pci", "--in-memory", f"--file-prefix={name}", "-m", str(memory_mb)]
        eal += ["--no-telemetry", "--log-level=lib.eal:debug"] + [f"--vdev={v}" for v in vdevs]
        app = ["-i", "--forward-mode=macswap", "--auto-start", "--no-flush-rx", f"--total-num-mbufs={mbufs}"]
        app += [f"--nb-cores={len(workers)}", f"--rxq={len(workers)}", f"--txq={len(workers)}"]
        # line by line: an answer that stays in a buffer is none
        self.process = Process(["stdbuf", "-oL", "dpdk-testpmd", *eal, "--", *app], f"{directory}/testpmd.log")
        try:
            wait_for("testpmd forwards", 120, lambda: self.process.alive() and self.sent() > 0)
        except BaseException:
            self.end()
            raise

    def tsc_hz(self):
        """What DPDK found the time stamp counter to run at: cycles are its, not the core's."""
        with open(self.process.log, errors="replace") as log:
            found = re.search(r"TSC frequency is ~(\d+) KHz", log.read())
        if found is None:
            raise Failed("testpmd does not say how fast the time stamp counter runs")
        return int(found[1]) * 1000

    def sent(self):
        """Packets sent so far, all ports."""
        with open(self.process.log, errors="replace") as log:
            log.seek(0, os.SEEK_END)
            start = log.tell()
        self.process.child.stdin.write(b"show port stats all\n")
        self.process.child.stdin.flush()

        def answer():
            self.process.alive()
            with open(self.process.log, errors="replace") as log:
                log.seek(start)
                counts = re.findall(r"TX-packets:\s+(\d+)\s", log.read())
            return counts if len(counts) >= 2 else None

        return sum(int(n) for n in wait_for("testpmd answers", 60, answer, every=0.002))

    def rate(self, seconds):
        """The same of testpmd; nothing is lost between a replayed file and a null device."""
        a, start = self.sent(), self.process.cpu_seconds()
        time.sleep(seconds)
        b, end = self.sent(), self.process.cpu_seconds()
        return (b - a) / (end - start), 0.0

    def pause(self):
        self.process.pause()

    def resume(self):
        self.process.resume()

    def end(self):
        """At once: it keeps nothing (--in-memory), and takes 4 s over SIGTERM after a SIGSTOP."""
        if self.process.child.poll() is None:
            self.process.kill()
        self.process.end()


class Watchdog:
    """Ends everything when the benchmark hangs: nothing may keep a core busy for ever."""

    def __init__(self, seconds):
        self.timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGTERM))
        self.timer.daemon = True
        self.timer.start()
