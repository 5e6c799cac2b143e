// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers for backends. An index stays with its backend while workers know it; when
 * the backend goes, the number rests until every worker has taken a generation in
 * which it is off and has no pin left that names it, so that no worker ever takes one
 * backend for another.
 */
#ifndef WEIR_INDICES_H
#define WEIR_INDICES_H

#include <stdbool.h>
#include <stdint.h>

struct indices {
	uint32_t count;	  /* they are 0..count - 1 */
	uint32_t end;	  /* highest one in use + 1 */
	uint32_t resting; /* how many wait for the workers */
	uint32_t lowest;  /* none below is free */
	struct index_use {
		uint64_t id;	  /* whose it is or was; 0: free */
		uint64_t retired; /* generation in which it is off; 0: in use */
	} * use;
};

/* 0 or -ENOMEM. */
int indices_create(uint32_t count, struct indices **out);
void indices_destroy(struct indices *x);

/* The index that rests for this identity (not 0), else the lowest free one, or -ENOSPC. */
int32_t indices_take(struct indices *x, uint64_t id);

/* It was in use before us. 0, -EINVAL out of range, -EEXIST when another has it. */
int indices_adopt(struct indices *x, uint32_t index, uint64_t id);

/* Its backend has gone: off from `generation` on. */
void indices_retire(struct indices *x, uint32_t index, uint64_t generation);

/* Every worker has taken generation `seen` or a later one: is one that rests off in it? */
bool indices_may_reclaim(const struct indices *x, uint64_t seen);

/* Free those that are. pins: how many name each index, counted since then; one that is
 * named goes on resting. Returns how many became free. */
uint32_t indices_reclaim(struct indices *x, uint64_t seen, const uint32_t *pins);

#endif /* WEIR_INDICES_H */
