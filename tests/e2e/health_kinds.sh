#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Health checks of every kind, by the daemon, the clients' way (IP in IP to the VIP): up
# with a server that works, down for each way in which one can fail, with the true
# reason, and up again.
#
#   weir ===br0=== b1   nginx (HTTP, TLS, PROXY protocol), unbound, turnserver,
#                       gtlsserver, and servers that fail as they are told
set -euo pipefail
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"
# shellcheck source=tests/lib/servers.sh
. "$(dirname "$0")/../lib/servers.sh"

VIP=$VIP_IPIP
PATH=$PATH:/usr/sbin:/sbin

# pool NAME PROTOCOL PORT LINE...: a pool of b1 whose check has these lines, and its service.
pool() {
    lone_pool "$1" ipip 1600 10.0.1.11 $VIP "$2" "$3" "$1"
    quick_check "$1" "${@:4}"
}

# turns TEST POOL HEALTH RESULT: what its only backend becomes by its only check.
turns() {
    becomes "$1" "$2/b1" "$3" "$2: $4"
}

# fails TEST POOL PORT MOOD RESULT GOOD
fails() {
    falls "$1" "$2/b1" "$3" "$4" "$2: $5" "$2: $6"
}

b1_mtu() {
    lab_ip router link set b1 mtu "$1"
    lab_ip b1 link set eth0 mtu "$1"
}

# misses TEST POOL REASON GOOD: full-size packets do not arrive, and then they do.
misses() {
    b1_mtu 1500
    turns "$1" "$2" down "$3 250 ms: an MTU on the way is too small"
    b1_mtu 1600
    turns "$1_and_back" "$2" up "$4"
}
unreceived="small packets pass, but a packet of 1500 bytes was not received in"
unanswered="a small request was answered, one of 1500 bytes was not in"

# nginx with certificate NAME (good, old, soon).
tls_serve() {
    nginx_conf >tls.conf <<-END
	server {
	    listen $VIP:443 ssl http2;
	    ssl_certificate $PWD/$1.pem;
	    ssl_certificate_key $PWD/$1.key;
	    location / { return 200 "secret\n"; }
	}
	server {
	    listen $VIP:81 proxy_protocol;
	    location / { return 200 "from \$proxy_protocol_addr\n"; }
	}
	END
    lab_start nginx-tls b1 nginx -c "$PWD/tls.conf" -e "$PWD/nginx.err"
    wait_until 10 lab_listens b1 443 || lab_fail "nginx does not listen" nginx-tls
}

tls_end() {
    lab_stop nginx-tls KILL
}

lab_create
mkdir "$LAB_DIR/tls"
cd "$LAB_DIR/tls"
certificates
{
    lab_conf_head
    pool tcp tcp 7001 "kind = tcp" "connect_timeout_ms = 250"
    pool talk tcp 7002 "kind = tcp" "connect_timeout_ms = 250" 'send = GET / HTTP/1.0\r\n\r\n' \
        "expect = HTTP/1.1 200 OK"
    pool http tcp 7003 "kind = http" "connect_timeout_ms = 250" "body = alive"
    pool direct tcp 7007 "kind = http" "via = direct" "port = 7010" "connect_timeout_ms = 250"
    pool udp udp 7004 "kind = udp" "send = ping" "expect = pong"
    pool echo tcp 7001 "kind = echo" "padded = yes" | sed 's/^port = 7001/port = 7005/'
    pool https tcp 443 "kind = https" "padded = yes" "connect_timeout_ms = 250" "server_name = good.test" "verify = yes" \
        "ca_file = $PWD/ca.pem" "http_version = 2" "body = secret"
    pool tls tcp 4431 "kind = tls" "padded = yes" "connect_timeout_ms = 250" "server_name = good.test" "verify = yes" \
        "ca_file = $PWD/ca.pem" "alpn = h2" "port = 443"
    pool name tcp 4432 "kind = tls" "connect_timeout_ms = 250" "server_name = bad.test" "verify = yes" \
        "ca_file = $PWD/ca.pem" "port = 443"
    pool proxy1 tcp 81 "kind = http" "connect_timeout_ms = 250" "proxy = v1" "body = from 10.0.1.2"
    pool proxy2 tcp 811 "kind = http" "connect_timeout_ms = 250" "proxy = v2" "body = from 10.0.1.2" "port = 81"
    pool dns udp 53 "kind = dns" "padded = yes" "query = www.test" "answer = 192.0.2.80"
    pool stun udp 3478 "kind = stun" "padded = yes"
    pool quic udp 4433 "kind = quic" "padded = yes" "quic_version = 1"
    pool exec tcp 7006 "kind = exec" "via = direct" "command = $PWD/exec.sh $LAB_DIR/mood-b1/7006.mood"
} >"$LAB_DIR/weir.conf"
cat >exec.sh <<'END'
#!/bin/sh
[ "$WEIR_ADDRESS" = 10.0.1.11 ] && [ "$WEIR_PORT" = 7006 ] || { echo "no address"; exit 9; }
set -- "$1" /proc/$$/fd/* # 0, 1, 2, this script, and that directory
[ $# -le 6 ] || { echo "has descriptors of others: $*"; exit 8; }
case $(cat "$1" 2>/dev/null) in
broken) echo "broken disk"; exit 3 ;;
hang) exec tail -f /dev/null ;;
esac
END
chmod 755 exec.sh
# A full-size packet is one packet only when nobody hands on larger ones.
lab_in weir ethtool -K eth0 tso off gso off >/dev/null
lab_sysctl weir "net.ipv4.ping_group_range=0 2147483647"
lab_sysctl b1 net.ipv4.icmp_ratelimit=0 # each refusal is to be heard
lab_backend b1 up >>"$LAB_DIR/backend-b1.log" 2>&1 || lab_fail "weir-backend up fails" backend-b1
lab_start direct b1 /usr/bin/python3 "$WEIR_ROOT/tests/lib/moody.py" "$LAB_DIR/mood-b1" 10.0.1.11 tcp:7010
moody_start b1 $VIP tcp:7001 tcp:7002 tcp:7003 udp:7004
tls_serve good
lab_start_dataplane
lab_start_controlplane
wait_until 10 lab_holds .attached status || lab_fail "Weir does not start" dataplane controlplane

# -- tcp and udp

turns tcp_up tcp up connected
step=0
while read -r line; do
    check "check_shows_step_$((++step))" grep -qE "^ *$line\$" "$LAB_DIR/check"
done < <(
    lab_weirctl check tcp/b1 >"$LAB_DIR/check" || echo "(exit code $?)"
    cat <<-END
	tcp/b1, check tcp: tcp to $VIP port 7001, the clients' way
	next hop +[0-9a-f:]{17} by port lab, VLAN 0, MTU 1600
	encapsulation +ipip, $LAB_WEIR > 10.0.1.11, MTU 1600
	sent +[0-9]+ packets, [0-9]+ bytes
	connected +after [0-9.]+ ms
	answered by +$VIP
	result +ok: connected, after [0-9.]+ ms
	END
)
mood b1 7001 refuse
turns tcp_refused tcp down "connection refused"
check check_that_fails_ends_with_4 refused 4 "refused: connection refused, after" lab_weirctl check tcp/b1
check also_as_json refused 4 '"failure": "refused"' lab_weirctl --json check tcp/b1
mood b1 7001 ok
turns tcp_refused_and_back tcp up connected
turns tcp_talk_up talk up "connected, answered as expected"
fails tcp_hangs talk 7002 hang "connected, but no answer in 250 ms" "connected, answered as expected"
fails tcp_reset talk 7002 reset "reset while reading" "connected, answered as expected"
fails tcp_closed talk 7002 close "connected, but closed without an answer" "connected, answered as expected"
fails tcp_wrong talk 7002 status 'wrong answer: "HTTP/1.1 503 Service Unavailable\r\nCon"..., wanted "HTTP/1.1 200 OK"' \
    "connected, answered as expected"
turns udp_up udp up "4 bytes of reply"
fails udp_refused udp 7004 refuse "port unreachable, says $VIP" "4 bytes of reply"
fails udp_silent udp 7004 silent "no answer in 250 ms" "4 bytes of reply"
fails udp_wrong udp 7004 wrong 'wrong answer: "gnop", wanted "pong"' "4 bytes of reply"
fails udp_half udp 7004 half "half an answer: 2 of 4 bytes" "4 bytes of reply"

# -- http

turns http_up http up "status 200"
fails http_refused http 7003 refuse "connection refused" "status 200"
fails http_wrong_status http 7003 status "status 503, wanted 200-299" "status 200"
fails http_wrong_body http 7003 body 'status 200, but the body does not contain "alive"' "status 200"
fails http_hangs http 7003 hang "connected, but no answer in 250 ms" "status 200"
fails http_half http 7003 half "half an answer: 12 of 40 bytes, then closed" "status 200"
fails http_reset http 7003 reset "reset while reading" "status 200"
fails http_closed http 7003 close "connected, but closed without an answer" "status 200"
turns direct_up direct up "status 200"
fails direct_refused direct 7010 refuse "connection refused" "status 200"
turns exec_up exec up "exit code 0"
fails exec_fails exec 7006 broken "exit code 3: broken disk" "exit code 0"
fails exec_hangs exec 7006 hang "still running after 250 ms, killed" "exit code 0"

# -- TLS and PROXY protocol

turns https_up https up "status 200"
turns tls_up tls up "TLSv1.2, certificate good for 57 days"
misses https_mtu https "$unreceived" "status 200"
misses tls_mtu tls "$unreceived" "TLSv1.2, certificate good for 57 days"
turns wrong_name name down "certificate is for good.test, not for bad.test"
turns proxy_v1_up proxy1 up "status 200"
turns proxy_v2_up proxy2 up "status 200"
check certificate_days_are_told equal "days" \
    "$(value '.backends[0].checks[0].last.certificate_days' health tls/b1)" 57

# Files that the configuration names are read with it, and at no other time.
cp ca.pem right.pem
head -c 200 right.pem >ca.pem
check a_ca_file_that_is_none_is_told refused 1 "ca_file: $PWD/ca.pem holds no certificate (PEM)" \
    lab_weirctl check-config "$LAB_DIR/weir.conf"
check a_reload_with_it_is_refused refused 1 "ca_file: $PWD/ca.pem holds no certificate (PEM)" lab_weirctl reload
check what_changes_at_run_time_does_not_ask_for_it lab_weirctl backend weight https/b1 7
check the_old_one_is_in_force refused 0 "ok: status 200" lab_weirctl check https/b1
cp good.pem ca.pem
check another_authority_is_read lab_weirctl reload
turns is_believed_from_then_on https down "certificate is from an authority that is not trusted"
mv right.pem ca.pem
check the_right_one_is_read_again lab_weirctl reload
turns and_believed https up "status 200"
chmod 644 exec.sh
check a_program_that_cannot_run_is_told refused 1 "command: cannot run $PWD/exec.sh: Permission denied" \
    lab_weirctl reload
turns and_is_no_word_on_the_backend exec up "no probe: cannot run the program: permission denied"
chmod 755 exec.sh
turns until_it_can exec up "exit code 0"

tls_end
turns https_refused https down "connection refused"
turns tls_refused tls down "connection refused"
turns proxy_refused proxy1 down "connection refused"
tls_serve old
turns https_expired https down "certificate expired 3 days ago"
turns tls_expired tls down "certificate expired 3 days ago"
tls_end
tls_serve soon
turns tls_soon tls up "TLSv1.2, certificate good for 9 days"
check expiry_is_warned_of grep -q "warning: backend tls/b1: its certificate expires in 9 days (tls)" \
    "$LAB_DIR/controlplane.log"
kill -STOP "$(lab_pid nginx-tls)"
turns https_hangs https down "connected, but no TLS handshake in 250 ms"
turns tls_hangs tls down "connected, but no TLS handshake in 250 ms"
kill -CONT "$(lab_pid nginx-tls)"
turns https_back https up "status 200"
turns tls_back tls up "TLSv1.2, certificate good for 9 days"
tls_end

# -- dns, stun, quic

turns echo_up echo up "echo of 1480 bytes"
misses echo_mtu echo "$unanswered" "echo of 1480 bytes"
turns dns_refused dns down "port unreachable, says $VIP"
if present dns unbound; then
    dns_serve() { # ADDRESS of www.test
        unbound_conf $VIP 10.0.1.0/24 >unbound.conf <<<"    local-data: \"$1\""
        lab_start unbound b1 unbound -d -c "$PWD/unbound.conf"
    }
    dns_serve "www.test. IN A 192.0.2.80"
    turns dns_up dns up "NOERROR, 1 answers"
    misses dns_mtu dns "$unanswered" "NOERROR, 1 answers"
    kill -STOP "$(lab_pid unbound)"
    turns dns_silent dns down "no answer in 250 ms"
    kill -CONT "$(lab_pid unbound)"
    lab_stop unbound
    dns_serve "www.test. IN A 192.0.2.81"
    turns dns_wrong_answer dns down "192.0.2.80 is not among the 1 answers for www.test"
    lab_stop unbound
    dns_serve "other.test. IN A 192.0.2.80"
    turns dns_nxdomain dns down "answered NXDOMAIN, wanted NOERROR"
fi
turns stun_refused stun down "port unreachable, says $VIP"
if present stun turnserver; then
    turnserver_at $VIP
    lab_start stun b1 "${TURNSERVER[@]}"
    turns stun_up stun up "binding success"
    misses stun_mtu stun "$unanswered" "binding success"
    kill -STOP "$(lab_pid stun)"
    turns stun_silent stun down "no answer in 250 ms"
fi
turns quic_refused quic down "port unreachable, says $VIP"
if present quic gtlsserver; then
    lab_start quic b1 gtlsserver -q "$VIP" 4433 good.key good.pem
    wait_until 10 backend_is quic/b1 health up || true
    check quic_up backend_is quic/b1 health up
    misses quic_mtu quic "$unanswered" "$(backend_value quic/b1 reason | sed 's/^quic: //')"
    kill -STOP "$(lab_pid quic)"
    turns quic_silent quic down "no version negotiation in 250 ms"
fi

# -- what it leaves behind

lab_in weir ss -Htan state time-wait >"$LAB_DIR/time-wait"
check no_time_wait_piles_up equal "sockets in TIME-WAIT" "$(wc -l <"$LAB_DIR/time-wait")" 0
checks_end
