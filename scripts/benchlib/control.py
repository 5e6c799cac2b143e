# SPDX-License-Identifier: Apache-2.0
"""What the control side costs: tables, publishing, memory of both processes, questions while traffic flows."""

import re
import statistics
import subprocess
import tempfile
import time

import cases
import frames
import processes

ROUNDS = 15


def publish(weir):
    """Milliseconds of one changed weight: (as the daemon measures it, as the asker waits)."""
    daemon, asker = [], []
    for i in range(ROUNDS):
        start = time.monotonic()
        weir.call("backend.weight", pool="bench", backend="b5", weight=11 + i)
        asker.append((time.monotonic() - start) * 1e3)
        daemon.append(weir.call("status")["publish_latency_us"] / 1e3)
        time.sleep(0.05)  # the first change after a quiet time is published at once
    return statistics.median(daemon), statistics.median(asker)


def calls_per_second(weir, seconds, method, **params):
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        weir.call(method, **params)
        n += 1
    return n / seconds


def mb(size):
    return round(size / (1 << 20), 1)


def over_backends(build_dir, directory, backends):
    """One running Weir with so many backends in a pool, and traffic."""
    case = cases.Case("control", flows=1024, backends=backends)
    frames.write_pcap(f"{directory}/traffic0.pcap", frames.flows(case.flows, 4, case.targets()))
    weir = processes.Weir(build_dir, directory, case.config(directory, processes.cpus(1), memory_mb=96, mbufs=16384))
    try:
        daemon, asker = publish(weir)
        vip, port = case.targets()[0]
        explained = calls_per_second(
            weir, 1, "explain", protocol="tcp", source="10.64.0.1:40000", destination=f"{vip}:{port}"
        )
        status = calls_per_second(weir, 1, "status")
        data, ctl = weir.dataplane.memory(), weir.controlplane.memory()
    finally:
        weir.end()
    return case.members() | {
        "rounds": ROUNDS, "publish_ms": round(daemon, 2), "publish_call_ms": round(asker, 2),
        "dataplane_rss_mb": mb(data[0]), "dataplane_huge_mb": mb(data[1]),
        "controlplane_rss_mb": mb(ctl[0]), "controlplane_huge_mb": mb(ctl[1]),
        "explain_per_s": round(explained), "status_per_s": round(status),
    }


def many_pools(build_dir, directory, pools):
    """Megabytes of the data plane with so many tables of 65,537 slots, beyond packet buffers and bare EAL."""
    memory_mb, arena_mb = 64, 1 + pools * 52 // 100
    case = cases.Case("memory", services=pools, backends=10 * pools)
    lines = case.config(directory, processes.cpus(1), arena_mb=arena_mb, memory_mb=memory_mb, mbufs=8192).splitlines()
    lines = lines[: lines.index("[pool bench]")]
    for i in range(pools):
        lines += [f"[pool p{i}]", "check = none", "table_size = 65537"]
        lines += [f"backend p{i}b{j} = 10.{1 + i}.0.{1 + j} mac=02:00:00:00:{i:02x}:{j:02x} port=out" for j in range(10)]
        lines += [f"[service s{i}]", f"vip = 203.0.113.{1 + i}", "protocol = tcp", "port = 80", f"pool = p{i}"]
    frames.write_pcap(f"{directory}/traffic0.pcap", frames.flows(1024, 4, [("203.0.113.1", 80)]))
    ninja(build_dir, "tests/perf/bare_eal")
    eal = ["--in-memory", "--no-pci", "--no-telemetry", "-m", str(memory_mb), "--file-prefix=weirbare"]
    eal += [f"--lcores=0@{processes.other_cpu()},1@{processes.cpus(1)[0]}", "--vdev=net_null0,no-rx=1"]
    eal += [f"--vdev=net_pcap0,rx_pcap={directory}/traffic0.pcap,infinite_rx=1"]
    bare = processes.Process([f"{build_dir}/tests/perf/bare_eal", *eal], f"{directory}/bare.log")
    try:
        processes.wait_for("bare EAL is ready", 30, lambda: bare.alive() and b"ready" in open(bare.log, "rb").read())
        without = sum(bare.memory())
    finally:
        bare.end()
    weir = processes.Weir(build_dir, directory, "\n".join(lines) + "\n")
    try:
        took = sum(weir.dataplane.memory())
    finally:
        weir.end()
    return case.members() | {
        "rounds": 1, "pools": pools, "arena_mb": arena_mb, "bare_eal_mb": mb(without), "dataplane_mb": mb(took - without)
    }


def run(*command):
    """What the command prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise processes.Failed(f"{' '.join(command)}:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout


def ninja(build_dir, target):
    run("ninja", "-C", build_dir, target)


def tables(build_dir):
    """What tests/perf/table_cost.c prints, a line a table build or failure update, and its objects of --json."""
    ninja(build_dir, "tests/perf/table_cost")
    printed = run(f"{build_dir}/tests/perf/table_cost").rstrip()
    objects = []
    for line in printed.splitlines():
        what, backends, median, most = re.fullmatch(
            r"(.+?) +(\d+) backends +median +([\d.]+) ms +90% +([\d.]+) ms", line
        ).groups()
        case = cases.Case("table", backends=int(backends))
        objects.append(case.members() | {"what": what, "table_ms": float(median), "table_ms_90": float(most)})
    return printed, objects


def measure(build_dir, huge_pages, log, add, counts):
    """Prints as it goes, and add()s the objects of --json; returns how many of its parts failed."""
    failed = 0

    def attempt(name, part, megabytes):
        nonlocal failed
        try:
            with tempfile.TemporaryDirectory(prefix="weir-bench-") as directory, huge_pages(megabytes):
                part(directory)
        except (processes.Failed, OSError) as why:
            log(f"{name}: FAILED: {why}")
            failed += 1

    def all_tables(_):
        printed, objects = tables(build_dir)
        log(printed)
        for r in objects:
            add(r)

    def so_many(directory):
        r = over_backends(build_dir, directory, backends)
        add(r)
        log(
            f"{backends:8} {r['publish_ms']:11.2f} {r['publish_call_ms']:8.2f}"
            f" {r['dataplane_rss_mb']:8.1f} +{r['dataplane_huge_mb']:6.1f} {r['controlplane_rss_mb']:7.1f} +{r['controlplane_huge_mb']:5.1f}"
            f" {r['explain_per_s']:10} {r['status_per_s']:9}"
        )

    def memory(directory):
        r = many_pools(build_dir, directory, 100)
        add(r)
        log(f"100 pools of 65,537 slots, arena_mb = {r['arena_mb']}: {r['dataplane_mb']} MB beyond buffers and bare EAL ({r['bare_eal_mb']} MB)")

    log("tables of 65,537 slots, milliseconds of CPU time:")
    attempt("tables", all_tables, 0)
    log(f"one changed weight of a pool while traffic flows, medians of {ROUNDS}; memory as VmRSS + HugetlbPages:")
    log(f"{'backends':>8} {'publish ms':>11} {'call ms':>8} {'data plane MB':>16} {'control MB':>14} {'explain/s':>10} {'status/s':>9}")
    for backends in counts:
        attempt(f"{backends} backends", so_many, 256)
    attempt("memory", memory, 384)
    return failed
