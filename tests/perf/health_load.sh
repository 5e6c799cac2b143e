#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What thousands of checks cost the daemon, the clients' way (l2), with a data plane:
#
#   tests/perf/health_load.sh [SECONDS]     (root; WEIR_BUILD=... picks a build)
#
# 10,000 backends by tcp and then 2,000 by http, each every 2 s: probes begun, those that
# began more than 100 ms late, CPU of the control plane and of the server that answers
# (it shares this machine's cores). Then a backend beside 1,000 others goes up and down
# 41 times: from the verdict to every worker having the new table, median and worst.
# Ends with 1 when more than 1 % were late, or that median is 30 ms or more.
set -euo pipefail
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

SECONDS_EACH=${1:-20}
FLIPS=41
TICKS=$(getconf CLK_TCK)

# conf KIND COUNT: COUNT backends, all of them b1 by their MAC, and one that flips.
conf() {
    local mac i

    mac=$(lab_ip b1 -j link show eth0 | jq -r '.[0].address')
    lab_conf_head
    cat <<-END
	[pool many]
	mode = l2
	table_size = $([ "$2" -gt 1000 ] && echo 1048573 || echo 100003)
	checks = many
	END
    for ((i = 0; i < $2; i++)); do
        echo "backend n$i = 10.64.$((i / 250)).$((i % 250 + 1)) mac=$mac port=lab"
    done
    cat <<-END
	[service many]
	vip = $VIP_L2
	port = 80
	pool = many
	[check many]
	kind = $1
	interval_ms = 2000
	[pool flip]
	mode = l2
	table_size = 1009
	check_interval_ms = 100
	check_timeout_ms = 50
	check_rise = 1
	check_fall = 1
	flap_changes = 0
	min_healthy = 0
	backend b2 = 10.0.1.12
	backend b3 = 10.0.1.13
	[service flip]
	vip = $VIP_L2
	port = 7008
	pool = flip
	END
}

cpu() { # NAME: its clock ticks so far
    awk '{ print $14 + $15 }' "/proc/$(lab_pid "$1")/stat"
}

probes() { # MEMBER
    value ".probes.$1" status
}

settled() {
    lab_holds '.checks_pending == 0' status &&
        lab_holds '[.backends[] | select(.pool == "many") | .health == "up"] | all' backends
}

begun_are() {
    [ "$(probes begun)" -ge "$1" ]
}

measure() { # KIND COUNT
    local begun late cp srv

    lab_start_controlplane
    wait_until 60 settled || lab_fail "not every backend is up" controlplane
    # The first probes began together, the second spread over an interval.
    wait_until 60 begun_are $(($2 * 3)) || lab_fail "probes do not go on" controlplane
    begun=$(probes begun) late=$(probes late) cp=$(cpu controlplane) srv=$(cpu nginx-b1)
    sleep "$SECONDS_EACH"
    begun=$(($(probes begun) - begun)) late=$(($(probes late) - late))
    cp=$((($(cpu controlplane) - cp) * 100 / TICKS / SECONDS_EACH))
    srv=$((($(cpu nginx-b1) - srv) * 100 / TICKS / SECONDS_EACH))
    echo "measured $1: $2 backends every 2 s: $begun probes in $SECONDS_EACH s, $late more than 100 ms late; weir-controlplane $cp % of a core, the server $srv %"
    check "$1_one_in_a_hundred_late_at_most" at_most "late probes" $late $((begun / 100))
    check "$1_probes_keep_their_pace" at_least "probes" "$begun" $(($2 * SECONDS_EACH / 2 * 9 / 10))
}

# Every worker has a newer table than GENERATION.
arrived() {
    lab_holds ".generation as \$g | \$g > $1 and ([.workers[] | .generation == \$g] | all)" status
}

flips() {
    local up=up i generation

    : >"$LAB_DIR/latency"
    for ((i = 0; i < FLIPS; i++)); do
        if [ $up = up ]; then up=down; else up=up; fi
        generation=$(value .generation status)
        if [ $up = up ]; then mood b2 7008 ok; else mood b2 7008 refuse; fi
        # Of one backend: an answer about all of them would hold the loop up itself.
        wait_until 10 lab_holds ".backends[0].health == \"$up\"" health flip/b2 || lab_fail "b2 does not go $up" controlplane
        wait_until 10 arrived "$generation" || lab_fail "the workers do not take it" controlplane
        value .publish_latency_us status >>"$LAB_DIR/latency"
    done
    sort -n "$LAB_DIR/latency" >"$LAB_DIR/sorted"
    MEDIAN=$(sed -n $(((FLIPS + 1) / 2))p "$LAB_DIR/sorted")
    echo "measured verdict to table: median $MEDIAN us, worst $(tail -n 1 "$LAB_DIR/sorted") us, of $FLIPS changes"
    check verdict_to_table_within_30_ms at_most "median us" "$MEDIAN" 29999
}

lab_create
lab_start_backends
for b in b2 b3; do
    moody_start $b 0.0.0.0 tcp:7008
done
conf tcp 10000 >"$LAB_DIR/weir.conf"
sed -i 's/^arena_mb = .*/arena_mb = 128/' "$LAB_DIR/weir.conf"
lab_start_dataplane
measure tcp 10000
lab_stop controlplane
conf http 2000 >"$LAB_DIR/weir.conf"
sed -i 's/^arena_mb = .*/arena_mb = 128/; s|^kind = http|&\npath = /1k|' "$LAB_DIR/weir.conf"
rm -f "$LAB_DIR/state.json"
measure http 2000
lab_stop controlplane
conf tcp 1000 >"$LAB_DIR/weir.conf"
rm -f "$LAB_DIR/state.json"
lab_start_controlplane
wait_until 60 settled || lab_fail "not every backend is up" controlplane
flips
lscpu | sed -n 's/^Model name: */machine: /p'
checks_end
