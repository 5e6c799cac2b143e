// SPDX-License-Identifier: Apache-2.0
/*
 * The ports of the configuration as DPDK devices: found, configured, started,
 * stopped. Called by the housekeeping thread; workers only use the numbers.
 */
#ifndef WEIR_PORT_H
#define WEIR_PORT_H

#include "dpconf.h"
#include "session.h"

#include <rte_ethdev.h>

#include <stdbool.h>
#include <stdint.h>

struct port {
	const struct dp_port_conf *conf;
	const char *iface;	       /* the kernel's interface of an af_xdp: port, or NULL */
	uint16_t ethdev;	       /* DPDK's number */
	int socket;		       /* NUMA node */
	uint16_t rx_queues, tx_queues; /* one transmit queue a worker, or more */
	uint16_t mtu;		       /* bytes of IP */
	uint8_t mac[6];
	unsigned tap_ifindex; /* punt = tap: the kernel's interface; 0: none */
	bool started;
	bool link_up;
	struct rte_eth_dev_info info; /* before it was configured */
};

struct ports {
	struct port port[WEIR_MAX_PORTS];
	unsigned count;
};

/* Find every port and decide on queues and MTU. Returns 0, or a negative errno
 * with a sentence logged that names the setting. */
int ports_find(struct ports *p, const struct dpconf *conf);

/*
 * Configure and start every port with buffers from buffers_create(). Returns 0, or
 * a negative errno with a sentence logged; ports_close() undoes what was done.
 */
struct buffers;
int ports_start(struct ports *p, const struct buffers *b);

/* Stop and close: output files are complete, XDP programs detached. The workers
 * have stopped. Ports that were never started are closed too. */
void ports_close(struct ports *p);

/* Look at the links and log what changed. */
void ports_watch(struct ports *p);

/* What a session is told of the ports. The head is the caller's. */
void ports_describe(const struct ports *p, struct weir_ports_are *out);

#endif /* WEIR_PORT_H */
