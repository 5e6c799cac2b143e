// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 5: make the frame that leaves (docs/encap.md).
 *
 *   l2    the Ethernet header alone is new: the next hop's MAC, our port's MAC
 *   ipip  outer IPv4 header in front of the client's packet (RFC 2003)
 *
 * Reads:  mbuf, l3_off, ip_len, pool, backend.  Writes: the frame, port; or drop.
 *
 * From the IP header on, the client's packet is not touched. A backend is one
 * cache line with the outer header made ready; what differs from packet to packet
 * is the ToS and the length, and the checksum's share of these.
 */
#include "pipeline.h"
#include "view.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <string.h>

/* The first quarter of struct weir_backend: all that decides about a packet. */
struct next_hop {
	uint8_t dmac[6];
	uint16_t vlan_be;
	uint8_t port;
	uint8_t flags;
	uint8_t encap;
	uint8_t reserved0;
	uint16_t mtu;
	uint16_t gue_port_be;
};
static_assert(sizeof(struct next_hop) == offsetof(struct weir_backend, outer),
	      "the same bytes as in the shared line");
static_assert(offsetof(struct next_hop, mtu) == offsetof(struct weir_backend, mtu),
	      "the same bytes as in the shared line");

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

/* Cut the frame behind its first `len` bytes, which it has. */
static void frame_trim(struct rte_mbuf *m, uint32_t len)
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
	if (new_len == old_len)
		return rte_pktmbuf_mtod(m, uint8_t *);
	if (new_len > old_len)
		return (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)(new_len - old_len));
	return (uint8_t *)rte_pktmbuf_adj(m, (uint16_t)(old_len - new_len));
}

static inline uint8_t *write_be16(uint8_t *at, uint16_t value_be)
{
	memcpy(at, &value_be, sizeof(value_be));
	return at + sizeof(value_be);
}

/* Returns where the IP header goes. Frames may start at any address: bytes only. */
static inline uint8_t *write_link(uint8_t *at, const struct next_hop *h, const struct egress *out)
{
	memcpy(at, h->dmac, sizeof(h->dmac));
	memcpy(at + sizeof(h->dmac), out->mac, sizeof(out->mac));
	at += sizeof(h->dmac) + sizeof(out->mac);
	if (unlikely(h->vlan_be != 0)) {
		at = write_be16(at, RTE_BE16(RTE_ETHER_TYPE_VLAN));
		at = write_be16(at, h->vlan_be);
	}
	return write_be16(at, RTE_BE16(RTE_ETHER_TYPE_IPV4));
}

/*
 * The backend's ready header with the two fields that are the packet's: the ToS
 * of the client's packet (DSCP as RFC 2983 says for the uniform model, ECN as the
 * normal mode of RFC 6040) and the total length. Both are 0 in the ready header,
 * so that adding them to its sum is all that RFC 1624 leaves to do.
 */
static inline void write_outer4(uint8_t *at, const struct weir_backend *be, uint8_t tos,
				uint16_t total_len)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;
	uint32_t sum;

	memcpy(ip, be->outer, sizeof(*ip));
	ip->type_of_service = tos;
	ip->total_length = rte_cpu_to_be_16(total_len);

	/* Words in network order: the ToS is the low byte of the first. */
	sum = (uint16_t)~ip->hdr_checksum;
	sum += rte_cpu_to_be_16(tos);
	sum += ip->total_length;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->hdr_checksum = (uint16_t)~sum;
}

static inline enum weir_drop encap_packet(const struct view *v, const struct egress *ports,
					  struct pkt *p)
{
	const struct weir_backend *be = &v->backend[p->backend];
	const struct next_hop h = next_hop_load(be);
	const struct egress *out = &ports[h.port % WEIR_MAX_PORTS];
	uint32_t link_len, outer_len = 0, mtu = RTE_MIN(h.mtu, out->mtu);
	uint8_t *at, tos = 0;

	if (unlikely(!(h.flags & WEIR_BACKEND_FORWARD)))
		return WEIR_DROP_BACKEND_OFF;
	if (unlikely(!(h.flags & WEIR_BACKEND_RESOLVED)))
		return WEIR_DROP_NO_NEXT_HOP;
	if (unlikely(h.port >= WEIR_MAX_PORTS || out->mtu == 0))
		return WEIR_DROP_NO_PORT;

	if (h.encap == WEIR_ENCAP_IPIP4) {
		const struct rte_ipv4_hdr *inner =
			rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_ipv4_hdr *, p->l3_off);

		outer_len = sizeof(struct rte_ipv4_hdr);
		tos = inner->type_of_service;
	} else if (unlikely(h.encap != WEIR_ENCAP_L2)) {
		return WEIR_DROP_BACKEND_OFF; /* no encapsulation of this version */
	}
	if (unlikely(p->ip_len + outer_len > mtu))
		return WEIR_DROP_TOO_BIG;

	link_len = sizeof(struct rte_ether_hdr);
	if (unlikely(h.vlan_be != 0))
		link_len += sizeof(struct rte_vlan_hdr);

	/* Padding of the link it came by does not belong into the tunnel. */
	if (outer_len != 0 && p->mbuf->pkt_len > (uint32_t)p->l3_off + p->ip_len)
		frame_trim(p->mbuf, (uint32_t)p->l3_off + p->ip_len);

	at = frame_restart(p->mbuf, p->l3_off, link_len + outer_len);
	if (unlikely(at == NULL))
		return WEIR_DROP_NO_HEADROOM;
	at = write_link(at, &h, out);
	if (outer_len != 0)
		write_outer4(at, be, tos, (uint16_t)(p->ip_len + outer_len));
	p->port = h.port;
	return WEIR_DROP_NONE;
}

void encap_burst(const struct view *v, const struct egress *ports, struct burst *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (likely(b->pkt[i].drop == WEIR_DROP_NONE))
			b->pkt[i].drop = encap_packet(v, ports, &b->pkt[i]);
}
