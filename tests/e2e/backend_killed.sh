#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# weir-backend killed before each single step of `up` and of `down`: the next run
# brings the host to where it should be.
#
#   w ---- b       no traffic; only b is looked at
set -euo pipefail
# shellcheck source=tests/lib/backend.sh
. "$(dirname "$0")/../lib/backend.sh"

wb_create
wb_in b sysctl -qw net.ipv4.conf.eth0.rp_filter=1
cc -shared -fPIC -Wall -D_GNU_SOURCE "$WEIR_ROOT/tests/lib/killat.c" -o "$WB_DIR/killat.so" -ldl
wb_snapshot >"$WB_DIR/before"

# Addresses and prefixes of both families.
ALL=(--vip "$VIP" --vip "$VIP2" --vip "$VIP_6" --vip "$VIPS" --vip "$VIPS_6" --from "$WEIR" --from "$WEIR_6" --mode gue)
all() {
    wb --interface eth0 "${ALL[@]}" "$@"
}

# killed_at N VERB: run it, to be killed before step N. Returns 0 when it was; 1
# when it came to its end by itself.
killed_at() {
    local status=0

    wb_in b env "KILL_AT=$1" "LD_PRELOAD=$WB_DIR/killat.so" ASAN_OPTIONS=verify_asan_link_order=0 \
        "$WB_PROGRAM" --state-dir "$WB_DIR/state" --interface eth0 "${ALL[@]}" "$2" >"$WB_DIR/killed.log" 2>&1 || status=$?
    [ $status -eq 137 ] || {
        [ $status -eq 0 ] || die "$2 fails: $(cat "$WB_DIR/killed.log")"
        return 1
    }
}

as_before() {
    wb_snapshot >"$WB_DIR/now"
    diff "$WB_DIR/before" "$WB_DIR/now"
}

right() {
    all check
}

# Each loop ends with the first N beyond the last step.
down_mends() {
    local n

    for ((n = 1; ; n++)); do
        killed_at $n up || break
        wb_usual down >"$WB_DIR/down.log"
        as_before || {
            echo "after \"up\" was killed before step $n"
            return 1
        }
    done
    wb_usual down >"$WB_DIR/down.log"
    echo "$n" >"$WB_DIR/steps"
}

up_mends() {
    local n

    for ((n = 1; ; n++)); do
        killed_at $n up || break
        all up >"$WB_DIR/up.log"
        right && wb_usual down >"$WB_DIR/down.log" && as_before || {
            echo "after \"up\" was killed before step $n"
            return 1
        }
    done
    wb_usual down >"$WB_DIR/down.log"
}

down_goes_on() {
    local n

    for ((n = 1; ; n++)); do
        all up >"$WB_DIR/up.log"
        killed_at $n down || break
        wb_usual down >"$WB_DIR/down.log"
        as_before || {
            echo "after \"down\" was killed before step $n"
            return 1
        }
    done
}

up_after_down() {
    local n

    for ((n = 1; ; n++)); do
        all up >"$WB_DIR/up.log"
        killed_at $n down || break
        all up >"$WB_DIR/up.log"
        right && wb_usual down >"$WB_DIR/down.log" && as_before || {
            echo "after \"down\" was killed before step $n"
            return 1
        }
    done
}

check down_mends_a_killed_up down_mends
# Sysctls, routes, VIPs, qdisc, program, maps, filter and the state file twice.
check every_step_was_tried at_least "steps" "$(cat "$WB_DIR/steps")" 20
check up_mends_a_killed_up up_mends
check down_mends_a_killed_down down_goes_on
check up_mends_a_killed_down up_after_down
check all_is_as_before as_before
checks_end
