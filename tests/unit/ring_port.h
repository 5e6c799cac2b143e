// SPDX-License-Identifier: Apache-2.0
/*
 * A started DPDK port that is two rings: what is put into `in` it receives, what it
 * sends stands in `out`.
 */
#ifndef WEIR_TEST_RING_PORT_H
#define WEIR_TEST_RING_PORT_H

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

/* Returns its number, or -1. */
static inline int ring_port(const char *name, struct rte_ring *in, struct rte_ring *out,
			    struct rte_mempool *buffers)
{
	const struct rte_eth_conf conf = { 0 };
	int port = rte_eth_from_rings(name, &in, 1, &out, 1, 0);

	if (port < 0 || rte_eth_dev_configure((uint16_t)port, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup((uint16_t)port, 0, 64, 0, NULL, buffers) != 0 ||
	    rte_eth_tx_queue_setup((uint16_t)port, 0, 64, 0, NULL) != 0 ||
	    rte_eth_dev_start((uint16_t)port) != 0)
		return -1;
	return port;
}

#endif /* WEIR_TEST_RING_PORT_H */
