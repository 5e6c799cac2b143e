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

/* All but the packets that most backends get, IPv4 by l2 or ipip over IPv4. */
static __rte_noinline enum weir_drop encap_other(struct pkt *p, const struct next_hop *h,
						 const struct egress *out,
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
	else if (h.encap == WEIR_ENCAP_IPIP4 && !ipv6)
		drop = encap_tunnel(p, &h, out, be, false, false, false);
	else
		drop = encap_other(p, &h, out, be, ipv6);
	if (likely(drop == WEIR_DROP_NONE))
		p->port = h.port;
	return drop;
}

/* Fields of the second word of a backend's line. */
#define HOP_BYTE(field, value) \
	((uint64_t)(value) << 8 * (offsetof(struct weir_backend, field) - sizeof(uint64_t)))
#define HOP_PLAIN_BITS                                                                  \
	(HOP_BYTE(port, UINT8_MAX - (WEIR_MAX_PORTS - 1)) | HOP_BYTE(flags, READY) |    \
	 HOP_BYTE(encap, UINT8_MAX) | HOP_BYTE(source_bits, UINT8_MAX))
#define HOP_PLAIN_L2   (HOP_BYTE(flags, READY) | HOP_BYTE(encap, WEIR_ENCAP_L2))
#define HOP_PLAIN_IPIP (HOP_BYTE(flags, READY) | HOP_BYTE(encap, WEIR_ENCAP_IPIP4))
static_assert((WEIR_MAX_PORTS & (WEIR_MAX_PORTS - 1)) == 0, "a mask bounds a port");
static_assert(offsetof(struct weir_backend, vlan_be) == 6 &&
		      offsetof(struct weir_backend, port) == 8 &&
		      RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN,
	      "where the words have them");

/*
 * Untagged on both sides, by l2, or IPv4 by ipip over IPv4 in one segment: what most
 * frames are. The same as encap_packet() does, from two words of the backend's line in
 * registers. False: nothing was done, and encap_packet() knows the way or the reason.
 */
static __rte_always_inline bool encap_plain(const struct view *v, const struct egress *ports,
					    struct pkt *p)
{
	const struct weir_backend *be = &v->backend[p->backend];
	const struct next_hop h = next_hop_load(be);
	const uint32_t outer_len = sizeof(struct rte_ipv4_hdr);
	struct rte_mbuf *m = p->mbuf;
	uint32_t len = p->ip_len, port;
	uint64_t link, rest, mac;
	uint16_t most;
	uint8_t *at;

	memcpy(&link, &h, sizeof(link));
	memcpy(&rest, (const uint8_t *)&h + sizeof(link), sizeof(rest));
	port = rest & (WEIR_MAX_PORTS - 1);
	memcpy(&mac, &ports[port], sizeof(mac));
	most = RTE_MIN((uint16_t)(rest >> 32), (uint16_t)(mac >> 48));
	rest &= HOP_PLAIN_BITS;

	if (unlikely(p->l3_off != LINK_LEN || link >> 48 != 0))
		return false;
	at = rte_pktmbuf_mtod(m, uint8_t *);
	if (rest == HOP_PLAIN_L2) {
		if (unlikely(len > most))
			return false;
	} else {
		struct outer o = { .len = len, .tos = at[LINK_LEN + 1], .protocol = IPPROTO_IPIP };

		len += outer_len;
		if (unlikely(rest != HOP_PLAIN_IPIP || p->flags & PKT_IPV6 || len > most ||
			     m->nb_segs != 1 || m->data_off < outer_len))
			return false;
		at -= outer_len;
		m->data_off -= (uint16_t)outer_len;
		m->data_len = (uint16_t)(len + LINK_LEN);
		m->pkt_len = len + LINK_LEN;
		outer_write4(at + LINK_LEN, be->outer, &o);
		write_be16(at + 2 * RTE_ETHER_ADDR_LEN, RTE_BE16(RTE_ETHER_TYPE_IPV4));
	}
	/* With `l2` the Ethernet type stands behind them as it came. */
	link |= mac << 48;
	memcpy(at, &link, sizeof(link));
	mac >>= 16;
	memcpy(at + sizeof(link), &mac, sizeof(uint32_t));
	p->port = (uint8_t)port;
	return true;
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

void encap_burst(const struct view *v, const struct egress *ports, struct burst *b)
{
	uint32_t i = 0;

	if (likely(!b->dropped))
		while (i < b->n && likely(encap_plain(v, ports, &b->pkt[i])))
			i++;
	if (unlikely(i < b->n))
		encap_mixed(v, ports, b, i);
}

uint32_t encap_room(const struct view *v, const struct egress *ports, const struct pkt *p)
{
	const struct next_hop h = next_hop_load(&v->backend[p->backend]);
	uint32_t mtu = RTE_MIN(h.mtu, ports[h.port % WEIR_MAX_PORTS].mtu);
	uint32_t overhead = encap_overhead(h.encap);

	return mtu > overhead ? mtu - overhead : 0;
}
