// SPDX-License-Identifier: Apache-2.0
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

#define BITS 5
#include "lookup_made.h"

#define SIZE (1u << BITS)
#define MASK (SIZE - 1)

#define VIP	  0xcb00710au /* 203.0.113.10 */
#define OTHER_VIP 0xcb00710bu
#define NO_VIP	  0xc0000201u

static struct weir_lookup *entries(void)
{
	return (struct weir_lookup *)view.lookup;
}

static uint64_t key(uint32_t addr, uint8_t protocol, uint16_t port)
{
	return weir_lookup_k0(4, protocol, htons(port), htonl(addr));
}

static struct weir_lookup *enter(uint64_t k0, uint16_t service, uint16_t pool)
{
	return lookup_enter(&(struct weir_lookup){ .k0 = k0, .service = service, .pool = pool });
}

static struct pkt classify(uint32_t addr, uint8_t protocol, uint16_t port, uint16_t flags)
{
	struct burst b = { .n = 1, .seen = flags }, alike;

	b.pkt[0].flags = flags;
	b.key[0].v4.src_be = htonl(0xc6336407);
	b.key[0].v4.sport_be = htons(40000);
	b.key[0].v4.dst_be = htonl(addr);
	b.key[0].v4.dport_be = htons(port);
	b.key[0].v4.protocol = protocol;
	alike = b;
	classify_burst(&view, &b);
	assert_int_equal(b.dropped, b.pkt[0].drop != WEIR_DROP_NONE);

	/* As parse says it of most bursts. */
	alike.one_target = !(flags & (PKT_FRAG_LATER | PKT_OTHER_L4));
	classify_burst(&view, &alike);
	assert_memory_equal(&alike.pkt[0], &b.pkt[0], sizeof(b.pkt[0]));
	assert_int_equal(alike.dropped, b.dropped);
	return b.pkt[0];
}

static void one_vip(void)
{
	enter(key(VIP, 0, 0), 0, 0)->flags = WEIR_SERVICE_VIP_ONLY;
	enter(key(VIP, IPPROTO_TCP, 443), 7, 3);
}

static void the_exact_service_is_found(void **state)
{
	struct pkt p;

	(void)state;
	one_vip();
	p = classify(VIP, IPPROTO_TCP, 443, 0);
	assert_int_equal(p.drop, WEIR_DROP_NONE);
	assert_int_equal(p.service, 7);
	assert_int_equal(p.pool, 3);
}

static void flags_of_a_service_go_with_its_packets(void **state)
{
	(void)state;
	enter(key(VIP, IPPROTO_UDP, 443), 9, 1)->flags = WEIR_SERVICE_QUIC;
	assert_int_equal(classify(VIP, IPPROTO_UDP, 443, 0).service_flags, WEIR_SERVICE_QUIC);
}

static void exact_comes_before_every_port(void **state)
{
	(void)state;
	one_vip();
	enter(key(VIP, IPPROTO_TCP, 0), 8, 4);
	assert_int_equal(classify(VIP, IPPROTO_TCP, 443, 0).service, 7);
	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		if (port != 443) {
			struct pkt p = classify(VIP, IPPROTO_TCP, (uint16_t)port, 0);

			assert_int_equal(p.drop, WEIR_DROP_NONE);
			assert_int_equal(p.service, 8);
			assert_int_equal(p.pool, 4);
		}
}

static void every_port_is_of_one_protocol(void **state)
{
	(void)state;
	one_vip();
	enter(key(VIP, IPPROTO_TCP, 0), 8, 4);
	assert_int_equal(classify(VIP, IPPROTO_UDP, 443, 0).drop, WEIR_DROP_STRAY);
}

static void a_stray_is_for_a_vip_and_the_rest_is_not(void **state)
{
	(void)state;
	one_vip();
	assert_int_equal(classify(VIP, IPPROTO_TCP, 80, 0).drop, WEIR_DROP_STRAY);
	assert_int_equal(classify(VIP, IPPROTO_UDP, 443, 0).drop, WEIR_DROP_STRAY);
	assert_int_equal(classify(NO_VIP, IPPROTO_TCP, 443, 0).drop, WEIR_DROP_NOT_A_VIP);
	assert_int_equal(classify(OTHER_VIP, IPPROTO_TCP, 443, 0).drop, WEIR_DROP_NOT_A_VIP);
}

static void a_first_fragment_goes_to_the_service_of_its_ports(void **state)
{
	(void)state;
	one_vip();
	assert_int_equal(classify(VIP, IPPROTO_TCP, 443, PKT_FRAG_FIRST).service, 7);
	assert_int_equal(classify(VIP, IPPROTO_TCP, 80, PKT_FRAG_FIRST).drop, WEIR_DROP_STRAY);
}

/* 443 lies where a later fragment's ports would be, and 0 is no port either. */
static void a_later_fragment_waits_for_its_first(void **state)
{
	(void)state;
	one_vip();
	enter(key(VIP, IPPROTO_TCP, 0), 8, 4);
	assert_int_equal(classify(VIP, IPPROTO_TCP, 443, PKT_FRAG_LATER).drop, WEIR_DROP_FRAGMENT);
	assert_int_equal(classify(VIP, IPPROTO_TCP, 0, PKT_FRAG_LATER).drop, WEIR_DROP_FRAGMENT);
	assert_int_equal(classify(NO_VIP, IPPROTO_TCP, 0, PKT_FRAG_LATER).drop,
			 WEIR_DROP_NOT_A_VIP);
}

/* What parse has dropped is the kernel's all the same, when its address is no VIP. */
static void malformed_is_ours_only_for_a_vip(void **state)
{
	static const uint32_t address[] = { VIP, NO_VIP, NO_VIP, NO_VIP };
	struct burst b = { .n = 4, .dropped = true };

	(void)state;
	enter(key(VIP, 0, 0), 5, 0)->flags = WEIR_SERVICE_VIP_ONLY;
	enter(key(VIP, IPPROTO_TCP, 443), 7, 3);
	for (unsigned i = 0; i < b.n; i++) {
		b.pkt[i].drop = WEIR_DROP_BAD_HEADER;
		b.key[i].v4.dst_be = htonl(address[i]);
		b.key[i].v4.protocol = IPPROTO_TCP; /* whatever lies there, it is not looked at */
		b.key[i].v4.dport_be = htons(443);
	}
	b.pkt[2].flags = PKT_NO_ADDRESS;
	b.pkt[3].flags = PKT_IPV6;
	classify_burst(&view, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_BAD_HEADER);
	assert_int_equal(b.pkt[1].drop, WEIR_DROP_NOT_A_VIP);
	assert_int_equal(b.pkt[2].drop, WEIR_DROP_BAD_HEADER);
	assert_int_equal(b.pkt[3].drop, WEIR_DROP_NOT_A_VIP);
	assert_int_equal(b.pkt[0].flags, 0);
	assert_int_equal(b.pkt[0].service, 5); /* counts for the VIP */
	assert_int_equal(b.pkt[1].flags, PKT_MALFORMED);
	assert_int_equal(b.pkt[3].flags, PKT_MALFORMED | PKT_IPV6);

	/* Without tables nobody knows of a VIP. */
	view.generation = 0;
	b.pkt[0].drop = WEIR_DROP_BAD_HEADER;
	classify_burst(&view, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NO_SNAPSHOT);
	assert_int_equal(b.pkt[0].flags, PKT_MALFORMED);
	assert_int_equal(b.pkt[2].drop, WEIR_DROP_BAD_HEADER);
}

/* What the packet is dropped for goes with what the VIP wants done about it. */
static void a_drop_for_a_vip_has_the_flags_of_the_vip(void **state)
{
	static const struct {
		uint16_t flags;
		enum weir_drop drop;
	} row[] = { { 0, WEIR_DROP_STRAY },
		    { PKT_OTHER_L4, WEIR_DROP_UNSUPPORTED_L4 },
		    { PKT_OTHER_L4 | PKT_ECHO, WEIR_DROP_ECHO_OFF },
		    { PKT_OTHER_L4 | PKT_ECHO | PKT_FRAG_FIRST, WEIR_DROP_ECHO_FRAGMENT },
		    { PKT_OTHER_L4 | PKT_ICMP_ERROR, WEIR_DROP_BAD_QUOTE },
		    { PKT_ICMP_ERROR, WEIR_DROP_BAD_QUOTE },
		    { PKT_FRAG_LATER, WEIR_DROP_FRAGMENT } };

	(void)state;
	enter(key(VIP, 0, 0), 5, 0)->flags = WEIR_SERVICE_VIP_ONLY | WEIR_VIP_ECHO | WEIR_VIP_ARP;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct pkt p = classify(VIP, IPPROTO_TCP, 80, row[i].flags);

		assert_int_equal(p.drop, row[i].drop);
		assert_int_equal(p.service, 5); /* counts for it */
		assert_int_equal(p.service_flags,
				 WEIR_SERVICE_VIP_ONLY | WEIR_VIP_ECHO | WEIR_VIP_ARP);
		assert_int_equal(classify(NO_VIP, IPPROTO_TCP, 80, row[i].flags).drop,
				 WEIR_DROP_NOT_A_VIP);
	}
}

/* The key is that of the quoted flow. */
static void an_icmp_error_goes_where_its_flow_goes(void **state)
{
	(void)state;
	one_vip();
	assert_int_equal(classify(VIP, IPPROTO_TCP, 443, PKT_ICMP_ERROR | PKT_TCP).service, 7);
}

static void what_has_been_chosen_is_passed_by(void **state)
{
	struct burst b = { .n = 1, .seen = PKT_CHOSEN | PKT_FRAG_LATER };

	(void)state;
	one_vip();
	b.pkt[0] = (struct pkt){ .flags = PKT_CHOSEN | PKT_FRAG_LATER, .service = 5, .pool = 6 };
	b.key[0].v4.dst_be = htonl(VIP);
	classify_burst(&view, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NONE);
	assert_int_equal(b.pkt[0].service, 5);
	assert_int_equal(b.pkt[0].pool, 6);
}

static void a_protocol_without_ports_is_a_drop_of_its_own(void **state)
{
	(void)state;
	one_vip();
	assert_int_equal(classify(VIP, IPPROTO_ICMP, 0, PKT_OTHER_L4).drop,
			 WEIR_DROP_UNSUPPORTED_L4);
	assert_int_equal(classify(VIP, 0, 0, PKT_OTHER_L4).drop, WEIR_DROP_UNSUPPORTED_L4);
	assert_int_equal(classify(NO_VIP, IPPROTO_ICMP, 0, PKT_OTHER_L4).drop, WEIR_DROP_NOT_A_VIP);
}

/* Keys with one home, the last entry of the table: their run wraps around. */
static unsigned same_home(uint64_t *out, unsigned want)
{
	unsigned n = 0;

	for (uint32_t port = 1; port <= UINT16_MAX && n < want; port++)
		if (weir_lookup_home(key(VIP, IPPROTO_TCP, (uint16_t)port), 0, 0, BITS) == MASK)
			out[n++] = port;
	return n;
}

static void a_run_of_probes_is_followed_to_its_end_and_no_further(void **state)
{
	uint64_t port[WEIR_LOOKUP_PROBES + 1];

	(void)state;
	assert_int_equal(same_home(port, WEIR_LOOKUP_PROBES + 1), WEIR_LOOKUP_PROBES + 1);
	for (unsigned i = 0; i <= WEIR_LOOKUP_PROBES; i++)
		enter(key(VIP, IPPROTO_TCP, (uint16_t)port[i]), (uint16_t)(100 + i), 1);

	for (unsigned i = 0; i < WEIR_LOOKUP_PROBES; i++) {
		struct pkt p = classify(VIP, IPPROTO_TCP, (uint16_t)port[i], 0);

		assert_int_equal(p.drop, WEIR_DROP_NONE);
		assert_int_equal(p.service, 100 + i);
	}
	/* The writer promises not to do this; the reader does not rely on it. */
	assert_int_not_equal(classify(VIP, IPPROTO_TCP, (uint16_t)port[WEIR_LOOKUP_PROBES], 0).drop,
			     WEIR_DROP_NONE);
}

static void an_empty_entry_ends_the_search(void **state)
{
	uint64_t port[2];

	(void)state;
	same_home(port, 2);
	entries()[(MASK + 2) & MASK] =
		(struct weir_lookup){ .k0 = key(VIP, IPPROTO_TCP, (uint16_t)port[0]) };
	assert_int_equal(classify(VIP, IPPROTO_TCP, (uint16_t)port[0], 0).drop,
			 WEIR_DROP_NOT_A_VIP);
}

static void an_ipv6_entry_is_no_ipv4_service(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SIZE; i++)
		entries()[i].k0 = weir_lookup_k0(6, IPPROTO_TCP, htons(443), 0);
	assert_int_equal(classify(0, IPPROTO_TCP, 443, 0).drop, WEIR_DROP_NOT_A_VIP);
}

/* Random bytes where the table was: any answer, but in range and at once. */
static void nonsense_in_the_table_stays_in_range(void **state)
{
	uint8_t *byte = (uint8_t *)entries();

	(void)state;
	srandom(20162);
	for (unsigned round = 0; round < 2000; round++) {
		for (size_t i = 0; i < SIZE * sizeof(struct weir_lookup); i++)
			byte[i] = (uint8_t)random();
		for (uint16_t port = 1; port < 20; port++) {
			struct weir_lookup *e =
				&entries()[weir_lookup_home(key(VIP, 6, port), 0, 0, BITS)];
			struct pkt p;

			e->k0 = key(VIP, 6, port);
			e->k1 = e->k2 = 0;
			p = classify(VIP, 6, port, 0);
			assert_int_equal(p.drop, WEIR_DROP_NONE);
			assert_true(p.service < WEIR_MAX_SERVICES);
			assert_true(p.pool < WEIR_MAX_POOLS);
		}
	}
}

static void without_a_snapshot_nothing_is_looked_up(void **state)
{
	struct view none;
	struct burst b = { .n = 2 };

	(void)state;
	memset(&none, 0, sizeof(none));
	b.dropped = true;
	b.pkt[1].drop = WEIR_DROP_TRUNCATED;
	b.pkt[1].flags = PKT_NO_ADDRESS;
	classify_burst(&none, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NO_SNAPSHOT);
	assert_int_equal(b.pkt[1].drop, WEIR_DROP_TRUNCATED);
}

static void each_packet_of_a_burst_gets_its_own_service(void **state)
{
	struct burst b = { .n = WEIR_BURST, .dropped = true };

	(void)state;
	one_vip();
	enter(key(VIP, IPPROTO_UDP, 53), 8, 4);
	for (unsigned i = 0; i < WEIR_BURST; i++) {
		b.pkt[i].drop = i % 5 == 4 ? WEIR_DROP_NOT_IP : WEIR_DROP_NONE;
		b.key[i].v4.dst_be = htonl(i % 5 == 3 ? NO_VIP : VIP);
		b.key[i].v4.protocol = i % 5 == 1 ? IPPROTO_UDP : IPPROTO_TCP;
		b.key[i].v4.dport_be = htons(i % 5 == 1 ? 53 : i % 5 == 2 ? 80 : 443);
	}
	classify_burst(&view, &b);
	for (unsigned i = 0; i < WEIR_BURST; i++) {
		static const uint8_t drop[] = { WEIR_DROP_NONE, WEIR_DROP_NONE, WEIR_DROP_STRAY,
						WEIR_DROP_NOT_A_VIP, WEIR_DROP_NOT_IP };

		assert_int_equal(b.pkt[i].drop, drop[i % 5]);
		if (i % 5 < 2)
			assert_int_equal(b.pkt[i].service, 7 + i % 5);
	}
}

/* A burst of TCP: packets from `odd` on, in steps of 7, go to `port`, the others to 443. */
static struct burst burst_with(unsigned odd, uint16_t port)
{
	struct burst b = { .n = WEIR_BURST };

	for (unsigned i = 0; i < WEIR_BURST; i++) {
		b.key[i].v4.dst_be = htonl(VIP);
		b.key[i].v4.protocol = IPPROTO_TCP;
		b.key[i].v4.sport_be = htons((uint16_t)(1024 + i));
		b.key[i].v4.dport_be = htons(i >= odd && (i - odd) % 7 == 0 ? port : 443);
	}
	classify_burst(&view, &b);
	return b;
}

static void a_burst_knows_whether_its_services_and_pools_are_alike(void **state)
{
	(void)state;
	one_vip();
	enter(key(VIP, IPPROTO_TCP, 80), 8, 3);
	enter(key(VIP, IPPROTO_TCP, 81), 9, 4);
	enter(key(VIP, IPPROTO_TCP, 0), 10, 3); /* and not by its exact port */
	for (unsigned odd = 0; odd < WEIR_BURST; odd++) {
		struct burst same = burst_with(odd, 443), service = burst_with(odd, 80);
		struct burst pool = burst_with(odd, 81), every = burst_with(odd, 82);

		assert_true(same.one_service && same.one_pool);
		assert_true(!service.one_service && service.one_pool);
		assert_true(!pool.one_service && !pool.one_pool);
		assert_false(every.one_service);
		assert_int_equal(service.pkt[odd].service, 8);
		assert_int_equal(pool.pkt[odd].pool, 4);
		assert_int_equal(every.pkt[odd].service, 10);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, lookup_setup, lookup_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_exact_service_is_found),
		TEST(flags_of_a_service_go_with_its_packets),
		TEST(exact_comes_before_every_port),
		TEST(every_port_is_of_one_protocol),
		TEST(a_stray_is_for_a_vip_and_the_rest_is_not),
		TEST(a_first_fragment_goes_to_the_service_of_its_ports),
		TEST(a_later_fragment_waits_for_its_first),
		TEST(malformed_is_ours_only_for_a_vip),
		TEST(a_drop_for_a_vip_has_the_flags_of_the_vip),
		TEST(an_icmp_error_goes_where_its_flow_goes),
		TEST(what_has_been_chosen_is_passed_by),
		TEST(a_protocol_without_ports_is_a_drop_of_its_own),
		TEST(a_run_of_probes_is_followed_to_its_end_and_no_further),
		TEST(an_empty_entry_ends_the_search),
		TEST(an_ipv6_entry_is_no_ipv4_service),
		TEST(nonsense_in_the_table_stays_in_range),
		TEST(without_a_snapshot_nothing_is_looked_up),
		TEST(each_packet_of_a_burst_gets_its_own_service),
		TEST(a_burst_knows_whether_its_services_and_pools_are_alike),
	};

	return cmocka_run_group_tests_name("classify", tests, NULL, NULL);
}
