// SPDX-License-Identifier: Apache-2.0
/*
 * The workers' end of the way to and from the kernel.
 *
 * What a worker spends on it is bounded: for a packet a look at its class and a ring
 * slot; between two bursts PUNT_ROUND buffers of each kind. A full ring is a counted
 * drop.
 */
#include "punt.h"

#include "count.h"
#include "worker.h"

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <netinet/in.h>
#include <string.h>

#define PUNT_ROUND 32

#define BGP_PORT     RTE_BE16(179)  /* RFC 4271 */
#define BFD_PORT     RTE_BE16(3784) /* RFC 5881; 3785: echo */
#define BFD_ECHO     RTE_BE16(3785)
#define BFD_MULTIHOP RTE_BE16(4784) /* RFC 5883 */
#define PROTO_OSPF   89
#define PROTO_VRRP   112

/* ICMPv6 types of neighbour discovery: router solicitation to redirect. */
#define ND_FIRST 133
#define ND_LAST	 137

static enum punt_class class_of_ip(const struct pkt *p, uint8_t protocol)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(m, const uint8_t *, pkt_l4_off(p));
	uint16_t port[2]; /* source, destination */

	if (protocol == PROTO_OSPF || protocol == PROTO_VRRP)
		return PUNT_ROUTING;
	if (p->flags & PKT_FRAG_LATER || pkt_l4_off(p) + sizeof(port) > m->data_len)
		return PUNT_OTHER;
	if (protocol == IPPROTO_ICMPV6)
		return l4[0] >= ND_FIRST && l4[0] <= ND_LAST ? PUNT_NEIGHBOURS : PUNT_OTHER;
	memcpy(port, l4, sizeof(port));
	if (protocol == IPPROTO_TCP)
		return port[0] == BGP_PORT || port[1] == BGP_PORT ? PUNT_ROUTING : PUNT_OTHER;
	if (protocol == IPPROTO_UDP)
		return port[1] == BFD_PORT || port[1] == BFD_ECHO || port[1] == BFD_MULTIHOP
			       ? PUNT_ROUTING
			       : PUNT_OTHER;
	return PUNT_OTHER;
}

enum punt_class punt_class(const struct pkt *p)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(p->mbuf, const uint8_t *, p->l3_off);
	uint16_t type;

	if (p->flags & PKT_MALFORMED)
		return PUNT_OTHER;
	if (p->drop == WEIR_DROP_NOT_IP) {
		memcpy(&type, l3 - sizeof(type), sizeof(type));
		return type == RTE_BE16(RTE_ETHER_TYPE_ARP) ? PUNT_NEIGHBOURS : PUNT_OTHER;
	}
	/* parse has found the header whole, and with it where the next one begins. Of
	 * extension headers only what stands first is known: ND has none. */
	return class_of_ip(p, p->flags & PKT_IPV6 ? l3[6] : l3[9]);
}

/* For the kernel, as far as anybody knows: without tables there are no VIPs. */
static bool is_for_kernel(const struct pkt *p)
{
	return p->drop == WEIR_DROP_NOT_A_VIP || p->drop == WEIR_DROP_NOT_IP ||
	       p->drop == WEIR_DROP_NO_SNAPSHOT;
}

static void punt_packet(struct punt *u, struct pkt *p, uint64_t now)
{
	enum punt_class class = punt_class(p);
	bool rest = class == PUNT_OTHER;
	struct rte_ring *r = rest ? u->rest : u->first;
	uint32_t *away = rest ? &u->rest_away : &u->first_away;
	enum weir_punt kind = p->drop == WEIR_DROP_NOT_IP ? WEIR_PUNT_NOT_IP : WEIR_PUNT_NOT_A_VIP;
	uint32_t len = p->mbuf->pkt_len;

	p->mbuf->port = p->port;  /* for the punt thread: which TAP */
	p->mbuf->hash.usr = rest; /* for take_back() */
	if (*away == (rest ? PUNT_REST : PUNT_FIRST) || rte_ring_free_count(r) == 0 ||
	    !limit_take(&u->limit[p->port][class], &u->rate[p->port], now)) {
		p->drop = WEIR_DROP_PUNT_FULL;
		return;
	}
	rte_ring_enqueue(r, p->mbuf); /* the only producer: the slot is still there */
	++*away;
	p->drop = PKT_TAKEN;
	count_add(&u->count[kind], 1, len);
}

void punt_burst(struct punt *u, struct burst *b, uint64_t now)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];

		if (is_for_kernel(p) && u->ports & 1u << p->port)
			punt_packet(u, p, now);
	}
}

static void take_back(struct punt *u)
{
	struct rte_mbuf *m[PUNT_ROUND];
	uint32_t n = rte_ring_dequeue_burst(u->done, (void **)m, PUNT_ROUND, NULL), rest = 0;

	for (uint32_t i = 0; i < n; i++)
		rest += m[i]->hash.usr;
	rte_pktmbuf_free_bulk(m, n);
	u->rest_away -= rest;
	u->first_away -= n - rest;
}

/* Until the port has as many buffers as it may, or the pool has none to spare. */
static void lend(struct punt_port *port)
{
	struct rte_mbuf *m[PUNT_ROUND];
	uint32_t n = RTE_MIN(PUNT_LENT - 1 - port->lent, (uint32_t)PUNT_ROUND);

	if (n == 0 || rte_pktmbuf_alloc_bulk(port->pool, m, n) != 0)
		return;
	rte_ring_enqueue_bulk(port->blank, (void **)m, n, NULL); /* room for all there are */
	port->lent += n;
}

static void send_filled(struct worker *w, struct punt_port *port)
{
	const struct worker_tx *tx = &w->tx[port->port];
	struct rte_mbuf *m[PUNT_ROUND];
	uint32_t n = rte_ring_dequeue_burst(port->filled, (void **)m, PUNT_ROUND, NULL), sent;
	uint64_t bytes = 0, lost = 0;

	if (n == 0)
		return;
	port->lent -= n;
	for (uint32_t i = 0; i < n; i++)
		bytes += m[i]->pkt_len;
	sent = rte_eth_tx_burst(tx->ethdev, tx->queue, m, (uint16_t)n);
	for (uint32_t i = sent; i < n; i++) {
		lost += m[i]->pkt_len;
		rte_pktmbuf_free(m[i]);
	}
	count_add(&w->area->tx[port->port], sent, bytes - lost);
	count_add(&w->punt.count[WEIR_PUNT_FROM_KERNEL], sent, bytes - lost);
	count_add(&w->punt.count[WEIR_PUNT_FROM_KERNEL_LOST], n - sent, lost);
}

void punt_poll(struct worker *w)
{
	struct punt *u = &w->punt;

	take_back(u);
	for (uint32_t i = 0; i < u->home_count; i++) {
		send_filled(w, u->home[i]);
		lend(u->home[i]);
	}
}
