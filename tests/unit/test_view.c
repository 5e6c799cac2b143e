// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena.h"

#define GENERATION 10

static uint8_t *arena;
static struct view view;

static int setup(void **state)
{
	(void)state;
	arena = arena_new();
	memset(arena, 0, ARENA_SIZE);
	arena_fill(arena, ARENA_FIRST, GENERATION);
	memset(&view, 0xee, sizeof(view));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(arena);
	return 0;
}

static enum weir_reject take(void)
{
	return view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, GENERATION, GENERATION - 1);
}

static void a_right_snapshot_is_taken_whole(void **state)
{
	const struct weir_snapshot *s = arena_snapshot(arena, ARENA_FIRST);

	(void)state;
	assert_int_equal(take(), WEIR_REJECT_NONE);
	assert_int_equal(view.generation, GENERATION);
	assert_true(view.flow_seed == s->flow_seed);
	assert_int_equal(view.offset, ARENA_FIRST);
	assert_ptr_equal(view.lookup, arena + s->lookup_off);
	assert_int_equal(view.lookup_bits, ARENA_BITS);
	assert_ptr_equal(view.backend, arena + s->backend_off);
	assert_int_equal(view.backend_count, ARENA_BACKENDS);
	assert_ptr_equal(view.vip, arena + s->vip_off);
	assert_int_equal(view.vip_count, ARENA_VIPS);
	assert_int_equal(view.pool_count, ARENA_POOLS);
	for (unsigned i = 0; i < ARENA_POOLS; i++) {
		assert_ptr_equal(view.pool[i].slot, arena + ARENA_TABLE);
		assert_int_equal(view.pool[i].table_len, ARENA_LEN);
		assert_int_equal(view.pool[i].mode, i);
		assert_int_equal(view.pool[i].hash, i == 2);
	}
	assert_null(view.pool[0].moves);
	assert_ptr_equal(view.pool[1].moves, arena + ARENA_MOVES);
	assert_int_equal(view.pool[1].move_count, ARENA_LEN);
}

static void pools_beyond_the_count_have_one_empty_slot(void **state)
{
	(void)state;
	assert_int_equal(take(), WEIR_REJECT_NONE);
	for (unsigned i = ARENA_POOLS; i < WEIR_MAX_POOLS; i++) {
		uint32_t slot = weir_slot_of(UINT64_MAX, view.pool[i].table_len);

		assert_int_equal(slot, 0);
		assert_int_equal(weir_slot_state(view.pool[i].slot[slot]), WEIR_SLOT_EMPTY);
	}
}

static void a_view_of_nothing_forwards_nothing(void **state)
{
	(void)state;
	view_none(&view);
	assert_int_equal(view.generation, 0);
	assert_int_equal(view.backend_count, 0);
	for (unsigned i = 0; i < WEIR_MAX_POOLS; i++)
		assert_int_equal(weir_slot_state(view.pool[i].slot[0]), WEIR_SLOT_EMPTY);
}

static void a_generation_must_be_newer_but_not_by_far(void **state)
{
	const uint64_t far = GENERATION + WEIR_GENERATION_JUMP;

	(void)state;
	assert_int_equal(view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, GENERATION, GENERATION),
			 WEIR_REJECT_STALE);
	assert_int_equal(
		view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, GENERATION, GENERATION + 1),
		WEIR_REJECT_STALE);
	assert_int_equal(view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, GENERATION, UINT64_MAX),
			 WEIR_REJECT_STALE);
	assert_int_equal(view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, 0, 0), WEIR_REJECT_STALE);

	arena_fill(arena, ARENA_FIRST, far);
	assert_int_equal(view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, far, GENERATION),
			 WEIR_REJECT_NONE);
	arena_fill(arena, ARENA_FIRST, far + 1);
	assert_int_equal(view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, far + 1, GENERATION),
			 WEIR_REJECT_JUMP);
	assert_int_equal(view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, UINT64_MAX, GENERATION),
			 WEIR_REJECT_JUMP);
}

static void an_offset_must_be_a_block_of_the_arena(void **state)
{
	const uint32_t bad[] = { ARENA_FIRST + 64, ARENA_FIRST + 1,
				 ARENA_SIZE,	   ARENA_SIZE + WEIR_BLOCK,
				 UINT32_MAX,	   UINT32_MAX - WEIR_BLOCK + 1 };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(view_take(&view, arena, ARENA_SIZE, bad[i], GENERATION, 0),
				 WEIR_REJECT_OFFSET);
	assert_int_equal(view_take(&view, arena, ARENA_FIRST + sizeof(struct weir_snapshot) - 1,
				   ARENA_FIRST, GENERATION, 0),
			 WEIR_REJECT_OFFSET);
	assert_int_equal(view_take(&view, arena, 0, 0, GENERATION, 0), WEIR_REJECT_OFFSET);
}

static void the_announced_snapshot_must_stand_there(void **state)
{
	(void)state;
	assert_int_equal(
		view_take(&view, arena, ARENA_SIZE, ARENA_FIRST, GENERATION + 1, GENERATION),
		WEIR_REJECT_MAGIC);
	assert_int_equal(view_take(&view, arena, ARENA_SIZE, ARENA_SECOND, GENERATION, 0),
			 WEIR_REJECT_MAGIC);
	arena_snapshot(arena, ARENA_FIRST)->magic ^= 1;
	assert_int_equal(take(), WEIR_REJECT_MAGIC);
}

#define HEAD(f) offsetof(struct weir_snapshot, f)
#define POOL(f) offsetof(struct weir_pool, f)

/* The 32-bit field at `field` takes a value and is refused with `want`. */
struct row {
	size_t field;
	uint32_t value;
	enum weir_reject want;
};

static void assert_each_refused(uint8_t *base, const struct row *rows, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t *field = (uint32_t *)(base + rows[i].field);
		uint32_t right = *field;

		*field = rows[i].value;
		assert_int_equal(take(), rows[i].want);
		*field = right;
		assert_int_equal(take(), WEIR_REJECT_NONE);
	}
}

static void each_bad_size_of_the_head_is_refused(void **state)
{
	const uint32_t size = arena_snapshot(arena, ARENA_FIRST)->size;
	const struct row rows[] = {
		{ HEAD(size), 0, WEIR_REJECT_SIZE },
		{ HEAD(size), sizeof(struct weir_snapshot) - 1, WEIR_REJECT_SIZE },
		{ HEAD(size), sizeof(struct weir_snapshot), WEIR_REJECT_ARRAY },
		{ HEAD(size), size - 64, WEIR_REJECT_ARRAY },
		{ HEAD(size), ARENA_SIZE - ARENA_FIRST + 1, WEIR_REJECT_SIZE },
		{ HEAD(size), UINT32_MAX, WEIR_REJECT_SIZE },
		{ HEAD(lookup_bits), 0, WEIR_REJECT_SIZE },
		{ HEAD(lookup_bits), WEIR_LOOKUP_MIN_BITS - 1, WEIR_REJECT_SIZE },
		{ HEAD(lookup_bits), WEIR_LOOKUP_MAX_BITS, WEIR_REJECT_ARRAY },
		{ HEAD(lookup_bits), WEIR_LOOKUP_MAX_BITS + 1, WEIR_REJECT_SIZE },
		{ HEAD(lookup_bits), 32, WEIR_REJECT_SIZE },
		{ HEAD(lookup_bits), 64, WEIR_REJECT_SIZE },
		{ HEAD(lookup_bits), UINT32_MAX, WEIR_REJECT_SIZE },
		{ HEAD(pool_count), WEIR_MAX_POOLS, WEIR_REJECT_ARRAY },
		{ HEAD(pool_count), WEIR_MAX_POOLS + 1, WEIR_REJECT_SIZE },
		{ HEAD(pool_count), 1u << 26, WEIR_REJECT_SIZE },
		{ HEAD(pool_count), UINT32_MAX, WEIR_REJECT_SIZE },
		{ HEAD(backend_count), WEIR_MAX_BACKENDS, WEIR_REJECT_ARRAY },
		{ HEAD(backend_count), WEIR_MAX_BACKENDS + 1, WEIR_REJECT_SIZE },
		{ HEAD(backend_count), 1u << 26, WEIR_REJECT_SIZE },
		{ HEAD(backend_count), UINT32_MAX, WEIR_REJECT_SIZE },
		{ HEAD(vip_count), WEIR_MAX_VIPS, WEIR_REJECT_ARRAY },
		{ HEAD(vip_count), WEIR_MAX_VIPS + 1, WEIR_REJECT_SIZE },
		{ HEAD(vip_count), UINT32_MAX, WEIR_REJECT_SIZE },
		{ HEAD(service_count), WEIR_MAX_SERVICES + 1, WEIR_REJECT_SIZE },
		{ HEAD(service_count), UINT32_MAX, WEIR_REJECT_SIZE },
	};

	(void)state;
	assert_each_refused(arena + ARENA_FIRST, rows, sizeof(rows) / sizeof(rows[0]));
}

static void every_array_must_lie_behind_the_head_and_within_the_size(void **state)
{
	const size_t fields[] = { HEAD(lookup_off), HEAD(pool_off), HEAD(backend_off),
				  HEAD(cold_off), HEAD(vip_off) };
	const uint32_t end = ARENA_FIRST + arena_snapshot(arena, ARENA_FIRST)->size;
	const uint32_t bad[] = { 0,   ARENA_FIRST - 64, ARENA_FIRST, ARENA_FIRST + 129, end - 32,
				 end, ARENA_SIZE,	0xffffffc0,  UINT32_MAX };

	(void)state;
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (unsigned k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
			assert_each_refused(arena + ARENA_FIRST,
				    &(struct row){ fields[i], bad[k], WEIR_REJECT_ARRAY }, 1);
}

static void each_bad_field_of_any_pool_is_refused(void **state)
{
	const uint32_t slots = ARENA_LEN * sizeof(weir_slot);
	const uint32_t moves = (uint32_t)weir_moves_size(ARENA_LEN, ARENA_LEN);
	const struct row rows[] = {
		{ POOL(table_len), 0, WEIR_REJECT_POOL },
		{ POOL(table_len), WEIR_TABLE_MIN - 1, WEIR_REJECT_POOL },
		{ POOL(table_len), WEIR_TABLE_MAX, WEIR_REJECT_TABLE },
		{ POOL(table_len), WEIR_TABLE_MAX + 1, WEIR_REJECT_POOL },
		{ POOL(table_len), UINT32_MAX, WEIR_REJECT_POOL },
		{ POOL(table_off), 2, WEIR_REJECT_TABLE },
		{ POOL(table_off), 32, WEIR_REJECT_TABLE },
		{ POOL(table_off), ARENA_SIZE - slots / 64 * 64, WEIR_REJECT_TABLE },
		{ POOL(table_off), ARENA_SIZE, WEIR_REJECT_TABLE },
		{ POOL(table_off), 0xffffffc0, WEIR_REJECT_TABLE },
		{ POOL(table_off), UINT32_MAX, WEIR_REJECT_TABLE },
		{ POOL(move_count), ARENA_LEN + 1, WEIR_REJECT_TABLE },
		{ POOL(move_count), UINT32_MAX, WEIR_REJECT_TABLE },
		{ POOL(move_off), 8, WEIR_REJECT_TABLE },
		{ POOL(move_off), 32, WEIR_REJECT_TABLE },
		{ POOL(move_off), ARENA_SIZE - moves / 64 * 64, WEIR_REJECT_TABLE },
		{ POOL(move_off), ARENA_SIZE, WEIR_REJECT_TABLE },
		{ POOL(move_off), 0xffffffc0, WEIR_REJECT_TABLE },
		{ POOL(move_off), UINT32_MAX, WEIR_REJECT_TABLE },
	};

	(void)state;
	for (unsigned pool = 0; pool < ARENA_POOLS; pool++) {
		struct weir_pool *p = &arena_pools(arena, ARENA_FIRST)[pool];
		const struct weir_pool right = *p;

		assert_each_refused((uint8_t *)p, rows, sizeof(rows) / sizeof(rows[0]));
		p->mode = WEIR_MODE_GUE + 1;
		assert_int_equal(take(), WEIR_REJECT_POOL);
		*p = right;
		p->hash = WEIR_HASH_SOURCE + 1;
		assert_int_equal(take(), WEIR_REJECT_POOL);
		*p = right;
		assert_int_equal(take(), WEIR_REJECT_NONE);
	}
}

static void arrays_of_no_entries_may_stand_at_the_end(void **state)
{
	struct weir_snapshot *s = arena_snapshot(arena, ARENA_FIRST);

	(void)state;
	s->size = s->pool_off - ARENA_FIRST;
	s->pool_count = s->backend_count = s->vip_count = s->service_count = 0;
	s->backend_off = s->cold_off = s->vip_off = s->pool_off;
	assert_int_equal(take(), WEIR_REJECT_NONE);
	assert_int_equal(view.backend_count, 0);
}

static void a_table_may_end_with_the_arena(void **state)
{
	const uint32_t bytes = ARENA_LEN * sizeof(weir_slot);
	const uint32_t last = (ARENA_SIZE - bytes) / 64 * 64;

	(void)state;
	arena_pools(arena, ARENA_FIRST)[0].table_off = last;
	assert_int_equal(take(), WEIR_REJECT_NONE);
	arena_pools(arena, ARENA_FIRST)[0].table_off = last + 64;
	assert_int_equal(take(), WEIR_REJECT_TABLE);
}

/* Touch all that a stage could reach through a view: sanitizers see what is outside. */
static unsigned touch(void)
{
	unsigned sum = view.lookup[0].service;

	sum += view.lookup[(1u << view.lookup_bits) - 1].service;
	if (view.backend_count > 0)
		sum += view.backend[0].port + view.backend[view.backend_count - 1].port;
	if (view.vip_count > 0)
		sum += view.vip[0].family + view.vip[view.vip_count - 1].family;
	for (unsigned i = 0; i < WEIR_MAX_POOLS; i++) {
		const struct view_pool *p = &view.pool[i];
		uint32_t last = weir_slot_of(UINT64_MAX, p->table_len);

		sum += p->slot[0] + p->slot[last];
		for (unsigned k = 0; k < 2; k++) {
			const struct weir_move *m = view_move(p, k == 0 ? 0 : last);

			sum += m != NULL ? m->base[0] + view_move_begin(p, m)->ms[1] : 0;
		}
	}
	return sum;
}

/* Right snapshots with some fields made random: whatever is taken is in range. */
static void nonsense_is_refused_or_in_range(void **state)
{
	volatile unsigned sink = 0;
	unsigned taken = 0, refused = 0;

	(void)state;
	srandom(20165);
	for (unsigned round = 0; round < 100000; round++) {
		struct weir_snapshot *s = arena_fill(arena, ARENA_FIRST, GENERATION);
		uint32_t *word = (uint32_t *)s;
		uint32_t *pool = (uint32_t *)arena_pools(arena, ARENA_FIRST);

		for (long n = 1 + random() % 3; n > 0; n--) {
			/* mostly near a right value, now and then anything */
			uint32_t value = random() % 4 ? (uint32_t)(random() % (2 * ARENA_SIZE))
						      : (uint32_t)random() << 1;

			if (random() % 3)
				value &= ~63u;
			if (random() % 2)
				word[6 + random() % 12] = value; /* size .. service_count */
			else
				pool[random() % (ARENA_POOLS * 16)] = value;
		}
		if (take() == WEIR_REJECT_NONE) {
			sink += touch();
			taken++;
		} else {
			refused++;
		}
	}
	(void)sink;
	assert_true(taken > 1000 && refused > 1000); /* or this tests nothing */
}

static void random_bytes_are_no_snapshot(void **state)
{
	(void)state;
	srandom(20166);
	for (unsigned round = 0; round < 300; round++) {
		for (size_t i = 0; i < ARENA_SIZE; i++)
			arena[i] = (uint8_t)random();
		for (uint32_t offset = 0; offset < ARENA_SIZE; offset += WEIR_BLOCK) {
			struct weir_snapshot *s = arena_snapshot(arena, offset);
			uint64_t generation = 1 + (uint64_t)random();

			assert_int_equal(view_take(&view, arena, ARENA_SIZE, offset, generation, 0),
					 WEIR_REJECT_MAGIC);
			s->magic = WEIR_SNAPSHOT_MAGIC;
			s->generation = generation;
			assert_int_not_equal(
				view_take(&view, arena, ARENA_SIZE, offset, generation, 0),
				WEIR_REJECT_NONE);
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_right_snapshot_is_taken_whole),
		TEST(pools_beyond_the_count_have_one_empty_slot),
		TEST(a_view_of_nothing_forwards_nothing),
		TEST(a_generation_must_be_newer_but_not_by_far),
		TEST(an_offset_must_be_a_block_of_the_arena),
		TEST(the_announced_snapshot_must_stand_there),
		TEST(each_bad_size_of_the_head_is_refused),
		TEST(every_array_must_lie_behind_the_head_and_within_the_size),
		TEST(each_bad_field_of_any_pool_is_refused),
		TEST(arrays_of_no_entries_may_stand_at_the_end),
		TEST(a_table_may_end_with_the_arena),
		TEST(nonsense_is_refused_or_in_range),
		TEST(random_bytes_are_no_snapshot),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
