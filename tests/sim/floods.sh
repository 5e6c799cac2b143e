#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# SYN and ACK floods from random sources at a worker's full speed, into a pool with every
# slot moving: no flow breaks, new connections succeed, pins stay within their bound.
# --full also prints speeds, medians of nine rounds, beside that of the same pool without a
# flood: figures for docs/simulation.md, not a test.
set -euo pipefail

flood=${WEIR_BUILD:-$(dirname "$0")/../../build}/tests/sim/flood
failed=0

for case in none syn ack both; do
    if line=$("$flood" $case 100000); then
        echo "$line"
        echo "ok ${case}_breaks_nothing"
    else
        echo "FAIL ${case}_breaks_nothing: ${line:-it said nothing}"
        failed=1
    fi
done
[ -n "${WEIR_TEST_FULL:-}" ] || exit $failed

# Rounds of all cases by turns: what disturbs the machine disturbs them alike.
speeds=$(for ((i = 0; i < 9; i++)); do
    for case in none syn ack both; do
        "$flood" $case
    done
done)
median() {
    awk -v case="$1" '$1 == case { print $2 }' <<<"$speeds" | sort -n | sed -n 5p
}
for case in syn ack both; do
    echo "$case: $(median $case) packets a second, $(median none) without a flood"
done
exit $failed
