// SPDX-License-Identifier: Apache-2.0
/*
 * What `up` or `down` has to change: computed from what is wanted, what is, and
 * what an earlier `up` noted down. Pure; setup.c carries it out: `up` in the order
 * of the fields, `down` with the sysctls at the end.
 */
#ifndef WEIR_BACKEND_PLAN_H
#define WEIR_BACKEND_PLAN_H

#include "host.h"
#include "settings.h"
#include "state.h"

struct plan_sysctl {
	char name[SYSCTL_NAME_LEN];
	int from, to;
};

/* The MSS that a default route announces; 0: what follows from its MTU. */
struct plan_route {
	struct host_route route;
	uint32_t from, to;
};

struct plan {
	struct state before; /* what the state file must say before anything changes */
	/* Silence comes before the VIPs and goes after them, or neighbours would
	 * learn that the VIPs are here. */
	struct plan_sysctl sysctl[STATE_SYSCTLS];
	unsigned sysctl_count;
	bool qdisc_add;
	bool attach;
	struct plan_route route[STATE_ROUTES];
	unsigned route_count;
	struct prefix_list vip_add, vip_del; /* on lo */
	bool detach;
	bool qdisc_del;
	struct state after; /* what the file must say at the end of `up` */
	/* `down`: sysctls and routes that someone else has set since, and which stay so. */
	struct plan_sysctl kept[STATE_SYSCTLS];
	unsigned kept_count;
	struct plan_route kept_route[STATE_ROUTES];
	unsigned kept_route_count;
};

/*
 * `link` is the configured interface. `noted` is the state of this interface, all
 * zero when there is none; `others` what other interfaces claim. Returns 0 or
 * -ENOMEM, and *out untouched then.
 */
int plan_up(const struct settings *s, const struct host *h, const struct host_link *link,
	    const struct state *noted, const struct state *others, struct plan *out);

/* `link` is NULL when the interface is gone. */
int plan_down(const struct host *h, const struct host_link *link, const struct state *noted,
	      const struct state *others, struct plan *out);

void plan_free(struct plan *p);

#endif /* WEIR_BACKEND_PLAN_H */
