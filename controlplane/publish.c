// SPDX-License-Identifier: Apache-2.0
/*
 * When to publish, and what to say about it; attachment.c does the publishing.
 *
 * Three timers. `due` runs out when the next generation is to be published: at once after
 * a quiet GATHER_MS, else when they are over. `tick` reads what the workers say, as long
 * as something is expected of them. `turn` looks, as long as a slot is not settled, whether
 * windows are over and which pins are left.
 */
#include "publish.h"

#include "attachment.h"
#include "clock.h"
#include "log.h"
#include "publish_wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	GATHER_MS = 20,	   /* changes that follow one within this time go together */
	TICK_MS = 1,	   /* between two looks for answers */
	IDLE_TICK_MS = 50, /* likewise, when only workers that are late could answer */
	JOIN_MS = 1000,	   /* for workers to take up the session; then we begin without them */
	TURN_MS = 1000,	 /* between two looks at windows and pins: what they change goes together */
	RETRY_MS = 1000, /* before publishing again what failed or was refused */
};

struct publisher {
	uv_loop_t *loop;
	struct model *model;
	uv_timer_t due, tick, turn;
	unsigned open_timers;
	struct attachment at; /* at.dp NULL: no data plane */
	bool joining;	      /* its workers are taking up the session */
	uint64_t since_ms;    /* when that began */
	bool held;	      /* what is in force stands until publisher_release() */
	bool released;
	bool arena_full, failed; /* publishing has stopped, and that was said */
	bool no_indices;	 /* likewise said */
	bool wanted;		 /* changes that are not published yet */
	uint64_t wanted_ns;	 /* the first of them */
	uint64_t sent_ns;	 /* the same of the generation on its way; 0: it has arrived */
	uint64_t tried_ms;	 /* loop time of the last publication or attempt */
	uint64_t sent_real_ms;
	uint64_t retry_ms; /* loop time of the next attempt after a failure; 0: none failed */
	uint32_t latency_us;
	unsigned pins_said[WEIR_MAX_WORKERS]; /* percent that was warned of; 0: none */
	uint32_t said[WEIR_MAX_WORKERS];      /* enum weir_reject that was logged last */
	struct publish_waits waits;
	void (*turned)(void *user); /* NULL: nobody asked */
	void *turned_user;
	void (*adopted)(void *user); /* likewise */
	void *adopted_user;
};

static void tick(uv_timer_t *t);
static void due(uv_timer_t *t);
static void turn(uv_timer_t *t);

/* -- words ------------------------------------------------------------------ */

static unsigned cpu_of(const struct publisher *p, uint32_t worker)
{
	return p->at.dp->welcome.worker_cpu[worker];
}

/* Why the last change has not arrived everywhere, as a sentence. */
static void why_not(const struct publisher *p, char *buf, size_t len)
{
	const char *lead = "does not answer:";
	size_t n = 0;

	buf[0] = '\0';
	if (p->joining || p->held) {
		snprintf(buf, len, "%s",
			 p->joining ? "the workers are taking up the session"
				    : "publishing waits for the first health verdicts");
		return;
	}
	if (p->wanted) {
		snprintf(buf, len, "%s",
			 p->arena_full ? "the arena is full: see [dataplane] arena_mb"
				       : "it is not published yet");
		return;
	}
	for (uint32_t i = 0; i < p->at.dp->worker_count && n < len; i++) {
		const struct worker_link *l = &p->at.link[i];

		if (l->seen >= p->at.generation)
			continue;
		if (l->refused == p->at.generation)
			lead = "refuses it:";
		n += (size_t)snprintf(buf + n, len - n, "%s worker %u (CPU %u)", n ? "," : lead, i,
				      cpu_of(p, i));
	}
}

static void log_events(struct publisher *p, uint32_t i, unsigned events)
{
	const struct worker_link *l = &p->at.link[i];

	if ((events & LINK_LATE) && !l->joined)
		log_warning("worker %u (CPU %u) does not take up the session: it keeps generation "
			    "%llu, the other workers go on",
			    i, cpu_of(p, i), (unsigned long long)l->seen);
	else if (events & LINK_LATE)
		log_warning("worker %u (CPU %u) does not answer: it has generation %llu, newest is "
			    "%llu; its tables stay, the other workers go on",
			    i, cpu_of(p, i), (unsigned long long)l->seen,
			    (unsigned long long)p->at.generation);
	if (events & LINK_BACK)
		log_info("worker %u (CPU %u) answers again", i, cpu_of(p, i));
	if ((events & LINK_REFUSED) && l->why != p->said[i]) {
		log_error("worker %u (CPU %u) refuses generation %llu: %s; it keeps %llu", i,
			  cpu_of(p, i), (unsigned long long)l->refused, weir_reject_text(l->why),
			  (unsigned long long)l->seen);
		p->said[i] = l->why;
	}
	if (events & LINK_TAKEN)
		p->said[i] = WEIR_REJECT_NONE;
}

/* Say once that publishing has stopped; what is in force stays in force. */
static void log_failure(struct publisher *p, int err)
{
	bool *said = err == -ENOSPC ? &p->arena_full : &p->failed;

	if (!*said && err == -ENOSPC)
		log_error("the arena has no room (%u of %u blocks in use): publishing pauses until "
			  "workers free older tables; if it does not go on, raise [dataplane] "
			  "arena_mb",
			  p->at.arena->used, p->at.arena->blocks);
	else if (!*said && err == -E2BIG)
		log_error("cannot publish: too many services for the look-up table");
	else if (!*said)
		log_error("cannot publish: %s", strerror(-err));
	*said = true;
}

static void log_success(struct publisher *p)
{
	if (p->arena_full || p->failed)
		log_info("publishing goes on: generation %llu",
			 (unsigned long long)p->at.generation);
	p->arena_full = false;
	p->failed = false;
	if (p->at.short_of_indices && !p->no_indices)
		log_warning("all %u backend indices are in use or resting: the newest backends "
			    "take no traffic until some are free",
			    WEIR_MAX_BACKENDS);
	p->no_indices = p->at.short_of_indices;
}

/* Once when a worker's pins pass 70 % and 80 % of their room, and again after they fell
 * well below. */
static void log_pins(struct publisher *p)
{
	for (uint32_t i = 0; i < p->at.dp->worker_count; i++) {
		uint64_t used =
			atomic_load_explicit(&p->at.link[i].area->pins.used, memory_order_relaxed);
		uint64_t percent = used <= p->at.dp->pins ? used * 100 / p->at.dp->pins : 100;
		unsigned level = percent >= 80 ? 80 : percent >= 70 ? 70 : 0;

		if (level > p->pins_said[i])
			log_warning("worker %u (CPU %u): %llu of %u pins in use (%u %% and more); "
				    "when they are full, windows stay open longer: see "
				    "[dataplane] pins",
				    i, cpu_of(p, i), (unsigned long long)used, p->at.dp->pins,
				    level);
		if (level > p->pins_said[i] || percent < 60)
			p->pins_said[i] = level;
	}
}

/* -- publishing ------------------------------------------------------------- */

static void want(struct publisher *p)
{
	if (!p->wanted)
		p->wanted_ns = uv_hrtime();
	p->wanted = true;
}

/* The time that it takes is measured from now: what came before could not be published. */
static void want_from_now(struct publisher *p)
{
	p->wanted = false;
	want(p);
}

/* Without waiting for the time after a failure to be over. */
static void try_again(struct publisher *p)
{
	p->retry_ms = 0;
	want(p);
}

static void arm_tick(struct publisher *p, uint64_t ms)
{
	uv_timer_start(&p->tick, tick, ms, 0);
}

/* See to it that what is wanted gets published. */
static void arm_due(struct publisher *p)
{
	uint64_t now = uv_now(p->loop), next = p->tried_ms + GATHER_MS;

	if (!p->wanted || p->at.dp == NULL || p->joining || p->held || p->retry_ms != 0 ||
	    uv_is_active((uv_handle_t *)&p->due))
		return;
	uv_timer_start(&p->due, due, next > now ? next - now : 0, 0);
}

static void arm_turn(struct publisher *p)
{
	if (attachment_is_unsettled(&p->at, p->model) && !uv_is_active((uv_handle_t *)&p->turn))
		uv_timer_start(&p->turn, turn, TURN_MS, 0);
}

static void publish(struct publisher *p)
{
	int err = attachment_publish(&p->at, p->model, clock_ms(CLOCK_BOOTTIME));

	uv_update_time(p->loop);
	p->tried_ms = uv_now(p->loop);
	p->retry_ms = err < 0 ? p->tried_ms + RETRY_MS : 0;
	arm_tick(p, TICK_MS);
	arm_turn(p);
	if (err < 0) {
		log_failure(p, err);
		return;
	}
	p->wanted = false;
	p->sent_ns = p->wanted_ns;
	p->sent_real_ms = clock_ms(CLOCK_REALTIME);
	log_success(p);
	publish_waits_published(&p->waits, p->at.generation);
	attachment_send(&p->at, p->tried_ms);
}

static void due(uv_timer_t *t)
{
	publish(t->data);
}

/* -- what the workers say --------------------------------------------------- */

/* Say what was found in force. */
static void log_adopted(const struct publisher *p, int adopted, const char *why)
{
	unsigned long long generation = p->at.generation;

	if (adopted == 1)
		log_info("data plane has generation %llu in force: going on from it%s", generation,
			 p->held ? " after the first health verdicts" : "");
	else if (adopted == 0)
		log_info("data plane has nothing in force: filling it");
	else if (adopted == -EINVAL)
		log_error("what the data plane has in force (generation %llu) cannot be read "
			  "back: %s; filling it anew",
			  generation, why);
	else
		log_error("cannot take over what the data plane has in force: %s",
			  strerror(-adopted));
}

/* The workers stand still, or their time is over: take over what they have. */
static void begin(struct publisher *p)
{
	const char *why = NULL;
	int adopted = attachment_adopt(&p->at, p->model, clock_ms(CLOCK_BOOTTIME), &why);

	p->joining = false;
	p->held = adopted == 1 && !p->released;
	log_adopted(p, adopted, why);
	if (adopted < 0 && adopted != -EINVAL) {
		publisher_detach(p);
		return;
	}
	if (p->adopted != NULL)
		p->adopted(p->adopted_user);
	want_from_now(p);
	arm_turn(p);
}

static void reclaim(struct publisher *p)
{
	unsigned freed = attachment_reclaim(&p->at, p->model);

	if ((p->arena_full && (freed & FREED_BLOCKS)) ||
	    (p->at.short_of_indices && (freed & FREED_INDICES)))
		try_again(p);
}

static void read_workers(struct publisher *p, uint64_t now)
{
	unsigned events[WEIR_MAX_WORKERS];
	unsigned all = attachment_poll(&p->at, now, events);

	for (uint32_t i = 0; i < p->at.dp->worker_count; i++)
		log_events(p, i, events[i]);
	if (p->joining)
		return;
	if ((all & LINK_REFUSED) && p->retry_ms == 0)
		p->retry_ms = now + RETRY_MS;
	if (all & (LINK_TAKEN | LINK_REFUSED))
		reclaim(p);
	if (p->sent_ns != 0 && attachment_seen(&p->at) >= p->at.generation) {
		p->latency_us = (uint32_t)((uv_hrtime() - p->sent_ns) / 1000);
		p->sent_ns = 0;
	}
	attachment_send(&p->at, now);
}

/* How long until a look at the workers is worth it; 0: nothing is expected. */
static uint64_t next_tick(const struct publisher *p)
{
	uint64_t ms = p->retry_ms != 0 ? IDLE_TICK_MS : 0;

	if (p->joining || p->waits.first != NULL)
		return TICK_MS;
	for (uint32_t i = 0; i < p->at.dp->worker_count; i++) {
		const struct worker_link *l = &p->at.link[i];

		if (!l->late && (!l->joined || l->sent != 0))
			return TICK_MS;
		if (l->late || l->seen < p->at.generation)
			ms = IDLE_TICK_MS;
	}
	return ms;
}

static void tick(uv_timer_t *t)
{
	struct publisher *p = t->data;
	uint64_t now = uv_now(p->loop), next;
	char why[512];

	if (p->at.dp != NULL)
		read_workers(p, now);
	if (p->joining && (attachment_has_joined(&p->at) || now - p->since_ms >= JOIN_MS))
		begin(p);
	if (p->at.dp == NULL) {
		publish_waits_fail(&p->waits, -ENOTCONN, "no data plane is attached");
		return;
	}
	if (p->retry_ms != 0 && now >= p->retry_ms)
		try_again(p);
	arm_due(p);
	next = next_tick(p);
	if (next > 0)
		arm_tick(p, next);
	/* Last: who is called back may do anything with us. */
	why_not(p, why, sizeof(why));
	publish_waits_arrived(&p->waits, attachment_seen(&p->at), now, why);
}

static void turn(uv_timer_t *t)
{
	struct publisher *p = t->data;

	if (p->at.dp == NULL || p->joining)
		return;
	reclaim(p);
	log_pins(p);
	if (attachment_turn(&p->at, p->model, clock_ms(CLOCK_BOOTTIME)))
		want(p);
	if (p->turned != NULL)
		p->turned(p->turned_user);
	arm_due(p);
	arm_turn(p);
}

/* -- what publish.h offers -------------------------------------------------- */

int publisher_create(uv_loop_t *loop, struct model *m, struct publisher **out)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->loop = loop;
	p->model = m;
	publish_waits_init(&p->waits);
	uv_timer_init(loop, &p->due);
	uv_timer_init(loop, &p->tick);
	uv_timer_init(loop, &p->turn);
	p->due.data = p->tick.data = p->turn.data = p;
	p->open_timers = 3;
	*out = p;
	return 0;
}

static void closed(uv_handle_t *h)
{
	struct publisher *p = h->data;

	if (--p->open_timers == 0)
		free(p);
}

void publisher_destroy(struct publisher *p)
{
	publisher_detach(p);
	publish_waits_fail(&p->waits, -ENOTCONN, "the control plane is ending");
	uv_close((uv_handle_t *)&p->due, closed);
	uv_close((uv_handle_t *)&p->tick, closed);
	uv_close((uv_handle_t *)&p->turn, closed);
}

void publish_request(struct publisher *p)
{
	try_again(p); /* the change may be what makes it fit */
	arm_due(p);
}

void publish_request_wait(struct publisher *p, unsigned timeout_ms, publish_done_fn *fn, void *user)
{
	if (publish_waits_add(&p->waits, uv_now(p->loop) + timeout_ms, fn, user) < 0) {
		publish_request(p);
		fn(user, -ENOMEM, "no memory to wait for the workers");
		return;
	}
	publish_request(p);
	arm_tick(p, p->at.dp == NULL ? 0 : TICK_MS);
}

void publisher_attach(struct publisher *p, const struct dp_view *dp)
{
	uint64_t now = uv_now(p->loop);
	int err;

	publisher_detach(p);
	err = attachment_open(&p->at, dp, now);
	if (err < 0) {
		log_error("cannot attach to the data plane: %s", strerror(-err));
		return;
	}
	p->joining = true;
	p->since_ms = now;
	p->latency_us = 0;
	memset(p->said, 0, sizeof(p->said));
	memset(p->pins_said, 0, sizeof(p->pins_said));
	arm_tick(p, TICK_MS);
}

void publisher_detach(struct publisher *p)
{
	if (p->at.dp == NULL)
		return;
	attachment_close(&p->at);
	for (uint32_t i = 0; i < p->model->pool_count; i++)
		p->model->pool[i]->table_off = p->model->pool[i]->move_off = 0;
	p->joining = p->held = false;
	p->arena_full = p->failed = p->no_indices = false;
	p->retry_ms = 0;
	p->sent_ns = 0;
	uv_timer_stop(&p->due);
	uv_timer_stop(&p->turn);
	arm_tick(p, 0);
}

void publisher_release(struct publisher *p)
{
	p->released = true;
	if (!p->held)
		return;
	p->held = false;
	want_from_now(p);
	arm_due(p);
}

void publisher_on_turn(struct publisher *p, void (*turned)(void *user), void *user)
{
	p->turned = turned;
	p->turned_user = user;
}

void publisher_on_adopt(struct publisher *p, void (*adopted)(void *user), void *user)
{
	p->adopted = adopted;
	p->adopted_user = user;
}

uint64_t publisher_window_ms(const struct publisher *p, const struct pool *pool, uint32_t slot,
			     unsigned protocol)
{
	if (p->at.dp == NULL || p->joining)
		return 0;
	return attachment_window_ms(&p->at, p->model, clock_ms(CLOCK_BOOTTIME), pool, slot,
				    protocol);
}

bool publisher_pins(const struct publisher *p, int32_t index, uint32_t *count)
{
	*count = 0;
	return p->at.dp != NULL && !p->joining && attachment_pins_of(&p->at, index, count);
}

void publish_status(const struct publisher *p, struct publish_status *out)
{
	*out = (struct publish_status){
		.generation = p->at.generation,
		.published_ms = p->sent_real_ms,
		.last_latency_us = p->latency_us,
		.attached = p->at.dp != NULL,
		.held = p->held,
		.arena_full = p->arena_full,
	};
	if (p->at.dp == NULL)
		return;
	out->arena_blocks = p->at.arena->blocks;
	out->arena_used = p->at.arena->used;
	out->worker_count = p->at.dp->worker_count;
	for (uint32_t i = 0; i < out->worker_count; i++) {
		const struct worker_link *l = &p->at.link[i];

		out->worker[i].seen_generation = l->seen;
		out->worker[i].late = l->late;
		if (l->refused != 0)
			snprintf(out->worker[i].rejected, sizeof(out->worker[i].rejected),
				 "generation %llu: %s", (unsigned long long)l->refused,
				 weir_reject_text(l->why));
	}
}
