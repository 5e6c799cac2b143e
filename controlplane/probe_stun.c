// SPDX-License-Identifier: Apache-2.0
/*
 * stun: a binding request. The mapped address in the answer must be the prober's
 * own: another one shows that something on the way translates addresses.
 *
 * Source: RFC 8489, sections 5 (header), 6.3 (responses), 14.2 (XOR-MAPPED-ADDRESS)
 * and 14.8 (ERROR-CODE).
 */
#include "probe_datagram.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
	STUN_HEADER = 20,
	STUN_ID = 12, /* bytes of transaction id */
	STUN_BINDING_REQUEST = 0x0001,
	STUN_BINDING_SUCCESS = 0x0101,
	STUN_BINDING_ERROR = 0x0111,
	STUN_ERROR_CODE = 0x0009,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	/* Not registered, and of the range (0x8000 and up) that a server ignores when it
	 * does not know the type: sections 14 and 18.3. */
	STUN_PADDING = 0xfff0,
};

static const uint8_t cookie[4] = { 0x21, 0x12, 0xa4, 0x42 };

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

size_t stun_build(const struct datagram_request *q, uint8_t *buf, size_t len)
{
	/* Attributes come in 4-byte units, section 14: a size that is none is rounded
	 * down. */
	size_t fill = q->size ? (q->size - STUN_HEADER - 4) / 4 * 4 : 0;
	size_t attributes = q->size ? fill + 4 : 0;

	(void)len;
	memset(buf, 0, STUN_HEADER + attributes);
	put16(buf, STUN_BINDING_REQUEST);
	put16(buf + 2, attributes);
	memcpy(buf + 4, cookie, sizeof(cookie));
	memcpy(buf + 8, q->nonce, STUN_ID);
	if (attributes) {
		put16(buf + STUN_HEADER, STUN_PADDING);
		put16(buf + STUN_HEADER + 2, fill);
	}
	return STUN_HEADER + attributes;
}

/* The value of the first attribute of a type, its length in *value_len; NULL: not
 * there. The message's length field was checked against what came. */
static const uint8_t *attribute(const uint8_t *m, size_t len, unsigned type, size_t *value_len)
{
	for (size_t at = STUN_HEADER; len - at >= 4;) {
		size_t n = get16(m + at + 2);

		if (n > len - at - 4)
			return NULL;
		if (get16(m + at) == type) {
			*value_len = n;
			return m + at + 4;
		}
		at += 4 + (n + 3) / 4 * 4;
		if (at > len)
			return NULL;
	}
	return NULL;
}

/* XOR-MAPPED-ADDRESS: port with the cookie's first half, address with the cookie and,
 * for IPv6, the transaction id. Returns false if the value is none. */
static bool mapped_address(const uint8_t *m, const uint8_t *v, size_t len, struct weir_addr *addr,
			   uint16_t *port)
{
	size_t alen = len == 8 && v[1] == 1 ? 4 : len == 20 && v[1] == 2 ? 16 : 0;

	if (alen == 0)
		return false;
	memset(addr, 0, sizeof(*addr));
	addr->family = alen == 4 ? 4 : 6;
	*port = (uint16_t)(get16(v + 2) ^ get16(m + 4));
	for (size_t i = 0; i < alen; i++)
		addr->bytes[i] = v[4 + i] ^ m[4 + i];
	return true;
}

static bool is_ours(const struct datagram_request *q, const struct weir_addr *a, uint16_t port)
{
	if (a->family != q->family)
		return false;
	if (a->family == 6)
		return port == ntohs(q->local.v6.sin6_port) &&
		       memcmp(a->bytes, &q->local.v6.sin6_addr, 16) == 0;
	return port == ntohs(q->local.v4.sin_port) &&
	       memcmp(a->bytes, &q->local.v4.sin_addr, 4) == 0;
}

static enum datagram_verdict judge_error(const uint8_t *m, size_t len, struct probe_result *r)
{
	size_t n;
	const uint8_t *v = attribute(m, len, STUN_ERROR_CODE, &n);

	r->failure = PROBE_FAIL_WRONG_STATUS;
	if (v && n >= 4)
		snprintf(r->reason, sizeof(r->reason), "STUN error %u %.*s",
			 (v[2] & 7u) * 100 + v[3], (int)(n - 4 < 64 ? n - 4 : 64),
			 (const char *)v + 4);
	else
		snprintf(r->reason, sizeof(r->reason), "STUN error without a code");
	return DATAGRAM_BAD;
}

enum datagram_verdict stun_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				 struct probe_result *r)
{
	char text[WEIR_ADDR_STRLEN];
	struct weir_addr addr;
	const uint8_t *v;
	uint16_t port;
	size_t n;

	if (len < STUN_HEADER || memcmp(reply + 4, cookie, sizeof(cookie)) != 0 ||
	    memcmp(reply + 8, q->nonce, STUN_ID) != 0)
		return DATAGRAM_IGNORE;
	if (get16(reply + 2) != len - STUN_HEADER || len % 4 != 0) {
		r->failure = PROBE_FAIL_HALF_ANSWER;
		snprintf(r->reason, sizeof(r->reason), "half an answer: %zu of %u bytes", len,
			 STUN_HEADER + get16(reply + 2));
		return DATAGRAM_BAD;
	}
	if (get16(reply) == STUN_BINDING_ERROR)
		return judge_error(reply, len, r);
	v = get16(reply) == STUN_BINDING_SUCCESS
		    ? attribute(reply, len, STUN_XOR_MAPPED_ADDRESS, &n)
		    : NULL;
	if (v == NULL || !mapped_address(reply, v, n, &addr, &port)) {
		r->failure = PROBE_FAIL_WRONG_PROTOCOL;
		snprintf(r->reason, sizeof(r->reason), "the answer has no XOR-MAPPED-ADDRESS");
		return DATAGRAM_BAD;
	}
	if (!is_ours(q, &addr, port)) {
		r->failure = PROBE_FAIL_WRONG_ANSWER;
		snprintf(r->reason, sizeof(r->reason),
			 "the server saw the probe come from %s port %u, which is not ours: "
			 "addresses are translated on the way",
			 weir_addr_text(&addr, text), port);
		return DATAGRAM_BAD;
	}
	snprintf(r->reason, sizeof(r->reason), "binding success");
	return DATAGRAM_GOOD;
}

static const struct probe_datagram_ops stun_datagram = {
	.what = "answer",
	.build = stun_build,
	.judge = stun_judge,
};

PROBE_DATAGRAM_OPS(stun);
