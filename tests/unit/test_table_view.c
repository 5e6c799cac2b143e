// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "arena.h"

/* Both memories, and the control plane's side of the session. */
static struct weir_worker_area *area;
static struct weir_control_worker *control;
static uint8_t *arena;
static struct worker *w;

static void *zeroed(size_t size)
{
	return memset(aligned_alloc(WEIR_BLOCK, (size + WEIR_BLOCK - 1) / WEIR_BLOCK * WEIR_BLOCK),
		      0, size);
}

static int setup(void **state)
{
	(void)state;
	area = zeroed(sizeof(*area));
	control = zeroed(sizeof(*control));
	arena = zeroed(ARENA_SIZE);
	w = zeroed(sizeof(*w));
	w->area = area;
	w->control = control;
	w->arena = arena;
	w->arena_size = ARENA_SIZE;
	view_none(&w->views[0]);
	w->view = &w->views[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(area);
	free(control);
	free(arena);
	free(w);
	return 0;
}

static void store(_Atomic uint32_t *to, uint32_t value)
{
	atomic_store_explicit(to, value, memory_order_release);
}

/* A session both sides know of. */
static void attach(uint32_t session)
{
	store(&w->session, session);
	table_view_poll(w);
	store(&control->cmd.tail, 0);
	store(&control->reply_head, 0);
	store(&control->session, session);
}

static void send(uint32_t type, uint32_t arg, uint64_t generation)
{
	const struct weir_msg m = { .type = type, .arg = arg, .generation = generation };

	assert_int_equal(weir_ring_push(&control->cmd, &area->cmd_head, &m), 0);
}

static void expect_reply(uint32_t type, uint32_t arg, uint64_t generation)
{
	struct weir_msg m;

	assert_int_equal(weir_ring_pop(&area->reply, &control->reply_head, &m), 1);
	assert_int_equal(m.type, type);
	assert_int_equal(m.arg, arg);
	assert_int_equal(m.generation, generation);
}

static void expect_no_reply(void)
{
	struct weir_msg m;

	assert_int_equal(weir_ring_pop(&area->reply, &control->reply_head, &m), 0);
}

static void a_snapshot_is_taken_and_acknowledged(void **state)
{
	(void)state;
	attach(1);
	arena_fill(arena, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	assert_int_equal(w->view->generation, 5);
	assert_int_equal(area->seen_generation, 5);
	assert_int_equal(area->seen_offset, ARENA_FIRST);
	expect_reply(WEIR_MSG_TAKEN, ARENA_FIRST, 5);
	expect_no_reply();
}

static void the_view_in_force_is_left_alone_by_a_bad_one(void **state)
{
	const struct view *before;

	(void)state;
	attach(1);
	arena_fill(arena, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	expect_reply(WEIR_MSG_TAKEN, ARENA_FIRST, 5);
	before = w->view;

	arena_fill(arena, ARENA_SECOND, 6);
	arena_pools(arena, ARENA_SECOND)[2].table_off = UINT32_MAX;
	send(WEIR_MSG_SNAPSHOT, ARENA_SECOND, 6);
	table_view_poll(w);
	expect_reply(WEIR_MSG_REJECTED, WEIR_REJECT_TABLE, 6);
	assert_ptr_equal(w->view, before);
	assert_int_equal(w->view->generation, 5);
	assert_int_equal(area->seen_generation, 5);
	assert_int_equal(area->seen_offset, ARENA_FIRST);
	assert_ptr_equal(w->view->lookup, arena + arena_snapshot(arena, ARENA_FIRST)->lookup_off);
}

static void of_several_snapshots_only_the_last_is_taken(void **state)
{
	(void)state;
	attach(1);
	arena_fill(arena, ARENA_FIRST, 5);
	arena_fill(arena, ARENA_SECOND, 6);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_SECOND, 6);
	table_view_poll(w);
	assert_int_equal(w->view->generation, 6);
	expect_reply(WEIR_MSG_TAKEN, ARENA_SECOND, 6);
	expect_no_reply();
}

static void an_old_or_far_generation_is_refused_with_its_reason(void **state)
{
	(void)state;
	attach(1);
	arena_fill(arena, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	expect_reply(WEIR_MSG_TAKEN, ARENA_FIRST, 5);

	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	expect_reply(WEIR_MSG_REJECTED, WEIR_REJECT_STALE, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 6 + WEIR_GENERATION_JUMP);
	table_view_poll(w);
	expect_reply(WEIR_MSG_REJECTED, WEIR_REJECT_JUMP, 6 + WEIR_GENERATION_JUMP);
	assert_int_equal(area->seen_generation, 5);
}

static void unknown_messages_are_passed_by(void **state)
{
	(void)state;
	attach(1);
	arena_fill(arena, ARENA_FIRST, 5);
	send(0, 0, 0);
	send(99, 1, 2);
	send(WEIR_MSG_TAKEN, 1, 2);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	send(UINT32_MAX, UINT32_MAX, UINT64_MAX);
	table_view_poll(w);
	expect_reply(WEIR_MSG_TAKEN, ARENA_FIRST, 5);
	expect_no_reply();
}

static void a_full_reply_ring_loses_replies_and_nothing_else(void **state)
{
	(void)state;
	attach(1);
	for (unsigned i = 0; i < WEIR_RING_SLOTS; i++) {
		send(WEIR_MSG_SNAPSHOT, UINT32_MAX, 1);
		table_view_poll(w);
	}
	arena_fill(arena, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	assert_int_equal(area->seen_generation, 5);
	for (unsigned i = 0; i < WEIR_RING_SLOTS; i++)
		expect_reply(WEIR_MSG_REJECTED, WEIR_REJECT_OFFSET, 1);
	expect_no_reply();
}

static void without_a_session_the_rings_are_left_alone(void **state)
{
	(void)state;
	arena_fill(arena, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	assert_int_equal(area->seen_generation, 0);
	assert_int_equal(area->cmd_head, 0);

	/* told of one, but the control plane has not zeroed its positions yet */
	store(&w->session, 1);
	table_view_poll(w);
	assert_int_equal(area->session_seen, 1);
	assert_int_equal(area->seen_generation, 0);
	assert_int_equal(area->cmd_head, 0);

	store(&control->session, 1);
	table_view_poll(w);
	assert_int_equal(area->seen_generation, 5);
}

static void a_new_session_starts_with_empty_rings_and_the_old_view(void **state)
{
	(void)state;
	attach(1);
	arena_fill(arena, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	send(WEIR_MSG_SNAPSHOT, ARENA_SECOND, 6); /* its sender dies */

	attach(2);
	assert_int_equal(area->session_seen, 2);
	assert_int_equal(area->cmd_head, 0);
	assert_int_equal(area->reply.tail, 0);
	table_view_poll(w);
	expect_no_reply();
	assert_int_equal(w->view->generation, 5);
	assert_int_equal(area->seen_generation, 5);

	arena_fill(arena, ARENA_SECOND, 7);
	send(WEIR_MSG_SNAPSHOT, ARENA_SECOND, 7);
	table_view_poll(w);
	expect_reply(WEIR_MSG_TAKEN, ARENA_SECOND, 7);
}

/* A peer that writes anything over its memory: each call ends, and what is in
 * force stays in range. */
static void nonsense_in_the_control_memory_ends_in_refusals(void **state)
{
	uint8_t *byte = (uint8_t *)control;

	(void)state;
	attach(1);
	arena_fill(arena, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	srandom(20167);
	for (unsigned round = 0; round < 2000; round++) {
		uint32_t head = area->cmd_head;

		for (size_t i = 0; i < sizeof(*control); i++)
			byte[i] = (uint8_t)random();
		store(&control->session, 1);
		for (unsigned i = 0; i < WEIR_RING_SLOTS; i += 1 + (unsigned)random() % 8)
			control->cmd.msg[i] = (struct weir_msg){
				.type = WEIR_MSG_SNAPSHOT,
				.arg = (uint32_t)random() % 16 * WEIR_BLOCK,
				.generation = 6 + (uint64_t)random() % 100,
			};
		table_view_poll(w);
		assert_true(area->cmd_head - head <= WEIR_RING_SLOTS);
		assert_int_equal(w->view->generation, 5);
		assert_int_equal(area->seen_generation, 5);
	}
}

static void a_copy_is_what_the_worker_has_in_force(void **state)
{
	struct view *copy = zeroed(sizeof(*copy));

	(void)state;
	assert_int_equal(table_view_copy(w, copy), WEIR_REJECT_STALE);
	attach(1);
	arena_fill(arena, ARENA_FIRST, 5);
	send(WEIR_MSG_SNAPSHOT, ARENA_FIRST, 5);
	table_view_poll(w);
	assert_int_equal(table_view_copy(w, copy), WEIR_REJECT_NONE);
	assert_int_equal(copy->generation, 5);
	assert_int_equal(copy->offset, ARENA_FIRST);
	assert_ptr_equal(copy->backend, w->view->backend);
	assert_int_equal(w->view->generation, 5);

	arena_snapshot(arena, ARENA_FIRST)->magic = 0; /* written over behind our back */
	assert_int_equal(table_view_copy(w, copy), WEIR_REJECT_MAGIC);
	free(copy);
}

#define GENERATIONS 20000

/* A control plane that writes a block only when no worker can see it. */
static void *publisher(void *arg)
{
	(void)arg;
	for (uint64_t g = 1; g <= GENERATIONS; g++) {
		uint32_t offset = g % 2 ? ARENA_FIRST : ARENA_SECOND;
		struct weir_msg m = { WEIR_MSG_SNAPSHOT, offset, g };

		/* The block held generation g - 2: free when g - 1 has been seen. */
		while (atomic_load_explicit(&area->seen_generation, memory_order_acquire) + 1 < g)
			sched_yield();
		arena_snapshot(arena, offset)->generation = g;
		arena_snapshot(arena, offset)->flow_seed = g * 3;
		while (weir_ring_push(&control->cmd, &area->cmd_head, &m) != 0)
			sched_yield();
		while (weir_ring_pop(&area->reply, &control->reply_head, &m))
			;
	}
	return NULL;
}

/* Two threads, for ThreadSanitizer: no block is read while it is written. */
static void blocks_change_hands_by_the_acknowledgement(void **state)
{
	pthread_t thread;

	(void)state;
	attach(1);
	arena_fill(arena, ARENA_FIRST, 0);
	arena_fill(arena, ARENA_SECOND, 0);
	assert_int_equal(pthread_create(&thread, NULL, publisher, NULL), 0);
	while (w->view->generation < GENERATIONS) {
		const struct view *before = w->view;

		table_view_poll(w);
		if (w->view == before) {
			sched_yield();
			continue;
		}
		assert_int_equal(w->view->generation, before->generation + 1);
		assert_true(w->view->flow_seed == w->view->generation * 3);
	}
	pthread_join(thread, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_snapshot_is_taken_and_acknowledged),
		TEST(the_view_in_force_is_left_alone_by_a_bad_one),
		TEST(of_several_snapshots_only_the_last_is_taken),
		TEST(an_old_or_far_generation_is_refused_with_its_reason),
		TEST(unknown_messages_are_passed_by),
		TEST(a_full_reply_ring_loses_replies_and_nothing_else),
		TEST(without_a_session_the_rings_are_left_alone),
		TEST(a_new_session_starts_with_empty_rings_and_the_old_view),
		TEST(nonsense_in_the_control_memory_ends_in_refusals),
		TEST(a_copy_is_what_the_worker_has_in_force),
		TEST(blocks_change_hands_by_the_acknowledgement),
	};

	return cmocka_run_group_tests_name("table_view", tests, NULL, NULL);
}
