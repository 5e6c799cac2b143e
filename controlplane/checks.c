// SPDX-License-Identifier: Apache-2.0
#include "checks_impl.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
	DESCRIPTORS_FOR_OTHERS = 128, /* control clients, netlink, files */
	MOST_AT_ONCE = 4096,	      /* a burst of this many SYNs is no flood */
	A_TURN = 64,		      /* that begin in one turn of the loop: some ms */
	FIRST_A_MS = 20,	      /* first probes that begin in a millisecond */
	LATE_MS = 100,
};

static void begin(struct check_run *r);

int checks_create(uv_loop_t *loop, struct model *m, struct probe_ways *ways,
		  const struct checks_hooks *hooks, struct checks **out)
{
	struct checks *c = calloc(1, sizeof(*c));
	struct rlimit files = { .rlim_cur = 1024 };
	int err;

	if (c == NULL)
		return -ENOMEM;
	(void)getrlimit(RLIMIT_NOFILE, &files);
	*c = (struct checks){ .loop = loop, .model = m, .ways = ways, .hooks = *hooks };
	c->tail = &c->head;
	c->most = files.rlim_cur > MOST_AT_ONCE + DESCRIPTORS_FOR_OTHERS ? MOST_AT_ONCE
		  : files.rlim_cur > 2 * DESCRIPTORS_FOR_OTHERS
			  ? (unsigned)files.rlim_cur - DESCRIPTORS_FOR_OTHERS
			  : DESCRIPTORS_FOR_OTHERS;
	err = probe_ctx_create(loop, &c->probes);
	if (err < 0) {
		free(c);
		return err;
	}
	if (probe_ways_path(ways) != NULL)
		probe_ctx_hint(c->probes, probe_ways_hint, probe_ways_left, ways);
	srandom((unsigned)uv_hrtime()); /* for jitter: two Weirs are not to probe in step */
	uv_timer_init(loop, &c->told);
	uv_idle_init(loop, &c->kick);
	c->told.data = c->kick.data = c;
	c->handles = 2;
	*out = c;
	return 0;
}

static void all_closed(uv_handle_t *h)
{
	struct checks *c = h->data;

	if (--c->handles == 0)
		free(c);
}

void checks_destroy(struct checks *c)
{
	struct pool_checks *p;

	probe_ctx_destroy(c->probes);
	while ((p = c->pools) != NULL) {
		c->pools = p->next;
		free(p);
	}
	uv_close((uv_handle_t *)&c->told, all_closed);
	uv_close((uv_handle_t *)&c->kick, all_closed);
}

unsigned checks_pending(const struct checks *c)
{
	return c->pending;
}

void checks_count(const struct checks *c, struct checks_count *out)
{
	*out = c->count;
}

/* -- one run ---------------------------------------------------------------------------- */

static void first_is_in(struct check_run *r)
{
	if (!r->first)
		return;
	r->first = false;
	r->of->all->pending--;
}

static void unqueue(struct check_run *r)
{
	struct checks *c = r->of->all;
	struct check_run **at;

	if (!r->waiting)
		return;
	for (at = &c->head; *at != r; at = &(*at)->next)
		;
	*at = r->next;
	if (c->tail == &r->next)
		c->tail = at;
	r->waiting = false;
}

static void kick(uv_idle_t *h);

/* A probe has ended: another one may begin. */
static void under_way_less(struct checks *c)
{
	c->under_way--;
	if (c->head != NULL)
		uv_idle_start(&c->kick, kick);
}

/* No probe goes on or begins by itself. */
void checks_run_stop(struct check_run *r)
{
	uv_timer_stop(&r->timer);
	unqueue(r);
	if (r->probe != NULL) {
		probe_cancel(r->probe);
		r->probe = NULL;
		under_way_less(r->of->all);
	}
}

/*
 * What is due begins here and not in its timer: beginning takes a system call or five,
 * and on a busy host timers become due as fast as their callbacks run. Sockets would
 * never be looked at, and every answer would come too late.
 */
static void kick(uv_idle_t *h)
{
	struct checks *c = h->data;

	for (unsigned i = 0; i < A_TURN && c->head != NULL && c->under_way < c->most; i++) {
		struct check_run *r = c->head;

		unqueue(r);
		begin(r);
	}
	if (c->head == NULL || c->under_way >= c->most)
		uv_idle_stop(h);
}

static void due(uv_timer_t *t)
{
	struct check_run *r = t->data;
	struct checks *c = r->of->all;

	r->next = NULL;
	r->waiting = true;
	*c->tail = r;
	c->tail = &r->next;
	uv_idle_start(&c->kick, kick);
}

static void schedule(struct check_run *r, uint64_t at_ms)
{
	uint64_t now = uv_now(r->of->all->loop);

	r->due_ms = at_ms > now ? at_ms : now;
	uv_timer_start(&r->timer, due, r->due_ms - now, 0);
}

/* An interval after the last probe was due; the second one by the backend's identity. */
static void schedule_next(struct check_run *r)
{
	const struct judge_conf *j = &r->plan->judge;
	uint64_t at = r->due_ms + judge_delay_ms(j, &r->judge, (uint32_t)random());
	bool steady = r->judge.verdict != VERDICT_PENDING && r->judge.streak == 0;

	if (r->probes == 1 && steady && j->interval_ms > 0)
		at = r->due_ms + j->interval_ms / 2 + r->of->b->id % j->interval_ms;
	schedule(r, at);
}

static void first_probe(struct check_run *r)
{
	struct checks *c = r->of->all;

	schedule(r, uv_now(c->loop) + c->begun_at_once++ / FIRST_A_MS);
}

static void ended(void *user, const struct probe_result *result)
{
	struct check_run *r = user;
	struct checks *c = r->of->all;
	bool last_first = r->first && c->pending == 1;

	probe_ways_ended(&r->way, result);
	r->probe = NULL;
	under_way_less(c);
	first_is_in(r);
	r->last = *result;
	r->has_last = true;
	r->last_ms = clock_ms(CLOCK_REALTIME);
	if (r->agent)
		verdict_agent(r);
	else
		verdict_result(r);
	schedule_next(r);
	/* Last: the hook may change the model, and with it this check. */
	if (last_first)
		c->hooks.settled(c->hooks.user);
}

bool checks_target(struct checks *c, const struct check_plan *plan, struct probe_way *way,
		   const struct backend *b, struct probe_target *out, const char **why)
{
	*out = (struct probe_target){
		.addr = b->conf.addr, .port = plan->port, .ttl = plan->ttl, .proxy = plan->proxy
	};
	*why = NULL;
	if (plan->why[0] != '\0') {
		*why = plan->why;
	} else if (plan->dsr) {
		*why = probe_ways_open(c->ways, way, b, &plan->vip);
		out->addr = plan->vip;
		out->mark = way->mark;
	}
	return *why == NULL;
}

/* Nothing can be sent: no word on the backend. Try again an interval later, or when its
 * next hop is known. */
static void blocked(struct check_run *r, const char *why)
{
	r->blocked = true;
	r->has_last = true;
	r->last = (struct probe_result){ .failure = PROBE_FAIL_LOCAL, .cert_days = PROBE_NO_CERT };
	snprintf(r->last.reason, sizeof(r->last.reason), "%.*s", PROBE_REASON_LEN - 1, why);
	r->last_ms = clock_ms(CLOCK_REALTIME);
	verdict_waits(r->of);
	r->due_ms = uv_now(r->of->all->loop);
	schedule_next(r);
}

static void count_begun(struct checks *c, const struct check_run *r)
{
	uint64_t late = uv_now(c->loop) - r->due_ms;

	c->count.begun++;
	c->count.late += late > LATE_MS;
	if (late > c->count.worst_ms)
		c->count.worst_ms = late;
}

static void begin(struct check_run *r)
{
	struct checks *c = r->of->all;
	struct probe_target target;
	const char *why;

	if (!checks_target(c, r->plan, &r->way, r->of->b, &target, &why)) {
		blocked(r, why);
		return;
	}
	r->blocked = false;
	if (r->probes < 2)
		r->probes++;
	count_begun(c, r);
	if (probe_start(c->probes, &r->plan->probe, &target, ended, r, &r->probe) < 0) {
		blocked(r, "this host has no memory for a probe");
		return;
	}
	c->under_way++;
}

static struct check_run *run_create(struct backend_checks *bc, const struct check_plan *plan)
{
	struct check_run *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->of = bc;
	r->plan = plan;
	uv_timer_init(bc->all->loop, &r->timer);
	r->timer.data = r;
	r->last.cert_days = PROBE_NO_CERT;
	return r;
}

static void run_closed(uv_handle_t *h)
{
	free(h->data);
}

static void run_destroy(struct check_run *r)
{
	if (r == NULL)
		return;
	checks_run_stop(r);
	first_is_in(r);
	probe_ways_close(r->of->all->ways, &r->way);
	uv_close((uv_handle_t *)&r->timer, run_closed);
}

/* -- a backend's ----------------------------------------------------------------------------- */

static struct backend_checks *create(struct checks *c, struct backend *b)
{
	struct backend_checks *bc = calloc(1, sizeof(*bc));

	if (bc == NULL)
		return NULL;
	bc->all = c;
	bc->b = b;
	bc->said.percent = 100;
	uv_timer_init(c->loop, &bc->again);
	bc->again.data = bc;
	b->check = bc;
	return bc;
}

static void agent_sync(struct backend_checks *bc, bool anew)
{
	if (!anew && bc->agent != NULL) {
		if (!uv_is_active((uv_handle_t *)&bc->agent->timer) && bc->agent->probe == NULL &&
		    !bc->agent->waiting)
			first_probe(bc->agent);
		return;
	}
	if (!anew)
		return;
	run_destroy(bc->agent);
	bc->agent = NULL;
	if (bc->pool->agent.port != 0)
		bc->agent = run_create(bc, &bc->pool->agent);
	if (bc->agent != NULL) {
		bc->agent->agent = true;
		first_probe(bc->agent);
	}
	/* What the agent of before said is nobody's word now. */
	bc->said = (struct agent_state){ .percent = 100 };
	if (bc->b->agent_cut != 0)
		bc->b->pool->full_stale = true;
	bc->b->agent_cut = bc->b->agent_admin = 0;
	bc->b->agent_known = false;
	(void)verdict_settle(bc); /* checks_sync() decides for the pool */
}

static void runs_anew(struct backend_checks *bc)
{
	struct checks *c = bc->all;

	for (unsigned i = 0; i < bc->count; i++)
		run_destroy(bc->run[i]);
	bc->count = 0;
	for (unsigned i = 0; i < bc->pool->count; i++) {
		struct check_run *r = run_create(bc, &bc->pool->plan[i]);

		if (r == NULL)
			break;
		bc->run[bc->count++] = r;
		r->before = verdict_standing(bc);
		if (r->plan->why[0] != '\0') {
			blocked(r, r->plan->why);
			continue;
		}
		r->first = true;
		c->pending++;
		first_probe(r);
	}
	if (bc->pool->count == 0)
		verdict_unchecked(bc);
	else
		verdict_waits(bc);
}

/* The same questions to the same server, at other times. */
static void runs_again(struct backend_checks *bc)
{
	for (unsigned i = 0; i < bc->count; i++) {
		struct check_run *r = bc->run[i];

		if (uv_is_active((uv_handle_t *)&r->timer) || r->probe != NULL || r->waiting)
			continue;
		if (r->plan->why[0] != '\0')
			blocked(r, r->plan->why);
		else
			first_probe(r);
	}
}

static void sync_one(struct checks *c, struct backend *b, struct pool_checks *p,
		     const struct checks_revision *rev)
{
	struct backend_checks *bc = b->check;
	bool fresh = bc == NULL, moved = false;

	if (fresh && (bc = create(c, b)) == NULL) {
		snprintf(b->reason, sizeof(b->reason), "no memory for its health check");
		return;
	}
	if (!fresh)
		moved = !weir_addr_equal(&bc->addr, &b->conf.addr);
	bc->pool = p;
	bc->addr = b->conf.addr;
	if (moved) { /* model_apply() has made it pending: nothing counts any more */
		bc->flap = (struct flap_state){ 0 };
		bc->member = (struct guard_member){ 0 };
		uv_timer_stop(&bc->again);
	}
	if (fresh || moved || rev->anew)
		runs_anew(bc);
	else
		runs_again(bc);
	agent_sync(bc, fresh || moved || rev->agent);
}

/* running NULL: of the configuration only backends have changed. */
static void sync_all(struct checks *c, const struct conf *running)
{
	struct pool_checks **at, *p;

	c->begun_at_once = 0;
	c->dirty_count = 0; /* pools may have gone; all are decided below */
	for (p = c->pools; p != NULL; p = p->next)
		p->seen = false;
	for (unsigned i = 0; i < c->model->pool_count; i++) {
		struct pool *pool = c->model->pool[i];
		struct checks_revision rev = { 0 };

		pool->checks = checks_pool_sync(c, pool, running, &rev);
		if (pool->checks == NULL)
			continue;
		pool->checks->seen = true;
		for (unsigned j = 0; j < pool->backend_count; j++)
			sync_one(c, pool->backend[j], pool->checks, &rev);
		verdict_pool(pool);
	}
	for (at = &c->pools; (p = *at) != NULL;) {
		if (p->seen) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p);
	}
}

void checks_reread(struct checks *c)
{
	probe_ctx_reread(c->probes);
}

void checks_sync(struct checks *c, const struct conf *running)
{
	sync_all(c, running);
}

void checks_follow(struct checks *c)
{
	sync_all(c, NULL);
}

void checks_hold(struct checks *c)
{
	c->held = true;
}

static void release_one(struct backend_checks *bc)
{
	if (bc->agent != NULL && bc->agent->has_last)
		verdict_agent(bc->agent);
	for (unsigned i = 0; i < bc->count; i++)
		bc->run[i]->before = verdict_standing(bc);
	for (unsigned i = 0; i < bc->count; i++)
		if (bc->run[i]->has_last)
			verdict_result(bc->run[i]);
}

void checks_release(struct checks *c)
{
	bool held = c->held;

	c->held = false;
	for (unsigned i = 0; i < c->model->pool_count; i++) {
		const struct pool *p = c->model->pool[i];

		for (unsigned j = 0; j < p->backend_count; j++) {
			struct backend *b = p->backend[j];

			if (b->check == NULL)
				continue;
			b->check->said.percent = 100 - b->agent_cut; /* taken over */
			b->check->said.admin = (enum agent_admin)b->agent_admin;
			if (held)
				release_one(b->check);
		}
	}
}

void checks_hop(struct checks *c, struct backend *b)
{
	struct backend_checks *bc = b->check;

	if (bc == NULL || bc->pool == NULL)
		return;
	for (unsigned i = 0; b->hop.resolved && i < bc->count; i++)
		if (bc->run[i]->blocked && bc->run[i]->plan->why[0] == '\0' && !bc->run[i]->waiting)
			schedule(bc->run[i], 0);
	verdict_pool_soon(c, b->pool); /* whether it is eligible */
}

static void closed(uv_handle_t *h)
{
	free(h->data);
}

void checks_forget(struct backend *b)
{
	struct backend_checks *bc = b->check;

	if (bc == NULL)
		return;
	checks_now_cancel(bc);
	for (unsigned i = 0; i < bc->count; i++)
		run_destroy(bc->run[i]);
	run_destroy(bc->agent);
	verdict_free(bc);
	b->check = NULL;
	uv_close((uv_handle_t *)&bc->again, closed);
}

uint32_t checks_first_ms(const struct checks *c)
{
	uint32_t longest = 0, probed = 0;

	for (unsigned i = 0; i < c->model->pool_count; i++) {
		const struct pool *p = c->model->pool[i];

		for (unsigned k = 0; p->checks != NULL && k < p->checks->count; k++) {
			uint32_t ms = check_longest_ms(&p->checks->plan[k].probe);

			probed += p->backend_count;
			if (ms > longest)
				longest = ms;
		}
	}
	return longest * (1 + probed / c->most) + probed / FIRST_A_MS;
}
