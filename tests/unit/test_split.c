// SPDX-License-Identifier: Apache-2.0
/* A packet that is too big, in pieces: header by header, and put together again. */
#include "split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "eal.h"
#include "one_backend.h"

enum { BUFFERS = 255, OUTER = 20, MF = 0x2000, DF = 0x4000 };

static struct rte_mempool *buffers;
static struct burst pieces;
static uint8_t sent[FRAME_MAX];
static struct pkt pkt;

static int setup(void **state)
{
	(void)state;
	one_backend();
	backend.encap = WEIR_ENCAP_IPIP4;
	memcpy(backend.outer,
	       (const uint8_t[20]){ 0x45, [6] = 0x40, [8] = 64, [9] = IPPROTO_IPIP, [12] = 10,
				    [15] = 1, [16] = 10, [19] = 2 },
	       20);
	view.pool[0].flags = WEIR_POOL_FRAGMENT;
	pieces.n = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(rte_mempool_in_use_count(buffers), 0);
	return 0;
}

static void sum_anew(uint8_t *ip)
{
	size_t len = (ip[0] & 15) * 4u;

	put16(ip + 10, 0);
	put16(ip + 10, slow_checksum(ip, len));
}

/* A UDP packet of so many bytes of IP, fragment field `frag`, with these options. */
static void make(size_t ip_len, uint16_t frag, const uint8_t *options, size_t options_len)
{
	size_t len = build_ipv4(sent, IPPROTO_UDP, options_len, ip_len - IP4_HDR - options_len - 8);
	uint8_t *at;

	put16(sent + AT_IP + 4, 0xbeef);
	put16(sent + AT_FRAG, frag);
	if (options_len != 0)
		memcpy(sent + AT_IP + IP4_HDR, options, options_len);
	sum_anew(sent + AT_IP);
	pkt = (struct pkt){ .mbuf = rte_pktmbuf_alloc(buffers),
			    .flow_hash = 42,
			    .l3_off = AT_IP,
			    .l4_words = (uint8_t)((IP4_HDR + options_len) / 4),
			    .ip_len = (uint16_t)ip_len,
			    .drop = WEIR_DROP_TOO_BIG };
	at = (uint8_t *)rte_pktmbuf_append(pkt.mbuf, (uint16_t)len);
	assert_non_null(at);
	memcpy(at, sent, len);
}

static uint32_t split(void)
{
	return split_packet(&view, ports, &pkt, &pieces);
}

static void free_all(void)
{
	for (uint32_t i = 0; i < pieces.n; i++)
		rte_pktmbuf_free(pieces.pkt[i].mbuf);
	pieces.n = 0;
	rte_pktmbuf_free(pkt.mbuf);
}

/* The IP packet in piece i, behind `outer` bytes of other headers. */
static const uint8_t *piece(uint32_t i, uint32_t outer)
{
	return rte_pktmbuf_mtod_offset(pieces.pkt[i].mbuf, const uint8_t *, ETH_LEN + outer);
}

/*
 * As a receiver does it: every piece in its place, no byte twice, and what comes of it is
 * the packet that was sent, and its place in a larger one. Returns the longest piece.
 */
static size_t expect_whole(uint32_t n, uint32_t outer)
{
	size_t hdr = pkt.l4_words * 4, len = pkt.ip_len - hdr, longest = 0, sum = 0;
	unsigned base = (get16(sent + AT_FRAG) & 0x1fff) * 8u;
	bool more = get16(sent + AT_FRAG) & MF;
	uint8_t got[FRAME_MAX] = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *ip = piece(i, outer);
		size_t ip_len = get16(ip + 2), own = (ip[0] & 15) * 4u, part = ip_len - own;
		size_t off = (get16(ip + 6) & 0x1fff) * 8u - base;

		assert_int_equal(get16(rte_pktmbuf_mtod(pieces.pkt[i].mbuf, uint8_t *) + ETH_LEN - 2), 0x0800);
		assert_int_equal(pieces.pkt[i].mbuf->pkt_len, ETH_LEN + outer + ip_len);
		assert_int_equal(pieces.pkt[i].ip_len, ip_len);
		assert_int_equal(pieces.pkt[i].flow_hash, 42);
		assert_int_equal(ip[0] >> 4, 4);
		assert_int_equal(slow_checksum(ip, own), 0);
		assert_memory_equal(ip + 4, sent + AT_IP + 4, 2);   /* identification */
		assert_memory_equal(ip + 8, sent + AT_IP + 8, 2);   /* TTL, protocol */
		assert_memory_equal(ip + 12, sent + AT_IP + 12, 8); /* addresses */
		assert_int_equal(ip[1], sent[AT_TOS]);
		assert_int_equal(get16(ip + 6) & ~0x1fff, i + 1 < n || more ? MF : 0);
		assert_true(off == sum && off + part <= len && (i + 1 == n || part % 8 == 0));
		memcpy(got + off, ip + own, part);
		sum += part;
		longest = ip_len > longest ? ip_len : longest;
	}
	assert_int_equal(sum, len);
	assert_memory_equal(got, sent + AT_IP + hdr, len);
	return longest;
}

/* The procedure of RFC 791, section 3.2, one piece after the other: how many there are, of
 * headers of so many bytes and `len` behind them. */
static uint32_t pieces_by_rfc791(size_t room, size_t first, size_t others, size_t len)
{
	size_t hdr = first;
	uint32_t n = 1;

	while (hdr + len > room) {
		len -= (room - hdr) / 8 * 8;
		hdr = others;
		n++;
	}
	return n;
}

/* Packets of `ip_len` bytes, by ways of every MTU. `others`: bytes of the headers of all pieces
 * but the first. */
static void expect_fewest(uint16_t ip_len, const uint8_t *options, size_t options_len,
			  size_t others)
{
	for (uint16_t mtu = OUTER + 68; mtu < OUTER + 1400; mtu++) {
		size_t longest, room = mtu - OUTER, first = 20 + options_len;
		uint32_t n, want = pieces_by_rfc791(room, first, others, ip_len - first);

		backend.mtu = mtu;
		make(ip_len, 0, options, options_len);
		n = split();
		if (want > WEIR_BURST) {
			assert_int_equal(n, 0);
			assert_int_equal(pkt.drop, WEIR_DROP_TOO_BIG);
		} else {
			assert_int_equal(n, want);
			longest = expect_whole(n, OUTER);
			assert_true(longest <= room && longest + 8 > room);
		}
		free_all();
	}
}

static void pieces_are_as_long_as_they_may_be_and_make_up_the_packet(void **state)
{
	(void)state;
	expect_fewest(1500, NULL, 0, 20);
	expect_fewest(1497, NULL, 0, 20);
}

/* Record route stays in the first piece, so the others have room for more. */
static void pieces_without_options_hold_more(void **state)
{
	static const uint8_t options[40] = { 7, 39, 4 };

	(void)state;
	expect_fewest(1500, options, sizeof(options), 20);
}

static void each_piece_has_an_outer_header_of_its_own(void **state)
{
	(void)state;
	make(1500, 0, NULL, 0);
	assert_int_equal(split(), 2);
	for (uint32_t i = 0; i < 2; i++) {
		const uint8_t *outer = piece(i, 0);

		assert_memory_equal(outer - ETH_LEN, backend.dmac, 6);
		assert_int_equal(outer[0], 0x45);
		assert_int_equal(outer[9], IPPROTO_IPIP);
		assert_int_equal(get16(outer + 2), OUTER + pieces.pkt[i].ip_len);
		assert_int_equal(pieces.pkt[i].port, PORT);
	}
	assert_int_equal(expect_whole(2, OUTER), 1476);
	free_all();
}

static void in_l2_mode_the_mtu_of_either_port_or_way_counts(void **state)
{
	(void)state;
	backend.encap = WEIR_ENCAP_L2;
	ports[PORT].mtu = 1400;
	make(1500, 0, NULL, 0);
	assert_int_equal(split(), 2);
	assert_int_equal(expect_whole(2, 0), 1396);
	free_all();

	backend.mtu = 576;
	make(1500, 0, NULL, 0);
	assert_int_equal(split(), 3);
	assert_int_equal(expect_whole(3, 0), 572);
	free_all();
}

static void a_fragment_can_be_cut_further(void **state)
{
	static const uint16_t frag[] = { MF, MF | 185, 185, 8191 - 185 };

	(void)state;
	backend.mtu = 700;
	for (unsigned i = 0; i < sizeof(frag) / sizeof(frag[0]); i++) {
		make(1500, frag[i], NULL, 0);
		assert_int_equal(split(), 3);
		expect_whole(3, OUTER);
		free_all();
	}
}

/* RFC 791, section 3.1: by the highest bit of its type an option goes into all pieces. */
static void options_go_into_every_piece_if_they_say_so(void **state)
{
	/* record route, once; no operation; stream and router alert, copied; timestamp, once;
	 * one of three bytes, copied */
	static const uint8_t options[] = { 7, 7, 4, 0, 0, 0, 0, 1, 0x88, 4, 0x12, 0x34, 0x94, 4,
					   0, 0, 68, 4, 5, 0, 0x82, 3, 9, 0 };
	static const uint8_t copied[] = { 0x88, 4, 0x12, 0x34, 0x94, 4, 0, 0, 0x82, 3, 9, 0 };

	(void)state;
	make(1500, 0, options, sizeof(options));
	assert_int_equal(split(), 2);
	expect_whole(2, OUTER);
	assert_int_equal(piece(0, OUTER)[0], 0x40 | (20 + sizeof(options)) / 4);
	assert_memory_equal(piece(0, OUTER) + 20, options, sizeof(options));
	assert_int_equal(piece(1, OUTER)[0], 0x40 | (20 + sizeof(copied)) / 4);
	assert_memory_equal(piece(1, OUTER) + 20, copied, sizeof(copied));
	free_all();
}

static void expect_refused(unsigned reason)
{
	assert_int_equal(split(), 0);
	assert_int_equal(pkt.drop, reason);
	assert_int_equal(rte_mempool_in_use_count(buffers), 1); /* the packet itself */
	pieces.n = 0;
	free_all();
}

static void options_that_contradict_themselves_are_refused(void **state)
{
	static const uint8_t bad[][4] = { { 0x88, 0, 0, 0 },
					  { 0x88, 1, 0, 0 },
					  { 0x88, 5, 0, 0 },
					  { 1, 1, 1, 7 },
					  { 7, 255, 0, 0 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make(1500, 0, bad[i], 4);
		expect_refused(WEIR_DROP_BAD_HEADER);
	}
}

static void a_wrong_checksum_is_not_made_right(void **state)
{
	(void)state;
	make(1500, 0, NULL, 0);
	rte_pktmbuf_mtod(pkt.mbuf, uint8_t *)[AT_TTL]++;
	expect_refused(WEIR_DROP_BAD_HEADER);
}

static void an_mtu_of_nearly_nothing_is_refused(void **state)
{
	(void)state;
	for (uint16_t mtu = 0; mtu < OUTER + 28; mtu++) {
		backend.mtu = mtu;
		make(1500, 0, NULL, 0);
		expect_refused(WEIR_DROP_TOO_BIG);
	}
}

static void without_a_buffer_there_is_no_piece(void **state)
{
	struct rte_mbuf *taken[BUFFERS];
	unsigned n = 0;

	(void)state;
	make(1500, 0, NULL, 0);
	while ((taken[n] = rte_pktmbuf_alloc(buffers)) != NULL)
		n++;
	rte_pktmbuf_free(taken[--n]); /* one is not enough for two */
	assert_int_equal(split(), 0);
	assert_int_equal(pkt.drop, WEIR_DROP_NO_BUFFER);
	while (n > 0)
		rte_pktmbuf_free(taken[--n]);
	pieces.n = 0;
	free_all();
}

static void what_encap_refuses_leaves_no_piece(void **state)
{
	(void)state;
	make(1500, 0, NULL, 0);
	backend.flags = 0;
	expect_refused(WEIR_DROP_BACKEND_OFF);
}

static void a_packet_in_two_segments_is_cut_alike(void **state)
{
	struct rte_mbuf *tail;
	uint8_t *at;

	(void)state;
	backend.mtu = 600;
	make(1500, 0, NULL, 0);
	tail = rte_pktmbuf_alloc(buffers);
	at = (uint8_t *)rte_pktmbuf_append(tail, 1000);
	memcpy(at, sent + ETH_LEN + 500, 1000);
	rte_pktmbuf_trim(pkt.mbuf, 1000);
	assert_int_equal(rte_pktmbuf_chain(pkt.mbuf, tail), 0);
	assert_int_equal(split(), 3);
	expect_whole(3, OUTER);
	free_all();
}

static void only_what_may_be_cut_is_wanted(void **state)
{
	(void)state;
	make(1500, 0, NULL, 0);
	assert_true(split_wanted(&view, &pkt));
	pkt.drop = WEIR_DROP_NO_BACKEND;
	assert_false(split_wanted(&view, &pkt));
	pkt.drop = WEIR_DROP_TOO_BIG;
	pkt.flags = PKT_IPV6;
	assert_false(split_wanted(&view, &pkt));
	pkt.flags = PKT_FRAG_LATER; /* goes the way of its first one, which was dropped */
	assert_false(split_wanted(&view, &pkt));
	pkt.flags = PKT_FRAG_LATER | PKT_CHOSEN;
	assert_true(split_wanted(&view, &pkt));
	pkt.flags = 0;
	view.pool[0].flags = 0;
	assert_false(split_wanted(&view, &pkt));
	free_all();
	view.pool[0].flags = WEIR_POOL_FRAGMENT;
	make(1500, DF, NULL, 0);
	assert_false(split_wanted(&view, &pkt));
	free_all();
}

static int group_setup(void **state)
{
	(void)state;
	buffers = eal_buffers(BUFFERS);
	return buffers == NULL ? -1 : 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(pieces_are_as_long_as_they_may_be_and_make_up_the_packet),
		T(pieces_without_options_hold_more),
		T(each_piece_has_an_outer_header_of_its_own),
		T(in_l2_mode_the_mtu_of_either_port_or_way_counts),
		T(a_fragment_can_be_cut_further),
		T(options_go_into_every_piece_if_they_say_so),
		T(options_that_contradict_themselves_are_refused),
		T(a_wrong_checksum_is_not_made_right),
		T(an_mtu_of_nearly_nothing_is_refused),
		T(without_a_buffer_there_is_no_piece),
		T(what_encap_refuses_leaves_no_piece),
		T(a_packet_in_two_segments_is_cut_alike),
		T(only_what_may_be_cut_is_wanted),
	};

	return cmocka_run_group_tests_name("split", tests, group_setup, NULL);
}
