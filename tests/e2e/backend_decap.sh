#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Which packets the decapsulation program unpacks, drops and leaves alone, frame by
# frame; the cases are in tests/lib/decap.py.
#
#   w: frames on eth0 ------> eth0 :b: tc ingress, then UDP and raw sockets
set -euo pipefail
# shellcheck source=tests/lib/backend.sh
. "$(dirname "$0")/../lib/backend.sh"

wb_create
wb_usual --vip $VIP2 --vip $VIP_6 --from $WEIR_6 --mode gue up >"$WB_DIR/up.log"
# The sockets must see what the program does, not what reverse paths allow.
wb_ip b route add 192.0.2.0/24 via $WEIR
wb_ip b route add 2001:db8:bad::/48 via $WEIR_6
/usr/bin/python3 "$WEIR_ROOT/tests/lib/decap.py" "$WB-w" "$WB-b" "$WB_PROGRAM" "$WB_DIR/state" ||
    CHECKS_FAILED=1

# An interface whose packets begin with the IP header.
wb_ip b tuntap add dev tun0 mode tun
wb_ip b link set tun0 up
wb_ip b route add $CLIENT dev tun0
check up_without_ethernet wb --interface tun0 --vip $VIP --from $WEIR up
check unpacked_without_ethernet /usr/bin/python3 "$WEIR_ROOT/tests/lib/decap.py" tun "$WB-b"
check counted_without_ethernet equal "packets decapsulated on tun0" \
    "$(wb --interface tun0 status | awk '$1 == "decapsulated" { print $2 }')" 1

# One that is neither.
if wb_ip b link add sit1 type sit local $BACKEND remote $WEIR 2>"$WB_DIR/sit.log"; then
    check other_interfaces_are_refused refused 1 "neither Ethernet nor plain IP" \
        wb --interface sit1 --vip $VIP --from $WEIR up
    check and_undone wb --interface sit1 down
else
    echo "skip other_interfaces_are_refused: $(tail -n 1 "$WB_DIR/sit.log")"
fi
checks_end
