#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A second process that wants what the first one has is refused with a sentence,
# and the first goes on; a second Weir beside it chooses the same backends.
#
#   client --- router ===br0=== weir   (10.0.1.2)
#                 |        '=== weir2  (10.0.1.3), same seed, pools listed backwards
#                 '== b1, b2, b3
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

lab_create
LAB_BACKEND_FROM=10.0.1.2/31 # both
lab_conf | sed 's/^state_file/flow_seed = 0123456789abcdef\n&/' >"$LAB_DIR/weir.conf"
lab_start_backends
lab_start_weir

# The same files and sockets again.
sed "s/^file_prefix = .*/&second/" "$LAB_DIR/weir.conf" >"$LAB_DIR/again.conf"
check second_data_plane_is_refused refused 1 "session.sock" \
    lab_in weir timeout 20 "$WEIR_BUILD/dataplane/weir-dataplane" -c "$LAB_DIR/again.conf"
check second_control_plane_is_refused refused 1 "control.sock" \
    lab_in weir timeout 20 "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/weir.conf"
lab_fetch 50 "$LAB_DIR/fetched" "http://$VIP_L2/1k" "http://$VIP_IPIP/1k"
check the_first_goes_on equal "failed fetches" "$(lab_failures "$LAB_DIR/fetched")" 0

# A session of its own, but the same data plane: told who holds it.
sed -e "s|control.sock|control2.sock|; s|state.json|state2.json|" "$LAB_DIR/weir.conf" >"$LAB_DIR/other.conf"
lab_start controlplane-other weir "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/other.conf"
names_the_holder() {
    grep -q "$(lab_pid controlplane)" "$LAB_DIR/controlplane-other.log"
}
wait_until 5 names_the_holder || true
check a_second_session_is_told_the_holder names_the_holder
lab_stop controlplane-other

# Another Weir with everything of its own, and backends listed in another order.
ip netns add "$LAB-weir2"
lab_ip weir2 link set lo up
lab_wire weir2 10.0.1.3
lab_in router ethtool -K weir2 tx off >/dev/null
sed -e "s|$LAB_DIR/session.sock|$LAB_DIR/session2.sock|; s|control.sock|control2.sock|" \
    -e "s|state.json|state3.json|; s|^file_prefix = .*|&two|" "$LAB_DIR/weir.conf" |
    awk '/^backend / { line[++n] = $0; next } { while (n) print line[n--]; print }' >"$LAB_DIR/weir2.conf"
lab_start dataplane2 weir2 "$WEIR_BUILD/dataplane/weir-dataplane" -c "$LAB_DIR/weir2.conf"
lab_start controlplane2 weir2 "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/weir2.conf"
weirctl2() {
    "$WEIR_BUILD/controlplane/weirctl" -s "$LAB_DIR/control2.sock" "$@"
}
second_ready() {
    weirctl2 --json backends | jq -e '[.backends[] | .serving] | length > 0 and all' >/dev/null
}
wait_until 20 second_ready || lab_fail "the second Weir is not ready" dataplane2 controlplane2

choices() {
    local i

    for ((i = 0; i < 60; i++)); do
        "$@" --json explain tcp "198.51.100.$((i % 200 + 1)):$((1024 + i * 997))" "$VIP_L2:80" |
            jq -c '[.slot, .backend]'
    done
}
choices lab_weirctl >"$LAB_DIR/choices"
choices weirctl2 >"$LAB_DIR/choices2"
check both_choose_the_same_backends cmp "$LAB_DIR/choices" "$LAB_DIR/choices2"
check flows_differ_in_backend equal "backends chosen" \
    "$(jq -r '.[1]' "$LAB_DIR/choices" | sort -u | wc -l)" 3
checks_end
