// SPDX-License-Identifier: Apache-2.0
/*
 * Reading back what is in force: how a restarted control plane goes on where the last
 * one was. It may have been killed in the middle of anything, or have been mad: every
 * number is checked before it is used.
 */
#ifndef WEIR_PUBLISH_ADOPT_H
#define WEIR_PUBLISH_ADOPT_H

#include "arena.h"
#include "indices.h"
#include "model.h"
#include "snapshot.h"
#include "tables.h"

/* A snapshot that has been checked. */
struct adopt {
	const uint8_t *arena;
	uint32_t offset;
	struct weir_snapshot head;
};

/* Check the snapshot at arena[offset]. NULL when it is sound, else what is wrong with it,
 * as the end of a sentence. */
const char *adopt_check(struct adopt *out, const uint8_t *arena, uint64_t arena_size,
			uint64_t offset, uint64_t generation);

/*
 * Reserve the blocks of the snapshot and of its tables, and its indices. retired: 0 for
 * the newest snapshot in force; its generation for an older one that a worker still
 * uses, of which only what the newest lacks is added. 0, or a negative errno when the
 * parts contradict each other.
 */
int adopt_reserve(const struct adopt *s, struct arena *arena, struct indices *indices,
		  uint64_t retired);

/* The pools' tables are as the snapshot says. 0 or a negative errno. */
int adopt_tables(const struct adopt *s, struct tables *tables);

/*
 * Give the model's backends the indices they had. Those about which nothing is known
 * yet also get what the workers go by: health, and the next hop. 0 or -ENOMEM.
 */
int adopt_backends(const struct adopt *s, struct model *m, uint64_t now_ms);

#endif /* WEIR_PUBLISH_ADOPT_H */
