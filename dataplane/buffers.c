// SPDX-License-Identifier: Apache-2.0
#include "buffers.h"

#include "eal.h"
#include "frags.h"
#include "log.h"
#include "pipeline.h"
#include "punt.h"

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CACHE 256 /* buffers a thread keeps to itself; it may hold half as much again */

/* Per queue pair of an AF_XDP socket: what the driver hands to the kernel to
 * receive into, and what may wait in the completion ring. */
#define AF_XDP_FILL	  2048
#define AF_XDP_COMPLETION 2048
#define AF_XDP_HEADROOM	  256 /* bytes that the kernel leaves in front of a frame */

#define LINK_LEN (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

static_assert(RTE_PKTMBUF_HEADROOM >= BUFFERS_HEADROOM_MIN, "room for any outer header");

/* Bytes of data room, headroom included. */
static uint32_t data_room(const struct ports *ports)
{
	uint32_t room = RTE_MBUF_DEFAULT_BUF_SIZE;

	for (unsigned i = 0; i < ports->count; i++) {
		const struct port *p = &ports->port[i];
		uint32_t need = RTE_PKTMBUF_HEADROOM + LINK_LEN + p->mtu +
				(p->iface != NULL ? AF_XDP_HEADROOM : 0);

		room = RTE_MAX(room, RTE_ALIGN_CEIL(need, RTE_CACHE_LINE_SIZE));
	}
	return room;
}

/* Buffers that can be away from the pool of `socket` at once. A frame that came in
 * by any port may wait in any port's transmit queues. A worker has a burst, and the
 * pieces of a packet of it, and fragments that wait for their first one. */
static uint32_t wanted(const struct ports *ports, int socket, unsigned workers)
{
	uint32_t n = (workers + 1) * (CACHE + CACHE / 2 + 2 * WEIR_BURST) + workers * FRAGS_HELD;
	uint32_t taps = 0;

	for (unsigned i = 0; i < ports->count; i++) {
		const struct port *p = &ports->port[i];
		bool af_xdp = p->iface != NULL;

		if (p->socket == socket)
			n += p->rx_queues * (af_xdp ? AF_XDP_FILL : p->conf->rx_desc);
		n += p->tx_queues * (p->conf->tx_desc + (af_xdp ? AF_XDP_COMPLETION : 0));
		taps += p->conf->punt == DP_PUNT_TAP;
	}
	if (taps != 0)
		n += workers * PUNT_AWAY + taps * PUNT_LENT;
	return n;
}

/*
 * The AF_XDP driver registers `populated x object size` bytes from the start of
 * the pool with the kernel. Where objects do not cross pages, for the sake of PCI
 * devices, there are gaps between them, and as many objects at the end lie beyond:
 * the kernel would lose each of them, and the packet in it. They stay out of the
 * pool for good. Returns how many, or -ENOMEM.
 */
static int withhold_tail(struct rte_mempool *mp)
{
	const struct rte_mempool_memhdr *chunk = STAILQ_FIRST(&mp->mem_list);
	uint32_t size = rte_mempool_calc_obj_size(mp->elt_size, mp->flags, NULL);
	uintptr_t from = (uintptr_t)chunk->addr;
	uintptr_t to = from + (uintptr_t)mp->populated_size * size;
	void **object = calloc(mp->populated_size, sizeof(*object));
	uint32_t n = 0;
	int withheld = 0;

	if (object == NULL)
		return -ENOMEM;
	while (n < mp->populated_size && rte_mempool_get(mp, &object[n]) == 0)
		n++;
	for (uint32_t i = 0; i < n; i++) {
		uintptr_t at = (uintptr_t)object[i] - mp->header_size;

		if (at >= from && at + size <= to)
			rte_mempool_put(mp, object[i]);
		else
			withheld++;
	}
	free(object);
	return withheld;
}

/*
 * As rte_pktmbuf_pool_create(), but on machines on which no device reads memory by
 * itself objects need not keep to one page each, and so lie without gaps. On
 * ordinary pages half of the memory would be gaps.
 */
static struct rte_mempool *pool_create(const char *name, uint32_t count, uint32_t room, int socket,
				       bool af_xdp)
{
	struct rte_pktmbuf_pool_private private = { .mbuf_data_room_size = (uint16_t)room };
	/* AF_XDP: an object with its padding must fit a page, so no padding. */
	unsigned flags = (eal_has_pci() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG) |
			 (af_xdp ? RTE_MEMPOOL_F_NO_SPREAD : 0);
	struct rte_mempool *mp;
	int err;

	mp = rte_mempool_create_empty(name, count, (unsigned)sizeof(struct rte_mbuf) + room, CACHE,
				      sizeof(private), socket, flags);
	if (mp == NULL)
		return NULL;
	err = rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL);
	if (err == 0) {
		rte_pktmbuf_pool_init(mp, &private);
		err = rte_mempool_populate_default(mp);
	}
	if (err < 0) {
		rte_mempool_free(mp);
		rte_errno = -err;
		return NULL;
	}
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

static int create(struct buffers *b, int socket, uint32_t count, uint32_t room, bool af_xdp,
		  const struct dpconf *conf)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *mp;
	int over, withheld = 0;

	snprintf(name, sizeof(name), "buffers%d", socket);
	mp = pool_create(name, count, room, socket, af_xdp);
	if (mp == NULL) {
		log_error("memory_mb = %u: no room for %u packet buffers of %u bytes (%u MB): %s",
			  conf->memory_mb, count, room,
			  (unsigned)((uint64_t)count * (room + 192) >> 20),
			  rte_strerror(rte_errno));
		return -ENOMEM;
	}
	b->pool[socket] = mp;
	b->pool_count++;

	over = (int)rte_mempool_calc_obj_size(mp->elt_size, mp->flags, NULL) -
	       (int)sysconf(_SC_PAGESIZE);
	if (af_xdp && over > 0) {
		log_error("mtu: with af_xdp: ports a frame and what belongs to it must fit a "
			  "page of memory, and the largest MTU is up to %d bytes too large",
			  over);
		return -EINVAL;
	}
	if (af_xdp)
		withheld = withhold_tail(mp);
	if (withheld < 0 || (uint32_t)withheld > count / 16) {
		log_error("memory_mb = %u: the packet buffers do not lie together, as af_xdp: "
			  "ports need them; more memory helps",
			  conf->memory_mb);
		return -ENOMEM;
	}
	log_debug("%u packet buffers of %u bytes on NUMA node %d, %d of them not in use", count,
		  room, socket, withheld);
	return 0;
}

int buffers_create(struct buffers *b, const struct dpconf *conf, const struct ports *ports)
{
	uint32_t room = data_room(ports);
	unsigned nodes = 0;
	bool on[RTE_MAX_NUMA_NODES] = { false }, af_xdp[RTE_MAX_NUMA_NODES] = { false };

	*b = (struct buffers){ .pool_count = 0 };
	for (unsigned i = 0; i < ports->count; i++) {
		const struct port *p = &ports->port[i];

		nodes += !on[p->socket];
		on[p->socket] = true;
		af_xdp[p->socket] |= p->iface != NULL;
	}
	for (int socket = 0; socket < RTE_MAX_NUMA_NODES; socket++) {
		uint32_t count;
		int err;

		if (!on[socket])
			continue;
		count = conf->mbufs != 0 ? conf->mbufs / nodes
					 : wanted(ports, socket, conf->cpu_count);
		err = create(b, socket, count, room, af_xdp[socket], conf);
		if (err < 0)
			return err;
	}
	return 0;
}

struct rte_mempool *buffers_of(const struct buffers *b, const struct port *port)
{
	return b->pool[port->socket];
}

struct rte_mempool *buffers_any(const struct buffers *b)
{
	for (int socket = 0; socket < RTE_MAX_NUMA_NODES; socket++)
		if (b->pool[socket] != NULL)
			return b->pool[socket];
	return NULL;
}
