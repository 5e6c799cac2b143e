#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Real TCP through the decapsulation program: downloads and uploads of 50 MB, with
# and without the kernel's offloads on the sending side, and with too small an MTU.
#
#   c ---- w ==IP-in-IP== b       request: packed by w, unpacked by b
#   c ---- w ------------ b       response: plain, from the VIP
set -euo pipefail
# shellcheck source=tests/lib/backend.sh
. "$(dirname "$0")/../lib/backend.sh"

PORT=8080
SIZE=$((50 << 20))
TCP=$WEIR_ROOT/tests/lib/tcp.py

transfer() {
    wb_in c /usr/bin/python3 "$TCP" "$1" $VIP $PORT "$2" "${3:-30}"
}

stalls() {
    ! transfer "$@"
}

# The kernel's count of TCP segments with a wrong checksum.
checksum_errors() {
    wb_in b nstat -asz TcpInCsumErrors | awk '/TcpInCsumErrors/ { print $2 }'
}

wb_create
wb_pack
wb_usual up >"$WB_DIR/up.log"
check host_is_right wb_usual check
wb_start server b /usr/bin/python3 "$TCP" serve $VIP $PORT
wait_until 10 grep -q ready "$WB_DIR/server.log" || die "no TCP server"

check download transfer get $SIZE
check upload transfer put $SIZE
check client_address_is_intact equal "clients" "$(tail -n +2 "$WB_DIR/server.log" | cut -d' ' -f1 | sort -u)" $CLIENT
check uploads_came_packed at_least "packets decapsulated" "$(wb_count decapsulated)" 1000

# Nothing merged, nothing left unfinished: what a wire between machines carries.
wb_in w ethtool -K eth0 tx off gso off tso off >"$WB_DIR/ethtool.log"
wb_in b ethtool -K eth0 gro off >>"$WB_DIR/ethtool.log" 2>&1 || true
wb_in w ethtool -K eth1 gro off >>"$WB_DIR/ethtool.log" 2>&1 || true
wb_in c ethtool -K eth0 tx off gso off tso off >>"$WB_DIR/ethtool.log"
before=$(wb_count decapsulated)
check download_without_offloads transfer get $SIZE
check upload_without_offloads transfer put $SIZE
check every_segment_came_by_itself at_least "packets decapsulated" \
    $(($(wb_count decapsulated) - before)) $((SIZE / 1460))
wb_in b ethtool -K eth0 gro on >>"$WB_DIR/ethtool.log" 2>&1
check upload_merged_by_the_receiver transfer put $SIZE

check no_checksum_errors equal "TcpInCsumErrors" "$(checksum_errors)" 0
check nothing_else_counted equal "other fates" \
    "$(wb_usual status | awk '/^[a-z-]+ +[0-9]+ +[0-9]+  / && $1 != "decapsulated" && $2 > 0')" ""

# With 1500 everywhere a full-size packet does not fit behind the outer header.
wb_usual --mss leave up >"$WB_DIR/up.log"
wb_ip w link set eth0 mtu 1500
wb_ip b link set eth0 mtu 1500
check upload_stalls_at_mtu_1500 stalls put 1000000 2
check check_says_so refused 1 "advmss 1440" wb_usual --mss leave check
advice=$(wb_usual --mss leave check | grep -o 'ip route change [^"]*') || true
# shellcheck disable=SC2086 # the words of the command that `check` proposes
check its_advice_is_a_command wb_ip b ${advice#ip }
check its_advice_mends wb_usual --mss leave check
check upload_with_smaller_mss transfer put $SIZE
wb_ip b route replace default via $WEIR
check up_mends_it_as_well wb_usual up
check upload_after_up transfer put $SIZE
checks_end
