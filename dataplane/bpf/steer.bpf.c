// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steering: on an interface of an af_xdp: port, frames whose destination is a VIP
 * go to the worker that polls their queue; everything else stays with the kernel.
 *
 * The destination address decides alone, so a VIP's fragments come along, and
 * the ICMP errors about what a VIP sent, which are addressed to the VIP. ARP requests
 * and neighbour solicitations are looked at by what they ask for, and go to the worker
 * for VIPs that Weir answers for (`arp = on`).
 *
 * A frame for another machine's MAC, which a bridge floods or a promiscuous interface
 * takes, stays with the kernel, which drops it: of two Weirs on such a bridge neither
 * may forward what the other has sent to a backend.
 *
 * The AF_XDP driver loads and attaches this object and fills xsks_map; the
 * housekeeping thread (steer.c) fills the other maps and finds all of them by the
 * names below. A queue without a socket, as after a data plane that was killed,
 * passes its frames to the kernel.
 *
 * Needs Linux 5.3 (return action of bpf_redirect_map).
 */
#include "steer_map.h"

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_TAGS	2 /* 802.1Q, and one service tag around it */

#define ARP_REQUEST	1
#define ND_SOLICITATION 135

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

/* Keys: a length and an address, of which the longest that fits decides. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WEIR_MAX_VIPS);
	__type(key, struct steer_key4);
	__type(value, struct steer_value);
} vips4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WEIR_MAX_VIPS);
	__type(key, struct steer_key6);
	__type(value, struct steer_value);
} vips6 SEC(".maps");

/* One entry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_link);
} link SEC(".maps");

/* For Ethernet and IPv4 (RFC 826). <linux/if_arp.h> wants a host's headers. */
struct arp {
	__be16 hardware, protocol;
	__u8 hardware_len, protocol_len;
	__be16 op;
	__u8 sender_mac[ETH_ALEN];
	__u8 sender[4];
	__u8 target_mac[ETH_ALEN];
	__u8 target[4];
};

static __always_inline int is_for_us(const struct ethhdr *eth)
{
	const struct steer_link *own;
	__u32 zero = 0;
	__u8 other = 0;

	if (eth->h_dest[0] & 1) /* broadcast, multicast */
		return 1;
	own = bpf_map_lookup_elem(&link, &zero);
	if (own == NULL || !own->check_mac)
		return 1;
#pragma unroll
	for (int i = 0; i < ETH_ALEN; i++)
		other |= eth->h_dest[i] ^ own->mac[i];
	return other == 0;
}

static __always_inline const struct steer_value *vip4(const void *addr)
{
	struct steer_key4 key = { .prefix_len = 32 };

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&vips4, &key);
}

static __always_inline const struct steer_value *vip6(const void *addr)
{
	struct steer_key6 key = { .prefix_len = 128 };

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&vips6, &key);
}

static __always_inline int is_ours_to_answer(const struct steer_value *v)
{
	return v != NULL && (v->flags & STEER_ARP);
}

static __always_inline int steer_arp(const struct arp *arp, const void *end)
{
	if ((const void *)(arp + 1) > end || arp->op != bpf_htons(ARP_REQUEST))
		return 0;
	return is_ours_to_answer(vip4(arp->target));
}

/* Neighbour solicitations come without extension headers: RFC 4861, section 4.3. */
static __always_inline int steer_ipv6(const struct ipv6hdr *ip, const void *end)
{
	const struct icmp6hdr *icmp = (const void *)(ip + 1);
	const struct in6_addr *target = (const void *)(icmp + 1);

	if ((const void *)(ip + 1) > end)
		return 0;
	if (vip6(&ip->daddr) != NULL)
		return 1;
	if (ip->daddr.s6_addr[0] != 0xff || ip->nexthdr != IPPROTO_ICMPV6 ||
	    (const void *)(target + 1) > end || icmp->icmp6_type != ND_SOLICITATION)
		return 0;
	return is_ours_to_answer(vip6(target));
}

SEC("xdp")
int weir_steer(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = at;
	int ours = 0;
	__be16 type;

	if ((void *)(eth + 1) > end || !is_for_us(eth))
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

		ours = (void *)(ip + 1) <= end && vip4(&ip->daddr) != NULL;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		ours = steer_ipv6(at, end);
	} else if (type == bpf_htons(ETH_P_ARP)) {
		ours = steer_arp(at, end);
	}
	if (!ours)
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "GPL";
