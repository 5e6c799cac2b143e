// SPDX-License-Identifier: Apache-2.0
#include "probe_fixture.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define LONG_MS 5000

uv_loop_t loop;
struct probe_ctx *ctx;
struct authority ca;
struct probe_conf conf;
struct probe_target target;
struct probe_result result;
unsigned done_count;

void on_done(void *user, const struct probe_result *r)
{
	(void)user;
	result = *r;
	done_count++;
}

int fixture_group_setup(void **state)
{
	(void)state;
	authority_make(&ca);
	return 0;
}

int fixture_group_teardown(void **state)
{
	(void)state;
	authority_free(&ca);
	return 0;
}

int fixture_setup(void **state)
{
	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(probe_ctx_create(&loop, &ctx), 0);
	memset(&conf, 0, sizeof(conf));
	conf.connect_timeout_ms = conf.answer_timeout_ms = LONG_MS;
	memset(&target, 0, sizeof(target));
	weir_addr_parse("127.0.0.1", &target.addr);
	memset(&result, 0, sizeof(result));
	done_count = 0;
	return 0;
}

int fixture_teardown(void **state)
{
	(void)state;
	probe_ctx_destroy(ctx);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0); /* no handle was left open */
	return 0;
}

void run(void)
{
	struct probe *p;
	char why[200];

	if (probe_prepare(ctx, &conf, why, sizeof(why)))
		fail_msg("%s", why);
	done_count = 0;
	assert_int_equal(probe_start(ctx, &conf, &target, on_done, NULL, &p), 0);
	assert_int_equal(done_count, 0); /* never from inside */
	while (done_count == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(done_count, 1);
	assert_int_equal(probe_count(ctx), 0);
	assert_int_equal(result.ok, result.failure == PROBE_FAIL_OK);
}

void run_against(const struct server_script *script)
{
	struct server *s = server_start(script, &target.port);

	run();
	server_stop(s);
}

void expect_fail(enum probe_failure f, const char *reason)
{
	assert_string_equal(probe_failure_name(result.failure), probe_failure_name(f));
	assert_string_equal(result.reason, reason);
}

void expect_ok(const char *reason)
{
	expect_fail(PROBE_FAIL_OK, reason);
	assert_true(result.latency_us > 0);
}

void set(struct probe_bytes *b, const char *text)
{
	b->len = (uint16_t)strlen(text);
	memcpy(b->data, text, b->len);
}

int closed_port(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}
