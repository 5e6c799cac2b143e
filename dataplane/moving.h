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

/* A handshake under way when a slot begins to move finishes where it began. */
#define MOVING_GRACE_MS 3000

#define MOVING_NOBODY UINT16_MAX /* no backend takes this packet */

/*
 * The backend of packet `p`, whose slot number is `slot` and whose entry is `s`,
 * moving or pinned. Makes, refreshes and drops pins as the rule says, unless
 * t->read_only. `opener`: the packet starts a flow (select decides it). MOVING_NOBODY: a
 * new flow, and no backend of the pool serves.
 */
unsigned moving_select(struct pins *t, const struct view *v, const struct pkt *p, uint32_t slot,
		       weir_slot s, bool tcp, bool opener);

#endif /* WEIR_MOVING_H */
