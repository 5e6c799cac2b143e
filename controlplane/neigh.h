// SPDX-License-Identifier: Apache-2.0
/*
 * Next hops from the kernel (libmnl, rtnetlink): the route to a backend gives the
 * egress interface, gateway and source; the neighbour entry gives the MAC. Entries
 * are installed NTF_EXT_MANAGED, so that the kernel keeps them resolved. What each
 * finding means is next_hop.c's; this file asks, listens and remembers.
 *
 * A changed neighbour is taken over as the kernel tells of it. After a change of
 * routes, links or addresses everything is asked again: 50 ms later, so that a burst
 * of changes is one, and at most once a second.
 */
#ifndef WEIR_NEIGH_H
#define WEIR_NEIGH_H

#include "dp_session.h"
#include "model.h"

#include <uv.h>

struct neigh;

struct neigh_hooks {
	void *user;
	/* b->hop changed. */
	void (*changed)(void *user, struct backend *b);
	/* Routes, links or addresses did; may be NULL. */
	void (*routes)(void *user);
};

/* The hooks are never called from inside these functions, and may not call them. 0 or
 * -errno. */
int neigh_create(uv_loop_t *loop, const struct neigh_hooks *hooks, struct neigh **out);

/* Removes the neighbour entries that were made here. After the last neigh_forget(). */
void neigh_destroy(struct neigh *n);

/*
 * The data plane's ports, on attach (ifindex to port number); NULL on loss. The next
 * hops' port numbers are right on return; a next hop whose interface is no port any
 * more is not resolved then.
 */
void neigh_ports(struct neigh *n, const struct weir_ports_are *ports);

/* Keep b->hop up to date until neigh_forget(b). Call again when its conf changed. A
 * next hop set by hand (mac=) is in b->hop on return, others a moment later. */
void neigh_watch(struct neigh *n, struct backend *b);
void neigh_forget(struct neigh *n, struct backend *b);

#endif /* WEIR_NEIGH_H */
