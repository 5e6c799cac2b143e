#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Synthetic flows through the real table builder and the real select stage while the
# pool changes (docs/simulation.md). The simulator judges each case: no flow broke and no
# new connection failed, flows of failed backends apart; pins within their bounds; all
# settled at the end. 40,000 concurrent flows; --full: 100,000.
set -euo pipefail

sim=${WEIR_BUILD:-$(dirname "$0")/../../build}/tests/sim/sim
flows=40000
[ -z "${WEIR_TEST_FULL:-}" ] || flows=100000
failed=0

for case in $("$sim" --list); do
    output=$("$sim" "$case" $flows 2>&1) || failed=1
    printf '%s\n' "$output"
    [ "${output##*$'\n'}" != "" ] || echo "FAIL $case: the simulator said nothing"
done
exit $failed
