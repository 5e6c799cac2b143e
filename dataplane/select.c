// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 4: which backend. One hash of the flow, one load from the pool's table.
 *
 * Reads:  the flow key, pool.  Writes: flow_hash, backend; or drop.
 *
 * A settled slot says it in the entry itself. The others are put aside and go by
 * the rule for flows whose slot changes its owner (moving.c), which alone uses pins.
 */
#include "moving.h"
#include "pins.h"
#include "pipeline.h"
#include "view.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include <netinet/in.h>
#include <stdbool.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Bytes of an IPv4 flow key that are hashed: the addresses, ports and protocol,
 * with zeros up to a multiple of eight. */
#define KEY4_LEN sizeof(((union flow_key *)0)->v4)
static_assert(KEY4_LEN == 16, "XXH3's short form: two multiplications");

static inline uint64_t flow_hash(const union flow_key *k, uint64_t seed)
{
	return XXH3_64bits_withSeed(k, KEY4_LEN, seed);
}

/* The same bytes, but only the source address is not zero: a client meets the same
 * backend on every service of a pool. */
static uint64_t source_hash(const union flow_key *k, uint64_t seed)
{
	const union flow_key source = { .v4.src_be = k->v4.src_be };

	return flow_hash(&source, seed);
}

/* A peer may write the entry between two loads of it: load it once. */
static inline weir_slot slot_load(const weir_slot *s)
{
	return __atomic_load_n(s, __ATOMIC_RELAXED);
}

static inline void take_backend(const struct view *v, struct pkt *p, unsigned backend)
{
	p->backend = (uint16_t)backend;
	if (unlikely(backend >= v->backend_count)) {
		p->drop = backend == MOVING_NOBODY ? WEIR_DROP_NO_BACKEND : WEIR_DROP_BACKEND_OFF;
		return;
	}
	rte_prefetch0(&v->backend[backend]); /* for encap */
}

/* Who starts a flow. With `hash = source` there is no telling: one client's flows go
 * together, and it may have had others before. */
static bool is_opener(const struct view_pool *pool, const struct pkt *p)
{
	if (pool->hash == WEIR_HASH_SOURCE)
		return false;
	return p->flags & PKT_OPENER ||
	       (p->flags & PKT_QUIC_INITIAL && p->service_flags & WEIR_SERVICE_QUIC);
}

/* The packets of `aside` (a bit each), whose slots are moving or pinned. */
static void select_unsettled(const struct view *v, struct pins *t, struct burst *b,
			     const weir_slot *const slot[WEIR_BURST], uint32_t aside)
{
	for (uint32_t rest = aside; rest != 0; rest &= rest - 1)
		pins_prefetch(t, b->pkt[__builtin_ctz(rest)].flow_hash);

	for (uint32_t rest = aside; rest != 0; rest &= rest - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(rest);
		struct pkt *p = &b->pkt[i];
		const struct view_pool *pool = &v->pool[p->pool];
		weir_slot s = slot_load(slot[i]);

		/* Loaded anew: where a peer has changed it, every value is still safe. */
		take_backend(v, p,
			     moving_select(t, v, p, (uint32_t)(slot[i] - pool->slot), s,
					   b->key[i].v4.protocol == IPPROTO_TCP, is_opener(pool, p)));
	}
}

void select_burst(const struct view *v, struct pins *t, struct burst *b)
{
	const weir_slot *slot[WEIR_BURST];
	uint32_t aside = 0;
	const uint64_t seed = v->flow_seed;
	const uint32_t n = b->n;

	/* A table of 65,537 slots is 128 KiB, more than a first-level cache: ask
	 * for every line first. */
	for (uint32_t i = 0; i < n; i++) {
		struct pkt *p = &b->pkt[i];
		const struct view_pool *pool;

		if (unlikely(p->drop != WEIR_DROP_NONE))
			continue;
		pool = &v->pool[p->pool];
		p->flow_hash = likely(pool->hash == WEIR_HASH_5TUPLE)
				       ? flow_hash(&b->key[i], seed)
				       : source_hash(&b->key[i], seed);
		slot[i] = &pool->slot[weir_slot_of(p->flow_hash, pool->table_len)];
		rte_prefetch0(slot[i]);
	}

	for (uint32_t i = 0; i < n; i++) {
		struct pkt *p = &b->pkt[i];
		weir_slot s;

		if (unlikely(p->drop != WEIR_DROP_NONE))
			continue;
		s = slot_load(slot[i]);
		if (likely(weir_slot_state(s) == WEIR_SLOT_SETTLED))
			take_backend(v, p, weir_slot_backend(s));
		else if (weir_slot_state(s) == WEIR_SLOT_EMPTY)
			p->drop = WEIR_DROP_NO_BACKEND;
		else
			aside |= 1u << i;
	}
	if (unlikely(aside != 0))
		select_unsettled(v, t, b, slot, aside);
}
static_assert(WEIR_BURST <= 32, "a bit a packet");
