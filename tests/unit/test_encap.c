// SPDX-License-Identifier: Apache-2.0
#include "pipeline.h"
#include "view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "eal.h"
#include "one_backend.h"

#define OUTER_SRC 0x0a000001u /* 10.0.0.1 */
#define OUTER_DST 0x0a00010bu /* 10.0.1.11 */
#define OUTER	  20 /* bytes of outer IPv4 */

/* The ready header, as the control plane makes it: total length and ToS are 0. */
static void ready_outer(uint32_t src, uint32_t dst)
{
	const uint8_t header[OUTER] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, IPPROTO_IPIP };

	memset(backend.outer, 0, sizeof(backend.outer));
	memcpy(backend.outer, header, OUTER);
	put32(backend.outer + 12, src);
	put32(backend.outer + 16, dst);
	put16(backend.outer + 10, slow_checksum(backend.outer, OUTER));
}

static int setup(void **state)
{
	(void)state;
	one_backend();
	ready_outer(OUTER_SRC, OUTER_DST);
	return 0;
}

/* What parse says of a frame of build_ipv4(). */
static struct pkt packet(struct rte_mbuf *m, const uint8_t *bytes)
{
	return (struct pkt){ .mbuf = m,
			     .l3_off = AT_IP,
			     .l4_words = 20 / 4,
			     .ip_len = get16(bytes + AT_IP_LEN),
			     .port = 1 };
}

static enum weir_drop encap(struct pkt *p)
{
	struct burst b = { .n = 1, .lens = p->ip_len, .pkt[0] = *p };

	encap_burst(&view, ports, &b);
	*p = b.pkt[0];
	assert_int_equal(b.dropped, p->drop != WEIR_DROP_NONE);
	return p->drop;
}

/* Encapsulate a frame of its own; the result is in *f, to be freed. */
static enum weir_drop encap_frame(struct frame *f, const uint8_t *bytes, size_t len, struct pkt *p)
{
	frame_make(f, bytes, len, FRAME_HEADROOM);
	*p = packet(&f->mbuf, bytes);
	return encap(p);
}

static enum weir_drop outcome(const uint8_t *bytes, size_t len)
{
	struct frame f;
	struct pkt p;
	enum weir_drop drop = encap_frame(&f, bytes, len, &p);

	frame_free(&f);
	return drop;
}

static const uint8_t *start(const struct frame *f)
{
	return rte_pktmbuf_mtod(&f->mbuf, const uint8_t *);
}

static void l2_makes_a_new_ethernet_header_and_leaves_the_rest(void **state)
{
	uint8_t bytes[FRAME_MAX];
	struct frame f;
	struct pkt p;

	(void)state;
	for (size_t payload = 0; payload < 1400; payload += 97) {
		size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, payload);

		assert_int_equal(encap_frame(&f, bytes, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.port, PORT);
		assert_int_equal(f.mbuf.data_len, len);
		assert_int_equal(f.mbuf.pkt_len, len);
		assert_memory_equal(start(&f), dmac, 6);
		assert_memory_equal(start(&f) + 6, ports[PORT].mac, 6);
		assert_memory_equal(start(&f) + 12, "\x08\x00", 2);
		assert_memory_equal(start(&f) + AT_IP, bytes + AT_IP, len - AT_IP);
		frame_free(&f);
	}
}

static void ipip_puts_every_field_of_rfc_2003_in_front(void **state)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_UDP, 8, 33);
	const uint8_t *at;
	struct frame f;
	struct pkt p;

	(void)state;
	backend.encap = WEIR_ENCAP_IPIP4;
	bytes[AT_TOS] = 0xb9; /* EF and ECT(1) */
	assert_int_equal(encap_frame(&f, bytes, len, &p), WEIR_DROP_NONE);
	assert_int_equal(f.mbuf.data_len, len + OUTER);
	assert_int_equal(f.mbuf.pkt_len, len + OUTER);
	at = start(&f);
	assert_memory_equal(at, dmac, 6);
	assert_memory_equal(at + 6, ports[PORT].mac, 6);
	assert_memory_equal(at + 12, "\x08\x00", 2);
	at += ETH_LEN;
	assert_int_equal(at[0], 0x45);
	assert_int_equal(at[1], 0xb9);
	assert_int_equal(get16(at + 2), len - AT_IP + OUTER);
	assert_int_equal(get16(at + 4), 0);
	assert_int_equal(get16(at + 6), 0x4000);
	assert_int_equal(at[8], 64);
	assert_int_equal(at[9], 4);
	assert_int_equal(slow_checksum(at, OUTER), 0);
	assert_memory_equal(at + 12, "\x0a\x00\x00\x01\x0a\x00\x01\x0b", 8);
	assert_memory_equal(at + OUTER, bytes + AT_IP, len - AT_IP);
	frame_free(&f);
}

/* The header alone, without a packet of that length behind it. */
static void check_outer(uint8_t *bytes, uint8_t tos, uint32_t ip_len)
{
	uint8_t want[OUTER];
	struct frame f;
	struct pkt p;

	bytes[AT_TOS] = tos;
	put16(bytes + AT_IP_LEN, (uint16_t)ip_len);
	assert_int_equal(encap_frame(&f, bytes, AT_IP + 20, &p), WEIR_DROP_NONE);

	memcpy(want, backend.outer, OUTER);
	want[1] = tos;
	put16(want + 2, (uint16_t)(ip_len + OUTER));
	put16(want + 10, 0);
	put16(want + 10, slow_checksum(want, OUTER));
	assert_memory_equal(start(&f) + ETH_LEN, want, OUTER);
	frame_free(&f);
}

static void the_checksum_is_that_of_a_full_sum(void **state)
{
	const uint32_t addresses[][2] = { { OUTER_SRC, OUTER_DST },
					  { 0x00000000, 0x00000000 },
					  { 0xffffffff, 0xffffffff },
					  { 0xc0a80001, 0x3f573fa8 } };
	uint8_t bytes[FRAME_MAX];

	(void)state;
	backend.encap = WEIR_ENCAP_IPIP4;
	backend.mtu = ports[PORT].mtu = UINT16_MAX;
	build_ipv4(bytes, IPPROTO_TCP, 0, 0);
	for (unsigned i = 0; i < 4; i++) {
		ready_outer(addresses[i][0], addresses[i][1]);
		for (uint32_t ip_len = 20; ip_len <= UINT16_MAX - OUTER; ip_len++)
			check_outer(bytes, (uint8_t)(ip_len * 37), ip_len);
		for (uint32_t tos = 0; tos < 256; tos++)
			for (uint32_t ip_len = 20; ip_len < 1500; ip_len += 11)
				check_outer(bytes, (uint8_t)tos, ip_len);
	}
	/* Every sum of a ready header, so that each carry comes up. */
	for (uint32_t low = 0; low <= UINT16_MAX; low++) {
		ready_outer(OUTER_SRC, (OUTER_DST & 0xffff0000) | low);
		check_outer(bytes, 0xff, 1500);
	}
}

static void padding_does_not_enter_the_tunnel(void **state)
{
	uint8_t bytes[FRAME_MAX] = { 0 };
	size_t len = build_ipv4(bytes, IPPROTO_UDP, 0, 0);
	struct frame f;
	struct pkt p;

	(void)state;
	backend.encap = WEIR_ENCAP_IPIP4;
	memset(bytes + len, 0x55, 60 - len);
	assert_int_equal(encap_frame(&f, bytes, 60, &p), WEIR_DROP_NONE);
	assert_int_equal(f.mbuf.data_len, len + OUTER);
	assert_int_equal(f.mbuf.pkt_len, len + OUTER);
	assert_int_equal(get16(start(&f) + ETH_LEN + 2), len - AT_IP + OUTER);
	frame_free(&f);
}

static void a_vlan_tag_is_put_where_the_next_hop_wants_one(void **state)
{
	const uint8_t encaps[] = { WEIR_ENCAP_L2, WEIR_ENCAP_IPIP4 };
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 5);
	struct frame f;
	struct pkt p;

	(void)state;
	backend.vlan_be = htons(3 << 13 | 100);
	for (unsigned i = 0; i < 2; i++) {
		unsigned outer = i * OUTER;

		backend.encap = encaps[i];
		assert_int_equal(encap_frame(&f, bytes, len, &p), WEIR_DROP_NONE);
		assert_int_equal(f.mbuf.data_len, len + 4 + outer);
		assert_memory_equal(start(&f), dmac, 6);
		assert_memory_equal(start(&f) + 12, "\x81\x00\x60\x64\x08\x00", 6);
		assert_memory_equal(start(&f) + 18 + outer, bytes + AT_IP, len - AT_IP);
		frame_free(&f);
	}
}

static void what_does_not_fit_the_least_mtu_is_too_big(void **state)
{
	uint16_t *mtu[] = { &backend.mtu, &ports[PORT].mtu };
	uint8_t bytes[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		*mtu[i] = 1000;
		for (size_t ip_len = 970; ip_len <= 1010; ip_len++) {
			size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, ip_len - 40);

			backend.encap = WEIR_ENCAP_L2;
			assert_int_equal(outcome(bytes, len),
					 ip_len > 1000 ? WEIR_DROP_TOO_BIG : WEIR_DROP_NONE);
			backend.encap = WEIR_ENCAP_IPIP4;
			assert_int_equal(outcome(bytes, len), ip_len + OUTER > 1000
								      ? WEIR_DROP_TOO_BIG
								      : WEIR_DROP_NONE);
		}
		*mtu[i] = 1500;
	}
}

static void no_outer_length_overflows(void **state)
{
	uint8_t bytes[FRAME_MAX];

	(void)state;
	backend.encap = WEIR_ENCAP_IPIP4;
	backend.mtu = ports[PORT].mtu = UINT16_MAX;
	build_ipv4(bytes, IPPROTO_TCP, 0, 0);
	for (uint32_t ip_len = UINT16_MAX - OUTER + 1; ip_len <= UINT16_MAX; ip_len++) {
		put16(bytes + AT_IP_LEN, (uint16_t)ip_len);
		assert_int_equal(outcome(bytes, AT_IP + 20), WEIR_DROP_TOO_BIG);
	}
}

static void a_backend_says_why_it_gets_nothing(void **state)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 0);

	(void)state;
	backend.flags = 0;
	assert_int_equal(outcome(bytes, len), WEIR_DROP_BACKEND_OFF);
	backend.flags = WEIR_BACKEND_RESOLVED;
	assert_int_equal(outcome(bytes, len), WEIR_DROP_BACKEND_OFF);
	backend.flags = WEIR_BACKEND_FORWARD;
	assert_int_equal(outcome(bytes, len), WEIR_DROP_NO_NEXT_HOP);
}

static void a_port_must_be_there(void **state)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 0);

	(void)state;
	for (unsigned port = 0; port < 256; port++) {
		backend.port = (uint8_t)port;
		assert_int_equal(outcome(bytes, len),
				 port == PORT ? WEIR_DROP_NONE : WEIR_DROP_NO_PORT);
	}
}

static void an_unknown_encapsulation_is_no_way_out(void **state)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 0);

	(void)state;
	for (unsigned encap_kind = 0; encap_kind < 256; encap_kind++) {
		bool known = encap_kind < WEIR_ENCAPS;

		backend.encap = (uint8_t)encap_kind;
		assert_int_equal(outcome(bytes, len),
				 known ? WEIR_DROP_NONE : WEIR_DROP_BACKEND_OFF);
	}
}

static void without_headroom_there_is_no_outer_header(void **state)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 0);

	(void)state;
	backend.encap = WEIR_ENCAP_IPIP4;
	for (uint16_t headroom = 0; headroom < 40; headroom++) {
		struct frame f;
		struct pkt p;

		frame_make(&f, bytes, len, headroom);
		p = packet(&f.mbuf, bytes);
		assert_int_equal(encap(&p),
				 headroom < OUTER ? WEIR_DROP_NO_HEADROOM : WEIR_DROP_NONE);
		frame_free(&f);
	}
}

/* A line of random bytes: the packet is dropped or leaves by a port that is there,
 * and no byte outside the frame and its headroom is touched (sanitizers). */
static void nonsense_in_a_backend_stays_in_range(void **state)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 100);
	unsigned passed = 0;

	(void)state;
	srandom(20164);
	for (unsigned round = 0; round < 200000; round++) {
		struct frame f;
		struct pkt p;

		for (size_t i = 0; i < sizeof(backend); i++)
			((uint8_t *)&backend)[i] = (uint8_t)random();
		if (round % 2) { /* half of them near enough to pass */
			backend.flags |= WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED;
			backend.encap %= WEIR_ENCAPS;
			backend.port %= 4;
		}
		if (encap_frame(&f, bytes, len, &p) == WEIR_DROP_NONE) {
			passed++;
			assert_int_equal(p.port, PORT);
			assert_true(f.mbuf.pkt_len <= len + encap_overhead(backend.encap) + 4);
		}
		frame_free(&f);
	}
	assert_true(passed > 10000); /* or this tests nothing */
}

static struct rte_mempool *buffers;

/* A frame in segments of at most `cut` bytes, from the pool, each behind `headroom`. */
static struct rte_mbuf *segments(const uint8_t *bytes, size_t len, size_t cut, uint16_t headroom)
{
	struct rte_mbuf *head = NULL, *m;

	for (size_t done = 0; done < len; done += cut) {
		size_t part = RTE_MIN(cut, len - done);

		m = rte_pktmbuf_alloc(buffers);
		m->data_off = headroom;
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), bytes + done, part);
		if (head == NULL)
			head = m;
		else
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
	}
	return head;
}

static void segments_are_carried_and_trimmed_wherever_the_packet_ends(void **state)
{
	uint8_t bytes[FRAME_MAX], got[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 600);

	(void)state;
	backend.encap = WEIR_ENCAP_IPIP4;
	memset(bytes + len, 0x55, 300);
	for (size_t padding = 0; padding <= 300; padding += 25) {
		struct rte_mbuf *m = segments(bytes, len + padding, 100, FRAME_HEADROOM);
		struct pkt p = packet(m, bytes);
		const uint8_t *whole;

		assert_int_equal(encap(&p), WEIR_DROP_NONE);
		assert_int_equal(m->pkt_len, len + OUTER);
		assert_int_equal(rte_mbuf_check(m, 1, &(const char *){ NULL }), 0);
		whole = rte_pktmbuf_read(m, 0, m->pkt_len, got);
		assert_non_null(whole);
		assert_memory_equal(whole + ETH_LEN + OUTER, bytes + AT_IP, len - AT_IP);
		rte_pktmbuf_free(m);
		assert_int_equal(rte_mempool_in_use_count(buffers), 0);
	}
}

static void segments_without_headroom_stay_as_they_came(void **state)
{
	uint8_t bytes[FRAME_MAX], got[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 600), padding = 250;
	struct rte_mbuf *m;
	struct pkt p;

	(void)state;
	backend.encap = WEIR_ENCAP_IPIP4;
	memset(bytes + len, 0x55, padding);
	m = segments(bytes, len + padding, 100, 2);
	p = packet(m, bytes);
	assert_int_equal(encap(&p), WEIR_DROP_NO_HEADROOM);
	assert_int_equal(m->pkt_len, len + padding);
	assert_memory_equal(rte_pktmbuf_read(m, 0, m->pkt_len, got), bytes, len + padding);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_in_use_count(buffers), 0);
}

#define KINDS 9
#define N     4

/* A burst whose packets are for `kind[]`: indices of backends. With as_taken, rx has filled it. */
static void encap_burst_of(const uint8_t *bytes, size_t len, const unsigned kind[N],
			   struct frame f[N], struct burst *b)
{
	b->n = N;
	for (unsigned i = 0; i < N; i++) {
		frame_make(&f[i], bytes, len, FRAME_HEADROOM);
		b->pkt[i] = packet(&f[i].mbuf, bytes);
		b->pkt[i].backend = (uint16_t)kind[i];
		b->lens |= b->pkt[i].ip_len;
		if (b->as_taken) {
			b->leaving[i] = &f[i].mbuf;
			b->bytes += f[i].mbuf.pkt_len;
		}
	}
	encap_burst(&view, ports, b);
}

/* What tx goes by of a burst that leaves by one port. */
static void assert_ready(const struct burst *b, struct frame f[N])
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < N; i++) {
		assert_ptr_equal(b->leaving[i], &f[i].mbuf);
		bytes += f[i].mbuf.pkt_len;
	}
	assert_int_equal(b->bytes, bytes);
}

static void assert_fares_as_alone(const uint8_t *bytes, size_t len, const struct pkt *p,
				  unsigned port, const struct frame *f)
{
	struct frame one;
	struct pkt alone;

	frame_make(&one, bytes, len, FRAME_HEADROOM);
	alone = packet(&one.mbuf, bytes);
	alone.backend = p->backend;
	assert_int_equal(encap(&alone), p->drop);
	assert_int_equal(port, alone.port);
	assert_int_equal(f->mbuf.data_off, one.mbuf.data_off);
	assert_int_equal(f->mbuf.data_len, one.mbuf.data_len);
	assert_int_equal(f->mbuf.pkt_len, one.mbuf.pkt_len);
	assert_memory_equal(f->buf, one.buf, one.mbuf.data_off + one.mbuf.data_len);
	frame_free(&one);
}

/* What the packets of a burst have in common is looked at once: one that differs, wherever
 * it stands and in whatever, is none the worse for it, and neither are the others. */
static void a_packet_fares_in_a_burst_as_alone(void **state)
{
	struct weir_backend kinds[KINDS];
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 100);

	(void)state;
	for (unsigned i = 0; i < KINDS; i++)
		kinds[i] = backend;
	ports[PORT + 1] = (struct egress){ .mac = { 2, 0, 0, 0, 0, 0xbb }, .mtu = 1500 };
	kinds[1].port = PORT + 1;
	kinds[2].encap = WEIR_ENCAP_IPIP4;
	kinds[3].encap = WEIR_ENCAP_GUE4;
	kinds[4].flags = WEIR_BACKEND_FORWARD;
	kinds[5].mtu = 60;
	kinds[6].vlan_be = htons(7);
	kinds[7].encap = WEIR_ENCAP_IPIP6;
	kinds[8].mtu = 1400;
	view.backend = kinds;
	for (unsigned usual = 0; usual < KINDS; usual++)
		for (unsigned other = 0; other < KINDS; other++)
			for (unsigned at = 0; at < 2 * N; at++) {
				unsigned kind[N] = { usual, usual, usual, usual };
				struct burst b = { .as_taken = at >= N };
				struct frame f[N];

				kind[at % N] = other;
				encap_burst_of(bytes, len, kind, f, &b);
				assert_int_equal(!b.dropped && b.one_port,
						 !b.dropped && (usual == 1) == (other == 1));
				if (b.one_port && !b.dropped)
					assert_ready(&b, f);
				for (unsigned i = 0; i < N; i++) {
					const struct pkt *says = &b.pkt[b.one_port ? 0 : i];

					assert_fares_as_alone(bytes, len, &b.pkt[i], says->port,
							      &f[i]);
					frame_free(&f[i]);
				}
			}
}

/* They may be dropped behind encap, and then tx goes by each one's port. */
static void of_fragments_each_ones_port_is_noted(void **state)
{
	const unsigned kind[N] = { 0 };
	struct burst b = { .as_taken = true, .seen = PKT_FRAGMENT };
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, IPPROTO_TCP, 0, 100);
	struct frame f[N];

	(void)state;
	encap_burst_of(bytes, len, kind, f, &b);
	assert_true(b.one_port);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(b.pkt[i].port, PORT);
		frame_free(&f[i]);
	}
}

/* lens is no packet's length: here it fits no MTU below 511. */
static void the_longest_packet_of_a_burst_decides_whether_all_fit(void **state)
{
	static const unsigned encaps[] = { WEIR_ENCAP_L2, WEIR_ENCAP_IPIP4 };
	uint8_t bytes[2][FRAME_MAX];
	size_t len[2] = { build_ipv4(bytes[0], IPPROTO_TCP, 0, 300 - 40),
			  build_ipv4(bytes[1], IPPROTO_TCP, 0, 467 - 40) };

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (unsigned short_by = 0; short_by < 2; short_by++) {
			struct burst b = { .n = 2, .lens = 300 | 467 };
			struct frame f[2];

			backend.encap = encaps[i];
			backend.mtu = (uint16_t)(467 + encap_overhead(encaps[i]) - short_by);
			for (unsigned k = 0; k < 2; k++) {
				frame_make(&f[k], bytes[k], len[k], FRAME_HEADROOM);
				b.pkt[k] = packet(&f[k].mbuf, bytes[k]);
			}
			encap_burst(&view, ports, &b);
			assert_int_equal(b.pkt[0].drop, WEIR_DROP_NONE);
			assert_int_equal(b.pkt[1].drop,
					 short_by ? WEIR_DROP_TOO_BIG : WEIR_DROP_NONE);
			assert_int_equal(b.dropped, short_by);
			frame_free(&f[0]);
			frame_free(&f[1]);
		}
}

static int group_setup(void **state)
{
	(void)state;
	buffers = eal_buffers(63);
	return buffers != NULL ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	rte_mempool_free(buffers);
	return rte_eal_cleanup();
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(l2_makes_a_new_ethernet_header_and_leaves_the_rest),
		TEST(ipip_puts_every_field_of_rfc_2003_in_front),
		TEST(the_checksum_is_that_of_a_full_sum),
		TEST(padding_does_not_enter_the_tunnel),
		TEST(a_vlan_tag_is_put_where_the_next_hop_wants_one),
		TEST(what_does_not_fit_the_least_mtu_is_too_big),
		TEST(no_outer_length_overflows),
		TEST(a_backend_says_why_it_gets_nothing),
		TEST(a_port_must_be_there),
		TEST(an_unknown_encapsulation_is_no_way_out),
		TEST(the_longest_packet_of_a_burst_decides_whether_all_fit),
		TEST(without_headroom_there_is_no_outer_header),
		TEST(nonsense_in_a_backend_stays_in_range),
		TEST(segments_are_carried_and_trimmed_wherever_the_packet_ends),
		TEST(segments_without_headroom_stay_as_they_came),
		TEST(a_packet_fares_in_a_burst_as_alone),
		TEST(of_fragments_each_ones_port_is_noted),
	};

	return cmocka_run_group_tests_name("encap", tests, group_setup, group_teardown);
}
