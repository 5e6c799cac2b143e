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

struct weir_worker_area;

/*
 * What is known of a bucket without a look into it: for each of its pins some bits of the
 * key, 0 where the place is free; above these, how many pins have the bucket for their first
 * place and stand in another, which ends at its limit for good. They take a sixteenth of the
 * buckets' memory and stay in a cache where those do not: that a flow has no pin, as a
 * flood's packets have none, is nearly always seen by them alone.
 */
typedef _Atomic uint32_t pins_tags;

#define PIN_TAG_BITS	  7
#define PIN_TAG_MASK	  ((1u << PIN_TAG_BITS) - 1)
#define PIN_TAG_ONES	  0x204081u /* the lowest bit of each tag */
#define PIN_FURTHER_SHIFT (WEIR_PIN_WAYS * PIN_TAG_BITS)
#define PIN_FURTHER_MAX	  (UINT32_MAX >> PIN_FURTHER_SHIFT)
static_assert(WEIR_PIN_WAYS == 4, "PIN_TAG_ONES has one for each way");

struct pins {
	struct weir_pin_bucket *bucket; /* in the shared state memory; we alone write */
	pins_tags *tags;		/* mask + 1 of them; we alone write */
	uint32_t mask;			/* buckets - 1 */
	uint32_t used, capacity;	/* pins */
	uint32_t hand;			/* next bucket of the sweep */
	uint32_t due;			/* buckets that the sweep owes */
	uint32_t looks;			/* left in this decisecond: see pins_put */
	uint32_t now_ds;		/* set by the worker between bursts */
	bool tags_first;		/* most flows of late had no pin: look at tags first */
	bool read_only;			/* explain: look, change nothing */
	struct weir_worker_area *area;	/* counters; NULL when read_only */
	/* The other workers' tables, for a flow that changed queue. */
	struct {
		const struct weir_pin_bucket *bucket;
		const pins_tags *tags;
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

/* The tag of a key: never 0. Bits that choose no slot, and no bucket of up to 262,144 pins. */
static inline uint32_t pins_tag(uint64_t key)
{
	uint32_t tag = (uint32_t)(key >> 17) & PIN_TAG_MASK;

	return tag + (tag == 0);
}

/* Which of a bucket's tags are `tag`: the highest bit of each, and maybe that of others
 * above one that is. */
static inline uint32_t pins_tags_that_are(uint32_t tags, uint32_t tag)
{
	uint32_t differ = tags ^ tag * PIN_TAG_ONES;

	return (differ - PIN_TAG_ONES) & ~differ & PIN_TAG_ONES << (PIN_TAG_BITS - 1);
}

static inline uint32_t pins_tags_of(const pins_tags *tags, uint64_t key, unsigned place,
				    uint32_t mask)
{
	return atomic_load_explicit(&tags[weir_pin_place(key, place, mask)], memory_order_relaxed);
}

/* Ask for what the look for a flow's pin will begin with. */
static inline void pins_prefetch(const struct pins *t, uint64_t flow_hash)
{
	uint32_t first = weir_pin_place(weir_pin_key(flow_hash), 0, t->mask);

	__builtin_prefetch(t->tags_first ? (const void *)&t->tags[first] : &t->bucket[first]);
}

/* Ask for what pins_find() will read after the tags of the first place. False: the flow has
 * no pin. */
static inline bool pins_prefetch_by_tags(const struct pins *t, uint64_t flow_hash)
{
	uint64_t key = weir_pin_key(flow_hash);
	uint32_t tags = pins_tags_of(t->tags, key, 0, t->mask);

	if (pins_tags_that_are(tags, pins_tag(key)) != 0)
		__builtin_prefetch(pins_place(t, key, 0));
	else if (tags >> PIN_FURTHER_SHIFT != 0) /* the tags of place 1 are beside those of 0 */
		__builtin_prefetch(&t->tags[weir_pin_place(key, 2, t->mask)]);
	else
		return false;
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

/* Likewise, in its other places. */
struct weir_pin *pins_find_further(const struct pins *t, uint64_t flow_hash);

/* Our own pin of a flow; NULL: there is none. */
static inline struct weir_pin *pins_find(const struct pins *t, uint64_t flow_hash)
{
	uint64_t key = weir_pin_key(flow_hash);
	uint32_t tags = pins_tags_of(t->tags, key, 0, t->mask);
	struct weir_pin *p = NULL;

	if (pins_tags_that_are(tags, pins_tag(key)) != 0)
		p = pins_find_first(t, flow_hash);
	if (p == NULL && tags >> PIN_FURTHER_SHIFT != 0)
		p = pins_find_further(t, flow_hash);
	return p;
}

/* The pin of a flow in any other worker's table: its meta. False: there is none. */
bool pins_find_elsewhere(const struct pins *t, uint64_t flow_hash, uint64_t *meta);

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

/* A flow goes to base for want of room. */
void pins_refuse(struct pins *t);

/* Has the table room for a pin to the base of a moving slot? None gives way to such a pin:
 * its flow goes there without, and a flood of them would only take each other's places.
 * False: noted as refused. */
static inline bool pins_room_for_base(struct pins *t)
{
	if (t->used < t->capacity)
		return true;
	pins_refuse(t);
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
