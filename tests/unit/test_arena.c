// SPDX-License-Identifier: Apache-2.0
#include "../../controlplane/arena.h" /* not the one beside this file */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 100 };

static struct arena *a;

static int setup(void **state)
{
	(void)state;
	return arena_create(BLOCKS, &a);
}

static int teardown(void **state)
{
	(void)state;
	arena_destroy(a);
	return 0;
}

static void reclaim(uint64_t worker0, uint64_t worker1, uint32_t freed)
{
	const uint64_t held[] = { worker0, worker1 };

	assert_int_equal(arena_reclaim(a, held, 2), freed);
}

static void runs_are_given_first_fit_and_never_block_0(void **state)
{
	(void)state;
	assert_int_equal(arena_alloc(a, 10, 1), 1);
	assert_int_equal(arena_alloc(a, 20, 1), 11);
	assert_int_equal(arena_alloc(a, 5, 1), 31);
	assert_int_equal(a->used, 35);
	arena_free(a, 11);
	assert_int_equal(a->used, 15);
	assert_int_equal(arena_alloc(a, 21, 1), 36); /* does not fit the gap */
	assert_int_equal(arena_alloc(a, 20, 1), 11); /* does */
	assert_int_equal(arena_alloc(a, 43, 1), 57); /* all of the rest */
	assert_int_equal(arena_alloc(a, 1, 1), -ENOSPC);
	assert_int_equal(a->used, BLOCKS - 1);
}

static void an_arena_without_blocks_gives_nothing(void **state)
{
	struct arena *empty;

	(void)state;
	assert_int_equal(arena_create(0, &empty), 0);
	assert_int_equal(arena_alloc(empty, 1, 1), -ENOSPC);
	arena_destroy(empty);
	assert_int_equal(arena_create(1, &empty), 0);
	assert_int_equal(arena_alloc(empty, 1, 1), -ENOSPC);
	arena_destroy(empty);
}

static void a_run_in_use_is_never_freed(void **state)
{
	(void)state;
	arena_alloc(a, 10, 1);
	reclaim(50, 50, 0);
	assert_int_equal(a->used, 10);
}

static void a_retired_run_waits_for_every_worker(void **state)
{
	(void)state;
	arena_alloc(a, 10, 3);
	arena_retire(a, 1, 7);
	reclaim(6, 7, 0); /* one still reads what was named until 6 */
	reclaim(7, 3, 0);
	reclaim(7, 8, 10);
	assert_int_equal(a->used, 0);
}

/* A worker that is stuck at 3 keeps what 3 names, not what came and went since. */
static void a_worker_that_hangs_keeps_its_own_generation_only(void **state)
{
	(void)state;
	arena_alloc(a, 10, 3); /* block 1 */
	arena_alloc(a, 10, 4); /* block 11 */
	arena_alloc(a, 10, 2); /* block 21, shared by 2, 3 and 4 */
	arena_retire(a, 1, 4);
	arena_retire(a, 11, 5);
	arena_retire(a, 21, 5);
	reclaim(3, 6, 10);
	assert_int_equal(arena_alloc(a, 10, 7), 11);
}

static void adopted_runs_keep_their_place(void **state)
{
	(void)state;
	assert_int_equal(arena_adopt(a, 5, 10, 0), 0);
	assert_int_equal(arena_adopt(a, 5, 10, 9), 0); /* known already, and still in use */
	assert_int_equal(arena_adopt(a, 30, 2, 9), 0); /* of an older snapshot */
	assert_int_equal(a->used, 12);
	assert_int_equal(arena_alloc(a, 4, 10), 1);
	assert_int_equal(arena_alloc(a, 5, 10), 15);
	reclaim(9, 8, 0);
	reclaim(9, 9, 2);
	reclaim(10, 10, 0);
	arena_retire(a, 5, 11);
	reclaim(11, 11, 10);
}

static void what_cannot_be_adopted_is_refused(void **state)
{
	(void)state;
	assert_int_equal(arena_adopt(a, 10, 10, 0), 0);
	assert_int_equal(arena_adopt(a, 10, 11, 0), -EEXIST);
	assert_int_equal(arena_adopt(a, 10, 9, 0), -EEXIST);
	assert_int_equal(arena_adopt(a, 5, 6, 0), -EEXIST);
	assert_int_equal(arena_adopt(a, 19, 1, 0), -EEXIST);
	assert_int_equal(arena_adopt(a, 5, 5, 0), 0);
	assert_int_equal(arena_adopt(a, 20, 80, 0), 0);
	assert_int_equal(arena_adopt(a, 0, 1, 0), -EINVAL);
	assert_int_equal(arena_adopt(a, 3, 0, 0), -EINVAL);
	assert_int_equal(arena_adopt(a, BLOCKS, 1, 0), -EINVAL);
	assert_int_equal(arena_adopt(a, 99, 2, 0), -EINVAL);
	assert_int_equal(arena_adopt(a, 1, UINT32_MAX, 0), -EINVAL);
	assert_int_equal(a->used, 95);
}

/* Against a map of blocks, for a long run of random events. */
static void books_equal_a_map_of_the_blocks(void **state)
{
	uint8_t map[BLOCKS] = { 1 }; /* 1: given out */
	uint32_t count_of[BLOCKS] = { 0 };
	uint64_t random = 1;

	(void)state;
	for (unsigned event = 0; event < 20000; event++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		if ((random >> 33) % 2 == 0) {
			uint32_t n = 1 + (random >> 40) % 12, fit = 1, run = 0, i;

			for (i = 1; i < BLOCKS && run < n; i++) {
				run = map[i] ? 0 : run + 1;
				fit = i - run + 1;
			}
			if (run < n) {
				assert_int_equal(arena_alloc(a, n, 1), -ENOSPC);
				continue;
			}
			assert_int_equal(arena_alloc(a, n, 1), fit);
			memset(&map[fit], 1, n);
			count_of[fit] = n;
		} else {
			uint32_t at = 1 + (random >> 40) % (BLOCKS - 1);

			if (count_of[at] == 0)
				continue;
			arena_free(a, at);
			memset(&map[at], 0, count_of[at]);
			count_of[at] = 0;
		}
	}
	for (uint32_t i = 1, used = 0; i < BLOCKS; i++) {
		used += map[i];
		if (i == BLOCKS - 1)
			assert_int_equal(a->used, used);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(runs_are_given_first_fit_and_never_block_0),
		TEST(an_arena_without_blocks_gives_nothing),
		TEST(a_run_in_use_is_never_freed),
		TEST(a_retired_run_waits_for_every_worker),
		TEST(a_worker_that_hangs_keeps_its_own_generation_only),
		TEST(adopted_runs_keep_their_place),
		TEST(what_cannot_be_adopted_is_refused),
		TEST(books_equal_a_map_of_the_blocks),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
