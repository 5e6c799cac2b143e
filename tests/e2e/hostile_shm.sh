#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A control plane that has gone mad writes nonsense over everything it can reach,
# while packets flow; the data plane stays up, and a good control plane takes over.
#
#   capture file, replayed for ever > port in > weir-dataplane > port out (net_null)
#                                                 | shared memory, session socket
#                                              tests/hostile, then weir-controlplane
#
# Needs no namespaces. With WEIR_BUILD naming a build with sanitizers, those watch.
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

DIR=$(mktemp -d /tmp/weir-hostile.XXXXXX)
declare -A PIDS=()

clean_up() {
    local name

    for name in "${!PIDS[@]}"; do
        kill -KILL "${PIDS[$name]}" 2>/dev/null || true
    done
    wait
    rm -rf "$DIR"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# start NAME COMMAND...
start() {
    local name=$1

    shift
    "$@" >"$DIR/$name.log" 2>&1 &
    PIDS[$name]=$!
}

alive() {
    kill -0 "${PIDS[$1]}" 2>/dev/null || {
        tail -n 40 "$DIR/$1.log"
        echo "weir-$1 has ended"
        return 1
    }
}

# Nothing in its log that a sanitizer would write.
clean_log() {
    ! grep -m 1 -E 'runtime error:|ERROR: [A-Za-z]*Sanitizer' "$DIR/$1.log"
}

# attack NAME ARGUMENT...: it must be stood, and forwarding must go on by a good
# snapshot afterwards.
attack() {
    local name=$1

    shift
    check "stands_$name" "$DIR/hostile" "$DIR/session.sock" "$@"
    check "alive_after_$name" alive dataplane
    check "forwards_after_$name" "$DIR/hostile" "$DIR/session.sock" good
}

"${CC:-cc}" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I "$WEIR_ROOT/common" \
    -o "$DIR/hostile" "$WEIR_ROOT"/tests/hostile/*.c || die "tests/hostile does not compile"

# What a client may send: good packets, and some that are not.
/usr/bin/python3 - "$DIR/in.pcap" <<'EOF_PYTHON'
import random
import sys

from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw, fragment, wrpcap

random.seed(1)
link = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
frames = []
for i in range(400):
    ip = IP(src=f"192.0.2.{1 + i % 250}", dst="203.0.113.10")
    frames.append(link / ip / TCP(sport=1024 + i, dport=80, flags="A") / Raw(b"x" * (i % 1000)))
for i in range(50):
    frames.append(link / IP(dst="203.0.113.10") / UDP(sport=i, dport=443) / Raw(b"y" * i))
    frames.append(link / IP(dst="198.51.100.1") / TCP(dport=80))
    frames.append(link / IPv6(dst="2001:db8::1") / TCP(dport=80))
    frames.append(Ether(bytes(frames[i])[:14 + i % 50].ljust(14, b"\0")))
    frames.append(Ether(random.randbytes(60 + i)))
frames += [link / f for f in fragment(IP(dst="203.0.113.10") / TCP(dport=80) / Raw(b"z" * 4000), 1000)]
wrpcap(sys.argv[1], frames)
EOF_PYTHON

cat >"$DIR/weir.conf" <<EOF
[dataplane]
cpus = $(taskset -cp $$ | sed 's/.*[ ,-]//')
memory_mb = 128
arena_mb = 8
session_socket = $DIR/session.sock
file_prefix = weirhostile$$
[port in]
device = net_pcap0,rx_pcap=$DIR/in.pcap,infinite_rx=1
[port out]
device = net_null0,no-rx=1
[controlplane]
socket = $DIR/control.sock
state_file = $DIR/state.json
[pool web]
check = none
backend a = 192.0.2.200 mac=02:00:00:00:00:0a port=out
backend b = 192.0.2.201 mac=02:00:00:00:00:0b port=out
[service www]
vip = 203.0.113.10
protocol = tcp
port = 80
pool = web
EOF

start dataplane "$WEIR_BUILD/dataplane/weir-dataplane" -c "$DIR/weir.conf"
ready() {
    grep -q 'waiting for the control plane' "$DIR/dataplane.log"
}
wait_until 20 ready || {
    cat "$DIR/dataplane.log"
    die "weir-dataplane does not start"
}

attack attempts_to_resize_and_write seals
for seed in 1 2 3; do
    attack "nonsense_in_memory_$seed" memory $seed 3000
    attack "snapshots_with_wrong_fields_$seed" snapshots $seed 5000
done
attack holes_in_memory holes
attack nonsense_on_the_socket messages 1 200

start controlplane "$WEIR_BUILD/controlplane/weir-controlplane" -c "$DIR/weir.conf"
weirctl() {
    "$WEIR_BUILD/controlplane/weirctl" -s "$DIR/control.sock" "$@"
}
both_serve() {
    weirctl --json backends | jq -e '[.backends[] | select(.serving and .packets > 1000)] | length == 2'
}
wait_until 20 both_serve || tail -n 20 "$DIR/controlplane.log"
check a_good_control_plane_takes_over both_serve
check the_same_data_plane_all_along alive dataplane
check no_sanitizer_complains clean_log dataplane
status=0
kill -TERM "${PIDS[dataplane]}"
wait "${PIDS[dataplane]}" || status=$?
check ends_well_by_sigterm equal "exit status" "$status" 0
kill -TERM "${PIDS[controlplane]}"
wait "${PIDS[controlplane]}" || true
PIDS=()
checks_end
