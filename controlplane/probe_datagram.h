// SPDX-License-Identifier: Apache-2.0
/*
 * Kinds that ask by one datagram: each is two pure functions, declared here for
 * their tests, and a row that probe_datagram.c runs.
 */
#ifndef WEIR_PROBE_DATAGRAM_H
#define WEIR_PROBE_DATAGRAM_H

#include "probe_impl.h"

/* The row of a kind whose struct probe_datagram_ops is NAME_datagram. */
#define PROBE_DATAGRAM_OPS(name)                                                              \
	const struct probe_ops probe_##name##_ops = {                                        \
		.size = PROBE_DATAGRAM_SIZE,                                                 \
		.start = probe_datagram_start,                                               \
		.ready = probe_datagram_ready,                                               \
		.timeout = probe_datagram_timeout,                                           \
		.datagram = &name##_datagram,                                                \
	}

enum { DATAGRAM_SMALL, DATAGRAM_PADDED, DATAGRAM_REQUESTS };

struct datagram_probe {
	struct probe p;
	unsigned requests; /* 2 when padded */
	unsigned answered; /* bit per request */
	struct datagram_request q[DATAGRAM_REQUESTS];
};
#define PROBE_DATAGRAM_SIZE sizeof(struct datagram_probe)

/* probe_udp.c: as configured. */
size_t udp_build(const struct datagram_request *q, uint8_t *buf, size_t len);
enum datagram_verdict udp_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				struct probe_result *r);

/* probe_dns.c: RFC 1035, section 4; padding by RFC 7830. */
size_t dns_build(const struct datagram_request *q, uint8_t *buf, size_t len);
enum datagram_verdict dns_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				struct probe_result *r);

/* probe_stun.c: RFC 8489, sections 5, 7 and 14.2. */
size_t stun_build(const struct datagram_request *q, uint8_t *buf, size_t len);
enum datagram_verdict stun_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				 struct probe_result *r);

/* probe_quic.c: RFC 9000, sections 6 and 17.2.1; RFC 8999. */
size_t quic_build(const struct datagram_request *q, uint8_t *buf, size_t len);
enum datagram_verdict quic_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				 struct probe_result *r);

/* probe_echo.c: RFC 792, RFC 4443; the kernel sets identifier and checksum. */
size_t echo_build(const struct datagram_request *q, uint8_t *buf, size_t len);
enum datagram_verdict echo_judge(const struct datagram_request *q, const uint8_t *reply, size_t len,
				 struct probe_result *r);

#endif /* WEIR_PROBE_DATAGRAM_H */
