#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# With huge pages and without: the same forwarding, and only the memory that was
# asked for.
#
#   client --- router ===br0=== weir
#                 '== b1, b2, b3
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

# Kilobytes of huge pages that the data plane has mapped.
huge_kb() {
    awk '/^HugetlbPages:/ { print $2 }' "/proc/$(lab_pid dataplane)/status"
}

fetch_some() {
    rm -f "$LAB_DIR/fetched"
    lab_fetch 40 "$LAB_DIR/fetched" "http://$VIP_L2/10k" "http://$VIP_IPIP/10k"
    equal "failed fetches" "$(lab_failures "$LAB_DIR/fetched")" 0
}

lab_create
lab_conf | sed 's/^idle = .*/&\nhuge_pages = no/' >"$LAB_DIR/weir.conf"
lab_start_backends
lab_start_weir
check forwards_without_huge_pages fetch_some
check maps_no_huge_page equal "kB of huge pages" "$(huge_kb)" 0
lab_stop dataplane

if [ "$(awk '/^HugePages_Free:/ { print $2 }' /proc/meminfo)" -lt 96 ]; then
    echo "skip huge_pages_are_used: fewer than 96 huge pages are free"
    checks_end
fi
free_before=$(awk '/^HugePages_Free:/ { print $2 }' /proc/meminfo)
sed -i 's/^huge_pages = .*/huge_pages = yes/' "$LAB_DIR/weir.conf"
lab_start_dataplane
wait_until 20 lab_ready || lab_fail "not ready with huge pages" dataplane controlplane
check forwards_with_huge_pages fetch_some
check maps_huge_pages at_least "kB of huge pages" "$(huge_kb)" 65536

lab_stop dataplane KILL
given_back() {
    [ "$(awk '/^HugePages_Free:/ { print $2 }' /proc/meminfo)" -ge "$free_before" ]
}
lab_stop controlplane # it has the shared memory mapped
wait_until 5 given_back || true
check a_killed_data_plane_leaves_no_huge_page given_back
checks_end
