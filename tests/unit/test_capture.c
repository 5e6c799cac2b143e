// SPDX-License-Identifier: Apache-2.0
/* Which packets of a burst are copied, into a ring whose positions are about to wrap. */
#include "capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "frame.h"

enum { LEN = 100, SNAP = 60, START = UINT32_MAX - 5 };

static struct weir_capture want;
static struct capture_ring *ring;
static struct frame frames[WEIR_BURST];
static struct burst b;

static int setup(void **state)
{
	uint8_t bytes[LEN];

	(void)state;
	want = (struct weir_capture){ .count = 1000,
				      .seconds = 1,
				      .snap = SNAP,
				      .sample = 1,
				      .points = WEIR_CAPTURE_BEFORE | WEIR_CAPTURE_AFTER };
	ring = aligned_alloc(WEIR_CACHE_LINE, sizeof(*ring));
	*ring = (struct capture_ring){ .want = &want, .stride = 128, .next = START };
	ring->slot = calloc(CAPTURE_SLOTS, ring->stride);
	ring->head = ring->tail = START;
	b = (struct burst){ .n = WEIR_BURST };
	for (unsigned i = 0; i < WEIR_BURST; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		frame_make(&frames[i], bytes, LEN, FRAME_HEADROOM);
		b.pkt[i] = (struct pkt){ .mbuf = &frames[i].mbuf,
					 .service = (uint16_t)(i % 2),
					 .backend = (uint16_t)(i % 4),
					 .port = 3 };
		b.key[i].v4.src_be = htonl(0xc6336400 + i); /* 198.51.100.i */
		b.key[i].v4.dst_be = htonl(0xcb00710a);
		b.key[i].v4.sport_be = htons((uint16_t)(1000 + i));
		b.key[i].v4.dport_be = htons(80);
		b.key[i].v4.protocol = i % 8 ? IPPROTO_TCP : IPPROTO_UDP;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WEIR_BURST; i++)
		frame_free(&frames[i]);
	free(ring->slot);
	free(ring);
	return 0;
}

/* As a worker does: encap sets the egress and here only marks what leaves. */
static void run(void)
{
	capture_before(ring, &b);
	for (unsigned i = 0; i < b.n; i++) {
		b.pkt[i].port = 9;
		rte_pktmbuf_mtod(b.pkt[i].mbuf, uint8_t *)[0] = 0xee;
	}
	capture_outcome(ring, &b);
	capture_after(ring, &b);
	capture_commit(ring);
}

static uint32_t copies(void)
{
	return ring->tail - START;
}

static const struct capture_slot *copied(uint32_t n)
{
	return capture_slot(ring, START + n);
}

static void a_packet_is_copied_as_it_came_and_as_it_leaves(void **state)
{
	(void)state;
	b.n = 2;
	run();
	assert_int_equal(copies(), 4);
	for (uint32_t i = 0; i < 4; i++) {
		const struct capture_slot *s = copied(i);
		bool after = i >= 2;

		assert_int_equal(s->point, after ? WEIR_CAPTURE_AFTER : WEIR_CAPTURE_BEFORE);
		assert_int_equal(s->port, after ? 9 : 3);
		assert_int_equal(s->len, LEN);
		assert_int_equal(s->held, SNAP);
		assert_int_equal(s->drop, WEIR_DROP_NONE);
		assert_int_equal(s->bytes[0], after ? 0xee : i);
		assert_int_equal(s->bytes[SNAP - 1], i % 2);
	}
}

static void of_a_burst_for_one_port_the_first_says_which(void **state)
{
	(void)state;
	want.points = WEIR_CAPTURE_AFTER;
	b.n = 2;
	b.one_port = true;
	b.pkt[0].port = 9;
	capture_after(ring, &b);
	capture_commit(ring);
	assert_int_equal(copies(), 2);
	assert_int_equal(copied(1)->port, 9);
}

static void one_point_is_copied_alone(void **state)
{
	(void)state;
	want.points = WEIR_CAPTURE_AFTER;
	run();
	assert_int_equal(copies(), WEIR_BURST);
	assert_int_equal(copied(0)->point, WEIR_CAPTURE_AFTER);
}

/* How many of the burst are copied before encap, with these filters. */
static uint32_t matching(uint32_t by)
{
	uint32_t before = ring->tail;

	want.points = WEIR_CAPTURE_BEFORE;
	want.by = by;
	run();
	ring->head = ring->tail;
	return ring->tail - before;
}

static void all_filters_must_match(void **state)
{
	(void)state;
	want.service = 1;
	want.backend = 2;
	want.protocol = IPPROTO_UDP;
	want.sport = 1007;
	want.dport = 81;
	want.family = 4;
	want.src_len = 28;
	memcpy(want.src, &(uint32_t){ htonl(0xc6336410) }, 4); /* 198.51.100.16/28 */
	assert_int_equal(matching(0), WEIR_BURST);
	assert_int_equal(matching(WEIR_CAPTURE_BY_SERVICE), WEIR_BURST / 2);
	assert_int_equal(matching(WEIR_CAPTURE_BY_BACKEND), WEIR_BURST / 4);
	assert_int_equal(matching(WEIR_CAPTURE_BY_SERVICE | WEIR_CAPTURE_BY_BACKEND), 0);
	assert_int_equal(matching(WEIR_CAPTURE_BY_PROTOCOL), WEIR_BURST / 8);
	assert_int_equal(matching(WEIR_CAPTURE_BY_SPORT), 1);
	assert_int_equal(matching(WEIR_CAPTURE_BY_DPORT), 0);
	assert_int_equal(matching(WEIR_CAPTURE_BY_SOURCE), 16);
	assert_int_equal(matching(WEIR_CAPTURE_BY_SOURCE | WEIR_CAPTURE_BY_SERVICE), 8);
	want.family = 6;
	assert_int_equal(matching(WEIR_CAPTURE_BY_SOURCE), 0);
}

static void ipv6_addresses_match_by_their_first_bits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < b.n; i++) {
		b.pkt[i].flags |= PKT_IPV6;
		memset(&b.key[i], 0, sizeof(b.key[i]));
		memcpy(b.key[i].v6.dst, "\x20\x01\x0d\xb8", 4);
		b.key[i].v6.dst[8] = (uint8_t)(i << 3);
		b.key[i].v6.dport_be = htons(443);
	}
	want.family = 6;
	want.dport = 443;
	memcpy(want.dst, "\x20\x01\x0d\xb8", 4);
	want.dst_len = 64;
	assert_int_equal(matching(WEIR_CAPTURE_BY_DEST | WEIR_CAPTURE_BY_DPORT), WEIR_BURST);
	want.dst_len = 67; /* the three highest bits of i << 3 */
	assert_int_equal(matching(WEIR_CAPTURE_BY_DEST), 4);
}

static void a_drop_is_matched_once_its_reason_is_known(void **state)
{
	(void)state;
	want.by = WEIR_CAPTURE_BY_DROP;
	want.drop = WEIR_DROP_TOO_BIG;
	b.pkt[5].drop = WEIR_DROP_STRAY;
	capture_before(ring, &b);
	b.pkt[7].drop = WEIR_DROP_TOO_BIG; /* by encap */
	b.pkt[7].port = 9;
	capture_outcome(ring, &b);
	capture_after(ring, &b);
	capture_commit(ring);
	assert_int_equal(copies(), 1);
	assert_int_equal(copied(0)->bytes[0], 7);
	assert_int_equal(copied(0)->drop, WEIR_DROP_TOO_BIG);
	assert_int_equal(copied(0)->port, 3); /* where it came in */
}

static void what_became_of_it_stands_with_the_copy(void **state)
{
	(void)state;
	want.points = WEIR_CAPTURE_BEFORE;
	want.by = WEIR_CAPTURE_BY_SERVICE;
	capture_before(ring, &b);
	b.pkt[4].drop = WEIR_DROP_NO_NEXT_HOP;
	b.pkt[6].drop = PKT_TAKEN;
	capture_outcome(ring, &b);
	capture_after(ring, &b);
	capture_commit(ring);
	assert_int_equal(copies(), WEIR_BURST / 2);
	assert_int_equal(copied(2)->bytes[0], 4);
	assert_int_equal(copied(2)->drop, WEIR_DROP_NO_NEXT_HOP);
	assert_int_equal(copied(3)->drop, WEIR_DROP_NONE);
}

/* Only punt knows whether they are dropped. */
static void what_may_be_the_kernels_is_told_behind_punt(void **state)
{
	(void)state;
	want.points = WEIR_CAPTURE_BEFORE;
	b.n = 3;
	b.pkt[0].drop = b.pkt[1].drop = b.pkt[2].drop = WEIR_DROP_NOT_A_VIP;
	capture_before(ring, &b);
	capture_outcome(ring, &b);
	b.pkt[0].drop = PKT_TAKEN;
	b.pkt[1].drop = WEIR_DROP_PUNT_FULL;
	capture_unpunted(ring, &b);
	capture_commit(ring);
	assert_int_equal(copied(0)->drop, WEIR_DROP_NONE);
	assert_int_equal(copied(1)->drop, WEIR_DROP_PUNT_FULL);
	assert_int_equal(copied(2)->drop, WEIR_DROP_NOT_A_VIP);
}

/* It was no drop in the end. */
static void what_was_answered_is_told_as_it_came(void **state)
{
	(void)state;
	want.points = WEIR_CAPTURE_BEFORE;
	b.n = 2;
	b.pkt[0].drop = b.pkt[1].drop = WEIR_DROP_ECHO_OFF;
	capture_before(ring, &b);
	capture_outcome(ring, &b);
	b.pkt[0].drop = WEIR_DROP_NONE;
	b.pkt[0].flags |= PKT_ANSWER;
	capture_unpunted(ring, &b);
	capture_commit(ring);
	assert_int_equal(copied(0)->drop, WEIR_DROP_NONE);
	assert_int_equal(copied(1)->drop, WEIR_DROP_ECHO_OFF);
}

static void a_drop_that_punt_decides_is_matched_behind_it(void **state)
{
	(void)state;
	want.by = WEIR_CAPTURE_BY_DROP;
	want.drop = WEIR_DROP_NOT_A_VIP;
	b.pkt[2].drop = b.pkt[3].drop = WEIR_DROP_NOT_A_VIP;
	capture_before(ring, &b);
	capture_outcome(ring, &b);
	b.pkt[2].drop = PKT_TAKEN;
	capture_unpunted(ring, &b);
	capture_commit(ring);
	assert_int_equal(copies(), 1);
	assert_int_equal(copied(0)->bytes[0], 3);
}

/* A solicitation to the VIP itself, which is over the limit. */
static void what_answers_have_limited_is_told_behind_them(void **state)
{
	(void)state;
	want.points = WEIR_CAPTURE_BEFORE;
	b.n = 1;
	b.pkt[0].drop = WEIR_DROP_UNSUPPORTED_L4;
	capture_before(ring, &b);
	capture_outcome(ring, &b);
	b.pkt[0].drop = WEIR_DROP_ANSWER_LIMITED;
	capture_unpunted(ring, &b);
	capture_commit(ring);
	assert_int_equal(copied(0)->drop, WEIR_DROP_ANSWER_LIMITED);
}

static void and_is_matched_by_that_reason(void **state)
{
	(void)state;
	want.by = WEIR_CAPTURE_BY_DROP;
	want.drop = WEIR_DROP_ANSWER_LIMITED;
	b.pkt[2].drop = WEIR_DROP_NOT_IP;
	capture_before(ring, &b);
	capture_outcome(ring, &b);
	b.pkt[2].drop = WEIR_DROP_ANSWER_LIMITED;
	capture_unpunted(ring, &b);
	capture_commit(ring);
	assert_int_equal(copies(), 1);
	assert_int_equal(copied(0)->bytes[0], 2);
}

static void what_was_held_in_vain_matches_by_its_reason(void **state)
{
	(void)state;
	want.by = WEIR_CAPTURE_BY_DROP;
	want.drop = WEIR_DROP_FRAGMENT;
	capture_unheld(ring, &frames[9].mbuf, 3, WEIR_DROP_FRAGMENT_FULL);
	capture_unheld(ring, &frames[8].mbuf, 3, WEIR_DROP_FRAGMENT);
	want.by |= WEIR_CAPTURE_BY_DPORT;
	want.dport = 80;
	capture_unheld(ring, &frames[7].mbuf, 3, WEIR_DROP_FRAGMENT);
	assert_int_equal(copies(), 1);
	assert_int_equal(copied(0)->bytes[0], 8);
	assert_int_equal(copied(0)->drop, WEIR_DROP_FRAGMENT);
}

/* What parse refused has addresses at most; what classify refused no service; what is held
 * by somebody else is left alone. */
static void packets_match_only_by_what_they_have(void **state)
{
	(void)state;
	want.protocol = IPPROTO_TCP;
	want.service = 1;
	want.backend = 1;
	want.family = 4;
	want.dst_len = 32;
	memcpy(want.dst, &b.key[0].v4.dst_be, 4);
	b.pkt[1].drop = WEIR_DROP_TRUNCATED;
	b.pkt[2].drop = WEIR_DROP_TRUNCATED;
	b.pkt[2].flags = PKT_NO_ADDRESS;
	b.pkt[9].drop = WEIR_DROP_STRAY;
	b.pkt[17].drop = WEIR_DROP_NO_BACKEND;
	b.pkt[25].drop = PKT_TAKEN;
	assert_int_equal(matching(0), WEIR_BURST - 1);
	assert_int_equal(matching(WEIR_CAPTURE_BY_DEST), WEIR_BURST - 2);
	assert_int_equal(matching(WEIR_CAPTURE_BY_PROTOCOL), WEIR_BURST * 7 / 8 - 3);
	assert_int_equal(matching(WEIR_CAPTURE_BY_SERVICE), WEIR_BURST / 2 - 3);
	assert_int_equal(matching(WEIR_CAPTURE_BY_BACKEND), WEIR_BURST / 4 - 4);
}

static void a_sample_is_every_nth_match(void **state)
{
	(void)state;
	want.points = WEIR_CAPTURE_BEFORE;
	want.sample = 10;
	for (unsigned i = 0; i < 5; i++)
		run();
	assert_int_equal(copies(), 5 * WEIR_BURST / 10);
}

static void a_full_ring_misses_and_goes_on_when_it_is_read(void **state)
{
	(void)state;
	want.points = WEIR_CAPTURE_BEFORE;
	for (unsigned i = 0; i < CAPTURE_SLOTS / WEIR_BURST + 2; i++)
		run();
	assert_int_equal(copies(), CAPTURE_SLOTS);
	assert_int_equal(ring->missed, 2 * WEIR_BURST);
	ring->head = ring->tail;
	run();
	assert_int_equal(copies(), CAPTURE_SLOTS + WEIR_BURST);
	assert_int_equal(ring->missed, 2 * WEIR_BURST);
}

static void a_frame_in_two_buffers_is_copied_whole(void **state)
{
	(void)state;
	b.n = 1;
	want.points = WEIR_CAPTURE_BEFORE;
	frames[0].mbuf.data_len = 10;
	frames[0].mbuf.nb_segs = 2;
	frames[0].mbuf.next = &frames[1].mbuf;
	frames[0].mbuf.pkt_len = 10 + LEN;
	run();
	assert_int_equal(copied(0)->len, 10 + LEN);
	assert_int_equal(copied(0)->held, SNAP);
	assert_int_equal(copied(0)->bytes[9], 0);
	assert_int_equal(copied(0)->bytes[10], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_packet_is_copied_as_it_came_and_as_it_leaves),
		TEST(of_a_burst_for_one_port_the_first_says_which),
		TEST(one_point_is_copied_alone),
		TEST(all_filters_must_match),
		TEST(ipv6_addresses_match_by_their_first_bits),
		TEST(a_drop_is_matched_once_its_reason_is_known),
		TEST(what_became_of_it_stands_with_the_copy),
		TEST(what_may_be_the_kernels_is_told_behind_punt),
		TEST(what_was_answered_is_told_as_it_came),
		TEST(a_drop_that_punt_decides_is_matched_behind_it),
		TEST(what_answers_have_limited_is_told_behind_them),
		TEST(and_is_matched_by_that_reason),
		TEST(what_was_held_in_vain_matches_by_its_reason),
		TEST(packets_match_only_by_what_they_have),
		TEST(a_sample_is_every_nth_match),
		TEST(a_full_ring_misses_and_goes_on_when_it_is_read),
		TEST(a_frame_in_two_buffers_is_copied_whole),
	};

	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
