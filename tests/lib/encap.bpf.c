// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands for Weir where a test needs real TCP through a tunnel: at tc egress, packs
 * what is for the VIP as Weir does (docs/encap.md). The kernel's large packets are
 * packed whole, so the other side sees those as well.
 *
 * The addresses are those of tests/lib/backend.sh.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VIP	0xcb00710a /* 203.0.113.10 */
#define WEIR	0x0a000001 /* 10.0.0.1 */
#define BACKEND 0x0a000002 /* 10.0.0.2 */
#define IP_DF	0x4000

static __always_inline __u16 checksum(const struct iphdr *ip)
{
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

SEC("tc")
int encap(struct __sk_buff *skb)
{
	const __u64 flags = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_FIXED_GSO;
	struct iphdr inner, outer = { 0 };

	if (skb->protocol != bpf_htons(ETH_P_IP) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &inner, sizeof(inner)) < 0 ||
	    inner.daddr != bpf_htonl(VIP))
		return TC_ACT_OK;
	outer.version = 4;
	outer.ihl = 5;
	outer.tos = inner.tos;
	outer.tot_len = bpf_htons(bpf_ntohs(inner.tot_len) + sizeof(outer));
	outer.frag_off = bpf_htons(IP_DF);
	outer.ttl = 64;
	outer.protocol = IPPROTO_IPIP;
	outer.saddr = bpf_htonl(WEIR);
	outer.daddr = bpf_htonl(BACKEND);
	outer.check = checksum(&outer);
	if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC, flags) < 0 ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &outer, sizeof(outer), 0) < 0)
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
