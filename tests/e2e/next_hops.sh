#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Next hops follow the kernel: a neighbour that answers, one whose MAC changes, a
# route that moves; and every reason why there is none is told.
#
#   weir eth0 ===br0=== b1, b2, b3     pools web-l2 and web-ipip
#        dum0 --- dum1                 an interface that is no port
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

scenario_start

mac_of() {
    lab_in "$1" cat /sys/class/net/eth0/address
}

hop() {
    backend_value "$1" "next_hop.$2"
}

hop_is() {
    [ "$(hop "$1" "$2")" = "$3" ]
}

# The kernel's entry for ADDRESS holds WORD.
entry_has() {
    lab_ip weir neigh show "$1" | grep -qw -- "$2"
}

no_entry() {
    [ -z "$(lab_ip weir neigh show "$1")" ]
}

# The first bytes of the frame that would leave for VIP: the next hop's MAC.
frame_goes_to() {
    local port

    for port in 1000 1001 1002 1003 1004 1005 1006 1007 1008 1009 1010 1011; do
        [ "$(value '.frame.header[0:12]' explain tcp "198.51.100.10:$port" "$1:80")" = "${2//:/}" ] && return
    done
    echo "no flow of twelve to $1 leaves for $2"
    return 1
}

check b1_is_resolved equal "MAC" "$(hop web-l2/b1 mac)" "$(mac_of b1)"
check its_port_is_named equal "port" "$(hop web-l2/b1 port)" lab
check its_entry_is_managed entry_has 10.0.1.11 managed
check its_entry_is_marked_as_ours entry_has 10.0.1.11 87

# A new MAC, which the backend announces as any host does.
lab_ip b1 link set eth0 address 02:00:00:00:be:01
lab_in b1 /usr/bin/python3 - 02:00:00:00:be:01 10.0.1.11 <<'PY'
import sys
from scapy.all import ARP, Ether, sendp
mac, ip = sys.argv[1:]
sendp(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, hwsrc=mac, psrc=ip, hwdst=mac, pdst=ip),
      iface="eth0", verbose=False)
PY
check a_new_mac_is_taken_over wait_until 5 hop_is web-l2/b1 mac 02:00:00:00:be:01
check workers_have_the_new_mac wait_until 5 frame_goes_to "$VIP_L2" 02:00:00:00:be:01
check both_pools_have_it hop_is web-ipip/b1 mac 02:00:00:00:be:01

# Silence keeps the last MAC: the checks decide.
lab_ip b2 link set eth0 down
check a_silent_backend_is_down wait_until 10 backend_is web-l2/b2 health down
check its_last_mac_stays hop_is web-l2/b2 resolved true
lab_ip b2 link set eth0 up
check it_comes_back wait_until 10 backend_is web-l2/b2 health up

# Somebody flushes the table: the entries are made again.
lab_ip weir neigh flush dev eth0
lab_ip weir neigh del 10.0.1.13 dev eth0 2>/dev/null || true
check flushed_entries_come_back wait_until 5 entry_has 10.0.1.13 managed

# By ipip, b3 may be behind a router; then the router is the next hop.
lab_ip weir route add 10.0.1.13/32 via 10.0.1.1
check a_new_route_is_followed wait_until 5 hop_is web-ipip/b3 mac 02:00:00:00:01:01
check l2_does_not_go_by_a_gateway wait_until 5 hop_is web-l2/b3 resolved false
check l2_says_why hop_is web-l2/b3 why "mode l2 needs it on a network of this host, not behind 10.0.1.1"
check l2_backend_takes_no_traffic wait_until 5 backend_is web-l2/b3 slots 0
lab_ip weir route del 10.0.1.13/32
check the_old_route_again wait_until 5 hop_is web-l2/b3 mac "$(mac_of b3)"
check it_serves_again wait_until 5 backend_is web-l2/b3 serving true

# Never resolved: no traffic, and the reason.
lab_ip weir link add dum0 type veth peer name dum1
lab_ip weir addr add 10.52.0.1/24 dev dum0
lab_ip weir link set dum0 up
lab_ip weir link set dum1 up
lab_ip weir route add blackhole 10.51.0.0/16
while read -r name address; do
    lab_weirctl backend add "web-l2/$name" "$address" >/dev/null
done <<-END
	hole 10.51.0.1
	elsewhere 10.52.0.9
	ours 10.0.1.2
	silent 10.0.1.99
END
while read -r name why; do
    check "reason_of_$name" wait_until 5 hop_is "web-l2/$name" why "$why"
    check "${name}_takes_no_traffic" backend_is "web-l2/$name" slots 0
done <<-END
	hole its route is a blackhole
	elsewhere its route leaves by dum0, which is no port of the data plane
	ours its address is one of this host
	silent 10.0.1.99 does not answer ARP on eth0
END
check nothing_is_held_on_other_interfaces refused 1 "" entry_has 10.52.0.9 managed
check a_backend_that_goes_leaves_no_entry wait_until 5 lab_weirctl backend remove web-l2/silent --force
check its_entry_is_gone wait_until 5 no_entry 10.0.1.99

# IPv6: on the link by ND, behind a router by the router's link-local address.
lab_ip weir -6 route del default
lab_ip b2 addr add fe80::b2/64 dev eth0 nodad
lab_ip weir -6 route add 2001:db8:2::/64 via fe80::b2 dev eth0
lab_weirctl backend add web-l2/six 2001:db8:1::11 >/dev/null
lab_weirctl backend add web-ipip/six 2001:db8:2::1 >/dev/null
lab_weirctl backend add web-ipip/far 2001:db8:3::1 >/dev/null
lab_weirctl backend add web-l2/mute 2001:db8:1::99 >/dev/null
check nd_finds_a_backend wait_until 5 hop_is web-l2/six mac 02:00:00:00:be:01
check its_ipv6_entry_is_managed entry_has 2001:db8:1::11 managed
check a_link_local_gateway_is_the_next_hop wait_until 5 hop_is web-ipip/six mac "$(mac_of b2)"
check no_ipv6_route_is_said wait_until 5 hop_is web-ipip/far why "this host has no route to it"
check nd_that_is_not_answered_is_said wait_until 5 hop_is web-l2/mute why \
    "2001:db8:1::99 does not answer ND on eth0"

# An entry that the administrator made is used, and left alone.
lab_ip weir neigh add 10.0.1.77 lladdr 02:00:00:00:be:77 dev eth0 nud permanent
lab_weirctl backend add web-ipip/fixed 10.0.1.77 >/dev/null
check permanent_entry_is_used wait_until 5 hop_is web-ipip/fixed mac 02:00:00:00:be:77

lab_stop controlplane
check entries_go_with_the_control_plane refused 1 "" entry_has 10.0.1.11 managed
check the_administrators_entry_stays entry_has 10.0.1.77 PERMANENT
checks_end
