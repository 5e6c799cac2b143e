// SPDX-License-Identifier: Apache-2.0
#include "conf_make.h"

/* A service keeps pool "web" from being unused; the backends are the row's. */
static struct conf *web(const char *backends)
{
	struct conf *c;
	char *text;

	assert_true(asprintf(&text,
			     "[pool web]\n%s"
			     "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n",
			     backends) > 0);
	c = conf_make(text);
	free(text);
	return c;
}

#define WWW " www>web@203.0.113.1:80"

struct row {
	const char *before, *after, *running; /* the backends of "web" */
	const char *result;
	unsigned changed;
};

static void assert_merges(const struct row *r)
{
	struct conf *before = web(r->before), *after = web(r->after), *running = web(r->running);
	char *expected;
	unsigned changed = 999;

	assert_true(asprintf(&expected, "web(%s)" WWW, r->result) > 0);
	assert_int_equal(conf_merge(running, before, after, &changed), 0);
	assert_brief(running, expected);
	assert_int_equal(changed, r->changed);
	free(expected);
	conf_free(before);
	conf_free(after);
	conf_free(running);
}

#define A(weight) "backend a = 192.0.2.1 weight=" #weight "\n"
#define B(weight) "backend b = 192.0.2.2 weight=" #weight "\n"
#define C(weight) "backend c = 192.0.2.3 weight=" #weight "\n"

static void a_key_follows_the_file_only_when_the_file_changed(void **state)
{
	static const struct row rows[] = {
		/* file same, runtime same */
		{ A(1), A(1), A(1), "a:1", 0 },
		/* file same, runtime changed: stands */
		{ A(1), A(1), A(5), "a:5", 0 },
		/* file changed, runtime same */
		{ A(1), A(2), A(1), "a:2", 1 },
		/* both changed: the file, whatever it was at run time */
		{ A(1), A(2), A(5), "a:2", 1 },
		{ A(1), A(2), A(2), "a:2", 1 },
		/* the file is back where it was before an edit that was never read */
		{ A(2), A(1), A(2), "a:1", 1 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_merges(&rows[i]);
}

static void an_object_comes_stays_and_goes_by_the_truth_table(void **state)
{
	/* docs/configuration.md: before, after, runs */
	static const struct row rows[] = {
		{ A(1), A(1) B(2), A(1), "a:1,b:2", 1 },	   /* -   yes  -   comes */
		{ A(1), A(1) B(2), A(1) B(7), "a:1,b:2", 1 },	   /* -   yes  yes the file wins */
		{ A(1) B(2), A(1) B(3), A(1) B(7), "a:1,b:3", 1 }, /* yes yes  yes its new keys */
		{ A(1) B(2), A(1) B(3), A(1), "a:1", 0 },	   /* yes yes  -   stays away */
		{ A(1) B(2), A(1), A(1) B(7), "a:1", 1 },	   /* yes -    yes goes */
		{ A(1) B(2), A(1), A(1), "a:1", 0 },		   /* yes -    -   gone already */
		{ A(1), A(1), A(1) B(7), "a:1,b:7", 0 },	   /* -   -    yes stays */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_merges(&rows[i]);
}

static void objects_take_the_order_of_the_file_and_runtime_ones_stand_behind(void **state)
{
	static const struct row row = { A(1) B(1), B(1) A(1), C(3) A(1) B(1), "b:1,a:1,c:3", 0 };

	(void)state;
	assert_merges(&row);
}

static void keys_of_one_backend_are_merged_one_by_one(void **state)
{
	static const struct row row = { "backend a = 192.0.2.1 weight=1\n",
					"backend a = 192.0.2.1 weight=1 state=draining\n",
					"backend a = 192.0.2.1 weight=9\n", "a:9!draining", 1 };

	(void)state;
	assert_merges(&row);
}

static void a_weight_of_zero_in_the_file_keeps_the_base_weight(void **state)
{
	struct conf *before = web(A(10)), *after = web(A(0)), *running = web(A(10));
	unsigned changed;

	(void)state;
	assert_int_equal(conf_merge(running, before, after, &changed), 0);
	assert_int_equal(running->pool[0].backend[0].weight, 0);
	assert_int_equal(running->pool[0].backend[0].base_weight, 10);
	/* and back up: the base follows */
	conf_free(before);
	before = after;
	after = web(A(20));
	assert_int_equal(conf_merge(running, before, after, &changed), 0);
	assert_int_equal(running->pool[0].backend[0].base_weight, 20);
	conf_free(before);
	conf_free(after);
	conf_free(running);
}

static void a_drain_deadline_set_at_run_time_stands_until_the_state_changes(void **state)
{
	struct conf *before = web(A(1)), *after = web(A(2)), *running = web(A(1));
	struct backend_conf *a;
	unsigned changed;

	(void)state;
	a = conf_backend(running, "web", "a");
	a->admin = ADMIN_DRAINING;
	a->drain_deadline_ms = 12345;
	assert_int_equal(conf_merge(running, before, after, &changed), 0);
	a = conf_backend(running, "web", "a");
	assert_int_equal(a->weight, 2);
	assert_int_equal(a->admin, ADMIN_DRAINING);
	assert_int_equal(a->drain_deadline_ms, 12345);

	conf_free(before);
	before = after;
	after = web("backend a = 192.0.2.1 weight=2 state=disabled\n");
	assert_int_equal(conf_merge(running, before, after, &changed), 0);
	a = conf_backend(running, "web", "a");
	assert_int_equal(a->admin, ADMIN_DISABLED);
	assert_int_equal(a->drain_deadline_ms, 0);
	conf_free(before);
	conf_free(after);
	conf_free(running);
}

static void every_key_of_a_backend_can_change(void **state)
{
	struct conf *before = web(A(1)), *running = web(A(1));
	struct conf *after = web("backend a = 192.0.2.9 weight=3 state=disabled "
				 "backup=yes mac=02:00:00:00:00:0a port=wan vlan=5\n");
	struct backend_conf *a;
	char text[CONF_TEXT_LEN];
	unsigned changed;

	(void)state;
	assert_int_equal(conf_merge(running, before, after, &changed), 0);
	a = conf_backend(running, "web", "a");
	assert_string_equal(backend_text(a, text), "192.0.2.9 weight=3 state=disabled "
						   "backup=yes mac=02:00:00:00:00:0a port=wan vlan=5");
	assert_int_equal(changed, 7);
	/* and back: what the file no longer gives is unset again */
	assert_int_equal(conf_merge(running, after, before, &changed), 0);
	a = conf_backend(running, "web", "a");
	assert_string_equal(backend_text(a, text), "192.0.2.1");
	assert_false(a->has_mac);
	assert_int_equal(changed, 7);
	conf_free(before);
	conf_free(after);
	conf_free(running);
}

static void pools_and_services_come_and_go_with_all_that_is_in_them(void **state)
{
	struct conf *one = web(A(1)), *running = web(A(1) B(7));
	struct conf *two = conf_make("[pool new]\nmode = ipip\nbackend x = 192.0.2.9\n"
				     "[service www]\nvip = 203.0.113.1\nport = 80\npool = new\n"
				     "[service alt]\nvip = 203.0.113.1\nport = 81\npool = new\n");
	unsigned changed;

	(void)state;
	assert_int_equal(conf_merge(running, one, two, &changed), 0);
	assert_brief(running, "new(x:1) www>new@203.0.113.1:80 alt>new@203.0.113.1:81");
	assert_int_equal(changed, 4); /* pool new, pool web, www's pool, alt */
	assert_int_equal(running->pool[0].mode, WEIR_MODE_IPIP);
	assert_int_equal(conf_merge(running, two, one, &changed), 0);
	assert_brief(running, "web(a:1) www>web@203.0.113.1:80");
	conf_free(one);
	conf_free(two);
	conf_free(running);
}

static void settings_of_a_pool_are_merged_one_by_one(void **state)
{
	struct conf *before = web("mtu = 1500\n" A(1)), *running = web("mtu = 1500\n" A(1));
	struct conf *after = web("mtu = 1400\ncheck_rise = 7\nhash = source\n" A(1));
	unsigned changed;

	(void)state;
	running->pool[0].check.fall = 9; /* no such command, but a merge must not mind */
	assert_int_equal(conf_merge(running, before, after, &changed), 0);
	assert_int_equal(changed, 3);
	assert_int_equal(running->pool[0].mtu, 1400);
	assert_int_equal(running->pool[0].check.rise, 7);
	assert_int_equal(running->pool[0].check.fall, 9);
	assert_int_equal(running->pool[0].hash, WEIR_HASH_SOURCE);
	conf_free(before);
	conf_free(after);
	conf_free(running);
}

static void sections_of_the_processes_are_left_alone(void **state)
{
	struct conf *before = web(A(1)), *running = web(A(1));
	struct conf *after = conf_make("[dataplane]\ncpus = 5\n[controlplane]\ngroup = other\n");
	unsigned changed;

	(void)state;
	assert_int_equal(conf_merge(running, before, after, &changed), 0);
	assert_int_equal(running->dp.cpus[0], 1);
	assert_string_equal(running->control.group, "");
	conf_free(before);
	conf_free(after);
	conf_free(running);
}

/* Every combination of presence and value of two backends in the three, against the
 * rules of docs/configuration.md written down once more, the slow way. */
static int rule(int before, int after, int running)
{
	if (after < 0)
		return before < 0 ? running : -1;
	if (running < 0)
		return before < 0 ? after : -1;
	return before < 0 || before != after ? after : running;
}

static void merge_matches_the_rules_for_every_combination(void **state)
{
	static const char *const line[4] = { "", A(1), A(2), A(3) };

	(void)state;
	for (int b = 0; b < 4; b++) {
		for (int a = 0; a < 4; a++) {
			for (int r = 0; r < 4; r++) {
				int weight = rule(b ? b : -1, a ? a : -1, r ? r : -1);
				struct conf *before = web(line[b]), *after = web(line[a]);
				struct conf *running = web(line[r]);
				const struct backend_conf *found;
				unsigned changed;

				assert_int_equal(conf_merge(running, before, after, &changed), 0);
				found = conf_backend(running, "web", "a");
				assert_int_equal(found ? (int)found->weight : -1, weight);
				assert_int_equal(changed > 0,
						 weight != (r ? r : -1) || (r && a && b && a != b));
				conf_free(before);
				conf_free(after);
				conf_free(running);
			}
		}
	}
}

/* -- conf_diff() ----------------------------------------------------------------- */

static char told[4096];

static void tell(void *user, const char *what, const char *key, const char *from, const char *to)
{
	size_t n = strlen(told);

	(void)user;
	snprintf(told + n, sizeof(told) - n, "%s|%s|%s|%s\n", what, key ? key : "-",
		 from ? from : "-", to ? to : "-");
}

static void assert_diff(const struct conf *a, const struct conf *b, const char *expected)
{
	told[0] = '\0';
	assert_int_equal(conf_diff(a, b, tell, NULL), 0);
	assert_string_equal(told, expected);
}

static void sections_of_vips_are_merged_by_their_address(void **state)
{
	struct conf *before = web(A(1)), *running = web(A(1));
	struct conf *with = conf_make(
		"[pool web]\n" A(1) "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
				    "[vip 203.0.113.1/32]\necho = off\nstrays = reject\n");
	struct conf *other = conf_make(
		"[pool web]\n" A(1) "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
				    "[vip 203.0.113.1]\narp = on\n");
	unsigned changed;

	(void)state;
	assert_int_equal(conf_merge(running, before, with, &changed), 0);
	assert_int_equal(changed, 1);
	assert_int_equal(running->vip_count, 1);
	assert_true(!running->vip[0].echo && running->vip[0].reject && !running->vip[0].arp);
	assert_int_equal(conf_merge(running, with, other, &changed), 0);
	assert_int_equal(changed, 3);
	assert_true(running->vip[0].echo && !running->vip[0].reject && running->vip[0].arp);
	assert_int_equal(conf_merge(running, other, before, &changed), 0);
	assert_int_equal(running->vip_count, 0);
	assert_diff(with, other,
		    "vip 203.0.113.1|echo|off|on\n"
		    "vip 203.0.113.1|strays|reject|drop\n"
		    "vip 203.0.113.1|arp|off|on\n");
	assert_diff(before, other, "vip 203.0.113.1|-|-|echo=on strays=drop arp=on\n");
	conf_free(before);
	conf_free(with);
	conf_free(other);
	conf_free(running);
}

static void checks_are_merged_by_their_name_key_by_key(void **state)
{
	struct conf *simple = web(A(1)), *running = web(A(1));
	struct conf *page = web("checks = page\n" A(1) "[check page]\nkind = http\n"
				"path = /health\nrise = 4\n");
	struct conf *both = web("checks = page, name\nchecks_need = any\nmin_healthy = 50%\n" A(
		1) "[check page]\nkind = http\npath = /ready\n"
		   "[check name]\nkind = dns\nquery = www.test\nport = 53\n");
	unsigned changed;

	(void)state;
	assert_int_equal(conf_merge(running, simple, page, &changed), 0);
	assert_int_equal(changed, 2); /* the pool's checks, and the check that came */
	assert_int_equal(running->check_count, 1);
	assert_string_equal(running->pool[0].checks, "page");
	assert_string_equal(running->check[0].path, "/health");

	running->check[0].fall = 9; /* no such command, but a merge must not mind */
	assert_int_equal(conf_merge(running, page, both, &changed), 0);
	assert_int_equal(changed, 6); /* three of the pool, path, rise, check name */
	assert_int_equal(running->check_count, 2);
	assert_string_equal(running->pool[0].checks, "page, name");
	assert_int_equal(running->pool[0].checks_need, CHECK_NEED_ANY);
	assert_string_equal(running->pool[0].min_healthy, "50%");
	assert_string_equal(running->check[0].path, "/ready");
	assert_int_equal(running->check[0].rise, 2);
	assert_int_equal(running->check[0].fall, 9);
	assert_string_equal(running->check[1].query, "www.test");

	assert_int_equal(conf_merge(running, both, simple, &changed), 0);
	assert_int_equal(running->check_count, 0);
	assert_string_equal(running->pool[0].checks, "");
	assert_diff(page, both,
		    "pool web|checks|page|page, name\n"
		    "pool web|checks_need|all|any\n"
		    "pool web|min_healthy|1|50%\n"
		    "check page|rise|4|2\n"
		    "check page|path|/health|/ready\n"
		    "check name|-|-|kind=dns port=53 query=www.test\n");
	assert_diff(page, simple,
		    "pool web|checks|page|\n"
		    "check page|-|kind=http rise=4 path=/health|-\n");
	conf_free(simple);
	conf_free(page);
	conf_free(both);
	conf_free(running);
}

static void equal_configurations_have_no_difference(void **state)
{
	struct conf *a = web(A(1) B(2)), *b = web(A(1) B(2)), *c = web(B(2) A(1));

	(void)state;
	assert_diff(a, b, "");
	assert_diff(a, c, ""); /* the order is none */
	conf_free(a);
	conf_free(b);
	conf_free(c);
}

static void every_difference_is_told_once_in_a_stable_order(void **state)
{
	struct conf *a =
		conf_make("[dataplane]\ncpus = 1\n"
			  "[controlplane]\nflow_seed = 0123456789abcdef\n"
			  "[pool web]\n" A(1)
				  B(1) "[pool old]\nbackend x = 192.0.2.8 weight=4\n"
				       "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
				       "[service old]\nvip = 203.0.113.1\nport = 82\npool = old\n");
	struct conf *b =
		conf_make("[dataplane]\ncpus = 1-2\n"
			  "[port lan]\ndevice = net_null1\nmtu = 9000\n"
			  "[controlplane]\nflow_seed = 0123456789abcde0\ngroup = weir\n"
			  "[pool web]\nmode = ipip\n"
			  "backend a = 192.0.2.7 weight=5 state=draining\n" C(
				  1) "[service www]\nvip = 203.0.113.1\nport = 81\npool = web\n"
				     "[service new]\nvip = 203.0.113.1\nport = 80\npool = web\n");

	(void)state;
	conf_backend(b, "web", "a")->drain_deadline_ms = 600;
	assert_diff(a, b,
		    "dataplane|cpus|1|1-2\n"
		    "port lan|-|-|net_null1\n"
		    "controlplane|group||weir\n"
		    "controlplane|flow_seed|(secret)|(another secret)\n"
		    "pool web|mode|l2|ipip\n"
		    "backend web/a|address|192.0.2.1|192.0.2.7\n"
		    "backend web/a|weight|1|5\n"
		    "backend web/a|state|enabled|draining\n"
		    "backend web/a|drain_deadline_ms|0|600\n"
		    "backend web/b|-|192.0.2.2|-\n"
		    "backend web/c|-|-|192.0.2.3\n"
		    "pool old|-|1 backend|-\n"
		    "backend old/x|-|192.0.2.8 weight=4|-\n"
		    "service www|port|80|81\n"
		    "service old|-|vip=203.0.113.1 protocol=tcp port=82 pool=old quic=no|-\n"
		    "service new|-|-|vip=203.0.113.1 protocol=tcp port=80 pool=web quic=no\n");
	conf_free(a);
	conf_free(b);
}

static void ports_in_another_order_have_other_numbers(void **state)
{
	struct conf *a = conf_make("[port lan]\ndevice = net_null1\n");
	struct conf *b = conf_make("[port lan]\ndevice = net_null1\nmtu = 9000\n");
	struct dp_port_conf first = b->dp.port[0];

	(void)state;
	b->dp.port[0] = b->dp.port[1];
	b->dp.port[1] = first;
	assert_diff(a, b,
		    "port wan|number|0|1\n"
		    "port lan|mtu|0|9000\n"
		    "port lan|number|1|0\n");
	b->dp.port_count = 1;
	assert_diff(a, b,
		    "port wan|-|net_null0|-\n"
		    "port lan|mtu|0|9000\n"
		    "port lan|number|1|0\n");
	conf_free(a);
	conf_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_follows_the_file_only_when_the_file_changed),
		cmocka_unit_test(an_object_comes_stays_and_goes_by_the_truth_table),
		cmocka_unit_test(objects_take_the_order_of_the_file_and_runtime_ones_stand_behind),
		cmocka_unit_test(keys_of_one_backend_are_merged_one_by_one),
		cmocka_unit_test(a_weight_of_zero_in_the_file_keeps_the_base_weight),
		cmocka_unit_test(a_drain_deadline_set_at_run_time_stands_until_the_state_changes),
		cmocka_unit_test(every_key_of_a_backend_can_change),
		cmocka_unit_test(pools_and_services_come_and_go_with_all_that_is_in_them),
		cmocka_unit_test(settings_of_a_pool_are_merged_one_by_one),
		cmocka_unit_test(sections_of_vips_are_merged_by_their_address),
		cmocka_unit_test(checks_are_merged_by_their_name_key_by_key),
		cmocka_unit_test(sections_of_the_processes_are_left_alone),
		cmocka_unit_test(merge_matches_the_rules_for_every_combination),
		cmocka_unit_test(equal_configurations_have_no_difference),
		cmocka_unit_test(every_difference_is_told_once_in_a_stable_order),
		cmocka_unit_test(ports_in_another_order_have_other_numbers),
	};

	return cmocka_run_group_tests_name("conf_merge", tests, sandbox_setup, sandbox_teardown);
}
