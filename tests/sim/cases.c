// SPDX-License-Identifier: Apache-2.0
/* What happens to the pool in each case. */
#include "world.h"

#include "owners.h"

void changed(struct world *w, bool members)
{
	sim_pool_build(&w->pool, members);
	for (uint32_t i = 0; i < w->weirs; i++)
		sim_weir_assign(&w->weir[i], &w->pool, now_ms(w));
}

static void drain(struct world *w, uint32_t b)
{
	w->pool.serves[b] = false;
	changed(w, false);
}

static void fail(struct world *w, uint32_t b)
{
	w->pool.serves[b] = w->pool.forwards[b] = false;
	w->failures[b]++;
	changed(w, false);
}

static void back(struct world *w, uint32_t b)
{
	w->pool.serves[b] = w->pool.forwards[b] = true;
	changed(w, false);
}

static void add(struct world *w)
{
	uint32_t b = w->pool.count++;

	w->pool.weight[b] = 10;
	w->pool.serves[b] = w->pool.forwards[b] = true;
	changed(w, true);
}

/* A backend every ten seconds, each back after a minute. */
static void event_drain(struct world *w, uint32_t s)
{
	if (s % 10 != 0)
		return;
	drain(w, s / 10 % 100);
	if (s >= 60)
		back(w, (s / 10 - 6) % 100);
}

static void event_add(struct world *w, uint32_t s)
{
	if (s % 10 == 0)
		add(w);
}

static void event_add_drain(struct world *w, uint32_t s)
{
	if (s % 10 == 0)
		add(w);
	if (s % 10 == 5)
		drain(w, s / 10);
}

static void event_weight(struct world *w, uint32_t s)
{
	if (s % 10 != 0)
		return;
	w->pool.weight[random64(w) % 100] = 5 + (uint32_t)(random64(w) % 16);
	changed(w, true);
}

/* Failures of 20 s, and one backend that flaps: 5 s down, 5 s up. */
static void event_fail(struct world *w, uint32_t s)
{
	if (s % 15 == 0)
		fail(w, 1 + s / 15);
	if (s >= 20 && (s - 20) % 15 == 0)
		back(w, 1 + (s - 20) / 15);
	if (s % 10 == 3)
		fail(w, 99);
	if (s % 10 == 8)
		back(w, 99);
}

/* Each in turn: no new flows for 3 s, then restarted within 2 s. */
static void event_restart(struct world *w, uint32_t s)
{
	uint32_t b = s / 6;

	if (s % 6 == 0)
		drain(w, b);
	if (s % 6 == 3)
		fail(w, b);
	if (s % 6 == 5)
		back(w, b);
}

/* A Weir leaves the router's ECMP group, or returns, every 50 s. */
static void event_ecmp(struct world *w, uint32_t s)
{
	event_drain(w, s);
	if (s % 50 == 0 && s > 0)
		w->alive = w->alive == MAX_WEIRS ? MAX_WEIRS - 1 : MAX_WEIRS;
}

/* Likewise, while drains last longer than windows do; never in the second of a drain. */
static void event_ecmp_long(struct world *w, uint32_t s)
{
	if (s % 10 == 0)
		drain(w, s / 10);
	if (s % 10 == 0 && s >= 400)
		back(w, s / 10 - 40);
	if (s % 50 == 25)
		w->alive = w->alive == MAX_WEIRS ? MAX_WEIRS - 1 : MAX_WEIRS;
}

/* A drain that has 40 s; after 60 the backend is back. */
static void event_deadline(struct world *w, uint32_t s)
{
	uint32_t gone = (s / 10 - 4) % 100;

	if (s % 10 != 0)
		return;
	w->pool.deadline_ms[s / 10 % 100] = now_ms(w) + 40000;
	drain(w, s / 10 % 100);
	if (s >= 40) {
		w->pool.deadline_ms[gone] = 0;
		fail(w, gone);
	}
	if (s >= 60)
		back(w, (s / 10 - 6) % 100);
}

/* Drains, while flows change their worker. */
static void event_workers(struct world *w, uint32_t s)
{
	event_drain(w, s);
	w->queues += s % REQUEUE_S == REQUEUE_S - 5;
}

/* One is added every 30 s, one drained every 30 s and back after a minute, and either
 * takes its share in parts, one every 3 s. */
static void event_slow_start(struct world *w, uint32_t s)
{
	bool step = false;

	for (uint32_t b = 0; b < w->pool.count && s % 3 == 0; b++) {
		step |= w->pool.missing[b] > 0;
		w->pool.missing[b] -= w->pool.missing[b] > 0;
	}
	if (step)
		changed(w, false);
	if (s % 30 == 0) {
		w->pool.missing[w->pool.count] = OWNERS_PARTS - 1;
		add(w);
	}
	if (s % 30 == 15)
		drain(w, s / 30);
	if (s % 30 == 15 && s >= 60) {
		w->pool.missing[s / 30 - 2] = OWNERS_PARTS - 1;
		back(w, s / 30 - 2);
	}
}

const struct scenario scenarios[] = {
	{ "drain", event_drain, 1, 1, WEIR_PINS_DEFAULT, TEN_PERCENT, 0, 0, 0, GRACE_S },
	{ "add", event_add, 1, 1, WEIR_PINS_DEFAULT, 0, 0, 0, 0, GRACE_S },
	{ "add-drain", event_add_drain, 1, 1, WEIR_PINS_DEFAULT, 0, 0, 0, 0, GRACE_S },
	{ "weights", event_weight, 1, 1, WEIR_PINS_DEFAULT, 0, 0, 0, 0, GRACE_S },
	{ "failures", event_fail, 1, 1, WEIR_PINS_DEFAULT, FAILURES, 0, 0, 0, GRACE_S },
	{ "restart", event_restart, 1, 1, WEIR_PINS_DEFAULT, FAILURES, 0, 0, 0, GRACE_S },
	{ "flood", event_drain, 1, 1, WEIR_PINS_DEFAULT, FLOOD, 0, 0, 0, GRACE_S },
	{ "few-pins", event_drain, 1, 1, WEIR_PINS_DEFAULT / 10, 0, 0, 0, 0, GRACE_S },
	{ "ecmp", event_ecmp, MAX_WEIRS, 1, WEIR_PINS_DEFAULT, 0, 0, 0, 0, 40 },
	/* Beyond the issue's: */
	{ "resilient", event_ecmp_long, MAX_WEIRS, 1, WEIR_PINS_DEFAULT, RESILIENT, 0, 0, 0, 300 },
	{ "ecmp-long", event_ecmp_long, MAX_WEIRS, 1, WEIR_PINS_DEFAULT, 0, 0, 0, 0, 300 },
	{ "half-close", event_drain, 1, 1, WEIR_PINS_DEFAULT, 0, 50, 0, 0, GRACE_S },
	{ "udp", event_drain, 1, 1, WEIR_PINS_DEFAULT, 0, 0, 30, 0, GRACE_S },
	{ "quic", event_drain, 1, 1, WEIR_PINS_DEFAULT, QUIC, 0, 30, 0, GRACE_S },
	{ "repeats", event_drain, 1, 1, WEIR_PINS_DEFAULT, QUIC, 0, 30, 10, GRACE_S },
	{ "slow-start", event_slow_start, 1, 1, WEIR_PINS_DEFAULT, 0, 0, 0, 0, GRACE_S },
	{ "deadline", event_deadline, 1, 1, WEIR_PINS_DEFAULT, FAILURES, 0, 0, 0, GRACE_S },
	{ "workers", event_workers, 1, SIM_WORKERS, WEIR_PINS_DEFAULT, 0, 10, 0, 0, GRACE_S },
	{ "few-repeats", event_drain, 1, 1, WEIR_PINS_DEFAULT / 10, QUIC, 0, 30, 10, GRACE_S },
	{ "few-workers", event_workers, 1, SIM_WORKERS, WEIR_PINS_DEFAULT / 10, 0, 10, 0, 0, GRACE_S },
};
const unsigned scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
