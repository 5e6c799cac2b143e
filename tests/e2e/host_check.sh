#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What on a Weir host does not suit a configuration is told by check-config and by
# the start, and keeps neither from going on.
#
#   weir, with a VIP on lo, a blackhole route to the other, strict rp_filter, and a
#   second interface, "aside"
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

# Strict is right while the route to the VIP leaves by the port itself.
lab_sysctl weir net.ipv4.conf.eth0.rp_filter=1
check strict_rp_filter_on_the_way_back_gives_none equal "warnings" "$(warnings)" 0
lab_conf_head >"$LAB_DIR/weir.conf"
lab_conf_pool web-l2 l2 "$VIP_L2" >>"$LAB_DIR/weir.conf"
lab_conf_pool web-ipip ipip "$VIP_IPIP" >>"$LAB_DIR/weir.conf"
lab_conf_pool web-gue gue "$VIP_GUE" >>"$LAB_DIR/weir.conf"

lab_ip weir link add aside type bridge
lab_ip weir link set aside up
lab_ip weir addr add "$VIP_L2/32" dev lo
lab_ip weir route add blackhole "$VIP_IPIP"
lab_ip weir route add "$VIP_GUE" dev aside
check vip_of_this_host_is_told warns_of "VIP $VIP_L2 is an address of this host"
check blackhole_route_is_told warns_of "the route to VIP $VIP_IPIP is a blackhole"
check strict_rp_filter_is_told warns_of \
    "eth0 has strict .*, and the route to VIP $VIP_GUE leaves by aside: .* net.ipv4.conf.eth0.rp_filter=2"
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

lab_ip weir route del "$VIP_GUE" dev aside
lab_ip weir route del blackhole "$VIP_IPIP"
lab_ip weir addr del "$VIP_L2/32" dev lo
lab_ip weir route del default via 10.0.1.1
check missing_route_is_told warns_of "pool web-l2. this host has no route to VIP $VIP_L2: "
check for_each_vip equal "warnings" "$(warnings)" 3
sed 's/^check = tcp/check_via = direct/' "$LAB_DIR/weir.conf" >"$LAB_DIR/direct.conf"
mv "$LAB_DIR/direct.conf" "$LAB_DIR/weir.conf"
check direct_checks_need_none equal "warnings" "$(warnings)" 0
lab_ip weir route add default via 10.0.1.1

# A port that is DPDK's own: probes leave by its TAP or not at all.
own_port() {
    lab_conf_head | sed "s|^device = .*|device = net_af_packet0,iface=eth0$1|"
    lab_conf_pool web l2 "$VIP_L2"
}
own_port "" >"$LAB_DIR/weir.conf"
check no_way_out_is_told warns_of \
    "port lab. is no interface of the kernel, so the checks of .pool web. have no way out: punt = tap"
own_port "\npunt = tap" >"$LAB_DIR/weir.conf"
check a_tap_is_one equal "warnings" "$(warnings)" 0
lab_ip weir link add lab type bridge # stands for the TAP
lab_sysctl weir net.ipv4.conf.lab.rp_filter=1
check strict_rp_filter_of_the_tap_is_told warns_of "lab has strict .* leaves by eth0"
lab_ip weir link del lab
lab_ip weir link del aside

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
