#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Datagrams of 8 kB arrive whole at an echo server, with the kernel's own stacks on both
# ends: the client's fragments meet one backend, and what is too big is cut up.
#
#   client --- router ===br0=== weir, b1, b2, b3
#         1500          1600
#
# Answers of 8 kB are too big for the client's link too: the ICMPv6 errors about that go
# through Weir, and the client asks again meanwhile.
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

COUNT=20
VIP_CUT=203.0.113.21 # of a pool with an MTU of 1000: every fragment is cut further
SERVICES="l2 l2 $VIP_L2 1600
ipip ipip $VIP_IPIP 1600
gue gue $VIP_GUE 1600
l2-6 l2 $VIP_L2_6 1600
ipip-6 ipip $VIP_IPIP_6 1600
gue-6 gue $VIP_GUE_6 1600
cut ipip $VIP_CUT 1000"
LAB_BACKEND_OPTIONS=(--vip "$VIP_CUT")

# echo_conf POOL VIP: a service for the echo servers.
echo_conf() {
    printf '[service echo-%s]\nvip = %s\nprotocol = udp\nport = %s\npool = %s\n\n' "$1" "$2" $UDP_PORT "$1"
}

# Sum of a fragment counter over the workers.
counted() {
    value "[.workers[].fragments.$1] | add" status
}

lab_create
lab_conf_head >"$LAB_DIR/weir.conf"
while read -r name mode vip mtu; do
    lab_conf_pool "$name" "$mode" "$vip" | sed "s/^mtu = 1600/mtu = $mtu/"
    echo_conf "$name" "$vip"
done <<<"$SERVICES" >>"$LAB_DIR/weir.conf"
lab_route "$VIP_CUT"
lab_start_backends
lab_start_weir
while read -r name _ vip _ <&3; do
    for b in "${LAB_BACKENDS[@]}"; do
        lab_start "udp-$name-$b" "$b" /usr/bin/python3 "$UDP" echo "$vip" $UDP_PORT
    done
done 3<<<"$SERVICES"
while read -r name _ vip _ <&3; do
    for b in "${LAB_BACKENDS[@]}"; do
        wait_until 10 grep -q ready "$LAB_DIR/udp-$name-$b.log" ||
            lab_fail "no UDP echo on $b" "udp-$name-$b"
    done
done 3<<<"$SERVICES"

while read -r name _ vip _ <&3; do
    before=$(counted noted)
    check "${name}_datagrams_of_8_kB" equal "what came back" \
        "$(lab_in client /usr/bin/python3 "$UDP" big "$vip" $UDP_PORT 8000 $COUNT 20)" whole
    check "${name}_came_in_fragments" at_least "first fragments that Weir saw" \
        $(($(counted noted) - before)) $COUNT
done 3<<<"$SERVICES"
check fragments_were_cut_further at_least "packets that were cut" "$(counted split)" $COUNT

before=$(counted split)
check a_packet_that_is_too_big_is_cut equal "what came back" \
    "$(lab_in client /usr/bin/python3 "$UDP" big "$VIP_CUT" $UDP_PORT 1400 $COUNT 20)" whole
check each_of_them_was_cut at_least "packets that were cut" $(($(counted split) - before)) $COUNT
check no_fragment_was_lost equal "drops" "$(value '[.counters.drops | to_entries[] |
    select(.key | test("fragment|no-buffer|bad-header|too-big")) | .value.packets] | add // 0' status)" 0
checks_end
