# SPDX-License-Identifier: Apache-2.0
"""What rounds and starts come to. A program keeps what its start found (docs/benchmark.md): where its memory
is, how fast it therefore runs. So a case is measured over several starts, and a start counts as one."""

import json
import os
import statistics
import tempfile


def median_of_starts(starts):
    """The median over starts of the median over each one's rounds."""
    return statistics.median(statistics.median(rounds) for rounds in starts)


def between_starts(starts):
    """(least, most) of the starts' medians."""
    medians = [statistics.median(rounds) for rounds in starts]
    return min(medians), max(medians)


def spread(starts):
    """(most - least) / median, between starts."""
    least, most = between_starts(starts)
    return (most - least) / median_of_starts(starts)


def summary(weir, testpmd, workers, tsc_hz):
    """Members of --json, from packets a second of each: a list of starts, each a list of rounds in turn."""
    ratios = [[x / y for x, y in zip(*start)] for start in zip(weir, testpmd)]
    weir_pps, testpmd_pps = median_of_starts(weir), median_of_starts(testpmd)
    least, most = between_starts(ratios)
    return {
        "weir_mpps": round(weir_pps / 1e6, 2), "testpmd_mpps": round(testpmd_pps / 1e6, 2),
        "ratio": round(median_of_starts(ratios), 3),
        "weir_cycles": round((1 / weir_pps - 1 / testpmd_pps) * tsc_hz * workers, 1),
        "rounds": sum(len(rounds) for rounds in weir), "starts": len(weir),
        "ratio_least": round(least, 3), "ratio_most": round(most, 3),
        "weir_spread": round(spread(weir), 3), "testpmd_spread": round(spread(testpmd), 3),
    }


class Results(list):
    """Results, and the file of --json with all so far: whole at any time, whatever ends the run."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        if path:
            if os.path.exists(path) and not os.path.isfile(path):
                raise OSError(f"{path} is not a file")
            if not os.path.isdir(os.path.dirname(os.path.realpath(path))):
                raise OSError(f"{path}: no such directory")
            self.write()

    def add(self, result):
        self.append(result)
        if self.path:
            self.write()

    def write(self):
        target = os.path.realpath(self.path)
        with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(target), prefix=".weir-bench-", delete=False) as f:
            try:
                json.dump(self, f, indent=1)
                f.write("\n")
                os.fchmod(f.fileno(), 0o644)
                os.replace(f.name, target)
            except BaseException:
                os.unlink(f.name)
                raise
