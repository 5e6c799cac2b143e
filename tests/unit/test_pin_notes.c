// SPDX-License-Identifier: Apache-2.0
/* Openers that went to base without a pin: how long, how many and of whom it is known. */
#include "pin_notes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { START_DS = 4000000, MOST = 100 };

static struct pin_notes notes;

static int begin(void **state)
{
	(void)state;
	memset(&notes, 0, sizeof(notes));
	pin_notes_clock(&notes, START_DS, MOST);
	return 0;
}

static uint64_t hash_of(uint64_t n)
{
	return n << 32;
}

/* Deciseconds until a note made `after_ds` after the start is gone. */
static uint32_t kept_ds(uint32_t after_ds)
{
	uint32_t ds = START_DS;

	begin(NULL);
	while (ds < START_DS + after_ds)
		pin_notes_clock(&notes, ++ds, MOST);
	pin_notes_add(&notes, hash_of(7), ds);
	while (pin_notes_has(&notes, hash_of(7)) && ds < START_DS + 1000)
		pin_notes_clock(&notes, ++ds, MOST);
	return ds - START_DS - after_ds;
}

static void a_note_is_kept_for_five_to_ten_seconds(void **state)
{
	(void)state;
	for (uint32_t after = 0; after < 150; after++)
		assert_in_range(kept_ds(after), 51, 100);
}

/* A worker that slept, or did not look at its clock. */
static void a_note_does_not_outlive_a_jump(void **state)
{
	(void)state;
	pin_notes_add(&notes, hash_of(7), START_DS);
	pin_notes_clock(&notes, START_DS + 100, MOST);
	assert_false(pin_notes_has(&notes, hash_of(7)));
}

static void nobody_elses_flow_is_noted(void **state)
{
	(void)state;
	pin_notes_add(&notes, hash_of(7), START_DS);
	for (uint64_t i = 0; i < PIN_NOTES_BITS; i++)
		assert_int_equal(pin_notes_has(&notes, hash_of(i)), i == 7);
}

static void more_than_may_be_are_a_shortage_for_ten_seconds(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < MOST; i++)
		pin_notes_add(&notes, hash_of(i), START_DS);
	assert_false(pin_notes_are_short(&notes));
	assert_false(pin_notes_are_spent(&notes));
	assert_false(pin_notes_has(&notes, hash_of(MOST)));
	pin_notes_add(&notes, hash_of(MOST), START_DS);
	assert_true(pin_notes_are_spent(&notes));
	assert_true(pin_notes_has(&notes, hash_of(MOST)));
	assert_true(pin_notes_has(&notes, hash_of(99999)));
	pin_notes_clock(&notes, START_DS + 1, MOST); /* some may be noted again */
	assert_true(pin_notes_are_short(&notes));
	assert_false(pin_notes_are_spent(&notes));
	pin_notes_add(&notes, hash_of(1), START_DS + 1); /* they renew nothing */
	pin_notes_clock(&notes, START_DS + PIN_SHORT_DS, MOST);
	assert_true(pin_notes_are_short(&notes));
	pin_notes_clock(&notes, START_DS + PIN_SHORT_DS + 1, MOST);
	assert_false(pin_notes_are_short(&notes));
	assert_false(pin_notes_has(&notes, hash_of(99999)));
}

static void explain_has_a_copy(void **state)
{
	static struct pin_notes copy;

	(void)state;
	pin_notes_add(&notes, hash_of(7), START_DS);
	pin_notes_clock(&notes, START_DS + 60, MOST); /* in the other half now */
	pin_notes_add(&notes, hash_of(8), START_DS + 60);
	pin_notes_copy(&copy, &notes);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(pin_notes_has(&copy, hash_of(i)), i == 7 || i == 8);
	pin_notes_run_short(&notes, START_DS + 60);
	pin_notes_copy(&copy, &notes);
	assert_true(pin_notes_has(&copy, hash_of(1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_is_kept_for_five_to_ten_seconds),
		cmocka_unit_test_setup(a_note_does_not_outlive_a_jump, begin),
		cmocka_unit_test_setup(nobody_elses_flow_is_noted, begin),
		cmocka_unit_test_setup(more_than_may_be_are_a_shortage_for_ten_seconds, begin),
		cmocka_unit_test_setup(explain_has_a_copy, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
