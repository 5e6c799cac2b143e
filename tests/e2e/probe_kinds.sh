#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The kinds of probes against servers that people run: nginx (HTTP, TLS, HTTP/2, PROXY
# protocol), unbound, coturn and ngtcp2. Each passes, and fails with the true reason.
# A server that is not installed is a skip.
#
#    p (probes) 192.0.2.1 eth0 ----- eth0 192.0.2.2 s (servers)
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=tests/lib/namespaces.sh
. "$(dirname "$0")/../lib/namespaces.sh"
# shellcheck source=tests/lib/servers.sh
. "$(dirname "$0")/../lib/servers.sh"

LAB_TOOL=$WEIR_BUILD/tests/unit/probe_lab
SERVER=192.0.2.2
PATH=$PATH:/usr/sbin:/sbin

ns_begin wk p s
chmod 711 "$DIR" # nginx leaves root
ip_ns p link add eth0 type veth peer name eth0 netns "$NS-s"
ip_ns p addr add 192.0.2.1/24 dev eth0
ip_ns s addr add $SERVER/24 dev eth0
ip_ns p link set eth0 up
ip_ns s link set eth0 up

# probe ARGUMENT...
probe() {
    in_ns p "$LAB_TOOL" to=$SERVER timeout=1000 "$@"
}

says() { # TEXT COMMAND...: it prints exactly this
    local want=$1 got

    shift
    got=$("$@" 2>&1) || true
    [ "$got" = "$want" ] || {
        echo "said \"$got\", wanted \"$want\""
        return 1
    }
}

begins() { # TEXT COMMAND...
    local want=$1 got

    shift
    got=$("$@" 2>&1) || true
    [[ $got == "$want"* ]] || {
        echo "said \"$got\", wanted \"$want...\""
        return 1
    }
}

# In s, in the background; output to $DIR/NAME.log.
serve() { # NAME COMMAND...
    ip netns exec "$NS-s" "${@:2}" >"$DIR/$1.log" 2>&1 </dev/null &
    disown
}

listens() { # tcp|udp PORT
    in_ns s ss -Hln"${1:0:1}" "sport = :$2" | grep -q .
}

cd "$DIR"
certificates

# -- nginx

if present nginx nginx; then
    head -c 100000 /dev/zero | tr '\0' x >big.html
    nginx_conf >nginx.conf <<END
    ssl_protocols TLSv1.2 TLSv1.3;
    server {
        listen $SERVER:80;
        root $DIR;
        location = /health { return 200 "alive\n"; }
        location = /fault { return 503; }
        location = /moved { return 302 http://192.0.2.99/; }
        location = /cut { return 444; }
        location = /host { return 200 "host is \$http_host\n"; }
    }
    server {
        listen $SERVER:81 proxy_protocol;
        location / { return 200 "from \$proxy_protocol_addr\n"; }
    }
    server {
        listen $SERVER:443 ssl http2;
        ssl_certificate $DIR/good.pem;
        ssl_certificate_key $DIR/good.key;
        location / { return 200 "\$server_protocol \$ssl_server_name\n"; }
    }
    server {
        listen $SERVER:444 ssl;
        ssl_certificate $DIR/old.pem;
        ssl_certificate_key $DIR/old.key;
    }
    server {
        listen $SERVER:445 ssl;
        ssl_certificate $DIR/good.pem;
        ssl_certificate_key $DIR/good.key;
        ssl_client_certificate $DIR/ca.pem;
        ssl_verify_client on;
    }
    server {
        listen $SERVER:446 ssl proxy_protocol;
        ssl_certificate $DIR/good.pem;
        ssl_certificate_key $DIR/good.key;
        location / { return 200 "from \$proxy_protocol_addr\n"; }
    }
END
    serve nginx nginx -c "$DIR/nginx.conf"
    wait_until 10 listens tcp 446 || die "nginx did not start: $(cat nginx.log nginx.err)"

    check http says "ok: status 200" probe kind=http port=80 path=/health body=alive
    check http_host says "ok: status 200" \
        probe kind=http port=80 path=/host host=www.test "body=host is www.test\\n"
    check http_head_of_a_large_body says "ok: status 200" probe kind=http port=80 path=/big.html
    check http_wrong_status says "wrong-status: status 503, wanted 200-299" \
        probe kind=http port=80 path=/fault
    check http_wanted_status says "ok: status 503" \
        probe kind=http port=80 path=/fault status=503
    check http_redirect_is_not_followed says "wrong-status: status 302, wanted 200-299" \
        probe kind=http port=80 path=/moved
    check http_wrong_body \
        says "wrong-answer: status 200, but the body does not contain \"dead\"" \
        probe kind=http port=80 path=/health body=dead
    check http_closed says "closed: connected, but closed without an answer" \
        probe kind=http port=80 path=/cut
    check http_padded says "ok: status 200" \
        probe kind=http port=80 path=/health padded=1500
    check proxy_v1_is_understood says "ok: status 200" \
        probe kind=http port=81 proxy=1 "body=from 192.0.2.1"
    check proxy_v2_is_understood says "ok: status 200" \
        probe kind=http port=81 proxy=2 "body=from 192.0.2.1"
    check proxy_missing says "closed: connected, but closed without an answer" \
        probe kind=http port=81

    for v in 1 2; do
        check proxy_v${v}_before_https says "ok: status 200" \
            probe kind=https port=446 host=good.test ca=ca.pem proxy=$v "body=from 192.0.2.1"
        check proxy_v${v}_before_tls says "ok: TLSv1.3, certificate good for 57 days" \
            probe kind=tls port=446 sni=good.test ca=ca.pem proxy=$v
    done
    check proxy_missing_before_tls says "reset: reset while doing the TLS handshake" probe kind=tls port=446

    check https_http1 says "ok: status 200" \
        probe kind=https port=443 host=good.test ca=ca.pem "body=HTTP/1.1 good.test"
    check https_http2 says "ok: status 200" \
        probe kind=https port=443 host=good.test http2=1 ca=ca.pem "body=HTTP/2.0 good.test"
    check https_http2_padded says "ok: status 200" \
        probe kind=https port=443 host=good.test http2=1 ca=ca.pem padded=1500
    check https_without_http2 \
        says "wrong-protocol: the server speaks HTTP/1, wanted HTTP/2" \
        probe kind=https port=444 http2=1 status=100-599
    check https_wrong_name says "certificate: certificate is for good.test, not for bad.test" \
        probe kind=https port=443 host=bad.test ca=ca.pem
    check https_expired says "certificate: certificate expired 3 days ago" \
        probe kind=https port=444 host=good.test ca=ca.pem
    check https_unknown_authority \
        says "certificate: certificate is from an authority that is not trusted" \
        probe kind=https port=443 host=good.test ca=good.pem
    check https_to_plain_port says "wrong-protocol: the server's answer is not TLS" \
        probe kind=https port=80 host=good.test ca=ca.pem
    check http_to_tls_port says "wrong-status: status 400, wanted 200-299" \
        probe kind=http port=443
    check tls says "ok: TLSv1.3, certificate good for 57 days" \
        probe kind=tls port=443 sni=good.test ca=ca.pem
    check tls_alpn says "ok: TLSv1.3, certificate good for 57 days" \
        probe kind=tls port=443 sni=good.test ca=ca.pem alpn=h2
    check tls_no_alpn \
        says "tls-failed: the server refused the TLS handshake: no application protocol" \
        probe kind=tls port=444 alpn=h2
    check tls_padded says "ok: TLSv1.3, certificate good for 57 days" \
        probe kind=tls port=443 sni=good.test ca=ca.pem padded=1500
    check tls_expired says "certificate: certificate expired 3 days ago" \
        probe kind=tls port=444 sni=good.test ca=ca.pem
    check https_wants_a_certificate says "wrong-status: status 400, wanted 200-299" \
        probe kind=https port=445 host=good.test ca=ca.pem
    check tls_to_plain_port says "wrong-protocol: the server's answer is not TLS" \
        probe kind=tls port=80
    kill "$(cat nginx.pid)"
    wait_until 10 eval '! listens tcp 80' || die "nginx did not end"
    check http_server_gone says "refused: connection refused" probe kind=http port=80
fi

# -- unbound

if present dns unbound; then
    unbound_conf $SERVER 192.0.2.0/24 >unbound.conf <<END
    local-data: "www.test. IN A 192.0.2.80"
    local-data: "www.test. IN A 192.0.2.81"
    local-data: "www.test. IN AAAA 2001:db8::80"
    local-zone: "refused.example." refuse
END
    serve unbound unbound -d -c "$DIR/unbound.conf"
    wait_until 10 listens udp 53 || die "unbound did not start: $(cat unbound.log)"
    dns=(kind=dns port=53 qname=www.test)
    check dns says "ok: NOERROR, 2 answers" probe "${dns[@]}" qtype=A
    check dns_aaaa says "ok: NOERROR, 1 answers" probe "${dns[@]}" qtype=AAAA answer=2001:db8::80
    check dns_padded says "ok: NOERROR, 2 answers" probe "${dns[@]}" qtype=A padded=1500
    check dns_wrong_answer \
        says "wrong-answer: 192.0.2.99 is not among the 2 answers for www.test" \
        probe "${dns[@]}" qtype=A answer=192.0.2.99
    check dns_no_record \
        says "wrong-answer: no record of the type asked for at www.test" \
        probe "${dns[@]}" qtype=MX
    check dns_nxdomain says "wrong-status: answered NXDOMAIN, wanted NOERROR" \
        probe kind=dns port=53 qname=nothing.test qtype=A
    check dns_refused says "wrong-status: answered REFUSED, wanted NOERROR" \
        probe kind=dns port=53 qname=refused.example qtype=A
    check dns_closed says "refused: port unreachable, says $SERVER" \
        probe kind=dns port=54 qname=www.test qtype=A
fi

# -- coturn

if present stun turnserver; then
    turnserver_at $SERVER
    serve turnserver "${TURNSERVER[@]}"
    wait_until 10 listens udp 3478 || die "turnserver did not start: $(cat turnserver.log)"
    check stun says "ok: binding success" probe kind=stun port=3478
    check stun_padded says "ok: binding success" probe kind=stun port=3478 padded=1500
    check stun_closed says "refused: port unreachable, says $SERVER" probe kind=stun port=3479
fi

# -- a QUIC server

if present quic gtlsserver; then
    serve quic gtlsserver -q "$SERVER" 4433 good.key good.pem
    wait_until 10 listens udp 4433 || die "gtlsserver did not start: $(cat quic.log)"
    check quic begins "ok: " probe kind=quic port=4433
    check quic_version_1 begins "ok: " probe kind=quic port=4433 quic=1
    check quic_padded begins "ok: " probe kind=quic port=4433 padded=1500
    check quic_version_missing begins "wrong-answer: QUIC version 0x0badcafe is not among the " \
        probe kind=quic port=4433 quic=0x0badcafe
    check quic_closed says "refused: port unreachable, says $SERVER" probe kind=quic port=4434
fi
checks_end
