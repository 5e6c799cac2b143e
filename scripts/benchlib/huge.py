# SPDX-License-Identifier: Apache-2.0
"""Huge pages of 2 MB, for as long as a measurement needs them."""

import contextlib
import re

import processes

RESERVED = "/proc/sys/vm/nr_hugepages"
MEMINFO = "/proc/meminfo"
told = set()


def free_pages():
    with open(MEMINFO) as f:
        return int(re.search(r"HugePages_Free:\s+(\d+)", f.read()).group(1))


def reserve(pages):
    """Make it so many in all. None, or why not."""
    try:
        with open(RESERVED, "w") as f:
            f.write(str(pages))
    except OSError as why:
        return f"{RESERVED}: {why.strerror}"
    return None


@contextlib.contextmanager
def pages(megabytes, log):
    """Reserve what a run needs on top of what is reserved; give it back afterwards. Where none may be reserved and
    enough are free, that is told once, and the run goes on."""
    try:
        with open(RESERVED) as f:
            before = int(f.read())
    except OSError as why:
        raise processes.Failed(f"{RESERVED}: {why.strerror}") from None
    free = free_pages()
    missing = max(0, megabytes // 2 + 8 - free)
    refused = None
    try:
        if missing:
            refused = reserve(before + missing)
        if missing and free_pages() < megabytes // 2:
            why = refused or "the kernel has no more for us"
            raise processes.Failed(f"needs {megabytes} MB of huge pages, {free_pages() * 2} MB are free; {why}")
        if refused and refused not in told:
            told.add(refused)
            log(f"{refused}; the huge pages that are free will do")
        yield
    finally:
        if missing and not refused:
            reserve(before)
