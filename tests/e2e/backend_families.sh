#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Real TCP and UDP through every way to pack them: outer IPv4 and IPv6, with and without
# GUE, inner IPv4 and IPv6, to a VIP and into a VIP prefix. The way from w to b has MTU
# 1500, like the client's: what clients may send is exactly what `up` makes the routes
# of b announce.
#
#   c ---- w ==tunnel== b       request: packed by w, unpacked by b
#   c ---- w ---------- b       response: plain, from the VIP
set -euo pipefail
# shellcheck source=tests/lib/backend.sh
. "$(dirname "$0")/../lib/backend.sh"

PORT=8080
SIZE=$((10 << 20))
TCP=$WEIR_ROOT/tests/lib/tcp.py
IN_PREFIX=203.0.113.130 IN_PREFIX_6=2001:db8:e::77

transfer() {
    wb_in c /usr/bin/python3 "$TCP" "$@"
}

stalls() {
    ! transfer "$@"
}

both() {
    wb --interface eth0 --vip $VIP --vip $VIP_6 --vip $VIPS --vip $VIPS_6 --from $WEIR --from $WEIR_6 \
        --mode gue "$@"
}

# With the prefix of one outer family only, the MSS is that family's.
of_family() {
    local from=$WEIR

    [ "$1" = 4 ] || from=$WEIR_6
    wb --interface eth0 --vip $VIP --vip $VIP_6 --vip $VIPS --vip $VIPS_6 --from $from \
        --mode "${2:-ipip}" "${@:3}"
}

mss_of() {
    wb_ip b "-$1" route show default | grep -oP 'advmss \K[0-9]+'
}

errors() {
    wb_in b nstat -asz TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors Ip6InHdrErrors IpInHdrErrors |
        awk 'NR > 1 { n += $2 } END { print n }'
}

wb_create
both up >"$WB_DIR/up.log"
check up_and_right both check
wb_start server b /usr/bin/python3 "$TCP" serve :: $PORT
wait_until 10 grep -q ready "$WB_DIR/server.log" || die "no TCP server"

# As the kernel makes them: merged, checksums unfinished.
for outer in 4 6; do
    for gue in '' gue; do
        wb_pack $outer $gue
        for vip in $VIP $VIP_6 $IN_PREFIX $IN_PREFIX_6; do
            name="${gue:-ipip}_in_ipv${outer}_to_$vip"
            before=$(wb_count decapsulated)
            check "upload_by_$name" transfer put $vip $PORT $SIZE 20
            check "download_by_$name" transfer get $vip $PORT $SIZE 20
            check "unpacked_by_$name" at_least "packets decapsulated" \
                $(($(wb_count decapsulated) - before)) 100
        done
    done
done

# As wires carry them. MSS: 1500 - outer (20, 40) - GUE (12) - IP and TCP (40, 60).
wb_in w ethtool -K eth0 tx off gso off tso off >"$WB_DIR/ethtool.log"
wb_in w ethtool -K eth1 gro off >>"$WB_DIR/ethtool.log" 2>&1 || true
wb_in b ethtool -K eth0 gro off >>"$WB_DIR/ethtool.log" 2>&1 || true
wb_in c ethtool -K eth0 tx off gso off tso off >>"$WB_DIR/ethtool.log"
wb_ip w link set eth0 mtu 1500
wb_ip b link set eth0 mtu 1500
while read -r outer mode mss4 mss6; do
    name=${mode}_in_ipv$outer
    wb_pack $outer "${mode#ipip}"
    of_family $outer $mode up >"$WB_DIR/up.log"
    check "mss_of_ipv4_by_$name" equal advmss "$(mss_of 4)" "$mss4"
    check "mss_of_ipv6_by_$name" equal advmss "$(mss_of 6)" "$mss6"
    for vip in $VIP $VIP_6; do
        check "full_segments_by_${name}_to_$vip" transfer put $vip $PORT 2000000 20
    done
    # A veth lets 4 bytes more than its MTU through.
    of_family $outer $mode --mtu 1505 up >"$WB_DIR/up.log"
    check "a_larger_mss_stalls_by_$name" stalls put $VIP $PORT 100000 1
    check "and_over_ipv6_by_$name" stalls put $VIP_6 $PORT 100000 1
done <<END
4 ipip 1440 1420
6 ipip 1420 1400
4 gue 1428 1408
6 gue 1408 1388
END

check no_checksum_or_header_errors equal "errors" "$(errors)" 0
check nothing_else_counted equal "other fates" \
    "$(wb --interface eth0 status | awk '/^[a-z-]+ +[0-9]+ +[0-9]+  / && $1 != "decapsulated" && $2 > 0')" ""
check clients_keep_their_addresses equal "clients" \
    "$(tail -n +2 "$WB_DIR/server.log" | grep -v failed | cut -d' ' -f1 | sort -u | tr '\n' ' ')" \
    "$CLIENT_6 ::ffff:$CLIENT "
checks_end
