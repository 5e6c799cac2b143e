// SPDX-License-Identifier: Apache-2.0
#include "moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Told to workers as moving: a base has flows, or nobody owns what has pins. */
static bool is_moving(const struct moves *m, uint32_t i)
{
	return m->state[i] & MOVES_OPEN ||
	       (m->cur[i] == MOVES_NOBODY && m->state[i] & MOVES_PINNED);
}

static void count(struct moves *m)
{
	m->moving = m->pinned = 0;
	for (uint32_t i = 0; i < m->len; i++) {
		if (is_moving(m, i))
			m->moving++;
		else if (m->state[i] != 0)
			m->pinned++;
	}
}

int moves_create(struct moves *m, uint32_t len)
{
	struct moves n = { .len = len };
	bool failed;

	n.cur = malloc(len * sizeof(*n.cur));
	n.state = calloc(len, sizeof(*n.state));
	failed = n.cur == NULL || n.state == NULL;
	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		n.base[p] = calloc(len, sizeof(*n.base[p]));
		n.since_ms[p] = calloc(len, sizeof(*n.since_ms[p]));
		failed |= n.base[p] == NULL || n.since_ms[p] == NULL;
	}
	if (failed) {
		moves_free(&n);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < len; i++)
		n.cur[i] = MOVES_NOBODY;
	*m = n;
	return 0;
}

void moves_free(struct moves *m)
{
	free(m->cur);
	free(m->state);
	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		free(m->base[p]);
		free(m->since_ms[p]);
	}
	*m = (struct moves){ 0 };
}

static bool forwards(const struct moves_env *env, uint16_t backend)
{
	return backend != MOVES_NOBODY && env->forwards[backend];
}

/* A protocol's move is over: what pins it left keep their backends. */
static void end_move(struct moves *m, uint32_t i, unsigned p)
{
	m->state[i] &= (uint8_t) ~(1u << p);
	m->state[i] |= MOVES_PINNED;
}

/* What a base's deadline leaves of the grace: flows that begin in it must have time to end,
 * so that it is half of what is left at most. */
static uint64_t grace_of(const struct moves_env *env, uint16_t base)
{
	uint64_t deadline = env->deadline_ms[base], half;

	if (deadline == 0)
		return env->grace_ms;
	half = deadline > env->now_ms ? (deadline - env->now_ms) / 2 : 0;
	return half < env->grace_ms ? half : env->grace_ms;
}

/* Workers count the grace from the begin: one that is to be shorter began earlier. The
 * window of such a move ends by its deadline, whenever it began. */
static void begin_move(struct moves *m, const struct moves_env *env, uint32_t i, unsigned p)
{
	m->base[p][i] = m->cur[i];
	m->since_ms[p][i] = (uint32_t)(env->now_ms - (env->grace_ms - grace_of(env, m->cur[i])));
	m->state[i] |= (uint8_t)(1u << p);
}

/*
 * Flows of a protocol whose window is open are with its base, or have pins: a new owner
 * changes nothing for them. Those of one whose window is not are with the present owner.
 * When that serves no more, there is nobody to keep them on.
 */
static bool assign(struct moves *m, const struct moves_env *env, uint32_t i, uint16_t owner)
{
	uint8_t state = m->state[i];
	uint16_t cur = m->cur[i];

	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		if (state & 1u << p) {
			if (owner == m->base[p][i] || !forwards(env, m->base[p][i]))
				end_move(m, i, p);
		} else if (owner != cur && forwards(env, cur)) {
			begin_move(m, env, i, p);
		}
	}
	m->cur[i] = owner;
	return owner != cur || m->state[i] != state;
}

bool moves_assign(struct moves *m, const struct moves_env *env, const uint16_t *owner)
{
	bool changed = false;

	for (uint32_t i = 0; i < m->len; i++)
		changed |= assign(m, env, i, owner[i]);
	count(m);
	return changed;
}

/* A drain's deadline is the operator's word; without one, the window counts from
 * the start of the move or from the last shortage of pins, whichever is later. */
uint64_t moves_window_end_ms(const struct moves *m, const struct moves_env *env, uint32_t i,
			     unsigned p)
{
	uint64_t deadline, from;

	if (!(m->state[i] & 1u << p))
		return 0;
	deadline = env->deadline_ms[m->base[p][i]];
	from = env->now_ms - (uint32_t)((uint32_t)env->now_ms - m->since_ms[p][i]);
	if (deadline != 0)
		return deadline;
	if (env->pressure_ms > from)
		from = env->pressure_ms;
	return from + (p == WEIR_MOVE_TCP ? env->tcp_window_ms : env->udp_window_ms);
}

uint32_t moves_grace_left_ms(const struct moves *m, uint64_t now_ms, uint32_t grace_ms, uint32_t i,
			     unsigned p)
{
	uint32_t age_ms = (uint32_t)now_ms - m->since_ms[p][i];

	return m->state[i] & 1u << p && age_ms < grace_ms ? grace_ms - age_ms : 0;
}

uint32_t moves_newest_ms(const struct moves *m, uint64_t now_ms)
{
	uint32_t age_ms = INT32_MAX;

	for (uint32_t i = 0; i < m->len; i++)
		for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
			uint32_t age = (uint32_t)now_ms - m->since_ms[p][i];

			if (m->state[i] & 1u << p && age < age_ms)
				age_ms = age;
		}
	return (uint32_t)now_ms - age_ms;
}

static bool expire(struct moves *m, const struct moves_env *env, uint32_t i)
{
	uint8_t before = m->state[i];

	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++)
		if (before & 1u << p && (!forwards(env, m->base[p][i]) ||
					 moves_window_end_ms(m, env, i, p) <= env->now_ms))
			end_move(m, i, p);
	return m->state[i] != before;
}

bool moves_expire(struct moves *m, const struct moves_env *env)
{
	bool changed = false;

	for (uint32_t i = 0; i < m->len && m->moving != 0; i++)
		changed |= expire(m, env, i);
	if (changed)
		count(m);
	return changed;
}

/* Only pins keep it from being settled, and there are none. */
static bool is_free(const struct moves *m, const uint8_t *held, uint32_t i)
{
	return m->state[i] == MOVES_PINNED && !(held[i / 8] >> i % 8 & 1);
}

uint32_t moves_unheld(const struct moves *m, const uint8_t *held)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->len && m->moving + m->pinned != 0; i++)
		n += is_free(m, held, i);
	return n;
}

bool moves_settle(struct moves *m, const uint8_t *held)
{
	bool changed = false;

	for (uint32_t i = 0; i < m->len && m->moving + m->pinned != 0; i++) {
		if (!is_free(m, held, i))
			continue;
		m->state[i] = 0;
		changed = true;
	}
	if (changed)
		count(m);
	return changed;
}

uint64_t moves_next_ms(const struct moves *m, const struct moves_env *env)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < m->len && m->moving != 0; i++)
		for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
			uint64_t end = moves_window_end_ms(m, env, i, p);

			if (end != 0 && end < next)
				next = end;
		}
	return next;
}

/* Is it a base of the slot? Of both protocols it counts once. */
static bool is_base(const struct moves *m, uint32_t i, uint16_t backend)
{
	return (m->state[i] & MOVES_TCP && m->base[WEIR_MOVE_TCP][i] == backend) ||
	       (m->state[i] & MOVES_UDP && m->base[WEIR_MOVE_UDP][i] == backend);
}

uint32_t moves_held_by(const struct moves *m, uint16_t backend)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->len; i++)
		n += is_base(m, i, backend);
	return n;
}

void moves_count_held(const struct moves *m, uint32_t *slots)
{
	for (uint32_t i = 0; i < m->len && m->moving != 0; i++) {
		uint16_t tcp = m->base[WEIR_MOVE_TCP][i], udp = m->base[WEIR_MOVE_UDP][i];

		if (m->state[i] & MOVES_TCP)
			slots[tcp]++;
		if (m->state[i] & MOVES_UDP && !(m->state[i] & MOVES_TCP && tcp == udp))
			slots[udp]++;
	}
}

int moves_copy(struct moves *to, const struct moves *from)
{
	int err = moves_create(to, from->len);

	if (err < 0)
		return err;
	memcpy(to->cur, from->cur, from->len * sizeof(*to->cur));
	memcpy(to->state, from->state, from->len * sizeof(*to->state));
	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		memcpy(to->base[p], from->base[p], from->len * sizeof(*to->base[p]));
		memcpy(to->since_ms[p], from->since_ms[p], from->len * sizeof(*to->since_ms[p]));
	}
	to->moving = from->moving;
	to->pinned = from->pinned;
	return 0;
}

void moves_forget(struct moves *m, const bool *known)
{
	for (uint32_t i = 0; i < m->len; i++) {
		if (m->cur[i] != MOVES_NOBODY && !known[m->cur[i]])
			m->cur[i] = MOVES_NOBODY;
		for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++)
			if (m->state[i] & 1u << p && !known[m->base[p][i]])
				m->state[i] &= (uint8_t) ~(1u << p);
	}
	count(m);
}

/* -- as workers have it ------------------------------------------------------ */

static weir_slot entry(const struct moves *m, uint32_t i)
{
	unsigned cur = m->cur[i] == MOVES_NOBODY ? 0 : m->cur[i];

	if (is_moving(m, i))
		return weir_slot_make(WEIR_SLOT_MOVING, cur);
	if (m->cur[i] == MOVES_NOBODY)
		return weir_slot_make(WEIR_SLOT_EMPTY, 0);
	return weir_slot_make(m->state[i] != 0 ? WEIR_SLOT_PINNED : WEIR_SLOT_SETTLED, cur);
}

/* The record of a moving slot, and when its moves began. */
static void write_record(const struct moves *m, uint32_t i, struct weir_move *r,
			 struct weir_move_begin *begin)
{
	*r = (struct weir_move){ 0 };
	*begin = (struct weir_move_begin){ 0 };
	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		if (!(m->state[i] & 1u << p))
			continue;
		r->base[p] = (uint16_t)(m->base[p][i] | WEIR_MOVE_OPEN);
		begin->ms[p] = m->since_ms[p][i];
	}
	if (m->cur[i] == MOVES_NOBODY)
		r->base[0] |= WEIR_MOVE_NOBODY;
}

static void write_records(const struct moves *m, struct weir_move_group *group)
{
	struct weir_move *to = (struct weir_move *)(group + weir_move_groups(m->len));
	struct weir_move_begin *begin = (struct weir_move_begin *)(to + m->moving);
	uint32_t count = 0;

	memset(group, 0, weir_move_groups(m->len) * sizeof(*group));
	for (uint32_t i = 0; i < m->len; i++) {
		if (i % 64 == 0)
			group[i / 64].first = count;
		if (!is_moving(m, i))
			continue;
		group[i / 64].moving |= (uint64_t)1 << i % 64;
		write_record(m, i, &to[count], &begin[count]);
		count++;
	}
}

void moves_write(const struct moves *m, weir_slot *slot, struct weir_move_group *moves)
{
	for (uint32_t i = 0; i < m->len; i++)
		slot[i] = entry(m, i);
	if (m->moving != 0)
		write_records(m, moves);
}

static void read_record(struct moves *m, uint32_t i, const struct weir_move *r,
			const struct weir_move_begin *begin)
{
	if (r->base[0] & WEIR_MOVE_NOBODY)
		m->cur[i] = MOVES_NOBODY;
	m->state[i] = MOVES_PINNED;
	for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++) {
		if (!(r->base[p] & WEIR_MOVE_OPEN))
			continue;
		m->state[i] |= (uint8_t)(1u << p);
		m->base[p][i] = (uint16_t)weir_move_base(r->base[p]);
		m->since_ms[p][i] = begin->ms[p];
	}
}

void moves_read(struct moves *m, const weir_slot *slot, const struct weir_move_group *moves,
		uint32_t records)
{
	for (uint32_t i = 0; i < m->len; i++) {
		unsigned state = weir_slot_state(slot[i]);
		const struct weir_move *r = NULL;

		if (state == WEIR_SLOT_MOVING && moves != NULL)
			r = weir_moves_find(moves, m->len, records, i);
		m->cur[i] = state == WEIR_SLOT_EMPTY ? MOVES_NOBODY
						     : (uint16_t)weir_slot_backend(slot[i]);
		m->state[i] = state == WEIR_SLOT_PINNED ? MOVES_PINNED : 0;
		if (r != NULL)
			read_record(m, i, r, weir_moves_begin(moves, m->len, records, r));
	}
	count(m);
}
