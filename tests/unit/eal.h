// SPDX-License-Identifier: Apache-2.0
/*
 * DPDK for tests that need real mbufs: ordinary memory, no devices, no files that
 * another process could meet.
 */
#ifndef WEIR_TEST_EAL_H
#define WEIR_TEST_EAL_H

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

/* Once a process. Returns a pool of `count` buffers, or NULL. */
static inline struct rte_mempool *eal_buffers(unsigned count)
{
	const char *argv[] = { "test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			       "-m",   "64",	    "-l",	   "0",	       "--log-level",
			       "error" };

	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]), (char **)argv) < 0)
		return NULL;
	return rte_pktmbuf_pool_create("buffers", count, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
}

#endif /* WEIR_TEST_EAL_H */
