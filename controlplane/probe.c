// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a probe: start, one timer, one socket, one end.
 *
 * A probe's memory holds libuv handles, so it is freed by the last close
 * callback, one turn of the loop after its end; `finished` guards what may
 * still arrive in between.
 */
#include "probe_impl.h"
#include "probe_settings.h"
#include "tls_verify.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const struct probe_ops *const kinds[PROBE_KINDS] = {
	[PROBE_TCP] = &probe_tcp_ops,	  [PROBE_HTTP] = &probe_http_ops,
	[PROBE_TLS] = &probe_tls_ops,	  [PROBE_UDP] = &probe_udp_ops,
	[PROBE_DNS] = &probe_dns_ops,	  [PROBE_STUN] = &probe_stun_ops,
	[PROBE_QUIC] = &probe_quic_ops,	  [PROBE_ECHO] = &probe_echo_ops,
	[PROBE_AGENT] = &probe_agent_ops, [PROBE_EXEC] = &probe_exec_ops,
};

/* -- context --------------------------------------------------------------------- */

int probe_ctx_create(uv_loop_t *loop, struct probe_ctx **out)
{
	struct probe_ctx *ctx = calloc(1, sizeof(*ctx));
	int err;

	if (ctx == NULL)
		return -ENOMEM;
	ctx->loop = loop;
	ctx->references = 1;
	signal(SIGPIPE, SIG_IGN); /* OpenSSL and libcurl write without MSG_NOSIGNAL */
	err = tls_open(ctx);
	if (err)
		goto err_free;
	err = probe_curl_open(ctx);
	if (err)
		goto err_tls;
	*out = ctx;
	return 0;

err_tls:
	tls_close(ctx);
err_free:
	free(ctx);
	return err;
}

static void ctx_release(struct probe_ctx *ctx)
{
	if (--ctx->references > 0)
		return;
	tls_close(ctx);
	free(ctx);
}

static void ctx_timer_closed(uv_handle_t *h)
{
	ctx_release(h->data);
}

void probe_ctx_destroy(struct probe_ctx *ctx)
{
	while (ctx->probes)
		probe_cancel(ctx->probes);
	probe_curl_close(ctx);
	ctx->multi_timer.data = ctx;
	uv_close((uv_handle_t *)&ctx->multi_timer, ctx_timer_closed);
}

void probe_ctx_hint(struct probe_ctx *ctx, probe_hint_fn *hint, probe_left_fn *left, void *user)
{
	ctx->hint = hint;
	ctx->left = left;
	ctx->hint_user = user;
}

unsigned probe_count(const struct probe_ctx *ctx)
{
	return ctx->count;
}

void probe_random(struct probe_ctx *ctx, uint8_t *buf, size_t len)
{
	if (len > ctx->random_left) {
		/* Up to 256 bytes a call never come short, getrandom(2). */
		for (size_t at = 0; at < sizeof(ctx->random); at += 256)
			if (getrandom(ctx->random + at, 256, 0) != 256)
				abort(); /* only without getrandom, that is before Linux 3.17 */
		ctx->random_left = sizeof(ctx->random);
	}
	ctx->random_left -= (unsigned)len;
	memcpy(buf, ctx->random + ctx->random_left, len);
}

/* -- settings -------------------------------------------------------------------- */

int probe_prepare(struct probe_ctx *ctx, const struct probe_conf *conf, char *why, size_t why_len)
{
	int err = probe_settings_check(conf, why, why_len);

	if (err)
		return err;
	if (conf->kind == PROBE_TLS && conf->tls.verify)
		return tls_load(ctx, conf->tls.ca_file, why, why_len);
	if (conf->kind == PROBE_HTTP && conf->http.https && conf->http.tls.verify)
		return tls_load(ctx, conf->http.tls.ca_file, why, why_len);
	return 0;
}

void probe_ctx_reread(struct probe_ctx *ctx)
{
	tls_reread(ctx);
}

/* -- handles --------------------------------------------------------------------- */

void probe_handle_opened(struct probe *p)
{
	p->handles++;
}

void probe_handle_closed(uv_handle_t *h)
{
	struct probe *p = h->data;
	struct probe_ctx *ctx = p->ctx;

	if (--p->handles > 0)
		return;
	free(p);
	ctx_release(ctx);
}

static void on_timer(uv_timer_t *t);

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct probe *p = h->data;

	if (p->finished)
		return;
	/* libuv reports EPOLLERR as UV_EBADF and stops watching: have the kind read
	 * what came before the error, then the error. */
	if (status < 0)
		events = UV_READABLE | UV_WRITABLE;
	p->ops->ready(p, events);
	if (status < 0 && !p->finished) {
		int err = 0;
		socklen_t len = sizeof(err);

		getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		probe_socket_fail(p, err ? err : EIO, "waiting");
	}
}

void probe_watch(struct probe *p, int events)
{
	if (!p->polling) {
		if (events == 0)
			return;
		if (uv_poll_init(p->ctx->loop, &p->poll, p->fd) < 0) {
			probe_fail(p, PROBE_FAIL_LOCAL, "cannot watch the socket");
			return;
		}
		p->poll.data = p;
		p->polling = true;
		probe_handle_opened(p);
	}
	if (events == 0)
		uv_poll_stop(&p->poll);
	else
		uv_poll_start(&p->poll, events, on_poll);
}

void probe_timer_set(struct probe *p, uint32_t ms)
{
	/* The loop's own time is when it woke: behind by all it has done since. */
	uv_update_time(p->ctx->loop);
	uv_timer_start(&p->timer, on_timer, ms, 0);
}

void probe_step_reached(struct probe *p, enum probe_step s)
{
	uint64_t us = (uv_hrtime() - p->started_ns) / 1000;

	if (p->result.step_us[s] == 0)
		p->result.step_us[s] = us ? (uint32_t)us : 1;
}

const char *probe_hint(const struct probe *p, char *buf, size_t len)
{
	const char *words = NULL;

	if (p->target.mark && p->ctx->hint)
		words = p->ctx->hint(p->ctx->hint_user, p->target.mark, p->started_ns);
	snprintf(buf, len, words ? " (%s)" : "", words);
	return buf;
}

static enum probe_left left(const struct probe *p)
{
	if (p->target.mark == 0 || p->ctx->left == NULL)
		return PROBE_LEFT_CARRIED;
	return p->ctx->left(p->ctx->hint_user, p->target.mark, p->started_ns);
}

bool probe_kept_here(struct probe *p)
{
	char to[WEIR_ADDR_STRLEN];

	if (left(p) != PROBE_LEFT_NOTHING)
		return false;
	probe_fail(p, PROBE_FAIL_LOCAL,
		   "nothing left this host: nobody answers for the next hop of its route to %s, a "
		   "filter here drops it, or another's tc filter in front of ours takes it",
		   weir_addr_text(&p->target.addr, to));
	return true;
}

/* -- start and end ----------------------------------------------------------------- */

/* Give back everything but the memory. */
static void retire(struct probe *p)
{
	if (p->polling) {
		uv_poll_stop(&p->poll);
		uv_close((uv_handle_t *)&p->poll, probe_handle_closed);
		p->polling = false;
	}
	if (p->ops->stop)
		p->ops->stop(p);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* Out of the list, and on the way to be freed. */
static void forget(struct probe *p)
{
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	p->ctx->count--;
	uv_close((uv_handle_t *)&p->timer, probe_handle_closed);
}

static void deliver(struct probe *p)
{
	forget(p);
	p->done(p->user, &p->result); /* *p stays until the close callback */
}

static void on_timer(uv_timer_t *t)
{
	struct probe *p = t->data;
	struct pollfd ready = { .fd = p->fd, .events = POLLIN };

	if (p->finished) {
		deliver(p);
		return;
	}
	/* libuv runs timers before sockets: after a late turn of the loop the answer
	 * may lie in the socket already. Being late must not blame the backend. */
	if (!p->connected)
		ready.events |= POLLOUT;
	if (p->fd >= 0 && poll(&ready, 1, 0) > 0) {
		on_poll(&p->poll, ready.revents & (POLLERR | POLLNVAL) ? UV_EBADF : 0,
			(ready.revents & (POLLIN | POLLHUP) ? UV_READABLE : 0) |
				(ready.revents & POLLOUT ? UV_WRITABLE : 0));
		if (p->finished || uv_is_active((uv_handle_t *)&p->timer))
			return;
	}
	p->ops->timeout(p);
}

/* Servers had a hand in these words: nothing of theirs may move a terminal's cursor,
 * forge a log line or be unfit for JSON. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
			*text = '?';
}

/* Whatever came of a marked probe that our program did not carry, or not all of it: it went
 * where its route leads, to another backend perhaps, and is no word on the one that it was
 * for. */
static void disown(struct probe *p)
{
	enum probe_left what;

	if (p->result.failure == PROBE_FAIL_LOCAL)
		return;
	what = left(p);
	if (what == PROBE_LEFT_CARRIED)
		return;
	p->result.failure = PROBE_FAIL_LOCAL;
	snprintf(p->result.reason, sizeof(p->result.reason), "%s",
		 what == PROBE_LEFT_NOTHING
			 ? "it left this host past the program that carries probes: its tc filter "
			   "is gone, or another's in front of it let the packet go"
			 : "the program that carries probes was off its interface meanwhile: "
			   "another user of tc took it off");
}

void probe_finish(struct probe *p)
{
	if (p->finished)
		return;
	p->finished = true;
	disown(p);
	make_printable(p->result.reason);
	make_printable(p->result.text);
	p->result.latency_us = (uint32_t)((uv_hrtime() - p->started_ns) / 1000);
	p->result.ok = p->result.failure == PROBE_FAIL_OK;
	uv_timer_stop(&p->timer);
	retire(p);
	if (p->starting)
		uv_timer_start(&p->timer, on_timer, 0, 0);
	else
		deliver(p);
}

void probe_pass(struct probe *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->result.reason, sizeof(p->result.reason), fmt, ap);
	va_end(ap);
	p->result.failure = PROBE_FAIL_OK;
	probe_finish(p);
}

void probe_fail(struct probe *p, enum probe_failure f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->result.reason, sizeof(p->result.reason), fmt, ap);
	va_end(ap);
	p->result.failure = f;
	probe_finish(p);
}

static void sockaddr_fill(union probe_sockaddr *s, const struct weir_addr *a, uint16_t port)
{
	memset(s, 0, sizeof(*s));
	if (a->family == 6) {
		s->v6.sin6_family = AF_INET6;
		s->v6.sin6_port = htons(port);
		memcpy(&s->v6.sin6_addr, a->bytes, 16);
	} else {
		s->v4.sin_family = AF_INET;
		s->v4.sin_port = htons(port);
		memcpy(&s->v4.sin_addr, a->bytes, 4);
	}
}

int probe_start(struct probe_ctx *ctx, const struct probe_conf *conf,
		const struct probe_target *target, probe_done_fn *done, void *user,
		struct probe **out)
{
	const struct probe_ops *ops = kinds[conf->kind];
	struct probe *p = calloc(1, ops->size);

	if (p == NULL)
		return -ENOMEM;
	p->ops = ops;
	p->ctx = ctx;
	p->conf = conf;
	p->target = *target;
	sockaddr_fill(&p->peer, &target->addr, target->port);
	p->result.cert_days = PROBE_NO_CERT;
	p->done = done;
	p->user = user;
	p->fd = -1;
	p->started_ns = uv_hrtime();
	uv_timer_init(ctx->loop, &p->timer);
	p->timer.data = p;
	probe_handle_opened(p);
	ctx->references++;
	p->next = ctx->probes;
	p->link = &ctx->probes;
	if (p->next)
		p->next->link = &p->next;
	ctx->probes = p;
	ctx->count++;

	*out = p;
	p->starting = true;
	ops->start(p);
	p->starting = false;
	return 0;
}

void probe_cancel(struct probe *p)
{
	uv_timer_stop(&p->timer);
	if (!p->finished) {
		p->finished = true;
		retire(p);
	}
	forget(p);
}
