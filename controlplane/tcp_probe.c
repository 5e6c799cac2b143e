// SPDX-License-Identifier: Apache-2.0
#include "tcp_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tcp_probe {
	uv_poll_t poll;	  /* the connect has ended, either way */
	uv_timer_t timer; /* the timeout; fires at once when connect() failed at once */
	unsigned closing; /* handles that libuv still holds */
	int fd;
	int failed; /* errno of connect() itself; 0: under way */
	uint16_t port;
	uint32_t timeout_ms;
	tcp_probe_fn *done;
	void *user;
};

static void closed(uv_handle_t *h)
{
	struct tcp_probe *p = h->data;

	if (--p->closing == 0)
		free(p);
}

/* libuv frees a handle only in a later turn of the loop: `p` lives until then. */
static void release(struct tcp_probe *p)
{
	p->closing = 2;
	uv_close((uv_handle_t *)&p->poll, closed);
	uv_close((uv_handle_t *)&p->timer, closed);
	close(p->fd);
}

/* The errors a person meets in words of their own; the rest as the C library has them. */
static const char *words(int err)
{
	switch (err) {
	case ECONNREFUSED:
		return "connection refused";
	case EHOSTUNREACH:
		return "host unreachable (no answer to ARP or ND, or an ICMP error)";
	case ENETUNREACH:
		return "no route";
	case EACCES:
	case EPERM:
		return "a firewall rule of this host forbids the connection";
	case EINVAL: /* connect(2) does not say so, fib_lookup() does */
		return "a blackhole route";
	case EADDRNOTAVAIL:
		return "this host has no free source port";
	default:
		return strerror(err);
	}
}

static void finish(struct tcp_probe *p, int err)
{
	tcp_probe_fn *done = p->done;
	void *user = p->user;
	char reason[TCP_PROBE_REASON_LEN];

	if (err == 0)
		snprintf(reason, sizeof(reason), "port %u: connected", p->port);
	else if (err == ETIMEDOUT)
		snprintf(reason, sizeof(reason), "port %u: no answer in %u ms", p->port,
			 p->timeout_ms);
	else
		snprintf(reason, sizeof(reason), "port %u: %s", p->port, words(err));
	release(p);
	done(user, err == 0, reason);
}

static void connected(uv_poll_t *h, int status, int events)
{
	struct tcp_probe *p = h->data;
	socklen_t len = sizeof(int);
	int err = 0;

	(void)events;
	/* libuv reports a socket's error as UV_EBADF, whatever it is: ask the socket. */
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err == 0 && status < 0)
		err = -status;
	finish(p, err);
}

static void timed_out(uv_timer_t *t)
{
	struct tcp_probe *p = t->data;
	struct pollfd fd = { .fd = p->fd, .events = POLLOUT };

	/* libuv runs timers before it looks at sockets: if this process was busy for the
	 * whole time, the answer may have come in time and wait to be seen. */
	if (p->failed == 0 && poll(&fd, 1, 0) == 1)
		connected(&p->poll, 0, UV_WRITABLE);
	else
		finish(p, p->failed != 0 ? p->failed : ETIMEDOUT);
}

static socklen_t sockaddr_of(const struct tcp_probe_target *t, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (t->addr.family == 6) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)ss;

		a->sin6_family = AF_INET6;
		a->sin6_port = htons(t->port);
		memcpy(&a->sin6_addr, t->addr.bytes, 16);
		return sizeof(*a);
	} else {
		struct sockaddr_in *a = (struct sockaddr_in *)ss;

		a->sin_family = AF_INET;
		a->sin_port = htons(t->port);
		memcpy(&a->sin_addr, t->addr.bytes, 4);
		return sizeof(*a);
	}
}

int tcp_probe_start(uv_loop_t *loop, const struct tcp_probe_target *t, tcp_probe_fn *done,
		    void *user, struct tcp_probe **out)
{
	/* A reset instead of the four-way close. */
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_of(t, &ss);
	struct tcp_probe *p;
	int err;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	*p = (struct tcp_probe){
		.port = t->port, .timeout_ms = t->timeout_ms, .done = done, .user = user
	};
	p->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0) {
		err = -errno;
		goto err_free;
	}
	(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(p->fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		p->failed = errno;

	err = uv_poll_init(loop, &p->poll, p->fd);
	if (err < 0)
		goto err_close;
	uv_timer_init(loop, &p->timer);
	p->poll.data = p->timer.data = p;
	uv_timer_start(&p->timer, timed_out, p->failed != 0 ? 0 : p->timeout_ms, 0);
	if (p->failed == 0) {
		err = uv_poll_start(&p->poll, UV_WRITABLE, connected);
		if (err < 0) {
			release(p);
			return err;
		}
	}
	*out = p;
	return 0;

err_close:
	close(p->fd);
err_free:
	free(p);
	return err;
}

void tcp_probe_cancel(struct tcp_probe *p)
{
	release(p);
}
