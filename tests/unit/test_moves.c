// SPDX-License-Identifier: Apache-2.0
/* Slots that change their owner, against lists of events. */
#include "moved.h"

static const uint8_t no_pins[LEN / 8], all_pins[LEN / 8] = { 0xff, 0xff };

static void a_first_owner_is_settled(void **state)
{
	(void)state;
	assert_string_equal(seen(), "empty");
	assert_true(assign(A));
	assert_string_equal(seen(), "settled A");
	assert_false(assign(A));
	assert_int_equal(moves_next_ms(&m, &env), UINT64_MAX);
}

static void windows_end_apart_and_pins_outlast_them(void **state)
{
	(void)state;
	assign(A);
	assert_true(assign(B));
	assert_string_equal(seen(), "moving A>B TU");
	assert_int_equal(moves_next_ms(&m, &env), T0 + UDP_S * 1000);
	assert_int_equal(moves_held_by(&m, A), LEN);
	assert_int_equal(moves_held_by(&m, B), 0);
	at(UDP_S - 1);
	assert_string_equal(seen(), "moving A>B TU");
	at(UDP_S);
	assert_string_equal(seen(), "moving A>B T");
	assert_int_equal(moves_next_ms(&m, &env), T0 + TCP_S * 1000);
	at(TCP_S);
	assert_string_equal(seen(), "pinned B");
	assert_int_equal(moves_held_by(&m, A), 0);
	assert_int_equal(moves_unheld(&m, all_pins), 0);
	assert_false(moves_settle(&m, all_pins));
	assert_string_equal(seen(), "pinned B");
	assert_int_equal(moves_unheld(&m, no_pins), LEN);
	assert_true(moves_settle(&m, no_pins));
	assert_string_equal(seen(), "settled B");
	assert_int_equal(m.moving + m.pinned, 0);
}

static void a_moving_slot_is_not_settled(void **state)
{
	(void)state;
	assign(A);
	assign(B);
	assert_false(moves_settle(&m, no_pins));
	assert_string_equal(seen(), "moving A>B TU");
}

static void further_changes_alter_the_owner_alone(void **state)
{
	(void)state;
	assign(A);
	assign(B);
	at(10);
	assert_true(assign(C));
	assert_string_equal(seen(), "moving A>C TU");
	at(UDP_S);
	assert_string_equal(seen(), "moving A>C T"); /* counted from the first change */
	at(TCP_S);
	assert_string_equal(seen(), "pinned C");
}

static void change_and_change_back(void **state)
{
	(void)state;
	assign(A);
	assign(B);
	at(1);
	assert_true(assign(A));
	assert_string_equal(seen(), "pinned A"); /* what B was given stays there */
	assert_true(assign(B));
	assert_string_equal(seen(), "moving A>B TU");
	at(UDP_S);
	assert_string_equal(seen(), "moving A>B TU"); /* begun anew at 1 s */
}

/* Who began after UDP's window, and before the change back, has no pin: for UDP that is
 * a move of its own, from the owner of that time. */
static void a_change_back_between_the_windows_keeps_both(void **state)
{
	(void)state;
	assign(A);
	assign(B);
	at(60);
	assert_string_equal(seen(), "moving A>B T");
	assert_true(assign(A));
	assert_string_equal(seen(), "moving B>A U");
	assert_int_equal(moves_next_ms(&m, &env), T0 + (60 + UDP_S) * 1000);
	at(60 + UDP_S);
	assert_string_equal(seen(), "pinned A");
}

static void protocols_may_have_bases_of_their_own(void **state)
{
	uint32_t held[WEIR_MAX_BACKENDS] = { 0 };

	(void)state;
	assign(A);
	assign(B);
	at(60);
	assert_true(assign(C));
	assert_string_equal(seen(), "moving A,B>C TU");
	assert_int_equal(moves_held_by(&m, A), LEN);
	assert_int_equal(moves_held_by(&m, B), LEN);
	moves_count_held(&m, held);
	assert_int_equal(held[A], LEN);
	assert_int_equal(held[B], LEN);
	assert_int_equal(held[C], 0);
	serving[B] = false;
	moves_expire(&m, &env);
	assert_string_equal(seen(), "moving A>C T");
	at(TCP_S);
	assert_string_equal(seen(), "pinned C");
}

static void a_move_ends_with_its_base(void **state)
{
	(void)state;
	assign(A);
	assign(B);
	serving[A] = false;
	assert_true(moves_expire(&m, &env));
	assert_string_equal(seen(), "pinned B");
	assert_false(moves_expire(&m, &env));
}

static void an_owner_that_fails_leaves_nothing_to_keep(void **state)
{
	(void)state;
	assign(A);
	serving[A] = false;
	assert_true(assign(B));
	assert_string_equal(seen(), "settled B");
	serving[A] = true; /* and back: B has flows now */
	assert_true(assign(A));
	assert_string_equal(seen(), "moving B>A TU");
}

static void pins_of_others_survive_a_failure(void **state)
{
	(void)state;
	assign(A);
	assign(B);
	at(TCP_S); /* pinned B, pins to A */
	serving[B] = false;
	assign(C);
	assert_string_equal(seen(), "pinned C");
}

static void a_deadline_stands_for_the_windows(void **state)
{
	(void)state;
	assign(A);
	deadline[A] = T0 + 600000;
	assign(B);
	at(599);
	assert_string_equal(seen(), "moving A>B TU");
	assert_int_equal(moves_next_ms(&m, &env), T0 + 600000);
	at(600);
	assert_string_equal(seen(), "pinned B");
}

/* Workers count the grace from a move's begin. */
static uint32_t grace_left_s(unsigned p)
{
	return moves_grace_left_ms(&m, env.now_ms, env.grace_ms, 0, p) / 1000;
}

static void new_flows_go_to_the_base_for_the_grace(void **state)
{
	(void)state;
	env.grace_ms = 40000;
	assign(A);
	assert_int_equal(grace_left_s(WEIR_MOVE_TCP), 0);
	assign(B);
	moves_write(&m, slot, told.group);
	assert_int_equal(begin_of(0, WEIR_MOVE_TCP), T0);
	assert_int_equal(grace_left_s(WEIR_MOVE_TCP), 40);
	at(10);
	assign(C); /* counted from the first change */
	assert_int_equal(grace_left_s(WEIR_MOVE_TCP), 30);
	at(UDP_S);
	assert_int_equal(grace_left_s(WEIR_MOVE_TCP), 10);
	assert_int_equal(grace_left_s(WEIR_MOVE_UDP), 0);
	at(41);
	assert_int_equal(grace_left_s(WEIR_MOVE_TCP), 0);
}

static void a_failure_does_not_wait_for_the_grace(void **state)
{
	(void)state;
	env.grace_ms = 40000;
	assign(A);
	assign(B);
	at(1);
	serving[A] = false;
	assign(B);
	assert_string_equal(seen(), "pinned B");
	assert_int_equal(grace_left_s(WEIR_MOVE_TCP), 0);
}

static void a_change_taken_back_in_the_grace_leaves_none(void **state)
{
	(void)state;
	env.grace_ms = 40000;
	assign(A);
	assign(B);
	at(1);
	assign(A);
	assert_int_equal(grace_left_s(WEIR_MOVE_TCP), 0);
	at(2);
	assign(B);
	assert_int_equal(grace_left_s(WEIR_MOVE_TCP), 40); /* a move of its own */
}

/* What begins in the grace must have time to end: half of what the deadline leaves. */
static void a_deadline_cuts_the_grace_down(void **state)
{
	static const struct {
		unsigned deadline_s, grace_s;
	} drain[] = { { 100, 40 }, { 80, 40 }, { 60, 30 }, { 10, 5 }, { 1, 0 } };

	(void)state;
	env.grace_ms = 40000;
	for (unsigned i = 0; i < sizeof(drain) / sizeof(drain[0]); i++) {
		deadline[A] = 0;
		assign(A);
		moves_settle(&m, no_pins);
		deadline[A] = T0 + drain[i].deadline_s * 1000;
		assign(B);
		assert_int_equal(grace_left_s(WEIR_MOVE_TCP), drain[i].grace_s);
		assert_int_equal(grace_left_s(WEIR_MOVE_UDP), drain[i].grace_s);
		assert_int_equal(moves_next_ms(&m, &env), deadline[A]);
	}
}

static void a_shortage_of_pins_puts_off_windows_but_no_deadline(void **state)
{
	(void)state;
	assign(A);
	assign(B);
	env.pressure_ms = T0 + 20000;
	at(UDP_S + 19);
	assert_string_equal(seen(), "moving A>B TU");
	at(UDP_S + 20);
	assert_string_equal(seen(), "moving A>B T");
	at(TCP_S + 19);
	assert_string_equal(seen(), "moving A>B T");
	at(TCP_S + 20);
	assert_string_equal(seen(), "pinned B");

	deadline[B] = T0 + 400000;
	assign(C);
	env.pressure_ms = T0 + 399000;
	at(400);
	assert_string_equal(seen(), "pinned C");
}

static void with_nobody_to_take_over_flows_stay(void **state)
{
	(void)state;
	assign(A);
	assert_true(assign(MOVES_NOBODY));
	assert_string_equal(seen(), "moving A>- TU");
	at(TCP_S);
	assert_string_equal(seen(), "moving >- "); /* pins alone reach A */
	assert_false(moves_expire(&m, &env));
	assert_int_equal(moves_next_ms(&m, &env), UINT64_MAX);
	assert_int_equal(moves_held_by(&m, A), 0);
	assert_false(assign(MOVES_NOBODY));
	assert_false(moves_settle(&m, all_pins));
	assert_true(assign(B));
	assert_string_equal(seen(), "pinned B");
}

static void nobody_and_no_pins_is_empty(void **state)
{
	(void)state;
	assign(A);
	assign(MOVES_NOBODY);
	at(TCP_S);
	assert_true(moves_settle(&m, no_pins));
	assert_string_equal(seen(), "empty");
	assign(A);
	assert_string_equal(seen(), "settled A");
}

/* A rolling restart of two: B has flows of its own when A goes for good. */
static void pins_outlive_a_base_that_fails_with_nobody_to_follow(void **state)
{
	(void)state;
	assign(A);
	assign(B);	      /* new flows are pinned to B */
	assign(MOVES_NOBODY); /* both drain now */
	assert_string_equal(seen(), "moving A>- TU");
	serving[A] = false;
	moves_expire(&m, &env);
	assert_string_equal(seen(), "moving >- "); /* not empty: pins to B go on */
	assign(C);
	assert_string_equal(seen(), "pinned C");

	serving[C] = false;
	assign(MOVES_NOBODY);
	assert_string_equal(seen(), "moving >- ");
	moves_settle(&m, no_pins);
	assert_string_equal(seen(), "empty");
}

static void a_copy_is_independent(void **state)
{
	struct moves c;

	(void)state;
	assign(A);
	assign(B);
	assert_int_equal(moves_copy(&c, &m), 0);
	at(TCP_S);
	assert_string_equal(seen(), "pinned B");
	assert_int_equal(c.moving, LEN);
	assert_int_equal(c.base[WEIR_MOVE_UDP][0], A);
	moves_free(&c);
}

static void who_is_gone_is_forgotten(void **state)
{
	bool known[WEIR_MAX_BACKENDS] = { [B] = true, [C] = true };

	(void)state;
	assign(A);
	assign(B);
	moves_forget(&m, known);
	assert_string_equal(seen(), "settled B");
	assign(C);
	assert_string_equal(seen(), "moving B>C TU");
	moves_forget(&m, known);
	assert_string_equal(seen(), "moving B>C TU");
	known[C] = false;
	moves_forget(&m, known);
	assert_string_equal(seen(), "moving B>- TU");
	known[B] = false;
	moves_forget(&m, known);
	assert_string_equal(seen(), "empty");
}

/* -- what a restarted control plane finds ------------------------------------ */

static void a_table_without_moves_is_read_as_it_is(void **state)
{
	(void)state;
	assert_read_back();
	assign(A);
	assert_read_back();
	assign(B);
	at(TCP_S);
	assert_read_back();
	/* 32 bits of ms begin anew after 49 days of uptime. */
	env.now_ms = (1ull << 32) - 5;
	assign(C);
	assert_read_back();
	env.now_ms = (1ull << 32) + 5000;
	assert_int_equal(moves_next_ms(&m, &env), (1ull << 32) - 5 + UDP_S * 1000);
	assert_int_equal(moves_newest_ms(&m, env.now_ms), UINT32_MAX - 4);
}

/* 64 slots a group; the last one is not full. */
static void records_are_found_by_their_slot(void **state)
{
	enum { MANY = 251 };
	uint16_t owner[MANY];
	struct weir_move_group *groups;
	weir_slot many[MANY];
	struct moves n;

	(void)state;
	assert_int_equal(moves_create(&n, MANY), 0);
	for (unsigned i = 0; i < MANY; i++)
		owner[i] = (uint16_t)(i % BACKENDS);
	moves_assign(&n, &env, owner);
	for (unsigned i = 0; i < MANY; i++)
		if (i % 7 == 3 || i / 64 == 2 || i == MANY - 1)
			owner[i] = (uint16_t)((i + 1) % BACKENDS);
	moves_assign(&n, &env, owner);
	for (unsigned i = 0; i < MANY; i++)
		n.since_ms[WEIR_MOVE_UDP][i] = i;
	groups = malloc(weir_moves_size(MANY, n.moving));
	assert_non_null(groups);
	moves_write(&n, many, groups);
	for (unsigned i = 0; i < MANY; i++) {
		const struct weir_move *r = weir_moves_find(groups, MANY, n.moving, i);

		assert_int_equal(r != NULL, weir_slot_state(many[i]) == WEIR_SLOT_MOVING);
		assert_int_equal(r != NULL, i % 7 == 3 || i / 64 == 2 || i == MANY - 1);
		if (r != NULL) {
			assert_int_equal(weir_move_base(r->base[WEIR_MOVE_UDP]), i % BACKENDS);
			assert_int_equal(
				weir_moves_begin(groups, MANY, n.moving, r)->ms[WEIR_MOVE_UDP],
				n.since_ms[WEIR_MOVE_UDP][i]);
		}
		assert_null(weir_moves_find(groups, MANY, 0, i)); /* it would lie outside */
	}
	free(groups);
	moves_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_first_owner_is_settled),
		T(windows_end_apart_and_pins_outlast_them),
		T(a_moving_slot_is_not_settled),
		T(further_changes_alter_the_owner_alone),
		T(change_and_change_back),
		T(a_change_back_between_the_windows_keeps_both),
		T(protocols_may_have_bases_of_their_own),
		T(a_move_ends_with_its_base),
		T(an_owner_that_fails_leaves_nothing_to_keep),
		T(pins_of_others_survive_a_failure),
		T(a_deadline_stands_for_the_windows),
		T(new_flows_go_to_the_base_for_the_grace),
		T(a_failure_does_not_wait_for_the_grace),
		T(a_change_taken_back_in_the_grace_leaves_none),
		T(a_deadline_cuts_the_grace_down),
		T(a_shortage_of_pins_puts_off_windows_but_no_deadline),
		T(with_nobody_to_take_over_flows_stay),
		T(nobody_and_no_pins_is_empty),
		T(pins_outlive_a_base_that_fails_with_nobody_to_follow),
		T(a_copy_is_independent),
		T(who_is_gone_is_forgotten),
		T(a_table_without_moves_is_read_as_it_is),
		T(records_are_found_by_their_slot),
	};

	return cmocka_run_group_tests_name("moves", tests, NULL, NULL);
}
