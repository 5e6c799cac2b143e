// SPDX-License-Identifier: Apache-2.0
#include "conf_load.h"

#include <netinet/in.h>

static void a_whole_file_arrives(void **state)
{
	struct backend_conf *b;
	struct pool_conf *p;
	struct conf *c;

	(void)state;
	assert_int_equal(load("[controlplane]\n"
			      "socket = c.sock\ngroup = weir\nstate_file = s.json\nuser = u\n"
			      "flow_seed = 00000000deadbeef\n"
			      "[pool web]\n"
			      "mode = ipip\nhash = source\ntable_size = 251\nmtu = 1400\n"
			      "outer_source = 192.0.2.99\n"
			      "check = tcp\ncheck_port = 8080\ncheck_interval_ms = 200\n"
			      "check_timeout_ms = 100\ncheck_rise = 4\ncheck_fall = 5\n"
			      "backend a = 192.0.2.1 weight=10\n"
			      "backend\tb\t=\t192.0.2.2\tweight=0 state=draining "
			      "mac=02:00:00:00:00:0b port=wan vlan=7\n"
			      "[service dns]\n"
			      "vip = 203.0.113.1\nprotocol = udp\nport = 53\npool = web\n",
			      &c),
			 0);
	assert_string_equal(c->control.control_socket, "c.sock");
	assert_string_equal(c->control.group, "weir");
	assert_string_equal(c->control.state_file, "s.json");
	assert_string_equal(c->control.user, "u");
	assert_true(c->control.has_seed);
	assert_int_equal(c->control.flow_seed, 0xdeadbeef);

	p = conf_pool(c, "web");
	assert_non_null(p);
	assert_int_equal(p->line, 9);
	assert_int_equal(p->mode, WEIR_MODE_IPIP);
	assert_int_equal(p->hash, WEIR_HASH_SOURCE);
	assert_int_equal(p->table_size, 251);
	assert_int_equal(p->mtu, 1400);
	assert_int_equal(p->outer_source.family, 4);
	assert_int_equal(p->check.kind, CHECK_KIND_TCP);
	assert_int_equal(p->check.port, 8080);
	assert_int_equal(p->check.interval_ms, 200);
	assert_int_equal(p->check.timeout_ms, 100);
	assert_int_equal(p->check.rise, 4);
	assert_int_equal(p->check.fall, 5);
	assert_int_equal(p->handshake_grace_s, 3);
	assert_int_equal(p->tcp_window_s, 300);
	assert_int_equal(p->udp_window_s, 0);

	b = conf_backend(c, "web", "a");
	assert_non_null(b);
	assert_int_equal(b->weight, 10);
	assert_int_equal(b->base_weight, 10);
	assert_int_equal(b->admin, ADMIN_ENABLED);
	assert_false(b->has_mac);
	b = conf_backend(c, "web", "b");
	assert_non_null(b);
	assert_int_equal(b->line, 22);
	assert_int_equal(b->weight, 0);
	assert_int_equal(b->base_weight, 1); /* never above 0: the table has it with 1 */
	assert_int_equal(b->admin, ADMIN_DRAINING);
	assert_int_equal(b->drain_deadline_ms, 0);
	assert_true(b->has_mac);
	assert_int_equal(b->vlan, 7);
	assert_string_equal(b->port, "wan");

	assert_int_equal(c->service_count, 1);
	assert_string_equal(c->service[0].name, "dns");
	assert_int_equal(c->service[0].protocol, IPPROTO_UDP);
	assert_int_equal(c->service[0].port, 53);
	assert_string_equal(c->service[0].pool, "web");
	assert_null(conf_pool(c, "dns"));
	assert_null(conf_backend(c, "web", "c"));
	assert_null(conf_backend(c, "dns", "a"));
	conf_free(c);
	assert_messages(&errors, NO_MESSAGES);
	conf_errors_free(&warnings);
}

static void errors_of_lines_name_section_key_and_what_is_right(void **state)
{
	(void)state;
	assert_refused(
		"[pool web]\n"
		"mode = l3\n"
		"table_sise = 251\n"
		"vip = 203.0.113.1\n"
		"mtu = 100\n"
		"mtu = 1500\n"
		"backend = 192.0.2.1\n"
		"backed a = 192.0.2.1\n"
		"backend a/b = 192.0.2.1\n"
		"backend a = 192.0.2.1 weght=1 weight=1001 weight=2 mac\n"
		"backend b =\n"
		"backend c = weight=2\n"
		"[servcie x]\n"
		"anything = 1\n"
		"[frobnicate]\n"
		"[pool]\n"
		"[service]\n"
		"[controlplane x]\n"
		"[controlplane]\n"
		"flow_seed = 1\n",
		MESSAGES("weir.conf:4: [pool web] mode: \"l3\" is not right: l2, ipip or gue",
			 "weir.conf:5: [pool web] unknown key \"table_sise\" (did you mean "
			 "\"table_size\"?)",
			 "weir.conf:6: [pool web] unknown key \"vip\" (it belongs to "
			 "[service])",
			 "weir.conf:7: [pool web] mtu: \"100\" is not right: a whole number "
			 "from 576 to 9216 bytes",
			 "weir.conf:8: [pool web] mtu: given already in line 7",
			 "weir.conf:9: [pool web] a backend needs a name: backend NAME = "
			 "ADDRESS",
			 "weir.conf:10: [pool web] unknown key \"backed a\" (did you mean "
			 "\"backend a\"?)",
			 "weir.conf:11: [pool web] backend a/b: \"a/b\" is no name: letters, "
			 "digits, \"-\", \"_\" and \".\" are right, a letter or digit first",
			 "weir.conf:12: [pool web] backend a: unknown key \"weght\" (did you "
			 "mean \"weight\"?); weight: \"1001\" is not right: a whole number "
			 "from 0 to 1000; weight is given twice; \"mac\" is not key=value",
			 "weir.conf:13: [pool web] backend b: \"\" is not right: ADDRESS "
			 "key=value ..., such as 192.0.2.1 weight=10",
			 "weir.conf:14: [pool web] backend c: \"weight=2\" is not right: "
			 "ADDRESS key=value ..., such as 192.0.2.1 weight=10",
			 "weir.conf:15: unknown section [servcie] (did you mean [service]?)",
			 "weir.conf:17: unknown section [frobnicate]: dataplane, port NAME, "
			 "controlplane, pool NAME, service NAME, vip ADDRESS and check NAME are "
			 "right",
			 "weir.conf:18: [pool]: a pool needs a name: [pool NAME]",
			 "weir.conf:19: [service]: a service needs a name: [service NAME]",
			 "weir.conf:19: [service] needs a key \"vip\": the address that "
			 "clients connect to, or a prefix for all its "
			 "addresses",
			 "weir.conf:19: [service] needs a key \"port\": the port that clients "
			 "connect to; 0: every port",
			 "weir.conf:19: [service] needs a key \"pool\": name of the pool that "
			 "answers",
			 "weir.conf:20: [controlplane x]: there is one [controlplane], "
			 "without a name",
			 "weir.conf:21: [controlplane]: begun already in line 20",
			 "weir.conf:22: [controlplane] flow_seed: \"1\" is not right: 16 "
			 "hexadecimal digits"));
}

static void a_file_that_cannot_be_opened_is_an_errno(void **state)
{
	struct conf *c = NULL;

	(void)state;
	assert_int_equal(conf_load("absent.conf", &c, &errors, NULL), -ENOENT);
	assert_null(c);
	assert_messages(&errors,
			MESSAGES("absent.conf: cannot be opened: No such file or directory"));
}

static void the_grace_has_bounds(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(load(POOL "handshake_grace_s = 40\n" SERVICE "pool = web\n", &c), 0);
	assert_int_equal(c->pool[0].handshake_grace_s, 40);
	conf_free(c);
	assert_refused(POOL "handshake_grace_s = 0\n" SERVICE "pool = web\n"
			    "[pool other]\nhandshake_grace_s = 3601\nbackend a = 192.0.2.1\n",
		       MESSAGES("weir.conf:5: [pool web] handshake_grace_s: \"0\" is not right: a "
				"whole number from 1 to 3600 s",
				"weir.conf:11: [pool other] handshake_grace_s: \"3601\" is not "
				"right: a whole number from 1 to 3600 s"));
}

/* -- edits at run time --------------------------------------------------------- */

static void backends_are_added_and_removed(void **state)
{
	struct backend_conf b;
	struct conf *c, *d;
	char why[256], text[CONF_TEXT_LEN];

	(void)state;
	assert_int_equal(load(POOL SERVICE "pool = web\n", &c), 0);
	assert_int_equal(
		backend_parse("b", "192.0.2.2 weight=0 state=draining", &b, why, sizeof(why)), 0);
	assert_int_equal(b.base_weight, 1);
	assert_string_equal(backend_text(&b, text), "192.0.2.2 weight=0 state=draining");
	assert_int_equal(conf_backend_add(c, "web", &b), 0);
	assert_int_equal(conf_backend_add(c, "web", &b), -EEXIST);
	assert_int_equal(conf_backend_add(c, "wbe", &b), -ENOENT);
	d = conf_dup(c);
	assert_non_null(d);
	assert_int_equal(conf_backend_remove(c, "web", "a"), 0);
	assert_int_equal(conf_backend_remove(c, "web", "a"), -ENOENT);
	assert_int_equal(c->pool[0].backend_count, 1);
	assert_string_equal(c->pool[0].backend[0].name, "b");
	conf_free(c);
	assert_int_equal(d->pool[0].backend_count, 2); /* a copy of its own */
	assert_string_equal(d->pool[0].backend[0].name, "a");
	conf_free(d);
}

static void weight_zero_keeps_the_weight_that_the_table_has(void **state)
{
	struct backend_conf b;
	char why[256];

	(void)state;
	assert_int_equal(backend_parse("b", "192.0.2.2 weight=7", &b, why, sizeof(why)), 0);
	backend_set_weight(&b, 0);
	assert_int_equal(b.weight, 0);
	assert_int_equal(b.base_weight, 7);
	backend_set_weight(&b, 9);
	assert_int_equal(b.base_weight, 9);
}

static void a_backend_that_clashes_at_run_time_has_no_line(void **state)
{
	struct backend_conf b;
	struct conf *c;
	char why[256];

	(void)state;
	assert_int_equal(load(POOL SERVICE "pool = web\n", &c), 0);
	assert_int_equal(backend_parse("b", "192.0.2.1", &b, why, sizeof(why)), 0);
	assert_int_equal(conf_backend_add(c, "web", &b), 0);
	assert_int_equal(conf_check(c, "weir.conf", &errors, NULL), -EINVAL);
	assert_messages(&errors,
			MESSAGES("weir.conf: [pool web] backend b: 192.0.2.1 is backend a already: "
				 "one server, one backend (weight= gives it more)"));
	conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_whole_file_arrives, no_messages),
		cmocka_unit_test_teardown(errors_of_lines_name_section_key_and_what_is_right,
					  no_messages),
		cmocka_unit_test_teardown(a_file_that_cannot_be_opened_is_an_errno, no_messages),
		cmocka_unit_test_teardown(the_grace_has_bounds, no_messages),
		cmocka_unit_test_teardown(backends_are_added_and_removed, no_messages),
		cmocka_unit_test_teardown(weight_zero_keeps_the_weight_that_the_table_has,
					  no_messages),
		cmocka_unit_test_teardown(a_backend_that_clashes_at_run_time_has_no_line,
					  no_messages),
	};

	return cmocka_run_group_tests_name("conf_file", tests, sandbox_setup, sandbox_teardown);
}
