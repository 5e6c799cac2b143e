// SPDX-License-Identifier: Apache-2.0
/*
 * Openers that went to base without a pin, for want of room. One that is sent again, after 1, 2 or
 * 4 s, must go there again, and nothing else tells it from a new one: a bit by its hash
 * does, for 5 to 10 s. Of two flows with the same bit the other one stays with base too, which
 * costs time and no connection. More than a few hundred in a tenth of a second are a flood,
 * whose bits would soon be all: then all openers go to base, for 10 s after the last such
 * tenth (is_short).
 *
 * The worker's own; explain reads it.
 */
#ifndef WEIR_PIN_NOTES_H
#define WEIR_PIN_NOTES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PIN_NOTES_BITS	  (1u << 17)
#define PIN_NOTES_HALF_DS 50
#define PIN_SHORT_DS	  100

struct pin_notes {
	_Atomic uint64_t word[2][PIN_NOTES_BITS / 64]; /* of this half of the time, and the last */
	uint32_t half;				       /* which is this one's */
	uint32_t half_ds;			       /* when it began */
	uint32_t left;				       /* that may be noted in this decisecond */
	uint32_t short_ds;			       /* when there were more than may be */
	_Atomic bool is_short;			       /* that was less than PIN_SHORT_DS ago */
};

/* It is now_ds, a new decisecond; `most`: how many may be noted in it. */
void pin_notes_clock(struct pin_notes *n, uint32_t now_ds, uint32_t most);

/* An opener goes to base without a pin. */
void pin_notes_add(struct pin_notes *n, uint64_t flow_hash, uint32_t now_ds);

/* Likewise, and no more are noted. */
void pin_notes_run_short(struct pin_notes *n, uint32_t now_ds);

/* What another thread has, as far as pin_notes_has() asks. */
void pin_notes_copy(struct pin_notes *to, const struct pin_notes *from);

static inline bool pin_notes_are_short(const struct pin_notes *n)
{
	return atomic_load_explicit(&n->is_short, memory_order_relaxed);
}

/* Are they short, and is there nothing to be done for one more opener but to renew that? */
static inline bool pin_notes_are_spent(const struct pin_notes *n)
{
	return pin_notes_are_short(n) & (n->left == 0);
}

/* Is an opener of this flow to go to base, for it may be one that comes again? */
static inline bool pin_notes_has(const struct pin_notes *n, uint64_t flow_hash)
{
	uint32_t at = (uint32_t)(flow_hash >> 32) % PIN_NOTES_BITS;
	uint64_t both = atomic_load_explicit(&n->word[0][at / 64], memory_order_relaxed) |
			atomic_load_explicit(&n->word[1][at / 64], memory_order_relaxed);

	return pin_notes_are_short(n) || both >> at % 64 & 1;
}

#endif /* WEIR_PIN_NOTES_H */
