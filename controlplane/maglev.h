// SPDX-License-Identifier: Apache-2.0
/*
 * Maglev look-up tables: every node owns its share of the slots, and a change of
 * one node moves few slots of the others. docs/tables.md says why it is this one.
 *
 * Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
 * Balancer", NSDI 2016, section 3.4. Weights are ours: a node whose weight is half
 * of the largest takes every second turn.
 */
#ifndef WEIR_MAGLEV_H
#define WEIR_MAGLEV_H

#include <stdint.h>

#define MAGLEV_NONE UINT16_MAX /* a slot without owner: every weight is 0 */

/* One backend as the builder sees it; the caller owns `name`. */
struct maglev_node {
	const char *name; /* its identity, unique: decides the slots it prefers */
	uint32_t weight;  /* 0: takes no slots */
};

/*
 * Fill table[len] with positions in node[count]. A pure function of names, weights
 * and len: the order of the nodes changes nothing but the positions, so two load
 * balancers that list them differently send every slot to the same name.
 *
 * Each node gets its exact share, len * weight / sum of weights, rounded down or
 * up; where shares are below one slot, nodes that would have none come first.
 *
 * Returns 0; -EINVAL if len is no odd prime or count is MAGLEV_NONE or more;
 * -ENOMEM. On error the table is untouched.
 *
 * Cost O(len log len), 1 to 10 ms for 65,537 slots.
 */
int maglev_fill(uint16_t *table, uint32_t len, const struct maglev_node *node, uint32_t count);

/* A node about to take turns. It prefers offset, offset + skip, ... modulo len. */
struct maglev_turn {
	uint32_t offset;   /* < len; moves on as the node takes slots */
	uint32_t skip;	   /* 1..len - 1 */
	uint32_t weight;   /* not 0 */
	uint16_t position; /* what is written into the table */
};

/*
 * The paper's populate(), apart for its example: fill table[len] from nodes in the
 * order in which they take turns, which is by falling weight. len is a prime, count
 * is not 0. Returns 0 or -ENOMEM.
 */
int maglev_populate(uint16_t *table, uint32_t len, struct maglev_turn *turn, uint32_t count);

#endif /* WEIR_MAGLEV_H */
