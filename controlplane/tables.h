// SPDX-License-Identifier: Apache-2.0
/*
 * The pools' lookup tables in the arena. A table stays where it is, and every snapshot
 * names it, until what it says changes; then the new one is written beside it.
 *
 * One publication is tables_prepare(), and then tables_commit() or tables_abort().
 */
#ifndef WEIR_TABLES_H
#define WEIR_TABLES_H

#include "arena.h"
#include "model.h"

#include <stdint.h>

struct tables;

/* `memory`: the shared arena. 0 or -ENOMEM. */
int tables_create(struct arena *arena, uint8_t *memory, struct tables **out);
void tables_destroy(struct tables *t);

/* A pool's table was in force before us, its run adopted into the arena. 0 or -ENOMEM. */
int tables_adopt(struct tables *t, uint64_t pool_id, uint32_t offset, uint32_t len);

/* Set index and table_off of the pools to what the generation in force has; table_off 0:
 * no table of the pool's present size. */
void tables_show(const struct tables *t, const struct model *m);

/*
 * Write the tables of pools in which something changed since they were written:
 * members, weights, size (pool->full_stale), who serves, indices. Sets pool->index,
 * pool->full, pool->table_off. `generation` is the one that will name them first.
 *
 * Returns 0; -ENOSPC: the arena has no room; -ENOMEM; -EINVAL: a table's size is no
 * prime. After an error everything is as before.
 */
int tables_prepare(struct tables *t, const struct model *m, uint64_t generation);

/* The generation has been published: what it replaced is retired. */
void tables_commit(struct tables *t, uint64_t generation);

/* It has not: take the new ones back. */
void tables_abort(struct tables *t, const struct model *m);

#endif /* WEIR_TABLES_H */
