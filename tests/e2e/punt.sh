#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A port that DPDK has taken from the kernel, and the kernel living behind its TAP:
# ARP, neighbour discovery, ping, and a BGP session by which the VIPs are announced, in
# each of three floods. The lab's topology, but for Weir's end:
#
#   router, bird ===br0=== eth0 (net_af_packet, deaf to the kernel) weir-dataplane
#   10.0.1.1                    |
#   fd00:1::1                   TAP "lab" 10.0.1.2, fd00:1::2, bird
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

FLOOD=$WEIR_BUILD/tests/unit/flood
# As fast as one CPU sends, which is many times what may go to the kernel; no more frames
# than that, whatever happens.
PPS=0 FRAMES=50000000
ROUTER6=fd00:1::1 WEIR6=fd00:1::2

# start_bird NAMESPACE ADDRESS AS PEER AS: a BGP speaker; in weir it announces the VIPs.
start_bird() {
    local ns=$1 dir=$LAB_DIR/bird-$1

    mkdir -p "$dir"
    cat >"$dir/bird.conf" <<-CONF
	log stderr all;
	router id $2;
	protocol device { scan time 1; }
	protocol kernel { ipv4 { import none; export $([ "$ns" = router ] && echo all || echo none); }; }
	protocol static vips { ipv4; $([ "$ns" = weir ] &&
        echo "route $VIP_L2/32 unreachable; route $VIP_IPIP/32 unreachable;") }
	protocol static news1 { disabled; ipv4; route 192.0.2.1/32 unreachable; }
	protocol static news2 { disabled; ipv4; route 192.0.2.2/32 unreachable; }
	protocol static news3 { disabled; ipv4; route 192.0.2.3/32 unreachable; }
	protocol bgp peer {
	    local $2 as $3;
	    neighbor $4 as $5;
	    hold time 30;
	    connect retry time 1;
	    error wait time 1, 2;
	    ipv4 { import all; export where source = RTS_STATIC; next hop self; };
	}
	CONF
    lab_start "bird-$ns" "$ns" bird -f -c "$dir/bird.conf" -s "$dir/ctl" -P "$dir/pid"
}

bird_says() {
    birdc -s "$LAB_DIR/bird-$1/ctl" "${@:2}"
}

# State and time of the last change.
session() {
    bird_says router show protocols peer | awk '$1 == "peer" { print $6, $5 }'
}

established() {
    [ "$(session | cut -d' ' -f1)" = Established ]
}

pinged() {
    lab_in router ping -nq -c 1 -W 1 "$1"
}

# The router knows the MAC address of Weir; it has to ask for it.
resolved() {
    pinged $LAB_WEIR || true
    lab_ip router neigh show $LAB_WEIR | grep -q lladdr
}

# What weir's bird says anew has come to the router's.
heard() {
    bird_says router show route "192.0.2.$1/32" | grep -q "via $LAB_WEIR"
}

# flood NAME DESTINATION PROTOCOL PORT: what lives while it lasts.
flood() {
    local name=$1 n=$((++FLOODS))

    lab_start flood router "$FLOOD" weir "$MAC" "${@:2}" $PPS $FRAMES
    wait_until 5 flood_seen || lab_fail "no flood" flood
    lab_ip router neigh flush to $LAB_WEIR >/dev/null 2>&1 || true
    [ "$name" != junk ] || check most_of_the_junk_is_held_back wait_until 20 held_back
    check "arp_in_a_flood_of_$name" wait_until 20 resolved
    if [ "$name" != junk ]; then # in which pings go under
        check "ping_in_a_flood_of_$name" wait_until 20 pinged $LAB_WEIR
        check "ping6_in_a_flood_of_$name" wait_until 20 pinged $WEIR6
    fi
    bird_says weir enable "news$n" >/dev/null
    check "bgp_tells_news_in_a_flood_of_$name" wait_until 20 heard "$n"
    check "the_flood_of_${name}_went_on" lab_running flood
    lab_stop flood KILL
    check "bgp_stands_after_a_flood_of_$name" equal session "$(session)" "$SINCE"
}
FLOODS=0

# Ten times what may go to the kernel in a second, and more than did.
held_back() {
    local held

    held=$(counter 'drops."punt-full".packets')
    [ "$held" -gt 100000 ] && [ "$held" -gt "$(counter 'punts."not-a-vip".packets')" ]
}

# 10,000 packets more than before.
flood_seen() {
    [ "$(counter rx.packets)" -gt $((RX + 10000)) ]
}

counter() {
    value ".counters.$1 // 0" status
}

lab_create
for ns in router weir; do
    lab_sysctl $ns net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
done
lab_sysctl router net.ipv6.conf.br0.disable_ipv6=0
lab_ip router addr add $ROUTER6/64 dev br0 nodad
lab_ip router route del "$VIP_L2"
lab_ip router route del "$VIP_IPIP"
tap_prepare
lab_conf | tap_conf >"$LAB_DIR/weir.conf"
lab_start_backends
tap_start $WEIR6/64
MAC=$(lab_in weir cat /sys/class/net/lab/address)
check tap_has_the_mac_of_the_port equal MAC "$MAC" "$(lab_in weir cat /sys/class/net/eth0/address)"
check tap_has_the_mtu_of_the_port equal MTU "$(lab_in weir cat /sys/class/net/lab/mtu)" 1500

check arp_and_ping wait_until 10 pinged $LAB_WEIR
check neighbour_discovery_and_ping wait_until 10 pinged $WEIR6
check the_other_way_too lab_in weir ping -nq -c 1 -W 5 10.0.1.1
check and_by_ipv6 lab_in weir ping -nq -c 1 -W 5 $ROUTER6

lab_start_controlplane
wait_until 20 lab_ready || lab_fail "Weir is not ready after 20 s" dataplane controlplane
check next_hops_are_found_by_way_of_the_tap backend_is web-l2/b1 next_hop.port lab

start_bird router 10.0.1.1 65001 $LAB_WEIR 65002
start_bird weir $LAB_WEIR 65002 10.0.1.1 65001
check bgp_is_established wait_until 20 established
check vips_are_announced wait_until 10 sh -c "ip -n $LAB-router route show $VIP_L2 | grep -q 'via $LAB_WEIR'"
lab_fetch 20 "$LAB_DIR/fetched" "http://$VIP_L2/10k" "http://$VIP_IPIP/10k"
check clients_are_served equal "failures" "$(lab_failures "$LAB_DIR/fetched")" 0

SINCE=$(session)
RX=$(counter rx.packets)
flood service "$VIP_L2" tcp 80
RX=$(counter rx.packets)
flood strays "$VIP_L2" tcp 81
RX=$(counter rx.packets)
flood junk "$LAB_WEIR" udp 9
check ping_after_the_floods wait_until 20 pinged $LAB_WEIR

lab_stop dataplane
check tap_goes_with_the_program refused 1 "does not exist" ip -n "$LAB-weir" link show lab

# One that was there before keeps its addresses, and stays.
lab_ip weir tuntap add dev lab mode tap
lab_ip weir addr add $LAB_WEIR/24 dev lab
lab_start_dataplane
check tap_that_was_there_is_taken wait_until 20 pinged $LAB_WEIR
lab_stop dataplane
check and_stays ip -n "$LAB-weir" link show lab
lab_ip weir link del lab
lab_ip weir link add lab type bridge
check a_name_that_is_taken_is_refused refused 1 "cannot make the TAP interface lab: another interface" \
    lab_in weir "$WEIR_BUILD/dataplane/weir-dataplane" -c "$LAB_DIR/weir.conf"
checks_end
