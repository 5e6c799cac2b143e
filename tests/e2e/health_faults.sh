#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What breaks in direct server return is seen by the daemon's checks, with the true
# reason: no VIP on the loopback, no decapsulation, a reverse path filter, a narrow MTU.
# And what protects a pool: panic, backups, an agent, flap damping, several checks.
#
#   weir ===br0=== b1, b2, b3      b1 has a second leg, eth1, to the same bridge
set -euo pipefail
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

pool() { # NAME MODE VIP PORT, further lines of [pool] on standard input
    cat <<-END
	[pool $1]
	mode = $2
	mtu = 1600
	table_size = 1009
	$(cat)
	[service $1]
	vip = $3
	protocol = tcp
	port = $4
	pool = $1
	END
}

backends=$(for b in 1 2 3; do echo "backend b$b = 10.0.1.1$b"; done)
quick="check_interval_ms = 300
check_timeout_ms = 250
check_rise = 1
check_fall = 1"
conf() { # FLAP_CHANGES of the flapping pool
    lab_conf_head
    pool l2 l2 "$VIP_L2" 7003 <<<"$quick
flap_changes = 0
$backends"
    pool ipip ipip "$VIP_IPIP" 7003 <<<"$quick
flap_changes = 0
$backends"
    pool padded ipip "$VIP_IPIP" 7004 <<<"checks = small, full
flap_changes = 0
backend b1 = 10.0.1.11"
    pool any ipip "$VIP_IPIP" 7005 <<<"checks = small, other
checks_need = any
flap_changes = 0
backend b1 = 10.0.1.11"
    pool backup ipip "$VIP_IPIP" 7006 <<<"$quick
check_port = 7006
min_healthy = 2
flap_changes = 0
backend b1 = 10.0.1.11
backend b2 = 10.0.1.12
backend b3 = 10.0.1.13 backup=yes"
    pool agent ipip "$VIP_IPIP" 7007 <<<"$quick
check_port = 7003
agent_port = 7999
agent_interval_ms = 100
flap_changes = 0
backend b1 = 10.0.1.11 weight=10
backend b2 = 10.0.1.12 weight=10"
    pool flap ipip "$VIP_IPIP" 7008 <<<"$quick
check_port = 7008
min_healthy = 0
flap_changes = $1
flap_hold_s = 2
flap_window_s = 60
backend b1 = 10.0.1.11"
    cat <<-END
	[check small]
	kind = http
	port = 7003
	interval_ms = 500
	connect_timeout_ms = 250
	answer_timeout_ms = 250
	rise = 1
	fall = 1
	[check full]
	kind = http
	port = 7003
	padded = yes
	interval_ms = 500
	connect_timeout_ms = 250
	answer_timeout_ms = 250
	rise = 1
	fall = 1
	[check other]
	kind = tcp
	port = 7005
	interval_ms = 500
	connect_timeout_ms = 250
	rise = 1
	fall = 1
	END
}

serving() { # POOL: names of those that serve
    value "[.backends[] | select(.serving) | .name] | join(\" \")" backends "$1"
}

lab_create
conf 0 >"$LAB_DIR/weir.conf"
for b in "${LAB_BACKENDS[@]}"; do
    lab_backend "$b" up >>"$LAB_DIR/backend-$b.log" 2>&1 || lab_fail "weir-backend up fails" "backend-$b"
    moody_start "$b" 0.0.0.0 tcp:7003 tcp:7004 tcp:7005 tcp:7006 tcp:7008 agent:7999
done
# A full-size packet is one packet only when nobody hands on larger ones.
lab_in weir ethtool -K eth0 tso off gso off >/dev/null
lab_start_dataplane
lab_start_controlplane
holds every_backend_is_up '[.backends[] | .health == "up"] | length > 0 and all' backends
check backups_stand_by equal "serving" "$(serving backup)" "b1 b2"

# -- what breaks in DSR

ok="tcp: connected"
silent="tcp: no answer to the connection attempt in 250 ms"
lab_ip b2 addr del "$VIP_L2/32" dev lo
becomes missing_vip l2/b2 down "$silent"
lab_sysctl b2 net.ipv4.ip_forward=1
becomes missing_vip_on_a_host_that_forwards l2/b2 down \
    "tcp: 10.0.1.12 forwards the probe instead of taking it: the VIP is not on that host"
lab_sysctl b2 net.ipv4.ip_forward=0
lab_ip b2 addr add "$VIP_L2/32" dev lo
becomes vip_is_back l2/b2 up "$ok"

lab_backend b2 down >/dev/null 2>&1
lab_ip b2 addr replace "$VIP_IPIP/32" dev lo
becomes no_decapsulation ipip/b2 down \
    "$silent (10.0.1.12 says that nothing takes off the encapsulation there)"
check direct_answers_all_the_same lab_in weir /usr/bin/python3 -c \
    'import socket; socket.create_connection(("10.0.1.12", 7003), 2)'
lab_backend b2 up >/dev/null 2>&1
becomes decapsulation_is_back ipip/b2 up "$ok"

# b1 answers through another interface than requests come by.
lab_ip b1 link add eth1 mtu 1600 type veth peer name b1x mtu 1600 netns "$LAB-router"
lab_ip router link set b1x master br0 up
lab_sysctl b1 net.ipv4.conf.eth1.arp_ignore=8 # it is eth0 that is asked for
lab_ip b1 link set eth1 up
lab_sysctl b1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
lab_ip b1 neigh add "$LAB_WEIR" dev eth1 nud permanent \
    lladdr "$(lab_ip weir -j link show eth0 | jq -r '.[0].address')" # nobody learns of eth1 by ARP
lab_ip b1 route add "$LAB_WEIR/32" dev eth1 src 10.0.1.11
holds two_legs_do_without_the_filter '.backends[0].health == "up"' backends ipip
lab_sysctl b1 net.ipv4.conf.eth0.rp_filter=1
becomes strict_rp_filter ipip/b1 down "$silent"
lab_sysctl b1 net.ipv4.conf.eth0.rp_filter=0
becomes no_rp_filter ipip/b1 up "$ok"
lab_ip b1 route del "$LAB_WEIR/32" dev eth1
lab_ip b1 link del eth1

lab_ip router link set b1 mtu 1500
lab_ip b1 link set eth0 mtu 1500
becomes narrow_mtu padded/b1 down \
    "full: small packets pass, but a packet of 1500 bytes was not received in 250 ms: an MTU on the way is too small"
check small_checks_miss_it backend_is ipip/b1 health up
lab_ip router link set b1 mtu 1600
lab_ip b1 link set eth0 mtu 1600
becomes wide_mtu padded/b1 up "small: status 200"

# -- several checks, backups, agent

mood b1 7005 refuse
holds one_of_any_is_enough '[.backends[0].checks[] | .verdict] == ["up", "down"]' health any/b1
check any_is_up backend_is any/b1 health up
mood b1 7005 ok

mood b1 7006 refuse
holds a_backup_joins '[.backends[] | select(.serving) | .name] == ["b2", "b3"]' backends backup
mood b1 7006 ok
holds and_leaves '[.backends[] | .serving == (.standby | not)] == [true, true, true] and .backends[2].standby' backends backup

slots() {
    backend_value agent/b1 slots
}
before=$(slots)
mood b1 7999 "25%"
holds agent_lowers_the_share '.backends[0] | .slots < 300 and .agent_percent == 25' backends agent
mood b1 7999 "100% drain"
holds agent_drains '.backends[0] | .slots == 0 and .health == "up" and .agent_state == "draining"' backends agent
mood b1 7999 "ready down # full disk"
becomes agent_says_down agent/b1 down "its agent says down: full disk"
mood b1 7999 "up"
holds agent_is_satisfied ".backends[0].slots == $before" backends agent
mood b1 7003 refuse
becomes agent_does_not_raise agent/b1 down "tcp: connection refused"
mood b1 7003 ok
becomes checks_do agent/b1 up "$ok"

# -- a backend that comes and goes

conf 4 >"$LAB_DIR/weir.conf"
check the_file_is_read_again lab_weirctl reload
for _ in 1 2; do
    mood b1 7008 refuse
    holds flaps_down '.backends[0].health == "down"' backends flap
    mood b1 7008 ok
    wait_until 10 lab_holds '.backends[0].health == "up" or .backends[0].held_s > 0' health flap || true
done
mood b1 7008 refuse
holds it_is_held '.backends[0].held_s > 0' health flap
mood b1 7008 ok
says_held() {
    backend_value flap/b1 reason | grep -q "the checks pass, but it is held down for .* s more: it changed state"
}
wait_until 5 says_held || true
check and_says_so says_held
holds then_it_is_let_in '.backends[0].health == "up"' backends flap
check each_change_is_remembered lab_holds '.backends[0].history | length >= 6 and .[0].health == "up"' health flap/b1

# -- the prober itself

lab_ip weir route add blackhole "$VIP_L2/32"
holds a_blackhole_is_named '.backends[0].reason | test("route to VIP '"$VIP_L2"' is a blackhole")' backends l2
check and_takes_nobody_out lab_holds '[.backends[] | .health == "up"] | all' backends l2
lab_ip weir route del blackhole "$VIP_L2/32"
holds and_over_when_it_is '[.backends[] | .reason == "tcp: connected"] | all' backends l2

# A next hop that nobody answers for: packets wait in the kernel for its address, and that
# says nothing of the backends.
lab_ip weir route add "$VIP_L2/32" via 10.0.1.99
stuck="tcp: no probe: nothing left this host: nobody answers for the next hop of its route to $VIP_L2, a filter here drops it, or another's tc filter in front of ours takes it"
becomes a_next_hop_that_does_not_answer_is_named l2/b1 up "$stuck"
check and_told_once equal "lines in the log" \
    "$(grep -c "error: health checks to $VIP_L2 cannot be made: nothing left this host" "$LAB_DIR/controlplane.log")" 1
check and_blames_nobody lab_holds '[.backends[] | .health == "up"] | all' backends l2
lab_ip weir route del "$VIP_L2/32" via 10.0.1.99
becomes and_over_when_it_does l2/b1 up "$ok"

# Its own uplink is cut behind the switch: nothing answers any more.
lab_ip router link set weir nomaster
holds cut_off_it_panics '[.pools[] | select(.name == "l2" or .name == "ipip") | .panic] | length == 2 and all' pools
check no_pool_is_emptied lab_holds \
    '[.backends[] | select(.pool == "l2" or .pool == "ipip") | .serving] | length == 6 and all' backends
check status_is_loud sh -c "'$WEIR_BUILD/controlplane/weirctl' -s '$LAB_DIR/control.sock' status | grep -q '^PANIC .*pool ipip'"
lab_ip router link set weir master br0
holds and_is_over '[.pools[] | .panic | not] | all' pools
holds everybody_is_up_again '[.backends[] | .health == "up"] | all' backends

# all_pass TEST: every check of every backend has passed since now, so no probe of before is
# under way.
all_pass() {
    holds "$1" "[.backends[].checks[] | .last.ok and .time > \"$(date -u +%FT%T.%3NZ)\"] | length > 0 and all" health
}

# -- the program on the interface

filters() { # INTERFACE
    lab_in weir tc filter show dev "${1:-eth0}" egress | grep -c weir_probe || true
}
has_filters() { # INTERFACE COUNT
    [ "$(filters "$1")" = "$2" ]
}
all_pass nothing_is_left_of_the_cut
lines=$(wc -l <"$LAB_DIR/controlplane.log")
lab_in weir tc qdisc del dev eth0 clsact # and all filters with it
wait_until 10 has_filters eth0 1 || true
check it_is_put_back_where_another_took_it_off equal "filters" "$(filters)" 1
check and_that_is_told grep -q \
    "warning: the program that carries probes was taken off eth0 by another user of tc, and is put back" "$LAB_DIR/controlplane.log"
all_pass and_probes_go_on
check and_no_backend_is_blamed equal "changes to down" \
    "$(tail -n "+$((lines + 1))" "$LAB_DIR/controlplane.log" | grep " is down: " || true)" ""
lab_in weir tc filter add dev eth0 egress pref 100 protocol ip u32 match ip dst 192.0.2.1 classid 1:1
others() {
    lab_in weir tc filter show dev eth0 egress | grep -v "pref 5 "
}
other_filters=$(others)
check the_program_is_there equal "filters" "$(filters)" 1
lab_ip weir link add aside type bridge
lab_ip weir link set aside up
lab_ip weir route add "$VIP_L2/32" dev aside
wait_until 10 has_filters aside 1 || true
check it_follows_the_route_to_a_vip equal "filters" "$(filters aside)" 1
lab_ip weir route del "$VIP_L2/32" dev aside
wait_until 10 has_filters aside 0 || true
check and_leaves_with_it equal "filters" "$(filters aside)" 0
lab_ip weir link del aside
lab_stop controlplane KILL
check it_outlives_a_crash equal "filters" "$(filters)" 1
lab_start_controlplane
holds the_next_one_checks_again '[.backends[] | .health == "up" and (.reason | test("restart") | not)] | all' backends
check in_its_place equal "filters" "$(filters)" 1
lab_stop controlplane
check it_is_taken_off_at_the_end equal "filters" "$(filters)" 0
check other_users_filters_stay equal "other filters" "$(others)" "$other_filters"
checks_end
