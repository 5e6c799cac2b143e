#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Run Pktgen-DPDK against Weir over memif on this machine, and print its report.
#
#   PKTGEN=/path/to/pktgen scripts/pktgen/memif.sh [l2|ipip|gue]
#
# Pktgen-DPDK is not part of Weir: docs/benchmark.md says which version. Takes some
# 2 minutes; needs root, jq, two CPUs and 3,500 MB of huge pages. WEIR_BUILD: a release
# build; WEIR_TRIAL_S: seconds of one trial (default 2).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mode=${1-l2}
build=${WEIR_BUILD:-$here/../../build-bench}
backends=1000
dir=$(mktemp -d /tmp/weir-pktgen-XXXXXX)
children=()

finish() {
    local pid

    for pid in "${children[@]}"; do
        kill "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

fail() {
    echo "memif.sh: $*" >&2
    tail -n 20 "$dir"/*.log >&2 2>/dev/null || :
    exit 1
}

case $mode in
l2 | ipip | gue) ;;
*) fail "usage: PKTGEN=/path/to/pktgen scripts/pktgen/memif.sh [l2|ipip|gue]" ;;
esac
command -v jq >/dev/null || fail "jq is missing (scripts/deps run)"
[ -x "${PKTGEN-}" ] || fail "PKTGEN: the pktgen program, built outside of this repository"
[ -x "$build/dataplane/weir-dataplane" ] || fail "WEIR_BUILD: no build in $build (scripts/bench makes one)"

{
    sed "s|@DIR@|$dir|; s|@CPU@|1|; s|@MODE@|$mode|" "$here/weir-memif.conf"
    [ "$mode" = l2 ] || echo "outer_source = 10.0.0.1"
    for i in $(seq 0 $((backends - 1))); do
        printf 'backend b%d = 10.1.%d.%d mac=02:00:00:00:%02x:%02x port=out\n' \
            "$i" $((i / 256)) $((i % 256)) $((i / 256)) $((i % 256))
    done
} >"$dir/weir.conf"

"$build/dataplane/weir-dataplane" -c "$dir/weir.conf" >"$dir/dataplane.log" 2>&1 &
children+=($!)
"$build/controlplane/weir-controlplane" -c "$dir/weir.conf" >"$dir/controlplane.log" 2>&1 &
children+=($!)
ready() {
    "$build/controlplane/weirctl" -s "$dir/control.sock" --json status 2>/dev/null |
        jq -e '.attached and ([.workers[] | .generation > 0] | all)' >/dev/null
}
for _ in $(seq 100); do
    ! ready || break
    sleep 0.1
done
ready || fail "Weir does not forward after 10 s"

# not in the foreground: a signal then ends it with the rest
WEIR_PKTGEN_DIR=$here WEIR_REPORT=$dir/report timeout -k 5 900 "$PKTGEN" \
    --lcores 0@0,1@0 --no-pci --in-memory --iova-mode=va --file-prefix=weirpktgen-gen -m 3072 --no-telemetry \
    --vdev="net_memif0,role=client,id=0,socket=$dir/in.sock,socket-abstract=no,rsize=14" \
    --vdev="net_memif1,role=client,id=1,socket=$dir/out.sock,socket-abstract=no,rsize=14" \
    -- -P -m '1.[0-1]' -f "$here/memif.lua" </dev/null >"$dir/pktgen.log" 2>&1 &
children+=($!)
wait $! || fail "pktgen failed"
[ -s "$dir/report" ] || fail "no report"
echo "# $mode, $backends backends; Weir counts:"
"$build/controlplane/weirctl" -s "$dir/control.sock" drops || :
cat "$dir/report"
