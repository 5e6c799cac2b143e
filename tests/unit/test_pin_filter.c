// SPDX-License-Identifier: Apache-2.0
/*
 * The filter of all workers' pins: it misses none, seldom tells of one that is not there, and
 * stays true while several threads change it.
 */
#include "pin_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

enum { PINS = 4096, CELLS = 2 * PINS / PIN_FILTER_TAGS, THREADS = 4 };

static struct pin_filter_cell cells[CELLS];
static const struct pin_filter filter = { cells, CELLS - 1 };

static int empty(void **state)
{
	(void)state;
	memset(cells, 0, sizeof(cells));
	return 0;
}

static void assert_empty(void)
{
	static const struct pin_filter_cell none[CELLS];

	assert_memory_equal(cells, none, sizeof(cells));
}

/* Key number n of one of the threads. */
static uint64_t key_of(uint64_t n, uint64_t thread)
{
	uint64_t x = (n << 8 | thread) * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 31;
}

static void its_size_is_twice_that_of_the_pins(void **state)
{
	(void)state;
	assert_int_equal(pin_filter_cells(1), 1);
	assert_int_equal(pin_filter_cells(16), 1);
	assert_int_equal(pin_filter_cells(17), 2);
	assert_int_equal(pin_filter_cells(65536), 4096);
	assert_int_equal(pin_filter_cells(3 * 65536), 16384);
	assert_int_equal(pin_filter_cells(32ull << 20), 2 << 20);
}

static void what_was_added_is_there_until_it_is_removed(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (uint64_t i = 0; i < PINS; i++)
		assert_true(pin_filter_add(&filter, key_of(i, 0)));
	for (uint64_t i = 0; i < PINS; i++)
		assert_true(pin_filter_has(&filter, key_of(i, 0)));
	for (uint64_t i = 0; i < 100000; i++)
		wrong += pin_filter_has(&filter, key_of(i, 1));
	assert_in_range(wrong, 0, 100); /* 16 of 65,535 tags: 24 are to be expected */
	for (uint64_t i = 0; i < PINS; i++) {
		pin_filter_remove(&filter, key_of(i, 0));
		if (i + 1 < PINS)
			assert_true(pin_filter_has(&filter, key_of(i + 1, 0)));
	}
	assert_empty();
}

/* So that a table is full before its filter is: what finds no place notes a shortage, for which
 * windows stay open. */
static void a_full_filter_has_a_place_for_nearly_all(void **state)
{
	enum { MANY = 65536 };
	const uint32_t n = pin_filter_cells(MANY);
	const struct pin_filter f = { aligned_alloc(64, n * sizeof(*f.cell)), n - 1 };
	unsigned refused = 0;

	(void)state;
	memset(f.cell, 0, n * sizeof(*f.cell));
	for (uint64_t i = 0; i < MANY * 3 / 4; i++)
		assert_true(pin_filter_add(&f, key_of(i, 0)));
	for (uint64_t i = MANY * 3 / 4; i < MANY; i++)
		refused += !pin_filter_add(&f, key_of(i, 0));
	assert_in_range(refused, 0, 10);
	free(f.cell);
}

static void two_of_one_key_are_two(void **state)
{
	const uint64_t key = key_of(1, 0);

	(void)state;
	for (unsigned i = 1; i <= PIN_FILTER_TAGS; i++) {
		assert_true(pin_filter_add(&filter, key));
		assert_int_equal(pin_filter_count(&filter, key), i);
	}
	for (unsigned i = PIN_FILTER_TAGS; i >= 1; i--) {
		assert_true(pin_filter_has(&filter, key));
		pin_filter_remove(&filter, key);
		assert_int_equal(pin_filter_count(&filter, key), i - 1);
	}
	assert_false(pin_filter_has(&filter, key));
}

/* Each tag in each place, beside its neighbours: no bit of one is taken for another's. */
static void every_tag_has_its_place(void **state)
{
	(void)state;
	for (uint64_t tag = 1; tag <= UINT16_MAX; tag++) {
		uint64_t other = tag == 1 ? 2 : tag - 1;

		for (unsigned i = 0; i < PIN_FILTER_TAGS - 1; i++)
			assert_true(pin_filter_add(&filter, other << 24));
		assert_false(pin_filter_has(&filter, tag << 24));
		assert_true(pin_filter_add(&filter, tag << 24));
		assert_true(pin_filter_has(&filter, tag << 24));
		for (unsigned i = 0; i < PIN_FILTER_TAGS - 1; i++)
			pin_filter_remove(&filter, other << 24);
		assert_false(pin_filter_has(&filter, other << 24));
		assert_int_equal(pin_filter_count(&filter, tag << 24), 1);
		pin_filter_remove(&filter, tag << 24);
	}
	assert_empty();
}

static void a_full_cell_takes_no_more(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= PIN_FILTER_TAGS; i++)
		assert_true(pin_filter_add(&filter, i << 24 | 5));
	assert_false(pin_filter_add(&filter, 99 << 24 | 5));
	assert_false(pin_filter_has(&filter, 99 << 24 | 5));
	assert_true(pin_filter_add(&filter, 99 << 24 | 6));
	pin_filter_remove(&filter, 3 << 24 | 5);
	assert_true(pin_filter_add(&filter, 99 << 24 | 5));
	for (uint64_t i = 1; i <= PIN_FILTER_TAGS; i++)
		assert_int_equal(pin_filter_has(&filter, i << 24 | 5), i != 3);
}

/* What is not there is not taken out, nor another's. */
static void nothing_is_removed_that_was_not_added(void **state)
{
	(void)state;
	assert_true(pin_filter_add(&filter, 7 << 24));
	pin_filter_remove(&filter, 8 << 24);
	pin_filter_remove(&filter, 7 << 24 | 1);
	assert_true(pin_filter_has(&filter, 7 << 24));
}

/* All threads use the same few cells, each its own keys. */
static void *change(void *thread)
{
	uintptr_t wrong = 0;

	for (uint64_t round = 0; round < 20000; round++) {
		uint64_t n = round % 4;
		uint64_t key = key_of(n, (uintptr_t)thread) & ~(uint64_t)0xffff;

		wrong += !pin_filter_add(&filter, key);
		wrong += !pin_filter_has(&filter, key);
		if (round % 3 == 0)
			wrong += pin_filter_count(&filter, key) == 0;
		pin_filter_remove(&filter, key);
	}
	return (void *)wrong;
}

static void threads_do_not_lose_each_others(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, change, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *wrong;

		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_empty();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_size_is_twice_that_of_the_pins),
		cmocka_unit_test_setup(what_was_added_is_there_until_it_is_removed, empty),
		cmocka_unit_test(a_full_filter_has_a_place_for_nearly_all),
		cmocka_unit_test_setup(two_of_one_key_are_two, empty),
		cmocka_unit_test_setup(every_tag_has_its_place, empty),
		cmocka_unit_test_setup(a_full_cell_takes_no_more, empty),
		cmocka_unit_test_setup(nothing_is_removed_that_was_not_added, empty),
		cmocka_unit_test_setup(threads_do_not_lose_each_others, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
