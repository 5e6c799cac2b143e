// SPDX-License-Identifier: Apache-2.0
/*
 * tcp: connect; then, when set, send bytes and expect bytes.
 */
#include "bytes.h"
#include "probe_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tcp_probe {
	struct probe p;
	size_t got;
	uint8_t *answer; /* PROBE_STREAM_MAX bytes, when an answer is expected */
};

static void tcp_connected(struct probe *p)
{
	struct tcp_probe *t = (struct tcp_probe *)p;
	const struct probe_tcp_conf *c = &p->conf->tcp;

	if (c->send.len) {
		if (send(p->fd, c->send.data, c->send.len, MSG_NOSIGNAL) != c->send.len) {
			probe_socket_fail(p, errno, "sending");
			return;
		}
		probe_step_reached(p, PROBE_STEP_SENT);
	}
	if (c->expect.len == 0) {
		probe_pass(p, "connected");
		return;
	}
	t->answer = malloc(PROBE_STREAM_MAX);
	if (t->answer == NULL)
		probe_fail(p, PROBE_FAIL_LOCAL, "this host is out of memory");
	else
		probe_watch(p, UV_READABLE);
}

static void tcp_stop(struct probe *p)
{
	free(((struct tcp_probe *)p)->answer);
}

static bool tcp_matches(const struct tcp_probe *t)
{
	const struct probe_bytes *want = &t->p.conf->tcp.expect;

	if (t->p.conf->tcp.anywhere)
		return memmem(t->answer, t->got, want->data, want->len) != NULL;
	return t->got >= want->len && memcmp(t->answer, want->data, want->len) == 0;
}

/* No more will come that matters: say how the answer differs from what was wanted. */
static void tcp_fail_answer(struct tcp_probe *t, const char *why_no_more)
{
	const struct probe_bytes *want = &t->p.conf->tcp.expect;
	char got[48], wanted[48];

	if (!t->p.conf->tcp.anywhere &&
	    bytes_common(t->answer, t->got, want->data, want->len) == t->got) {
		probe_fail(&t->p, PROBE_FAIL_HALF_ANSWER, "half an answer: %zu of %u bytes%s",
			   t->got, want->len, why_no_more);
		return;
	}
	bytes_quote(t->answer, t->got, got, sizeof(got));
	bytes_quote(want->data, want->len, wanted, sizeof(wanted));
	probe_fail(&t->p, PROBE_FAIL_WRONG_ANSWER, "wrong answer: %s, wanted %s", got, wanted);
}

/* True when it will never match, however much more comes. */
static bool tcp_hopeless(const struct tcp_probe *t)
{
	const struct probe_bytes *want = &t->p.conf->tcp.expect;

	if (t->p.conf->tcp.anywhere)
		return t->got == PROBE_STREAM_MAX;
	return bytes_common(t->answer, t->got, want->data, want->len) <
	       (t->got < want->len ? t->got : want->len);
}

static void tcp_ended(struct tcp_probe *t, ssize_t n)
{
	if (n < 0)
		probe_socket_fail(&t->p, errno, "reading");
	else if (t->got == 0)
		probe_fail(&t->p, PROBE_FAIL_CLOSED, "connected, but closed without an answer");
	else
		tcp_fail_answer(t, ", then closed");
}

static void tcp_ready(struct probe *p, int events)
{
	struct tcp_probe *t = (struct tcp_probe *)p;

	(void)events;
	if (probe_stream_connecting(p))
		return;
	for (;;) {
		ssize_t n = recv(p->fd, t->answer + t->got, PROBE_STREAM_MAX - t->got, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			tcp_ended(t, n);
			return;
		}
		probe_step_reached(p, PROBE_STEP_FIRST);
		t->got += (size_t)n;
		if (tcp_matches(t)) {
			probe_pass(p, "connected, answered as expected");
			return;
		}
		if (tcp_hopeless(t)) {
			tcp_fail_answer(t, "");
			return;
		}
	}
}

static void tcp_timeout(struct probe *p)
{
	struct tcp_probe *t = (struct tcp_probe *)p;
	char within[32];

	snprintf(within, sizeof(within), " in %u ms", p->conf->answer_timeout_ms);
	if (t->got == 0)
		probe_stream_silent(p, "answer");
	else
		tcp_fail_answer(t, within);
}

const struct probe_ops probe_tcp_ops = {
	.size = sizeof(struct tcp_probe),
	.start = probe_stream_start,
	.connected = tcp_connected,
	.ready = tcp_ready,
	.timeout = tcp_timeout,
	.stop = tcp_stop,
};
