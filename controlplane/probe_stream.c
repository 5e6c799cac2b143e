// SPDX-License-Identifier: Apache-2.0
/*
 * What every probe over TCP begins with: connect, and the PROXY protocol header.
 * Also the words for a server that then says nothing.
 */
#include "probe_impl.h"
#include "proxy_header.h"

#include <errno.h>

/* The connection stands: hand over to the kind, in the answer time. */
static void begin(struct probe *p)
{
	uint8_t header[PROXY_HEADER_MAX];
	size_t len;

	p->connected = true;
	probe_step_reached(p, PROBE_STEP_CONNECTED);
	probe_watch(p, 0);
	if (p->target.proxy != PROBE_PROXY_NONE) {
		len = proxy_header_build(p->target.proxy == PROBE_PROXY_V1 ? 1 : 2, &p->local.sa,
					 &p->peer.sa, header);
		/* The send buffer is empty: about 100 bytes go whole or not at all. */
		if (send(p->fd, header, len, MSG_NOSIGNAL) != (ssize_t)len) {
			probe_socket_fail(p, errno, "sending the PROXY header");
			return;
		}
	}
	if (p->conf->padded_mtu)
		p->result.packet_bytes = probe_socket_packet(p);
	probe_timer_set(p, p->conf->answer_timeout_ms);
	p->ops->connected(p);
}

void probe_stream_start(struct probe *p)
{
	if (!probe_socket_connect(p, SOCK_STREAM, IPPROTO_TCP))
		return;
	/* Connected at once (a server on this host) waits for the loop too: one path. */
	probe_timer_set(p, p->conf->connect_timeout_ms);
	probe_watch(p, UV_WRITABLE);
}

bool probe_stream_connecting(struct probe *p)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (p->connected)
		return false;
	getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err)
		probe_socket_fail(p, err, "connecting");
	else
		begin(p);
	return true;
}

void probe_stream_silent(struct probe *p, const char *wanted)
{
	char hint[PROBE_REASON_LEN / 2];
	int unacked;

	if (!p->connected && probe_kept_here(p))
		return;
	if (!p->connected) {
		probe_fail(p, PROBE_FAIL_NO_CONNECTION,
			   "no answer to the connection attempt in %u ms%s",
			   p->conf->connect_timeout_ms, probe_hint(p, hint, sizeof(hint)));
		return;
	}
	unacked = probe_socket_unacked(p);
	probe_hint(p, hint, sizeof(hint));
	/* The backend's kernel acknowledges what arrives, whatever the server does: so
	 * an unanswered full-size packet and a server that hangs can be told apart. */
	if (unacked > 0 && p->conf->padded_mtu)
		probe_fail(
			p, PROBE_FAIL_MTU,
			"small packets pass, but a packet of %u bytes was not received in %u ms: "
			"an MTU on the way is too small%s",
			p->result.packet_bytes, p->conf->answer_timeout_ms, hint);
	else if (unacked > 0)
		probe_fail(p, PROBE_FAIL_NO_ANSWER,
			   "connected, but what was sent was not received in %u ms%s",
			   p->conf->answer_timeout_ms, hint);
	else
		probe_fail(p, PROBE_FAIL_NO_ANSWER, "connected, but no %s in %u ms%s", wanted,
			   p->conf->answer_timeout_ms, hint);
}
