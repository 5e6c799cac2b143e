// SPDX-License-Identifier: Apache-2.0
/* A worker's pin table: who gives way to whom, and who goes. */
#include "pinned.h"

enum { BASE = 1, CUR = 2, THIRD = 3, TCP = WEIR_PIN_TCP, SURE = WEIR_PIN_TCP | WEIR_PIN_CONFIRMED };

/* Flows that have the same buckets, 7 and its neighbour, and no others; slots differ. */
enum { SAME_BUCKETS = 2 * WEIR_PIN_WAYS };
static uint64_t same_bucket(unsigned n)
{
	return (uint64_t)n << 56 | (uint64_t)7 << 24 | 7;
}

static uint32_t here(uint64_t hash)
{
	return pin_at(0, hash) != 0;
}

static void what_is_put_is_found(void **state)
{
	uint64_t random = 1, meta;

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	for (unsigned i = 0; i < 1000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		put(0, random, THIRD, SURE, 0);
		assert_int_equal(weir_pin_backend(pin_at(0, random)), THIRD);
		assert_true(pins_find_elsewhere(&pins[1], random, false, &meta));
		assert_int_equal(meta, pin_at(0, random));
		assert_int_equal(pin_at(1, random), 0);
	}
	assert_int_equal(pins[0].used, 1000);
	assert_int_equal(area[0]->pins.made, 1000);
}

static void a_flow_whose_hash_is_0_has_a_pin_too(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	put(0, 0, THIRD, SURE, 0);
	assert_int_equal(weir_pin_backend(pin_at(0, 0)), THIRD);
	pins_drop(&pins[0], pins_find(&pins[0], 0));
	assert_false(here(0));
	assert_int_equal(pins[0].used, 0);
}

/* As explain may see it, while the worker takes a pin out and puts it in again. */
static void a_key_that_is_seen_twice_is_found_in_its_bucket(void **state)
{
	const uint64_t hash = 0x123456789abcdef0;
	struct weir_pin_bucket *b = pins_place(&pins[0], weir_pin_key(hash), 0);

	(void)state;
	for (unsigned i = 1; i < WEIR_PIN_WAYS; i++) {
		atomic_store(&b->pin[i].hash, weir_pin_key(hash));
		assert_in_range(pins_find_first(&pins[0], hash) - b->pin, 1, WEIR_PIN_WAYS - 1);
	}
	for (unsigned i = 1; i < WEIR_PIN_WAYS; i++)
		atomic_store(&b->pin[i].hash, 0);
}

/* The order of giving way: each newcomer takes the place of the next in line. */
static void pins_give_way_in_order(void **state)
{
	/* kind and idle time, in the order in which they are to go */
	static const struct {
		unsigned backend, flags;
		uint32_t idle_ds;
	} line[] = {
		{ BASE, SURE, PIN_IDLE_TCP_DS + 1 }, /* expired */
		{ BASE, SURE, 50 },		     /* to base: longest idle first */
		{ BASE, SURE, 2 },
		{ CUR, TCP, PIN_CONFIRM_DS + 20 }, /* never confirmed, and not young */
		{ CUR, TCP, PIN_CONFIRM_DS + 1 },
	};
	enum { COUNT = sizeof(line) / sizeof(line[0]) };

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	/* These never do: an opener that is young, confirmed ones to others than base. */
	put(0, same_bucket(100), CUR, TCP, PIN_CONFIRM_DS);
	put(0, same_bucket(101), CUR, SURE, 3000);
	put(0, same_bucket(102), THIRD, SURE, 3000);
	for (unsigned i = COUNT; i-- > 0;)
		put(0, same_bucket(i), line[i].backend, line[i].flags, line[i].idle_ds);

	for (unsigned i = 0; i < COUNT; i++) {
		for (unsigned j = 0; j < COUNT; j++)
			assert_int_equal(here(same_bucket(j)), j >= i);
		put(0, same_bucket(50 + i), CUR, SURE, 0);
		assert_int_equal(pins[0].used, SAME_BUCKETS);
	}
	assert_int_equal(area[0]->pins.expired, 1);
	assert_int_equal(area[0]->pins.evicted_base, 2);
	assert_int_equal(area[0]->pins.evicted_unconfirmed, 2);
	assert_int_equal(area[0]->pins.pressure_ds, NOW_DS);

	assert_false(pins_put(&pins[0], &view, same_bucket(200),
			      weir_pin_meta(CUR, SURE, 0, 0, NOW_DS)));
	assert_int_equal(area[0]->pins.refused, 1);
	for (unsigned i = 100; i <= 102; i++)
		assert_true(here(same_bucket(i)));
	assert_false(here(same_bucket(200)));
}

/* Its flow goes to the base without; an opener would not go to the owner. */
static void in_a_full_table_a_pin_to_base_takes_no_place(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	put(0, 1, BASE, SURE, 5);
	pins[0].capacity = 1;
	assert_false(pins_room_for_base(&pins[0]));
	assert_true(here(1));
	assert_int_equal(area[0]->pins.refused, 1);
	assert_int_equal(area[0]->pins.pressure_ds, NOW_DS);
	pins[0].capacity = 2;
	assert_true(pins_room_for_base(&pins[0]));
	assert_int_equal(area[0]->pins.refused, 1);
}

/* As many in a decisecond as become old in it; confirmed pins always do. */
static void a_flood_of_openers_looks_for_room_now_and_then(void **state)
{
	unsigned made = 0;

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	for (unsigned i = 0; i < SAME_BUCKETS; i++)
		put(0, same_bucket(i), CUR, TCP, 0);
	pins_clock(&pins[0], NOW_DS + PIN_CONFIRM_DS + 1); /* now all give way */
	pins[0].looks = 2;
	for (unsigned i = 0; i < 5; i++)
		made += pins_put(&pins[0], &view, same_bucket(100 + i),
				 weir_pin_meta(CUR, TCP, 0, 0, pins[0].now_ds));
	assert_int_equal(made, 2);
	assert_int_equal(area[0]->pins.refused, 3);
	assert_true(pins_put(&pins[0], &view, same_bucket(250),
			     weir_pin_meta(CUR, SURE, 0, 0, pins[0].now_ds)));
	assert_false(pins_put(&pins[0], &view, same_bucket(251),
			      weir_pin_meta(CUR, TCP, 0, 0, pins[0].now_ds)));

	pins_clock(&pins[0], pins[0].now_ds + 1);
	assert_int_equal(pins[0].looks, pins[0].capacity / PIN_CONFIRM_DS + 1);
	assert_true(pins_put(&pins[0], &view, same_bucket(251),
			     weir_pin_meta(CUR, TCP, 0, 0, pins[0].now_ds)));
}

static void the_number_of_pins_is_bounded(void **state)
{
	uint64_t random = 1;

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	for (unsigned i = 0; i < 100000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		(void)pins_put(&pins[0], &view, random,
			       weir_pin_meta(i % 2 ? BASE : CUR, i % 3 ? SURE : TCP, 0, 0, NOW_DS));
		assert_true(pins[0].used <= pins[0].capacity);
	}
	/* What is counted is what is there. */
	random = 0;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (unsigned j = 0; j < WEIR_PIN_WAYS; j++)
			if (pins[0].bucket[i].pin[j].hash != 0) {
				random++;
				pin_filter_remove(&pins[0].filter, pins[0].bucket[i].pin[j].hash);
			}
	assert_int_equal(random, pins[0].used);
	for (unsigned i = 0; i < CELLS; i++)
		for (unsigned j = 0; j < PIN_FILTER_WORDS; j++)
			assert_int_equal(cells[i].word[j], 0);
}

/* At capacity nearly every pin has found a place: half of the ways are in use. */
static void four_buckets_suffice_up_to_capacity(void **state)
{
	uint64_t random = 12345;
	unsigned refused = 0;

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	for (unsigned i = 0; i < pins[0].capacity; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		refused += !pins_put(&pins[0], &view, random ^ random >> 32,
				     weir_pin_meta(THIRD, SURE, 0, 0, NOW_DS));
	}
	assert_int_equal(refused, 0);
}

/* -- the sweep --------------------------------------------------------------- */

static bool survives(unsigned slot_state, unsigned backend, unsigned flags, uint32_t idle_ds)
{
	bool stays;

	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	put(0, 42, backend, flags, idle_ds);
	all_slots(slot_state, CUR, BASE, 0);
	pins_sweep(&pins[0], &view, BUCKETS);
	stays = here(42);
	assert_int_equal(pins[0].used, stays);
	if (stays)
		pins_drop(&pins[0], pins_find(&pins[0], 42));
	return stays;
}

static void the_sweep_drops_what_says_nothing_any_more(void **state)
{
	enum {
		MOVING = WEIR_SLOT_MOVING,
		PINNED = WEIR_SLOT_PINNED,
		DONE = SURE | WEIR_PIN_CLOSING | WEIR_PIN_STEP
	};

	(void)state;
	assert_true(survives(MOVING, BASE, SURE, PIN_IDLE_TCP_DS));
	assert_false(survives(MOVING, BASE, SURE, PIN_IDLE_TCP_DS + 1));
	assert_true(survives(PINNED, THIRD, WEIR_PIN_CONFIRMED, PIN_IDLE_UDP_DS));
	assert_false(survives(PINNED, THIRD, WEIR_PIN_CONFIRMED, PIN_IDLE_UDP_DS + 1));
	assert_true(survives(MOVING, CUR, SURE | WEIR_PIN_CLOSING, PIN_IDLE_CLOSING_DS));
	assert_false(survives(MOVING, CUR, SURE | WEIR_PIN_CLOSING, PIN_IDLE_CLOSING_DS + 1));
	assert_true(survives(MOVING, CUR, DONE, PIN_IDLE_CLOSED_DS));
	assert_false(survives(MOVING, CUR, DONE, PIN_IDLE_CLOSED_DS + 1));
	assert_true(survives(MOVING, CUR, TCP, PIN_IDLE_OPENER_DS));
	assert_false(survives(MOVING, CUR, TCP, PIN_IDLE_OPENER_DS + 1));
	assert_true(survives(PINNED, BASE, SURE, 0));
	assert_true(survives(PINNED, THIRD, SURE, 0));
	assert_false(survives(PINNED, CUR, SURE, 0)); /* goes there without */
	assert_false(survives(WEIR_SLOT_SETTLED, THIRD, SURE, 0));

	backends[THIRD].flags = 0;
	assert_false(survives(PINNED, THIRD, SURE, 0));
}

static void a_pin_outlives_its_window(void **state)
{
	(void)state;
	view.pool[0].udp_window_ms = 3600000;
	assert_true(survives(WEIR_SLOT_MOVING, BASE, WEIR_PIN_CONFIRMED, 36000));
	assert_false(survives(WEIR_SLOT_MOVING, BASE, WEIR_PIN_CONFIRMED, 36001));
	view.pool[0].tcp_window_ms = 86400000; /* the longest there is */
	assert_true(survives(WEIR_SLOT_MOVING, BASE, SURE, 864000));
	assert_false(survives(WEIR_SLOT_MOVING, BASE, SURE, 864001));
	assert_false(survives(WEIR_SLOT_MOVING, BASE, SURE, 900000));
}

/* As a drain with a deadline of hours has it; but not for want of room. */
static void what_must_not_go_to_base_stays_while_the_window_is_open(void **state)
{
	enum { LONG = PIN_IDLE_TCP_DS + 1, MOVING = WEIR_SLOT_MOVING };

	(void)state;
	assert_true(survives(MOVING, CUR, SURE, LONG));
	assert_true(survives(MOVING, THIRD, WEIR_PIN_CONFIRMED, LONG));
	assert_false(survives(MOVING, BASE, SURE, LONG));
	assert_false(survives(WEIR_SLOT_PINNED, THIRD, SURE, LONG));
	area[0]->pins.pressure_ds = NOW_DS - PIN_IDLE_TCP_DS;
	assert_false(survives(MOVING, CUR, SURE, LONG));
	area[0]->pins.pressure_ds--;
	assert_true(survives(MOVING, CUR, SURE, LONG));
}

/* A closing flow's pin to base, with the window open for another 60 s: it would go there
 * without. When the window may end before, it is kept like others. */
static void a_closing_flow_needs_no_pin_to_the_base_of_a_young_move(void **state)
{
	enum { CLOSING = SURE | WEIR_PIN_CLOSING, LATE = 300000 - PIN_IDLE_CLOSING_DS * 100 };
	static const struct {
		uint32_t age_ms, idle_ds;
		bool stays;
	} row[] = {
		{ 10000, PIN_IDLE_CLOSED_DS, true },
		{ 10000, PIN_IDLE_CLOSED_DS + 1, false },
		{ LATE - 1, PIN_IDLE_CLOSED_DS + 1, false },
		{ LATE, PIN_IDLE_CLOSED_DS + 1, true },
		{ LATE, PIN_IDLE_CLOSING_DS, true },
		{ LATE, PIN_IDLE_CLOSING_DS + 1, false },
		{ UINT32_MAX - 50, PIN_IDLE_CLOSED_DS + 1, true }, /* began just now */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100u - row[i].age_ms);
		put(0, 42, BASE, CLOSING, row[i].idle_ds);
		pins_sweep(&pins[0], &view, BUCKETS);
		assert_int_equal(here(42), row[i].stays);
		if (here(42))
			pins_drop(&pins[0], pins_find(&pins[0], 42));
	}
}

/* UDP's window is over, TCP's is not: a pin to cur is of use for TCP alone. */
static void windows_of_protocols_are_apart(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, 0);
	close_windows(WEIR_MOVE_UDP);
	put(0, 1, CUR, SURE, 0);
	put(0, 2, CUR, WEIR_PIN_CONFIRMED, 0);
	put(0, 3, BASE, WEIR_PIN_CONFIRMED, 0);
	pins_sweep(&pins[0], &view, BUCKETS);
	assert_true(here(1));
	assert_false(here(2));
	assert_true(here(3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_put_is_found),
		T(a_flow_whose_hash_is_0_has_a_pin_too),
		T(a_key_that_is_seen_twice_is_found_in_its_bucket),
		T(pins_give_way_in_order),
		T(in_a_full_table_a_pin_to_base_takes_no_place),
		T(a_flood_of_openers_looks_for_room_now_and_then),
		T(the_number_of_pins_is_bounded),
		T(four_buckets_suffice_up_to_capacity),
		T(the_sweep_drops_what_says_nothing_any_more),
		T(a_pin_outlives_its_window),
		T(what_must_not_go_to_base_stays_while_the_window_is_open),
		T(a_closing_flow_needs_no_pin_to_the_base_of_a_young_move),
		T(windows_of_protocols_are_apart),
	};

	return cmocka_run_group_tests_name("pins", tests, NULL, NULL);
}
