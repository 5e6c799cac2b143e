// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 6: send each packet by its port, free what was dropped or not taken, and
 * count every packet once.
 *
 * Reads:  port, drop, service, backend, ip_len.  Takes every mbuf of the burst.
 *
 * Nearly all bursts leave by one port and whole: those are sent as they stand in
 * `leaving`, and gone over once, to count. The others are sorted by port first.
 *
 * Bytes by port and by drop reason are bytes of frames (without preamble and
 * FCS), as they were when the packet left or was given up. Bytes by service and
 * by backend are bytes of IP as the client sent it, whatever was put around it:
 * the figure that a backend's own counters can be compared with. What is lost once the
 * service is known is counted there by reason too, packets alone; before that, for the VIP.
 */
#include "count.h"
#include "pipeline.h"
#include "worker.h"

#include <rte_branch_prediction.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <string.h>

/* Packets of one burst that leave by one port. */
struct leaving {
	uint32_t n;
	uint64_t bytes; /* of frames */
	struct rte_mbuf *mbuf[WEIR_BURST];
	const struct pkt *pkt[WEIR_BURST];
};

static void drop(struct worker *w, struct rte_mbuf *m, unsigned reason)
{
	count_add(&w->area->drop[reason], 1, m->pkt_len);
	rte_pktmbuf_free(m);
}

/* For its VIP, or its service and its backend, where the reason tells that it has these. */
static void count_one(struct worker *w, const struct pkt *p, unsigned reason)
{
	unsigned column = count_drop_column(p, reason);

	if (column != WEIR_COLUMNS && !(p->flags & (PKT_ANSWER | PKT_NO_ADDRESS)))
		count_column(w->area, p->service, p->backend, column);
}

void count_lost(struct worker *w, const struct burst *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		count_one(w, &b->pkt[i], b->pkt[i].drop);
}

/* Hand over `n` frames of `bytes` bytes. Returns how many of them the driver took: it
 * owns them, and from here on only pkt says anything of them. */
static inline uint32_t send_by(struct worker *w, unsigned port, struct rte_mbuf **m, uint32_t n,
			       uint64_t bytes)
{
	const struct worker_tx *tx = &w->tx[port];
	uint32_t sent = rte_eth_tx_burst(tx->ethdev, tx->queue, m, (uint16_t)n);

	for (uint32_t i = sent; i < n; i++) {
		bytes -= m[i]->pkt_len;
		drop(w, m[i], WEIR_DROP_TX_FULL);
	}
	count_add(&w->area->tx[port], sent, bytes);
	return sent;
}

/* One packet, and its bytes of IP: the low ones of its state. */
static inline count_both count_of(const struct pkt *p)
{
	count_both both;

	memcpy(&both, &p->choice, sizeof(both));
	return (both & (count_both){ 0, UINT16_MAX }) | (count_both){ 1, 0 };
}
static_assert(offsetof(struct pkt, state) == offsetof(struct pkt, choice) + sizeof(uint64_t) &&
		      offsetof(struct pkt, ip_len) == offsetof(struct pkt, state),
	      "where count_of() finds it");

/* For its backend and its service. */
static inline void count_sent(struct worker *w, const struct pkt *p)
{
	const count_both both = count_of(p);

	count_add_both(&w->area->backend[p->backend], both);
	count_add_both(&w->area->service[p->service], both);
}

/* The same of the first `sent` packets of a burst of one service. */
static inline void count_alike(struct worker *w, const struct burst *b, uint32_t sent)
{
	struct weir_count *backend = w->area->backend;
	count_both all = { 0 };

#pragma GCC unroll 4
	for (uint32_t i = 0; i < sent; i++) {
		const struct pkt *p = &b->pkt[i];
		const count_both both = count_of(p);

		count_add_both(&backend[p->backend], both);
		all += both;
	}
	count_add_both(&w->area->service[b->pkt[0].service], all);
}

static void send_sorted(struct worker *w, unsigned port, struct leaving *l)
{
	uint32_t sent = send_by(w, port, l->mbuf, l->n, l->bytes);

	for (uint32_t i = 0; i < sent; i++)
		count_sent(w, l->pkt[i]);
	for (uint32_t i = sent; i < l->n; i++)
		count_one(w, l->pkt[i], WEIR_DROP_TX_FULL);
}

/* Rare by its rate limit. Neither a service nor a backend has a part in it. */
static void send_answer(struct worker *w, struct pkt *p)
{
	send_by(w, p->port, &p->mbuf, 1, p->mbuf->pkt_len);
	p->drop = PKT_TAKEN;
}

/* Free what was dropped, and send the rest, port by port. */
static void sort(struct worker *w, struct burst *b)
{
	struct leaving l;
	uint32_t ports = 0; /* bit: has packets that leave by it */

	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];

		if (p->flags & PKT_ANSWER) {
			send_answer(w, p);
		} else if (p->drop == WEIR_DROP_NONE) {
			ports |= 1u << p->port;
		} else if (p->drop != PKT_TAKEN) {
			drop(w, p->mbuf, p->drop);
		}
	}
	while (ports != 0) {
		unsigned port = (unsigned)__builtin_ctz(ports);

		ports &= ports - 1;
		l.n = 0;
		l.bytes = 0;
		for (uint32_t i = 0; i < b->n; i++) {
			const struct pkt *p = &b->pkt[i];

			if (p->drop != WEIR_DROP_NONE || p->port != port)
				continue;
			l.mbuf[l.n] = p->mbuf;
			l.pkt[l.n++] = p;
			l.bytes += p->mbuf->pkt_len;
		}
		send_sorted(w, port, &l);
	}
}

void tx_burst(struct worker *w, struct burst *b)
{
	uint32_t sent;

	if (unlikely(b->dropped || !b->one_port)) {
		sort(w, b);
		return;
	}
	sent = send_by(w, b->pkt[0].port, b->leaving, b->n, b->bytes);
	if (likely(b->one_service))
		count_alike(w, b, sent);
	else
#pragma GCC unroll 4
		for (uint32_t i = 0; i < sent; i++)
			count_sent(w, &b->pkt[i]);
	for (uint32_t i = sent; unlikely(i < b->n); i++)
		count_one(w, &b->pkt[i], WEIR_DROP_TX_FULL);
}
