#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Backup backends serve while no other is up, and only then; connections that they have by
# then stay on them when the others are back.
#
#   client --- router ===br0=== weir
#                 '== b1, b2, b3      pool one: b3 is the backup; pool two: b2 and b3 are
set -euo pipefail
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

serve() { # POOL: names of those that serve
    value "[.backends[] | select(.serving) | .name] | join(\" \")" backends "$1"
}

serves() { # POOL NAMES
    wait_until 10 eval "[ \"\$(serve $1)\" = '$2' ]" || equal "$1 is served by" "$(serve "$1")" "$2"
}

# from POOL COUNT BACKENDS: only these answer, each of them, and no fetch fails.
from() {
    local out=$LAB_DIR/fetched-$RANDOM vip=$VIP_L2

    [ "$1" = one ] || vip=$VIP_IPIP
    lab_fetch "$2" "$out" "http://$vip/1k"
    equal "failed fetches" "$(lab_failures "$out")" 0
    equal "answers came from" "$(awk '{ print $5 }' "$out" | sort -u | xargs)" "$3"
}

# One connection to pool one for the whole test: a request a line from $LAB_DIR/ask, and the
# backend that answers in keep.log.
keep_start() {
    cat >"$LAB_DIR/keep.py" <<-END
	import http.client, sys
	c = http.client.HTTPConnection('$VIP_L2', 80, timeout=5)
	c.connect()
	c.auto_open = 0
	for _ in sys.stdin:
	    c.request('GET', '/1k')
	    r = c.getresponse()
	    r.read()
	    print(r.getheader('X-Backend'), flush=True)
	END
    mkfifo "$LAB_DIR/ask"
    lab_start keep client sh -c "exec /usr/bin/python3 '$LAB_DIR/keep.py' <'$LAB_DIR/ask'"
    exec 5>"$LAB_DIR/ask"
}

kept() { # ANSWERS: how many there have been
    [ "$(wc -l <"$LAB_DIR/keep.log")" = "$1" ]
}

# ask BACKEND: it is the one that answers on that connection.
ask() {
    local n=$(($(wc -l <"$LAB_DIR/keep.log") + 1))

    echo >&5
    wait_until 5 kept $n || true
    equal "the connection is answered by" "$(tail -n 1 "$LAB_DIR/keep.log")" "$1"
}

lab_create
{
    lab_conf_head
    lab_conf_pool one l2 "$VIP_L2" | sed 's/^backend b3.*/& backup=yes/'
    lab_conf_pool two ipip "$VIP_IPIP" | sed 's/^backend b[23].*/& backup=yes/'
} >"$LAB_DIR/weir.conf"
lab_start_backends
lab_start_dataplane
lab_start_controlplane
check primaries_serve serves one "b1 b2"
check one_of_them_is_enough serves two b1
wait_until 10 lab_holds '[.backends[] | .health == "up"] | all' backends || true
check clients_reach_them from one 60 "b1 b2"
check and_the_only_one from two 20 b1

lab_stop nginx-b1 KILL
check a_backup_is_not_needed_yet serves one b2
check the_backup_pool_serves serves two "b2 b3"
check clients_reach_all_of_it from two 60 "b2 b3"
lab_stop nginx-b2 KILL
check the_backup_serves serves one b3
check it_is_told grep -q "pool one: 0 of 2 backends are up, 1 wanted: the backups join" "$LAB_DIR/controlplane.log"
check it_is_no_panic lab_holds '[.pools[] | .panic | not] | all' pools
check health_says_so refused 0 "pool one: 0 of 2 backends up: its backups serve" lab_weirctl health one
check clients_reach_the_backup from one 30 b3
keep_start
check a_connection_to_the_backup ask b3

lab_start_nginx b1
check a_primary_is_back serves one b1
check the_backups_stand_by lab_holds '.backends[] | select(.name == "b3")
    | .standby and .health == "up" and (.serving | not)' health one
check it_is_told_too grep -q "pool one: 1 of 2 backends are up: the backups are not needed any more" "$LAB_DIR/controlplane.log"
# For 3 s handshakes that were under way end where they began.
wait_until 15 from one 12 b1 || true
check new_connections_go_to_the_primary from one 30 b1
check the_open_one_stays_on_the_backup ask b3
check which_has_no_slots_any_more equal "slots" "$(backend_value one/b3 slots)" 0
check but_holds_windows lab_holds '.backends[] | select(.name == "b3") | .windows + .pins > 0' backends one

# At run time a backup comes and goes like any backend, and diff shows it.
check a_backup_more lab_weirctl backend add two/b4 10.0.1.14 backup=yes
check is_in_the_diff refused 0 "10.0.1.14 backup=yes" lab_weirctl diff
check and_goes_with_revert lab_weirctl revert
check again_without refused 0 "nothing: what runs is what the file says" lab_weirctl diff
checks_end
