// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 4: which backend. One hash of the flow, one load from the pool's table.
 *
 * Reads:  the flow key, pool.  Writes: flow_hash, backend; or drop. Passes by what
 * has PKT_CHOSEN.
 *
 * A settled slot says it in the entry itself. The others are put aside and go by
 * the rule for flows whose slot changes its owner (moving.c), which alone uses pins.
 */
#include "hash_four.h"
#include "hash_wide.h"
#include "moving.h"
#include "pins.h"
#include "pipeline.h"
#include "view.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include <stdbool.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Bytes of a flow key that are hashed: the addresses, ports and protocol, with zeros
 * up to a multiple of eight. */
#define KEY4_LEN sizeof(((union flow_key *)0)->v4)
#define KEY6_LEN sizeof(((union flow_key *)0)->v6)
static_assert(KEY4_LEN == 16, "XXH3's short form: two multiplications");
static_assert(KEY6_LEN == 40, "no byte of it is left over");

static inline uint64_t secret(unsigned at)
{
	return XXH_readLE64(XXH3_kSecret + at);
}

static inline uint64_t low_secret(uint64_t seed)
{
	return (secret(24) ^ secret(32)) + seed;
}

static inline uint64_t high_secret(uint64_t seed)
{
	return (secret(40) ^ secret(48)) - seed;
}

/* XXH3_64bits_withSeed(k, KEY4_LEN, seed), as it is for 9 to 16 bytes. */
static inline uint64_t hash4(const union flow_key *k, uint64_t seed)
{
	const uint64_t low = k->word[0] ^ low_secret(seed);
	const uint64_t high = k->word[1] ^ high_secret(seed);

	return XXH3_avalanche(KEY4_LEN + __builtin_bswap64(low) + high + weir_fold(low, high));
}

/* The same, as it is for 17 to 128 bytes. */
static inline uint64_t hash6(const union flow_key *k, uint64_t seed)
{
	return XXH3_len_17to128_64b((const xxh_u8 *)k, KEY6_LEN, XXH3_kSecret, sizeof(XXH3_kSecret),
				    seed);
}

/* The same bytes, but only the source address is not zero: a client meets the same
 * backend on every service of a pool. Each pool has a seed of its own: a pin is known by
 * the hash alone, and a client's pin in one pool must not be taken for one in another. */
static __rte_noinline uint64_t source_hash(const struct view_pool *pool, const union flow_key *k,
					   bool ipv6, uint64_t site_seed)
{
	union flow_key source = { .word = { 0 } };
	const uint64_t seed = site_seed ^ pool->id;

	if (!ipv6) {
		source.v4.src_be = k->v4.src_be;
		return hash4(&source, seed);
	}
	memcpy(source.v6.src, k->v6.src, sizeof(source.v6.src));
	return hash6(&source, seed);
}

static inline uint64_t flow_hash(const struct view_pool *pool, const union flow_key *k, bool ipv6,
				 uint64_t seed)
{
	if (unlikely(pool->hash != WEIR_HASH_5TUPLE))
		return source_hash(pool, k, ipv6, seed);
	return ipv6 ? hash6(k, seed) : hash4(k, seed);
}

/* A peer may write the entry between two loads of it: load it once. */
static inline weir_slot slot_load(const weir_slot *s)
{
	return __atomic_load_n(s, __ATOMIC_RELAXED);
}

static inline void drop(struct burst *b, struct pkt *p, enum weir_drop reason)
{
	p->drop = (uint8_t)reason;
	b->dropped = true;
}

static inline void take_known(const struct view *v, struct pkt *p, unsigned backend)
{
	p->backend = (uint16_t)backend;
	rte_prefetch0(&v->backend[backend]); /* for encap */
}

/* The slot of each packet from `from` on; asks for its line, for a table of 65,537 slots is
 * 128 KiB, more than a first-level cache.
 *
 * `plain`: only IPv4, and no packet that is to be passed by. `one`: likewise no packet is to
 * be passed by, and it is the pool of all of them, which hashes the five; `ipv6`: their
 * family. */
static __rte_always_inline void find_slots(const struct view *v, struct burst *b, uint32_t from,
					   const weir_slot **slot, bool plain,
					   const struct view_pool *one, bool ipv6)
{
	const uint64_t seed = v->flow_seed;
	const uint32_t n = b->n;
	const union flow_key *k = &b->key[from];
	struct pkt *p = &b->pkt[from];

#pragma GCC unroll 4
	for (uint32_t i = from; i < n; i++, p++, k++) {
		const struct view_pool *pool;

		if (!plain && (p->drop != WEIR_DROP_NONE || p->flags & PKT_CHOSEN))
			continue;
		pool = one != NULL ? one : &v->pool[p->pool];
		if (one != NULL)
			p->flow_hash = ipv6 ? hash6(k, seed) : hash4(k, seed);
		else
			p->flow_hash = flow_hash(pool, k, !plain && p->flags & PKT_IPV6, seed);
		slot[i] = &pool->slot[weir_slot_of(p->flow_hash, pool->table_len)];
		rte_prefetch0(slot[i]);
	}
}

/* What the slots of all packets say. */
static __rte_always_inline void take_slots(const struct view *v, struct pins *t, struct burst *b,
					   const weir_slot *const *slot, bool plain)
{
	struct unsettled aside[WEIR_BURST];
	uint32_t asides = 0;
	const uint32_t n = b->n;
	struct pkt *p = b->pkt;

#pragma GCC unroll 4
	for (uint32_t i = 0; i < n; i++, p++) {
		weir_slot s;

		if (!plain && (p->drop != WEIR_DROP_NONE || p->flags & PKT_CHOSEN))
			continue;
		s = slot_load(slot[i]);
		/* A settled entry is its backend's index: one comparison for both. */
		if (likely(s < v->backend_count)) {
			take_known(v, p, s);
		} else if (weir_slot_state(s) == WEIR_SLOT_SETTLED) {
			drop(b, p, WEIR_DROP_BACKEND_OFF);
		} else if (weir_slot_state(s) == WEIR_SLOT_EMPTY) {
			drop(b, p, WEIR_DROP_NO_BACKEND);
		} else {
			aside[asides++] = (struct unsettled){ p, s };
			pins_prefetch(t, p->flow_hash);
		}
	}
	if (unlikely(asides != 0))
		moving_burst(v, t, b, aside, asides);
}
static_assert(WEIR_SLOT_SETTLED == 0 && WEIR_MAX_BACKENDS <= 1u << WEIR_SLOT_STATE_SHIFT,
	      "an entry below backend_count is settled");

static __rte_noinline void select_mixed(const struct view *v, struct pins *t, struct burst *b)
{
	const weir_slot *slot[WEIR_BURST];

	find_slots(v, b, 0, slot, false, NULL, false);
	take_slots(v, t, b, slot, false);
}

/* Registers hold what is the same for all packets. */
static __rte_always_inline void select_alike(const struct view *v, struct pins *t, struct burst *b,
					     bool ipv6)
{
	const struct view_pool one = v->pool[b->pkt[0].pool];
	const weir_slot *slot[WEIR_BURST];

	find_slots(v, b, 0, slot, true, &one, ipv6);
	take_slots(v, t, b, slot, true);
}

static __rte_noinline void select_alike6(const struct view *v, struct pins *t, struct burst *b)
{
	select_alike(v, t, b, true);
}

#ifdef HASH_WIDE_LANES
/* find_slots() for the first packets of a burst of IPv4 that have `pool`, as far as they fill
 * whole vectors. Returns how many. */
HASH_WIDE_TARGET static uint32_t find_slots_wide(const struct view_pool *pool, uint64_t seed,
						 struct burst *b, const weir_slot **slot)
{
	const __m512i first = _mm512_set1_epi64((long long)pool->slot);
	uint32_t i;

	for (i = 0; i + HASH_WIDE_LANES <= b->n; i += HASH_WIDE_LANES) {
		const __m512i hash = hash_wide4(&b->key[i], low_secret(seed), high_secret(seed));
		const __m512i at = hash_wide_slot(hash, pool->table_len);

		/* Two bytes each. */
		_mm512_storeu_si512(&slot[i], _mm512_add_epi64(first, _mm512_slli_epi64(at, 1)));
		for (unsigned lane = 0; lane < HASH_WIDE_LANES; lane++) {
			b->pkt[i + lane].flow_hash = (uint64_t)hash[lane];
			rte_prefetch0(slot[i + lane]);
		}
	}
	return i;
}
static_assert(sizeof(weir_slot) == 2, "what a slot's number is multiplied by");

HASH_WIDE_TARGET static __rte_noinline void select_alike_wide(const struct view *v, struct pins *t,
							      struct burst *b)
{
	const struct view_pool *one = &v->pool[b->pkt[0].pool];
	const weir_slot *slot[WEIR_BURST];
	uint32_t done = find_slots_wide(one, v->flow_seed, b, slot);

	if (unlikely(done < b->n))
		find_slots(v, b, done, slot, true, one, false);
	take_slots(v, t, b, slot, true);
}
#endif

#ifdef HASH_FOUR_LANES
/* The same by four, for CPUs with AVX2. */
HASH_FOUR_TARGET static uint32_t find_slots_four(const struct view_pool *pool, uint64_t seed,
						 struct burst *b, const weir_slot **slot)
{
	const __m256i first = _mm256_set1_epi64x((long long)pool->slot);
	uint32_t i;

	for (i = 0; i + HASH_FOUR_LANES <= b->n; i += HASH_FOUR_LANES) {
		const __m256i hash = hash_four4(&b->key[i], low_secret(seed), high_secret(seed));
		const __m256i at = hash_four_slot(hash, pool->table_len);

		_mm256_storeu_si256((__m256i *)&slot[i],
				    _mm256_add_epi64(first, _mm256_slli_epi64(at, 1)));
		for (unsigned lane = 0; lane < HASH_FOUR_LANES; lane++) {
			b->pkt[i + lane].flow_hash = (uint64_t)hash[lane];
			rte_prefetch0(slot[i + lane]);
		}
	}
	return i;
}

HASH_FOUR_TARGET static __rte_noinline void select_alike_four(const struct view *v, struct pins *t,
							      struct burst *b)
{
	const struct view_pool *one = &v->pool[b->pkt[0].pool];
	const weir_slot *slot[WEIR_BURST];
	uint32_t done = find_slots_four(one, v->flow_seed, b, slot);

	if (unlikely(done < b->n))
		find_slots(v, b, done, slot, true, one, false);
	take_slots(v, t, b, slot, true);
}
#endif

static inline void select_alike4(const struct view *v, struct pins *t, struct burst *b)
{
#ifdef HASH_WIDE_LANES
	if (b->n >= HASH_WIDE_LANES && hash_wide_here()) {
		select_alike_wide(v, t, b);
		return;
	}
#endif
#ifdef HASH_FOUR_LANES
	if (b->n >= HASH_FOUR_LANES && hash_four_here()) {
		select_alike_four(v, t, b);
		return;
	}
#endif
	select_alike(v, t, b, false);
}

static __rte_noinline void select_plain(const struct view *v, struct pins *t, struct burst *b)
{
	const weir_slot *slot[WEIR_BURST];

	find_slots(v, b, 0, slot, true, NULL, false);
	take_slots(v, t, b, slot, true);
}

void select_burst(const struct view *v, struct pins *t, struct burst *b)
{
	const bool ipv6 = b->seen & PKT_IPV6;

	if (unlikely(b->dropped || b->seen & PKT_CHOSEN))
		select_mixed(v, t, b);
	else if (likely(b->one_pool && v->pool[b->pkt[0].pool].hash == WEIR_HASH_5TUPLE))
		ipv6 ? select_alike6(v, t, b) : select_alike4(v, t, b);
	else if (unlikely(ipv6))
		select_mixed(v, t, b);
	else
		select_plain(v, t, b);
}
