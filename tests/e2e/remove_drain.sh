#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `backend remove --drain`: the backend takes nothing new, its downloads go on to their
# end, and then it is gone.
#
#   client --- router ===br0=== weir
#     downloads     '== b1, b2, b3 (leaves)
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

DOWNLOADS=12

lab_create
(
    lab_conf_head
    lab_conf_pool web-l2 l2 "$VIP_L2" "tcp_window_s = 2" "udp_window_s = 2"
) >"$LAB_DIR/weir.conf"
lab_start_backends
lab_start_weir

# 1 MB at 100 kB/s: ten seconds each.
pids=()
for ((i = 0; i < DOWNLOADS; i++)); do
    lab_in client curl -s -o /dev/null --limit-rate 100k --max-time 60 \
        -D "$LAB_DIR/head.$i" -w '%{http_code} %{size_download}\n' \
        --interface "${LAB_CLIENTS[i % ${#LAB_CLIENTS[@]}]}" "http://$VIP_L2/1M" >"$LAB_DIR/got.$i" &
    pids+=($!)
done
has_begun() {
    [ "$(cat "$LAB_DIR"/head.* 2>/dev/null | grep -c '^X-Backend')" = $DOWNLOADS ]
}
wait_until 10 has_begun || lab_fail "the downloads do not begin" nginx-b1
leaver=$(cat "$LAB_DIR"/head.* | awk '/^X-Backend/ { n[$2]++ } END { for (b in n) if (n[b] > n[most]) most = b; print most }' | tr -d '\r')

exists() {
    [ -n "$(backend_value "web-l2/$leaver" name)" ]
}
is_gone() {
    ! exists
}

check a_backend_in_use_is_not_removed refused 1 "use drain" lab_weirctl backend remove "web-l2/$leaver"
lab_weirctl backend remove "web-l2/$leaver" --drain >/dev/null
# Its windows end after 2 s; then pins hold it.
held_by_pins() {
    lab_holds "[.backends[] | select(.name == \"$leaver\") | .windows == 0 and .pins > 0 and .leaves] | any" backends
}
check pins_hold_it_when_the_windows_are_over wait_until 20 held_by_pins

rm -f "$LAB_DIR/during"
lab_fetch 60 "$LAB_DIR/during" "http://$VIP_L2/1k"
check no_new_request_fails equal "failed fetches" "$(lab_failures "$LAB_DIR/during")" 0
check it_gets_no_new_requests equal "fetches from $leaver" "$(fetched_from "$LAB_DIR/during" "$leaver")" 0
check it_stays_while_it_sends exists

wait "${pids[@]}"
check every_download_is_whole equal "whole downloads" \
    "$(cat "$LAB_DIR"/got.* | grep -c '^200 1048576$')" $DOWNLOADS
check it_goes_when_they_have_ended wait_until 30 is_gone
check the_file_is_not_changed grep -q "^backend $leaver " "$LAB_DIR/weir.conf"
checks_end
