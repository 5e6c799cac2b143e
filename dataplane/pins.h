// SPDX-License-Identifier: Apache-2.0
/*
 * A worker's pin table: bounded, no allocation, at most two buckets touched.
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

struct pins {
	struct weir_pin_bucket *bucket; /* in the shared state memory; we alone write */
	uint32_t mask;			/* buckets - 1 */
	uint32_t used, capacity;	/* pins */
	uint32_t hand;			/* next bucket of the sweep */
	uint32_t due;			/* buckets that the sweep owes */
	uint32_t in_vain;		/* openers in a row for which nothing gave way */
	uint32_t now_ds;		/* set by the worker between bursts */
	bool read_only;			/* explain: look, change nothing */
	struct weir_worker_area *area;	/* counters; NULL when read_only */
	/* The other workers' tables, for a flow that changed queue. */
	const struct weir_pin_bucket *other[WEIR_MAX_WORKERS];
	uint32_t other_count;
};

/* Where a pin stands. */
struct pin_ref {
	struct weir_pin_bucket *bucket; /* NULL: not found */
	uint32_t way;
};

/* For another thread: *t sees the pins of `of` and of all others, and changes none. */
void pins_look(struct pins *t, const struct pins *of);

/* Ask for what pins_find() will read. */
static inline void pins_prefetch(const struct pins *t, uint64_t flow_hash)
{
	const struct weir_pin_bucket *b =
		&t->bucket[weir_pin_bucket1(weir_pin_key(flow_hash), t->mask)];

	const struct weir_pin_bucket *second =
		&t->bucket[weir_pin_bucket2(weir_pin_key(flow_hash), t->mask)];

	__builtin_prefetch(b->hash);
	__builtin_prefetch(b->meta);
	__builtin_prefetch(second->hash);
}

/* Our own pin of a flow. */
struct pin_ref pins_find(const struct pins *t, uint64_t flow_hash);

/* The pin of a flow in any other worker's table: its meta, or 0. */
uint64_t pins_find_elsewhere(const struct pins *t, uint64_t flow_hash);

/*
 * Make a pin. In a full table, of the two buckets, these give way in this order,
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

void pins_drop(struct pins *t, struct pin_ref r);

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
