// SPDX-License-Identifier: Apache-2.0
/*
 * One session's book-keeping against workers that run the data plane's own code.
 */
#include "attachment.h"

#include "fake_dp.h"
#include "small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

enum { WORKERS = 2, BLOCKS = 64, NOW = 1000 };

static struct fake_dp dp;
static struct attachment at;
static struct model model;

static int setup(void **state)
{
	(void)state;
	model = (struct model){ 0 };
	fake_dp_open(&dp, WORKERS, BLOCKS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	attachment_close(&at);
	small_free(&model);
	fake_dp_close(&dp);
	return 0;
}

static unsigned poll_workers(void)
{
	unsigned events[WEIR_MAX_WORKERS];

	return attachment_poll(&at, NOW, events);
}

/* A control plane comes, with a model of its own; what attachment_adopt() says. */
static int attach(const char **why)
{
	fake_dp_session(&dp);
	assert_int_equal(attachment_open(&at, &dp.view, NOW), 0);
	assert_false(attachment_has_joined(&at));
	fake_dp_step(&dp);
	poll_workers();
	assert_true(attachment_has_joined(&at));
	return attachment_adopt(&at, &model, why);
}

/* The first control plane of this data plane, all backends up. */
static void begin(unsigned pools, unsigned backends)
{
	const char *why;

	small_configure(pools, backends);
	assert_int_equal(small_apply(&model), 0);
	small_all_up(&model);
	assert_int_equal(attach(&why), 0);
}

/* It is killed, and the next one knows only the configuration. */
static int restart(const char **why)
{
	attachment_close(&at);
	small_free(&model);
	assert_int_equal(small_apply(&model), 0);
	return attach(why);
}

/* Publish; worker 0 takes it, worker 1 too unless it hangs. */
static void publish(bool worker1_hangs)
{
	assert_int_equal(attachment_publish(&at, &model), 0);
	attachment_send(&at, NOW);
	table_view_poll(dp.worker[0]);
	if (!worker1_hangs)
		table_view_poll(dp.worker[1]);
	poll_workers();
	attachment_reclaim(&at);
	assert_int_equal(dp.worker[0]->view->generation, at.generation);
}

static struct backend *backend(unsigned pool, unsigned i)
{
	return model.pool[pool]->backend[i];
}

/* What a worker has is what the model says: owners by name, lines by address. */
static void assert_in_force(const struct worker *w)
{
	for (uint32_t p = 0; p < model.pool_count; p++) {
		for (uint32_t slot = 0; slot < SMALL_TABLE; slot++) {
			int owner = fake_dp_owner(w, p, slot);
			uint32_t i = 0;

			if (owner < 0)
				continue;
			while (i < model.pool[p]->backend_count && backend(p, i)->index != owner)
				i++;
			assert_in_range(i, 0, model.pool[p]->backend_count - 1);
			assert_true(backend_serves(backend(p, i)));
			assert_memory_equal(w->view->backend[owner].dmac, backend(p, i)->hop.mac,
					    6);
		}
	}
}

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
	assert_int_equal(attachment_reclaim(&at) & FREED_INDICES, FREED_INDICES);
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
	publish(false);
	assert_int_equal(backend(0, 1)->packets_before, 111);
	assert_int_equal(backend(0, 1)->bytes_before, 5000);
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
	attachment_reclaim(&at);
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
		assert_int_equal(attachment_publish(&at, &model), -ENOSPC);
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

/* -- going on where another control plane was ------------------------------- */

static void a_restart_keeps_indices_tables_and_health(void **state)
{
	uint32_t used, table[2];
	const char *why;

	(void)state;
	begin(2, 10);
	backend(1, 3)->health = HEALTH_DOWN;
	publish(false);
	publish(false);
	used = at.arena->used;
	table[0] = model.pool[0]->table_off;
	table[1] = model.pool[1]->table_off;

	assert_int_equal(restart(&why), 1);
	assert_int_equal(at.generation, 2);
	assert_int_equal(at.arena->used, used);
	for (unsigned p = 0; p < 2; p++) {
		assert_int_equal(model.pool[p]->table_off, table[p]);
		for (unsigned i = 0; i < 10; i++) {
			assert_int_equal(backend(p, i)->index, 10 * p + i);
			assert_int_equal(backend(p, i)->health,
					 p == 1 && i == 3 ? HEALTH_DOWN : HEALTH_UP);
			assert_true(backend(p, i)->hop.resolved);
			assert_int_equal(backend(p, i)->hop.mac[5], i);
			assert_int_equal(backend(p, i)->hop.port, 1);
			assert_int_equal(backend(p, i)->hop.mtu, 1500);
		}
	}

	publish(false); /* nothing has changed: no table is written anew */
	assert_int_equal(at.generation, 3);
	assert_int_equal(model.pool[0]->table_off, table[0]);
	assert_int_equal(model.pool[1]->table_off, table[1]);
	assert_int_equal(at.arena->used, used);
	assert_in_force(dp.worker[1]);
}

static void what_is_known_already_is_not_taken_over(void **state)
{
	const char *why;

	(void)state;
	begin(1, 3);
	publish(false);
	attachment_close(&at);
	small_free(&model);
	small_apply(&model);
	small_up(backend(0, 1));
	backend(0, 1)->health = HEALTH_DOWN; /* its first probe was quick */
	backend(0, 1)->hop.mac[1] = 0x77;
	assert_int_equal(attach(&why), 1);
	assert_int_equal(backend(0, 1)->health, HEALTH_DOWN);
	assert_int_equal(backend(0, 1)->hop.mac[1], 0x77);
	assert_int_equal(backend(0, 0)->health, HEALTH_UP);
}

/* While it was away the configuration changed: another order, one gone, one new. */
static void a_restart_with_another_configuration_goes_by_name(void **state)
{
	const char *why;

	(void)state;
	begin(1, 4);
	publish(false);
	small_name(0, 0, 3);
	small_name(0, 1, 9);
	small_name(0, 2, 1);
	small_name(0, 3, 0); /* b3, b9, b1, b0: b2 is gone */
	assert_int_equal(restart(&why), 1);
	assert_int_equal(backend(0, 0)->index, 3);
	assert_int_equal(backend(0, 1)->index, -1);
	assert_int_equal(backend(0, 1)->health, HEALTH_PENDING);
	assert_int_equal(backend(0, 2)->index, 1);
	assert_int_equal(backend(0, 3)->index, 0);
	publish(false);
	assert_int_equal(backend(0, 1)->index, 4); /* 2 rests: workers know it as b2 */
	assert_in_force(dp.worker[0]);
	publish(false);
	small_conf.pool[0].backend_count = 5;
	small_name(0, 4, 50);
	small_apply(&model);
	publish(false);
	assert_int_equal(backend(0, 4)->index, 2);
}

static void the_source_of_a_tunnel_is_read_back(void **state)
{
	const char *why;

	(void)state;
	begin(1, 3);
	small_pool[0].mode = WEIR_MODE_IPIP;
	small_apply(&model);
	publish(false);
	assert_int_equal(restart(&why), 1);
	assert_int_equal(backend(0, 0)->hop.source.family, 4);
	assert_int_equal(backend(0, 0)->hop.source.bytes[1], 255);

	/* A next hop of another mode says nothing. */
	small_pool[0].mode = WEIR_MODE_L2;
	assert_int_equal(restart(&why), 1);
	assert_false(backend(0, 0)->hop.resolved);
}

/* One worker hung when the last control plane died: what it reads is kept. */
static void an_older_generation_of_one_worker_is_kept(void **state)
{
	const char *why;
	uint32_t block;

	(void)state;
	begin(1, 10);
	publish(false);
	block = at.block;
	backend(0, 3)->health = HEALTH_DOWN;
	assert_int_equal(attachment_publish(&at, &model), 0);
	attachment_send(&at, NOW);
	table_view_poll(dp.worker[0]); /* has 2; worker 1 has 1 */

	assert_int_equal(restart(&why), 1);
	assert_int_equal(at.generation, 2);
	assert_int_equal(backend(0, 3)->health, HEALTH_DOWN);
	for (unsigned i = 0; i < 20; i++) {
		const struct weir_snapshot *old =
			(const struct weir_snapshot *)(dp.control->arena + block * WEIR_BLOCK);

		backend(0, 5)->health = i % 2 ? HEALTH_UP : HEALTH_DOWN;
		assert_int_equal(attachment_publish(&at, &model), 0);
		attachment_send(&at, NOW);
		table_view_poll(dp.worker[0]);
		poll_workers();
		attachment_reclaim(&at);
		assert_true(old->magic == WEIR_SNAPSHOT_MAGIC && old->generation == 1);
	}
	for (unsigned i = 0; i < 2; i++) {
		table_view_poll(dp.worker[1]);
		poll_workers();
		attachment_send(&at, NOW);
	}
	assert_int_equal(dp.worker[1]->view->generation, at.generation);
	assert_in_force(dp.worker[1]);
}

static struct weir_snapshot *snapshot_in_force(void)
{
	return (struct weir_snapshot *)(dp.control->arena + dp.state->worker[0].seen_offset);
}

/* Every way in which a mad control plane can have left it. */
static void what_cannot_be_read_back_is_filled_anew(void **state)
{
	struct weir_snapshot good;
	struct weir_pool *pool;
	const char *why;

	(void)state;
	begin(2, 10);
	publish(false);
	good = *snapshot_in_force();
	for (unsigned i = 0; i < 9; i++) {
		struct weir_snapshot *s = snapshot_in_force();

		pool = (struct weir_pool *)(dp.control->arena + s->pool_off);
		switch (i) {
		case 0:
			s->magic ^= 1;
			break;
		case 1:
			s->generation++;
			break;
		case 2:
			s->size = UINT32_MAX;
			break;
		case 3:
			s->backend_count = WEIR_MAX_BACKENDS + 1;
			break;
		case 4:
			s->cold_off = s->size + 64;
			break;
		case 5:
			s->pool_off++;
			break;
		case 6:
			pool[1].table_off = (BLOCKS - 1) * WEIR_BLOCK + 64;
			break;
		case 7:
			pool[1].table_len = WEIR_TABLE_MAX;
			break;
		case 8:
			pool[1].table_off = (uint32_t)dp.state->worker[0].seen_offset;
			break;
		}
		assert_int_equal(restart(&why), -EINVAL);
		assert_non_null(why);
		assert_int_equal(at.generation, good.generation + i);
		assert_int_equal(at.arena->used, 0);
		assert_int_equal(backend(0, 0)->index, -1);
		small_all_up(&model);
		publish(false);
		assert_int_equal(attachment_seen(&at), good.generation + i + 1);
		assert_in_force(dp.worker[1]);
	}
}

/* Random bytes all over the arena: adopted or not, the next generation is right. */
static void nonsense_in_the_arena_does_no_harm(void **state)
{
	uint64_t random = 1;
	const char *why;

	(void)state;
	begin(2, 10);
	publish(false);
	for (unsigned round = 0; round < 500; round++) {
		for (unsigned i = 0; i < 1u << round % 12; i++) {
			uint64_t where;

			random = random * 6364136223846793005u + 1442695040888963407u;
			where = (random >> 33) % (round % 2 ? BLOCKS * WEIR_BLOCK : WEIR_BLOCK);
			if (round % 2 == 0)
				where += dp.state->worker[0].seen_offset;
			dp.control->arena[where] = (uint8_t)(random >> 20);
		}
		(void)restart(&why);
		small_all_up(&model);
		publish(false);
		assert_int_equal(attachment_seen(&at), round + 2);
		assert_in_force(dp.worker[0]);
		assert_in_force(dp.worker[1]);
	}
}

/* The data plane was restarted: generations begin anew, and so do indices. */
static void a_new_data_plane_is_filled_from_the_start(void **state)
{
	const char *why;

	(void)state;
	begin(1, 3);
	publish(false);
	small_name(0, 0, 8);
	small_apply(&model);
	small_all_up(&model);
	publish(false);
	assert_int_equal(backend(0, 0)->index, 3);

	attachment_close(&at);
	fake_dp_close(&dp);
	fake_dp_open(&dp, WORKERS, BLOCKS);
	assert_int_equal(attach(&why), 0);
	publish(false);
	assert_int_equal(at.generation, 1);
	assert_int_equal(backend(0, 0)->index, 0);
	assert_in_force(dp.worker[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_data_plane_is_filled),
		TEST(pending_backends_take_nothing),
		TEST(unchanged_tables_stay_where_they_are),
		TEST(a_failure_moves_its_slots_alone_and_back),
		TEST(pools_come_and_go),
		TEST(an_index_is_given_away_after_every_worker_saw_it_off),
		TEST(counters_begin_where_the_last_owner_left_them),
		TEST(a_worker_that_hangs_holds_nobody_up),
		TEST(a_full_arena_changes_nothing_until_there_is_room),
		TEST(a_restart_keeps_indices_tables_and_health),
		TEST(what_is_known_already_is_not_taken_over),
		TEST(a_restart_with_another_configuration_goes_by_name),
		TEST(the_source_of_a_tunnel_is_read_back),
		TEST(an_older_generation_of_one_worker_is_kept),
		TEST(what_cannot_be_read_back_is_filled_anew),
		TEST(nonsense_in_the_arena_does_no_harm),
		TEST(a_new_data_plane_is_filled_from_the_start),
	};

	return cmocka_run_group_tests_name("attachment", tests, NULL, NULL);
}
