// SPDX-License-Identifier: Apache-2.0
/*
 * The rings of common/shm.h, at the edge where positions wrap around and between
 * two threads; the latter is also run under ThreadSanitizer.
 */
#include "shm.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct weir_ring ring;
static _Atomic uint32_t head;

/* Two short of wrap-around: every test crosses it. */
static int setup(void **state)
{
	(void)state;
	ring = (struct weir_ring){ .tail = UINT32_MAX - 1 };
	head = UINT32_MAX - 1;
	return 0;
}

static void an_empty_ring_gives_nothing(void **state)
{
	struct weir_msg m = { .generation = 7 };

	(void)state;
	assert_int_equal(weir_ring_pop(&ring, &head, &m), 0);
	assert_int_equal(m.generation, 7); /* untouched */
	assert_int_equal(head, UINT32_MAX - 1);
}

static void a_full_ring_refuses_and_keeps_the_order(void **state)
{
	struct weir_msg m = { .type = WEIR_MSG_SNAPSHOT };

	(void)state;
	for (uint64_t g = 0; g < WEIR_RING_SLOTS; g++) {
		m.generation = g;
		m.arg = (uint32_t)~g;
		assert_int_equal(weir_ring_push(&ring, &head, &m), 0);
	}
	assert_int_equal(weir_ring_push(&ring, &head, &m), -EAGAIN);

	for (uint64_t g = 0; g < WEIR_RING_SLOTS; g++) {
		assert_int_equal(weir_ring_pop(&ring, &head, &m), 1);
		assert_int_equal(m.type, WEIR_MSG_SNAPSHOT);
		assert_int_equal(m.generation, g);
		assert_int_equal(m.arg, (uint32_t)~g);
	}
	assert_int_equal(weir_ring_pop(&ring, &head, &m), 0);
}

static void one_taken_makes_room_for_one(void **state)
{
	struct weir_msg m = { 0 };

	(void)state;
	for (unsigned i = 0; i < WEIR_RING_SLOTS; i++)
		assert_int_equal(weir_ring_push(&ring, &head, &m), 0);
	assert_int_equal(weir_ring_pop(&ring, &head, &m), 1);
	assert_int_equal(weir_ring_push(&ring, &head, &m), 0);
	assert_int_equal(weir_ring_push(&ring, &head, &m), -EAGAIN);
}

/* A consumer's position that no honest consumer can have: behind by more than the
 * ring holds, or ahead of the producer. */
static void a_nonsensical_head_only_stops_the_producer(void **state)
{
	static const uint32_t beyond[] = { WEIR_RING_SLOTS + 1, 1u << 31, UINT32_MAX };
	struct weir_msg m = { 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		struct weir_ring before = ring;

		head = ring.tail - beyond[i];
		assert_int_equal(weir_ring_push(&ring, &head, &m), -EAGAIN);
		assert_memory_equal(&ring, &before, sizeof(ring));
	}
}

/* The producer's position means nothing to where the consumer reads: with a guard
 * on both sides of the ring nothing but its messages can come out. */
static void a_nonsensical_tail_reads_only_the_ring(void **state)
{
	static struct {
		struct weir_msg before[WEIR_RING_SLOTS];
		struct weir_ring ring;
		struct weir_msg behind[WEIR_RING_SLOTS];
	} guarded;
	struct weir_msg m;

	(void)state;
	for (unsigned i = 0; i < WEIR_RING_SLOTS; i++) {
		guarded.before[i].type = guarded.behind[i].type = 666;
		guarded.ring.msg[i].type = i;
	}
	guarded.ring.tail = 0x12345678;
	for (unsigned i = 0; i < 4 * WEIR_RING_SLOTS; i++) {
		uint32_t at = head % WEIR_RING_SLOTS;

		assert_int_equal(weir_ring_pop(&guarded.ring, &head, &m), 1);
		assert_int_equal(m.type, at);
	}
}

#define MESSAGES 200000u

static void *produce(void *arg)
{
	(void)arg;
	for (uint32_t n = 0; n < MESSAGES;) {
		/* Three fields that tell on each other. */
		struct weir_msg m = { .type = n, .arg = ~n, .generation = (uint64_t)n << 32 | n };

		if (weir_ring_push(&ring, &head, &m) == 0)
			n++;
		else
			sched_yield();
	}
	return NULL;
}

static void two_threads_pass_every_message_whole_and_in_order(void **state)
{
	struct weir_msg m;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, NULL), 0);
	for (uint32_t n = 0; n < MESSAGES;) {
		if (weir_ring_pop(&ring, &head, &m) == 0) {
			sched_yield();
			continue;
		}
		assert_int_equal(m.type, n);
		assert_int_equal(m.arg, ~n);
		assert_int_equal(m.generation, (uint64_t)n << 32 | n);
		n++;
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(weir_ring_pop(&ring, &head, &m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_empty_ring_gives_nothing, setup),
		cmocka_unit_test_setup(a_full_ring_refuses_and_keeps_the_order, setup),
		cmocka_unit_test_setup(one_taken_makes_room_for_one, setup),
		cmocka_unit_test_setup(a_nonsensical_head_only_stops_the_producer, setup),
		cmocka_unit_test_setup(a_nonsensical_tail_reads_only_the_ring, setup),
		cmocka_unit_test_setup(two_threads_pass_every_message_whole_and_in_order, setup),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
