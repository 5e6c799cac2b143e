// SPDX-License-Identifier: Apache-2.0
/*
 * One frame through parse, for the tests of it.
 */
#ifndef WEIR_TEST_PARSED_H
#define WEIR_TEST_PARSED_H

#include "frame.h"
#include "pipeline.h"

enum { AT_L4 = AT_IP + IP4_HDR, AT_DOFF = AT_L4 + 12, AT_FLAGS = AT_L4 + 13 };

/* The result of parsing `len` bytes, kept apart from the frame they came in. */
struct parsed {
	struct pkt pkt;
	union flow_key key;
	struct fragment fragment;
	uint16_t seen;
	bool dropped;
};

static inline enum weir_drop parse(const uint8_t *bytes, size_t len, struct parsed *out)
{
	struct burst b = { .n = 1 };
	struct frame f;

	frame_make(&f, bytes, len, FRAME_HEADROOM);
	b.pkt[0] = (struct pkt){ .mbuf = &f.mbuf };
	parse_burst(&b);
	if (out != NULL)
		*out = (struct parsed){ b.pkt[0], b.key[0], b.fragment[0], b.seen, b.dropped };
	assert_int_equal(b.dropped, b.pkt[0].drop != WEIR_DROP_NONE);
	assert_int_equal(b.seen, b.pkt[0].flags);
	frame_free(&f);
	return b.pkt[0].drop;
}

/* What parse found lies in the packet, and the packet in its frame of `len` bytes. */
static inline void assert_within(const struct pkt *p, size_t len)
{
	assert_true(pkt_l4_off(p) <= p->l3_off + p->ip_len);
	assert_true((size_t)p->l3_off + p->ip_len <= len);
	if (!(p->flags & (PKT_FRAG_LATER | PKT_OTHER_L4)))
		assert_true(pkt_l4_off(p) + 8 <= p->l3_off + p->ip_len);
}

#endif /* WEIR_TEST_PARSED_H */
