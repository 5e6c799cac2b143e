// SPDX-License-Identifier: Apache-2.0
#include "parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "parsed.h"

enum { AT_PLEN = AT_IP + 4, AT_NEXT = AT_IP + 6, AT_EXT = AT_IP + IP6_HDR };

/*
 * The chain that `kinds` spells, before `last`: h hop-by-hop, d destination options,
 * r routing (nothing left), a AH, f atomic fragment; 8 bytes each, 16 in capitals. Returns
 * its length; the number of the first one in *first.
 */
static size_t build_chain(uint8_t *out, const char *kinds, uint8_t last, uint8_t *first)
{
	uint8_t *at = out, *next = first;

	for (; *kinds != '\0'; kinds++) {
		bool longer = *kinds < 'a';
		size_t size = longer ? 16 : 8;

		memset(at, 0, size);
		switch (*kinds | 0x20) {
		case 'h':
			*next = IPPROTO_HOPOPTS;
			at[1] = longer;
			break;
		case 'd':
			*next = IPPROTO_DSTOPTS;
			at[1] = longer;
			break;
		case 'r':
			*next = IPPROTO_ROUTING;
			at[1] = longer;
			break;
		case 'a':
			*next = IPPROTO_AH;
			at[1] = longer ? 2 : 0;
			break;
		default:
			*next = IPPROTO_FRAGMENT;
			put32(at + 4, 0xfeedbeef);
		}
		next = at;
		at += size;
	}
	*next = last;
	return (size_t)(at - out);
}

/* build_ipv6() with extension headers in front of its transport header. */
static size_t build(uint8_t *f, const char *kinds, uint8_t protocol, size_t payload)
{
	uint8_t chain[256], first;
	size_t ext = build_chain(chain, kinds, protocol, &first);
	size_t len = build_ipv6(f, protocol, payload);

	memmove(f + AT_EXT + ext, f + AT_EXT, len - AT_EXT);
	memcpy(f + AT_EXT, chain, ext);
	f[AT_NEXT] = first;
	put16(f + AT_PLEN, (uint16_t)(len + ext - AT_EXT));
	return len + ext;
}

static void check_flow(const struct parsed *p, uint8_t protocol)
{
	assert_memory_equal(p->key.v6.src, src_ip6, 16);
	assert_memory_equal(p->key.v6.dst, vip_ip6, 16);
	assert_int_equal(ntohs(p->key.v6.sport_be), SPORT);
	assert_int_equal(ntohs(p->key.v6.dport_be), DPORT);
	assert_int_equal(p->key.v6.protocol, protocol);
	assert_memory_equal(p->key.v6.zero, "\0\0\0", 3);
}

static void tcp_and_udp_are_found_with_their_flow(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (size_t payload = 0; payload < 20; payload++) {
			size_t len = build_ipv6(f, protocols[i], payload);

			assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
			assert_int_equal(p.pkt.l3_off, 14);
			assert_int_equal(pkt_l4_off(&p.pkt), 54);
			assert_int_equal(p.pkt.ip_len, len - 14);
			assert_int_equal(p.pkt.flags, PKT_IPV6 | (i == 0 ? PKT_TCP : 0));
			check_flow(&p, protocols[i]);
		}
}

static void flags_of_tcp_are_seen_as_in_ipv4(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build(f, "d", IPPROTO_TCP, 0);
	struct parsed p;

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		bool fin = flags & 1, syn = flags & 2, rst = flags & 4, ack = flags & 16;

		f[AT_EXT + 8 + 13] = (uint8_t)flags;
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(!!(p.pkt.flags & PKT_OPENER), syn && !ack);
		assert_int_equal(!!(p.pkt.flags & PKT_CLOSING), fin || rst);
	}
}

static const char *const good_chains[] = { "",	  "h",	    "d",      "r",  "a",       "f",
					   "H",	  "D",	    "R",      "A",  "hd",      "hr",
					   "hdr", "hdrfad", "HDRfAD", "dd", "hddddddd" };

static void any_chain_leads_to_the_transport_header(void **state)
{
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned i = 0; i < sizeof(good_chains) / sizeof(good_chains[0]); i++) {
		size_t ext = build(f, good_chains[i], IPPROTO_UDP, 3) - 54 - 8 - 3;

		assert_int_equal(parse(f, 54 + ext + 8 + 3, &p), WEIR_DROP_NONE);
		assert_int_equal(pkt_l4_off(&p.pkt), 54 + ext);
		assert_int_equal(p.pkt.flags, PKT_IPV6);
		check_flow(&p, IPPROTO_UDP);
	}
}

static void a_frame_cut_anywhere_is_truncated(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6 };
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned i = 0; i < sizeof(good_chains) / sizeof(good_chains[0]); i++)
		for (unsigned n = 0; n < 3; n++) {
			size_t len = build(f, good_chains[i], protocols[n], 4);

			for (size_t cut = 0; cut < len; cut++) {
				assert_int_equal(parse(f, cut, &p), WEIR_DROP_TRUNCATED);
				assert_int_equal(!!(p.pkt.flags & PKT_NO_ADDRESS), cut < AT_EXT);
				if (cut < AT_EXT)
					continue;
				assert_int_equal(p.pkt.flags, PKT_IPV6);
				assert_memory_equal(p.key.v6.dst, vip_ip6, 16);
			}
			assert_int_equal(parse(f, len, NULL), WEIR_DROP_NONE);
		}
}

/* Its own length agrees with what there is, with and without padding behind. */
static void a_packet_that_ends_within_a_header_is_truncated(void **state)
{
	uint8_t f[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(good_chains) / sizeof(good_chains[0]); i++) {
		size_t len = build(f, good_chains[i], IPPROTO_TCP, 0);

		for (size_t cut = AT_EXT; cut < len; cut++) {
			put16(f + AT_PLEN, (uint16_t)(cut - AT_EXT));
			assert_int_equal(parse(f, cut, NULL), WEIR_DROP_TRUNCATED);
			assert_int_equal(parse(f, len, NULL), WEIR_DROP_TRUNCATED);
		}
	}
}

static void lengths_beyond_the_frame_are_truncated(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv6(f, IPPROTO_TCP, 0);

	(void)state;
	for (uint32_t plen = 21; plen <= UINT16_MAX; plen++) {
		put16(f + AT_PLEN, (uint16_t)plen);
		assert_int_equal(parse(f, len, NULL), WEIR_DROP_TRUNCATED);
	}
}

static void padding_behind_the_packet_is_not_counted(void **state)
{
	uint8_t f[FRAME_MAX] = { 0 };
	size_t len = build_ipv6(f, IPPROTO_UDP, 0);
	struct parsed p;

	(void)state;
	assert_int_equal(parse(f, len + 20, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.ip_len, 48);
}

static void any_version_but_6_is_bad(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_ipv6(f, IPPROTO_TCP, 0);

	(void)state;
	for (unsigned version = 0; version < 16; version++) {
		f[AT_IP] = (uint8_t)(version << 4);
		assert_int_equal(parse(f, len, NULL),
				 version == 6 ? WEIR_DROP_NONE : WEIR_DROP_BAD_HEADER);
	}
}

static void chains_against_the_rules_are_bad(void **state)
{
	static const char *const bad[] = { "dh", "hh", "ff", "fdf", "ddddddddd", "hdddddddd" };
	uint8_t f[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(f, build(f, bad[i], IPPROTO_TCP, 0), NULL),
				 WEIR_DROP_BAD_EXTENSION);
	for (unsigned left = 0; left < 256; left++) {
		size_t len = build(f, "r", IPPROTO_TCP, 0);

		f[AT_EXT + 3] = (uint8_t)left;
		assert_int_equal(parse(f, len, NULL),
				 left == 0 ? WEIR_DROP_NONE : WEIR_DROP_BAD_EXTENSION);
	}
}

static void a_chain_has_a_longest_length(void **state)
{
	uint8_t f[FRAME_MAX];

	(void)state;
	for (unsigned words = 0; words < 256; words++) {
		size_t ext = 8 * (words + 1), len = build_ipv6(f, IPPROTO_UDP, 0);

		if (len + ext > sizeof(f))
			break;
		memmove(f + AT_EXT + ext, f + AT_EXT, 8);
		memset(f + AT_EXT, 0, ext);
		f[AT_EXT] = IPPROTO_UDP;
		f[AT_EXT + 1] = (uint8_t)words;
		f[AT_NEXT] = IPPROTO_DSTOPTS;
		put16(f + AT_PLEN, (uint16_t)(ext + 8));
		assert_int_equal(parse(f, len + ext, NULL), ext > EXTENSIONS_MAX_BYTES
								    ? WEIR_DROP_BAD_EXTENSION
								    : WEIR_DROP_NONE);
	}
}

static void protocols_without_ports_are_marked(void **state)
{
	static const uint8_t others[] = { IPPROTO_TCP,	    IPPROTO_UDP, IPPROTO_HOPOPTS,
					  IPPROTO_ROUTING,  IPPROTO_AH,  IPPROTO_DSTOPTS,
					  IPPROTO_FRAGMENT };
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned protocol = 0; protocol < 256; protocol++) {
		size_t len = build(f, "d", (uint8_t)protocol, 0);

		if (memchr(others, (int)protocol, sizeof(others)) != NULL)
			continue;
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.pkt.flags, PKT_IPV6 | PKT_OTHER_L4);
		assert_int_equal(p.key.v6.protocol, protocol);
		assert_int_equal(p.key.v6.dport_be, 0);
	}
}

/* Where the fragment header is, and what it has, in the frames of the tests below. */
static size_t build_fragment(uint8_t *f, const char *before, const char *behind, uint8_t protocol,
			     size_t payload, uint16_t bits)
{
	char kinds[32];
	size_t len, at;

	snprintf(kinds, sizeof(kinds), "%sf%s", before, behind);
	len = build(f, kinds, protocol, payload);
	at = AT_EXT + 8 * strlen(before);
	put16(f + at + 2, bits);
	return len;
}

static void a_fragment_is_what_offset_and_more_say(void **state)
{
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
		uint32_t off = bits & 0xfff8;
		bool more = bits & 1;
		size_t data = more ? 64 : 60, len;
		bool too_long = off + data + 8 > UINT16_MAX;
		uint32_t want = off != 0 ? PKT_FRAG_LATER : more ? PKT_FRAG_FIRST : 0;

		len = build_fragment(f, "h", "", IPPROTO_UDP, data - 8, (uint16_t)bits);
		assert_int_equal(parse(f, len, &p),
				 too_long ? WEIR_DROP_BAD_EXTENSION : WEIR_DROP_NONE);
		if (too_long)
			continue;
		assert_int_equal(p.pkt.flags, PKT_IPV6 | want);
		assert_int_equal(pkt_l4_off(&p.pkt), AT_EXT + 16);
		assert_int_equal(ntohs(p.key.v6.dport_be), off == 0 ? DPORT : 0);
		assert_int_equal(p.key.v6.protocol, IPPROTO_UDP);
		if (want == 0)
			continue;
		assert_int_equal(ntohl(p.fragment.id_be), 0xfeedbeef);
		assert_int_equal(p.fragment.off, off);
		assert_int_equal(p.fragment.len, data);
		assert_int_equal(p.fragment.more, more);
	}
}

/* What a later fragment begins with is data, whatever its header's number says. */
static void behind_a_later_fragments_header_nothing_is_walked(void **state)
{
	uint8_t f[FRAME_MAX];
	size_t len = build_fragment(f, "", "dd", IPPROTO_TCP, 20, 80 << 3);
	struct parsed p;

	(void)state;
	f[AT_EXT + 8] = IPPROTO_HOPOPTS;
	f[AT_EXT + 9] = 200;
	assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.flags, PKT_IPV6 | PKT_FRAG_LATER);
	assert_int_equal(pkt_l4_off(&p.pkt), AT_EXT + 8);
	assert_int_equal(p.fragment.len, 16 + 20 + 20);
}

/* RFC 7112: extension headers and the transport header, all in the first fragment. */
static void a_first_fragment_without_the_whole_chain_is_tiny(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint8_t f[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		size_t needed = 16 + (i == 0 ? 20 : 8);

		for (size_t data = 8; data <= 64; data += 8) {
			build_fragment(f, "h", "dd", protocols[i], 64, 1);
			put16(f + AT_PLEN, (uint16_t)(16 + data));
			assert_int_equal(parse(f, AT_EXT + 16 + data, NULL),
					 data < needed ? WEIR_DROP_FRAGMENT_TINY : WEIR_DROP_NONE);
		}
	}
}

static void no_later_fragment_may_hold_a_part_of_a_tcp_header(void **state)
{
	uint8_t f[FRAME_MAX];

	(void)state;
	for (unsigned off = 8; off <= 32; off += 8)
		assert_int_equal(
			parse(f, build_fragment(f, "", "", IPPROTO_TCP, 0, (uint16_t)off), NULL),
			off < 20 ? WEIR_DROP_FRAGMENT_TINY : WEIR_DROP_NONE);
}

static void fragments_before_the_last_have_a_multiple_of_eight(void **state)
{
	uint8_t f[FRAME_MAX];

	(void)state;
	for (size_t payload = 0; payload < 17; payload++)
		assert_int_equal(
			parse(f, build_fragment(f, "", "", IPPROTO_UDP, payload, 81), NULL),
			payload % 8 ? WEIR_DROP_BAD_EXTENSION : WEIR_DROP_NONE);
}

static void an_echo_request_is_known(void **state)
{
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		bool error = type >= 1 && type <= 4;
		size_t len = build(f, "d", IPPROTO_ICMPV6, 8);

		f[AT_EXT + 8] = (uint8_t)type;
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.pkt.flags, PKT_IPV6 | PKT_OTHER_L4 |
						      (type == 128 ? PKT_ECHO : 0) |
						      (error ? PKT_ICMP_ERROR : 0));
	}
}

/* An ICMPv6 error to the VIP that quotes `quoted` bytes of a packet with that chain. */
static size_t build_error(uint8_t *f, uint8_t type, const char *kinds, uint8_t protocol,
			  size_t quoted)
{
	uint8_t inner[FRAME_MAX], first;
	size_t len = build(inner, kinds, protocol, 64), ext;
	uint8_t chain[256];

	ext = build_chain(chain, kinds, protocol, &first);
	memcpy(inner + AT_IP + 8, vip_ip6, 16);
	memcpy(inner + AT_IP + 24, src_ip6, 16);
	put16(inner + AT_EXT + ext, DPORT);
	put16(inner + AT_EXT + ext + 2, SPORT);
	quoted = quoted < len - AT_IP ? quoted : len - AT_IP;
	build_ipv6(f, IPPROTO_ICMPV6, 8 + quoted);
	memset(f + AT_EXT, 0, 8);
	f[AT_EXT] = type;
	memcpy(f + AT_EXT + 8, inner + AT_IP, quoted);
	return AT_EXT + 8 + quoted;
}

static void an_icmp_error_has_the_flow_of_what_it_quotes(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned c = 0; c < sizeof(good_chains) / sizeof(good_chains[0]); c++)
		for (unsigned i = 0; i < 2; i++)
			for (uint8_t type = 1; type <= 4; type++) {
				uint8_t chain[256], first;
				size_t ext = build_chain(chain, good_chains[c], 0, &first);

				for (size_t l4 = 0; l4 < 16; l4++) {
					size_t len = build_error(f, type, good_chains[c],
								 protocols[i], IP6_HDR + ext + l4);

					assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
					if (l4 < 8) {
						assert_int_equal(p.pkt.flags,
								 PKT_IPV6 | PKT_ICMP_ERROR |
									 PKT_OTHER_L4);
						continue;
					}
					assert_int_equal(p.pkt.flags, PKT_IPV6 | PKT_ICMP_ERROR |
									      (i ? 0 : PKT_TCP));
					assert_int_equal(pkt_l4_off(&p.pkt), AT_EXT);
					check_flow(&p, protocols[i]);
				}
			}
}

/* All of its fragments are known by who sent them. */
static void an_icmp_error_in_fragments_has_the_flow_in_the_first(void **state)
{
	static const uint8_t header[8] = { IPPROTO_ICMPV6, 0, 0, 1, 1, 2, 3, 4 };
	uint8_t f[FRAME_MAX], last[FRAME_MAX];
	size_t len = build_error(f, 2, "", IPPROTO_UDP, 56);
	struct parsed p;

	(void)state;
	f[AT_IP + 8] = 0xfd;
	memmove(f + AT_EXT + 8, f + AT_EXT, len - AT_EXT);
	memcpy(f + AT_EXT, header, sizeof(header));
	f[AT_NEXT] = IPPROTO_FRAGMENT;
	put16(f + AT_PLEN, (uint16_t)(len + 8 - AT_EXT));
	assert_int_equal(parse(f, len + 8, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.flags, PKT_IPV6 | PKT_ICMP_ERROR | PKT_FRAG_FIRST);
	check_flow(&p, IPPROTO_UDP);
	assert_memory_equal(p.fragment.sender, f + AT_IP + 8, 16);
	assert_int_equal(p.fragment.len, 64);

	memcpy(last, f, len + 8);
	put16(last + AT_EXT + 2, 64);
	assert_int_equal(parse(last, len + 8, &p), WEIR_DROP_NONE);
	assert_int_equal(p.pkt.flags, PKT_IPV6 | PKT_FRAG_LATER);
	assert_memory_equal(p.key.v6.src, f + AT_IP + 8, 16);
}

static void a_quote_that_names_no_flow_of_the_destination_gives_none(void **state)
{
	enum { QUOTE = AT_EXT + 8, EXT = QUOTE + IP6_HDR };
	static const struct {
		uint8_t at, value;
	} change[] = {
		{ QUOTE, 0x45 }, { QUOTE + 8, 0xfe }, { QUOTE + 23, 0x77 }, { EXT, 58 },
		{ EXT, 0 },	 { EXT + 1, 255 },    { QUOTE + 6, 59 },    { QUOTE + 6, 50 }
	};
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
		size_t len = build_error(f, 2, "d", IPPROTO_TCP, 1000);

		f[change[i].at] = change[i].value;
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.pkt.flags, PKT_IPV6 | PKT_ICMP_ERROR | PKT_OTHER_L4);
		assert_memory_equal(p.key.v6.dst, vip_ip6, 16);
		assert_int_equal(p.key.v6.protocol, IPPROTO_ICMPV6);
	}
}

/* A first fragment has the ports, a later one has not. */
static void of_quoted_fragments_the_first_will_do(void **state)
{
	uint8_t f[FRAME_MAX];
	struct parsed p;

	(void)state;
	for (unsigned off = 0; off < 3; off++) {
		size_t len = build_error(f, 2, "f", IPPROTO_UDP, 57);

		put16(f + AT_EXT + 8 + IP6_HDR + 2, (uint16_t)(off << 3 | 1));
		assert_int_equal(parse(f, len, &p), WEIR_DROP_NONE);
		assert_int_equal(p.pkt.flags,
				 PKT_IPV6 | PKT_ICMP_ERROR | (off == 0 ? 0 : PKT_OTHER_L4));
	}
}

/* Right frames with a few bytes changed, at every length: whatever passes has its
 * headers within the frame. The sanitizers see reads beyond it. */
static void nonsense_never_leads_outside_the_frame(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6 };
	static const unsigned chains = sizeof(good_chains) / sizeof(good_chains[0]);
	uint8_t f[FRAME_MAX];
	unsigned passed = 0;

	(void)state;
	srandom(20171);
	for (unsigned i = 0; i < 200000; i++) {
		const char *kinds = good_chains[(unsigned)random() % chains];
		uint8_t protocol = protocols[random() % 3];
		size_t payload = (size_t)random() % 64;
		size_t len = random() % 3 ? build(f, kinds, protocol, payload)
					  : build_error(f, 2, kinds, protocol, payload + 40);
		struct parsed p;

		for (long n = random() % 4; n > 0; n--)
			f[12 + random() % 120] = (uint8_t)random();
		if (random() % 2)
			len = (size_t)random() % (len + 1);
		if (parse(f, len, &p) != WEIR_DROP_NONE)
			continue;
		passed++;
		assert_within(&p.pkt, len);
	}
	assert_true(passed > 20000); /* or this tests nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_and_udp_are_found_with_their_flow),
		cmocka_unit_test(flags_of_tcp_are_seen_as_in_ipv4),
		cmocka_unit_test(any_chain_leads_to_the_transport_header),
		cmocka_unit_test(a_frame_cut_anywhere_is_truncated),
		cmocka_unit_test(a_packet_that_ends_within_a_header_is_truncated),
		cmocka_unit_test(lengths_beyond_the_frame_are_truncated),
		cmocka_unit_test(padding_behind_the_packet_is_not_counted),
		cmocka_unit_test(any_version_but_6_is_bad),
		cmocka_unit_test(chains_against_the_rules_are_bad),
		cmocka_unit_test(a_chain_has_a_longest_length),
		cmocka_unit_test(protocols_without_ports_are_marked),
		cmocka_unit_test(a_fragment_is_what_offset_and_more_say),
		cmocka_unit_test(behind_a_later_fragments_header_nothing_is_walked),
		cmocka_unit_test(a_first_fragment_without_the_whole_chain_is_tiny),
		cmocka_unit_test(no_later_fragment_may_hold_a_part_of_a_tcp_header),
		cmocka_unit_test(fragments_before_the_last_have_a_multiple_of_eight),
		cmocka_unit_test(an_echo_request_is_known),
		cmocka_unit_test(an_icmp_error_has_the_flow_of_what_it_quotes),
		cmocka_unit_test(an_icmp_error_in_fragments_has_the_flow_in_the_first),
		cmocka_unit_test(a_quote_that_names_no_flow_of_the_destination_gives_none),
		cmocka_unit_test(of_quoted_fragments_the_first_will_do),
		cmocka_unit_test(nonsense_never_leads_outside_the_frame),
	};

	return cmocka_run_group_tests_name("parse_ipv6", tests, NULL, NULL);
}
