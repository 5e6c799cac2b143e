// SPDX-License-Identifier: Apache-2.0
/*
 * What comes of results and of agents' words, by real connections to this host's loopback.
 */
#include "checks_live.h"

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

/* Nothing is checked: there is the agent alone. */
static void agents_alone(void)
{
	pool.conf.check.kind = CHECK_KIND_NONE;
	pool.conf.agent_port = 1;
	pool.conf.agent_interval_ms = 60000;
	checks_sync(checks, &running);
}

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
	agents_alone();
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
	agents_alone();
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
	agents_alone();
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
	checks_forget(&backend[0]);
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
	all = checks_json(&backend[0]);
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
		T(health_that_was_taken_over_falls_by_the_rule),
		T(the_first_verdict_of_one_check_is_not_anothers),
		T(results_before_a_take_over_are_judged_after_it),
		T(without_checks_an_agents_word_comes_and_goes),
		T(an_agents_word_outlives_a_restart),
		T(an_agents_word_outlives_the_checks),
		T(a_new_backend_has_the_checks_there_are),
		T(a_hold_ends_even_if_its_timer_was_early),
		T(in_a_panic_agents_are_waited_for_like_checks),
		T(backend_may_go_while_its_probe_is_under_way),
		T(last_sixteen_changes_are_remembered),
	};

	return cmocka_run_group_tests_name("checks_verdict", tests, NULL, NULL);
}
