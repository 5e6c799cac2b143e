// SPDX-License-Identifier: Apache-2.0
#include "planned.h"

static const struct plan_sysctl *change_of(const char *name)
{
	for (unsigned i = 0; i < plan.sysctl_count; i++)
		if (strcmp(plan.sysctl[i].name, name) == 0)
			return &plan.sysctl[i];
	return NULL;
}

static void assert_change(const char *name, int from, int to)
{
	const struct plan_sysctl *c = change_of(name);

	assert_non_null(c);
	assert_int_equal(c->from, from);
	assert_int_equal(c->to, to);
}

static void assert_list(const struct prefix_list *l, const char *wanted)
{
	char text[256] = "", buf[WEIR_PREFIX_STRLEN];

	for (unsigned i = 0; i < l->count; i++) {
		strcat(text, i > 0 ? " " : "");
		strcat(text, prefix_text(&l->item[i], buf));
	}
	assert_string_equal(text, wanted);
}

static void first_up_makes_everything_and_notes_it_before(void **state)
{
	(void)state;
	up();
	assert_int_equal(plan.sysctl_count, 4); /* rp_filter is off and stays so */
	assert_change("all/arp_ignore", 0, 1);
	assert_change("eth0/arp_ignore", 0, 1);
	assert_change("all/arp_announce", 0, 2);
	assert_change("eth0/arp_announce", 0, 2);
	assert_true(plan.qdisc_add && plan.attach && !plan.detach && !plan.qdisc_del);
	assert_list(&plan.vip_add, "203.0.113.10 203.0.113.11");
	assert_list(&plan.vip_del, "");

	assert_int_equal(plan.before.sysctl_count, 4);
	assert_true(plan.before.qdisc);
	assert_int_equal(plan.before.ifindex, 2);
	assert_string_equal(plan.before.interface, "eth0");
	assert_list(&plan.before.vips, "203.0.113.10 203.0.113.11");
	assert_list(&plan.after.vips, "203.0.113.10 203.0.113.11");
}

static void second_up_changes_nothing_but_the_program(void **state)
{
	(void)state;
	up();
	carry_out();
	up();
	assert_int_equal(plan.sysctl_count, 0);
	assert_int_equal(plan.before.sysctl_count, 4);
	assert_int_equal(plan.before.sysctl[0].was, 0);
	assert_false(plan.qdisc_add);
	assert_true(plan.before.qdisc); /* still ours */
	assert_true(plan.attach);
	assert_list(&plan.vip_add, "");
	assert_list(&plan.after.vips, "203.0.113.10 203.0.113.11");
}

static void down_undoes_what_up_did(void **state)
{
	(void)state;
	up();
	carry_out();
	down();
	assert_int_equal(plan.sysctl_count, 4);
	assert_change("all/arp_ignore", 1, 0);
	assert_change("eth0/arp_announce", 2, 0);
	assert_list(&plan.vip_del, "203.0.113.10 203.0.113.11");
	assert_true(plan.detach && plan.qdisc_del);
	assert_int_equal(plan.kept_count, 0);
}

/* The state file stood, nothing was done yet. */
static void down_after_an_up_that_did_nothing_does_nothing(void **state)
{
	(void)state;
	up();
	noted = plan.before;
	plan.before = (struct state){ 0 };
	down();
	assert_int_equal(plan.sysctl_count, 0);
	assert_int_equal(plan.kept_count, 0);
	assert_list(&plan.vip_del, "");
	assert_false(plan.detach || plan.qdisc_del);
}

static void what_is_right_already_is_neither_touched_nor_noted(void **state)
{
	(void)state;
	m.h.all = m.link[ETH0].sysctls =
		(struct host_sysctls){ .arp_ignore = 2, .arp_announce = 2, .rp_filter = 2 };
	m.h.ingress = true;
	addr_make(&m, 2, LO, "203.0.113.10", 32, "lo"); /* an operator's */
	up();
	assert_int_equal(plan.sysctl_count, 0);
	assert_int_equal(plan.before.sysctl_count, 0);
	assert_false(plan.before.qdisc);
	assert_list(&plan.vip_add, "203.0.113.11");
	carry_out();
	down();
	assert_list(&plan.vip_del, "203.0.113.11");
	assert_true(plan.detach);
	assert_false(plan.qdisc_del);
}

static void rp_filter_becomes_loose_only_where_it_is_strict(void **state)
{
	(void)state;
	for (int all = 0; all <= 2; all++) {
		for (int own = 0; own <= 2; own++) {
			m.h.all.rp_filter = all;
			m.link[ETH0].sysctls.rp_filter = own;
			up();
			if ((all > own ? all : own) == 1)
				assert_change("eth0/rp_filter", own, 2);
			else
				assert_null(change_of("eth0/rp_filter"));
			assert_null(change_of("all/rp_filter"));
		}
	}
}

static void a_value_that_someone_changed_since_stays(void **state)
{
	(void)state;
	up();
	carry_out();
	m.h.all.arp_ignore = 2;
	down();
	assert_null(change_of("all/arp_ignore"));
	assert_int_equal(plan.kept_count, 1);
	assert_string_equal(plan.kept[0].name, "all/arp_ignore");
	assert_int_equal(plan.kept[0].from, 2);
	assert_int_equal(plan.kept[0].to, 0);

	/* Nor does another `up` make it ours. */
	up();
	assert_int_equal(plan.sysctl_count, 0);
	assert_int_equal(plan.before.sysctl[0].set, 1);
}

static void the_first_value_is_what_down_restores(void **state)
{
	(void)state;
	m.link[ETH0].sysctls.arp_announce = 1;
	up();
	carry_out();
	m.link[ETH0].sysctls.arp_announce = 0; /* broken by someone, mended by `up` */
	up();
	assert_change("eth0/arp_announce", 0, 2);
	carry_out();
	down();
	assert_change("eth0/arp_announce", 2, 1);
}

static void a_vip_that_is_not_wanted_anymore_goes(void **state)
{
	(void)state;
	up();
	carry_out();
	prefix_remove(&m.s.vips, &m.s.vips.item[0]);
	list_of(&m.s.vips, "203.0.113.12");
	up();
	assert_list(&plan.vip_add, "203.0.113.12");
	assert_list(&plan.vip_del, "203.0.113.10");
	/* Killed before it went, `down` must still know of it. */
	assert_list(&plan.before.vips, "203.0.113.10 203.0.113.11 203.0.113.12");
	assert_list(&plan.after.vips, "203.0.113.11 203.0.113.12");
}

static void mode_l2_takes_the_program_off(void **state)
{
	(void)state;
	up();
	carry_out();
	m.s.mode = SETTINGS_L2;
	up();
	assert_true(!plan.attach && plan.detach && plan.qdisc_del && !plan.qdisc_add);
	assert_true(plan.before.qdisc);
	assert_false(plan.after.qdisc);
	assert_list(&plan.vip_del, "");
}

static void a_qdisc_that_others_use_stays(void **state)
{
	(void)state;
	up();
	carry_out();
	m.h.filter_count = 1;
	down();
	assert_true(plan.detach);
	assert_false(plan.qdisc_del);
	m.h.filter_count = 0;
	m.h.egress_used = true;
	down();
	assert_false(plan.qdisc_del);
}

static void an_interface_made_anew_owes_nothing(void **state)
{
	(void)state;
	m.link[ETH0].sysctls.rp_filter = 1;
	up();
	carry_out();
	m.link[ETH0].index = 20;
	m.link[ETH0].sysctls = (struct host_sysctls){ .rp_filter = 2 };
	m.h.ingress = true; /* someone else's */
	up();
	assert_int_equal(state_sysctl_find(&plan.before, "eth0/rp_filter"), -1);
	assert_true(state_sysctl_find(&plan.before, "all/arp_ignore") >= 0);
	assert_change("eth0/arp_ignore", 0, 1);
	assert_false(plan.before.qdisc);
	assert_int_equal(plan.before.ifindex, 20);
}

static void without_the_interface_the_rest_is_undone(void **state)
{
	(void)state;
	up();
	carry_out();
	m.h.link_count = LO + 1;
	m.h.decap.id = 0;
	m.h.ingress = false;
	plan_free(&plan);
	assert_int_equal(plan_down(&m.h, NULL, &noted, &others, &plan), 0);
	assert_int_equal(plan.sysctl_count, 2);
	assert_change("all/arp_ignore", 1, 0);
	assert_change("all/arp_announce", 2, 0);
	assert_list(&plan.vip_del, "203.0.113.10 203.0.113.11");
	assert_false(plan.detach || plan.qdisc_del);
}

/* eth1 is set up besides, with the second VIP. */
static void others_claim(void)
{
	others.sysctl[0] = (struct state_sysctl){ .name = "all/arp_ignore", .was = 0, .set = 1 };
	others.sysctl_count = 1;
	list_of(&others.vips, "203.0.113.11");
}

static void what_another_interface_claims_stays(void **state)
{
	(void)state;
	up();
	carry_out();
	others_claim();
	down();
	assert_null(change_of("all/arp_ignore"));
	assert_change("all/arp_announce", 2, 0);
	assert_list(&plan.vip_del, "203.0.113.10");
	assert_int_equal(plan.kept_count, 0);
}

static void what_another_interface_made_is_claimed_too(void **state)
{
	(void)state;
	others_claim();
	m.h.all.arp_ignore = 1;
	addr_make(&m, 2, LO, "203.0.113.11", 32, HOST_VIP_LABEL);
	up();
	assert_list(&plan.vip_add, "203.0.113.10");
	assert_list(&plan.before.vips, "203.0.113.10 203.0.113.11");
	assert_null(change_of("all/arp_ignore"));
	assert_true(state_sysctl_find(&plan.before, "all/arp_ignore") >= 0);
	carry_out();
	state_free(&others); /* the other one has gone: the last one restores */
	down();
	assert_change("all/arp_ignore", 1, 0);
	assert_list(&plan.vip_del, "203.0.113.11 203.0.113.10");
}

static void without_a_state_file_the_label_tells_which_vips_are_ours(void **state)
{
	(void)state;
	up();
	carry_out();
	addr_make(&m, m.h.addr_count, LO, "203.0.113.12", 32, "lo");
	state_free(&noted);
	down();
	assert_list(&plan.vip_del, "203.0.113.10 203.0.113.11");
	assert_true(plan.detach);
	assert_int_equal(plan.sysctl_count, 0);
}

/* -- IPv6 and prefixes ----------------------------------------------------------- */

static void both_families_and_prefixes_become_local(void **state)
{
	(void)state;
	both_families();
	up();
	assert_list(&plan.vip_add,
		    "203.0.113.10 203.0.113.11 203.0.113.128/28 2001:db8:e::/64 2001:db8:f::10");
	carry_out();
	up();
	assert_list(&plan.vip_add, "");
	down();
	assert_list(&plan.vip_del,
		    "203.0.113.10 203.0.113.11 2001:db8:f::10 203.0.113.128/28 2001:db8:e::/64");
}

static void a_prefix_that_an_operator_made_local_stays(void **state)
{
	(void)state;
	both_families();
	prefix_make(&m, 0, "2001:db8:e::/64", false);
	up();
	assert_list(&plan.vip_add, "203.0.113.10 203.0.113.11 203.0.113.128/28 2001:db8:f::10");
	carry_out();
	down();
	assert_list(&plan.vip_del, "203.0.113.10 203.0.113.11 2001:db8:f::10 203.0.113.128/28");
}

static void ipv6_alone_needs_no_sysctl(void **state)
{
	(void)state;
	both_families();
	prefix_free(&m.s.vips);
	list_of(&m.s.vips, "2001:db8:f::10");
	up();
	assert_int_equal(plan.sysctl_count, 0);
	assert_int_equal(plan.route_count, 1); /* nor does the IPv4 route matter */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(first_up_makes_everything_and_notes_it_before),
		test(second_up_changes_nothing_but_the_program),
		test(down_undoes_what_up_did),
		test(down_after_an_up_that_did_nothing_does_nothing),
		test(what_is_right_already_is_neither_touched_nor_noted),
		test(rp_filter_becomes_loose_only_where_it_is_strict),
		test(a_value_that_someone_changed_since_stays),
		test(the_first_value_is_what_down_restores),
		test(a_vip_that_is_not_wanted_anymore_goes),
		test(mode_l2_takes_the_program_off),
		test(a_qdisc_that_others_use_stays),
		test(an_interface_made_anew_owes_nothing),
		test(without_the_interface_the_rest_is_undone),
		test(what_another_interface_claims_stays),
		test(what_another_interface_made_is_claimed_too),
		test(without_a_state_file_the_label_tells_which_vips_are_ours),
		test(both_families_and_prefixes_become_local),
		test(a_prefix_that_an_operator_made_local_stays),
		test(ipv6_alone_needs_no_sysctl),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
