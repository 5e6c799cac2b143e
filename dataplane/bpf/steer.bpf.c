// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steering: on an interface of an af_xdp: port, frames whose destination is a VIP
 * go to the worker that polls their queue; everything else stays with the kernel.
 *
 * The destination address decides alone, so a VIP's fragments come along, and
 * the ICMP errors about what a VIP sent, which are addressed to the VIP. ARP and
 * neighbour discovery are not for a VIP and pass.
 *
 * The AF_XDP driver loads and attaches this object and fills xsks_map; the
 * housekeeping thread (steer.c) fills vips4 and vips6 and finds all of it by the
 * names below. A queue without a socket, as after a data plane that was killed,
 * passes its frames to the kernel.
 *
 * Needs Linux 5.3 (return action of bpf_redirect_map).
 */
#include "bounds.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_TAGS 2 /* 802.1Q, and one service tag around it */

struct vlan_tag {
	__be16 tci;
	__be16 type; /* of what follows */
};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 256); /* receive queues of the interface */
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

/* Sets: the values mean nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WEIR_MAX_VIPS);
	__type(key, __be32);
	__type(value, __u8);
} vips4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WEIR_MAX_VIPS);
	__type(key, struct in6_addr);
	__type(value, __u8);
} vips6 SEC(".maps");

SEC("xdp")
int weir_steer(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = at;
	void *is_vip = NULL;
	__be16 type;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	type = eth->h_proto;
	at = (void *)(eth + 1);

#pragma unroll
	for (int i = 0; i < VLAN_TAGS; i++) {
		const struct vlan_tag *tag = at;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return XDP_PASS;
		type = tag->type;
		at = (void *)(tag + 1);
	}

	if (type == bpf_htons(ETH_P_IP)) {
		const struct iphdr *ip = at;

		if ((void *)(ip + 1) > end)
			return XDP_PASS;
		is_vip = bpf_map_lookup_elem(&vips4, &ip->daddr);
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip = at;

		if ((void *)(ip + 1) > end)
			return XDP_PASS;
		is_vip = bpf_map_lookup_elem(&vips6, &ip->daddr);
	}
	if (is_vip == NULL)
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "GPL";
