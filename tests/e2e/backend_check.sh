#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `check` on a host that is right, and on one where a single thing has been broken:
# it says that thing, ends with 1, and `up` (or the command that it proposes) mends it.
#
#   c ---- w ==IP-in-IP== b       b is looked at; w sends what is counted
set -euo pipefail
# shellcheck source=tests/lib/backend.sh
. "$(dirname "$0")/../lib/backend.sh"

# broken NAME TEXT COMMAND...: COMMAND breaks b; then `check` says TEXT and nothing
# else is wrong; `up` makes it right.
broken() {
    check "$1" broken_by_command "${@:2}"
}

broken_by_command() {
    local text=$1 said status=0

    shift
    "$@" || {
        echo "cannot break it by $*"
        return 1
    }
    said=$(usual check 2>&1) || status=$?
    [ $status -eq 1 ] || {
        echo "$* is not noticed"
        return 1
    }
    [ "$(grep -c '^wrong: ' <<<"$said")" = 1 ] && grep '^wrong: ' <<<"$said" | grep -qF -- "$text" || {
        echo "wanted one thing wrong with \"$text\" in it, got: $said"
        return 1
    }
    usual up >"$WB_DIR/up.log" 2>&1 && usual check >"$WB_DIR/check.log" || {
        echo "\"up\" does not mend it: $(cat "$WB_DIR/up.log" "$WB_DIR/check.log")"
        return 1
    }
}

# proposed NAME TEXT COMMAND...: as broken, but the mending is the command that the
# finding names in quotes.
proposed() {
    check "$1" mended_by_proposal "${@:2}"
}

mended_by_proposal() {
    local text=$1 said proposal

    shift
    "$@"
    said=$(usual check 2>&1) && {
        echo "$* is not noticed"
        return 1
    }
    proposal=$(grep -F -- "$text" <<<"$said" | grep -oP 'run "ip \K[^"]+') || {
        echo "no proposal with \"$text\", but: $said"
        return 1
    }
    # shellcheck disable=SC2086 # the words of a command
    wb_ip b $proposal
    usual check >"$WB_DIR/check.log" || {
        echo "\"$proposal\" does not mend it: $(cat "$WB_DIR/check.log")"
        return 1
    }
}

# The usual settings, and those of SETTINGS.
SETTINGS=()
usual() {
    wb_usual "${SETTINGS[@]}" "$@"
}

says() {
    refused "$1" "$2" usual check
}

sysctl_write() {
    wb_in b sysctl -qw "$@"
}

program_off() {
    wb_in b tc filter del dev eth0 ingress pref 10
}

wb_create
check a_bare_host_is_wrong refused 1 "5 things are wrong" wb_usual check
wb_usual up >"$WB_DIR/up.log"
check after_up_it_is_right says 0 "this host is set up right"

broken vip_removed "VIP $VIP is no address of this host" wb_ip b addr del $VIP/32 dev lo
broken arp_answers "arp_ignore is 0 on eth0" \
    sysctl_write net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.eth0.arp_ignore=0
broken arp_announces "arp_announce is 1 on eth0" \
    sysctl_write net.ipv4.conf.all.arp_announce=0 net.ipv4.conf.eth0.arp_announce=1
broken rp_filter_of_the_interface "rp_filter is 1 (strict) on eth0" sysctl_write net.ipv4.conf.eth0.rp_filter=1
broken rp_filter_of_all "rp_filter is 1 (strict) on eth0" \
    sysctl_write net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.all.rp_filter=1
broken program_detached "not attached to eth0" program_off
broken qdisc_removed "not attached to eth0" wb_in b tc qdisc del dev eth0 clsact
broken one_prefix_too_many "still believes packets from 192.0.2.1" wb_usual --from 192.0.2.1/32 up
broken one_vip_too_many "still unpacks for $VIP2" wb_usual --vip $VIP2 up
broken a_new_address "does not know this host's address 10.0.0.22" wb_ip b addr add 10.0.0.22/24 dev eth0
broken an_address_gone "still unpacks what is sent to 10.0.0.22" wb_ip b addr del 10.0.0.22/24 dev eth0

proposed vip_on_the_interface "VIP $VIP is also on eth0" wb_ip b addr add $VIP/32 dev eth0
SETTINGS=(--mss leave)
proposed mss_too_large "leaves room for 1440" wb_ip b link set eth0 mtu 1500
SETTINGS=()
wb_ip b route replace default via $WEIR
wb_usual up >"$WB_DIR/up.log"
broken mss_of_another_mtu "room for 1240" wb_ip b link set eth0 mtu 1300
wb_ip b link set eth0 mtu 1600
broken route_made_anew "are told MSS 1560" wb_ip b route replace default via $WEIR
proposed lo_down "lo is down" wb_ip b link set lo down

wb --interface eth0 --vip $VIP2 --from 192.0.2.0/24 up >"$WB_DIR/up.log"
check wrong_prefix says 1 "does not know prefix $WEIR"
check wrong_vip says 1 "does not know VIP $VIP,"
wb_usual up >"$WB_DIR/up.log"

wb_ip b route del default
check no_default_route says 1 "no default route"
wb_ip b route add 198.51.100.0/24 via $WEIR
check a_route_to_some_clients_is_a_note says 0 "only clients behind the 1 other routes"
wb_ip b route add default via $WEIR
wb_usual up >"$WB_DIR/up.log"

# Rules by which answers go by another table.
wb_ip b rule add from $VIP table 100
wb_ip b rule add iif eth0 table 101
check rules_to_other_tables_are_a_note says 0 "1 routing rules lead to other tables than main"
wb_ip b rule del from $VIP table 100
check no_rule_no_note refused 1 "" grep -F "routing rules" <(wb_usual check)
wb_ip b rule del iif eth0 table 101

# IPv6: the same things, and what only it has.
SETTINGS=(--vip "$VIP_6" --vip "$VIPS_6" --from "$WEIR_6")
check ipv6_is_wrong_before_up says 1 "VIP $VIP_6 is no address of this host"
usual up >"$WB_DIR/up.log"
check ipv6_is_right_after_up says 0 "this host is set up right"
broken ipv6_vip_removed "VIP $VIP_6 is no address of this host" wb_ip b addr del $VIP_6/128 dev lo
broken vip_prefix_removed "VIP prefix $VIPS_6 is not local" wb_ip b -6 route del local $VIPS_6 dev lo table local
broken ipv6_prefix_too_many "still believes packets from 2001:db8:7::/48" usual --from 2001:db8:7::/48 up
broken another_mode "still unpacks GUE on UDP port 6080" usual --mode gue up
broken ipv6_route_made_anew "are told MSS 1540 by" wb_ip b -6 route replace default via $WEIR_6
proposed ipv6_vip_on_the_interface "VIP $VIP_6 is also on eth0" wb_ip b addr add $VIP_6/64 dev eth0 nodad
proposed vip_of_a_proxy "answers for VIP 2001:db8:e::7 as a proxy" wb_ip b neigh add proxy 2001:db8:e::7 dev eth0
wb_in b sysctl -qw net.ipv6.conf.lo.disable_ipv6=1
check lo_without_ipv6 says 1 "IPv6 is disabled on lo"
check up_says_why_it_fails refused 1 "it takes no IPv6" usual up
wb_in b sysctl -qw net.ipv6.conf.lo.disable_ipv6=0
usual up >"$WB_DIR/up.log"
wb_ip b -6 route del default
check no_ipv6_default_route says 1 "no IPv6 default route"
wb_ip b -6 route add default via $WEIR_6
SETTINGS=()
wb_usual up >"$WB_DIR/up.log"

check no_such_interface refused 1 "there is no interface eth9" wb --interface eth9 --vip $VIP --from $WEIR check
check nothing_listens says 0 "no TCP or UDP socket listens on VIP $VIP"
wb_start server b /usr/bin/python3 "$WEIR_ROOT/tests/lib/tcp.py" serve $VIP 8080
wait_until 10 grep -q ready "$WB_DIR/server.log" || die "no TCP server"
check something_listens refused 1 "" grep -F "socket listens" <(wb_usual check)

# A tunnel device of the kernel takes what the program leaves, from everyone.
if wb_ip b link add everyone type ipip local $BACKEND 2>"$WB_DIR/ipip.log"; then
    proposed kernel_tunnel_from_everywhere "tunnel everyone is up" wb_ip b link set everyone up
    wb_ip b link del everyone
    wb_ip b link add someone type ipip local $BACKEND remote 10.0.0.9
    wb_ip b link set someone up
    check kernel_tunnel_to_one_place_is_no_matter says 0 "this host is set up right"
    wb_ip b link del someone
else
    echo "skip kernel_tunnel_from_everywhere: no ipip devices here: $(tail -n 1 "$WB_DIR/ipip.log")"
fi

# On another interface than the one configured.
wb_ip b link add eth1 mtu 1600 type veth peer name far1
wb_ip b link set eth1 up
wb --interface eth1 --vip $VIP --from $WEIR up >"$WB_DIR/up.log"
wb_usual down >"$WB_DIR/down.log"
check program_on_another_interface says 1 "not attached to eth0"
check and_where_it_is says 1 "is attached to eth1"
wb --interface eth1 down >"$WB_DIR/down.log"
wb_usual up >"$WB_DIR/up.log"

# What comes from a Weir that is not in "from" is counted.
wb_pack
wb --interface eth0 --vip $VIP --from 192.0.2.0/24 up >"$WB_DIR/up.log"
wb_in c bash -c "echo hello >/dev/udp/$VIP/9"
check refused_packets_are_noted refused 0 "came from outside the configured prefixes" \
    wb --interface eth0 --vip $VIP --from 192.0.2.0/24 check
wb_usual up >"$WB_DIR/up.log"

state=$(find "$WB_DIR/state" -name '*.json')
cp "$state" "$WB_DIR/kept"
for damage in '' '{' '[]' '{"version":2,"interface":"eth0","ifindex":1,"qdisc":true,"sysctls":[],"vips":[]}' \
    '{"version":1,"interface":"eth0","ifindex":1,"qdisc":true,"sysctls":[{"name":"../../vm/panic","was":1,"set":2}],"vips":[]}'; do
    printf '%s' "$damage" >"$state"
    check "a_damaged_state_file_is_named_${#damage}" refused 1 "$state" wb_usual down
done
cp "$WB_DIR/kept" "$state"
check down_with_the_right_one wb_usual down

if setpriv --reuid=65534 --clear-groups test -x "$WB_PROGRAM"; then
    wb_usual up >"$WB_DIR/up.log"
    check not_root_is_told refused 1 "run me as root" wb_in b setpriv --reuid=65534 --clear-groups \
        "$WB_PROGRAM" --interface eth0 --vip $VIP --from $WEIR check
else
    echo "skip not_root_is_told: other users cannot reach $WEIR_BUILD"
fi
checks_end
