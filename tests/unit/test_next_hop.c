// SPDX-License-Identifier: Apache-2.0
#include "next_hop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Two ports; a backend of an l2 pool on the network of the second; all is known. */
static struct weir_ports_are ports;
static struct pool pool;
static struct backend b;
static struct next_hop_facts f;
static struct next_hop out;

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 0x0a }, mac_b[6] = { 2, 0, 0, 0, 0, 0x0b };

static int setup(void **state)
{
	(void)state;
	ports = (struct weir_ports_are){ .count = 2 };
	ports.port[0] = (struct weir_port_info){ .name = "wan", .ifindex = 5, .mtu = 1500 };
	ports.port[1] = (struct weir_port_info){ .name = "lan", .ifindex = 7, .mtu = 1600 };
	pool = (struct pool){ .conf.mode = WEIR_MODE_L2 };
	b = (struct backend){ .pool = &pool };
	assert_int_equal(weir_addr_parse("10.0.1.11", &b.conf.addr), 0);
	f = (struct next_hop_facts){ .ports = &ports, .has_mac = true, .ifname = "eth7" };
	f.route.ifindex = 7;
	assert_int_equal(weir_addr_parse("10.0.1.1", &f.route.source), 0);
	memcpy(f.mac, mac_a, 6);
	return 0;
}

static void derive(void)
{
	next_hop_derive(&b, &f, &out);
}

/* As if an earlier answer had been taken over. */
static void known_before(void)
{
	b.hop = (struct next_hop){ .resolved = true, .port = 1, .mtu = 1600 };
	memcpy(b.hop.mac, mac_b, 6);
}

static void all_known_is_resolved(void **state)
{
	(void)state;
	derive();
	assert_true(out.resolved);
	assert_int_equal(out.port, 1);
	assert_memory_equal(out.mac, mac_a, 6);
	assert_int_equal(out.mtu, 1600);
	assert_true(weir_addr_equal(&out.source, &f.route.source));
	assert_string_equal(out.why, "");
}

static void mtu_of_the_route_counts_if_smaller(void **state)
{
	(void)state;
	f.route.mtu = 1400;
	derive();
	assert_int_equal(out.mtu, 1400);
	f.route.mtu = 9000;
	derive();
	assert_int_equal(out.mtu, 1600);
}

/* Each way not to have a next hop, with the sentence for it. */
static void assert_unresolved(const char *why)
{
	derive();
	assert_false(out.resolved);
	assert_string_equal(out.why, why);
}

static void no_answer_to_arp_is_said(void **state)
{
	(void)state;
	f.has_mac = false;
	assert_unresolved("10.0.1.11 does not answer ARP on eth7");
}

static void silent_gateway_is_named(void **state)
{
	(void)state;
	pool.conf.mode = WEIR_MODE_IPIP;
	f.has_mac = false;
	assert_int_equal(weir_addr_parse("2001:db8::1", &f.route.gateway), 0);
	assert_unresolved("2001:db8::1 does not answer ND on eth7");
}

static void no_route_is_said(void **state)
{
	(void)state;
	f.route_err = -ENETUNREACH;
	assert_unresolved("this host has no route to it");
	f.route_err = -EINVAL;
	assert_unresolved("its route is a blackhole");
	f.route_err = -EHOSTUNREACH;
	assert_unresolved("its route says unreachable");
	f.route_err = -EACCES;
	assert_unresolved("its route says prohibit");
}

static void interface_without_port_is_named(void **state)
{
	(void)state;
	f.route.ifindex = 9;
	f.ifname = "mgmt0";
	assert_unresolved("its route leaves by mgmt0, which is no port of the data plane");
}

static void own_address_is_said(void **state)
{
	(void)state;
	f.route.local = true;
	assert_unresolved("its address is one of this host");
}

static void l2_needs_no_gateway_in_between(void **state)
{
	(void)state;
	assert_int_equal(weir_addr_parse("10.0.9.1", &f.route.gateway), 0);
	assert_unresolved("mode l2 needs it on a network of this host, not behind 10.0.9.1");
}

static void l2_frames_never_go_to_a_gateway_even_if_known_before(void **state)
{
	(void)state;
	known_before();
	assert_int_equal(weir_addr_parse("10.0.9.1", &f.route.gateway), 0);
	derive();
	assert_false(out.resolved);
}

static void ipip_goes_by_a_gateway(void **state)
{
	(void)state;
	pool.conf.mode = WEIR_MODE_IPIP;
	assert_int_equal(weir_addr_parse("10.0.9.1", &f.route.gateway), 0);
	derive();
	assert_true(out.resolved);
}

static void ipip_needs_a_source_from_somewhere(void **state)
{
	(void)state;
	pool.conf.mode = WEIR_MODE_IPIP;
	f.route.source = (struct weir_addr){ 0 };
	assert_unresolved("this host has no source address towards it: set outer_source");
	assert_int_equal(weir_addr_parse("10.0.1.99", &pool.conf.outer_source), 0);
	derive();
	assert_true(out.resolved);
}

static void nobody_attached_is_said(void **state)
{
	(void)state;
	f.ports = NULL;
	assert_unresolved("no data plane is attached, so its ports are not known");
}

static void last_mac_stays_when_the_neighbour_fails(void **state)
{
	(void)state;
	known_before();
	f.has_mac = false;
	derive();
	assert_true(out.resolved);
	assert_memory_equal(out.mac, mac_b, 6);
	assert_string_equal(out.why, "10.0.1.11 does not answer ARP on eth7");
	assert_true(next_hop_equal(&out, &b.hop));
}

static void last_answer_stays_when_the_route_goes(void **state)
{
	(void)state;
	known_before();
	f.route_err = -ENETUNREACH;
	derive();
	assert_true(next_hop_equal(&out, &b.hop));
	f.route_err = 0;
	f.route.ifindex = 9; /* a default route by the management network takes over */
	derive();
	assert_true(next_hop_equal(&out, &b.hop));
}

static void new_mac_replaces_the_last(void **state)
{
	(void)state;
	known_before();
	derive();
	assert_memory_equal(out.mac, mac_a, 6);
	assert_false(next_hop_equal(&out, &b.hop));
}

static void by_hand(const char *port)
{
	b.conf.has_mac = true;
	memcpy(b.conf.mac, mac_b, 6);
	b.conf.vlan = 12;
	strcpy(b.conf.port, port);
}

static void mac_by_hand_needs_no_kernel(void **state)
{
	(void)state;
	by_hand("wan");
	f.route_err = -ENETUNREACH;
	f.has_mac = false;
	derive();
	assert_true(out.resolved);
	assert_int_equal(out.port, 0);
	assert_int_equal(out.vlan, 12);
	assert_memory_equal(out.mac, mac_b, 6);
	assert_int_equal(out.mtu, 1500);
}

static void mac_by_hand_with_an_unknown_port_is_said(void **state)
{
	(void)state;
	by_hand("dmz");
	assert_unresolved("the data plane has no port named dmz");
}

static void mac_by_hand_without_port_needs_a_single_port(void **state)
{
	(void)state;
	by_hand("");
	assert_unresolved("mac is set, port is not, and the data plane has several ports");
	ports.count = 1;
	derive();
	assert_true(out.resolved);
	assert_int_equal(out.port, 0);
}

static void mac_by_hand_does_not_outlive_its_port(void **state)
{
	(void)state;
	known_before();
	by_hand("gone");
	derive();
	assert_false(out.resolved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_known_is_resolved, setup),
		cmocka_unit_test_setup(mtu_of_the_route_counts_if_smaller, setup),
		cmocka_unit_test_setup(no_answer_to_arp_is_said, setup),
		cmocka_unit_test_setup(silent_gateway_is_named, setup),
		cmocka_unit_test_setup(no_route_is_said, setup),
		cmocka_unit_test_setup(interface_without_port_is_named, setup),
		cmocka_unit_test_setup(own_address_is_said, setup),
		cmocka_unit_test_setup(l2_needs_no_gateway_in_between, setup),
		cmocka_unit_test_setup(l2_frames_never_go_to_a_gateway_even_if_known_before, setup),
		cmocka_unit_test_setup(ipip_goes_by_a_gateway, setup),
		cmocka_unit_test_setup(ipip_needs_a_source_from_somewhere, setup),
		cmocka_unit_test_setup(nobody_attached_is_said, setup),
		cmocka_unit_test_setup(last_mac_stays_when_the_neighbour_fails, setup),
		cmocka_unit_test_setup(last_answer_stays_when_the_route_goes, setup),
		cmocka_unit_test_setup(new_mac_replaces_the_last, setup),
		cmocka_unit_test_setup(mac_by_hand_needs_no_kernel, setup),
		cmocka_unit_test_setup(mac_by_hand_with_an_unknown_port_is_said, setup),
		cmocka_unit_test_setup(mac_by_hand_without_port_needs_a_single_port, setup),
		cmocka_unit_test_setup(mac_by_hand_does_not_outlive_its_port, setup),
	};

	return cmocka_run_group_tests_name("next_hop", tests, NULL, NULL);
}
