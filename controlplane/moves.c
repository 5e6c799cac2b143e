// SPDX-License-Identifier: Apache-2.0
#include "moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOVES_OPEN (MOVES_TCP | MOVES_UDP)

/* A slot is moving while base differs from cur, even with both windows over: then
 * cur is nobody, and only pins still reach base. */
static bool is_moving(const struct moves *m, uint32_t i)
{
	return m->base[i] != m->cur[i];
}

static void count(struct moves *m)
{
	m->moving = m->pinned = 0;
	for (uint32_t i = 0; i < m->len; i++) {
		if (is_moving(m, i))
			m->moving++;
		else if (m->state[i] & MOVES_PINNED)
			m->pinned++;
	}
}

int moves_create(struct moves *m, uint32_t len)
{
	struct moves n = { .len = len };

	n.cur = malloc(len * sizeof(*n.cur));
	n.base = malloc(len * sizeof(*n.base));
	n.since_ms = calloc(len, sizeof(*n.since_ms));
	n.state = calloc(len, sizeof(*n.state));
	if (n.cur == NULL || n.base == NULL || n.since_ms == NULL || n.state == NULL) {
		moves_free(&n);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < len; i++)
		n.cur[i] = n.base[i] = MOVES_NOBODY;
	*m = n;
	return 0;
}

void moves_free(struct moves *m)
{
	free(m->cur);
	free(m->base);
	free(m->since_ms);
	free(m->state);
	*m = (struct moves){ 0 };
}

static bool forwards(const struct moves_env *env, uint16_t backend)
{
	return backend != MOVES_NOBODY && env->forwards[backend];
}

/* The move is over: what pins it left keep their backends. With nobody to own the slot
 * an empty entry would cut those off: it stays moving with its windows over, and base
 * only tells it from settled ones. */
static void end_move(struct moves *m, uint32_t i, uint16_t owner)
{
	m->cur[i] = owner;
	m->state[i] = 0;
	if (owner == MOVES_NOBODY)
		return;
	m->base[i] = owner;
	m->state[i] = MOVES_PINNED;
}

static bool is_over(const struct moves *m, uint32_t i)
{
	return is_moving(m, i) && !(m->state[i] & MOVES_OPEN);
}

static bool assign(struct moves *m, const struct moves_env *env, uint32_t i, uint16_t owner)
{
	uint16_t cur = m->cur[i];

	if (is_moving(m, i)) {
		if (is_over(m, i) && owner == MOVES_NOBODY)
			return false;
		if (owner == m->base[i] || is_over(m, i) || !forwards(env, m->base[i])) {
			end_move(m, i, owner);
			return true;
		}
		m->cur[i] = owner;
		return owner != cur;
	}
	if (owner == cur)
		return false;
	m->cur[i] = owner;
	if (!forwards(env, cur)) {
		/* Nobody to keep flows on. Pins to third backends, if there are any,
		 * stand: the slot stays as settled or pinned as it was. */
		if (m->state[i] & MOVES_PINNED)
			end_move(m, i, owner);
		else
			m->base[i] = owner;
		return true;
	}
	m->since_ms[i] = env->now_ms;
	m->state[i] = MOVES_OPEN;
	return true;
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
static uint64_t window_end(const struct moves *m, const struct moves_env *env, uint32_t i,
			   uint32_t window_ms)
{
	uint64_t deadline = m->base[i] == MOVES_NOBODY ? 0 : env->deadline_ms[m->base[i]];
	uint64_t from = m->since_ms[i];

	if (deadline != 0)
		return deadline;
	if (env->pressure_ms > from)
		from = env->pressure_ms;
	return from + window_ms;
}

static bool expire(struct moves *m, const struct moves_env *env, uint32_t i)
{
	uint8_t before = m->state[i];

	if (!is_moving(m, i) || is_over(m, i))
		return false;
	if (!forwards(env, m->base[i])) {
		end_move(m, i, m->cur[i]);
		return true;
	}
	if (before & MOVES_TCP && window_end(m, env, i, env->tcp_window_ms) <= env->now_ms)
		m->state[i] &= (uint8_t)~MOVES_TCP;
	if (before & MOVES_UDP && window_end(m, env, i, env->udp_window_ms) <= env->now_ms)
		m->state[i] &= (uint8_t)~MOVES_UDP;
	if (!(m->state[i] & MOVES_OPEN))
		end_move(m, i, m->cur[i]);
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
	return (is_over(m, i) || m->state[i] & MOVES_PINNED) && !(held[i / 8] >> i % 8 & 1);
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
		m->base[i] = m->cur[i];
		m->state[i] = 0;
		changed = true;
	}
	if (changed)
		count(m);
	return changed;
}

uint64_t moves_next_ms(const struct moves *m, const struct moves_env *env)
{
	uint64_t next = UINT64_MAX, end;

	for (uint32_t i = 0; i < m->len && m->moving != 0; i++) {
		if (m->state[i] & MOVES_TCP) {
			end = window_end(m, env, i, env->tcp_window_ms);
			next = end < next ? end : next;
		}
		if (m->state[i] & MOVES_UDP) {
			end = window_end(m, env, i, env->udp_window_ms);
			next = end < next ? end : next;
		}
	}
	return next;
}

uint32_t moves_held_by(const struct moves *m, uint16_t backend)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->len; i++)
		n += is_moving(m, i) && m->base[i] == backend && m->state[i] & MOVES_OPEN;
	return n;
}

void moves_count_held(const struct moves *m, uint32_t *slots)
{
	for (uint32_t i = 0; i < m->len && m->moving != 0; i++)
		if (is_moving(m, i) && m->state[i] & MOVES_OPEN)
			slots[m->base[i]]++;
}

int moves_copy(struct moves *to, const struct moves *from)
{
	int err = moves_create(to, from->len);

	if (err < 0)
		return err;
	memcpy(to->cur, from->cur, from->len * sizeof(*to->cur));
	memcpy(to->base, from->base, from->len * sizeof(*to->base));
	memcpy(to->since_ms, from->since_ms, from->len * sizeof(*to->since_ms));
	memcpy(to->state, from->state, from->len * sizeof(*to->state));
	to->moving = from->moving;
	to->pinned = from->pinned;
	return 0;
}

void moves_forget(struct moves *m, const bool *known)
{
	for (uint32_t i = 0; i < m->len; i++) {
		if (m->cur[i] != MOVES_NOBODY && !known[m->cur[i]])
			m->cur[i] = MOVES_NOBODY;
		if (m->base[i] != MOVES_NOBODY && !known[m->base[i]]) {
			m->base[i] = m->cur[i];
			m->state[i] = 0;
		}
	}
	count(m);
}

/* A moving slot whose owner-to-be is nobody has its base in the entry too. */
static weir_slot entry(const struct moves *m, uint32_t i)
{
	if (is_moving(m, i))
		return weir_slot_make(WEIR_SLOT_MOVING,
				      m->cur[i] == MOVES_NOBODY ? m->base[i] : m->cur[i]);
	if (m->cur[i] == MOVES_NOBODY)
		return weir_slot_make(WEIR_SLOT_EMPTY, 0);
	return weir_slot_make(m->state[i] & MOVES_PINNED ? WEIR_SLOT_PINNED : WEIR_SLOT_SETTLED,
			      m->cur[i]);
}

void moves_write(const struct moves *m, weir_slot *slot, struct weir_move *move)
{
	for (uint32_t i = 0; i < m->len; i++)
		slot[i] = entry(m, i);
	if (m->moving == 0)
		return;
	for (uint32_t i = 0; i < m->len; i++)
		move[i] = (struct weir_move){
			.base = m->base[i] == MOVES_NOBODY ? 0 : m->base[i],
			.tcp = (m->state[i] & MOVES_TCP) != 0,
			.udp = (m->state[i] & MOVES_UDP) != 0,
			.since_ms = is_moving(m, i) ? (uint32_t)m->since_ms[i] : 0,
		};
}

void moves_read(struct moves *m, const weir_slot *slot, const struct weir_move *move,
		uint64_t now_ms)
{
	for (uint32_t i = 0; i < m->len; i++) {
		unsigned state = weir_slot_state(slot[i]);
		uint16_t backend = (uint16_t)weir_slot_backend(slot[i]);

		m->state[i] = 0;
		m->cur[i] = m->base[i] = state == WEIR_SLOT_EMPTY ? MOVES_NOBODY : backend;
		if (state == WEIR_SLOT_PINNED)
			m->state[i] = MOVES_PINNED;
		if (state != WEIR_SLOT_MOVING || move == NULL)
			continue;
		m->base[i] = move[i].base & WEIR_SLOT_BACKEND_MASK;
		if (m->base[i] == backend)
			m->cur[i] = MOVES_NOBODY;
		m->state[i] = (uint8_t)((move[i].tcp ? MOVES_TCP : 0) | (move[i].udp ? MOVES_UDP : 0));
		/* 32 bits of ms are 49 days: no move is older. */
		m->since_ms[i] = now_ms - (uint32_t)((uint32_t)now_ms - move[i].since_ms);
	}
	count(m);
}
