#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the clients' way from a port that DPDK has taken from the kernel: they leave by
# its TAP, and the answers come back by it, also when the data plane begins anew.
#
#   b1 ===br0=== eth0 (net_af_packet) weir-dataplane --- TAP "lab" 10.0.1.2
set -euo pipefail
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

POOLS="l2 ipip gue l2-6 gue-6"

pool() { # NAME MODE VIP
    lone_pool "$1" "$2" 1500 "$(lab_backend_address b1 "$(lab_family "$3")")" "$3" tcp 7003 http
}

# all TEST HEALTH REASON
all() {
    local name

    for name in $POOLS; do
        becomes "${name}_$1" "$name/b1" "$2" "http: $3"
    done
}

start() {
    tap_start "$LAB_WEIR_6/64"
    lab_ip weir route add default via 2001:db8:1::1
}

filters() {
    lab_in weir tc filter show dev lab egress | grep -c weir_probe || true
}

lab_create
tap_prepare
{
    lab_conf_head | tap_conf
    pool l2 l2 "$VIP_L2"
    pool ipip ipip "$VIP_IPIP"
    pool gue gue "$VIP_GUE"
    pool l2-6 l2 "$VIP_L2_6"
    pool gue-6 gue "$VIP_GUE_6"
    quick_check http "kind = http" "connect_timeout_ms = 250"
} >"$LAB_DIR/weir.conf"
lab_backend b1 up >>"$LAB_DIR/backend-b1.log" 2>&1 || lab_fail "weir-backend up fails" backend-b1
moody_start b1 :: tcp:7003
start
lab_start_controlplane

all is_up up "status 200"
check the_program_is_on_the_tap equal "filters" "$(filters)" 1
check the_next_hop_is_behind_it refused 0 "by port lab," lab_weirctl check gue/b1
check probes_go_by_the_data_plane at_least "packets from the kernel" \
    "$(value '.counters.punts["from-kernel"].packets // 0' status)" 20
mood b1 7003 refuse
all port_closed down "connection refused"
mood b1 7003 ok
all port_open up "status 200"
lab_backend b1 down >>"$LAB_DIR/backend-b1.log" 2>&1
lab_ip b1 addr add "$VIP_IPIP/32" dev lo
becomes no_decapsulation ipip/b1 down \
    "http: no answer to the connection attempt in 250 ms (10.0.1.11 says that nothing takes off the encapsulation there)"
becomes no_vip l2/b1 down "http: no answer to the connection attempt in 250 ms"
lab_backend b1 up >>"$LAB_DIR/backend-b1.log" 2>&1
all back up "status 200"

# The TAP goes with the data plane, and its successor has another number.
lab_stop dataplane
mood b1 7003 refuse
start
all seen_through_the_next_tap down "connection refused"
mood b1 7003 ok
all up_through_the_next_tap up "status 200"
check the_program_is_on_that_too equal "filters" "$(filters)" 1
checks_end
