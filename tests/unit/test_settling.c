// SPDX-License-Identifier: Apache-2.0
/*
 * Slots from a change to the day when they are settled again: what the workers get, with
 * pins that the test puts into their tables.
 */
#include "attached.h"

#include <errno.h>

enum { TCP_MS = 300000, UDP_MS = 30000 };

static struct weir_pin *pin_of(unsigned worker, uint64_t hash)
{
	const struct weir_pin_bucket *table =
		weir_state_pins(dp.state, worker, WORKERS, WEIR_PINS_MIN);

	return (struct weir_pin
			*)&table[weir_pin_place(hash, 0, weir_pin_buckets(WEIR_PINS_MIN) - 1)]
		.pin[3];
}

/* A flow of this slot: the middle of the hashes that lead there. */
static uint64_t hash_of(uint32_t slot)
{
	uint64_t hash = UINT64_MAX / SMALL_TABLE * slot + UINT64_MAX / SMALL_TABLE / 2;

	assert_int_equal(weir_slot_of(hash, SMALL_TABLE), slot);
	return hash;
}

static void pin(unsigned worker, uint32_t slot, int32_t index)
{
	struct weir_pin *p = pin_of(worker, hash_of(slot));

	atomic_store(&p->meta, weir_pin_meta((unsigned)index, WEIR_PIN_TCP, 0, 0, 0));
	atomic_store(&p->hash, hash_of(slot));
}

static void unpin(unsigned worker, uint32_t slot)
{
	atomic_store(&pin_of(worker, hash_of(slot))->hash, 0);
}

/* What worker 0 has of a slot. */
static unsigned state_of(uint32_t slot)
{
	return weir_slot_state(dp.worker[0]->view->pool[0].slot[slot]);
}

static struct weir_move move_of(uint32_t slot)
{
	return *view_move(&dp.worker[0]->view->pool[0], slot);
}

/* Of TCP, whose window is the longer one. */
static int base_of(uint32_t slot)
{
	return (int)weir_move_base(move_of(slot).base[WEIR_MOVE_TCP]);
}

static uint32_t since_of(uint32_t slot)
{
	const struct view_pool *pool = &dp.worker[0]->view->pool[0];
	uint32_t ms = view_move_begin(pool, view_move(pool, slot))->ms[WEIR_MOVE_TCP];

	assert_in_range(pool->newest_ms - ms, 0, INT32_MAX); /* it is no older than any */
	return ms;
}

static bool is_open(uint32_t slot, unsigned protocol)
{
	return move_of(slot).base[protocol] & WEIR_MOVE_OPEN;
}

static unsigned slots_in(unsigned slot_state)
{
	unsigned n = 0;

	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		n += state_of(slot) == slot_state;
	return n;
}

/* A second passes: as publish.c does it. Returns whether something was published. */
static bool turn_after(uint64_t ms)
{
	boot_ms += ms;
	if (!attachment_turn(&at, &model, boot_ms))
		return false;
	publish(false);
	return true;
}

static void set_state(unsigned i, enum admin_state admin)
{
	small_backend[0][i].admin = admin;
	small_backend[0][i].drain_deadline_ms = 0;
	assert_int_equal(small_apply(&model), 0);
}

/* The first slot that b1 owns. */
static uint32_t slot_of_b1(void)
{
	uint32_t slot = 0;

	while (fake_dp_owner(dp.worker[0], 0, slot) != backend(0, 1)->index)
		slot++;
	return slot;
}

static void a_drain_from_its_beginning_to_its_end(void **state)
{
	uint32_t slot, used, mine, count;

	(void)state;
	begin(1, 4);
	publish(false);
	used = at.arena->used;
	slot = slot_of_b1();
	mine = 0;
	for (uint32_t i = 0; i < SMALL_TABLE; i++)
		mine += fake_dp_owner(dp.worker[0], 0, i) == backend(0, 1)->index;
	assert_false(attachment_is_unsettled(&at, &model));

	set_state(1, ADMIN_DRAINING);
	publish(false);
	assert_int_equal(slots_in(WEIR_SLOT_MOVING), mine);
	assert_int_equal(slots_in(WEIR_SLOT_SETTLED), SMALL_TABLE - mine);
	assert_int_equal(base_of(slot), backend(0, 1)->index);
	assert_true(is_open(slot, WEIR_MOVE_TCP) && is_open(slot, WEIR_MOVE_UDP));
	assert_true(since_of(slot) == (uint32_t)boot_ms);
	assert_int_equal(dp.worker[0]->view->pool[0].newest_ms, (uint32_t)boot_ms);
	assert_int_not_equal(fake_dp_owner(dp.worker[0], 0, slot), backend(0, 1)->index);
	assert_int_equal(moves_held_by(&model.pool[0]->moves, 1), mine);
	assert_true(attachment_is_unsettled(&at, &model));
	assert_in_force(dp.worker[1]);

	pin(1, slot, backend(0, 1)->index);
	assert_false(turn_after(UDP_MS - 1));
	assert_true(turn_after(1));
	assert_false(is_open(slot, WEIR_MOVE_UDP));
	assert_true(is_open(slot, WEIR_MOVE_TCP));
	assert_false(turn_after(TCP_MS - UDP_MS - 1));
	assert_true(turn_after(1));
	assert_int_equal(slots_in(WEIR_SLOT_PINNED), mine);
	assert_null(dp.worker[0]->view->pool[0].moves);
	assert_false(attachment_pins_of(&at, 1, &count)); /* not counted since */

	assert_true(turn_after(1000)); /* all but the slot with a pin */
	assert_int_equal(slots_in(WEIR_SLOT_PINNED), 1);
	assert_int_equal(state_of(slot), WEIR_SLOT_PINNED);
	assert_false(turn_after(1000));
	assert_true(attachment_pins_of(&at, 1, &count));
	assert_int_equal(count, 1);
	unpin(1, slot);
	assert_true(turn_after(1000));
	assert_int_equal(slots_in(WEIR_SLOT_SETTLED), SMALL_TABLE);
	assert_false(turn_after(1000));
	assert_true(attachment_pins_of(&at, 1, &count));
	assert_int_equal(count, 0);
	assert_int_equal(at.arena->used, used); /* move tables and old tables are free */
}

/* A worker that is behind may still make pins by the old table. */
static void nothing_is_settled_before_every_worker_has_the_table(void **state)
{
	uint32_t slot;

	(void)state;
	begin(1, 4);
	publish(false);
	slot = slot_of_b1();
	set_state(1, ADMIN_DRAINING);
	publish(false);
	boot_ms += TCP_MS;
	publish(true); /* worker 1 hangs */
	assert_int_equal(state_of(slot), WEIR_SLOT_PINNED);
	assert_false(turn_after(1000));
	table_view_poll(dp.worker[1]);
	poll_workers();
	assert_true(turn_after(1000));
	assert_int_equal(state_of(slot), WEIR_SLOT_SETTLED);
}

static void several_changes_before_the_first_has_settled(void **state)
{
	uint32_t slot, first;

	(void)state;
	begin(1, 4);
	publish(false);
	slot = slot_of_b1();
	set_state(1, ADMIN_DRAINING);
	publish(false);
	first = (uint32_t)boot_ms;
	for (unsigned i = 0; i < 3; i++) {
		int owner = fake_dp_owner(dp.worker[0], 0, slot);

		boot_ms += 5000;
		set_state((unsigned)owner, ADMIN_DRAINING); /* its index is its number here */
		publish(false);
		assert_int_equal(base_of(slot), backend(0, 1)->index);
		assert_true(since_of(slot) == first);
	}
	/* All four drain: nobody, and the first one keeps its flows. */
	assert_int_equal(fake_dp_owner(dp.worker[0], 0, slot), -1);
	assert_int_equal(slots_in(WEIR_SLOT_MOVING), SMALL_TABLE);

	for (unsigned i = 0; i < 4; i++)
		set_state(i, ADMIN_ENABLED);
	publish(false);
	assert_int_equal(state_of(slot), WEIR_SLOT_PINNED);
	assert_int_equal(fake_dp_owner(dp.worker[0], 0, slot), backend(0, 1)->index);
	assert_true(turn_after(1000));
	assert_int_equal(slots_in(WEIR_SLOT_SETTLED), SMALL_TABLE);
}

/* Goes and returns, again and again: the table is the old one whenever it is there, and
 * nothing of it is left in the end. */
static void a_backend_that_flaps(void **state)
{
	int before[SMALL_TABLE];

	(void)state;
	begin(1, 4);
	publish(false);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		before[slot] = fake_dp_owner(dp.worker[0], 0, slot);
	for (unsigned round = 0; round < 50; round++) {
		boot_ms += 700;
		backend(0, 2)->health = round % 2 ? HEALTH_UP : HEALTH_DOWN;
		publish(false);
		for (uint32_t slot = 0; slot < SMALL_TABLE && round % 2; slot++)
			assert_int_equal(fake_dp_owner(dp.worker[0], 0, slot), before[slot]);
		for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
			if (before[slot] != 2)
				assert_int_equal(state_of(slot), WEIR_SLOT_SETTLED);
			else if (round % 2 == 0) /* nothing leads to one that is down */
				assert_int_not_equal(state_of(slot), WEIR_SLOT_MOVING);
	}
	assert_true(turn_after(TCP_MS));
	assert_true(turn_after(1000));
	assert_int_equal(slots_in(WEIR_SLOT_SETTLED), SMALL_TABLE);
}

static void a_shortage_of_pins_puts_the_end_off(void **state)
{
	(void)state;
	begin(1, 4);
	publish(false);
	set_state(1, ADMIN_DRAINING);
	publish(false);
	boot_ms += 20000;
	atomic_store(&dp.state->worker[1].pins.pressure_ds, boot_ms / 100);
	assert_false(turn_after(UDP_MS - 101));
	assert_true(turn_after(101));
	/* Nonsense in the future counts for nothing. */
	atomic_store(&dp.state->worker[1].pins.pressure_ds, UINT64_MAX / 200);
	assert_true(turn_after(TCP_MS));
}

static void the_next_control_plane_goes_on_with_a_move(void **state)
{
	uint32_t slot, since, used;
	const char *why;

	(void)state;
	begin(1, 4);
	publish(false);
	slot = slot_of_b1();
	set_state(1, ADMIN_DRAINING);
	publish(false);
	since = since_of(slot);
	assert_true(turn_after(UDP_MS));
	used = at.arena->used;
	boot_ms += 10000;

	assert_int_equal(restart(&why), 1);
	assert_int_equal(at.arena->used, used);
	assert_true(model.pool[0]->moves.moving > 0);
	publish(false);
	assert_int_equal(state_of(slot), WEIR_SLOT_MOVING);
	assert_int_equal(base_of(slot), backend(0, 1)->index);
	assert_false(is_open(slot, WEIR_MOVE_UDP));
	assert_true(is_open(slot, WEIR_MOVE_TCP));
	assert_true(since_of(slot) == since);
	assert_false(turn_after(TCP_MS - UDP_MS - 10001));
	assert_true(turn_after(1));
	assert_int_equal(state_of(slot), WEIR_SLOT_PINNED);

	assert_int_equal(restart(&why), 1); /* and with what is pinned */
	pin(0, slot, backend(0, 1)->index);
	assert_true(turn_after(1000));
	assert_int_equal(state_of(slot), WEIR_SLOT_PINNED);
	assert_int_equal(slots_in(WEIR_SLOT_PINNED), 1);
}

static void a_new_data_plane_gets_the_moves_as_they_stand(void **state)
{
	uint32_t slot, since;
	const char *why;

	(void)state;
	begin(1, 4);
	publish(false);
	slot = slot_of_b1();
	set_state(1, ADMIN_DRAINING);
	publish(false);
	since = since_of(slot);
	boot_ms += 5000;

	attachment_close(&at);
	fake_dp_close(&dp);
	fake_dp_open(&dp, WORKERS, BLOCKS);
	assert_int_equal(attach(&why), 0);
	publish(false);
	assert_int_equal(state_of(slot), WEIR_SLOT_MOVING);
	assert_int_equal(base_of(slot), backend(0, 1)->index);
	assert_true(since_of(slot) == since);
}

/* Pins name their pool by its index: it stays when a pool before it goes. */
static void a_pool_that_goes_does_not_disturb_those_behind_it(void **state)
{
	uint32_t slot = 0, index;
	const char *why;

	(void)state;
	begin(3, 4);
	publish(false);
	index = model.pool[1]->index;
	small_backend[1][1].admin = ADMIN_DRAINING;
	small_apply(&model);
	publish(false);
	while (!(model.pool[1]->moves.state[slot] & MOVES_TCP))
		slot++;

	for (unsigned p = 0; p < 2; p++) { /* the first goes, the others move up */
		char name[WEIR_NAME_LEN];

		memcpy(small_backend[p], small_backend[p + 1], sizeof(small_backend[p]));
		memcpy(name, small_pool[p + 1].name, sizeof(name));
		memcpy(small_pool[p].name, name, sizeof(name));
		memcpy(small_service[p].pool, name, sizeof(name));
	}
	small_conf.pool_count = small_conf.service_count = 2;
	small_apply(&model);
	publish(false);
	assert_int_equal(model.pool[0]->index, index);
	assert_int_equal(model.pool[0]->moves.moving > 0, true);
	assert_int_equal(dp.worker[0]->view->pool_count, 3);
	assert_int_equal(weir_slot_state(dp.worker[0]->view->pool[index].slot[slot]),
			 WEIR_SLOT_MOVING);
	assert_in_force(dp.worker[1]);

	assert_int_equal(restart(&why), 1); /* the gap is no pool's */
	assert_int_equal(model.pool[0]->index, index);
	assert_int_equal(model.pool[0]->moves.moving > 0, true);
	publish(false);
	assert_in_force(dp.worker[0]);
}

static void an_index_rests_as_long_as_a_pin_names_it(void **state)
{
	uint32_t slot;

	(void)state;
	begin(1, 4);
	publish(false);
	slot = slot_of_b1();
	pin(1, slot, 1);
	small_name(0, 1, 77); /* b1 goes, b77 comes */
	small_apply(&model);
	small_all_up(&model);
	publish(false);
	assert_int_equal(backend(0, 1)->index, 4);
	assert_int_equal(attachment_reclaim(&at, &model) & FREED_INDICES, 0);
	assert_true(attachment_is_unsettled(&at, &model));
	unpin(1, slot);
	assert_int_equal(attachment_reclaim(&at, &model) & FREED_INDICES, FREED_INDICES);
}

static unsigned slots_of(int32_t index)
{
	unsigned n = 0;

	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		n += fake_dp_owner(dp.worker[0], 0, slot) == index;
	return n;
}

static void a_slow_start_goes_on_after_a_restart(void **state)
{
	const char *why;
	unsigned part, whole;

	(void)state;
	begin(1, 4);
	small_pool[0].slow_start_s = 16;
	small_apply(&model);
	publish(false);
	whole = slots_of(1);
	backend(0, 1)->health = HEALTH_DOWN;
	publish(false);
	assert_int_equal(slots_of(1), 0);
	backend(0, 1)->health = HEALTH_UP;
	publish(false);
	assert_false(turn_after(999));
	for (unsigned second = 1; second < 8; second++) {
		part = slots_of(1);
		assert_true(turn_after(second == 1 ? 1 : 1000));
		assert_true(slots_of(1) > part);
	}
	part = slots_of(1);
	assert_true(part < whole * 3 / 4);

	assert_int_equal(restart(&why), 1);
	publish(false);
	assert_int_equal(slots_of(1), part);
	for (unsigned second = 8; second < 16; second++)
		assert_true(turn_after(1000));
	assert_int_equal(slots_of(1), whole);
	assert_int_equal(restart(&why), 1); /* it has served: nothing begins anew */
	publish(false);
	assert_int_equal(slots_of(1), whole);
}

/* Nobody bears load for others yet: whoever is first found to be up takes its whole share,
 * however far apart the first checks end. */
static void the_first_of_a_pool_take_their_share_at_once(void **state)
{
	(void)state;
	begin(1, 4);
	small_pool[0].slow_start_s = 16;
	small_apply(&model);
	for (unsigned i = 0; i < 4; i++)
		backend(0, i)->health = HEALTH_PENDING;
	publish(false);
	assert_int_equal(slots_in(WEIR_SLOT_EMPTY), SMALL_TABLE);
	backend(0, 0)->health = HEALTH_UP;
	backend(0, 3)->health = HEALTH_DOWN;
	publish(false);
	assert_int_equal(slots_of(backend(0, 0)->index), SMALL_TABLE);
	backend(0, 1)->health = HEALTH_UP;
	publish(false);
	assert_in_range(slots_of(backend(0, 1)->index), SMALL_TABLE / 3, SMALL_TABLE);
	backend(0, 2)->health = HEALTH_UP;
	publish(false);
	assert_in_range(slots_of(backend(0, 2)->index), SMALL_TABLE / 4, SMALL_TABLE);
	backend(0, 3)->health = HEALTH_UP; /* the others bear its load */
	publish(false);
	assert_in_range(slots_of(backend(0, 3)->index), 1, SMALL_TABLE / 4 / 8);
}

static void who_returns_to_a_pool_without_anybody_takes_its_share_at_once(void **state)
{
	(void)state;
	begin(1, 4);
	small_pool[0].slow_start_s = 16;
	small_apply(&model);
	publish(false);
	for (unsigned i = 0; i < 4; i++)
		backend(0, i)->health = HEALTH_DOWN;
	publish(false);
	backend(0, 0)->health = backend(0, 1)->health = HEALTH_UP;
	publish(false);
	assert_false(attachment_turn(&at, &model, boot_ms + 1000)); /* no step is due */
	backend(0, 2)->health = HEALTH_UP;
	publish(false);
	assert_in_range(slots_of(backend(0, 2)->index), 1, SMALL_TABLE / 4 / 8);
}

/* Counts in moved[] the slots whose owner is another than in owner[], and updates that. */
static void count_moves(int owner[SMALL_TABLE], unsigned moved[SMALL_TABLE])
{
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++) {
		int now = fake_dp_owner(dp.worker[0], 0, slot);

		moved[slot] += now != owner[slot];
		owner[slot] = now;
	}
}

static void what_is_added_slowly_moves_each_slot_once_over_a_restart_too(void **state)
{
	int owner[SMALL_TABLE], before[SMALL_TABLE];
	unsigned moved[SMALL_TABLE] = { 0 };
	const char *why;

	(void)state;
	begin(1, 4);
	small_pool[0].slow_start_s = 16;
	small_apply(&model);
	publish(false);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		owner[slot] = fake_dp_owner(dp.worker[0], 0, slot);
	small_name(0, 4, 4);
	small_pool[0].backend_count = 5;
	small_apply(&model);
	small_all_up(&model);
	publish(false);
	for (unsigned second = 0; second < 15; second++) {
		count_moves(owner, moved);
		if (second == 8) {
			memcpy(before, owner, sizeof(before));
			assert_int_equal(restart(&why), 1);
			publish(false);
			count_moves(owner, moved);
			assert_memory_equal(owner, before, sizeof(before));
		}
		assert_true(slots_of(4) < SMALL_TABLE / 5);
		turn_after(1000);
	}
	count_moves(owner, moved);
	assert_in_range(slots_of(4), SMALL_TABLE / 5, SMALL_TABLE / 5 + 1);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		assert_in_range(moved[slot], 0, 1);
}

/* Publishing fails half-way: the moves are as the workers know them. */
static void a_full_arena_leaves_the_moves_alone(void **state)
{
	(void)state;
	begin(1, 4);
	/* 63 blocks: two tables of 20, but not the records of a quarter of it (32) besides. */
	small_pool[0].table_size = 40009;
	small_apply(&model);
	publish(false);
	set_state(1, ADMIN_DRAINING);
	assert_int_equal(attachment_publish(&at, &model, boot_ms), -ENOSPC);
	assert_int_equal(model.pool[0]->moves.moving, 0);
	set_state(1, ADMIN_ENABLED);
	publish(false);
	assert_int_equal(model.pool[0]->moves.moving + model.pool[0]->moves.pinned, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_drain_from_its_beginning_to_its_end),
		TEST(the_first_of_a_pool_take_their_share_at_once),
		TEST(who_returns_to_a_pool_without_anybody_takes_its_share_at_once),
		TEST(a_slow_start_goes_on_after_a_restart),
		TEST(what_is_added_slowly_moves_each_slot_once_over_a_restart_too),
		TEST(nothing_is_settled_before_every_worker_has_the_table),
		TEST(several_changes_before_the_first_has_settled),
		TEST(a_backend_that_flaps),
		TEST(a_shortage_of_pins_puts_the_end_off),
		TEST(the_next_control_plane_goes_on_with_a_move),
		TEST(a_new_data_plane_gets_the_moves_as_they_stand),
		TEST(a_pool_that_goes_does_not_disturb_those_behind_it),
		TEST(an_index_rests_as_long_as_a_pin_names_it),
		TEST(a_full_arena_leaves_the_moves_alone),
	};

	return cmocka_run_group_tests_name("settling", tests, NULL, NULL);
}
