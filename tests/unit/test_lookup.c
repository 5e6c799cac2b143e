// SPDX-License-Identifier: Apache-2.0
#include "lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static struct weir_addr addresses[WEIR_MAX_SERVICES];
static struct lookup_row rows[2 * WEIR_MAX_SERVICES];
static struct lookup table;

static int teardown(void **state)
{
	(void)state;
	lookup_free(&table);
	return 0;
}

/* As a worker looks: from the home on, to an empty entry or WEIR_LOOKUP_PROBES. */
static const struct weir_lookup *find(const struct lookup_row *r)
{
	struct weir_lookup key = lookup_entry(r);
	uint32_t home = weir_lookup_home(key.k0, key.k1, key.k2, table.bits);

	for (unsigned i = 0; i < WEIR_LOOKUP_PROBES; i++) {
		const struct weir_lookup *e = &table.entry[(home + i) & ((1u << table.bits) - 1)];

		if (e->k0 == key.k0 && e->k1 == key.k1 && e->k2 == key.k2)
			return e;
		if (e->k0 == 0)
			return NULL;
	}
	return NULL;
}

static uint32_t used(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 1u << table.bits; i++)
		n += table.entry[i].k0 != 0;
	return n;
}

static void a_key_is_as_the_packet_has_it(void **state)
{
	struct weir_addr v4 = { 4, { 203, 0, 113, 10 } };
	struct weir_addr v6 = { 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
	struct lookup_row r = { .vip = &v4,
				.protocol = IPPROTO_TCP,
				.port = 80,
				.service = 7,
				.pool = 9,
				.flags = WEIR_SERVICE_QUIC };
	struct weir_lookup e = lookup_entry(&r);

	(void)state;
	assert_true(e.k0 == weir_lookup_k0(4, IPPROTO_TCP, htons(80), inet_addr("203.0.113.10")));
	assert_true(e.k1 == 0 && e.k2 == 0);
	assert_int_equal(e.service, 7);
	assert_int_equal(e.pool, 9);
	assert_int_equal(e.flags, WEIR_SERVICE_QUIC);

	r.vip = &v6;
	e = lookup_entry(&r);
	assert_true(e.k0 == weir_lookup_k0(6, IPPROTO_TCP, htons(80), 0));
	assert_memory_equal(&e.k1, v6.bytes, 8);
	assert_memory_equal(&e.k2, v6.bytes + 8, 8);
}

static void a_prefix_is_a_key_of_its_own_kind(void **state)
{
	struct weir_addr v4 = { 4, { 203, 0, 113, 0 } };
	struct weir_addr v6 = { 6, { 0x20, 0x01, 0x0d, 0xb8 } };
	struct lookup_row r = { .vip = &v4, .vip_bits = 4, .protocol = IPPROTO_TCP, .port = 80 };
	struct weir_lookup e;
	struct weir_vip v;

	(void)state;
	e = lookup_entry(&r);
	assert_true(e.k0 == weir_lookup_k0(weir_lookup_kind(4, 28), IPPROTO_TCP, htons(80),
					   inet_addr("203.0.113.0")));
	for (unsigned bits = 0; bits <= 128; bits++) {
		r.vip = &v6;
		r.vip_bits = (uint8_t)bits;
		e = lookup_entry(&r);
		v = lookup_vip(&e);
		assert_int_equal(v.family, 6);
		assert_int_equal(v.prefix_len, 128 - bits);
		assert_memory_equal(v.addr, v6.bytes, 16);
		if (bits > 32)
			continue;
		r.vip = &v4;
		e = lookup_entry(&r);
		v = lookup_vip(&e);
		assert_int_equal(v.family, 4);
		assert_int_equal(v.prefix_len, 32 - bits);
		assert_memory_equal(v.addr, v4.bytes, 16);
	}
}

/* As many services as there can be, each on a VIP of its own: 8,192 keys. */
static void every_key_of_the_largest_table_is_found(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < WEIR_MAX_SERVICES; i++) {
		addresses[i] = (struct weir_addr){ 4, { 198, 51, (uint8_t)(i >> 8), (uint8_t)i } };
		if (i % 2)
			addresses[i] = (struct weir_addr){
				6, { 0x20, 1, [14] = (uint8_t)(i >> 8), (uint8_t)i }
			};
		rows[2 * i] = (struct lookup_row){ .vip = &addresses[i],
						   .protocol = IPPROTO_UDP,
						   .port = (uint16_t)(i * 7),
						   .service = (uint16_t)i };
		rows[2 * i + 1] =
			(struct lookup_row){ .vip = &addresses[i], .flags = WEIR_SERVICE_VIP_ONLY };
	}
	assert_int_equal(lookup_build(rows, 2 * WEIR_MAX_SERVICES, &table), 0);
	assert_int_equal(used(), 2 * WEIR_MAX_SERVICES);
	for (uint32_t i = 0; i < WEIR_MAX_SERVICES; i++) {
		assert_non_null(find(&rows[2 * i]));
		assert_int_equal(find(&rows[2 * i])->service, i);
		assert_non_null(find(&rows[2 * i + 1]));
		assert_int_equal(find(&rows[2 * i + 1])->flags, WEIR_SERVICE_VIP_ONLY);
	}
}

/* Neighbouring addresses with the same few ports: what people configure. Where a key is
 * not at its home a worker mispredicts a branch. */
static void nine_of_ten_neighbours_stand_at_home(void **state)
{
	enum { ADDRESSES = 250, PORTS = 4, SERVICES = ADDRESSES * PORTS };
	static const uint16_t ports[PORTS] = { 80, 443, 8080, 8443 };

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		uint32_t at_home = 0;

		for (uint32_t i = 0; i < SERVICES; i++) {
			uint8_t last = (uint8_t)(i / PORTS + 1);

			addresses[i] = family == 4 ? (struct weir_addr){ 4, { 203, 0, 113, last } } :
						     (struct weir_addr){ 6, { 0x20, 1, 0x0d, 0xb8,
									      [15] = last } };
			rows[2 * i] = (struct lookup_row){ .vip = &addresses[i],
							   .protocol = IPPROTO_TCP,
							   .port = ports[i % PORTS] };
			rows[2 * i + 1] = (struct lookup_row){ .vip = &addresses[i],
							       .flags = WEIR_SERVICE_VIP_ONLY };
		}
		assert_int_equal(lookup_build(rows, 2 * SERVICES, &table), 0);
		for (uint32_t i = 0; i < SERVICES; i++) {
			struct weir_lookup e = lookup_entry(&rows[2 * i]);

			at_home += find(&rows[2 * i]) ==
				   &table.entry[weir_lookup_home(e.k0, e.k1, e.k2, table.bits)];
		}
		assert_in_range(at_home, SERVICES * 9 / 10, SERVICES);
		lookup_free(&table);
	}
}

/* One VIP with many ports, and every port's row names the VIP again. */
static void a_key_that_comes_again_counts_once(void **state)
{
	enum { PORTS = 1000 };
	struct lookup_row absent;

	(void)state;
	addresses[0] = (struct weir_addr){ 4, { 203, 0, 113, 10 } };
	for (uint32_t i = 0; i < PORTS; i++) {
		rows[2 * i] = (struct lookup_row){ .vip = &addresses[0],
						   .protocol = IPPROTO_TCP,
						   .port = (uint16_t)(i + 1),
						   .service = (uint16_t)i };
		rows[2 * i + 1] =
			(struct lookup_row){ .vip = &addresses[0], .flags = WEIR_SERVICE_VIP_ONLY };
	}
	assert_int_equal(lookup_build(rows, 2 * PORTS, &table), 0);
	assert_int_equal(used(), PORTS + 1);
	for (uint32_t i = 0; i < PORTS; i++)
		assert_int_equal(find(&rows[2 * i])->service, i);
	absent = rows[0];
	absent.port = 0;
	assert_null(find(&absent));
}

static void no_rows_make_the_smallest_table(void **state)
{
	(void)state;
	assert_int_equal(lookup_build(rows, 0, &table), 0);
	assert_int_equal(table.bits, WEIR_LOOKUP_MIN_BITS);
	assert_int_equal(used(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_as_the_packet_has_it),
		cmocka_unit_test(a_prefix_is_a_key_of_its_own_kind),
		cmocka_unit_test_teardown(every_key_of_the_largest_table_is_found, teardown),
		cmocka_unit_test(nine_of_ten_neighbours_stand_at_home),
		cmocka_unit_test_teardown(a_key_that_comes_again_counts_once, teardown),
		cmocka_unit_test_teardown(no_rows_make_the_smallest_table, teardown),
	};

	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
