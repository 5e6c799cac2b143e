// SPDX-License-Identifier: Apache-2.0
/*
 * The ways of DSR probes: for each backend and VIP the entry that carries them
 * (probe_path.h), kept in step with what the backend's packets get: next hop, mode,
 * outer addresses, MTU. And the program on every interface that they may leave by:
 * those of Weir's ports, and those that the routes to the VIPs name.
 */
#ifndef WEIR_PROBE_WAYS_H
#define WEIR_PROBE_WAYS_H

#include "model.h"
#include "probe.h"
#include "probe_path.h"
#include "session.h"

#include <uv.h>

struct probe_ways;
struct vip_route;

/* One way; the caller's memory, zeroed at first. */
struct probe_way {
	uint32_t mark;		  /* 0: not open */
	struct probe_route route; /* as the entry says */
	struct vip_route *vip;
};

/*
 * Loads the program: before privileges are dropped. Without it (no rights, a kernel
 * that refuses) all goes on, and every probe_ways_open() says why it cannot; the
 * sentence is logged here. -ENOMEM, or what rtnl_open() says.
 */
int probe_ways_create(uv_loop_t *loop, struct probe_ways **out);
/* Takes the program off all interfaces. Every way is void. */
void probe_ways_destroy(struct probe_ways *w);

/* The data plane's ports on attach; NULL on loss: what is known stays. */
void probe_ways_ports(struct probe_ways *w, const struct weir_ports_are *ports);

/* Routes, links or addresses changed: the ways to the VIPs are looked at anew, each when
 * it is used next. */
void probe_ways_look(struct probe_ways *w);

/*
 * Open the way to `b` for `vip`, or bring it up to date: call it before each probe; it
 * costs a comparison when nothing has changed. NULL: way->mark is to be used. Else why
 * there is none, a sentence that holds until the next call.
 */
const char *probe_ways_open(struct probe_ways *w, struct probe_way *way, const struct backend *b,
			    const struct weir_addr *vip);
void probe_ways_close(struct probe_ways *w, struct probe_way *way);

/* What came of a probe by this way: that this host cannot send any is logged once a VIP, and
 * that it can again. */
void probe_ways_ended(struct probe_way *way, const struct probe_result *r);

/* The name of a port of the data plane; NULL: not known. */
const char *probe_ways_port(const struct probe_ways *w, unsigned port);

/* For counters; NULL: the program is not there. */
struct probe_path *probe_ways_path(const struct probe_ways *w);

/* A probe_hint_fn and a probe_left_fn; `user` is the struct probe_ways, and the program is
 * there. */
const char *probe_ways_hint(void *user, uint32_t mark, uint64_t since_ns);
enum probe_left probe_ways_left(void *user, uint32_t mark, uint64_t since_ns);

/* The route of `b`'s probes to `vip`, when next hop and port are known. Pure. */
void probe_ways_route(const struct backend *b, const struct weir_addr *vip,
		      const struct weir_port_info *port, struct probe_route *out);

#endif /* WEIR_PROBE_WAYS_H */
