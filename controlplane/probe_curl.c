// SPDX-License-Identifier: Apache-2.0
/*
 * The one libcurl multi handle of all http probes, driven by libuv.
 *
 *   socket events   a probe's own watcher (probe_watch) -> probe_curl_socket()
 *   time            one timer for the handle -> on_multi_timer()
 *   results         read after each of the two -> probe_http_done()
 *
 * Sockets belong to their probes: libcurl gets them connected and does not close
 * them. No transfer outlives its probe.
 *
 * Source: curl_multi_socket_action(3), curl_multi_timer_callback(3).
 */
#include "probe_impl.h"

#include <errno.h>
#include <linux/close_range.h>
#include <unistd.h>

static void read_results(struct probe_ctx *ctx)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(ctx->multi, &left))) {
		struct probe *p = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&p);
		probe_http_done(p, m->data.result);
	}
}

static void on_multi_timer(uv_timer_t *t)
{
	struct probe_ctx *ctx = t->data;
	int running;

	curl_multi_socket_action(ctx->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	read_results(ctx);
}

static int want_timer(CURLM *multi, long ms, void *user)
{
	struct probe_ctx *ctx = user;

	(void)multi;
	if (ms < 0)
		uv_timer_stop(&ctx->multi_timer);
	else
		uv_timer_start(&ctx->multi_timer, on_multi_timer, (uint64_t)ms, 0);
	return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *assigned)
{
	static const int events[] = {
		[CURL_POLL_NONE] = 0,	       [CURL_POLL_IN] = UV_READABLE,
		[CURL_POLL_OUT] = UV_WRITABLE, [CURL_POLL_INOUT] = UV_READABLE | UV_WRITABLE,
		[CURL_POLL_REMOVE] = 0,
	};
	struct probe *p = NULL;

	(void)user, (void)assigned;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&p);
	if (p && p->fd == fd && !p->finished)
		probe_watch(p, events[what]);
	return 0;
}

void probe_curl_socket(struct probe *p, int events)
{
	struct probe_ctx *ctx = p->ctx;
	int running, mask = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
			    (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(ctx->multi, p->fd, mask, &running);
	read_results(ctx);
}

int probe_curl_open(struct probe_ctx *ctx)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	ctx->multi = curl_multi_init();
	if (ctx->multi == NULL) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	/* libcurl 7.88 opens a pair of sockets of its own that programs of exec checks would
	 * get, as they would what we were started with. */
	(void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	curl_multi_setopt(ctx->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(ctx->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(ctx->multi, CURLMOPT_TIMERDATA, ctx);
	/* A probe has its own connection: it never waits for, or rides on, another's. */
	curl_multi_setopt(ctx->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	uv_timer_init(ctx->loop, &ctx->multi_timer);
	ctx->multi_timer.data = ctx;
	return 0;
}

void probe_curl_close(struct probe_ctx *ctx)
{
	curl_multi_cleanup(ctx->multi);
	uv_timer_stop(&ctx->multi_timer);
	curl_global_cleanup();
}
