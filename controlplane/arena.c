// SPDX-License-Identifier: Apache-2.0
#include "arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int arena_create(uint32_t blocks, struct arena **out)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return -ENOMEM;
	a->blocks = blocks < ARENA_MAX_BLOCKS ? blocks : ARENA_MAX_BLOCKS;
	*out = a;
	return 0;
}

void arena_destroy(struct arena *a)
{
	if (a == NULL)
		return;
	free(a->run);
	free(a);
}

/* Position of the run that begins at `first`, or of the next one behind it. */
static uint32_t find(const struct arena *a, uint32_t first)
{
	uint32_t low = 0, high = a->run_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (a->run[middle].first < first)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct arena *a, uint32_t at, struct arena_run run)
{
	if (a->run_count == a->run_room) {
		uint32_t room = a->run_room ? 2 * a->run_room : 16;
		struct arena_run *more = realloc(a->run, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		a->run = more;
		a->run_room = room;
	}
	memmove(&a->run[at + 1], &a->run[at], (a->run_count - at) * sizeof(run));
	a->run[at] = run;
	a->run_count++;
	a->used += run.count;
	return 0;
}

int32_t arena_alloc(struct arena *a, uint32_t count, uint64_t born)
{
	uint32_t first = 1, at = 0;
	int err;

	while (at < a->run_count && a->run[at].first - first < count) {
		first = a->run[at].first + a->run[at].count;
		at++;
	}
	if (at == a->run_count && (first > a->blocks || a->blocks - first < count))
		return -ENOSPC;
	err = insert(a, at, (struct arena_run){ .first = first, .count = count, .born = born });
	return err < 0 ? err : (int32_t)first;
}

int arena_adopt(struct arena *a, uint32_t first, uint32_t count, uint64_t retired)
{
	uint32_t at = find(a, first);

	if (first == 0 || count == 0 || first >= a->blocks || count > a->blocks - first)
		return -EINVAL;
	if (at < a->run_count && a->run[at].first == first && a->run[at].count == count)
		return 0;
	if (at < a->run_count && a->run[at].first - first < count)
		return -EEXIST;
	if (at > 0 && first - a->run[at - 1].first < a->run[at - 1].count)
		return -EEXIST;
	return insert(a, at,
		      (struct arena_run){ .first = first, .count = count, .retired = retired });
}

void arena_free(struct arena *a, uint32_t first)
{
	uint32_t at = find(a, first);

	a->used -= a->run[at].count;
	a->run_count--;
	memmove(&a->run[at], &a->run[at + 1], (a->run_count - at) * sizeof(a->run[0]));
}

void arena_retire(struct arena *a, uint32_t first, uint64_t generation)
{
	a->run[find(a, first)].retired = generation;
}

static bool is_needed(const struct arena_run *r, const uint64_t *held, uint32_t count)
{
	if (r->retired == 0)
		return true;
	for (uint32_t i = 0; i < count; i++)
		if (r->born <= held[i] && held[i] < r->retired)
			return true;
	return false;
}

uint32_t arena_reclaim(struct arena *a, const uint64_t *held, uint32_t count)
{
	uint32_t before = a->used, kept = 0;

	for (uint32_t i = 0; i < a->run_count; i++) {
		if (is_needed(&a->run[i], held, count))
			a->run[kept++] = a->run[i];
		else
			a->used -= a->run[i].count;
	}
	a->run_count = kept;
	return before - a->used;
}
