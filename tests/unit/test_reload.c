// SPDX-License-Identifier: Apache-2.0
#include "reload.h"

#include "conf_make.h"
#include "state_file.h"

#include <errno.h>

static struct reload reload;

static int drop(void **state)
{
	(void)state;
	reload_free(&reload);
	return 0;
}

#define PORT	"[port wan]\ndevice = net_null0\n"
#define SERVICE "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
#define WWW	" www>web@203.0.113.1:80"

static const char one_backend[] = PORT "[pool web]\nbackend a = 192.0.2.1\n" SERVICE;
static const char two_backends[] = PORT "[pool web]\nbackend a = 192.0.2.1 weight=3\n"
					"backend b = 192.0.2.2\n" SERVICE;

/* The file as it is now on the disk. */
static void start(const char *text)
{
	reload_free(&reload);
	write_text("weir.conf", text);
	assert_int_equal(reload_start("weir.conf", NULL, &reload), 0);
	assert_messages(&reload.errors, NO_MESSAGES);
}

/* Reload from what `reload` holds; the new result takes its place. */
static int again(const char *text)
{
	struct reload r;
	int err;

	write_text("weir.conf", text);
	err = reload_file("weir.conf", reload.file, reload.running, &r);
	if (err < 0) {
		assert_null(r.file);
		assert_null(r.running);
		assert_int_equal(r.changed, 0);
		/* The caller goes on with what it has. */
		r.file = reload.file;
		r.running = reload.running;
		reload.file = reload.running = NULL;
	}
	reload_free(&reload);
	reload = r;
	return err;
}

static void add(const char *name, const char *text)
{
	struct backend_conf b;
	char why[256];

	assert_int_equal(backend_parse(name, text, &b, why, sizeof(why)), 0);
	assert_int_equal(conf_backend_add(reload.running, "web", &b), 0);
}

static void a_first_start_runs_what_the_file_says(void **state)
{
	(void)state;
	start(two_backends);
	assert_brief(reload.file, "web(a:3,b:1)" WWW);
	assert_brief(reload.running, "web(a:3,b:1)" WWW);
	assert_int_equal(reload.changed, 0);
}

/* After a reboot, say: what one check lacks is that check's trouble alone. A reload has a
 * control plane to go back to. */
static void a_missing_ca_file_refuses_a_reload_but_no_start(void **state)
{
	static const char missing[] = PORT
		"[pool web]\nchecks = page\nbackend a = 192.0.2.1\n" SERVICE
		"[check page]\nkind = https\nserver_name = w\nverify = yes\nca_file = /no.pem\n";

	(void)state;
	start(missing);
	assert_non_null(strstr(reload.warnings.text[reload.warnings.count - 1],
			       "[check page] ca_file: "));
	assert_int_equal(again(missing), -EINVAL);
	assert_non_null(strstr(reload.errors.text[0], "[check page] ca_file: "));
}

static void a_bad_file_refuses_the_start_with_every_reason(void **state)
{
	(void)state;
	write_text("weir.conf", PORT "[pool web]\nmode = l3\nbackend a = nowhere\n");
	assert_int_equal(reload_start("weir.conf", NULL, &reload), -EINVAL);
	assert_null(reload.file);
	assert_null(reload.running);
	assert_int_equal(reload.errors.count, 2);
	reload_free(&reload);
	assert_int_equal(reload_start("absent.conf", NULL, &reload), -ENOENT);
	assert_messages(&reload.errors,
			MESSAGES("absent.conf: cannot be opened: No such file or directory"));
}

static void a_reload_applies_what_changed_and_keeps_runtime_changes(void **state)
{
	(void)state;
	start(one_backend);
	backend_set_weight(conf_backend(reload.running, "web", "a"), 50);
	add("x", "192.0.2.9 weight=2");

	assert_int_equal(again(one_backend), 0); /* the same file again */
	assert_int_equal(reload.changed, 0);
	assert_brief(reload.running, "web(a:50,x:2)" WWW);

	assert_int_equal(
		again(PORT "[pool web]\nbackend a = 192.0.2.1\nbackend b = 192.0.2.2\n" SERVICE),
		0);
	assert_int_equal(reload.changed, 1);
	assert_brief(reload.file, "web(a:1,b:1)" WWW);
	assert_brief(reload.running, "web(a:50,b:1,x:2)" WWW);

	assert_int_equal(again(two_backends), 0); /* now a's weight is new in the file */
	assert_int_equal(reload.changed, 1);
	assert_brief(reload.running, "web(a:3,b:1,x:2)" WWW);
	assert_messages(&reload.warnings, NO_MESSAGES);
}

#define CHECKED(path)                                                                          \
	PORT "[pool web]\nchecks = page\nbackend a = 192.0.2.1\n" SERVICE "[check page]\n"   \
	     "kind = http\npath = " path "\n"

static void a_reload_changes_a_check_and_a_backup_of_run_time_stays(void **state)
{
	struct reload r;

	(void)state;
	start(CHECKED("/health"));
	add("spare", "192.0.2.9 backup=yes");
	assert_int_equal(again(CHECKED("/ready")), 0);
	assert_int_equal(reload.changed, 1);
	assert_string_equal(reload.running->check[0].path, "/ready");
	assert_true(conf_backend(reload.running, "web", "spare")->backup);

	/* What the pool names must be there. */
	assert_int_equal(again(PORT "[pool web]\nchecks = page\nbackend a = 192.0.2.1\n" SERVICE),
			 -EINVAL);
	assert_messages(&reload.errors,
			MESSAGES("weir.conf:4: [pool web] checks: there is no [check page]"));
	assert_string_equal(reload.running->check[0].path, "/ready");

	conf_backend(reload.running, "web", "a")->backup = true;
	assert_int_equal(reload_revert(reload.file, reload.running, &r), 0);
	assert_int_equal(r.changed, 2); /* a's backup, spare */
	assert_null(conf_backend(r.running, "web", "spare"));
	assert_false(conf_backend(r.running, "web", "a")->backup);
	assert_string_equal(r.running->check[0].path, "/ready");
	reload_free(&r);
}

static void files_that_checks_name_are_asked_for_by_file_and_not_at_run_time(void **state)
{
	static const char with_ca[] = PORT "[pool web]\nchecks = page\nbackend a = 192.0.2.1\n" SERVICE
					   "[check page]\nkind = https\nverify = yes\n"
					   "ca_file = ca.pem\n";
	struct conf_errors errors = { 0 };
	struct conf *c;

	(void)state;
	start(one_backend);
	assert_int_equal(again(with_ca), -EINVAL);
	assert_messages(&reload.errors,
			MESSAGES("weir.conf:13: [check page] ca_file: ca.pem cannot be read: No "
				 "such file or directory"));
	assert_brief(reload.running, "web(a:1)" WWW);
	/* In force already, and gone since: whoever drains a backend is not asked. */
	assert_int_equal(conf_load("weir.conf", &c, &errors, NULL), 0);
	assert_int_equal(conf_check(c, "weir.conf", &errors, NULL), 0);
	conf_free(c);
}

static void a_bad_file_changes_nothing(void **state)
{
	(void)state;
	start(one_backend);
	assert_int_equal(again(PORT "[pool web]\nbackend a = 192.0.2.1 weight=many\n" SERVICE),
			 -EINVAL);
	assert_messages(
		&reload.errors,
		MESSAGES("weir.conf:4: [pool web] backend a: weight: \"many\" is not right: a "
			 "whole number from 0 to 1000"));
	assert_brief(reload.running, "web(a:1)" WWW);
	assert_int_equal(again(two_backends), 0); /* mended */
	assert_brief(reload.running, "web(a:3,b:1)" WWW);
}

static void a_file_that_does_not_go_with_runtime_changes_is_refused(void **state)
{
	(void)state;
	start(one_backend);
	add("x", "192.0.2.2");
	assert_int_equal(again(two_backends), -EINVAL);
	assert_messages(
		&reload.errors,
		MESSAGES("weir.conf: [pool web] backend x: 192.0.2.2 is backend b already: one "
			 "server, one backend (weight= gives it more)",
			 "weir.conf: the file is right by itself, but not with the changes "
			 "made at run time (weirctl diff shows them, weirctl revert drops "
			 "them)"));
	assert_brief(reload.running, "web(a:1,x:1)" WWW);
	assert_brief(reload.file, "web(a:1)" WWW);
}

static void what_only_a_start_can_change_names_the_process(void **state)
{
	static const char *const warnings[] = {
		"weir.conf: [dataplane] cpus: \"1\" is in force; \"1-2\" needs a restart of "
		"weir-dataplane",
		"weir.conf: [dataplane] session_socket: \"/run/weir/session.sock\" is in force; "
		"\"s.sock\" needs a restart of weir-dataplane and weir-controlplane",
		"weir.conf: [port wan] mtu: \"0\" is in force; \"9000\" needs a restart of "
		"weir-dataplane",
		"weir.conf: [port lan]: new, which needs a restart of weir-dataplane",
		"weir.conf: [controlplane] group: \"\" is in force; \"weir\" needs a restart of "
		"weir-controlplane",
		NULL,
	};
	static const char text[] = "[dataplane]\ncpus = 1-2\nsession_socket = s.sock\n" PORT
				   "mtu = 9000\n[port lan]\ndevice = net_null1\n"
				   "[controlplane]\ngroup = weir\n"
				   "[pool web]\nbackend a = 192.0.2.1 weight=4\n" SERVICE;

	(void)state;
	start(one_backend);
	assert_int_equal(again(text), 0);
	assert_messages(&reload.warnings, warnings);
	assert_brief(reload.running, "web(a:4)" WWW); /* the rest is in force */
	assert_int_equal(reload.running->dp.cpu_count, 1);
	assert_int_equal(reload.file->dp.cpu_count, 2);
	/* As long as the old ones are in force, every reload says so. */
	assert_int_equal(again(text), 0);
	assert_messages(&reload.warnings, warnings);
	assert_int_equal(again(one_backend), 0);
	assert_messages(&reload.warnings, NO_MESSAGES);
}

/* Nobody said --force. One that is disabled has nothing to lose. */
static void what_goes_with_its_connections_is_named(void **state)
{
	(void)state;
	start(two_backends);
	add("c", "192.0.2.3");
	conf_backend(reload.running, "web", "b")->admin = ADMIN_DRAINING;
	assert_int_equal(again(one_backend), 0);
	assert_messages(&reload.warnings,
			MESSAGES("weir.conf: backend web/b is gone from the file: it goes at once, "
				 "and its connections with it (weirctl backend remove --drain, "
				 "before, lets them end)"));
	assert_brief(reload.running, "web(a:1,c:1)" WWW);
	start(two_backends);
	conf_backend(reload.running, "web", "b")->admin = ADMIN_DISABLED;
	assert_int_equal(again(one_backend), 0);
	assert_messages(&reload.warnings, NO_MESSAGES);
}

static void a_next_hop_may_name_a_port_that_comes_with_the_restart(void **state)
{
	(void)state;
	start(one_backend);
	assert_int_equal(again(PORT "[port lan]\ndevice = net_null1\n"
				    "[pool web]\nbackend a = 192.0.2.1 mac=02:00:00:00:00:01 "
				    "port=lan\n" SERVICE),
			 0);
	assert_messages(&reload.warnings,
			MESSAGES("weir.conf: [port lan]: new, which needs a restart of "
				 "weir-dataplane"));
	assert_string_equal(conf_backend(reload.running, "web", "a")->port, "lan");
}

static void a_revert_runs_the_file_as_it_was_read_last(void **state)
{
	struct backend_conf *a;
	struct reload r;

	(void)state;
	start(two_backends);
	a = conf_backend(reload.running, "web", "a");
	backend_set_weight(a, 50);
	a->admin = ADMIN_DRAINING;
	a->drain_deadline_ms = 77;
	assert_int_equal(conf_backend_remove(reload.running, "web", "b"), 0);
	add("x", "192.0.2.9");
	write_text("weir.conf", one_backend); /* not read by a revert */

	assert_int_equal(reload_revert(reload.file, reload.running, &r), 0);
	assert_brief(r.running, "web(a:3,b:1)" WWW);
	assert_brief(r.file, "web(a:3,b:1)" WWW);
	assert_int_equal(r.changed, 4); /* a's weight and state, b, x */
	a = conf_backend(r.running, "web", "a");
	assert_int_equal(a->drain_deadline_ms, 0);
	assert_int_equal(a->base_weight, 3);
	reload_free(&r);
}

static void a_revert_ends_a_deadline_even_when_the_file_says_draining(void **state)
{
	struct reload r;

	(void)state;
	start(PORT "[pool web]\nbackend a = 192.0.2.1 state=draining\n" SERVICE);
	conf_backend(reload.running, "web", "a")->drain_deadline_ms = 77;
	assert_int_equal(reload_revert(reload.file, reload.running, &r), 0);
	assert_int_equal(conf_backend(r.running, "web", "a")->drain_deadline_ms, 0);
	assert_int_equal(r.changed, 1);
	reload_free(&r);
}

static void a_revert_ends_a_removal_even_when_the_file_says_draining(void **state)
{
	struct reload r;

	(void)state;
	start(PORT "[pool web]\nbackend a = 192.0.2.1 state=draining\n" SERVICE);
	conf_backend(reload.running, "web", "a")->leaves = true;
	assert_int_equal(reload_revert(reload.file, reload.running, &r), 0);
	assert_false(conf_backend(r.running, "web", "a")->leaves);
	assert_int_equal(r.changed, 1);
	reload_free(&r);
}

/* What a control plane that is stopped now leaves behind, by way of the disk. */
static void leave(struct state *out)
{
	struct state_clock now = { 1, 1, "boot" };
	struct state s = { .file = reload.file, .running = reload.running };
	struct conf_errors warnings = { 0 };
	char why[256];

	assert_int_equal(state_save("state.json", &now, &s, why, sizeof(why)), 0);
	assert_int_equal(state_load("state.json", &now, out, why, sizeof(why), &warnings), 0);
	assert_messages(&warnings, NO_MESSAGES);
}

static void a_start_merges_what_was_edited_while_nobody_read_the_file(void **state)
{
	struct state left;

	(void)state;
	start(one_backend);
	backend_set_weight(conf_backend(reload.running, "web", "a"), 50);
	add("x", "192.0.2.9");
	leave(&left);

	drop(NULL);
	write_text("weir.conf",
		   "[dataplane]\ncpus = 3\n" PORT
		   "[pool web]\nbackend a = 192.0.2.1\nbackend b = 192.0.2.2\n" SERVICE);
	assert_int_equal(reload_start("weir.conf", &left, &reload), 0);
	assert_int_equal(reload.changed, 1);
	assert_brief(reload.running, "web(a:50,b:1,x:1)" WWW);
	assert_brief(reload.file, "web(a:1,b:1)" WWW);
	assert_int_equal(reload.running->dp.cpus[0], 3); /* a start takes all of the file */
	assert_messages(&reload.warnings, NO_MESSAGES);
	state_free(&left);
}

static void a_start_takes_a_check_that_was_edited_meanwhile(void **state)
{
	struct state left;

	(void)state;
	start(CHECKED("/health"));
	backend_set_weight(conf_backend(reload.running, "web", "a"), 50);
	leave(&left);

	drop(NULL);
	write_text("weir.conf", CHECKED("/ready"));
	assert_int_equal(reload_start("weir.conf", &left, &reload), 0);
	assert_int_equal(reload.changed, 1);
	assert_string_equal(reload.running->check[0].path, "/ready");
	assert_brief(reload.running, "web(a:50)" WWW);
	state_free(&left);
}

static void a_start_drops_runtime_changes_that_do_not_fit_any_more(void **state)
{
	struct state left;

	(void)state;
	start(one_backend);
	add("x", "192.0.2.2");
	leave(&left);

	drop(NULL);
	write_text("weir.conf", two_backends);
	assert_int_equal(reload_start("weir.conf", &left, &reload), 0);
	assert_brief(reload.running, "web(a:3,b:1)" WWW);
	assert_messages(&reload.errors, NO_MESSAGES);
	assert_messages(
		&reload.warnings,
		MESSAGES("weir.conf: with the changes made at run time: weir.conf: [pool web] "
			 "backend x: 192.0.2.2 is backend b already: one server, one backend "
			 "(weight= gives it more)",
			 "weir.conf: the changes made at run time do not fit this file: they "
			 "are dropped, the file alone counts"));
	state_free(&left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_first_start_runs_what_the_file_says, drop),
		cmocka_unit_test_teardown(a_missing_ca_file_refuses_a_reload_but_no_start, drop),
		cmocka_unit_test_teardown(a_bad_file_refuses_the_start_with_every_reason, drop),
		cmocka_unit_test_teardown(a_reload_applies_what_changed_and_keeps_runtime_changes,
					  drop),
		cmocka_unit_test_teardown(
			a_reload_changes_a_check_and_a_backup_of_run_time_stays, drop),
		cmocka_unit_test_teardown(
			files_that_checks_name_are_asked_for_by_file_and_not_at_run_time, drop),
		cmocka_unit_test_teardown(a_bad_file_changes_nothing, drop),
		cmocka_unit_test_teardown(a_file_that_does_not_go_with_runtime_changes_is_refused,
					  drop),
		cmocka_unit_test_teardown(what_only_a_start_can_change_names_the_process, drop),
		cmocka_unit_test_teardown(what_goes_with_its_connections_is_named, drop),
		cmocka_unit_test_teardown(a_next_hop_may_name_a_port_that_comes_with_the_restart,
					  drop),
		cmocka_unit_test_teardown(a_revert_runs_the_file_as_it_was_read_last, drop),
		cmocka_unit_test_teardown(a_revert_ends_a_deadline_even_when_the_file_says_draining,
					  drop),
		cmocka_unit_test_teardown(a_revert_ends_a_removal_even_when_the_file_says_draining,
					  drop),
		cmocka_unit_test_teardown(a_start_merges_what_was_edited_while_nobody_read_the_file,
					  drop),
		cmocka_unit_test_teardown(a_start_takes_a_check_that_was_edited_meanwhile, drop),
		cmocka_unit_test_teardown(a_start_drops_runtime_changes_that_do_not_fit_any_more,
					  drop),
	};

	return cmocka_run_group_tests_name("reload", tests, sandbox_setup, sandbox_teardown);
}
