#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The control plane dies and its state file is gone too: it goes on from what the data
# plane has in force, even if it ended once before it could ask. Flows keep their slots,
# drains go on, a disabled backend stays so; what an agent said is no operator's word.
#
#   client --- router ===br0=== weir (weir-controlplane killed)
#                 '== b1, b2, b3
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

agent() { # WORDS: what b3's says
    echo "$1" >"$LAB_DIR/7999.mood"
}

lab_create
lab_conf >"$LAB_DIR/weir.conf"
lab_conf_pool web-agent l2 "$VIP_L2" "agent_port = 7999" "agent_interval_ms = 100" |
    sed 's/^port = 80/port = 81/; s/^check = tcp/&\ncheck_port = 80/; /^backend b[12]/d' >>"$LAB_DIR/weir.conf"
agent maint
lab_start_backends
lab_start moody b3 /usr/bin/python3 "$WEIR_ROOT/tests/lib/moody.py" "$LAB_DIR" 0.0.0.0 agent:7999
wait_until 10 lab_listens b3 7999 || lab_fail "no agent" moody
lab_start_dataplane
lab_start_controlplane
serves_but_for_the_agent() {
    lab_holds '[.backends[] | .serving == (.pool != "web-agent")] | all' backends
}
wait_until 20 serves_but_for_the_agent || lab_fail "Weir is not ready" dataplane controlplane

hash_of() { # PORT
    lab_weirctl -j explain tcp "198.51.100.10:$1" "$VIP_L2:80" | jq -r .hash
}

deadline_of() {
    value '.backends[] | select(.pool == "web-l2" and .name == "b1") | .drain_left_s' backends
}

lab_weirctl backend drain web-l2/b1 --deadline 600 >/dev/null
lab_weirctl backend disable web-ipip/b2 >/dev/null
hash=$(hash_of 12345)
check the_hash_is_that_of_a_flow at_least "digits of the hash" ${#hash} 3
lab_stop controlplane KILL
rm "$LAB_DIR/state.json"
lab_stop moody KILL # the agent is not there to say it again
kill -STOP "$(lab_pid dataplane)" # cannot be asked
lab_start_controlplane
wait_until 10 lab_weirctl status || lab_fail "no answer after the restart" controlplane
lab_weirctl backend weight web-ipip/b3 20 >/dev/null
lab_stop controlplane
kill -CONT "$(lab_pid dataplane)"
lab_start_controlplane
ready_but_for_the_agent() {
    lab_holds '.attached and ([.workers[] | .generation > 0] | all)' status && lab_holds \
        '[.backends[] | select(.state == "enabled" and .pool != "web-agent") | .serving] | all' backends &&
        backend_is web-agent/b3 health up
}
wait_until 10 ready_but_for_the_agent || lab_fail "not ready after the restart" controlplane dataplane

check a_flow_has_the_same_hash equal "hash" "$(hash_of 12345)" "$hash"
check the_drain_goes_on backend_is web-l2/b1 state draining
check its_deadline_stands at_most "seconds left" "$(deadline_of)" 600
check its_deadline_is_not_over at_least "seconds left" "$(deadline_of)" 500
check the_disabled_one_stays_so backend_is web-ipip/b2 state disabled
check an_agents_word_is_not_the_operators backend_is web-agent/b3 state enabled
check and_stands_all_the_same backend_is web-agent/b3 serving false
agent ready
lab_start moody b3 /usr/bin/python3 "$WEIR_ROOT/tests/lib/moody.py" "$LAB_DIR" 0.0.0.0 agent:7999
wait_until 10 backend_is web-agent/b3 serving true || true
check until_it_says_another backend_is web-agent/b3 serving true
check it_says_why grep -q "web-ipip/b2 stays disabled, as it is in force: there was no state file" \
    "$LAB_DIR/controlplane.log"
lab_fetch 100 "$LAB_DIR/fetched" "http://$VIP_L2/1k" "http://$VIP_IPIP/1k"
check no_fetch_fails equal "failed fetches" "$(lab_failures "$LAB_DIR/fetched")" 0

# It has a state file again: the next start needs nobody.
lab_stop controlplane
lab_start_controlplane
wait_until 10 lab_ready || lab_fail "not ready after the second restart" controlplane dataplane
check the_next_start_knows_it backend_is web-l2/b1 state draining
check the_hash_is_kept equal "hash" "$(hash_of 12345)" "$hash"
checks_end
