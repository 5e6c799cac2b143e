// SPDX-License-Identifier: Apache-2.0
/*
 * The slots of one pool while their owners change: who owns each (cur), who owned
 * it before the change that still goes on (base), and for how long yet
 * (docs/consistency.md). Pure: no clock, no socket, no shared memory; the caller
 * brings the time and what it knows of the backends.
 *
 *   settled  no pins
 *   moving   a base still serves the flows of a protocol that began before. TCP and UDP
 *            have windows of their own, and when one's is over while the other's is open,
 *            a further change is a new move for it, from the owner that it had
 *   pinned   workers may hold pins to others than the owner. While nobody owns it, it is
 *            told to workers as moving, without a window, so that what is pinned goes on
 */
#ifndef WEIR_MOVES_H
#define WEIR_MOVES_H

#include "snapshot.h"

#include <stdbool.h>
#include <stdint.h>

#define MOVES_NOBODY UINT16_MAX /* no backend serves: openers are dropped */

/* Flags of a slot; 0: settled. TCP, UDP: the window of that protocol is open. PINNED: may
 * be besides: a window was open before. */
enum {
	MOVES_TCP = 1 << WEIR_MOVE_TCP,
	MOVES_UDP = 1 << WEIR_MOVE_UDP,
	MOVES_OPEN = MOVES_TCP | MOVES_UDP,
	MOVES_PINNED = 4
};

struct moves {
	uint32_t len;
	uint16_t *cur;	/* [len] backend indices or MOVES_NOBODY */
	uint8_t *state; /* [len] MOVES_* */
	/* By protocol; of slots whose window is open. */
	uint16_t *base[WEIR_MOVE_PROTOCOLS]; /* [len] backend indices */
	/* [len] CLOCK_BOOTTIME when the move began, low 32 bits: 49 days, no move is older. Of
	 * one whose base has a drain's deadline at hand, somewhat earlier: see begin_move() */
	uint32_t *since_ms[WEIR_MOVE_PROTOCOLS];
	uint32_t moving, pinned; /* slots in these states, as workers are told */
};

/* What a step needs to know; arrays are indexed by backend index. */
struct moves_env {
	uint64_t now_ms;	     /* CLOCK_BOOTTIME */
	const bool *forwards;	     /* enabled or draining, and not down */
	const uint64_t *deadline_ms; /* of a drain, CLOCK_BOOTTIME; 0: none */
	uint32_t tcp_window_ms, udp_window_ms;
	uint32_t grace_ms; /* so long openers still go to the base of a move that begins */
	/* The last time that a worker had no room for a pin to base, or took one's
	 * room: a window is open for its whole length after that. 0: never. */
	uint64_t pressure_ms;
};

/* All settled, owned by nobody. Returns 0 or -ENOMEM. */
int moves_create(struct moves *m, uint32_t len);
void moves_free(struct moves *m);

/* New owners, [len], from owners.c. Returns true if an entry of the table changes. */
bool moves_assign(struct moves *m, const struct moves_env *env, const uint16_t *owner);

/* End the windows that are over and the moves whose base is gone. True: changed. */
bool moves_expire(struct moves *m, const struct moves_env *env);

/*
 * Settle slots without an open window. held: bit per slot (bit s % 8 of byte s / 8): some
 * worker has a pin for it, read after every worker had taken the table that has them
 * pinned. True: changed.
 */
bool moves_settle(struct moves *m, const uint8_t *held);

/* When the next window ends, CLOCK_BOOTTIME ms; UINT64_MAX: no slot is moving. */
uint64_t moves_next_ms(const struct moves *m, const struct moves_env *env);

/* How many slots moves_settle() would settle. */
uint32_t moves_unheld(const struct moves *m, const uint8_t *held);

/* When the window of a slot's protocol ends, CLOCK_BOOTTIME ms; 0: it is not open. */
uint64_t moves_window_end_ms(const struct moves *m, const struct moves_env *env, uint32_t slot,
			     unsigned protocol);

/* For how long yet openers of a protocol go to the slot's base, ms. */
uint32_t moves_grace_left_ms(const struct moves *m, uint64_t now_ms, uint32_t grace_ms,
			     uint32_t slot, unsigned protocol);

/* When the latest of all moves began, CLOCK_BOOTTIME ms, low 32 bits; 24 days ago if none did
 * since. */
uint32_t moves_newest_ms(const struct moves *m, uint64_t now_ms);

/* Slots that still have this backend as base, with an open window. */
uint32_t moves_held_by(const struct moves *m, uint16_t backend);

/* The same for all at once, added to slots[WEIR_MAX_BACKENDS]. */
void moves_count_held(const struct moves *m, uint32_t *slots);

/* A copy of its own in *to. 0 or -ENOMEM. */
int moves_copy(struct moves *to, const struct moves *from);

/* A data plane without pins begins, and indices of backends that are gone by now are free
 * for others: forget those that are not in known[WEIR_MAX_BACKENDS]. */
void moves_forget(struct moves *m, const bool *known);

/* The table for the workers; `moves`: weir_moves_size(m->len, m->moving) bytes, and may be
 * NULL when m->moving is 0. */
void moves_write(const struct moves *m, weir_slot *slot, struct weir_move_group *moves);

/* The way back, for a control plane that found this table in force, with `count` records.
 * moves: NULL when the pool's table has none. */
void moves_read(struct moves *m, const weir_slot *slot, const struct weir_move_group *moves,
		uint32_t count);

#endif /* WEIR_MOVES_H */
