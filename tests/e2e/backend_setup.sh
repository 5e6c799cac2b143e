#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What `up` and `down` do to a host: again and again, next to other people's tc
# programs, with changed settings under traffic, on two interfaces.
#
#   c ---- w ==IP-in-IP== b       b also has eth1, a second way from Weir
set -euo pipefail
# shellcheck source=tests/lib/backend.sh
. "$(dirname "$0")/../lib/backend.sh"

PORT=4000

address_on_lo() {
    wb_ip b -o addr show dev lo | grep " $1/32 "
}

no_address_on_lo() {
    ! address_on_lo "$1"
}

program_id() {
    wb_in b tc filter show dev "${1:-eth0}" ingress | grep -oP 'handle 0x77656972 .* id \K[0-9]+'
}

not_attached() {
    [ -z "$(program_id "$@")" ]
}

sysctl_is() {
    equal "$1" "$(wb_in b cat "/proc/sys/net/ipv4/conf/$1")" "$2"
}

no_state() {
    [ -z "$(find "$WB_DIR/state" -name '*.json*')" ]
}

same() {
    diff "$1" "$2"
}

wb_create

eth1_add() {
    wb_ip b link add eth1 mtu 1600 type veth peer name far1
    wb_ip b link set eth1 up
    wb_ip b link set far1 up
}

eth1_add
wb_ip w addr add 10.0.0.9/24 dev eth0
wb_in b sysctl -qw net.ipv4.conf.eth0.rp_filter=1 net.ipv4.conf.eth1.arp_announce=1
wb_snapshot >"$WB_DIR/before"

# -- up and down -----------------------------------------------------------------

check down_without_up wb_usual down
wb_snapshot >"$WB_DIR/now"
check down_without_up_changes_nothing same "$WB_DIR/before" "$WB_DIR/now"

check up wb_usual up
check check_is_content wb_usual check
check vip_is_on_lo address_on_lo $VIP
check all_interfaces_are_silent sysctl_is all/arp_ignore 1
check strict_becomes_loose sysctl_is eth0/rp_filter 2
check another_interface_keeps_its_own sysctl_is eth1/arp_announce 1
wb_in w ip neigh flush all
# The neighbour asks for the VIP itself, as a client on the same link would.
wb_ip w route add $VIP2 dev eth0
wb_ip w route replace $VIP dev eth0
check no_arp_answer_for_the_vip refused 1 "100% packet loss" wb_in w ping -c 1 -W 1 $VIP
check arp_answer_for_the_host wb_in w ping -c 1 -W 5 $BACKEND
wb_ip w route replace $VIP via $BACKEND

# IPv6 needs no setting for that: an interface speaks for its own addresses alone. Nor
# does the host choose the VIP as the source of its own connections.
both() {
    wb_usual --vip $VIP_6 --vip $VIPS --vip $VIPS_6 "$@"
}

source_to() {
    wb_ip b -6 route get "$1" | grep -oP ' src \K[^ ]+'
}

wb_usual down >"$WB_DIR/down.log"
check up_of_both_families both up
check check_is_content_with_both both check
check status_shows_them refused 0 "$VIP_6 $VIPS $VIPS_6" both status
for vip in $VIP_6 2001:db8:e::7; do
    wb_ip w route replace $vip dev eth0
    check "no_nd_answer_for_$vip" refused 1 "100% packet loss" wb_in w ping -6 -c 1 -W 1 $vip
    wb_in b sysctl -qw net.ipv6.conf.all.forwarding=1
    check "nor_as_a_router_for_$vip" refused 1 "100% packet loss" wb_in w ping -6 -c 1 -W 1 $vip
    wb_in b sysctl -qw net.ipv6.conf.all.forwarding=0
    wb_ip w route del $vip dev eth0
    wb_ip w route replace $vip via $BACKEND_6
    check "but_it_answers_routed_packets_for_$vip" wb_in w ping -6 -c 1 -W 5 $vip
    wb_ip w route del $vip via $BACKEND_6
done
wb_ip w route replace $VIP_6 via $BACKEND_6
wb_ip w route replace 203.0.113.130 dev eth0
check no_arp_answer_in_a_prefix refused 1 "100% packet loss" wb_in w ping -c 1 -W 1 203.0.113.130
wb_ip w route del 203.0.113.130 dev eth0
check but_routed_packets_into_it wb_in w ping -c 1 -W 5 203.0.113.130
check the_ipv6_vip_is_no_source equal "source" "$(source_to 2001:db8:9::1)" $BACKEND_6
check down_of_both_families both down
wb_snapshot >"$WB_DIR/now"
check down_restores_both_families same "$WB_DIR/before" "$WB_DIR/now"
wb_usual up >"$WB_DIR/up.log"

wb_snapshot | grep -v ' id [0-9]* name weir_decap' | sed 's/weir_decap:\[[0-9]*\]//' >"$WB_DIR/up1"
check up_again wb_usual up
wb_snapshot | grep -v ' id [0-9]* name weir_decap' | sed 's/weir_decap:\[[0-9]*\]//' >"$WB_DIR/up2"
check up_again_changes_nothing same "$WB_DIR/up1" "$WB_DIR/up2"

check down wb_usual down
wb_snapshot >"$WB_DIR/now"
check down_restores_everything same "$WB_DIR/before" "$WB_DIR/now"
check down_again wb_usual down

# -- routes ----------------------------------------------------------------------

# As many kinds as there are: whatever a default route is made of stays.
default_routes() {
    wb_ip b -4 route show default
    wb_ip b -6 route show default
}

default_routes_del() {
    while wb_ip b -4 route del default || wb_ip b -6 route del default; do
        :
    done 2>/dev/null
}

# defaults WANTED COMMAND...: with the default routes that the words of `ip` in
# COMMAND (";" between them) make, all WANTED of them get an advmss and lose it again.
defaults() {
    local wanted=$1 got
    local -a word=()

    default_routes_del
    for got in "${@:2}" ';'; do
        [ "$got" = ';' ] || {
            word+=("$got")
            continue
        }
        wb_ip b "${word[@]}" || return 1
        word=()
    done
    default_routes >"$WB_DIR/routes"
    both up >"$WB_DIR/up.log" && both check >"$WB_DIR/check.log" || {
        cat "$WB_DIR/up.log" "$WB_DIR/check.log"
        return 1
    }
    equal "routes with an advmss" "$(default_routes | grep -c 'advmss 1[45][0-9][0-9]')" "$wanted" || return 1
    both down >"$WB_DIR/down.log"
    default_routes | diff "$WB_DIR/routes" -
}

check routes_with_a_gateway defaults 2 route add default via $WEIR ';' route add default via $WEIR_6
check routes_with_all_sorts_of_attributes defaults 4 \
    route add default via $WEIR src $BACKEND proto dhcp initcwnd 20 advmss 9000 ';' \
    route add default via 192.0.2.1 dev eth0 onlink metric 100 ';' \
    -6 route add default via $WEIR_6 metric 10 proto static pref high ';' \
    -6 route add default dev eth0 metric 300
check routes_by_several_next_hops defaults 2 \
    route add default nexthop via $WEIR weight 2 nexthop dev eth1 ';' \
    -6 route add default nexthop via $WEIR_6 nexthop via 2001:db8:1::7
check routes_by_next_hop_objects defaults 2 \
    nexthop add id 7 via $WEIR dev eth0 ';' route add default nhid 7 ';' \
    nexthop add id 8 via $WEIR_6 dev eth0 ';' -6 route add default nhid 8
wb_ip b nexthop flush >"$WB_DIR/flush.log"
check ipv4_routes_by_an_ipv6_gateway defaults 2 \
    -4 route add default via inet6 $WEIR_6 dev eth0 ';' -6 route add default via $WEIR_6
check routes_that_announce_little_stay defaults 0 \
    route add default via $WEIR advmss 1200 ';' -6 route add default via $WEIR_6 mtu 1400
check routes_of_one_metric_stay defaults 1 \
    route add default via $WEIR ';' route append default dev eth1 ';' -6 route add default via $WEIR_6
default_routes_del
wb_ip b route add default via $WEIR
wb_ip b route add default via $WEIR_6
wb_snapshot >"$WB_DIR/now"
check routes_are_as_before same "$WB_DIR/before" "$WB_DIR/now"

# -- what others do --------------------------------------------------------------

wb_in b tc qdisc add dev eth0 clsact
wb_in b tc filter add dev eth0 ingress pref 1 u32 match ip dport 9 0xffff classid 1:1
wb_in b tc filter add dev eth0 ingress pref 10 handle 1 bpf da bytecode '1,6 0 0 4294967295'
wb_in b tc filter add dev eth0 egress pref 5 u32 match ip dport 9 0xffff classid 1:1
wb_ip b addr add $VIP2/32 dev lo
wb_in b sysctl -qw net.ipv4.conf.all.arp_announce=2
wb_snapshot >"$WB_DIR/before2"
check up_beside_other_filters wb_usual --vip $VIP2 up
check their_filters_stay equal "filters of others" \
    "$(wb_in b tc filter show dev eth0 ingress | grep -cE 'u32 .* key|handle 0x1 ')" 2
check the_first_filter_is_noted refused 0 "runs before the decapsulation program" wb_usual --vip $VIP2 check
wb_in b sysctl -qw net.ipv4.conf.all.arp_ignore=2
check down_says_what_stays refused 0 "all/arp_ignore stays 2" wb_usual down
wb_in b sysctl -qw net.ipv4.conf.all.arp_ignore=0
wb_snapshot >"$WB_DIR/now"
check down_leaves_what_is_not_ours same "$WB_DIR/before2" "$WB_DIR/now"

# A program of another name at our place is not ours to replace or remove.
cat >"$WB_DIR/stranger.bpf.c" <<'END'
__attribute__((section("tc"), used)) int stranger(void *skb)
{
	(void)skb;
	return -1;
}
END
clang -O2 -g -target bpf -c "$WB_DIR/stranger.bpf.c" -o "$WB_DIR/stranger.o"
wb_in b tc filter add dev eth0 ingress pref 10 handle 0x77656972 bpf da object-file "$WB_DIR/stranger.o" sec tc
check a_stranger_in_our_place_stays refused 1 "taken by another filter" wb_usual up
check a_stranger_survives_down wb_usual down
check the_stranger_is_still_there grep -q stranger <(wb_in b tc filter show dev eth0 ingress)
wb_in b tc qdisc del dev eth0 clsact
wb_ip b addr del $VIP2/32 dev lo
wb_in b sysctl -qw net.ipv4.conf.all.arp_announce=0
wb_in b sysctl -qw net.ipv4.conf.eth1.arp_announce=1
wb_snapshot >"$WB_DIR/now"
check nothing_is_left same "$WB_DIR/before" "$WB_DIR/now"

# -- changed settings ------------------------------------------------------------

wb_usual up >"$WB_DIR/up.log"
wb_pack
wb_start echo b /usr/bin/python3 "$UDP" echo $VIP $PORT
wait_until 10 grep -q ready "$WB_DIR/echo.log" || die "no echo server"
wb_start load c /usr/bin/python3 "$UDP" load $VIP $PORT 2000
wait_until 10 grep -q answered "$WB_DIR/load.log" || die "no echo"
before=$(wb_count decapsulated)
for ((i = 0; i < 20; i++)); do
    wb_usual --vip $VIP2 --from 192.0.2.$i/32 up
    wb_usual up
done >"$WB_DIR/changes.log"
after=$(wb_count decapsulated)
check counters_go_on at_least "decapsulated meanwhile" $((after - before)) 100
wb_stop load
read -r sent answered < <(tail -n 1 "$WB_DIR/load.log")
check no_packet_is_lost_by_changes equal "answered of $sent" "$answered" "$sent"
check a_vip_that_went_is_off_lo no_address_on_lo $VIP2

check mode_l2 wb_usual --mode l2 up
check mode_l2_needs_no_program not_attached
check mode_l2_keeps_the_vip address_on_lo $VIP
check check_is_content_in_l2 wb_usual --mode l2 check
check back_to_ipip wb_usual up
check down_after_it_all wb_usual down
wb_snapshot >"$WB_DIR/now"
check everything_is_as_before same "$WB_DIR/before" "$WB_DIR/now"

# -- two interfaces --------------------------------------------------------------

wb_usual up >>"$WB_DIR/up.log"
check second_interface wb --interface eth1 --vip $VIP --vip $VIP2 --from $WEIR up
check down_of_the_first wb_usual down
check the_vip_of_both_stays address_on_lo $VIP
check silence_stays sysctl_is all/arp_ignore 1
check first_is_detached not_attached eth0
check second_is_right wb --interface eth1 --vip $VIP --vip $VIP2 --from $WEIR check
check down_of_the_second wb --interface eth1 down
wb_snapshot >"$WB_DIR/now"
check both_are_undone same "$WB_DIR/before" "$WB_DIR/now"
check no_state_file_is_left no_state

# An interface that goes takes its program and its sysctls along; one that comes
# under the same name has neither, whatever the state file says.
wb --interface eth1 --vip $VIP --from $WEIR up >>"$WB_DIR/up.log"
wb_ip b link del eth1
check down_without_the_interface wb --interface eth1 down
check the_vip_is_gone no_address_on_lo $VIP
check silence_is_gone sysctl_is all/arp_ignore 0
eth1_add
wb_in b sysctl -qw net.ipv4.conf.eth1.arp_announce=1
wb_snapshot | sed 's/^[0-9]*: eth1/eth1/; s/link-netnsid.*//; /far1/d; /link.ether/d' >"$WB_DIR/before4"
wb --interface eth1 --vip $VIP --from $WEIR up >>"$WB_DIR/up.log"
wb_ip b link del eth1
eth1_add
wb_in b sysctl -qw net.ipv4.conf.eth1.arp_announce=1
check up_on_the_new_one wb --interface eth1 --vip $VIP --from $WEIR up
check the_new_one_is_right wb --interface eth1 --vip $VIP --from $WEIR check
check down_of_the_new_one wb --interface eth1 down
wb_snapshot | sed 's/^[0-9]*: eth1/eth1/; s/link-netnsid.*//; /far1/d; /link.ether/d' >"$WB_DIR/now"
check the_new_one_is_undone same "$WB_DIR/before4" "$WB_DIR/now"
check no_state_is_left_of_it no_state
wb_snapshot >"$WB_DIR/before"

# -- by a file -------------------------------------------------------------------

cat >"$WB_DIR/backend.conf" <<END
[backend]
interface = eth0
vip = $VIP
vip = $VIP2      ; the second
from = 10.0.0.0/24
END
check up_by_file wb -c "$WB_DIR/backend.conf" up
check check_by_file wb -c "$WB_DIR/backend.conf" check
check status_by_file refused 0 "$VIP $VIP2" wb -c "$WB_DIR/backend.conf" status
check down_by_file wb -c "$WB_DIR/backend.conf" down
printf '[backend]\ninterfaec = eth0\nvip = 300.1.1.1\n' >"$WB_DIR/bad.conf"
check a_bad_file_changes_nothing refused 1 'did you mean "interface"?' wb -c "$WB_DIR/bad.conf" up
check every_error_is_told refused 1 'bad.conf:3:' wb -c "$WB_DIR/bad.conf" up
check no_verb refused 2 "up, down, check or status" wb_usual
check a_wrong_verb refused 2 "upp" wb_usual upp
check file_and_options refused 2 "either a file or options" wb_usual -c "$WB_DIR/backend.conf" up
check options_without_vip refused 2 '"vip" is missing' wb --interface eth0 --from $WEIR up
wb_snapshot >"$WB_DIR/now"
check wrong_calls_change_nothing same "$WB_DIR/before" "$WB_DIR/now"
checks_end
