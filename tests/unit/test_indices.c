// SPDX-License-Identifier: Apache-2.0
#include "indices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

enum { COUNT = 8 };

static struct indices *x;
static const uint32_t pins[COUNT]; /* none */

static int setup(void **state)
{
	(void)state;
	return indices_create(COUNT, &x);
}

static int teardown(void **state)
{
	(void)state;
	indices_destroy(x);
	return 0;
}

static void the_lowest_free_index_comes_first(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= COUNT; id++)
		assert_int_equal(indices_take(x, id), id - 1);
	assert_int_equal(indices_take(x, 100), -ENOSPC);
	assert_int_equal(x->end, COUNT);
}

static void an_index_rests_until_every_worker_has_seen_it_off(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= COUNT; id++)
		indices_take(x, id);
	indices_retire(x, 3, 10);
	assert_int_equal(indices_take(x, 100), -ENOSPC);
	assert_int_equal(indices_reclaim(x, 9, pins), 0);
	assert_int_equal(indices_take(x, 100), -ENOSPC);
	assert_int_equal(indices_reclaim(x, 10, pins), 1);
	assert_int_equal(indices_take(x, 100), 3);
}

static void an_index_rests_while_a_pin_names_it(void **state)
{
	const uint32_t one[COUNT] = { [3] = 1 };

	(void)state;
	for (uint64_t id = 1; id <= COUNT; id++)
		indices_take(x, id);
	indices_retire(x, 3, 10);
	indices_retire(x, 1, 10);
	assert_false(indices_may_reclaim(x, 9));
	assert_true(indices_may_reclaim(x, 10));
	assert_int_equal(indices_reclaim(x, 10, one), 1);
	assert_int_equal(indices_take(x, 100), 1);
	assert_int_equal(indices_take(x, 101), -ENOSPC);
	assert_int_equal(indices_reclaim(x, 10, pins), 1);
	assert_int_equal(indices_take(x, 101), 3);
	assert_false(indices_may_reclaim(x, 10));
}

static void who_comes_back_in_time_gets_its_index_back(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 4; id++)
		indices_take(x, id);
	indices_retire(x, 1, 10);
	indices_retire(x, 2, 10);
	assert_int_equal(indices_take(x, 3), 2);
	assert_int_equal(indices_reclaim(x, 10, pins), 1);
	assert_int_equal(indices_take(x, 100), 1);
}

static void the_end_is_behind_the_highest_in_use(void **state)
{
	(void)state;
	assert_int_equal(x->end, 0);
	for (uint64_t id = 1; id <= 4; id++)
		indices_take(x, id);
	indices_retire(x, 2, 5);
	assert_int_equal(x->end, 4);
	indices_retire(x, 3, 5);
	assert_int_equal(x->end, 2); /* 2 rests too */
	indices_take(x, 4);
	assert_int_equal(x->end, 4);
}

static void adopted_indices_are_not_given_to_others(void **state)
{
	(void)state;
	assert_int_equal(indices_adopt(x, 2, 77), 0);
	assert_int_equal(indices_adopt(x, 0, 78), 0);
	assert_int_equal(indices_adopt(x, 2, 77), 0);
	assert_int_equal(indices_adopt(x, 2, 79), -EEXIST);
	assert_int_equal(indices_adopt(x, COUNT, 80), -EINVAL);
	assert_int_equal(x->end, 3);
	assert_int_equal(indices_take(x, 1), 1);
	assert_int_equal(indices_take(x, 2), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_lowest_free_index_comes_first),
		TEST(an_index_rests_while_a_pin_names_it),
		TEST(an_index_rests_until_every_worker_has_seen_it_off),
		TEST(who_comes_back_in_time_gets_its_index_back),
		TEST(the_end_is_behind_the_highest_in_use),
		TEST(adopted_indices_are_not_given_to_others),
	};

	return cmocka_run_group_tests_name("indices", tests, NULL, NULL);
}
