// SPDX-License-Identifier: Apache-2.0
/* ICMP errors in slots that change their owner: they go by pins and leave them be. */
#include "pipeline.h"

#include "pinned.h"

#include <netinet/in.h>

enum { BASE = 1, CUR = 2, THIRD = 3, SINCE_MS = NOW_DS * 100 - 10000 };

static const union flow_key key = {
	.v4 = { .src_be = 0x0763336c,
		.dst_be = 0x0a7100cb,
		.sport_be = 1,
		.dport_be = 2,
		.protocol = IPPROTO_TCP },
};

static struct pkt select_as(uint16_t flags)
{
	struct burst b = { .n = 1, .seen = flags };

	b.pkt[0].flags = flags;
	b.key[0] = key;
	select_burst(&view, &pins[0], &b);
	return b.pkt[0];
}

static struct pkt error(void)
{
	return select_as(PKT_ICMP_ERROR | PKT_TCP);
}

static void our_own_pin_is_followed_and_stays_as_it_was(void **state)
{
	uint64_t hash = error().flow_hash, before;

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(0, hash, THIRD, WEIR_PIN_TCP, 50);
	before = pin_at(0, hash);
	assert_int_equal(error().backend, THIRD);
	assert_true(pin_at(0, hash) == before);
	all_slots(WEIR_SLOT_PINNED, CUR, CUR, 0);
	assert_int_equal(error().backend, THIRD);
	assert_true(pin_at(0, hash) == before);
}

static void another_workers_pin_is_followed_and_not_copied(void **state)
{
	uint64_t hash = error().flow_hash;

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(1, hash, THIRD, WEIR_PIN_TCP, 50);
	assert_int_equal(error().backend, THIRD);
	assert_int_equal(pins[0].used, 0);
	assert_int_equal(atomic_load(&area[0]->pins.found_elsewhere), 0);
}

static void without_a_pin_it_goes_where_data_would_and_makes_none(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(error().backend, BASE);
	all_slots(WEIR_SLOT_PINNED, CUR, CUR, 0);
	assert_int_equal(error().backend, CUR);
	assert_int_equal(pins[0].used, 0);
	assert_int_equal(atomic_load(&area[0]->pins.made), 0);
}

/* A pin that is good for nothing is for the flow's own packets to drop. */
static void a_pin_to_a_backend_that_is_off_is_not_dropped_by_it(void **state)
{
	uint64_t hash = error().flow_hash;

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(0, hash, THIRD, WEIR_PIN_TCP, 50);
	backends[THIRD].flags = 0;
	assert_int_equal(error().backend, BASE);
	assert_true(pin_at(0, hash) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(our_own_pin_is_followed_and_stays_as_it_was),
		T(another_workers_pin_is_followed_and_not_copied),
		T(without_a_pin_it_goes_where_data_would_and_makes_none),
		T(a_pin_to_a_backend_that_is_off_is_not_dropped_by_it),
	};

	return cmocka_run_group_tests_name("select_error", tests, NULL, NULL);
}
