#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the control plane may do once it runs: as root, as a user of its own, and
# when it was given nothing to begin with.
#
#   weir eth0 ===br0=== b1, b2, b3
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

CAP_NET_ADMIN=0000000000001000
NOBODY=65534

status_of() {
    awk -v field="$1:" '$1 == field { print $2 }' "/proc/$(lab_pid controlplane)/status"
}

# Without any capability from the start.
start_without_capabilities() {
    lab_start controlplane weir setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups \
        --inh-caps=-all --bounding-set=-all \
        "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/weir.conf"
}

lab_create
install -d "$LAB_DIR/own"
lab_conf | sed "s|^socket = .*|socket = $LAB_DIR/own/control.sock|
    s|^state_file = .*|state_file = $LAB_DIR/own/state.json|" >"$LAB_DIR/weir.conf"
ln -s own/control.sock "$LAB_DIR/control.sock"
lab_start_backends
lab_start_controlplane
wait_until 10 lab_holds '.version' status || lab_fail "no control plane" controlplane
check root_keeps_one_capability equal "CapPrm" "$(status_of CapPrm)" $CAP_NET_ADMIN
check nothing_can_be_gained equal "CapBnd" "$(status_of CapBnd)" 0000000000000000
check no_new_privileges equal "NoNewPrivs" "$(status_of NoNewPrivs)" 1

sed -i "s|^state_file = .*|&\nuser = nobody|" "$LAB_DIR/weir.conf"
check users_that_cannot_meet_are_told refused 0 "may not open the session socket" \
    lab_weirctl check-config "$LAB_DIR/weir.conf"
sed -i "s|^cpus = .*|&\nuser = nobody|" "$LAB_DIR/weir.conf"
check users_that_can_are_not equal "warnings" \
    "$(lab_weirctl --json check-config "$LAB_DIR/weir.conf" | jq '.warnings | length')" 0

sed -i "s|^socket = .*|&\ngroup = nogroup|" "$LAB_DIR/weir.conf"
chmod 0750 "$LAB_DIR" "$LAB_DIR/own"
check a_user_who_cannot_get_there_is_told refused 0 \
    "user nobody may not enter the directory of the session socket" \
    lab_weirctl check-config "$LAB_DIR/weir.conf"
check a_group_that_cannot_is_told refused 0 "group: its members may not enter the directory" \
    lab_weirctl check-config "$LAB_DIR/weir.conf"
chmod 0755 "$LAB_DIR" "$LAB_DIR/own"
check who_can_is_not equal "warnings" \
    "$(lab_weirctl --json check-config "$LAB_DIR/weir.conf" | jq '.warnings | length')" 0

lab_stop controlplane
chown -R $NOBODY:$NOBODY "$LAB_DIR/own"
lab_start_weir
check user_is_taken equal "Uid" "$(status_of Uid)" $NOBODY
check user_keeps_one_capability equal "CapEff" "$(status_of CapEff)" $CAP_NET_ADMIN
check entries_are_managed sh -c "ip -n $LAB-weir neigh show 10.0.1.11 | grep -qw managed"
check changes_are_saved equal "not_saved" \
    "$(value '.not_saved' backend weight web-l2/b1 7)" null
check user_reads_the_file_again lab_weirctl reload

lab_stop controlplane
rm -f "$LAB_DIR/own/control.sock" "$LAB_DIR/own/control.sock.lock"
start_without_capabilities
wait_until 10 lab_ready || lab_fail "not ready" controlplane dataplane
check it_has_nothing equal "CapPrm" "$(status_of CapPrm)" 0000000000000000
check it_says_what_is_missing grep -q "without CAP_NET_ADMIN" "$LAB_DIR/controlplane.log"
check probes_let_the_kernel_know_the_neighbours backend_is web-l2/b2 next_hop.resolved true
check what_was_changed_stands backend_is web-l2/b1 weight 7
checks_end
