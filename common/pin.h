// SPDX-License-Identifier: Apache-2.0
/*
 * Pins: "this flow stays on that backend". Made only for flows in slots that are
 * not settled (docs/consistency.md).
 *
 *   writer: one worker, its own table (dataplane/pins.c)
 *   reader: the other workers, for a flow that changed queue; the control plane,
 *           which counts the pins that still hold a slot or a backend
 *
 * A table is an array of buckets, each a cache line. A pin can stand in WEIR_PIN_PLACES
 * of them, and stands in the first that had room: nearly always the first of all. The
 * slot of a pin follows from its hash and the table length of its pool, so a pin
 * is complete as (flow hash, backend) and means the same on another Weir.
 *
 * Readers see a pin whole: the writer stores hash = 0, then meta, then the new
 * hash; a reader loads hash, meta and hash again, and takes it if both agree.
 */
#ifndef WEIR_PIN_H
#define WEIR_PIN_H

#include "bounds.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WEIR_PIN_WAYS	  4
#define WEIR_PIN_PLACES	  4
#define WEIR_PINS_DEFAULT 65536
#define WEIR_PINS_MIN	  1024
#define WEIR_PINS_MAX	  (1u << 20) /* the buckets' bits end below the slot's */

struct weir_pin {
	_Atomic uint64_t hash; /* weir_pin_key(); 0: free */
	_Atomic uint64_t meta; /* weir_pin_meta() */
};

struct weir_pin_bucket {
	alignas(WEIR_CACHE_LINE) struct weir_pin pin[WEIR_PIN_WAYS];
};
static_assert(sizeof(struct weir_pin_bucket) == WEIR_CACHE_LINE, "layout 5");

/* meta: bits 0-13 backend index, 14-17 flags, 18-27 pool index, 28-43 what the client
 * acknowledged last, 44-63 time of the last packet, deciseconds of CLOCK_BOOTTIME: both
 * the low bits, of which only differences mean anything (29 hours: no window is longer than
 * a day). */
#define WEIR_PIN_CONFIRMED (1u << 14) /* a packet that is no opener has used it */
#define WEIR_PIN_TCP	   (1u << 15)
#define WEIR_PIN_CLOSING   (1u << 16) /* FIN or RST was seen */
#define WEIR_PIN_STEP	   (1u << 17) /* the acknowledgement went on by one: as for a FIN */

#define WEIR_PIN_ACK_SHIFT  28
#define WEIR_PIN_ACK_MASK   0xffffu
#define WEIR_PIN_TIME_SHIFT 44
#define WEIR_PIN_TIME_MASK  0xfffffu

static_assert(WEIR_MAX_BACKENDS <= 1 << 14 && WEIR_MAX_POOLS <= 1 << 10, "bits of weir_pin");

static inline uint64_t weir_pin_meta(unsigned backend, unsigned flags, unsigned pool, uint32_t ack,
				     uint32_t last_ds)
{
	return (uint64_t)last_ds << WEIR_PIN_TIME_SHIFT |
	       (uint64_t)(ack & WEIR_PIN_ACK_MASK) << WEIR_PIN_ACK_SHIFT | (uint64_t)pool << 18 |
	       flags | backend;
}

static inline unsigned weir_pin_backend(uint64_t meta)
{
	return meta & (WEIR_MAX_BACKENDS - 1);
}

static inline unsigned weir_pin_pool(uint64_t meta)
{
	return meta >> 18 & (WEIR_MAX_POOLS - 1);
}

static inline uint32_t weir_pin_idle_ds(uint64_t meta, uint32_t now_ds)
{
	return (now_ds - (uint32_t)(meta >> WEIR_PIN_TIME_SHIFT)) & WEIR_PIN_TIME_MASK;
}

/* The time of a pin that is used now. */
static inline uint64_t weir_pin_stamp(uint32_t now_ds)
{
	return (uint64_t)now_ds << WEIR_PIN_TIME_SHIFT;
}

/* A packet used it, at the time of `stamp`. */
static inline uint64_t weir_pin_refresh(uint64_t meta, uint64_t stamp)
{
	return (meta & (((uint64_t)1 << WEIR_PIN_TIME_SHIFT) - 1)) | stamp;
}

/*
 * The client acknowledged `ack`. Only what the client sends is seen: a server's FIN shows
 * in that the acknowledgement goes on by one, and no further before the client is silent.
 */
static inline uint64_t weir_pin_acked(uint64_t meta, uint32_t ack)
{
	uint32_t step = (ack - (uint32_t)(meta >> WEIR_PIN_ACK_SHIFT)) & WEIR_PIN_ACK_MASK;

	if (step == 0)
		return meta;
	meta &= ~((uint64_t)WEIR_PIN_ACK_MASK << WEIR_PIN_ACK_SHIFT | WEIR_PIN_STEP);
	return meta | (uint64_t)(ack & WEIR_PIN_ACK_MASK) << WEIR_PIN_ACK_SHIFT |
	       (step == 1 ? WEIR_PIN_STEP : 0);
}

/* Both sides are done: FIN of the client, and what looks like that of the server. */
static inline bool weir_pin_closed(uint64_t meta)
{
	return (meta & (WEIR_PIN_CLOSING | WEIR_PIN_STEP)) == (WEIR_PIN_CLOSING | WEIR_PIN_STEP);
}

/* Buckets of a table for `pins` pins: twice the room, a power of two. */
static inline uint32_t weir_pin_buckets(uint32_t pins)
{
	uint32_t n = 2 * WEIR_PINS_MIN / WEIR_PIN_WAYS;

	while (n * WEIR_PIN_WAYS < 2 * pins)
		n *= 2;
	return n;
}

/*
 * Bucket number `place` of those where a pin can stand: one and its neighbour, then another
 * and its neighbour. The high bits of a hash choose its slot, and pins gather in few slots:
 * these are of the low bits. mask: buckets - 1.
 */
static inline uint32_t weir_pin_place(uint64_t hash, unsigned place, uint32_t mask)
{
	return ((uint32_t)(place < 2 ? hash : hash >> 24) ^ place % 2) & mask;
}

/* 0 marks a free place: the one flow that hashes to it shares the next value. */
static inline uint64_t weir_pin_key(uint64_t flow_hash)
{
	return flow_hash + (flow_hash == 0);
}

/* Read a pin that another thread writes. False: free, or changing. */
static inline bool weir_pin_read(const struct weir_pin *p, uint64_t *hash, uint64_t *meta)
{
	*hash = atomic_load_explicit(&p->hash, memory_order_acquire);
	if (*hash == 0)
		return false;
	*meta = atomic_load_explicit(&p->meta, memory_order_acquire);
	return atomic_load_explicit(&p->hash, memory_order_relaxed) == *hash;
}

#endif /* WEIR_PIN_H */
