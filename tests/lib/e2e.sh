# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the end-to-end scenarios share: the lab (its topology is drawn in
# scripts/lab.sh) and the words to state results with. A scenario prints
# "ok NAME" or "FAIL NAME: reason" per statement; WEIR_BUILD names the build.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=scripts/lab.sh
. "$WEIR_ROOT/scripts/lab.sh"

WEIR_BUILD=${WEIR_BUILD:-$WEIR_BUILDS/build}
CHECKS_FAILED=0
UDP=$WEIR_ROOT/tests/lib/udp.py

need_root
[ -x "$WEIR_BUILD/dataplane/weir-dataplane" ] || die "no build in $WEIR_BUILD (scripts/build)"

# check NAME COMMAND...: the statement holds when COMMAND succeeds; the last line
# that it prints is the reason when it does not.
check() {
    local name=$1 output

    shift
    if output=$("$@" 2>&1); then
        echo "ok $name"
    else
        CHECKS_FAILED=1
        printf '%s\n' "$output"
        output=${output##*$'\n'}
        echo "FAIL $name: ${output:-$* failed}"
    fi
}

# Last line of a scenario.
checks_end() {
    if [ -n "${LAB_DIR:-}" ] && grep -lE 'Sanitizer|runtime error:' "$LAB_DIR"/*.log; then
        sed -n '/Sanitizer\|runtime error:/,$p' "$LAB_DIR"/*.log | head -n 60
        echo "FAIL no_sanitizer_complains: see above"
        CHECKS_FAILED=1
    fi
    exit $CHECKS_FAILED
}

# equal WHAT GOT WANTED
equal() {
    [ "$2" = "$3" ] || {
        echo "$1: $2, wanted $3"
        return 1
    }
}

# at_least WHAT GOT LEAST; at_most WHAT GOT MOST: integers
at_least() {
    [ "$2" -ge "$3" ] || {
        echo "$1: $2, wanted at least $3"
        return 1
    }
}

at_most() {
    [ "$2" -le "$3" ] || {
        echo "$1: $2, wanted at most $3"
        return 1
    }
}

# refused STATUS TEXT COMMAND...: COMMAND ends with STATUS, and says TEXT.
refused() {
    local want=$1 text=$2 output status=0

    shift 2
    output=$("$@" 2>&1) || status=$?
    [ $status = "$want" ] || {
        echo "$*: exit status $status, wanted $want; it said: $output"
        return 1
    }
    [[ $output == *"$text"* ]] || {
        echo "$*: did not say \"$text\" but: $output"
        return 1
    }
}

# The lab with its backends and both Weir processes; the configuration is
# standard input, or lab_conf's.
scenario_start() {
    lab_create
    lab_conf >"$LAB_DIR/weir.conf"
    printf '%s\n' "$@" >>"$LAB_DIR/weir.conf"
    lab_start_backends
    lab_start_weir
}

# One value out of a weirctl answer: value EXPRESSION COMMAND...
value() {
    lab_weirctl --json "${@:2}" | jq -r "$1"
}

# backend_value POOL/NAME MEMBER
backend_value() {
    value ".backends[] | select(.pool == \"${1%/*}\" and .name == \"${1#*/}\") | .$2" backends
}

backend_is() {
    [ "$(backend_value "$1" "$2")" = "$3" ]
}

# Requests of a lab_fetch output that BACKEND answered.
fetched_from() {
    awk -v backend="$2" '$5 == backend { n++ } END { print n + 0 }' "$1"
}

# A UDP echo server at VIP on every backend, and the service for it: append what
# udp_conf prints to the configuration.
UDP_PORT=4000
udp_conf() {
    cat <<-EOF
	[service udp-echo]
	vip = $VIP_L2
	protocol = udp
	port = $UDP_PORT
	pool = web-l2
	EOF
}

udp_start_echo() {
    local b

    for b in "${LAB_BACKENDS[@]}"; do
        lab_start "udp-$b" "$b" /usr/bin/python3 "$UDP" echo "$VIP_L2" $UDP_PORT
    done
    for b in "${LAB_BACKENDS[@]}"; do
        wait_until 5 grep -q ready "$LAB_DIR/udp-$b.log" || lab_fail "no UDP echo on $b" "udp-$b"
    done
}

# Datagrams through Weir until udp_load_end, which prints "SENT ANSWERED".
udp_load_start() {
    lab_start udp-load client /usr/bin/python3 "$UDP" load "$VIP_L2" $UDP_PORT "$1"
    wait_until 5 grep -q answered "$LAB_DIR/udp-load.log" || lab_fail "no UDP answers" udp-load
}

udp_load_end() {
    lab_stop udp-load
    tail -n 1 "$LAB_DIR/udp-load.log"
}
