#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# 2,000 long-lived connections that talk, are half-closed, or say nothing for a minute,
# and 500 short ones a second, while both pools change in every way there is and the
# control plane is killed: none breaks and none stalls, but those of backends that
# failed, were disabled or were removed.
#
#   client --- router ===br0=== weir
#    flow_client   '== b1, b2, b3, b4, b5: flow_server
#
# TCP windows are 65 s, so that some end while it runs; in web-ipip a backend that comes
# back takes its share within 60 s. --full: four times as long.
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

LAB_BACKENDS=(b1 b2 b3 b4 b5)
CHATS=1600 HALVES=200 IDLES=200 IDLE_S=60 SHORTS=500 SLOW_START=60
# Messages that come back between two changes: some 2,000 a second do.
ECHOES=8000
[ -z "${WEIR_TEST_FULL:-}" ] || ECHOES=40000

# -- the lab: flow_server in nginx's place -----------------------------------------

start_server() {
    lab_start "server-$1" "$1" "$WEIR_BUILD/tests/lib/flow_server" 80 "$1"
    wait_until 5 lab_listens "$1" 80 || lab_fail "no server on $1" "server-$1"
}

conf() {
    lab_conf_head
    # b5 is for later.
    LAB_BACKENDS=(b1 b2 b3 b4)
    lab_conf_pool web-l2 l2 "$VIP_L2" "tcp_window_s = 65"
    lab_conf_pool web-ipip ipip "$VIP_IPIP" "tcp_window_s = 65" "slow_start_s = $SLOW_START"
}

start() {
    local b

    lab_create
    (conf) >"$LAB_DIR/weir.conf"
    for b in "${LAB_BACKENDS[@]}"; do
        lab_backend "$b" up >>"$LAB_DIR/backend-$b.log" 2>&1 ||
            lab_fail "weir-backend up fails on $b" "backend-$b"
        start_server "$b"
    done
    lab_start_weir
}

# -- the client --------------------------------------------------------------------

answers() {
    grep -cE '^(done|opened) ' "$LAB_DIR/flows.log" || true
}

has_answered() {
    [ "$(answers)" -gt "$1" ]
}

# tell LINE: to flow_client, and wait for its answer.
tell() {
    local before

    before=$(answers)
    echo "$1" >&7
    wait_until "${2:-60}" has_answered "$before" || lab_fail "flow_client does not answer" flows
}

# Until all of them have had something to say.
traffic() {
    tell "echoes $ECHOES" 120
}

# count NAME: of the last report.
count() {
    grep '^opened ' "$LAB_DIR/flows.log" | tail -n 1 |
        awk -v name="$1" '{ for (i = 1; i < NF; i += 2) if ($i == name) print $(i + 1) }'
}

start_flows() {
    local sources

    sources=$(IFS=, && echo "${LAB_CLIENTS[*]}")
    mkfifo "$LAB_DIR/flows.in"
    exec 7<>"$LAB_DIR/flows.in"
    # shellcheck disable=SC2016 # for the inner shell
    lab_start flows client bash -c 'exec "${@:2}" <"$1"' - "$LAB_DIR/flows.in" \
        "$WEIR_BUILD/tests/lib/flow_client" "$VIP_L2,$VIP_IPIP" "$sources" 80 \
        $CHATS $HALVES $IDLES $IDLE_S $SHORTS
}

# -- changes -----------------------------------------------------------------------

CHANGES=0

# change COMMAND...: weirctl, and the load goes on for a while.
change() {
    lab_weirctl "$@" >/dev/null || lab_fail "weirctl $* fails" controlplane
    CHANGES=$((CHANGES + 1))
    traffic
}

vip_of() {
    case $1 in
    web-l2/*) echo "$VIP_L2" ;;
    web-ipip/*) echo "$VIP_IPIP" ;;
    esac
}

# cutting POOL/NAME COMMAND...: a change that breaks what is on the backend.
cutting() {
    tell "failing ${1#*/} $(vip_of "$1")"
    lab_weirctl "${@:2}" >/dev/null || lab_fail "weirctl ${*:2} fails" controlplane
    tell "failed ${1#*/} $(vip_of "$1")"
    CHANGES=$((CHANGES + 1))
    traffic
}

is_health() {
    backend_is "web-l2/$1" health "$2" && backend_is "web-ipip/$1" health "$2"
}

kill_server() {
    tell "failing $1 $VIP_L2"
    tell "failing $1 $VIP_IPIP"
    lab_stop "server-$1" KILL
    wait_until 10 is_health "$1" down || lab_fail "$1 is not down" controlplane
    tell "failed $1 $VIP_L2"
    tell "failed $1 $VIP_IPIP"
    CHANGES=$((CHANGES + 1))
    traffic
}

return_server() {
    start_server "$1"
    wait_until 10 is_health "$1" up || lab_fail "$1 is not up" controlplane
    CHANGES=$((CHANGES + 1))
    traffic
}

# edit POOL SED-EXPRESSION: the pool's lines of the file.
edit() {
    sed -i "/^\[pool $1\]/,/^\[service/ $2" "$LAB_DIR/weir.conf"
}

is_state() {
    backend_is "$1" state "$2"
}

# At its deadline a draining backend is disabled.
drain_until_disabled() {
    tell "failing ${1#*/} $(vip_of "$1")"
    lab_weirctl backend drain "$1" --deadline 4 >/dev/null
    wait_until 15 is_state "$1" disabled || lab_fail "$1 is not disabled" controlplane
    tell "failed ${1#*/} $(vip_of "$1")"
    CHANGES=$((CHANGES + 1))
    traffic
}

# kill_control_plane WEIGHT: in the middle of moves; the file changes while nobody looks.
kill_control_plane() {
    lab_stop controlplane KILL
    edit web-l2 "s/^\\(backend b4 .*\\) weight=.*/\\1 weight=$1/"
    traffic
    lab_start_controlplane
    wait_until 20 lab_ready || lab_fail "not ready after the restart" controlplane dataplane
    backend_is web-l2/b4 weight "$1" || lab_fail "the new file is not in force" controlplane
    CHANGES=$((CHANGES + 1))
    traffic
}

# hold NAME: nothing broke since the last report.
hold() {
    tell report
    grep '^opened ' "$LAB_DIR/flows.log" | tail -n 1
    check "$1_breaks_no_connection" equal "broken connections" "$(count broken)" 0
    check "$1_refuses_no_connection" equal "refused connections" "$(count refused)" 0
    check "$1_stalls_no_connection" equal "stalls over 1 s" "$(count stalled)" 0
}

start
start_flows
traffic
hold the_quiet_pool

change backend drain web-l2/b1
change backend weight web-ipip/b2 20
change backend add web-l2/b5 "$(lab_backend_address b5)" weight=10
change backend drain web-ipip/b3
change backend enable web-l2/b1
hold a_drain_or_weight_or_addition

kill_control_plane 7
hold a_killed_control_plane

change backend weight web-l2/b2 0
edit web-ipip 's/^\(backend b1 .*\) weight=10/\1 weight=15/'
change reload
change backend enable web-ipip/b3
check a_slow_start_is_under_way at_most "share of web-ipip/b3 in percent" "$(backend_value web-ipip/b3 share_percent)" 99
hold a_reload_or_slow_start

cutting web-l2/b4 backend disable web-l2/b4
kill_server b2
change backend enable web-l2/b4
return_server b2
hold a_failure

cutting web-ipip/b4 backend remove web-ipip/b4 --force
change backend weight web-l2/b2 10
change backend add web-ipip/b4 "$(lab_backend_address b4)" weight=10
drain_until_disabled web-l2/b3
hold a_removal_or_deadline

change backend drain web-ipip/b1
kill_control_plane 9
change backend enable web-l2/b3
change backend enable web-ipip/b1
change backend drain web-l2/b1
change backend drain web-l2/b2
cutting web-l2/b5 revert
hold the_end

check twenty_changes at_least "changes" $CHANGES 20
check long_ones_lived at_least "connections at the end" \
    "$(lab_in client ss -Htn state established '( dport = :80 )' | wc -l)" $((CHATS + IDLES))
check flows_needed_pins at_least "pins made" "$(value '[.workers[].pins.made] | add' status)" 2000
check the_load_was_real at_least "short connections" "$(count opened)" $ECHOES
checks_end
