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

#define PINS_IN_VAIN 16

struct weir_worker_area;

/* For each bucket, how many pins have it for their first place and stand in another: where
 * it is 0, as nearly everywhere, what is not in the first place is nowhere. Ends at
 * UINT8_MAX for good. */
typedef _Atomic uint8_t pins_further;

struct pins {
	struct weir_pin_bucket *bucket; /* in the shared state memory; we alone write */
	pins_further *further;		/* mask + 1 of them; we alone write */
	uint32_t mask;			/* buckets - 1 */
	uint32_t used, capacity;	/* pins */
	uint32_t hand;			/* next bucket of the sweep */
	uint32_t due;			/* buckets that the sweep owes */
	uint32_t in_vain;		/* openers in a row for which nothing gave way */
	uint32_t now_ds;		/* set by the worker between bursts */
	bool read_only;			/* explain: look, change nothing */
	struct weir_worker_area *area;	/* counters; NULL when read_only */
	/* The other workers' tables, for a flow that changed queue. */
	struct {
		const struct weir_pin_bucket *bucket;
		const pins_further *further;
	} other[WEIR_MAX_WORKERS];
	uint32_t other_count;
};

/* *t looks for what it has not in `of`, another worker's, too. Before t is used. */
void pins_know(struct pins *t, const struct pins *of);

/* For another thread: *t sees the pins of `of` and of all others, and changes none. */
void pins_look(struct pins *t, const struct pins *of);

static inline struct weir_pin_bucket *pins_place(const struct pins *t, uint64_t key, unsigned place)
{
	return &t->bucket[weir_pin_place(key, place, t->mask)];
}

/* In how many places a pin can be. */
static inline unsigned pins_places(const pins_further *further, uint64_t key, uint32_t mask)
{
	return atomic_load_explicit(&further[weir_pin_place(key, 0, mask)], memory_order_relaxed) ==
			       0
		       ? 1
		       : WEIR_PIN_PLACES;
}

/* Ask for what pins_find_first() will read. */
static inline void pins_prefetch(const struct pins *t, uint64_t flow_hash)
{
	__builtin_prefetch(pins_place(t, flow_hash, 0));
}

/* Ask for what pins_find() will read when it is not there. */
static inline void pins_prefetch_further(const struct pins *t, uint64_t flow_hash)
{
	unsigned places = pins_places(t->further, flow_hash, t->mask);

	for (unsigned place = 1; place < places; place++)
		__builtin_prefetch(pins_place(t, weir_pin_key(flow_hash), place));
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

/* Likewise, in its other places. */
struct weir_pin *pins_find_further(const struct pins *t, uint64_t flow_hash);

/* Our own pin of a flow; NULL: there is none. */
static inline struct weir_pin *pins_find(const struct pins *t, uint64_t flow_hash)
{
	struct weir_pin *p = pins_find_first(t, flow_hash);

	if (p == NULL && pins_places(t->further, weir_pin_key(flow_hash), t->mask) > 1)
		p = pins_find_further(t, flow_hash);
	return p;
}

/* The pin of a flow in any other worker's table: its meta, or 0. */
uint64_t pins_find_elsewhere(const struct pins *t, uint64_t flow_hash);

/*
 * Make a pin. In a full table, of the pins in its places, these give way in this order,
 * the longest idle first: expired ones; pins to the base of their moving slot;
 * unconfirmed ones older than PIN_CONFIRM_DS. A confirmed pin to anything else
 * never does. Returns false when there is no room: the caller sends to `base`. When
 * nothing gave way for PINS_IN_VAIN openers in a row, which is what a flood of them does,
 * only one opener in PINS_IN_VAIN looks until one finds something again.
 * Giving way of a pin to base, and refusing one, is noted as pressure, by which
 * the control plane puts off the end of windows.
 */
bool pins_put(struct pins *t, const struct view *v, uint64_t flow_hash, uint64_t meta);

/* Likewise a pin to the base of a moving slot. None gives way to it in a full table: its
 * flow goes there without, and a flood of such would only take each other's places. */
bool pins_put_base(struct pins *t, const struct view *v, uint64_t flow_hash, uint64_t meta);

void pins_drop(struct pins *t, struct weir_pin *p);

/*
 * Go over the next `buckets` buckets: drop pins that are past their idle limit,
 * whose backend takes no packets, whose slot is settled, or that name the owner of a
 * pinned slot.
 */
void pins_sweep(struct pins *t, const struct view *v, uint32_t buckets);

/* Between bursts, often: keeps the time, and sweeps the table about once a second in
 * steps of a microsecond. */
void pins_tick(struct pins *t, const struct view *v);

#endif /* WEIR_PINS_H */
