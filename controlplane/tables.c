// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a pool's table must be written anew is found by comparing, not by being told:
 * a hash over what it is made of says that nothing changed, and where something did, the
 * new table is compared with the one in force. So a missed flag cannot leave a table
 * stale, and a restarted control plane goes on with the tables that it finds.
 */
#include "tables.h"

#include "owners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* A pool's table, now and as it is being prepared. */
struct table {
	uint64_t pool_id;
	uint64_t made_of; /* hash; 0: not known */
	uint32_t block;	  /* where its run begins; 0: none yet */
	uint32_t len;
};

struct tables {
	struct arena *arena;
	uint8_t *memory;
	struct table *now; /* as the last generation names them */
	uint32_t now_count;
	struct table *next;
	uint32_t next_count;
};

int tables_create(struct arena *arena, uint8_t *memory, struct tables **out)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->arena = arena;
	t->memory = memory;
	t->now = calloc(WEIR_MAX_POOLS, sizeof(*t->now));
	t->next = calloc(WEIR_MAX_POOLS, sizeof(*t->next));
	if (t->now == NULL || t->next == NULL) {
		tables_destroy(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void tables_destroy(struct tables *t)
{
	if (t == NULL)
		return;
	free(t->next);
	free(t->now);
	free(t);
}

int tables_adopt(struct tables *t, uint64_t pool_id, uint32_t offset, uint32_t len)
{
	if (t->now_count == WEIR_MAX_POOLS)
		return -ENOMEM;
	t->now[t->now_count++] =
		(struct table){ .pool_id = pool_id, .block = offset / WEIR_BLOCK, .len = len };
	return 0;
}

static weir_slot *slots_of(const struct tables *t, uint32_t block)
{
	return (weir_slot *)(t->memory + (size_t)block * WEIR_BLOCK);
}

/* The table in force of the pool that is number `at` now, or NULL. */
static const struct table *find(const struct tables *t, uint64_t pool_id, uint32_t at)
{
	if (at < t->now_count && t->now[at].pool_id == pool_id)
		return &t->now[at];
	for (uint32_t i = 0; i < t->now_count; i++)
		if (t->now[i].pool_id == pool_id)
			return &t->now[i];
	return NULL;
}

void tables_show(const struct tables *t, const struct model *m)
{
	for (uint32_t i = 0; i < m->pool_count; i++) {
		struct pool *p = m->pool[i];
		const struct table *e = find(t, p->id, i);

		p->index = e ? (uint32_t)(e - t->now) : UINT32_MAX;
		p->table_off = e && e->len == p->conf.table_size ? e->block * WEIR_BLOCK : 0;
	}
}

/* Maglev over all configured backends, with the weights they had or last had. */
static int fill_full(struct pool *p)
{
	struct maglev_node *node = calloc(p->backend_count + 1, sizeof(*node));
	uint16_t *full = malloc(p->conf.table_size * sizeof(*full));
	int err = -ENOMEM;

	if (node == NULL || full == NULL)
		goto out;
	for (uint32_t i = 0; i < p->backend_count; i++) {
		node[i].name = p->backend[i]->conf.name;
		node[i].weight = p->backend[i]->conf.base_weight;
	}
	err = maglev_fill(full, p->conf.table_size, node, p->backend_count);
	if (err < 0)
		goto out;
	free(p->full);
	p->full = full;
	p->full_stale = false;
	full = NULL;
out:
	free(full);
	free(node);
	return err;
}

/* Positions into slot entries: the pool as the workers know it. */
static int fill_slots(weir_slot *slot, const struct pool *p, const struct owners_node *node)
{
	uint32_t len = p->conf.table_size;
	int err = owners_fill(slot, p->full, len, node, p->backend_count);

	if (err < 0)
		return err;
	for (uint32_t i = 0; i < len; i++) {
		uint16_t o = slot[i];

		slot[i] = o == MAGLEV_NONE ? weir_slot_make(WEIR_SLOT_EMPTY, 0)
					   : weir_slot_make(WEIR_SLOT_SETTLED,
							    (unsigned)p->backend[o]->index);
	}
	return 0;
}

/* All that a table depends on; never 0. */
static uint64_t made_of(const struct pool *p, const struct owners_node *node)
{
	uint64_t hash = p->conf.table_size;

	for (uint32_t i = 0; i < p->backend_count; i++) {
		const struct {
			uint64_t id;
			uint32_t weight;
			int32_t index;
			uint64_t serves;
		} part = { node[i].id, node[i].weight, p->backend[i]->index, node[i].serves };

		hash = XXH3_64bits_withSeed(&part, sizeof(part), hash);
	}
	return hash ? hash : 1;
}

/* Write `slot` to new blocks, unless `e` already stands for just that. */
static int store(struct tables *t, struct table *e, uint32_t len, const weir_slot *slot,
		 uint64_t generation)
{
	size_t bytes = len * sizeof(*slot);
	int32_t block;

	if (e->block != 0 && e->len == len && memcmp(slots_of(t, e->block), slot, bytes) == 0)
		return 0;
	block = arena_alloc(t->arena, (uint32_t)((bytes + WEIR_BLOCK - 1) / WEIR_BLOCK),
			    generation);
	if (block < 0)
		return block;
	memcpy(slots_of(t, (uint32_t)block), slot, bytes);
	e->block = (uint32_t)block;
	e->len = len;
	return 0;
}

/* *e is the pool's table in force, or empty; make it the one that comes. */
static int prepare(struct tables *t, struct table *e, struct pool *p, uint64_t generation)
{
	uint32_t len = p->conf.table_size;
	struct owners_node *node = calloc(p->backend_count + 1, sizeof(*node));
	weir_slot *slot = NULL;
	uint64_t hash;
	int err = -ENOMEM;

	if (node == NULL)
		goto out;
	for (uint32_t i = 0; i < p->backend_count; i++) {
		const struct backend *b = p->backend[i];

		node[i] = (struct owners_node){ .id = b->id,
						.weight = b->conf.base_weight,
						.serves = b->index >= 0 && backend_serves(b) };
	}
	hash = made_of(p, node);
	err = 0;
	if (e->len == len && e->made_of == hash && !p->full_stale)
		goto out;

	if (p->full == NULL || p->full_stale)
		err = fill_full(p);
	if (err < 0)
		goto out;
	err = -ENOMEM;
	slot = malloc(len * sizeof(*slot));
	if (slot == NULL)
		goto out;
	err = fill_slots(slot, p, node);
	if (err == 0)
		err = store(t, e, len, slot, generation);
	if (err == 0)
		e->made_of = hash;
out:
	free(slot);
	free(node);
	return err;
}

static bool is_named(const struct table *list, uint32_t count, uint32_t at, uint32_t block)
{
	if (at < count && list[at].block == block)
		return true;
	for (uint32_t i = 0; i < count; i++)
		if (list[i].block == block)
			return true;
	return false;
}

int tables_prepare(struct tables *t, const struct model *m, uint64_t generation)
{
	int err = 0;

	t->next_count = 0;
	for (uint32_t i = 0; i < m->pool_count && err == 0; i++) {
		struct pool *p = m->pool[i];
		const struct table *before = find(t, p->id, i);
		struct table *e = &t->next[t->next_count++];

		*e = before ? *before : (struct table){ .pool_id = p->id };
		err = prepare(t, e, p, generation);
		p->index = i;
		p->table_off = e->block * WEIR_BLOCK;
	}
	if (err < 0)
		tables_abort(t, m);
	return err;
}

void tables_commit(struct tables *t, uint64_t generation)
{
	struct table *was = t->now;

	for (uint32_t i = 0; i < t->now_count; i++)
		if (!is_named(t->next, t->next_count, i, t->now[i].block))
			arena_retire(t->arena, t->now[i].block, generation);
	t->now = t->next;
	t->now_count = t->next_count;
	t->next = was;
	t->next_count = 0;
}

void tables_abort(struct tables *t, const struct model *m)
{
	for (uint32_t i = 0; i < t->next_count; i++) {
		uint32_t block = t->next[i].block;

		if (block != 0 && !is_named(t->now, t->now_count, i, block))
			arena_free(t->arena, block);
	}
	t->next_count = 0;
	tables_show(t, m);
}
