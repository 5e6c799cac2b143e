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

enum { NODES = 20, MOST = NODES + 3, LEN = 65537, STARTER = 7 };

static char name[MOST][8];
static struct owners_node node[MOST];
static unsigned nodes; /* configured */
static uint16_t full[LEN], owner[LEN], present[LEN], whole[LEN];
static uint8_t moved[LEN]; /* how often each slot has changed its owner */

/* Members or weights have changed. */
static void configure(unsigned count)
{
	struct maglev_node m[MOST];

	for (unsigned i = nodes; i < count; i++) {
		snprintf(name[i], sizeof(name[i]), "b%u", i);
		node[i] = (struct owners_node){ .id = i * 7919 + 3, .weight = 10, .serves = true };
	}
	nodes = count;
	for (unsigned i = 0; i < count; i++)
		m[i] = (struct maglev_node){ name[i], node[i].weight };
	assert_int_equal(maglev_fill(full, LEN, m, count), 0);
}

/* The next table, from the one in force. */
static void fill(void)
{
	memcpy(present, owner, sizeof(present));
	assert_true(owners_fill(owner, full, present, LEN, node, nodes) >= 0);
	for (unsigned i = 0; i < LEN; i++)
		moved[i] += owner[i] != present[i];
}

static void count_from_now(void)
{
	memset(moved, 0, sizeof(moved));
}

static int setup(void **state)
{
	(void)state;
	nodes = 0;
	configure(NODES);
	memset(owner, 0xff, sizeof(owner));
	fill();
	count_from_now();
	return 0;
}

static unsigned owned_by(const uint16_t *table, unsigned who)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LEN; i++)
		n += table[i] == who;
	return n;
}

static unsigned most_moves(void)
{
	unsigned most = 0;

	for (unsigned i = 0; i < LEN; i++)
		most = moved[i] > most ? moved[i] : most;
	return most;
}

/* What the table is when no slow start is on. */
static void make_whole(void)
{
	struct owners_node n[MOST];

	for (unsigned i = 0; i < nodes; i++) {
		n[i] = node[i];
		n[i].missing = 0;
	}
	assert_true(owners_fill(whole, full, NULL, LEN, n, nodes) >= 0);
}

static void assert_whole(void)
{
	make_whole();
	assert_memory_equal(owner, whole, sizeof(whole));
}

/* What changed has come to one of nodes from..to - 1. */
static void assert_only_they_gain(unsigned from, unsigned to)
{
	for (unsigned i = 0; i < LEN; i++)
		if (owner[i] != present[i])
			assert_in_range(owner[i], from, to - 1);
}

/* It has the part of its share that it is to have by now. */
static void assert_share(unsigned starter)
{
	unsigned has = owned_by(owner, starter), share;

	make_whole();
	share = owned_by(whole, starter) * (OWNERS_PARTS - node[starter].missing) / OWNERS_PARTS;
	assert_in_range(has, share * 8 / 10, share * 12 / 10);
}

/* Of nodes from..to - 1 so many parts are missing now. */
static void step(unsigned from, unsigned to, unsigned missing)
{
	for (unsigned i = from; i < to; i++)
		node[i].missing = (uint8_t)missing;
	fill();
}

/* They take their shares together, from the first part to the last. */
static void assert_start_moves_each_slot_once(unsigned from, unsigned to)
{
	for (unsigned missing = OWNERS_PARTS; missing-- > 0;) {
		step(from, to, missing);
		if (missing < OWNERS_PARTS - 1)
			assert_only_they_gain(from, to);
		for (unsigned i = from; i < to; i++)
			assert_share(i);
	}
	assert_whole();
	assert_int_equal(most_moves(), 1);
}

/* Nodes from..to - 1 go or return. */
static void set_serving(unsigned from, unsigned to, bool serving)
{
	for (unsigned i = from; i < to; i++)
		node[i].serves = serving;
}

static void what_returns_takes_each_slot_once(void **state)
{
	(void)state;
	node[STARTER].serves = false;
	fill();
	count_from_now();
	node[STARTER].serves = true;
	assert_start_moves_each_slot_once(STARTER, STARTER + 1);
}

/* Then it stands in for them too, step by step. */
static void likewise_with_others_away(void **state)
{
	(void)state;
	set_serving(STARTER, NODES - 2, false);
	fill();
	count_from_now();
	node[STARTER].serves = true;
	assert_start_moves_each_slot_once(STARTER, STARTER + 1);
}

static void several_that_return_together_take_each_slot_once(void **state)
{
	(void)state;
	set_serving(3, 9, false);
	fill();
	count_from_now();
	set_serving(3, 9, true);
	assert_start_moves_each_slot_once(3, 9);
}

/* The slots that the full table moves between others move at once, those of the new ones
 * when their part comes: all of them once. */
static void what_is_added_takes_each_slot_once(void **state)
{
	(void)state;
	configure(NODES + 1);
	assert_start_moves_each_slot_once(NODES, NODES + 1);
}

static void three_that_are_added_take_each_slot_once(void **state)
{
	(void)state;
	configure(NODES + 3);
	assert_start_moves_each_slot_once(NODES, NODES + 3);
}

/* From weight 0, with a table of the weight before that, to three times as much. */
static void what_comes_back_heavier_takes_each_slot_once(void **state)
{
	(void)state;
	node[STARTER].serves = false;
	fill();
	count_from_now();
	node[STARTER].serves = true;
	node[STARTER].weight = 30;
	configure(NODES);
	assert_start_moves_each_slot_once(STARTER, STARTER + 1);
}

/* The second begins when the first has half of its share. The first was to stand in for it,
 * and what it has taken as such it gives up again; nothing else moves twice. */
static void each_of_two_that_overlap_takes_a_slot_once(void **state)
{
	const unsigned half = OWNERS_PARTS / 2;

	(void)state;
	node[3].serves = node[STARTER].serves = false;
	fill();
	count_from_now();
	node[3].serves = true;
	for (unsigned missing = OWNERS_PARTS; missing-- > half;)
		step(3, 4, missing);
	node[STARTER].serves = true;
	for (unsigned missing = OWNERS_PARTS; missing-- > 0;) {
		node[3].missing = (uint8_t)(missing > half ? missing - half : 0);
		step(STARTER, STARTER + 1, missing);
	}
	assert_whole();
	for (unsigned i = 0; i < LEN; i++)
		assert_in_range(moved[i], 0, full[i] == STARTER ? 2 : 1);
}

/* The other slots that the starter waits for stay with those who have them. */
static void a_failure_in_the_middle_moves_what_the_failed_one_has(void **state)
{
	(void)state;
	configure(NODES + 1);
	step(NODES, NODES + 1, OWNERS_PARTS - 4);
	node[2].serves = false;
	fill();
	for (unsigned i = 0; i < LEN; i++)
		assert_true(owner[i] == present[i] || present[i] == 2);
	assert_int_equal(owned_by(owner, 2), 0);
	assert_share(NODES);
	node[2].serves = true;
	fill();
	assert_only_they_gain(2, 3);
	for (unsigned missing = OWNERS_PARTS - 4; missing-- > 0;)
		step(NODES, NODES + 1, missing);
	assert_whole();
}

static void when_the_starter_fails_the_table_is_that_of_the_others(void **state)
{
	(void)state;
	configure(NODES + 1);
	step(NODES, NODES + 1, OWNERS_PARTS - 4);
	node[NODES].serves = false;
	fill();
	assert_whole();
	count_from_now();
	node[NODES].serves = true;
	assert_start_moves_each_slot_once(NODES, NODES + 1);
}

/* An addition is taken back: what the new one was still waiting for has never moved. */
static void change_and_change_back(void **state)
{
	static uint16_t first[LEN], larger[LEN];

	(void)state;
	memcpy(first, owner, sizeof(first));
	configure(NODES + 1);
	memcpy(larger, full, sizeof(larger));
	step(NODES, NODES + 1, OWNERS_PARTS - 4);
	configure(NODES);
	fill();
	assert_memory_equal(owner, first, sizeof(first));
	for (unsigned i = 0; i < LEN; i++)
		if (larger[i] == NODES && present[i] != NODES)
			assert_int_equal(moved[i], 0);
}

/* The table is made again for another reason, or by the next control plane. */
static void the_same_again_moves_nothing(void **state)
{
	(void)state;
	configure(NODES + 2);
	node[4].serves = false;
	for (unsigned missing = OWNERS_PARTS; missing-- > 0;) {
		step(NODES, NODES + 2, missing);
		fill();
		assert_memory_equal(owner, present, sizeof(owner));
	}
}

static void where_nobody_else_serves_it_takes_all(void **state)
{
	(void)state;
	set_serving(0, NODES, false);
	node[STARTER].serves = true;
	step(STARTER, STARTER + 1, OWNERS_PARTS - 1);
	assert_int_equal(owned_by(owner, STARTER), LEN);
}

/* All come up at once, and nobody could keep their slots for them. */
static void where_all_start_together_no_slot_is_left_over(void **state)
{
	(void)state;
	set_serving(0, NODES, false);
	fill();
	assert_int_equal(owned_by(owner, MAGLEV_NONE), LEN);
	set_serving(0, NODES, true);
	step(0, NODES, OWNERS_PARTS - 1);
	assert_int_equal(owned_by(owner, MAGLEV_NONE), 0);
	count_from_now();
	for (unsigned missing = OWNERS_PARTS - 1; missing-- > 0;)
		step(0, NODES, missing);
	assert_whole();
	assert_int_equal(most_moves(), 1);
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

static struct backend b, other; /* other: serves, and has done so */
static struct backend *list[] = { &b, &other };
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
	other = b;
	other.slow.served = true;
	p = (struct pool){ .backend = list, .backend_count = 2, .conf = { .slow_start_s = 16 } };
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

/* Of those that a pool begins with, who is found to be up at first. */
static void first_checks_that_end_later_start_nothing_slowly(void **state)
{
	static const struct {
		enum health then;
		enum admin_state admin;
		bool starts_slowly;
	} cases[] = { { HEALTH_PENDING, ADMIN_ENABLED, false },
		      { HEALTH_DOWN, ADMIN_ENABLED, true },
		      { HEALTH_UP, ADMIN_DISABLED, true } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup_model(state);
		b.health = HEALTH_PENDING;
		slow_start_step(&m, 5000);
		p.table_off = 4096;
		b.health = cases[i].then;
		b.conf.admin = cases[i].admin;
		slow_start_step(&m, 6000);
		b.health = HEALTH_UP;
		b.conf.admin = ADMIN_ENABLED;
		slow_start_step(&m, 7000);
		assert_int_equal(slow_start_is_on(&m), cases[i].starts_slowly);
		b.health = HEALTH_DOWN; /* from now on it is like any other */
		slow_start_step(&m, 8000);
		b.health = HEALTH_UP;
		slow_start_step(&m, 9000);
		assert_int_equal(b.slow.missing, 15);
	}
}

static void where_nobody_served_nobody_starts_slowly(void **state)
{
	(void)state;
	p.table_off = 4096;
	other.health = b.health = HEALTH_DOWN;
	slow_start_step(&m, 5000);
	other.health = b.health = HEALTH_UP;
	slow_start_step(&m, 6000);
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

/* 6.25, 12.5, 93.75 */
static void percents_are_rounded(void **state)
{
	(void)state;
	assert_int_equal(slow_start_percent(OWNERS_PARTS), 0);
	assert_int_equal(slow_start_percent(OWNERS_PARTS - 1), 6);
	assert_int_equal(slow_start_percent(OWNERS_PARTS - 2), 13);
	assert_int_equal(slow_start_percent(1), 94);
	assert_int_equal(slow_start_percent(0), 100);
}

#define T(name)	 cmocka_unit_test_setup(name, setup)
#define TM(name) cmocka_unit_test_setup(name, setup_model)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_returns_takes_each_slot_once),
		T(likewise_with_others_away),
		T(several_that_return_together_take_each_slot_once),
		T(what_is_added_takes_each_slot_once),
		T(three_that_are_added_take_each_slot_once),
		T(what_comes_back_heavier_takes_each_slot_once),
		T(each_of_two_that_overlap_takes_a_slot_once),
		T(a_failure_in_the_middle_moves_what_the_failed_one_has),
		T(when_the_starter_fails_the_table_is_that_of_the_others),
		T(change_and_change_back),
		T(the_same_again_moves_nothing),
		T(where_nobody_else_serves_it_takes_all),
		T(where_all_start_together_no_slot_is_left_over),
		T(parts_come_at_equal_distances),
		T(percents_are_rounded),
		TM(what_a_pool_begins_with_starts_at_once),
		TM(first_checks_that_end_later_start_nothing_slowly),
		TM(where_nobody_served_nobody_starts_slowly),
		TM(what_comes_back_starts_slowly),
		TM(a_publication_that_fails_begins_and_ends_nothing),
		TM(without_the_key_nothing_starts_slowly),
	};

	return cmocka_run_group_tests_name("slow_start", tests, NULL, NULL);
}
