# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The lab with a port that DPDK has taken from the kernel, net_af_packet on Weir's eth0,
# and the kernel behind its TAP "lab". Source it after e2e.sh.

# tap_prepare: eth0 is DPDK's. The kernel sees what comes to a device of net_af_packet as
# well: not here.
tap_prepare() {
    lab_ip weir addr flush dev eth0
    lab_sysctl weir net.ipv6.conf.eth0.disable_ipv6=1
    lab_in weir tc qdisc add dev eth0 clsact
    clang -O2 -target bpf "-I/usr/include/$(uname -m)-linux-gnu" -c "$WEIR_ROOT/tests/lib/deaf.bpf.c" \
        -o "$LAB_DIR/deaf.o"
    lab_in weir tc filter add dev eth0 ingress bpf direct-action object-file "$LAB_DIR/deaf.o" section tc
}

# A configuration of the lab from standard input, with that port.
tap_conf() {
    sed 's|^device = .*|device = net_af_packet0,iface=eth0,framecnt=8192\npunt = tap|'
}

# tap_start ADDRESS_6/LEN: the data plane, and the host's addresses on its TAP.
tap_start() {
    lab_start_dataplane
    wait_until 10 ip -n "$LAB-weir" link show lab || lab_fail "no TAP" dataplane
    lab_sysctl weir net.ipv6.conf.lab.disable_ipv6=0
    lab_ip weir addr add "$LAB_WEIR/24" dev lab
    lab_ip weir addr add "$1" dev lab nodad
    lab_ip weir route add default via 10.0.1.1
}
