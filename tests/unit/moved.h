// SPDX-License-Identifier: Apache-2.0
/*
 * A small pool's moves, the world they live in, and what workers are told of them.
 */
#ifndef WEIR_TEST_MOVED_H
#define WEIR_TEST_MOVED_H

#include "moves.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { A, B, C, D, BACKENDS, LEN = 16, TCP_S = 300, UDP_S = 30, GRACE_S = 3, T0 = 5000000 };

static bool serving[WEIR_MAX_BACKENDS];
static uint64_t deadline[WEIR_MAX_BACKENDS];
static struct moves_env env;
static struct moves m;

static inline int setup(void **state)
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
				  .udp_window_ms = UDP_S * 1000,
				  .grace_ms = GRACE_S * 1000 };
	return moves_create(&m, LEN);
}

static inline int teardown(void **state)
{
	(void)state;
	moves_free(&m);
	return 0;
}

/* As a publication does it: all slots to one owner; then what is over ends. */
static inline bool assign(uint16_t owner)
{
	uint16_t all[LEN];
	bool changed;

	for (unsigned i = 0; i < LEN; i++)
		all[i] = owner;
	changed = moves_assign(&m, &env, all);
	return moves_expire(&m, &env) || changed;
}

static inline void at(unsigned s)
{
	env.now_ms = T0 + s * 1000ull;
	moves_expire(&m, &env);
}

/* The table as workers have it. */
static weir_slot slot[LEN];
static union told {
	struct weir_move_group group[1];
	uint8_t bytes[sizeof(struct weir_move_group) +
		      LEN * (sizeof(struct weir_move) + sizeof(struct weir_move_begin))];
} told;

static inline const struct weir_move *told_of(unsigned i)
{
	return m.moving == 0 ? NULL : weir_moves_find(told.group, LEN, m.moving, i);
}

/* When that began. */
static inline uint32_t begin_of(unsigned i, unsigned protocol)
{
	return weir_moves_begin(told.group, LEN, m.moving, told_of(i))->ms[protocol];
}

/* "settled A", "moving A>B TU", "moving A,B>C TU" (TCP's base, UDP's base), "pinned B",
 * with - for nobody. */
static inline const char *seen(void)
{
	static char text[32];
	static const char *const names = "ABCD";
	const struct weir_move *r;
	unsigned cur, open = 0;
	char base[4] = "";

	moves_write(&m, slot, told.group);
	for (unsigned i = 1; i < LEN; i++)
		assert_int_equal(slot[i], slot[0]);
	cur = weir_slot_backend(slot[0]);
	switch (weir_slot_state(slot[0])) {
	case WEIR_SLOT_SETTLED:
		snprintf(text, sizeof(text), "settled %c", names[cur]);
		break;
	case WEIR_SLOT_MOVING:
		r = told_of(LEN - 1);
		assert_non_null(r);
		for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
			char name[3] = { names[weir_move_base(r->base[p])] };

			if (!(r->base[p] & WEIR_MOVE_OPEN))
				continue;
			open |= 1u << p;
			if (base[0] != '\0' && base[0] != name[0])
				strcat(base, ",");
			if (base[0] != name[0])
				strcat(base, name);
		}
		snprintf(text, sizeof(text), "moving %s>%c %s%s", base,
			 r->base[0] & WEIR_MOVE_NOBODY ? '-' : names[cur],
			 open & MOVES_TCP ? "T" : "", open & MOVES_UDP ? "U" : "");
		break;
	case WEIR_SLOT_PINNED:
		snprintf(text, sizeof(text), "pinned %c", names[cur]);
		break;
	default:
		snprintf(text, sizeof(text), "empty");
	}
	return text;
}

/* What a restarted control plane finds is what was written. */
static inline void assert_read_back(void)
{
	weir_slot again[LEN];
	union told told_again;
	struct moves r;

	moves_write(&m, slot, told.group);
	assert_int_equal(moves_create(&r, LEN), 0);
	moves_read(&r, slot, m.moving ? told.group : NULL, m.moving);
	assert_int_equal(r.moving, m.moving);
	assert_int_equal(r.pinned, m.pinned);
	moves_write(&r, again, told_again.group);
	assert_memory_equal(slot, again, sizeof(slot));
	if (m.moving != 0)
		assert_memory_equal(&told, &told_again, weir_moves_size(LEN, m.moving));
	moves_free(&r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* WEIR_TEST_MOVED_H */
