// SPDX-License-Identifier: Apache-2.0
/*
 * Who serves each slot now. The table over all configured nodes says whose it is;
 * slots of nodes that are away go to others.
 */
#ifndef WEIR_OWNERS_H
#define WEIR_OWNERS_H

#include "maglev.h"

#include <stdbool.h>
#include <stdint.h>

struct owners_node {
	uint64_t id;	 /* identity, the same on every Weir */
	uint32_t weight; /* what the table was built with; not 0 where serves is set */
	bool serves;
	uint8_t missing; /* of OWNERS_PARTS: slots that it does not take yet (slow start) */
};

enum { OWNERS_PARTS = 16 };

/* Does a node serve of whose share parts are missing? */
bool owners_start_slowly(const struct owners_node *node, uint32_t count);

/*
 * Fill owner[len] with positions in node[]. A slot whose owner in full[len] serves
 * keeps it; another goes to a node that serves, in proportion to the weights. Nobody
 * serves: MAGLEV_NONE throughout.
 *
 * A slot's owner depends on the slot, the full table and the set of serving nodes
 * alone, and each slot has one fixed order of preference: when a node goes, only its
 * slots move; when it returns, exactly those come back; the order of events leaves
 * no trace.
 *
 * A node of whose share parts are missing takes the slots of the other parts alone; which
 * part a slot is of depends on the slot and the node. A slot that is to be its and has not
 * been taken yet stays with its present owner, if that serves: so it moves once, whoever
 * had it. Else it goes to the next in order; and where nobody else serves, to the starter.
 *
 * full     positions below count; MAGLEV_NONE (weights all 0) stays
 * present  who has the slots now, likewise or MAGLEV_NONE; NULL: nobody, or no node starts
 *          slowly
 *
 * Returns the number of slots whose owner in full does not serve, or -ENOMEM.
 *
 * Cost: one pass, below 1 ms for 65,537 slots with half of the nodes away; up to
 * 10 ms (1,000 nodes) when all but a few are away. Up to three times that when a
 * slot of a missing part has no present owner that serves.
 */
int owners_fill(uint16_t *owner, const uint16_t *full, const uint16_t *present, uint32_t len,
		const struct owners_node *node, uint32_t count);

#endif /* WEIR_OWNERS_H */
