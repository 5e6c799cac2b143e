#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# 1,000 backends in one pool: from `weirctl backend weight` until every worker
# has the new table takes less than 50 ms.
#
#   weir alone; the backends' MACs are configured and nobody checks them
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

ROUNDS=11
BOUND_US=50000

lab_create
{
    lab_conf_head
    echo "[pool big]"
    echo "check = none"
    for ((i = 0; i < 1000; i++)); do
        printf 'backend n%03d = 10.1.%d.%d weight=10 mac=02:00:00:01:%02x:%02x port=lab\n' \
            $i $((i / 250)) $((i % 250 + 1)) $((i / 250)) $((i % 250 + 1))
    done
    echo "[service big]"
    echo "vip = $VIP_L2"
    echo "protocol = tcp"
    echo "port = 80"
    echo "pool = big"
} >"$LAB_DIR/weir.conf"
lab_start_weir

# What the person waits for: the whole command. What the daemon measured: from the
# request to the last worker's acknowledgement.
: >"$LAB_DIR/wall"
: >"$LAB_DIR/daemon"
early=0
for ((round = 1; round <= ROUNDS; round++)); do
    before=$(value .generation status)
    start=${EPOCHREALTIME/[.,]/}
    lab_weirctl backend weight big/n500 $((10 + round)) >/dev/null
    echo $((${EPOCHREALTIME/[.,]/} - start)) >>"$LAB_DIR/wall"
    value .publish_latency_us status >>"$LAB_DIR/daemon"
    after=$(value .generation status)
    if [ "$after" -le "$before" ] || ! lab_holds "[.workers[] | .generation >= $after] | all" status; then
        early=$round
    fi
done

median() {
    sort -n "$1" | sed -n "$(((ROUNDS + 1) / 2))p"
}

check weirctl_answers_when_every_worker_has_the_table equal "round in which it was early" $early 0
check daemon_measures_under_50_ms at_most "median of microseconds" "$(median "$LAB_DIR/daemon")" $BOUND_US
check weirctl_takes_under_50_ms at_most "median of microseconds" "$(median "$LAB_DIR/wall")" $BOUND_US
echo "wall: $(sort -n "$LAB_DIR/wall" | xargs) us; daemon: $(sort -n "$LAB_DIR/daemon" | xargs) us"
checks_end
