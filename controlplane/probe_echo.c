// SPDX-License-Identifier: Apache-2.0
/*
 * echo: ping. With padded_mtu the way to find MTU faults for services whose own
 * protocol cannot be padded: a small and a full-size request go together.
 *
 * Over a "ping socket" (socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)): needs no raw
 * socket, only that our group is within net.ipv4.ping_group_range. The kernel sets
 * the identifier and the checksum and passes only answers to this socket's own.
 *
 * Source: RFC 792, page 14; RFC 4443, section 4.
 */
#include "probe_datagram.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>

enum { ECHO_HEADER = 8, ECHO_SMALL = ECHO_HEADER + PROBE_NONCE_LEN };

size_t echo_build(const struct datagram_request *q, uint8_t *buf, size_t len)
{
	size_t size = q->size > ECHO_SMALL ? q->size : ECHO_SMALL;

	(void)len;
	memset(buf, 0, size);
	buf[0] = q->family == 6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	memcpy(buf + 6, q->nonce, 2); /* sequence number */
	memcpy(buf + ECHO_HEADER, q->nonce, PROBE_NONCE_LEN);
	return size;
}

enum datagram_verdict echo_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				 struct probe_result *r)
{
	size_t size = q->size > ECHO_SMALL ? q->size : ECHO_SMALL;

	if (len < ECHO_SMALL || reply[0] != (q->family == 6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ||
	    memcmp(reply + ECHO_HEADER, q->nonce, PROBE_NONCE_LEN) != 0)
		return DATAGRAM_IGNORE;
	if (len != size) {
		r->failure = PROBE_FAIL_HALF_ANSWER;
		snprintf(r->reason, sizeof(r->reason), "half an answer: %zu of %zu bytes", len,
			 size);
		return DATAGRAM_BAD;
	}
	snprintf(r->reason, sizeof(r->reason), "echo of %zu bytes", len);
	return DATAGRAM_GOOD;
}

static const struct probe_datagram_ops echo_datagram = {
	.protocol4 = IPPROTO_ICMP,
	.protocol6 = IPPROTO_ICMPV6,
	.what = "echo",
	.build = echo_build,
	.judge = echo_judge,
};

PROBE_DATAGRAM_OPS(echo);
