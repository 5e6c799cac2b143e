// SPDX-License-Identifier: Apache-2.0
#include "maglev.h"

#include "snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MOST = 1000, LONGEST = 65537 };

static char names[MOST][16];
static struct maglev_node nodes[MOST];
static uint16_t table[LONGEST], other[LONGEST];

/* The same numbers in every run. */
static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)random_state * n >> 32);
}

static int setup(void **state)
{
	(void)state;
	random_state = 1;
	for (unsigned i = 0; i < MOST; i++) {
		snprintf(names[i], sizeof(names[i]), "backend-%u", i);
		nodes[i] = (struct maglev_node){ .name = names[i], .weight = 1 };
	}
	return 0;
}

static void random_weights(uint32_t count, uint32_t most)
{
	for (uint32_t i = 0; i < count; i++)
		nodes[i].weight = 1 + random_below(most);
}

/* -- the slow, obvious way -------------------------------------------------- */

struct slow {
	const char *name;
	uint64_t hash;
	uint32_t position, offset, skip, next;
	uint64_t weight, quota, taken, earned;
	double left_over;
};

static int slow_by_turn(const void *a, const void *b)
{
	const struct slow *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->hash < y->hash ? -1 : 1;
}

/* Section 3.4 with a list of preferences per node, and a turn when one is earned. */
static void slow_populate(uint16_t *out, uint32_t len, struct slow *s, uint32_t count)
{
	uint64_t sum = 0, given = 0;
	uint32_t filled = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += s[i].weight;
	for (uint32_t i = 0; i < count; i++) {
		s[i].quota = len * s[i].weight / sum;
		s[i].left_over = (double)(len * s[i].weight % sum);
		if (s[i].quota == 0)
			s[i].left_over += (double)sum; /* before everyone who has some */
		given += s[i].quota;
	}
	for (; given < len; given++) {
		uint32_t best = 0;

		for (uint32_t i = 1; i < count; i++)
			if (s[i].left_over > s[best].left_over)
				best = i;
		s[best].quota++;
		s[best].left_over = -1;
	}

	memset(out, 0xff, len * sizeof(*out));
	while (filled < len) {
		for (uint32_t i = 0; i < count; i++) {
			uint32_t slot;

			s[i].earned += s[i].weight;
			if (s[i].earned < s[0].weight || s[i].taken == s[i].quota)
				continue;
			s[i].earned -= s[0].weight;
			do {
				slot = (uint32_t)((s[i].offset + (uint64_t)s[i].next * s[i].skip) %
						  len);
				s[i].next++;
			} while (out[slot] != MAGLEV_NONE);
			out[slot] = (uint16_t)s[i].position;
			s[i].taken++;
			filled++;
		}
	}
}

static void slow_fill(uint16_t *out, uint32_t len, const struct maglev_node *node, uint32_t count)
{
	struct slow *s = calloc(count, sizeof(*s));

	for (uint32_t i = 0; i < count; i++) {
		s[i].position = i;
		s[i].weight = node[i].weight;
		s[i].hash = XXH3_64bits_withSeed(node[i].name, strlen(node[i].name), 1);
		s[i].offset = (uint32_t)(s[i].hash % len);
		s[i].skip = (uint32_t)(XXH3_64bits_withSeed(node[i].name, strlen(node[i].name), 2) %
				       (len - 1)) +
			    1;
	}
	qsort(s, count, sizeof(*s), slow_by_turn);
	slow_populate(out, len, s, count);
	free(s);
}

static void assert_same_table(uint32_t len)
{
	assert_memory_equal(table, other, len * sizeof(*table));
}

/* -- tests ------------------------------------------------------------------ */

/* Table 1 of the paper: permutations of B0, B1, B2 over 7 slots, the look-up table, and
 * the same after B1 is gone. */
static void the_papers_example_comes_out(void **state)
{
	static const uint16_t before[7] = { 1, 0, 1, 0, 2, 2, 0 };
	static const uint16_t after[7] = { 0, 0, 0, 0, 2, 2, 2 };
	struct maglev_turn three[] = { { 3, 4, 1, 0 }, { 0, 2, 1, 1 }, { 3, 1, 1, 2 } };
	struct maglev_turn two[] = { { 3, 4, 1, 0 }, { 3, 1, 1, 2 } };

	(void)state;
	assert_int_equal(maglev_populate(table, 7, three, 3), 0);
	assert_memory_equal(table, before, sizeof(before));
	assert_int_equal(maglev_populate(table, 7, two, 2), 0);
	assert_memory_equal(table, after, sizeof(after));
}

static void tables_equal_the_slow_way_for_many_sizes(void **state)
{
	static const uint32_t lengths[] = { 3, 5, 7, 11, 13, 101, 251, 509, 1021, 4093 };
	static const uint32_t counts[] = { 1, 2, 3, 4, 7, 16, 100, 250, 1000 };

	(void)state;
	for (unsigned l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
		for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
			for (unsigned most = 1; most <= 1000; most *= 10) {
				random_weights(counts[c], most);
				slow_fill(other, lengths[l], nodes, counts[c]);
				assert_int_equal(maglev_fill(table, lengths[l], nodes, counts[c]),
						 0);
				assert_same_table(lengths[l]);
			}
		}
	}
}

static void the_order_of_the_nodes_changes_nothing(void **state)
{
	struct maglev_node shuffled[MOST];

	(void)state;
	random_weights(MOST, 5); /* many of the same weight */
	memcpy(shuffled, nodes, sizeof(shuffled));
	for (uint32_t i = MOST - 1; i > 0; i--) {
		uint32_t j = random_below(i + 1);
		struct maglev_node n = shuffled[i];

		shuffled[i] = shuffled[j];
		shuffled[j] = n;
	}
	assert_int_equal(maglev_fill(table, LONGEST, nodes, MOST), 0);
	assert_int_equal(maglev_fill(other, LONGEST, shuffled, MOST), 0);
	for (uint32_t i = 0; i < LONGEST; i++)
		assert_string_equal(nodes[table[i]].name, shuffled[other[i]].name);
}

/* Every share is its exact value, rounded up or down. */
static void assert_exact_shares(uint32_t len, uint32_t count)
{
	uint32_t slots[MOST] = { 0 };
	double sum = 0;

	assert_int_equal(maglev_fill(table, len, nodes, count), 0);
	for (uint32_t i = 0; i < len; i++) {
		assert_in_range(table[i], 0, count - 1);
		slots[table[i]]++;
	}
	for (uint32_t i = 0; i < count; i++)
		sum += nodes[i].weight;
	for (uint32_t i = 0; i < count; i++) {
		double exact = len * nodes[i].weight / sum;

		assert_true(fabs(slots[i] - exact) < 1);
		if (exact >= 100)
			assert_true(fabs(slots[i] / exact - 1) <= 0.01);
	}
}

static void shares_follow_the_weights(void **state)
{
	(void)state;
	/* The sum of weights is below, near and far above the number of slots. */
	for (uint32_t count = 2; count <= MOST; count = count * 3 + 1) {
		for (uint32_t most = 1; most <= 1000; most *= 10) {
			random_weights(count, most);
			assert_exact_shares(LONGEST, count);
			assert_exact_shares(251, count);
		}
	}
	for (uint32_t i = 0; i < MOST; i++)
		nodes[i].weight = i + 1; /* every weight there is, once */
	assert_exact_shares(LONGEST, MOST);
	for (uint32_t i = 0; i < MOST; i++)
		nodes[i].weight = i == 500 ? 1000 : 1; /* one heavy node */
	assert_exact_shares(LONGEST, MOST);
	for (uint32_t i = 0; i < MOST; i++)
		nodes[i].weight = i == 500 ? 1 : 1000; /* one light node: it gets a slot */
	assert_exact_shares(LONGEST, MOST);
	for (uint32_t i = 0, found = 0; i < LONGEST; i++) {
		found += table[i] == 500;
		if (i == LONGEST - 1)
			assert_int_equal(found, 1);
	}
}

static void a_thousand_equal_nodes_are_within_one_percent(void **state)
{
	uint32_t slots[MOST] = { 0 }, most = 0;

	(void)state;
	assert_int_equal(maglev_fill(table, LONGEST, nodes, MOST), 0);
	for (uint32_t i = 0; i < LONGEST; i++)
		if (++slots[table[i]] > most)
			most = slots[table[i]];
	assert_true(most <= 1.01 * LONGEST / MOST);
}

/* 100,000 flows, hashed as the workers hash them, against the weights. */
static void flows_follow_the_weights(void **state)
{
	enum { FLOWS = 100000, COUNT = 20 };
	uint32_t flows[COUNT] = { 0 };
	double sum = 0;

	(void)state;
	random_weights(COUNT, 100);
	assert_int_equal(maglev_fill(table, LONGEST, nodes, COUNT), 0);
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t key[4] = { random_below(UINT32_MAX), 0x0a7100cb, random_below(UINT32_MAX),
				    6 };
		uint64_t hash = XXH3_64bits_withSeed(key, sizeof(key), 0x1234);

		flows[table[weir_slot_of(hash, LONGEST)]]++;
	}
	for (uint32_t i = 0; i < COUNT; i++)
		sum += nodes[i].weight;
	for (uint32_t i = 0; i < COUNT; i++) {
		double p = nodes[i].weight / sum;

		assert_true(fabs(flows[i] - FLOWS * p) <= 4.5 * sqrt(FLOWS * p * (1 - p)));
	}
}

/* A node more takes its share; of the other slots nearly all stay. */
static void a_node_more_moves_little_else(void **state)
{
	uint32_t moved = 0;

	(void)state;
	assert_int_equal(maglev_fill(table, LONGEST, nodes, 100), 0);
	assert_int_equal(maglev_fill(other, LONGEST, nodes, 101), 0);
	for (uint32_t i = 0; i < LONGEST; i++)
		moved += other[i] != table[i] && other[i] != 100;
	assert_true(moved <= LONGEST * 2 / 100);
}

static void a_node_of_weight_0_takes_nothing_and_is_not_noticed(void **state)
{
	(void)state;
	assert_int_equal(maglev_fill(table, LONGEST, nodes, 99), 0);
	nodes[99].weight = 0;
	assert_int_equal(maglev_fill(other, LONGEST, nodes, 100), 0);
	assert_same_table(LONGEST);
}

static void without_weight_nobody_owns_anything(void **state)
{
	(void)state;
	nodes[0].weight = 0;
	assert_int_equal(maglev_fill(table, 251, nodes, 1), 0);
	for (uint32_t i = 0; i < 251; i++)
		assert_int_equal(table[i], MAGLEV_NONE);
	memset(table, 0, sizeof(table));
	assert_int_equal(maglev_fill(table, 251, nodes, 0), 0);
	for (uint32_t i = 0; i < 251; i++)
		assert_int_equal(table[i], MAGLEV_NONE);
}

static void lengths_that_are_no_prime_are_refused(void **state)
{
	static const uint32_t wrong[] = { 0, 1, 2, 4, 9, 65536, 65535, 251 * 257 };

	(void)state;
	memset(table, 0x5a, sizeof(table));
	memset(other, 0x5a, sizeof(other));
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(maglev_fill(table, wrong[i], nodes, 10), -EINVAL);
	assert_int_equal(maglev_fill(table, 251, nodes, MAGLEV_NONE), -EINVAL);
	assert_same_table(LONGEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_papers_example_comes_out, setup),
		cmocka_unit_test_setup(tables_equal_the_slow_way_for_many_sizes, setup),
		cmocka_unit_test_setup(the_order_of_the_nodes_changes_nothing, setup),
		cmocka_unit_test_setup(shares_follow_the_weights, setup),
		cmocka_unit_test_setup(a_thousand_equal_nodes_are_within_one_percent, setup),
		cmocka_unit_test_setup(flows_follow_the_weights, setup),
		cmocka_unit_test_setup(a_node_more_moves_little_else, setup),
		cmocka_unit_test_setup(a_node_of_weight_0_takes_nothing_and_is_not_noticed, setup),
		cmocka_unit_test_setup(without_weight_nobody_owns_anything, setup),
		cmocka_unit_test_setup(lengths_that_are_no_prime_are_refused, setup),
	};

	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
