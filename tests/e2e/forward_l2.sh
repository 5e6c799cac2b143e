#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Direct server return by a new Ethernet header (mode l2).
#
#   client --- router ===br0=== weir      request: Ethernet to Weir, then to the
#                 |               |       backend's MAC; response: to the router
#                 '== b1, b2, b3 =='
set -euo pipefail
# shellcheck source=tests/lib/forward.sh
. "$(dirname "$0")/../lib/forward.sh"

LAB_BACKEND_MODE=l2 # no decapsulation on the backends: nothing may need it
lab_conf() {
    lab_conf_head
    lab_conf_pool web-l2 l2 "$VIP_L2"
}
scenario_start
forward_scenario "$VIP_L2"
check no_tunnel_packet equal "IP-in-IP packets at Weir's port" "$(lab_witness_count 'ip proto 4')" 0
forward_large_objects "$VIP_L2"
checks_end
