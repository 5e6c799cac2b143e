// SPDX-License-Identifier: Apache-2.0
#include "weirctl.h"
#include "weirctl_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *text;

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

/* What `print` makes of a result. */
static const char *printed(weirctl_print_fn *print, const char *json)
{
	json_t *result = json_loads(json, 0, NULL);
	size_t len;
	FILE *out;

	assert_non_null(result);
	free(text);
	text = NULL;
	out = open_memstream(&text, &len);
	assert_non_null(out);
	print(out, result);
	fclose(out);
	json_decref(result);
	return text;
}

static void counts_are_short(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(weirctl_count_text(0, buf), "0");
	assert_string_equal(weirctl_count_text(999, buf), "999");
	assert_string_equal(weirctl_count_text(1000, buf), "1.0 k");
	assert_string_equal(weirctl_count_text(1550, buf), "1.6 k");
	assert_string_equal(weirctl_count_text(999949, buf), "999.9 k");
	assert_string_equal(weirctl_count_text(999950, buf), "1.0 M");
	assert_string_equal(weirctl_count_text(INT64_MAX, buf), "9223.4 P");
}

static void bytes_are_binary(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(weirctl_bytes_text(0, buf), "0 B");
	assert_string_equal(weirctl_bytes_text(1023, buf), "1023 B");
	assert_string_equal(weirctl_bytes_text(1024, buf), "1.0 KiB");
	assert_string_equal(weirctl_bytes_text(1536, buf), "1.5 KiB");
	assert_string_equal(weirctl_bytes_text(3221225472, buf), "3.0 GiB");
}

static void backends_line_up_and_are_sorted_by_name(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_backends,
			"{\"backends\": ["
			"{\"pool\": \"web\", \"name\": \"b10\", \"address\": \"10.0.1.10\","
			" \"weight\": 100, \"state\": \"draining\", \"drain_left_s\": 28,"
			" \"health\": \"up\", \"reason\": \"port 80: connected\", \"slots\": 0,"
			" \"packets\": 1234567, \"bytes\": 2048,"
			" \"next_hop\": {\"resolved\": true, \"port\": \"wan\","
			" \"mac\": \"02:00:00:00:00:0a\", \"why\": \"\"}},"
			"{\"pool\": \"web\", \"name\": \"b2\", \"address\": \"10.0.1.2\","
			" \"weight\": 5, \"state\": \"enabled\", \"drain_left_s\": null,"
			" \"health\": \"down\", \"reason\": \"port 80: connection refused\","
			" \"slots\": 65537, \"packets\": 0, \"bytes\": 0,"
			" \"next_hop\": {\"resolved\": false, \"port\": null, \"mac\": null,"
			" \"why\": \"this host has no route to it\"}}]}"),
		"BACKEND  ADDRESS    WEIGHT  STATE           HEALTH  SLOTS  PACKETS    BYTES  "
		"NEXT HOP               NOTE\n"
		"web/b2   10.0.1.2        5  enabled         down    65537        0      0 B  "
		"-                      port 80: connection refused; next hop: this host has no "
		"route "
		"to it\n"
		"web/b10  10.0.1.10     100  draining, 28 s  up          0    1.2 M  2.0 KiB  "
		"wan 02:00:00:00:00:0a  \n");
}

static void next_hop_in_a_vlan_says_so(void **state)
{
	(void)state;
	assert_non_null(
		strstr(printed(weirctl_print_backends,
			       "{\"backends\": [{\"next_hop\": {\"resolved\": true, "
			       "\"port\": \"wan\", \"mac\": \"02:00:00:00:00:0a\", "
			       "\"vlan\": 100, \"why\": \"\"}}]}"),
		       "wan 02:00:00:00:00:0a, VLAN 100"));
}

static void next_hop_that_is_missing_is_explained(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_backend,
			"{\"pool\": \"web\", \"name\": \"a\", \"weight\": 1, \"state\": "
			"\"enabled\","
			" \"health\": \"up\", \"reason\": \"not checked\", \"slots\": 0,"
			" \"next_hop\": {\"resolved\": false, \"why\": \"its route is a "
			"blackhole\"}}"),
		"web/a: enabled, weight 1, up, 0 slots; next hop: its route is a blackhole\n");
}

static void drops_are_shown_with_what_was_answered_and_handed_on(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_drops,
			"{\"drops\": [{\"name\": \"stray\", \"packets\": 1500, \"bytes\": 2048,"
			" \"text\": \"no service\"}],"
			" \"answers\": [{\"name\": \"echo\", \"packets\": 3, \"bytes\": 294,"
			" \"text\": \"an echo reply\"}], \"punts\": []}"),
		"REASON  PACKETS    BYTES  MEANS\n"
		"stray     1.5 k  2.0 KiB  no service\n"
		"\n"
		"ANSWER  PACKETS  BYTES  MEANS\n"
		"echo          3  294 B  an echo reply\n"
		"\n"
		"nothing is counted\n");
	assert_string_equal(printed(weirctl_print_drops,
				    "{\"drops\": [{\"name\": \"too-big\", \"packets\": 12,"
				    " \"text\": \"does not fit\"}]}"),
			    "REASON   PACKETS  MEANS\n"
			    "too-big       12  does not fit\n");
}

static void what_a_backend_lost_is_noted(void **state)
{
	(void)state;
	assert_string_equal(printed(weirctl_print_backend,
				    "{\"pool\": \"web\", \"name\": \"a\", \"weight\": 1,"
				    " \"state\": \"enabled\", \"health\": \"up\", \"slots\": 0,"
				    " \"drops\": {\"too-big\": 12, \"tx-full\": 1}}"),
			    "web/a: enabled, weight 1, up, 0 slots; dropped 13\n");
}

static void a_drain_says_what_holds_it(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_backend,
			"{\"pool\": \"web\", \"name\": \"a\", \"weight\": 1, \"state\": "
			"\"draining\", \"health\": \"up\", \"slots\": 0, \"windows\": 12,"
			" \"pins\": 3, \"drained\": false}"),
		"web/a: draining, weight 1, up, 0 slots; keeps flows: windows of 12 slots, 3 "
		"pins\n");
	assert_string_equal(
		printed(weirctl_print_backend,
			"{\"pool\": \"web\", \"name\": \"a\", \"weight\": 1, \"state\": "
			"\"draining\", \"health\": \"up\", \"slots\": 0, \"windows\": 12,"
			" \"pins\": null, \"drained\": false}"),
		"web/a: draining, weight 1, up, 0 slots; keeps flows: windows of 12 slots, pins "
		"not counted yet\n");
	assert_string_equal(
		printed(weirctl_print_backend,
			"{\"pool\": \"web\", \"name\": \"a\", \"weight\": 1, \"state\": "
			"\"draining\", \"drain_left_s\": 9, \"health\": \"up\", \"slots\": 0,"
			" \"windows\": 0, \"pins\": 0, \"drained\": true}"),
		"web/a: drained, 9 s, weight 1, up, 0 slots\n");
}

/* It is enabled and up, and yet has no slots, or is down and has some. */
static void what_keeps_new_flows_away_is_noted(void **state)
{
#define NOTE_OF(more)                                                                         \
	printed(weirctl_print_backend, "{\"pool\": \"web\", \"name\": \"a\", \"weight\": 1, " \
				       "\"state\": \"enabled\", \"slots\": 0, " more "}")
	(void)state;
	assert_string_equal(NOTE_OF("\"health\": \"up\", \"reason\": \"web: failing 1 of 3: status "
				    "503\", \"failing\": true"),
			    "web/a: enabled, weight 1, up, 0 slots; web: failing 1 of 3: status "
			    "503\n");
	assert_string_equal(NOTE_OF("\"health\": \"up\", \"reason\": \"web: status 200\", "
				    "\"failing\": false, \"standby\": true, "
				    "\"agent_state\": \"enabled\", \"agent_percent\": 100"),
			    "web/a: enabled, weight 1, up, 0 slots; backup, not needed now\n");
	assert_string_equal(NOTE_OF("\"health\": \"up\", \"agent_state\": \"disabled\""),
			    "web/a: enabled, weight 1, up, 0 slots; its agent says: disabled\n");
	assert_string_equal(NOTE_OF("\"health\": \"up\", \"agent_state\": \"enabled\", "
				    "\"agent_percent\": 0"),
			    "web/a: enabled, weight 1, up, 0 slots; its agent wants 0 % of its "
			    "weight\n");
	assert_string_equal(NOTE_OF("\"health\": \"down\", \"reason\": \"tcp: refused\", "
				    "\"kept\": true"),
			    "web/a: enabled, weight 1, down, 0 slots; tcp: refused; kept: too few "
			    "are up\n");
#undef NOTE_OF
}

static void pools_say_what_their_protection_does(void **state)
{
	(void)state;
	assert_string_equal(printed(weirctl_print_pools,
				    "{\"pools\": [{\"name\": \"a\", \"mode\": \"l2\", \"hash\": "
				    "\"source\", \"panic\": true}, {\"name\": \"b\", \"mode\": "
				    "\"l2\", \"hash\": \"source\", \"backups\": true}]}"),
			    "POOL  MODE  HASH    SLOTS  SERVING  BACKENDS  GRACE  TCP-WINDOW  "
			    "UDP-WINDOW  NOTE\n"
			    "a     l2    source      0        0         0    0 s         0 s         "
			    "0 s  PANIC: its checks are not believed\n"
			    "b     l2    source      0        0         0    0 s         0 s         "
			    "0 s  its backups serve\n");
}

static void pools_say_how_long_flows_stay(void **state)
{
	(void)state;
	assert_string_equal(printed(weirctl_print_pools,
				    "{\"pools\": [{\"name\": \"a\", \"mode\": \"l2\", \"hash\": "
				    "\"source\", \"handshake_grace_s\": 3, \"tcp_window_s\": 86400, "
				    "\"udp_window_s\": 30}]}"),
			    "POOL  MODE  HASH    SLOTS  SERVING  BACKENDS  GRACE  TCP-WINDOW  "
			    "UDP-WINDOW  NOTE\n"
			    "a     l2    source      0        0         0    3 s     86400 s        "
			    "30 s  \n");
}

static void empty_lists_say_so(void **state)
{
	(void)state;
	assert_string_equal(printed(weirctl_print_backends, "{\"backends\": []}"), "no backends\n");
	assert_string_equal(printed(weirctl_print_diff, "{\"differences\": []}"),
			    "nothing: what runs is what the file says\n");
	/* Nor does nonsense do harm. */
	assert_string_equal(printed(weirctl_print_pools, "{}"), "no pools\n");
}

static void differences_show_both_sides(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_diff,
			"{\"differences\": [{\"what\": \"backend web/a\", \"key\": \"weight\","
			" \"file\": \"10\", \"running\": \"0\"},"
			" {\"what\": \"backend web/c\", \"key\": null, \"file\": null,"
			" \"running\": \"10.0.1.13 weight=1\"}]}"),
		"WHAT           KEY     FILE  RUNNING\n"
		"backend web/a  weight  10    0\n"
		"backend web/c  -       -     10.0.1.13 weight=1\n");
}

static void status_without_a_data_plane_is_short(void **state)
{
	(void)state;
	assert_string_equal(printed(weirctl_print_status,
				    "{\"version\": \"0.1.0\", \"config\": \"/etc/weir/weir.conf\","
				    " \"attached\": false}"),
			    "weir        0.1.0, /etc/weir/weir.conf\n"
			    "data plane  not attached\n");
}

static void the_checks_are_told_of_without_a_data_plane(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_status,
			"{\"version\": \"0.1.0\", \"config\": \"/etc/weir/weir.conf\","
			" \"attached\": false, \"panic\": [\"web\"], "
			"\"checks_pending\": 3, \"probes\": {\"begun\": 500, "
			"\"late\": 12, \"worst_ms\": 310}}"),
		"weir        0.1.0, /etc/weir/weir.conf\n"
		"PANIC       pool web: too few backends are up, its checks are not "
		"believed; see `weirctl health web`\n"
		"checks      3 first probes have not ended\n"
		"probes      12 of 500 began more than 100 ms late, the worst by 310 ms\n"
		"data plane  not attached\n");
}

static void a_generation_is_everywhere_or_not(void **state)
{
#define STATUS(seen)                                                                 \
	printed(weirctl_print_status,                                                \
		"{\"attached\": true, \"generation\": 12, \"published\": \"T\", "    \
		"\"publish_latency_us\": 1800, \"workers\": [{\"generation\": 12}, " \
		"{\"generation\": " seen "}]}")
	(void)state;
	assert_non_null(strstr(STATUS("12"),
			       "generation  12, published T, taken by every worker in 1.8 ms\n"));
	assert_non_null(strstr(STATUS("11"),
			       "generation  12, published T, not taken by every worker yet\n"));
#undef STATUS
}

static void late_worker_stands_out(void **state)
{
	(void)state;
	assert_non_null(strstr(printed(weirctl_print_status,
				       "{\"attached\": true, \"workers\": [{\"name\": \"worker-1\","
				       " \"cpu\": 2, \"generation\": 11, \"late\": true}]}"),
			       "worker-1    cpu 2, generation 11, LATE: does not answer\n"));
}

/* RFC 2003: a TCP SYN in IPv4 in IPv4. */
static void explained_frame_is_taken_apart(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_explain,
			"{\"service\": \"www\", \"pool\": \"web\", \"slot\": 17,"
			" \"slot_state\": \"settled\", \"backend\": \"b\", \"address\": "
			"\"10.0.1.12\","
			" \"drop\": \"none\", \"why\": \"slot 17 of pool web belongs to b\","
			" \"generation\": 3, \"frame\": {\"length\": 74, \"port\": \"wan\","
			" \"header\": \"02000000000b0200000000010800"
			"4500003c000040004004247e0a0001010a00010c"
			"4500002800010000400600006433710a"
			"cb00710a9c4000500000000000000000500200000000"
			"0000\"}}"),
		"service     www\n"
		"pool        web\n"
		"slot        17, settled\n"
		"backend     b, 10.0.1.12\n"
		"why         slot 17 of pool web belongs to b\n"
		"frame       74 bytes by port wan\n"
		"            Ethernet 02:00:00:00:00:01 > 02:00:00:00:00:0b\n"
		"            IPv4 10.0.1.1 > 10.0.1.12, 60 bytes, TTL 64, IPv4 inside (IP in IP)\n"
		"            IPv4 100.51.113.10 > 203.0.113.10, 40 bytes, TTL 64, TCP\n"
		"            TCP 40000 > 80\n"
		"generation  3\n");
}

/* IPv6 in GUE (variant 0, no options) in UDP in IPv6; addresses as RFC 5952 has them. */
static void explained_gue_frame_is_taken_apart(void **state)
{
	(void)state;
	assert_non_null(strstr(
		printed(weirctl_print_explain,
			"{\"drop\": \"none\", \"frame\": {\"length\": 126, \"port\": \"wan\","
			" \"gue_port\": 6080, \"header\": \"02000000000b02000000000186dd"
			"6000000000481140"
			"20010db800000000000000000000000a20010db800000000000000000001000b"
			"c00017c000480000"
			"00290000"
			"60000000001406ff"
			"20010db800010000000000000000000120010db8000000010000000000000050"
			"9c4001bb00000000000000005002000000000000\"}}"),
		"            IPv6 2001:db8::a > 2001:db8::1:b, 112 bytes, hop limit 64, UDP\n"
		"            UDP 49152 > 6080\n"
		"            GUE, IPv6 inside\n"
		"            IPv6 2001:db8:1::1 > 2001:db8:0:1::50, 60 bytes, hop limit 255, TCP\n"
		"            TCP 40000 > 443\n"));
}

static void frame_cut_anywhere_prints_less(void **state)
{
	static const uint8_t frame[] = {
		0x02, 0,    0,	  0,	0,    0x0b, 0x02, 0,	0, 0,  0,    0x01, 0x81, 0x00,
		0x00, 0x0c, 0x08, 0x00, 0x45, 0,    0,	  0x28, 0, 0,  0x40, 0,	   0x40, 0x06,
		0,    0,    10,	  0,	1,    1,    10,	  0,	1, 12, 0x9c, 0x40, 0x00, 0x50,
	};
	size_t before = 0;

	(void)state;
	for (size_t len = 0; len <= sizeof(frame); len++) {
		uint8_t *copy = malloc(len + (len == 0));
		size_t printed_len;
		FILE *out;

		assert_non_null(copy);
		memcpy(copy, frame, len);
		free(text);
		text = NULL;
		out = open_memstream(&text, &printed_len);
		weirctl_print_frame(out, copy, len, 6080, "");
		fclose(out);
		free(copy);
		assert_true(printed_len >= before);
		before = printed_len;
	}
	assert_string_equal(text, "Ethernet 02:00:00:00:00:01 > 02:00:00:00:00:0b, VLAN 12\n"
				  "IPv4 10.0.1.1 > 10.0.1.12, 40 bytes, TTL 64, TCP\n"
				  "TCP 40000 > 80\n");
}

static void drop_is_explained_without_a_backend(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_explain,
			"{\"service\": null, \"pool\": null, \"slot\": null,"
			" \"backend\": null, \"drop\": \"stray\", \"why\": \"for a VIP, but\","
			" \"generation\": 3, \"frame\": null}"),
		"service     -\n"
		"pool        -\n"
		"dropped     stray\n"
		"why         for a VIP, but\n"
		"generation  3\n");
}

#define CHECKED "\"name\": \"page\", \"kind\": \"https\", \"to\": \"203.0.113.10\", \"port\": 443"

static void health_is_a_line_a_check(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_health,
			"{\"pools\": [{\"name\": \"web\", \"panic\": false}], \"backends\": ["
			"{\"pool\": \"web\", \"name\": \"a\", \"health\": \"up\", "
			"\"since\": \"2025-03-01T03:12:45.123Z\", \"checks\": [{" CHECKED
			", \"last\": {\"ok\": true, \"reason\": \"status 200\", "
			"\"latency_us\": 2310, \"certificate_days\": 57}}, "
			"{\"name\": \"dns\", \"last\": null}]}, "
			"{\"pool\": \"web\", \"name\": \"b\", \"health\": \"up\", "
			"\"since\": null, \"reason\": \"not checked\", \"checks\": []}]}"),
		"BACKEND  HEALTH  SINCE                 CHECK  LATENCY  CERT  RESULT\n"
		"web/a    up      2025-03-01 03:12:45Z  page    2.3 ms  57 d  status 200\n"
		"web/a    up      2025-03-01 03:12:45Z  dns          -     -  first probe not "
		"ended "
		"yet\n"
		"web/b    up      -                     -            -     -  not checked\n");
}

static void panic_comes_first_and_one_backend_has_its_history(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_health,
			"{\"pools\": [{\"name\": \"web\", \"panic\": true, \"up\": 0, "
			"\"eligible\": 3, \"needed\": 1, \"kept\": 3}], \"backends\": ["
			"{\"pool\": \"web\", \"name\": \"a\", \"health\": \"down\", "
			"\"kept\": true, \"since\": \"2025-03-01T03:12:45.123Z\", "
			"\"reason\": \"tcp: connection refused\", \"checks\": [], \"history\": ["
			"{\"time\": \"2025-03-01T03:12:45.123Z\", \"health\": \"down\", "
			"\"reason\": \"tcp: connection refused\"}]}]}"),
		"PANIC: pool web: 0 of 3 backends up, 1 needed: its checks are not believed, 3 "
		"backends keep the traffic\n"
		"BACKEND  HEALTH      SINCE                 CHECK  LATENCY  CERT  RESULT\n"
		"web/a    down, kept  2025-03-01 03:12:45Z  -            -     -  tcp: connection "
		"refused\n"
		"\n"
		"web/a: tcp: connection refused\n"
		"2025-03-01 03:12:45Z  down  tcp: connection refused\n");
}

static void check_shows_each_step(void **state)
{
	(void)state;
	assert_string_equal(
		printed(weirctl_print_check,
			"{\"pool\": \"web\", \"name\": \"a\", \"checks\": [{" CHECKED
			", \"via\": \"dsr\", "
			"\"next_hop\": {\"resolved\": true, \"mac\": \"02:00:00:00:00:0a\", "
			"\"port\": \"lab\", \"vlan\": 0, \"mtu\": 1600}, "
			"\"encapsulation\": {\"mode\": \"ipip\", \"mtu\": 1600, "
			"\"outer_source\": \"10.0.1.2\", \"outer_destination\": \"10.0.1.11\"}, "
			"\"sent\": {\"packets\": 4, \"bytes\": 900, \"too_big\": 1}, "
			"\"result\": {\"ok\": false, \"failure\": \"mtu\", \"reason\": \"too "
			"narrow\", \"latency_us\": 250980, \"connected_us\": 310}}]}"),
		"web/a, check page: https to 203.0.113.10 port 443, the clients' way\n"
		"  next hop      02:00:00:00:00:0a by port lab, VLAN 0, MTU 1600\n"
		"  encapsulation ipip, 10.0.1.2 > 10.0.1.11, MTU 1600\n"
		"  sent          4 packets, 900 bytes; dropped here: larger than the MTU\n"
		"  connected     after 0.31 ms\n"
		"  answered by   203.0.113.10\n"
		"  result        mtu: too narrow, after 250.98 ms\n");
}

static void check_that_nobody_answered_says_so(void **state)
{
	(void)state;
	assert_string_equal(printed(weirctl_print_check,
				    "{\"pool\": \"web\", \"name\": \"a\", \"checks\": [{" CHECKED
				    ", \"via\": \"direct\", \"result\": {\"ok\": false, "
				    "\"failure\": \"no-connection\", \"reason\": \"no answer\", "
				    "\"latency_us\": 500120}}]}"),
			    "web/a, check page: https to 203.0.113.10 port 443, directly\n"
			    "  answered by   nobody\n"
			    "  result        no-connection: no answer, after 500.12 ms\n");
	assert_string_equal(printed(weirctl_print_check,
				    "{\"pool\": \"web\", \"name\": \"a\", \"checks\": [{" CHECKED
				    ", \"via\": \"direct\", \"why\": \"no port to check\"}]}"),
			    "web/a, check page: https to 203.0.113.10 port 443, directly\n"
			    "  no probe      no port to check\n");
}

static int code_of(const char *checks)
{
	json_t *result = json_pack("{s:o}", "checks", json_loads(checks, 0, NULL));
	int code = weirctl_check_code(result);

	json_decref(result);
	return code;
}

static void check_ends_well_only_when_each_passed(void **state)
{
	(void)state;
	assert_int_equal(code_of("[{\"result\": {\"ok\": true}}]"), WEIRCTL_OK);
	assert_int_equal(code_of("[{\"result\": {\"ok\": true}}, {\"result\": {\"ok\": false}}]"),
			 WEIRCTL_UNHEALTHY);
	assert_int_equal(code_of("[{\"why\": \"no next hop\"}]"), WEIRCTL_UNHEALTHY);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		T(counts_are_short),
		T(bytes_are_binary),
		T(backends_line_up_and_are_sorted_by_name),
		T(next_hop_in_a_vlan_says_so),
		T(next_hop_that_is_missing_is_explained),
		T(drops_are_shown_with_what_was_answered_and_handed_on),
		T(what_a_backend_lost_is_noted),
		T(a_drain_says_what_holds_it),
		T(what_keeps_new_flows_away_is_noted),
		T(pools_say_what_their_protection_does),
		T(pools_say_how_long_flows_stay),
		T(empty_lists_say_so),
		T(differences_show_both_sides),
		T(status_without_a_data_plane_is_short),
		T(the_checks_are_told_of_without_a_data_plane),
		T(a_generation_is_everywhere_or_not),
		T(late_worker_stands_out),
		T(explained_frame_is_taken_apart),
		T(explained_gue_frame_is_taken_apart),
		T(frame_cut_anywhere_prints_less),
		T(drop_is_explained_without_a_backend),
		cmocka_unit_test_teardown(health_is_a_line_a_check, teardown),
		cmocka_unit_test_teardown(panic_comes_first_and_one_backend_has_its_history,
					  teardown),
		cmocka_unit_test_teardown(check_shows_each_step, teardown),
		T(check_that_nobody_answered_says_so),
		T(check_ends_well_only_when_each_passed),
	};

	return cmocka_run_group_tests_name("weirctl_print", tests, NULL, NULL);
}
