#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Synthetic flows through the real table builder and the real select stage while the
# pool changes (docs/simulation.md). Asserts for each case with one Weir that no flow
# broke and no new connection failed, flows of failed backends apart. The bounds on the
# number of pins are printed by the simulator and not asserted here: docs/simulation.md
# says which do not hold.
set -euo pipefail

sim=${WEIR_BUILD:-$(dirname "$0")/../../build}/tests/sim/sim
failed=0

for case in drain add add-drain weights failures restart flood few-pins; do
    # "CASE flows broken failed ..."; the simulator's own verdict is the line after it
    line=$("$sim" $case | awk -v case=$case '$1 == case { print; exit }') || true
    read -r _ flows broken refused _ <<<"$line"
    if [ "${flows:-0}" -gt 1000000 ] && [ "$broken" = 0 ] && [ "$refused" = 0 ]; then
        echo "ok no_flow_breaks_in_$case"
    else
        echo "FAIL no_flow_breaks_in_$case: flows, broken, failed new: ${flows:-none} ${broken:-} ${refused:-}"
        failed=1
    fi
done
exit $failed
