// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 6: send each packet by its port, free what was dropped or not taken, and
 * count every packet once.
 *
 * Reads:  port, drop, service, backend, ip_len.  Takes every mbuf of the burst.
 *
 * Bytes by port and by drop reason are bytes of frames (without preamble and
 * FCS), as they were when the packet left or was given up. Bytes by service and
 * by backend are bytes of IP as the client sent it, whatever was put around it:
 * the figure that a backend's own counters can be compared with.
 */
#include "count.h"
#include "pipeline.h"
#include "worker.h"

#include <rte_branch_prediction.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

/* Packets of one burst that leave by one port. */
struct leaving {
	uint32_t n;
	struct rte_mbuf *mbuf[WEIR_BURST];
	const struct pkt *pkt[WEIR_BURST];
};

static void drop(struct worker *w, struct rte_mbuf *m, unsigned reason)
{
	count_add(&w->area->drop[reason], 1, m->pkt_len);
	rte_pktmbuf_free(m);
}

/* Neighbours of a burst are mostly for one service: one store for all of them. */
static void count_sent(struct worker *w, const struct leaving *l, uint32_t sent)
{
	uint32_t packets = 0, bytes = 0;

	for (uint32_t i = 0; i < sent; i++) {
		const struct pkt *p = l->pkt[i];

		count_add(&w->area->backend[p->backend], 1, p->ip_len);
		packets++;
		bytes += p->ip_len;
		if (i + 1 == sent || l->pkt[i + 1]->service != p->service) {
			count_add(&w->area->service[p->service], packets, bytes);
			packets = bytes = 0;
		}
	}
}

static void send_by(struct worker *w, unsigned port, const struct leaving *l, uint64_t bytes)
{
	const struct worker_tx *tx = &w->tx[port];
	/* The driver owns what it took: from here on only pkt says anything of it. */
	uint32_t sent = rte_eth_tx_burst(tx->ethdev, tx->queue, (struct rte_mbuf **)l->mbuf,
					 (uint16_t)l->n);

	for (uint32_t i = sent; i < l->n; i++) {
		bytes -= l->mbuf[i]->pkt_len;
		drop(w, l->mbuf[i], WEIR_DROP_TX_FULL);
	}
	count_add(&w->area->tx[port], sent, bytes);
	count_sent(w, l, sent);
}

void tx_burst(struct worker *w, struct burst *b)
{
	struct leaving l;
	uint32_t ports = 0; /* bit: has packets that leave by it */

	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];

		if (unlikely(p->drop != WEIR_DROP_NONE)) {
			drop(w, p->mbuf, p->drop);
			continue;
		}
		ports |= 1u << p->port;
		/* Written behind the send. DPDK's rte_prefetch0_write() is experimental. */
		__builtin_prefetch(&w->area->backend[p->backend], 1);
		__builtin_prefetch(&w->area->service[p->service], 1);
	}
	/* One round in nearly all bursts. */
	while (ports != 0) {
		unsigned port = (unsigned)__builtin_ctz(ports);
		uint64_t bytes = 0;

		ports &= ports - 1;
		l.n = 0;
		for (uint32_t i = 0; i < b->n; i++) {
			const struct pkt *p = &b->pkt[i];

			if (unlikely(p->drop != WEIR_DROP_NONE || p->port != port))
				continue;
			l.mbuf[l.n] = p->mbuf;
			l.pkt[l.n++] = p;
			bytes += p->mbuf->pkt_len;
		}
		send_by(w, port, &l, bytes);
	}
}
