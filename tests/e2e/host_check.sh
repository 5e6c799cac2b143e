#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What on a Weir host does not suit a configuration is told by check-config and by
# the start, and keeps neither from going on.
#
#   weir, with a VIP on lo, a blackhole route to the other, strict rp_filter
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

lab_create
lab_conf >"$LAB_DIR/weir.conf"

check_config() {
    lab_in weir "$WEIR_BUILD/controlplane/weirctl" "$@" check-config "$LAB_DIR/weir.conf"
}

warnings() {
    check_config --json | jq '.warnings | length'
}

warns_of() {
    check_config | grep -q "^warning: .*$1"
}

check a_host_that_suits_gives_no_warning equal "warnings" "$(warnings)" 0

lab_ip weir addr add "$VIP_L2/32" dev lo
lab_ip weir route add blackhole "$VIP_IPIP"
lab_sysctl weir net.ipv4.conf.eth0.rp_filter=1
check vip_of_this_host_is_told warns_of "VIP $VIP_L2 is an address of this host"
check blackhole_route_is_told warns_of "the route to VIP $VIP_IPIP is a blackhole"
check strict_rp_filter_is_told warns_of "net.ipv4.conf.eth0.rp_filter=2"
check there_is_no_other_warning equal "warnings" "$(warnings)" 3
check warnings_are_no_errors check_config

lab_start_backends
lab_start_controlplane
wait_until 5 lab_holds '.version' status || lab_fail "no control plane" controlplane
check the_start_says_the_same equal "warnings in the log" \
    "$(grep -c "warning: $LAB_DIR/weir.conf:" "$LAB_DIR/controlplane.log")" 3

# "all" holds for every interface: the larger value counts.
lab_sysctl weir net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.all.rp_filter=1
check strict_for_all_is_told warns_of "net.ipv4.conf.all.rp_filter=2"
lab_sysctl weir net.ipv4.conf.eth0.rp_filter=2
check loose_wins_over_strict equal "warnings" "$(warnings)" 2

printf '%s\n' '[pool web-l2]' 'mtu = none' 'colour = red' >"$LAB_DIR/bad.conf"
check errors_end_the_start refused 1 colour \
    "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/bad.conf"
check errors_come_all_at_once refused 1 mtu \
    "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/bad.conf" --check-config
checks_end
