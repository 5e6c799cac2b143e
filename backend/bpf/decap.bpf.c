// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the outer header off what Weir tunnels to this host. Runs at tc ingress.
 *
 *   outer destination  an address of this host       else: pass
 *   outer source       in a configured prefix        else: drop if for a VIP, pass the rest
 *   inner destination  a configured VIP              else: pass; of a fragment that
 *                                                    hides it: drop
 *
 * "Pass" is TC_ACT_UNSPEC: the next tc filter sees the packet, then the kernel.
 * So does a decapsulated packet: filters behind this one see what the client sent.
 *
 * Outer IPv4 or IPv6, inner IPv4 or IPv6, one directly in the other (protocols 4 and
 * 41) or with UDP and GUE between them. What is added for another encapsulation: its
 * header in outer_read(); the rules in decide() depend on none of them.
 *
 * Only helpers and flags of kernel 6.1.
 */
#include "decap.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_FRAGMENT 0x3fff /* more-fragments flag and offset */
#define IP_OFFSET   0x1fff
#define IP6_OFFSET  0xfff8
#define ECN_MASK    3
#define ECN_CE	    3 /* congestion experienced, RFC 3168 */
#define VLAN_ID	    0xfff

/* IPv6 extension headers in front of the tunnelled packet. Weir sends none; Linux's
 * own tunnels send one, the encapsulation limit of RFC 2473. */
#define OUTER_EXTENSIONS 4
#define NEXT_HOP_BY_HOP	 0
#define NEXT_FRAGMENT	 44
#define NEXT_DEST_OPTS	 60

#define GUE_VERSION 0xc0 /* of the first byte */
#define GUE_OPTIONS 0x3f /* control flag and length of the extension fields */

/* By how much the headers of the two families differ. */
#define FAMILY_DIFF ((__s32)(sizeof(struct ipv6hdr) - sizeof(struct iphdr)))

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
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, DECAP_MAX_VIPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct decap_prefix);
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

/* UDP port of GUE; 0: none is unpacked. */
const volatile __u16 weir_gue_port = 0;

struct gue_header {
	__u8 version_control_len;
	__u8 protocol;
	__be16 flags;
};

struct outer {
	struct decap_addr src, dst;
	__u32 header_len; /* bytes in front of the inner header */
	__u32 total_len; /* bytes until the inner packet must end; 0: a merged one that says none */
	__u8 ecn;
	__u8 inner;    /* family of the inner packet, as the encapsulation has it; 0: see `wrong` */
	__u8 wrong;    /* enum decap_fate of an encapsulation that is refused; 0: none is wrong */
	bool fragment; /* any fragment */
	bool tail;     /* a fragment that does not begin with the inner header */
};

struct inner {
	struct decap_addr dst;
	__u32 header_len; /* least */
	__u32 total_len;  /* bytes; 0: a merged packet that says none */
	__u8 ecn;
	bool sane; /* version and header length agree with the encapsulation */
};

static __always_inline void addr_from_v4(struct decap_addr *a, __be32 v4)
{
	*a = (struct decap_addr){ .family = 4, .word_be = { v4 } };
}

static __always_inline void addr_from_v6(struct decap_addr *a, const struct in6_addr *v6)
{
	a->family = 6;
	__builtin_memcpy(a->word_be, v6, sizeof(a->word_be));
}

static __always_inline __u8 ecn_of_v6(const struct ipv6hdr *ip)
{
	return ip->flow_lbl[0] >> 4 & ECN_MASK;
}

/* Of a merged packet, those that the wire had. */
static __always_inline __u32 packets(const struct __sk_buff *skb)
{
	return skb->gso_segs > 1 ? skb->gso_segs : 1;
}

static __always_inline void count_as(const struct __sk_buff *skb, __u32 fate, __u32 n)
{
	struct decap_count *c = bpf_map_lookup_elem(&weir_count, &fate);

	if (c == NULL)
		return;
	c->packets += n;
	c->bytes += skb->len;
}

static __always_inline void count(const struct __sk_buff *skb, __u32 fate)
{
	count_as(skb, fate, packets(skb));
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

static __always_inline bool prefix_has(void *map, const struct decap_addr *a)
{
	struct decap_prefix key = { .len = DECAP_FAMILY_BITS + (a->family == 4 ? 32 : 128),
				    .addr = *a };

	return bpf_map_lookup_elem(map, &key) != NULL;
}

/* -- the outer packet ------------------------------------------------------------ */

static __always_inline bool outer_v4(struct __sk_buff *skb, struct outer *o, __u8 *protocol)
{
	struct iphdr ip;

	if (!load(skb, 0, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return false;
	addr_from_v4(&o->src, ip.saddr);
	addr_from_v4(&o->dst, ip.daddr);
	o->header_len = ip.ihl * 4;
	o->total_len = bpf_ntohs(ip.tot_len);
	o->ecn = ip.tos & ECN_MASK;
	o->fragment = (ip.frag_off & bpf_htons(IP_FRAGMENT)) != 0;
	o->tail = (ip.frag_off & bpf_htons(IP_OFFSET)) != 0;
	*protocol = ip.protocol;
	return true;
}

/* Step over what stands between the IPv6 header and the tunnelled packet. */
static __always_inline bool extensions_walk(struct __sk_buff *skb, struct outer *o, __u8 *next)
{
	for (int i = 0; i < OUTER_EXTENSIONS; i++) {
		struct {
			__u8 next, len;
			__be16 fragment;
		} ext;

		if (*next != NEXT_HOP_BY_HOP && *next != NEXT_DEST_OPTS && *next != NEXT_FRAGMENT)
			return true;
		if (o->tail)
			return true;
		if (!load(skb, o->header_len, &ext, sizeof(ext)))
			return false;
		if (*next == NEXT_FRAGMENT) {
			o->fragment = true;
			o->tail = (ext.fragment & bpf_htons(IP6_OFFSET)) != 0;
			o->header_len += 8;
		} else {
			o->header_len += (ext.len + 1) * 8;
		}
		*next = ext.next;
	}
	return true;
}

static __always_inline bool outer_v6(struct __sk_buff *skb, struct outer *o, __u8 *protocol)
{
	struct ipv6hdr ip;

	if (!load(skb, 0, &ip, sizeof(ip)) || ip.version != 6)
		return false;
	addr_from_v6(&o->src, &ip.saddr);
	addr_from_v6(&o->dst, &ip.daddr);
	o->header_len = sizeof(ip);
	o->total_len = sizeof(ip) + bpf_ntohs(ip.payload_len);
	o->ecn = ecn_of_v6(&ip);
	*protocol = ip.nexthdr;
	return extensions_walk(skb, o, protocol);
}

/*
 * UDP and GUE (draft-ietf-intarea-gue-09, variant 0). False when it is other UDP, or a
 * later fragment, which cannot be told from that: the kernel will not put those
 * together, as the first one is refused. The UDP checksum is not looked at: 0 is right
 * in both families (RFC 6935), and one that is there guards nothing that the checks
 * here and the inner packet's own checksums do not.
 */
static __always_inline bool gue_read(struct __sk_buff *skb, struct outer *o)
{
	struct gue_header gue;
	struct udphdr udp;
	__u32 len;

	if (weir_gue_port == 0 || o->tail || !load(skb, o->header_len, &udp, sizeof(udp)) ||
	    udp.dest != bpf_htons(weir_gue_port))
		return false;
	len = bpf_ntohs(udp.len);
	if (skb->gso_size == 0) {
		if (len < sizeof(udp) + sizeof(gue) || o->header_len + len > o->total_len)
			o->wrong = DECAP_MALFORMED;
		o->total_len = o->header_len + len;
	}
	o->header_len += sizeof(udp);
	if (!load(skb, o->header_len, &gue, sizeof(gue))) {
		o->wrong = DECAP_MALFORMED;
		return true;
	}
	o->header_len += sizeof(gue);
	if (o->wrong != 0)
		return true;
	if ((gue.version_control_len & GUE_VERSION) != 0)
		o->wrong = DECAP_GUE_VERSION;
	else if ((gue.version_control_len & GUE_OPTIONS) != 0 || gue.flags != 0)
		o->wrong = DECAP_GUE_OPTIONS;
	else if (gue.protocol != IPPROTO_IPIP && gue.protocol != IPPROTO_IPV6)
		o->wrong = DECAP_GUE_PROTOCOL;
	else
		o->inner = gue.protocol == IPPROTO_IPIP ? 4 : 6;
	return true;
}

/* True when the packet is addressed to this interface and of an encapsulation
 * that we know. */
static __always_inline bool outer_read(struct __sk_buff *skb, struct outer *o)
{
	__u8 protocol;

	if (skb->pkt_type != PACKET_HOST)
		return false;
	/* The kernel has taken the tag off, but the frame is for another interface. */
	if (skb->vlan_present && (skb->vlan_tci & VLAN_ID) != 0)
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!outer_v4(skb, o, &protocol))
			return false;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (!outer_v6(skb, o, &protocol))
			return false;
	} else {
		return false;
	}
	if (protocol == IPPROTO_UDP)
		return gue_read(skb, o);
	o->inner = protocol == IPPROTO_IPIP ? 4 : protocol == IPPROTO_IPV6 ? 6 : 0;
	return o->inner != 0;
}

/* -- the inner packet ------------------------------------------------------------ */

static __always_inline bool inner_v4(struct __sk_buff *skb, const struct outer *o, struct inner *in)
{
	struct iphdr ip;

	if (!load(skb, o->header_len, &ip, sizeof(ip)) || ip.version != 4)
		return false;
	addr_from_v4(&in->dst, ip.daddr);
	in->header_len = sizeof(ip);
	in->total_len = bpf_ntohs(ip.tot_len);
	in->ecn = ip.tos & ECN_MASK;
	in->sane = ip.ihl >= 5;
	return true;
}

static __always_inline bool inner_v6(struct __sk_buff *skb, const struct outer *o, struct inner *in)
{
	struct ipv6hdr ip;

	if (!load(skb, o->header_len, &ip, sizeof(ip)) || ip.version != 6)
		return false;
	addr_from_v6(&in->dst, &ip.daddr);
	in->header_len = sizeof(ip);
	in->total_len = sizeof(ip) + bpf_ntohs(ip.payload_len);
	in->ecn = ecn_of_v6(&ip);
	in->sane = true;
	return true;
}

/* False when there is no inner header to read. */
static __always_inline bool inner_read(struct __sk_buff *skb, const struct outer *o,
				       struct inner *in)
{
	if (o->tail || o->wrong != 0)
		return false;
	return o->inner == 4 ? inner_v4(skb, o, in) : inner_v6(skb, o, in);
}

/*
 * A first fragment that shows no inner header, or one in the padding of its frame: the
 * kernel would learn from the next one for whom it is, and a tunnel device deliver it. Of
 * GUE no fragment does, as its UDP length is that of the whole.
 */
static __always_inline bool hides_inner(const struct outer *o)
{
	__u32 len = o->inner == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return o->fragment && !o->tail &&
	       (o->wrong != 0 || o->header_len + len > o->total_len);
}

/* The outer packet is whole and the inner one lies within it. Lengths of a packet
 * that receive offload merged were written by the kernel, above 64 KiB as 0. */
static __always_inline bool lengths_agree(struct __sk_buff *skb, const struct outer *o,
					  const struct inner *in)
{
	__u8 last;

	if (skb->gso_size != 0)
		return true;
	if (o->header_len + in->total_len > o->total_len || in->total_len < in->header_len)
		return false;
	return load(skb, o->total_len - 1, &last, 1);
}

/* -- what becomes of it ---------------------------------------------------------- */

/*
 * Take everything in front of the inner header off. Where the families differ, the
 * kernel must be told what the packet is now: bpf_skb_adjust_room() has flags for that
 * since 6.3 only. bpf_skb_change_proto() is older: it makes the header in front 20 bytes
 * longer or shorter, which goes with the rest, and sets what the kernel goes by.
 *
 * FIXED_GSO: the payload of each segment stays as long as it was, and so stays
 * gso_size. The helper also turns "checksum verified" into "not looked at": whether
 * the NIC saw the outer or the inner checksum is not known here, so the kernel sums
 * up once more.
 */
static __always_inline bool take_off(struct __sk_buff *skb, const struct outer *o)
{
	const __be16 type = o->inner == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	__s32 len = (__s32)o->header_len;

	if (o->inner == o->dst.family)
		return bpf_skb_adjust_room(skb, -len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) ==
		       0;

	if (bpf_skb_change_proto(skb, type, 0) < 0)
		return false;
	len += o->inner == 6 ? FAMILY_DIFF : -FAMILY_DIFF;
	if (bpf_skb_adjust_room(skb, -len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return false;
	return weir_link_header != ETH_HLEN ||
	       bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type), 0) ==
		       0;
}

/* Hand the mark of a congested router on. The helper changes only what lies in the
 * linear part, and says nothing when it does not. */
static __always_inline bool mark(struct __sk_buff *skb, const struct inner *in)
{
	if (bpf_skb_pull_data(skb, weir_link_header + in->header_len) < 0)
		return false;
	return bpf_skb_ecn_set_ce(skb) != 0;
}

static __always_inline int decide(struct __sk_buff *skb, const struct outer *o)
{
	bool trusted = prefix_has(&weir_from, &o->src), readable, vip;
	struct inner in = { 0 };
	__u32 merged = packets(skb); /* take_off() makes the kernel forget it */

	if (bpf_map_lookup_elem(&weir_local, &o->dst) == NULL)
		return trusted ? pass(skb, DECAP_NOT_THIS_HOST) : TC_ACT_UNSPEC;
	if (o->fragment && (trusted || hides_inner(o)))
		return drop(skb, DECAP_FRAGMENT);
	if (trusted && o->wrong != 0)
		return drop(skb, o->wrong);

	readable = inner_read(skb, o, &in);
	vip = readable && prefix_has(&weir_vips, &in.dst);
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
	if (!take_off(skb, o) || (o->ecn == ECN_CE && in.ecn != ECN_CE && !mark(skb, &in))) {
		count_as(skb, DECAP_FAILED, merged);
		return TC_ACT_SHOT;
	}
	count_as(skb, DECAP_DECAPSULATED, merged);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int weir_decap(struct __sk_buff *skb)
{
	struct outer o = { 0 };

	return outer_read(skb, &o) ? decide(skb, &o) : TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
