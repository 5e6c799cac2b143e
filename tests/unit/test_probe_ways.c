// SPDX-License-Identifier: Apache-2.0
/*
 * The program that carries probes, on the loopback interface of a network namespace of
 * our own: what becomes of it, and of probes, when another user of tc takes it off. Needs
 * the right to load programs; without it every test is skipped.
 */
#include "probe_ways.h"

#include <bpf/libbpf.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LO = 1, PATIENCE_MS = 10000 };

static const uint32_t mark = PROBE_MARK | 1;
static uv_loop_t loop;
static uv_timer_t patience; /* keeps the loop running */
static struct probe_ways *ways;
static bool alone; /* in our namespace */

static void too_late(uv_timer_t *t)
{
	(void)t;
	fail_msg("nothing within %d ms", PATIENCE_MS);
}

static int setup(void **state)
{
	static const struct weir_ports_are lo = { .count = 1, .port = { { .ifindex = LO } } };

	(void)state;
	uv_loop_init(&loop);
	uv_timer_init(&loop, &patience);
	uv_timer_start(&patience, too_late, PATIENCE_MS, 0);
	assert_int_equal(probe_ways_create(&loop, &ways), 0);
	if (alone)
		probe_ways_ports(ways, &lo);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	probe_ways_destroy(ways);
	uv_close((uv_handle_t *)&patience, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0); /* no handle was left open */
	return 0;
}

#define NEEDS_PROGRAM()                                      \
	do {                                                 \
		(void)state;                                 \
		if (!alone || probe_ways_path(ways) == NULL) \
			skip();                              \
		assert_true(probe_path_attached(LO));        \
	} while (0)

/* tc qdisc del dev lo clsact: all filters go with it. */
static void delete_clsact(void)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = LO,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
	assert_false(probe_path_attached(LO));
}

/* tc filter del dev lo egress pref 5 */
static void delete_filter(void)
{
	assert_int_equal(probe_path_detach(probe_ways_path(ways), LO), 0);
	assert_false(probe_path_attached(LO));
}

static void expect_put_back(void)
{
	while (!probe_path_attached(LO))
		uv_run(&loop, UV_RUN_ONCE);
}

static void the_program_is_put_back_though_no_probe_is_made(void **state)
{
	NEEDS_PROGRAM();
	delete_clsact();
	expect_put_back();
	delete_filter();
	expect_put_back();
}

/* The filter is gone and the loop has not turned since: so it is when the probe that went
 * past it ends in the same turn. */
static void a_probe_under_way_meanwhile_proves_nothing(void **state)
{
	void (*const delete[])(void) = { delete_clsact, delete_filter };

	NEEDS_PROGRAM();
	for (unsigned i = 0; i < 2; i++) {
		uint64_t before = uv_hrtime();

		assert_int_equal(probe_ways_left(ways, mark, before), PROBE_LEFT_CARRIED);
		delete[i]();
		assert_int_equal(probe_ways_left(ways, mark, before), PROBE_LEFT_UNGUARDED);
		assert_true(probe_path_attached(LO));
		/* The next one begins behind the program. */
		assert_int_equal(probe_ways_left(ways, mark, uv_hrtime()), PROBE_LEFT_CARRIED);
	}
}

static void what_we_do_ourselves_is_no_other_user(void **state)
{
	static const struct weir_ports_are none, lo = { .count = 1, .port = { { .ifindex = LO } } };

	NEEDS_PROGRAM();
	probe_ways_ports(ways, &none);
	assert_false(probe_path_attached(LO));
	probe_ways_ports(ways, &lo);
	assert_true(probe_path_attached(LO));
	assert_int_equal(probe_ways_left(ways, mark, 1), PROBE_LEFT_CARRIED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_program_is_put_back_though_no_probe_is_made),
		T(a_probe_under_way_meanwhile_proves_nothing),
		T(what_we_do_ourselves_is_no_other_user),
	};

	if (unshare(CLONE_NEWNET) < 0)
		print_message("no network namespace of our own\n");
	else
		alone = true;
	return cmocka_run_group_tests_name("probe_ways", tests, NULL, NULL);
}
