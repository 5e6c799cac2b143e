# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What must hold of a forwarding mode, whichever it is; forward_l2.sh and
# forward_ipip.sh say what differs.

# shellcheck source=tests/lib/e2e.sh
. "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

FETCHES=200

# Lines of all access logs: CLIENT VIP STATUS BODY_BYTES REQUEST_BYTES URI
nginx_logs() {
    cat "$LAB_DIR"/b?.nginx/access.log
}

# forward_scenario VIP: fetches, and then states what must hold after them.
forward_scenario() {
    local vip=$1 out=$LAB_DIR/fetched served through b

    for b in "${LAB_BACKENDS[@]}"; do
        check "weir_backend_finds_nothing_wrong_on_$b" lab_backend "$b" check
    done
    lab_witness_start
    lab_fetch $FETCHES "$out" "http://$vip/1k" "http://$vip/10k" "http://$vip/100k" "http://$vip/1M"
    lab_witness_stop

    check every_fetch_succeeds equal "failed fetches" "$(lab_failures "$out")" 0
    check every_fetch_is_whole equal "bytes received" "$(awk '{ n += $2 } END { print n }' "$out")" \
        $(((1024 + 10240 + 102400 + 1048576) * FETCHES / 4))
    check nginx_logs_the_clients_own_addresses equal "addresses in the logs" \
        "$(nginx_logs | awk '{ print $1 }' | sort -u | xargs)" "${LAB_CLIENTS[*]}"
    check nginx_sees_the_vip_as_destination equal "local addresses" \
        "$(nginx_logs | awk '{ print $2 }' | sort -u)" "$vip"
    for b in "${LAB_BACKENDS[@]}"; do
        # A fair share is 67 of 200; 30 is 6 sigma below.
        check "${b}_gets_a_fair_share" at_least "fetches from $b" "$(fetched_from "$out" "$b")" 30
    done

    check requests_pass_weir at_least "request packets at Weir's port" \
        "$(lab_witness_count "$LAB_REQUESTS")" $FETCHES
    check no_response_passes_weir equal "response packets at Weir's port" \
        "$(lab_witness_count "$LAB_RESPONSES")" 0
    served=$(nginx_logs | awk '{ n += $4 } END { print n }')
    through=$(value '.counters.rx.bytes' status)
    # Requests and acknowledgements alone: a few per cent of what was served.
    check bytes_through_weir_are_few at_most "bytes received by Weir, of $served served" \
        "$through" $((served / 5))
    check weir_drops_nothing_of_a_vip equal "drops" "$(value '[.counters.drops | to_entries[]
        | select(.key != "not-a-vip" and .key != "none") | .value.packets] | add // 0' status)" 0
}

# One upload and one download of 50 MB, compared byte for byte.
forward_large_objects() {
    local vip=$1 size=52428800

    head -c $size /dev/urandom >"$LAB_DIR/www/50M"
    check upload_of_50_mb equal "bytes that the backend received" \
        "$(lab_in client curl -sS --max-time 60 -T "$LAB_DIR/www/50M" "http://$vip/upload" 2>&1)" $size
    lab_in client curl -sS --max-time 60 -o "$LAB_DIR/download" "http://$vip/50M" || true
    check download_of_50_mb cmp "$LAB_DIR/www/50M" "$LAB_DIR/download"
}
