#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A client behind a narrow link, with the stacks of the kernel on both ends: what does
# not fit is found out by ICMP, and the errors about what a backend sent reach that
# backend, through Weir.
#
#   client ------- access ------- router ===br0=== weir, b1, b2, b3
#          1500           1400           1600
#
# Segments of 1500 bytes from a backend do not pass "access": the router's ICMP error is
# for the VIP, so it goes to Weir, which must know by the packet it quotes whose it is.
# The pools called narrow have an MTU of their own that full-size packets of the client
# exceed once they are packed: there Weir itself sends the error, or cuts the packet up.
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

SIZE=10000000
UDP_PORT=4000
# NAME MODE VIP MTU PATH: what packets of a client may have at most
SERVICES="ipip ipip $VIP_IPIP 1600 1400
ipip-6 ipip $VIP_IPIP_6 1600 1400
gue gue $VIP_GUE 1600 1400
gue-6 gue $VIP_GUE_6 1600 1400
narrow ipip 203.0.113.22 1360 1340
narrow-6 gue 2001:db8:f::22 1360 1308"
LAB_BACKEND_OPTIONS=(--vip 203.0.113.22 --vip 2001:db8:f::22)

# Take the client's link away from the router and put "access" between the two.
access_create() {
    local address

    lab_ip router link del client
    ip netns add "$LAB-access"
    lab_ip access link set lo up
    lab_sysctl access net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
        net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
    lab_ip client link add eth0 type veth peer name client netns "$LAB-access"
    lab_ip access link add router mtu 1400 type veth peer name access mtu 1400 netns "$LAB-router"
    for address in "${LAB_CLIENTS[@]}"; do
        lab_ip client addr add "$address/24" dev eth0
    done
    for address in "${LAB_CLIENTS_6[@]}"; do
        lab_ip client addr add "$address/64" dev eth0
    done
    lab_ip access addr add 198.51.100.1/24 dev client
    lab_ip access addr add 2001:db8:c::1/64 dev client
    lab_ip access addr add 10.0.2.2/24 dev router
    lab_ip access addr add 2001:db8:2::2/64 dev router
    lab_ip router addr add 10.0.2.1/24 dev access
    lab_ip router addr add 2001:db8:2::1/64 dev access
    for address in "client eth0" "access client" "access router" "router access"; do
        lab_ip "${address% *}" link set "${address#* }" up
    done
    lab_ip client route add default via 198.51.100.1
    lab_ip client route add default via 2001:db8:c::1
    lab_ip access route add default via 10.0.2.1
    lab_ip access route add default via 2001:db8:2::1
    lab_ip router route add 198.51.100.0/24 via 10.0.2.2
    lab_ip router route add 2001:db8:c::/64 via 2001:db8:2::2
}

# fetch VIP PATH [OPTION...]
fetch() {
    lab_in client curl -g -sS --max-time 60 "${@:3}" "http://$(lab_url_host "$1")/$2" 2>&1
}

# Errors about packets that were too big, as the kernel of a backend has counted them.
too_bigs() {
    local b n=0

    for b in "${LAB_BACKENDS[@]}"; do
        n=$((n + $(lab_in "$b" nstat -asz Icmp6InPktTooBigs IcmpInDestUnreachs |
            awk 'NR > 1 { n += $2 } END { print n + 0 }')))
    done
    echo $n
}

too_bigs_of_weir() {
    value '.counters.answers["too-big"].packets // 0' status
}

# Backends whose kernel has learned that the way to a client takes 1400 bytes.
narrow_for() {
    local b

    for b in "${LAB_BACKENDS[@]}"; do
        ! lab_ip "$b" route get "$1" | grep -w 'mtu 1400' >/dev/null || echo "$b"
    done
}

# path_mtu VIP CLIENT: what the client's kernel has learned.
path_mtu() {
    lab_ip client route get "$1" from "$2" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'
}

lab_create
access_create
lab_conf_head >"$LAB_DIR/weir.conf"
while read -r name mode vip mtu _; do
    LAB_MTU=$mtu lab_conf_pool "$name" "$mode" "$vip"
    printf '[service udp-%s]\nvip = %s\nprotocol = udp\nport = %s\npool = %s\n\n' "$name" "$vip" $UDP_PORT "$name"
done <<<"$SERVICES" >>"$LAB_DIR/weir.conf"
lab_route 203.0.113.22
lab_route 2001:db8:f::22
lab_start_backends
head -c $SIZE /dev/urandom >"$LAB_DIR/www/large"
while read -r name _ vip _ <&3; do
    for b in "${LAB_BACKENDS[@]}"; do
        lab_start "udp-$name-$b" "$b" /usr/bin/python3 "$UDP" echo "$vip" $UDP_PORT
        wait_until 5 grep -q ready "$LAB_DIR/udp-$name-$b.log" || lab_fail "no UDP echo on $b" "udp-$name-$b"
    done
done 3<<<"$SERVICES"
lab_start_weir

# Each service is used from an address of its own, and not from the one that the kernel
# takes for the datagrams: the backends' kernels remember what they learn.
n=0
while read -r name _ vip mtu path <&3; do
    client=${LAB_CLIENTS[n / 2 + 1]}
    [ "$(lab_family "$vip")" = 4 ] || client=${LAB_CLIENTS_6[n / 2]}
    n=$((n + 1))
    before=$(too_bigs)
    answered=$(too_bigs_of_weir)
    check "${name}_download" equal "status, bytes and server" \
        "$(fetch "$vip" large -o "$LAB_DIR/download" -D "$LAB_DIR/headers" --interface "$client" \
            -w '%{http_code} %{size_download}')" "200 $SIZE"
    check "${name}_download_is_right" cmp "$LAB_DIR/www/large" "$LAB_DIR/download"
    check "${name}_errors_came" at_least "ICMP errors at backends" $(($(too_bigs) - before)) 1
    check "${name}_errors_reach_the_flows_backend" equal "backends that know the narrow link" \
        "$(narrow_for "$client")" "$(awk '/^X-Backend/ { print $2 }' "$LAB_DIR/headers" | tr -d '\r')"
    check "${name}_upload" equal "bytes that the backend received" \
        "$(fetch "$vip" upload -T "$LAB_DIR/www/large" --interface "$client")" $SIZE
    check "${name}_the_client_knows_the_way" equal "path MTU" \
        "$(path_mtu "$vip" "$client")" "$path"
    if [ "$mtu" -lt 1400 ]; then
        check "${name}_weir_told_the_client" at_least "errors sent by Weir" \
            $(($(too_bigs_of_weir) - answered)) 1
    else
        check "${name}_weir_had_nothing_to_tell" equal "errors sent by Weir" "$(too_bigs_of_weir)" "$answered"
    fi
    check "${name}_ping" lab_in client ping -c 1 -W 5 "$vip"
    check "${name}_datagrams_of_8_kb" lab_in client /usr/bin/python3 "$UDP" big "$vip" $UDP_PORT 8192 20 20
done 3<<<"$SERVICES"
checks_end
