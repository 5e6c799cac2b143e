#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Which packets the decapsulation program unpacks, drops and leaves alone, frame by
# frame; the cases are in tests/lib/decap.py.
#
#   w: frames on eth0 ------> eth0 :b: tc ingress, then UDP and IP-in-IP sockets
set -euo pipefail
# shellcheck source=tests/lib/backend.sh
. "$(dirname "$0")/../lib/backend.sh"

wb_create
wb_usual --vip $VIP2 up >"$WB_DIR/up.log"
# The sockets must see what the program does, not what reverse paths allow.
wb_ip b route add 192.0.2.0/24 via $WEIR
/usr/bin/python3 "$WEIR_ROOT/tests/lib/decap.py" "$WB-w" "$WB-b" "$WB_PROGRAM" "$WB_DIR/state"
