// SPDX-License-Identifier: Apache-2.0
#include "checks.h"

#include "health.h"
#include "log.h"
#include "tcp_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
	DESCRIPTORS_FOR_OTHERS = 128, /* control clients, netlink, files */
	MOST_AT_ONCE = 4096,	      /* a burst of this many SYNs is no flood */
};

struct check {
	struct checks *all;
	struct backend *b;
	uv_timer_t timer;
	struct tcp_probe *probe; /* under way, or NULL */
	struct check *next;	 /* waits for a descriptor */
	bool waiting;
	bool first;			/* no probe has ended yet */
	struct tcp_probe_target target; /* family 0: nothing to probe */
	uint32_t streak;
	uint64_t due_ms; /* loop time at which the last probe was to begin */
	unsigned probes; /* begun since the target was set; counts to 2 */
};

struct checks {
	uv_loop_t *loop;
	struct model *model;
	struct checks_hooks hooks;
	struct check *head, **tail; /* due, but MOST_AT_ONCE are under way */
	unsigned under_way, most, pending;
	bool complained; /* no descriptors: said once until one can be had again */
};

static void begin(struct check *k);

int checks_create(uv_loop_t *loop, struct model *m, const struct checks_hooks *hooks,
		  struct checks **out)
{
	struct checks *c = calloc(1, sizeof(*c));
	struct rlimit files = { .rlim_cur = 1024 };

	if (c == NULL)
		return -ENOMEM;
	(void)getrlimit(RLIMIT_NOFILE, &files);
	*c = (struct checks){ .loop = loop, .model = m, .hooks = *hooks };
	c->tail = &c->head;
	c->most = files.rlim_cur > MOST_AT_ONCE + DESCRIPTORS_FOR_OTHERS ? MOST_AT_ONCE
		  : files.rlim_cur > 2 * DESCRIPTORS_FOR_OTHERS
			  ? (unsigned)files.rlim_cur - DESCRIPTORS_FOR_OTHERS
			  : DESCRIPTORS_FOR_OTHERS;
	*out = c;
	return 0;
}

void checks_destroy(struct checks *c)
{
	free(c);
}

unsigned checks_pending(const struct checks *c)
{
	return c->pending;
}

static uint64_t realtime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void first_is_in(struct check *k)
{
	if (!k->first)
		return;
	k->first = false;
	k->all->pending--;
}

static void unqueue(struct check *k)
{
	struct checks *c = k->all;
	struct check **at;

	if (!k->waiting)
		return;
	for (at = &c->head; *at != k; at = &(*at)->next)
		;
	*at = k->next;
	if (c->tail == &k->next)
		c->tail = at;
	k->waiting = false;
}

/* No probe of this backend goes on or begins by itself. */
static void stop(struct check *k)
{
	uv_timer_stop(&k->timer);
	unqueue(k);
	if (k->probe != NULL) {
		tcp_probe_cancel(k->probe);
		k->probe = NULL;
		k->all->under_way--;
	}
	first_is_in(k);
}

static void run_waiting(struct checks *c)
{
	while (c->head != NULL && c->under_way < c->most) {
		struct check *k = c->head;

		unqueue(k);
		begin(k);
	}
}

static void due(uv_timer_t *t)
{
	struct check *k = t->data;
	struct checks *c = k->all;

	k->due_ms = uv_now(c->loop);
	if (c->under_way < c->most) {
		begin(k);
		return;
	}
	k->next = NULL;
	k->waiting = true;
	*c->tail = k;
	c->tail = &k->next;
}

/* One interval after the last one was due; the second one by the backend's identity. */
static void schedule(struct check *k)
{
	uint32_t interval = k->b->pool->conf.check.interval_ms;
	uint64_t now = uv_now(k->all->loop);
	uint64_t next = k->due_ms + interval;

	if (k->probes == 1)
		next = k->due_ms + interval / 2 + (interval > 0 ? k->b->id % interval : 0);
	uv_timer_start(&k->timer, due, next > now ? next - now : 0, 0);
}

/* What the backend's line in the status says, and the log when the verdict changed. */
static void tell(struct check *k, bool ok, bool changed, const char *words)
{
	const struct check_conf *conf = &k->b->pool->conf.check;
	struct backend *b = k->b;

	if (k->streak == 0)
		snprintf(b->reason, sizeof(b->reason), "%s", words);
	else
		snprintf(b->reason, sizeof(b->reason), "%s %u of %u: %s",
			 ok ? "passing" : "failing", k->streak, ok ? conf->rise : conf->fall,
			 words);
	if (!changed)
		return;
	b->since_ms = realtime_ms();
	if (ok)
		log_info("backend %s/%s is up: %s", b->pool->conf.name, b->conf.name, words);
	else
		log_warning("backend %s/%s is down: %s", b->pool->conf.name, b->conf.name, words);
}

static void ended(void *user, bool ok, const char *words)
{
	struct check *k = user;
	struct checks *c = k->all;
	struct health_state s = { .health = k->b->health, .streak = k->streak };
	bool changed, last_first = k->first && c->pending == 1;

	k->probe = NULL;
	c->under_way--;
	first_is_in(k);
	changed = health_step(&k->b->pool->conf.check, &s, ok);
	k->b->health = s.health;
	k->streak = s.streak;
	tell(k, ok, changed, words);
	schedule(k);
	run_waiting(c);
	/* Last: a hook may change the model, and with it this check. */
	if (changed)
		c->hooks.verdict(c->hooks.user, k->b);
	if (last_first)
		c->hooks.settled(c->hooks.user);
}

static void begin(struct check *k)
{
	struct checks *c = k->all;
	int err;

	if (k->probes < 2)
		k->probes++;
	k->target.timeout_ms = k->b->pool->conf.check.timeout_ms;
	err = tcp_probe_start(c->loop, &k->target, ended, k, &k->probe);
	if (err < 0) {
		/* Not the backend's fault: no verdict, try again an interval later. */
		if (!c->complained)
			log_error("cannot begin health probes: %s", strerror(-err));
		c->complained = true;
		k->due_ms = uv_now(c->loop);
		schedule(k);
		return;
	}
	c->complained = false;
	c->under_way++;
}

/* The port that a pool's checks go to; 0 when there is none to be known. */
static uint16_t port_of(const struct model *m, const struct pool *p)
{
	if (p->conf.check.port != 0)
		return (uint16_t)p->conf.check.port;
	for (unsigned i = 0; i < m->service_count; i++)
		if (m->service[i]->pool == p)
			return (uint16_t)m->service[i]->conf.port;
	return 0;
}

static void no_probe(struct check *k, enum health health, const char *why)
{
	struct backend *b = k->b;

	stop(k);
	k->target = (struct tcp_probe_target){ 0 };
	if (b->health != health)
		b->since_ms = realtime_ms();
	b->health = health;
	snprintf(b->reason, sizeof(b->reason), "%s", why);
}

/* Probe another address or port than so far, from the start. */
static void aim(struct check *k, uint16_t port)
{
	stop(k);
	k->target = (struct tcp_probe_target){ .addr = k->b->conf.addr, .port = port };
	k->streak = 0;
	k->probes = 0;
	k->first = true;
	k->all->pending++;
	uv_timer_start(&k->timer, due, 0, 0);
}

static struct check *create(struct checks *c, struct backend *b)
{
	struct check *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->all = c;
	k->b = b;
	uv_timer_init(c->loop, &k->timer);
	k->timer.data = k;
	b->check = k;
	return k;
}

static void sync_one(struct checks *c, struct backend *b, uint16_t port)
{
	const struct check_conf *conf = &b->pool->conf.check;
	struct check *k = b->check;
	bool known = k != NULL;

	if (!known && (k = create(c, b)) == NULL) {
		snprintf(b->reason, sizeof(b->reason), "no memory for its health check");
		return;
	}
	if (conf->kind == CHECK_KIND_NONE) {
		no_probe(k, HEALTH_UP, "not checked");
	} else if (port == 0) {
		no_probe(k, HEALTH_PENDING,
			 "no port to check: no service, or one for every port, "
			 "and check_port is not set");
	} else if (k->target.port != port || !weir_addr_equal(&k->target.addr, &b->conf.addr)) {
		/* A verdict about another server says nothing about this one. The health
		 * of a new backend may have been taken over from the data plane: keep it. */
		if (known)
			b->health = HEALTH_PENDING;
		snprintf(b->reason, sizeof(b->reason), "first probe not ended yet");
		aim(k, port);
	} else if (k->probe == NULL && !k->waiting &&
		   uv_timer_get_due_in(&k->timer) > conf->interval_ms) {
		schedule(k); /* the interval has become shorter */
	}
}

void checks_sync(struct checks *c)
{
	for (unsigned i = 0; i < c->model->pool_count; i++) {
		struct pool *p = c->model->pool[i];
		uint16_t port = port_of(c->model, p);

		for (unsigned j = 0; j < p->backend_count; j++)
			sync_one(c, p->backend[j], port);
	}
}

static void closed(uv_handle_t *h)
{
	free(h->data);
}

void checks_forget(struct checks *c, struct backend *b)
{
	struct check *k = b->check;

	(void)c;
	if (k == NULL)
		return;
	stop(k);
	b->check = NULL;
	uv_close((uv_handle_t *)&k->timer, closed);
}

uint32_t checks_first_ms(const struct checks *c)
{
	uint32_t longest = 0, probed = 0;

	for (unsigned i = 0; i < c->model->pool_count; i++) {
		const struct pool *p = c->model->pool[i];

		if (p->conf.check.kind == CHECK_KIND_NONE)
			continue;
		probed += p->backend_count;
		if (p->conf.check.timeout_ms > longest)
			longest = p->conf.check.timeout_ms;
	}
	return longest * (1 + probed / c->most);
}
