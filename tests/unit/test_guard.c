// SPDX-License-Identifier: Apache-2.0
/* Pool protection before there are verdicts; the rest stands in test_judge.c. */
#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* At the start nobody has a verdict: that is no reason for alarm, and nobody serves. */
static void members_of_whom_nothing_is_known_cause_no_panic(void **state)
{
	const struct guard_conf c = { .min_count = 2, .memory_ms = 1000 };
	struct guard_member m[4] = { [3] = { .backup = true, .verdict = VERDICT_UP } };
	struct guard_state s = { 0 };
	struct guard_counts n;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		m[i].eligible = true;
	assert_int_equal(guard_step(&c, &s, m, 4, (struct mono){ 0 }, &n), 0);
	assert_int_equal(n.open, 3);
	assert_false(s.backups);
	/* Known to be too few: now it counts. */
	for (unsigned i = 0; i < 3; i++)
		m[i].verdict = VERDICT_DOWN;
	assert_int_equal(guard_step(&c, &s, m, 4, (struct mono){ 1000 }, &n),
			 GUARD_BACKUPS_JOINED | GUARD_PANIC_BEGAN);
	assert_true(s.backups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_of_whom_nothing_is_known_cause_no_panic),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
