// SPDX-License-Identifier: Apache-2.0
/*
 * Judgement as lists of results: rise and fall, intervals and jitter, several checks,
 * flap damping, pool protection, and agents' words.
 */
#include "agent_words.h"
#include "flap.h"
#include "guard.h"
#include "judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* -- one check -------------------------------------------------------------------------- */

/* Feed results, a letter each (p pass, f fail, n nothing), and compare the verdict after
 * each: u up, d down, . pending. */
static void expect_verdicts(const struct judge_conf *c, const char *results, const char *verdicts)
{
	struct judge_state s = { 0 };
	enum verdict before = VERDICT_PENDING;

	assert_int_equal(strlen(results), strlen(verdicts));
	for (; *results; results++, verdicts++) {
		bool changed = judge_step(c, &s,
					  *results == 'p'   ? JUDGE_PASS
					  : *results == 'f' ? JUDGE_FAIL
							    : JUDGE_NOTHING);

		assert_int_equal(".ud"[s.verdict], *verdicts);
		assert_int_equal(changed, s.verdict != before);
		before = s.verdict;
	}
}

static void the_first_result_decides(void **state)
{
	const struct judge_conf c = { .rise = 3, .fall = 3 };

	(void)state;
	expect_verdicts(&c, "p", "u");
	expect_verdicts(&c, "f", "d");
	expect_verdicts(&c, "nnp", "..u");
}

static void fall_failures_in_a_row_take_it_down(void **state)
{
	const struct judge_conf c = { .rise = 2, .fall = 3 };

	(void)state;
	expect_verdicts(&c, "pfff", "uuud");
	expect_verdicts(&c, "pffpfff", "uuuuuud");
	expect_verdicts(&c, "pffpffpff", "uuuuuuuuu");
}

static void rise_successes_in_a_row_bring_it_up(void **state)
{
	const struct judge_conf c = { .rise = 2, .fall = 3 };

	(void)state;
	expect_verdicts(&c, "fpp", "ddu");
	expect_verdicts(&c, "fpfpfpp", "ddddddu");
}

static void nothing_neither_lengthens_nor_ends_a_run(void **state)
{
	const struct judge_conf c = { .rise = 2, .fall = 3 };

	(void)state;
	expect_verdicts(&c, "pffnf", "uuuud");
	expect_verdicts(&c, "pnnnnnnn", "uuuuuuuu");
	expect_verdicts(&c, "fpnp", "dddu");
}

static void zero_counts_as_one(void **state)
{
	const struct judge_conf c = { 0 };

	(void)state;
	expect_verdicts(&c, "pfpf", "udud");
}

static void intervals_follow_the_state(void **state)
{
	const struct judge_conf c = { .rise = 2,
				      .fall = 2,
				      .interval_ms = 2000,
				      .fast_interval_ms = 200,
				      .down_interval_ms = 5000 };
	struct judge_state s = { 0 };

	(void)state;
	assert_int_equal(judge_delay_ms(&c, &s, 0), 200); /* pending */
	judge_step(&c, &s, JUDGE_PASS);
	assert_int_equal(judge_delay_ms(&c, &s, 0), 2000);
	judge_step(&c, &s, JUDGE_FAIL);
	assert_int_equal(judge_delay_ms(&c, &s, 0), 200); /* on the way down */
	judge_step(&c, &s, JUDGE_FAIL);
	assert_int_equal(judge_delay_ms(&c, &s, 0), 5000);
	judge_step(&c, &s, JUDGE_PASS);
	assert_int_equal(judge_delay_ms(&c, &s, 0), 200); /* on the way up */
}

static void intervals_not_set_are_the_interval(void **state)
{
	const struct judge_conf c = { .rise = 2, .fall = 2, .interval_ms = 2000 };
	struct judge_state s = { .verdict = VERDICT_DOWN, .streak = 1 };

	(void)state;
	assert_int_equal(judge_delay_ms(&c, &s, 7), 2000);
	s.streak = 0;
	assert_int_equal(judge_delay_ms(&c, &s, 7), 2000);
	assert_int_equal(judge_delay_ms(&(struct judge_conf){ 0 }, &s, 0), 1);
}

static void jitter_spreads_to_both_sides_and_no_further(void **state)
{
	const struct judge_conf c = { .interval_ms = 1000, .jitter_percent = 10 };
	struct judge_state s = { .verdict = VERDICT_UP };
	unsigned hits[201] = { 0 };

	(void)state;
	for (uint32_t r = 0; r < 201 * 5; r++) {
		uint32_t d = judge_delay_ms(&c, &s, r);

		assert_in_range(d, 900, 1100);
		hits[d - 900]++;
	}
	for (unsigned i = 0; i < 201; i++)
		assert_int_equal(hits[i], 5);
}

/* -- several checks ------------------------------------------------------------------------ */

/* "ud.": verdicts; the combined one as a letter, and which check decided. */
static void expect_combined(enum judge_rule rule, const char *each, char want, unsigned decided_by)
{
	enum verdict v[8];
	unsigned n = 0, decisive = 99;

	for (; each[n]; n++)
		v[n] = each[n] == 'u'	? VERDICT_UP
		       : each[n] == 'd' ? VERDICT_DOWN
					: VERDICT_PENDING;
	assert_int_equal(".ud"[judge_combine(rule, v, n, &decisive)], want);
	assert_int_equal(decisive, decided_by);
}

static void all_checks_must_pass(void **state)
{
	(void)state;
	expect_combined(JUDGE_ALL, "uuu", 'u', 0);
	expect_combined(JUDGE_ALL, "udu", 'd', 1);
	expect_combined(JUDGE_ALL, "u.d", 'd', 2); /* whatever the pending one will say */
	expect_combined(JUDGE_ALL, "u..", '.', 1);
	expect_combined(JUDGE_ALL, "", 'u', 0);
}

static void any_check_may_pass(void **state)
{
	(void)state;
	expect_combined(JUDGE_ANY, "ddd", 'd', 0);
	expect_combined(JUDGE_ANY, "ddu", 'u', 2);
	expect_combined(JUDGE_ANY, "d.u", 'u', 2);
	expect_combined(JUDGE_ANY, "d.d", '.', 1);
	expect_combined(JUDGE_ANY, "", 'u', 0);
}

/* -- flap damping ---------------------------------------------------------------------------- */

static struct mono at(int64_t seconds)
{
	return (struct mono){ seconds * 1000000 };
}

static const struct flap_conf flaps = {
	.changes = 4, .window_ms = 60000, .hold_ms = 10000, .hold_max_ms = 60000
};

static void few_changes_are_followed_at_once(void **state)
{
	struct flap_state s = { 0 };

	(void)state;
	assert_true(flap_step(&flaps, &s, VERDICT_UP, at(0)));
	assert_false(flap_step(&flaps, &s, VERDICT_UP, at(1)));
	assert_true(flap_step(&flaps, &s, VERDICT_DOWN, at(2)));
	assert_true(flap_step(&flaps, &s, VERDICT_UP, at(3)));
	assert_true(flap_step(&flaps, &s, VERDICT_DOWN, at(4)));
	assert_false(flap_held(&s, at(4)));
	assert_int_equal(s.count, 3); /* the first verdict was none */
}

/* Up and down each second until it is held; returns when that was. */
static int64_t flap_until_held(struct flap_state *s, int64_t t)
{
	while (!flap_held(s, at(t))) {
		t++;
		flap_step(&flaps, s, s->verdict == VERDICT_UP ? VERDICT_DOWN : VERDICT_UP, at(t));
	}
	return t;
}

static void too_many_changes_hold_it_down(void **state)
{
	struct flap_state s = { 0 };
	char text[96];
	int64_t t;

	(void)state;
	flap_step(&flaps, &s, VERDICT_DOWN, at(0));
	t = flap_until_held(&s, 0);
	assert_int_equal(t, 4); /* up, down, up, down */
	assert_string_equal(flap_text(&flaps, &s, at(t + 4), text, sizeof(text)),
			    "held down for 6 s more: it changed state 4 times in 60 s");
	assert_false(flap_step(&flaps, &s, VERDICT_UP, at(t + 5)));
	assert_int_equal(s.verdict, VERDICT_DOWN);
	assert_true(s.wanted_up);
	assert_false(flap_held(&s, at(t + 10)));
	assert_true(flap_step(&flaps, &s, VERDICT_UP, at(t + 10)));
}

static void each_hold_is_longer_up_to_the_longest(void **state)
{
	static const int64_t holds_s[] = { 10, 20, 40, 60, 60, 60 };
	struct flap_state s = { 0 };
	int64_t t = 0;

	(void)state;
	flap_step(&flaps, &s, VERDICT_UP, at(0));
	for (unsigned i = 0; i < sizeof(holds_s) / sizeof(holds_s[0]); i++) {
		t = flap_until_held(&s, t);
		assert_int_equal(s.held_until.us, at(t + holds_s[i]).us);
		t += holds_s[i];
		assert_true(flap_step(&flaps, &s, VERDICT_UP, at(t)));
	}
}

static void quiet_time_lowers_the_level_step_by_step(void **state)
{
	struct flap_state s = { 0 };
	int64_t t;

	(void)state;
	flap_step(&flaps, &s, VERDICT_UP, at(0));
	t = flap_until_held(&s, 0); /* level 1, 10 s */
	flap_step(&flaps, &s, VERDICT_UP, at(t += 10));
	flap_step(&flaps, &s, VERDICT_DOWN, at(++t)); /* level 2, 20 s */
	assert_int_equal(s.level, 2);
	flap_step(&flaps, &s, VERDICT_UP, at(t += 20));
	flap_step(&flaps, &s, VERDICT_UP, at(t += 59));
	assert_int_equal(s.level, 2);
	flap_step(&flaps, &s, VERDICT_UP, at(++t)); /* a window without a change */
	assert_int_equal(s.level, 1);
	flap_step(&flaps, &s, VERDICT_UP, at(t += 60));
	assert_int_equal(s.level, 0);
	assert_true(flap_step(&flaps, &s, VERDICT_DOWN, at(++t)));
	assert_false(flap_held(&s, at(t))); /* forgiven */
}

static void without_a_limit_it_is_never_held(void **state)
{
	const struct flap_conf off = { .window_ms = 60000, .hold_ms = 10000, .hold_max_ms = 60000 };
	struct flap_state s = { 0 };

	(void)state;
	for (int64_t t = 0; t < 100; t++)
		assert_true(flap_step(&off, &s, t % 2 ? VERDICT_UP : VERDICT_DOWN, at(t)));
	assert_int_equal(s.level, 0);
}

/* -- pool protection --------------------------------------------------------------------------- */

#define POOL_MAX 16

struct test_pool {
	struct guard_conf conf;
	struct guard_state state;
	struct guard_member m[POOL_MAX];
	unsigned n;
	struct guard_counts counts;
	char serving[POOL_MAX + 1];
};

/* Letters: u up, d down, . pending, x not eligible; capital: a backup backend. Returns the
 * events; p->serving has a 1 for each member that serves. */
static unsigned step(struct test_pool *p, const char *members, int64_t now_s)
{
	unsigned events;

	p->n = (unsigned)strlen(members);
	for (unsigned i = 0; i < p->n; i++) {
		char c = members[i];

		p->m[i].eligible = c != 'x';
		p->m[i].backup = c == 'U' || c == 'D';
		p->m[i].verdict = c == 'u' || c == 'U'	 ? VERDICT_UP
				  : c == 'd' || c == 'D' ? VERDICT_DOWN
				  : c == '.'		 ? VERDICT_PENDING
							 : p->m[i].verdict;
	}
	events = guard_step(&p->conf, &p->state, p->m, p->n, at(now_s), &p->counts);
	for (unsigned i = 0; i < p->n; i++) {
		const struct guard_member *m = &p->m[i];
		bool wanted = m->verdict == VERDICT_UP && (!m->backup || p->state.backups);

		p->serving[i] = m->eligible && (m->kept || wanted) ? '1' : '0';
	}
	p->serving[p->n] = '\0';
	return events;
}

static void those_who_are_up_serve(void **state)
{
	struct test_pool p = { .conf = { .min_count = 1, .memory_ms = 10000 } };

	(void)state;
	assert_int_equal(step(&p, "udx.", 0), 0);
	assert_string_equal(p.serving, "1000");
	assert_int_equal(step(&p, "uuuu", 1), 0);
	assert_string_equal(p.serving, "1111");
}

static void a_checker_that_sees_nothing_empties_no_pool(void **state)
{
	struct test_pool p = { .conf = { .min_count = 1, .memory_ms = 10000 } };

	(void)state;
	step(&p, "uuudu", 0); /* one has been dead for long */
	/* Our own link fails: one after the other is seen to go down. */
	assert_int_equal(step(&p, "duudu", 100), 0);
	assert_int_equal(step(&p, "ddudu", 101), 0);
	assert_int_equal(step(&p, "ddudd", 102), 0);
	assert_string_equal(p.serving, "00100");
	assert_int_equal(step(&p, "ddddd", 103), GUARD_PANIC_BEGAN);
	/* All who were up a moment ago, not the last one alone, nor the dead one. */
	assert_string_equal(p.serving, "11101");
	assert_int_equal(step(&p, "ddddd", 9999), 0); /* however long it takes */
	assert_string_equal(p.serving, "11101");
	assert_int_equal(step(&p, "duddd", 10000), GUARD_PANIC_ENDED);
	assert_string_equal(p.serving, "01000");
}

static void below_the_least_the_checker_is_not_believed(void **state)
{
	struct test_pool p = { .conf = { .min_percent = 50, .memory_ms = 10000 } };

	(void)state;
	step(&p, "uuuuu", 0); /* 3 of 5 are needed: 50 % rounded up */
	assert_int_equal(step(&p, "dduuu", 60), 0);
	assert_int_equal(p.counts.needed, 3);
	assert_int_equal(step(&p, "ddduu", 120), GUARD_PANIC_BEGAN);
	assert_string_equal(p.serving, "00111");     /* the two went down too long ago */
	assert_int_equal(step(&p, "udddu", 121), 0); /* who returns serves at once */
	assert_string_equal(p.serving, "10111");
	assert_int_equal(step(&p, "uuddu", 122), GUARD_PANIC_ENDED);
	assert_string_equal(p.serving, "11001");
}

static void panic_keeps_no_one_who_was_taken_out_by_hand(void **state)
{
	struct test_pool p = { .conf = { .min_count = 2, .memory_ms = 10000 } };

	(void)state;
	step(&p, "uuuu", 0);
	assert_int_equal(step(&p, "dddu", 1), GUARD_PANIC_BEGAN);
	assert_string_equal(p.serving, "1111");
	step(&p, "xddu", 2);
	assert_string_equal(p.serving, "0111");
}

static void the_least_is_never_more_than_there_are(void **state)
{
	struct test_pool p = { .conf = {
				       .min_count = 10, .min_percent = 100, .memory_ms = 10000 } };

	(void)state;
	assert_int_equal(step(&p, "uux", 0), 0);
	assert_int_equal(p.counts.needed, 2);
	assert_int_equal(step(&p, "xxx", 1), 0); /* all taken out by hand: no panic */
	assert_string_equal(p.serving, "000");
}

static void a_pool_that_was_never_up_stays_empty(void **state)
{
	struct test_pool p = { .conf = { .min_count = 1, .memory_ms = 10000 } };

	(void)state;
	assert_int_equal(step(&p, "dd", 0), GUARD_PANIC_BEGAN);
	assert_string_equal(p.serving, "00");
	assert_int_equal(step(&p, "du", 1), GUARD_PANIC_ENDED);
	assert_string_equal(p.serving, "01");
}

static void protection_that_is_off_lets_a_pool_run_empty(void **state)
{
	struct test_pool p = { 0 };

	(void)state;
	step(&p, "uu", 0);
	assert_int_equal(step(&p, "dd", 1), 0);
	assert_string_equal(p.serving, "00");
}

static void backups_join_when_no_primary_is_up(void **state)
{
	struct test_pool p = { .conf = { .min_count = 1, .memory_ms = 10000 } };

	(void)state;
	assert_int_equal(step(&p, "uuUU", 0), 0);
	assert_string_equal(p.serving, "1100");
	assert_int_equal(step(&p, "duUU", 1), 0);
	assert_string_equal(p.serving, "0100");
	/* That backups are seen to be up shows that the checker sees: no panic. */
	assert_int_equal(step(&p, "ddUU", 2), GUARD_BACKUPS_JOINED);
	assert_string_equal(p.serving, "0011");
	assert_int_equal(step(&p, "duUU", 3), GUARD_BACKUPS_LEFT);
	assert_string_equal(p.serving, "0100");
}

static void backups_join_before_panic(void **state)
{
	struct test_pool p = { .conf = { .min_count = 3, .memory_ms = 10000 } };

	(void)state;
	step(&p, "uuuuU", 0);
	assert_int_equal(step(&p, "dduuU", 50), GUARD_BACKUPS_JOINED); /* 2 and 1 make 3 */
	assert_string_equal(p.serving, "00111");
	assert_int_equal(step(&p, "ddduU", 51), GUARD_PANIC_BEGAN);
	assert_string_equal(p.serving, "11111");
}

static void all_gone_with_the_backups_keeps_the_primaries(void **state)
{
	struct test_pool p = { .conf = { .min_count = 1, .memory_ms = 10000 } };

	(void)state;
	step(&p, "uuU", 0);
	step(&p, "duU", 50);
	step(&p, "duD", 51);
	assert_int_equal(step(&p, "ddD", 52), GUARD_PANIC_BEGAN);
	assert_string_equal(p.serving, "110"); /* the backup had no part in it */
}

/* -- agents' words ---------------------------------------------------------------------------- */

static struct agent_state words(unsigned understood, const char *line)
{
	struct agent_state s = { .percent = 100 };

	assert_int_equal(agent_read(&s, line), understood);
	return s;
}

static void agents_lower_the_weight_and_never_raise_it(void **state)
{
	struct agent_state s = words(1, "75%");

	(void)state;
	assert_int_equal(s.percent, 75);
	s = words(1, "0%\n");
	assert_int_equal(s.percent, 0);
	s = words(1, "200%");
	assert_int_equal(s.percent, 100);
	s = words(1, "99999999999999999999%");
	assert_int_equal(s.percent, 100);
}

static void agents_say_several_things_in_a_line(void **state)
{
	struct agent_state s = words(4, "up ready,\t50% maxconn:30\r\n");

	(void)state;
	assert_int_equal(s.percent, 50);
	assert_int_equal(s.admin, AGENT_READY);
	assert_false(s.down);
	s = words(2, "drain maint"); /* the last one counts */
	assert_int_equal(s.admin, AGENT_MAINT);
}

static void agents_go_down_with_a_reason(void **state)
{
	struct agent_state s = words(1, "stopped # disk 98% full, ask Ann\r\n");

	(void)state;
	assert_true(s.down);
	assert_string_equal(s.word, "stopped");
	assert_string_equal(s.reason, "disk 98% full, ask Ann");
	assert_int_equal(s.percent, 100); /* what follows # is no word */
	assert_int_equal(agent_verdict(VERDICT_UP, &s), VERDICT_DOWN);
	assert_int_equal(agent_read(&s, "FAIL"), 1);
	assert_string_equal(s.word, "FAIL");
	assert_string_equal(s.reason, "");
	assert_int_equal(agent_read(&s, "up"), 1);
	assert_int_equal(agent_verdict(VERDICT_UP, &s), VERDICT_UP);
}

static void agents_do_not_raise_a_failed_backend(void **state)
{
	struct agent_state s = words(3, "up ready 100%");

	(void)state;
	assert_int_equal(agent_verdict(VERDICT_DOWN, &s), VERDICT_DOWN);
	assert_int_equal(agent_verdict(VERDICT_PENDING, &s), VERDICT_PENDING);
}

static void states_stay_until_another_is_said(void **state)
{
	struct agent_state s = words(1, "drain");

	(void)state;
	assert_int_equal(agent_read(&s, "50%"), 1);
	assert_int_equal(s.admin, AGENT_DRAIN);
	assert_int_equal(agent_read(&s, "ready"), 1);
	assert_int_equal(s.admin, AGENT_READY);
	assert_int_equal(s.percent, 50);
}

static void nonsense_changes_nothing(void **state)
{
	static const char *const lines[] = { "",     "hello",	 "75",	   "75%%",	     "-5%",
					     "x75%", "downtown", "# down", "HTTP/1.1 200 OK" };

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct agent_state s = words(0, lines[i]), untouched = { .percent = 100 };

		assert_memory_equal(&s, &untouched, sizeof(s));
	}
	words(1, "hello 75% world");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_result_decides),
		cmocka_unit_test(fall_failures_in_a_row_take_it_down),
		cmocka_unit_test(rise_successes_in_a_row_bring_it_up),
		cmocka_unit_test(nothing_neither_lengthens_nor_ends_a_run),
		cmocka_unit_test(zero_counts_as_one),
		cmocka_unit_test(intervals_follow_the_state),
		cmocka_unit_test(intervals_not_set_are_the_interval),
		cmocka_unit_test(jitter_spreads_to_both_sides_and_no_further),
		cmocka_unit_test(all_checks_must_pass),
		cmocka_unit_test(any_check_may_pass),
		cmocka_unit_test(few_changes_are_followed_at_once),
		cmocka_unit_test(too_many_changes_hold_it_down),
		cmocka_unit_test(each_hold_is_longer_up_to_the_longest),
		cmocka_unit_test(quiet_time_lowers_the_level_step_by_step),
		cmocka_unit_test(without_a_limit_it_is_never_held),
		cmocka_unit_test(those_who_are_up_serve),
		cmocka_unit_test(a_checker_that_sees_nothing_empties_no_pool),
		cmocka_unit_test(below_the_least_the_checker_is_not_believed),
		cmocka_unit_test(panic_keeps_no_one_who_was_taken_out_by_hand),
		cmocka_unit_test(the_least_is_never_more_than_there_are),
		cmocka_unit_test(a_pool_that_was_never_up_stays_empty),
		cmocka_unit_test(protection_that_is_off_lets_a_pool_run_empty),
		cmocka_unit_test(backups_join_when_no_primary_is_up),
		cmocka_unit_test(backups_join_before_panic),
		cmocka_unit_test(all_gone_with_the_backups_keeps_the_primaries),
		cmocka_unit_test(agents_lower_the_weight_and_never_raise_it),
		cmocka_unit_test(agents_say_several_things_in_a_line),
		cmocka_unit_test(agents_go_down_with_a_reason),
		cmocka_unit_test(agents_do_not_raise_a_failed_backend),
		cmocka_unit_test(states_stay_until_another_is_said),
		cmocka_unit_test(nonsense_changes_nothing),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
