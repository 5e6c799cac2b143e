#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/bench in short rounds: every case has a name, what --json says of each is
# whole, and a run that is ended leaves what it had and no program.
#
#   no network: replayed captures into a null device, on this machine
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

BENCH=$WEIR_ROOT/scripts/bench
SHORT=(--starts 2 --rounds 1 --seconds 0.05)
top=$(mktemp -d)
child=
finish() {
    [ -z "$child" ] || kill "$child" 2>/dev/null || :
    rm -rf "$top"
}
trap finish EXIT
export WEIR_BUILD

# What --full runs (docs/benchmark.md).
wanted_cases() {
    local mode family flows services backends

    for mode in l2 ipip gue; do
        for family in ipv4 ipv6; do
            for flows in 1 16384 1048576; do
                for services in 1 1000; do
                    for backends in 10 1000 10000; do
                        echo $mode-$family-${flows}f-${services}s-${backends}b
                    done
                done
            done
        done
    done
    printf '%s\n' syn-flood moving l2-2-workers ipip-2-workers punt
}

# Every object of FILE holds for the jq expression, and there are COUNT.
all_hold() { # FILE COUNT EXPRESSION
    equal "objects in the file" "$(jq length "$1")" "$2" &&
        equal "first for which it does not hold" "$(jq -c "first(.[] | select(($3) | not)) // null" "$1")" null
}

check full_has_every_case equal "names that are missing or too many" \
    "$(comm -3 <(wanted_cases | sort) <("$BENCH" --full --list | sort) | xargs)" ""
check bars_are_those_of_performance_md equal "cases" "$("$BENCH" --bars --list | xargs)" \
    "l2 ipip l2-1M-flows ipip-6in6 l2-1000-services moving l2-2-workers"

# Pktgen's configurations of Weir, filled in as memif.sh and docs/benchmark.md say.
sed "s|@DIR@|$top|; s|@CPU@|1|; s|@MODE@|l2|" "$WEIR_ROOT/scripts/pktgen/weir-memif.conf" >"$top/memif.conf"
echo "backend b0 = 10.1.0.0 mac=02:00:00:00:00:00 port=out" >>"$top/memif.conf"
for conf in "$top/memif.conf" "$WEIR_ROOT/scripts/pktgen/weir-nics.conf"; do
    name=$(basename "$conf" .conf)
    check "${name//-/_}_is_a_configuration" "$WEIR_BUILD/controlplane/weirctl" check-config "$conf"
done

check an_unknown_case_is_told refused 1 "no case's name holds 'nonsense'" "$BENCH" -k nonsense
check a_file_that_cannot_be_written_is_told_first refused 1 "/nonexistent" "$BENCH" -k l2 --json /nonexistent/a.json
check two_at_once_are_refused refused 1 "another one is running" flock /run/weir-bench.lock "$BENCH" -k l2

command -v dpdk-testpmd >/dev/null || {
    echo "skip cases_are_measured: dpdk-testpmd is not installed"
    checks_end
}

# measured NAME ARGUMENT...: bench ends well with these; its last lines are told when not.
measured() {
    local name=$1

    shift
    "$BENCH" "${SHORT[@]}" --json "$top/$name.json" "$@" >"$top/$name.log" 2>&1 || {
        tail -n 5 "$top/$name.log"
        return 1
    }
}

check modes_are_measured measured modes --full -k ipv4-1f-1s-10b
check a_case_has_every_member all_hold "$top/modes.json" 3 '
    .case == .mode + "-ipv4-1f-1s-10b" and .family == "ipv4" and .flows == 1 and .services == 1 and .backends == 10
    and .workers == 1 and .rounds == 2 and .starts == 2 and .weir_mpps > 0 and .testpmd_mpps > 0
    and .ratio_least <= .ratio and .ratio <= .ratio_most and .weir_cycles != null'
check ipv6_is_measured measured ipv6 --full -k gue-ipv6-16384f-1000s-1000b
check moving_slots_are_measured measured moving --full -k moving
check punts_are_measured measured punt --full -k punt
if [ "$(nproc)" -gt 1 ]; then
    check two_workers_are_measured measured two --full -k l2-2-workers
    check they_are_said_to_be_two all_hold "$top/two.json" 1 '.workers == 2 and .ratio > 0'
fi

check control_side_is_measured measured control --only-control
check every_object_has_the_same_members all_hold "$top/control.json" 21 \
    'has("case") and has("mode") and has("family") and has("flows") and has("services") and has("backends")
    and has("workers") and has("weir_mpps") and has("testpmd_mpps") and has("ratio") and has("weir_cycles") and has("rounds")'
jq '[.[] | select(.case == "table")]' "$top/control.json" >"$top/table.json"
jq '[.[] | select(.case == "control")]' "$top/control.json" >"$top/backends.json"
jq '[.[] | select(.case == "memory")]' "$top/control.json" >"$top/memory.json"
check tables_are_built all_hold "$top/table.json" 18 '.what != "" and .table_ms > 0 and .table_ms_90 >= .table_ms'
check a_change_is_published_and_questions_are_answered all_hold "$top/backends.json" 2 '
    .publish_ms > 0 and .publish_call_ms > 0 and .explain_per_s > 0 and .status_per_s > 0
    and .dataplane_rss_mb > 0 and .dataplane_huge_mb > 0 and .controlplane_rss_mb > 0'
check a_hundred_pools_take_under_64_mb all_hold "$top/memory.json" 1 '.pools == 100 and .dataplane_mb > 0 and .dataplane_mb < 64'

# Ended in its second case: the first is in the file, and nothing is left behind.
has_one() {
    [ "$(jq length "$top/ended.json")" -ge 1 ]
}
"$BENCH" "${SHORT[@]}" --json "$top/ended.json" --full -k ipv4-1f >"$top/ended.log" 2>&1 &
child=$!
if wait_until 60 has_one; then
    kill -TERM $child
    status=0
    wait $child || status=$?
    child=
    check a_run_that_is_ended_fails equal "exit status" $status 1
    check it_leaves_what_it_had has_one
    check it_leaves_no_program equal "still running" "$(pgrep -f "$WEIR_BUILD/dataplane/weir-dataplane -c /tmp/weir-bench" || :)" ""
else
    check a_case_is_written_when_it_is_there tail -n 5 "$top/ended.log" "of a run that wrote none"
fi
checks_end
