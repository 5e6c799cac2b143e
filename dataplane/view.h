// SPDX-License-Identifier: Apache-2.0
/*
 * A worker's view of the snapshot it forwards by: pointers and sizes that were
 * checked once, kept in this process's own memory. Whatever happens to the
 * shared memory afterwards, no index leaves these arrays.
 */
#ifndef WEIR_VIEW_H
#define WEIR_VIEW_H

#include "shm.h"

/* Enough of a pool for a packet. */
struct view_pool {
	const weir_slot *slot;		     /* table_len entries */
	const struct weir_move_group *moves; /* NULL: no slot is moving */
	uint32_t table_len;
	uint8_t mode;			       /* enum weir_mode */
	uint8_t hash;			       /* enum weir_hash */
	uint32_t tcp_window_ms, udp_window_ms; /* pins are kept idle for no less */
	uint32_t flags;			       /* WEIR_POOL_* */
	uint32_t move_count;
	uint32_t grace_ms;  /* so long after a move began, openers still go to its base */
	uint32_t newest_ms; /* CLOCK_BOOTTIME, low 32 bits: when the latest move began */
	uint64_t id; /* of its name: the same on every Weir */
};

/* The record of a slot, below the pool's table_len, if it is moving. */
static inline const struct weir_move *view_move(const struct view_pool *pool, uint32_t slot)
{
	return pool->moves == NULL
		       ? NULL
		       : weir_moves_find(pool->moves, pool->table_len, pool->move_count, slot);
}

/* When that began, by view_move(). */
static inline const struct weir_move_begin *view_move_begin(const struct view_pool *pool,
							    const struct weir_move *move)
{
	return weir_moves_begin(pool->moves, pool->table_len, pool->move_count, move);
}

struct view {
	uint64_t generation; /* 0: none yet; every packet is WEIR_DROP_NO_SNAPSHOT */
	uint64_t flow_seed;
	const struct weir_lookup *lookup;
	uint32_t lookup_bits;
	uint32_t backend_count;
	uint64_t prefixes4, prefixes6[2];   /* lengths of VIPs that are prefixes, a bit each */
	const struct weir_backend *backend; /* an index from backend_count on is BACKEND_OFF */
	const struct weir_vip *vip;
	uint32_t vip_count;
	uint32_t pool_count;
	uint64_t offset;		       /* of the snapshot in the arena */
	struct view_pool pool[WEIR_MAX_POOLS]; /* entries from pool_count on are empty tables */
};

/* A view without a snapshot: generation 0, no pool has a backend. */
void view_none(struct view *v);

/*
 * Check the snapshot at arena[offset] and fill *v from it; the caller then makes
 * it the view in force. `generation` is what the command announced; `in_force`
 * the generation the worker has now. Returns enum weir_reject; on anything but
 * WEIR_REJECT_NONE *v is unusable and the worker keeps the view it has.
 *
 * Cost: one pass over the pools (64 bytes each); no allocation. Reads every
 * header field exactly once, so a peer that writes meanwhile gains nothing.
 */
enum weir_reject view_take(struct view *v, const uint8_t *arena, uint64_t arena_size,
			   uint32_t offset, uint64_t generation, uint64_t in_force);

#endif /* WEIR_VIEW_H */
