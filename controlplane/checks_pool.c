// SPDX-License-Identifier: Apache-2.0
/*
 * The checks of a pool as the configuration has them, and what of them a reload changed:
 * who is asked what, or only when and how patiently.
 */
#include "checks_impl.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { AGENT_TIMEOUT_MS = 1000 };

static bool is_rest(const char *key)
{
	static const char *const rest[] = { "interval_ms",
					    "fast_interval_ms",
					    "down_interval_ms",
					    "connect_timeout_ms",
					    "answer_timeout_ms",
					    "rise",
					    "fall",
					    "jitter_percent" };

	for (unsigned i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		if (strcmp(key, rest[i]) == 0)
			return true;
	return false;
}

/* By the options as text: structs have gaps that nobody writes. */
static uint64_t digest(const struct check_conf *k, bool rest, uint64_t seed)
{
	char text[CONF_TEXT_LEN];

	for (unsigned i = 0; i < conf_opt_count; i++) {
		const struct conf_opt *o = &conf_opts[i];

		if (strcmp(o->section, "check") != 0 || is_rest(o->key) != rest)
			continue;
		conf_text(o, k, text, sizeof(text));
		seed = XXH3_64bits_withSeed(text, strlen(text) + 1, seed);
	}
	return seed;
}

static void digest_plan(const struct conf *c, const struct pool_conf *conf, struct pool_checks *p,
			unsigned i)
{
	const struct check_plan *plan = &p->plan[i];
	struct check_conf own;
	const struct check_conf *k = &own;
	char text[WEIR_ADDR_STRLEN] = "", target[160];

	if (conf->checks[0] == '\0')
		check_of_pool(conf, &own);
	else
		k = conf_check_find(c, plan->name);
	if (plan->vip.family != 0)
		weir_addr_text(&plan->vip, text);
	snprintf(target, sizeof(target), "%s %s %u %d %.80s", plan->name, text, plan->port,
		 plan->dsr, plan->why);
	p->asks[i] = digest(k, false, XXH3_64bits(target, strlen(target)));
	p->rest[i] = digest(k, true, 0);
}

/* The longest from a fault to the verdict, ms. */
static uint32_t seen_ms(const struct check_plan *plan)
{
	const struct judge_conf *j = &plan->judge;

	return (j->fall + 1) * (j->interval_ms + j->interval_ms * j->jitter_percent / 100) +
	       check_longest_ms(&plan->probe);
}

/* From down to seen in all of them: what is still remembered as up in a panic. */
static uint32_t memory_ms(const struct pool_checks *p)
{
	uint32_t longest = p->agent.port != 0 ? seen_ms(&p->agent) : 0;

	for (unsigned i = 0; i < p->count; i++) {
		uint32_t ms = seen_ms(&p->plan[i]);

		if (ms > longest)
			longest = ms;
	}
	return 2 * longest;
}

static void plan_agent(const struct pool_conf *conf, struct check_plan *out)
{
	memset(out, 0, sizeof(*out));
	if (conf->agent_port == 0)
		return;
	snprintf(out->name, sizeof(out->name), "agent");
	snprintf(out->kind, sizeof(out->kind), "agent");
	out->port = (uint16_t)conf->agent_port;
	out->probe.kind = PROBE_AGENT;
	out->probe.connect_timeout_ms = out->probe.answer_timeout_ms = AGENT_TIMEOUT_MS;
	(void)check_bytes(conf->agent_send, &out->probe.agent.send);
	out->judge = (struct judge_conf){
		.rise = 1, .fall = 1, .interval_ms = conf->agent_interval_ms, .jitter_percent = 10
	};
}

static void plan_make(struct checks *c, const struct conf *running, const struct pool_conf *conf,
		      struct pool_checks *p)
{
	char why[200];

	memset(p, 0, sizeof(*p));
	p->count = check_plans(running, conf, p->plan);
	for (unsigned i = 0; i < p->count; i++) {
		digest_plan(running, conf, p, i);
		if (p->plan[i].why[0] == '\0' &&
		    probe_prepare(c->probes, &p->plan[i].probe, why, sizeof(why)) < 0) {
			snprintf(p->plan[i].why, sizeof(p->plan[i].why), "%.*s",
				 (int)sizeof(p->plan[i].why) - 1, why);
			log_error("check %s of pool %s cannot be made: %s", p->plan[i].name,
				  conf->name, why);
		}
	}
	plan_agent(conf, &p->agent);
	p->rule = conf->checks_need == CHECK_NEED_ANY ? JUDGE_ANY : JUDGE_ALL;
	p->flap = (struct flap_conf){ .changes = conf->flap_changes,
				      .window_ms = conf->flap_window_s * 1000,
				      .hold_ms = conf->flap_hold_s * 1000,
				      .hold_max_ms = conf->flap_hold_max_s * 1000 };
	if (min_healthy_parse(conf->min_healthy, &p->guard, why, sizeof(why)) < 0)
		p->guard.min_count = 0;
	p->guard.memory_ms = memory_ms(p);
}

static struct pool_checks *pool_find(const struct checks *c, uint64_t id)
{
	struct pool_checks *p;

	for (p = c->pools; p != NULL; p = p->next)
		if (p->pool_id == id)
			return p;
	return NULL;
}

struct pool_checks *checks_pool_sync(struct checks *c, struct pool *p, const struct conf *running,
				     struct checks_revision *rev)
{
	struct pool_checks *old = pool_find(c, p->id), *now;

	*rev = (struct checks_revision){ 0 };
	if (running == NULL)
		return old;
	now = malloc(sizeof(*now));
	if (now == NULL)
		return old;
	plan_make(c, running, &p->conf, now);
	if (old == NULL) {
		now->pool_id = p->id;
		now->next = c->pools;
		c->pools = now;
		rev->anew = rev->agent = true;
		return now;
	}
	rev->anew =
		old->count != now->count || memcmp(old->asks, now->asks, sizeof(now->asks)) != 0;
	rev->rescheduled = memcmp(old->rest, now->rest, sizeof(now->rest)) != 0;
	rev->agent = old->agent.port != now->agent.port ||
		     old->agent.judge.interval_ms != now->agent.judge.interval_ms ||
		     old->agent.probe.agent.send.len != now->agent.probe.agent.send.len ||
		     memcmp(old->agent.probe.agent.send.data, now->agent.probe.agent.send.data,
			    PROBE_BYTES_MAX) != 0;
	now->pool_id = old->pool_id;
	now->next = old->next;
	now->state = old->state;
	now->counts = old->counts;
	now->kept = old->kept;
	/* Probes under way read the plan: they end before it changes. */
	if (rev->anew || rev->rescheduled || rev->agent)
		for (uint32_t i = 0; i < p->backend_count; i++) {
			struct backend_checks *bc = p->backend[i]->check;

			for (unsigned k = 0; bc != NULL && k < bc->count; k++)
				checks_run_stop(bc->run[k]);
			if (bc != NULL && bc->agent != NULL)
				checks_run_stop(bc->agent);
		}
	*old = *now;
	free(now);
	return old;
}
