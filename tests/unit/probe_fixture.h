// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of live probes stand on: a loop and a context, one probe at a time
 * with these settings, and its result.
 */
#ifndef PROBE_FIXTURE_H
#define PROBE_FIXTURE_H

#include "probe.h"
#include "probe_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define HANG_MS 150 /* how long a test waits for what never comes */

extern uv_loop_t loop;
extern struct probe_ctx *ctx;
extern struct authority ca; /* with fixture_group_setup() */
extern struct probe_conf conf;
extern struct probe_target target; /* 127.0.0.1 */
extern struct probe_result result;
extern unsigned done_count;

int fixture_setup(void **state);
int fixture_teardown(void **state); /* fails when a handle was left open */
int fixture_group_setup(void **state);
int fixture_group_teardown(void **state);

#define PROBE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* Count a result and keep it. */
void on_done(void *user, const struct probe_result *r);

/* Run one probe to its end; the second against a server of this script. */
void run(void);
void run_against(const struct server_script *script);

void expect_fail(enum probe_failure f, const char *reason);
void expect_ok(const char *reason);

void set(struct probe_bytes *b, const char *text);

/* A port on which nobody listens, held by the descriptor so that nobody will. */
int closed_port(uint16_t *port);

#endif /* PROBE_FIXTURE_H */
