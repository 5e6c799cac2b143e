// SPDX-License-Identifier: Apache-2.0
#include "owners.h"

#include "snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1000, LEN = 65537 };

static char names[MOST][16];
static struct maglev_node configured[MOST];
static struct owners_node nodes[MOST];
static uint16_t full[LEN], owner[LEN], before[LEN];
static uint32_t count;

/* The same numbers in every run. */
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 32) * n >> 32);
}

/* `n` nodes with weights 1..most, all serving. */
static void configure(uint32_t n, uint32_t most)
{
	random_state = 1;
	count = n;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t weight = most == 1 ? 1 : 1 + random_below(most);

		snprintf(names[i], sizeof(names[i]), "b%u", i);
		configured[i] = (struct maglev_node){ .name = names[i], .weight = weight };
		nodes[i] = (struct owners_node){ .id = 0x9e3779b97f4a7c15ull * (i + 1),
						 .weight = weight,
						 .serves = true };
	}
	assert_int_equal(maglev_fill(full, LEN, configured, n), 0);
}

static int fill(void)
{
	return owners_fill(owner, full, NULL, LEN, nodes, count);
}

static void take_away(uint32_t n)
{
	while (n > 0) {
		uint32_t i = random_below(count);

		n -= nodes[i].serves;
		nodes[i].serves = false;
	}
}

static void all_back(void)
{
	for (uint32_t i = 0; i < count; i++)
		nodes[i].serves = true;
}

/* Largest load over the mean of those that serve. */
static double most_over_mean(void)
{
	uint32_t slots[MOST] = { 0 }, most = 0, serving = 0;

	for (uint32_t i = 0; i < count; i++)
		serving += nodes[i].serves;
	for (uint32_t i = 0; i < LEN; i++)
		if (++slots[owner[i]] > most)
			most = slots[owner[i]];
	return most / ((double)LEN / serving);
}

static void with_all_there_the_table_is_the_full_one(void **state)
{
	(void)state;
	configure(MOST, 10);
	assert_int_equal(fill(), 0);
	assert_memory_equal(owner, full, sizeof(full));
}

static void a_slot_stays_with_an_owner_that_serves(void **state)
{
	int away = 0;

	(void)state;
	configure(MOST, 10);
	take_away(300);
	for (uint32_t i = 0; i < LEN; i++)
		away += !nodes[full[i]].serves;
	assert_int_equal(fill(), away);
	for (uint32_t i = 0; i < LEN; i++) {
		assert_true(nodes[owner[i]].serves);
		if (nodes[full[i]].serves)
			assert_int_equal(owner[i], full[i]);
	}
}

/* Failures and returns in a random order: each moves what is of that node, no more. */
static void an_event_moves_the_slots_of_its_node_only(void **state)
{
	(void)state;
	configure(50, 10);
	fill();
	for (unsigned event = 0; event < 300; event++) {
		uint32_t n = random_below(count), serving = 0;
		bool went = nodes[n].serves;

		for (uint32_t i = 0; i < count; i++)
			serving += nodes[i].serves;
		if (went && serving == 1)
			continue;
		memcpy(before, owner, sizeof(owner));
		nodes[n].serves = !went;
		fill();
		for (uint32_t i = 0; i < LEN; i++)
			if (owner[i] != before[i])
				assert_int_equal(went ? before[i] : owner[i], n);
	}
}

static void the_order_of_failures_leaves_no_trace(void **state)
{
	uint32_t failing[20];

	(void)state;
	configure(100, 5);
	for (uint32_t i = 0; i < 20; i++)
		failing[i] = 5 * i;
	for (uint32_t i = 0; i < 20; i++) {
		nodes[failing[i]].serves = false;
		fill();
	}
	memcpy(before, owner, sizeof(owner));
	all_back();
	for (uint32_t i = 20; i-- > 0;) {
		nodes[failing[i]].serves = false;
		fill();
	}
	assert_memory_equal(owner, before, sizeof(owner));
	all_back();
	fill();
	assert_memory_equal(owner, full, sizeof(owner));
}

static void the_order_of_the_nodes_changes_nothing(void **state)
{
	static uint16_t reversed[LEN];
	struct owners_node backwards[MOST];

	(void)state;
	configure(MOST, 3);
	take_away(990); /* few enough serve that rendezvous is needed too */
	fill();
	for (uint32_t i = 0; i < MOST; i++)
		backwards[i] = nodes[MOST - 1 - i];
	for (uint32_t i = 0; i < LEN; i++)
		full[i] = (uint16_t)(MOST - 1 - full[i]);
	assert_true(owners_fill(reversed, full, NULL, LEN, backwards, MOST) > 0);
	for (uint32_t i = 0; i < LEN; i++)
		assert_int_equal(owner[i], MOST - 1 - reversed[i]);
}

/* The slots of those away, against the weights of those that are there: within 4.5
 * standard deviations of a free choice for each slot. */
static void assert_spread_by_weight(void)
{
	uint32_t got[MOST] = { 0 }, lost = 0;
	double sum = 0;

	for (uint32_t i = 0; i < LEN; i++) {
		lost += owner[i] != full[i];
		got[owner[i]] += owner[i] != full[i];
	}
	for (uint32_t i = 0; i < count; i++)
		sum += nodes[i].serves ? nodes[i].weight : 0;
	for (uint32_t i = 0; i < count; i++) {
		double p = nodes[i].weight / sum;

		if (nodes[i].serves)
			assert_true(fabs(got[i] - lost * p) <= 4.5 * sqrt(lost * p * (1 - p)) + 1);
	}
}

static void slots_of_those_away_are_spread_by_weight(void **state)
{
	(void)state;
	configure(20, 100);
	for (uint32_t i = 0; i < 19; i++) { /* one after the other, until one is left */
		nodes[i].serves = false;
		fill();
		assert_spread_by_weight();
	}
	configure(MOST, 10);
	take_away(985); /* most slots go by rendezvous */
	fill();
	assert_spread_by_weight();
}

static void assert_spread(uint32_t away, double bound)
{
	for (unsigned round = 0; round < 20; round++) {
		all_back();
		take_away(away);
		fill();
		assert_true(most_over_mean() <= bound);
	}
}

static void the_designs_bounds_hold(void **state)
{
	(void)state;
	configure(MOST, 1);
	fill();
	assert_true(most_over_mean() <= 1.01);
	assert_spread(1, 1.10);
	assert_spread(10, 1.10);
	assert_spread(MOST / 2, 1.25);
}

static void with_all_away_every_slot_is_empty(void **state)
{
	(void)state;
	configure(5, 3);
	take_away(5);
	assert_int_equal(fill(), LEN);
	for (uint32_t i = 0; i < LEN; i++)
		assert_int_equal(owner[i], MAGLEV_NONE);
	count = 0;
	memset(full, 0xff, sizeof(full)); /* a pool without backends */
	assert_int_equal(fill(), 0);
	for (uint32_t i = 0; i < LEN; i++)
		assert_int_equal(owner[i], MAGLEV_NONE);
}

/* Its weight was too small for a slot of its own, but it is the only one left. */
static void the_last_one_takes_everything(void **state)
{
	(void)state;
	configure(MOST, 1000);
	nodes[7].weight = 1;
	for (uint32_t i = 0; i < LEN; i++)
		if (full[i] == 7)
			full[i] = 8;
	for (uint32_t i = 0; i < MOST; i++)
		nodes[i].serves = i == 7;
	assert_int_equal(fill(), LEN);
	for (uint32_t i = 0; i < LEN; i++)
		assert_int_equal(owner[i], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_all_there_the_table_is_the_full_one),
		cmocka_unit_test(a_slot_stays_with_an_owner_that_serves),
		cmocka_unit_test(an_event_moves_the_slots_of_its_node_only),
		cmocka_unit_test(the_order_of_failures_leaves_no_trace),
		cmocka_unit_test(the_order_of_the_nodes_changes_nothing),
		cmocka_unit_test(slots_of_those_away_are_spread_by_weight),
		cmocka_unit_test(the_designs_bounds_hold),
		cmocka_unit_test(with_all_away_every_slot_is_empty),
		cmocka_unit_test(the_last_one_takes_everything),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
