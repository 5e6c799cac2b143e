#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# One of three backends dies under 2,000 requests a second, twice: its server is killed
# (its host refuses), and its host goes silent. How many requests fail, and how long
# until none does any more, against the settings of the check. Prints both; anybody can
# run it: tests/e2e/health_kill.sh [INTERVAL_MS TIMEOUT_MS FALL]
#
#   client --- router ===br0=== weir
#                 '== b1 (dies), b2, b3
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

INTERVAL=${1:-200} TIMEOUT=${2:-100} FALL=${3:-2}
RATE=2000 SECONDS_EACH=5
LOAD=$WEIR_BUILD/tests/lib/request_load

lab_create
{
    lab_conf_head
    lab_conf_pool web l2 "$VIP_L2" | sed "s/^check_interval_ms.*/check_interval_ms = $INTERVAL/
        s/^check_timeout_ms.*/check_timeout_ms = $TIMEOUT/
        s/^check_fall.*/check_fall = $FALL/"
} >"$LAB_DIR/weir.conf"
lab_start_backends
lab_start_weir

ended() {
    grep -q '^end' "$LAB_DIR/$1.log"
}

# Requests that the backends have answered so far.
answered() {
    awk '$NF == "/1k" { n++ } END { print n + 0 }' "$LAB_DIR"/b?.nginx/access.log
}

answered_are() {
    [ "$(answered)" -ge "$1" ]
}

# under_load NAME COMMAND...: when a second of the load has been answered, COMMAND.
under_load() {
    local name=$1 go killed before

    before=$(answered)
    lab_start "$name" client "$LOAD" "$VIP_L2" 80 $RATE $SECONDS_EACH "${LAB_CLIENTS[@]}"
    wait_until 20 answered_are $((before + RATE)) || lab_fail "the load does not get through" "$name"
    killed=$(now_ms)
    "${@:2}"
    wait_until 20 ended "$name" || lab_fail "the load does not end" "$name"
    go=$(awk '$1 == "go" { print $2 }' "$LAB_DIR/$name.log")
    # Requests that began before the backend died and were under way fail as well.
    awk -v go="$go" -v killed="$killed" -v name="$name" -v settings="interval $INTERVAL ms, timeout $TIMEOUT ms, fall $FALL" '
        $1 == "end" { sent = $2; failed = $3; next }
        $1 != "go" { t = go + $1 - killed; if (t > last) last = t; if (t < -1100) early++ }
        END { printf "measured %s: %d of %d requests failed, the last one begun %d ms after the death (%s)\n", name, failed, sent, last, settings
              print failed, last, early + 0 >"/dev/stderr" }' \
        "$LAB_DIR/$name.log" 2>"$LAB_DIR/$name.numbers"
    read -r FAILED LAST EARLY <"$LAB_DIR/$name.numbers"
}

# An interval may be a tenth longer by chance. The rest is for two cores that everybody
# here shares: clients, Weir, three servers.
bound=$((FALL * INTERVAL * 11 / 10 + TIMEOUT + 1000))

states() { # NAME
    check "$1_fails_some_requests" at_least "failed requests" "$FAILED" 1
    check "$1_is_over_by_the_settings" at_most "ms until the last failed request began" "$LAST" $bound
    check "$1_fails_nothing_before" equal "requests failed before" "$EARLY" 0
    # A third of the requests were the dead backend's.
    check "$1_fails_the_dead_one_s_share" at_most "failed requests" "$FAILED" $((RATE * (bound + 1000) / 1000 / 2))
}

under_load server_killed lab_stop nginx-b1 KILL
states server_killed
check server_killed_is_told grep -q "backend web/b1 is down: tcp: connection refused" "$LAB_DIR/controlplane.log"

lab_start_nginx b1
wait_until 20 backend_is web/b1 health up || lab_fail "b1 does not come back" controlplane
wait_until 30 lab_holds '.pools[0].moving == 0 or .pools[0].serving == 3' pools || true
under_load host_silent lab_ip router link set b2 down
states host_silent
check host_silent_is_told grep -q "backend web/b2 is down: tcp: no answer to the connection attempt in $TIMEOUT ms" \
    "$LAB_DIR/controlplane.log"
checks_end
