// SPDX-License-Identifier: Apache-2.0
/*
 * Slots that change their owner, against an obvious version: one slot, its story written
 * out, every question answered from the story.
 */
#include "moved.h"

enum { NONE = -1, NO_MOVE = -2 };

/* One slot by its story: no arrays, nothing shared. before: whose flows of a protocol
 * are kept. loose: pins may be about. */
struct story {
	int owner, before[WEIR_MOVE_PROTOCOLS];
	uint64_t since[WEIR_MOVE_PROTOCOLS];
	bool loose;
};

static bool alive(int b)
{
	return b >= 0 && serving[b];
}

static bool story_moves(const struct story *s)
{
	return s->before[0] != NO_MOVE || s->before[1] != NO_MOVE;
}

/* When the grace ends: by the middle of what is left to a drain's deadline. */
static uint64_t story_grace_end(int base)
{
	uint64_t grace = env.now_ms + GRACE_S * 1000, left = deadline[base] - env.now_ms;

	if (deadline[base] == 0)
		return grace;
	if (deadline[base] <= env.now_ms)
		return env.now_ms;
	return env.now_ms + left / 2 < grace ? env.now_ms + left / 2 : grace;
}

static void story_owner(struct story *s, int owner)
{
	int old = s->owner;

	s->owner = owner;
	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		bool moves = s->before[p] != NO_MOVE;

		if (moves && (s->before[p] == owner || !alive(s->before[p])))
			s->before[p] = NO_MOVE;
		if (!moves && owner != old && alive(old)) {
			s->before[p] = old;
			s->since[p] = story_grace_end(old) - GRACE_S * 1000;
			s->loose = true;
		}
	}
}

static void story_time(struct story *s)
{
	static const unsigned window_s[] = { TCP_S, UDP_S };

	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		uint64_t from = env.pressure_ms > s->since[p] ? env.pressure_ms : s->since[p];
		uint64_t end = from + window_s[p] * 1000;

		if (s->before[p] == NO_MOVE)
			continue;
		if (deadline[s->before[p]] != 0)
			end = deadline[s->before[p]];
		if (env.now_ms >= end)
			s->before[p] = NO_MOVE;
	}
}

/* What a worker does with a packet without a pin, and whether it looks at pins. */
static void assert_tells(const struct story *s, unsigned i)
{
	unsigned state = weir_slot_state(slot[i]);
	const struct weir_move *r = state == WEIR_SLOT_MOVING ? told_of(i) : NULL;
	bool nobody = state == WEIR_SLOT_EMPTY || (r && r->base[0] & WEIR_MOVE_NOBODY);

	assert_int_equal(state == WEIR_SLOT_MOVING, r != NULL);
	assert_int_equal(nobody, s->owner == NONE);
	if (!nobody)
		assert_int_equal(weir_slot_backend(slot[i]), s->owner);
	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		assert_int_equal(r && r->base[p] & WEIR_MOVE_OPEN, s->before[p] != NO_MOVE);
		if (s->before[p] != NO_MOVE) {
			assert_int_equal(weir_move_base(r->base[p]), s->before[p]);
			assert_int_equal(begin_of(i, p), (uint32_t)s->since[p]);
		}
	}
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
		if (!story_moves(&story[i]) && !(held[i / 8] >> i % 8 & 1))
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

	(void)state;
	for (unsigned i = 0; i < LEN; i++)
		story[i] = (struct story){ NONE, { NO_MOVE, NO_MOVE }, { 0 }, false };
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t unsettled = 0, newest_age = INT32_MAX;

		random_events(story);
		moves_write(&m, slot, told.group);
		for (unsigned i = 0; i < LEN; i++) {
			assert_tells(&story[i], i);
			unsettled += story[i].loose;
			for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++)
				if (story[i].before[p] != NO_MOVE &&
				    env.now_ms - story[i].since[p] < newest_age)
					newest_age = (uint32_t)(env.now_ms - story[i].since[p]);
		}
		assert_int_equal(moves_newest_ms(&m, env.now_ms), (uint32_t)env.now_ms - newest_age);
		assert_int_equal(m.moving + m.pinned, unsettled);
		assert_true(moves_next_ms(&m, &env) > env.now_ms); /* what is over has ended */
		assert_read_back();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { T(random_stories_come_out_as_told) };

	return cmocka_run_group_tests_name("moves_random", tests, NULL, NULL);
}
