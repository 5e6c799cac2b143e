#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A backend's server dies and comes back.
#
#   client --- router ===br0=== weir
#                 '== b1 (killed), b2, b3
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

urls=("http://$VIP_L2/10k" "http://$VIP_IPIP/10k")

scenario_start
lab_fetch 100 "$LAB_DIR/before" "${urls[@]}"
check nothing_fails_before equal "failed fetches" "$(lab_failures "$LAB_DIR/before")" 0

both_are() {
    backend_is web-l2/b1 health "$1" && backend_is web-ipip/b1 health "$1"
}

lab_stop nginx-b1 KILL
killed=$(now_ms)
wait_until 10 both_are down || true
# Interval 200 ms, timeout 200 ms, two failures: 600 ms, and time to look.
check death_is_noticed_within_2_s at_most "milliseconds until b1 was down" $(($(now_ms) - killed)) 2000
check reason_is_told test -n "$(backend_value web-l2/b1 reason)"

lab_fetch 200 "$LAB_DIR/dead" "${urls[@]}"
check nothing_fails_once_noticed equal "failed fetches" "$(lab_failures "$LAB_DIR/dead")" 0
check the_dead_backend_is_avoided equal "fetches from b1" "$(fetched_from "$LAB_DIR/dead" b1)" 0
for b in b2 b3; do
    check "the_rest_is_shared_by_$b" at_least "fetches from $b" "$(fetched_from "$LAB_DIR/dead" $b)" 50
done

lab_start_nginx b1
wait_until 10 both_are up || true
# Its slots move back: for 3 s their new connections still go where handshakes may be
# under way. Ask until each service has sent one to b1.
serves_both() {
    local url

    for url in "${urls[@]}"; do
        rm -f "$LAB_DIR/try"
        lab_fetch 24 "$LAB_DIR/try" "$url"
        [ "$(fetched_from "$LAB_DIR/try" b1)" -gt 0 ] || return 1
    done
}
wait_until 15 serves_both || true
lab_fetch 200 "$LAB_DIR/after" "${urls[@]}"
check nothing_fails_after equal "failed fetches" "$(lab_failures "$LAB_DIR/after")" 0
check the_backend_serves_again at_least "fetches from b1" "$(fetched_from "$LAB_DIR/after" b1)" 30

for b in b1 b2 b3; do
    lab_stop nginx-$b KILL
done
in_panic() {
    lab_holds '[.pools[] | .panic] | all' pools
}
wait_until 10 in_panic || true
check the_last_ones_up_keep_the_traffic lab_holds \
    '[.backends[] | .serving and .health == "down"] | any' backends
check the_panic_is_loud grep -q 'error: pool web-l2: PANIC: 0 of 3 backends are up' \
    "$LAB_DIR/controlplane.log"

# Who wants it otherwise: min_healthy = 0.
sed -i 's/^check_fall.*/&\nmin_healthy = 0/' "$LAB_DIR/weir.conf"
check panic_is_switched_off lab_weirctl reload
no_backend() {
    lab_holds '[.backends[] | .serving | not] | all' backends
}
wait_until 10 no_backend || true
lab_fetch 3 "$LAB_DIR/none" "${urls[@]}" # Weir drops them: curl gives up by itself
check no_backend_is_a_counted_drop at_least "no-backend drops" \
    "$(value '.counters.drops["no-backend"].packets // 0' status)" 3
checks_end
