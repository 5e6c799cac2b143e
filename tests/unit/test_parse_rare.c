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

static void a_fragment_is_what_offset_and_more_say(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len;
	struct parsed p;

	(void)state;
	for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
		uint32_t off = (bits & 0x1fff) * 8;
		bool more = bits & 0x2000;
		size_t data = more ? 64 : 60;
		enum weir_drop want = WEIR_DROP_NONE;

		len = build_ipv4(f, IPPROTO_UDP, 4, data - 8);
		put16(f + AT_FRAG, (uint16_t)bits);
		put16(f + AT_IP + 4, 0xbeef);
		if (24 + off + data > UINT16_MAX)
			want = WEIR_DROP_BAD_HEADER;
		assert_int_equal(parse(f, len, &p), want);
		if (want != WEIR_DROP_NONE)
			continue;
		assert_int_equal(p.pkt.flags, off != 0 ? PKT_FRAG_LATER
					      : more   ? PKT_FRAG_FIRST
						       : 0);
		assert_int_equal(ntohs(p.key.v4.dport_be), off == 0 ? DPORT : 0);
		assert_int_equal(ntohs(p.key.v4.sport_be), off == 0 ? SPORT : 0);
		if (!(p.pkt.flags & PKT_FRAGMENT))
			continue;
		assert_int_equal(ntohs((uint16_t)p.fragment.id_be), 0xbeef);
		assert_int_equal(p.fragment.off, off);
		assert_int_equal(p.fragment.len, data);
		assert_int_equal(p.fragment.more, more);
	}
}

static void fragments_before_the_last_have_a_multiple_of_eight(void **state)
{
	uint8_t f[FRAME_MAX];

	(void)state;
	for (size_t data = 0; data < 64; data++)
		for (unsigned off = 10; off < 12; off++) {
			size_t len = build_ipv4(f, IPPROTO_GRE, 0, data);

			put16(f + AT_FRAG, (uint16_t)(0x2000 | off));
			assert_int_equal(parse(f, len, NULL), data == 0 || data % 8 != 0
								      ? WEIR_DROP_BAD_HEADER
								      : WEIR_DROP_NONE);
			put16(f + AT_FRAG, (uint16_t)off);
			assert_int_equal(parse(f, len, NULL),
					 data == 0 ? WEIR_DROP_BAD_HEADER : WEIR_DROP_NONE);
		}
}

/* RFC 1858: flags and ports are in the first fragment, and nowhere else. */
static void a_first_fragment_without_its_transport_header_is_tiny(void **state)
{
	const struct {
		uint8_t protocol;
		size_t needed;
	} row[] = { { IPPROTO_TCP, 20 }, { IPPROTO_UDP, 8 } };
	uint8_t f[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (size_t data = 8; data <= 64; data += 8) {
			build_ipv4(f, row[i].protocol, 0, 64);
			put16(f + AT_FRAG, 0x2000);
			put16(f + AT_IP_LEN, (uint16_t)(IP4_HDR + data));
			assert_int_equal(parse(f, AT_L4 + data, NULL),
					 data < row[i].needed ? WEIR_DROP_FRAGMENT_TINY
							      : WEIR_DROP_NONE);
		}
	/* TCP options too: 32 bytes of header */
	for (size_t data = 24; data <= 40; data += 8) {
		build_ipv4(f, IPPROTO_TCP, 0, 64);
		put16(f + AT_FRAG, 0x2000);
		put16(f + AT_IP_LEN, (uint16_t)(IP4_HDR + data));
		f[AT_DOFF] = 8 << 4;
		assert_int_equal(parse(f, AT_L4 + data, NULL),
				 data < 32 ? WEIR_DROP_FRAGMENT_TINY : WEIR_DROP_NONE);
	}
}

static void no_later_fragment_may_hold_a_part_of_a_tcp_header(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 20);

	(void)state;
	for (unsigned off = 1; off < 5; off++) {
		put16(f + AT_FRAG, (uint16_t)off);
		f[AT_PROTO] = IPPROTO_TCP;
		assert_int_equal(parse(f, len, NULL),
				 off < 3 ? WEIR_DROP_FRAGMENT_TINY : WEIR_DROP_NONE);
		f[AT_PROTO] = IPPROTO_UDP;
		assert_int_equal(parse(f, len, NULL), WEIR_DROP_NONE);
	}
}

/* Its length is that of the whole datagram. */
static void a_first_fragments_udp_length_may_exceed_the_fragment(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_UDP, 0, 56);

	(void)state;
	put16(f + AT_FRAG, 0x2000);
	put16(f + AT_L4 + 4, 8000);
	assert_int_equal(parse(f, len, NULL), WEIR_DROP_NONE);
	put16(f + AT_L4 + 4, 7);
	assert_int_equal(parse(f, len, NULL), WEIR_DROP_BAD_HEADER);
}

static void a_later_fragment_needs_no_transport_header(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv4(f, IPPROTO_TCP, 0, 0);
	struct parsed p;

	(void)state;
	put16(f + AT_FRAG, 100);
	put16(f + AT_IP_LEN, IP4_HDR + 1);
	assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.flags, PKT_FRAG_LATER | PKT_TCP);
}

static void an_echo_request_is_known(void **state)
{
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		bool error = type == 3 || type == 11 || type == 12;
		size_t len = build_ipv4(f, IPPROTO_ICMP, 0, 8);

		f[AT_L4] = (uint8_t)type;
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.pkt.flags, PKT_OTHER_L4 | (type == 8 ? PKT_ECHO : 0) |
						      (error ? PKT_ICMP_ERROR : 0));
		put16(f + AT_IP_LEN, IP4_HDR + 7); /* no whole header */
		parse(f, len, &p);
		assert_int_equal(p.pkt.flags, PKT_OTHER_L4);
	}
}

/* An ICMP error from 192.0.2.1 to the VIP; the quote is of `quoted` bytes of what
 * build_ipv4() makes, turned round. Returns its length. */
static size_t build_error(uint8_t *f, uint8_t type, uint8_t protocol, size_t options, size_t quoted)
{
	uint8_t inner[FRAME_MAX];
	size_t l4 = AT_L4 + options;

	build_ipv4(inner, protocol, options, 64);
	put32(inner + AT_SRC, VIP_IP);
	put32(inner + AT_DST, SRC_IP);
	put16(inner + l4, DPORT);
	put16(inner + l4 + 2, SPORT);
	build_ipv4(f, IPPROTO_ICMP, 0, 8 + quoted);
	put32(f + AT_SRC, 0xc0000201);
	memset(f + AT_L4, 0, 8);
	f[AT_L4] = type;
	memcpy(f + AT_L4 + 8, inner + AT_IP, quoted);
	return AT_L4 + 8 + quoted;
}

static void check_error_of(const struct parsed *p, uint8_t protocol, uint16_t more_flags)
{
	assert_int_equal(p->pkt.flags,
			 PKT_ICMP_ERROR | more_flags | (protocol == IPPROTO_TCP ? PKT_TCP : 0));
	assert_int_equal(pkt_l4_off(&p->pkt), AT_L4);
	assert_int_equal(ntohl(p->key.v4.src_be), SRC_IP);
	assert_int_equal(ntohl(p->key.v4.dst_be), VIP_IP);
	assert_int_equal(ntohs(p->key.v4.sport_be), SPORT);
	assert_int_equal(ntohs(p->key.v4.dport_be), DPORT);
	assert_int_equal(p->key.v4.protocol, protocol);
	assert_memory_equal(p->key.v4.zero, "\0\0\0", 3);
}

static void check_error(const struct parsed *p, uint8_t protocol)
{
	check_error_of(p, protocol, 0);
}

static void an_icmp_error_has_the_flow_of_what_it_quotes(void **state)
{
	static const uint8_t types[] = { 3, 11, 12 };
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned t = 0; t < 3; t++)
		for (unsigned i = 0; i < 2; i++)
			for (size_t options = 0; options <= 40; options += 4)
				for (size_t l4 = 0; l4 < 24; l4++) {
					size_t len = build_error(f, types[t], protocols[i], options,
								 IP4_HDR + options + l4);

					assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
					if (l4 < 8)
						assert_int_equal(p.pkt.flags,
								 PKT_ICMP_ERROR | PKT_OTHER_L4);
					else
						check_error(&p, protocols[i]);
				}
}

/* SYN or RST in the quote do not make an opener or closer of the error. */
static void an_icmp_error_neither_opens_nor_closes(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_error(f, 3, IPPROTO_TCP, 0, 60);
	struct parsed p;

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		f[AT_L4 + 8 + 20 + 13] = (uint8_t)flags;
		parse(f, len, &p);
		check_error(&p, IPPROTO_TCP);
	}
}

/* All of its fragments are known by who sent them, and what is known of the first one
 * is what its own bytes say. */
static void fragments_of_icmp_are_what_the_first_one_says(void **state)
{
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned quoted = 24; quoted <= 56; quoted += 8) {
		size_t len = build_error(f, 3, IPPROTO_TCP, 0, quoted);

		put16(f + AT_FRAG, 0x2000);
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		if (quoted < 28)
			assert_int_equal(p.pkt.flags,
					 PKT_ICMP_ERROR | PKT_OTHER_L4 | PKT_FRAG_FIRST);
		else
			check_error_of(&p, IPPROTO_TCP, PKT_FRAG_FIRST);
		assert_memory_equal(p.fragment.sender, f + AT_SRC, 4);
		put16(f + AT_FRAG, 8);
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.pkt.flags, PKT_FRAG_LATER);
		assert_int_equal(ntohl(p.key.v4.src_be), 0xc0000201);
		assert_int_equal(p.key.v4.protocol, IPPROTO_ICMP);
	}
	build_ipv4(f, IPPROTO_ICMP, 0, 64);
	f[AT_L4] = 8;
	put16(f + AT_FRAG, 0x2000);
	assert_int_equal(parse(f, AT_L4 + 64, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.flags, PKT_OTHER_L4 | PKT_ECHO | PKT_FRAG_FIRST);
}

static void a_quote_that_names_no_flow_of_the_destination_gives_none(void **state)
{
	enum { QUOTE = AT_L4 + 8 };
	static const struct {
		uint8_t at, value;
	} change[] = { { QUOTE, 0x65 },	    /* version 6 */
		       { QUOTE, 0x44 },	    /* IHL 4 */
		       { QUOTE, 0x4f },	    /* IHL beyond the quote */
		       { QUOTE + 6, 0x01 }, /* offset 256: a later fragment */
		       { QUOTE + 7, 0x01 }, /* offset 1 */
		       { QUOTE + 9, 1 },    /* ICMP */
		       { QUOTE + 9, 132 },  /* SCTP */
		       { QUOTE + 12, 204 }, /* another source */
		       { QUOTE + 15, 11 } };
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
		size_t len = build_error(f, 3, IPPROTO_TCP, 0, 60);

		f[change[i].at] = change[i].value;
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.pkt.flags, PKT_ICMP_ERROR | PKT_OTHER_L4);
		assert_int_equal(ntohl(p.key.v4.dst_be), VIP_IP);
		assert_int_equal(p.key.v4.protocol, IPPROTO_ICMP);
		assert_int_equal(p.key.v4.dport_be, 0);
	}
}

/* A first fragment has the ports. */
static void a_quoted_first_fragment_will_do(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_error(f, 3, IPPROTO_UDP, 0, 28);
	struct parsed p;

	(void)state;
	put16(f + AT_L4 + 8 + 6, 0x2000);
	assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
	check_error(&p, IPPROTO_UDP);
}

/* Right frames with a few bytes changed, at every length: whatever passes has its
 * headers within the frame. The sanitizers see reads beyond it. */
static void nonsense_never_leads_outside_the_frame(void **state)
{
	const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	uint8_t f[FRAME_MAX];
	unsigned passed = 0;

	(void)state;
	srandom(20161);
	for (unsigned i = 0; i < 200000; i++) {
		size_t len = build_ipv4(f, protocols[random() % 3], 4 * (size_t)(random() % 11),
					(size_t)random() % 64);
		struct parsed p;

		if (random() % 4 == 0)
			len = build_error(f, 3, protocols[random() % 3], 0, (size_t)random() % 60);
		for (long n = random() % 4; n > 0; n--)
			f[random() % 64] = (uint8_t)random();
		if (random() % 2)
			len = (size_t)random() % (len + 1);
		if (parse(f, len, &p) != WEIR_DROP_NONE)
			continue;
		passed++;
		assert_true(pkt_l4_off(&p.pkt) >= AT_L4);
		assert_within(&p.pkt, len);
	}
	assert_true(passed > 20000); /* or this tests nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fragment_is_what_offset_and_more_say),
		cmocka_unit_test(fragments_before_the_last_have_a_multiple_of_eight),
		cmocka_unit_test(a_first_fragment_without_its_transport_header_is_tiny),
		cmocka_unit_test(no_later_fragment_may_hold_a_part_of_a_tcp_header),
		cmocka_unit_test(a_first_fragments_udp_length_may_exceed_the_fragment),
		cmocka_unit_test(a_later_fragment_needs_no_transport_header),
		cmocka_unit_test(an_echo_request_is_known),
		cmocka_unit_test(an_icmp_error_has_the_flow_of_what_it_quotes),
		cmocka_unit_test(an_icmp_error_neither_opens_nor_closes),
		cmocka_unit_test(fragments_of_icmp_are_what_the_first_one_says),
		cmocka_unit_test(a_quote_that_names_no_flow_of_the_destination_gives_none),
		cmocka_unit_test(a_quoted_first_fragment_will_do),
		cmocka_unit_test(nonsense_never_leads_outside_the_frame),
	};

	return cmocka_run_group_tests_name("parse_rare", tests, NULL, NULL);
}
