#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# SYN and ACK floods from random sources at a worker's full speed, into a pool with every
# slot moving: no flow breaks, new connections succeed, pins stay within their bound; alone,
# beside other workers with full tables, and beside one that is flooded too.
# --full also prints speeds beside that of the same pool without a flood, medians of fifteen
# rounds: figures for docs/simulation.md, not a test.
set -euo pipefail

flood=${WEIR_BUILD:-$(dirname "$0")/../../build}/tests/sim/flood
failed=0

# assert_breaks_nothing NAME FLOOD_ARGUMENT...
assert_breaks_nothing() {
    local name=$1 line
    shift
    if line=$("$flood" "$@"); then
        echo "$line"
        echo "ok ${name}_breaks_nothing"
    else
        echo "FAIL ${name}_breaks_nothing: ${line:-it said nothing}"
        failed=1
    fi
}

for case in none syn ack both; do
    assert_breaks_nothing $case $case 100000
    assert_breaks_nothing ${case}_beside_others $case 100000 3
    assert_breaks_nothing ${case}_beside_a_flooded_one $case 100000 1 live
done
[ -n "${WEIR_TEST_FULL:-}" ] || exit $failed

median() {
    sort -n | sed -n 8p
}
# loss COLUMN: of packets a second more is better, of cycles less.
loss() {
    awk -v c="$case" -v column="$1" '$1 == "none" { none = $column }
        $1 == c { print 100 - 100 * (column == 2 ? $2 / none : none / $column) }' \
        <<<"$speeds" | median
}
# Rounds of all cases by turns, each beside the same round without a flood: what disturbs the
# machine disturbs them alike.
for others in 0 1 3 15; do
    speeds=$(for ((i = 0; i < 15; i++)); do
        for case in none syn ack both; do
            "$flood" $case 100000 $others
        done
    done)
    for case in none syn ack both; do
        echo "beside $others: $case:" \
            "$(awk -v c=$case '$1 == c { print $2 }' <<<"$speeds" | median) packets a second," \
            "loss $(loss 2) %; stages alone" \
            "$(awk -v c=$case '$1 == c { print $4 }' <<<"$speeds" | median) cycles, loss $(loss 4) %"
    done
done
exit $failed
