// SPDX-License-Identifier: Apache-2.0
/*
 * A small arena written by hand, as a control plane would: a table, and snapshots
 * of any generation that use it. The arena is allocated to its exact size, so a
 * sanitizer sees what leaves it.
 */
#ifndef WEIR_TEST_ARENA_H
#define WEIR_TEST_ARENA_H

#include "snapshot.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_SIZE = 16 * WEIR_BLOCK,
	ARENA_TABLE = 0,	      /* weir_slot[ARENA_LEN] */
	ARENA_MOVES = 1 * WEIR_BLOCK, /* groups, and a record for every slot */
	ARENA_FIRST = 8 * WEIR_BLOCK, /* where tests put snapshots */
	ARENA_SECOND = 12 * WEIR_BLOCK,
	ARENA_LEN = WEIR_TABLE_MIN,
	ARENA_BITS = WEIR_LOOKUP_MIN_BITS,
	ARENA_POOLS = 3,
	ARENA_BACKENDS = 5,
	ARENA_VIPS = 2,
};

static inline uint8_t *arena_new(void)
{
	return aligned_alloc(WEIR_BLOCK, ARENA_SIZE);
}

static inline struct weir_snapshot *arena_snapshot(uint8_t *arena, uint32_t offset)
{
	return (struct weir_snapshot *)(arena + offset);
}

static inline struct weir_pool *arena_pools(uint8_t *arena, uint32_t offset)
{
	return (struct weir_pool *)(arena + arena_snapshot(arena, offset)->pool_off);
}

/* A right snapshot at `offset`; the tables are the same for all. */
static inline struct weir_snapshot *arena_fill(uint8_t *arena, uint32_t offset, uint64_t generation)
{
	struct weir_snapshot *s = arena_snapshot(arena, offset);
	weir_slot *slot = (weir_slot *)(arena + ARENA_TABLE);
	uint32_t at = offset + sizeof(*s);

	memset(s, 0, 4 * WEIR_BLOCK);
	*s = (struct weir_snapshot){
		.magic = WEIR_SNAPSHOT_MAGIC,
		.generation = generation,
		.flow_seed = 0x1122334455667788ull + generation,
		.lookup_bits = ARENA_BITS,
		.pool_count = ARENA_POOLS,
		.backend_count = ARENA_BACKENDS,
		.vip_count = ARENA_VIPS,
		.service_count = 1,
	};
	s->lookup_off = at;
	at += (uint32_t)sizeof(struct weir_lookup) << ARENA_BITS;
	s->pool_off = at;
	at += ARENA_POOLS * sizeof(struct weir_pool);
	s->backend_off = at;
	at += ARENA_BACKENDS * sizeof(struct weir_backend);
	s->cold_off = at;
	at += (ARENA_BACKENDS * sizeof(struct weir_backend_cold) + 63) / 64 * 64;
	s->vip_off = at;
	at += ARENA_VIPS * sizeof(struct weir_vip);
	s->size = at - offset;

	for (unsigned i = 0; i < weir_move_groups(ARENA_LEN); i++)
		((struct weir_move_group *)(arena + ARENA_MOVES))[i] =
			(struct weir_move_group){ .moving = UINT64_MAX, .first = 64 * i };
	for (unsigned i = 0; i < ARENA_LEN; i++)
		slot[i] = weir_slot_make(WEIR_SLOT_SETTLED, i % ARENA_BACKENDS);
	for (unsigned i = 0; i < ARENA_POOLS; i++)
		arena_pools(arena, offset)[i] = (struct weir_pool){
			.table_off = ARENA_TABLE,
			.table_len = ARENA_LEN,
			.move_off = i == 1 ? ARENA_MOVES : 0,
			.move_count = ARENA_LEN,
			.mode = (uint8_t)i, /* l2, ipip, gue */
			.hash = i == 2 ? WEIR_HASH_SOURCE : WEIR_HASH_5TUPLE,
			.mtu = 1500,
		};
	return s;
}

#endif /* WEIR_TEST_ARENA_H */
