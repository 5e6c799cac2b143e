// SPDX-License-Identifier: Apache-2.0
/*
 * The control plane's end against the worker's real one (dataplane/table_view.c).
 */
#include "worker_link.h"

#include "fake_dp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BLOCKS = 16, NOW = 5000 };

static struct fake_dp dp;
static struct worker_link l;

static int setup(void **state)
{
	(void)state;
	fake_dp_open(&dp, 1, BLOCKS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_dp_close(&dp);
	return 0;
}

static void open_link(void)
{
	fake_dp_session(&dp);
	worker_link_open(&l, &dp.control->worker[0], &dp.state->worker[0], dp.view.session, NOW);
}

static void join(void)
{
	open_link();
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW), LINK_JOINED);
}

/* The smallest snapshot that a worker takes, in a block of its own. */
static uint32_t snapshot(uint32_t block, uint64_t generation)
{
	uint32_t offset = block * WEIR_BLOCK;
	uint32_t behind = offset + sizeof(struct weir_snapshot);
	struct weir_snapshot s = { .magic = WEIR_SNAPSHOT_MAGIC,
				   .generation = generation,
				   .size = WEIR_BLOCK,
				   .lookup_bits = WEIR_LOOKUP_MIN_BITS,
				   .lookup_off = behind,
				   .pool_off = behind,
				   .backend_off = behind,
				   .cold_off = behind,
				   .vip_off = behind };

	memset(dp.control->arena + offset, 0, WEIR_BLOCK);
	memcpy(dp.control->arena + offset, &s, sizeof(s));
	return offset;
}

static void nothing_is_sent_before_the_worker_has_joined(void **state)
{
	(void)state;
	open_link();
	assert_int_equal(worker_link_poll(&l, NOW), 0);
	assert_false(worker_link_send(&l, 1, snapshot(1, 1), NOW));
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW), LINK_JOINED);
	assert_true(worker_link_send(&l, 1, snapshot(1, 1), NOW));
}

static void a_taken_snapshot_is_seen(void **state)
{
	(void)state;
	join();
	assert_true(worker_link_send(&l, 7, snapshot(1, 7), NOW));
	assert_int_equal(worker_link_poll(&l, NOW), 0);
	assert_int_equal(l.sent, 7);
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW), LINK_TAKEN);
	assert_int_equal(l.seen, 7);
	assert_int_equal(l.sent, 0);
}

static void one_snapshot_is_on_its_way_at_a_time(void **state)
{
	(void)state;
	join();
	assert_true(worker_link_send(&l, 7, snapshot(1, 7), NOW));
	assert_false(worker_link_send(&l, 8, snapshot(2, 8), NOW));
	fake_dp_step(&dp);
	worker_link_poll(&l, NOW);
	assert_true(worker_link_send(&l, 8, snapshot(2, 8), NOW));
}

static void a_refusal_says_why(void **state)
{
	(void)state;
	join();
	snapshot(1, 7);
	((struct weir_snapshot *)(dp.control->arena + WEIR_BLOCK))->lookup_bits = 99;
	assert_true(worker_link_send(&l, 7, WEIR_BLOCK, NOW));
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW), LINK_REFUSED);
	assert_int_equal(l.refused, 7);
	assert_int_equal(l.why, WEIR_REJECT_SIZE);
	assert_int_equal(l.seen, 0);
	assert_true(worker_link_send(&l, 8, snapshot(2, 8), NOW));
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW), LINK_TAKEN);
	assert_int_equal(l.refused, 0);
}

static void a_worker_is_late_after_a_second_and_can_come_back(void **state)
{
	(void)state;
	join();
	worker_link_send(&l, 7, snapshot(1, 7), NOW);
	assert_int_equal(worker_link_poll(&l, NOW + 999), 0);
	assert_int_equal(worker_link_poll(&l, NOW + 1000), LINK_LATE);
	assert_true(l.late);
	assert_int_equal(worker_link_poll(&l, NOW + 9000), 0); /* said once */
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW + 9001), LINK_TAKEN | LINK_BACK);
	assert_false(l.late);
}

static void a_worker_that_does_not_join_is_late_too(void **state)
{
	(void)state;
	open_link();
	assert_int_equal(worker_link_poll(&l, NOW + 1000), LINK_LATE);
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW + 2000), LINK_JOINED | LINK_BACK);
}

/* The last control plane left positions and messages behind, right or wrong. */
static void a_session_begins_with_fresh_rings(void **state)
{
	(void)state;
	join();
	for (uint64_t g = 1; g <= 300; g++) { /* once around */
		worker_link_send(&l, g, snapshot(1 + g % 2, g), NOW);
		fake_dp_step(&dp);
		worker_link_poll(&l, NOW);
	}
	assert_int_equal(l.seen, 300);
	worker_link_send(&l, 301, snapshot(2, 301), NOW); /* and it is killed */

	open_link();
	assert_int_equal(l.seen, 300);
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW), LINK_JOINED);
	fake_dp_step(&dp);
	assert_int_equal(dp.worker[0]->view->generation, 300); /* 301 died with its ring */
	assert_true(worker_link_send(&l, 302, snapshot(2, 302), NOW));
	fake_dp_step(&dp);
	assert_int_equal(worker_link_poll(&l, NOW), LINK_TAKEN);
	assert_int_equal(l.seen, 302);
}

/* Our half of the reply ring is written over: replies are lost, nothing else. */
static void a_corrupted_reply_head_delays_nothing(void **state)
{
	static const uint32_t wrong[] = { 1, 255, 256, 257, UINT32_MAX, 0x80000000 };
	uint64_t g = 1;

	(void)state;
	join();
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++, g++) {
		atomic_store(&dp.control->worker[0].reply_head, wrong[i]);
		assert_true(worker_link_send(&l, g, snapshot(1 + i % 2, g), NOW));
		fake_dp_step(&dp);
		assert_true(worker_link_poll(&l, NOW) & LINK_TAKEN);
		assert_int_equal(l.seen, g);
		assert_int_equal(l.sent, 0);
	}
}

/* A data plane that has gone mad fills its half: bounded work, and no refusal of what
 * was not sent. */
static void a_ring_of_nonsense_is_read_and_passed_over(void **state)
{
	struct weir_ring *r = &dp.state->worker[0].reply;

	(void)state;
	join();
	memset(r->msg, 0xa5, sizeof(r->msg));
	for (unsigned i = 0; i < WEIR_RING_SLOTS; i += 2)
		r->msg[i] = (struct weir_msg){ WEIR_MSG_REJECTED, 1, i };
	atomic_store(&r->tail, 0x12345678);
	assert_int_equal(worker_link_poll(&l, NOW), 0);
	assert_int_equal(dp.control->worker[0].reply_head, WEIR_RING_SLOTS);
	assert_int_equal(l.refused, 0);
}

/* The worker's position in our ring is nonsense: what cannot be sent is kept. */
static void a_full_ring_is_no_loss(void **state)
{
	(void)state;
	join();
	atomic_store(&dp.state->worker[0].cmd_head, 0x7fffffff);
	assert_false(worker_link_send(&l, 7, snapshot(1, 7), NOW));
	assert_int_equal(l.sent, 0);
	atomic_store(&dp.state->worker[0].cmd_head, 0);
	assert_true(worker_link_send(&l, 7, snapshot(1, 7), NOW));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_sent_before_the_worker_has_joined),
		TEST(a_taken_snapshot_is_seen),
		TEST(one_snapshot_is_on_its_way_at_a_time),
		TEST(a_refusal_says_why),
		TEST(a_worker_is_late_after_a_second_and_can_come_back),
		TEST(a_worker_that_does_not_join_is_late_too),
		TEST(a_session_begins_with_fresh_rings),
		TEST(a_corrupted_reply_head_delays_nothing),
		TEST(a_ring_of_nonsense_is_read_and_passed_over),
		TEST(a_full_ring_is_no_loss),
	};

	return cmocka_run_group_tests_name("worker_link", tests, NULL, NULL);
}
