// SPDX-License-Identifier: Apache-2.0
#include "pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "parsed.h"

static void a_tcp_segment_is_found_with_its_flow(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 10);
	struct parsed p;

	(void)state;
	assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.l3_off, 14);
	assert_int_equal(pkt_l4_off(&p.pkt), 34);
	assert_int_equal(p.pkt.ip_len, 50);
	assert_int_equal(p.pkt.flags, PKT_TCP);
	assert_int_equal(ntohl(p.key.v4.src_be), SRC_IP);
	assert_int_equal(ntohl(p.key.v4.dst_be), VIP_IP);
	assert_int_equal(ntohs(p.key.v4.sport_be), SPORT);
	assert_int_equal(ntohs(p.key.v4.dport_be), DPORT);
	assert_int_equal(p.key.v4.protocol, IPPROTO_TCP);
	assert_memory_equal(p.key.v4.zero, "\0\0\0", 3);
}

static void a_udp_datagram_without_data_passes(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_UDP, 0, 0);
	struct parsed p;

	(void)state;
	assert_int_equal(len, 42);
	assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.ip_len, 28);
	assert_int_equal(ntohs(p.key.v4.sport_be), SPORT);
	assert_int_equal(ntohs(p.key.v4.dport_be), DPORT);
	assert_int_equal(p.key.v4.protocol, IPPROTO_UDP);
}

/* The frame was cut on the way: the IP length still says what there was. Whom it was for
 * is known as soon as the address is there. */
static void a_frame_cut_anywhere_is_truncated(void **state)
{
	const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		for (size_t options = 0; options <= 40; options += 4) {
			size_t len = build_ipv4(f, protocols[i], options, 4);

			for (size_t cut = 0; cut < len; cut++) {
				assert_int_equal(parse(f, cut, &p), WEIR_DROP_TRUNCATED);
				assert_int_equal(p.pkt.flags,
						 cut < AT_IP + IP4_HDR ? PKT_NO_ADDRESS : 0);
				if (p.pkt.flags == 0)
					assert_int_equal(ntohl(p.key.v4.dst_be), VIP_IP);
			}
			assert_int_equal(parse(f, len, NULL), WEIR_DROP_NONE);
		}
}

/* The packet was made too short: the IP length agrees with what there is. */
static void an_ip_packet_without_its_whole_transport_header_is_truncated(void **state)
{
	const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint8_t f[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (size_t options = 0; options <= 40; options += 4) {
			size_t len = build_ipv4(f, protocols[i], options, 0);

			for (size_t cut = AT_L4 + options; cut < len; cut++) {
				put16(f + AT_IP_LEN, (uint16_t)(cut - AT_IP));
				assert_int_equal(parse(f, cut, NULL), WEIR_DROP_TRUNCATED);
				/* nor may padding take the place of the header */
				assert_int_equal(parse(f, len, NULL), WEIR_DROP_TRUNCATED);
			}
		}
}

static void an_ip_length_shorter_than_the_ip_header_is_bad(void **state)
{
	uint8_t f[FRAME_MAX];

	(void)state;
	for (size_t options = 0; options <= 40; options += 4) {
		size_t len = build_ipv4(f, IPPROTO_TCP, options, 0);

		for (uint16_t ip_len = 0; ip_len < IP4_HDR + options; ip_len++) {
			put16(f + AT_IP_LEN, ip_len);
			assert_int_equal(parse(f, len, NULL), WEIR_DROP_BAD_HEADER);
		}
	}
}

static void an_ip_length_beyond_the_frame_is_truncated(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 0);

	(void)state;
	for (uint32_t ip_len = (uint32_t)len - AT_IP + 1; ip_len <= UINT16_MAX; ip_len++) {
		put16(f + AT_IP_LEN, (uint16_t)ip_len);
		assert_int_equal(parse(f, len, NULL), WEIR_DROP_TRUNCATED);
	}
}

static void padding_behind_the_ip_packet_is_not_counted(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_UDP, 0, 1);
	struct parsed p;

	(void)state;
	memset(f + len, 0, 60 - len);
	assert_int_equal(parse(f, 60, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.ip_len, 29);
}

static void options_move_the_transport_header_and_nothing_else(void **state)
{
	uint8_t f[FRAME_MAX];
	struct parsed plain, p;

	(void)state;
	parse(f, build_ipv4(f, IPPROTO_TCP, 0, 3), &plain);
	for (size_t options = 4; options <= 40; options += 4) {
		size_t len = build_ipv4(f, IPPROTO_TCP, options, 3);

		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(pkt_l4_off(&p.pkt), AT_L4 + options);
		assert_memory_equal(&p.key.v4, &plain.key.v4, sizeof(p.key.v4));
	}
}

static void an_ihl_below_5_is_bad(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 0);

	(void)state;
	for (uint8_t ihl = 0; ihl < 5; ihl++) {
		f[AT_IP] = 0x40 | ihl;
		assert_int_equal(parse(f, len, NULL), WEIR_DROP_BAD_HEADER);
	}
}

static void any_version_but_4_is_bad(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 0);

	(void)state;
	for (unsigned version = 0; version < 16; version++) {
		f[AT_IP] = (uint8_t)(version << 4 | 5);
		assert_int_equal(parse(f, len, NULL),
				 version == 4 ? WEIR_DROP_NONE : WEIR_DROP_BAD_HEADER);
	}
}

/* 20 bytes of header and 20 of data: offsets 5 to 10 fit. */
static void a_tcp_offset_must_lie_within_the_packet(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 20);

	(void)state;
	for (unsigned words = 0; words < 16; words++) {
		f[AT_DOFF] = (uint8_t)(words << 4);
		assert_int_equal(parse(f, len, NULL),
				 words >= 5 && words <= 10 ? WEIR_DROP_NONE : WEIR_DROP_BAD_HEADER);
	}
}

/* RFC 768: the least is 8. More than IP carries is a lie, less is allowed. */
static void a_udp_length_must_lie_within_the_packet(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_UDP, 0, 100);

	(void)state;
	for (uint32_t udp_len = 0; udp_len <= UINT16_MAX; udp_len++) {
		put16(f + AT_L4 + 4, (uint16_t)udp_len);
		assert_int_equal(parse(f, len, NULL), udp_len >= 8 && udp_len <= 108
							      ? WEIR_DROP_NONE
							      : WEIR_DROP_BAD_HEADER);
	}
}

static void protocols_without_ports_are_marked(void **state)
{
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned protocol = 0; protocol < 256; protocol++) {
		size_t len = build_ipv4(f, (uint8_t)protocol, 0, 1);
		bool ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;

		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.pkt.flags, protocol == IPPROTO_TCP ? PKT_TCP
					      : ports		      ? 0
								      : PKT_OTHER_L4);
		assert_int_equal(p.key.v4.protocol, protocol);
	}
}

static void openers_and_closers_are_known_by_their_flags(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 0);
	struct parsed p;

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		bool fin = flags & 1, syn = flags & 2, rst = flags & 4, ack = flags & 16;

		f[AT_FLAGS] = (uint8_t)flags;
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(!!(p.pkt.flags & PKT_OPENER), syn && !ack);
		assert_int_equal(!!(p.pkt.flags & PKT_CLOSING), fin || rst);
	}
}

/* By the first byte and the version: RFC 9000, 17.2.2, and RFC 9369, 3.2. */
static void quic_initials_are_known_in_both_versions(void **state)
{
	enum { AT_DATA = AT_L4 + 8, LONG = 6 };
	static const uint32_t version[] = { 1, 0x6b3343cf, 0, 2, 0xff00001d };
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned v = 0; v < sizeof(version) / sizeof(version[0]); v++)
		for (unsigned first = 0; first < 256; first++)
			for (size_t data = 0; data <= LONG; data++) {
				size_t len = build_ipv4(f, IPPROTO_UDP, 0, data);
				bool is_long = (first & 0xc0) == 0xc0 && data == LONG;
				unsigned type = first >> 4 & 3;

				f[AT_DATA] = (uint8_t)first;
				put16(f + AT_DATA + 1, (uint16_t)(version[v] >> 16));
				put16(f + AT_DATA + 3, (uint16_t)version[v]);
				assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
				assert_int_equal(!!(p.pkt.flags & PKT_QUIC_INITIAL),
						 is_long && ((v == 0 && type == 0) ||
							     (v == 1 && type == 1)));
			}
}

static void a_ttl_of_0_or_1_is_no_reason_to_drop(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 0);

	(void)state;
	for (uint8_t ttl = 0; ttl < 2; ttl++) {
		f[AT_TTL] = ttl;
		assert_int_equal(parse(f, len, NULL), WEIR_DROP_NONE);
	}
}

static void other_ethernet_types_are_not_ip(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 0);

	(void)state;
	for (uint32_t type = 0; type <= UINT16_MAX; type++) {
		put16(f + 12, (uint16_t)type);
		assert_int_equal(parse(f, len, NULL), type == 0x0800   ? WEIR_DROP_NONE
						      : type == 0x86dd ? WEIR_DROP_BAD_HEADER
								       : WEIR_DROP_NOT_IP);
	}
}

/* Up to two tags, of either kind: 802.1Q, and 802.1ad around it. */
static void tags_are_stepped_over_and_nothing_else_changes(void **state)
{
	static const uint16_t tpid[] = { 0x8100, 0x88a8 };
	uint8_t plain[FRAME_MAX], f[FRAME_MAX];
	size_t len = build_ipv4(plain, IPPROTO_TCP, 4, 7);
	struct parsed want, p;

	(void)state;
	parse(plain, len, &want);
	for (unsigned tags = 1; tags <= 3; tags++)
		for (unsigned kinds = 0; kinds < 8; kinds++) {
			size_t extra = 4 * tags;

			memcpy(f, plain, 12);
			for (unsigned t = 0; t < tags; t++) {
				put16(f + 12 + 4 * t, tpid[kinds >> t & 1]);
				put16(f + 14 + 4 * t, (uint16_t)(0xe000 | (100 + t)));
			}
			memcpy(f + 12 + extra, plain + 12, len - 12);
			assert_int_equal(parse(f, len + extra, &p),
					 tags == 3 ? WEIR_DROP_NOT_IP : WEIR_DROP_NONE);
			for (size_t cut = 0; cut < 14 + extra; cut++)
				assert_int_equal(parse(f, cut, NULL),
						 tags == 3 && cut >= 22 ? WEIR_DROP_NOT_IP
									: WEIR_DROP_TRUNCATED);
			if (tags == 3)
				continue;
			assert_int_equal(p.pkt.l3_off, 14 + extra);
			assert_int_equal(pkt_l4_off(&p.pkt), 38 + extra);
			assert_int_equal(p.pkt.ip_len, want.pkt.ip_len);
			assert_int_equal(p.pkt.flags, want.pkt.flags | PKT_TAGGED);
			assert_memory_equal(&p.key.v4, &want.key.v4, sizeof(p.key.v4));
		}
}

/* Cut a frame into two segments after `first` bytes. */
static enum weir_drop parse_split(const uint8_t *bytes, size_t len, size_t first)
{
	struct burst b = { .n = 1 };
	struct frame head, tail;

	frame_make(&head, bytes, first, FRAME_HEADROOM);
	frame_make(&tail, bytes + first, len - first, 0);
	head.mbuf.next = &tail.mbuf;
	head.mbuf.nb_segs = 2;
	head.mbuf.pkt_len = (uint32_t)len;
	b.pkt[0] = (struct pkt){ .mbuf = &head.mbuf };
	parse_burst(&b);
	frame_free(&head);
	frame_free(&tail);
	return b.pkt[0].drop;
}

static void headers_must_lie_in_the_first_segment_and_data_need_not(void **state)
{
	const struct {
		uint8_t protocol;
		size_t headers;
	} row[] = { { IPPROTO_TCP, 54 }, { IPPROTO_UDP, 42 } };
	uint8_t f[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (size_t options = 0; options <= 40; options += 20) {
			size_t len = build_ipv4(f, row[i].protocol, options, 200);
			size_t headers = row[i].headers + options;

			for (size_t first = 0; first <= len; first++)
				assert_int_equal(parse_split(f, len, first),
						 first < headers ? WEIR_DROP_TRUNCATED
								 : WEIR_DROP_NONE);
		}
}

static void a_frame_may_start_at_any_address(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 4, 3);

	(void)state;
	for (uint16_t headroom = 0; headroom < 16; headroom++) {
		struct burst b = { .n = 1 };
		struct frame one;

		frame_make(&one, f, len, headroom);
		b.pkt[0] = (struct pkt){ .mbuf = &one.mbuf };
		parse_burst(&b);
		frame_free(&one);
		assert_int_equal(b.pkt[0].drop, WEIR_DROP_NONE);
		assert_int_equal(ntohs(b.key[0].v4.dport_be), DPORT);
	}
}

/* How one packet of a burst differs from the others. */
enum kind { USUAL, SOURCE, LENGTH, ADDRESS, PORT, UDP, FAMILY, SHORT, FRAGMENT, KINDS };

static size_t build_kind(uint8_t *f, enum kind kind, bool ipv6, unsigned flow)
{
	bool six = ipv6 != (kind == FAMILY);
	uint8_t protocol = kind == UDP ? IPPROTO_UDP : IPPROTO_TCP;
	size_t payload = kind == LENGTH ? 77 : 4;
	size_t len = six ? build_ipv6(f, protocol, payload) : build_ipv4(f, protocol, 0, payload);
	size_t l4 = AT_IP + (six ? IP6_HDR : IP4_HDR);

	put16(f + l4, (uint16_t)(1000 + flow));
	if (kind == SOURCE)
		f[six ? AT_IP + 8 : AT_SRC] ^= 1;
	if (kind == ADDRESS)
		f[l4 - 1] ^= 1; /* of the destination */
	if (kind == PORT)
		f[l4 + 2] ^= 1;
	if (kind == FRAGMENT && six)
		f[AT_IP + 6] = IPPROTO_FRAGMENT;
	else if (kind == FRAGMENT)
		put16(f + AT_FRAG, 0x2000);
	return kind == SHORT ? len - 5 : len;
}

static void assert_parsed_as_alone(const struct burst *b, unsigned i, const uint8_t *f, size_t len)
{
	struct parsed alone;
	size_t key_len = b->pkt[i].flags & PKT_IPV6 ? sizeof(alone.key.v6) : sizeof(alone.key.v4);

	parse(f, len, &alone);
	assert_true(b->pkt[i].state == alone.pkt.state);
	if (b->pkt[i].drop == WEIR_DROP_NONE)
		assert_memory_equal(&b->key[i], &alone.key, key_len);
	assert_int_equal(b->seen & alone.seen, alone.seen);
	assert_int_equal(b->lens & alone.pkt.ip_len, alone.pkt.ip_len);
}

static void assert_one_among_many(enum kind kind, bool ipv6, unsigned at)
{
	uint8_t f[WEIR_BURST][FRAME_MAX];
	struct frame frames[WEIR_BURST];
	struct burst b = { .n = WEIR_BURST };
	size_t len[WEIR_BURST];

	for (unsigned i = 0; i < WEIR_BURST; i++) {
		len[i] = build_kind(f[i], i == at ? kind : USUAL, ipv6, i);
		frame_make(&frames[i], f[i], len[i], FRAME_HEADROOM);
		b.pkt[i] = (struct pkt){ .mbuf = &frames[i].mbuf };
	}
	parse_burst(&b);
	for (unsigned i = 0; i < WEIR_BURST; i++) {
		assert_parsed_as_alone(&b, i, f[i], len[i]);
		frame_free(&frames[i]);
	}
	assert_int_equal(b.one_target, kind == USUAL || kind == SOURCE || kind == LENGTH);
	assert_int_equal(b.dropped, b.pkt[at].drop != WEIR_DROP_NONE);
}

/* What the packets of a burst have in common is looked at once: one that differs, wherever it
 * stands, is parsed as alone, and so are the others. */
static void a_burst_knows_whether_its_packets_have_one_target(void **state)
{
	(void)state;
	for (enum kind kind = USUAL; kind < KINDS; kind++)
		for (unsigned at = 0; at < WEIR_BURST; at++) {
			assert_one_among_many(kind, false, at);
			assert_one_among_many(kind, true, at);
		}
}

static void every_packet_of_a_burst_is_looked_at(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 0);
	struct burst b = { .n = WEIR_BURST };
	struct frame frames[WEIR_BURST];

	(void)state;
	for (unsigned i = 0; i < WEIR_BURST; i++) {
		frame_make(&frames[i], f, i % 2 ? len : len - 1, FRAME_HEADROOM);
		put16(frames[i].buf + FRAME_HEADROOM + AT_L4, (uint16_t)(1000 + i));
		b.pkt[i] = (struct pkt){ .mbuf = &frames[i].mbuf };
	}
	parse_burst(&b);
	for (unsigned i = 0; i < WEIR_BURST; i++) {
		assert_int_equal(b.pkt[i].drop, i % 2 ? WEIR_DROP_NONE : WEIR_DROP_TRUNCATED);
		if (i % 2)
			assert_int_equal(ntohs(b.key[i].v4.sport_be), 1000 + i);
		frame_free(&frames[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_segment_is_found_with_its_flow),
		cmocka_unit_test(a_udp_datagram_without_data_passes),
		cmocka_unit_test(a_frame_cut_anywhere_is_truncated),
		cmocka_unit_test(an_ip_packet_without_its_whole_transport_header_is_truncated),
		cmocka_unit_test(an_ip_length_shorter_than_the_ip_header_is_bad),
		cmocka_unit_test(an_ip_length_beyond_the_frame_is_truncated),
		cmocka_unit_test(padding_behind_the_ip_packet_is_not_counted),
		cmocka_unit_test(options_move_the_transport_header_and_nothing_else),
		cmocka_unit_test(an_ihl_below_5_is_bad),
		cmocka_unit_test(any_version_but_4_is_bad),
		cmocka_unit_test(a_tcp_offset_must_lie_within_the_packet),
		cmocka_unit_test(a_udp_length_must_lie_within_the_packet),
		cmocka_unit_test(protocols_without_ports_are_marked),
		cmocka_unit_test(openers_and_closers_are_known_by_their_flags),
		cmocka_unit_test(quic_initials_are_known_in_both_versions),
		cmocka_unit_test(a_ttl_of_0_or_1_is_no_reason_to_drop),
		cmocka_unit_test(other_ethernet_types_are_not_ip),
		cmocka_unit_test(tags_are_stepped_over_and_nothing_else_changes),
		cmocka_unit_test(headers_must_lie_in_the_first_segment_and_data_need_not),
		cmocka_unit_test(a_frame_may_start_at_any_address),
		cmocka_unit_test(a_burst_knows_whether_its_packets_have_one_target),
		cmocka_unit_test(every_packet_of_a_burst_is_looked_at),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
