// SPDX-License-Identifier: Apache-2.0
/* A backend that comes up takes its share step by step, and each slot once. */
#include "slow_start.h"

#include "maglev.h"
#include "owners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 20, LEN = 65537, STARTER = 7 };

static char name[NODES][8];
static struct owners_node node[NODES];
static uint16_t full[LEN], owner[LEN], before[LEN], whole[LEN];

static int setup(void **state)
{
	struct maglev_node m[NODES];

	(void)state;
	for (unsigned i = 0; i < NODES; i++) {
		snprintf(name[i], sizeof(name[i]), "b%u", i);
		m[i] = (struct maglev_node){ name[i], 10 };
		node[i] = (struct owners_node){ .id = i * 7919 + 3, .weight = 10, .serves = true };
	}
	return maglev_fill(full, LEN, m, NODES);
}

static void fill(void)
{
	assert_true(owners_fill(owner, full, LEN, node, NODES) >= 0);
}

static unsigned owned_by(const uint16_t *table, unsigned who)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LEN; i++)
		n += table[i] == who;
	return n;
}

/* From away to all there: a slot changes its owner once, to the starter. */
static void assert_steps(void)
{
	unsigned whole_share;

	node[STARTER].missing = 0;
	fill();
	memcpy(whole, owner, sizeof(whole));
	whole_share = owned_by(whole, STARTER);
	node[STARTER].serves = false;
	fill();
	node[STARTER].serves = true;
	for (unsigned missing = OWNERS_PARTS - 1; missing < OWNERS_PARTS; missing--) {
		unsigned share = whole_share * (OWNERS_PARTS - missing) / OWNERS_PARTS, has;

		memcpy(before, owner, sizeof(before));
		node[STARTER].missing = (uint8_t)missing;
		fill();
		for (unsigned i = 0; i < LEN; i++)
			if (owner[i] != before[i])
				assert_int_equal(owner[i], STARTER);
		has = owned_by(owner, STARTER);
		assert_in_range(has, share * 8 / 10, share * 12 / 10);
	}
	assert_memory_equal(owner, whole, sizeof(whole));
}

static void each_slot_goes_to_the_starter_once(void **state)
{
	(void)state;
	assert_steps();
}

/* Then it stands in for them too, step by step. */
static void likewise_with_others_away_or_starting(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NODES; i += 3)
		node[i].serves = false;
	node[8].missing = 5;
	assert_steps();
}

static void where_nobody_else_serves_it_takes_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NODES; i++)
		node[i].serves = i == STARTER;
	node[STARTER].missing = OWNERS_PARTS - 1;
	fill();
	assert_int_equal(owned_by(owner, STARTER), LEN);
}

/* All come up at once: nobody could stand in. */
static void all_starters_together_have_the_full_table_but_for_what_others_take(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NODES; i++)
		node[i].missing = OWNERS_PARTS - 1;
	fill();
	for (unsigned i = 0; i < LEN; i++)
		assert_true(owner[i] < NODES);
}

static void parts_come_at_equal_distances(void **state)
{
	(void)state;
	assert_int_equal(slow_start_missing(0, 16), 15);
	assert_int_equal(slow_start_missing(999, 16), 15);
	assert_int_equal(slow_start_missing(1000, 16), 14);
	assert_int_equal(slow_start_missing(14999, 16), 1);
	assert_int_equal(slow_start_missing(15000, 16), 0);
	assert_int_equal(slow_start_missing(1000000, 16), 0);
	assert_int_equal(slow_start_missing(0, 0), 0);
}

/* -- who starts --------------------------------------------------------------- */

static struct backend b;
static struct backend *list[] = { &b };
static struct pool p;
static struct pool *pools[] = { &p };
static struct model m;

static int setup_model(void **state)
{
	(void)state;
	b = (struct backend){ .pool = &p,
			      .conf = { .weight = 10 },
			      .health = HEALTH_UP,
			      .hop = { .resolved = true } };
	p = (struct pool){ .backend = list, .backend_count = 1, .conf = { .slow_start_s = 16 } };
	m = (struct model){ .pool = pools, .pool_count = 1 };
	return 0;
}

static void what_a_pool_begins_with_starts_at_once(void **state)
{
	(void)state;
	slow_start_step(&m, 5000);
	assert_int_equal(b.slow.missing, 0);
	assert_false(slow_start_is_on(&m));
	p.table_off = 4096;
	slow_start_step(&m, 6000); /* it has served ever since */
	assert_false(slow_start_is_on(&m));
}

static void what_comes_back_starts_slowly(void **state)
{
	(void)state;
	p.table_off = 4096;
	slow_start_step(&m, 5000);
	assert_int_equal(b.slow.missing, 15);
	assert_true(slow_start_is_on(&m));
	assert_false(slow_start_due(&m, 5999));
	assert_true(slow_start_due(&m, 6000));
	slow_start_step(&m, 8000);
	assert_int_equal(b.slow.missing, 12);
	b.health = HEALTH_DOWN;
	slow_start_step(&m, 9000);
	assert_false(slow_start_is_on(&m));
	b.health = HEALTH_UP; /* from the beginning */
	slow_start_step(&m, 10000);
	assert_int_equal(b.slow.missing, 15);
	slow_start_step(&m, 25000);
	assert_int_equal(b.slow.missing, 0);
	assert_false(slow_start_is_on(&m));
	assert_false(slow_start_due(&m, 26000));
}

/* An arena without room, say: what nobody was told has not begun. */
static void a_publication_that_fails_begins_and_ends_nothing(void **state)
{
	(void)state;
	p.table_off = 4096;
	slow_start_step(&m, 5000);
	slow_start_undo(&m);
	assert_false(slow_start_is_on(&m));
	slow_start_step(&m, 6000);
	assert_int_equal(b.slow.missing, 15);
	slow_start_step(&m, 8000);
	b.health = HEALTH_DOWN;
	slow_start_step(&m, 9000);
	slow_start_undo(&m);
	b.health = HEALTH_UP; /* has been all the time, as far as anyone knows */
	slow_start_step(&m, 10000);
	assert_int_equal(b.slow.missing, 11);
}

static void without_the_key_nothing_starts_slowly(void **state)
{
	(void)state;
	p.table_off = 4096;
	p.conf.slow_start_s = 0;
	slow_start_step(&m, 5000);
	assert_int_equal(b.slow.missing, 0);
	assert_false(slow_start_is_on(&m));
}

#define T(name)	 cmocka_unit_test_setup(name, setup)
#define TM(name) cmocka_unit_test_setup(name, setup_model)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_slot_goes_to_the_starter_once),
		T(likewise_with_others_away_or_starting),
		T(where_nobody_else_serves_it_takes_all),
		T(all_starters_together_have_the_full_table_but_for_what_others_take),
		T(parts_come_at_equal_distances),
		TM(what_a_pool_begins_with_starts_at_once),
		TM(what_comes_back_starts_slowly),
		TM(a_publication_that_fails_begins_and_ends_nothing),
		TM(without_the_key_nothing_starts_slowly),
	};

	return cmocka_run_group_tests_name("slow_start", tests, NULL, NULL);
}
