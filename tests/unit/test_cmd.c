// SPDX-License-Identifier: Apache-2.0
/*
 * The methods, asked of a whole control plane over its socket: everything but a data
 * plane is real. Files are in a directory of this process.
 */
#include "change.h"
#include "controlplane.h"

#include "log.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], conf_path[96], state_path[96], socket_path[96];
static struct controlplane *cp;
static int fd;

static const char conf_format[] = "[port wan]\n"
				  "device = net_null0\n"
				  "[dataplane]\n"
				  "cpus = 1\n"
				  "session_socket = %s/session.sock\n"
				  "[controlplane]\n"
				  "socket = %s/control.sock\n"
				  "state_file = %s/state.json\n"
				  "[pool web]\n"
				  "mode = l2\n"
				  "table_size = 1009\n"
				  "check = none\n"
				  "backend a = 10.0.1.11 weight=%d mac=02:00:00:00:00:0a port=wan\n"
				  "backend b = 10.0.1.12 weight=10 mac=02:00:00:00:00:0b port=wan\n"
				  "%s\n"
				  "[service www]\n"
				  "vip = 203.0.113.10\n"
				  "protocol = tcp\n"
				  "port = 80\n"
				  "pool = web\n";

static void write_conf(int weight_a, const char *more)
{
	FILE *f = fopen(conf_path, "w");

	assert_non_null(f);
	fprintf(f, conf_format, dir, dir, dir, weight_a, more);
	fclose(f);
}

static void begin(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	cp = calloc(1, sizeof(*cp));
	assert_non_null(cp);
	assert_int_equal(uv_loop_init(&cp->loop), 0);
	cp->path = conf_path;
	assert_int_equal(controlplane_start(cp), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(to.sun_path, socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void end(void)
{
	close(fd);
	controlplane_stop(cp);
	assert_int_equal(uv_loop_close(&cp->loop), 0);
	free(cp);
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	log_init("test_cmd", LOG_LVL_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/weir-test-cmd.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(conf_path, sizeof(conf_path), "%s/weir.conf", dir);
	snprintf(state_path, sizeof(state_path), "%s/state.json", dir);
	snprintf(socket_path, sizeof(socket_path), "%s/control.sock", dir);
	write_conf(10, "");
	begin();
	return 0;
}

static int teardown(void **state)
{
	char lock[112];

	(void)state;
	end();
	snprintf(lock, sizeof(lock), "%s.lock", socket_path);
	unlink(lock);
	unlink(conf_path);
	unlink(state_path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* The whole answer; the caller's. `params` as JSON, or NULL. */
static json_t *ask(const char *method, const char *params)
{
	static char line[1 << 16];
	size_t len;
	json_t *answer;

	len = (size_t)snprintf(
		line, sizeof(line), "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"%s\"%s%s}\n",
		method, params != NULL ? ", \"params\": " : "", params != NULL ? params : "");
	assert_int_equal(send(fd, line, len, 0), len);
	len = 0;
	while (len == 0 || line[len - 1] != '\n') {
		ssize_t n;

		uv_run(&cp->loop, UV_RUN_NOWAIT);
		n = recv(fd, line + len, sizeof(line) - 1 - len, MSG_DONTWAIT);
		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		if (n > 0)
			len += (size_t)n;
	}
	answer = json_loadb(line, len, 0, NULL);
	assert_non_null(answer);
	return answer;
}

static json_t *result(const char *method, const char *params)
{
	json_t *answer = ask(method, params);
	json_t *r = json_incref(json_object_get(answer, "result"));
	const json_t *e = json_object_get(answer, "error");

	if (r == NULL)
		fail_msg("%s: %s", method, json_string_value(json_object_get(e, "message")));
	json_decref(answer);
	return r;
}

static void done(const char *method, const char *params)
{
	json_decref(result(method, params));
}

static void refused(const char *method, const char *params, int code, const char *sentence)
{
	json_t *answer = ask(method, params);
	const json_t *e = json_object_get(answer, "error");

	if (e == NULL)
		fail_msg("%s was not refused", method);
	assert_string_equal(json_string_value(json_object_get(e, "message")), sentence);
	assert_int_equal(json_integer_value(json_object_get(e, "code")), code);
	json_decref(answer);
}

/* An error that carries `count` sentences of the configuration's check. */
static void refused_by_config(const char *method, const char *params, size_t count)
{
	json_t *answer = ask(method, params);
	const json_t *e = json_object_get(answer, "error");
	const json_t *errors = json_object_get(json_object_get(e, "data"), "errors");

	assert_int_equal(json_integer_value(json_object_get(e, "code")), RPC_BAD_CONFIG);
	assert_int_equal(json_array_size(errors), count);
	json_decref(answer);
}

/* `member` of backend web/NAME as text; "none" when there is no such backend. */
static const char *backend(const char *name, const char *member)
{
	static char text[200];
	json_t *r = result("backends", "{\"pool\": \"web\"}"), *b;
	size_t i;

	strcpy(text, "none");
	json_array_foreach(json_object_get(r, "backends"), i, b)
	{
		const json_t *v = json_object_get(b, member);

		if (strcmp(json_string_value(json_object_get(b, "name")), name) != 0)
			continue;
		if (json_is_string(v))
			snprintf(text, sizeof(text), "%s", json_string_value(v));
		else
			snprintf(text, sizeof(text), "%d", (int)json_integer_value(v));
	}
	json_decref(r);
	return text;
}

static size_t differences(void)
{
	json_t *r = result("diff", NULL);
	size_t n = json_array_size(json_object_get(r, "differences"));

	json_decref(r);
	return n;
}

static int changed_by(const char *method)
{
	json_t *r = result(method, NULL);
	int n = (int)json_integer_value(json_object_get(r, "changed"));

	json_decref(r);
	return n;
}

#define A      "{\"pool\": \"web\", \"backend\": \"a\"}"
#define B      "{\"pool\": \"web\", \"backend\": \"b\"}"
#define C      "{\"pool\": \"web\", \"backend\": \"c\"}"
#define NEW_C  "{\"pool\": \"web\", \"name\": \"c\", \"address\": \"10.0.1.13\"}"
#define A_IS_7 "{\"pool\": \"web\", \"backend\": \"a\", \"weight\": 7}"

/* -- bad requests ----------------------------------------------------------- */

static void bad_requests_are_refused_and_change_nothing(void **state)
{
	static const struct {
		const char *method, *params;
		int code;
		const char *sentence;
	} bad[] = {
		{ "backend.weight", NULL, RPC_BAD_PARAMS, "pool: missing" },
		{ "backend.weight", A, RPC_BAD_PARAMS, "weight: missing" },
		{ "backend.weight", "{\"pool\": \"web\", \"backend\": \"a\", \"weight\": 1001}",
		  RPC_BAD_PARAMS, "weight: 0 to 1000, not 1001" },
		{ "backend.weight", "{\"pool\": \"web\", \"backend\": \"z\", \"weight\": 1}",
		  RPC_NOT_FOUND, "no backend z in pool web" },
		{ "backend.drain", "{\"pool\": \"wob\", \"backend\": \"a\"}", RPC_NOT_FOUND,
		  "no pool wob" },
		{ "backend.drain", "{\"pool\": \"web\", \"backend\": \"a\", \"deadline_s\": 0}",
		  RPC_BAD_PARAMS, "deadline_s: 1 to 2592000, not 0" },
		{ "backend.remove", A, RPC_CONFLICT,
		  "web/a is enabled: use drain, to remove it when its connections have ended, or force" },
		{ "backend.remove", "{\"pool\": \"web\", \"backend\": \"a\", \"force\": \"yes\"}",
		  RPC_BAD_PARAMS, "force: true or false, not a string" },
		{ "backend.add", "{\"pool\": \"web\", \"name\": \"a\", \"address\": \"10.0.1.13\"}",
		  RPC_CONFLICT, "pool web has a backend a already" },
		{ "backend.add", "{\"pool\": \"wob\", \"name\": \"c\", \"address\": \"10.0.1.13\"}",
		  RPC_NOT_FOUND, "no pool wob" },
		{ "backend.add",
		  "{\"pool\": \"web\", \"name\": \"c\", \"address\": \"10.0.1.13 weight=3\"}",
		  RPC_BAD_PARAMS, "address: no spaces or control characters" },
		{ "backends", "{\"pool\": \"wob\"}", RPC_NOT_FOUND, "no pool wob" },
		{ "status", "{\"pool\": \"web\"}", RPC_BAD_PARAMS,
		  "this method takes no parameters, not \"pool\"" },
		{ "explain", "{\"protocol\": \"icm\", \"source\": \"a\", \"destination\": \"b\"}",
		  RPC_BAD_PARAMS, "protocol: tcp or udp, not icm" },
		{ "explain",
		  "{\"protocol\": \"tcp\", \"source\": \"10.1.1.1\", \"destination\": \"b\"}",
		  RPC_BAD_PARAMS, "source: ADDRESS:PORT or [ADDRESS]:PORT, not 10.1.1.1" },
		{ "explain",
		  "{\"protocol\": \"tcp\", \"source\": \"10.1.1.1:99999\", \"destination\": \"b\"}",
		  RPC_BAD_PARAMS, "source: ADDRESS:PORT or [ADDRESS]:PORT, not 10.1.1.1:99999" },
		{ "explain",
		  "{\"protocol\": \"tcp\", \"source\": \"[2001:db8::1]:9\","
		  " \"destination\": \"10.0.0.1:1\"}",
		  RPC_BAD_PARAMS, "source and destination are of different families" },
		{ "explain",
		  "{\"protocol\": \"tcp\", \"source\": \"10.1.1.1:9\","
		  " \"destination\": \"203.0.113.10:80\"}",
		  RPC_NO_DATAPLANE, "no data plane is attached: only weir-dataplane can do that" },
		{ "drops", "{\"service\": \"w\"}", RPC_NOT_FOUND, "no service w" },
		{ "drops", "{\"vip\": \"203.0.113.9\"}", RPC_NOT_FOUND, "no VIP 203.0.113.9" },
		{ "drops", "{\"vip\": \"w\"}", RPC_BAD_PARAMS, "vip: an address or a prefix, not w" },
		{ "drops", "{\"pool\": \"web\", \"backend\": \"z\"}", RPC_NOT_FOUND,
		  "no backend web/z" },
		{ "drops", "{\"pool\": \"web\"}", RPC_BAD_PARAMS,
		  "a service, a VIP, or a pool and its backend, or none of these" },
		{ "drops", "{\"service\": \"www\", \"vip\": \"203.0.113.10\"}", RPC_BAD_PARAMS,
		  "a service, a VIP, or a pool and its backend, or none of these" },
		{ "backend.wait", "{}", RPC_NO_METHOD, "no method \"backend.wait\"" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i].method, bad[i].params, bad[i].code, bad[i].sentence);
	assert_int_equal(differences(), 0);
}

static void address_of_another_backend_is_refused_as_in_the_file(void **state)
{
	(void)state;
	refused_by_config("backend.add",
			  "{\"pool\": \"web\", \"name\": \"c\", \"address\": \"10.0.1.12\"}", 1);
	assert_string_equal(backend("c", "weight"), "none");
}

/* -- changes ---------------------------------------------------------------- */

static void weight_is_set_and_differs_from_the_file(void **state)
{
	json_t *r = result("backend.weight", A_IS_7);

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(r, "weight")), 7);
	/* Nobody is there to take it. */
	assert_true(json_is_false(json_object_get(r, "published")));
	assert_string_equal(json_string_value(json_object_get(r, "waits_for")),
			    "no data plane is attached");
	json_decref(r);
	assert_string_equal(backend("a", "weight"), "7");
	assert_int_equal(differences(), 1);
}

static void answered_change_is_in_the_state_file(void **state)
{
	json_t *kept, *weight;

	(void)state;
	done("backend.weight", A_IS_7);
	kept = json_load_file(state_path, 0, NULL);
	assert_non_null(kept);
	weight = json_object_get(kept, "running");
	weight = json_array_get(json_object_get(weight, "pools"), 0);
	weight = json_array_get(json_object_get(weight, "backends"), 0);
	weight = json_object_get(weight, "weight");
	assert_string_equal(json_string_value(weight), "7");
	json_decref(kept);
}

static void changes_survive_a_restart(void **state)
{
	(void)state;
	done("backend.weight", A_IS_7);
	done("backend.add", "{\"pool\": \"web\", \"name\": \"c\", \"address\": \"10.0.1.13\","
			    " \"weight\": 3, \"mac\": \"02:00:00:00:00:0c\", \"port\": \"wan\","
			    " \"state\": \"disabled\"}");
	done("backend.drain", B);
	end();
	begin();
	assert_string_equal(backend("a", "weight"), "7");
	assert_string_equal(backend("b", "state"), "draining");
	assert_string_equal(backend("c", "state"), "disabled");
	assert_string_equal(backend("c", "address"), "10.0.1.13");
}

static bool state_has(const char *member)
{
	json_t *kept = json_load_file(state_path, 0, NULL);
	bool has = json_object_get(kept, member) != NULL;

	assert_non_null(kept);
	json_decref(kept);
	return has;
}

/* The state file was lost: only a data plane in force knows the seed, and who was drained.
 * Until one was asked nothing that is written may stand for its word. */
static void a_lost_state_is_not_whole_before_a_data_plane_was_asked(void **state)
{
	(void)state;
	assert_true(cp->model.seed_is_new && cp->model.admin_is_lost);
	done("backend.weight", A_IS_7);
	assert_true(state_has("partial"));
	assert_false(state_has("flow_seed"));
	end();
	begin();
	assert_string_equal(backend("a", "weight"), "7");
	assert_true(cp->model.seed_is_new && cp->model.admin_is_lost);
	end(); /* writes it once more */
	assert_false(state_has("flow_seed"));

	begin();
	change_adopted(cp);
	assert_false(state_has("partial"));
	assert_true(state_has("flow_seed"));
	end();
	begin();
	assert_false(cp->model.seed_is_new || cp->model.admin_is_lost);
}

static void backend_comes_and_goes(void **state)
{
	json_t *r;

	(void)state;
	done("backend.add", NEW_C);
	assert_string_equal(backend("c", "state"), "enabled");
	refused("backend.remove", C, RPC_CONFLICT,
		"web/c is enabled: use drain, to remove it when its connections have ended, or force");
	done("backend.drain", C);
	refused("backend.remove", C, RPC_CONFLICT,
		"web/c is draining: use drain, to remove it when its connections have ended, or force");
	done("backend.disable", C);
	r = result("backend.remove", C);
	assert_string_equal(json_string_value(json_object_get(r, "removed")), "web/c");
	json_decref(r);
	assert_string_equal(backend("c", "state"), "none");

	done("backend.remove", "{\"pool\": \"web\", \"backend\": \"a\", \"force\": true}");
	assert_string_equal(backend("a", "state"), "none");
}

static void drain_is_begun_once_and_ended_by_enable(void **state)
{
	(void)state;
	done("backend.drain", "{\"pool\": \"web\", \"backend\": \"a\", \"deadline_s\": 600}");
	assert_string_equal(backend("a", "state"), "draining");
	assert_string_equal(backend("a", "drain_left_s"), "600");
	refused("backend.drain", A, RPC_CONFLICT,
		"web/a is draining already; the first deadline stands");
	done("backend.enable", A);
	assert_string_equal(backend("a", "state"), "enabled");
	assert_int_equal(differences(), 0);
	done("backend.disable", A);
	refused("backend.drain", A, RPC_CONFLICT,
		"web/a is disabled: it takes no packets and has nothing to drain");
}

/* A removal that waits: until its deadline, unless it is enabled before. */
static void a_leaving_backend_goes_at_its_deadline(void **state)
{
	(void)state;
	refused("backend.remove",
		"{\"pool\": \"web\", \"backend\": \"a\", \"force\": true, \"drain\": true}",
		RPC_BAD_PARAMS, "force: at once, drain: not: one of them");
	refused("backend.remove", "{\"pool\": \"web\", \"backend\": \"a\", \"deadline_s\": 5}",
		RPC_BAD_PARAMS, "deadline_s: only with drain");
	done("backend.remove",
	     "{\"pool\": \"web\", \"backend\": \"a\", \"drain\": true, \"deadline_s\": 600}");
	assert_string_equal(backend("a", "state"), "draining");
	assert_true(cp->running->pool[0].backend[0].leaves);
	done("backend.enable", A);
	assert_false(cp->running->pool[0].backend[0].leaves);
	assert_int_equal(differences(), 0);

	done("backend.remove",
	     "{\"pool\": \"web\", \"backend\": \"a\", \"drain\": true, \"deadline_s\": 1}");
	change_leave(cp); /* nothing is known of its pins */
	assert_string_equal(backend("a", "state"), "draining");
	while (cp->running->pool[0].backend_count == 2)
		uv_run(&cp->loop, UV_RUN_ONCE);
	assert_string_equal(backend("a", "state"), "none");
}

static void assert_a_becomes_disabled(void)
{
	while (cp->running->pool[0].backend[0].admin == ADMIN_DRAINING)
		uv_run(&cp->loop, UV_RUN_ONCE);
	assert_string_equal(backend("a", "state"), "disabled");
}

static void draining_backend_is_disabled_at_its_deadline(void **state)
{
	(void)state;
	done("backend.drain", "{\"pool\": \"web\", \"backend\": \"a\", \"deadline_s\": 1}");
	assert_a_becomes_disabled();
}

/* Refused, as a configuration that has become wrong would be: it is tried until it is done. */
static void a_deadline_that_fails_is_tried_again(void **state)
{
	struct weir_addr *b, right;

	(void)state;
	done("backend.drain", "{\"pool\": \"web\", \"backend\": \"a\", \"deadline_s\": 600}");
	b = &cp->running->pool[0].backend[1].addr;
	right = *b;
	*b = cp->running->pool[0].backend[0].addr;
	cp->running->pool[0].backend[0].drain_deadline_ms = 1;
	change_expire(cp);
	assert_string_equal(backend("a", "state"), "draining");
	*b = right;
	assert_a_becomes_disabled();
}

static void deadline_that_passed_while_nobody_ran_holds(void **state)
{
	(void)state;
	done("backend.drain", "{\"pool\": \"web\", \"backend\": \"a\", \"deadline_s\": 600}");
	/* As if the 600 s had gone by before the next start. */
	cp->running->pool[0].backend[0].drain_deadline_ms = 1;
	cp->unsaved = true;
	end();
	begin();
	assert_a_becomes_disabled();
}

/* -- the file --------------------------------------------------------------- */

static void reload_applies_what_changed_in_the_file(void **state)
{
	(void)state;
	done("backend.disable", B);
	write_conf(20, "");
	assert_int_equal(changed_by("reload"), 1);
	assert_string_equal(backend("a", "weight"), "20");
	assert_string_equal(backend("b", "state"), "disabled");
}

static void file_with_errors_changes_nothing_and_tells_all_of_them(void **state)
{
	(void)state;
	write_conf(2000, "colour = red");
	refused_by_config("reload", NULL, 2);
	assert_string_equal(backend("a", "weight"), "10");
}

/* A check that cannot be made is that check's trouble, not the operator's. */
static void a_missing_ca_file_keeps_nobody_from_the_backends(void **state)
{
	(void)state;
	end();
	write_conf(10, "checks = page\n[check page]\nkind = https\nvia = direct\nverify = yes\n"
		       "server_name = w\nca_file = /no.pem");
	begin();
	assert_string_equal(backend("a", "health"), "pending");
	done("backend.disable", B);
	assert_string_equal(backend("b", "state"), "disabled");
	refused_by_config("reload", NULL, 1);
}

static void revert_drops_what_was_changed_at_run_time(void **state)
{
	(void)state;
	done("backend.weight", A_IS_7);
	done("backend.add", NEW_C);
	assert_int_equal(differences(), 2);
	assert_int_equal(changed_by("revert"), 2);
	assert_int_equal(differences(), 0);
	assert_string_equal(backend("c", "state"), "none");
}

/* -- showing ---------------------------------------------------------------- */

static void everything_can_be_shown_without_a_data_plane(void **state)
{
	json_t *r = result("status", NULL), *first;

	(void)state;
	assert_true(json_is_false(json_object_get(r, "attached")));
	assert_true(json_is_null(json_object_get(r, "published")));
	assert_int_equal(json_array_size(json_object_get(r, "workers")), 0);
	json_decref(r);
	r = result("services", NULL);
	first = json_array_get(json_object_get(r, "services"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "vip")), "203.0.113.10");
	json_decref(r);
	r = result("pools", NULL);
	first = json_array_get(json_object_get(r, "pools"), 0);
	assert_int_equal(json_integer_value(json_object_get(first, "backends")), 2);
	assert_int_equal(json_integer_value(json_object_get(first, "handshake_grace_s")), 3);
	assert_int_equal(json_integer_value(json_object_get(first, "tcp_window_s")), 300);
	assert_int_equal(json_integer_value(json_object_get(first, "udp_window_s")), 30);
	json_decref(r);
	r = result("drops", NULL);
	assert_int_equal(json_array_size(json_object_get(r, "drops")), WEIR_DROP_REASONS - 1);
	assert_int_equal(json_array_size(json_object_get(r, "answers")), WEIR_ANSWERS);
	assert_int_equal(json_array_size(json_object_get(r, "punts")), WEIR_PUNTS);
	json_decref(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(bad_requests_are_refused_and_change_nothing),
		T(address_of_another_backend_is_refused_as_in_the_file),
		T(weight_is_set_and_differs_from_the_file),
		T(answered_change_is_in_the_state_file),
		T(changes_survive_a_restart),
		T(a_lost_state_is_not_whole_before_a_data_plane_was_asked),
		T(backend_comes_and_goes),
		T(drain_is_begun_once_and_ended_by_enable),
		T(a_leaving_backend_goes_at_its_deadline),
		T(draining_backend_is_disabled_at_its_deadline),
		T(a_deadline_that_fails_is_tried_again),
		T(deadline_that_passed_while_nobody_ran_holds),
		T(reload_applies_what_changed_in_the_file),
		T(file_with_errors_changes_nothing_and_tells_all_of_them),
		T(a_missing_ca_file_keeps_nobody_from_the_backends),
		T(revert_drops_what_was_changed_at_run_time),
		T(everything_can_be_shown_without_a_data_plane),
	};

	return cmocka_run_group_tests_name("cmd", tests, NULL, NULL);
}
