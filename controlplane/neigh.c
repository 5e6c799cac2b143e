// SPDX-License-Identifier: Apache-2.0
#include "neigh.h"

#include "neigh_hold.h"
#include "next_hop.h"
#include "rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	SLICE = 256,	     /* backends asked for in one turn of the loop: about 5 ms */
	SETTLE_MS = 50,	     /* a change of routes rarely comes alone */
	PASS_MS = 1000,	     /* least time between two rounds over all backends */
	USE_MS = 20000,	     /* without managed entries: less than base_reachable_time */
	EVENT_BUF = 1 << 20, /* bytes of events that may wait for us */
	EVENTS_A_TURN = 64,  /* datagrams */
};

/* A backend whose next hop is kept up to date. */
struct hop_watch {
	struct backend *b;
	struct hop_watch *next, **at;		/* of all */
	struct hop_watch *next_held, **at_held; /* at the same hold */
	struct hop_watch *next_due;		/* to be asked for */
	bool due;
	int route_err; /* of the last question; 0: `route` holds */
	struct rtnl_route route;
	struct weir_addr asked;	 /* the address of that question */
	struct neigh_hold *hold; /* NULL: no neighbour to know */
	uint32_t hop_ifindex;	 /* behind b->hop.port; 0: set by hand, or not by us */
};

struct neigh {
	uv_loop_t *loop;
	struct neigh_hooks hooks;
	struct rtnl *rtnl;
	struct neigh_holds *holds;
	struct mnl_socket *events;
	uv_poll_t poll;
	uv_timer_t work;  /* asks for what is due */
	uv_timer_t again; /* makes everything due */
	uv_timer_t use;	  /* for `plain` entries */
	unsigned handles; /* that libuv holds */
	uint64_t last_pass_ms;
	struct hop_watch *all;
	struct hop_watch *due, **due_tail;
	bool attached;
	struct weir_ports_are ports;
};

/* -- backends --------------------------------------------------------------- */

static void watch_let_go(struct neigh *n, struct hop_watch *w)
{
	struct neigh_hold *h = w->hold;

	if (h == NULL)
		return;
	w->hold = NULL;
	*w->at_held = w->next_held;
	if (w->next_held != NULL)
		w->next_held->at_held = w->at_held;
	if (h->watches == NULL)
		neigh_hold_drop(n->holds, h);
}

static void watch_hold(struct neigh *n, struct hop_watch *w, uint32_t ifindex,
		       const struct weir_addr *addr)
{
	struct neigh_hold *h;

	if (w->hold != NULL && w->hold->ifindex == ifindex &&
	    weir_addr_equal(&w->hold->addr, addr)) {
		neigh_hold_refresh(n->holds, w->hold);
		return;
	}
	watch_let_go(n, w);
	h = neigh_hold_take(n->holds, ifindex, addr);
	if (h == NULL)
		return;
	w->hold = h;
	w->at_held = &h->watches;
	w->next_held = h->watches;
	if (w->next_held != NULL)
		w->next_held->at_held = &w->next_held;
	h->watches = w;
}

static void watch_ask(struct neigh *n, struct hop_watch *w)
{
	const struct backend *b = w->b;
	const struct rtnl_route *r = &w->route;

	w->asked = b->conf.addr;
	w->route_err = rtnl_route_get(n->rtnl, &b->conf.addr, &w->route);
	if (w->route_err != 0) {
		/* The neighbour's entry stays for when the route comes back. */
	} else if (b->conf.has_mac || r->local || !n->attached ||
		   next_hop_port(&n->ports, r->ifindex) < 0 ||
		   (b->pool->conf.mode == WEIR_MODE_L2 && r->gateway.family != 0)) {
		watch_let_go(n, w);
	} else {
		watch_hold(n, w, r->ifindex, r->gateway.family != 0 ? &r->gateway : &b->conf.addr);
	}
}

/* From what is known; asks nobody. True if workers would notice. */
static bool watch_derive(struct neigh *n, struct hop_watch *w)
{
	char ifname[IF_NAMESIZE] = "?";
	struct next_hop_facts facts = {
		.ports = n->attached ? &n->ports : NULL,
		.route_err = w->route_err,
		.route = w->route,
		.has_mac = w->hold != NULL && w->hold->has_mac,
		.ifname = ifname,
	};
	struct next_hop hop;
	bool differs;

	if (w->route_err == 0 && if_indextoname(w->route.ifindex, ifname) == NULL)
		strcpy(ifname, "?");
	if (facts.has_mac)
		memcpy(facts.mac, w->hold->mac, sizeof(facts.mac));
	next_hop_derive(w->b, &facts, &hop);
	differs = !next_hop_equal(&hop, &w->b->hop);
	if (hop.resolved && hop.why[0] == '\0')
		w->hop_ifindex = w->b->conf.has_mac ? 0 : w->route.ifindex;
	w->b->hop = hop;
	return differs;
}

static void watch_settle(struct neigh *n, struct hop_watch *w)
{
	if (watch_derive(n, w))
		n->hooks.changed(n->hooks.user, w->b);
}

static void watch_due(struct neigh *n, struct hop_watch *w)
{
	if (w->due)
		return;
	w->due = true;
	w->next_due = NULL;
	*n->due_tail = w;
	n->due_tail = &w->next_due;
}

static void work(uv_timer_t *t)
{
	struct neigh *n = t->data;

	for (unsigned i = 0; i < SLICE && n->due != NULL; i++) {
		struct hop_watch *w = n->due;

		n->due = w->next_due;
		if (n->due == NULL)
			n->due_tail = &n->due;
		w->due = false;
		watch_ask(n, w);
		watch_settle(n, w);
	}
	if (n->due != NULL)
		uv_timer_start(&n->work, work, 0, 0);
}

static void everything_is_due(struct neigh *n)
{
	n->last_pass_ms = uv_now(n->loop);
	for (struct hop_watch *w = n->all; w != NULL; w = w->next)
		watch_due(n, w);
	uv_timer_start(&n->work, work, 0, 0);
}

static void again(uv_timer_t *t)
{
	struct neigh *n = t->data;

	everything_is_due(n);
	if (n->hooks.routes != NULL)
		n->hooks.routes(n->hooks.user);
}

static void ask_again_soon(struct neigh *n)
{
	uint64_t now = uv_now(n->loop), at = now + SETTLE_MS;

	if (uv_is_active((uv_handle_t *)&n->again))
		return;
	if (at < n->last_pass_ms + PASS_MS)
		at = n->last_pass_ms + PASS_MS;
	uv_timer_start(&n->again, again, at - now, 0);
}

static void use_plain(uv_timer_t *t)
{
	struct neigh *n = t->data;

	neigh_holds_use(n->holds);
}

/* -- events ----------------------------------------------------------------- */

static void neighbour_event(struct neigh *n, const struct nlmsghdr *nlh)
{
	struct rtnl_neigh entry;
	struct neigh_hold *h;

	if (!rtnl_parse_neigh(nlh, &entry))
		return;
	h = neigh_hold_find(n->holds, entry.ifindex, &entry.addr);
	if (h == NULL)
		return;
	if (nlh->nlmsg_type == RTM_DELNEIGH) {
		ask_again_soon(n); /* somebody flushed it, or its link went */
		return;
	}
	neigh_hold_learn(h, &entry);
	for (struct hop_watch *w = h->watches; w != NULL; w = w->next_held)
		watch_settle(n, w);
}

static int event(const struct nlmsghdr *nlh, void *data)
{
	struct neigh *n = data;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neighbour_event(n, nlh);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		/* Cloned: a cached IPv6 exception, not a change of routing. */
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*rtm) &&
		    (rtm->rtm_flags & RTM_F_CLONED) == 0)
			ask_again_soon(n);
		break;
	default: /* links and addresses */
		ask_again_soon(n);
	}
	return MNL_CB_OK;
}

static void readable(uv_poll_t *p, int status, int events)
{
	struct neigh *n = p->data;
	alignas(8) char buf[16384];

	(void)status;
	(void)events;
	for (unsigned i = 0; i < EVENTS_A_TURN; i++) {
		ssize_t len = mnl_socket_recvfrom(n->events, buf, sizeof(buf));

		if (len < 0 && errno == EAGAIN)
			return;
		/* ENOBUFS: events were lost. ENOSPC: one did not fit. */
		if (len < 0 || mnl_cb_run(buf, (size_t)len, 0, 0, event, n) < 0)
			ask_again_soon(n);
	}
}

static int events_open(struct mnl_socket **out)
{
	static const int groups[] = {
		RTNLGRP_NEIGH,	    RTNLGRP_LINK,	 RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR
	};
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int size = EVENT_BUF, err;

	if (s == NULL)
		return -errno;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		goto err;
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, (void *)(uintptr_t)&groups[i],
					  sizeof(groups[i])) < 0)
			goto err;
	/* FORCE passes the system's limit and needs CAP_NET_ADMIN; the rest is luck. */
	if (setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*out = s;
	return 0;

err:
	err = -errno;
	mnl_socket_close(s);
	return err;
}

/* -- outside ---------------------------------------------------------------- */

int neigh_create(uv_loop_t *loop, const struct neigh_hooks *hooks, struct neigh **out)
{
	struct neigh *n = calloc(1, sizeof(*n));
	int err;

	if (n == NULL)
		return -ENOMEM;
	n->loop = loop;
	n->hooks = *hooks;
	n->due_tail = &n->due;
	err = rtnl_open(&n->rtnl);
	if (err < 0)
		goto err_free;
	err = neigh_holds_create(n->rtnl, &n->holds);
	if (err < 0)
		goto err_rtnl;
	err = events_open(&n->events);
	if (err < 0)
		goto err_holds;
	err = uv_poll_init(loop, &n->poll, mnl_socket_get_fd(n->events));
	if (err < 0)
		goto err_events;
	uv_timer_init(loop, &n->work);
	uv_timer_init(loop, &n->again);
	uv_timer_init(loop, &n->use);
	uv_timer_start(&n->use, use_plain, USE_MS, USE_MS);
	n->poll.data = n->work.data = n->again.data = n->use.data = n;
	n->handles = 4;
	uv_poll_start(&n->poll, UV_READABLE, readable);
	*out = n;
	return 0;

err_events:
	mnl_socket_close(n->events);
err_holds:
	neigh_holds_destroy(n->holds);
err_rtnl:
	rtnl_close(n->rtnl);
err_free:
	free(n);
	return err;
}

static void closed(uv_handle_t *h)
{
	struct neigh *n = h->data;

	if (--n->handles == 0)
		free(n);
}

void neigh_destroy(struct neigh *n)
{
	while (n->all != NULL)
		neigh_forget(n, n->all->b);
	uv_close((uv_handle_t *)&n->poll, closed);
	uv_close((uv_handle_t *)&n->work, closed);
	uv_close((uv_handle_t *)&n->again, closed);
	uv_close((uv_handle_t *)&n->use, closed);
	mnl_socket_close(n->events);
	neigh_holds_destroy(n->holds);
	rtnl_close(n->rtnl);
}

void neigh_ports(struct neigh *n, const struct weir_ports_are *ports)
{
	n->attached = ports != NULL;
	if (ports == NULL)
		return;
	n->ports = *ports;
	for (struct hop_watch *w = n->all; w != NULL; w = w->next) {
		struct next_hop *hop = &w->b->hop;
		int port = next_hop_port(&n->ports, w->hop_ifindex);

		/* The numbers may be others than those of the data plane before. */
		if (hop->resolved && w->hop_ifindex != 0) {
			hop->resolved = port >= 0;
			hop->port = (uint8_t)(port >= 0 ? port : 0);
		}
		if (weir_addr_equal(&w->asked, &w->b->conf.addr))
			(void)watch_derive(n, w);
	}
	everything_is_due(n);
}

void neigh_watch(struct neigh *n, struct backend *b)
{
	struct hop_watch *w = b->watch;

	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL) {
			strcpy(b->hop.why, "no memory to find out");
			return;
		}
		w->b = b;
		w->at = &n->all;
		w->next = n->all;
		if (w->next != NULL)
			w->next->at = &w->next;
		n->all = w;
		b->watch = w;
	}
	if (!b->hop.resolved)
		w->hop_ifindex = 0;
	if (b->conf.has_mac)
		watch_ask(n, w);
	if (weir_addr_equal(&w->asked, &b->conf.addr)) {
		(void)watch_derive(n, w);
	} else {
		watch_let_go(n, w);
		strcpy(b->hop.why, "its route has not been asked for yet");
	}
	watch_due(n, w);
	uv_timer_start(&n->work, work, 0, 0);
}

void neigh_forget(struct neigh *n, struct backend *b)
{
	struct hop_watch *w = b->watch, **at;

	if (w == NULL)
		return;
	b->watch = NULL;
	watch_let_go(n, w);
	*w->at = w->next;
	if (w->next != NULL)
		w->next->at = w->at;
	if (w->due) {
		for (at = &n->due; *at != w; at = &(*at)->next_due)
			;
		*at = w->next_due;
		if (n->due_tail == &w->next_due)
			n->due_tail = at;
	}
	free(w);
}
