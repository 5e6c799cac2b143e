// SPDX-License-Identifier: Apache-2.0
/*
 * The pools' lookup tables in the arena. A table stays where it is, and every snapshot
 * names it, until what it says changes; then the new one is written beside it.
 *
 * One publication is tables_prepare(), and then tables_commit() or tables_abort().
 * Between publications pool->moves is what the workers were told.
 */
#ifndef WEIR_TABLES_H
#define WEIR_TABLES_H

#include "arena.h"
#include "model.h"
#include "pin_scan.h"

#include <stdint.h>

struct tables;

/* What a publication goes by besides the model. */
struct tables_now {
	uint64_t now_ms;      /* CLOCK_BOOTTIME */
	uint64_t pressure_ms; /* the last shortage of pins at any worker; 0: never */
	/* The workers' pins; slots are settled by it in the generation that follows its own.
	 * NULL: nothing is known. */
	const struct pin_scan *scan;
};

/* `memory`: the shared arena. 0 or -ENOMEM. */
int tables_create(struct arena *arena, uint8_t *memory, struct tables **out);
void tables_destroy(struct tables *t);

/* A pool's tables were in force before us, their runs adopted into the arena. 0 or -ENOMEM. */
int tables_adopt(struct tables *t, const struct weir_pool *pool);

/* Set index, table_off and move_off of the pools to what the generation in force has;
 * table_off 0: no table of the pool's present size. */
void tables_show(const struct tables *t, const struct model *m);

/* After tables_show(): the pools' moves go on as those tables say. 0 or -ENOMEM. */
int tables_adopt_moves(const struct tables *t, const struct model *m);

/*
 * Write the tables of pools in which something changed since they were written:
 * members, weights, size (pool->full_stale), who serves, indices; and of pools whose
 * windows end or whose slots settle. Sets pool->index, pool->full, pool->table_off,
 * pool->move_off. `generation` is the one that will name them first.
 *
 * Returns 0; -ENOSPC: the arena has no room; -ENOMEM; -EINVAL: a table's size is no
 * prime. After an error everything is as before.
 */
int tables_prepare(struct tables *t, const struct model *m, const struct tables_now *now,
		   uint64_t generation);

/* Would publishing `generation` now end a window or settle a slot? */
bool tables_due(const struct tables *t, const struct model *m, const struct tables_now *now,
		uint64_t generation);

/* When a window of a slot of `pool` ends, CLOCK_BOOTTIME ms; 0: it is not open. */
uint64_t tables_window_end_ms(const struct tables *t, const struct model *m,
			      const struct tables_now *now, const struct pool *pool, uint32_t slot,
			      unsigned protocol);

/* The generation has been published: what it replaced is retired, pool->moves follow. */
void tables_commit(struct tables *t, const struct model *m, uint64_t generation);

/* It has not: take the new ones back. */
void tables_abort(struct tables *t, const struct model *m);

#endif /* WEIR_TABLES_H */
