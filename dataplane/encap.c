// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 5: make the frame that leaves (docs/encap.md).
 *
 *   l2    the Ethernet header alone is new: the next hop's MAC, our port's MAC
 *   ipip  outer IPv4 or IPv6 header in front of the client's packet (RFC 2003, RFC 2473)
 *   gue   outer IP header, UDP and GUE
 *
 * Reads:  mbuf, l3_off, ip_len, flow_hash, backend.  Writes: the frame, port; or drop,
 * and then the frame and port are as they were.
 *
 * From the IP header on, the client's packet is not touched. A backend is one
 * cache line with the outer header made ready (outer.h).
 */
#include "bytes16.h"
#include "outer.h"
#include "pipeline.h"
#include "view.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <netinet/in.h>
#include <string.h>

/* The first quarter of struct weir_backend: all that decides about a packet. */
struct next_hop {
	uint8_t dmac[6];
	uint16_t vlan_be;
	uint8_t port;
	uint8_t flags;
	uint8_t encap;
	uint8_t source_bits;
	uint16_t mtu;
	uint16_t gue_port_be;
};
static_assert(sizeof(struct next_hop) == offsetof(struct weir_backend, outer),
	      "the same bytes as in the shared line");
static_assert(offsetof(struct next_hop, mtu) == offsetof(struct weir_backend, mtu),
	      "the same bytes as in the shared line");

#define LINK_LEN RTE_ETHER_HDR_LEN /* untagged */

#define READY (WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED)

/* A peer may write the line while we look at it. What is checked must be what is
 * used: two loads, then only the copy. */
static inline struct next_hop next_hop_load(const struct weir_backend *be)
{
	typedef uint64_t __attribute__((may_alias)) word;
	const word *from = (const word *)be;
	uint64_t w[2] = { __atomic_load_n(&from[0], __ATOMIC_RELAXED),
			  __atomic_load_n(&from[1], __ATOMIC_RELAXED) };
	struct next_hop h;

	memcpy(&h, w, sizeof(h));
	return h;
}

/* Cut a frame of several segments behind its first `len` bytes, which it has. */
static void trim_segments(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *last = m, *rest;
	uint16_t segs = 1;

	m->pkt_len = len;
	for (; len > last->data_len; last = last->next, segs++)
		len -= last->data_len;
	last->data_len = (uint16_t)len;
	m->nb_segs = segs;

	rest = last->next;
	last->next = NULL;
	while (rest != NULL) {
		struct rte_mbuf *next = rest->next;

		rte_pktmbuf_free_seg(rest);
		rest = next;
	}
}

/* Move the start of the frame so that `new_len` bytes stand before what is now at
 * `old_len`. Returns the new start; NULL if the buffer has no room for it. */
static inline uint8_t *frame_restart(struct rte_mbuf *m, uint32_t old_len, uint32_t new_len)
{
	if (new_len > old_len)
		return (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)(new_len - old_len));
	return (uint8_t *)rte_pktmbuf_adj(m, (uint16_t)(old_len - new_len));
}

/* The same, and the frame ends `ip_len` bytes behind the new headers: padding of
 * the link it came by does not belong into a tunnel. */
static inline uint8_t *frame_wrap(struct rte_mbuf *m, uint32_t old_len, uint32_t new_len,
				  uint32_t ip_len)
{
	if (unlikely(m->nb_segs > 1)) {
		uint8_t *at = frame_restart(m, old_len, new_len);

		if (at != NULL && m->pkt_len > new_len + ip_len)
			trim_segments(m, new_len + ip_len);
		return at;
	}
	if (unlikely(m->data_off + old_len < new_len))
		return NULL;
	m->data_off = (uint16_t)(m->data_off + old_len - new_len);
	m->data_len = (uint16_t)(new_len + ip_len);
	m->pkt_len = new_len + ip_len;
	return rte_pktmbuf_mtod(m, uint8_t *);
}

static inline uint8_t *write_be16(uint8_t *at, uint16_t value_be)
{
	memcpy(at, &value_be, sizeof(value_be));
	return at + sizeof(value_be);
}

/*
 * Returns where the IP header goes. Frames may start at any address: bytes only.
 * Each copy takes the two bytes behind the address along, to be one store; what
 * follows comes over them.
 */
static inline uint8_t *write_link(uint8_t *at, const struct next_hop *h, const struct egress *out,
				  bool ipv6)
{
	memcpy(at, h, sizeof(uint64_t));
	memcpy(at + RTE_ETHER_ADDR_LEN, out, sizeof(uint64_t));
	at += 2 * RTE_ETHER_ADDR_LEN;
	if (unlikely(h->vlan_be != 0)) {
		at = write_be16(at, RTE_BE16(RTE_ETHER_TYPE_VLAN));
		at = write_be16(at, h->vlan_be);
	}
	return write_be16(at, ipv6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4));
}

/* Both addresses of a frame: of the next hop, as its line begins, and those of `link`. */
static __rte_always_inline void write_addresses(uint8_t *at, bytes16 hop, bytes16 link)
{
	typedef uint64_t __attribute__((vector_size(16))) words;
	typedef uint32_t __attribute__((vector_size(16))) halves;
	const bytes16 both = __builtin_shufflevector(hop, link, 0, 1, 2, 3, 4, 5, 22, 23, 24, 25,
						     26, 27, 28, 29, 30, 31);
	const uint64_t first = ((words)both)[0];
	const uint32_t rest = ((halves)both)[2];

	memcpy(at, &first, sizeof(first));
	memcpy(at + sizeof(first), &rest, sizeof(rest));
}

static inline uint32_t link_len(const struct next_hop *h)
{
	return unlikely(h->vlan_be != 0) ? RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN : RTE_ETHER_HDR_LEN;
}

static __rte_always_inline enum weir_drop encap_l2(struct pkt *p, const struct next_hop *h,
						   const struct egress *out, bool ipv6)
{
	uint8_t *at = rte_pktmbuf_mtod(p->mbuf, uint8_t *);

	if (unlikely(p->ip_len > RTE_MIN(h->mtu, out->mtu)))
		return WEIR_DROP_TOO_BIG;
	if (unlikely(p->l3_off != link_len(h))) {
		at = frame_restart(p->mbuf, p->l3_off, link_len(h));
		if (at == NULL)
			return WEIR_DROP_NO_HEADROOM;
	}
	write_link(at, h, out, ipv6);
	return WEIR_DROP_NONE;
}

/* The parameters behind `be` are known to the compiler in each use. */
static __rte_always_inline enum weir_drop encap_tunnel(struct pkt *p, const struct next_hop *h,
						       const struct egress *out,
						       const struct weir_backend *be, bool outer6,
						       bool gue, bool inner6)
{
	const uint32_t outer_ip =
		outer6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	const uint32_t outer_udp = gue ? OUTER_UDP_LEN + OUTER_GUE_LEN : 0;
	const uint32_t mtu = RTE_MIN(h->mtu, out->mtu);
	struct outer o;
	uint8_t *at;

	if (unlikely(p->ip_len + outer_ip + outer_udp > mtu))
		return WEIR_DROP_TOO_BIG;
	at = rte_pktmbuf_mtod_offset(p->mbuf, uint8_t *, p->l3_off);
	o = (struct outer){ .hash = p->flow_hash,
			    .len = p->ip_len + outer_udp,
			    .tos = outer_tos_of(at, inner6),
			    .protocol = inner6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
			    .source_bits = h->source_bits,
			    .gue = gue };
	at = frame_wrap(p->mbuf, p->l3_off, link_len(h) + outer_ip + outer_udp, p->ip_len);
	if (unlikely(at == NULL))
		return WEIR_DROP_NO_HEADROOM;
	at = write_link(at, h, out, outer6);
	at = outer6 ? outer_write6(at, be->outer, &o) : outer_write4(at, be->outer, &o);
	if (gue)
		outer_write_gue(at, h->gue_port_be, &o);
	return WEIR_DROP_NONE;
}

static enum weir_drop encap_other(struct pkt *p, const struct next_hop *h, const struct egress *out,
				  const struct weir_backend *be, bool ipv6)
{
	switch (h->encap) {
	case WEIR_ENCAP_IPIP4:
		return encap_tunnel(p, h, out, be, false, false, ipv6);
	case WEIR_ENCAP_IPIP6:
		return encap_tunnel(p, h, out, be, true, false, ipv6);
	case WEIR_ENCAP_GUE4:
		return encap_tunnel(p, h, out, be, false, true, ipv6);
	case WEIR_ENCAP_GUE6:
		return encap_tunnel(p, h, out, be, true, true, ipv6);
	default:
		return WEIR_DROP_BACKEND_OFF; /* no encapsulation of this version */
	}
}

static __rte_always_inline enum weir_drop
encap_packet(const struct view *v, const struct egress *ports, struct pkt *p, bool ipv6)
{
	const struct weir_backend *be = &v->backend[p->backend];
	const struct next_hop h = next_hop_load(be);
	const struct egress *out = &ports[h.port % WEIR_MAX_PORTS];
	enum weir_drop drop;

	if (unlikely((h.flags & READY) != READY))
		return h.flags & WEIR_BACKEND_FORWARD ? WEIR_DROP_NO_NEXT_HOP
						      : WEIR_DROP_BACKEND_OFF;
	if (unlikely(h.port >= WEIR_MAX_PORTS || out->mtu == 0))
		return WEIR_DROP_NO_PORT;
	if (h.encap == WEIR_ENCAP_L2)
		drop = encap_l2(p, &h, out, ipv6);
	else
		drop = encap_other(p, &h, out, be, ipv6);
	if (likely(drop == WEIR_DROP_NONE))
		p->port = h.port;
	return drop;
}

/* What encap_plain() looks at in the first 16 bytes of a backend's line: untagged, the
 * port, ready, the encapsulation, no bits of the hash in the source, the MTU. */
static const uint8_t plain_bits[16] = {
	[offsetof(struct next_hop, vlan_be)] = 0xff,
	0xff,
	[offsetof(struct next_hop, port)] = 0xff,
	[offsetof(struct next_hop, flags)] = READY,
	[offsetof(struct next_hop, encap)] = 0xff,
	[offsetof(struct next_hop, source_bits)] = 0xff,
	[offsetof(struct next_hop, mtu)] = 0xff,
	0xff,
};

/* The same of every packet of a burst that goes the plain way. */
struct plain {
	bytes16 hop;  /* what plain_bits are to be */
	bytes16 link; /* behind the first address of the frame: our own */
	uint8_t port;
	uint8_t encap;
};

/* Loaded once, as next_hop_load() does. */
static inline bytes16 hop_load(const struct weir_backend *be)
{
	return *(const volatile bytes16 *)be;
}

static inline bool outer_is_6(uint8_t encap)
{
	return encap == WEIR_ENCAP_IPIP6 || encap == WEIR_ENCAP_GUE6;
}

/* A tunnel in front of a packet of its own family, which fits the MTU. Returns the new
 * start, or NULL, with nothing done. */
static __rte_always_inline uint8_t *plain_tunnel(const struct pkt *p, struct rte_mbuf *m,
						 const struct weir_backend *be, uint8_t encap)
{
	const bool v6 = outer_is_6(encap);
	const bool gue = encap == WEIR_ENCAP_GUE4 || encap == WEIR_ENCAP_GUE6;
	const uint32_t outer_len = encap_overhead(encap);
	const uint32_t len = p->ip_len + outer_len;
	uint8_t *at, *behind;
	struct outer o;

	if (unlikely((v6 && !(p->flags & PKT_IPV6)) || m->nb_segs != 1 || m->data_off < outer_len))
		return NULL;
	at = rte_pktmbuf_mtod(m, uint8_t *);
	o = (struct outer){ .hash = p->flow_hash,
			    .len = p->ip_len + (gue ? OUTER_UDP_LEN + OUTER_GUE_LEN : 0),
			    .tos = outer_tos_of(at + LINK_LEN, v6),
			    .protocol = v6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
			    .gue = gue };
	at -= outer_len;
	m->data_off -= (uint16_t)outer_len;
	m->data_len = (uint16_t)(len + LINK_LEN);
	m->pkt_len = len + LINK_LEN;
	behind = v6 ? outer_write6(at + LINK_LEN, be->outer, &o)
		    : outer_write4(at + LINK_LEN, be->outer, &o);
	if (gue)
		outer_write_gue(behind, be->gue_port_be, &o);
	write_be16(at + 2 * RTE_ETHER_ADDR_LEN,
		   v6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4));
	return at;
}

/*
 * The first packets of the burst, as far as they go the plain way: untagged on both sides,
 * by one port, with one encapsulation and one MTU, which fits them all. The same as
 * encap_packet() does, but only the first one's port is noted; what is checked of a backend
 * is one compare. Returns how many.
 */
static __rte_always_inline uint32_t encap_plain(const struct view *v, const struct plain *all,
						struct burst *b, uint8_t encap)
{
	const struct weir_backend *backend = v->backend;
	const uint32_t n = b->n;
	uint64_t bytes = 0;
	uint32_t i;

#pragma GCC unroll 4
	for (i = 0; i < n; i++) {
		struct pkt *p = &b->pkt[i];
		struct rte_mbuf *m = p->mbuf;
		const struct weir_backend *be = &backend[p->backend];
		const bytes16 hop = hop_load(be);
		uint8_t *at;

		if (unlikely(bytes16_differ(hop, all->hop, bytes16_load(plain_bits))))
			break;
		if (encap == WEIR_ENCAP_L2) {
			at = rte_pktmbuf_mtod(m, uint8_t *);
		} else {
			at = plain_tunnel(p, m, be, encap);
			if (unlikely(at == NULL))
				break;
		}
		write_addresses(at, hop, all->link);
		if (encap != WEIR_ENCAP_L2)
			bytes += m->pkt_len;
	}
	if (encap != WEIR_ENCAP_L2)
		b->bytes = bytes;
	if (likely(i != 0))
		b->pkt[0].port = all->port;
	return i;
}

static __rte_noinline void encap_mixed(const struct view *v, const struct egress *ports,
				       struct burst *b, uint32_t from)
{
	for (uint32_t i = from; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];
		enum weir_drop drop;

		if (p->drop != WEIR_DROP_NONE)
			continue;
		drop = encap_packet(v, ports, p, p->flags & PKT_IPV6);
		if (unlikely(drop != WEIR_DROP_NONE)) {
			p->drop = (uint8_t)drop;
			b->dropped = true;
		}
	}
}

/* Does every packet of the burst fit `mtu` with `overhead` bytes in front of it? */
static inline bool all_fit(const struct burst *b, uint32_t overhead, uint32_t mtu)
{
	uint32_t longest = 0;

	if (likely(b->lens + overhead <= mtu))
		return true;
	for (uint32_t i = 0; i < b->n; i++)
		longest = RTE_MAX(longest, b->pkt[i].ip_len);
	return longest + overhead <= mtu;
}

/* As the first packet's backend has it. False: its packets do not go the plain way. */
static inline bool plain_of(const struct view *v, const struct egress *ports, const struct burst *b,
			    struct plain *all)
{
	const bytes16 hop = hop_load(&v->backend[b->pkt[0].backend]);
	struct next_hop h;

	memcpy(&h, &hop, sizeof(h));
	if (h.port >= WEIR_MAX_PORTS || (h.flags & READY) != READY || h.vlan_be != 0 ||
	    h.source_bits != 0)
		return false;
	/* IPv4 in IPv4 goes by the whole burst, IPv6 in IPv6 by each packet. */
	if (b->seen & PKT_IPV6 && h.encap != WEIR_ENCAP_L2 && !outer_is_6(h.encap))
		return false;
	if (!all_fit(b, encap_overhead(h.encap), RTE_MIN(h.mtu, ports[h.port].mtu)))
		return false;
	*all = (struct plain){ .hop = hop, .port = h.port, .encap = h.encap };
	memcpy((uint8_t *)&all->link + RTE_ETHER_ADDR_LEN, ports[h.port].mac, RTE_ETHER_ADDR_LEN);
	return true;
}

/* Each encapsulation with code of its own. Returns how many went the plain way. */
static inline uint32_t encap_first(const struct view *v, const struct egress *ports,
				   struct burst *b)
{
	struct plain all;

	if (!plain_of(v, ports, b, &all))
		return 0;
	switch (all.encap) {
	case WEIR_ENCAP_L2:
		return encap_plain(v, &all, b, WEIR_ENCAP_L2);
	case WEIR_ENCAP_IPIP4:
		return encap_plain(v, &all, b, WEIR_ENCAP_IPIP4);
	case WEIR_ENCAP_IPIP6:
		return encap_plain(v, &all, b, WEIR_ENCAP_IPIP6);
	case WEIR_ENCAP_GUE4:
		return encap_plain(v, &all, b, WEIR_ENCAP_GUE4);
	case WEIR_ENCAP_GUE6:
		return encap_plain(v, &all, b, WEIR_ENCAP_GUE6);
	default:
		return 0;
	}
}

/* What all packets of a burst have in common as they leave, where rx did not know it. */
static void gather(struct burst *b)
{
	uint8_t differ = 0;

	b->bytes = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		differ |= b->pkt[i].port ^ b->pkt[0].port;
		b->leaving[i] = b->pkt[i].mbuf;
		b->bytes += b->pkt[i].mbuf->pkt_len;
	}
	b->one_port = differ == 0;
}

void encap_burst(const struct view *v, const struct egress *ports, struct burst *b)
{
	uint32_t done = 0;

	if (likely(!b->dropped && !(b->seen & PKT_TAGGED)))
		done = encap_first(v, ports, b);
	b->one_port = done == b->n;
	if (likely(b->one_port && b->as_taken && !(b->seen & PKT_FRAGMENT)))
		return;
	/* Fragments may still be dropped: then tx looks at each one's port. */
	for (uint32_t i = 1; i < done; i++)
		b->pkt[i].port = b->pkt[0].port;
	encap_mixed(v, ports, b, done);
	if (!b->dropped)
		gather(b);
}

uint32_t encap_room(const struct view *v, const struct egress *ports, const struct pkt *p)
{
	const struct next_hop h = next_hop_load(&v->backend[p->backend]);
	uint32_t mtu = RTE_MIN(h.mtu, ports[h.port % WEIR_MAX_PORTS].mtu);
	uint32_t overhead = encap_overhead(h.encap);

	return mtu > overhead ? mtu - overhead : 0;
}
