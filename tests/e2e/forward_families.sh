#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Direct server return in every family: l2, ipip and gue for IPv6, gue for IPv4, pools
# whose backends have addresses of the other family than the VIP, and prefixes of VIPs.
#
#   client --- router ===br0=== weir      request: bare to Weir, then packed in
#                 |               |       IPv4 or IPv6, by family of the backend;
#                 '== b1, b2, b3 =='      response: bare, to the router
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

FETCHES=30
UPLOAD=5000000

# NAME MODE VIP FAMILY-OF-BACKENDS FILTER: what of it leaves Weir, as tcpdump knows it. Of
# a prefix, the address ending in 7 is used.
SERVICES="l2-6 l2 $VIP_L2_6 6 dst host $VIP_L2_6 and ether src WEIR
ipip-6 ipip $VIP_IPIP_6 6 ip6 proto 41 and src host $LAB_WEIR_6
gue gue $VIP_GUE 4 udp dst port 6080 and src host $LAB_WEIR
gue-6 gue $VIP_GUE_6 6 udp dst port 6080 and src host $LAB_WEIR_6
ipip-4in6 ipip 203.0.113.21 6 ip6 proto 4 and src host $LAB_WEIR_6
ipip-6in4 ipip 2001:db8:f::21 4 ip proto 41 and src host $LAB_WEIR
gue-4in6 gue 203.0.113.31 6 udp dst port 6080 and src host $LAB_WEIR_6
gue-6in4 gue 2001:db8:f::31 4 udp dst port 6080 and src host $LAB_WEIR
prefix ipip 203.0.113.80/28 4 ip proto 4 and src host $LAB_WEIR
prefix-6 gue 2001:db8:f:8::/64 6 udp dst port 6080 and src host $LAB_WEIR_6"
LAB_BACKEND_OPTIONS=(--vip 203.0.113.21 --vip 203.0.113.31 --vip 2001:db8:f::21 --vip 2001:db8:f::31
    --vip 203.0.113.80/28 --vip 2001:db8:f:8::/64)

clients_of() {
    if [ "$(lab_family "$1")" = 4 ]; then
        echo "${LAB_CLIENTS[*]}"
    else
        echo "${LAB_CLIENTS_6[*]}"
    fi
}

# CLIENT lines of the access logs for a VIP.
clients_seen() {
    awk -v vip="$1" '$2 == vip { print $1 }' "$LAB_DIR"/b?.nginx/access.log | sort -u | xargs
}

upload() {
    lab_in client curl -g -sS --max-time 30 -T "$LAB_DIR/www/upload" "http://$(lab_url_host "$1")/upload" 2>&1
}

lab_create
lab_conf_head >"$LAB_DIR/weir.conf"
while read -r name mode vip family _; do
    LAB_FAMILY=$family lab_conf_pool "$name" "$mode" "$vip" >>"$LAB_DIR/weir.conf"
    [[ " ${LAB_VIPS[*]} " == *" $vip "* ]] || lab_route "$vip"
done <<<"$SERVICES"
lab_start_backends
head -c $UPLOAD /dev/urandom >"$LAB_DIR/www/upload"
lab_start_weir
for b in "${LAB_BACKENDS[@]}"; do
    check "weir_backend_finds_nothing_wrong_on_$b" lab_backend "$b" check
done

while read -r name mode vip family filter <&3; do
    case $vip in
    */28) vip=203.0.113.87 ;;
    */64) vip=${vip%/64}7 ;;
    esac
    out=$LAB_DIR/fetched-$name url=http://$(lab_url_host "$vip")
    lab_witness_start
    lab_fetch $FETCHES "$out" "$url/1k" "$url/100k"
    check "${name}_upload" equal "bytes that the backend received" "$(upload "$vip")" $UPLOAD
    lab_stop witness INT # health checks never let it be quiet
    check "${name}_every_fetch_succeeds" equal "failed fetches" "$(lab_failures "$out")" 0
    check "${name}_every_fetch_is_whole" equal "bytes received" \
        "$(awk '{ n += $2 } END { print n }' "$out")" $(((1024 + 102400) * FETCHES / 2))
    check "${name}_backends_see_the_clients" equal "addresses in the logs" \
        "$(clients_seen "$vip")" "$(clients_of "$vip")"
    check "${name}_leaves_as_it_should" at_least "packets of $filter" \
        "$(lab_witness_count "${filter/WEIR/$(lab_in weir cat /sys/class/net/eth0/address)}")" $((FETCHES + UPLOAD / 1600))
    check "${name}_no_response_passes_weir" equal "responses at Weir's port" \
        "$(lab_witness_count "$LAB_RESPONSES")" 0
done 3<<<"$SERVICES"

for b in "${LAB_BACKENDS[@]}"; do
    check "nothing_was_refused_on_$b" equal "other fates" "$(lab_backend "$b" status |
        awk '/^[a-z-]+ +[0-9]+ +[0-9]+  / && $1 != "decapsulated" && $2 > 0')" ""
done
checks_end
