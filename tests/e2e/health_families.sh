#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The daemon's checks in every family and mode that carries clients, VIP prefixes
# included: up, and down with the true reason when the server, the VIP, the
# decapsulation or the MTU fails.
#
#   weir ===br0=== b1
set -euo pipefail
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

# NAME MODE VIP FAMILY-OF-THE-BACKEND
SERVICES="l2 l2 $VIP_L2 4
l2-6 l2 $VIP_L2_6 6
ipip ipip $VIP_IPIP 4
ipip-6 ipip $VIP_IPIP_6 6
ipip-4in6 ipip 203.0.113.21 6
ipip-6in4 ipip 2001:db8:f::21 4
gue gue $VIP_GUE 4
gue-6 gue $VIP_GUE_6 6
gue-4in6 gue 203.0.113.31 6
gue-6in4 gue 2001:db8:f::31 4
prefix-l2 l2 203.0.113.64/28 4
prefix ipip 203.0.113.80/28 4
prefix-6 gue 2001:db8:f:8::/64 6"
LAB_BACKEND_OPTIONS=(--vip 203.0.113.21 --vip 203.0.113.31 --vip 2001:db8:f::21 --vip 2001:db8:f::31
    --vip 203.0.113.64/28 --vip 203.0.113.80/28 --vip 2001:db8:f:8::/64)

conf() {
    local name mode vip family

    lab_conf_head
    while read -r name mode vip family; do
        lone_pool "$name" "$mode" 1600 "$(lab_backend_address b1 "$family")" "$vip" tcp 7003 http
    done <<<"$SERVICES"
    quick_check http "kind = http" "padded = yes" "connect_timeout_ms = 250"
}

# all TEST HEALTH REASON: what becomes of the backend of every pool.
all() {
    local name

    while read -r name _ <&3; do
        becomes "${name}_$1" "$name/b1" "$2" "http: $3"
    done 3<<<"$SERVICES"
}

# tunnels TEST REASON [MORE4 MORE6 MORE_GUE6]: why those behind a tunnel are down; BACKEND
# stands for the end of it, and to the reason comes what its family has to say besides.
tunnels() {
    local name mode family more

    while read -r name mode _ family <&3; do
        [ "$mode" != l2 ] || continue
        case $mode-$family in
        gue-6) more=${5-} ;;
        *-6) more=${4-} ;;
        *) more=${3-} ;;
        esac
        becomes "${name}_$1" "$name/b1" down "http: $2${more/BACKEND/$(lab_backend_address b1 "$family")}"
    done 3<<<"$SERVICES"
}

# vips replace|del: they are on lo as addresses, and prefixes as local routes.
vips() {
    local vip

    while read -r _ _ vip _; do
        case $vip in
        */*) lab_ip b1 route "$1" local "$vip" dev lo ;;
        *:*) lab_ip b1 addr "$1" "$vip/128" dev lo ;;
        *) lab_ip b1 addr "$1" "$vip/32" dev lo ;;
        esac
    done <<<"$SERVICES"
}

lab_create
conf >"$LAB_DIR/weir.conf"
lab_backend b1 up >>"$LAB_DIR/backend-b1.log" 2>&1 || lab_fail "weir-backend up fails" backend-b1
lab_sysctl b1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 # each error is to be heard
moody_start b1 :: tcp:7003
# A full-size packet is one packet only when nobody hands on larger ones.
lab_in weir ethtool -K eth0 tso off gso off >/dev/null
lab_start_dataplane
lab_start_controlplane

all is_up up "status 200"

mood b1 7003 refuse
all port_closed down "connection refused"
mood b1 7003 ok
all port_open up "status 200"

mood b1 7003 hang
all server_hangs down "connected, but no answer in 250 ms"
mood b1 7003 ok
all server_answers up "status 200"

vips del
all vip_missing down "no answer to the connection attempt in 250 ms"
vips replace
all vip_back up "status 200"

lab_ip router link set b1 mtu 1500
lab_ip b1 link set eth0 mtu 1500
# The bridge says what IPv6 lets nobody else say.
narrow=" (2001:db8:1::1 says that at most 1500 bytes fit)"
tunnels narrow_mtu \
    "small packets pass, but a packet of 1500 bytes was not received in 250 ms: an MTU on the way is too small" \
    "" "$narrow" "$narrow"
becomes l2_fits_into_1500_bytes l2/b1 up "http: status 200"
lab_ip router link set b1 mtu 1600
lab_ip b1 link set eth0 mtu 1600
all wide_mtu up "status 200"

lab_backend b1 down >>"$LAB_DIR/backend-b1.log" 2>&1
vips replace
nothing=" (BACKEND says that nothing takes off the encapsulation there)"
# Over IPv6 the kernel discards a datagram without a checksum that nobody waits for in silence.
tunnels no_decapsulation "no answer to the connection attempt in 250 ms" "$nothing" "$nothing" ""
becomes l2_needs_none l2/b1 up "http: status 200"
lab_backend b1 up >>"$LAB_DIR/backend-b1.log" 2>&1
all decapsulation_is_back up "status 200"
checks_end
