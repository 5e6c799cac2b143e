// SPDX-License-Identifier: Apache-2.0
#include "port.h"

#include "buffers.h"
#include "device.h"
#include "iface.h"
#include "log.h"

#include <rte_errno.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RSS_WANTED (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

static int find_device(struct port *port, unsigned index)
{
	char name[DEVICE_NAME_LEN];
	int err;

	device_name(port->conf->device, index, name);
	if (rte_eth_dev_get_port_by_name(name, &port->ethdev) != 0) {
		log_error("[port %s] device = %s: DPDK has no such device; %s", port->conf->name,
			  port->conf->device,
			  device_kind(port->conf->device) == DEVICE_PCI
				  ? "is it there, and bound to vfio-pci?"
				  : "what it said about it stands above");
		return -ENODEV;
	}
	err = rte_eth_dev_info_get(port->ethdev, &port->info);
	if (err < 0) {
		log_error("[port %s] device = %s: DPDK does not describe it: %s", port->conf->name,
			  port->conf->device, strerror(-err));
		return err;
	}
	port->socket = rte_eth_dev_socket_id(port->ethdev);
	if (port->socket < 0)
		port->socket = (int)rte_socket_id();
	return 0;
}

/* A capture file a queue: none may be left unread. */
static bool queues_are_files(const struct port *port)
{
	return strcmp(port->info.driver_name, "net_pcap") == 0;
}

static int choose_queues(struct port *port, unsigned workers)
{
	unsigned rx = port->conf->rx_queues, most = port->info.max_rx_queues;

	if (rx > most) {
		log_error("[port %s] rx_queues = %u: device %s has %u", port->conf->name, rx,
			  port->conf->device, most);
		return -EINVAL;
	}
	if (rx == 0)
		rx = port->iface != NULL || queues_are_files(port) ? most : RTE_MIN(workers, most);
	if (port->info.max_tx_queues < workers) {
		log_error("[port %s] device = %s: it has %u transmit queues, and %u workers (cpus) "
			  "need one each",
			  port->conf->name, port->conf->device, port->info.max_tx_queues, workers);
		return -EINVAL;
	}
	port->rx_queues = (uint16_t)rx;
	/* The AF_XDP driver wants them in pairs. */
	port->tx_queues = (uint16_t)(port->iface != NULL ? rx : workers);
	return 0;
}

static int choose_mtu(struct port *port)
{
	int mtu = (int)port->conf->mtu;

	if (mtu == 0 && port->iface != NULL)
		mtu = iface_mtu(port->iface);
	if (mtu == 0) {
		uint16_t of_device;

		if (rte_eth_dev_get_mtu(port->ethdev, &of_device) != 0)
			of_device = RTE_ETHER_MTU;
		mtu = of_device;
	}
	if (mtu < port->info.min_mtu || mtu > port->info.max_mtu) {
		log_error("[port %s] mtu = %d: device %s takes %u to %u bytes", port->conf->name,
			  mtu, port->conf->device, port->info.min_mtu, port->info.max_mtu);
		return -EINVAL;
	}
	port->mtu = (uint16_t)mtu;
	return 0;
}

int ports_find(struct ports *p, const struct dpconf *conf)
{
	*p = (struct ports){ .count = 0 };
	for (uint32_t i = 0; i < conf->port_count; i++) {
		struct port *port = &p->port[i];
		int err;

		port->conf = &conf->port[i];
		port->iface = device_iface(port->conf->device);
		err = find_device(port, i);
		if (err < 0)
			return err;
		p->count++;
		err = choose_queues(port, conf->cpu_count);
		if (err == 0)
			err = choose_mtu(port);
		if (err < 0)
			return err;
	}
	return 0;
}

static int configure(struct port *port)
{
	struct rte_eth_conf c = { .rxmode.mtu = port->mtu };
	int err;

	if (port->rx_queues > 1 && port->info.flow_type_rss_offloads != 0) {
		c.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		c.rx_adv_conf.rss_conf.rss_hf = port->info.flow_type_rss_offloads & RSS_WANTED;
	}
	c.txmode.offloads = port->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	err = rte_eth_dev_configure(port->ethdev, port->rx_queues, port->tx_queues, &c);
	if (err < 0)
		return err;
	if (port->conf->mtu == 0)
		return 0;
	/* A device without a length limit of its own has nothing to set. */
	err = rte_eth_dev_set_mtu(port->ethdev, port->mtu);
	return err == -ENOTSUP ? 0 : err;
}

static int set_up_queues(struct port *port, const struct buffers *b)
{
	uint16_t rx_desc = (uint16_t)port->conf->rx_desc, tx_desc = (uint16_t)port->conf->tx_desc;
	struct rte_eth_rxconf rx = port->info.default_rxconf;
	struct rte_eth_txconf tx = port->info.default_txconf;
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(port->ethdev, &rx_desc, &tx_desc);

	if (err < 0)
		return err;
	/* The kernel's AF_XDP rings are powers of two. */
	if (port->iface != NULL)
		rx_desc = (uint16_t)rte_align32pow2(rx_desc);

	rx.offloads = 0;
	rx.rx_drop_en = 1; /* a queue that nobody empties must not hold up the others */
	for (uint16_t q = 0; q < port->rx_queues && err == 0; q++)
		err = rte_eth_rx_queue_setup(port->ethdev, q, rx_desc, (unsigned)port->socket, &rx,
					     buffers_of(b, port));

	/* Freed without a look at pool or references: only where all are alike. */
	tx.offloads = port->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (b->pool_count == 1)
		tx.offloads |= port->info.tx_queue_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	for (uint16_t q = 0; q < port->tx_queues && err == 0; q++)
		err = rte_eth_tx_queue_setup(port->ethdev, q, tx_desc, (unsigned)port->socket, &tx);
	return err;
}

static int start(struct port *port, const struct buffers *b)
{
	struct rte_ether_addr mac;
	int err = configure(port);

	if (err == 0)
		err = set_up_queues(port, b);
	if (err == 0)
		err = rte_eth_macaddr_get(port->ethdev, &mac);
	if (err == 0)
		err = rte_eth_dev_start(port->ethdev);
	if (err < 0)
		return err;
	memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	port->started = true;

	/* Solicitations come by multicast; devices that take all anyhow know no such thing. */
	(void)rte_eth_allmulticast_enable(port->ethdev);
	/* Which is no matter for devices that take every frame anyhow. */
	err = port->conf->promiscuous ? rte_eth_promiscuous_enable(port->ethdev) : 0;
	return err == -ENOTSUP ? 0 : err;
}

static bool link_now(const struct port *port)
{
	struct rte_eth_link link;

	/* The AF_XDP driver does not look. */
	if (port->iface != NULL)
		return iface_running(port->iface) == 1;
	return rte_eth_link_get_nowait(port->ethdev, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

int ports_start(struct ports *p, const struct buffers *b)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct port *port = &p->port[i];
		int err = start(port, b);

		if (err < 0) {
			log_error("[port %s] device = %s: cannot start it with %u receive and %u "
				  "transmit queues, mtu = %u: %s",
				  port->conf->name, port->conf->device, port->rx_queues,
				  port->tx_queues, port->mtu, strerror(-err));
			return err;
		}
		port->link_up = link_now(port);
		log_info("port %s: %s, %u receive and %u transmit queues, MTU %u, link %s",
			 port->conf->name, port->info.driver_name, port->rx_queues, port->tx_queues,
			 port->mtu, port->link_up ? "up" : "down");
	}
	return 0;
}

void ports_close(struct ports *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct port *port = &p->port[i];
		int err;

		if (port->started)
			(void)rte_eth_dev_stop(port->ethdev);
		err = rte_eth_dev_close(port->ethdev);
		if (err < 0)
			log_warning("port %s: cannot close device %s: %s", port->conf->name,
				    port->conf->device, strerror(-err));
	}
	p->count = 0;
}

void ports_watch(struct ports *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct port *port = &p->port[i];
		bool up = link_now(port);

		if (up != port->link_up)
			log_warning("port %s: link %s", port->conf->name, up ? "up" : "down");
		port->link_up = up;
	}
}

void ports_describe(const struct ports *p, struct weir_ports_are *out)
{
	out->count = p->count;
	for (unsigned i = 0; i < p->count; i++) {
		const struct port *port = &p->port[i];
		struct weir_port_info *o = &out->port[i];
		struct rte_eth_link link;

		*o = (struct weir_port_info){
			.mtu = port->mtu,
			.ifindex = port->tap_ifindex != 0 ? port->tap_ifindex : port->info.if_index,
			.link_up = port->link_up,
			.rx_queues = (uint8_t)port->rx_queues,
			.tx_queues = (uint8_t)port->tx_queues,
		};
		snprintf(o->name, sizeof(o->name), "%s", port->conf->name);
		snprintf(o->device, sizeof(o->device), "%.*s", (int)sizeof(o->device) - 1,
			 port->conf->device);
		snprintf(o->driver, sizeof(o->driver), "%s", port->info.driver_name);
		memcpy(o->mac, port->mac, sizeof(o->mac));
		if (port->iface == NULL && rte_eth_link_get_nowait(port->ethdev, &link) == 0 &&
		    link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
			o->speed_mbps = link.link_speed;
	}
}
