#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Reading the file again: by weirctl and by SIGHUP, with errors and without, with
# changes made at run time, under load.
#
#   client --- router ===br0=== weir
#                 '== b1, b2, b3
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

scenario_start "$(udp_conf)"
udp_start_echo
udp_load_start 500

# conf_edit POOL SED-EXPRESSION: change the file within one section
conf_edit() {
    sed -i "/^\[pool $1\]/,/^\[service/ $2" "$LAB_DIR/weir.conf"
}

no_difference() {
    equal "differences" "$(lab_weirctl --json diff | jq -c '[.. | arrays] | flatten | length')" 0
}

check nothing_differs_at_first no_difference

# A file with errors: all are told, with their places; nothing changes.
cp "$LAB_DIR/weir.conf" "$LAB_DIR/good.conf"
before=$(lab_weirctl --json backends | jq -c '[.backends[] | [.pool, .name, .weight, .state]]')
conf_edit web-ipip 's/^backend b2 .*/backend b2 = 10.0.1.12 weight=many/'
conf_edit web-ipip 's/^mode = ipip/mode = teleport/'
mode_line=$(grep -n teleport "$LAB_DIR/weir.conf" | cut -d: -f1)
weight_line=$(grep -n many "$LAB_DIR/weir.conf" | cut -d: -f1)
for line in "$mode_line" "$weight_line"; do
    check "error_in_line_${line}_is_told" refused 1 "weir.conf:$line" lab_weirctl reload
    check "check_config_finds_line_${line}" refused 1 "weir.conf:$line" \
        lab_weirctl check-config "$LAB_DIR/weir.conf"
done
kill -HUP "$(lab_pid controlplane)"
log_tells_error() {
    grep -q "weir.conf:$weight_line" "$LAB_DIR/controlplane.log"
}
wait_until 5 log_tells_error || true
check sighup_logs_the_error log_tells_error
check a_bad_file_changes_nothing equal "backends" \
    "$(lab_weirctl --json backends | jq -c '[.backends[] | [.pool, .name, .weight, .state]]')" "$before"
cp "$LAB_DIR/good.conf" "$LAB_DIR/weir.conf"

# A change at run time stands through a reload that changes something else.
lab_weirctl backend weight web-l2/b1 3 >/dev/null
conf_edit web-ipip 's/^backend b2 = \(.*\) weight=10/backend b2 = \1 weight=30/'
lab_weirctl reload >/dev/null
check reload_applies_what_changed backend_is web-ipip/b2 weight 30
check reload_keeps_the_run_time_change backend_is web-l2/b1 weight 3
check diff_names_the_run_time_change grep -q 'web-l2/b1' <(lab_weirctl diff)
check diff_does_not_name_the_reloaded_one equal "lines" "$(lab_weirctl diff | grep -c web-ipip || true)" 0

# SIGHUP does the same; a backend comes and one goes.
conf_edit web-l2 's/^backend b3 .*/backend b4 = 10.0.1.14 weight=10 state=disabled/'
kill -HUP "$(lab_pid controlplane)"
wait_until 5 backend_is web-l2/b4 state disabled || true
check sighup_adds_a_backend backend_is web-l2/b4 state disabled
check sighup_removes_a_backend equal "b3 in web-l2" "$(backend_value web-l2/b3 name)" ""
check other_pools_keep_theirs backend_is web-ipip/b3 state enabled

# Revert: as the file says.
lab_weirctl revert >/dev/null
check revert_undoes_the_run_time_change backend_is web-l2/b1 weight 10
check nothing_differs_after_revert no_difference
wait_until 5 lab_ready || true
lab_fetch 100 "$LAB_DIR/fetched" "http://$VIP_L2/1k" "http://$VIP_IPIP/1k"
check nothing_fails_afterwards equal "failed fetches" "$(lab_failures "$LAB_DIR/fetched")" 0
check the_removed_backend_gets_nothing equal "fetches of the l2 service from b3" \
    "$(grep "$VIP_L2" "$LAB_DIR/fetched" | awk '$5 == "b3"' | wc -l)" 0
read -r sent answered <<<"$(udp_load_end)"
check no_datagram_is_lost_by_any_of_it equal "datagrams answered" "$answered" "$sent"
checks_end
