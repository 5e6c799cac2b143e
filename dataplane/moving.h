// SPDX-License-Identifier: Apache-2.0
/*
 * Who gets a packet whose slot is not settled: the rule of the design's "Changing
 * owner without breaking flows". Called by select for those packets alone.
 */
#ifndef WEIR_MOVING_H
#define WEIR_MOVING_H

#include "pins.h"
#include "pipeline.h"
#include "view.h"

/* A packet whose slot is moving or pinned, and the slot's entry. */
struct unsettled {
	struct pkt *pkt;
	weir_slot entry;
};

/*
 * Chooses for `n` packets of a burst; the caller has asked for their first pins
 * (pins_prefetch). Writes their backend, or drop. Makes, refreshes and drops pins as the
 * rule says, unless t->read_only.
 */
void moving_burst(const struct view *v, struct pins *t, struct burst *b,
		  const struct unsettled *packet, uint32_t n);

#endif /* WEIR_MOVING_H */
