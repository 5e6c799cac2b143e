// SPDX-License-Identifier: Apache-2.0
/* What a full pin table keeps from breaking flows: openers that come again, and flows that
 * change their worker. */
#include "one_packet.h"

/* Nobody has room for a copy: the worker that has the pin is told that it is in use. */
static void a_pin_is_kept_for_a_flow_that_another_worker_has(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(1, FLOW, CUR, WEIR_PIN_TCP, 20);
	put(1, 7, CUR, WEIR_PIN_TCP, 20);
	pins[0].capacity = 0;
	assert_int_equal(by_worker(0, FLOW, true, DATA, 0), CUR);
	assert_int_equal(weir_pin_idle_ds(pin_at(1, FLOW), NOW_DS), 20);
	pins_clock(&pins[1], NOW_DS + 1);
	assert_int_equal(weir_pin_idle_ds(pin_at(1, FLOW), NOW_DS + 1), 0);
	assert_true(pin_at(1, FLOW) & WEIR_PIN_CONFIRMED);
	assert_false(pin_at(1, FLOW) & WEIR_PIN_CLOSING);
	assert_int_equal(weir_pin_idle_ds(pin_at(1, 7), NOW_DS + 1), 21); /* no other is */
	assert_false(pin_at(1, 7) & WEIR_PIN_CONFIRMED);

	assert_int_equal(by_worker(0, 7, true, OPENER, 0), CUR);
	assert_int_equal(by_worker(0, FLOW, true, DATA, PKT_CLOSING), CUR);
	pins_clock(&pins[1], NOW_DS + 9);
	assert_int_equal(weir_pin_idle_ds(pin_at(1, 7), NOW_DS + 9), 0);
	assert_false(pin_at(1, 7) & WEIR_PIN_CONFIRMED); /* its SYN came again */
	assert_true(pin_at(1, FLOW) & WEIR_PIN_CLOSING);

	/* Told once; by a forger never; of a pin that is gone in vain. */
	(void)by_worker(0, 7, true, DATA, 0);
	pins_drop(&pins[1], pins_find(&pins[1], 7));
	pins_clock(&pins[1], NOW_DS + 20);
	assert_int_equal(weir_pin_idle_ds(pin_at(1, FLOW), NOW_DS + 20), 11);
	assert_int_equal(by_worker(0, FLOW, true, DATA, PKT_ICMP_ERROR), CUR);
	pins_clock(&pins[1], NOW_DS + 30);
	assert_int_equal(weir_pin_idle_ds(pin_at(1, FLOW), NOW_DS + 30), 21);
	assert_int_equal(pin_at(1, 7), 0);
	assert_int_equal(pins[1].used, 1);
}

/* A SYN goes to base for want of room, and comes again when there is some. */
static void an_opener_without_a_pin_is_known_when_it_comes_again(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	pins[0].capacity = 0;
	pins_clock(&pins[0], NOW_DS);
	assert_int_equal(by_worker(0, FLOW, true, OPENER, 0), BASE);
	pins[0].capacity = 100;
	assert_int_equal(by_worker(0, 7ull << 32, true, OPENER, 0), CUR); /* another's */
	pins_clock(&pins[0], NOW_DS + 40);
	assert_int_equal(by_worker(0, FLOW, true, OPENER, 0), BASE);
	assert_int_equal(weir_pin_backend(pin_at(0, FLOW)), BASE);
	assert_int_equal(by_worker(0, FLOW, true, DATA, 0), BASE);

	/* In the grace likewise. */
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 + 4000);
	pins[0].capacity = 0;
	assert_int_equal(by_worker(0, 8ull << 32, true, OPENER, 0), BASE);
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	pins[0].capacity = 100;
	assert_int_equal(by_worker(0, 8ull << 32, true, OPENER, 0), BASE);

	/* Nobody's would it be else; and after ten seconds it is a new one. */
	pins[0].capacity = 0;
	assert_int_equal(by_worker(0, 9ull << 32 | 300, true, OPENER, 0), BASE);
	all_slots(WEIR_SLOT_MOVING, BASE, BASE, SINCE_MS);
	assert_int_equal(by_worker(0, 9ull << 32 | 300, true, OPENER, 0), NOBODY);
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	pins[0].capacity = 100;
	pins_clock(&pins[0], NOW_DS + 150);
	assert_int_equal(by_worker(0, 9ull << 32 | 300, true, OPENER, 0), CUR);
}

/* More than can be noted: new flows stay with base, whoever they are, until it is over. */
static void in_a_flood_all_openers_stay_with_the_base(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(0, 1, CUR, WEIR_PIN_TCP, 5);
	pins[0].capacity = 1;
	pins_clock(&pins[0], NOW_DS);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(by_worker(0, i << 40 | i << 24 | 2, true, OPENER, 0), BASE);
	assert_true(pin_notes_are_short(&pins[0].notes));
	pins[0].capacity = 100;
	assert_int_equal(by_worker(0, 99ull << 32, true, OPENER, 0), BASE);
	assert_int_equal(weir_pin_backend(pin_at(0, 99ull << 32)), BASE);
	/* What it left goes after 3 s, not 64. */
	pins_clock(&pins[0], NOW_DS + 26);
	pins_sweep(&pins[0], &view, BUCKETS);
	assert_int_equal(pin_at(0, 1), 0);
	assert_int_not_equal(pin_at(0, 99ull << 32), 0);
	pins_clock(&pins[0], NOW_DS + PIN_SHORT_DS + 1);
	assert_int_equal(by_worker(0, 98ull << 32, true, OPENER, 0), CUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_pin_is_kept_for_a_flow_that_another_worker_has),
		T(an_opener_without_a_pin_is_known_when_it_comes_again),
		T(in_a_flood_all_openers_stay_with_the_base),
	};

	return cmocka_run_group_tests_name("moving_full", tests, NULL, NULL);
}
