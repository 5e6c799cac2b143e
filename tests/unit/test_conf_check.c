// SPDX-License-Identifier: Apache-2.0
/* What spans sections, and what is unwise: conf_check*.c by way of a file. */
#include "conf_load.h"

static void an_ordinary_file_has_no_warnings(void **state)
{
	(void)state;
	assert_unwise(POOL SERVICE "pool = web\n", NO_MESSAGES);
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

static void quic_is_for_udp(void **state)
{
	(void)state;
	assert_refused(POOL "[service www]\nvip = 203.0.113.1\nport = 443\nprotocol = udp\n"
			    "quic = yes\npool = web\n"
			    "[service old]\nvip = 203.0.113.1\nport = 443\nquic = yes\n"
			    "pool = web\n",
		       MESSAGES("weir.conf:14: [service old] quic: only with protocol = udp"));
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

static void ipv6_addresses_that_no_packet_can_be_sent_to(void **state)
{
	(void)state;
	assert_refused(
		"[pool web]\n"
		"mode = ipip\n"
		"outer_source = fe80::9\n"
		"backend a = ff02::1\n"
		"backend b = ::\n"
		"backend c = fe80::1\n"
		"backend d = ::ffff:192.0.2.1\n"
		"backend e = 2001:db8::80\n"
		"[service six]\nvip = 2001:db8::80\nport = 80\npool = web\n"
		"[service loop]\nvip = ::1\nport = 80\npool = web\n"
		"[service link]\nvip = febf::1\nport = 80\npool = web\n",
		MESSAGES("weir.conf:5: [pool web] outer_source: that is a link-local address, "
			 "which is another host's on each link",
			 "weir.conf:6: [pool web] backend a: ff02::1 is a multicast address",
			 "weir.conf:7: [pool web] backend b: :: is the unspecified address",
			 "weir.conf:8: [pool web] backend c: fe80::1 is a link-local address, "
			 "which is another host's on each link",
			 "weir.conf:9: [pool web] backend d: ::ffff:192.0.2.1 is an IPv4-mapped "
			 "address, which never stands in a packet: write it as IPv4",
			 "weir.conf:10: [pool web] backend e: 2001:db8::80 is the VIP of "
			 "[service six]; right is the address that the server has for itself",
			 "weir.conf:16: [service loop] vip: ::1 is a loopback address",
			 "weir.conf:20: [service link] vip: febf::1 is a link-local address, "
			 "which is another host's on each link"));
}

static void an_outer_header_has_one_family(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char *text;

		assert_true(asprintf(&text,
				     "[pool tun]\nmode = %s\nouter_source = 2001:db8::9\n"
				     "backend a = 192.0.2.1\nbackend b = 2001:db8::1\n" SERVICE
				     "pool = tun\n",
				     i == 0 ? "ipip" : "gue") > 0);
		assert_refused(text,
			       MESSAGES("weir.conf:6: [pool tun] backend a: 192.0.2.1 is IPv4, the "
					"pool's outer_source is IPv6: one outer header has one "
					"family"));
		conf_errors_free(&errors);
		free(text);
	}
}

/* l2 too: of such a backend only the MAC address matters. */
static void every_mix_of_families_is_right(void **state)
{
	static const char *const modes[] = { "l2", "ipip", "gue" };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char *text;

		assert_true(asprintf(&text,
				     "[pool web]\nmode = %s\nbackend a = 192.0.2.1\n"
				     "backend b = 2001:db8::1\n" SERVICE "pool = web\n"
				     "[service six]\nvip = 2001:db8::80\nport = 80\npool = web\n",
				     modes[i]) > 0);
		assert_unwise(text, NO_MESSAGES);
		free(text);
	}
}

static void gue_has_a_port_of_its_own(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(load(POOL "mode = gue\n" SERVICE "pool = web\n", &c), 0);
	assert_int_equal(c->pool[0].gue_port, 6080);
	conf_free(c);
	assert_int_equal(load(POOL "mode = gue\ngue_port = 9999\n" SERVICE "pool = web\n", &c), 0);
	assert_int_equal(c->pool[0].gue_port, 9999);
	conf_free(c);
	assert_messages(&warnings, NO_MESSAGES);
	assert_unwise(POOL "gue_port = 9999\n" SERVICE "pool = web\n",
		      MESSAGES("weir.conf:5: [pool web] gue_port: has no effect without mode = "
			       "gue"));
}

static void prefixes_are_neither_too_wide_nor_ragged(void **state)
{
	(void)state;
	assert_refused(
		POOL "[service a]\nvip = 203.0.113.1/28\nport = 80\npool = web\n"
		     "[service b]\nvip = 203.0.113.0/33\nport = 80\npool = web\n"
		     "[service c]\nvip = 12.0.0.0/7\nport = 80\npool = web\n"
		     "[service d]\nvip = 2000::/15\nport = 80\npool = web\n"
		     "[service e]\nvip = 192.0.2.0/30\nport = 80\npool = web\n",
		MESSAGES("weir.conf:6: [service a] vip: \"203.0.113.1/28\" has bits behind its "
			 "prefix: 203.0.113.0/28 is right",
			 "weir.conf:10: [service b] vip: \"203.0.113.0/33\" is no address or "
			 "prefix such as 192.0.2.1 or 192.0.2.0/24",
			 "weir.conf:4: [pool web] backend a: 192.0.2.1 lies in the VIP of "
			 "[service e]; right is the address that the server has for itself",
			 "weir.conf:14: [service c] vip: 12.0.0.0/7 is too wide: /8 is the widest",
			 "weir.conf:18: [service d] vip: 2000::/15 is too wide: /16 is the "
			 "widest"));
	conf_errors_free(&errors);
	assert_refused("[pool web]\nmode = ipip\nouter_source = 10.0.0.0/7\n"
		       "backend a = 192.0.2.1\n" SERVICE "pool = web\n"
		       "[pool six]\nmode = ipip\nouter_source = 2001:db8::/63\n"
		       "backend a = 2001:db8::1\n",
		       MESSAGES("weir.conf:5: [pool web] outer_source: /7 is too wide: /8 is the "
				"widest",
				"weir.conf:13: [pool six] outer_source: /63 is too wide: /64 is "
				"the widest"));
}

static void a_vip_and_a_prefix_of_it_are_two_vips(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(load(POOL "[service a]\nvip = 203.0.113.0/28\nport = 80\npool = web\n"
				   "[service b]\nvip = 203.0.113.0\nport = 80\npool = web\n"
				   "[service c]\nvip = 203.0.113.1/32\nport = 80\npool = web\n",
			      &c),
			 0);
	assert_int_equal(c->service[0].vip_bits, 4);
	assert_int_equal(c->service[1].vip_bits, 0);
	assert_int_equal(c->service[2].vip_bits, 0);
	conf_free(c);
	assert_messages(&warnings, NO_MESSAGES);
}

static void the_longer_vip_alone_decides_and_what_it_lacks_is_said(void **state)
{
	(void)state;
	assert_unwise(POOL "[service all]\nvip = 203.0.113.0/24\nport = 443\npool = web\n"
			   "[service too]\nvip = 203.0.113.0/24\nport = 80\npool = web\n"
			   "[service some]\nvip = 203.0.113.0/28\nport = 443\npool = web\n"
			   "[service one]\nvip = 203.0.113.5\nport = 0\npool = web\n",
		      MESSAGES("weir.conf:14: [service some] vip: 203.0.113.0/28 lies in "
			       "203.0.113.0/24 of [service too], and the longer one alone decides: "
			       "packets to its tcp port 80 are strays"));
}

static void a_vip_section_is_for_a_vip_and_stands_once(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(load(POOL SERVICE
			      "pool = web\n"
			      "[service six]\nvip = 2001:db8:f::/64\nport = 80\npool = web\n"
			      "[vip 2001:DB8:F:0::/64]\necho = off\nstrays = reject\narp = on\n"
			      "[vip 203.0.113.1]\n",
			      &c),
			 0);
	assert_messages(&warnings, NO_MESSAGES);
	assert_int_equal(c->vip_count, 2);
	assert_string_equal(c->vip[0].name, "2001:db8:f::/64");
	assert_int_equal(c->vip[0].bits, 64);
	assert_true(!c->vip[0].echo && c->vip[0].reject && c->vip[0].arp);
	assert_true(c->vip[1].echo && !c->vip[1].reject && !c->vip[1].arp);
	conf_free(c);

	assert_refused(
		POOL SERVICE "pool = web\n"
			     "[service net]\nvip = 198.51.100.0/24\nport = 80\npool = web\n"
			     "[vip 203.0.113.1]\n[vip 203.0.113.2]\n[vip 203.0.113.1/32]\n"
			     "[vip 198.51.100.7]\n[vip]\n[vip 198.51.100.7/24]\n[vip www]\n"
			     "[vip 203.0.113.1]\necho = maybe\n",
		MESSAGES("weir.conf:17: [vip]: of which VIP? [vip ADDRESS] or [vip PREFIX]",
			 "weir.conf:18: [vip 198.51.100.7/24]: \"198.51.100.7/24\" is no address "
			 "or prefix such as 192.0.2.1 or 192.0.2.0/24",
			 "weir.conf:19: [vip www]: \"www\" is no address or prefix such as "
			 "192.0.2.1 or 192.0.2.0/24",
			 "weir.conf:21: [vip 203.0.113.1] echo: \"maybe\" is not right: off or on",
			 "weir.conf:14: [vip 203.0.113.2]: no service has this VIP",
			 "weir.conf:15: [vip 203.0.113.1]: begun already in line 13",
			 "weir.conf:16: [vip 198.51.100.7]: no service has this VIP; [service net] "
			 "has 198.51.100.0/24",
			 "weir.conf:20: [vip 203.0.113.1]: begun already in line 13"));
}

static void ipv6_has_room_for_1280_bytes(void **state)
{
	(void)state;
	assert_unwise("[pool web]\nmode = ipip\nmtu = 1319\nbackend a = 192.0.2.1\n"
		      "[service six]\nvip = 2001:db8::80\nport = 80\npool = web\n",
		      MESSAGES("weir.conf:5: [pool web] mtu: 1319 bytes leave less than the 1280 "
			       "that IPv6 clients of [service six] may always send: 1320 or more "
			       "are right"));
	conf_errors_free(&warnings);
	assert_unwise("[pool web]\nmode = ipip\nmtu = 1320\nbackend a = 192.0.2.1\n"
		      "[service six]\nvip = 2001:db8::80\nport = 80\npool = web\n",
		      NO_MESSAGES);
	assert_unwise("[pool web]\nmtu = 1280\nbackend a = 192.0.2.1\n"
		      "[service six]\nvip = 2001:db8::80\nport = 80\npool = web\n",
		      NO_MESSAGES);
}

static void checks_go_to_a_port_where_tcp_is_served(void **state)
{
	(void)state;
	assert_refused(POOL "[service dns]\nvip = 203.0.113.1\nprotocol = udp\nport = 53\n"
			    "pool = web\n",
		       MESSAGES("weir.conf:3: [pool web] check = tcp: no tcp service of the "
				"pool has a port of its own, and check_port is not set: no port to "
				"check"));
	assert_refused(
		POOL "check = tcp\n[service all]\nvip = 203.0.113.1\nport = 0\npool = web\n",
		MESSAGES("weir.conf:5: [pool web] check = tcp: no tcp service of the pool has a "
			 "port of its own, and check_port is not set: no port to check"));
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
	/* 2 generations of 1,048,573 slots, all of them moving, of 2 + 12 bytes and a
	 * quarter: 28.5 MB and a little. */
	assert_refused("[dataplane]\narena_mb = 20\n"
		       "[pool web]\ntable_size = 1048573\nbackend a = 192.0.2.1\n" SERVICE
		       "pool = web\n",
		       MESSAGES("weir.conf: [dataplane] arena_mb: 20 MB are too few for two "
				"generations of these tables: at least 29 MB"));
	assert_int_equal(load("[dataplane]\narena_mb = 29\n"
			      "[pool web]\ntable_size = 1048573\nbackend a = 192.0.2.1\n" SERVICE
			      "pool = web\n",
			      &c),
			 0);
	conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(an_ordinary_file_has_no_warnings, no_messages),
		cmocka_unit_test_teardown(names_stand_once, no_messages),
		cmocka_unit_test_teardown(addresses_of_backends_stand_once_in_a_pool, no_messages),
		cmocka_unit_test_teardown(quic_is_for_udp, no_messages),
		cmocka_unit_test_teardown(services_name_a_pool_that_exists, no_messages),
		cmocka_unit_test_teardown(vip_protocol_and_port_stand_once_together, no_messages),
		cmocka_unit_test_teardown(table_sizes_are_primes_and_the_nearest_is_named,
					  no_messages),
		cmocka_unit_test_teardown(tables_are_long_enough_for_their_backends, no_messages),
		cmocka_unit_test_teardown(next_hops_by_hand_name_their_port, no_messages),
		cmocka_unit_test_teardown(addresses_that_no_packet_can_be_sent_to, no_messages),
		cmocka_unit_test_teardown(ipv6_addresses_that_no_packet_can_be_sent_to,
					  no_messages),
		cmocka_unit_test_teardown(an_outer_header_has_one_family, no_messages),
		cmocka_unit_test_teardown(every_mix_of_families_is_right, no_messages),
		cmocka_unit_test_teardown(gue_has_a_port_of_its_own, no_messages),
		cmocka_unit_test_teardown(ipv6_has_room_for_1280_bytes, no_messages),
		cmocka_unit_test_teardown(prefixes_are_neither_too_wide_nor_ragged, no_messages),
		cmocka_unit_test_teardown(a_vip_and_a_prefix_of_it_are_two_vips, no_messages),
		cmocka_unit_test_teardown(a_vip_section_is_for_a_vip_and_stands_once, no_messages),
		cmocka_unit_test_teardown(the_longer_vip_alone_decides_and_what_it_lacks_is_said,
					  no_messages),
		cmocka_unit_test_teardown(checks_go_to_a_port_where_tcp_is_served, no_messages),
		cmocka_unit_test_teardown(a_probe_ends_before_the_next_begins, no_messages),
		cmocka_unit_test_teardown(what_is_allowed_but_unwise_is_a_warning, no_messages),
		cmocka_unit_test_teardown(two_sockets_have_two_names, no_messages),
		cmocka_unit_test_teardown(the_greatest_sizes_load_and_one_more_does_not,
					  no_messages),
		cmocka_unit_test_teardown(an_arena_too_small_for_the_tables_says_how_much_is_right,
					  no_messages),
	};

	return cmocka_run_group_tests_name("conf_check", tests, sandbox_setup, sandbox_teardown);
}
