# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The lab: Weir, three backends, a router and clients in network namespaces of
# one machine. Source it after lib.sh; scripts/demo and tests/e2e use it.
#
#    client                   router                        weir
#    198.51.100.10..15 -----  198.51.100.1                  10.0.1.2 eth0, an
#    2001:db8:c::10..15       2001:db8:c::1                 2001:db8:1::2
#                             VIPs via Weir                 af_xdp: port
#                             bridge br0 10.0.1.1 --------- on a stick
#                                        2001:db8:1::1
#                              |        |        |
#                             b1       b2       b3          nginx, VIPs on lo,
#                             10.0.1.11  .12     .13        set up by weir-backend
#                             2001:db8:1::11  ::12   ::13
#
# Requests: client > router > Weir > backend. Responses: backend > router >
# client; the router's bridge never shows them to Weir's port.
#
#             IPv4           IPv6
#    l2       203.0.113.10   2001:db8:f::10
#    ipip     203.0.113.20   2001:db8:f::20
#    gue      203.0.113.30   2001:db8:f::30
#
# lab_conf has the IPv4 services of l2 and ipip, lab_conf_families the other four;
# a scenario may make pools of its own for these VIPs. MTU 1600 between Weir and the
# backends leaves room for the outer headers of a full-size packet.
#
# One lab a process. Its namespaces are $LAB-client, $LAB-router, ...; its files
# (configuration, sockets, logs, pids) are in $LAB_DIR. lab_create sets a trap
# that removes all of it when the process ends; what a killed run left behind is
# removed by the next one and by `scripts/lab down`.

LAB_ROOT=/run/weir-lab
LAB_BACKENDS=(b1 b2 b3)
LAB_CLIENTS=(198.51.100.10 198.51.100.11 198.51.100.12 198.51.100.13 198.51.100.14 198.51.100.15)
LAB_CLIENTS_6=(2001:db8:c::10 2001:db8:c::11 2001:db8:c::12 2001:db8:c::13 2001:db8:c::14 2001:db8:c::15)
LAB_WEIR=10.0.1.2 LAB_WEIR_6=2001:db8:1::2
# shellcheck disable=SC2034 # for those who source this file
VIP_L2=203.0.113.10 VIP_IPIP=203.0.113.20 VIP_GUE=203.0.113.30
VIP_L2_6=2001:db8:f::10 VIP_IPIP_6=2001:db8:f::20 VIP_GUE_6=2001:db8:f::30
LAB_VIPS=("$VIP_L2" "$VIP_IPIP" "$VIP_GUE" "$VIP_L2_6" "$VIP_IPIP_6" "$VIP_GUE_6")

# lab_backend_address NAME [6]
lab_backend_address() {
    if [ "${2:-}" = 6 ]; then
        echo "2001:db8:1::1${1#b}"
    else
        echo "10.0.1.1${1#b}"
    fi
}

# Family of an address, 4 or 6, and the address as URLs have it.
lab_family() {
    [[ $1 == *:* ]] && echo 6 || echo 4
}

lab_url_host() {
    [[ $1 == *:* ]] && echo "[$1]" || echo "$1"
}

# -- namespaces ------------------------------------------------------------------

# lab_in NAME COMMAND...: run in a namespace of this lab.
lab_in() {
    local ns=$LAB-$1

    shift
    ip netns exec "$ns" "$@"
}

lab_ip() {
    ip -n "$LAB-$1" "${@:2}"
}

lab_sysctl() {
    local ns=$1 setting

    shift
    for setting; do
        lab_in "$ns" sysctl -qw "$setting"
    done
}

# Start of a process in clock ticks: with the pid it names a process for good.
lab_start_time() {
    local stat
    local -a field

    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra field <<<"${stat##*) }"
    echo "${field[19]}"
}

lab_create() {
    LAB=weir$$
    LAB_DIR=$LAB_ROOT/$LAB
    lab_reap
    mkdir -p "$LAB_DIR"
    echo "$$ $(lab_start_time $$)" >"$LAB_DIR/owner"
    trap lab_exit EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM

    local ns
    for ns in client router weir "${LAB_BACKENDS[@]}"; do
        ip netns add "$LAB-$ns"
        lab_ip "$ns" link set lo up
        # Addresses work at once, and nobody asks for routers.
        lab_sysctl "$ns" net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
    done

    # The bridge's own MAC, or it would change as ports come and go.
    lab_ip router link add br0 address 02:00:00:00:01:01 mtu 1600 type bridge
    lab_ip router addr add 10.0.1.1/24 dev br0
    lab_ip router addr add 2001:db8:1::1/64 dev br0
    lab_ip router link set br0 up
    lab_sysctl router net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0 \
        net.ipv4.conf.br0.send_redirects=0
    lab_wire weir "$LAB_WEIR" "$LAB_WEIR_6"
    # The kernel leaves checksums of packets within one machine unfinished; an
    # AF_XDP port sees them as they lie in the buffer. A real wire does not.
    lab_in router ethtool -K weir tx off >/dev/null
    for ns in "${LAB_BACKENDS[@]}"; do
        lab_wire "$ns" "$(lab_backend_address "$ns")" "$(lab_backend_address "$ns" 6)"
    done

    lab_ip client link add eth0 type veth peer name client netns "$LAB-router"
    for ns in "${LAB_CLIENTS[@]}"; do
        lab_ip client addr add "$ns/24" dev eth0
    done
    for ns in "${LAB_CLIENTS_6[@]}"; do
        lab_ip client addr add "$ns/64" dev eth0
    done
    lab_ip client link set eth0 up
    lab_ip router addr add 198.51.100.1/24 dev client
    lab_ip router addr add 2001:db8:c::1/64 dev client
    lab_ip router link set client up
    lab_ip client route add default via 198.51.100.1
    lab_ip client route add default via 2001:db8:c::1
    for ns in "${LAB_VIPS[@]}"; do
        lab_route "$ns"
    done
}

# lab_route VIP: an address or a prefix, from the router to Weir.
lab_route() {
    local via=$LAB_WEIR

    [ "$(lab_family "$1")" = 4 ] || via=$LAB_WEIR_6
    lab_ip router route add "$1" via "$via"
}

# A port of the bridge: eth0 in NAMESPACE, its other end named like the namespace.
# lab_wire NAMESPACE ADDRESS [ADDRESS_6]
lab_wire() {
    lab_ip "$1" link add eth0 mtu 1600 type veth peer name "$1" mtu 1600 netns "$LAB-router"
    lab_ip router link set "$1" master br0 up
    lab_ip "$1" addr add "$2/24" dev eth0
    [ -z "${3:-}" ] || lab_ip "$1" addr add "$3/64" dev eth0
    lab_ip "$1" link set eth0 up
    lab_ip "$1" route add default via 10.0.1.1
    [ -z "${3:-}" ] || lab_ip "$1" route add default via 2001:db8:1::1
}

# -- processes -------------------------------------------------------------------

# lab_start NAME NAMESPACE COMMAND...: in the background, output to NAME.log. The
# process gets its own session: Ctrl-C is for the script, which then ends it.
lab_start() {
    local name=$1 ns=$2

    shift 2
    setsid ip netns exec "$LAB-$ns" "$@" >>"$LAB_DIR/$name.log" 2>&1 </dev/null &
    echo $! >"$LAB_DIR/$name.pid"
    disown
}

lab_pid() {
    cat "$LAB_DIR/$1.pid"
}

lab_running() {
    local stat

    stat=$(cat "/proc/$(lab_pid "$1")/stat" 2>/dev/null) || return 1
    [[ ${stat##*) } != Z* ]]
}

lab_gone() {
    ! lab_running "$1"
}

# lab_stop NAME [SIGNAL]: and wait until it has ended.
lab_stop() {
    kill "-${2:-TERM}" "$(lab_pid "$1")" 2>/dev/null || return 0
    wait_until 5 lab_gone "$1" || {
        echo "$1 does not end by SIG${2:-TERM} within 5 s" >&2
        return 1
    }
}

# -- clean-up --------------------------------------------------------------------

lab_exit() {
    local status=$?

    trap '' HUP INT TERM
    [ -n "${LAB_KEEP:-}" ] || lab_remove "$LAB"
    exit $status
}

# Everything of one lab: the processes in its namespaces, the namespaces, the
# files. A namespace is ours by its name, a process by the namespace it is in.
lab_remove() {
    local lab=$1 ns pids signal
    local -a names

    mapfile -t names < <(ip netns list | awk '{ print $1 }' | grep "^$lab-" || true)
    for signal in TERM KILL; do
        pids=$(lab_pids "${names[@]}")
        # shellcheck disable=SC2086 # one argument a pid
        [ -z "$pids" ] || kill -$signal $pids 2>/dev/null || true
        wait_until 3 lab_empty "${names[@]}" && break
    done
    for ns in "${names[@]}"; do
        ip netns del "$ns" || true
    done
    if [ -f "$LAB_ROOT/$lab/huge-pages" ]; then
        HUGE_RESERVED=1
        huge_pages_give_back
    fi
    rm -rf "${LAB_ROOT:?}/$lab"
}

# Reserve huge pages if there are none, until the lab is removed.
lab_huge_pages() {
    huge_pages_reserve
    [ "$HUGE_RESERVED" = 0 ] || touch "$LAB_DIR/huge-pages"
}

# Leave the lab running when this process ends: `scripts/lab down ID` removes it.
lab_keep() {
    echo kept >"$LAB_DIR/owner"
    LAB_KEEP=1
}

lab_pids() {
    local ns

    for ns; do
        ip netns pids "$ns"
    done
}

lab_empty() {
    [ -z "$(lab_pids "$@")" ]
}

# Remove the labs whose script is no longer there; kept ones stay.
lab_reap() {
    local dir pid start

    for dir in "$LAB_ROOT"/*/; do
        [ -f "$dir/owner" ] || continue
        read -r pid start <"$dir/owner"
        if [ "$pid" != kept ] && [ "$(lab_start_time "$pid")" != "$start" ]; then
            lab_remove "$(basename "$dir")"
        fi
    done
}

# -- Weir ------------------------------------------------------------------------

# The last CPU that we may run on: leave CPU 0 to everybody else if we can.
lab_cpu() {
    local list

    list=$(awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status)
    echo "${list##*[,-]}"
}

# First part of the configuration; the caller appends pools and services.
# Arguments: further lines for [dataplane], "key = value" each.
lab_conf_head() {
    cat <<-EOF
	[dataplane]
	cpus = $(lab_cpu)
	idle = adaptive
	memory_mb = 64
	arena_mb = 32
	file_prefix = $LAB
	session_socket = $LAB_DIR/session.sock
	EOF
    printf '%s\n' "$@"
    cat <<-EOF

	[port lab]
	device = af_xdp:eth0

	[controlplane]
	socket = $LAB_DIR/control.sock
	state_file = $LAB_DIR/state.json

	EOF
}

# lab_conf_pool NAME MODE VIP [LINE...]: a pool of the three backends and a
# service of the same name on port 80. The backends' addresses, and so the outer
# headers, are of the VIP's family, or of LAB_FAMILY (4, 6). LAB_MTU: another mtu.
lab_conf_pool() {
    local b family=${LAB_FAMILY:-$(lab_family "$3")}

    cat <<-EOF
	[pool $1]
	mode = $2
	mtu = ${LAB_MTU:-1600}
	check = tcp
	check_interval_ms = 200
	check_timeout_ms = 200
	check_rise = 1
	check_fall = 2
	EOF
    printf '%s\n' "${@:4}"
    for b in "${LAB_BACKENDS[@]}"; do
        echo "backend $b = $(lab_backend_address "$b" "$family") weight=10"
    done
    cat <<-EOF

	[service $1]
	vip = $3
	protocol = tcp
	port = 80
	pool = $1

	EOF
}

lab_conf() {
    lab_conf_head
    lab_conf_pool web-l2 l2 "$VIP_L2"
    lab_conf_pool web-ipip ipip "$VIP_IPIP"
}

# What lab_conf does not have: the services web-gue, web-l2-6, web-ipip-6 and web-gue-6.
lab_conf_families() {
    lab_conf_pool web-gue gue "$VIP_GUE"
    lab_conf_pool web-l2-6 l2 "$VIP_L2_6"
    lab_conf_pool web-ipip-6 ipip "$VIP_IPIP_6"
    lab_conf_pool web-gue-6 gue "$VIP_GUE_6"
}

lab_start_dataplane() {
    lab_start dataplane weir "$WEIR_BUILD/dataplane/weir-dataplane" -c "$LAB_DIR/weir.conf"
}

lab_start_controlplane() {
    lab_start controlplane weir "$WEIR_BUILD/controlplane/weir-controlplane" -c "$LAB_DIR/weir.conf"
}

lab_weirctl() {
    "$WEIR_BUILD/controlplane/weirctl" -s "$LAB_DIR/control.sock" "$@"
}

# True when jq's EXPRESSION holds for the answer to a weirctl command:
# lab_holds '.attached' status
lab_holds() {
    lab_weirctl --json "${@:2}" 2>/dev/null | jq -e "$1" >/dev/null
}

# Every worker has a snapshot, and every enabled backend of every pool serves.
lab_ready() {
    lab_holds '.attached and ([.workers[] | .generation > 0] | all)' status &&
        lab_holds '[.backends[] | select(.state == "enabled") | .serving] | length > 0 and all' backends
}

# Both processes, with $LAB_DIR/weir.conf; back when traffic can flow.
lab_start_weir() {
    lab_start_dataplane
    lab_start_controlplane
    wait_until 20 lab_ready || lab_fail "Weir is not ready after 20 s" dataplane controlplane
}

# Say what went wrong, with the end of the logs of the named programs, and leave.
lab_fail() {
    local log

    echo "$1" >&2
    for log in "${@:2}"; do
        echo "--- $log.log" >&2
        tail -n 20 "$LAB_DIR/$log.log" >&2 || true
    done
    exit 1
}

# -- backends and clients --------------------------------------------------------

# Objects to fetch: NAME SIZE. Random, so that no layer can cheat with zeros.
lab_objects() {
    local size

    mkdir -p "$LAB_DIR/www"
    for size in 1k 10k 100k 1M; do
        head -c "$(numfmt --from=iec "${size^^}")" /dev/urandom >"$LAB_DIR/www/$size"
    done
}

# nginx in one process, so that its pid is all there is to kill. /upload takes
# any body whole before it answers with its length.
lab_start_nginx() {
    local b=$1 dir=$LAB_DIR/$1.nginx

    mkdir -p "$dir"
    cat >"$dir/nginx.conf" <<-EOF
	daemon off;
	master_process off;
	user root;
	pid $dir/pid;
	error_log $dir/error.log;
	events { worker_connections 1024; }
	http {
	    log_format lab '\$remote_addr \$server_addr \$status \$body_bytes_sent \$request_length \$request_uri';
	    access_log $dir/access.log lab;
	    client_body_temp_path $dir/body;
	    proxy_temp_path $dir/proxy;
	    fastcgi_temp_path $dir/fastcgi;
	    uwsgi_temp_path $dir/uwsgi;
	    scgi_temp_path $dir/scgi;
	    sendfile on;
	    server {
	        listen 80;
	        listen [::]:80;
	        root $LAB_DIR/www;
	        client_max_body_size 1g;
	        add_header X-Backend $b always;
	        location /upload { proxy_pass http://unix:$dir/sink; proxy_set_header X-Length \$content_length; }
	        location / { client_max_body_size 1k; }
	    }
	    server {
	        listen unix:$dir/sink;
	        client_max_body_size 1g;
	        access_log off;
	        return 200 \$http_x_length;
	    }
	}
	EOF
    rm -f "$dir/sink"
    lab_start "nginx-$b" "$b" nginx -e "$dir/error.log" -p "$dir" -c "$dir/nginx.conf"
}

lab_listens() {
    [ -n "$(lab_in "$1" ss -Hltn "sport = :$2")" ]
}

# weir-backend COMMAND on a backend, for all VIPs. In mode gue it takes IP-in-IP and
# plain packets as well; with l2, tunnels are not taken apart. Further options, such as
# more VIPs: LAB_BACKEND_OPTIONS.
LAB_BACKEND_MODE=gue
LAB_BACKEND_FROM=$LAB_WEIR/32 # whose tunnels they take, besides those of LAB_WEIR_6
LAB_BACKEND_OPTIONS=()
lab_backend() {
    lab_in "$1" "$WEIR_BUILD/backend/weir-backend" --state-dir "$LAB_DIR/$1.state" --interface eth0 \
        "${LAB_VIPS[@]/#/--vip=}" --from "$LAB_BACKEND_FROM" --from "$LAB_WEIR_6/128" \
        --mode "$LAB_BACKEND_MODE" "${LAB_BACKEND_OPTIONS[@]}" "$2"
}

lab_start_backends() {
    local b

    lab_objects
    for b in "${LAB_BACKENDS[@]}"; do
        lab_backend "$b" up >>"$LAB_DIR/backend-$b.log" 2>&1 ||
            lab_fail "weir-backend up fails on $b" "backend-$b"
        lab_start_nginx "$b"
    done
    for b in "${LAB_BACKENDS[@]}"; do
        wait_until 10 lab_listens "$b" 80 || lab_fail "nginx of $b does not listen" "nginx-$b"
    done
}

# lab_fetch COUNT OUTPUT URL...: fetch the URLs in turn, COUNT requests in all,
# each on a connection of its own and from the client addresses in turn, four at
# a time. A line a request goes to OUTPUT:
#   STATUS BYTES CLIENT URL BACKEND      (000 without a backend: no answer)
lab_fetch() {
    local count=$1 output=$2 i url client

    shift 2
    for ((i = 0; i < count; i++)); do
        url=${*:i % $# + 1:1}
        client=${LAB_CLIENTS[i % ${#LAB_CLIENTS[@]}]}
        [[ $url != *//\[* ]] || client=${LAB_CLIENTS_6[i % ${#LAB_CLIENTS_6[@]}]}
        echo "$client $url"
    done |
        lab_in client xargs -P 4 -L 1 curl -g -s -o /dev/null --max-time 10 \
            -w '%{http_code} %{size_download} %{local_ip} %{url} %header{x-backend}\n' \
            --interface >>"$output" || true
}

# Requests in a lab_fetch output that did not end with 200.
lab_failures() {
    awk '$1 != 200 { n++ } END { print n + 0 }' "$1"
}

# -- witness ---------------------------------------------------------------------

# A response: from a VIP, bare or inside IP-in-IP (inner source at byte 32). What
# answers Weir's own health checks is none.
LAB_RESPONSES="(src net 203.0.113.0/24 and not dst host $LAB_WEIR) or
    (src net 2001:db8:f::/48 and not dst host $LAB_WEIR_6) or
    (ip proto 4 and ip[32:4] & 0xffffff00 = 0xcb007100)"
# A request: to a VIP.
LAB_REQUESTS="dst net 203.0.113.0/24 or dst net 2001:db8:f::/48"
# What is packed, in any way.
LAB_TUNNELS="ip proto 4 or ip proto 41 or ip6 proto 4 or ip6 proto 41 or udp dst port 6080"

# Record what passes Weir's switch port to or from a VIP, in both directions,
# headers only: what Weir itself says about its traffic is then not the only word.
lab_witness_start() {
    lab_start witness router tcpdump -i weir -s 96 -U -n --immediate-mode \
        -w "$LAB_DIR/witness.pcap" "$LAB_REQUESTS or $LAB_RESPONSES or $LAB_TUNNELS"
    wait_until 10 grep -q 'listening on' "$LAB_DIR/witness.log" ||
        lab_fail "tcpdump does not start" witness
}

# Waits for the last packets of closing connections: nothing new for 100 ms.
lab_witness_stop() {
    wait_until 5 lab_witness_quiet || true
    lab_stop witness INT
}

lab_witness_quiet() {
    local size

    size=$(stat -c %s "$LAB_DIR/witness.pcap")
    sleep 0.1
    [ "$(stat -c %s "$LAB_DIR/witness.pcap")" = "$size" ]
}

# Packets of the recording that match a filter.
lab_witness_count() {
    tcpdump -n -r "$LAB_DIR/witness.pcap" "$1" 2>/dev/null | wc -l
}
