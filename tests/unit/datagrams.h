// SPDX-License-Identifier: Apache-2.0
/*
 * Two workers, and fragments of datagrams as parse and classify describe them.
 */
#ifndef WEIR_TEST_DATAGRAMS_H
#define WEIR_TEST_DATAGRAMS_H

#include "frags.h"
#include "shm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "eal.h"

enum { WORKERS = 2, BACKENDS = 4, NOW = 5000000, PORT = 3, LEN = 1480, BUFFERS = 1023,
       VIP_SERVICE = 5 /* where its VIP is counted */ };

static struct rte_mempool *buffers;
static struct view view;
static struct weir_backend backends[BACKENDS];
static struct frags *frags;
static struct weir_worker_area *area[WORKERS];
static struct burst b;

static inline void *zeroed(size_t size)
{
	return memset(aligned_alloc(WEIR_CACHE_LINE, (size + 63) / 64 * 64), 0, size);
}

static inline int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BACKENDS; i++)
		backends[i] = (struct weir_backend){ .flags = WEIR_BACKEND_FORWARD,
						     .dmac = { 2, 0, 0, 0, 0, (uint8_t)i } };
	view_none(&view);
	view.generation = 1;
	view.flow_seed = 0x5eed;
	view.backend = backends;
	view.backend_count = BACKENDS;
	view.pool_count = 2;
	view.pool[1].flags = WEIR_POOL_FRAGMENT;
	frags = zeroed(WORKERS * sizeof(*frags));
	for (unsigned i = 0; i < WORKERS; i++) {
		area[i] = zeroed(sizeof(*area[i]));
		frags[i].table = zeroed(sizeof(*frags[i].table));
		frags[i].area = area[i];
		frags[i].now_ms = NOW;
	}
	frags[0].other[0] = frags[1].table;
	frags[1].other[0] = frags[0].table;
	frags[0].other_count = frags[1].other_count = 1;
	b.n = 0;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < b.n; i++)
		if (b.pkt[i].drop != PKT_TAKEN)
			rte_pktmbuf_free(b.pkt[i].mbuf);
	b.n = 0;
	for (unsigned i = 0; i < WORKERS; i++) {
		frags_end(&frags[i]);
		assert_int_equal(area[i]->frags.holding, 0);
		free(frags[i].table);
		free(area[i]);
	}
	free(frags);
	assert_int_equal(rte_mempool_in_use_count(buffers), 0);
	return 0;
}

/* Send or free what is in the burst, and begin another. */
static inline void burst_end(void)
{
	for (unsigned i = 0; i < b.n; i++)
		if (b.pkt[i].drop != PKT_TAKEN)
			rte_pktmbuf_free(b.pkt[i].mbuf);
	b.n = 0;
}

static inline struct pkt *fragment(uint16_t id, uint32_t off, uint32_t len, bool more)
{
	struct pkt *p = &b.pkt[b.n];
	union flow_key *k = &b.key[b.n];

	*p = (struct pkt){ .mbuf = rte_pktmbuf_alloc(buffers), .port = PORT };
	assert_non_null(p->mbuf);
	rte_pktmbuf_append(p->mbuf, 64);
	memset(k, 0, sizeof(*k));
	k->v4.src_be = htonl(0xc6336407);
	k->v4.dst_be = htonl(0xcb00710a);
	k->v4.protocol = IPPROTO_UDP;
	b.fragment[b.n] = (struct fragment){
		.id_be = id, .off = (uint16_t)off, .len = (uint16_t)len, .more = more
	};
	b.n++;
	return p;
}

/* As it is behind select and encap. */
static inline struct pkt *first(uint16_t id, uint16_t backend)
{
	struct pkt *p = fragment(id, 0, LEN, true);

	p->flags = PKT_FRAG_FIRST;
	p->service = 7;
	p->pool = 0;
	p->backend = backend;
	p->flow_hash = 0x1234567890abcdef;
	b.key[b.n - 1].v4.sport_be = htons(4000);
	b.key[b.n - 1].v4.dport_be = htons(53);
	return p;
}

/* As it is behind classify. */
static inline struct pkt *later(uint16_t id, uint32_t off, uint32_t len, bool more)
{
	struct pkt *p = fragment(id, off, len, more);

	p->flags = PKT_FRAG_LATER;
	p->drop = WEIR_DROP_FRAGMENT;
	p->service = VIP_SERVICE;
	return p;
}

static inline void note(unsigned worker)
{
	frags_note(&frags[worker], &view, &b);
	burst_end();
}

static inline void find(unsigned worker)
{
	frags_find(&frags[worker], &view, &b);
}

/* The first one of a datagram comes by a worker. */
static inline void note_first(unsigned worker, uint16_t id, uint16_t backend)
{
	first(id, backend);
	note(worker);
}

/* A later one comes by a worker: what becomes of it. */
static inline unsigned find_later(unsigned worker, uint16_t id, uint32_t off, uint32_t len, bool more)
{
	struct pkt *p = later(id, off, len, more);
	unsigned drop;

	find(worker);
	drop = p->drop;
	if (drop == WEIR_DROP_NONE) {
		assert_true(p->flags & PKT_CHOSEN);
		assert_int_equal(p->service, 7);
		assert_int_equal(p->flow_hash, 0x1234567890abcdef);
	}
	burst_end();
	return drop;
}

static inline unsigned backend_of_later(unsigned worker, uint16_t id)
{
	struct pkt *p = later(id, LEN, LEN, true);
	unsigned backend;

	find(worker);
	assert_int_equal(p->drop, WEIR_DROP_NONE);
	backend = p->backend;
	burst_end();
	return backend;
}

static inline int group_setup(void **state)
{
	(void)state;
	buffers = eal_buffers(BUFFERS);
	return buffers == NULL ? -1 : 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* WEIR_TEST_DATAGRAMS_H */
