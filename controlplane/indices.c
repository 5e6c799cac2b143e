// SPDX-License-Identifier: Apache-2.0
#include "indices.h"

#include <errno.h>
#include <stdlib.h>

int indices_create(uint32_t count, struct indices **out)
{
	struct indices *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return -ENOMEM;
	x->count = count;
	x->use = calloc(count, sizeof(*x->use));
	if (x->use == NULL) {
		free(x);
		return -ENOMEM;
	}
	*out = x;
	return 0;
}

void indices_destroy(struct indices *x)
{
	if (x == NULL)
		return;
	free(x->use);
	free(x);
}

static void put(struct indices *x, uint32_t index, uint64_t id)
{
	x->use[index] = (struct index_use){ .id = id };
	if (index >= x->end)
		x->end = index + 1;
}

int32_t indices_take(struct indices *x, uint64_t id)
{
	uint32_t i = 0;

	while (x->resting > 0 && i < x->count && (x->use[i].id != id || x->use[i].retired == 0))
		i++;
	if (x->resting > 0 && i < x->count) {
		x->resting--;
		put(x, i, id);
		return (int32_t)i;
	}
	while (x->lowest < x->count && x->use[x->lowest].id != 0)
		x->lowest++;
	if (x->lowest == x->count)
		return -ENOSPC;
	put(x, x->lowest, id);
	return (int32_t)x->lowest;
}

int indices_adopt(struct indices *x, uint32_t index, uint64_t id)
{
	if (index >= x->count)
		return -EINVAL;
	if (x->use[index].id != 0 && x->use[index].id != id)
		return -EEXIST;
	put(x, index, id);
	return 0;
}

void indices_retire(struct indices *x, uint32_t index, uint64_t generation)
{
	x->use[index].retired = generation;
	x->resting++;
	while (x->end > 0 && (x->use[x->end - 1].id == 0 || x->use[x->end - 1].retired != 0))
		x->end--;
}

static bool is_off(const struct index_use *u, uint64_t seen)
{
	return u->retired != 0 && u->retired <= seen;
}

bool indices_may_reclaim(const struct indices *x, uint64_t seen)
{
	for (uint32_t i = 0; i < x->count && x->resting > 0; i++)
		if (is_off(&x->use[i], seen))
			return true;
	return false;
}

uint32_t indices_reclaim(struct indices *x, uint64_t seen, const uint32_t *pins)
{
	uint32_t freed = 0;

	for (uint32_t i = 0; i < x->count && x->resting > 0; i++) {
		if (!is_off(&x->use[i], seen) || pins[i] != 0)
			continue;
		x->use[i] = (struct index_use){ 0 };
		x->resting--;
		freed++;
		if (i < x->lowest)
			x->lowest = i;
	}
	return freed;
}
