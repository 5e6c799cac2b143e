// SPDX-License-Identifier: Apache-2.0
/*
 * The publisher on a real loop, with workers that are stepped once a turn of it, or run
 * on threads of their own.
 */
#include "publish.h"

#include "fake_dp.h"
#include "log.h"
#include "small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

enum { WORKERS = 2, BLOCKS = 256 };

static uv_loop_t loop;
static uv_idle_t idle;
static uv_timer_t watchdog;
static struct fake_dp dp;
static struct model model;
static struct publisher *p;
static bool hang[WORKERS]; /* worker i does not answer */

static void step(uv_idle_t *h)
{
	(void)h;
	for (unsigned i = 0; i < WORKERS; i++)
		if (!hang[i])
			table_view_poll(dp.worker[i]);
}

static void too_long(uv_timer_t *t)
{
	(void)t;
	fail_msg("waited for 20 s");
}

static int setup(void **state)
{
	(void)state;
	log_init("test", LOG_LVL_ERROR); /* of which two are provoked here */
	uv_loop_init(&loop);
	uv_idle_init(&loop, &idle);
	uv_idle_start(&idle, step);
	uv_timer_init(&loop, &watchdog);
	uv_timer_start(&watchdog, too_long, 20000, 0);
	memset(hang, 0, sizeof(hang));
	model = (struct model){ 0 };
	fake_dp_open(&dp, WORKERS, BLOCKS);
	return publisher_create(&loop, &model, &p);
}

static int teardown(void **state)
{
	(void)state;
	if (p != NULL)
		publisher_destroy(p);
	uv_close((uv_handle_t *)&idle, NULL);
	uv_close((uv_handle_t *)&watchdog, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	small_free(&model);
	fake_dp_close(&dp);
	return 0;
}

static struct publish_status status(void)
{
	struct publish_status s;

	publish_status(p, &s);
	return s;
}

static struct backend *backend(unsigned i)
{
	return model.pool[0]->backend[i];
}

static void configure(unsigned backends)
{
	small_configure(1, backends);
	assert_int_equal(small_apply(&model), 0);
	small_all_up(&model);
}

static void attach(void)
{
	fake_dp_session(&dp);
	publisher_attach(p, &dp.view);
}

static void run_until_generation(uint64_t generation)
{
	while (dp.worker[0]->view->generation < generation)
		uv_run(&loop, UV_RUN_ONCE);
}

/* A publish_request_wait() and what became of it. */
struct answer {
	unsigned calls;
	int status;
	char why[512];
};

static void done(void *user, int result, const char *why)
{
	struct answer *a = user;

	a->calls++;
	a->status = result;
	snprintf(a->why, sizeof(a->why), "%s", why ? why : "");
}

static struct answer request_and_wait(unsigned timeout_ms)
{
	struct answer a = { 0 };

	publish_request_wait(p, timeout_ms, done, &a);
	assert_int_equal(a.calls, 0); /* never from inside */
	while (a.calls == 0)
		uv_run(&loop, UV_RUN_ONCE);
	return a;
}

/* Likewise for a change that workers were told of: on a busy machine the time may be over
 * before. */
static struct answer tell_and_wait(unsigned timeout_ms)
{
	struct answer a;

	do
		a = request_and_wait(timeout_ms);
	while (strcmp(a.why, "it is not published yet") == 0);
	return a;
}

/* -- when ------------------------------------------------------------------- */

static void an_empty_data_plane_is_filled_at_once(void **state)
{
	(void)state;
	configure(10);
	publish_request(p); /* before there is one: kept */
	attach();
	run_until_generation(1);
	assert_true(status().attached);
	assert_false(status().held);
	assert_int_equal(status().generation, 1);
	assert_true(status().published_ms > 0);
}

static void requests_of_a_turn_go_together(void **state)
{
	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	for (unsigned i = 0; i < 100; i++)
		publish_request(p);
	assert_int_equal(request_and_wait(5000).status, 0);
	assert_int_equal(status().generation, 2);
	assert_true(status().last_latency_us > 0);
}

/* After a quiet time the first is published at once, what follows within 20 ms at its end. */
static void a_burst_makes_two_generations(void **state)
{
	uint64_t quiet, first;

	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	for (quiet = uv_hrtime(); uv_hrtime() - quiet < 30000000;)
		uv_run(&loop, UV_RUN_NOWAIT);

	first = uv_hrtime();
	publish_request(p);
	uv_run(&loop, UV_RUN_NOWAIT);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(status().generation, 2);
	while (uv_hrtime() - first < 10000000) {
		publish_request(p);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	if (uv_hrtime() - first < 19000000) /* a busy machine may have let more time go by */
		assert_int_equal(status().generation, 2);
	assert_int_equal(request_and_wait(5000).status, 0);
	assert_true(uv_hrtime() - first >= 19000000);
}

static void an_answer_comes_when_every_worker_has_it(void **state)
{
	struct answer a = { 0 };

	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	hang[1] = true;
	publish_request_wait(p, 10000, done, &a);
	run_until_generation(2);
	for (unsigned i = 0; i < 50; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(a.calls, 0);
	hang[1] = false;
	while (a.calls == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(a.status, 0);
	assert_int_equal(dp.worker[1]->view->generation, 2);
}

static void a_worker_that_does_not_answer_is_named(void **state)
{
	struct answer a;

	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	hang[1] = true;
	a = tell_and_wait(30);
	assert_int_equal(a.status, -ETIMEDOUT);
	assert_string_equal(a.why, "does not answer: worker 1 (CPU 11)");
	while (!status().worker[1].late)
		uv_run(&loop, UV_RUN_ONCE);
	assert_false(status().worker[0].late);
	assert_int_equal(status().worker[1].seen_generation, 1);

	publish_request(p); /* the other one goes on */
	run_until_generation(status().generation + 1);
	hang[1] = false;
	a = request_and_wait(5000);
	assert_int_equal(a.status, 0);
	assert_false(status().worker[1].late);
}

static void a_refusal_is_told_and_tried_again(void **state)
{
	struct answer a;

	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	/* As if the memory between them were broken: worker 1 sees another arena. */
	dp.worker[1]->arena_size = WEIR_BLOCK;
	a = request_and_wait(500); /* before it is tried again */
	assert_int_equal(a.status, -ETIMEDOUT);
	assert_string_equal(a.why, "refuses it: worker 1 (CPU 11)");
	assert_string_equal(status().worker[1].rejected,
			    "generation 2: snapshot lies outside the arena or is misaligned");
	dp.worker[1]->arena_size = dp.view.arena_size;
	while (dp.worker[1]->view->generation < 3)
		uv_run(&loop, UV_RUN_ONCE);
	while (status().worker[1].rejected[0] != '\0')
		uv_run(&loop, UV_RUN_ONCE);
}

/* -- without a data plane ---------------------------------------------------- */

static void without_a_data_plane_the_answer_says_so(void **state)
{
	struct answer a;

	(void)state;
	configure(10);
	a = request_and_wait(5000);
	assert_int_equal(a.status, -ENOTCONN);
	assert_string_equal(a.why, "no data plane is attached");
	assert_false(status().attached);
}

static void losing_the_data_plane_answers_who_waits(void **state)
{
	struct answer a = { 0 };

	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	hang[0] = hang[1] = true;
	publish_request_wait(p, 10000, done, &a);
	publisher_detach(p);
	assert_int_equal(a.calls, 0);
	while (a.calls == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(a.status, -ENOTCONN);
	assert_int_equal(model.pool[0]->table_off, 0);
}

static void ending_answers_who_waits(void **state)
{
	struct answer a = { 0 };

	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	hang[0] = true;
	publish_request_wait(p, 10000, done, &a);
	publisher_destroy(p);
	p = NULL;
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.status, -ENOTCONN);
}

/* A new data plane takes the place of one that was killed. */
static void what_changed_meanwhile_reaches_the_next_data_plane(void **state)
{
	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	publisher_detach(p);
	backend(3)->health = HEALTH_DOWN;
	publish_request(p);
	fake_dp_close(&dp);
	fake_dp_open(&dp, WORKERS, BLOCKS);
	attach();
	run_until_generation(1);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		assert_int_not_equal(fake_dp_owner(dp.worker[0], 0, slot), backend(3)->index);
}

/* -- over what is in force --------------------------------------------------- */

/* A control plane that is killed and comes back, knowing nothing. */
static void restart(void)
{
	publisher_detach(p);
	publisher_destroy(p);
	small_free(&model);
	assert_int_equal(small_apply(&model), 0);
	assert_int_equal(publisher_create(&loop, &model, &p), 0);
	attach();
}

static void what_is_in_force_stands_until_the_release(void **state)
{
	struct answer a;

	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	restart();
	publish_request(p);
	while (!status().held)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(backend(7)->health, HEALTH_UP);
	assert_int_equal(backend(7)->index, 7);
	a = request_and_wait(50);
	assert_int_equal(a.status, -ETIMEDOUT);
	assert_string_equal(a.why, "publishing waits for the first health verdicts");
	assert_int_equal(dp.worker[0]->view->generation, 1);

	backend(7)->health = HEALTH_DOWN; /* its verdict */
	publisher_release(p);
	run_until_generation(2);
	assert_false(status().held);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		assert_int_not_equal(fake_dp_owner(dp.worker[0], 0, slot), 7);
}

static void once_released_nothing_is_held(void **state)
{
	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	restart();
	publisher_release(p); /* before the workers have even joined */
	run_until_generation(2);
	publisher_detach(p);
	attach(); /* the socket broke, the data plane lives */
	run_until_generation(3);
	assert_int_equal(backend(7)->index, 7);
}

static void a_worker_that_never_joins_is_not_waited_for_long(void **state)
{
	(void)state;
	configure(10);
	hang[1] = true;
	attach();
	run_until_generation(1);
	assert_true(status().worker[1].late);
	hang[1] = false;
	while (dp.worker[1]->view->generation < 1)
		uv_run(&loop, UV_RUN_ONCE);
}

static void nonsense_in_force_is_replaced_at_once(void **state)
{
	(void)state;
	configure(10);
	attach();
	run_until_generation(1);
	memset(dp.control->arena, 0xa5, dp.view.arena_size);
	restart();
	small_all_up(&model);
	run_until_generation(2);
	assert_false(status().held);
	for (uint32_t slot = 0; slot < SMALL_TABLE; slot++)
		assert_in_range(fake_dp_owner(dp.worker[0], 0, slot), 0, 9);
}

/* -- a full arena ------------------------------------------------------------ */

static void a_full_arena_pauses_publishing_and_room_resumes_it(void **state)
{
	struct answer a;

	(void)state;
	configure(10);
	small_pool[0].table_size = 500009; /* 245 blocks: there is room for one */
	small_apply(&model);
	attach();
	run_until_generation(1);
	backend(3)->health = HEALTH_DOWN;
	a = request_and_wait(100);
	assert_int_equal(a.status, -ETIMEDOUT);
	assert_string_equal(a.why, "the arena is full: see [dataplane] arena_mb");
	assert_true(status().arena_full);
	assert_int_equal(dp.worker[0]->view->generation, 1);

	small_pool[0].table_size = SMALL_TABLE;
	small_apply(&model);
	a = request_and_wait(5000);
	assert_int_equal(a.status, 0);
	assert_false(status().arena_full);
}

/* Worker 1 hangs and keeps a large table that the pool has no more; what comes next
 * does not fit beside it. When the worker goes on, publishing does too, by itself. */
static void room_that_a_worker_gives_back_is_used_by_itself(void **state)
{
	(void)state;
	configure(10);
	small_pool[0].table_size = 250007; /* 123 blocks */
	small_apply(&model);
	attach();
	run_until_generation(1);
	hang[1] = true;
	small_pool[0].table_size = 250013;
	small_apply(&model);
	publish_request(p);
	run_until_generation(2);
	small_pool[0].table_size = 250027;
	small_apply(&model);
	publish_request(p);
	while (!status().arena_full)
		uv_run(&loop, UV_RUN_ONCE);
	hang[1] = false;
	run_until_generation(3);
	assert_int_equal(dp.worker[0]->view->pool[0].table_len, 250027);
	while (status().arena_full)
		uv_run(&loop, UV_RUN_ONCE);
}

/* -- real threads ------------------------------------------------------------ */

static _Atomic bool end_threads;
static _Atomic unsigned bad_slots;

static void check_slots(const struct view *v)
{
	for (uint32_t pool = 0; pool < v->pool_count; pool++) {
		for (uint32_t slot = 0; slot < v->pool[pool].table_len; slot++) {
			weir_slot s = v->pool[pool].slot[slot];
			uint32_t owner = weir_slot_backend(s), base = owner;

			if (weir_slot_state(s) == WEIR_SLOT_MOVING)
				base = weir_move_base(
					view_move(&v->pool[pool], slot)->base[WEIR_MOVE_TCP]);
			if (weir_slot_state(s) == WEIR_SLOT_EMPTY || owner >= v->backend_count ||
			    base >= v->backend_count ||
			    !(v->backend[owner].flags & WEIR_BACKEND_FORWARD) ||
			    !(v->backend[base].flags & WEIR_BACKEND_FORWARD))
				atomic_fetch_add(&bad_slots, 1);
		}
	}
}

/* Reads all of what is in force, as packets would. Whoever writes to a block too early
 * is seen by ThreadSanitizer, or as a slot of nobody. Worker 1 is slow: generations are
 * published while it is at an older one. */
static void *worker_thread(void *arg)
{
	struct worker *w = arg;
	uint64_t hold_ns = w == dp.worker[1] ? 30000000 : 0;

	while (!atomic_load(&end_threads)) {
		uint64_t begin = uv_hrtime();

		table_view_poll(w);
		do {
			check_slots(w->view);
			sched_yield(); /* two processors, three threads */
		} while (uv_hrtime() - begin < hold_ns);
	}
	return NULL;
}

static void workers_on_threads_never_see_half_a_change(void **state)
{
	pthread_t thread[WORKERS];

	(void)state;
	uv_idle_stop(&idle);
	configure(10);
	fake_dp_session(&dp);
	publisher_attach(p, &dp.view);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_create(&thread[i], NULL, worker_thread, dp.worker[i]);
	while (status().generation == 0)
		uv_run(&loop, UV_RUN_ONCE);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t generation = status().generation;

		/* One fails, the last one that failed is back; members change too. */
		backend(i % 10)->health = HEALTH_DOWN;
		backend((i + 9) % 10)->health = HEALTH_UP;
		if (i % 10 == 9) {
			small_name(0, i / 10, 100 + i);
			small_apply(&model);
			small_all_up(&model);
		}
		publish_request(p);
		while (status().generation == generation)
			uv_run(&loop, UV_RUN_ONCE);
	}
	assert_int_equal(request_and_wait(10000).status, 0);
	atomic_store(&end_threads, true);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(bad_slots, 0);
	assert_int_equal(dp.worker[1]->view->generation, status().generation);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_data_plane_is_filled_at_once),
		TEST(requests_of_a_turn_go_together),
		TEST(a_burst_makes_two_generations),
		TEST(an_answer_comes_when_every_worker_has_it),
		TEST(a_worker_that_does_not_answer_is_named),
		TEST(a_refusal_is_told_and_tried_again),
		TEST(without_a_data_plane_the_answer_says_so),
		TEST(losing_the_data_plane_answers_who_waits),
		TEST(ending_answers_who_waits),
		TEST(what_changed_meanwhile_reaches_the_next_data_plane),
		TEST(what_is_in_force_stands_until_the_release),
		TEST(once_released_nothing_is_held),
		TEST(a_worker_that_never_joins_is_not_waited_for_long),
		TEST(nonsense_in_force_is_replaced_at_once),
		TEST(a_full_arena_pauses_publishing_and_room_resumes_it),
		TEST(room_that_a_worker_gives_back_is_used_by_itself),
		TEST(workers_on_threads_never_see_half_a_change),
	};

	return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
