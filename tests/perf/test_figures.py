#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench makes of rounds and starts, and of its programs. Prints "ok NAME" or "FAIL NAME: reason"."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/benchlib"))
import figures  # noqa: E402
import huge  # noqa: E402
import processes  # noqa: E402

STEADY = [[40e6, 40e6, 40e6]] * 5


def assert_equal(what, got, want):
    assert got == want, f"{what}: {got!r}, wanted {want!r}"


def one_slow_start_changes_no_figure():
    slow = STEADY[:4] + [[20e6, 20e6, 20e6]]
    r = figures.summary([[30e6] * 3] * 5, slow, 1, 2.6e9)
    assert_equal("ratio", r["ratio"], 0.75)
    assert_equal("testpmd_mpps", r["testpmd_mpps"], 40.0)
    assert_equal("ratio_most", r["ratio_most"], 1.5)
    assert_equal("testpmd_spread", r["testpmd_spread"], 0.5)


def one_disturbed_round_changes_no_start():
    disturbed = [[40e6, 10e6, 40e6]] * 5
    r = figures.summary(disturbed, STEADY, 1, 2.6e9)
    assert_equal("ratio", r["ratio"], 1.0)
    assert_equal("weir_spread", r["weir_spread"], 0.0)


def a_start_counts_once_however_many_rounds_it_had():
    assert_equal("median", figures.median_of_starts([[1] * 9, [2], [3]]), 2)


def the_ratio_is_of_neighbours():
    """Both slow down to a half in the second round: Weir stays at three quarters of testpmd."""
    r = figures.summary([[30e6, 15e6]], [[40e6, 20e6]], 1, 2.6e9)
    assert_equal("ratio", r["ratio"], 0.75)


def cycles_are_those_of_one_worker():
    """100 ns a packet less 50, on each of two workers, at 2 GHz."""
    r = figures.summary([[20e6]], [[40e6]], 2, 2e9)
    assert_equal("weir_cycles", r["weir_cycles"], 100.0)


def rounds_are_counted_over_all_starts():
    r = figures.summary(STEADY, STEADY, 1, 2.6e9)
    assert_equal("rounds", (r["rounds"], r["starts"]), (15, 5))


def read(path):
    with open(path) as f:
        return json.load(f)


def the_file_holds_what_there_is_at_any_time():
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/results.json"
        results = figures.Results(path)
        assert_equal("file before the first case", read(path), [])
        results.add({"case": "a"})
        assert_equal("file after one", read(path), [{"case": "a"}])
        results.add({"case": "b"})
        assert_equal("file after two", read(path), [{"case": "a"}, {"case": "b"}])
        assert_equal("files beside it", os.listdir(directory), ["results.json"])


def what_cannot_be_written_leaves_the_file_as_it_was():
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/results.json"
        results = figures.Results(path)
        results.add({"case": "a"})
        try:
            results.add({"case": object()})
        except TypeError:
            pass
        else:
            raise AssertionError("an object that JSON has no form for was taken")
        assert_equal("file", read(path), [{"case": "a"}])
        assert_equal("files beside it", os.listdir(directory), ["results.json"])


def a_file_that_cannot_be_written_is_told_at_once():
    for path in ("/nonexistent/results.json", "/dev/null", "/"):
        try:
            figures.Results(path)
        except OSError:
            continue
        raise AssertionError(f"{path} was taken")


def without_a_file_results_are_a_list():
    results = figures.Results(None)
    results.add({"case": "a"})
    assert_equal("results", list(results), [{"case": "a"}])


def a_killed_benchmark_leaves_no_program_behind():
    """Not even a stopped one, as all but one are at any time."""
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1]); import processes\n"
        "p = processes.Process(['sleep', '60'], '/dev/null')\n"
        "processes.wait_for('sleep', 10, lambda: b'sleep' in open(f'/proc/{p.pid}/cmdline', 'rb').read()[:6])\n"
        "p.pause()\n"
        "print(p.pid, flush=True)\n"
        "sys.stdin.read(1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    argv = [sys.executable, "-B", "-c", code, os.path.dirname(figures.__file__)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bench:
        pidfd = os.pidfd_open(int(bench.stdout.readline()))
        bench.stdin.close()
    ended, _, _ = select.select([pidfd], [], [], 10)
    if not ended:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    assert_equal("programs that ended", len(ended), 1)


def the_cpus_are_those_that_it_may_use():
    may = os.sched_getaffinity(0)
    try:
        for cpu in may:
            os.sched_setaffinity(0, {cpu})
            assert_equal("of one worker", processes.cpus(1), [cpu])
            assert_equal("of the rest", processes.other_cpu(), cpu)
            try:
                processes.cpus(2)
            except processes.Failed as why:
                assert_equal("of two", str(why), "needs 2 CPUs, may use 1")
            else:
                raise AssertionError("two workers on one CPU")
    finally:
        os.sched_setaffinity(0, may)


def with_huge_pages(free, refused, megabytes):
    """What is told, and whether it goes on, where so many pages are free and the kernel refuses more."""
    told, kept = [], (huge.free_pages, huge.reserve, huge.told)
    huge.free_pages, huge.reserve, huge.told = lambda: free, lambda pages: refused, set()
    try:
        for _ in range(2):
            with huge.pages(megabytes, told.append):
                pass
    except processes.Failed as why:
        told.append(f"failed: {why}")
    finally:
        huge.free_pages, huge.reserve, huge.told = kept
    return told


def huge_pages_that_cannot_be_reserved_are_missed_only_where_too_few_are_free():
    read_only = "nr_hugepages: Read-only file system"
    assert_equal("with many", with_huge_pages(200, read_only, 256), [])
    assert_equal("with just enough", with_huge_pages(128, read_only, 256),
                 [f"{read_only}; the huge pages that are free will do"])
    assert_equal("with too few", with_huge_pages(127, read_only, 256),
                 [f"failed: needs 256 MB of huge pages, 254 MB are free; {read_only}"])
    assert_equal("where the kernel has no more", with_huge_pages(127, None, 256),
                 ["failed: needs 256 MB of huge pages, 254 MB are free; the kernel has no more for us"])


def main():
    failed = 0
    for test in (
        one_slow_start_changes_no_figure, one_disturbed_round_changes_no_start,
        a_start_counts_once_however_many_rounds_it_had, the_ratio_is_of_neighbours, cycles_are_those_of_one_worker,
        rounds_are_counted_over_all_starts, the_file_holds_what_there_is_at_any_time,
        what_cannot_be_written_leaves_the_file_as_it_was, a_file_that_cannot_be_written_is_told_at_once,
        without_a_file_results_are_a_list, a_killed_benchmark_leaves_no_program_behind,
        the_cpus_are_those_that_it_may_use,
        huge_pages_that_cannot_be_reserved_are_missed_only_where_too_few_are_free,
    ):
        try:
            test()
            print(f"ok {test.__name__}")
        except AssertionError as why:
            print(f"FAIL {test.__name__}: {why}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
