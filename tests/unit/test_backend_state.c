// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/weir-test-state-XXXXXX";
static char why[160];

static int setup(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

/* `tests` leave only these names behind. */
static int teardown(void **state)
{
	static const char *const interfaces[] = { "eth0", "eth1", "eth2" };
	char path[STATE_PATH_LEN];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		if (state_path(dir, interfaces[i], path) == 0)
			state_remove(path);
	snprintf(path, sizeof(path), "%s/backend.lock", dir);
	unlink(path);
	return rmdir(dir);
}

static void sysctl_note(struct state *s, const char *name, int was, int set)
{
	struct state_sysctl *n = &s->sysctl[s->sysctl_count++];

	snprintf(n->name, sizeof(n->name), "%s", name);
	n->was = was;
	n->set = set;
}

static void vip_note(struct state *s, const char *text)
{
	struct weir_addr a;

	assert_int_equal(weir_addr_parse(text, &a), 0);
	assert_int_equal(prefix_add_addr(&s->vips, &a), 0);
}

static void prefix_note(struct state *s, const char *text)
{
	struct weir_addr a;
	uint8_t len;

	assert_int_equal(weir_prefix_parse(text, &a, &len), 0);
	assert_int_equal(prefix_add(&s->vips, &a, len), 0);
}

static void write_as(const char *interface, const struct state *s)
{
	char path[STATE_PATH_LEN];

	assert_int_equal(state_path(dir, interface, path), 0);
	assert_int_equal(state_write(path, s), 0);
}

static void what_is_written_is_read(void **state)
{
	struct state s = { .interface = "eth0", .ifindex = 7, .qdisc = true }, got;
	char path[STATE_PATH_LEN];

	(void)state;
	sysctl_note(&s, "all/arp_ignore", 0, 1);
	sysctl_note(&s, "eth0/rp_filter", 1, 2);
	vip_note(&s, "203.0.113.10");
	vip_note(&s, "203.0.113.11");
	vip_note(&s, "2001:db8:f::10");
	prefix_note(&s, "203.0.113.128/28");
	prefix_note(&s, "2001:db8:e::/64");
	s.route[0] = (struct state_route){ .family = 4, .metric = 100, .was = 0, .set = 1440 };
	assert_int_equal(weir_addr_parse("10.0.0.1", &s.route[0].gateway), 0);
	s.route[1] = (struct state_route){ .family = 6,
					   .metric = UINT32_MAX,
					   .ifindex = 7,
					   .was = 9000,
					   .set = 1420,
					   .old = 1440 };
	s.route_count = 2;
	write_as("eth0", &s);

	assert_int_equal(state_path(dir, "eth0", path), 0);
	assert_int_equal(state_read(path, &got, why, sizeof(why)), 0);
	assert_string_equal(got.interface, "eth0");
	assert_int_equal(got.ifindex, 7);
	assert_true(got.qdisc);
	assert_int_equal(got.sysctl_count, 2);
	assert_int_equal(state_sysctl_find(&got, "eth0/rp_filter"), 1);
	assert_int_equal(got.sysctl[1].was, 1);
	assert_int_equal(got.sysctl[1].set, 2);
	assert_int_equal(state_sysctl_find(&got, "eth0/arp_ignore"), -1);
	assert_int_equal(got.vips.count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_true(prefix_has(&got.vips, &s.vips.item[i]));
	assert_int_equal(got.route_count, 2);
	assert_int_equal(state_route_find(&got, &s.route[0]), 0);
	assert_int_equal(state_route_find(&got, &s.route[1]), 1);
	assert_int_equal(got.route[0].set, 1440);
	assert_int_equal(got.route[1].was, 9000);
	assert_int_equal(got.route[1].set, 1420);
	assert_int_equal(got.route[1].old, 1440);
	state_free(&got);
	state_free(&s);
}

static void a_file_that_is_not_there_is_no_damage(void **state)
{
	struct state got = { .ifindex = 4711 };
	char path[STATE_PATH_LEN];

	(void)state;
	assert_int_equal(state_path(dir, "eth0", path), 0);
	assert_int_equal(state_read(path, &got, why, sizeof(why)), -ENOENT);
	assert_int_equal(got.ifindex, 4711); /* untouched */
	assert_int_equal(state_remove(path), 0);
}

static void damage_is_refused(void **state)
{
#define FILE_OF(sysctls, vips)                                                             \
	"{\"version\":1,\"interface\":\"eth0\",\"ifindex\":2,\"qdisc\":false,\"sysctls\":" \
	"[" sysctls "],\"vips\":[" vips "]}"
#define ROUTES_OF(routes)                                                      \
	"{\"version\":1,\"interface\":\"eth0\",\"ifindex\":2,\"qdisc\":false," \
	"\"sysctls\":[],\"vips\":[],\"routes\":[" routes "]}"
#define ROUTE(family, via)                                                 \
	"{\"family\":" family ",\"metric\":0,\"ifindex\":2,\"via\":\"" via \
	"\",\"was\":0,\"set\":1440,\"old\":\"0\"}"
#define SYSCTL(name) "{\"name\":\"" name "\",\"was\":0,\"set\":1}"
	static const char *const damaged[] = {
		"",
		"{",
		"[]",
		"{}",
		FILE_OF("", "") " more",
		FILE_OF("1", ""),
		FILE_OF(SYSCTL("eth1/arp_ignore"), ""),
		FILE_OF(SYSCTL("all/rp_filter"), ""),
		FILE_OF(SYSCTL("../../../vm/panic_on_oom"), ""),
		FILE_OF(SYSCTL("all/arp_ignore") "," SYSCTL("all/arp_ignore"), ""),
		FILE_OF("{\"name\":\"all/arp_ignore\",\"was\":\"0\",\"set\":1}", ""),
		FILE_OF("", "5"),
		FILE_OF("", "\"203.0.113.10/24\""),
		ROUTES_OF("1"),
		ROUTES_OF("{}"),
		ROUTES_OF(ROUTE("5", "10.0.0.1")),
		ROUTES_OF(ROUTE("4", "10.0.0.1/24")),
		ROUTES_OF(ROUTE("4", "")),
		"{\"version\":2,\"interface\":\"eth0\",\"ifindex\":2,\"qdisc\":false,"
		"\"sysctls\":[],\"vips\":[]}",
	};
	struct state got = { .ifindex = 4711 };
	char path[STATE_PATH_LEN];

	(void)state;
	assert_int_equal(state_path(dir, "eth0", path), 0);
	for (unsigned i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		FILE *f = fopen(path, "we");

		assert_non_null(f);
		assert_true(fputs(damaged[i], f) >= 0);
		assert_int_equal(fclose(f), 0);
		why[0] = '\0';
		assert_int_equal(state_read(path, &got, why, sizeof(why)), -EINVAL);
		assert_true(why[0] != '\0');
	}
	assert_int_equal(got.ifindex, 4711);
}

static void a_write_that_fails_leaves_the_old_state(void **state)
{
	struct state s = { .interface = "eth0", .ifindex = 1 }, got;
	char path[STATE_PATH_LEN], temporary[STATE_PATH_LEN + 8];

	(void)state;
	write_as("eth0", &s);
	assert_int_equal(state_path(dir, "eth0", path), 0);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	assert_int_equal(mkdir(temporary, 0700), 0); /* in the way of the new one */
	s.ifindex = 2;
	assert_true(state_write(path, &s) < 0);
	assert_int_equal(state_read(path, &got, why, sizeof(why)), 0);
	assert_int_equal(got.ifindex, 1);
	assert_int_equal(rmdir(temporary), 0);
}

static void others_are_merged_without_ones_own(void **state)
{
	struct state own = { .interface = "eth0" }, b = { .interface = "eth1" },
		     c = { .interface = "eth2" }, others;
	char path[STATE_PATH_LEN];

	(void)state;
	sysctl_note(&own, "all/arp_announce", 1, 2);
	vip_note(&own, "203.0.113.1");
	sysctl_note(&b, "all/arp_ignore", 0, 1);
	sysctl_note(&b, "eth1/arp_ignore", 0, 1); /* its own business */
	vip_note(&b, "203.0.113.10");
	sysctl_note(&c, "all/arp_ignore", 0, 1);
	vip_note(&c, "203.0.113.10");
	vip_note(&c, "203.0.113.11");
	write_as("eth0", &own);
	write_as("eth1", &b);
	write_as("eth2", &c);

	assert_int_equal(state_path(dir, "eth0", path), 0);
	assert_int_equal(state_others(dir, path, &others), 0);
	assert_int_equal(others.sysctl_count, 1);
	assert_string_equal(others.sysctl[0].name, "all/arp_ignore");
	assert_int_equal(others.vips.count, 2);
	assert_true(prefix_has(&others.vips, &b.vips.item[0]));
	assert_true(prefix_has(&others.vips, &c.vips.item[1]));
	assert_false(prefix_has(&others.vips, &own.vips.item[0]));
	state_free(&others);
	state_free(&own);
	state_free(&b);
	state_free(&c);
}

/* A copy of a state under a name that is not its interface's. */
static void strays_in_the_directory_claim_nothing(void **state)
{
	struct state s = { .interface = "eth9" }, others;
	char path[STATE_PATH_LEN];

	(void)state;
	vip_note(&s, "203.0.113.10");
	write_as("eth1", &s);
	assert_int_equal(state_path(dir, "eth0", path), 0);
	assert_int_equal(state_others(dir, path, &others), 0);
	assert_int_equal(others.vips.count, 0);
	state_free(&s);
}

static void no_directory_is_no_others(void **state)
{
	struct state others;

	(void)state;
	assert_int_equal(state_others("/nonexistent", "/nonexistent/x", &others), 0);
	assert_int_equal(others.vips.count, 0);
}

static void a_second_lock_waits_for_the_first(void **state)
{
	int fd = state_lock(dir), pipefd[2];
	char byte;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pipe(pipefd), 0);
	if (fork() == 0) {
		close(fd); /* the child's copy would hold the lock */
		byte = 'w';
		if (write(pipefd[1], &byte, 1) != 1 || state_lock(dir) < 0)
			_exit(1);
		byte = 'l';
		_exit(write(pipefd[1], &byte, 1) != 1);
	}
	assert_int_equal(read(pipefd[0], &byte, 1), 1);
	assert_int_equal(byte, 'w');
	close(fd);
	assert_int_equal(read(pipefd[0], &byte, 1), 1);
	assert_int_equal(byte, 'l');
	close(pipefd[0]);
	close(pipefd[1]);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_written_is_read),
		test(a_file_that_is_not_there_is_no_damage),
		test(damage_is_refused),
		test(a_write_that_fails_leaves_the_old_state),
		test(others_are_merged_without_ones_own),
		test(strays_in_the_directory_claim_nothing),
		test(no_directory_is_no_others),
		test(a_second_lock_waits_for_the_first),
	};

	return cmocka_run_group_tests_name("backend_state", tests, NULL, NULL);
}
