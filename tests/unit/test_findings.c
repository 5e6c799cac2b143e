// SPDX-License-Identifier: Apache-2.0
#include "findings.h"

#include "backend_host.h"

static unsigned of_grade(const struct findings *f, enum finding_grade grade)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->count; i++)
		n += f->item[i].grade == grade;
	return n;
}

/* One finding of this grade, with this text in it, and no wrong one besides. */
static void assert_one(enum finding_grade grade, const char *text)
{
	struct findings f = { 0 };
	bool found = false;

	assert_int_equal(findings_make(&m.s, &m.h, &f), 0);
	assert_int_equal(f.wrong, of_grade(&f, FINDING_WRONG));
	for (unsigned i = 0; i < f.count; i++)
		found |= f.item[i].grade == grade && strstr(f.item[i].text, text) != NULL;
	if (!found || f.wrong != (grade == FINDING_WRONG) || of_grade(&f, grade) != 1) {
		print_error("wanted only \"%s\", got:\n", text);
		for (unsigned i = 0; i < f.count; i++)
			print_error("%d %s\n", f.item[i].grade, f.item[i].text);
		fail();
	}
	findings_free(&f);
}

#define assert_wrong(text) assert_one(FINDING_WRONG, text)
#define assert_note(text)  assert_one(FINDING_NOTE, text)

static void assert_right(void)
{
	struct findings f = { 0 };

	assert_int_equal(findings_make(&m.s, &m.h, &f), 0);
	assert_int_equal(f.count, 0);
	findings_free(&f);
}

static void a_right_host_has_no_findings(void **state)
{
	(void)state;
	assert_right();
}

static void a_missing_interface_is_the_only_finding(void **state)
{
	(void)state;
	snprintf(m.s.interface, sizeof(m.s.interface), "eth9");
	assert_wrong("there is no interface eth9");
}

static void a_kernel_that_is_too_old(void **state)
{
	(void)state;
	m.h.kernel = HOST_KERNEL(5, 15);
	assert_wrong("this kernel is 5.15");
}

static void interfaces_that_are_down(void **state)
{
	(void)state;
	m.link[ETH0].flags = 0;
	assert_wrong("eth0 is down");
	m.link[ETH0].flags = IFF_UP;
	m.link[LO].flags = IFF_LOOPBACK;
	assert_wrong("lo is down");
}

/* -- VIPs ------------------------------------------------------------------------ */

static void a_vip_that_is_nowhere(void **state)
{
	(void)state;
	m.h.addr_count--;
	assert_wrong("VIP 203.0.113.11 is no address of this host, so it drops the requests for "
		     "it; run \"weir-backend up\"");
}

static void a_vip_on_an_interface_besides(void **state)
{
	(void)state;
	addr_make(&m, 4, ETH0, "203.0.113.10", 24, "eth0");
	assert_wrong("run \"ip addr del 203.0.113.10/24 dev eth0\"");
}

static void a_vip_on_an_interface_instead_is_two_things(void **state)
{
	struct findings f = { 0 };

	(void)state;
	addr_make(&m, 3, ETH0, "203.0.113.11", 32, "eth0");
	assert_int_equal(findings_make(&m.s, &m.h, &f), 0);
	assert_int_equal(f.wrong, 2);
	assert_non_null(strstr(f.item[0].text, "VIP 203.0.113.11 is on no loopback"));
	assert_non_null(strstr(f.item[1].text, "VIP 203.0.113.11 is also on eth0"));
	findings_free(&f);
}

static void a_vip_on_a_dummy_is_right(void **state)
{
	(void)state;
	m.h.link_count = LINKS;
	m.link[ETH1].flags = 0;
	addr_make(&m, 3, DUMMY0, "203.0.113.11", 32, "dummy0");
	assert_right();
}

static void a_vip_with_a_subnet_on_lo(void **state)
{
	(void)state;
	m.addr[2].len = 24;
	assert_wrong("VIP 203.0.113.10 is on lo as a /24");
}

/* -- ARP and reverse path: the kernel takes the greater of "all" and the interface's */

static void arp_ignore_by_its_effective_value(void **state)
{
	/* Documentation/networking/ip-sysctl.rst: 4-7 are reserved and mean 0 */
	static const bool right[9] = { [1] = true, [2] = true, [3] = true, [8] = true };

	(void)state;
	for (int all = 0; all <= 8; all++) {
		for (int own = 0; own <= 8; own++) {
			m.h.all.arp_ignore = all;
			m.link[ETH0].sysctls.arp_ignore = own;
			if (right[all > own ? all : own])
				assert_right();
			else
				assert_wrong("so this host answers ARP for the VIPs");
		}
	}
}

static void arp_announce_by_its_effective_value(void **state)
{
	(void)state;
	for (int all = 0; all <= 2; all++) {
		for (int own = 0; own <= 2; own++) {
			m.h.all.arp_announce = all;
			m.link[ETH0].sysctls.arp_announce = own;
			if (all == 2 || own == 2)
				assert_right();
			else
				assert_wrong("can name a VIP as sender");
		}
	}
}

static void rp_filter_by_its_effective_value(void **state)
{
	(void)state;
	for (int all = 0; all <= 2; all++) {
		for (int own = 0; own <= 2; own++) {
			m.h.all.rp_filter = all;
			m.link[ETH0].sysctls.rp_filter = own;
			if (all == 2 || own == 2 || (all == 0 && own == 0))
				assert_right();
			else
				assert_wrong("rp_filter is 1 (strict) on eth0");
		}
	}
}

static void other_interfaces_answer_arp_as_well(void **state)
{
	(void)state;
	m.h.link_count = ETH1 + 1;
	assert_right(); /* "all" covers it */
	m.h.all.arp_ignore = 0;
	assert_wrong("arp_ignore is 0 on eth1 and perhaps further interfaces");
	m.link[ETH1].flags = 0;
	assert_right();
	m.link[ETH1].flags = IFF_UP | IFF_NOARP;
	assert_right();
}

/* -- the way back ---------------------------------------------------------------- */

static void no_default_route(void **state)
{
	(void)state;
	m.h.route_count = 0;
	assert_wrong("there is no default route");
	m.h.gateway_routes[0] = 3;
	assert_note("only clients behind the 3 other routes by a gateway get answers; these routes "
		    "need advmss 1540");
}

static void no_default_route_of_a_family_that_has_vips(void **state)
{
	(void)state;
	host_make_v6(&m);
	m.h.route_count = 1;
	assert_wrong("there is no IPv6 default route, so answers reach only connected networks; "
		     "run \"ip -6 route add default via ROUTER\"");
	m.h.gateway_routes[1] = 1;
	assert_note("there is no IPv6 default route: only clients behind the 1 other");
}

/* -- MSS: MTU less outer header (20, 40, with GUE 12 more) less 40 or 60 ----------- */

static void mss_that_does_not_fit_behind_the_outer_header(void **state)
{
	(void)state;
	m.route[0].advmss = 1541;
	assert_wrong("clients are told MSS 1541 by \"default via 10.0.0.1 dev eth0\"; of the MTU "
		     "1600 of the way from Weir the outer header leaves room for 1540, so uploads "
		     "stall; run \"weir-backend up\"");
	m.route[0].advmss = 0; /* 1560 by the MTU */
	assert_wrong("clients are told MSS 1560");
	m.route[0].mtu = 1580;
	assert_right();
	m.s.mtu = 1500;
	assert_wrong("of the MTU 1500 of the way from Weir the outer header leaves room for 1440");
	m.route[0].advmss = 1440;
	assert_right();
}

static void plain_packets_need_no_room(void **state)
{
	(void)state;
	m.s.mode = SETTINGS_L2;
	host_detach(&m);
	prefix_free(&m.s.from);
	m.route[0].advmss = 4000;
	assert_right();
}

/* Then only what stalls clients of MTU 1500 is wrong, and the command is another. */
static void mss_of_other_tables_is_not_known(void **state)
{
	(void)state;
	m.h.table_rules[1] = 1;
	assert_right(); /* there are no IPv6 VIPs */
	m.h.table_rules[0] = 2;
	assert_note(
		"2 routing rules lead to other tables than main (\"ip rule\"), whose routes are "
		"not looked at: default routes there that answer clients need advmss 1540");
}

static void mss_of_routes_that_up_leaves_alone(void **state)
{
	(void)state;
	m.s.mss = SETTINGS_MSS_LEAVE;
	m.route[0].advmss = 0;
	assert_right();
	m.link[ETH0].mtu = 1520;
	assert_right();
	m.link[ETH0].mtu = 1519;
	assert_wrong("run \"ip route change default via 10.0.0.1 dev eth0 advmss 1459\"");
}

static void mss_of_a_route_of_router_advertisements(void **state)
{
	(void)state;
	host_make_v6(&m);
	m.link[ETH0].mtu = 1500;
	m.route[0].advmss = 1420;
	m.route[1].protocol = 9; /* RTPROT_RA */
	assert_wrong("run \"sysctl -w net.ipv6.conf.eth0.mtu=1460\"");
}

static void mss_of_routes_of_one_metric(void **state)
{
	(void)state;
	m.route[1] = m.route[0];
	m.route[1].gateway = addr_of("10.0.0.9");
	m.h.route_count = 2;
	m.link[ETH0].mtu = 1500;
	m.route[0].advmss = m.route[1].advmss = 1440;
	assert_right();
	m.route[1].advmss = 4000;
	assert_wrong("give this route, where it is made, a metric that no other default route has, "
		     "or advmss 1440");
}

static void mtu_of_the_interface_that_answers_leave_by(void **state)
{
	(void)state;
	m.h.link_count = ETH1 + 1;
	m.route[0].ifindex = 3;
	m.route[0].advmss = 0;
	m.link[ETH0].mtu = 1500;
	assert_wrong("clients are told MSS 1460 by \"default via 10.0.0.1 dev eth1\"");
	m.link[ETH1].mtu = 1480;
	assert_right();
}

/* -- IPv6 ------------------------------------------------------------------------ */

static void a_right_host_of_both_families_has_no_findings(void **state)
{
	(void)state;
	host_make_v6(&m);
	assert_right();
	m.h.all = m.link[ETH0].sysctls = (struct host_sysctls){ .rp_filter = 1 };
	prefix_free(&m.s.vips);
	prefix_free(&m.h.decap.vips);
	list_of(&m.s.vips, "2001:db8:f::10");
	list_of(&m.h.decap.vips, "2001:db8:f::10");
	addr_make(&m, 2, LO, "127.0.0.2", 8, "lo");
	addr_make(&m, 3, LO, "127.0.0.3", 8, "lo");
	assert_right(); /* IPv6 alone needs no ARP silence */
}

static void an_ipv6_vip_that_is_nowhere(void **state)
{
	(void)state;
	host_make_v6(&m);
	addr_make(&m, 4, LO, "fe80::2", 128, "");
	assert_wrong("VIP 2001:db8:f::10 is no address of this host");
}

static void an_ipv6_vip_on_an_interface_besides(void **state)
{
	(void)state;
	host_make_v6(&m);
	addr_make(&m, 6, ETH0, "2001:db8:f::10", 64, "");
	assert_wrong("VIP 2001:db8:f::10 is also on eth0, so this host answers neighbour discovery "
		     "for it and takes the clients away from Weir; run \"ip addr del "
		     "2001:db8:f::10/64 dev eth0\"");
}

static void a_vip_prefix_that_is_not_local(void **state)
{
	(void)state;
	host_make_v6(&m);
	m.h.prefix_count = 1;
	assert_wrong("VIP prefix 2001:db8:e::/64 is not local to this host");
}

static void a_vip_that_an_interface_answers_for_as_a_proxy(void **state)
{
	(void)state;
	host_make_v6(&m);
	m.h.proxy_count = 1;
	m.proxy[0] = (struct host_proxy){ .ifindex = 2, .addr = addr_of("2001:db8:d::1") };
	assert_right();
	m.proxy[0].addr = addr_of("2001:db8:e::7");
	assert_wrong("run \"ip neigh del proxy 2001:db8:e::7 dev eth0\"");
}

static void interfaces_without_ipv6(void **state)
{
	(void)state;
	m.link[ETH0].sysctls.ipv6_off = m.link[LO].sysctls.ipv6_off = true;
	assert_right();
	host_make_v6(&m);
	m.link[LO].sysctls.ipv6_off = false;
	assert_wrong("IPv6 is disabled on eth0");
	m.link[ETH0].sysctls.ipv6_off = false;
	m.link[LO].sysctls.ipv6_off = true;
	assert_wrong("IPv6 is disabled on lo");
}

static void temporary_and_link_local_addresses_do_not_matter(void **state)
{
	(void)state;
	host_make_v6(&m);
	m.h.addr_count = 8;
	addr_make(&m, 7, ETH0, "2001:db8:1::77", 64, "");
	m.addr[7].temporary = true;
	assert_right();
	m.addr[7].temporary = false;
	assert_wrong("does not know this host's address 2001:db8:1::77");
}

/* -- decapsulation --------------------------------------------------------------- */

static void no_program(void **state)
{
	(void)state;
	host_detach(&m);
	assert_wrong("the decapsulation program is not attached to eth0");
}

static void a_program_on_another_interface_is_named(void **state)
{
	struct findings f = { 0 };

	(void)state;
	host_detach(&m);
	m.h.link_count = ETH1 + 1;
	m.link[ETH1].decap_id = 9;
	assert_int_equal(findings_make(&m.s, &m.h, &f), 0);
	assert_int_equal(f.wrong, 1);
	assert_string_equal(f.item[0].text, "the decapsulation program is attached to eth1");
	findings_free(&f);
}

static void a_program_in_mode_l2(void **state)
{
	(void)state;
	m.s.mode = SETTINGS_L2;
	prefix_free(&m.s.from);
	assert_wrong("attached to eth0 although the mode is l2");
}

static void vips_that_the_program_does_not_have(void **state)
{
	(void)state;
	prefix_remove(&m.h.decap.vips, &m.s.vips.item[0]);
	assert_wrong("does not know VIP 203.0.113.10, so requests for it stay packed");
}

static void vips_that_only_the_program_has(void **state)
{
	(void)state;
	list_of(&m.h.decap.vips, "203.0.113.12");
	assert_wrong("still unpacks for 203.0.113.12");
}

static void prefixes_that_the_program_does_not_have(void **state)
{
	(void)state;
	list_of(&m.s.from, "10.1.0.0/24");
	assert_wrong("does not know prefix 10.1.0.0/24");
}

static void prefixes_that_only_the_program_has(void **state)
{
	(void)state;
	list_of(&m.h.decap.from, "0.0.0.0/0");
	assert_wrong("still believes packets from 0.0.0.0/0");
}

static void addresses_that_came_after_up(void **state)
{
	(void)state;
	addr_make(&m, 4, ETH0, "10.0.0.3", 24, "eth0");
	assert_wrong("does not know this host's address 10.0.0.3");
}

static void addresses_that_went_after_up(void **state)
{
	(void)state;
	list_of(&m.h.decap.local, "10.0.0.9");
	assert_wrong("still unpacks what is sent to 10.0.0.9");
}

static void gue_that_the_program_does_not_unpack(void **state)
{
	(void)state;
	m.s.mode = SETTINGS_GUE;
	m.route[0].advmss = 1528;
	assert_wrong("does not unpack GUE on UDP port 6080");
	m.h.decap.gue_port = 6080;
	assert_right();
	m.s.gue_port = 6081;
	assert_wrong("does not unpack GUE on UDP port 6081");
	m.s.mode = SETTINGS_IPIP;
	assert_wrong("still unpacks GUE on UDP port 6080");
}

static void a_kernel_tunnel_from_everywhere(void **state)
{
	(void)state;
	m.h.link_count = TUNL0 + 1;
	assert_right(); /* down */
	m.link[TUNL0].flags |= IFF_UP;
	assert_wrong("run \"ip link set tunl0 down\"");
	m.link[TUNL0].any_remote = false; /* someone's own tunnel to one place */
	assert_right();
}

static void a_filter_in_front(void **state)
{
	(void)state;
	m.h.filter_count = 1;
	m.filter[0] = (struct host_filter){ .priority = DECAP_PRIORITY + 1, .name = "later" };
	assert_right();
	m.filter[0] = (struct host_filter){ .priority = 1, .name = "cilium" };
	assert_note("tc filter cilium (priority 1) runs before");
}

static void every_bad_fate_is_a_note_of_its_own(void **state)
{
	(void)state;
	m.h.decap.count[DECAP_DECAPSULATED].packets = 5;
	assert_right();
	for (unsigned fate = DECAP_DECAPSULATED + 1; fate < DECAP_FATE_COUNT; fate++) {
		m.h.decap.count[fate].packets = 4711;
		assert_note("4711 packed packets ");
		m.h.decap.count[fate].packets = 0;
	}
}

/* -- notes ----------------------------------------------------------------------- */

static void a_prefix_that_is_everybody(void **state)
{
	(void)state;
	list_of(&m.s.from, "0.0.0.0/0");
	list_of(&m.h.decap.from, "0.0.0.0/0");
	assert_note("\"from\" 0.0.0.0/0 believes every host that can send to eth0");
}

static void a_prefix_in_mode_l2(void **state)
{
	(void)state;
	m.s.mode = SETTINGS_L2;
	host_detach(&m);
	assert_note("has no meaning in mode l2");
}

static void nobody_listens(void **state)
{
	(void)state;
	prefix_free(&m.h.listening);
	list_of(&m.h.listening, "10.0.0.2");
	list_of(&m.h.listening, "203.0.113.11");
	assert_note("no TCP or UDP socket listens on VIP 203.0.113.10");
	list_of(&m.h.listening, "::"); /* both families */
	assert_right();
}

static void nobody_listens_in_a_prefix(void **state)
{
	(void)state;
	host_make_v6(&m);
	prefix_remove(&m.h.listening, &m.h.listening.item[1]);
	list_of(&m.h.listening, "2001:db8:f::10");
	assert_note("no TCP or UDP socket listens on VIP 2001:db8:e::/64");
	list_of(&m.h.listening, "2001:db8:e::1234");
	assert_right();
}

#define test(name) cmocka_unit_test_setup_teardown(name, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_right_host_has_no_findings),
		test(a_missing_interface_is_the_only_finding),
		test(a_kernel_that_is_too_old),
		test(interfaces_that_are_down),
		test(a_vip_that_is_nowhere),
		test(a_vip_on_an_interface_besides),
		test(a_vip_on_an_interface_instead_is_two_things),
		test(a_vip_on_a_dummy_is_right),
		test(a_vip_with_a_subnet_on_lo),
		test(arp_ignore_by_its_effective_value),
		test(arp_announce_by_its_effective_value),
		test(rp_filter_by_its_effective_value),
		test(other_interfaces_answer_arp_as_well),
		test(no_default_route),
		test(no_default_route_of_a_family_that_has_vips),
		test(mss_that_does_not_fit_behind_the_outer_header),
		test(plain_packets_need_no_room),
		test(mss_of_other_tables_is_not_known),
		test(mss_of_routes_that_up_leaves_alone),
		test(mss_of_a_route_of_router_advertisements),
		test(mss_of_routes_of_one_metric),
		test(mtu_of_the_interface_that_answers_leave_by),
		test(a_right_host_of_both_families_has_no_findings),
		test(an_ipv6_vip_that_is_nowhere),
		test(an_ipv6_vip_on_an_interface_besides),
		test(a_vip_prefix_that_is_not_local),
		test(a_vip_that_an_interface_answers_for_as_a_proxy),
		test(interfaces_without_ipv6),
		test(temporary_and_link_local_addresses_do_not_matter),
		test(no_program),
		test(a_program_on_another_interface_is_named),
		test(a_program_in_mode_l2),
		test(vips_that_the_program_does_not_have),
		test(vips_that_only_the_program_has),
		test(prefixes_that_the_program_does_not_have),
		test(prefixes_that_only_the_program_has),
		test(addresses_that_came_after_up),
		test(addresses_that_went_after_up),
		test(gue_that_the_program_does_not_unpack),
		test(a_kernel_tunnel_from_everywhere),
		test(a_filter_in_front),
		test(every_bad_fate_is_a_note_of_its_own),
		test(a_prefix_that_is_everybody),
		test(a_prefix_in_mode_l2),
		test(nobody_listens),
		test(nobody_listens_in_a_prefix),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
