// SPDX-License-Identifier: Apache-2.0
#include "tc_watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdlib.h>

enum { EVENTS_A_TURN = 64 }; /* a flood of them must not hold up the probes */

struct tc_watch {
	struct mnl_socket *socket;
	uv_poll_t poll;
	tc_watch_fn *changed;
	void *user;
};

static int event(const struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	struct tc_watch *w = data;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*tc) && tc->tcm_ifindex > 0)
		w->changed(w->user, (uint32_t)tc->tcm_ifindex);
	return MNL_CB_OK;
}

void tc_watch_read(struct tc_watch *w)
{
	alignas(8) char buf[16384];

	for (unsigned i = 0; i < EVENTS_A_TURN; i++) {
		ssize_t len = mnl_socket_recvfrom(w->socket, buf, sizeof(buf));

		if (len < 0 && errno == EAGAIN)
			return;
		/* ENOBUFS: events were lost. ENOSPC: one did not fit. */
		if (len < 0 || mnl_cb_run(buf, (size_t)len, 0, 0, event, w) < 0)
			w->changed(w->user, 0);
	}
	w->changed(w->user, 0); /* what is in the rest is not known yet */
}

static void readable(uv_poll_t *p, int status, int events)
{
	(void)status, (void)events;
	tc_watch_read(p->data);
}

int tc_watch_create(uv_loop_t *loop, tc_watch_fn *changed, void *user, struct tc_watch **out)
{
	static const int group = RTNLGRP_TC;
	struct tc_watch *w = calloc(1, sizeof(*w));
	int err;

	if (w == NULL)
		return -ENOMEM;
	w->changed = changed;
	w->user = user;
	w->poll.data = w;
	w->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (w->socket == NULL) {
		err = -errno;
		goto err_free;
	}
	if (mnl_socket_bind(w->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(w->socket, NETLINK_ADD_MEMBERSHIP, (void *)(uintptr_t)&group,
				  sizeof(group)) < 0) {
		err = -errno;
		goto err_close;
	}
	err = uv_poll_init(loop, &w->poll, mnl_socket_get_fd(w->socket));
	if (err < 0)
		goto err_close;
	uv_poll_start(&w->poll, UV_READABLE, readable);
	uv_unref((uv_handle_t *)&w->poll);
	*out = w;
	return 0;

err_close:
	mnl_socket_close(w->socket);
err_free:
	free(w);
	return err;
}

static void closed(uv_handle_t *h)
{
	free(h->data);
}

void tc_watch_destroy(struct tc_watch *w)
{
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, closed);
	mnl_socket_close(w->socket);
}
