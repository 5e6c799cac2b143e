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

# IPv6 and prefixes: the kernel filters neither by reverse path.
six() {
    lab_conf_head
    lab_conf_pool six ipip 2001:db8:f::10
    printf '%s\n' '[service net]' 'vip = 2001:db8:e::/64' 'port = 80' 'pool = six' \
        '[service net4]' 'vip = 198.51.100.64/28' 'port = 80' 'pool = six' "$@"
}
six >"$LAB_DIR/weir.conf"
lab_sysctl weir net.ipv4.conf.all.rp_filter=0
check ipv6_and_prefixes_give_no_warning equal "warnings" "$(warnings)" 0
lab_ip weir addr add 2001:db8:f::10/128 dev lo nodad
check ipv6_vip_of_this_host_is_told warns_of "VIP 2001:db8:f::10 is an address of this host"
lab_ip weir addr del 2001:db8:f::10/128 dev lo
lab_ip weir -6 route add blackhole 2001:db8:f::/48
check ipv6_blackhole_route_is_told warns_of "the route to VIP 2001:db8:f::10 is a blackhole"
lab_ip weir -6 route del blackhole 2001:db8:f::/48
lab_ip weir addr add 2001:db8:e::77/128 dev lo nodad
check address_inside_a_vip_is_told warns_of "VIP 2001:db8:e::/64 holds 2001:db8:e::77, an address of lo"
lab_ip weir addr del 2001:db8:e::77/128 dev lo
lab_ip weir route add blackhole 198.51.100.72/29
check blackhole_inside_a_vip_is_told warns_of "the route to VIP 198.51.100.64/28 is a blackhole"
lab_ip weir route del blackhole 198.51.100.72/29
lab_ip weir route add local 198.51.100.64/28 dev lo
check local_prefix_is_told warns_of "VIP 198.51.100.64/28 is an address of this host"
lab_ip weir route del local 198.51.100.64/28 dev lo

six '[pool tun]' 'mode = ipip' 'outer_source = 192.0.2.0/24' 'backend a = 10.0.1.11' \
    'check_port = 80' '[service tun]' 'vip = 203.0.113.77' 'port = 80' 'pool = tun' >"$LAB_DIR/weir.conf"
check foreign_outer_source_is_told warns_of "outer_source: 192.0.2.0/24 is not this host's"
lab_ip weir route add local 192.0.2.0/24 dev lo
check local_outer_source_is_fine equal "warnings" "$(warnings)" 0

printf '%s\n' '[pool web-l2]' 'mtu = none' 'colour = red' >"$LAB_DIR/bad.conf"
check errors_end_the_start refused 1 colour \
    "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/bad.conf"
check errors_come_all_at_once refused 1 mtu \
    "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/bad.conf" --check-config
checks_end
