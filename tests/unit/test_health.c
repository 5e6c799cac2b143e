// SPDX-License-Identifier: Apache-2.0
/*
 * health_step(): each test is a list of results ('+' success, '-' failure) and the list
 * of states after each ('p' pending, 'u' up, 'd' down).
 */
#include "health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char letter[] = { [HEALTH_PENDING] = 'p', [HEALTH_UP] = 'u', [HEALTH_DOWN] = 'd' };

static void run(uint32_t rise, uint32_t fall, enum health from, const char *results,
		const char *states)
{
	const struct check_conf c = { .rise = rise, .fall = fall };
	struct health_state s = { .health = from };

	assert_int_equal(strlen(results), strlen(states));
	for (unsigned i = 0; results[i] != '\0'; i++) {
		enum health before = s.health;
		bool changed = health_step(&c, &s, results[i] == '+');

		if (letter[s.health] != states[i])
			fail_msg("result %u of \"%s\": '%c', not '%c'", i + 1, results,
				 letter[s.health], states[i]);
		assert_int_equal(changed, s.health != before);
	}
}

static void from_pending_one_success_is_up(void **state)
{
	(void)state;
	run(5, 5, HEALTH_PENDING, "+", "u");
}

static void from_pending_one_failure_is_down(void **state)
{
	(void)state;
	run(5, 5, HEALTH_PENDING, "-", "d");
}

static void fall_failures_in_a_row_take_it_down(void **state)
{
	(void)state;
	run(2, 3, HEALTH_UP, "---", "uud");
}

static void a_success_between_failures_begins_the_count_anew(void **state)
{
	(void)state;
	run(2, 3, HEALTH_UP, "--+--+---", "uuuuuuuud");
}

static void rise_successes_in_a_row_bring_it_up(void **state)
{
	(void)state;
	run(2, 3, HEALTH_DOWN, "+-++", "dddu");
}

static void one_and_one_follow_every_result(void **state)
{
	(void)state;
	run(1, 1, HEALTH_PENDING, "+-+-", "udud");
}

static void zero_counts_as_one(void **state)
{
	(void)state;
	run(0, 0, HEALTH_UP, "-+", "du");
}

static void the_count_does_not_outlive_a_change(void **state)
{
	(void)state;
	/* Down after two; the next failure must not count towards anything. */
	run(2, 2, HEALTH_UP, "---++--", "uddduud");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_pending_one_success_is_up),
		cmocka_unit_test(from_pending_one_failure_is_down),
		cmocka_unit_test(fall_failures_in_a_row_take_it_down),
		cmocka_unit_test(a_success_between_failures_begins_the_count_anew),
		cmocka_unit_test(rise_successes_in_a_row_bring_it_up),
		cmocka_unit_test(one_and_one_follow_every_result),
		cmocka_unit_test(zero_counts_as_one),
		cmocka_unit_test(the_count_does_not_outlive_a_change),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
