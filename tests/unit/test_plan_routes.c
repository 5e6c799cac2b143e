// SPDX-License-Identifier: Apache-2.0
/* The MSS of routes. */
#include "planned.h"

static void assert_route(unsigned i, unsigned from, unsigned to)
{
	assert_true(i < plan.route_count);
	assert_int_equal(plan.route[i].from, from);
	assert_int_equal(plan.route[i].to, to);
}

static void routes_announce_what_fits(void **state)
{
	(void)state;
	both_families();
	up();
	assert_int_equal(plan.route_count, 2);
	assert_route(0, 0, 1520); /* 1600 - 40 - 40 */
	assert_route(1, 0, 1500); /* 1600 - 40 - 60 */
	carry_out();
	up();
	assert_int_equal(plan.route_count, 0);
	down();
	assert_route(0, 1520, 0);
	assert_route(1, 1500, 0);
}

static void a_route_that_announces_less_stays(void **state)
{
	(void)state;
	m.route[0].advmss = 1540;
	up();
	assert_int_equal(plan.before.route_count, 0);
	m.route[0].advmss = 0;
	m.route[0].mtu = 1580;
	up();
	assert_int_equal(plan.route_count, 0);
	m.route[0].mtu = 1581;
	up();
	assert_route(0, 0, 1540);
}

static void a_route_of_router_advertisements_stays(void **state)
{
	(void)state;
	both_families();
	m.route[1].protocol = 9; /* RTPROT_RA */
	up();
	assert_int_equal(plan.route_count, 1);
}

/* Replacing one of them would replace the first. */
static void routes_of_one_metric_stay(void **state)
{
	(void)state;
	m.route[1] = m.route[0];
	m.route[1].gateway = addr_of("10.0.0.9");
	m.h.route_count = 2;
	m.route[0].advmss = m.route[1].advmss = 4000;
	up();
	assert_int_equal(plan.route_count, 0);
	m.route[1].metric = 100;
	up();
	assert_int_equal(plan.route_count, 2);
	m.h.route_count = 1; /* the other comes once the first has been changed */
	up();
	carry_out();
	m.h.route_count = 2;
	m.route[1].metric = 0;
	down();
	assert_int_equal(plan.route_count, 0);
	assert_int_equal(plan.kept_route_count, 1);
}

static void mss_leave_and_mode_l2_give_back_what_was(void **state)
{
	(void)state;
	m.route[0].advmss = 4000;
	up();
	assert_route(0, 4000, 1540);
	carry_out();
	m.s.mss = SETTINGS_MSS_LEAVE;
	up();
	assert_route(0, 1540, 4000);
	assert_int_equal(plan.before.route_count, 1); /* until it is done */
	assert_int_equal(plan.after.route_count, 0);
	m.s.mss = SETTINGS_MSS_SET;
	m.s.mode = SETTINGS_L2;
	up();
	assert_route(0, 1540, 4000);
}

/* From the first value on, not from what was set before. */
static void another_mtu_is_another_mss(void **state)
{
	(void)state;
	m.route[0].advmss = 4000;
	up();
	carry_out();
	m.s.mtu = 1500;
	up();
	assert_route(0, 1540, 1440);
	carry_out();
	m.s.mtu = 9000;
	up();
	assert_route(0, 1440, 4000);
	assert_int_equal(plan.before.route[0].was, 4000);
}

/* Killed between the state file and the route. */
static void down_knows_the_mss_of_an_up_before(void **state)
{
	(void)state;
	up();
	carry_out();
	m.s.mtu = 1500;
	up();
	state_free(&noted);
	noted = plan.before;
	plan.before = (struct state){ 0 };
	down();
	assert_route(0, 1540, 0);
}

static void a_route_that_someone_changed_since_is_told_and_stays(void **state)
{
	(void)state;
	up();
	carry_out();
	m.route[0].advmss = 1200;
	down();
	assert_int_equal(plan.route_count, 0);
	assert_int_equal(plan.kept_route_count, 1);
	assert_int_equal(plan.kept_route[0].from, 1200);

	m.route[0].gateway = addr_of("10.0.0.9"); /* another route */
	down();
	assert_int_equal(plan.kept_route_count, 0);
}

static void a_route_that_another_interface_claims_stays(void **state)
{
	(void)state;
	up();
	carry_out();
	others.route[0] = noted.route[0];
	others.route_count = 1;
	down();
	assert_int_equal(plan.route_count, 0);
	assert_int_equal(plan.kept_route_count, 0);

	/* The other way round: what the first one made is claimed too. */
	state_free(&noted);
	up();
	assert_int_equal(plan.route_count, 0);
	assert_int_equal(plan.before.route_count, 1);
	carry_out();
	others.route_count = 0;
	down();
	assert_route(0, 1540, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(routes_announce_what_fits),
		test(a_route_that_announces_less_stays),
		test(a_route_of_router_advertisements_stays),
		test(routes_of_one_metric_stay),
		test(mss_leave_and_mode_l2_give_back_what_was),
		test(another_mtu_is_another_mss),
		test(down_knows_the_mss_of_an_up_before),
		test(a_route_that_someone_changed_since_is_told_and_stays),
		test(a_route_that_another_interface_claims_stays),
	};

	return cmocka_run_group_tests_name("plan_routes", tests, NULL, NULL);
}
