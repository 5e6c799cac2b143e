#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What Weir answers itself, asked by the stacks of the kernel: a narrow way to the
# backends, found out by uploads; ping; refused connections; VIPs that lie on the
# router's link, for which Weir answers ARP and neighbour solicitations.
#
#   client --- router ===br0=== weir, b1, b2, b3      mtu of the pools: 1340
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

SIZE=10000000
# Name, mode, VIP, and the bytes that the way to its backends leaves for the client.
SERVICES="ipip ipip $VIP_IPIP 1320
ipip-6 ipip $VIP_IPIP_6 1300
gue gue $VIP_GUE 1308"

too_bigs() {
    value '.counters.answers."too-big".packets // 0' status
}

# upload VIP: prints how many bytes the backend has received.
upload() {
    lab_in client curl -g -sS --max-time 60 -T "$LAB_DIR/www/large" "http://$(lab_url_host "$1")/upload" 2>&1
}

# refuses VIP stream|dgram: the client's kernel is told that nobody is there.
refuses() {
    lab_in client /usr/bin/python3 - "$@" <<-'PY'
	import socket, sys
	family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
	kind = socket.SOCK_STREAM if sys.argv[2] == "stream" else socket.SOCK_DGRAM
	with socket.socket(family, kind) as s:
	    s.settimeout(20)
	    try:
	        s.connect((sys.argv[1], 9))
	        s.send(b"x")
	        s.recv(1)
	    except ConnectionRefusedError:
	        sys.exit(0)
	sys.exit("not refused")
	PY
}

neighbour_of() {
    lab_ip router neigh show "$1" dev br0 | awk '{ print $3 }'
}

lab_create
lab_conf_head >"$LAB_DIR/weir.conf"
while read -r name mode vip _; do
    lab_conf_pool "$name" "$mode" "$vip" | sed 's/^mtu = .*/mtu = 1340/'
    printf '[vip %s]\nstrays = reject\narp = on\n\n' "$vip"
done <<<"$SERVICES" >>"$LAB_DIR/weir.conf"
lab_start_backends
head -c $SIZE /dev/urandom >"$LAB_DIR/www/large"
lab_start_weir

while read -r name _ vip mtu <&3; do
    before=$(too_bigs)
    check "${name}_upload" equal "bytes that the backend received" "$(upload "$vip")" $SIZE
    check "${name}_was_told_what_fits" at_least "answers" $(($(too_bigs) - before)) 1
    check "${name}_client_knows_what_fits" equal "MTU" \
        "$(lab_ip client route get "$vip" | grep -o 'mtu [0-9]*')" "mtu $mtu"
    check "${name}_ping" lab_in client ping -nq -c 1 -W 10 "$vip"
    check "${name}_large_ping" lab_in client ping -nq -c 1 -W 10 -s 1200 "$vip"
    check "${name}_refuses_connections" refuses "$vip" stream
    check "${name}_refuses_datagrams" refuses "$vip" dgram
done 3<<<"$SERVICES"

# From now on nobody tells the router where the VIPs are.
while read -r name _ vip _ <&3; do
    lab_ip router route replace "$vip" dev br0
    check "${name}_is_found_on_the_link" lab_in client ping -nq -c 3 -W 10 "$vip"
    check "${name}_has_weirs_mac" equal MAC "$(neighbour_of "$vip")" \
        "$(lab_in weir cat /sys/class/net/eth0/address)"
    check "${name}_upload_by_it" equal "bytes that the backend received" "$(upload "$vip")" $SIZE
done 3<<<"$SERVICES"
checks_end
