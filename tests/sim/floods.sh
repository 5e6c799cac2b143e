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

# Rounds of all cases by turns, each beside the same round without a flood: what disturbs the
# machine disturbs them alike. Each takes three to four seconds: after three, a flood's first
# pins are old enough to give way.
median() {
    sort -n | sed -n 5p
}
speeds=$(for ((i = 0; i < 9; i++)); do
    for case in none syn ack both; do
        "$flood" $case 4000000
    done
done)
for case in syn ack both; do
    echo "$case: $(awk -v c=$case '$1 == c { print $2 }' <<<"$speeds" | median) packets a second," \
        "$(awk '$1 == "none" { print $2 }' <<<"$speeds" | median) without a flood; loss" \
        "$(awk -v c=$case '$1 == "none" { none = $2 } $1 == c { print 100 - 100 * $2 / none }' \
            <<<"$speeds" | median) %"
done
exit $failed
