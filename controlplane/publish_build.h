// SPDX-License-Identifier: Apache-2.0
/*
 * Writing a snapshot from the model: a plain function into a plain buffer.
 */
#ifndef WEIR_PUBLISH_BUILD_H
#define WEIR_PUBLISH_BUILD_H

#include "lookup.h"
#include "model.h"
#include "snapshot.h"

/* A snapshot before it is written: its size, and where in it everything goes. */
struct build {
	const struct model *model;
	struct weir_snapshot head; /* offsets from the snapshot's start; no generation yet */
	struct lookup lookup;
	struct weir_vip *vip;
};

/*
 * Plan a snapshot of `m` with backend_count backend lines: highest index in use + 1.
 * Returns 0 with *out to be given to build_free(); -E2BIG when the services do not fit
 * the largest look-up table; -ENOMEM. out->head.size is the room it needs.
 */
int build_plan(struct build *out, const struct model *m, uint32_t backend_count);
void build_free(struct build *b);

/*
 * Write it: to[head.size] is what will lie at arena offset `offset`, a multiple of
 * WEIR_BLOCK, in blocks that no worker can see. Pools name their tables by table_off.
 * Backends without an index are left out.
 */
void build_write(const struct build *b, uint8_t *to, uint32_t offset, uint64_t generation);

#endif /* WEIR_PUBLISH_BUILD_H */
