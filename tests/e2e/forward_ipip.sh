#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Direct server return by IP-in-IP (mode ipip).
#
#   client --- router ===br0=== weir      request: bare to Weir, then inside
#                 |               |       10.0.1.2 > 10.0.1.1x, protocol 4;
#                 '== b1, b2, b3 =='      response: bare, to the router
set -euo pipefail
# shellcheck source=tests/lib/forward.sh
. "$(dirname "$0")/../lib/forward.sh"

scenario_start
forward_scenario "$VIP_IPIP"
requests=$(lab_witness_count "dst host $VIP_IPIP")
# Health checks leave in tunnels as well; their inner source is Weir itself.
check every_request_leaves_in_a_tunnel equal "clients' packets in IP-in-IP from Weir" \
    "$(lab_witness_count "ip proto 4 and src host $LAB_WEIR and ip[32:4] != 0x0a000102")" "$requests"
forward_large_objects "$VIP_IPIP"
checks_end
