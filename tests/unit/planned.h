// SPDX-License-Identifier: Apache-2.0
/*
 * A host, what `up` and `down` plan for it, and what it is like when that is done.
 */
#ifndef WEIR_TEST_PLANNED_H
#define WEIR_TEST_PLANNED_H

#include "plan.h"

#include "backend_host.h"

static struct state noted, others;
static struct plan plan;

/* A host on which `up` has never been run. */
static inline int setup(void **state)
{
	(void)state;
	host_make(&m);
	host_detach(&m);
	m.h.addr_count = 2;
	m.h.ingress = false;
	m.route[0].advmss = 0;
	m.h.all = m.link[ETH0].sysctls = (struct host_sysctls){ 0 };
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	plan_free(&plan);
	state_free(&noted);
	state_free(&others);
	host_unmake(&m);
	return 0;
}

static inline void up(void)
{
	plan_free(&plan);
	assert_int_equal(plan_up(&m.s, &m.h, &m.link[ETH0], &noted, &others, &plan), 0);
}

static inline void down(void)
{
	plan_free(&plan);
	assert_int_equal(plan_down(&m.h, &m.link[ETH0], &noted, &others, &plan), 0);
}

/* What the kernel has once a plan is carried out, and the file that is left. */
static inline void carry_out(void)
{
	for (unsigned i = 0; i < plan.sysctl_count; i++) {
		const char *key = strchr(plan.sysctl[i].name, '/') + 1;
		struct host_sysctls *at = strncmp(plan.sysctl[i].name, "all/", 4) == 0
						  ? &m.h.all
						  : &m.link[ETH0].sysctls;
		int *value = strcmp(key, "arp_ignore") == 0	? &at->arp_ignore
			     : strcmp(key, "arp_announce") == 0 ? &at->arp_announce
								: &at->rp_filter;

		assert_int_equal(*value, plan.sysctl[i].from);
		*value = plan.sysctl[i].to;
	}
	m.h.ingress |= plan.qdisc_add;
	if (plan.attach)
		m.h.decap.id = 7;
	if (plan.detach)
		m.h.decap.id = 0;
	for (unsigned i = 0; i < plan.route_count; i++) {
		struct host_route *r = &m.route[plan.route[i].route.family == 6];

		assert_int_equal(r->advmss, plan.route[i].from);
		r->advmss = plan.route[i].to;
	}
	for (unsigned i = 0; i < plan.vip_add.count; i++) {
		char text[WEIR_PREFIX_STRLEN];

		if (strchr(prefix_text(&plan.vip_add.item[i], text), '/') != NULL)
			prefix_make(&m, m.h.prefix_count, text, true);
		else
			addr_make(&m, m.h.addr_count, LO, text, plan.vip_add.item[i].len,
				  HOST_VIP_LABEL);
	}
	state_free(&noted);
	noted = plan.after;
	plan.after = (struct state){ 0 };
}

/* On this host too `up` has never been run. */
static inline void both_families(void)
{
	host_make_v6(&m);
	host_detach(&m);
	m.addr[2] = m.addr[5];
	m.h.addr_count = 3;
	m.h.prefix_count = 0;
	m.route[0].advmss = m.route[1].advmss = 0;
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* WEIR_TEST_PLANNED_H */
