// SPDX-License-Identifier: Apache-2.0
#include "conf_file.h"

#include "sandbox.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>

static struct conf_errors errors, warnings;

static int no_messages(void **state)
{
	(void)state;
	conf_errors_free(&errors);
	conf_errors_free(&warnings);
	return 0;
}

/* The file's text behind a port, which takes lines 1 and 2. */
static int load(const char *text, struct conf **out)
{
	char *whole;
	int err;

	*out = NULL;
	assert_true(asprintf(&whole, "[port wan]\ndevice = net_null0\n%s", text) > 0);
	write_text("weir.conf", whole);
	free(whole);
	err = conf_load("weir.conf", out, &errors, &warnings);
	assert_int_equal(err == 0, *out != NULL);
	return err;
}

#define POOL	"[pool web]\nbackend a = 192.0.2.1\n"		/* lines 3, 4 */
#define SERVICE "[service www]\nvip = 203.0.113.1\nport = 80\n" /* then 3 more */

/* Loading fails, for exactly these reasons, whatever is unwise besides. */
static void assert_refused(const char *text, const char *const *reasons)
{
	struct conf *c;

	assert_int_equal(load(text, &c), -EINVAL);
	assert_messages(&errors, reasons);
	conf_errors_free(&warnings);
}

static void assert_unwise(const char *text, const char *const *reasons)
{
	struct conf *c;

	assert_int_equal(load(text, &c), 0);
	conf_free(c);
	assert_messages(&errors, NO_MESSAGES);
	assert_messages(&warnings, reasons);
}

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
	assert_int_equal(p->tcp_window_ms, 300000);
	assert_int_equal(p->udp_window_ms, 30000);

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

	assert_int_equal(conf_service(c, "dns")->protocol, IPPROTO_UDP);
	assert_int_equal(conf_service(c, "dns")->port, 53);
	assert_string_equal(conf_service(c, "dns")->pool, "web");
	assert_null(conf_pool(c, "dns"));
	assert_null(conf_service(c, "web"));
	assert_null(conf_backend(c, "web", "c"));
	assert_null(conf_backend(c, "dns", "a"));
	conf_free(c);
	assert_messages(&errors, NO_MESSAGES);
	conf_errors_free(&warnings);
}

static void an_ordinary_file_has_no_warnings(void **state)
{
	(void)state;
	assert_unwise(POOL SERVICE "pool = web\n", NO_MESSAGES);
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
		MESSAGES("weir.conf:4: [pool web] mode: \"l3\" is not right: l2 or ipip",
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
			 "controlplane, pool NAME and service NAME are right",
			 "weir.conf:18: [pool]: a pool needs a name: [pool NAME]",
			 "weir.conf:19: [service]: a service needs a name: [service NAME]",
			 "weir.conf:19: [service] needs a key \"vip\": the address that "
			 "clients connect to",
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

static void names_stand_once(void **state)
{
	(void)state;
	assert_refused(POOL "backend b = 192.0.2.2\nbackend a = 192.0.2.3\n" SERVICE "pool = web\n"
			    "[pool web]\nbackend c = 192.0.2.4\n"
			    "[service www]\nvip = 203.0.113.2\nport = 80\npool = web\n",
		       MESSAGES("weir.conf:6: [pool web] backend a: given already in line 4",
				"weir.conf:11: [pool web]: begun already in line 3",
				"weir.conf:13: [service www]: begun already in line 7"));
}

static void addresses_of_backends_stand_once_in_a_pool(void **state)
{
	(void)state;
	assert_refused(
		POOL "backend b = 192.0.2.1\n" SERVICE "pool = web\n",
		MESSAGES("weir.conf:5: [pool web] backend b: 192.0.2.1 is backend a already: "
			 "one server, one backend (weight= gives it more)"));
	assert_unwise(POOL SERVICE "pool = web\n"
				   "[pool other]\nbackend x = 192.0.2.1\n"
				   "[service other]\nvip = 203.0.113.1\nport = 81\npool = other\n",
		      NO_MESSAGES);
}

static void services_name_a_pool_that_exists(void **state)
{
	(void)state;
	assert_refused(POOL SERVICE "pool = wbe\n"
				    "[service other]\nvip = 203.0.113.1\nport = 81\n"
				    "pool = entirely-different\n",
		       MESSAGES("weir.conf:8: [service www] pool: there is no [pool wbe] (did you "
				"mean \"web\"?)",
				"weir.conf:12: [service other] pool: there is no [pool "
				"entirely-different]"));
}

static void vip_protocol_and_port_stand_once_together(void **state)
{
	(void)state;
	assert_refused(POOL SERVICE "pool = web\n"
				    "[service again]\nvip = 203.0.113.1\nport = 80\npool = web\n",
		       MESSAGES("weir.conf:9: [service again]: [service www] in line 5 has this "
				"VIP, protocol and port already"));
	assert_unwise(POOL SERVICE
		      "pool = web\n"
		      "[service udp]\nvip = 203.0.113.1\nprotocol = udp\nport = 80\npool = web\n"
		      "[service 443]\nvip = 203.0.113.1\nport = 443\npool = web\n"
		      "[service all]\nvip = 203.0.113.1\nport = 0\npool = web\n"
		      "[service next]\nvip = 203.0.113.2\nport = 80\npool = web\n",
		      NO_MESSAGES);
}

static void table_sizes_are_primes_and_the_nearest_is_named(void **state)
{
	/* Primes by a sieve, the slow way. */
	static bool composite[2000];
	char text[256], expected[160];

	(void)state;
	for (unsigned i = 2; i < 2000; i++)
		for (unsigned j = 2 * i; j < 2000; j += i)
			composite[j] = true;
	for (unsigned n = 251; n < 1000; n++) {
		unsigned up = n, down = n;
		struct conf *c;

		snprintf(text, sizeof(text), POOL "table_size = %u\n" SERVICE "pool = web\n", n);
		if (!composite[n]) {
			assert_int_equal(load(text, &c), 0);
			conf_free(c);
			continue;
		}
		while (composite[up])
			up++;
		while (composite[down])
			down--;
		if (down < 251 || up - n <= n - down)
			down = up;
		snprintf(
			expected, sizeof(expected),
			"weir.conf:5: [pool web] table_size: %u is not a prime (%u is the nearest)",
			n, down);
		assert_refused(text, MESSAGES(expected));
	}
	assert_refused(POOL "table_size = 1048572\n" SERVICE "pool = web\n",
		       MESSAGES("weir.conf:5: [pool web] table_size: 1048572 is not a prime "
				"(1048573 is the nearest)"));
}

static void tables_are_long_enough_for_their_backends(void **state)
{
	char text[32768] = "[pool web]\ntable_size = 251\n";

	(void)state;
	assert_unwise(POOL "table_size = 251\nbackend b = 192.0.2.2\n" SERVICE "pool = web\n",
		      NO_MESSAGES);
	assert_unwise(
		"[pool web]\ntable_size = 251\nbackend a = 192.0.2.1\n"
		"backend b = 192.0.2.2\nbackend c = 192.0.2.3\n" SERVICE "pool = web\n",
		MESSAGES("weir.conf:4: [pool web] table_size: 251 slots for 3 backends spread "
			 "the load unevenly: 401 or more are right"));

	for (int i = 0; i < 252; i++)
		sprintf(text + strlen(text), "backend b%d = 10.0.0.%d\n", i, i);
	strcat(text, SERVICE "pool = web\n");
	assert_refused(text,
		       MESSAGES("weir.conf:4: [pool web] table_size: 251 slots are fewer than "
				"the 252 backends"));
}

static void next_hops_by_hand_name_their_port(void **state)
{
	(void)state;
	assert_refused(
		"[port lan]\ndevice = net_null1\n"
		"[pool web]\n"
		"backend a = 192.0.2.1 mac=02:00:00:00:00:01\n"
		"backend b = 192.0.2.2 mac=02:00:00:00:00:02 port=lna\n"
		"backend c = 192.0.2.3 port=lan\n"
		"backend d = 192.0.2.4 vlan=5\n"
		"backend e = 192.0.2.5 mac=02:00:00:00:00:05 port=lan vlan=5\n" SERVICE
		"pool = web\n",
		MESSAGES("weir.conf:6: [pool web] backend a: mac= needs port= when there are "
			 "several ports",
			 "weir.conf:7: [pool web] backend b: there is no [port lna] (did you "
			 "mean port=lan?)",
			 "weir.conf:8: [pool web] backend c: port= goes with mac=: without it "
			 "the kernel's routes decide",
			 "weir.conf:9: [pool web] backend d: vlan= goes with mac=: without it "
			 "the kernel's routes decide"));
	assert_unwise("[pool web]\nbackend a = 192.0.2.1 mac=02:00:00:00:00:01\n" SERVICE
		      "pool = web\n",
		      NO_MESSAGES);
}

static void addresses_that_no_packet_can_be_sent_to(void **state)
{
	(void)state;
	assert_refused(
		"[pool web]\n"
		"mode = ipip\n"
		"outer_source = 255.255.255.255\n"
		"backend a = 224.0.0.1\n"
		"backend b = 0.0.0.0\n"
		"backend c = 240.0.0.1\n"
		"backend d = 203.0.113.1\n"
		"[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
		"[service loop]\nvip = 127.0.0.1\nport = 80\npool = web\n"
		"[service many]\nvip = 239.1.1.1\nport = 80\npool = web\n",
		MESSAGES("weir.conf:5: [pool web] outer_source: that is a reserved or "
			 "broadcast address",
			 "weir.conf:6: [pool web] backend a: 224.0.0.1 is a multicast address",
			 "weir.conf:7: [pool web] backend b: 0.0.0.0 is the unspecified "
			 "address",
			 "weir.conf:8: [pool web] backend c: 240.0.0.1 is a reserved or "
			 "broadcast address",
			 "weir.conf:9: [pool web] backend d: 203.0.113.1 is the VIP of "
			 "[service www]; right is the address that the server has for itself",
			 "weir.conf:15: [service loop] vip: 127.0.0.1 is a loopback address",
			 "weir.conf:19: [service many] vip: 239.1.1.1 is a multicast "
			 "address"));
	assert_unwise(
		"[pool web]\nbackend a = 127.0.0.2\n" SERVICE "pool = web\n",
		MESSAGES("weir.conf:4: [pool web] backend a: 127.0.0.2 is a loopback address: "
			 "no packet leaves for it"));
}

static void ipv6_is_refused_in_a_sentence(void **state)
{
	(void)state;
	assert_refused(
		"[pool tun]\n"
		"mode = ipip\n"
		"outer_source = 2001:db8::9\n"
		"backend a = 192.0.2.1\n"
		"backend b = 2001:db8::1\n"
		"[service six]\nvip = 2001:db8::80\nport = 80\npool = tun\n",
		MESSAGES("weir.conf:5: [pool tun] outer_source: IPv6 is not forwarded by this "
			 "version: an IPv4 address is right",
			 "weir.conf:6: [pool tun] backend a: 192.0.2.1 is IPv4, the pool's "
			 "outer_source is IPv6: one outer header has one family",
			 "weir.conf:7: [pool tun] backend b: 2001:db8::1: IPv6 is not "
			 "forwarded by this version: an IPv4 address is right",
			 "weir.conf:9: [service six] vip: 2001:db8::80: IPv6 is not forwarded "
			 "by this version: an IPv4 address is right"));
}

static void l2_pools_and_their_services_are_of_one_family(void **state)
{
	(void)state;
	assert_refused(
		POOL "[service six]\nvip = 2001:db8::80\nport = 80\npool = web\n",
		MESSAGES("weir.conf:6: [service six] vip: 2001:db8::80: IPv6 is not forwarded "
			 "by this version: an IPv4 address is right",
			 "weir.conf:8: [service six] pool: web has mode l2 and backend a, "
			 "which is IPv4, while the VIP is IPv6"));
}

static void checks_go_to_a_port_where_tcp_is_served(void **state)
{
	(void)state;
	assert_refused(POOL "[service dns]\nvip = 203.0.113.1\nprotocol = udp\nport = 53\n"
			    "pool = web\n",
		       MESSAGES("weir.conf:3: [pool web] check = tcp needs check_port: no TCP "
				"service of the pool has the port 53 of its first, [service dns]"));
	assert_refused(
		POOL "check = tcp\n[service all]\nvip = 203.0.113.1\nport = 0\npool = web\n",
		MESSAGES("weir.conf:5: [pool web] check = tcp needs check_port: [service all] "
			 "has every port"));
	assert_unwise(POOL "check = none\n[service dns]\nvip = 203.0.113.1\nprotocol = udp\n"
			   "port = 53\npool = web\n",
		      NO_MESSAGES);
	assert_unwise(POOL "check_port = 8053\n[service dns]\nvip = 203.0.113.1\nprotocol = udp\n"
			   "port = 53\npool = web\n",
		      NO_MESSAGES);
	/* 443/udp first, but 443/tcp is there too. */
	assert_unwise(POOL "[service h3]\nvip = 203.0.113.1\nprotocol = udp\nport = 443\n"
			   "pool = web\n"
			   "[service h2]\nvip = 203.0.113.1\nport = 443\npool = web\n",
		      NO_MESSAGES);
}

static void a_probe_ends_before_the_next_begins(void **state)
{
	(void)state;
	assert_refused(POOL "check_interval_ms = 300\ncheck_timeout_ms = 301\n" SERVICE
			    "pool = web\n",
		       MESSAGES("weir.conf:6: [pool web] check_timeout_ms: 301 is above "
				"check_interval_ms, 300: a probe must end before the next"));
	/* By the default of the other key: the section's line where the key is not given. */
	assert_refused(POOL "check_interval_ms = 300\n" SERVICE "pool = web\n",
		       MESSAGES("weir.conf:3: [pool web] check_timeout_ms: 500 is above "
				"check_interval_ms, 300: a probe must end before the next"));
	assert_unwise(POOL "check_interval_ms = 300\ncheck_timeout_ms = 300\n" SERVICE
			   "pool = web\n",
		      NO_MESSAGES);
}

static void what_is_allowed_but_unwise_is_a_warning(void **state)
{
	(void)state;
	assert_unwise("[pool web]\nouter_source = 192.0.2.9\n" SERVICE "pool = web\n"
		      "[pool idle]\nbackend a = 192.0.2.1 weight=0\n"
		      "backend b = 192.0.2.2 state=draining\n"
		      "backend c = 192.0.2.3 state=disabled\n",
		      MESSAGES("weir.conf:4: [pool web] outer_source: has no effect with mode = l2",
			       "weir.conf:3: [pool web] has no backend: its services drop every "
			       "packet",
			       "weir.conf:9: [pool idle] no backend is enabled with a weight above "
			       "0: its services take no new flows",
			       "weir.conf:9: [pool idle]: no service uses it"));
}

static void two_sockets_have_two_names(void **state)
{
	(void)state;
	assert_refused("[controlplane]\nsocket = /run/weir/session.sock\n",
		       MESSAGES("weir.conf: [controlplane] socket: /run/weir/session.sock is the "
				"session_socket of [dataplane]: two sockets, two names"));
}

/* The text of a file with so many pools, services and backends. */
static char *many(unsigned pools, unsigned services, unsigned backends)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fprintf(f, "[dataplane]\narena_mb = 4000\n");
	for (unsigned i = 0; i < pools; i++) {
		fprintf(f, "[pool p%u]\ncheck = none\n", i);
		if (i == 0)
			for (unsigned j = 0; j < backends; j++)
				fprintf(f, "backend b%u = 10.%u.%u.%u\n", j, j >> 16, j >> 8 & 255,
					j & 255);
	}
	for (unsigned i = 0; i < services; i++)
		fprintf(f, "[service s%u]\nvip = 203.0.113.1\nport = %u\npool = p0\n", i, i + 1);
	fclose(f);
	return text;
}

static void the_greatest_sizes_load_and_one_more_does_not(void **state)
{
	struct conf *c;
	char *text;

	(void)state;
	text = many(1024, 4096, 16383);
	assert_int_equal(load(text, &c), 0);
	assert_int_equal(c->pool_count, 1024);
	assert_int_equal(c->service_count, 4096);
	assert_int_equal(c->pool[0].backend_count, 16383);
	conf_free(c);
	conf_errors_free(&warnings);
	free(text);

	text = many(1030, 5000, 0);
	assert_refused(text, MESSAGES("weir.conf:2053: more than 1024 pools",
				      "weir.conf:18449: more than 4096 services"));
	free(text);
	text = many(1, 1, 20000);
	assert_refused(text, MESSAGES("weir.conf: more than 16384 backends in all"));
	free(text);
}

static void an_arena_too_small_for_the_tables_says_how_much_is_right(void **state)
{
	struct conf *c;

	(void)state;
	/* 2 generations of 1,048,573 slots of 2 bytes: 4 MB and a little. */
	assert_refused("[dataplane]\narena_mb = 4\n"
		       "[pool web]\ntable_size = 1048573\nbackend a = 192.0.2.1\n" SERVICE
		       "pool = web\n",
		       MESSAGES("weir.conf: [dataplane] arena_mb: 4 MB are too few for two "
				"generations of these tables: at least 5 MB"));
	assert_int_equal(load("[dataplane]\narena_mb = 5\n"
			      "[pool web]\ntable_size = 1048573\nbackend a = 192.0.2.1\n" SERVICE
			      "pool = web\n",
			      &c),
			 0);
	conf_free(c);
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

/* -- what is shipped ------------------------------------------------------------ */

struct seen {
	bool option[64]; /* by row, dpconf_opts first */
};

static unsigned row_number(const struct conf_opt *o)
{
	if (o >= conf_opts && o < conf_opts + conf_opt_count)
		return dpconf_opt_count + (unsigned)(o - conf_opts);
	return (unsigned)(o - dpconf_opts);
}

static const struct conf_opt *row(const char *section, const char *key)
{
	const struct conf_opt *o = conf_find(conf_opts, conf_opt_count, section, key);

	return o ? o : conf_find(dpconf_opts, dpconf_opt_count, section, key);
}

/* conf_fn: each key of full.conf stands there with its default. */
static void full_key(void *user, const char *kind, const char *name, const char *key,
		     const char *value, int line)
{
	struct seen *seen = user;
	char copy[256], *word, *rest, *equals;

	(void)name;
	(void)line;
	if (key == NULL || strcmp(key, "backend b") == 0)
		return;
	if (strcmp(key, "backend a") != 0) {
		const struct conf_opt *o = row(kind, key);

		assert_non_null(o);
		if (o->def != NULL)
			assert_string_equal(value, o->def);
		seen->option[row_number(o)] = true;
		return;
	}
	snprintf(copy, sizeof(copy), "%s", value);
	strtok_r(copy, " ", &rest);
	while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
		equals = strchr(word, '=');
		assert_non_null(equals);
		*equals = '\0';
		assert_non_null(row("backend", word));
		assert_string_equal(equals + 1, row("backend", word)->def);
		seen->option[row_number(row("backend", word))] = true;
	}
}

/* Without line breaks and comment signs: a sentence is one string. */
static void unwrap(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		char c = *from == '\n' || *from == '#' ? ' ' : *from;

		if (c != ' ' || to == text || to[-1] != ' ')
			*to++ = c;
	}
	*to = '\0';
}

static void for_each_option(void (*fn)(const struct conf_opt *o, void *user), void *user)
{
	for (unsigned i = 0; i < dpconf_opt_count; i++)
		fn(&dpconf_opts[i], user);
	for (unsigned i = 0; i < conf_opt_count; i++)
		fn(&conf_opts[i], user);
}

static void assert_seen(const struct conf_opt *o, void *user)
{
	const struct seen *seen = user;

	if (!seen->option[row_number(o)])
		fail_msg("configs/full.conf lacks %s of [%s]", o->key, o->section);
}

static void assert_explained(const struct conf_opt *o, void *user)
{
	if (strstr(user, o->help) == NULL)
		fail_msg("configs/full.conf does not explain %s of [%s]: %s", o->key, o->section,
			 o->help);
}

static void full_conf_has_every_option_with_its_default(void **state)
{
	static const char path[] = WEIR_SOURCE "/configs/full.conf";
	struct seen seen = { 0 };
	char *text = read_text(path);
	struct conf *c = NULL;

	(void)state;
	assert_int_equal(conf_load(path, &c, &errors, &warnings), 0);
	conf_free(c);
	assert_messages(&warnings, NO_MESSAGES);
	assert_int_equal(conf_read(path, full_key, &seen, &errors), 0);
	for_each_option(assert_seen, &seen);
	unwrap(text);
	for_each_option(assert_explained, text);
	free(text);
}

static void the_example_for_production_loads_without_a_warning(void **state)
{
	struct conf *c = NULL;

	(void)state;
	assert_int_equal(conf_load(WEIR_SOURCE "/configs/weir.conf", &c, &errors, &warnings), 0);
	conf_free(c);
	assert_messages(&warnings, NO_MESSAGES);
}

/* In the manual an option stands at the start of a line, as ".B key = default" (and
 * "key=default" on a backend's line), or as ".B key" when it is required. */
static void assert_in_manual(const struct conf_opt *o, void *user)
{
	bool backend = strcmp(o->section, "backend") == 0;
	char line[CONF_TEXT_LEN];

	if (o->def == NULL)
		snprintf(line, sizeof(line), "\n.B %s\n(required)", o->key);
	else if (backend && o->def[0] == '\0')
		snprintf(line, sizeof(line), "\n.BI %s= ", o->key);
	else if (backend)
		snprintf(line, sizeof(line), "\n.B %s=%s\n", o->key, o->def);
	else
		snprintf(line, sizeof(line), "\n.B %s =%s%s\n", o->key, o->def[0] ? " " : "",
			 o->def);
	if (strstr(user, line) == NULL)
		fail_msg("docs/man/weir.conf.5 lacks %s of [%s]: \"%s\"", o->key, o->section, line);
	if (o->type == CONF_U32 && o->most > 100) {
		snprintf(line, sizeof(line), "%ld", o->most);
		if (strstr(user, line) == NULL)
			fail_msg("docs/man/weir.conf.5 does not say the most of %s: %ld", o->key,
				 o->most);
	}
}

static void the_manual_page_has_every_option_with_its_default(void **state)
{
	char *text = read_text(WEIR_SOURCE "/docs/man/weir.conf.5");

	(void)state;
	for_each_option(assert_in_manual, text);
	free(text);
}

static void assert_row_is_sound(const struct conf_opt *o, void *user)
{
	(void)user;
	assert_non_null(o->help);
	assert_true(islower((unsigned char)o->help[0]) || isupper((unsigned char)o->help[0]));
	assert_ptr_equal(row(o->section, o->key), o); /* once */
	if (o->type == CONF_ENUM)
		assert_non_null(o->choices);
}

static void every_row_is_there_once_with_its_help(void **state)
{
	struct dpconf dp = { 0 };
	struct dp_port_conf port = { 0 };
	struct conf c = { 0 };
	struct pool_conf pool = { 0 };
	struct service_conf service = { 0 };
	struct backend_conf backend = { 0 };

	(void)state;
	for_each_option(assert_row_is_sound, NULL);
	/* A default that its own row refuses would abort here. */
	conf_defaults(dpconf_opts, dpconf_opt_count, "dataplane", &dp);
	conf_defaults(dpconf_opts, dpconf_opt_count, "port", &port);
	conf_defaults(conf_opts, conf_opt_count, "controlplane", &c.control);
	conf_defaults(conf_opts, conf_opt_count, "pool", &pool);
	conf_defaults(conf_opts, conf_opt_count, "service", &service);
	conf_defaults(conf_opts, conf_opt_count, "backend", &backend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_whole_file_arrives, no_messages),
		cmocka_unit_test_teardown(an_ordinary_file_has_no_warnings, no_messages),
		cmocka_unit_test_teardown(errors_of_lines_name_section_key_and_what_is_right,
					  no_messages),
		cmocka_unit_test_teardown(names_stand_once, no_messages),
		cmocka_unit_test_teardown(addresses_of_backends_stand_once_in_a_pool, no_messages),
		cmocka_unit_test_teardown(services_name_a_pool_that_exists, no_messages),
		cmocka_unit_test_teardown(vip_protocol_and_port_stand_once_together, no_messages),
		cmocka_unit_test_teardown(table_sizes_are_primes_and_the_nearest_is_named,
					  no_messages),
		cmocka_unit_test_teardown(tables_are_long_enough_for_their_backends, no_messages),
		cmocka_unit_test_teardown(next_hops_by_hand_name_their_port, no_messages),
		cmocka_unit_test_teardown(addresses_that_no_packet_can_be_sent_to, no_messages),
		cmocka_unit_test_teardown(ipv6_is_refused_in_a_sentence, no_messages),
		cmocka_unit_test_teardown(l2_pools_and_their_services_are_of_one_family,
					  no_messages),
		cmocka_unit_test_teardown(checks_go_to_a_port_where_tcp_is_served, no_messages),
		cmocka_unit_test_teardown(a_probe_ends_before_the_next_begins, no_messages),
		cmocka_unit_test_teardown(what_is_allowed_but_unwise_is_a_warning, no_messages),
		cmocka_unit_test_teardown(two_sockets_have_two_names, no_messages),
		cmocka_unit_test_teardown(the_greatest_sizes_load_and_one_more_does_not,
					  no_messages),
		cmocka_unit_test_teardown(an_arena_too_small_for_the_tables_says_how_much_is_right,
					  no_messages),
		cmocka_unit_test_teardown(a_file_that_cannot_be_opened_is_an_errno, no_messages),
		cmocka_unit_test_teardown(backends_are_added_and_removed, no_messages),
		cmocka_unit_test_teardown(weight_zero_keeps_the_weight_that_the_table_has,
					  no_messages),
		cmocka_unit_test_teardown(a_backend_that_clashes_at_run_time_has_no_line,
					  no_messages),
		cmocka_unit_test_teardown(full_conf_has_every_option_with_its_default, no_messages),
		cmocka_unit_test_teardown(the_example_for_production_loads_without_a_warning,
					  no_messages),
		cmocka_unit_test_teardown(the_manual_page_has_every_option_with_its_default,
					  no_messages),
		cmocka_unit_test_teardown(every_row_is_there_once_with_its_help, no_messages),
	};

	return cmocka_run_group_tests_name("conf_file", tests, sandbox_setup, sandbox_teardown);
}
