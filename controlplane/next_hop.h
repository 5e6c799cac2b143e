// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel says about the way to a backend, made into the next hop of the
 * snapshot: a pure function, and with it every reason why there is none.
 */
#ifndef WEIR_NEXT_HOP_H
#define WEIR_NEXT_HOP_H

#include "model.h"
#include "rtnl.h"
#include "session.h"

/* What is known; everything is the caller's. */
struct next_hop_facts {
	const struct weir_ports_are *ports; /* NULL: no data plane has been attached yet */
	int route_err;			    /* 0: `route` holds; else what rtnl_route_get() said */
	struct rtnl_route route;
	bool has_mac; /* of the gateway, or of the backend where there is none */
	uint8_t mac[6];
	const char *ifname; /* of route.ifindex, for sentences */
};

/*
 * The next hop of `b` by these facts. b->hop is what was known before, and stays where
 * the facts say less: a route or a MAC that is gone for now is not a reason to stop
 * (DESIGN: the last MAC stays and the checks decide). It does not stay where using it
 * would be wrong: its port is gone, or `l2` would send to a gateway.
 *
 * out->why says what is missing, also when an older answer stays; empty: nothing is.
 */
void next_hop_derive(const struct backend *b, const struct next_hop_facts *f,
		     struct next_hop *out);

/* The port that carries a kernel interface, or -1. */
int next_hop_port(const struct weir_ports_are *ports, uint32_t ifindex);

/* Differences that workers would notice: anything but `why`. */
bool next_hop_equal(const struct next_hop *a, const struct next_hop *b);

#endif /* WEIR_NEXT_HOP_H */
