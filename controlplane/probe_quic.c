// SPDX-License-Identifier: Apache-2.0
/*
 * quic: a packet of a version that nobody speaks; a server answers by the list of
 * those it does. Shows that a QUIC server listens, without keys or state there.
 *
 * Source: RFC 9000, sections 6.1, 14.1 (1,200 bytes at least), 15 (versions
 * 0x?a?a?a?a are reserved for this) and 17.2.1; RFC 8999, sections 5.1 and 6.
 */
#include "probe_datagram.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
	QUIC_INITIAL_MIN = 1200,
	QUIC_LONG = 0x80,
	QUIC_FIXED = 0x40,
	QUIC_ID = 8, /* bytes of each of our connection ids */
};

static const uint8_t reserved_version[4] = { 0x1a, 0x2a, 0x3a, 0x4a };

/* The nonce is our two connection ids: destination, then source. */
static_assert(PROBE_NONCE_LEN == 2 * QUIC_ID, "a nonce fills both");

size_t quic_build(const struct datagram_request *q, uint8_t *buf, size_t len)
{
	size_t size = q->size > QUIC_INITIAL_MIN ? q->size : QUIC_INITIAL_MIN;

	(void)len;
	memset(buf, 0, size);
	buf[0] = QUIC_LONG | QUIC_FIXED;
	memcpy(buf + 1, reserved_version, 4);
	buf[5] = QUIC_ID;
	memcpy(buf + 6, q->nonce, QUIC_ID);
	buf[6 + QUIC_ID] = QUIC_ID;
	memcpy(buf + 7 + QUIC_ID, q->nonce + QUIC_ID, QUIC_ID);
	return size;
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static enum datagram_verdict bad(struct probe_result *r, enum probe_failure f, const char *words)
{
	r->failure = f;
	snprintf(r->reason, sizeof(r->reason), "%s", words);
	return DATAGRAM_BAD;
}

/* The offered versions; the wanted one must be among them. */
static enum datagram_verdict judge_versions(uint32_t want, const uint8_t *list, size_t len,
					    struct probe_result *r)
{
	size_t at = 0;

	snprintf(r->reason, sizeof(r->reason), "%zu versions offered", len / 4);
	if (want == 0)
		return DATAGRAM_GOOD;
	for (; at < len; at += 4)
		if (get32(list + at) == want)
			return DATAGRAM_GOOD;
	r->failure = PROBE_FAIL_WRONG_ANSWER;
	snprintf(r->reason, sizeof(r->reason), "QUIC version 0x%08x is not among the %zu offered",
		 want, len / 4);
	return DATAGRAM_BAD;
}

enum datagram_verdict quic_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				 struct probe_result *r)
{
	/* First byte, version 0, both ids behind their lengths. */
	const size_t head = 7 + 2 * QUIC_ID;

	if (len < 7 || !(reply[0] & QUIC_LONG) || get32(reply + 1) != 0)
		return bad(r, PROBE_FAIL_WRONG_PROTOCOL,
			   "the answer is no QUIC version negotiation");
	if (len < head || reply[5] != QUIC_ID || reply[6 + QUIC_ID] != QUIC_ID)
		return bad(r, PROBE_FAIL_WRONG_ANSWER,
			   "version negotiation with connection ids that are not ours");
	/* Ours, exchanged. Not ours: the answer to the other request of this probe, or
	 * to an older socket on this port. */
	if (memcmp(reply + 6, q->nonce + QUIC_ID, QUIC_ID) != 0 ||
	    memcmp(reply + 7 + QUIC_ID, q->nonce, QUIC_ID) != 0)
		return DATAGRAM_IGNORE;
	if (len == head || (len - head) % 4 != 0)
		return bad(r, PROBE_FAIL_HALF_ANSWER,
			   "half an answer: the list of versions ends early");
	return judge_versions(q->conf->quic.version, reply + head, len - head, r);
}

static const struct probe_datagram_ops quic_datagram = {
	.what = "version negotiation",
	.build = quic_build,
	.judge = quic_judge,
};

PROBE_DATAGRAM_OPS(quic);
