#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The path of DSR probes: a marked connection to the VIP reaches the one backend that
# its entry names, by every mode; what is not ours is untouched; and when something on
# the way is broken, the reason says what.
#
#    w (probes)                 r (router, bridge)
#    10.0.1.2 eth0 ------------ br0 10.0.1.1, the VIPs via 10.0.1.12 (stands for what
#       |                       |       |     Weir would choose for unmarked packets)
#    10.0.2.2 eth1              b1      b2
#       |                    10.0.1.11 10.0.1.12   VIPs on lo
#       +---------------------------- 10.0.2.12
#
# Backends answer from the VIP straight to w. MTU 1600 between them.
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=tests/lib/namespaces.sh
. "$(dirname "$0")/../lib/namespaces.sh"

LAB_TOOL=$WEIR_BUILD/tests/unit/probe_lab
DECAP=$WEIR_BUILD/backend/weir-backend
VIP4=203.0.113.10 VIP6=2001:db8:ffff::10

wire() { # NAMESPACE ADDRESS
    ip_ns "$1" link add eth0 mtu 1600 type veth peer name "$1" mtu 1600 netns "$NS-r"
    ip_ns r link set "$1" master br0 up
    ip_ns "$1" addr add "10.0.1.$2/24" dev eth0
    ip_ns "$1" addr add "2001:db8:1::$2/64" dev eth0 nodad
    ip_ns "$1" link set eth0 up
    ip_ns "$1" route add default via 10.0.1.1
    ip_ns "$1" -6 route add default via 2001:db8:1::1
}

ns_begin wp w r b1 b2
for ns in w r b1 b2; do
    in_ns $ns sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
done
ip_ns r link add br0 address 02:00:00:00:01:01 mtu 1600 type bridge
ip_ns r addr add 10.0.1.1/24 dev br0
ip_ns r addr add 2001:db8:1::1/64 dev br0 nodad
ip_ns r link set br0 up
in_ns r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
    net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.br0.send_redirects=0
ip_ns r route add $VIP4 via 10.0.1.12
ip_ns r -6 route add $VIP6 via 2001:db8:1::12
wire w 2
wire b1 11
wire b2 12
ip_ns w link add eth1 mtu 1600 type veth peer name eth1 mtu 1600 netns "$NS-b2"
ip_ns w addr add 10.0.2.2/24 dev eth1
ip_ns b2 addr add 10.0.2.12/24 dev eth1
ip_ns w link set eth1 up
ip_ns b2 link set eth1 up
in_ns w sysctl -qw net.ipv4.ping_group_range="0 2147483647"
# One packet, one frame, as on a wire: a merged one would slip past a small MTU.
in_ns w ethtool -K eth0 gso off tso off >"$DIR/ethtool.log"

mac_of() { # NAMESPACE INTERFACE
    ip_ns "$1" -json link show "$2" | jq -r '.[0].address'
}

for b in b1 b2; do
    in_ns $b sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
    ip_ns $b addr add $VIP4/32 dev lo
    ip_ns $b addr add $VIP6/128 dev lo nodad
    mkdir "$DIR/state-$b"
    in_ns $b "$DECAP" --state-dir "$DIR/state-$b" --interface eth0 --vip $VIP4 \
        --from 10.0.1.2/32 --mode ipip up >"$DIR/decap-$b.log" 2>&1
    in_ns $b /usr/bin/python3 "$WEIR_ROOT/tests/lib/probe_servers.py" $b $VIP4 $VIP6 \
        >"$DIR/servers-$b.log" 2>&1 </dev/null &
    disown
done
for b in b1 b2; do
    wait_until 10 grep -q ready "$DIR/servers-$b.log" || die "no servers on $b"
done
B1=$(mac_of b1 eth0) B2=$(mac_of b2 eth0) B2_DIRECT=$(mac_of b2 eth1)

# probe BACKEND MODE ARGUMENT...: through an entry for that backend.
probe() {
    local b=$1 mode=$2 mac=$B1 to=10.0.1.11

    shift 2
    [ "$b" = b1 ] || mac=$B2 to=10.0.1.12
    case $mode in
    l2) set -- mode=l2 "$@" ;;
    ipip) set -- mode=ipip4 src=10.0.1.2 dst=$to "$@" ;;
    esac
    in_ns w "$LAB_TOOL" attach=eth0 dmac="$mac" "$@"
}

# says TEXT COMMAND...: it prints exactly this.
says() {
    local want=$1 got

    shift
    got=$("$@" 2>&1) || true
    [ "$got" = "$want" ] || {
        echo "said \"$got\", wanted \"$want\""
        return 1
    }
}

# -- carried to the chosen backend, by each mode and kind

v4="to=$VIP4" v6="to=$VIP6"
for b in b1 b2; do
    for mode in l2 ipip; do
        check "${mode}_tcp_reaches_$b" says "ok: connected, answered as expected" \
            probe $b $mode kind=tcp $v4 port=8081 expect=$b
        check "${mode}_http_reaches_$b" says "ok: status 200" \
            probe $b $mode kind=http $v4 port=8080 body=$b
        check "${mode}_udp_reaches_$b" says "ok: 2 bytes of reply" \
            probe $b $mode kind=udp $v4 port=8082 send=x expect=$b
        check "${mode}_echo_reaches_$b" says "ok: echo of 1480 bytes" \
            probe $b $mode kind=echo $v4 padded=1500
    done
    check "l2_ipv6_reaches_$b" says "ok: connected, answered as expected" \
        probe $b l2 kind=tcp $v6 port=8081 expect=$b
    check "l2_ipv6_echo_reaches_$b" says "ok: echo of 1460 bytes" \
        probe $b l2 kind=echo $v6 padded=1500
done
check proxied_probe_reaches_b1 says "wrong-protocol: the server's answer is not HTTP" \
    probe b1 l2 kind=http $v4 port=8081 proxy=2
check another_interface says "ok: connected, answered as expected" \
    in_ns w "$LAB_TOOL" attach=eth0 attach=eth1 mode=l2 dmac="$B2_DIRECT" \
    smac="$(mac_of w eth1)" dev=eth1 kind=tcp $v4 port=8081 expect=b2
# The same with strict reverse path filtering: the source is not b2's way back by eth1.
in_ns b2 sysctl -qw net.ipv4.conf.eth1.rp_filter=1
check backend_s_rp_filter says "no-connection: no answer to the connection attempt in 300 ms" \
    in_ns w "$LAB_TOOL" attach=eth0 attach=eth1 mode=l2 dmac="$B2_DIRECT" \
    smac="$(mac_of w eth1)" dev=eth1 kind=tcp $v4 port=8081 expect=b2
in_ns b2 sysctl -qw net.ipv4.conf.eth1.rp_filter=0
in_ns w "$LAB_TOOL" detach=eth1

# A tag is put on: b1 sees it, and the answer never comes, for b1 has no such VLAN.
in_ns b1 timeout 10 tcpdump -i eth0 -nn -e -c 1 "ether[12:2] = 0x8100 or vlan" \
    >"$DIR/vlan.log" 2>"$DIR/vlan.err" &
dump=$!
wait_until 5 grep -q listening "$DIR/vlan.err" || die "no tcpdump"
probe b1 l2 kind=tcp $v4 port=8081 vlan=7 >/dev/null || true
wait $dump || true
check vlan_tag_is_put_on grep -q "vlan 7, .*> $VIP4" "$DIR/vlan.log"

# -- what is not ours, and what has no entry

check unmarked_goes_by_route says "ok: connected, answered as expected" \
    in_ns w "$LAB_TOOL" attach=eth0 kind=tcp $v4 port=8081 expect=b2
check other_mark_goes_by_route says b2 in_ns w /usr/bin/python3 -c "
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x4000)
s.connect(('$VIP4', 8081))
print(s.recv(100).decode().strip())"
check mark_without_entry_is_dropped \
    says "no-connection: no answer to the connection attempt in 300 ms (its mark has no entry: dropped on this host)" \
    in_ns w "$LAB_TOOL" attach=eth0 entry=none kind=tcp $v4 port=8081

# -- other users of tc

filters() {
    in_ns w tc qdisc show dev eth0
    for side in ingress egress; do
        in_ns w tc filter show dev eth0 $side | grep -v "^filter.*pref 5 " | sed 's/ id [0-9]*//'
    done
}

# Lines about our filter.
ours() {
    in_ns w tc filter show dev eth0 egress | grep -c 'weir_probe' || true
}

clang -O2 -g -target bpf "-I/usr/include/$(uname -m)-linux-gnu" -x c -c - -o "$DIR/other.o" <<'END'
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
__attribute__((section("tc"), used)) int other(struct __sk_buff *skb) { return TC_ACT_UNSPEC; }
char LICENSE[] __attribute__((section("license"), used)) = "GPL";
END
in_ns w "$LAB_TOOL" detach=eth0
check detached equal "our filters" "$(ours)" 0
in_ns w tc filter add dev eth0 egress pref 1 bpf da object-file "$DIR/other.o" sec tc
in_ns w tc filter add dev eth0 egress pref 100 protocol ip u32 match ip dst 192.0.2.1 classid 1:1
in_ns w tc filter add dev eth0 ingress pref 5 bpf da object-file "$DIR/other.o" sec tc
before=$(filters)
check works_beside_other_filters says "ok: connected, answered as expected" \
    probe b1 l2 kind=tcp $v4 port=8081 expect=b1
check other_filters_stay equal "filters" "$(filters)" "$before"
first=$(in_ns w tc filter show dev eth0 egress | grep -o 'weir_probe.* id [0-9]*')
check a_restart_takes_over says "ok: connected, answered as expected" \
    probe b2 l2 kind=tcp $v4 port=8081 expect=b2
check one_filter_after_it equal "our filters" "$(ours)" 1
second=$(in_ns w tc filter show dev eth0 egress | grep -o 'weir_probe.* id [0-9]*')
check with_the_new_program test "$first" != "$second"
in_ns w "$LAB_TOOL" detach=eth0
check detached_again equal "our filters" "$(ours)" 0
check other_filters_stay_after_detach equal "filters" "$(filters)" "$before"
in_ns w "$LAB_TOOL" detach=eth0 # of nothing: no error
in_ns w tc filter add dev eth0 egress pref 5 handle 0x77657072 bpf da object-file "$DIR/other.o" sec tc
check another_program_in_our_place_is_left refused 2 "is taken by another filter" \
    probe b1 l2 kind=tcp $v4 port=8081
check and_stays test "$(in_ns w tc filter show dev eth0 egress | grep -c 'pref 5 .*other.o')" = 1
in_ns w tc filter del dev eth0 egress pref 5

# -- the true reason

# Without the program a marked probe must not be answered through the router.
check ttl_guards_when_detached \
    says "unreachable: 10.0.1.1 forwards the probe instead of taking it: the VIP is not on that host" \
    in_ns w "$LAB_TOOL" mark=0x57450001 kind=tcp $v4 port=8081 expect=b2
check a_larger_ttl_is_for_containers says "ok: connected, answered as expected" \
    in_ns w "$LAB_TOOL" mark=0x57450001 ttl=2 kind=tcp $v4 port=8081 expect=b2
check port_closed says "refused: connection refused" probe b1 l2 kind=tcp $v4 port=9
check udp_port_closed says "refused: port unreachable, says $VIP4" \
    probe b1 l2 kind=udp $v4 port=9 send=x
check wrong_status says "wrong-status: status 503, wanted 200-299" \
    probe b1 ipip kind=http $v4 port=8080 path=/503
check hang_after_connect says "no-answer: connected, but no answer in 300 ms" \
    probe b1 ipip kind=http $v4 port=8083
check ipip_does_not_fit \
    says "mtu: small packets pass, but a packet of 1500 bytes was not received in 300 ms: an MTU on the way is too small (on this host: with its outer header it exceeds the MTU of 1500 towards the backend)" \
    probe b1 ipip kind=http $v4 port=8080 padded=1500 mtu=1500
check ipip_padded_http_fits says "ok: status 200" \
    probe b1 ipip kind=http $v4 port=8080 padded=1500 mtu=1600
# The bridge port towards b1 takes 1500 bytes now: the padded probes find it, no other.
ip_ns b1 link set eth0 mtu 1500
ip_ns r link set b1 mtu 1500
check small_probe_misses_mtu_fault says "ok: status 200" probe b1 ipip kind=http $v4 port=8080
check padded_http_finds_mtu_fault \
    says "mtu: small packets pass, but a packet of 1500 bytes was not received in 300 ms: an MTU on the way is too small" \
    probe b1 ipip kind=http $v4 port=8080 padded=1500
check padded_echo_finds_mtu_fault \
    says "mtu: a small request was answered, one of 1500 bytes was not in 300 ms: an MTU on the way is too small" \
    probe b1 ipip kind=echo $v4 padded=1500
# A backend that advertises a small MSS has no fault: clients then send less.
ip_ns b1 route replace default via 10.0.1.1 advmss 1440
ip_ns b1 route add 10.0.1.2 dev eth0 advmss 1440
check advertised_mss_is_no_fault says "ok: status 200" \
    probe b1 ipip kind=http $v4 port=8080 padded=1500
ip_ns r link set b1 mtu 1600
ip_ns b1 link set eth0 mtu 1600

in_ns b1 "$DECAP" --state-dir "$DIR/state-b1" --interface eth0 --vip $VIP4 \
    --from 10.0.1.2/32 --mode ipip down >>"$DIR/decap-b1.log" 2>&1
ip_ns b1 addr add $VIP4/32 dev lo 2>/dev/null || true
check no_decapsulation \
    says "no-connection: no answer to the connection attempt in 300 ms (10.0.1.11 says that nothing takes off the encapsulation there)" \
    probe b1 ipip kind=tcp $v4 port=8081
ip_ns b1 addr del $VIP4/32 dev lo
check vip_missing says "no-connection: no answer to the connection attempt in 300 ms" \
    probe b1 l2 kind=tcp $v4 port=8081
in_ns b1 sysctl -qw net.ipv4.ip_forward=1
check vip_missing_and_forwarding \
    says "unreachable: 10.0.1.11 forwards the probe instead of taking it: the VIP is not on that host" \
    probe b1 l2 kind=tcp $v4 port=8081
in_ns b1 sysctl -qw net.ipv4.ip_forward=0
ip_ns w route add blackhole $VIP4
check blackhole_route says "local: this host has a blackhole route to it" \
    probe b1 l2 kind=tcp $v4 port=8081
ip_ns w route del blackhole $VIP4
ip_ns w route add $VIP4 via 10.0.1.99
check no_neighbour says "local: host unreachable: nobody answers for the next hop" \
    probe b1 l2 kind=tcp $v4 port=8081 timeout=5000
checks_end
