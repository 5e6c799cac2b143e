#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `weirctl capture` while clients fetch: what matches, before and after encapsulation,
# within its bounds; forwarding goes on.
#
#   client --- router ===br0=== weir, b1, b2, b3     pools web-l2 and web-ipip
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

scenario_start

# capture NAME OPTION...: into $LAB_DIR/NAME.pcapng, in the background; back when it runs.
capture() {
    local name=$1

    shift
    CAPTURED=$name
    "$WEIR_BUILD/controlplane/weirctl" -s "$LAB_DIR/control.sock" capture \
        "$LAB_DIR/$name.pcapng" "$@" 2>"$LAB_DIR/$name.said" &
    CAPTURE=$!
    # The section header is written when the workers have their rings or will soon.
    wait_until 5 test -s "$LAB_DIR/$name.pcapng" || lab_fail "no capture began" dataplane
}

# Packets of a capture that jq's EXPRESSION holds for.
packets() {
    jq -s "map(select($2)) | length" "$LAB_DIR/$1.packets"
}

# check_end NAME: the capture under way ends, and well; what it has stands in a file then.
check_end() {
    local status=0

    wait "$CAPTURE" || status=$?
    check "$1" equal "exit status" $status 0
    /usr/bin/python3 "$WEIR_ROOT/tests/lib/pcapng.py" "$LAB_DIR/$CAPTURED.pcapng" \
        >"$LAB_DIR/$CAPTURED.packets"
}

fetch() {
    lab_fetch "$1" "$LAB_DIR/fetched" "http://$VIP_IPIP/1k" "http://$VIP_L2/1k"
}

# To a port that no service has: drops of either VIP.
knock() {
    lab_in client curl -s -o /dev/null --max-time 0.3 "http://$1:81/" || true
}

started=$(now_ms)
capture all --service web-ipip --count 40 --seconds 60 --snap 2000
fetch 20
check_end it_ends_with_its_count
check it_says_how_many grep -q '^40 packets captured' "$LAB_DIR/all.said"
check it_has_as_many equal packets "$(packets all true)" 40
check all_are_of_the_service equal packets "$(packets all ".dst == \"$VIP_IPIP\" and .dport == 80")" 40
# Both of each packet, but for the last burst, whose copies before encapsulation come first.
check half_came_as_they_were_sent at_least packets "$(packets all '.direction == "in" and .outer[1] == "IP" and .outer[2] == "TCP" and .comment == "as it came"')" 16
check half_left_in_a_tunnel at_least packets "$(packets all '.direction == "out" and .outer[1] == "IP" and .outer[2] == "IP" and .comment == "as it left"')" 16
check both_name_the_interface equal packets "$(packets all '.interface == "eth0"')" 40
check whole_packets_are_held equal packets "$(packets all '.held == .length')" 40
check their_time_is_now equal packets "$(packets all ".time * 1000 >= $started - 1000 and .time * 1000 <= $(now_ms) + 1000")" 40

capture one --backend web-l2/b1 --points after --seconds 60 --count 5 --snap 60 --source 198.51.100.0/24 --dport 80 --protocol tcp
b1=$(lab_in b1 cat /sys/class/net/eth0/address)
while kill -0 "$CAPTURE" 2>/dev/null; do
    fetch 6
done
check_end one_backend_ends
check it_is_that_backends equal packets "$(packets one ".direction == \"out\" and .dst == \"$VIP_L2\"")" 5
check it_is_cut_to_the_snap_length equal packets "$(packets one '.held <= 60 and .length >= .held')" 5
check frames_go_to_its_mac equal frames "$(/usr/bin/python3 - "$LAB_DIR/one.pcapng" "$b1" <<'PY'
import sys
data = open(sys.argv[1], "rb").read()
print(data.count(bytes.fromhex(sys.argv[2].replace(":", "")) ))
PY
)" 5

capture strays --drop stray --seconds 60 --count 2
fetch 6
knock "$VIP_L2"
knock "$VIP_IPIP"
knock "$VIP_L2"
check_end drops_end
check only_drops_of_the_reason equal packets "$(packets strays '.dport == 81 and .direction == "in" and (.comment | startswith("dropped (stray): "))')" 2

capture sampled --service web-l2 --points before --sample 10 --seconds 60 --count 3
while kill -0 "$CAPTURE" 2>/dev/null; do
    fetch 6
done
check_end samples_end
check a_tenth_is_a_sample equal packets "$(packets sampled true)" 3

capture short --seconds 1 --destination 192.0.2.1
check_end it_ends_with_its_time
check nothing_matched equal packets "$(packets short true)" 0
check nothing_was_missed equal missed "$(/usr/bin/python3 "$WEIR_ROOT/tests/lib/pcapng.py" "$LAB_DIR/short.pcapng" missed)" 0

# One at a time; what the reader leaves ends it.
capture first --seconds 60
fetch 2
check a_second_one_is_refused refused 1 "a capture is running already" \
    lab_weirctl capture "$LAB_DIR/first.pcapng"
kill -INT "$CAPTURE"
check_end interrupt_ends_it
check what_it_had_is_whole at_least packets "$(packets first true)" 2
check it_says_how_many_were_missed equal missed "$(/usr/bin/python3 "$WEIR_ROOT/tests/lib/pcapng.py" "$LAB_DIR/first.pcapng" missed)" 0
check it_says_how_many_there_are grep -q ' packets captured' "$LAB_DIR/first.said"
capture_begins() {
    lab_weirctl capture "$LAB_DIR/next.pcapng" --seconds 1
}
check the_next_one_can_begin wait_until 5 capture_begins

# A data plane that does not answer: the first interrupt waits for it, the second does not.
interrupt_was_taken() {
    ! grep -q '^SigCgt:.*[2367abef]$' "/proc/$CAPTURE/status"
}
capture stuck --seconds 60
kill -STOP "$(lab_pid dataplane)"
kill -INT "$CAPTURE"
wait_until 5 interrupt_was_taken || lab_fail "weirctl has not taken the interrupt" dataplane
check one_interrupt_waits kill -0 "$CAPTURE"
kill -INT "$CAPTURE"
status=0
wait "$CAPTURE" || status=$?
check two_do_not equal "exit status" $status 130
kill -CONT "$(lab_pid dataplane)"
check another_one_can_begin wait_until 5 capture_begins

# The control plane goes: the capture does not mind.
capture alone --service web-ipip --points before --count 10 --seconds 60
lab_stop controlplane
fetch 12
check_end it_needs_no_control_plane
check it_has_all equal packets "$(packets alone true)" 10
lab_start_controlplane
wait_until 20 lab_ready || lab_fail "Weir is not ready again" controlplane

check nothing_failed equal "failed fetches" "$(lab_failures "$LAB_DIR/fetched")" 0
for bad in "--drop tx-full" "--drop nonsense" "--service none" "--backend web-l2/none" "--source here" \
    "--points never" "--count 0" "--snap 100000"; do
    # shellcheck disable=SC2086 # two words
    check "refused:${bad// /_}" refused 1 "" lab_weirctl capture "$LAB_DIR/bad.pcapng" $bad
done
check other_commands_have_no_such_option refused 2 "no such option" lab_weirctl status --drop stray
checks_end
