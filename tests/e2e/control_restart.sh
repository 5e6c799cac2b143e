#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGKILL the control plane under load, change the file, start it again: no packet
# is lost by it, the file's change is applied, changes made at run time stand.
#
#   client --- router ===br0=== weir (weir-controlplane killed)
#     UDP: 1,000 datagrams/s      '== b1, b2, b3 answer each
#     TCP: fetches
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

scenario_start "$(udp_conf)"
udp_start_echo
lab_weirctl backend weight web-ipip/b2 5 >/dev/null
generation=$(value .generation status)

udp_load_start 1000
lab_fetch 400 "$LAB_DIR/fetched" "http://$VIP_L2/10k" &
fetching=$!

lab_stop controlplane KILL
check data_plane_stays lab_running dataplane
check weirctl_says_that_there_is_no_daemon refused 3 "" lab_weirctl status
lab_fetch 50 "$LAB_DIR/headless" "http://$VIP_L2/1k"
check forwarding_goes_on_without_it equal "failed fetches" "$(lab_failures "$LAB_DIR/headless")" 0

# b3 of web-ipip, the last of the two b3 lines, gets weight 20.
awk '/^\[/ { section = $0 }
    section == "[pool web-ipip]" && /^backend b3/ { sub(/weight=10/, "weight=20") } { print }' \
    "$LAB_DIR/weir.conf" >"$LAB_DIR/weir.conf.new"
mv "$LAB_DIR/weir.conf.new" "$LAB_DIR/weir.conf"
lab_start_controlplane
wait_until 10 lab_ready || lab_fail "not ready after the restart" controlplane dataplane

wait $fetching
read -r sent answered <<<"$(udp_load_end)"
check load_was_real at_least "datagrams sent" "$sent" 1000
check no_datagram_is_lost equal "datagrams answered" "$answered" "$sent"
check no_fetch_fails equal "failed fetches" "$(lab_failures "$LAB_DIR/fetched")" 0
check the_files_change_is_applied backend_is web-ipip/b3 weight 20
check the_run_time_change_stands backend_is web-ipip/b2 weight 5
check generations_go_on at_least "generation" "$(value .generation status)" "$generation"
check data_plane_is_the_same_process lab_running dataplane
checks_end
