// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a pool's table must be written anew is found by comparing, not by being told:
 * a hash over what it is made of says that nothing changed, and where something did, the
 * new table is compared with the one in force. So a missed flag cannot leave a table
 * stale, and a restarted control plane goes on with the tables that it finds.
 *
 * Who owns a slot goes through the pool's moves (moves.h). Each publication works on a
 * copy of them, which takes their place when it is committed: pool->moves is what the
 * workers were told last.
 */
#include "tables.h"

#include "owners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* A pool's table, now and as it is being prepared. */
struct table {
	uint64_t pool_id;    /* 0: no pool has this index */
	uint64_t made_of;    /* hash; 0: not known */
	uint32_t block;	     /* where its run begins; 0: none yet */
	uint32_t moves;	     /* likewise that of the moves; 0: none, no slot is moving */
	uint32_t move_count; /* records there */
	uint32_t newest_ms;  /* when the latest of them began: moves_newest_ms() */
	uint32_t len;
	struct moves next; /* being prepared, for pool->moves; len 0: they stay */
};

struct tables {
	struct arena *arena;
	uint8_t *memory;
	struct table *now; /* by the pool's index, as the last generation names them */
	uint32_t now_count;
	struct table *next;
	uint32_t next_count;
	/* by backend index, made for each publication: see struct moves_env */
	bool *forwards;
	uint64_t *deadline_ms;
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
	t->forwards = calloc(WEIR_MAX_BACKENDS, sizeof(*t->forwards));
	t->deadline_ms = calloc(WEIR_MAX_BACKENDS, sizeof(*t->deadline_ms));
	if (t->now == NULL || t->next == NULL || t->forwards == NULL || t->deadline_ms == NULL) {
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
	free(t->deadline_ms);
	free(t->forwards);
	free(t->next);
	free(t->now);
	free(t);
}

int tables_adopt(struct tables *t, const struct weir_pool *pool)
{
	if (t->now_count == WEIR_MAX_POOLS)
		return -ENOMEM;
	if (pool->id == 0) {
		t->now[t->now_count++] = (struct table){ 0 };
		return 0;
	}
	t->now[t->now_count++] = (struct table){
		.pool_id = pool->id,
		.block = pool->table_off / WEIR_BLOCK,
		.moves = pool->move_off / WEIR_BLOCK,
		.move_count = pool->move_count,
		.newest_ms = pool->newest_ms,
		.len = pool->table_len,
	};
	return 0;
}

static uint8_t *at_block(const struct tables *t, uint32_t block)
{
	return t->memory + (size_t)block * WEIR_BLOCK;
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
		p->move_off = p->table_off != 0 ? e->moves * WEIR_BLOCK : 0;
		p->move_count = p->table_off != 0 ? e->move_count : 0;
		p->newest_ms = p->table_off != 0 ? e->newest_ms : 0;
	}
}

int tables_adopt_moves(const struct tables *t, const struct model *m)
{
	for (uint32_t i = 0; i < m->pool_count; i++) {
		struct pool *p = m->pool[i];
		struct moves found;

		if (p->table_off == 0)
			continue;
		if (moves_create(&found, p->conf.table_size) < 0)
			return -ENOMEM;
		moves_read(&found, (const weir_slot *)(t->memory + p->table_off),
			   p->move_off != 0
				   ? (const struct weir_move_group *)(t->memory + p->move_off)
				   : NULL,
			   p->move_count);
		moves_free(&p->moves);
		p->moves = found;
	}
	return 0;
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
		node[i].weight = backend_table_weight(p->backend[i]);
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

/* Who has the slots in force, as positions: malloc()ed. NULL: no memory. */
static uint16_t *present_owners(const struct pool *p)
{
	uint16_t *position = malloc(WEIR_MAX_BACKENDS * sizeof(*position));
	uint16_t *present = malloc(p->conf.table_size * sizeof(*present));

	if (position == NULL || present == NULL) {
		free(present);
		present = NULL;
		goto out;
	}
	memset(position, 0xff, WEIR_MAX_BACKENDS * sizeof(*position));
	for (uint32_t i = 0; i < p->backend_count; i++)
		if (p->backend[i]->index >= 0)
			position[p->backend[i]->index] = (uint16_t)i;
	for (uint32_t i = 0; i < p->conf.table_size; i++) {
		uint16_t cur = p->moves.cur[i];

		present[i] = cur == MOVES_NOBODY ? MAGLEV_NONE : position[cur];
	}
out:
	free(position);
	return present;
}

/* Owners by index. */
static int fill_owners(uint16_t *owner, const struct pool *p, const struct owners_node *node)
{
	uint32_t len = p->conf.table_size;
	bool counts = p->moves.len == len && owners_start_slowly(node, p->backend_count);
	uint16_t *present = counts ? present_owners(p) : NULL;
	int err = -ENOMEM;

	if (!counts || present != NULL)
		err = owners_fill(owner, p->full, present, len, node, p->backend_count);
	free(present);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < len; i++)
		owner[i] = owner[i] == MAGLEV_NONE ? MOVES_NOBODY
						   : (uint16_t)p->backend[owner[i]]->index;
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
			uint32_t serves, missing;
		} part = { node[i].id, node[i].weight, p->backend[i]->index, node[i].serves,
			   node[i].missing };

		hash = XXH3_64bits_withSeed(&part, sizeof(part), hash);
	}
	return hash ? hash : 1;
}

/* Write `bytes` to new blocks, unless the run at *block holds just that. */
static int store(struct tables *t, uint32_t *block, bool same_size, const void *content,
		 uint64_t bytes, uint64_t generation)
{
	int32_t first;

	if (*block != 0 && same_size && memcmp(at_block(t, *block), content, bytes) == 0)
		return 0;
	first = arena_alloc(t->arena, (uint32_t)((bytes + WEIR_BLOCK - 1) / WEIR_BLOCK),
			    generation);
	if (first < 0)
		return first;
	memcpy(at_block(t, (uint32_t)first), content, bytes);
	*block = (uint32_t)first;
	return 0;
}

/* e->next as the workers are to have it. */
static int store_moves(struct tables *t, struct table *e, uint64_t now_ms, uint64_t generation)
{
	const struct moves *m = &e->next;
	bool moving = m->moving != 0, same_len = e->len == m->len;
	uint64_t bytes = weir_moves_size(m->len, m->moving);
	weir_slot *slot = malloc(m->len * sizeof(*slot));
	struct weir_move_group *moves = moving ? malloc(bytes) : NULL;
	int err = -ENOMEM;

	if (slot == NULL || (moving && moves == NULL))
		goto out;
	moves_write(m, slot, moves);
	err = store(t, &e->block, same_len, slot, m->len * sizeof(*slot), generation);
	if (err == 0 && moving)
		err = store(t, &e->moves, same_len && e->move_count == m->moving, moves, bytes,
			    generation);
	if (err == 0 && !moving)
		e->moves = 0;
	if (err == 0) {
		e->move_count = m->moving;
		e->newest_ms = moves_newest_ms(m, now_ms);
		e->len = m->len;
	}
out:
	free(moves);
	free(slot);
	return err;
}

/* What was found of the pool's pins, if it may settle slots now. */
static const uint8_t *held_of(const struct pool *p, const struct tables_now *now,
			      uint64_t generation)
{
	if (now->scan == NULL || now->scan->generation == 0 || p->index >= WEIR_MAX_POOLS ||
	    now->scan->generation + 1 != generation ||
	    now->scan->pool[p->index].len != p->moves.len)
		return NULL;
	return now->scan->pool[p->index].held;
}

/* The steps of a publication, on a copy of the pool's moves. owner NULL: as they are. */
static int step(struct table *e, const struct pool *p, const struct moves_env *env,
		const uint8_t *held, const uint16_t *owner)
{
	int err = p->moves.len == p->conf.table_size ? moves_copy(&e->next, &p->moves)
						     : moves_create(&e->next, p->conf.table_size);

	if (err < 0)
		return err;
	/* First: what is known of pins is so for the slots as they are in force. */
	if (held != NULL)
		moves_settle(&e->next, held);
	if (owner != NULL)
		moves_assign(&e->next, env, owner);
	moves_expire(&e->next, env);
	return 0;
}

/* *e is the pool's table in force, or empty; make it the one that comes. */
static int prepare(struct tables *t, struct table *e, struct pool *p, const struct moves_env *env,
		   const uint8_t *held, uint64_t generation)
{
	uint32_t len = p->conf.table_size;
	struct owners_node *node = calloc(p->backend_count + 1, sizeof(*node));
	uint16_t *owner = NULL;
	uint64_t hash;
	bool same;
	int err = -ENOMEM;

	if (node == NULL)
		goto out;
	for (uint32_t i = 0; i < p->backend_count; i++) {
		const struct backend *b = p->backend[i];

		node[i] = (struct owners_node){ .id = b->id,
						.weight = backend_table_weight(b),
						.serves = b->index >= 0 && backend_serves(b),
						.missing = b->slow.missing };
	}
	hash = made_of(p, node);
	err = 0;
	same = e->len == len && e->made_of == hash && !p->full_stale;
	if (same && p->moves.len == len && p->moves.moving + p->moves.pinned == 0)
		goto out;

	if (!same) {
		if (p->full == NULL || p->full_stale)
			err = fill_full(p);
		if (err < 0)
			goto out;
		err = -ENOMEM;
		owner = malloc(len * sizeof(*owner));
		if (owner == NULL)
			goto out;
		err = fill_owners(owner, p, node);
	}
	if (err == 0)
		err = step(e, p, env, held, owner);
	if (err == 0)
		err = store_moves(t, e, env->now_ms, generation);
	if (err == 0)
		e->made_of = hash;
out:
	free(owner);
	free(node);
	return err;
}

/* -- one publication -------------------------------------------------------- */

/* Is the run in use by a list, as either kind of table? */
static bool is_named(const struct table *list, uint32_t count, uint32_t at, uint32_t block)
{
	if (at < count && (list[at].block == block || list[at].moves == block))
		return true;
	for (uint32_t i = 0; i < count; i++)
		if (list[i].block == block || list[i].moves == block)
			return true;
	return false;
}

/* What moves go by, for all pools. A backend without a next hop reaches nobody. */
static struct moves_env make_env(const struct tables *t, const struct model *m,
				 const struct tables_now *now)
{
	memset(t->forwards, 0, WEIR_MAX_BACKENDS * sizeof(*t->forwards));
	memset(t->deadline_ms, 0, WEIR_MAX_BACKENDS * sizeof(*t->deadline_ms));
	for (uint32_t i = 0; i < m->pool_count; i++) {
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++) {
			const struct backend *b = m->pool[i]->backend[j];

			if (b->index < 0)
				continue;
			t->forwards[b->index] = backend_forwards(b) && b->hop.resolved;
			if (backend_admin(b) == ADMIN_DRAINING)
				t->deadline_ms[b->index] = b->conf.drain_deadline_ms;
		}
	}
	return (struct moves_env){
		.now_ms = now->now_ms,
		.forwards = t->forwards,
		.deadline_ms = t->deadline_ms,
		.pressure_ms = now->pressure_ms,
	};
}

static void set_windows(struct moves_env *env, const struct model *m, const struct pool *p)
{
	env->tcp_window_ms = pool_tcp_window_ms(p);
	env->udp_window_ms = pool_udp_window_ms(m, p);
	env->grace_ms = pool_grace_ms(p);
}

/*
 * Pins name their pool by its index: a pool keeps its own when others come and go. New
 * ones get the lowest that are free.
 */
static void assign_places(struct tables *t, const struct model *m)
{
	uint32_t lowest = 0;

	memset(t->next, 0, WEIR_MAX_POOLS * sizeof(*t->next));
	t->next_count = 0;
	for (uint32_t i = 0; i < m->pool_count; i++) {
		struct pool *p = m->pool[i];
		const struct table *before = find(t, p->id, i);

		p->index = before != NULL ? (uint32_t)(before - t->now) : UINT32_MAX;
		if (before != NULL)
			t->next[p->index] = *before;
	}
	for (uint32_t i = 0; i < m->pool_count; i++) {
		struct pool *p = m->pool[i];

		while (p->index == UINT32_MAX && t->next[lowest].pool_id != 0)
			lowest++;
		if (p->index == UINT32_MAX) {
			p->index = lowest;
			t->next[lowest] = (struct table){ .pool_id = p->id };
		}
		if (t->next_count <= p->index)
			t->next_count = p->index + 1;
	}
}

int tables_prepare(struct tables *t, const struct model *m, const struct tables_now *now,
		   uint64_t generation)
{
	struct moves_env env = make_env(t, m, now);
	int err = 0;

	assign_places(t, m);
	for (uint32_t i = 0; i < m->pool_count && err == 0; i++) {
		struct pool *p = m->pool[i];
		struct table *e = &t->next[p->index];

		set_windows(&env, m, p);
		err = prepare(t, e, p, &env, held_of(p, now, generation), generation);
		p->table_off = e->block * WEIR_BLOCK;
		p->move_off = e->moves * WEIR_BLOCK;
		p->move_count = e->move_count;
		p->newest_ms = e->newest_ms;
	}
	if (err < 0)
		tables_abort(t, m);
	return err;
}

bool tables_due(const struct tables *t, const struct model *m, const struct tables_now *now,
		uint64_t generation)
{
	struct moves_env env = make_env(t, m, now);
	bool is_due = false;

	for (uint32_t i = 0; i < m->pool_count && !is_due; i++) {
		const struct pool *p = m->pool[i];
		const uint8_t *held = held_of(p, now, generation);

		set_windows(&env, m, p);
		is_due = moves_next_ms(&p->moves, &env) <= now->now_ms ||
			 (held != NULL && moves_unheld(&p->moves, held) > 0);
	}
	return is_due;
}

uint64_t tables_window_end_ms(const struct tables *t, const struct model *m,
			      const struct tables_now *now, const struct pool *pool, uint32_t slot,
			      unsigned protocol)
{
	struct moves_env env = make_env(t, m, now);

	set_windows(&env, m, pool);
	return slot < pool->moves.len ? moves_window_end_ms(&pool->moves, &env, slot, protocol) : 0;
}

static void retire(struct tables *t, uint32_t at, uint32_t block, uint64_t generation)
{
	if (block != 0 && !is_named(t->next, t->next_count, at, block))
		arena_retire(t->arena, block, generation);
}

void tables_commit(struct tables *t, const struct model *m, uint64_t generation)
{
	struct table *was = t->now;

	for (uint32_t i = 0; i < t->now_count; i++) {
		retire(t, i, t->now[i].block, generation);
		retire(t, i, t->now[i].moves, generation);
	}
	for (uint32_t i = 0; i < m->pool_count; i++) {
		struct pool *p = m->pool[i];
		struct moves *next = &t->next[p->index].next;

		if (next->len == 0)
			continue;
		moves_free(&p->moves);
		p->moves = *next;
		*next = (struct moves){ 0 };
	}
	t->now = t->next;
	t->now_count = t->next_count;
	t->next = was;
	t->next_count = 0;
}

static void take_back(struct tables *t, uint32_t at, uint32_t block)
{
	if (block != 0 && !is_named(t->now, t->now_count, at, block))
		arena_free(t->arena, block);
}

void tables_abort(struct tables *t, const struct model *m)
{
	for (uint32_t i = 0; i < t->next_count; i++) {
		take_back(t, i, t->next[i].block);
		take_back(t, i, t->next[i].moves);
		moves_free(&t->next[i].next);
	}
	t->next_count = 0;
	tables_show(t, m);
}
