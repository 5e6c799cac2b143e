// SPDX-License-Identifier: Apache-2.0
#include "state_file.h"

#include "conf_make.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* -- the two calls that decide whether a crash leaves a whole file ------------- */

static char calls[256]; /* "sync state.json.tmp, rename state.json, sync ." */
static bool die_at_rename;

int fsync(int fd)
{
	char link[64], path[256] = "";
	size_t n = strlen(calls);
	const char *name;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_true(readlink(link, path, sizeof(path) - 1) > 0);
	name = strcmp(path, sandbox_dir) == 0 ? "." : strrchr(path, '/') + 1;
	snprintf(calls + n, sizeof(calls) - n, "%ssync %s", n ? ", " : "", name);
	return 0;
}

int rename(const char *from, const char *to)
{
	size_t n = strlen(calls);

	if (die_at_rename)
		raise(SIGKILL);
	snprintf(calls + n, sizeof(calls) - n, "%srename %s", n ? ", " : "", to);
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

/* -- helpers -------------------------------------------------------------------- */

static const struct state_clock noon = { 1000000, 1700000000000, "boot-1" };
static struct conf_errors warnings;
static char why[512];

/* What a control plane has after some commands: weight, drain, add, remove. */
static struct state make_state(void)
{
	struct state s = { .has_seed = true, .flow_seed = 0xfedcba9876543210ull };
	struct backend_conf c;

	s.file = conf_make("[pool web]\n"
			   "checks = page, mtu\nchecks_need = any\nmin_healthy = 50%\n"
			   "backend a = 192.0.2.1 weight=10\n"
			   "backend b = 192.0.2.2\n"
			   "[check page]\nkind = https\npath = /health\nverify = yes\n"
			   "server_name = www.test\nheaders = A: 1\\nB: 2\n"
			   "[check mtu]\nkind = echo\npadded = yes\ninterval_ms = 5000\n"
			   "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
			   "[service net]\nvip = 2001:db8:f::/64\nport = 80\npool = web\n"
			   "[vip 2001:db8:f::/64]\necho = off\nstrays = reject\n");
	s.running = conf_dup(s.file);
	backend_set_weight(conf_backend(s.running, "web", "a"), 0);
	conf_backend(s.running, "web", "a")->admin = ADMIN_DRAINING;
	conf_backend(s.running, "web", "a")->drain_deadline_ms = 1060000; /* noon + 60 s */
	assert_int_equal(conf_backend_remove(s.running, "web", "b"), 0);
	assert_int_equal(backend_parse("c",
				       "192.0.2.3 weight=7 backup=yes mac=02:00:00:00:00:0c port=wan vlan=9",
				       &c, why, sizeof(why)),
			 0);
	assert_int_equal(conf_backend_add(s.running, "web", &c), 0);
	s.place = calloc(1, sizeof(*s.place));
	s.place_count = 1;
	strcpy(s.place[0].name, "www");
	s.place[0].index = 17;
	return s;
}

static void save(const struct state *s)
{
	why[0] = '\0';
	assert_int_equal(state_save("state.json", &noon, s, why, sizeof(why)), 0);
	assert_string_equal(why, "");
}

static void load(struct state *out)
{
	assert_int_equal(state_load("state.json", &noon, out, why, sizeof(why), &warnings), 0);
}

static void count_difference(void *user, const char *what, const char *key, const char *from,
			     const char *to)
{
	print_error("%s %s: %s > %s\n", what, key ? key : "", from ? from : "", to ? to : "");
	++*(unsigned *)user;
}

/* Pools and services are the same to the last key; other sections are not stored. */
static void assert_same_objects(const struct conf *a, const struct conf *b)
{
	struct conf *x = conf_dup(a);
	unsigned differences = 0;

	x->dp = b->dp;
	x->control = b->control;
	assert_int_equal(conf_diff(x, b, count_difference, &differences), 0);
	assert_int_equal(differences, 0);
	conf_free(x);
}

static int fresh(void **state)
{
	(void)state;
	unlink("state.json");
	unlink("state.json.tmp");
	unlink("state.json.bad");
	conf_errors_free(&warnings);
	calls[0] = '\0';
	return 0;
}

/* -- saving and loading ---------------------------------------------------------- */

static void what_is_saved_is_loaded(void **state)
{
	struct state s = make_state(), l;
	const struct backend_conf *a;

	(void)state;
	save(&s);
	load(&l);
	assert_messages(&warnings, NO_MESSAGES);
	assert_same_objects(l.file, s.file);
	assert_same_objects(l.running, s.running);
	assert_true(l.has_seed);
	assert_true(l.flow_seed == s.flow_seed);
	assert_int_equal(l.place_count, 1);
	assert_string_equal(l.place[0].name, "www");
	assert_int_equal(l.place[0].index, 17);
	a = conf_backend(l.running, "web", "a");
	assert_int_equal(a->base_weight, 10); /* the table is still built with it */
	assert_int_equal(a->drain_deadline_ms, 1060000);
	assert_int_equal(l.running->pool[0].tcp_window_s, 300);
	assert_int_equal(l.running->check_count, 2);
	assert_string_equal(l.running->check[0].headers, "A: 1\\nB: 2");
	assert_true(l.running->check[1].padded);
	assert_true(conf_backend(l.running, "web", "c")->backup);
	state_free(&s);
	state_free(&l);
}

static void a_partial_state_says_so(void **state)
{
	struct state s = make_state(), l;

	(void)state;
	s.partial = true;
	save(&s);
	load(&l);
	assert_true(l.partial);
	state_free(&l);
	s.partial = false;
	save(&s);
	load(&l);
	assert_false(l.partial);
	state_free(&l);
	state_free(&s);
}

/* As a version without [vip] wrote it. */
static void a_state_without_vips_is_whole(void **state)
{
	struct state s = make_state(), l;
	json_t *j;

	(void)state;
	save(&s);
	j = json_load_file("state.json", 0, NULL);
	json_object_del(json_object_get(j, "file"), "vips");
	json_object_del(json_object_get(j, "running"), "vips");
	assert_int_equal(json_dump_file(j, "state.json", 0), 0);
	json_decref(j);
	load(&l);
	assert_messages(&warnings, NO_MESSAGES);
	assert_int_equal(l.running->vip_count, 0);
	assert_int_equal(l.running->service_count, 2);
	state_free(&s);
	state_free(&l);
}

static void the_greatest_number_of_backends_makes_the_round_trip(void **state)
{
	struct state s = make_state(), l;
	struct pool_conf *p = &s.running->pool[0];

	(void)state;
	p->backend = realloc(p->backend, WEIR_MAX_BACKENDS * sizeof(*p->backend));
	assert_non_null(p->backend);
	for (uint32_t i = p->backend_count; i < WEIR_MAX_BACKENDS; i++) {
		struct backend_conf *b = &p->backend[i];

		*b = p->backend[0];
		snprintf(b->name, sizeof(b->name), "backend-%u", i);
		b->addr.bytes[2] = (uint8_t)(i >> 8);
		b->addr.bytes[3] = (uint8_t)i;
	}
	p->backend_count = WEIR_MAX_BACKENDS;
	s.has_seed = false;
	save(&s);
	load(&l);
	assert_same_objects(l.running, s.running);
	assert_false(l.has_seed);
	state_free(&s);
	state_free(&l);
}

static void the_first_start_has_none(void **state)
{
	struct state l;

	(void)state;
	assert_int_equal(state_load("state.json", &noon, &l, why, sizeof(why), &warnings), -ENOENT);
}

static void the_file_is_the_owners_alone_and_synced_around_the_rename(void **state)
{
	struct state s = make_state();
	struct stat st;

	(void)state;
	write_text("state.json.tmp", "left by somebody, readable for all");
	assert_int_equal(chmod("state.json.tmp", 0666), 0);
	save(&s);
	assert_int_equal(stat("state.json", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_string_equal(calls, "sync state.json.tmp, rename state.json, sync .");
	assert_int_equal(access("state.json.tmp", F_OK), -1);
	state_free(&s);
}

static void a_kill_between_writing_and_renaming_leaves_the_old_state(void **state)
{
	struct state s = make_state(), l;
	int status;
	pid_t pid;

	(void)state;
	save(&s);
	backend_set_weight(conf_backend(s.running, "web", "c"), 99);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		die_at_rename = true;
		state_save("state.json", &noon, &s, why, sizeof(why));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);

	assert_int_equal(access("state.json.tmp", F_OK), 0); /* it got that far */
	load(&l);
	assert_int_equal(conf_backend(l.running, "web", "c")->weight, 7);
	state_free(&l);
	save(&s); /* the leftover is in nobody's way */
	load(&l);
	assert_int_equal(conf_backend(l.running, "web", "c")->weight, 99);
	state_free(&l);
	state_free(&s);
}

static void a_full_disk_leaves_the_old_state_and_says_so(void **state)
{
	struct rlimit limit, small;
	struct state s = make_state(), l;
	int err;

	(void)state;
	save(&s);
	backend_set_weight(conf_backend(s.running, "web", "c"), 99);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){ 100, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = state_save("state.json", &noon, &s, why, sizeof(why));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(err, -EFBIG);
	assert_string_equal(why, "state.json: cannot be written: File too large");
	assert_int_equal(access("state.json.tmp", F_OK), -1);
	load(&l);
	assert_int_equal(conf_backend(l.running, "web", "c")->weight, 7);
	state_free(&l);
	state_free(&s);
}

static void a_missing_directory_is_said(void **state)
{
	struct state s = make_state();

	(void)state;
	assert_int_equal(state_save("absent/state.json", &noon, &s, why, sizeof(why)), -ENOENT);
	assert_string_equal(why, "absent/state.json: cannot be written: No such file or directory");
	state_free(&s);
}

/* -- drain deadlines --------------------------------------------------------------- */

static uint64_t deadline_at(const struct state_clock *now)
{
	struct state l;
	uint64_t deadline;

	assert_int_equal(state_load("state.json", now, &l, why, sizeof(why), &warnings), 0);
	deadline = conf_backend(l.running, "web", "a")->drain_deadline_ms;
	assert_int_equal(conf_backend(l.running, "web", "c")->drain_deadline_ms, 0);
	state_free(&l);
	return deadline;
}

static void drain_deadlines_survive_a_reboot_by_the_wall_clock(void **state)
{
	struct state s = make_state(); /* 60 s are left */
	struct state_clock now = noon;

	(void)state;
	save(&s);
	/* the same boot, half a minute on: the deadline is what it was */
	now.boottime_ms += 30000;
	now.realtime_ms += 30000;
	assert_int_equal(deadline_at(&now), 1060000);
	/* another boot, 5 s old, 40 s later: 20 s are left */
	now = (struct state_clock){ 5000, noon.realtime_ms + 40000, "boot-2" };
	assert_int_equal(deadline_at(&now), 25000);
	/* it passed while the host was down: now */
	now.realtime_ms = noon.realtime_ms + 3600000;
	assert_int_equal(deadline_at(&now), 5000);
	/* the wall clock was set back: as if no time had passed */
	now.realtime_ms = 0;
	assert_int_equal(deadline_at(&now), 65000);
	/* a boot that cannot be told from the other counts as another */
	now = (struct state_clock){ 5000, noon.realtime_ms + 40000, "" };
	assert_int_equal(deadline_at(&now), 25000);
	/* never 0, which would be "none" */
	now = (struct state_clock){ 0, noon.realtime_ms + 100000, "boot-2" };
	assert_int_equal(deadline_at(&now), 1);
	state_free(&s);
}

/* -- damage ------------------------------------------------------------------------ */

/* Refused for this reason and moved aside, where somebody can look at it. */
static void assert_bad(const char *text, const char *reason)
{
	struct state l = { 0 };
	char expected[512], *kept;

	unlink("state.json.bad");
	write_text("state.json", text);
	assert_int_equal(state_load("state.json", &noon, &l, why, sizeof(why), &warnings), -EINVAL);
	snprintf(expected, sizeof(expected), "state.json: not used: %s; moved to state.json.bad",
		 reason);
	assert_string_equal(why, expected);
	assert_null(l.running);
	kept = read_text("state.json.bad");
	assert_string_equal(kept, text);
	free(kept);
	assert_int_equal(access("state.json", F_OK), -1);
}

/* A good state in which the member at `path` ("running/pools/0/name") is another. */
static void assert_bad_with(const char *path, json_t *value, const char *reason)
{
	struct state s = make_state();
	char copy[128], *step, *rest, *text;
	json_t *j, *at;

	save(&s);
	state_free(&s);
	j = json_load_file("state.json", 0, NULL);
	assert_non_null(j);
	at = j;
	snprintf(copy, sizeof(copy), "%s", path);
	step = strtok_r(copy, "/", &rest);
	while (strchr(path, '/') != NULL && rest[0] != '\0') {
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(step))
				       : json_object_get(at, step);
		assert_non_null(at);
		step = strtok_r(NULL, "/", &rest);
	}
	assert_true(value != NULL || json_object_get(at, step) != NULL);
	if (value != NULL)
		json_object_set_new(at, step, value);
	else
		json_object_del(at, step);
	text = json_dumps(j, 0);
	json_decref(j);
	assert_bad(text, reason);
	free(text);
}

static void a_file_cut_anywhere_is_moved_aside(void **state)
{
	struct state s = make_state(), l;
	char *good;

	(void)state;
	save(&s);
	state_free(&s);
	good = read_text("state.json");
	/* Behind the last brace it would be whole. */
	for (size_t len = 0; len + 2 < strlen(good); len++) {
		write_bytes("state.json", good, len);
		assert_int_equal(state_load("state.json", &noon, &l, why, sizeof(why), &warnings),
				 -EINVAL);
		assert_non_null(strstr(why, "; moved to state.json.bad"));
	}
	free(good);
}

static void a_file_of_somebody_else_is_moved_aside(void **state)
{
	(void)state;
	assert_bad("", "line 1: '[' or '{' expected near end of file");
	assert_bad("{}", "it is no state file of weir-controlplane");
	assert_bad("[1]", "it is no state file of weir-controlplane");
	assert_bad("[dataplane]\ncpus = 1\n", "line 1: invalid token near 'dataplane'");
	assert_bad_with("format", json_string("other"), "it is no state file of weir-controlplane");
	assert_bad_with("version", json_integer(2),
			"it was written by another version (this one reads version 1)");
}

static void a_damaged_member_is_named(void **state)
{
	(void)state;
	assert_bad_with("boottime_ms", json_string("x"), "the time of writing is missing");
	assert_bad_with("flow_seed", json_string("0x"),
			"\"flow_seed\" is not 16 hexadecimal digits");
	assert_bad_with("service_index", NULL, "\"service_index\" is missing or no object");
	assert_bad_with("service_index/www", json_integer(WEIR_MAX_SERVICES),
			"the index of service www is out of range");
	assert_bad_with("running", NULL, "\"pools\" is missing or no array");
	assert_bad_with("running/services", json_integer(1), "\"services\" is missing or no array");
	assert_bad_with("running/pools/0/backends", json_object(),
			"\"backends\" is missing or no array");
	assert_bad_with("running/pools/0/name", NULL, "a pool has no name");
	assert_bad_with(
		"running/pools/0/name", json_string("a/b"),
		"a pool's name: \"a/b\" is no name: letters, digits, \"-\", \"_\" and \".\" "
		"are right, a letter or digit first");
	assert_bad_with("file/pools/0/mode", json_string("l3"),
			"mode of pool web: \"l3\" is not right: l2, ipip or gue");
	assert_bad_with("file/pools/0/mtu", json_integer(1500), "mtu of pool web is no string");
	assert_bad_with("running/services/0/vip", NULL, "service www has no vip");
	assert_bad_with("running/pools/0/backends/0/address", json_string("here"),
			"backend a has no address");
	assert_bad_with("running/pools/0/backends/0/base_weight", json_integer(0),
			"base_weight of backend a is not 1 to 1000");
	assert_bad_with("running/pools/0/backends/0/drain_deadline_ms", json_integer(-1),
			"drain_deadline_ms of backend a is no time");
	assert_bad_with("running/pools/0/backends/1/name", json_string("a"),
			"backend a stands twice");
	assert_bad_with("running/vips/0/name", json_string("2001:db8:f::1/64"),
			"a vip's name is no address or prefix");
	assert_bad_with("running/vips/0/strays", json_string("punt"),
			"strays of vip 2001:db8:f::/64: \"punt\" is not right: drop or reject");
}

static void what_is_no_regular_file_is_not_waited_for(void **state)
{
	struct state l;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(state_load("fifo", &noon, &l, why, sizeof(why), &warnings), -EINVAL);
	assert_string_equal(why, "fifo: not used: no regular file, or larger than 64 MB; moved to "
				 "fifo.bad");
}

/* What may be whole is not replaced by the next state. */
static void what_cannot_be_opened_is_moved_aside(void **state)
{
	char to[16];
	struct state s;

	(void)state;
	assert_int_equal(symlink("state.json", "state.json"), 0); /* ELOOP, whoever we are */
	assert_int_equal(state_load("state.json", &noon, &s, why, sizeof(why), &warnings), -ELOOP);
	assert_string_equal(why, "state.json: not used: it cannot be opened: Too many levels of "
				 "symbolic links; moved to state.json.bad");
	assert_int_equal(readlink("state.json.bad", to, sizeof(to)), strlen("state.json"));
}

static void options_of_another_version_are_passed_over_with_a_warning(void **state)
{
	struct state s = make_state(), l;
	json_t *j, *pools;

	(void)state;
	save(&s);
	j = json_load_file("state.json", 0, NULL);
	pools = json_object_get(json_object_get(j, "running"), "pools");
	json_object_set_new(json_array_get(pools, 0), "later_key", json_string("6080"));
	assert_int_equal(json_dump_file(j, "state.json", 0), 0);
	json_decref(j);
	load(&l);
	assert_messages(&warnings,
			MESSAGES("state.json: option \"later_key\" of pool web is unknown to this "
				 "version"));
	assert_same_objects(l.running, s.running);
	state_free(&l);
	state_free(&s);
}

static void the_clock_tells_the_boot(void **state)
{
	struct state_clock a, b;

	(void)state;
	state_clock_now(&a);
	state_clock_now(&b);
	assert_int_equal(strlen(a.boot_id), 36); /* a UUID: random(4) */
	assert_string_equal(a.boot_id, b.boot_id);
	assert_true(a.boottime_ms > 0 && b.boottime_ms >= a.boottime_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_saved_is_loaded, fresh),
		cmocka_unit_test_setup(a_partial_state_says_so, fresh),
		cmocka_unit_test_setup(a_state_without_vips_is_whole, fresh),
		cmocka_unit_test_setup(the_greatest_number_of_backends_makes_the_round_trip, fresh),
		cmocka_unit_test_setup(the_first_start_has_none, fresh),
		cmocka_unit_test_setup(the_file_is_the_owners_alone_and_synced_around_the_rename,
				       fresh),
		cmocka_unit_test_setup(a_kill_between_writing_and_renaming_leaves_the_old_state,
				       fresh),
		cmocka_unit_test_setup(a_full_disk_leaves_the_old_state_and_says_so, fresh),
		cmocka_unit_test_setup(a_missing_directory_is_said, fresh),
		cmocka_unit_test_setup(drain_deadlines_survive_a_reboot_by_the_wall_clock, fresh),
		cmocka_unit_test_setup(a_file_cut_anywhere_is_moved_aside, fresh),
		cmocka_unit_test_setup(a_file_of_somebody_else_is_moved_aside, fresh),
		cmocka_unit_test_setup(a_damaged_member_is_named, fresh),
		cmocka_unit_test_setup(what_is_no_regular_file_is_not_waited_for, fresh),
		cmocka_unit_test_setup(what_cannot_be_opened_is_moved_aside, fresh),
		cmocka_unit_test_setup(options_of_another_version_are_passed_over_with_a_warning,
				       fresh),
		cmocka_unit_test_setup(the_clock_tells_the_boot, fresh),
	};

	return cmocka_run_group_tests_name("state_file", tests, sandbox_setup, sandbox_teardown);
}
