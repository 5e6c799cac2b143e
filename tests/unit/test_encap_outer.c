// SPDX-License-Identifier: Apache-2.0
/*
 * Every outer header around both kinds of packet, field by field: compared with a
 * header that is put together here from RFC 791, 768 and 8200 and the draft of GUE.
 */
#include "pipeline.h"
#include "view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "one_backend.h"

#define GUE_PORT 6080
#define HASH	 0xfedcba9876543210ull

static const uint8_t outer_src6[16] = { 0x20, 1, 0x0d, 0xb8, 0xff, [14] = 0 };
static const uint8_t outer_dst6[16] = { 0x20, 1, 0x0d, 0xb8, 0xfe, [15] = 11 };

static bool outer6(unsigned encap)
{
	return encap == WEIR_ENCAP_IPIP6 || encap == WEIR_ENCAP_GUE6;
}

static bool gue(unsigned encap)
{
	return encap == WEIR_ENCAP_GUE4 || encap == WEIR_ENCAP_GUE6;
}

/* The ready header as snapshot.h describes it. */
static void make_ready(unsigned encap)
{
	static const uint8_t src4[] = { 10, 64, 0, 0 }, dst4[] = { 10, 0, 1, 11 };
	uint8_t *h = backend.outer;

	backend.encap = (uint8_t)encap;
	memset(h, 0, sizeof(backend.outer));
	if (encap == WEIR_ENCAP_L2)
		return;
	if (outer6(encap)) {
		h[0] = 0x60;
		h[6] = gue(encap) ? IPPROTO_UDP : 0;
		h[7] = 64;
		memcpy(h + 8, outer_src6, 16);
		memcpy(h + 24, outer_dst6, 16);
		return;
	}
	h[0] = 0x45;
	h[6] = 0x40;
	h[8] = 64;
	h[9] = gue(encap) ? IPPROTO_UDP : IPPROTO_IPIP;
	memcpy(h + 12, src4, 4);
	memcpy(h + 16, dst4, 4);
	put16(h + 10, slow_checksum(h, 20));
}

static int setup(void **state)
{
	(void)state;
	one_backend();
	backend.gue_port_be = htons(GUE_PORT);
	return 0;
}

/* What has to stand between the Ethernet header and the client's packet: its length. */
static size_t want_outer(uint8_t *out, unsigned encap, const uint8_t *inner, size_t inner_len)
{
	bool inner6 = inner[0] >> 4 == 6;
	uint8_t tos = inner6 ? (uint8_t)((inner[0] & 15) << 4 | inner[1] >> 4) : inner[1];
	uint8_t protocol = inner6 ? 41 : 4;
	size_t behind = inner_len + (gue(encap) ? 12 : 0), len;
	uint64_t mask = backend.source_bits == 64 ? UINT64_MAX : (1ull << backend.source_bits) - 1;

	if (encap == WEIR_ENCAP_L2)
		return 0;
	memcpy(out, backend.outer, 40);
	if (outer6(encap)) {
		len = 40;
		put32(out, 6u << 28 | (uint32_t)tos << 20 | (HASH & 0xfffff));
		put16(out + 4, (uint16_t)behind);
		out[6] = gue(encap) ? 17 : protocol;
		for (unsigned i = 0; i < 8; i++)
			out[16 + i] |= (uint8_t)((HASH & mask) >> (56 - 8 * i));
	} else {
		len = 20;
		out[1] = tos;
		put16(out + 2, (uint16_t)(20 + behind));
		out[9] = gue(encap) ? 17 : protocol;
		put32(out + 12, (10u << 24 | 64u << 16) | (uint32_t)(HASH & mask));
		put16(out + 10, 0);
		put16(out + 10, slow_checksum(out, 20));
	}
	if (gue(encap)) {
		put16(out + len, 49152 + ((HASH >> 16) & 0x3fff));
		put16(out + len + 2, GUE_PORT);
		put16(out + len + 4, (uint16_t)behind);
		put16(out + len + 6, 0);
		put32(out + len + 8, (uint32_t)protocol << 16); /* version, length, flags: 0 */
		len += 12;
	}
	return len;
}

/* One frame: `tagged` bytes of VLAN tags in front of its IP header, `padding` behind. */
static void assert_encapsulated(unsigned encap, bool inner6, uint8_t tos, size_t payload,
				size_t tagged, size_t padding)
{
	uint8_t plain[FRAME_MAX], bytes[FRAME_MAX] = { 0 }, want[64];
	size_t len = inner6 ? build_ipv6(plain, IPPROTO_UDP, payload)
			    : build_ipv4(plain, IPPROTO_TCP, 8, payload);
	size_t ip_len = len - ETH_LEN, outer, link = backend.vlan_be ? 18 : 14;
	struct burst b = { .n = 1,
			   .seen = (inner6 ? PKT_IPV6 : 0) | (tagged != 0 ? PKT_TAGGED : 0),
			   .lens = (uint16_t)ip_len };
	const uint8_t *at;
	struct frame f;

	if (inner6) {
		plain[AT_IP] = (uint8_t)(0x60 | tos >> 4);
		plain[AT_IP + 1] = (uint8_t)(tos << 4 | 5);
	} else {
		plain[AT_TOS] = tos;
	}
	memcpy(bytes, plain, 12);
	memset(bytes + 12, 0x77, tagged);
	memcpy(bytes + 12 + tagged, plain + 12, len - 12);
	frame_make(&f, bytes, len + tagged + padding, FRAME_HEADROOM);
	b.pkt[0] = (struct pkt){ .mbuf = &f.mbuf,
				 .flow_hash = HASH,
				 .l3_off = (uint8_t)(AT_IP + tagged),
				 .ip_len = (uint16_t)ip_len,
				 .port = 1,
				 .flags = b.seen };
	encap_burst(&view, ports, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NONE);
	assert_false(b.dropped);
	assert_int_equal(b.pkt[0].port, PORT);
	assert_true(b.one_port);
	assert_ptr_equal(b.leaving[0], &f.mbuf);
	assert_int_equal(b.bytes, f.mbuf.pkt_len);

	outer = want_outer(want, encap, plain + AT_IP, ip_len);
	assert_int_equal(outer, encap_overhead(encap));
	assert_int_equal(f.mbuf.data_len,
			 link + outer + ip_len + (encap == WEIR_ENCAP_L2 ? padding : 0));
	assert_int_equal(f.mbuf.pkt_len, f.mbuf.data_len);
	at = rte_pktmbuf_mtod(&f.mbuf, const uint8_t *);
	assert_memory_equal(at, backend.dmac, 6);
	assert_memory_equal(at + 6, ports[PORT].mac, 6);
	if (backend.vlan_be != 0) {
		assert_int_equal(get16(at + 12), 0x8100);
		assert_int_equal(get16(at + 14), ntohs(backend.vlan_be));
	}
	assert_int_equal(get16(at + link - 2),
			 (encap == WEIR_ENCAP_L2 ? inner6 : outer6(encap)) ? 0x86dd : 0x0800);
	assert_memory_equal(at + link, want, outer);
	assert_memory_equal(at + link + outer, plain + AT_IP, ip_len);
	frame_free(&f);
}

static void every_header_around_every_packet_is_right(void **state)
{
	(void)state;
	for (unsigned encap = 0; encap < WEIR_ENCAPS; encap++) {
		make_ready(encap);
		for (unsigned inner6 = 0; inner6 < 2; inner6++)
			for (size_t payload = 0; payload < 1380; payload += 61)
				assert_encapsulated(encap, inner6, (uint8_t)(payload * 7), payload,
						    0, 0);
	}
}

static void each_traffic_class_goes_outside(void **state)
{
	(void)state;
	for (unsigned encap = 0; encap < WEIR_ENCAPS; encap++) {
		make_ready(encap);
		for (unsigned tos = 0; tos < 256; tos++) {
			assert_encapsulated(encap, false, (uint8_t)tos, 9, 0, 0);
			assert_encapsulated(encap, true, (uint8_t)tos, 9, 0, 0);
		}
	}
}

static void tags_that_came_go_and_the_next_hops_comes(void **state)
{
	(void)state;
	for (unsigned encap = 0; encap < WEIR_ENCAPS; encap++)
		for (unsigned vlan = 0; vlan <= 300; vlan += 300)
			for (size_t tagged = 0; tagged <= 8; tagged += 4) {
				backend.vlan_be = htons((uint16_t)vlan);
				make_ready(encap);
				assert_encapsulated(encap, false, 3, 40, tagged, 0);
				assert_encapsulated(encap, true, 3, 40, tagged, 0);
			}
}

static void padding_stays_on_its_link(void **state)
{
	(void)state;
	for (unsigned encap = 0; encap < WEIR_ENCAPS; encap++) {
		make_ready(encap);
		assert_encapsulated(encap, false, 0, 0, 0, 6);
		assert_encapsulated(encap, true, 0, 0, 4, 46);
	}
}

static void bits_of_the_flow_hash_fill_the_outer_source(void **state)
{
	(void)state;
	for (unsigned encap = 1; encap < WEIR_ENCAPS; encap++) {
		/* Our IPv4 prefix has 16 bits to give. */
		for (unsigned bits = 0; bits <= (outer6(encap) ? 64u : 16u); bits++) {
			backend.source_bits = (uint8_t)bits;
			make_ready(encap);
			assert_encapsulated(encap, false, 0xff, 100, 0, 0);
			assert_encapsulated(encap, true, 0xff, 100, 0, 0);
		}
	}
}

/* For those who answer, or cut it into pieces. */
static void what_does_not_fit_is_left_as_it_came(void **state)
{
	uint8_t bytes[FRAME_MAX];

	(void)state;
	for (unsigned encap = 0; encap < WEIR_ENCAPS; encap++)
		for (unsigned inner6 = 0; inner6 < 2; inner6++)
			for (size_t ip_len = 1400; ip_len <= 1501; ip_len++) {
				size_t len =
					inner6 ? build_ipv6(bytes, IPPROTO_UDP, ip_len - 48)
					       : build_ipv4(bytes, IPPROTO_UDP, 0, ip_len - 28);
				struct burst b = { .n = 1,
						   .seen = inner6 ? PKT_IPV6 : 0,
						   .lens = (uint16_t)ip_len };
				bool fits = ip_len + encap_overhead(encap) <= 1500;
				struct frame f;

				make_ready(encap);
				frame_make(&f, bytes, len, FRAME_HEADROOM);
				b.pkt[0] = (struct pkt){ .mbuf = &f.mbuf,
							 .l3_off = AT_IP,
							 .ip_len = (uint16_t)ip_len,
							 .port = 1,
							 .flags = b.seen };
				encap_burst(&view, ports, &b);
				assert_int_equal(b.pkt[0].drop,
						 fits ? WEIR_DROP_NONE : WEIR_DROP_TOO_BIG);
				assert_int_equal(encap_room(&view, ports, &b.pkt[0]),
						 1500 - encap_overhead(encap));
				if (!fits) {
					assert_true(b.dropped);
					assert_int_equal(b.pkt[0].port, 1);
					assert_int_equal(f.mbuf.data_len, len);
					assert_int_equal(f.mbuf.data_off, FRAME_HEADROOM);
					assert_memory_equal(f.buf + FRAME_HEADROOM, bytes, len);
				}
				frame_free(&f);
			}
}

static void room_is_what_the_least_mtu_leaves(void **state)
{
	const struct pkt p = { .backend = 0 };

	(void)state;
	make_ready(WEIR_ENCAP_GUE6);
	backend.mtu = 1400;
	assert_int_equal(encap_room(&view, ports, &p), 1348);
	ports[PORT].mtu = 1300;
	assert_int_equal(encap_room(&view, ports, &p), 1248);
	ports[PORT].mtu = 40;
	assert_int_equal(encap_room(&view, ports, &p), 0);
	backend.port = 200; /* a peer's doing */
	assert_int_equal(encap_room(&view, ports, &p), 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_header_around_every_packet_is_right),
		TEST(each_traffic_class_goes_outside),
		TEST(tags_that_came_go_and_the_next_hops_comes),
		TEST(padding_stays_on_its_link),
		TEST(bits_of_the_flow_hash_fill_the_outer_source),
		TEST(what_does_not_fit_is_left_as_it_came),
		TEST(room_is_what_the_least_mtu_leaves),
	};

	return cmocka_run_group_tests_name("encap_outer", tests, NULL, NULL);
}
