// SPDX-License-Identifier: Apache-2.0
/*
 * Fragments: all of a datagram go where its first one goes (docs/fragments.md).
 *
 * Only the first fragment has ports, so only it can be classified and have a flow; what
 * became of it is noted by (addresses, protocol, identification). Those that come before
 * it are held, a few and for a moment, and received once more when it has come.
 *
 * Between the stages of a burst that has fragments: frags_find() behind classify,
 * frags_note() behind encap. Between bursts: frags_again() until it says false, and
 * frags_tick(). One worker's; it shares its table with the others, who read it.
 */
#ifndef WEIR_FRAGS_H
#define WEIR_FRAGS_H

#include "frag_table.h"
#include "view.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Fragments held, of all datagrams and of one: 47 of them follow the first one when
 * 64 kB travel in frames of 1,400 bytes. A second's worth of them is not what this is
 * for: fragments of a datagram leave their sender at once, and change places on the way
 * by what queues differ, some ms. 100 ms is also what 8 kB need by 1 Mbit/s when the
 * sender begins with the last one.
 */
#define FRAGS_HELD    256 /* power of two */
#define FRAGS_HELD_OF 48
#define FRAGS_HELD_MS 100
/* Of the held ones, so many are looked for in the other workers' tables each ms. */
#define FRAGS_LOOK 32

struct capture_ring;
struct weir_worker_area;

struct frags_held {
	struct rte_mbuf *mbuf; /* NULL: has gone */
	uint32_t since_ms;
	uint16_t service; /* one of its VIP's, which counts for it */
	uint8_t port;	  /* where it came in */
	bool ready;	  /* its first one has come */
};

struct frags {
	/* Set before the worker runs. */
	struct frag_table *table;      /* ours alone to write */
	struct weir_worker_area *area; /* counters; NULL when read_only */
	const struct frag_table *other[WEIR_MAX_WORKERS];
	uint32_t other_count;
	bool read_only; /* explain: look, hold nothing, change nothing */

	struct capture_ring *capturing; /* the worker's; NULL: nothing is captured */
	bool again;			/* the burst at hand has been held */
	uint32_t now_ms;		/* frags_clock() */
	uint32_t waiting;		/* held and not ready */
	uint32_t ready;			/* held and ready */

	/* The held ones in the order in which they came: positions head..tail - 1,
	 * free-running; some of them have gone. */
	uint32_t head, tail;
	uint32_t look;		  /* position to look for next */
	uint32_t look_ms;	  /* when we last did */
	uint64_t noted;		  /* of all others, when the round of looking began */
	uint64_t tag[FRAGS_HELD]; /* 0: has gone */
	struct frags_held held[FRAGS_HELD];
};

/* For another thread: *f sees what `of` and all others know, and holds nothing. */
void frags_look(struct frags *f, const struct frags *of);

/* Look at the clock: before the others, in a burst that has fragments. */
void frags_clock(struct frags *f);

/*
 * Later fragments for a VIP, which classify left as WEIR_DROP_FRAGMENT: where the first
 * one is known, service, pool, flow hash and backend are its (PKT_CHOSEN), or the reason
 * for which it was dropped; otherwise they are held: PKT_TAKEN. A first one that overlaps
 * what came before is dropped.
 */
void frags_find(struct frags *f, const struct view *v, struct burst *b);

/*
 * First fragments, behind encap and before anything is done about what was dropped: note
 * where they go, or why they do not. What is to leave in pieces goes; of two in one burst
 * that overlap the second is dropped.
 */
void frags_note(struct frags *f, const struct view *v, struct burst *b);

/* The first fragment b->pkt[i], which was noted, could not leave in pieces: the others are
 * dropped for the same reason. */
void frags_note_drop(struct frags *f, const struct view *v, const struct burst *b, uint32_t i);

/* Fill *b, as rx_burst() does, with held fragments whose first one has come; they are to
 * go through all stages at once. False: there is none. */
bool frags_again(struct frags *f, struct burst *b);

/* Drop what was held for too long; look for what other workers noted. By f->now_ms. */
void frags_tick_held(struct frags *f);

/* Between bursts, often. */
static inline void frags_tick(struct frags *f)
{
	if (__builtin_expect(f->waiting != 0, 0)) {
		frags_clock(f);
		frags_tick_held(f);
	}
}

/* The worker ends: drop what is held. */
void frags_end(struct frags *f);

#endif /* WEIR_FRAGS_H */
