// SPDX-License-Identifier: Apache-2.0
/* Datagrams by their fragments: which bytes have come, and who has a place. */
#include "frag_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

enum { NOW = 1000000 };

static struct frag_record rec;

static enum frag_fit add(uint32_t off, uint32_t len, bool more)
{
	const struct fragment f = { .off = (uint16_t)off, .len = (uint16_t)len, .more = more };

	return frag_add(&rec, &f);
}

static int setup_record(void **state)
{
	(void)state;
	rec = (struct frag_record){ .tag = 1 };
	return 0;
}

/* -- the bytes --------------------------------------------------------------- */

static void a_datagram_in_any_order_is_complete_with_its_last_piece(void **state)
{
	/* 8 kB by Ethernet: five pieces of 1,480 and the rest, in all 720 orders. */
	enum { COUNT = 6, LEN = 1480, ALL = 8008 };

	(void)state;
	for (unsigned order = 0; order < 720; order++) {
		unsigned left[COUNT] = { 0, 1, 2, 3, 4, 5 }, code = order;

		setup_record(NULL);
		for (unsigned n = COUNT; n > 0; n--) {
			unsigned at = code % n, i = left[at];

			code /= n;
			memmove(&left[at], &left[at + 1], (n - at - 1) * sizeof(left[0]));
			assert_false(frag_complete(&rec));
			assert_int_equal(
				add(i * LEN, i == COUNT - 1 ? ALL - i * LEN : LEN, i != COUNT - 1),
				FRAG_NEW);
		}
		assert_true(frag_complete(&rec));
		assert_int_equal(rec.state, 0);
	}
}

/* What has come, byte by byte: the slow, obvious way. */
static void random_fragments_fit_as_a_map_of_bytes_says(void **state)
{
	enum { UNITS = 64 };
	uint64_t random = 7;
	unsigned overlaps = 0, complete = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t map = 0, end = 0; /* bit: eight bytes; the end of the last one */

		setup_record(NULL);
		for (unsigned n = 0; n < 12; n++) {
			unsigned from, len;
			uint64_t bits;
			bool more, fits;

			random = random * 6364136223846793005u + 1442695040888963407u;
			from = random >> 33 & 31;
			len = 1 + (random >> 43 & 15);
			more = random >> 50 & 7;
			bits = ((1ull << len) - 1) << from;
			fits = !(map & bits) && (end == 0 || from + len <= end) &&
			       (more || (end == 0 && map >> (from + len) == 0));
			switch (add(from * 8, len * 8, more)) {
			case FRAG_NEW:
				assert_true(fits);
				map |= bits;
				if (!more)
					end = from + len;
				break;
			case FRAG_AGAIN:
				assert_false(fits);
				assert_int_equal(map & bits, bits);
				break;
			case FRAG_OVERLAP:
				assert_false(fits);
				overlaps++;
				break;
			case FRAG_NO_ROOM:
				fail();
			}
			assert_int_equal(frag_complete(&rec),
					 end != 0 &&
						 map == (end == 64 ? ~0ull : (1ull << end) - 1));
			complete += frag_complete(&rec);
		}
	}
	assert_true(overlaps > 1000 && complete > 100); /* it was about something */
}

static void the_same_fragment_again_is_a_duplicate(void **state)
{
	(void)state;
	assert_int_equal(add(0, 1480, true), FRAG_NEW);
	assert_int_equal(add(1480, 1480, true), FRAG_NEW);
	assert_int_equal(add(4440, 100, false), FRAG_NEW);
	assert_int_equal(add(0, 1480, true), FRAG_AGAIN);
	assert_int_equal(add(1480, 1480, true), FRAG_AGAIN);
	assert_int_equal(add(4440, 100, false), FRAG_AGAIN);
	assert_false(frag_complete(&rec));
	assert_int_equal(add(2960, 1480, true), FRAG_NEW);
	assert_true(frag_complete(&rec));
}

static void what_shares_a_byte_and_is_no_duplicate_overlaps(void **state)
{
	static const struct {
		unsigned off, len;
		bool more;
	} bad[] = {
		{ 0, 1488, true },    { 8, 1480, true },     { 8, 8, true },
		{ 1472, 1480, true }, { 1472, 16, true },    { 0, 2960, true },
		{ 1480, 8, true },    { 4440, 108, false },  { 4440, 92, false },
		{ 4440, 96, true },   { 2960, 1480, false }, { 2960, 1488, true },
		{ 4536, 8, true },    { 8000, 8, true },     { 4432, 108, false },
		{ 0, 1480, false },   { 0, 65535, false },   { 65528, 8, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setup_record(NULL);
		assert_int_equal(add(0, 1480, true), FRAG_NEW);
		assert_int_equal(add(1480, 1480, true), FRAG_NEW);
		assert_int_equal(add(4440, 100, false), FRAG_NEW);
		assert_int_equal(add(bad[i].off, bad[i].len, bad[i].more), FRAG_OVERLAP);
	}
}

/* Pieces that a second router cut up: whether all that came was one of them is not known. */
static void within_uneven_fragments_a_repetition_counts_as_overlap(void **state)
{
	(void)state;
	assert_int_equal(add(0, 1400, true), FRAG_NEW);
	assert_int_equal(add(1400, 80, true), FRAG_NEW);
	assert_int_equal(add(1480, 1400, true), FRAG_NEW);
	assert_int_equal(rec.state, FRAG_UNEVEN);
	assert_int_equal(add(1480, 1400, true), FRAG_OVERLAP);
}

static void a_datagram_may_end_at_65535_bytes_and_not_behind(void **state)
{
	(void)state;
	assert_int_equal(add(65528, 8, false), FRAG_OVERLAP);
	assert_int_equal(add(65528, 7, false), FRAG_NEW);
	assert_int_equal(add(0, 65528, true), FRAG_NEW);
	assert_true(frag_complete(&rec));
}

static void more_holes_than_there_is_room_for_are_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FRAG_RANGES; i++)
		assert_int_equal(add(i * 16, 8, true), FRAG_NEW);
	assert_int_equal(add(FRAG_RANGES * 16, 8, true), FRAG_NO_ROOM);
	assert_int_equal(rec.ranges, FRAG_RANGES);
	for (unsigned i = 0; i < FRAG_RANGES - 1; i++) /* a hole filled is a range less */
		assert_int_equal(add(i * 16 + 8, 8, true), FRAG_NEW);
	assert_int_equal(rec.ranges, 1);
	assert_int_equal(add(FRAG_RANGES * 16 - 8, 8, false), FRAG_NEW);
	assert_true(frag_complete(&rec));
}

static void a_fragment_without_bytes_fits_nowhere(void **state)
{
	(void)state;
	assert_int_equal(add(8, 0, true), FRAG_OVERLAP);
	assert_int_equal(rec.ranges, 0);
}

/* -- the table ---------------------------------------------------------------- */

static struct frag_table *table;

static int setup(void **state)
{
	(void)state;
	table = aligned_alloc(WEIR_CACHE_LINE, sizeof(*table));
	memset(table, 0, sizeof(*table));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(table);
	return 0;
}

static enum frag_put put(uint64_t tag, uint32_t age_ms)
{
	const struct frag_record r = {
		.tag = tag, .flow_hash = ~tag, .backend = tag & 1023, .last_ms = NOW - age_ms
	};

	return frag_put(table, &r, NOW);
}

static bool has(uint64_t tag)
{
	struct frag_record r = { 0 };

	if (!frag_get(table, tag, NOW, &r))
		return false;
	assert_int_equal(r.tag, tag);
	assert_int_equal(r.flow_hash, ~tag);
	assert_int_equal(r.backend, tag & 1023);
	return true;
}

/* Tags that have one bucket. */
static uint64_t neighbour(unsigned i)
{
	return (uint64_t)(i + 1) * FRAG_BUCKETS + 5;
}

static void what_is_put_is_found_until_removed(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		assert_false(has(random));
		assert_int_equal(put(random, 0), FRAG_PUT_FREE);
		assert_true(has(random));
	}
	frag_remove(table, random);
	assert_false(has(random));
	frag_remove(table, random);
}

static void a_record_is_replaced_by_one_with_its_tag(void **state)
{
	struct frag_record r = { .tag = neighbour(3), .last_ms = NOW, .backend = 77 }, got;

	(void)state;
	for (unsigned i = 0; i < FRAG_WAYS; i++)
		put(neighbour(i), 0);
	assert_int_equal(frag_put(table, &r, NOW), FRAG_PUT_FREE);
	assert_true(frag_get(table, r.tag, NOW, &got));
	assert_int_equal(got.backend, 77);
	for (unsigned i = 0; i < FRAG_WAYS; i++)
		assert_true(i == 3 || has(neighbour(i)));
}

static void in_a_full_bucket_the_longest_quiet_one_goes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FRAG_WAYS; i++)
		assert_int_equal(put(neighbour(i), i == 6 ? 500 : 10 + i), FRAG_PUT_FREE);
	assert_int_equal(put(neighbour(100), 0), FRAG_PUT_LIVE);
	assert_false(has(neighbour(6)));
	assert_int_equal(put(neighbour(101), 0), FRAG_PUT_LIVE);
	assert_false(has(neighbour(7)));
	for (unsigned i = 0; i < 6; i++)
		assert_true(has(neighbour(i)));
	assert_true(has(neighbour(100)));
}

static void what_is_past_the_limit_is_not_found_and_gives_its_place(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FRAG_WAYS; i++)
		put(neighbour(i), i == 2 ? FRAG_LIMIT_MS + 1 : FRAG_LIMIT_MS);
	assert_false(has(neighbour(2)));
	assert_true(has(neighbour(1)));
	assert_int_equal(put(neighbour(100), 0), FRAG_PUT_OLD);
	assert_true(has(neighbour(100)) && has(neighbour(1)));
}

static void the_clock_may_wrap_and_another_be_ahead(void **state)
{
	struct frag_record r = { .tag = 9, .last_ms = UINT32_MAX - 10 }, got;

	(void)state;
	frag_put(table, &r, UINT32_MAX - 10);
	assert_true(frag_get(table, 9, 10, &got));
	assert_true(frag_get(table, 9, UINT32_MAX - 20, &got));
	assert_false(frag_get(table, 9, FRAG_LIMIT_MS, &got));
}

/* -- two threads --------------------------------------------------------------- */

enum { TAGS = 64, WRITES = 30000 };

static _Atomic bool done;

/* Every word of a record follows from its first number, so that a reader can tell a
 * record that is mixed from two. */
static struct frag_record made(uint64_t tag, uint32_t n)
{
	struct frag_record r = { .tag = tag, .flow_hash = tag * 3 + n, .last_ms = n };

	r.service = r.pool = r.backend = r.total = r.unit = (uint16_t)n;
	for (unsigned i = 0; i < FRAG_RANGES; i++)
		r.range[i].from = r.range[i].to = (uint16_t)(n + i);
	return r;
}

static void *write_records(void *arg)
{
	(void)arg;
	for (uint32_t n = 1; n <= WRITES; n++) {
		struct frag_record r = made(neighbour(n * 2654435761u % TAGS), n);

		frag_put(table, &r, n);
		if (n % 7 == 0)
			frag_remove(table, r.tag);
	}
	atomic_store(&done, true);
	return NULL;
}

static void a_reader_meets_whole_records(void **state)
{
	unsigned found = 0;
	pthread_t thread;

	(void)state;
	atomic_store(&done, false);
	assert_int_equal(pthread_create(&thread, NULL, write_records, NULL), 0);
	while (!atomic_load(&done) || found == 0) {
		for (unsigned i = 0; i < TAGS; i++) {
			struct frag_record r, want;

			/* now = 0: every record is young by then, or ahead */
			if (!frag_get(table, neighbour(i), 0, &r))
				continue;
			want = made(neighbour(i), r.last_ms);
			assert_memory_equal(&r, &want, sizeof(r));
			found++;
		}
	}
	pthread_join(thread, NULL);
}

int main(void)
{
#define RECORD(name) cmocka_unit_test_setup(name, setup_record)
#define TABLE(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		RECORD(a_datagram_in_any_order_is_complete_with_its_last_piece),
		RECORD(random_fragments_fit_as_a_map_of_bytes_says),
		RECORD(the_same_fragment_again_is_a_duplicate),
		RECORD(what_shares_a_byte_and_is_no_duplicate_overlaps),
		RECORD(within_uneven_fragments_a_repetition_counts_as_overlap),
		RECORD(a_datagram_may_end_at_65535_bytes_and_not_behind),
		RECORD(more_holes_than_there_is_room_for_are_refused),
		RECORD(a_fragment_without_bytes_fits_nowhere),
		TABLE(what_is_put_is_found_until_removed),
		TABLE(a_record_is_replaced_by_one_with_its_tag),
		TABLE(in_a_full_bucket_the_longest_quiet_one_goes),
		TABLE(what_is_past_the_limit_is_not_found_and_gives_its_place),
		TABLE(the_clock_may_wrap_and_another_be_ahead),
		TABLE(a_reader_meets_whole_records),
	};

	return cmocka_run_group_tests_name("frag_table", tests, NULL, NULL);
}
