#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every bad request gets an answer with a sentence, nothing changes, and the
# connection stays; weirctl's exit status tells what kind of failure it was.
#
#   weir alone is asked
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

scenario_start
before=$(lab_weirctl --json backends | jq -c '[.backends[] | [.pool, .name, .weight, .state]]')

# The tests of the socket itself speak JSON-RPC, on one connection.
/usr/bin/python3 "$(dirname "$0")/../lib/bad_requests.py" "$LAB_DIR/control.sock" || CHECKS_FAILED=1

check unknown_pool refused 1 nowhere lab_weirctl backend weight nowhere/b1 5
check unknown_backend refused 1 b9 lab_weirctl backend drain web-l2/b9
check weight_out_of_range refused 1 "" lab_weirctl backend weight web-l2/b1 1000000
check adding_what_exists refused 1 b1 lab_weirctl backend add web-l2/b1 10.0.1.11
check adding_a_bad_address refused 1 "" lab_weirctl backend add web-l2/b7 10.0.1.999
check explain_without_a_service_answers grep -q stray <(lab_weirctl --json explain tcp 198.51.100.10:1000 "$VIP_L2:81")
check no_command_is_usage refused 2 "" lab_weirctl
check unknown_command_is_usage refused 2 "" lab_weirctl conquer
check missing_argument_is_usage refused 2 "" lab_weirctl backend weight web-l2/b1
check errors_name_the_option refused 2 '--deadline: a number, not "10m"' lab_weirctl backend drain web-l2/b1 --deadline 10m
check errors_of_the_daemon_do_too refused 1 "--deadline: " lab_weirctl backend drain web-l2/b1 --deadline 99999999
check deadline_goes_with_drain refused 2 "--deadline goes with --drain" lab_weirctl backend remove web-l2/b1 --deadline 10
check capture_has_no_json refused 2 "no such option" lab_weirctl --json capture "$LAB_DIR/none.pcapng"
to_a_full_disk() {
    lab_weirctl "$@" >/dev/full
}
check output_that_is_lost_is_status_1 refused 1 "standard output: No space left" to_a_full_disk --json backends
check no_daemon_is_status_3 refused 3 "" "$WEIR_BUILD/controlplane/weirctl" -s "$LAB_DIR/none.sock" status
check check_config_accepts_the_good_file lab_weirctl check-config "$LAB_DIR/weir.conf"

check nothing_has_changed equal "backends" \
    "$(lab_weirctl --json backends | jq -c '[.backends[] | [.pool, .name, .weight, .state]]')" "$before"
check both_processes_are_there lab_running controlplane
checks_end
