// SPDX-License-Identifier: Apache-2.0
/*
 * dns: one question over UDP; the reply's code and answers.
 *
 * Source: RFC 1035, section 4 (messages, names, compression); RFC 6891 (OPT) and
 * RFC 7830 (padding) for padded probes.
 */
#include "probe_datagram.h"
#include "probe_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	DNS_HEADER = 12,
	DNS_NAME_MAX = 255,
	DNS_CLASS_IN = 1,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_ANY = 255,
	DNS_OPTION_PADDING = 12,
	DNS_FLAG_RESPONSE = 0x8000,
	DNS_FLAG_TRUNCATED = 0x0200,
	DNS_FLAG_RECURSE = 0x0100,
	EDNS_UDP_SIZE = 1232,
};

static const char *rcode_text(unsigned rcode, char *buf, size_t len)
{
	if (rcode < DNS_RCODES)
		return dns_rcodes[rcode];
	snprintf(buf, len, "code %u", rcode);
	return buf;
}

static uint8_t *put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
	return at + 2;
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

size_t dns_build(const struct datagram_request *q, uint8_t *buf, size_t len)
{
	uint8_t *at = buf;
	size_t fill;

	(void)len;		 /* 12 + 255 + 4 + 15 and the padding: at most the packet's size */
	memcpy(at, q->nonce, 2); /* id */
	at = put16(at + 2, DNS_FLAG_RECURSE);
	at = put16(at, 1);	      /* questions */
	at = put16(at, 0);	      /* answers */
	at = put16(at, 0);	      /* authorities */
	at = put16(at, q->size != 0); /* additional: OPT */
	at += dns_name_wire(q->conf->dns.name, at);
	at = put16(at, q->conf->dns.type);
	at = put16(at, DNS_CLASS_IN);
	if (q->size) {
		*at++ = 0; /* root */
		at = put16(at, DNS_TYPE_OPT);
		at = put16(at, EDNS_UDP_SIZE);
		at = put16(put16(at, 0), 0); /* extended code, version, flags */
		fill = q->size - (size_t)(at - buf) - 6;
		at = put16(at, (unsigned)fill + 4);
		at = put16(at, DNS_OPTION_PADDING);
		at = put16(at, (unsigned)fill);
		memset(at, 0, fill);
		at += fill;
	}
	return (size_t)(at - buf);
}

/* Step over the name at `at`: labels up to the root, or to a pointer, which ends it.
 * Returns the offset behind it, or 0 when it runs past len. */
static size_t name_skip(const uint8_t *m, size_t len, size_t at)
{
	while (at < len) {
		if (m[at] >= 0xc0)
			return at + 2 <= len ? at + 2 : 0;
		if (m[at] == 0)
			return at + 1;
		at += m[at] + 1u;
	}
	return 0;
}

/* Same question, upper and lower case being the same in names. */
static bool question_same(const struct datagram_request *q, const uint8_t *m, size_t len,
			  size_t *end)
{
	uint8_t name[DNS_NAME_MAX];
	size_t n = dns_name_wire(q->conf->dns.name, name);

	if (len < DNS_HEADER + n + 4)
		return false;
	for (size_t i = 0; i < n; i++)
		if (m[DNS_HEADER + i] != name[i] && (m[DNS_HEADER + i] | 0x20) != (name[i] | 0x20))
			return false;
	*end = DNS_HEADER + n + 4;
	return get16(m + DNS_HEADER + n) == q->conf->dns.type;
}

struct dns_answers {
	unsigned matching; /* of the type asked for */
	bool expected;	   /* the expected address was among them */
	bool broken;	   /* they run past the end */
};

static struct dns_answers answers_read(const struct probe_dns_conf *c, const uint8_t *m, size_t len,
				       size_t at, unsigned count)
{
	struct dns_answers a = { 0 };

	while (count--) {
		size_t data, data_len;
		unsigned type;

		at = name_skip(m, len, at);
		if (at == 0 || len - at < 10) {
			a.broken = true;
			break;
		}
		type = get16(m + at);
		data_len = get16(m + at + 8);
		data = at + 10;
		if (len - data < data_len) {
			a.broken = true;
			break;
		}
		at = data + data_len;
		if (type != c->type && c->type != DNS_TYPE_ANY)
			continue;
		a.matching++;
		if (c->expect.family && data_len == (c->expect.family == 6 ? 16 : 4) &&
		    memcmp(m + data, c->expect.bytes, data_len) == 0)
			a.expected = true;
	}
	return a;
}

static enum datagram_verdict bad(struct probe_result *r, enum probe_failure f)
{
	r->failure = f;
	return DATAGRAM_BAD;
}

enum datagram_verdict dns_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				struct probe_result *r)
{
	const struct probe_dns_conf *c = &q->conf->dns;
	char got[16], want[16], address[WEIR_ADDR_STRLEN];
	struct dns_answers a;
	unsigned rcode;
	bool wanting;
	size_t end;

	if (len < DNS_HEADER || memcmp(reply, q->nonce, 2) != 0 ||
	    !(get16(reply + 2) & DNS_FLAG_RESPONSE))
		return DATAGRAM_IGNORE;
	rcode = get16(reply + 2) & 0xf;
	if (rcode != c->rcode) {
		snprintf(r->reason, sizeof(r->reason), "answered %s, wanted %s",
			 rcode_text(rcode, got, sizeof(got)),
			 rcode_text(c->rcode, want, sizeof(want)));
		return bad(r, PROBE_FAIL_WRONG_STATUS);
	}
	if (get16(reply + 4) != 1 || !question_same(q, reply, len, &end)) {
		snprintf(r->reason, sizeof(r->reason), "the answer is to another question");
		return bad(r, PROBE_FAIL_WRONG_ANSWER);
	}
	a = answers_read(c, reply, len, end, get16(reply + 6));
	if (a.broken) {
		snprintf(r->reason, sizeof(r->reason), "half an answer: the records end early");
		return bad(r, PROBE_FAIL_HALF_ANSWER);
	}
	wanting = c->expect.family ? !a.expected
				   : rcode == 0 && a.matching == 0 && !c->any_answer;
	if (wanting && get16(reply + 2) & DNS_FLAG_TRUNCATED) {
		snprintf(r->reason, sizeof(r->reason),
			 "the answer for %.100s is truncated: it is too long for UDP", c->name);
		return bad(r, PROBE_FAIL_WRONG_ANSWER);
	}
	if (wanting && c->expect.family) {
		snprintf(r->reason, sizeof(r->reason), "%s is not among the %u answers for %.100s",
			 weir_addr_text(&c->expect, address), a.matching, c->name);
		return bad(r, PROBE_FAIL_WRONG_ANSWER);
	}
	if (wanting) {
		snprintf(r->reason, sizeof(r->reason), "no record of the type asked for at %.100s",
			 c->name);
		return bad(r, PROBE_FAIL_WRONG_ANSWER);
	}
	snprintf(r->reason, sizeof(r->reason), "%s, %u answers",
		 rcode_text(rcode, got, sizeof(got)), a.matching);
	return DATAGRAM_GOOD;
}

static const struct probe_datagram_ops dns_datagram = {
	.what = "answer",
	.build = dns_build,
	.judge = dns_judge,
};

PROBE_DATAGRAM_OPS(dns);
