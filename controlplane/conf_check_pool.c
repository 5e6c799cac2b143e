// SPDX-License-Identifier: Apache-2.0
#include "conf_check.h"

#include <errno.h>
#include <string.h>

static int line_of(const struct pool_conf *p, const char *key)
{
	return conf_check_line(&p->keys, "pool", key, p->line);
}

static bool is_prime(uint32_t n)
{
	if (n < 4)
		return n > 1;
	if (n % 2 == 0)
		return false;
	for (uint32_t d = 3; d * d <= n; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

/* The prime nearest to n among the possible table sizes; of two, the larger. */
static uint32_t nearest_prime(uint32_t n)
{
	for (uint32_t d = 0;; d++) {
		if (n + d <= WEIR_TABLE_MAX && is_prime(n + d))
			return n + d;
		if (n >= WEIR_TABLE_MIN + d && is_prime(n - d))
			return n - d;
	}
}

static void check_backend_address(struct conf_check *r, const struct pool_conf *p,
				  const struct backend_conf *b)
{
	const char *why = conf_check_unicast(&b->addr);
	char text[WEIR_ADDR_STRLEN];
	uint32_t service;

	weir_addr_text(&b->addr, text);
	if (why != NULL) {
		fault(r, b->line, "[pool %s] backend %s: %s is %s", p->name, b->name, text, why);
		return;
	}
	if (conf_check_loopback(&b->addr))
		unwise(r, b->line,
		       "[pool %s] backend %s: %s is a loopback address: no packet leaves for it",
		       p->name, b->name, text);
	service = conf_check_vip_of(r, &b->addr, 0);
	if (service != KEY_MAP_NONE)
		fault(r, b->line,
		      "[pool %s] backend %s: %s %s the VIP of [service %s]; right is the address "
		      "that the server has for itself",
		      p->name, b->name, text,
		      r->conf->service[service].vip_bits == 0 ? "is" : "lies in",
		      r->conf->service[service].name);
	if (p->mode != WEIR_MODE_L2 && p->outer_source.family != 0 &&
	    p->outer_source.family != b->addr.family)
		fault(r, b->line,
		      "[pool %s] backend %s: %s is %s, the pool's outer_source is %s: one outer "
		      "header has one family",
		      p->name, b->name, text, conf_check_family_text(&b->addr),
		      conf_check_family_text(&p->outer_source));
}

static void check_backend_hop(struct conf_check *r, const struct pool_conf *p,
			      const struct backend_conf *b)
{
	const struct dpconf *dp = &r->conf->dp;

	if (!b->has_mac) {
		if (b->port[0] != '\0' || b->vlan != 0)
			fault(r, b->line,
			      "[pool %s] backend %s: %s= goes with mac=: without it the kernel's "
			      "routes decide",
			      p->name, b->name, b->port[0] ? "port" : "vlan");
		return;
	}
	if (b->port[0] == '\0') {
		if (dp->port_count > 1)
			fault(r, b->line,
			      "[pool %s] backend %s: mac= needs port= when there are several "
			      "ports",
			      p->name, b->name);
	} else if (dpconf_port(dp, b->port) == NULL) {
		const char *names[WEIR_MAX_PORTS], *near;

		for (uint32_t i = 0; i < dp->port_count; i++)
			names[i] = dp->port[i].name;
		near = conf_nearest(b->port, names, dp->port_count);
		if (near == NULL && dp->port_count > 0)
			near = names[0];
		fault(r, b->line, "[pool %s] backend %s: there is no [port %s]%s%s%s", p->name,
		      b->name, b->port, near ? " (did you mean port=" : "", near ? near : "",
		      near ? "?)" : "");
	}
}

/* -ENOMEM, or 0 whatever was found. */
static int check_backends(struct conf_check *r, const struct pool_conf *p)
{
	struct key_map names = { 0 }, addrs = { 0 };
	bool serves = false;
	int err = -ENOMEM;

	if (key_map_init(&names, p->backend_count) < 0 ||
	    key_map_init(&addrs, p->backend_count) < 0)
		goto out;
	for (uint32_t i = 0; i < p->backend_count; i++) {
		const struct backend_conf *b = &p->backend[i];
		uint32_t same = key_map_add(&names, b->name, strlen(b->name), i);
		char text[WEIR_ADDR_STRLEN];

		if (same != KEY_MAP_NONE) {
			fault(r, b->line, "[pool %s] backend %s: given already in line %d", p->name,
			      b->name, p->backend[same].line);
			continue;
		}
		same = key_map_add(&addrs, &b->addr, sizeof(b->addr), i);
		if (same != KEY_MAP_NONE)
			fault(r, b->line,
			      "[pool %s] backend %s: %s is backend %s already: one server, one "
			      "backend (weight= gives it more)",
			      p->name, b->name, weir_addr_text(&b->addr, text),
			      p->backend[same].name);
		check_backend_address(r, p, b);
		check_backend_hop(r, p, b);
		serves |= b->admin == ADMIN_ENABLED && b->weight > 0;
	}
	if (p->backend_count == 0)
		unwise(r, p->line, "[pool %s] has no backend: its services drop every packet",
		       p->name);
	else if (!serves)
		unwise(r, p->line,
		       "[pool %s] no backend is enabled with a weight above 0: its services take "
		       "no new flows",
		       p->name);
	err = 0;
out:
	key_map_free(&names);
	key_map_free(&addrs);
	return err;
}

static void check_table(struct conf_check *r, const struct pool_conf *p)
{
	if (!is_prime(p->table_size))
		fault(r, line_of(p, "table_size"),
		      "[pool %s] table_size: %u is not a prime (%u is the nearest)", p->name,
		      p->table_size, nearest_prime(p->table_size));
	if (p->table_size < p->backend_count)
		fault(r, line_of(p, "table_size"),
		      "[pool %s] table_size: %u slots are fewer than the %u backends", p->name,
		      p->table_size, p->backend_count);
	else if (p->table_size / 100 < p->backend_count)
		unwise(r, line_of(p, "table_size"),
		       "[pool %s] table_size: %u slots for %u backends spread the load unevenly: "
		       "%u or more are right",
		       p->name, p->table_size, p->backend_count,
		       nearest_prime(p->backend_count >= WEIR_TABLE_MAX / 100
					     ? WEIR_TABLE_MAX
					     : p->backend_count * 100 + 100));
}

static void check_outer_source(struct conf_check *r, const struct pool_conf *p)
{
	unsigned most = p->outer_source.family == 4 ? WEIR_SOURCE_BITS4 : WEIR_SOURCE_BITS6;
	const char *why;

	if (p->outer_source.family == 0)
		return;
	if (p->mode == WEIR_MODE_L2)
		unwise(r, line_of(p, "outer_source"),
		       "[pool %s] outer_source: has no effect with mode = l2", p->name);
	why = conf_check_unicast(&p->outer_source);
	if (why != NULL)
		fault(r, line_of(p, "outer_source"), "[pool %s] outer_source: that is %s", p->name,
		      why);
	else if (p->source_bits > most)
		fault(r, line_of(p, "outer_source"),
		      "[pool %s] outer_source: /%u is too wide: /%u is the widest", p->name,
		      weir_addr_bits(&p->outer_source) - p->source_bits,
		      weir_addr_bits(&p->outer_source) - most);
}

static void check_gue_port(struct conf_check *r, const struct pool_conf *p)
{
	if (p->mode != WEIR_MODE_GUE && p->gue_port != POOL_GUE_PORT)
		unwise(r, line_of(p, "gue_port"),
		       "[pool %s] gue_port: has no effect without mode = gue", p->name);
}

int conf_check_pool(struct conf_check *r, const struct pool_conf *p)
{
	check_table(r, p);
	check_outer_source(r, p);
	check_gue_port(r, p);
	conf_check_pool_checks(r, p);
	return check_backends(r, p);
}
