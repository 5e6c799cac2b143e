// SPDX-License-Identifier: Apache-2.0
/*
 * Which blocks of the shared arena are in use, and until when. Book-keeping only:
 * nothing here touches the arena itself.
 *
 * A run of blocks holds a lookup table or a snapshot. It is `born` with the first
 * generation that names it and retired with the first that no longer does; a worker
 * that reads generation g needs the runs with born <= g < retired. Block 0 is never
 * given out: an offset of 0 means "none" in a snapshot.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include <stdint.h>

#define ARENA_MAX_BLOCKS (1u << 20) /* offsets have 32 bits: 4 GiB */

struct arena_run {
	uint32_t first, count; /* blocks */
	uint64_t born;
	uint64_t retired; /* 0: in use */
};

struct arena {
	uint32_t blocks;
	uint32_t used;	       /* blocks in runs, block 0 apart */
	struct arena_run *run; /* by `first` */
	uint32_t run_count, run_room;
};

/* An arena of so many blocks, at most ARENA_MAX_BLOCKS of them used. 0 or -ENOMEM. */
int arena_create(uint32_t blocks, struct arena **out);
void arena_destroy(struct arena *a);

/* First fit. Returns the first block (never 0), or -ENOSPC or -ENOMEM. */
int32_t arena_alloc(struct arena *a, uint32_t count, uint64_t born);

/*
 * A run that was there before us, born with any generation; `retired` as in struct
 * arena_run. Naming a run again is no error and changes nothing. 0; -EINVAL when it lies
 * outside, -EEXIST when it overlaps another one, -ENOMEM.
 */
int arena_adopt(struct arena *a, uint32_t first, uint32_t count, uint64_t retired);

/* Give back a run that no worker was told of. */
void arena_free(struct arena *a, uint32_t first);

/* From `generation` on nothing names the run that begins at `first`. */
void arena_retire(struct arena *a, uint32_t first, uint64_t generation);

/*
 * Free the retired runs that no worker needs. held[count]: every generation that a
 * worker reads or may take, none of them 0. Returns the blocks that became free.
 */
uint32_t arena_reclaim(struct arena *a, const uint64_t *held, uint32_t count);

#endif /* WEIR_ARENA_H */
