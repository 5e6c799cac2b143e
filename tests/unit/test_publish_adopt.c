// SPDX-License-Identifier: Apache-2.0
/*
 * Going on where another control plane was, whatever it left behind.
 */
#include "attached.h"

#include <errno.h>

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

/* Of what was done at run time the snapshot knows drains and disabled ones, and the seed:
 * it counts only where no state file does. */
static void assert_taken_back(bool lost)
{
	const char *why;

	begin(1, 4);
	model.flow_seed = 77;
	backend(0, 1)->conf.admin = ADMIN_DRAINING;
	backend(0, 1)->conf.drain_deadline_ms = 123456;
	backend(0, 2)->conf.admin = ADMIN_DISABLED;
	publish(false);
	attachment_close(&at);
	small_free(&model);
	small_apply(&model);
	model.flow_seed = 78;
	model.seed_is_new = model.admin_is_lost = lost;
	backend(0, 3)->conf.admin = ADMIN_DISABLED; /* as the file says by now */

	assert_int_equal(attach(&why), 1);
	assert_int_equal(model.flow_seed, lost ? 77 : 78);
	assert_int_equal(backend(0, 0)->conf.admin, ADMIN_ENABLED);
	assert_int_equal(backend(0, 1)->conf.admin, lost ? ADMIN_DRAINING : ADMIN_ENABLED);
	assert_int_equal(backend(0, 1)->conf.drain_deadline_ms, lost ? 123456 : 0);
	assert_int_equal(backend(0, 2)->conf.admin, lost ? ADMIN_DISABLED : ADMIN_ENABLED);
	assert_int_equal(backend(0, 3)->conf.admin, ADMIN_DISABLED);
}

/* What an agent says holds as long as it says so: it is no drain of the operator's. */
static void an_agents_word_is_not_taken_for_the_operators(void **state)
{
	const char *why;

	(void)state;
	begin(1, 3);
	small_pool[0].agent_port = 1;
	small_apply(&model);
	backend(0, 0)->agent_cut = 40;
	backend(0, 1)->agent_admin = ADMIN_DRAINING;
	backend(0, 2)->agent_admin = ADMIN_DISABLED;
	publish(false);
	model.admin_is_lost = true;
	assert_int_equal(restart(&why), 1);
	assert_true(model.admin_is_lost);
	assert_int_equal(backend(0, 1)->conf.admin, ADMIN_ENABLED);
	assert_int_equal(backend(0, 2)->conf.admin, ADMIN_ENABLED);
	/* It stays the agent's until it says another one. */
	assert_int_equal(backend(0, 0)->agent_cut, 40);
	assert_int_equal(backend(0, 1)->agent_admin, ADMIN_DRAINING);
	assert_int_equal(backend(0, 2)->agent_admin, ADMIN_DISABLED);
	assert_true(backend(0, 0)->agent_known);

	/* Nobody has an agent any more. */
	small_pool[0].agent_port = 0;
	assert_int_equal(restart(&why), 1);
	assert_int_equal(backend(0, 0)->agent_cut, 0);
	assert_int_equal(backend(0, 2)->agent_admin, ADMIN_ENABLED);
}

static void an_agent_that_has_spoken_is_not_overruled(void **state)
{
	const char *why;

	(void)state;
	begin(1, 3);
	small_pool[0].agent_port = 1;
	small_apply(&model);
	backend(0, 1)->agent_admin = ADMIN_DRAINING;
	publish(false);
	attachment_close(&at);
	small_free(&model);
	small_apply(&model);
	backend(0, 1)->agent_known = true; /* "ready" */
	assert_int_equal(attach(&why), 1);
	assert_int_equal(backend(0, 1)->agent_admin, ADMIN_ENABLED);
}

static void without_a_state_file_drains_and_seed_are_those_in_force(void **state)
{
	(void)state;
	assert_taken_back(true);
}

static void with_a_state_file_drains_and_seed_are_its(void **state)
{
	(void)state;
	assert_taken_back(false);
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
	assert_int_equal(attachment_publish(&at, &model, boot_ms), 0);
	attachment_send(&at, NOW);
	table_view_poll(dp.worker[0]); /* has 2; worker 1 has 1 */

	assert_int_equal(restart(&why), 1);
	assert_int_equal(at.generation, 2);
	assert_int_equal(backend(0, 3)->health, HEALTH_DOWN);
	for (unsigned i = 0; i < 20; i++) {
		const struct weir_snapshot *old =
			(const struct weir_snapshot *)(dp.control->arena + block * WEIR_BLOCK);

		backend(0, 5)->health = i % 2 ? HEALTH_UP : HEALTH_DOWN;
		assert_int_equal(attachment_publish(&at, &model, boot_ms), 0);
		attachment_send(&at, NOW);
		table_view_poll(dp.worker[0]);
		poll_workers();
		attachment_reclaim(&at, &model);
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

/* The data plane was restarted: generations begin anew; moves go on, so indices stay. */
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
	assert_int_equal(backend(0, 0)->index, 3);
	assert_in_force(dp.worker[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_restart_keeps_indices_tables_and_health),
		TEST(what_is_known_already_is_not_taken_over),
		TEST(without_a_state_file_drains_and_seed_are_those_in_force),
		TEST(with_a_state_file_drains_and_seed_are_its),
		TEST(an_agents_word_is_not_taken_for_the_operators),
		TEST(an_agent_that_has_spoken_is_not_overruled),
		TEST(a_restart_with_another_configuration_goes_by_name),
		TEST(the_source_of_a_tunnel_is_read_back),
		TEST(an_older_generation_of_one_worker_is_kept),
		TEST(what_cannot_be_read_back_is_filled_anew),
		TEST(nonsense_in_the_arena_does_no_harm),
		TEST(a_new_data_plane_is_filled_from_the_start),
	};

	return cmocka_run_group_tests_name("publish_adopt", tests, NULL, NULL);
}
