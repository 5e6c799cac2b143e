#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A drain takes no new connections, not from ports that are used again either: the pin of
# the connection before does not hold them. And it completes beside them.
#
#   client --- router ===br0=== weir
#     12 ports      '== b1, b2, b3; one drains
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

FIRST_PORT=20000
PORTS=12

lab_create
(
    lab_conf_head
    lab_conf_pool web-l2 l2 "$VIP_L2" "tcp_window_s = 8" "udp_window_s = 8"
) >"$LAB_DIR/weir.conf"
lab_start_backends
lab_start_weir

lab_start same-ports client /usr/bin/python3 "$WEIR_ROOT/tests/lib/same_ports.py" "${LAB_CLIENTS[0]}" "$VIP_L2" $FIRST_PORT $PORTS
SEEN=$LAB_DIR/same-ports.log

# Rounds of all ports that are over.
has_rounds() {
    [ "$(wc -l <"$SEEN")" -ge $((PORTS * $1)) ]
}
wait_until 10 has_rounds 1 || lab_fail "no answers" same-ports
leaver=$(awk '{ n[$2]++ } END { for (b in n) if (n[b] > n[most]) most = b; print most }' "$SEEN")
lab_weirctl backend drain "web-l2/$leaver" >/dev/null

# Its connections are over within a second each, and those who come again find others.
is_drained() {
    backend_is "web-l2/$leaver" drained true
}
check the_drain_ends_beside_them wait_until 40 is_drained
rounds=$(($(wc -l <"$SEEN") / PORTS))
check connections_go_on wait_until 20 has_rounds $((rounds + 5))
lab_stop same-ports

# Where the slots of the leaver moved: the ports that it had, and how many came back to it
# once they had found another.
moved() {
    awk -v b="$leaver" '$2 == b { was[$1] = 1 } $2 != b && was[$1] { n[$1] } END { print length(n) }' "$SEEN"
}
came_back() {
    awk -v b="$leaver" '$2 == b && gone[$1] { n++ } $2 == b { was[$1] = 1 } $2 != b && was[$1] { gone[$1] = 1 } END { print n + 0 }' "$SEEN"
}
had() {
    awk -v b="$leaver" '$2 == b { n[$1] } END { print length(n) }' "$SEEN"
}
last_of_leaver() {
    tail -n $((PORTS * 5)) "$SEEN" | awk -v b="$leaver" '$2 == b' | wc -l
}
check its_ports_find_another equal "ports that did" "$(moved)" "$(had)"
check none_comes_back equal "connections to $leaver" "$(came_back)" 0
check it_gets_none_any_more equal "connections to $leaver" "$(last_of_leaver)" 0
check none_fails equal "failed connections" "$(grep -c failed "$SEEN" || true)" 0
checks_end
