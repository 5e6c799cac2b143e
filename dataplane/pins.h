// SPDX-License-Identifier: Apache-2.0
/*
 * A worker's pin table: bounded, no allocation; a pin is found in the first cache line that
 * is looked at, but for a few in a hundred when the table is full.
 *
 * What a full table does is part of the promise that no connection fails by it:
 * pins give way in an order (pins_put), and whoever gets none goes to `base`.
 */
#ifndef WEIR_PINS_H
#define WEIR_PINS_H

#include "pin.h"
#include "pin_filter.h"
#include "pin_notes.h"
#include "view.h"

#include <stdbool.h>
#include <stdint.h>

/* Idle limits, deciseconds; the first two never below the window of the pin's pool. */
#define PIN_IDLE_TCP_DS 9000
#define PIN_IDLE_UDP_DS 1200
/* After the client's FIN or RST. A half-closed connection, which goes on receiving,
 * refreshes its pin with every ACK: this is how long it may be silent. */
#define PIN_IDLE_CLOSING_DS 600
/* When the server's FIN was acknowledged too: for packets that were lost. Likewise where
 * base would be the answer without the pin for long enough: the last ACK is still to find
 * it, for it would make a pin as if the flow lived. */
#define PIN_IDLE_CLOSED_DS 30
/* After an opener that nothing followed. A server repeats its SYN-ACK for 63 s. */
#define PIN_IDLE_OPENER_DS 640
/* An opener's pin has this long to be confirmed before it may give way. */
#define PIN_CONFIRM_DS 30

struct weir_worker_area;

/*
 * What other workers tell of a table's pins: the flow of one was seen at a worker that had no
 * room for a copy, so that nobody else would refresh or confirm it here. Word n is of a key
 * whose low bits are n: its other bits, and in place of the low ones what of the pin's meta is to
 * be told; 0: nothing. What comes later takes the place of what has not been read yet: a flow
 * that goes on is told of again.
 */
#define PINS_TOLD	   256
#define PIN_TOLD	   1u
#define PIN_TOLD_CONFIRMED 2u
#define PIN_TOLD_CLOSING   4u

struct pins_other {
	const struct weir_pin_bucket *bucket;
	_Atomic uint64_t *told;
};

struct pins {
	struct weir_pin_bucket *bucket; /* in the shared state memory; we alone write */
	struct pin_filter filter;	/* of all workers together */
	uint32_t mask;			/* buckets - 1 */
	uint32_t used, capacity;	/* pins */
	uint32_t hand;			/* next bucket of the sweep */
	uint32_t due;			/* buckets that the sweep owes */
	uint32_t looks;			/* left in this decisecond: see pins_put */
	uint32_t now_ds;		/* set by the worker between bursts */
	bool filter_first;		/* most flows of late had no pin: look there first */
	bool read_only;			/* explain: look, change nothing */
	struct weir_worker_area *area;	/* counters; NULL when read_only */
	/* The other workers' tables, for a flow that changed queue. */
	struct pins_other other[WEIR_MAX_WORKERS];
	uint32_t other_count;
	_Atomic uint64_t told[PINS_TOLD]; /* by the others */
	struct pin_notes notes;		  /* of openers */
};

/* *t looks for what it has not in `of`, another worker's, too. Before t is used. */
void pins_know(struct pins *t, struct pins *of);

/* For another thread: *t sees the pins of `of` and of all others, and changes none. */
void pins_look(struct pins *t, const struct pins *of);

static inline struct weir_pin_bucket *pins_place(const struct pins *t, uint64_t key, unsigned place)
{
	return &t->bucket[weir_pin_place(key, place, t->mask)];
}

/* Ask for what the look for a flow's pin will begin with. */
static inline void pins_prefetch(const struct pins *t, uint64_t flow_hash)
{
	uint64_t key = weir_pin_key(flow_hash);

	if (__builtin_expect(t->filter_first, 0))
		__builtin_prefetch(pin_filter_cell_of(&t->filter, key));
	else
		__builtin_prefetch(pins_place(t, key, 0));
}

/* May a flow have a pin at any worker? Then asks for what the look for it will read. */
static inline bool pins_seem_to_have(const struct pins *t, uint64_t flow_hash)
{
	uint64_t key = weir_pin_key(flow_hash);

	if (!pin_filter_has(&t->filter, key))
		return false;
	__builtin_prefetch(pins_place(t, key, 0));
	/* Where the first place has been looked at, it is in another. */
	if (!t->filter_first) {
		__builtin_prefetch(pins_place(t, key, 1));
		__builtin_prefetch(pins_place(t, key, 2));
	}
	return true;
}

/* The pin with this key, not 0, in one bucket; NULL: there is none. All are compared, for
 * no branch can foresee which it will be. */
static inline struct weir_pin *pins_find_in(struct weir_pin_bucket *b, uint64_t key)
{
	unsigned way = 0;

	/* One of them, whichever: explain may see a key twice, while its owner moves it. */
#pragma GCC unroll 8
	for (unsigned i = 1; i < WEIR_PIN_WAYS; i++)
		way = atomic_load_explicit(&b->pin[i].hash, memory_order_relaxed) == key ? i : way;
	return atomic_load_explicit(&b->pin[way].hash, memory_order_relaxed) == key ? &b->pin[way]
										    : NULL;
}

/* Our own pin of a flow, if it stands where it is looked for first, as nearly all do. */
static inline struct weir_pin *pins_find_first(const struct pins *t, uint64_t flow_hash)
{
	uint64_t key = weir_pin_key(flow_hash);

	return pins_find_in(pins_place(t, key, 0), key);
}

/* Our own pin of a flow; NULL: there is none. */
struct weir_pin *pins_find(const struct pins *t, uint64_t flow_hash);

/* Who has a pin of a flow, of the other workers, and its meta. NULL: nobody. `here`: our own
 * table has one too. */
const struct pins_other *pins_find_elsewhere(const struct pins *t, uint64_t flow_hash, bool here,
					     uint64_t *meta);

/* A packet by that pin, which it made `meta`: what its worker is to know of it. */
void pins_tell(const struct pins_other *other, uint64_t flow_hash, uint64_t meta);

/*
 * Make a pin. In a full table, of the pins in its places, these give way in this order,
 * the longest idle first: expired ones; pins to the base of their moving slot;
 * unconfirmed ones older than PIN_CONFIRM_DS. A confirmed pin to anything else
 * never does. Returns false when there is no room: the caller sends to `base`.
 * Openers look for one that gives way no more often in a decisecond than a full table of
 * unconfirmed ones grows old in it: a flood of them would do little else.
 * Giving way of a pin to base, and refusing one, is noted as pressure, by which
 * the control plane puts off the end of windows.
 */
bool pins_put(struct pins *t, const struct view *v, uint64_t flow_hash, uint64_t meta);

/* So many packets go to base for want of room. */
void pins_refuse(struct pins *t, uint32_t packets);

static inline bool pins_are_full(const struct pins *t)
{
	return t->used >= t->capacity && !t->read_only;
}

/* Has the table room for a pin to the base of a moving slot? None gives way to such a pin:
 * its flow goes there without, and a flood of them would only take each other's places.
 * False: noted as refused. */
static inline bool pins_room_for_base(struct pins *t)
{
	if (!pins_are_full(t))
		return true;
	pins_refuse(t, 1);
	return false;
}

void pins_drop(struct pins *t, struct weir_pin *p);

/* Likewise, for its time is over: counted as expired. */
void pins_end(struct pins *t, struct weir_pin *p);

/*
 * Go over the next `buckets` buckets: drop pins that are past their idle limit,
 * whose backend takes no packets, whose slot is settled, or that name the owner of a
 * pinned slot.
 */
void pins_sweep(struct pins *t, const struct view *v, uint32_t buckets);

/* It is `now_ds`, deciseconds of CLOCK_BOOTTIME: what is done by the decisecond is due. */
void pins_clock(struct pins *t, uint32_t now_ds);

/* Between bursts, often: keeps the time, and sweeps the table about once a second in
 * steps of a microsecond. */
void pins_tick(struct pins *t, const struct view *v);

#endif /* WEIR_PINS_H */
