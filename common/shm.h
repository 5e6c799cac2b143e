// SPDX-License-Identifier: Apache-2.0
/*
 * The two shared memories of a session.
 *
 *   weir_state    written by the data plane alone; the control plane's mapping
 *                 is read-only and F_SEAL_FUTURE_WRITE keeps it so
 *   weir_control  written by the control plane alone; mapped read-only by the
 *                 data plane
 *
 * Both are memfds made by the data plane and sealed against resizing, so that
 * neither peer can kill the other with SIGBUS (docs/shared-memory.md says why
 * there are two). Each side writes only its own: a peer that scribbles cannot
 * damage what the other side believes of itself.
 *
 * A ring is split over both: the producer's position and the messages lie in the
 * producer's memory, the consumer's position in the consumer's. Single producer,
 * single consumer; positions are free-running 32-bit counts; the geometry is
 * constant. Neither side ever waits.
 *
 * Fresh rings per session: the data plane numbers sessions from 1. The control
 * plane zeroes its positions and then stores the session's number in
 * weir_control_worker.session (release). A worker that is told of a new session
 * sets its own positions to 0, publishes session_seen, and touches neither ring
 * until the control plane's number equals its own.
 */
#ifndef WEIR_SHM_H
#define WEIR_SHM_H

#include "bounds.h"
#include "counters.h"
#include "pin.h"
#include "snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_LAYOUT_VERSION 8
#define WEIR_RING_SLOTS	    256 /* power of two */

/* Counters of a service by column, enum weir_column: whole cache lines. */
#define WEIR_COLUMN_ROOM 32
static_assert(WEIR_COLUMNS <= WEIR_COLUMN_ROOM, "room for each");

enum weir_msg_type {
	/* control > worker */
	WEIR_MSG_SNAPSHOT = 1, /* take the snapshot at `arg` (arena offset) */
	/* worker > control */
	WEIR_MSG_TAKEN = 16,	/* `generation` is in force here */
	WEIR_MSG_REJECTED = 17, /* `generation` was refused: `arg` is an enum weir_reject */
};

/* Why a worker refused a snapshot. */
#define WEIR_REJECT_LIST(X)                                            \
	X(NONE, "accepted")                                            \
	X(STALE, "not newer than the generation in force")             \
	X(JUMP, "generation too far ahead of the one in force")        \
	X(OFFSET, "snapshot lies outside the arena or is misaligned")  \
	X(MAGIC, "no snapshot stands there, or another generation")    \
	X(SIZE, "a count or size is out of range")                     \
	X(ARRAY, "an array lies outside the snapshot")                 \
	X(TABLE, "a lookup table lies outside the arena")              \
	X(POOL, "a pool has an unknown mode, hash or table length")
enum weir_reject {
#define WEIR_REJECT_ENUM(id, text) WEIR_REJECT_##id,
	WEIR_REJECT_LIST(WEIR_REJECT_ENUM)
#undef WEIR_REJECT_ENUM
		WEIR_REJECTS
};
const char *weir_reject_text(unsigned reason);

/* A worker refuses a generation further ahead than this, so that nonsense in a
 * ring cannot use up the numbers that a later control plane needs. */
#define WEIR_GENERATION_JUMP (1ull << 32)

struct weir_msg {
	uint32_t type; /* enum weir_msg_type */
	uint32_t arg;
	uint64_t generation;
};
static_assert(sizeof(struct weir_msg) == 16, "both processes agree");

/* The producer's half of a ring: in the producer's memory. */
struct weir_ring {
	alignas(WEIR_CACHE_LINE) _Atomic uint32_t tail; /* messages ever written */
	alignas(WEIR_CACHE_LINE) struct weir_msg msg[WEIR_RING_SLOTS];
};
static_assert((WEIR_RING_SLOTS & (WEIR_RING_SLOTS - 1)) == 0, "mask needs 2^n");
static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
	      "a lock cannot span two processes");

/*
 * Producer. `head` is the consumer's position in the consumer's memory. Returns
 * 0, or -EAGAIN when the ring is full (or `head` is nonsense: a peer that writes
 * garbage there only stops its own messages).
 */
static inline int weir_ring_push(struct weir_ring *r, const _Atomic uint32_t *head,
				 const struct weir_msg *m)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	/* Acquire pairs with the release in weir_ring_pop(): the consumer has
	 * finished reading a message before it is overwritten. */
	if (tail - atomic_load_explicit(head, memory_order_acquire) >= WEIR_RING_SLOTS)
		return -EAGAIN;
	r->msg[tail & (WEIR_RING_SLOTS - 1)] = *m;
	/* Release pairs with the acquire in weir_ring_pop(). */
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return 0;
}

/*
 * Consumer, sole writer of *head. Returns 1 with *m filled, or 0 when there is
 * nothing to read. A peer that writes garbage into `tail` makes the consumer read
 * garbage messages, never outside the ring.
 */
static inline int weir_ring_pop(const struct weir_ring *r, _Atomic uint32_t *head,
				struct weir_msg *m)
{
	uint32_t h = atomic_load_explicit(head, memory_order_relaxed);

	if (h == atomic_load_explicit(&r->tail, memory_order_acquire))
		return 0;
	*m = r->msg[h & (WEIR_RING_SLOTS - 1)];
	atomic_store_explicit(head, h + 1, memory_order_release);
	return 1;
}

/* -- written by the data plane ---------------------------------------------- */

/* A counter: one writer, plain 64-bit stores; _Atomic + relaxed says so. */
struct weir_count {
	_Atomic uint64_t packets, bytes;
};
static_assert(sizeof(struct weir_count) == 16, "four a cache line");

/* What became of pins (docs/consistency.md). */
struct weir_pin_counts {
	_Atomic uint64_t used; /* now */
	_Atomic uint64_t made, expired, refused, found_elsewhere;
	_Atomic uint64_t evicted_base, evicted_unconfirmed;
	/* deciseconds of CLOCK_BOOTTIME when a pin to base was last refused or gave way */
	_Atomic uint64_t pressure_ds;
};
static_assert(sizeof(struct weir_pin_counts) == WEIR_CACHE_LINE, "one line");

/* Fragments of datagrams, and packets that were cut up (docs/fragments.md). */
struct weir_frag_counts {
	_Atomic uint64_t holding; /* fragments that wait for their first one, now */
	_Atomic uint64_t held;	  /* and ever did */
	_Atomic uint64_t noted;	  /* first fragments */
	_Atomic uint64_t complete, expired, evicted; /* what became of their datagrams */
	_Atomic uint64_t found_elsewhere;	     /* noted by another worker */
	_Atomic uint64_t split, pieces; /* packets that were too big, and what was made of them */
	_Atomic uint64_t reserved[7];
};
static_assert(sizeof(struct weir_frag_counts) == 2 * WEIR_CACHE_LINE, "two lines");

/* One per worker, written by that worker alone, read by anyone. */
struct weir_worker_area {
	alignas(WEIR_CACHE_LINE) _Atomic uint64_t seen_generation; /* 0: no snapshot yet */
	_Atomic uint64_t seen_offset; /* arena offset of that snapshot */
	_Atomic uint32_t session_seen;
	_Atomic uint32_t cmd_head; /* consumer's half of the command ring */
	_Atomic uint64_t loops, idle_loops, sleeps;
	alignas(WEIR_CACHE_LINE) struct weir_count rx[WEIR_MAX_PORTS];
	struct weir_count tx[WEIR_MAX_PORTS];
	alignas(WEIR_CACHE_LINE) struct weir_count drop[WEIR_DROP_ROOM]; /* by enum weir_drop */
	struct weir_count answer[WEIR_ANSWER_ROOM];			 /* by enum weir_answer */
	struct weir_count punt[WEIR_PUNT_ROOM];				 /* by enum weir_punt */
	alignas(WEIR_CACHE_LINE) struct weir_count service[WEIR_MAX_SERVICES];
	alignas(WEIR_CACHE_LINE) struct weir_count backend[WEIR_MAX_BACKENDS];
	/* Packets, by column; what is a VIP's stands at one of its services. 1 MiB and
	 * 1.25 MiB; only drops and answers touch them. */
	alignas(WEIR_CACHE_LINE) _Atomic uint64_t
		service_column[WEIR_MAX_SERVICES][WEIR_COLUMN_ROOM];
	_Atomic uint64_t backend_column[WEIR_MAX_BACKENDS][WEIR_BACKEND_COLUMNS];
	alignas(WEIR_CACHE_LINE) struct weir_pin_counts pins;
	alignas(WEIR_CACHE_LINE) struct weir_frag_counts frags;
	alignas(WEIR_CACHE_LINE) struct weir_ring reply; /* worker > control */
};
static_assert(sizeof(struct weir_worker_area) % WEIR_CACHE_LINE == 0,
	      "workers must not share a cache line");

struct weir_state {
	uint64_t magic; /* WEIR_STATE_MAGIC, stored last */
	uint32_t layout_version;
	uint32_t worker_count;
	uint64_t control_size; /* bytes of the other memory, arena included */
	uint64_t start_ms;     /* CLOCK_BOOTTIME when the data plane started */
	uint32_t pins;	       /* capacity of each worker's pin table */
	alignas(WEIR_CACHE_LINE) struct weir_worker_area worker[]; /* worker_count */
	/* behind them, for each worker: weir_pin_bucket[weir_pin_buckets(pins)] */
};
#define WEIR_STATE_MAGIC 0x6574617472696577ull

/* Bytes of the memory for so many workers with tables for so many pins each. */
static inline size_t weir_state_size(unsigned workers, uint32_t pins)
{
	return sizeof(struct weir_state) + workers * sizeof(struct weir_worker_area) +
	       workers * (size_t)weir_pin_buckets(pins) * sizeof(struct weir_pin_bucket);
}

/* Pin table of a worker; `workers` and `pins` as the caller has checked them. */
static inline const struct weir_pin_bucket *weir_state_pins(const struct weir_state *s,
							    unsigned worker, unsigned workers,
							    uint32_t pins)
{
	const struct weir_pin_bucket *first = (const struct weir_pin_bucket *)&s->worker[workers];

	return first + (size_t)worker * weir_pin_buckets(pins);
}

/* -- written by the control plane ------------------------------------------- */

struct weir_control_worker {
	alignas(WEIR_CACHE_LINE) _Atomic uint32_t session; /* stored last: see the top */
	_Atomic uint32_t reply_head; /* consumer's half of the reply ring */
	struct weir_ring cmd;	     /* control > worker */
};

struct weir_control {
	alignas(WEIR_BLOCK) struct weir_control_worker worker[WEIR_MAX_WORKERS];
	alignas(WEIR_BLOCK) uint8_t arena[];
};

/* Bytes of the arena in a control memory of `size` bytes: whole blocks. */
static inline uint64_t weir_arena_size(uint64_t size)
{
	return (size - sizeof(struct weir_control)) & ~(uint64_t)(WEIR_BLOCK - 1);
}

#endif /* WEIR_SHM_H */
