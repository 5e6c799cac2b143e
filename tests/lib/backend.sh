# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the backend_*.sh scenarios share: one backend, the Weir that sends to it,
# and a client behind that Weir.
#
#      c (client)            w (stands for Weir)         b (the backend)
#      198.51.100.10  -----  198.51.100.1
#      2001:db8:c::10        2001:db8:c::1
#      eth0                  eth1      eth0 -----------  eth0
#                            10.0.0.1/24                 10.0.0.2/24
#                            2001:db8:1::1/64            2001:db8:1::2/64
#
# w is router and Weir in one: answers of b pass it as plain packets. MTU 1600
# between w and b, 1500 to the client. Where real traffic is packed, encap.bpf.c
# does it at tc egress of w.
#
# Namespaces are wb-PID-{b,w,c}, files are in $WB_DIR; a trap removes both.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# shellcheck disable=SC2034 # for those who source this file
VIP=203.0.113.10 VIP2=203.0.113.11 CLIENT=198.51.100.10 WEIR=10.0.0.1 BACKEND=10.0.0.2
# shellcheck disable=SC2034
VIP_6=2001:db8:f::10 CLIENT_6=2001:db8:c::10 WEIR_6=2001:db8:1::1 BACKEND_6=2001:db8:1::2
# shellcheck disable=SC2034
VIPS=203.0.113.128/28 VIPS_6=2001:db8:e::/64
WB=wb-$$
WB_DIR=$(mktemp -d -t "$WB-XXXXXX")
WB_PROGRAM=$WEIR_BUILD/backend/weir-backend
[ -x "$WB_PROGRAM" ] || die "no $WB_PROGRAM (scripts/build)"

wb_in() {
    ip netns exec "$WB-$1" "${@:2}"
}

wb_ip() {
    ip -n "$WB-$1" "${@:2}"
}

# weir-backend in b, with a state directory of its own.
wb() {
    wb_in b "$WB_PROGRAM" --state-dir "$WB_DIR/state" "$@"
}

# The usual settings; more options may follow.
wb_usual() {
    wb --interface eth0 --vip $VIP --from $WEIR/32 "$@"
}

# In the background: wb_start NAME NAMESPACE COMMAND...; output to $WB_DIR/NAME.log.
wb_start() {
    local name=$1 ns=$2

    shift 2
    ip netns exec "$WB-$ns" "$@" >"$WB_DIR/$name.log" 2>&1 </dev/null &
    echo $! >"$WB_DIR/$name.pid"
    disown
}

wb_gone() {
    ! kill -0 "$(cat "$WB_DIR/$1.pid")" 2>/dev/null
}

# Ask it to end, and wait until it has.
wb_stop() {
    kill "$(cat "$WB_DIR/$1.pid")" 2>/dev/null || return 0
    wait_until 5 wb_gone "$1"
}

wb_remove() {
    local status=$? ns pids

    trap '' HUP INT TERM
    for ns in b w c; do
        pids=$(ip netns pids "$WB-$ns" 2>/dev/null) || continue
        # shellcheck disable=SC2086 # one argument a pid
        [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
        ip netns del "$WB-$ns" || true
    done
    rm -rf "$WB_DIR"
    exit $status
}
trap wb_remove EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

wb_create() {
    local ns

    for ns in b w c; do
        ip netns add "$WB-$ns"
        wb_ip "$ns" link set lo up
        wb_in "$ns" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
    done
    wb_ip w link add eth0 mtu 1600 type veth peer name eth0 mtu 1600 netns "$WB-b"
    wb_ip w link add eth1 type veth peer name eth0 netns "$WB-c"
    wb_ip w addr add $WEIR/24 dev eth0
    wb_ip w addr add 198.51.100.1/24 dev eth1
    wb_ip b addr add $BACKEND/24 dev eth0
    wb_ip c addr add $CLIENT/24 dev eth0
    wb_ip w addr add $WEIR_6/64 dev eth0
    wb_ip w addr add 2001:db8:c::1/64 dev eth1
    wb_ip b addr add $BACKEND_6/64 dev eth0
    wb_ip c addr add $CLIENT_6/64 dev eth0
    for ns in "w eth0" "w eth1" "b eth0" "c eth0"; do
        wb_ip "${ns% *}" link set "${ns#* }" up
    done
    wb_ip b route add default via $WEIR
    wb_ip c route add default via 198.51.100.1
    wb_ip w route add $VIP/32 via $BACKEND
    wb_ip b route add default via $WEIR_6
    wb_ip c route add default via 2001:db8:c::1
    for ns in $VIP_6 $VIPS $VIPS_6; do
        wb_ip w route add "$ns" via "$([[ $ns == *:* ]] && echo $BACKEND_6 || echo $BACKEND)"
    done
    wb_in w sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    mkdir "$WB_DIR/state"
}

# wb_pack [4|6 [gue]]: pack what w sends to the VIPs, from now on with outer headers of
# this family (WEIR and BACKEND, or WEIR_6 and BACKEND_6).
wb_pack() {
    clang -O2 -g -target bpf -Wall -Werror "-I/usr/include/$(uname -m)-linux-gnu" \
        "-DOUTER=${1:-4}" "-DGUE=$([ -z "${2:-}" ] && echo 0 || echo 1)" \
        -c "$WEIR_ROOT/tests/lib/encap.bpf.c" -o "$WB_DIR/encap.o"
    wb_in w tc qdisc replace dev eth0 clsact
    wb_in w tc filter replace dev eth0 egress pref 1 handle 1 bpf da object-file "$WB_DIR/encap.o" sec tc
}

# Packets counted as FATE.
wb_count() {
    wb --interface eth0 status | awk -v fate="$1" '$1 == fate { print $2 }'
}

wb_counted() {
    [ "$(wb_count "$1")" = "$2" ]
}

# Everything of b that `up` may touch, for comparison. Link-local addresses come and go
# with their interfaces.
wb_snapshot() {
    wb_in b sh -c 'cd /proc/sys/net/ipv4/conf && grep . */arp_ignore */arp_announce */rp_filter'
    wb_ip b -d addr show | grep -vE 'valid_lft|state|numtxqueues|fe80:'
    wb_ip b route show table all | grep -vE 'fe80:|ff00::/8'
    wb_in b tc qdisc show
    wb_in b tc filter show dev eth0 ingress
    wb_in b tc filter show dev eth0 egress
    find "$WB_DIR/state" -name '*.json*'
}
