// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the outer header off what Weir tunnels to this host. Runs at tc ingress.
 *
 *   outer destination  an address of this host       else: pass
 *   outer source       in a configured prefix        else: drop if for a VIP, pass the rest
 *   inner destination  a configured VIP              else: pass
 *
 * "Pass" is TC_ACT_UNSPEC: the next tc filter sees the packet, then the kernel.
 * So does a decapsulated packet: filters behind this one see what the client sent.
 *
 * What is added for another encapsulation: its outer header in outer_read() and
 * its inner one in inner_read(); the rules in decide() do not depend on either.
 * Only helpers and flags of kernel 6.1.
 */
#include "decap.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_FRAGMENT 0x3fff /* more-fragments flag and offset */
#define IP_OFFSET   0x1fff
#define ECN_MASK    3
#define ECN_CE	    3 /* congestion experienced, RFC 3168 */
#define VLAN_ID	    0xfff

/* Filled before the program is attached and constant from then on: a change of
 * the configuration comes as a new program with new maps. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, DECAP_MAX_FROM);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct decap_prefix);
	__type(value, __u8);
} weir_from SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DECAP_MAX_VIPS);
	__type(key, struct decap_addr);
	__type(value, __u8);
} weir_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DECAP_MAX_LOCAL);
	__type(key, struct decap_addr);
	__type(value, __u8);
} weir_local SEC(".maps");

/* By enum decap_fate; the next program takes it over. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DECAP_FATE_ROOM);
	__type(key, __u32);
	__type(value, struct decap_count);
} weir_count SEC(".maps");

/* Bytes in front of the network header, by the type of the interface. */
const volatile __u32 weir_link_header = ETH_HLEN;

struct outer {
	struct decap_addr src, dst;
	__u32 header_len; /* bytes in front of the inner header */
	__u32 total_len;  /* bytes of the outer packet; 0: a merged one that says none */
	__u8 ecn;
	bool fragment; /* any fragment */
	bool tail;     /* a fragment that does not begin with the inner header */
};

struct inner {
	struct decap_addr dst;
	__u32 total_len; /* bytes; 0: a merged packet that says none */
	__u8 ecn;
	bool sane; /* version and header length agree with the encapsulation */
};

static __always_inline void addr_from_v4(struct decap_addr *a, __be32 v4)
{
	a->word_be[0] = 0;
	a->word_be[1] = 0;
	a->word_be[2] = bpf_htonl(0xffff);
	a->word_be[3] = v4;
}

static __always_inline void count(const struct __sk_buff *skb, __u32 fate)
{
	struct decap_count *c = bpf_map_lookup_elem(&weir_count, &fate);

	if (c == NULL)
		return;
	c->packets += skb->gso_segs > 1 ? skb->gso_segs : 1;
	c->bytes += skb->len;
}

static __always_inline int drop(const struct __sk_buff *skb, __u32 fate)
{
	count(skb, fate);
	return TC_ACT_SHOT;
}

static __always_inline int pass(const struct __sk_buff *skb, __u32 fate)
{
	count(skb, fate);
	return TC_ACT_UNSPEC;
}

/* Bytes of the packet from the network header on; also those that do not lie in
 * the linear part of the skb. */
static __always_inline bool load(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes(skb, weir_link_header + off, to, len) == 0;
}

/* True when the packet is addressed to this interface and of an encapsulation
 * that we know. */
static __always_inline bool outer_read(struct __sk_buff *skb, struct outer *o)
{
	struct iphdr ip;

	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST)
		return false;
	/* The kernel has taken the tag off, but the frame is for another interface. */
	if (skb->vlan_present && (skb->vlan_tci & VLAN_ID) != 0)
		return false;
	if (!load(skb, 0, &ip, sizeof(ip)))
		return false;
	if (ip.version != 4 || ip.ihl < 5 || ip.protocol != IPPROTO_IPIP)
		return false;

	addr_from_v4(&o->src, ip.saddr);
	addr_from_v4(&o->dst, ip.daddr);
	o->header_len = ip.ihl * 4;
	o->total_len = bpf_ntohs(ip.tot_len);
	o->ecn = ip.tos & ECN_MASK;
	o->fragment = (ip.frag_off & bpf_htons(IP_FRAGMENT)) != 0;
	o->tail = (ip.frag_off & bpf_htons(IP_OFFSET)) != 0;
	return true;
}

/* False when there is no inner header to read. */
static __always_inline bool inner_read(struct __sk_buff *skb, const struct outer *o,
				       struct inner *in)
{
	struct iphdr ip;

	if (o->tail || !load(skb, o->header_len, &ip, sizeof(ip)) || ip.version != 4)
		return false;

	addr_from_v4(&in->dst, ip.daddr);
	in->total_len = bpf_ntohs(ip.tot_len);
	in->ecn = ip.tos & ECN_MASK;
	in->sane = ip.ihl >= 5;
	return true;
}

/* The outer packet is whole and the inner one lies within it. Lengths of a packet
 * that receive offload merged were written by the kernel, above 64 KiB as 0. */
static __always_inline bool lengths_agree(struct __sk_buff *skb, const struct outer *o,
					  const struct inner *in)
{
	__u8 last;

	if (skb->gso_size != 0)
		return true;
	if (o->header_len + in->total_len > o->total_len || in->total_len < sizeof(struct iphdr))
		return false;
	return load(skb, o->total_len - 1, &last, 1);
}

static __always_inline int decide(struct __sk_buff *skb, const struct outer *o)
{
	struct decap_prefix src = { .len = 128, .addr = o->src };
	bool trusted = bpf_map_lookup_elem(&weir_from, &src) != NULL;
	struct inner in = { 0 };
	bool readable, vip;

	if (bpf_map_lookup_elem(&weir_local, &o->dst) == NULL)
		return trusted ? pass(skb, DECAP_NOT_THIS_HOST) : TC_ACT_UNSPEC;
	if (trusted && o->fragment)
		return drop(skb, DECAP_FRAGMENT);

	readable = inner_read(skb, o, &in);
	vip = readable && bpf_map_lookup_elem(&weir_vips, &in.dst) != NULL;
	if (!trusted)
		return vip ? drop(skb, DECAP_REFUSED_SOURCE) : TC_ACT_UNSPEC;
	if (!readable || !in.sane || !lengths_agree(skb, o, &in))
		return drop(skb, DECAP_MALFORMED);
	if (!vip)
		return pass(skb, DECAP_NOT_A_VIP);

	/* RFC 6040, figure 4: a mark that the inner packet cannot carry must not
	 * get lost, so the packet is lost instead. */
	if (o->ecn == ECN_CE && in.ecn == 0)
		return drop(skb, DECAP_CONGESTED);

	/*
	 * FIXED_GSO: the payload of each segment stays as long as it was, and so
	 * stays gso_size. The helper also turns "checksum verified" into "not
	 * looked at": whether the NIC saw the outer or the inner checksum is not
	 * known here, so the kernel sums up once more.
	 */
	if (bpf_skb_adjust_room(skb, -(__s32)o->header_len, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return drop(skb, DECAP_FAILED);
	if (o->ecn == ECN_CE)
		bpf_skb_ecn_set_ce(skb);
	return pass(skb, DECAP_DECAPSULATED);
}

SEC("tc")
int weir_decap(struct __sk_buff *skb)
{
	struct outer o = { 0 };

	return outer_read(skb, &o) ? decide(skb, &o) : TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
