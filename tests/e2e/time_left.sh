#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# How long a move lasts, as `explain` and `backends` say it: a window's seconds, each
# protocol's own; a drain's, which are those of its windows; the grace; and the pin that is left.
#
#   client --- router ===br0=== weir
#     one download  '== b1, b2, b3
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

TCP_WINDOW=14
UDP_WINDOW=4
GRACE=40
SOURCE=${LAB_CLIENTS[0]}:40000

lab_create
(
    lab_conf_head
    lab_conf_pool web-l2 l2 "$VIP_L2" "tcp_window_s = $TCP_WINDOW" "udp_window_s = $UDP_WINDOW" \
        "handshake_grace_s = $GRACE"
) >"$LAB_DIR/weir.conf"
lab_start_backends
lab_start_weir

# 1 MB at 20 kB/s: it is there to the end. With little room to receive it is acknowledged
# all the while; else the whole of it might come at once, and the flow be silent.
lab_in client sysctl -qw net.ipv4.tcp_rmem="4096 16384 16384"
lab_in client curl -s -o /dev/null --limit-rate 20k --max-time 120 -D "$LAB_DIR/head" \
    --interface "${SOURCE%:*}" --local-port "${SOURCE#*:}" "http://$VIP_L2/1M" &
download=$!
server() {
    awk '/^X-Backend/ { sub(/\r/, ""); print $2 }' "$LAB_DIR/head" 2>/dev/null
}
has_begun() {
    [ -n "$(server)" ]
}
wait_until 10 has_begun || lab_fail "the download does not begin" nginx-b1
leaver=$(server)

# What explain says of the download.
why() {
    lab_weirctl --json explain tcp "$SOURCE" "$VIP_L2:80" | jq -r .why
}
# says PATTERN: it matches; the numbers in it are in BASH_REMATCH.
says() {
    local text

    text=$(why)
    [[ $text =~ $1 ]] || {
        echo "explain says: $text"
        return 1
    }
}
# One move, one beginning: the two windows are as far apart as their lengths.
windows_are_told() {
    says "moves from $leaver to b[0-9] \(windows: tcp open for ([0-9]+) s, udp open for ([0-9]+) s\): flows that began before stay with $leaver" &&
        at_most "seconds of the TCP window" "${BASH_REMATCH[1]}" "$TCP_WINDOW" &&
        equal "seconds from UDP's end to TCP's" $((BASH_REMATCH[1] - BASH_REMATCH[2])) $((TCP_WINDOW - UDP_WINDOW))
}
one_window_is_told() {
    says 'tcp open for ([0-9]+) s, udp over\)' &&
        at_most "seconds of the TCP window" "${BASH_REMATCH[1]}" $((TCP_WINDOW - UDP_WINDOW))
}

# With a deadline both windows last as long as the drain.
lab_weirctl backend drain "web-l2/$leaver" --deadline 50 >/dev/null
windows_are_the_drains() {
    local before after

    before=$(backend_value "web-l2/$leaver" drain_left_s)
    says 'windows: tcp open for ([0-9]+) s, udp open for ([0-9]+) s\)' || return 1
    after=$(backend_value "web-l2/$leaver" drain_left_s)
    equal "the UDP window" "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}" &&
        at_most "the drain" "$before" 50 &&
        at_most "the window" "${BASH_REMATCH[1]}" "$before" &&
        at_least "the window" "${BASH_REMATCH[1]}" "$after"
}
check a_deadline_is_the_windows_end windows_are_the_drains
half_the_drain_is_the_grace() {
    says "flows that began before stay with $leaver, and new ones go there for ([0-9]+) s yet" &&
        at_most "seconds of the grace" "${BASH_REMATCH[1]}" 25
}
check a_deadline_cuts_the_grace_down half_the_drain_is_the_grace
check the_list_says_the_drains_seconds grep -qE "^web-l2/$leaver .* draining, ([0-9]|[1-4][0-9]|50) s " \
    <(lab_weirctl backends web-l2)

# Back at its base the move is over, and the next one begins anew.
lab_weirctl backend enable "web-l2/$leaver" >/dev/null
lab_weirctl backend drain "web-l2/$leaver" >/dev/null
check each_window_says_its_seconds windows_are_told
check new_connections_go_to_the_old_one_for_the_grace \
    says "stay with $leaver, and new ones go there for ([0-9]+) s yet"
check no_deadline_no_seconds backend_is "web-l2/$leaver" drain_left_s null
wait_until 20 says 'udp over\)' || lab_fail "the UDP window does not end" controlplane
check the_udp_window_ends_by_itself one_window_is_told
check a_pin_is_said_when_the_windows_are_over \
    wait_until 30 says "; a pin keeps this flow from b[0-9], the slot's owner$"
check the_pin_is_counted wait_until 10 backend_is "web-l2/$leaver" pins 1

kill $download
checks_end
