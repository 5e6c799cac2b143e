// SPDX-License-Identifier: Apache-2.0
/*
 * Checks a snapshot and fills a view from it. Nothing in the arena is believed:
 * each field is loaded once into a copy of our own, and the copy is checked and
 * kept. All sums are of 32-bit values in 64 bits and cannot overflow.
 */
#include "view.h"

#include <stdbool.h>
#include <string.h>

/* What a pool that is not there looks like: one slot, and nobody serves it. */
static const weir_slot empty_table[1] = { WEIR_SLOT_EMPTY << WEIR_SLOT_STATE_SHIFT };

/* Copy `size` bytes, a multiple of 8, loading each of them once. */
static void load_once(void *to, const void *from, size_t size)
{
	typedef uint64_t __attribute__((may_alias)) word;
	const word *w = from;

	for (size_t i = 0; i < size / sizeof(*w); i++) {
		uint64_t x = __atomic_load_n(&w[i], __ATOMIC_RELAXED);

		memcpy((uint8_t *)to + i * sizeof(x), &x, sizeof(x));
	}
}

/* Do `bytes` bytes at arena offset `off` lie in [from, to), aligned as all arrays are? */
static bool inside(uint64_t off, uint64_t bytes, uint64_t from, uint64_t to)
{
	return off % WEIR_CACHE_LINE == 0 && off >= from && off <= to && bytes <= to - off;
}

static void no_pools(struct view *v, unsigned from)
{
	for (unsigned i = from; i < WEIR_MAX_POOLS; i++)
		v->pool[i] = (struct view_pool){ .slot = empty_table };
}

void view_none(struct view *v)
{
	memset(v, 0, sizeof(*v));
	no_pools(v, 0);
}

static enum weir_reject take_pool(struct view_pool *out, const struct weir_pool *shared,
				  const uint8_t *arena, uint64_t arena_size)
{
	struct weir_pool p;

	load_once(&p, shared, sizeof(p));
	if (p.mode > WEIR_MODE_GUE || p.hash > WEIR_HASH_SOURCE || p.table_len < WEIR_TABLE_MIN ||
	    p.table_len > WEIR_TABLE_MAX)
		return WEIR_REJECT_POOL;
	if (!inside(p.table_off, (uint64_t)p.table_len * sizeof(weir_slot), 0, arena_size))
		return WEIR_REJECT_TABLE;
	if (p.move_count > p.table_len ||
	    (p.move_off != 0 &&
	     !inside(p.move_off, weir_moves_size(p.table_len, p.move_count), 0, arena_size)))
		return WEIR_REJECT_TABLE;

	*out = (struct view_pool){
		.slot = (const weir_slot *)(arena + p.table_off),
		.moves = p.move_off ? (const struct weir_move_group *)(arena + p.move_off) : NULL,
		.move_count = p.move_count,
		.table_len = p.table_len,
		.mode = p.mode,
		.hash = p.hash,
		.tcp_window_ms = p.tcp_window_ms,
		.udp_window_ms = p.udp_window_ms,
		.flags = p.flags,
		.grace_ms = p.grace_ms,
		.newest_ms = p.newest_ms,
		.id = p.id,
	};
	return WEIR_REJECT_NONE;
}

enum weir_reject view_take(struct view *v, const uint8_t *arena, uint64_t arena_size,
			   uint32_t offset, uint64_t generation, uint64_t in_force)
{
	struct weir_snapshot s;
	uint64_t from, to;

	if (generation <= in_force)
		return WEIR_REJECT_STALE;
	if (generation - in_force > WEIR_GENERATION_JUMP)
		return WEIR_REJECT_JUMP;
	if (offset % WEIR_BLOCK != 0 || !inside(offset, sizeof(s), 0, arena_size))
		return WEIR_REJECT_OFFSET;

	load_once(&s, arena + offset, sizeof(s));
	if (s.magic != WEIR_SNAPSHOT_MAGIC || s.generation != generation)
		return WEIR_REJECT_MAGIC;
	if (s.size < sizeof(s) || s.size > arena_size - offset ||
	    s.lookup_bits < WEIR_LOOKUP_MIN_BITS || s.lookup_bits > WEIR_LOOKUP_MAX_BITS ||
	    s.pool_count > WEIR_MAX_POOLS || s.backend_count > WEIR_MAX_BACKENDS ||
	    s.vip_count > WEIR_MAX_VIPS || s.service_count > WEIR_MAX_SERVICES)
		return WEIR_REJECT_SIZE;

	from = (uint64_t)offset + sizeof(s);
	to = (uint64_t)offset + s.size;
	if (!inside(s.lookup_off, sizeof(struct weir_lookup) << s.lookup_bits, from, to) ||
	    !inside(s.pool_off, sizeof(struct weir_pool) * s.pool_count, from, to) ||
	    !inside(s.backend_off, sizeof(struct weir_backend) * s.backend_count, from, to) ||
	    !inside(s.cold_off, sizeof(struct weir_backend_cold) * s.backend_count, from, to) ||
	    !inside(s.vip_off, sizeof(struct weir_vip) * s.vip_count, from, to))
		return WEIR_REJECT_ARRAY;

	for (unsigned i = 0; i < s.pool_count; i++) {
		const struct weir_pool *shared = (const struct weir_pool *)(arena + s.pool_off) + i;
		enum weir_reject why = take_pool(&v->pool[i], shared, arena, arena_size);

		if (why != WEIR_REJECT_NONE)
			return why;
	}
	no_pools(v, s.pool_count);

	v->generation = generation;
	v->flow_seed = s.flow_seed;
	v->lookup = (const struct weir_lookup *)(arena + s.lookup_off);
	v->lookup_bits = s.lookup_bits;
	v->prefixes4 = s.prefixes4 & UINT32_MAX;
	v->prefixes6[0] = s.prefixes6[0];
	v->prefixes6[1] = s.prefixes6[1];
	v->backend = (const struct weir_backend *)(arena + s.backend_off);
	v->backend_count = s.backend_count;
	v->vip = (const struct weir_vip *)(arena + s.vip_off);
	v->vip_count = s.vip_count;
	v->pool_count = s.pool_count;
	v->offset = offset;
	return WEIR_REJECT_NONE;
}
