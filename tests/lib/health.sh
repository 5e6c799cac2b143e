# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the scenarios of health checks share: servers that fail as they are told, and what
# becomes of their backends.

# shellcheck source=tests/lib/e2e.sh
. "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# moody_start BACKEND ADDRESS KIND:PORT...: servers of tests/lib/moody.py.
moody_start() {
    mkdir -p "$LAB_DIR/mood-$1"
    lab_start "moody-$1" "$1" /usr/bin/python3 "$WEIR_ROOT/tests/lib/moody.py" "$LAB_DIR/mood-$1" "${@:2}"
    wait_until 10 grep -q ready "$LAB_DIR/moody-$1.log" || lab_fail "no servers on $1" "moody-$1"
}

# lone_pool NAME MODE MTU BACKEND-ADDRESS VIP PROTOCOL PORT CHECK: a pool of b1, whose check
# alone decides, and its service.
lone_pool() {
    cat <<-END
	[pool $1]
	mode = $2
	mtu = $3
	table_size = 251
	checks = $8
	flap_changes = 0
	min_healthy = 0
	backend b1 = $4
	[service $1]
	vip = $5
	protocol = $6
	port = $7
	pool = $1
	END
}

# quick_check NAME LINE...: one that decides by each probe.
quick_check() {
    cat <<-END
	[check $1]
	interval_ms = 500
	fast_interval_ms = 100
	answer_timeout_ms = 250
	rise = 1
	fall = 1
	END
    printf '%s\n' "${@:2}" ""
}

# mood BACKEND PORT MOOD
mood() {
    echo "$3" >"$LAB_DIR/mood-$1/$2.mood"
}

# shows POOL/NAME HEALTH REASON
shows() {
    lab_weirctl --json backends "${1%/*}" 2>/dev/null |
        jq -e --arg n "${1#*/}" --arg h "$2" --arg r "$3" \
            '.backends[] | select(.name == $n) | .health == $h and .reason == $r' >/dev/null
}

became() {
    wait_until 10 shows "$@" ||
        equal "$1 is" "$(backend_value "$1" health), $(backend_value "$1" reason)" "$2, $3"
}

# becomes TEST POOL/NAME HEALTH REASON: within 10 s.
becomes() {
    check "$1" became "${@:2}"
}

# falls TEST POOL/NAME PORT MOOD REASON GOOD: down in this mood, and up again without it.
falls() {
    mood "${2#*/}" "$3" "$4"
    becomes "$1" "$2" down "$5"
    mood "${2#*/}" "$3" ok
    becomes "$1_and_back" "$2" up "$6"
}

held() {
    wait_until 10 lab_holds "$@" || {
        lab_weirctl --json "${@:2}" | jq -c .
        echo "not within 10 s: $1"
        return 1
    }
}

# holds TEST EXPRESSION COMMAND...: within 10 s.
holds() {
    check "$1" held "${@:2}"
}
