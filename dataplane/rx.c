// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 1: take a burst from one queue.
 *
 * Writes: n; leaving, bytes and as_taken; mbuf and state of each packet: the port, and 0,
 * which parse counts on.
 * Counts packets and bytes of frames (without preamble and FCS) by port.
 */
#include "count.h"
#include "pipeline.h"
#include "worker.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

void rx_burst(struct worker *w, const struct worker_queue *q, struct burst *b)
{
	const struct pkt fresh = { .port = q->port, .drop = WEIR_DROP_NONE };
	struct rte_mbuf **const m = b->leaving;
	uint64_t bytes = 0;

	b->n = rte_eth_rx_burst(q->ethdev, q->queue, m, WEIR_BURST);
	if (b->n == 0)
		return;

		/* The driver has just written the mbufs; parse reads the frames. */
#pragma GCC unroll 4
	for (uint32_t i = 0; i < b->n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(m[i], const void *));
		bytes += m[i]->pkt_len;
		b->pkt[i].mbuf = m[i];
		b->pkt[i].state = fresh.state;
	}
	b->as_taken = true;
	b->bytes = bytes;
	count_add(&w->area->rx[q->port], b->n, bytes);
}
