// SPDX-License-Identifier: Apache-2.0
/*
 * agent: connect, send a string if one is set, read one line. What the line means
 * is agent_words.h's business: here any line passes and stands in result.text.
 */
#include "probe_impl.h"

#include <errno.h>
#include <string.h>

struct agent_probe {
	struct probe p;
	size_t got;
	char line[PROBE_TEXT_LEN];
};

static void agent_connected(struct probe *p)
{
	const struct probe_bytes *b = &p->conf->agent.send;

	if (b->len && send(p->fd, b->data, b->len, MSG_NOSIGNAL) != b->len) {
		probe_socket_fail(p, errno, "sending");
		return;
	}
	probe_watch(p, UV_READABLE);
}

static void agent_done(struct agent_probe *a)
{
	a->line[strcspn(a->line, "\r\n")] = '\0';
	memcpy(a->p.result.text, a->line, sizeof(a->p.result.text));
	if (a->line[0])
		probe_pass(&a->p, "the agent says: %s", a->line);
	else
		probe_fail(&a->p, PROBE_FAIL_WRONG_ANSWER, "the agent sent an empty line");
}

static void agent_ready(struct probe *p, int events)
{
	struct agent_probe *a = (struct agent_probe *)p;

	(void)events;
	if (probe_stream_connecting(p))
		return;
	for (;;) {
		/* One byte stays for the NUL that calloc() left. */
		ssize_t n = recv(p->fd, a->line + a->got, sizeof(a->line) - 1 - a->got, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			probe_socket_fail(p, errno, "reading");
			return;
		}
		if (n == 0 && a->got == 0) {
			probe_fail(p, PROBE_FAIL_CLOSED, "connected, but the agent said nothing");
			return;
		}
		if (n > 0)
			probe_step_reached(p, PROBE_STEP_FIRST);
		a->got += (size_t)n;
		if (n == 0 || strchr(a->line, '\n') || a->got == sizeof(a->line) - 1) {
			agent_done(a);
			return;
		}
	}
}

static void agent_timeout(struct probe *p)
{
	struct agent_probe *a = (struct agent_probe *)p;

	if (a->got == 0)
		probe_stream_silent(p, "answer");
	else
		probe_fail(p, PROBE_FAIL_HALF_ANSWER,
			   "half an answer: %zu bytes without an end of line in %u ms", a->got,
			   p->conf->answer_timeout_ms);
}

const struct probe_ops probe_agent_ops = {
	.size = sizeof(struct agent_probe),
	.start = probe_stream_start,
	.connected = agent_connected,
	.ready = agent_ready,
	.timeout = agent_timeout,
};
