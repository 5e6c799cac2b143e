// SPDX-License-Identifier: Apache-2.0
/*
 * What a file says of health checks: each [check] by itself, and what a pool makes of
 * those that it names.
 */
#include "conf_check.h"

#include "check_plan.h"

#include <stdlib.h>
#include <string.h>

static int line_of(const struct check_conf *k, const char *key)
{
	return conf_check_line(&k->keys, "check", key, k->line);
}

/* The line of the key that a sentence of check_build() begins with. */
static int line_said(const struct check_conf *k, const char *sentence)
{
	size_t len = strcspn(sentence, ":");
	char key[32];

	if (len >= sizeof(key) || sentence[len] == '\0')
		return k->line;
	memcpy(key, sentence, len);
	key[len] = '\0';
	return conf_find(conf_opts, conf_opt_count, "check", key) != NULL ? line_of(k, key)
									  : k->line;
}

/* Keys that were given, with more than their default, and mean nothing to this kind. */
static void check_keys(struct conf_check *r, const struct check_conf *k)
{
	char text[CONF_TEXT_LEN];

	for (unsigned i = 0; i < conf_opt_count; i++) {
		const struct conf_opt *o = &conf_opts[i];

		if (strcmp(o->section, "check") == 0 && k->keys.line[i] > 0 &&
		    !check_uses(k->kind, o->key) &&
		    strcmp(conf_text(o, k, text, sizeof(text)), o->def) != 0)
			fault(r, k->keys.line[i],
			      "[check %s] %s: means nothing to a check of kind %s", k->name, o->key,
			      check_kind_word(k->kind));
	}
}

static void check_times(struct conf_check *r, const struct check_conf *k,
			const struct probe_conf *probe)
{
	uint32_t longest = check_longest_ms(probe);
	bool both = longest > probe->connect_timeout_ms && longest > probe->answer_timeout_ms;

	if (longest > k->interval_ms)
		fault(r, line_of(k, "interval_ms"),
		      "[check %s] interval_ms: %u is less than the %u that %s: a probe must end "
		      "before the next",
		      k->name, k->interval_ms, longest,
		      both				     ? "both timeouts allow"
		      : longest == probe->connect_timeout_ms ? "connect_timeout_ms allows"
							     : "answer_timeout_ms allows");
	if (k->fast_interval_ms > k->interval_ms)
		fault(r, line_of(k, "fast_interval_ms"),
		      "[check %s] fast_interval_ms: %u is more than interval_ms, %u: fast is "
		      "meant to be shorter",
		      k->name, k->fast_interval_ms, k->interval_ms);
}

static void check_one(struct conf_check *r, const struct check_conf *k)
{
	struct judge_conf judge;
	struct probe_conf probe;
	char why[200];

	check_keys(r, k);
	if (k->kind == CHECK_KIND_EXEC && k->via == CHECK_VIA_DSR)
		fault(r, line_of(k, "via"),
		      "[check %s] via: a program cannot be made to take the clients' way: via = "
		      "direct is right for kind exec",
		      k->name);
	if (k->vip.family != 0 && k->via == CHECK_VIA_DIRECT)
		fault(r, line_of(k, "vip"),
		      "[check %s] vip: goes with via = dsr; direct asks the backend's own address",
		      k->name);
	if (check_build(k, &probe, &judge, why, sizeof(why)) < 0)
		fault(r, line_said(k, why), "[check %s] %s", k->name, why);
	else
		check_times(r, k, &probe);
}

int conf_check_checks(struct conf_check *r)
{
	const struct conf *c = r->conf;
	struct key_map names = { 0 };
	bool *used = calloc(c->check_count + 1, sizeof(*used));

	if (used == NULL || key_map_init(&names, c->check_count) < 0) {
		free(used);
		return -1;
	}
	if (c->check_count > WEIR_MAX_POOLS)
		fault(r, c->check[WEIR_MAX_POOLS].line, "more than %d checks", WEIR_MAX_POOLS);
	for (uint32_t i = 0; i < c->check_count; i++) {
		const struct check_conf *k = &c->check[i];
		uint32_t same = key_map_add(&names, k->name, strlen(k->name), i);

		if (k->name[0] == '\0')
			continue; /* said already */
		if (same != KEY_MAP_NONE)
			fault(r, k->line, "[check %s]: begun already in line %d", k->name,
			      c->check[same].line);
		else
			check_one(r, k);
	}
	for (uint32_t i = 0; i < c->pool_count; i++) {
		const char *list = c->pool[i].checks;
		char name[WEIR_NAME_LEN];

		while (check_name_next(&list, name)) {
			uint32_t at = key_map_find(&names, name, strlen(name));

			if (at != KEY_MAP_NONE)
				used[at] = true;
		}
	}
	for (uint32_t i = 0; i < c->check_count; i++)
		if (!used[i] && c->check[i].name[0] != '\0')
			unwise(r, c->check[i].line, "[check %s]: no pool names it",
			       c->check[i].name);
	key_map_free(&names);
	free(used);
	return 0;
}

/* -- a pool's ------------------------------------------------------------------------ */

static int pool_line(const struct pool_conf *p, const char *key)
{
	return conf_check_line(&p->keys, "pool", key, p->line);
}

static void check_unknown(struct conf_check *r, const struct pool_conf *p, const char *name)
{
	const char *names[WEIR_MAX_POOLS], *near;
	uint32_t n;

	for (n = 0; n < r->conf->check_count && n < WEIR_MAX_POOLS; n++)
		names[n] = r->conf->check[n].name;
	near = conf_nearest(name, names, n);
	fault(r, pool_line(p, "checks"), "[pool %s] checks: there is no [check %s]%s%s%s", p->name,
	      name, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static void check_names(struct conf_check *r, const struct pool_conf *p)
{
	char name[WEIR_NAME_LEN], seen[POOL_CHECKS_MAX][WEIR_NAME_LEN];
	const char *list = p->checks;
	unsigned n = 0;

	while (check_name_next(&list, name)) {
		bool twice = false;

		for (unsigned i = 0; i < n; i++)
			twice |= strcmp(seen[i], name) == 0;
		if (twice)
			fault(r, pool_line(p, "checks"), "[pool %s] checks: %s is named twice",
			      p->name, name);
		else if (n == POOL_CHECKS_MAX) {
			fault(r, pool_line(p, "checks"),
			      "[pool %s] checks: at most %d are possible", p->name,
			      POOL_CHECKS_MAX);
			return;
		} else {
			strcpy(seen[n++], name);
			if (conf_check_find(r->conf, name) == NULL)
				check_unknown(r, p, name);
		}
	}
	if (p->checks[0] != '\0' && n == 0)
		fault(r, pool_line(p, "checks"), "[pool %s] checks: no name in it", p->name);
}

/* `check = udp` in [pool]: what does a datagram say? Such kinds need a [check]. */
static void check_simple(struct conf_check *r, const struct pool_conf *p)
{
	struct judge_conf judge;
	struct probe_conf probe;
	struct check_conf own;
	char why[200];

	if (p->checks[0] != '\0' || p->check.kind == CHECK_KIND_NONE)
		return;
	check_of_pool(p, &own);
	if (check_build(&own, &probe, &judge, why, sizeof(why)) < 0) {
		fault(r, pool_line(p, "check"),
		      "[pool %s] check = %s says too little (%s): make a [check NAME] of that kind "
		      "and name it by checks =",
		      p->name, own.name, why);
		return;
	}
	if (check_longest_ms(&probe) > p->check.interval_ms)
		fault(r, pool_line(p, "check_timeout_ms"),
		      check_longest_ms(&probe) > p->check.timeout_ms
			      ? "[pool %s] check_timeout_ms: %u to connect and again to answer is "
				"above check_interval_ms, %u: a probe must end before the next"
			      : "[pool %s] check_timeout_ms: %u is above check_interval_ms, %u: a "
				"probe must end before the next",
		      p->name, p->check.timeout_ms, p->check.interval_ms);
}

/* Bytes that the pool's mode may put in front of a packet. */
static uint32_t overhead(const struct pool_conf *p)
{
	bool six = p->backend_count > 0 && p->backend[0].addr.family == 6;

	switch (p->mode) {
	case WEIR_MODE_IPIP:
		return six ? 40 : 20;
	case WEIR_MODE_GUE:
		return six ? 52 : 32;
	default:
		return 0;
	}
}

/* Is `vip` one of the pool's? */
static bool is_vip_of(const struct conf *c, const struct pool_conf *p, const struct weir_addr *vip)
{
	for (uint32_t i = 0; i < c->service_count; i++)
		if (strcmp(c->service[i].pool, p->name) == 0 &&
		    conf_service_holds(&c->service[i], vip))
			return true;
	return false;
}

static void check_where(struct conf_check *r, const struct pool_conf *p)
{
	struct check_plan *plan = calloc(POOL_CHECKS_MAX, sizeof(*plan));
	bool simple = p->checks[0] == '\0', serves = false;
	unsigned n;

	if (plan == NULL)
		return;
	for (uint32_t i = 0; i < r->conf->service_count; i++)
		serves |= strcmp(r->conf->service[i].pool, p->name) == 0;
	n = serves ? check_plans(r->conf, p, plan) : 0; /* else: said elsewhere */
	for (unsigned i = 0; i < n; i++) {
		const struct check_conf *k = simple ? NULL : conf_check_find(r->conf, plan[i].name);

		if (plan[i].why[0] != '\0')
			fault(r, pool_line(p, simple ? "check" : "checks"),
			      simple ? "[pool %s] check = %s: %s" : "[pool %s] checks: %s: %s",
			      p->name, plan[i].name, plan[i].why);
		if (k != NULL && k->via == CHECK_VIA_DSR && k->vip.family != 0 &&
		    !is_vip_of(r->conf, p, &k->vip))
			fault(r, line_of(k, "vip"),
			      "[check %s] vip: no service of [pool %s], which names this check, "
			      "has that VIP",
			      k->name, p->name);
		if (plan[i].dsr && plan[i].probe.padded_mtu + overhead(p) > p->mtu)
			unwise(r, k != NULL ? line_of(k, "padded_bytes") : p->line,
			       "[check %s] padded_bytes: %u and the outer header of [pool %s] are "
			       "more than its mtu, %u: the check will fail, and so do clients' "
			       "packets of that size",
			       plan[i].name, plan[i].probe.padded_mtu, p->name, p->mtu);
	}
	free(plan);
}

static void check_protection(struct conf_check *r, const struct pool_conf *p)
{
	struct guard_conf guard;
	struct probe_bytes bytes;
	char why[120];

	if (check_bytes(p->agent_send, &bytes) < 0)
		fault(r, pool_line(p, "agent_send"),
		      "[pool %s] agent_send: text with \\n, \\xNN and the like is right, or "
		      "hex:00ff",
		      p->name);
	if (min_healthy_parse(p->min_healthy, &guard, why, sizeof(why)) < 0)
		fault(r, pool_line(p, "min_healthy"), "[pool %s] min_healthy: %s", p->name, why);
	if (p->flap_changes == 1)
		fault(r, pool_line(p, "flap_changes"),
		      "[pool %s] flap_changes: one change is no flapping: 0, or at least 2",
		      p->name);
	if (p->flap_hold_max_s < p->flap_hold_s)
		fault(r, pool_line(p, "flap_hold_max_s"),
		      "[pool %s] flap_hold_max_s: %u is less than flap_hold_s, %u", p->name,
		      p->flap_hold_max_s, p->flap_hold_s);
}

void conf_check_pool_checks(struct conf_check *r, const struct pool_conf *p)
{
	check_names(r, p);
	check_simple(r, p);
	check_where(r, p);
	check_protection(r, p);
}
