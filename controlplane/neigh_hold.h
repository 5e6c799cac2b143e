// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's neighbour entries that next hops rest on: one per (interface, address),
 * shared by the backends behind it, kept resolved by the kernel while it is held.
 */
#ifndef WEIR_NEIGH_HOLD_H
#define WEIR_NEIGH_HOLD_H

#include "rtnl.h"

struct hop_watch;
struct neigh_holds;

struct neigh_hold {
	uint32_t ifindex;
	struct weir_addr addr;
	bool has_mac; /* ever: a failure later keeps the last one */
	uint8_t mac[6];
	struct hop_watch *watches; /* neigh.c's: who is reached by it */
	/* neigh_hold.c's: */
	bool made;  /* the kernel's entry is there, or is managed, because of us */
	bool plain; /* this kernel has no managed entries: it wants NTF_USE now and then */
	struct neigh_hold *next;
};

/* `r` must outlive it. -ENOMEM. */
int neigh_holds_create(struct rtnl *r, struct neigh_holds **out);
void neigh_holds_destroy(struct neigh_holds *all); /* when nothing is held */

/* The hold of a neighbour, made where there is none; its entry is asked for and made
 * managed. NULL: no memory. neigh_hold_drop() removes the entry if we made it. */
struct neigh_hold *neigh_hold_take(struct neigh_holds *all, uint32_t ifindex,
				   const struct weir_addr *addr);
void neigh_hold_drop(struct neigh_holds *all, struct neigh_hold *h);

/* Or NULL. */
struct neigh_hold *neigh_hold_find(struct neigh_holds *all, uint32_t ifindex,
				   const struct weir_addr *addr);

/* Look at the kernel's entry again, and make it again if it has gone. */
void neigh_hold_refresh(struct neigh_holds *all, struct neigh_hold *h);

/* Take over what the kernel says of it. */
void neigh_hold_learn(struct neigh_hold *h, const struct rtnl_neigh *entry);

/* For kernels without managed entries (before Linux 5.16): have all that is held
 * resolved again. Call more often than the kernel's base_reachable_time (30 s). */
void neigh_holds_use(struct neigh_holds *all);

#endif /* WEIR_NEIGH_HOLD_H */
