// SPDX-License-Identifier: Apache-2.0
/*
 * udp: the configured payload, and the reply it must bring.
 */
#include "bytes.h"
#include "probe_datagram.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

size_t udp_build(const struct datagram_request *q, uint8_t *buf, size_t len)
{
	const struct probe_bytes *b = &q->conf->udp.send;

	(void)len; /* PROBE_BYTES_MAX is less */
	memcpy(buf, b->data, b->len);
	return b->len;
}

enum datagram_verdict udp_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				struct probe_result *r)
{
	const struct probe_bytes *want = &q->conf->udp.expect;
	size_t same = bytes_common(reply, len, want->data, want->len);
	char got[48], wanted[48];

	if (same == want->len) {
		snprintf(r->reason, sizeof(r->reason), "%zu bytes of reply", len);
		return DATAGRAM_GOOD;
	}
	if (same == len) {
		r->failure = PROBE_FAIL_HALF_ANSWER;
		snprintf(r->reason, sizeof(r->reason), "half an answer: %zu of %u bytes", len,
			 want->len);
		return DATAGRAM_BAD;
	}
	r->failure = PROBE_FAIL_WRONG_ANSWER;
	snprintf(r->reason, sizeof(r->reason), "wrong answer: %s, wanted %s",
		 bytes_quote(reply, len, got, sizeof(got)),
		 bytes_quote(want->data, want->len, wanted, sizeof(wanted)));
	return DATAGRAM_BAD;
}

static const struct probe_datagram_ops udp_datagram = {
	.what = "answer",
	.build = udp_build,
	.judge = udp_judge,
};

PROBE_DATAGRAM_OPS(udp);
