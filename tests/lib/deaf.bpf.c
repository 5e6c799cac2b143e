// SPDX-License-Identifier: GPL-2.0-only
/*
 * At tc ingress: the kernel takes nothing that comes by this interface. A packet socket
 * (DPDK's net_af_packet) sees all of it before.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int deaf(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
