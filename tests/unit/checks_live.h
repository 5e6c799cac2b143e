// SPDX-License-Identifier: Apache-2.0
/*
 * A pool whose backends are this host's loopback, and its checks with real connections.
 */
#ifndef WEIR_TEST_CHECKS_LIVE_H
#define WEIR_TEST_CHECKS_LIVE_H

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
#include <sys/socket.h>
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

static inline void verdict(void *user, struct backend *b)
{
	assert_ptr_equal(user, &model);
	assert_ptr_equal(b->pool, &pool);
	for (unsigned i = 0; i < pool.backend_count; i++) {
		verdicts += backend[i].health != seen[i];
		seen[i] = backend[i].health;
	}
}

static inline void all_settled(void *user)
{
	(void)user;
	assert_int_equal(checks_pending(checks), 0);
	settled++;
}

static inline void too_late(uv_timer_t *t)
{
	(void)t;
	fail_msg("nothing has happened for 10 s");
}

/* A server on a free port; `backlog` connections wait to be accepted, by nobody. */
static inline int serve(int backlog)
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
static inline int serve_again(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&server_addr, sizeof(server_addr)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static inline void fill_pool(unsigned count)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < pool.backend_count; i++)
		checks_forget(&backend[i]);
	checks_destroy(checks);
	uv_close((uv_handle_t *)&watchdog, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

static inline void until_verdicts(unsigned count)
{
	while (verdicts < count)
		uv_run(&loop, UV_RUN_ONCE);
}

#endif /* WEIR_TEST_CHECKS_LIVE_H */
