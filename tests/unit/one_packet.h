// SPDX-License-Identifier: Apache-2.0
/* One packet of a flow whose slot is not settled, at one of two workers. */
#ifndef WEIR_TEST_ONE_PACKET_H
#define WEIR_TEST_ONE_PACKET_H

#include "moving.h"

#include "pinned.h"

#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <netinet/in.h>

enum {
	BASE = 1,
	CUR = 2,
	THIRD = 3,
	NOBODY = UINT16_MAX,
	FLOW = 42,
	SINCE_MS = NOW_DS * 100 - 10000
};
enum { OPENER = true, DATA = false };

/* The one packet that there is; what it acknowledges. */
static struct rte_mbuf frame;
static uint32_t acked;

static inline unsigned by_worker(unsigned worker, uint64_t hash, bool tcp, bool opener,
				 uint16_t flags)
{
	struct rte_tcp_hdr header = { .recv_ack = htonl(acked), .tcp_flags = RTE_TCP_ACK_FLAG };
	struct burst b = { .n = 1,
			   .pkt[0] = { .mbuf = &frame,
				       .flow_hash = hash,
				       .flags = (uint16_t)(flags | (tcp ? PKT_TCP : 0) |
							   (opener ? PKT_OPENER : 0)) } };
	const struct unsettled packet = { &b.pkt[0], slots[weir_slot_of(hash, PIN_LEN)] };

	frame.buf_addr = &header;
	moving_burst(&view, &pins[worker], &b, &packet, 1);
	assert_int_equal(b.dropped, b.pkt[0].drop != WEIR_DROP_NONE);
	if (b.pkt[0].drop == WEIR_DROP_NONE)
		return b.pkt[0].backend;
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NO_BACKEND);
	return NOBODY;
}

#endif /* WEIR_TEST_ONE_PACKET_H */
