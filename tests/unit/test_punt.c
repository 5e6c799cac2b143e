// SPDX-License-Identifier: Apache-2.0
/*
 * The workers' end of the way to the kernel, with the test as the punt thread: what
 * goes, in which class, how much of it, and what comes back.
 */
#include "punt.h"
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include <rte_ring.h>

#include "eal.h"
#include "frame.h"
#include "ring_port.h"

enum { TAP_PORT = 2, OTHER_PORT = 3, HZ = 1000000, PPS = 600, BUFFERS = 2047 };

static struct rte_mempool *buffers;
static struct rte_ring *out;
static uint16_t ethdev;
static struct weir_worker_area *area;
static struct worker *w;
static struct punt_port tap;
static struct burst b;
static uint64_t now = 1000 * (uint64_t)HZ;

static uint8_t bytes[FRAME_MAX];
static size_t len;

static struct rte_ring *ring(const char *name, unsigned size)
{
	return rte_ring_create(name, size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int setup(void **state)
{
	(void)state;
	area = calloc(1, sizeof(*area));
	w = calloc(1, sizeof(*w));
	w->area = area;
	w->tx[TAP_PORT] = (struct worker_tx){ .ethdev = ethdev };
	tap = (struct punt_port){ .blank = ring("blank", PUNT_LENT),
				  .filled = ring("filled", PUNT_LENT),
				  .pool = buffers,
				  .port = TAP_PORT };
	w->punt = (struct punt){ .first = ring("first", PUNT_FIRST),
				 .rest = ring("rest", PUNT_REST),
				 .done = ring("done", PUNT_DONE),
				 .count = area->punt,
				 .ports = 1u << TAP_PORT,
				 .home = { &tap },
				 .home_count = 1 };
	w->punt.rate[TAP_PORT] = limit_rate(PPS, HZ);
	now += 10 * (uint64_t)HZ;
	return 0;
}

static void drain(struct rte_ring *r)
{
	void *m;

	while (rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
}

static int teardown(void **state)
{
	struct rte_ring *all[] = { w->punt.first, w->punt.rest, w->punt.done, tap.blank,
				   tap.filled };

	(void)state;
	drain(out);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		drain(all[i]);
		rte_ring_free(all[i]);
	}
	assert_int_equal(rte_mempool_in_use_count(buffers), 0); /* none was lost */
	free(area);
	free(w);
	return 0;
}

static void ipv4(uint8_t protocol, uint16_t sport, uint16_t dport)
{
	len = build_ipv4(bytes, protocol, 0, 20);
	put16(bytes + AT_IP + IP4_HDR, sport);
	put16(bytes + AT_IP + IP4_HDR + 2, dport);
}

static void ipv6(uint8_t next, uint8_t first_byte)
{
	len = build_ipv4(bytes, IPPROTO_UDP, 0, 40);
	put16(bytes + 12, 0x86dd);
	memset(bytes + AT_IP, 0, len - AT_IP);
	bytes[AT_IP] = 0x60;
	bytes[AT_IP + 6] = next;
	bytes[AT_IP + 40] = first_byte;
}

static void link_frame(uint16_t type)
{
	memset(bytes, 0, 60);
	put16(bytes + 12, type);
	len = 60;
}

/* `bytes`, dropped by an earlier stage, comes to punt_burst(). */
static struct pkt *arrive(enum weir_drop reason, uint16_t flags, uint8_t port)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(buffers);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	b.n = 1;
	b.dropped = true;
	b.pkt[0] = (struct pkt){ .mbuf = m,
				 .port = port,
				 .l3_off = ETH_LEN,
				 .l4_words = flags & PKT_IPV6 ? 40 / 4 : IP4_HDR / 4,
				 .drop = (uint8_t)reason,
				 .flags = flags };
	punt_burst(&w->punt, &b, now);
	return &b.pkt[0];
}

/* What tx does with a drop. Returns whether the packet was one. */
static bool freed(struct pkt *p)
{
	if (p->drop == PKT_TAKEN)
		return false;
	rte_pktmbuf_free(p->mbuf);
	return true;
}

static void assert_goes_by(struct rte_ring *r, enum weir_drop reason, uint16_t flags)
{
	unsigned before = rte_ring_count(r);

	assert_false(freed(arrive(reason, flags, TAP_PORT)));
	assert_int_equal(rte_ring_count(r), before + 1);
}

static void what_keeps_the_host_on_the_net_goes_first(void **state)
{
	(void)state;
	link_frame(0x0806);
	assert_goes_by(w->punt.first, WEIR_DROP_NOT_IP, 0);
	for (uint8_t type = 133; type <= 137; type++) {
		ipv6(IPPROTO_ICMPV6, type);
		assert_goes_by(w->punt.first, WEIR_DROP_NOT_A_VIP, PKT_IPV6 | PKT_OTHER_L4);
	}
	ipv4(IPPROTO_TCP, 179, 40000);
	assert_goes_by(w->punt.first, WEIR_DROP_NOT_A_VIP, PKT_TCP);
	ipv4(IPPROTO_TCP, 40000, 179);
	assert_goes_by(w->punt.first, WEIR_DROP_NOT_A_VIP, PKT_TCP);
	ipv4(IPPROTO_UDP, 50000, 3784);
	assert_goes_by(w->punt.first, WEIR_DROP_NOT_A_VIP, 0);
	ipv4(89, 0, 0);
	assert_goes_by(w->punt.first, WEIR_DROP_NOT_A_VIP, PKT_OTHER_L4);
}

static void the_rest_goes_last(void **state)
{
	(void)state;
	link_frame(0x88cc); /* LLDP */
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_IP, 0);
	ipv6(IPPROTO_ICMPV6, 128);
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_A_VIP, PKT_IPV6 | PKT_ECHO);
	ipv4(IPPROTO_TCP, 22, 40000);
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_A_VIP, PKT_TCP);
	ipv4(IPPROTO_UDP, 3784, 50000);
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_A_VIP, 0);
	ipv4(IPPROTO_TCP, 179, 179); /* payload that looks like ports */
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_A_VIP, PKT_FRAG_LATER);
	len = AT_IP + IP4_HDR + 3; /* and what is cut */
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_A_VIP, PKT_FRAG_FIRST);
}

/* Behind more tags than parse looks at; and what is malformed, whatever it says it is. */
static void what_was_not_looked_at_goes_last(void **state)
{
	(void)state;
	link_frame(0x8100);
	put16(bytes + 16, 0x0806);
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_IP, 0);
	ipv4(IPPROTO_TCP, 40000, 179);
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_A_VIP, PKT_MALFORMED);
	assert_goes_by(w->punt.rest, WEIR_DROP_NO_SNAPSHOT, PKT_MALFORMED);
	ipv4(89, 0, 0);
	assert_goes_by(w->punt.rest, WEIR_DROP_NOT_A_VIP, PKT_MALFORMED);
	assert_int_equal(area->punt[WEIR_PUNT_NOT_A_VIP].packets, 3);
}

static void it_is_counted_by_what_it_is(void **state)
{
	(void)state;
	link_frame(0x0806);
	arrive(WEIR_DROP_NOT_IP, 0, TAP_PORT);
	ipv4(IPPROTO_TCP, 1, 2);
	arrive(WEIR_DROP_NOT_A_VIP, PKT_TCP, TAP_PORT);
	arrive(WEIR_DROP_NO_SNAPSHOT, PKT_TCP, TAP_PORT);
	assert_int_equal(area->punt[WEIR_PUNT_NOT_IP].packets, 1);
	assert_int_equal(area->punt[WEIR_PUNT_NOT_IP].bytes, 60);
	assert_int_equal(area->punt[WEIR_PUNT_NOT_A_VIP].packets, 2);
	assert_int_equal(area->punt[WEIR_PUNT_NOT_A_VIP].bytes, 2 * len);
}

static void nothing_else_goes_to_the_kernel(void **state)
{
	(void)state;
	ipv4(IPPROTO_TCP, 1, 2);
	for (unsigned reason = WEIR_DROP_NONE; reason < WEIR_DROP_REASONS; reason++) {
		struct pkt *p;

		if (reason == WEIR_DROP_NOT_A_VIP || reason == WEIR_DROP_NOT_IP ||
		    reason == WEIR_DROP_NO_SNAPSHOT)
			continue;
		p = arrive(reason, PKT_TCP, TAP_PORT);
		assert_int_equal(p->drop, reason);
		assert_true(freed(p));
	}
	assert_true(freed(arrive(WEIR_DROP_NOT_A_VIP, PKT_TCP, OTHER_PORT))); /* has no TAP */
	assert_int_equal(rte_ring_count(w->punt.first) + rte_ring_count(w->punt.rest), 0);
}

/* Until one is refused, which is a counted drop. Returns how many went. */
static unsigned fill(uint16_t flags)
{
	struct pkt *p;
	unsigned n;

	for (n = 0;; n++) {
		p = arrive(WEIR_DROP_NOT_A_VIP, flags, TAP_PORT);
		if (freed(p))
			break;
	}
	assert_int_equal(p->drop, WEIR_DROP_PUNT_FULL);
	return n;
}

static void a_full_ring_is_a_drop_and_leaves_the_other_open(void **state)
{
	(void)state;
	w->punt.rate[TAP_PORT] = limit_rate(HZ, HZ);
	ipv4(IPPROTO_TCP, 1, 2);
	assert_int_equal(fill(PKT_TCP), PUNT_REST - 1);
	ipv4(IPPROTO_TCP, 179, 2);
	assert_int_equal(fill(PKT_TCP), PUNT_FIRST - 1);
	assert_true(w->punt.first_away + w->punt.rest_away <= PUNT_AWAY);
}

/* As the punt thread does, n at a time. */
static void write_all(struct rte_ring *r)
{
	void *m;

	while (rte_ring_dequeue(r, &m) == 0)
		assert_int_equal(rte_ring_enqueue(w->punt.done, m), 0);
}

/* What has been written and not yet taken back holds no place of the other ring's. */
static void what_is_away_of_one_class_leaves_the_other_its_own(void **state)
{
	(void)state;
	w->punt.rate[TAP_PORT] = limit_rate(HZ, HZ);
	ipv4(IPPROTO_TCP, 1, 2);
	assert_int_equal(fill(PKT_TCP), PUNT_REST - 1);
	write_all(w->punt.rest);
	assert_int_equal(fill(PKT_TCP), 1);
	ipv4(IPPROTO_TCP, 179, 2);
	assert_int_equal(fill(PKT_TCP), PUNT_FIRST - 1);
	write_all(w->punt.rest);
	write_all(w->punt.first);
	for (unsigned i = 0; i < PUNT_AWAY / 32 + 1; i++)
		punt_poll(w);
	assert_int_equal(w->punt.first_away, 0);
	assert_int_equal(w->punt.rest_away, 0);
}

static void each_class_has_a_rate_of_its_own(void **state)
{
	unsigned n = 0;

	(void)state;
	ipv4(IPPROTO_TCP, 1, 2);
	for (unsigned i = 0; i < 2 * PPS; i++) {
		n += !freed(arrive(WEIR_DROP_NOT_A_VIP, PKT_TCP, TAP_PORT));
		write_all(w->punt.rest);
		punt_poll(w);
	}
	assert_int_equal(n, PPS);
	ipv4(IPPROTO_TCP, 179, 2);
	assert_goes_by(w->punt.first, WEIR_DROP_NOT_A_VIP, PKT_TCP);
	link_frame(0x0806);
	assert_goes_by(w->punt.first, WEIR_DROP_NOT_IP, 0);
	now += HZ / 10;
	ipv4(IPPROTO_TCP, 1, 2);
	assert_int_equal(fill(PKT_TCP), PPS / 10);
}

static void buffers_come_back(void **state)
{
	(void)state;
	ipv4(IPPROTO_TCP, 1, 2);
	for (unsigned i = 0; i < 100; i++)
		assert_false(freed(arrive(WEIR_DROP_NOT_A_VIP, PKT_TCP, TAP_PORT)));
	assert_int_equal(w->punt.rest_away, 100);
	write_all(w->punt.rest);
	for (unsigned i = 0; i < 4; i++) /* a bounded number each time */
		punt_poll(w);
	assert_int_equal(w->punt.rest_away, 0);
}

static void a_thread_that_stands_still_keeps_a_bounded_number(void **state)
{
	(void)state;
	w->punt.rate[TAP_PORT] = limit_rate(HZ, HZ);
	ipv4(IPPROTO_TCP, 1, 2);
	for (unsigned i = 0; i < 4 * PUNT_AWAY; i++) {
		void *m;

		freed(arrive(WEIR_DROP_NOT_A_VIP, PKT_TCP, TAP_PORT));
		punt_poll(w);
		/* It takes one out now and then, and never gives one back. */
		if (i % 3 == 0 && rte_ring_dequeue(w->punt.rest, &m) == 0)
			rte_pktmbuf_free(m);
	}
	assert_int_equal(w->punt.rest_away, PUNT_REST);
	assert_true(tap.lent < PUNT_LENT);
}

static void what_the_kernel_sends_leaves_by_the_port(void **state)
{
	struct rte_mbuf *m = NULL;

	(void)state;
	for (unsigned i = 0; i < 2 * PUNT_LENT / 32; i++)
		punt_poll(w);
	assert_int_equal(rte_ring_count(tap.blank), PUNT_LENT - 1);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(rte_ring_dequeue(tap.blank, (void **)&m), 0);
		assert_int_equal(rte_pktmbuf_data_len(m), 0);
		rte_pktmbuf_append(m, (uint16_t)(60 + i));
		assert_int_equal(rte_ring_enqueue(tap.filled, m), 0);
	}
	punt_poll(w);
	assert_int_equal(rte_ring_count(out), 32); /* bounded */
	punt_poll(w);
	assert_int_equal(rte_ring_count(out), 40);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(rte_ring_dequeue(out, (void **)&m), 0);
		assert_int_equal(m->pkt_len, 60 + i); /* in order */
		rte_pktmbuf_free(m);
	}
	assert_int_equal(area->tx[TAP_PORT].packets, 40);
	assert_int_equal(area->tx[TAP_PORT].bytes, 40 * 60 + 39 * 40 / 2);
	assert_int_equal(area->punt[WEIR_PUNT_FROM_KERNEL].packets, 40);
	assert_int_equal(area->service[0].packets + area->backend[0].packets, 0);
	for (unsigned i = 0; i < 4; i++)
		punt_poll(w);
	assert_int_equal(rte_ring_count(tap.blank), PUNT_LENT - 1); /* made up for */
}

static void what_the_port_does_not_take_is_counted(void **state)
{
	struct rte_mbuf *m = NULL;

	(void)state;
	punt_poll(w);
	while (rte_ring_free_count(out) > 5) {
		m = rte_pktmbuf_alloc(buffers);
		assert_int_equal(rte_ring_enqueue(out, m), 0);
	}
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(rte_ring_dequeue(tap.blank, (void **)&m), 0);
		rte_pktmbuf_append(m, 100);
		assert_int_equal(rte_ring_enqueue(tap.filled, m), 0);
	}
	punt_poll(w);
	assert_int_equal(area->punt[WEIR_PUNT_FROM_KERNEL].packets, 5);
	assert_int_equal(area->punt[WEIR_PUNT_FROM_KERNEL_LOST].packets, 15);
	assert_int_equal(area->punt[WEIR_PUNT_FROM_KERNEL_LOST].bytes, 1500);
}

static int group_setup(void **state)
{
	int port;

	(void)state;
	buffers = eal_buffers(BUFFERS);
	if (buffers == NULL)
		return -1;
	out = ring("out", 64);
	port = ring_port("ring", out, out, buffers);
	ethdev = (uint16_t)port;
	return port < 0 ? -1 : 0;
}

static int group_teardown(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_keeps_the_host_on_the_net_goes_first),
		TEST(the_rest_goes_last),
		TEST(what_was_not_looked_at_goes_last),
		TEST(it_is_counted_by_what_it_is),
		TEST(nothing_else_goes_to_the_kernel),
		TEST(a_full_ring_is_a_drop_and_leaves_the_other_open),
		TEST(what_is_away_of_one_class_leaves_the_other_its_own),
		TEST(each_class_has_a_rate_of_its_own),
		TEST(buffers_come_back),
		TEST(a_thread_that_stands_still_keeps_a_bounded_number),
		TEST(what_the_kernel_sends_leaves_by_the_port),
		TEST(what_the_port_does_not_take_is_counted),
	};

	return cmocka_run_group_tests_name("punt", tests, group_setup, group_teardown);
}
