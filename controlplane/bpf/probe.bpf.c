// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carries DSR probes. Runs at tc egress.
 *
 *   mark not ours             pass: TC_ACT_UNSPEC, the next filter sees the packet
 *   mark of ours, no entry    drop: without its entry the packet would go
 *                             to the VIP's route, come back through Weir itself, and
 *                             some healthy backend would answer for a dead one
 *   not for the entry's VIP   drop and count
 *   does not fit entry.mtu    drop and count
 *   else                      encapsulated as the pool's mode says, addressed to the
 *                             entry's next hop, mark cleared, passed on
 *
 * The packet stays as the socket sent it, its TTL of 1 included: see probe_socket.c.
 * The outer headers are those of docs/encap.md. Only helpers and flags of kernel 6.1.
 */
#include "probe_map.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_DF	      0x4000
#define OUTER_TTL     64
#define GUE_PORT_BASE 0xc000 /* source ports 49152-65535, by flow */
#define GUE_PORT_BITS 0x3fff

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_MAP_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct probe_entry);
} weir_entries SEC(".maps");

/* A counter per entry; made before its entry, removed after it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_MAP_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct probe_count);
} weir_counts SEC(".maps");

/* What of the probe's own header matters here. */
struct inner {
	__u8 family; /* 4 or 6 */
	__u8 traffic_class;
	__u32 segment; /* bytes of IP packet that go on the wire, the largest of them */
	__be32 dst_be[4];
};

struct gue {
	__u8 version_flags_hlen; /* version 0, data, no extensions */
	__u8 protocol;
	__be16 flags_be;
};

struct outer4 {
	struct iphdr ip;
	struct udphdr udp;
	struct gue gue;
};

struct outer6 {
	struct ipv6hdr ip;
	struct udphdr udp;
	struct gue gue;
};

_Static_assert(sizeof(struct outer4) == 32 && sizeof(struct outer6) == 52, "no gaps");

static __always_inline void add(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

static __always_inline int drop(__u64 *counter)
{
	add(counter, 1);
	return TC_ACT_SHOT;
}

/* Bytes of TCP header at offset `off`; 0 when it is not TCP or not there. */
static __always_inline __u32 tcp_header(struct __sk_buff *skb, __u8 protocol, __u32 off)
{
	__u8 data_offset;

	if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, off + 12, &data_offset, 1) < 0)
		return 0;
	return (data_offset >> 4) * 4;
}

/* Of a large packet that is cut up later, the size of a piece; else its own. */
static __always_inline __u32 segment_size(struct __sk_buff *skb, __u8 protocol, __u32 ip_header)
{
	__u32 tcp;

	if (skb->gso_size == 0)
		return skb->len - ETH_HLEN;
	tcp = tcp_header(skb, protocol, ETH_HLEN + ip_header);
	return ip_header + (tcp ? tcp : sizeof(struct udphdr)) + skb->gso_size;
}

static __always_inline bool inner_read(struct __sk_buff *skb, struct inner *in)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
			return false;
		in->family = 4;
		in->traffic_class = ip.tos;
		in->segment = segment_size(skb, ip.protocol, ip.ihl * 4);
		in->dst_be[0] = ip.daddr;
		in->dst_be[1] = in->dst_be[2] = in->dst_be[3] = 0;
		return true;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
			return false;
		in->family = 6;
		in->traffic_class = ip.priority << 4 | ip.flow_lbl[0] >> 4;
		in->segment = segment_size(skb, ip.nexthdr, sizeof(ip));
		__builtin_memcpy(in->dst_be, &ip.daddr, sizeof(in->dst_be));
		return true;
	}
	return false;
}

static __always_inline bool is_for(const struct inner *in, const struct probe_entry *e)
{
	return in->family == e->vip_family && in->dst_be[0] == e->vip_be[0] &&
	       in->dst_be[1] == e->vip_be[1] && in->dst_be[2] == e->vip_be[2] &&
	       in->dst_be[3] == e->vip_be[3];
}

/* Bytes that a mode puts in front of the packet. */
static __always_inline __u32 overhead(__u32 mode)
{
	switch (mode) {
	case PROBE_MODE_IPIP4:
		return sizeof(struct iphdr);
	case PROBE_MODE_IPIP6:
		return sizeof(struct ipv6hdr);
	case PROBE_MODE_GUE4:
		return sizeof(struct outer4);
	case PROBE_MODE_GUE6:
		return sizeof(struct outer6);
	}
	return 0;
}

static __always_inline __sum16 ip_checksum(const struct iphdr *ip)
{
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

/* UDP checksum 0 also over IPv6: RFC 6935, for the reasons in RFC 6936. */
static __always_inline void gue_fill(struct __sk_buff *skb, const struct probe_entry *e,
				     __u8 inner_protocol, __u32 inner_len, struct udphdr *udp,
				     struct gue *gue)
{
	udp->source = bpf_htons(GUE_PORT_BASE | (bpf_get_hash_recalc(skb) & GUE_PORT_BITS));
	udp->dest = e->gue_port_be;
	udp->len = bpf_htons(sizeof(*udp) + sizeof(*gue) + inner_len);
	udp->check = 0;
	gue->version_flags_hlen = 0;
	gue->protocol = inner_protocol;
	gue->flags_be = 0;
}

/* Make room behind the Ethernet header for `len` bytes, a constant, and write them. */
static __always_inline bool put_outer(struct __sk_buff *skb, const void *outer, __u32 len,
				      __u64 flags, __be16 type)
{
	return bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC, flags) == 0 &&
	       bpf_skb_store_bytes(skb, ETH_HLEN, outer, len, 0) == 0 &&
	       bpf_skb_store_bytes(skb, 2 * ETH_ALEN, &type, sizeof(type), 0) == 0;
}

static __always_inline bool encap4(struct __sk_buff *skb, const struct probe_entry *e,
				   const struct inner *in, bool gue)
{
	__u64 flags = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_FIXED_GSO;
	__u32 inner_len = skb->len - ETH_HLEN;
	__u32 len = gue ? sizeof(struct outer4) : sizeof(struct iphdr);
	__u8 inner_protocol = in->family == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	__be16 type = bpf_htons(ETH_P_IP);
	struct outer4 o = { 0 };

	o.ip.version = 4;
	o.ip.ihl = 5;
	o.ip.tos = in->traffic_class;
	o.ip.tot_len = bpf_htons(len + inner_len);
	o.ip.frag_off = bpf_htons(IP_DF);
	o.ip.ttl = OUTER_TTL;
	o.ip.protocol = gue ? IPPROTO_UDP : inner_protocol;
	o.ip.saddr = e->outer_src_be[0];
	o.ip.daddr = e->outer_dst_be[0];
	o.ip.check = ip_checksum(&o.ip);
	if (gue) {
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
		gue_fill(skb, e, inner_protocol, inner_len, &o.udp, &o.gue);
	}
	/* A length per branch: the verifier wants it constant. */
	return gue ? put_outer(skb, &o, sizeof(o), flags, type)
		   : put_outer(skb, &o, sizeof(o.ip), flags, type);
}

static __always_inline bool encap6(struct __sk_buff *skb, const struct probe_entry *e,
				   const struct inner *in, bool gue)
{
	__u64 flags = BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_FIXED_GSO;
	__u32 inner_len = skb->len - ETH_HLEN;
	__u32 len = gue ? sizeof(struct outer6) : sizeof(struct ipv6hdr);
	__u8 inner_protocol = in->family == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	__be16 type = bpf_htons(ETH_P_IPV6);
	struct outer6 o = { 0 };

	o.ip.version = 6;
	o.ip.priority = in->traffic_class >> 4;
	o.ip.flow_lbl[0] = in->traffic_class << 4;
	o.ip.payload_len = bpf_htons(len - sizeof(o.ip) + inner_len);
	o.ip.nexthdr = gue ? IPPROTO_UDP : inner_protocol;
	o.ip.hop_limit = OUTER_TTL;
	__builtin_memcpy(&o.ip.saddr, e->outer_src_be, 16);
	__builtin_memcpy(&o.ip.daddr, e->outer_dst_be, 16);
	if (gue) {
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
		gue_fill(skb, e, inner_protocol, inner_len, &o.udp, &o.gue);
	}
	/* A length per branch: the verifier wants it constant. */
	return gue ? put_outer(skb, &o, sizeof(o), flags, type)
		   : put_outer(skb, &o, sizeof(o.ip), flags, type);
}

static __always_inline bool encap(struct __sk_buff *skb, const struct probe_entry *e,
				  const struct inner *in)
{
	switch (e->mode) {
	case PROBE_MODE_L2:
		return true;
	case PROBE_MODE_IPIP4:
		return encap4(skb, e, in, false);
	case PROBE_MODE_IPIP6:
		return encap6(skb, e, in, false);
	case PROBE_MODE_GUE4:
		return encap4(skb, e, in, true);
	case PROBE_MODE_GUE6:
		return encap6(skb, e, in, true);
	}
	return false;
}

static __always_inline bool address(struct __sk_buff *skb, const struct probe_entry *e)
{
	const __u8 *s = e->smac;

	if (bpf_skb_store_bytes(skb, 0, e->dmac, ETH_ALEN, 0) < 0)
		return false;
	if ((s[0] | s[1] | s[2] | s[3] | s[4] | s[5]) != 0 &&
	    bpf_skb_store_bytes(skb, ETH_ALEN, s, ETH_ALEN, 0) < 0)
		return false;
	return e->vlan == 0 || bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), e->vlan) == 0;
}

SEC("tc")
int weir_probe(struct __sk_buff *skb)
{
	__u32 mark = skb->mark, ifindex;
	struct probe_entry *e;
	struct probe_count *c;
	struct inner in;

	if ((mark & PROBE_MARK_MASK) != PROBE_MARK)
		return TC_ACT_UNSPEC;
	e = bpf_map_lookup_elem(&weir_entries, &mark);
	c = bpf_map_lookup_elem(&weir_counts, &mark);
	if (e == NULL || c == NULL)
		return TC_ACT_SHOT;
	if (!inner_read(skb, &in) || !is_for(&in, e))
		return drop(&c->not_the_vip);
	if (e->mtu != 0 && in.segment + overhead(e->mode) > e->mtu)
		return drop(&c->too_big);
	ifindex = e->ifindex;
	if (!encap(skb, e, &in) || !address(skb, e))
		return drop(&c->failed);
	add(&c->carried, 1);
	add(&c->bytes, skb->len);
	c->last_ns = bpf_ktime_get_ns();
	/* Has done its work: on another interface we would see it once more. */
	skb->mark = 0;
	if (ifindex != 0 && ifindex != skb->ifindex)
		return bpf_redirect(ifindex, 0);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
