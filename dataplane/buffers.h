// SPDX-License-Identifier: Apache-2.0
/*
 * Packet buffers: one pool for each NUMA node that has a port.
 */
#ifndef WEIR_BUFFERS_H
#define WEIR_BUFFERS_H

#include "port.h"

#include <rte_mempool.h>

/* The longest header that encap puts in front of a packet: outer IPv6, UDP, GUE,
 * and a VLAN tag (bytes). */
#define BUFFERS_HEADROOM_MIN 64

struct buffers {
	struct rte_mempool *pool[RTE_MAX_NUMA_NODES]; /* NULL: no port there */
	unsigned pool_count;
};

/*
 * Make the pools: as many buffers as all queues, caches and bursts can hold at
 * once, or conf->mbufs of them; each long enough for a frame of the largest MTU,
 * so that no frame a port can send lies in two buffers. Returns 0, or a negative
 * errno with a sentence logged.
 */
int buffers_create(struct buffers *b, const struct dpconf *conf, const struct ports *ports);

/* The pool that a port receives into. */
struct rte_mempool *buffers_of(const struct buffers *b, const struct port *port);

/* Any pool: for frames that are made up. */
struct rte_mempool *buffers_any(const struct buffers *b);

#endif /* WEIR_BUFFERS_H */
