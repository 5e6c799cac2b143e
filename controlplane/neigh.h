// SPDX-License-Identifier: Apache-2.0
/*
 * Next hops from the kernel (libmnl, rtnetlink): the route to a backend gives the
 * egress interface, gateway and source; the neighbour entry gives the MAC. Entries
 * are installed NTF_EXT_MANAGED, so that the kernel keeps them resolved. An
 * interface that carries no port of the data plane is an unresolved next hop.
 */
#ifndef WEIR_NEIGH_H
#define WEIR_NEIGH_H

#include "dp_session.h"
#include "model.h"

#include <uv.h>

struct neigh;

/* `changed` is called when b->hop changed; never from inside neigh_watch(). */
int neigh_create(uv_loop_t *loop, void (*changed)(void *user, struct backend *b), void *user,
		 struct neigh **out);
void neigh_destroy(struct neigh *n);

/* The data plane's ports (ifindex to port number), on attach; NULL on loss. */
void neigh_ports(struct neigh *n, const struct weir_ports_are *ports);

/* Keep b->hop up to date until neigh_forget(b). Call again when its conf changed. */
void neigh_watch(struct neigh *n, struct backend *b);
void neigh_forget(struct neigh *n, struct backend *b);

#endif /* WEIR_NEIGH_H */
