# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Network namespaces of a scenario that needs no lab, and a directory for its files; both
# go when the script ends.

# ns_begin PREFIX NAME...: namespace NAME is $NS-NAME, the directory $DIR.
ns_begin() {
    local ns

    NS=$1-$$
    NS_NAMES=("${@:2}")
    DIR=$(mktemp -d -t "$NS-XXXXXX")
    trap ns_end EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    for ns in "${NS_NAMES[@]}"; do
        ip netns add "$NS-$ns"
        ip_ns "$ns" link set lo up
    done
}

ns_end() {
    local status=$? ns pids

    trap '' HUP INT TERM
    for ns in "${NS_NAMES[@]}"; do
        pids=$(ip netns pids "$NS-$ns" 2>/dev/null) || continue
        # shellcheck disable=SC2086 # one argument a pid
        [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
        ip netns del "$NS-$ns" || true
    done
    rm -rf "$DIR"
    exit "$status"
}

# in_ns NAME COMMAND...
in_ns() {
    ip netns exec "$NS-$1" "${@:2}"
}

# ip_ns NAME ARGUMENT...
ip_ns() {
    ip -n "$NS-$1" "${@:2}"
}
