// SPDX-License-Identifier: Apache-2.0
/*
 * From results to who serves:
 *
 *   result -> judge (check) -> combine, flap, agent (backend) -> b->health
 *   health of all -> guard (pool) -> b->kept, b->standby -> the hook
 *
 * Everything that decides is pure and elsewhere; here is the clock, and the telling.
 */
#include "checks_impl.h"

#include "clock.h"
#include "json_put.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mono now_mono(void)
{
	return (struct mono){ (int64_t)(uv_hrtime() / 1000) };
}

static enum verdict verdict_of(enum health h)
{
	return h == HEALTH_UP ? VERDICT_UP : h == HEALTH_DOWN ? VERDICT_DOWN : VERDICT_PENDING;
}

static enum health health_of(enum verdict v)
{
	return v == VERDICT_UP ? HEALTH_UP : v == VERDICT_DOWN ? HEALTH_DOWN : HEALTH_PENDING;
}

/* -- words --------------------------------------------------------------------------------- */

/* "web: status 503, wanted 200-299"; with a run of results against the verdict
 * "web: failing 1 of 3: status 503, ...". */
static void run_words(const struct check_run *r, char *buf, size_t len)
{
	const struct judge_conf *j = &r->plan->judge;

	if (!r->has_last)
		snprintf(buf, len, "%s: first probe not ended yet", r->plan->name);
	else if (r->blocked || r->last.failure == PROBE_FAIL_LOCAL)
		snprintf(buf, len, "%s: no probe: %s", r->plan->name, r->last.reason);
	else if (r->judge.streak > 0)
		snprintf(buf, len, "%s: %s %u of %u: %s", r->plan->name,
			 r->last.ok ? "passing" : "failing", r->judge.streak,
			 r->last.ok ? j->rise : j->fall, r->last.reason);
	else
		snprintf(buf, len, "%s: %s", r->plan->name, r->last.reason);
}

/* The run whose words are the backend's: one that is contradicting it comes first. */
static const struct check_run *speaker(const struct backend_checks *bc, unsigned decisive)
{
	for (unsigned i = 0; i < bc->count; i++)
		if (bc->run[i]->judge.streak > 0 || bc->run[i]->blocked)
			return bc->run[i];
	return bc->run[decisive < bc->count ? decisive : 0];
}

bool checks_failing(const struct backend *b)
{
	const struct check_run *r;

	if (b->check == NULL || b->check->count == 0)
		return false;
	r = speaker(b->check, 0);
	return r->blocked || (r->judge.streak > 0 && !r->last.ok);
}

static void say_reason(struct backend_checks *bc, unsigned decisive, struct mono now)
{
	struct backend *b = bc->b;
	char text[160];

	if (flap_held(&bc->flap, now) && bc->flap.wanted_up) {
		flap_text(&bc->pool->flap, &bc->flap, now, text, sizeof(text));
		snprintf(b->reason, sizeof(b->reason), "the checks pass, but it is %s", text);
	} else if (bc->said.down && bc->flap.verdict == VERDICT_UP) {
		snprintf(b->reason, sizeof(b->reason), "its agent says %s%s%s", bc->said.word,
			 bc->said.reason[0] != '\0' ? ": " : "", bc->said.reason);
	} else if (bc->count > 0) {
		run_words(speaker(bc, decisive), b->reason, sizeof(b->reason));
	} else {
		snprintf(b->reason, sizeof(b->reason), "not checked");
	}
}

static void wait_for_the_end_of_the_hold(struct backend_checks *bc, struct mono now)
{
	int64_t ms = mono_since_ms(now, bc->flap.held_until);

	uv_timer_start(&bc->again, verdict_hold_over, (uint64_t)ms + 1, 0);
}

static void remember(struct backend_checks *bc, enum health to)
{
	struct change *h = &bc->history[bc->changes++ % HISTORY_MAX];

	free(h->reason);
	*h = (struct change){ clock_ms(CLOCK_REALTIME), to, strdup(bc->b->reason) };
}

static void say_change(struct backend_checks *bc)
{
	const struct backend *b = bc->b;
	const char *pool = b->pool->conf.name;

	if (b->health == HEALTH_UP)
		log_info("backend %s/%s is up: %s", pool, b->conf.name, b->reason);
	else
		log_warning("backend %s/%s is down: %s", pool, b->conf.name, b->reason);
}

/* -- a backend -------------------------------------------------------------------------------- */

enum verdict verdict_standing(const struct backend_checks *bc)
{
	return bc->flap.verdict != VERDICT_PENDING ? bc->flap.verdict : verdict_of(bc->b->health);
}

bool verdict_settle(struct backend_checks *bc)
{
	struct mono now = now_mono();
	struct backend *b = bc->b;
	enum verdict v[POOL_CHECKS_MAX], says;
	unsigned decisive = 0;
	bool was_held = flap_held(&bc->flap, now);
	enum health before = b->health, to;

	for (unsigned i = 0; i < bc->count; i++)
		v[i] = bc->run[i]->judge.verdict;
	says = judge_combine(bc->pool->rule, v, bc->count, &decisive);
	bc->flap.verdict = verdict_standing(bc); /* taken over: no change */
	(void)flap_step(&bc->pool->flap, &bc->flap, says, now);
	to = health_of(agent_verdict(bc->flap.verdict, &bc->said));
	say_reason(bc, decisive, now);
	if (!was_held && flap_held(&bc->flap, now)) {
		char text[160];

		log_warning("backend %s/%s flaps: %s", b->pool->conf.name, b->conf.name,
			    flap_text(&bc->pool->flap, &bc->flap, now, text, sizeof(text)));
		wait_for_the_end_of_the_hold(bc, now);
	}
	if (to == before || to == HEALTH_PENDING)
		return false;
	b->health = to;
	b->since_ms = clock_ms(CLOCK_REALTIME);
	remember(bc, to);
	say_change(bc);
	return true;
}

void verdict_hold_over(uv_timer_t *t)
{
	struct backend_checks *bc = t->data;
	struct mono now = now_mono();

	/* The loop's clock stands still while it works, and so a timer may be early. */
	if (flap_held(&bc->flap, now))
		wait_for_the_end_of_the_hold(bc, now);
	else if (verdict_settle(bc))
		verdict_pool_soon(bc->all, bc->b->pool);
}

/* Certificates are seen by every https and tls probe; said once of each that is old. */
static void watch_certificate(struct check_run *r)
{
	const struct backend *b = r->of->b;
	int32_t days = r->last.cert_days;

	if (days == PROBE_NO_CERT)
		return;
	if (days >= CERT_WARN_DAYS) {
		r->cert_warned = false;
	} else if (!r->cert_warned || days > r->cert_warned_days) { /* or: another old one */
		r->cert_warned = true;
		r->cert_warned_days = days;
		if (days < 0)
			log_warning("backend %s/%s: its certificate has expired %d days ago (%s)",
				    b->pool->conf.name, b->conf.name, -days, r->plan->name);
		else
			log_warning("backend %s/%s: its certificate expires in %d days (%s)",
				    b->pool->conf.name, b->conf.name, days, r->plan->name);
	}
}

void verdict_result(struct check_run *r)
{
	struct backend_checks *bc = r->of;
	enum judge_result says = r->last.ok			       ? JUDGE_PASS
				 : r->last.failure == PROBE_FAIL_LOCAL ? JUDGE_NOTHING
								       : JUDGE_FAIL;

	if (bc->all->held) {
		verdict_waits(bc);
		return;
	}
	if (r->judge.verdict == VERDICT_PENDING && says != JUDGE_NOTHING)
		r->judge.verdict = r->before;
	(void)judge_step(&r->plan->judge, &r->judge, says);
	watch_certificate(r);
	if (verdict_settle(bc))
		verdict_pool_soon(bc->all, bc->b->pool);
}

void verdict_agent(struct check_run *r)
{
	struct backend_checks *bc = r->of;
	struct agent_state before = bc->said;
	struct backend *b = bc->b;
	bool changed;

	if (bc->all->held || !r->last.ok || agent_read(&bc->said, r->last.text) == 0)
		return;
	b->agent_known = true;
	b->agent_cut = 100 - bc->said.percent;
	b->agent_admin = (uint32_t)bc->said.admin;
	if (before.percent != bc->said.percent)
		b->pool->full_stale = true;
	if (before.percent != bc->said.percent || before.admin != bc->said.admin)
		log_info("backend %s/%s: its agent says \"%s\"", b->pool->conf.name, b->conf.name,
			 r->last.text);
	changed = verdict_settle(bc);
	if (changed || before.percent != bc->said.percent || before.admin != bc->said.admin)
		verdict_pool_soon(bc->all, b->pool);
}

void verdict_waits(struct backend_checks *bc)
{
	if (bc->count > 0)
		run_words(speaker(bc, 0), bc->b->reason, sizeof(bc->b->reason));
}

void verdict_unchecked(struct backend_checks *bc)
{
	enum health health = health_of(agent_verdict(VERDICT_UP, &bc->said));
	struct backend *b = bc->b;

	if (b->health != health)
		b->since_ms = clock_ms(CLOCK_REALTIME);
	b->health = health;
	bc->flap = (struct flap_state){ .verdict = VERDICT_UP };
	say_reason(bc, 0, now_mono());
}

void verdict_free(struct backend_checks *bc)
{
	uv_timer_stop(&bc->again);
	for (unsigned i = 0; i < HISTORY_MAX; i++)
		free(bc->history[i].reason);
}

/* -- a pool ---------------------------------------------------------------------------------------
 */

static void say_guard(const struct pool *p, unsigned events)
{
	const struct pool_checks *pc = p->checks;
	const struct guard_counts *n = &pc->counts;

	if (events & GUARD_BACKUPS_JOINED)
		log_warning("pool %s: %u of %u backends are up, %u wanted: the backups join",
			    p->conf.name, n->primaries_up, n->primaries, n->needed);
	if (events & GUARD_BACKUPS_LEFT)
		log_info("pool %s: %u of %u backends are up: the backups are not needed any more",
			 p->conf.name, n->primaries_up, n->primaries);
	if ((events & GUARD_PANIC_BEGAN) && pc->kept == 0)
		log_error("pool %s: none of its %u backends is up, and none was a moment ago: "
			  "nobody takes its traffic",
			  p->conf.name, n->primaries);
	else if (events & GUARD_PANIC_BEGAN)
		log_error("pool %s: PANIC: %u of %u backends are up, min_healthy wants %u: the "
			  "checks are not believed, and %u backends that were up a moment ago "
			  "keep the traffic",
			  p->conf.name, n->primaries_up + (p->backups ? n->backups_up : 0),
			  n->primaries, n->needed, pc->kept);
	if (events & GUARD_PANIC_ENDED)
		log_warning("pool %s: the panic is over: %u of %u backends are up", p->conf.name,
			    n->primaries_up, n->primaries);
}

void verdict_pool(struct pool *p)
{
	struct guard_member *m = calloc(p->backend_count + 1, sizeof(*m));
	struct pool_checks *pc = p->checks;
	unsigned events;

	if (m == NULL || pc == NULL) {
		free(m);
		return;
	}
	for (uint32_t i = 0; i < p->backend_count; i++) {
		const struct backend *b = p->backend[i];

		if (b->check == NULL)
			continue;
		m[i] = b->check->member;
		m[i].eligible = backend_admin(b) == ADMIN_ENABLED && backend_weight(b) > 0 &&
				b->hop.resolved;
		m[i].backup = b->conf.backup;
		m[i].verdict = verdict_of(b->health);
	}
	events = guard_step(&pc->guard, &pc->state, m, p->backend_count, now_mono(), &pc->counts);
	pc->kept = 0;
	p->panic = pc->state.panic;
	p->backups = pc->state.backups;
	for (uint32_t i = 0; i < p->backend_count; i++) {
		struct backend *b = p->backend[i];

		if (b->check == NULL)
			continue;
		b->check->member = m[i];
		pc->kept += m[i].kept;
		b->kept = m[i].kept && b->health != HEALTH_UP;
		b->standby = b->conf.backup && !pc->state.backups && !m[i].kept;
	}
	free(m);
	say_guard(p, events);
}

void verdict_pool_soon(struct checks *c, struct pool *p)
{
	for (unsigned i = 0; i < c->dirty_count; i++)
		if (c->dirty[i] == p)
			return;
	if (c->dirty_count < WEIR_MAX_POOLS)
		c->dirty[c->dirty_count++] = p;
	uv_timer_start(&c->told, verdict_tell, 0, 0);
}

void verdict_tell(uv_timer_t *t)
{
	struct checks *c = t->data;

	while (c->dirty_count > 0) {
		struct pool *p = c->dirty[--c->dirty_count];

		verdict_pool(p);
		if (p->backend_count > 0)
			c->hooks.verdict(c->hooks.user, p->backend[0]);
	}
}

/* -- as JSON -------------------------------------------------------------------------- */

static const char *verdict_text(enum verdict v)
{
	return health_text(health_of(v));
}

json_t *checks_result_json(const struct probe_result *r)
{
	static const char *const step[] = { "connected_us", "sent_us", "tls_us", "first_us" };
	json_t *v = json_pack("{s:b, s:s, s:s, s:I}", "ok", r->ok, "failure",
			      probe_failure_name(r->failure), "reason", r->reason, "latency_us",
			      (json_int_t)r->latency_us);

	for (unsigned i = 0; i < PROBE_STEPS; i++)
		if (r->step_us[i] != 0)
			json_object_set_new(v, step[i], json_integer(r->step_us[i]));
	json_object_set_new(v, "certificate_days",
			    r->cert_days == PROBE_NO_CERT ? json_null()
							  : json_integer(r->cert_days));
	if (r->packet_bytes != 0)
		json_object_set_new(v, "packet_bytes", json_integer(r->packet_bytes));
	if (r->text[0] != '\0')
		json_object_set_new(v, "text", json_string(r->text));
	return v;
}

json_t *checks_plan_json(const struct check_plan *p, const struct backend *b)
{
	const struct weir_addr *to = p->dsr ? &p->vip : &b->conf.addr;
	char text[WEIR_ADDR_STRLEN] = "";

	if (to->family != 0)
		weir_addr_text(to, text);
	return json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", p->name, "kind", p->kind, "via",
			 p->dsr ? "dsr" : "direct", "to", text, "port", p->port);
}

static json_t *run_json(const struct check_run *r)
{
	json_t *v = checks_plan_json(r->plan, r->of->b);

	json_object_set_new(v, "verdict", json_string(verdict_text(r->judge.verdict)));
	json_object_set_new(v, "streak", json_integer(r->judge.streak));
	json_object_set_new(v, "time", json_time(r->last_ms));
	json_object_set_new(v, "last", r->has_last ? checks_result_json(&r->last) : json_null());
	return v;
}

static json_t *history_json(const struct backend_checks *bc)
{
	unsigned n = bc->changes < HISTORY_MAX ? bc->changes : HISTORY_MAX;
	json_t *list = json_array();

	for (unsigned back = 1; back <= n; back++) {
		const struct change *h = &bc->history[(bc->changes - back) % HISTORY_MAX];

		json_array_append_new(list,
				      json_pack("{s:o, s:s, s:s}", "time", json_time(h->at_ms),
						"health", health_text(h->to), "reason",
						h->reason != NULL ? h->reason : ""));
	}
	return list;
}

static json_t *agent_json(const struct backend_checks *bc)
{
	static const char *const admin[] = { "ready", "drain", "maint" };

	if (bc->agent == NULL)
		return json_null();
	return json_pack("{s:i, s:s, s:b, s:s, s:o}", "percent", (int)bc->said.percent, "admin",
			 admin[bc->said.admin % 3], "down", bc->said.down, "reason",
			 bc->said.reason, "last",
			 bc->agent->has_last ? checks_result_json(&bc->agent->last) : json_null());
}

json_t *checks_json(const struct backend *b)
{
	const struct backend_checks *bc = b->check;
	json_t *v =
		json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:b, s:b}", "pool", b->pool->conf.name,
			  "name", b->conf.name, "health", health_text(b->health), "since",
			  json_time(b->since_ms), "reason", b->reason, "serving", backend_serves(b),
			  "kept", b->kept, "standby", b->standby);
	json_t *list = json_array();
	struct mono now = now_mono();

	if (v == NULL)
		return NULL;
	json_object_set_new(v, "checks", list);
	if (bc == NULL)
		return v;
	for (unsigned i = 0; i < bc->count; i++)
		json_array_append_new(list, run_json(bc->run[i]));
	json_object_set_new(
		v, "held_s",
		json_integer(flap_held(&bc->flap, now)
				     ? mono_since_ms(now, bc->flap.held_until) / 1000 + 1
				     : 0));
	json_object_set_new(v, "agent", agent_json(bc));
	json_object_set_new(v, "history", history_json(bc));
	return v;
}

json_t *checks_pool_json(const struct pool *p)
{
	static const struct guard_counts none;
	const struct guard_counts *n = p->checks != NULL ? &p->checks->counts : &none;

	return json_pack("{s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:i}", "name", p->conf.name, "panic",
			 p->panic, "backups", p->backups, "eligible", (int)n->primaries, "up",
			 (int)n->primaries_up, "backups_up", (int)n->backups_up, "needed",
			 (int)n->needed, "kept", p->checks != NULL ? (int)p->checks->kept : 0);
}
