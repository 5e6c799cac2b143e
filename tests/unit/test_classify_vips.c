// SPDX-License-Identifier: Apache-2.0
/*
 * IPv6 VIPs, and VIPs that are prefixes, against the slow way: look at each of them.
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
#include <stdlib.h>
#include <string.h>

#define BITS 12
#include "lookup_made.h"

#define SIZE (1u << BITS)

/* An address of either family: IPv4 in the first 4 bytes. */
struct address {
	uint8_t family, bytes[16];
};

static struct address address(const char *text)
{
	struct address a = { .family = strchr(text, ':') ? 6 : 4 };

	assert_int_equal(inet_pton(a.family == 6 ? AF_INET6 : AF_INET, text, a.bytes), 1);
	return a;
}

/* Enter (VIP, protocol, port) as the control plane would. */
static void enter(const struct address *a, unsigned len, uint8_t protocol, uint16_t port,
		  uint16_t service, uint32_t flags)
{
	struct weir_lookup e = { .service = service, .pool = 1, .flags = flags };
	uint32_t v4 = 0;

	if (a->family == 4) {
		memcpy(&v4, a->bytes, 4);
		if (len < 32)
			view.prefixes4 |= 1ull << len;
	} else {
		memcpy(&e.k1, a->bytes, 8);
		memcpy(&e.k2, a->bytes + 8, 8);
		if (len < 128)
			view.prefixes6[len / 64] |= 1ull << len % 64;
	}
	e.k0 = weir_lookup_k0(weir_lookup_kind(a->family, len), protocol, htons(port), v4);
	lookup_enter(&e);
}

static void enter_vip(const char *text, unsigned len, uint32_t flags)
{
	const struct address a = address(text);

	enter(&a, len, 0, 0, 0, WEIR_SERVICE_VIP_ONLY | flags);
}

static void enter_service(const char *text, unsigned len, uint8_t protocol, uint16_t port,
			  uint16_t service)
{
	const struct address a = address(text);

	enter(&a, len, protocol, port, service, 0);
}

static struct pkt classify_to(const struct address *a, uint8_t protocol, uint16_t port,
			      uint16_t flags)
{
	struct burst b = { .n = 1 }, alike;

	if (a->family == 6) {
		flags |= PKT_IPV6;
		memset(b.key[0].v6.src, 0xfd, 16);
		memcpy(b.key[0].v6.dst, a->bytes, 16);
		b.key[0].v6.dport_be = htons(port);
		b.key[0].v6.protocol = protocol;
	} else {
		memcpy(&b.key[0].v4.dst_be, a->bytes, 4);
		b.key[0].v4.dport_be = htons(port);
		b.key[0].v4.protocol = protocol;
	}
	b.seen = b.pkt[0].flags = flags;
	alike = b;
	classify_burst(&view, &b);
	assert_int_equal(b.dropped, b.pkt[0].drop != WEIR_DROP_NONE);

	/* As parse says it of most bursts. */
	alike.one_target = !(flags & (PKT_FRAG_LATER | PKT_OTHER_L4));
	classify_burst(&view, &alike);
	assert_memory_equal(&alike.pkt[0], &b.pkt[0], sizeof(b.pkt[0]));
	return b.pkt[0];
}

static struct pkt classify(const char *text, uint8_t protocol, uint16_t port)
{
	const struct address a = address(text);

	return classify_to(&a, protocol, port, 0);
}

static void an_ipv6_service_is_found_by_the_whole_address(void **state)
{
	struct address a = address("2001:db8::a");

	(void)state;
	enter_vip("2001:db8::a", 128, 0);
	enter_service("2001:db8::a", 128, IPPROTO_TCP, 443, 7);
	assert_int_equal(classify_to(&a, IPPROTO_TCP, 443, 0).service, 7);
	assert_int_equal(classify_to(&a, IPPROTO_TCP, 80, 0).drop, WEIR_DROP_STRAY);
	assert_int_equal(classify_to(&a, IPPROTO_UDP, 443, 0).drop, WEIR_DROP_STRAY);
	for (unsigned bit = 0; bit < 128; bit++) {
		a.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(classify_to(&a, IPPROTO_TCP, 443, 0).drop, WEIR_DROP_NOT_A_VIP);
		a.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void the_address_of_zeros_is_like_any_other(void **state)
{
	(void)state;
	enter_vip("2001:db8::a", 128, 0);
	for (unsigned port = 1; port < 500; port++)
		enter_service("2001:db8::a", 128, IPPROTO_TCP, (uint16_t)port, 7);
	for (unsigned port = 1; port < 500; port++)
		assert_int_equal(classify("::", IPPROTO_TCP, (uint16_t)port).drop,
				 WEIR_DROP_NOT_A_VIP);
}

static void every_port_of_an_ipv6_vip_can_be_one_service(void **state)
{
	(void)state;
	enter_vip("2001:db8::a", 128, 0);
	enter_service("2001:db8::a", 128, IPPROTO_TCP, 443, 7);
	enter_service("2001:db8::a", 128, IPPROTO_TCP, 0, 8);
	assert_int_equal(classify("2001:db8::a", IPPROTO_TCP, 443).service, 7);
	assert_int_equal(classify("2001:db8::a", IPPROTO_TCP, 80).service, 8);
	assert_int_equal(classify("2001:db8::a", IPPROTO_UDP, 80).drop, WEIR_DROP_STRAY);
}

/* The longest VIP that holds the address decides, be there a service for it or not. */
static void the_longest_vip_decides(void **state)
{
	(void)state;
	enter_vip("203.0.113.0", 24, WEIR_VIP_ECHO);
	enter_service("203.0.113.0", 24, IPPROTO_TCP, 80, 1);
	enter_vip("203.0.113.0", 28, WEIR_VIP_REJECT);
	enter_service("203.0.113.0", 28, IPPROTO_TCP, 0, 2);
	enter_service("203.0.113.0", 28, IPPROTO_TCP, 443, 3);
	enter_vip("203.0.113.5", 32, 0);
	enter_service("203.0.113.5", 32, IPPROTO_TCP, 80, 4);

	assert_int_equal(classify("203.0.113.5", IPPROTO_TCP, 80).service, 4);
	assert_int_equal(classify("203.0.113.5", IPPROTO_TCP, 443).drop, WEIR_DROP_STRAY);
	assert_int_equal(classify("203.0.113.6", IPPROTO_TCP, 80).service, 2);
	assert_int_equal(classify("203.0.113.6", IPPROTO_TCP, 443).service, 3);
	assert_int_equal(classify("203.0.113.6", IPPROTO_UDP, 80).drop, WEIR_DROP_STRAY);
	assert_int_equal(classify("203.0.113.6", IPPROTO_UDP, 80).service_flags,
			 WEIR_SERVICE_VIP_ONLY | WEIR_VIP_REJECT);
	assert_int_equal(classify("203.0.113.16", IPPROTO_TCP, 80).service, 1);
	assert_int_equal(classify("203.0.113.16", IPPROTO_TCP, 443).drop, WEIR_DROP_STRAY);
	assert_int_equal(classify("203.0.113.16", IPPROTO_TCP, 443).service_flags,
			 WEIR_SERVICE_VIP_ONLY | WEIR_VIP_ECHO);
	assert_int_equal(classify("203.0.112.255", IPPROTO_TCP, 80).drop, WEIR_DROP_NOT_A_VIP);
	assert_int_equal(classify("203.0.114.0", IPPROTO_TCP, 80).drop, WEIR_DROP_NOT_A_VIP);
}

static void a_prefix_of_every_length_holds_what_it_should(void **state)
{
	static const char *const of[] = { "255.255.255.255",
					  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };

	for (unsigned family = 0; family < 2; family++)
		for (unsigned len = 0; len < (family ? 128u : 32u); len++) {
			struct address a = address(of[family]), prefix = a;

			lookup_teardown(state);
			lookup_setup(state);
			for (unsigned bit = len; bit < (family ? 128u : 32u); bit++)
				prefix.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
			enter(&prefix, len, 0, 0, 0, WEIR_SERVICE_VIP_ONLY);
			enter(&prefix, len, IPPROTO_UDP, 53, 9, 0);
			for (unsigned bit = 0; bit < (family ? 128u : 32u); bit++) {
				struct pkt p;

				a.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
				p = classify_to(&a, IPPROTO_UDP, 53, 0);
				a.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
				assert_int_equal(p.drop,
						 bit < len ? WEIR_DROP_NOT_A_VIP : WEIR_DROP_NONE);
				if (bit >= len)
					assert_int_equal(p.service, 9);
			}
		}
}

struct random_vip {
	struct address a;
	unsigned len;
	bool tcp[4]; /* by port */
};

static bool holds(const struct random_vip *v, const struct address *a)
{
	for (unsigned bit = 0; bit < v->len; bit++)
		if ((v->a.bytes[bit / 8] ^ a->bytes[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

/* 60 VIPs in each other, many thousand addresses near them; services of ports 0 to 3. */
static void any_set_of_vips_is_seen_as_by_looking_at_each(void **state)
{
	enum { VIPS = 60 };
	static struct random_vip vip[VIPS];

	srandom(20172);
	for (unsigned round = 0; round < 40; round++) {
		uint8_t family = round % 2 ? 6 : 4;
		unsigned width = family == 6 ? 128 : 32;

		lookup_teardown(state);
		lookup_setup(state);
		for (unsigned i = 0; i < VIPS; i++) {
			struct random_vip *v = &vip[i];

			do {
				*v = (struct random_vip){ .a.family = family };
				v->len = (unsigned)random() % (width + 1);
				for (unsigned bit = 0; bit < v->len; bit++)
					if (random() % 8 == 0)
						v->a.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
				for (unsigned j = 0; j < i; j++)
					if (v->len == vip[j].len &&
					    memcmp(v->a.bytes, vip[j].a.bytes, 16) == 0)
						v->len = UINT8_MAX; /* had it */
			} while (v->len == UINT8_MAX);
			enter(&v->a, v->len, 0, 0, 0, WEIR_SERVICE_VIP_ONLY);
			for (unsigned port = 0; port < 4; port++) {
				v->tcp[port] = random() % 2;
				if (v->tcp[port])
					enter(&v->a, v->len, IPPROTO_TCP, (uint16_t)port,
					      (uint16_t)(i * 4 + port), 0);
			}
		}
		for (unsigned n = 0; n < 3000; n++) {
			struct address a = { .family = family };
			uint16_t port = (uint16_t)(1 + random() % 3);
			const struct random_vip *best = NULL;
			struct pkt p;

			for (unsigned bit = 0; bit < width; bit++)
				if (random() % 8 == 0)
					a.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
			if (n % 2)
				a = vip[n % VIPS].a;
			for (unsigned i = 0; i < VIPS; i++)
				if (holds(&vip[i], &a) && (best == NULL || vip[i].len > best->len))
					best = &vip[i];
			p = classify_to(&a, IPPROTO_TCP, port, 0);
			if (best == NULL) {
				assert_int_equal(p.drop, WEIR_DROP_NOT_A_VIP);
			} else if (!best->tcp[port] && !best->tcp[0]) {
				assert_int_equal(p.drop, WEIR_DROP_STRAY);
			} else {
				assert_int_equal(p.drop, WEIR_DROP_NONE);
				assert_int_equal(p.service,
						 (best - vip) * 4 + (best->tcp[port] ? port : 0));
			}
		}
	}
}

static void families_in_one_burst_do_not_mix(void **state)
{
	const struct address a4 = address("203.0.113.10"), a6 = address("2001:db8::a");
	struct burst b = { .n = WEIR_BURST, .seen = PKT_IPV6 };

	(void)state;
	enter_vip("203.0.113.10", 32, 0);
	enter_vip("2001:db8::a", 128, 0);
	enter_service("203.0.113.10", 32, IPPROTO_TCP, 80, 4);
	enter_service("2001:db8::a", 128, IPPROTO_TCP, 80, 6);
	for (unsigned i = 0; i < WEIR_BURST; i++)
		if (i % 3 == 0) {
			b.pkt[i].flags = PKT_IPV6;
			memcpy(b.key[i].v6.dst, a6.bytes, 16);
			b.key[i].v6.dport_be = htons(80);
			b.key[i].v6.protocol = IPPROTO_TCP;
		} else {
			memcpy(&b.key[i].v4.dst_be, a4.bytes, 4);
			b.key[i].v4.dport_be = htons(80);
			b.key[i].v4.protocol = IPPROTO_TCP;
		}
	classify_burst(&view, &b);
	for (unsigned i = 0; i < WEIR_BURST; i++) {
		assert_int_equal(b.pkt[i].drop, WEIR_DROP_NONE);
		assert_int_equal(b.pkt[i].service, i % 3 == 0 ? 6 : 4);
	}
	assert_false(b.dropped);
}

/* A peer may write anything; a look-up is bounded and its answer in range. */
static void nonsense_in_the_table_stays_in_range(void **state)
{
	uint8_t *byte = (uint8_t *)view.lookup;

	(void)state;
	srandom(20173);
	view.prefixes4 = UINT32_MAX;
	view.prefixes6[0] = view.prefixes6[1] = UINT64_MAX;
	for (size_t i = 0; i < SIZE * sizeof(struct weir_lookup); i++)
		byte[i] = (uint8_t)random();
	for (unsigned n = 0; n < 2000; n++) {
		struct address a = { .family = n % 2 ? 6 : 4 };
		struct pkt p;

		for (unsigned i = 0; i < 16; i++)
			a.bytes[i] = (uint8_t)random();
		p = classify_to(&a, IPPROTO_TCP, (uint16_t)random(), 0);
		assert_true(p.drop == WEIR_DROP_NOT_A_VIP ||
			    (p.service < WEIR_MAX_SERVICES && p.pool < WEIR_MAX_POOLS));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, lookup_setup, lookup_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_ipv6_service_is_found_by_the_whole_address),
		TEST(the_address_of_zeros_is_like_any_other),
		TEST(every_port_of_an_ipv6_vip_can_be_one_service),
		TEST(the_longest_vip_decides),
		TEST(a_prefix_of_every_length_holds_what_it_should),
		TEST(any_set_of_vips_is_seen_as_by_looking_at_each),
		TEST(families_in_one_burst_do_not_mix),
		TEST(nonsense_in_the_table_stays_in_range),
	};

	return cmocka_run_group_tests_name("classify_vips", tests, NULL, NULL);
}
