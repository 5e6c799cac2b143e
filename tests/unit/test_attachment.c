// SPDX-License-Identifier: Apache-2.0
/*
 * One session's book-keeping against workers that run the data plane's own code.
 */
#include "attached.h"

#include <errno.h>

/* -- publishing ------------------------------------------------------------- */

static void an_empty_data_plane_is_filled(void **state)
{
	(void)state;
	begin(3, 10);
	publish(false);
	assert_int_equal(at.generation, 1);
	assert_int_equal(attachment_seen(&at), 1);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_in_force(dp.worker[i]);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(backend(0, i)->index, i); /* lowest first */
}

/* What a data plane's arena holds for pool 0 after it was filled from small_conf. */
static void fill_and_copy(weir_slot *table)
{
	const struct view_pool *pool;
	const char *why;

	assert_int_equal(small_apply(&model), 0);
	small_all_up(&model);
	assert_int_equal(attach(&why), 0);
	publish(false);
	pool = &dp.worker[0]->view->pool[0];
	assert_int_equal(pool->table_len, SMALL_TABLE);
	memcpy(table, pool->slot, SMALL_TABLE * sizeof(*table));
}

static void two_control_planes_write_the_same_bytes_whatever_the_order(void **state)
{
	weir_slot forward[SMALL_TABLE], backward[SMALL_TABLE];

	small_configure(2, 40);
	small_backend[0][7].weight = small_backend[0][7].base_weight = 25;
	fill_and_copy(forward);
	teardown(state);

	setup(state);
	for (unsigned p = 0; p < 2; p++)
		for (unsigned i = 0; i < 20; i++) {
			struct backend_conf swap = small_backend[p][i];

			small_backend[p][i] = small_backend[p][39 - i];
			small_backend[p][39 - i] = swap;
		}
	fill_and_copy(backward);
	assert_string_equal(model.pool[0]->backend[0]->conf.name, "b39");
	assert_memory_equal(forward, backward, sizeof(forward));
}

static void pending_backends_take_nothing(void **state)
{
	(void)state;
	begin(1, 10);
	for (unsigned i = 0; i < 10; i++)
		backend(0, i)->health = HEALTH_PENDING;
	publish(false);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		assert_int_equal(fake_dp_owner(dp.worker[0], 0, slot), -1);
	backend(0, 4)->health = HEALTH_UP;
	publish(false);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		assert_int_equal(fake_dp_owner(dp.worker[0], 0, slot), 4);
}

static void unchanged_tables_stay_where_they_are(void **state)
{
	uint32_t used, a, b;

	(void)state;
	begin(2, 10);
	publish(false);
	used = at.arena->used;
	a = model.pool[0]->table_off;
	b = model.pool[1]->table_off;
	assert_int_not_equal(a, 0);
	assert_int_not_equal(a, b);

	backend(0, 3)->health = HEALTH_DOWN;
	publish(false);
	assert_int_not_equal(model.pool[0]->table_off, a);
	assert_int_equal(model.pool[1]->table_off, b);
	assert_int_equal(at.arena->used, used); /* the old ones are free again */
	assert_in_force(dp.worker[1]);

	a = model.pool[0]->table_off;
	small_backend[0][3].weight = 20; /* of one that is down: the configured table changes */
	small_backend[0][3].base_weight = 20;
	small_apply(&model);
	publish(false);
	assert_int_not_equal(model.pool[0]->table_off, a);
	assert_int_equal(model.pool[1]->table_off, b);
}

static void a_failure_moves_its_slots_alone_and_back(void **state)
{
	int before[SMALL_TABLE];

	(void)state;
	begin(1, 10);
	publish(false);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		before[slot] = fake_dp_owner(dp.worker[0], 0, slot);
	backend(0, 3)->health = HEALTH_DOWN;
	publish(false);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++) {
		assert_int_not_equal(fake_dp_owner(dp.worker[0], 0, slot), 3);
		if (before[slot] != 3)
			assert_int_equal(fake_dp_owner(dp.worker[0], 0, slot), before[slot]);
	}
	backend(0, 3)->health = HEALTH_UP;
	publish(false);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		assert_int_equal(fake_dp_owner(dp.worker[0], 0, slot), before[slot]);
}

static void pools_come_and_go(void **state)
{
	uint32_t used;

	(void)state;
	begin(2, 10);
	publish(false);
	used = at.arena->used;
	small_configure(4, 10);
	small_apply(&model);
	small_all_up(&model);
	publish(false);
	assert_int_equal(dp.worker[0]->view->pool_count, 4);
	assert_in_force(dp.worker[0]);
	small_configure(2, 10);
	small_apply(&model);
	publish(false);
	publish(false);
	assert_int_equal(dp.worker[0]->view->pool_count, 2);
	assert_int_equal(at.arena->used, used);
}

/* -- indices ---------------------------------------------------------------- */

static void an_index_is_given_away_after_every_worker_saw_it_off(void **state)
{
	(void)state;
	begin(1, 3);
	publish(false);
	small_name(0, 1, 77); /* b1 goes, b77 comes */
	small_apply(&model);
	small_all_up(&model);
	publish(true); /* worker 1 still has b1 at index 1 */
	assert_int_equal(backend(0, 1)->index, 3);

	small_conf.pool[0].backend_count = 4;
	small_name(0, 3, 78);
	small_apply(&model);
	small_all_up(&model);
	publish(true);
	assert_int_equal(backend(0, 3)->index, 4);

	table_view_poll(dp.worker[1]); /* it goes on */
	poll_workers();
	attachment_send(&at, NOW);
	table_view_poll(dp.worker[1]);
	poll_workers();
	assert_int_equal(attachment_reclaim(&at, &model) & FREED_INDICES, FREED_INDICES);
	small_conf.pool[0].backend_count = 5;
	small_name(0, 4, 79);
	small_apply(&model);
	small_all_up(&model);
	publish(false);
	assert_int_equal(backend(0, 4)->index, 1);
	assert_in_force(dp.worker[1]);
}

static void counters_begin_where_the_last_owner_left_them(void **state)
{
	(void)state;
	begin(1, 2);
	dp.state->worker[0].backend[1].packets = 100;
	dp.state->worker[1].backend[1].packets = 11;
	dp.state->worker[1].backend[1].bytes = 5000;
	dp.state->worker[0].backend_column[1][WEIR_COLUMN_TX_FULL] = 3;
	dp.state->worker[1].backend_column[1][WEIR_COLUMN_TX_FULL] = 4;
	publish(false);
	assert_int_equal(backend(0, 1)->packets_before, 111);
	assert_int_equal(backend(0, 1)->bytes_before, 5000);
	assert_int_equal(backend(0, 1)->columns_before[WEIR_COLUMN_TX_FULL], 7);
	assert_int_equal(backend(0, 1)->columns_before[WEIR_COLUMN_TOO_BIG], 0);
	assert_int_equal(backend(0, 0)->packets_before, 0);
	dp.state->worker[0].backend[1].packets = 150;
	publish(false);
	assert_int_equal(backend(0, 1)->packets_before, 111); /* it has its index */
}

/* -- workers that are late, an arena that is full ---------------------------- */

static void a_worker_that_hangs_holds_nobody_up(void **state)
{
	uint32_t most = 0;

	(void)state;
	begin(1, 10);
	publish(false);
	for (unsigned i = 0; i < 200; i++) {
		backend(0, i % 10)->health = i / 10 % 2 ? HEALTH_UP : HEALTH_DOWN;
		if (at.arena->used > most)
			most = at.arena->used;
		publish(true);
		assert_in_force(dp.worker[0]);
	}
	/* Held: generations 1 (in force there) and 2 (on its way), and the newest. */
	assert_int_equal(at.link[1].seen, 1);
	assert_int_equal(at.link[1].sent, 2);
	assert_true(most <= 4 * at.arena->used);
	assert_int_equal(dp.worker[1]->view->generation, 1);

	table_view_poll(dp.worker[1]); /* wakes up: 2 still stands where it was told */
	assert_int_equal(dp.worker[1]->view->generation, 2);
	poll_workers();
	attachment_send(&at, NOW);
	table_view_poll(dp.worker[1]);
	poll_workers();
	attachment_reclaim(&at, &model);
	assert_int_equal(dp.worker[1]->view->generation, at.generation);
	assert_in_force(dp.worker[1]);
}

static void a_full_arena_changes_nothing_until_there_is_room(void **state)
{
	uint64_t before;
	uint32_t table, used;

	(void)state;
	begin(1, 10);
	/* A long table: 63 blocks hold it once, beside two snapshots. */
	small_pool[0].table_size = 65537;
	small_apply(&model);
	publish(false);
	before = at.generation;
	table = model.pool[0]->table_off;
	used = at.arena->used;

	backend(0, 3)->health = HEALTH_DOWN;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(attachment_publish(&at, &model, boot_ms), -ENOSPC);
		assert_true(backend(0, 3)->slow.served); /* as far as the workers know */
		assert_int_equal(at.generation, before);
		assert_int_equal(model.pool[0]->table_off, table);
		assert_int_equal(at.arena->used, used);
	}
	assert_int_equal(dp.worker[0]->view->generation, before);
	assert_int_equal(attachment_seen(&at), before);

	/* What does not need a new table goes on; and a smaller one makes room. */
	backend(0, 3)->health = HEALTH_UP;
	backend(0, 3)->hop.mac[1] = 0x99;
	publish(false);
	assert_int_equal(dp.worker[0]->view->backend[3].dmac[1], 0x99);
	small_pool[0].table_size = SMALL_TABLE;
	small_apply(&model);
	backend(0, 3)->health = HEALTH_DOWN;
	publish(false);
	assert_in_force(dp.worker[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_data_plane_is_filled),
		TEST(two_control_planes_write_the_same_bytes_whatever_the_order),
		TEST(pending_backends_take_nothing),
		TEST(unchanged_tables_stay_where_they_are),
		TEST(a_failure_moves_its_slots_alone_and_back),
		TEST(pools_come_and_go),
		TEST(an_index_is_given_away_after_every_worker_saw_it_off),
		TEST(counters_begin_where_the_last_owner_left_them),
		TEST(a_worker_that_hangs_holds_nobody_up),
		TEST(a_full_arena_changes_nothing_until_there_is_room),
	};

	return cmocka_run_group_tests_name("attachment", tests, NULL, NULL);
}
