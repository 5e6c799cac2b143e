#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGKILL the data plane, start it again: the waiting control plane fills it and
# packets flow within 2 s, with no manual step.
#
#   client --- router ===br0=== weir (weir-dataplane killed)
#                 '== b1, b2, b3 answer UDP
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

scenario_start "$(udp_conf)"
udp_start_echo
lab_weirctl backend weight web-ipip/b2 5 >/dev/null

not_attached() {
    lab_holds '.attached | not' status
}

for round in 1 2 3; do
    lab_stop dataplane KILL
    wait_until 5 not_attached || true
    check "round_${round}_control_plane_notices" not_attached
    started=$(now_ms)
    lab_start_dataplane
    if answer=$(lab_in client /usr/bin/python3 "$UDP" wait "$VIP_L2" $UDP_PORT 10); then
        answer=$(($(now_ms) - started))
    fi
    check "round_${round}_forwards_within_2_s" at_most "milliseconds from start to the first answer" \
        "$answer" 2000
    wait_until 5 lab_ready || lab_fail "not ready" dataplane controlplane
done

lab_fetch 100 "$LAB_DIR/fetched" "http://$VIP_L2/10k" "http://$VIP_IPIP/10k"
check nothing_fails_afterwards equal "failed fetches" "$(lab_failures "$LAB_DIR/fetched")" 0
check run_time_change_stands backend_is web-ipip/b2 weight 5

lab_stop dataplane TERM
check ends_by_sigterm_within_5_s lab_gone dataplane
check leaves_no_program_on_the_interface equal "XDP programs on eth0" \
    "$(lab_ip weir link show eth0 | grep -c 'prog/xdp' || true)" 0
checks_end
