// SPDX-License-Identifier: Apache-2.0
/*
 * A backend host made by hand, for the tests of what is computed from one: eth0 of
 * MTU 1600 with 10.0.0.2/24 and the default route, 203.0.113.10 and .11 as VIPs on lo,
 * 10.0.0.0/24 as Weir's prefix, the decapsulation program as it should be. With
 * host_make_v6() besides: 2001:db8:1::2/64, 2001:db8:f::10 as a VIP, 203.0.113.128/28
 * and 2001:db8:e::/64 as prefixes of VIPs, 2001:db8:1::/64 as Weir's.
 */
#ifndef WEIR_TEST_BACKEND_HOST_H
#define WEIR_TEST_BACKEND_HOST_H

#include "host.h"
#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LO, ETH0, ETH1, TUNL0, DUMMY0, LINKS };

struct made_host {
	struct settings s;
	struct host h;
	struct host_link link[LINKS]; /* only the first two count, until more are set */
	struct host_addr addr[8];
	struct host_prefix prefix[2];
	struct host_proxy proxy[1];
	struct host_route route[2];
	struct host_filter filter[1];
};

static inline struct weir_addr addr_of(const char *text)
{
	struct weir_addr a;

	assert_int_equal(weir_addr_parse(text, &a), 0);
	return a;
}

static inline void list_of(struct prefix_list *l, const char *text)
{
	struct weir_addr a;
	uint8_t len;

	assert_int_equal(weir_prefix_parse(text, &a, &len), 0);
	assert_int_equal(prefix_add(l, &a, len), 0);
}

static inline void addr_make(struct made_host *m, unsigned i, int link, const char *text,
			     uint8_t len, const char *label)
{
	m->addr[i] = (struct host_addr){ .ifindex = m->link[link].index,
					 .addr = addr_of(text),
					 .len = len,
					 .ours = strcmp(label, HOST_VIP_LABEL) == 0 };
	if (m->h.addr_count <= i)
		m->h.addr_count = i + 1;
}

/* A host on which nothing is wrong. `m` must not move. */
static inline void host_make(struct made_host *m)
{
	static const struct host_sysctls silent = { .arp_ignore = 1, .arp_announce = 2 };

	*m = (struct made_host){ 0 };
	settings_init(&m->s);
	m->h.kernel = HOST_KERNEL(6, 1);
	snprintf(m->s.interface, sizeof(m->s.interface), "eth0");
	m->s.mend = "weir-backend up";
	list_of(&m->s.vips, "203.0.113.10");
	list_of(&m->s.vips, "203.0.113.11");
	list_of(&m->s.from, "10.0.0.0/24");

	m->link[LO] = (struct host_link){
		.index = 1, .name = "lo", .type = 772, .flags = IFF_UP | IFF_LOOPBACK, .mtu = 65536
	};
	m->link[ETH0] = (struct host_link){ .index = 2,
					    .name = "eth0",
					    .type = 1,
					    .flags = IFF_UP,
					    .mtu = 1600,
					    .sysctls = silent,
					    .decap_id = 7 };
	m->link[ETH1] = (struct host_link){
		.index = 3, .name = "eth1", .type = 1, .flags = IFF_UP, .mtu = 1500
	};
	m->link[TUNL0] = (struct host_link){ .index = 4,
					     .name = "tunl0",
					     .kind = "ipip",
					     .type = 768,
					     .flags = IFF_NOARP,
					     .mtu = 1480,
					     .any_remote = true };
	m->link[DUMMY0] = (struct host_link){ .index = 5,
					      .name = "dummy0",
					      .kind = "dummy",
					      .flags = IFF_UP | IFF_NOARP,
					      .mtu = 1500 };
	m->h.link = m->link;
	m->h.link_count = ETH0 + 1;
	m->h.all = silent;

	m->h.addr = m->addr;
	addr_make(m, 0, LO, "127.0.0.1", 8, "lo");
	addr_make(m, 1, ETH0, "10.0.0.2", 24, "eth0");
	addr_make(m, 2, LO, "203.0.113.10", 32, HOST_VIP_LABEL);
	addr_make(m, 3, LO, "203.0.113.11", 32, HOST_VIP_LABEL);

	m->route[0] = (struct host_route){
		.family = 4, .ifindex = 2, .gateway = addr_of("10.0.0.1"), .advmss = 1540
	};
	m->h.route = m->route;
	m->h.route_count = 1;
	m->h.prefix = m->prefix;
	m->h.proxy = m->proxy;
	m->h.filter = m->filter;

	m->h.ingress = true;
	m->h.decap.id = 7;
	list_of(&m->h.decap.vips, "203.0.113.11"); /* a map has no order */
	list_of(&m->h.decap.vips, "203.0.113.10");
	list_of(&m->h.decap.from, "10.0.0.0/24");
	list_of(&m->h.decap.local, "10.0.0.2");
	list_of(&m->h.listening, "0.0.0.0");
}

static inline void prefix_make(struct made_host *m, unsigned i, const char *text, bool ours)
{
	struct prefix *p = &m->prefix[i].prefix;

	assert_int_equal(weir_prefix_parse(text, &p->addr, &p->len), 0);
	m->prefix[i].ifindex = m->link[LO].index;
	m->prefix[i].ours = ours;
	if (m->h.prefix_count <= i)
		m->h.prefix_count = i + 1;
}

/* Both families, and nothing wrong: outer headers have 40 bytes now. */
static inline void host_make_v6(struct made_host *m)
{
	static const char *const vips[] = { "203.0.113.128/28", "2001:db8:e::/64",
					    "2001:db8:f::10" };

	for (unsigned i = 0; i < 3; i++) {
		list_of(&m->s.vips, vips[i]);
		list_of(&m->h.decap.vips, vips[i]);
	}
	list_of(&m->s.from, "2001:db8:1::/64");
	list_of(&m->h.decap.from, "2001:db8:1::/64");
	list_of(&m->h.decap.local, "2001:db8:1::2");
	addr_make(m, 4, LO, "2001:db8:f::10", 128, HOST_VIP_LABEL);
	addr_make(m, 5, ETH0, "2001:db8:1::2", 64, "");
	addr_make(m, 6, ETH0, "fe80::1", 64, "");
	addr_make(m, 7, LO, "::1", 128, "");
	prefix_make(m, 0, vips[0], true);
	prefix_make(m, 1, vips[1], true);
	m->route[0].advmss = 1520;
	m->route[1] = (struct host_route){ .family = 6,
					   .metric = 1024,
					   .ifindex = 2,
					   .gateway = addr_of("2001:db8:1::1"),
					   .advmss = 1500 };
	m->h.route_count = 2;
	list_of(&m->h.listening, "::");
}

/* The program off, and what is known of it. */
static inline void host_detach(struct made_host *m)
{
	prefix_free(&m->h.decap.vips);
	prefix_free(&m->h.decap.from);
	prefix_free(&m->h.decap.local);
	m->h.decap = (struct host_decap){ 0 };
	m->link[ETH0].decap_id = 0;
}

static inline void host_unmake(struct made_host *m)
{
	host_detach(m);
	prefix_free(&m->h.listening);
	settings_free(&m->s);
}

/* The host of a test, and what makes it and takes it away. */
static struct made_host m;

static inline int host_setup(void **state)
{
	(void)state;
	host_make(&m);
	return 0;
}

static inline int host_teardown(void **state)
{
	(void)state;
	host_unmake(&m);
	return 0;
}

#endif /* WEIR_TEST_BACKEND_HOST_H */
