// SPDX-License-Identifier: Apache-2.0
#include "mss.h"

#include "backend_host.h"

/* The table of docs/backend.md, at the MTU of the interface, 1600. */
static void the_limit_is_what_headers_leave_of_the_mtu(void **state)
{
	static const struct {
		const char *from;
		unsigned mode, outer, mss4, mss6;
	} row[] = {
		{ "10.1.0.0/24", SETTINGS_IPIP, 20, 1540, 1520 },
		{ "10.1.0.0/24", SETTINGS_GUE, 32, 1528, 1508 },
		{ "2001:db8:1::/64", SETTINGS_IPIP, 40, 1520, 1500 },
		{ "2001:db8:1::/64", SETTINGS_GUE, 52, 1508, 1488 },
		{ "2001:db8:1::/64", SETTINGS_L2, 0, 1560, 1540 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		prefix_free(&m.s.from);
		list_of(&m.s.from, row[i].from);
		m.s.mode = row[i].mode;
		assert_int_equal(mss_outer(&m.s), row[i].outer);
		assert_int_equal(mss_limit(&m.s, &m.link[ETH0], 4), row[i].mss4);
		assert_int_equal(mss_limit(&m.s, &m.link[ETH0], 6), row[i].mss6);
	}
}

static void the_largest_outer_header_counts(void **state)
{
	(void)state;
	list_of(&m.s.from, "2001:db8:1::/64");
	list_of(&m.s.from, "10.1.0.0/24");
	assert_int_equal(mss_outer(&m.s), 40);
}

static void a_configured_mtu_goes_before_the_interfaces(void **state)
{
	(void)state;
	m.s.mtu = 1500;
	assert_int_equal(mss_limit(&m.s, &m.link[ETH0], 4), 1440);
}

static void an_mtu_that_holds_no_headers_leaves_one_byte(void **state)
{
	(void)state;
	m.link[ETH0].mtu = 60;
	assert_int_equal(mss_limit(&m.s, &m.link[ETH0], 4), 1);
}

/* The route's own, else by its MTU, else by its interface's. */
static void a_route_announces_as_the_kernel_does(void **state)
{
	struct host_route r = { .family = 4, .ifindex = 2 };

	(void)state;
	assert_int_equal(mss_announced(&m.h, &r, 0), 1560);
	assert_int_equal(mss_announced(&m.h, &r, 1300), 1300);
	r.mtu = 1400;
	assert_int_equal(mss_announced(&m.h, &r, 0), 1360);
	r.family = 6;
	assert_int_equal(mss_announced(&m.h, &r, 0), 1340);
	r = (struct host_route){ .family = 4 }; /* by several interfaces */
	m.h.link_count = ETH1 + 1;
	assert_int_equal(mss_announced(&m.h, &r, 0), 1560);
	m.link[ETH1].mtu = 9000;
	assert_int_equal(mss_announced(&m.h, &r, 0), 8960);
	m.link[ETH1].flags = 0; /* down */
	assert_int_equal(mss_announced(&m.h, &r, 0), 1560);
}

#define test(name) cmocka_unit_test_setup_teardown(name, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(the_limit_is_what_headers_leave_of_the_mtu),
		test(the_largest_outer_header_counts),
		test(a_configured_mtu_goes_before_the_interfaces),
		test(an_mtu_that_holds_no_headers_leaves_one_byte),
		test(a_route_announces_as_the_kernel_does),
	};

	return cmocka_run_group_tests_name("mss", tests, NULL, NULL);
}
