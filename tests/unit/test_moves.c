// SPDX-License-Identifier: Apache-2.0
/*
 * Slots that change their owner, against lists of events and against an obvious
 * version: one slot, its story written out, every question answered from the story.
 */
#include "moves.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { A, B, C, D, BACKENDS, LEN = 16, TCP_S = 300, UDP_S = 30, T0 = 5000000 };

static bool serving[WEIR_MAX_BACKENDS];
static uint64_t deadline[WEIR_MAX_BACKENDS];
static struct moves_env env;
static struct moves m;

static int setup(void **state)
{
	(void)state;
	memset(deadline, 0, sizeof(deadline));
	memset(serving, 0, sizeof(serving));
	for (unsigned i = 0; i < BACKENDS; i++)
		serving[i] = true;
	env = (struct moves_env){ .now_ms = T0,
				  .forwards = serving,
				  .deadline_ms = deadline,
				  .tcp_window_ms = TCP_S * 1000,
				  .udp_window_ms = UDP_S * 1000 };
	return moves_create(&m, LEN);
}

static int teardown(void **state)
{
	(void)state;
	moves_free(&m);
	return 0;
}

/* As a publication does it: all slots to one owner; then what is over ends. */
static bool assign(uint16_t owner)
{
	uint16_t all[LEN];
	bool changed;

	for (unsigned i = 0; i < LEN; i++)
		all[i] = owner;
	changed = moves_assign(&m, &env, all);
	return moves_expire(&m, &env) || changed;
}

static void at(unsigned s)
{
	env.now_ms = T0 + s * 1000ull;
	moves_expire(&m, &env);
}

/* "settled A", "moving A>B TU", "pinned B", with - for nobody; what the workers see. */
static const char *seen(void)
{
	static char text[32];
	static const char *const names = "ABCD";
	weir_slot slot[LEN];
	struct weir_move move[LEN];
	unsigned cur;

	moves_write(&m, slot, move);
	for (unsigned i = 1; i < LEN; i++)
		assert_int_equal(slot[i], slot[0]);
	cur = weir_slot_backend(slot[0]);
	switch (weir_slot_state(slot[0])) {
	case WEIR_SLOT_SETTLED:
		snprintf(text, sizeof(text), "settled %c", names[cur]);
		break;
	case WEIR_SLOT_MOVING:
		snprintf(text, sizeof(text), "moving %c>%c %s%s", names[move[0].base],
			 move[0].base == cur ? '-' : names[cur], move[0].tcp ? "T" : "",
			 move[0].udp ? "U" : "");
		break;
	case WEIR_SLOT_PINNED:
		snprintf(text, sizeof(text), "pinned %c", names[cur]);
		break;
	default:
		snprintf(text, sizeof(text), "empty");
	}
	return text;
}

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
	assert_string_equal(seen(), "moving A>- "); /* pins alone reach A */
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
	assert_string_equal(seen(), "moving A>- "); /* not empty: pins to B go on */
	assign(C);
	assert_string_equal(seen(), "pinned C");

	serving[C] = false;
	assign(MOVES_NOBODY);
	assert_string_equal(seen(), "moving C>- ");
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
	assert_int_equal(c.base[0], A);
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

static void assert_read_back(uint64_t now_ms)
{
	weir_slot slot[LEN], again[LEN];
	struct weir_move move[LEN], move2[LEN];
	struct moves r;

	moves_write(&m, slot, move);
	assert_int_equal(moves_create(&r, LEN), 0);
	moves_read(&r, slot, m.moving ? move : NULL, now_ms);
	assert_int_equal(r.moving, m.moving);
	assert_int_equal(r.pinned, m.pinned);
	moves_write(&r, again, move2);
	assert_memory_equal(slot, again, sizeof(slot));
	if (m.moving != 0)
		assert_memory_equal(move, move2, sizeof(move));
	for (unsigned i = 0; i < LEN; i++)
		if (m.state[i] & (MOVES_TCP | MOVES_UDP))
			assert_true(r.since_ms[i] == m.since_ms[i]);
	moves_free(&r);
}

/* -- against the obvious version ---------------------------------------------- */

/* One slot by its story: no arrays, no flags that are kept, nothing shared. */
struct story {
	int owner, before; /* before: whose flows are kept; -2: nobody's, no move */
	uint64_t since;
	bool tcp, udp; /* open */
	bool loose;    /* pins may be about */
};

enum { NONE = -1, NO_MOVE = -2 };

static bool alive(int b)
{
	return b >= 0 && serving[b];
}

static void story_end(struct story *s)
{
	s->tcp = s->udp = false;
	s->before = NO_MOVE;
	s->loose = true;
}

static void story_owner(struct story *s, int owner)
{
	bool moving = s->before != NO_MOVE;
	int old = s->owner;

	if (owner == old)
		goto dead;
	s->owner = owner;
	if (moving && s->before == owner)
		story_end(s);
	else if (!moving && alive(old)) {
		*s = (struct story){ owner, old, env.now_ms, true, true, true };
	}
dead:
	if (s->before != NO_MOVE && !alive(s->before))
		story_end(s);
}

static void story_time(struct story *s)
{
	uint64_t tcp, udp, from;

	if (s->before == NO_MOVE)
		return;
	from = env.pressure_ms > s->since ? env.pressure_ms : s->since;
	tcp = deadline[s->before] ? deadline[s->before] : from + TCP_S * 1000;
	udp = deadline[s->before] ? deadline[s->before] : from + UDP_S * 1000;
	if (env.now_ms >= tcp)
		s->tcp = false;
	if (env.now_ms >= udp)
		s->udp = false;
	if (!s->tcp && !s->udp)
		story_end(s);
}

/* What a worker does with a packet without a pin, and whether it looks at pins. */
static void assert_tells(const struct story *s, weir_slot slot, const struct weir_move *move)
{
	unsigned state = weir_slot_state(slot), entry = weir_slot_backend(slot);
	bool nobody =
		state == WEIR_SLOT_EMPTY || (state == WEIR_SLOT_MOVING && move->base == entry);

	assert_int_equal(nobody, s->owner == NONE);
	if (!nobody)
		assert_int_equal(entry, s->owner);
	assert_int_equal(state == WEIR_SLOT_MOVING && move->tcp, s->tcp);
	assert_int_equal(state == WEIR_SLOT_MOVING && move->udp, s->udp);
	if (s->tcp || s->udp)
		assert_int_equal(move->base, s->before);
	assert_int_equal(state == WEIR_SLOT_MOVING || state == WEIR_SLOT_PINNED, s->loose);
}

static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)seed * below >> 32);
}

static void random_events(struct story *story)
{
	uint16_t owner[LEN];
	uint8_t held[LEN / 8];

	env.now_ms += any(60) * 1000;
	if (any(4) == 0)
		serving[any(BACKENDS)] ^= true;
	if (any(20) == 0)
		env.pressure_ms = env.now_ms;
	if (any(20) == 0)
		deadline[any(BACKENDS)] = any(2) ? env.now_ms + any(400) * 1000 : 0;
	for (unsigned i = 0; i < LEN; i++) {
		owner[i] = any(6) == 0 ? MOVES_NOBODY : (uint16_t)any(BACKENDS);
		if (any(3) != 0)
			owner[i] = m.cur[i];
	}
	for (unsigned i = 0; i < LEN / 8; i++)
		held[i] = (uint8_t)any(256);

	moves_settle(&m, held);
	for (unsigned i = 0; i < LEN; i++)
		if (story[i].before == NO_MOVE && !(held[i / 8] >> i % 8 & 1))
			story[i].loose = false;
	moves_assign(&m, &env, owner);
	moves_expire(&m, &env);
	for (unsigned i = 0; i < LEN; i++) {
		story_owner(&story[i], owner[i] == MOVES_NOBODY ? NONE : owner[i]);
		story_time(&story[i]);
	}
}

static void random_stories_come_out_as_told(void **state)
{
	struct story story[LEN];
	struct weir_move move[LEN];
	weir_slot slot[LEN];

	(void)state;
	for (unsigned i = 0; i < LEN; i++)
		story[i] = (struct story){ NONE, NO_MOVE, 0, false, false, false };
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t unsettled = 0;
		uint64_t next;

		random_events(story);
		moves_write(&m, slot, move);
		for (unsigned i = 0; i < LEN; i++) {
			assert_tells(&story[i], slot[i], &move[i]);
			unsettled += story[i].loose;
		}
		assert_int_equal(m.moving + m.pinned, unsettled);
		next = moves_next_ms(&m, &env);
		assert_true(next > env.now_ms); /* what is over has ended */
		assert_read_back(env.now_ms);
	}
}

static void a_table_without_moves_is_read_as_it_is(void **state)
{
	(void)state;
	assert_read_back(T0);
	assign(A);
	assert_read_back(T0);
	assign(B);
	at(TCP_S);
	assert_read_back(T0);
	/* 32 bits of ms begin anew after 49 days of uptime. */
	env.now_ms = (1ull << 32) - 5;
	assign(C);
	assert_read_back((1ull << 32) + 5000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_first_owner_is_settled),
		T(windows_end_apart_and_pins_outlast_them),
		T(a_moving_slot_is_not_settled),
		T(further_changes_alter_the_owner_alone),
		T(change_and_change_back),
		T(a_move_ends_with_its_base),
		T(an_owner_that_fails_leaves_nothing_to_keep),
		T(pins_of_others_survive_a_failure),
		T(a_deadline_stands_for_the_windows),
		T(a_shortage_of_pins_puts_off_windows_but_no_deadline),
		T(with_nobody_to_take_over_flows_stay),
		T(nobody_and_no_pins_is_empty),
		T(pins_outlive_a_base_that_fails_with_nobody_to_follow),
		T(a_copy_is_independent),
		T(who_is_gone_is_forgotten),
		T(random_stories_come_out_as_told),
		T(a_table_without_moves_is_read_as_it_is),
	};

	return cmocka_run_group_tests_name("moves", tests, NULL, NULL);
}
