// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 4: which backend. One hash of the flow, one load from the pool's table.
 *
 * Reads:  the flow key, pool.  Writes: flow_hash, backend; or drop.
 *
 * A slot that is moving or pinned gives its current owner: pins, and with them
 * the use of `base`, are not there yet, and no control plane publishes such slots.
 */
#include "pipeline.h"
#include "view.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

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

void select_burst(const struct view *v, struct burst *b)
{
	const weir_slot *slot[WEIR_BURST];
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
		if (unlikely(weir_slot_state(s) == WEIR_SLOT_EMPTY)) {
			p->drop = WEIR_DROP_NO_BACKEND;
			continue;
		}
		p->backend = (uint16_t)weir_slot_backend(s);
		if (unlikely(p->backend >= v->backend_count)) {
			p->drop = WEIR_DROP_BACKEND_OFF;
			continue;
		}
		rte_prefetch0(&v->backend[p->backend]); /* for encap */
	}
}
