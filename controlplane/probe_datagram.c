// SPDX-License-Identifier: Apache-2.0
/*
 * Kinds that send one datagram and judge what comes back: udp, dns, stun, quic and
 * echo. A padded probe sends two requests at once, one small and one that fills a
 * packet, and wants both answered: so a lost answer and an MTU fault differ.
 */
#include "probe_datagram.h"

#include <errno.h>

/* Bytes that a datagram socket's payload may have in a packet of `packet` bytes. The
 * ICMP header is part of what an echo probe sends. */
static size_t payload_size(const struct probe *p, uint16_t packet)
{
	size_t ip = p->peer.sa.sa_family == AF_INET6 ? 40 : 20;
	const struct probe_datagram_ops *ops = p->ops->datagram;

	return packet - ip - (ops->protocol4 == IPPROTO_ICMP ? 0 : 8);
}

static bool request_send(struct datagram_probe *d, unsigned which)
{
	uint8_t buf[PROBE_DATAGRAM_MAX];
	struct datagram_request *q = &d->q[which];
	struct probe *p = &d->p;
	size_t len;

	q->conf = p->conf;
	q->family = p->peer.sa.sa_family == AF_INET6 ? 6 : 4;
	q->local = p->local;
	q->size = which == DATAGRAM_PADDED ? payload_size(p, p->conf->padded_mtu) : 0;
	probe_random(p->ctx, q->nonce, sizeof(q->nonce));
	len = p->ops->datagram->build(q, buf, sizeof(buf));
	if (send(p->fd, buf, len, MSG_NOSIGNAL) < 0) {
		probe_socket_fail(p, errno, "sending");
		return false;
	}
	return true;
}

void probe_datagram_start(struct probe *p)
{
	struct datagram_probe *d = (struct datagram_probe *)p;
	const struct probe_datagram_ops *ops = p->ops->datagram;

	if (!probe_socket_connect(p, SOCK_DGRAM,
				  p->peer.sa.sa_family == AF_INET6 ? ops->protocol6
								   : ops->protocol4))
		return;
	p->connected = true;
	d->requests = p->conf->padded_mtu ? 2 : 1;
	for (unsigned i = 0; i < d->requests; i++)
		if (!request_send(d, i))
			return;
	probe_step_reached(p, PROBE_STEP_SENT);
	probe_timer_set(p, p->conf->answer_timeout_ms);
	probe_watch(p, UV_READABLE);
}

/* True when the probe has ended. */
static bool reply_judge(struct datagram_probe *d, const uint8_t *reply, size_t len)
{
	struct probe *p = &d->p;

	for (unsigned i = 0; i < d->requests; i++) {
		if (d->answered & 1u << i)
			continue;
		switch (p->ops->datagram->judge(&d->q[i], reply, len, &p->result)) {
		case DATAGRAM_IGNORE:
			continue;
		case DATAGRAM_BAD:
			probe_step_reached(p, PROBE_STEP_FIRST);
			probe_finish(p);
			return true;
		case DATAGRAM_GOOD:
			probe_step_reached(p, PROBE_STEP_FIRST);
			if (i == DATAGRAM_PADDED)
				p->result.packet_bytes = p->conf->padded_mtu;
			d->answered |= 1u << i;
			if (d->answered + 1 < 1u << d->requests)
				return false;
			probe_finish(p);
			return true;
		}
	}
	return false;
}

void probe_datagram_ready(struct probe *p, int events)
{
	struct datagram_probe *d = (struct datagram_probe *)p;
	uint8_t reply[PROBE_DATAGRAM_MAX];

	(void)events;
	for (unsigned turn = 0; turn < 16; turn++) { /* others wait for this loop too */
		ssize_t n = recv(p->fd, reply, sizeof(reply), 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			probe_socket_fail(p, errno, "waiting for an answer");
			return;
		}
		if (reply_judge(d, reply, (size_t)n))
			return;
	}
}

void probe_datagram_timeout(struct probe *p)
{
	struct datagram_probe *d = (struct datagram_probe *)p;
	char hint[PROBE_REASON_LEN / 2];

	if (d->answered == 0 && probe_kept_here(p))
		return;
	probe_hint(p, hint, sizeof(hint));
	if (d->answered == 1u << DATAGRAM_SMALL)
		probe_fail(
			p, PROBE_FAIL_MTU,
			"a small request was answered, one of %u bytes was not in %u ms: an MTU on "
			"the way is too small%s",
			p->conf->padded_mtu, p->conf->answer_timeout_ms, hint);
	else
		probe_fail(p, PROBE_FAIL_NO_ANSWER, "no %s in %u ms%s", p->ops->datagram->what,
			   p->conf->answer_timeout_ms, hint);
}
