// SPDX-License-Identifier: Apache-2.0
/*
 * The checks with real connections, to this host's loopback.
 */
#include "checks_impl.h"

#include "log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 1000 };

static uv_loop_t loop;
static uv_timer_t watchdog;
static struct model model;
static struct pool pool, *pools[] = { &pool };
static struct service service, *services[] = { &service };
static struct backend backend[MANY], *backends[MANY];
static struct checks *checks;
static struct conf running;
static enum health seen[MANY];
static unsigned verdicts, settled;
static struct sockaddr_in server_addr;

static void verdict(void *user, struct backend *b)
{
	assert_ptr_equal(user, &model);
	assert_ptr_equal(b->pool, &pool);
	for (unsigned i = 0; i < pool.backend_count; i++) {
		verdicts += backend[i].health != seen[i];
		seen[i] = backend[i].health;
	}
}

static void all_settled(void *user)
{
	(void)user;
	assert_int_equal(checks_pending(checks), 0);
	settled++;
}

static void too_late(uv_timer_t *t)
{
	(void)t;
	fail_msg("nothing has happened for 10 s");
}

/* A server on a free port; `backlog` connections wait to be accepted, by nobody. */
static int serve(int backlog)
{
	socklen_t len = sizeof(server_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	server_addr = (struct sockaddr_in){ .sin_family = AF_INET };
	assert_int_equal(bind(fd, (struct sockaddr *)&server_addr, sizeof(server_addr)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&server_addr, &len), 0);
	service.conf.port = ntohs(server_addr.sin_port);
	return fd;
}

/* On the port that serve() found, after its socket was closed. */
static int serve_again(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&server_addr, sizeof(server_addr)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static void fill_pool(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char text[WEIR_ADDR_STRLEN];

		backend[i] = (struct backend){ .pool = &pool, .id = i * 7919u, .index = -1 };
		snprintf(text, sizeof(text), "127.0.%u.%u", i / 250, 1 + i % 250);
		assert_int_equal(weir_addr_parse(text, &backend[i].conf.addr), 0);
		snprintf(backend[i].conf.name, sizeof(backend[i].conf.name), "b%u", i);
		backends[i] = &backend[i];
	}
	pool.backend_count = count;
}

static int setup(void **state)
{
	struct checks_hooks hooks = { &model, verdict, all_settled };

	(void)state;
	log_init("test_checks", LOG_LVL_ERROR);
	assert_int_equal(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &watchdog);
	uv_timer_start(&watchdog, too_late, 10000, 0);
	pool = (struct pool){ .conf = { .name = "web",
					.check = { .kind = CHECK_KIND_TCP,
						   .via = CHECK_VIA_DIRECT,
						   .interval_ms = 20,
						   .timeout_ms = 500,
						   .rise = 2,
						   .fall = 3 } },
			      .backend = backends };
	service = (struct service){ .pool = &pool,
				    .conf = { .pool = "web", .protocol = IPPROTO_TCP } };
	running = (struct conf){ .pool = &pool.conf,
				 .pool_count = 1,
				 .service = &service.conf,
				 .service_count = 1 };
	memset(seen, 0, sizeof(seen));
	model = (struct model){
		.pool = pools, .pool_count = 1, .service = services, .service_count = 1
	};
	fill_pool(1);
	verdicts = settled = 0;
	assert_int_equal(checks_create(&loop, &model, NULL, &hooks, &checks), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < pool.backend_count; i++)
		checks_forget(checks, &backend[i]);
	checks_destroy(checks);
	uv_close((uv_handle_t *)&watchdog, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

static void until_verdicts(unsigned count)
{
	while (verdicts < count)
		uv_run(&loop, UV_RUN_ONCE);
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
			checks_forget(checks, &backend[i]);
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

/* Taken over from the data plane at a restart: not worse than before the restart. */
static void health_that_was_taken_over_falls_by_the_rule(void **state)
{
	(void)state;
	close(serve(8));
	backend[0].health = HEALTH_UP;
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_UP);
	while (settled == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(backend[0].health, HEALTH_UP);
	assert_int_equal(strncmp(backend[0].reason, "tcp: failing 1 of 3: ", 21), 0);
	until_verdicts(1);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
}

/* A check's first result is judged by what stood before it began, not by what another check
 * has found out meanwhile: it would be `rise` results late. */
static void the_first_verdict_of_one_check_is_not_anothers(void **state)
{
	static struct check_conf two[2];
	int fd = serve(8);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		conf_defaults(conf_opts, conf_opt_count, "check", &two[i]);
		two[i].kind = CHECK_KIND_TCP;
		two[i].via = CHECK_VIA_DIRECT;
		two[i].interval_ms = 60000;
	}
	strcpy(two[0].name, "fails");
	two[0].port = 1;
	strcpy(two[1].name, "passes");
	two[1].port = service.conf.port;
	strcpy(pool.conf.checks, "fails, passes");
	running.check = two;
	running.check_count = 2;
	checks->most = 1; /* one after the other */
	checks_sync(checks, &running);
	while (settled == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
	assert_int_equal(backend[0].check->run[0]->judge.verdict, VERDICT_DOWN);
	assert_int_equal(backend[0].check->run[1]->judge.verdict, VERDICT_UP);
	close(fd);
}

/* Results may be quicker than the data plane that is asked what is in force. */
static void results_before_a_take_over_are_judged_after_it(void **state)
{
	(void)state;
	close(serve(8));
	checks_hold(checks);
	pool.conf.check.interval_ms = 60000;
	fill_pool(2);
	checks_sync(checks, &running);
	while (settled == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(backend[0].health, HEALTH_PENDING);
	backend[0].health = HEALTH_UP; /* that was in force; nothing is known of the other */
	checks_release(checks);
	assert_int_equal(backend[0].health, HEALTH_UP);
	assert_string_equal(backend[0].reason, "tcp: failing 1 of 3: connection refused");
	assert_int_equal(backend[1].health, HEALTH_DOWN);
}

/* -- what an agent says ---------------------------------------------------------------- */

static void agent_says(const char *line)
{
	struct check_run *r = backend[0].check->agent;

	r->last.ok = true;
	snprintf(r->last.text, sizeof(r->last.text), "%s", line);
	verdict_agent(r);
}

static void without_checks_an_agents_word_comes_and_goes(void **state)
{
	(void)state;
	pool.conf.check.kind = CHECK_KIND_NONE;
	pool.conf.agent_port = 1;
	pool.conf.agent_interval_ms = 60000;
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_UP);
	agent_says("down");
	assert_int_equal(backend[0].health, HEALTH_DOWN);
	assert_string_equal(backend[0].reason, "its agent says down");
	agent_says("up");
	assert_int_equal(backend[0].health, HEALTH_UP);
	assert_string_equal(backend[0].reason, "not checked");

	agent_says("down");
	pool.conf.agent_port = 0; /* a reload without the agent */
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_UP);
	assert_string_equal(backend[0].reason, "not checked");
}

/* A restarted control plane: what the agent said stands until it says another word. */
static void an_agents_word_outlives_a_restart(void **state)
{
	(void)state;
	checks_hold(checks);
	fill_pool(2);
	pool.conf.check.kind = CHECK_KIND_NONE;
	pool.conf.agent_port = 1;
	pool.conf.agent_interval_ms = 60000;
	checks_sync(checks, &running);
	agent_says("ready"); /* before what was in force is known */
	backend[0].check->agent->has_last = true;
	for (unsigned i = 0; i < 2; i++) {
		backend[i].agent_admin = ADMIN_DRAINING;
		backend[i].agent_cut = 25;
		backend[i].agent_known = true;
	}
	checks_release(checks);
	assert_int_equal(backend[0].agent_admin, ADMIN_ENABLED);
	assert_int_equal(backend[0].agent_cut, 25);
	assert_int_equal(backend[1].agent_admin, ADMIN_DRAINING);
	assert_int_equal(backend[1].check->said.admin, AGENT_DRAIN);
	assert_int_equal(backend[1].check->said.percent, 75);
}

/* The checks go, the agent stays, and so does its word. */
static void an_agents_word_outlives_the_checks(void **state)
{
	int fd = serve(8);

	(void)state;
	pool.conf.agent_port = 1;
	pool.conf.agent_interval_ms = 60000;
	checks_sync(checks, &running);
	until_verdicts(1);
	agent_says("down # full");
	pool.conf.check.kind = CHECK_KIND_NONE;
	checks_sync(checks, &running);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
	assert_string_equal(backend[0].reason, "its agent says down: full");
	close(fd);
}

/* Of a change at run time only backends are looked at: it costs no look at all services and
 * no reading of CA files. */
static void a_new_backend_has_the_checks_there_are(void **state)
{
	int fd = serve(8);

	(void)state;
	fill_pool(2);
	pool.backend_count = 1;
	checks_sync(checks, &running);
	until_verdicts(1);
	running.service_count = 0; /* no port to check, if it were asked for */
	pool.backend_count = 2;
	checks_follow(checks);
	assert_int_equal(checks_pending(checks), 1);
	until_verdicts(2);
	assert_int_equal(backend[0].health, HEALTH_UP);
	assert_int_equal(backend[1].health, HEALTH_UP);
	close(fd);
}

/* The loop's clock stands still while it works, so the timer may be early. */
static void a_hold_ends_even_if_its_timer_was_early(void **state)
{
	struct backend_checks *bc;
	int fd = serve(8);

	(void)state;
	pool.conf.check.interval_ms = 60000;
	checks_sync(checks, &running);
	until_verdicts(1);
	bc = backend[0].check;
	backend[0].health = seen[0] = HEALTH_DOWN;
	bc->flap.verdict = VERDICT_DOWN;
	bc->flap.held_until.us = (int64_t)(uv_hrtime() / 1000) + 50000;
	verdict_hold_over(&bc->again);
	assert_int_equal(backend[0].health, HEALTH_DOWN);
	until_verdicts(2);
	assert_int_equal(backend[0].health, HEALTH_UP);
	close(fd);
}

/* Whoever goes by its agent's word is remembered as up for as long as one is in coming. */
static void in_a_panic_agents_are_waited_for_like_checks(void **state)
{
	(void)state;
	pool.conf.check.kind = CHECK_KIND_NONE;
	pool.conf.agent_port = 1;
	pool.conf.agent_interval_ms = 60000;
	checks_sync(checks, &running);
	/* Twice: two intervals with 10 % of jitter, and a second each to connect and answer. */
	assert_int_equal(pool.checks->guard.memory_ms, 2 * (2 * 66000 + 2000));
}

static void backend_may_go_while_its_probe_is_under_way(void **state)
{
	int fd = serve(8);

	(void)state;
	fill_pool(2);
	pool.conf.check.interval_ms = 60000;
	checks_sync(checks, &running);
	uv_run(&loop, UV_RUN_NOWAIT); /* the probes have begun */
	checks_forget(checks, &backend[0]);
	assert_null(backend[0].check);
	while (settled == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(backend[1].health, HEALTH_UP);
	close(fd);
}

static void last_sixteen_changes_are_remembered(void **state)
{
	enum { CHANGES = 19 };
	int fd = serve(64);
	json_t *all, *history;

	(void)state;
	close(fd);
	fd = serve_again();
	pool.conf.check.rise = pool.conf.check.fall = 1;
	checks_sync(checks, &running);
	for (unsigned i = 1; i <= CHANGES; i++) {
		until_verdicts(i);
		assert_int_equal(backend[0].health, i % 2 ? HEALTH_UP : HEALTH_DOWN);
		/* A listener that is shut down refuses, and keeps a port that it asked for. */
		if (i % 2)
			assert_int_equal(shutdown(fd, SHUT_RD), 0);
		else
			assert_int_equal(listen(fd, 64), 0);
	}
	all = checks_json(checks, &backend[0]);
	history = json_object_get(all, "history");
	assert_int_equal(json_array_size(history), 16);
	for (unsigned i = 0; i < 16; i++) { /* the newest first */
		const json_t *h = json_array_get(history, i);
		bool up = (CHANGES - i) % 2;

		assert_string_equal(json_string_value(json_object_get(h, "health")),
				    up ? "up" : "down");
		assert_string_equal(json_string_value(json_object_get(h, "reason")),
				    up ? "tcp: connected" : "tcp: connection refused");
	}
	json_decref(all);
	close(fd);
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
		T(health_that_was_taken_over_falls_by_the_rule),
		T(the_first_verdict_of_one_check_is_not_anothers),
		T(results_before_a_take_over_are_judged_after_it),
		T(without_checks_an_agents_word_comes_and_goes),
		T(an_agents_word_outlives_a_restart),
		T(an_agents_word_outlives_the_checks),
		T(a_new_backend_has_the_checks_there_are),
		T(a_hold_ends_even_if_its_timer_was_early),
		T(in_a_panic_agents_are_waited_for_like_checks),
		T(last_sixteen_changes_are_remembered),
		T(backend_may_go_while_its_probe_is_under_way),
	};

	return cmocka_run_group_tests_name("checks", tests, NULL, NULL);
}
