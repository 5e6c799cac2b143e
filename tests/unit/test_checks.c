// SPDX-License-Identifier: Apache-2.0
/*
 * The checks with real connections, to this host's loopback.
 */
#include "checks_live.h"

#include <sys/resource.h>
#include <time.h>

static void server_that_listens_is_up_after_one_probe(void **state)
{
	int fd = serve(8);

	(void)state;
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_PENDING);
	assert_int_equal(checks_pending(checks), 1);
	until_verdicts(1);
	assert_int_equal(backend[0].health, HEALTH_UP);
	assert_int_equal(checks_pending(checks), 0);
	assert_int_equal(settled, 1);
	assert_string_equal(backend[0].reason, "tcp: connected");
	assert_true(backend[0].since_ms > 0);
	close(fd);
}

static void server_that_refuses_is_down_after_one_probe(void **state)
{

	(void)state;
	close(serve(8));
	checks_sync(checks, &running);
	until_verdicts(1);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
	assert_string_equal(backend[0].reason, "tcp: connection refused");
}

/* A full backlog: SYNs are dropped, as by a host that is gone. */
static void fill_backlog(int *fill)
{
	for (unsigned i = 0; i < 3; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&server_addr, sizeof(server_addr));
	}
}

static void silent_server_is_down_when_the_time_is_over(void **state)
{
	int fd = serve(0), fill[3];

	(void)state;
	fill_backlog(fill);
	pool.conf.check.timeout_ms = 50;
	checks_sync(checks, &running);
	until_verdicts(1);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
	assert_string_equal(backend[0].reason,
			    "tcp: no answer to the connection attempt in 50 ms");
	for (unsigned i = 0; i < 3; i++)
		close(fill[i]);
	close(fd);
}

/* Something else that keeps the loop busy for 60 ms. */
static void stall(uv_timer_t *t)
{
	struct timespec longer = { .tv_nsec = 60 * 1000000 };

	nanosleep(&longer, NULL);
	uv_update_time(t->loop);
}

/* The answer came in time; that we looked too late is not the server's fault. */
static void stall_of_this_process_is_no_time_out(void **state)
{
	uv_timer_t busy;
	int fd = serve(8);

	(void)state;
	pool.conf.check.timeout_ms = 50;
	uv_timer_init(&loop, &busy);
	checks_sync(checks, &running);
	uv_timer_start(&busy, stall, 0, 0); /* runs behind the timer that begins the probe */
	until_verdicts(1);
	assert_int_equal(backend[0].health, HEALTH_UP);
	uv_close((uv_handle_t *)&busy, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	close(fd);
}

static void server_that_stops_is_down_after_fall_and_up_after_rise(void **state)
{
	int fd = serve(64);

	(void)state;
	checks_sync(checks, &running);
	until_verdicts(1);
	close(fd);
	while (strncmp(backend[0].reason, "tcp: failing 1 of 3: ", 21) != 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_true(backend[0].health == HEALTH_UP && checks_failing(&backend[0]));
	until_verdicts(2);
	assert_int_equal(backend[0].health, HEALTH_DOWN);

	fd = serve_again();
	while (strncmp(backend[0].reason, "tcp: passing 1 of 2: ", 21) != 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
	until_verdicts(3);
	assert_true(backend[0].health == HEALTH_UP && !checks_failing(&backend[0]));
	assert_int_equal(settled, 1);
	close(fd);
}

/* Connections of this port in TIME_WAIT (state 06), on either side: proc(5). */
static unsigned time_waits(unsigned port)
{
	FILE *f = fopen("/proc/net/tcp", "re");
	unsigned count = 0, local, remote, st;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, " %*d: %*x:%x %*x:%x %x", &local, &remote, &st) == 3)
			count += st == 6 && (local == port || remote == port);
	fclose(f);
	return count;
}

static void probes_leave_no_connection_behind(void **state)
{
	int fd = serve(1024);

	(void)state;
	fill_pool(200);
	checks_sync(checks, &running);
	until_verdicts(200);
	assert_int_equal(time_waits(service.conf.port), 0);
	close(fd);
}

/* More backends than descriptors: each has its verdict, none for want of a socket. */
static void probes_wait_for_descriptors(void **state)
{
	struct checks_hooks hooks = { &model, verdict, all_settled };
	struct rlimit before, few;
	int fd = serve(4096);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ .rlim_cur = 400, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	checks_destroy(checks);
	assert_int_equal(checks_create(&loop, &model, NULL, &hooks, &checks), 0);
	fill_pool(MANY);
	pool.conf.check.interval_ms = 60000;
	checks_sync(checks, &running);
	assert_int_equal(checks_pending(checks), MANY);
	assert_int_equal(checks_first_ms(checks), 500 * (1 + MANY / (400 - 128)) + MANY / 20);
	until_verdicts(MANY);
	assert_int_equal(settled, 1);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(backend[i].health, HEALTH_UP);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(fd);
}

static bool all_are_due(void)
{
	for (unsigned i = 0; i < pool.backend_count; i++) {
		const struct check_run *r = backend[i].check->run[0];

		if (!r->waiting && r->probe == NULL)
			return false;
	}
	return true;
}

/* What waits begins when another probe is taken away, and not only when one ends. */
static void a_probe_that_is_taken_away_makes_room_for_another(void **state)
{
	int fd = serve(0), fill[3];

	(void)state;
	fill_backlog(fill);
	checks->most = 2;
	fill_pool(4);
	for (unsigned i = 0; i < 4; i++)
		backend[i].conf.addr = backend[0].conf.addr;
	pool.conf.check.timeout_ms = pool.conf.check.interval_ms = 60000;
	checks_sync(checks, &running);
	while (!all_are_due() || uv_is_active((uv_handle_t *)&checks->kick))
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(checks->under_way, 2);
	for (unsigned i = 0; i < 4; i++)
		if (backend[i].check->run[0]->probe != NULL)
			checks_forget(&backend[i]);
	while (checks->under_way < 2)
		uv_run(&loop, UV_RUN_ONCE);
	for (unsigned i = 0; i < 3; i++)
		close(fill[i]);
	close(fd);
}

static void without_a_check_it_is_up_at_once(void **state)
{
	(void)state;
	pool.conf.check.kind = CHECK_KIND_NONE;
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_UP);
	assert_string_equal(backend[0].reason, "not checked");
	assert_int_equal(checks_pending(checks), 0);
}

static void without_a_port_it_stays_pending_and_says_why(void **state)
{
	(void)state;
	service.conf.port = 0;
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_PENDING);
	assert_int_equal(checks_pending(checks), 0);
	assert_non_null(strstr(backend[0].reason, "check_port is not set"));
}

/* A reload that asks something else takes nobody out by a single failure. */
static void another_port_is_asked_at_once_and_judged_by_the_rule(void **state)
{
	int fd = serve(8);

	(void)state;
	checks_sync(checks, &running);
	until_verdicts(1);
	pool.conf.check.port = service.conf.port;
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_UP);
	pool.conf.check.port = 1;
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_UP);
	assert_int_equal(checks_pending(checks), 1);
	while (strncmp(backend[0].reason, "tcp: failing 1 of 3: ", 21) != 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(backend[0].health, HEALTH_UP);
	until_verdicts(2);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
	close(fd);
}

/* model_apply() has made it pending: nothing that was seen counts for another server. */
static void another_address_begins_anew(void **state)
{
	int fd = serve(8);

	(void)state;
	checks_sync(checks, &running);
	until_verdicts(1);
	assert_int_equal(weir_addr_parse("127.0.0.2", &backend[0].conf.addr), 0);
	backend[0].health = HEALTH_PENDING;
	close(fd);
	checks_sync(checks, &running);
	assert_int_equal(checks_pending(checks), 1);
	until_verdicts(2);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(server_that_listens_is_up_after_one_probe),
		T(server_that_refuses_is_down_after_one_probe),
		T(silent_server_is_down_when_the_time_is_over),
		T(stall_of_this_process_is_no_time_out),
		T(server_that_stops_is_down_after_fall_and_up_after_rise),
		T(probes_leave_no_connection_behind),
		T(probes_wait_for_descriptors),
		T(a_probe_that_is_taken_away_makes_room_for_another),
		T(without_a_check_it_is_up_at_once),
		T(without_a_port_it_stays_pending_and_says_why),
		T(another_port_is_asked_at_once_and_judged_by_the_rule),
		T(another_address_begins_anew),
	};

	return cmocka_run_group_tests_name("checks", tests, NULL, NULL);
}
