// SPDX-License-Identifier: Apache-2.0
#include "attachment.h"

#include "publish_adopt.h"
#include "publish_build.h"
#include "slow_start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- beginning and end ------------------------------------------------------ */

static void forget_books(struct attachment *a)
{
	pin_scan_destroy(a->scan);
	tables_destroy(a->tables);
	indices_destroy(a->indices);
	arena_destroy(a->arena);
	a->scan = NULL;
	a->tables = NULL;
	a->indices = NULL;
	a->arena = NULL;
}

/* Books in which everything is free. */
static int open_books(struct attachment *a)
{
	uint64_t blocks = a->dp->arena_size / WEIR_BLOCK;
	int err;

	forget_books(a);
	err = arena_create(blocks < ARENA_MAX_BLOCKS ? (uint32_t)blocks : ARENA_MAX_BLOCKS,
			   &a->arena);
	if (err == 0)
		err = indices_create(WEIR_MAX_BACKENDS, &a->indices);
	if (err == 0)
		err = tables_create(a->arena, a->dp->control->arena, &a->tables);
	if (err == 0)
		err = pin_scan_create(&a->scan);
	if (err < 0)
		forget_books(a);
	return err;
}

int attachment_open(struct attachment *a, const struct dp_view *dp, uint64_t now_ms)
{
	int err;

	*a = (struct attachment){ .dp = dp };
	err = open_books(a);
	if (err < 0) {
		a->dp = NULL;
		return err;
	}
	for (uint32_t i = 0; i < dp->worker_count; i++)
		worker_link_open(&a->link[i], &dp->control->worker[i], &dp->state->worker[i],
				 dp->session, now_ms);
	return 0;
}

void attachment_close(struct attachment *a)
{
	forget_books(a);
	a->dp = NULL;
}

/* -- workers ---------------------------------------------------------------- */

unsigned attachment_poll(struct attachment *a, uint64_t now_ms, unsigned *events)
{
	unsigned all = 0;

	for (uint32_t i = 0; i < a->dp->worker_count; i++) {
		events[i] = worker_link_poll(&a->link[i], now_ms);
		all |= events[i];
	}
	return all;
}

bool attachment_has_joined(const struct attachment *a)
{
	for (uint32_t i = 0; i < a->dp->worker_count; i++)
		if (!a->link[i].joined)
			return false;
	return true;
}

void attachment_send(struct attachment *a, uint64_t now_ms)
{
	for (uint32_t i = 0; i < a->dp->worker_count && a->block != 0; i++) {
		struct worker_link *l = &a->link[i];

		/* What it has refused once it would refuse again. */
		if (l->seen < a->generation && l->refused != a->generation)
			worker_link_send(l, a->generation, a->block * WEIR_BLOCK, now_ms);
	}
}

uint64_t attachment_seen(const struct attachment *a)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < a->dp->worker_count; i++)
		if (a->link[i].seen < least)
			least = a->link[i].seen;
	return least;
}

/* -- pins ------------------------------------------------------------------- */

static uint64_t newest_seen(const struct attachment *a)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < a->dp->worker_count; i++)
		if (a->link[i].seen > most)
			most = a->link[i].seen;
	return most;
}

/* A worker refuses what is not newer than what it has. */
static uint64_t next_generation(const struct attachment *a)
{
	uint64_t newest = newest_seen(a);

	return (newest > a->generation ? newest : a->generation) + 1;
}

static struct tables_now now_of(const struct attachment *a, uint64_t boot_ms)
{
	struct tables_now now = { .now_ms = boot_ms, .scan = a->scan };

	for (uint32_t i = 0; i < a->dp->worker_count; i++) {
		uint64_t ms = 100 * atomic_load_explicit(&a->link[i].area->pins.pressure_ds,
							 memory_order_relaxed);

		if (ms > now.pressure_ms && ms <= boot_ms)
			now.pressure_ms = ms;
	}
	return now;
}

static int scan(struct attachment *a, const struct model *m)
{
	bool current = attachment_seen(a) == a->generation;

	return pin_scan_run(a->scan, a->dp, m, current ? a->generation : 0);
}

bool attachment_turn(struct attachment *a, const struct model *m, uint64_t boot_ms)
{
	struct tables_now now = now_of(a, boot_ms);

	(void)scan(a, m); /* no memory: nothing is settled this time */
	return slow_start_due(m, boot_ms) ||
	       tables_due(a->tables, m, &now, next_generation(a));
}

uint64_t attachment_window_ms(const struct attachment *a, const struct model *m, uint64_t boot_ms,
			      const struct pool *pool, uint32_t slot, unsigned protocol)
{
	struct tables_now now = now_of(a, boot_ms);
	uint64_t end = tables_window_end_ms(a->tables, m, &now, pool, slot, protocol);

	return end > boot_ms ? end - boot_ms : 0;
}

bool attachment_is_unsettled(const struct attachment *a, const struct model *m)
{
	if (a->indices->resting > 0 || slow_start_is_on(m))
		return true;
	for (uint32_t i = 0; i < m->pool_count; i++) {
		const struct pool *p = m->pool[i];

		if (p->moves.moving + p->moves.pinned > 0)
			return true;
		for (uint32_t j = 0; j < p->backend_count; j++)
			if (backend_admin(p->backend[j]) == ADMIN_DRAINING)
				return true;
	}
	return false;
}

bool attachment_pins_of(const struct attachment *a, int32_t index, uint32_t *count)
{
	*count = index >= 0 ? a->scan->pins[index] : 0;
	return a->scan->generation != 0 && a->scan->generation == a->generation;
}

/* Every worker has them off; a pin that names one would lead to whoever gets it next. */
static uint32_t reclaim_indices(struct attachment *a, const struct model *m)
{
	uint64_t seen = attachment_seen(a);

	if (!indices_may_reclaim(a->indices, seen) || scan(a, m) < 0)
		return 0;
	return indices_reclaim(a->indices, seen, a->scan->pins);
}

unsigned attachment_reclaim(struct attachment *a, const struct model *m)
{
	uint64_t held[2 * WEIR_MAX_WORKERS];
	unsigned freed = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->dp->worker_count; i++) {
		if (a->link[i].seen != 0)
			held[n++] = a->link[i].seen;
		if (a->link[i].sent != 0)
			held[n++] = a->link[i].sent;
	}
	if (arena_reclaim(a->arena, held, n) > 0)
		freed |= FREED_BLOCKS;
	if (reclaim_indices(a, m) > 0)
		freed |= FREED_INDICES;
	return freed;
}

/* -- what was in force before us -------------------------------------------- */

/* Check what worker `i` goes by and reserve it. */
static const char *adopt_worker(struct attachment *a, uint32_t i, uint64_t retired,
				struct adopt *out)
{
	const struct weir_worker_area *area = a->link[i].area;
	uint64_t offset = atomic_load_explicit(&area->seen_offset, memory_order_relaxed);
	const char *why =
		adopt_check(out, a->dp->control->arena, a->dp->arena_size, offset, a->link[i].seen);

	if (why == NULL && adopt_reserve(out, a->arena, a->indices, retired) < 0)
		why = "its parts overlap";
	return why;
}

/* The newest generation in force, and older ones of workers that are behind. */
static const char *adopt_all(struct attachment *a, uint64_t newest, struct adopt *out)
{
	struct adopt older;
	const char *why = NULL;

	for (uint32_t i = 0; i < a->dp->worker_count; i++) {
		if (a->link[i].seen == newest) {
			why = adopt_worker(a, i, 0, out);
			break;
		}
	}
	for (uint32_t i = 0; i < a->dp->worker_count && why == NULL; i++)
		if (a->link[i].seen != newest && a->link[i].seen != 0)
			why = adopt_worker(a, i, newest, &older);
	return why;
}

static void forget_indices(const struct model *m)
{
	for (uint32_t i = 0; i < m->pool_count; i++)
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++)
			m->pool[i]->backend[j]->index = -1;
}

/* Counters of an index go on from whoever had it before. */
static void begin_count(const struct attachment *a, struct backend *b)
{
	b->packets_before = 0;
	b->bytes_before = 0;
	memset(b->columns_before, 0, sizeof(b->columns_before));
	for (uint32_t i = 0; i < a->dp->worker_count; i++) {
		const struct weir_count *c = &a->link[i].area->backend[b->index];
		const _Atomic uint64_t *d = a->link[i].area->backend_column[b->index];

		b->packets_before += atomic_load_explicit(&c->packets, memory_order_relaxed);
		b->bytes_before += atomic_load_explicit(&c->bytes, memory_order_relaxed);
		for (unsigned j = 0; j < WEIR_BACKEND_COLUMNS; j++)
			b->columns_before[j] += atomic_load_explicit(&d[j], memory_order_relaxed);
	}
}

/* A data plane that was restarted: the moves go on, in terms of the same indices. */
static int keep_indices(struct attachment *a, const struct model *m)
{
	bool *known = calloc(WEIR_MAX_BACKENDS, sizeof(*known));

	if (known == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->pool_count; i++)
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++) {
			struct backend *b = m->pool[i]->backend[j];

			if (b->index < 0)
				continue;
			(void)indices_adopt(a->indices, (uint32_t)b->index, b->id);
			known[b->index] = true;
			begin_count(a, b);
		}
	for (uint32_t i = 0; i < m->pool_count; i++)
		moves_forget(&m->pool[i]->moves, known);
	free(known);
	return 0;
}

static void forget_moves(const struct model *m)
{
	for (uint32_t i = 0; i < m->pool_count; i++)
		moves_free(&m->pool[i]->moves);
}

int attachment_adopt(struct attachment *a, struct model *m, uint64_t boot_ms, const char **why)
{
	uint64_t newest = newest_seen(a);
	struct adopt s;
	int err = 0;

	a->generation = newest;
	*why = NULL;
	if (newest == 0) {
		err = keep_indices(a, m);
		tables_show(a->tables, m);
		return err;
	}
	forget_indices(m);
	forget_moves(m);
	*why = adopt_all(a, newest, &s);
	if (*why == NULL)
		err = adopt_tables(&s, a->tables);
	if (*why == NULL && err == 0)
		err = adopt_backends(&s, m, boot_ms);
	if (*why == NULL && err == 0) {
		tables_show(a->tables, m);
		err = tables_adopt_moves(a->tables, m);
	}
	if (*why == NULL && err == 0) {
		a->block = s.offset / WEIR_BLOCK;
		return 1;
	}
	forget_indices(m);
	forget_moves(m);
	if (err == 0)
		err = open_books(a);
	if (err < 0)
		return err;
	tables_show(a->tables, m);
	return -EINVAL;
}

/* -- the next generation ---------------------------------------------------- */

static void give_index(struct attachment *a, struct backend *b)
{
	b->index = indices_take(a->indices, b->id);
	if (b->index >= 0) {
		begin_count(a, b);
	} else {
		b->index = -1;
		a->short_of_indices = true;
	}
}

static int by_name(const void *x, const void *y)
{
	const struct backend *a = *(struct backend *const *)x, *b = *(struct backend *const *)y;
	int order = strverscmp(a->pool->conf.name, b->pool->conf.name);

	return order != 0 ? order : strverscmp(a->conf.name, b->conf.name);
}

/* In the order of names, not of the file: two control planes that fill an empty data
 * plane write the same bytes, however their files are sorted. */
static void give_indices(struct attachment *a, const struct model *m, struct backend **fresh)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->pool_count; i++)
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++)
			if (m->pool[i]->backend[j]->index < 0)
				fresh[n++] = m->pool[i]->backend[j];
	qsort(fresh, n, sizeof(fresh[0]), by_name);
	for (uint32_t i = 0; i < n; i++)
		give_index(a, fresh[i]);
}

/* Every backend has an index, and every index in use a backend. */
static int assign_indices(struct attachment *a, const struct model *m, uint64_t generation)
{
	uint8_t *used = calloc(WEIR_MAX_BACKENDS, 1);
	struct backend **fresh;
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->pool_count; i++)
		count += m->pool[i]->backend_count;
	fresh = malloc((count + 1) * sizeof(fresh[0]));
	if (used == NULL || fresh == NULL) {
		free(used);
		free(fresh);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < m->pool_count; i++)
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++)
			if (m->pool[i]->backend[j]->index >= 0)
				used[m->pool[i]->backend[j]->index] = 1;
	for (uint32_t i = a->indices->end; i-- > 0;)
		if (!used[i] && a->indices->use[i].id != 0 && a->indices->use[i].retired == 0)
			indices_retire(a->indices, i, generation);
	a->short_of_indices = false;
	give_indices(a, m, fresh);
	free(fresh);
	free(used);
	return 0;
}

/* The snapshot itself, in blocks of its own. */
static int write_snapshot(struct attachment *a, const struct model *m, uint64_t generation,
			  uint32_t *block)
{
	struct build b;
	int32_t first;
	int err = build_plan(&b, m, a->indices->end);

	if (err < 0)
		return err;
	first = arena_alloc(a->arena, (b.head.size + WEIR_BLOCK - 1) / WEIR_BLOCK, generation);
	if (first > 0) {
		uint32_t offset = (uint32_t)first * WEIR_BLOCK;

		build_write(&b, a->dp->control->arena + offset, offset, generation);
		*block = (uint32_t)first;
	}
	build_free(&b);
	return first < 0 ? first : 0;
}

int attachment_publish(struct attachment *a, struct model *m, uint64_t boot_ms)
{
	const struct tables_now now = now_of(a, boot_ms);
	uint64_t generation = next_generation(a);
	uint32_t block = 0;
	int err;

	slow_start_step(m, boot_ms);
	err = assign_indices(a, m, generation);
	if (err == 0)
		err = tables_prepare(a->tables, m, &now, generation);
	if (err < 0)
		goto undo;
	err = write_snapshot(a, m, generation, &block);
	if (err < 0) {
		tables_abort(a->tables, m);
		goto undo;
	}
	tables_commit(a->tables, m, generation);
	if (a->block != 0)
		arena_retire(a->arena, a->block, generation);
	a->block = block;
	a->generation = generation;
	return 0;

undo:
	slow_start_undo(m);
	return err;
}
