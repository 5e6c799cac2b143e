// SPDX-License-Identifier: Apache-2.0
#include "pipeline.h"
#include "pins.h"
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
#include <xxhash.h> /* the library's own code, not the copy that select.c inlines */

#define LEN	 65537
#define BACKENDS 1000
#define SEED	 0x0123456789abcdefull

static struct view view;
static struct pins pins; /* not looked at: every slot is settled */
static weir_slot *slots;

static int setup(void **state)
{
	(void)state;
	slots = calloc(LEN, sizeof(*slots));
	view = (struct view){
		.generation = 1,
		.flow_seed = SEED,
		.backend_count = BACKENDS,
		.backend = calloc(BACKENDS, sizeof(struct weir_backend)),
		.pool_count = 1,
		.pool[0] = { .slot = slots, .table_len = LEN },
	};
	for (unsigned i = 0; i < LEN; i++)
		slots[i] = weir_slot_make(WEIR_SLOT_SETTLED, i * 7 % BACKENDS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(slots);
	free((void *)view.backend);
	return 0;
}

static union flow_key flow(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
			   uint8_t protocol)
{
	union flow_key k = { .v4 = { .src_be = htonl(src),
				     .dst_be = htonl(dst),
				     .sport_be = htons(sport),
				     .dport_be = htons(dport),
				     .protocol = protocol } };

	return k;
}

static struct pkt select_as(const union flow_key *k, uint16_t flags)
{
	struct burst b = { .n = 1, .seen = flags };

	b.pkt[0].flags = flags;
	b.key[0] = *k;
	select_burst(&view, &pins, &b);
	assert_int_equal(b.dropped, b.pkt[0].drop != WEIR_DROP_NONE);
	return b.pkt[0];
}

static struct pkt select_one(const union flow_key *k)
{
	return select_as(k, 0);
}

/* 2001:db8::7 port 40000 to 2001:db8:2::a port 443, TCP: byte for byte (docs/packet-path.md). */
static const uint8_t tuple6[40] = { 0x20, 1,	0x0d, 0xb8, [15] = 7,	 0x20, 1,    0x0d, 0xb8,
				    0,	  2,	[31] = 0x0a, 0x9c, 0x40, 0x01, 0xbb, 6 };

/* floor(hash * len / 2^64) by long multiplication in base 2^32. */
static uint32_t slow_slot(uint64_t hash, uint32_t len)
{
	uint64_t low = (hash & 0xffffffff) * len, high = (hash >> 32) * len;

	return (uint32_t)((high + (low >> 32)) >> 32);
}

static void the_hash_is_xxh3_of_the_tuple_with_the_sites_seed(void **state)
{
	/* The canonical tuple, byte for byte (docs/packet-path.md). */
	const uint8_t tuple[16] = { 198,  51,	100,  7,    203, 0, 113, 10,
				    0x9c, 0x40, 0x01, 0xbb, 6,	 0, 0,	 0 };
	union flow_key k = flow(0xc6336407, 40000, 0xcb00710a, 443, IPPROTO_TCP);

	(void)state;
	assert_true(select_one(&k).flow_hash == XXH3_64bits_withSeed(tuple, 16, SEED));
}

static void the_slot_is_the_hash_scaled_to_the_table(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		union flow_key k =
			flow(0x0a000000 + i * 77, (uint16_t)(i * 31), 0xcb00710a, 443, 6);
		struct pkt p = select_one(&k);

		assert_int_equal(p.drop, WEIR_DROP_NONE);
		assert_int_equal(p.backend, weir_slot_backend(slots[slow_slot(p.flow_hash, LEN)]));
	}
}

static void ends_of_the_hash_range_are_ends_of_the_table(void **state)
{
	const uint32_t len[] = { WEIR_TABLE_MIN, LEN, WEIR_TABLE_MAX };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(weir_slot_of(0, len[i]), 0);
		assert_int_equal(weir_slot_of(UINT64_MAX, len[i]), len[i] - 1);
		for (uint32_t n = 0; n < 100000; n++) {
			uint64_t h = (uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^
				     (uint64_t)random();

			assert_int_equal(weir_slot_of(h, len[i]), slow_slot(h, len[i]));
		}
	}
}

static void another_seed_gives_another_choice(void **state)
{
	unsigned same = 0;

	(void)state;
	for (uint16_t port = 1; port <= 1000; port++) {
		union flow_key k = flow(0xc6336407, port, 0xcb00710a, 443, 6);
		unsigned before;

		view.flow_seed = SEED;
		before = select_one(&k).backend;
		view.flow_seed = SEED + 1;
		same += select_one(&k).backend == before;
	}
	assert_true(same < 20); /* 1 expected of 1,000 backends */
}

static void every_part_of_the_tuple_matters(void **state)
{
	const union flow_key k[] = {
		flow(0xc6336407, 40000, 0xcb00710a, 443, 6),
		flow(0xc6336408, 40000, 0xcb00710a, 443, 6),
		flow(0xc6336407, 40001, 0xcb00710a, 443, 6),
		flow(0xc6336407, 40000, 0xcb00710b, 443, 6),
		flow(0xc6336407, 40000, 0xcb00710a, 444, 6),
		flow(0xc6336407, 40000, 0xcb00710a, 443, 17),
	};

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		for (unsigned j = 0; j < i; j++)
			assert_true(select_one(&k[i]).flow_hash != select_one(&k[j]).flow_hash);
}

static void by_source_only_the_client_matters(void **state)
{
	const union flow_key same[] = {
		flow(0xc6336407, 40000, 0xcb00710a, 443, 6),
		flow(0xc6336407, 40001, 0xcb00710b, 80, 17),
	};
	const union flow_key other = flow(0xc6336408, 40000, 0xcb00710a, 443, 6);
	const uint8_t tuple[16] = { 198, 51, 100, 7 };

	(void)state;
	view.pool[0].hash = WEIR_HASH_SOURCE;
	assert_true(select_one(&same[0]).flow_hash == XXH3_64bits_withSeed(tuple, 16, SEED));
	assert_true(select_one(&same[1]).flow_hash == select_one(&same[0]).flow_hash);
	assert_true(select_one(&other).flow_hash != select_one(&same[0]).flow_hash);
}

/* Or the pin that keeps it on a backend of the one would be found in the other. */
static void by_source_a_client_is_another_in_every_pool(void **state)
{
	union flow_key k = flow(0xc6336407, 40000, 0xcb00710a, 443, 6), k6;
	uint64_t hash, hash6;

	(void)state;
	memcpy(&k6, tuple6, sizeof(k6));
	view.pool[0].hash = WEIR_HASH_SOURCE;
	view.pool[0].id = 0x1111;
	hash = select_one(&k).flow_hash;
	hash6 = select_as(&k6, PKT_IPV6).flow_hash;
	assert_true(hash6 != hash);
	view.pool[0].id = 0x2222;
	assert_true(select_one(&k).flow_hash != hash);
	assert_true(select_as(&k6, PKT_IPV6).flow_hash != hash6);
}

static void an_ipv6_flow_is_hashed_over_its_40_bytes(void **state)
{
	union flow_key k;

	(void)state;
	memcpy(&k, tuple6, sizeof(k));
	assert_true(select_as(&k, PKT_IPV6).flow_hash == XXH3_64bits_withSeed(tuple6, 40, SEED));
	assert_true(select_as(&k, PKT_IPV6 | PKT_TCP).backend ==
		    weir_slot_backend(slots[slow_slot(select_as(&k, PKT_IPV6).flow_hash, LEN)]));
	for (unsigned i = 0; i < 37; i++) {
		uint64_t before = select_as(&k, PKT_IPV6).flow_hash;

		((uint8_t *)&k)[i] ^= 0x10;
		assert_true(select_as(&k, PKT_IPV6).flow_hash != before);
	}
}

static void by_source_only_the_ipv6_client_matters(void **state)
{
	uint8_t source[40] = { 0 };
	union flow_key k;
	uint64_t want;

	(void)state;
	view.pool[0].hash = WEIR_HASH_SOURCE;
	memcpy(source, tuple6, 16);
	memcpy(&k, tuple6, sizeof(k));
	want = XXH3_64bits_withSeed(source, 40, SEED);
	assert_true(select_as(&k, PKT_IPV6).flow_hash == want);
	k.v6.dport_be = htons(80);
	k.v6.dst[15] = 11;
	assert_true(select_as(&k, PKT_IPV6).flow_hash == want);
	k.v6.src[15] = 8;
	assert_true(select_as(&k, PKT_IPV6).flow_hash != want);
}

static void families_in_one_burst_do_not_mix(void **state)
{
	struct burst b = { .n = WEIR_BURST, .seen = PKT_IPV6 };

	(void)state;
	for (unsigned i = 0; i < WEIR_BURST; i++) {
		b.key[i] = flow(0xc6336407, (uint16_t)i, 0xcb00710a, 443, 6);
		if (i % 3 != 0)
			continue;
		memcpy(&b.key[i], tuple6, sizeof(b.key[i]));
		b.key[i].v6.sport_be = (uint16_t)i;
		b.pkt[i].flags = PKT_IPV6;
	}
	select_burst(&view, &pins, &b);
	for (unsigned i = 0; i < WEIR_BURST; i++)
		assert_true(b.pkt[i].flow_hash ==
			    select_as(&b.key[i], b.pkt[i].flags).flow_hash);
}

/* Of one pool and one family, as nearly all: the same as each alone. */
static void a_burst_of_one_pool_fares_as_its_packets(void **state)
{
	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		struct burst b = { .n = WEIR_BURST,
				   .seen = ipv6 ? PKT_IPV6 : 0,
				   .one_pool = true };

		for (unsigned i = 0; i < WEIR_BURST; i++) {
			b.key[i] = flow(0xc6336407, (uint16_t)i, 0xcb00710a, 443, 6);
			if (ipv6)
				memcpy(&b.key[i], tuple6, sizeof(b.key[i]));
			b.key[i].v6.src[1] ^= (uint8_t)i;
			b.pkt[i].flags = b.seen;
		}
		select_burst(&view, &pins, &b);
		for (unsigned i = 0; i < WEIR_BURST; i++) {
			struct pkt alone = select_as(&b.key[i], b.seen);

			assert_true(b.pkt[i].flow_hash == alone.flow_hash);
			assert_int_equal(b.pkt[i].backend, alone.backend);
		}
	}
}

static void what_has_been_chosen_is_passed_by(void **state)
{
	struct burst b = { .n = 1, .seen = PKT_CHOSEN };

	(void)state;
	b.key[0] = flow(0xc6336407, 40000, 0xcb00710a, 443, 6);
	b.pkt[0] = (struct pkt){ .flags = PKT_CHOSEN, .backend = 77, .flow_hash = 5 };
	select_burst(&view, &pins, &b);
	assert_int_equal(b.pkt[0].backend, 77);
	assert_true(b.pkt[0].flow_hash == 5);
}

static void a_flow_meets_the_same_backend_in_any_place_of_any_burst(void **state)
{
	(void)state;
	for (unsigned flows = 1; flows <= WEIR_BURST; flows++) {
		struct burst b = { .n = WEIR_BURST };

		for (unsigned i = 0; i < WEIR_BURST; i++)
			b.key[i] = flow(0x0a000001 + i % flows, 1234, 0xcb00710a, 443, 6);
		select_burst(&view, &pins, &b);
		for (unsigned i = 0; i < WEIR_BURST; i++) {
			union flow_key k = flow(0x0a000001 + i % flows, 1234, 0xcb00710a, 443, 6);

			assert_int_equal(b.pkt[i].backend, select_one(&k).backend);
		}
	}
}

static void an_empty_slot_has_no_backend(void **state)
{
	union flow_key k = flow(0xc6336407, 40000, 0xcb00710a, 443, 6);
	uint32_t slot = slow_slot(select_one(&k).flow_hash, LEN);

	(void)state;
	slots[slot] = weir_slot_make(WEIR_SLOT_EMPTY, 5);
	assert_int_equal(select_one(&k).drop, WEIR_DROP_NO_BACKEND);
}

static void a_pool_that_is_not_there_has_no_backend(void **state)
{
	struct burst b = { .n = 1 };
	struct view *none = calloc(1, sizeof(*none));

	(void)state;
	view_none(none);
	b.pkt[0].pool = WEIR_MAX_POOLS - 1;
	b.key[0] = flow(0xc6336407, 40000, 0xcb00710a, 443, 6);
	select_burst(none, &pins, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NO_BACKEND);
	free(none);
}

static void an_index_beyond_the_backends_is_off(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		const unsigned index[] = { BACKENDS - 1, BACKENDS, BACKENDS + 1,
					   WEIR_MAX_BACKENDS - 1 };
		unsigned backend = index[n];
		union flow_key k = flow(0xc6336407, 40000, 0xcb00710a, 443, 6);
		struct pkt p;

		for (unsigned i = 0; i < LEN; i++)
			slots[i] = weir_slot_make(WEIR_SLOT_SETTLED, backend);
		p = select_one(&k);
		assert_int_equal(p.drop,
				 backend < BACKENDS ? WEIR_DROP_NONE : WEIR_DROP_BACKEND_OFF);
	}
}

static void a_dropped_packet_is_passed_by(void **state)
{
	struct burst b = { .n = 1, .dropped = true };

	(void)state;
	b.pkt[0] = (struct pkt){ .drop = WEIR_DROP_STRAY, .backend = 77, .pool = 3 };
	select_burst(&view, &pins, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_STRAY);
	assert_int_equal(b.pkt[0].backend, 77);
}

/* Shares of slots are shares of flows: 100,000 flows over 4 owners, each within
 * 4.5 standard deviations of what its slots say. */
static void flows_spread_as_the_slots_do(void **state)
{
	const unsigned weight[4] = { 1, 2, 3, 4 };
	const double flows = 100000;
	unsigned owned[4] = { 0 }, got[4] = { 0 };

	(void)state;
	for (unsigned i = 0; i < LEN; i++) {
		unsigned r = i % 10, owner = r < 1 ? 0 : r < 3 ? 1 : r < 6 ? 2 : 3;

		slots[i] = weir_slot_make(WEIR_SLOT_SETTLED, owner);
		owned[owner]++;
	}
	srandom(20163);
	for (unsigned i = 0; i < (unsigned)flows; i++) {
		union flow_key k = flow((uint32_t)random(), (uint16_t)random(), 0xcb00710a, 443, 6);

		got[select_one(&k).backend]++;
	}
	for (unsigned i = 0; i < 4; i++) {
		double share = (double)owned[i] / LEN, off = got[i] - flows * share;

		assert_true(owned[i] / (double)LEN - weight[i] / 10.0 < 0.001);
		assert_true(off * off < 4.5 * 4.5 * flows * share * (1 - share));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_hash_is_xxh3_of_the_tuple_with_the_sites_seed),
		TEST(the_slot_is_the_hash_scaled_to_the_table),
		TEST(ends_of_the_hash_range_are_ends_of_the_table),
		TEST(another_seed_gives_another_choice),
		TEST(every_part_of_the_tuple_matters),
		TEST(by_source_only_the_client_matters),
		TEST(by_source_a_client_is_another_in_every_pool),
		TEST(an_ipv6_flow_is_hashed_over_its_40_bytes),
		TEST(by_source_only_the_ipv6_client_matters),
		TEST(families_in_one_burst_do_not_mix),
		TEST(a_burst_of_one_pool_fares_as_its_packets),
		TEST(what_has_been_chosen_is_passed_by),
		TEST(a_flow_meets_the_same_backend_in_any_place_of_any_burst),
		TEST(an_empty_slot_has_no_backend),
		TEST(a_pool_that_is_not_there_has_no_backend),
		TEST(an_index_beyond_the_backends_is_off),
		TEST(a_dropped_packet_is_passed_by),
		TEST(flows_spread_as_the_slots_do),
	};

	return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
