#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Instructions per packet of each stage, counted by valgrind's callgrind over a fixed
# burst: the same on every run of one binary, whatever else the machine does. A stage
# that takes over 10 % more than tests/perf/stages.txt says fails.
#
#   tests/perf/stages.sh            compare
#   tests/perf/stages.sh --accept   write what is measured into stages.txt: for a change
#                                   that is worth it, in the commit that makes it
#
# Without the drivers (net_ring, net_null): tx takes 14, net_null 87, and 8 more would not
# have been seen. select is counted as it runs with AVX2, which valgrind knows: without it, it
# takes more. WEIR_BUILD: a release build.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
known=$here/stages.txt
program=${WEIR_BUILD:-$here/../../build}/tests/perf/stage_cost
rounds=2000
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# "CASE STAGE INSTRUCTIONS", a line a stage
measure() {
    local case=$1 packets

    packets=$(valgrind --tool=callgrind --toggle-collect=measured --callgrind-out-file="$tmp/$case" "$program" "$case" $rounds 2>"$tmp/log") || {
        cat "$tmp/log" >&2
        return 1
    }
    callgrind_annotate --inclusive=yes --threshold=100 "$tmp/$case" |
        awk -v case="$case" -v packets="$packets" '
            # sorted: the first line of a driver is all of it
            match($0, /librte_net_[a-z]+/) {
                driver = substr($0, RSTART + 11, RLENGTH - 11)
                if (!(driver in took)) { took[driver] = $1; gsub(/,/, "", took[driver]) }
            }
            match($0, /dataplane\/[a-z]+\.c:[a-z]+_burst( |$)/) {
                stage = substr($0, RSTART, RLENGTH); sub(/.*:/, "", stage); sub(/_burst ?/, "", stage)
                count = $1; gsub(/,/, "", count)
                if (!(stage in all)) all[stage] = count
            }
            END {
                all["rx"] -= took["ring"]; all["tx"] -= took["null"]
                for (stage in all) printf "%s %s %.1f\n", case, stage, all[stage] / packets
            }' | sort
}

cases=(l2 ipip gue l2-v6 ipip-6in6 moving)
for case in "${cases[@]}"; do
    measure "$case"
done >"$tmp/measured"

if [ "${1-}" = --accept ]; then
    {
        echo "# instructions per packet: case, stage, count. Written by tests/perf/stages.sh --accept"
        cat "$tmp/measured"
    } >"$known"
    echo "written: $known"
    exit
fi

failed=0
while read -r case stage count; do
    was=$(awk -v c="$case" -v s="$stage" '$1 == c && $2 == s { print $3 }' "$known")
    if [ -n "$was" ] && awk -v a="$count" -v b="$was" 'BEGIN { exit !(a <= b * 1.1) }'; then
        echo "ok $case-$stage"
    else
        echo "FAIL $case-$stage: $count instructions a packet, ${was:-none} in tests/perf/stages.txt; if that is worth it: tests/perf/stages.sh --accept"
        failed=1
    fi
done <"$tmp/measured"
# a stage that is not measured any more would pass for ever
for case in "${cases[@]}"; do
    for stage in rx parse classify select encap tx; do
        grep -q "^$case $stage " "$tmp/measured" || {
            echo "FAIL $case-$stage: not found in what callgrind counted"
            failed=1
        }
    done
done
exit $failed
