// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands for Weir where a test needs real TCP through a tunnel: at tc egress, packs
 * what is for a VIP as Weir does (docs/encap.md). The kernel's large packets are
 * packed whole, so the other side sees those as well.
 *
 * -DOUTER=4 or 6: family of the outer header; -DGUE=1: with UDP and GUE behind it.
 * The addresses are those of tests/lib/backend.sh.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VIPS_V4 0xcb007100 /* 203.0.113.0/24 */
#define WEIR_V4 0x0a000001 /* 10.0.0.1 */
#define HOST_V4 0x0a000002 /* 10.0.0.2 */
#define IP_DF	0x4000

struct gue {
	__u8 version_control_len, protocol;
	__be16 flags;
};

struct headers {
#if OUTER == 4
	struct iphdr ip;
#else
	struct ipv6hdr ip;
#endif
#if GUE
	struct udphdr udp;
	struct gue gue;
#endif
};

/* The client's packet. */
struct inner {
	__u32 len;
	__u8 tos, protocol; /* as what is in the outer packet */
};

/* False when it is for no VIP: 203.0.113.0/24, 2001:db8:e::/64, 2001:db8:f::/64. */
static __always_inline int inner_read(struct __sk_buff *skb, struct inner *in)
{
	struct ipv6hdr v6;
	struct iphdr v4;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &v4, sizeof(v4)) < 0 ||
		    (v4.daddr & bpf_htonl(0xffffff00)) != bpf_htonl(VIPS_V4))
			return 0;
		*in = (struct inner){ bpf_ntohs(v4.tot_len), v4.tos, IPPROTO_IPIP };
		return 1;
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &v6, sizeof(v6)) < 0 ||
	    v6.daddr.in6_u.u6_addr32[0] != bpf_htonl(0x20010db8) ||
	    (v6.daddr.in6_u.u6_addr32[1] != bpf_htonl(0xe0000) &&
	     v6.daddr.in6_u.u6_addr32[1] != bpf_htonl(0xf0000)))
		return 0;
	*in = (struct inner){ sizeof(v6) + bpf_ntohs(v6.payload_len),
			      v6.priority << 4 | v6.flow_lbl[0] >> 4, IPPROTO_IPV6 };
	return 1;
}

#if OUTER == 4
#define L3_FLAG BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
#define L3_TYPE ETH_P_IP

static __always_inline void outer_fill(struct iphdr *ip, const struct inner *in, __u32 len)
{
	__s64 sum;

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = in->tos;
	ip->tot_len = bpf_htons(in->len + len);
	ip->frag_off = bpf_htons(IP_DF);
	ip->ttl = 64;
	ip->protocol = GUE ? IPPROTO_UDP : in->protocol;
	ip->saddr = bpf_htonl(WEIR_V4);
	ip->daddr = bpf_htonl(HOST_V4);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = (__u16)~sum;
}
#else
#define L3_FLAG BPF_F_ADJ_ROOM_ENCAP_L3_IPV6
#define L3_TYPE ETH_P_IPV6

static __always_inline void outer_fill(struct ipv6hdr *ip, const struct inner *in, __u32 len)
{
	ip->version = 6;
	ip->priority = in->tos >> 4;
	ip->flow_lbl[0] = in->tos << 4;
	ip->payload_len = bpf_htons(in->len + len - sizeof(*ip));
	ip->nexthdr = GUE ? IPPROTO_UDP : in->protocol;
	ip->hop_limit = 64;
	/* 2001:db8:1::1 and ::2 */
	ip->saddr.in6_u.u6_addr32[0] = ip->daddr.in6_u.u6_addr32[0] = bpf_htonl(0x20010db8);
	ip->saddr.in6_u.u6_addr32[1] = ip->daddr.in6_u.u6_addr32[1] = bpf_htonl(0x10000);
	ip->saddr.in6_u.u6_addr32[3] = bpf_htonl(1);
	ip->daddr.in6_u.u6_addr32[3] = bpf_htonl(2);
}
#endif

SEC("tc")
int encap(struct __sk_buff *skb)
{
	const __u64 flags =
		L3_FLAG | BPF_F_ADJ_ROOM_FIXED_GSO | (GUE ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP : 0);
	const __be16 type = bpf_htons(L3_TYPE);
	struct headers h = { 0 };
	struct inner in;

	if (!inner_read(skb, &in))
		return TC_ACT_OK;
	outer_fill(&h.ip, &in, sizeof(h));
#if GUE
	h.udp.source = bpf_htons(50000);
	h.udp.dest = bpf_htons(6080);
	h.udp.len = bpf_htons(in.len + sizeof(h) - sizeof(h.ip));
	h.gue.protocol = in.protocol;
#endif
	if (bpf_skb_adjust_room(skb, sizeof(h), BPF_ADJ_ROOM_MAC, flags) < 0 ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0) < 0 ||
	    bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type), 0) < 0)
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
