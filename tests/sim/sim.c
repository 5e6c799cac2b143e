// SPDX-License-Identifier: Apache-2.0
/*
 * Synthetic flows through the real builder and the real select stage while the pool
 * changes: which flows break? docs/simulation.md.
 *
 *   sim CASE [FLOWS]     FLOWS: concurrent ones, 100,000 unless given
 *
 * Prints a line of figures, then "ok CASE" or "FAIL CASE: reason".
 */
#include "flow_table.h"
#include "weir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TICK_MS = 50,	   /* SYN to ACK */
	TICKS_S = 1000 / TICK_MS,
	SECONDS = 600,
	WHEEL = 4096,	   /* ticks; more than the longest gap */
	GAP_S = 2, LONG_GAP_S = 200,
	LINGER_S = 60,	   /* TIME_WAIT: a closed connection is known for so long */
	IDLE_LIMIT_S = 900,
	START_MS = 1000000,
	MAX_WEIRS = 8,
	FLOOD_A_TICK = 20000 / TICKS_S, /* SYNs, and as many ACKs */
};
/* Log-normal: the median is exp(mu), the mean exp(mu + sigma^2 / 2). */
#define LIFE_MEDIAN_S 10.0
#define LIFE_MEAN_S   60.0

enum phase { PHASE_SYN, PHASE_ACK, PHASE_DATA, PHASE_LINGER };
enum { MODEL_WEIR, MODEL_MAGLEV, MODEL_TABLE, MODELS };
enum fate { FATE_GOOD, FATE_LOST /* its backend failed */, FATE_BROKEN };

struct flow {
	uint32_t id, next, end_tick, slot;
	uint16_t backend[MODELS];
	uint8_t fate[MODELS];
	uint8_t phase;
	uint32_t since[MODELS]; /* failures of the backend when the flow began */
};

struct result {
	uint32_t broken, lost, failed_new;
};

struct world {
	const struct scenario *scenario;
	struct sim_pool pool;
	uint32_t failures[SIM_BACKENDS];
	struct sim_weir weir[MAX_WEIRS];
	struct flow_table table[MAX_WEIRS];
	uint32_t weirs, alive; /* alive: those that the router knows */
	struct flow *flow;
	uint32_t flow_room, free_flow;
	uint32_t wheel[WHEEL];
	uint32_t tick, rate_flows;
	uint32_t live[SIM_SLOTS], lingering; /* flows by slot, without and with closed ones */
	uint32_t known[SIM_SLOTS];
	uint32_t total, stopping;
	uint32_t pins_most, live_most, flood_seed, pins_over;
	struct result result[MODELS];
	struct burst burst[MAX_WEIRS];
	uint32_t of[MAX_WEIRS][WEIR_BURST]; /* the flow of a packet, UINT32_MAX: flood */
	uint64_t random;
};

struct scenario {
	const char *name;
	void (*event)(struct world *w, uint32_t second);
	uint32_t weirs, pins;
	bool flood, failures, ten_percent;
};

static uint64_t random64(struct world *w)
{
	uint64_t x = w->random += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static double uniform(struct world *w)
{
	return ((double)(random64(w) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(struct world *w)
{
	return sqrt(-2 * log(uniform(w))) * cos(2 * 3.14159265358979323846 * uniform(w));
}

static uint64_t now_ms(const struct world *w)
{
	return START_MS + (uint64_t)w->tick * TICK_MS;
}

/* -- changes of the pool ---------------------------------------------------- */

static void changed(struct world *w, bool members)
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

static const struct scenario scenarios[] = {
	{ "drain", event_drain, 1, WEIR_PINS_DEFAULT, false, false, true },
	{ "add", event_add, 1, WEIR_PINS_DEFAULT, false, false, false },
	{ "add-drain", event_add_drain, 1, WEIR_PINS_DEFAULT, false, false, false },
	{ "weights", event_weight, 1, WEIR_PINS_DEFAULT, false, false, false },
	{ "failures", event_fail, 1, WEIR_PINS_DEFAULT, false, true, false },
	{ "restart", event_restart, 1, WEIR_PINS_DEFAULT, false, true, false },
	{ "flood", event_drain, 1, WEIR_PINS_DEFAULT, true, false, false },
	{ "few-pins", event_drain, 1, WEIR_PINS_DEFAULT / 10, false, false, false },
	{ "ecmp", event_ecmp, MAX_WEIRS, WEIR_PINS_DEFAULT, false, false, false },
};

/* -- flows ------------------------------------------------------------------ */

static void schedule(struct world *w, uint32_t f, uint32_t ticks)
{
	uint32_t *head = &w->wheel[(w->tick + ticks) % WHEEL];

	w->flow[f].next = *head;
	*head = f;
}

static double life_s(struct world *w)
{
	double sigma = sqrt(2 * log(LIFE_MEAN_S / LIFE_MEDIAN_S));

	return LIFE_MEDIAN_S * exp(sigma * normal(w));
}

static uint32_t ticks_of(double seconds)
{
	return seconds > 1e6 ? 20000000 : (uint32_t)(seconds * TICKS_S) + 1;
}

static void flow_begin(struct world *w, uint32_t delay, uint32_t life)
{
	uint32_t f = w->free_flow;

	if (f == UINT32_MAX) {
		fprintf(stderr, "sim: more flows than room\n");
		exit(2);
	}
	w->free_flow = w->flow[f].next;
	w->flow[f] = (struct flow){ .id = ++w->total,
				    .end_tick = w->tick + delay + life,
				    .phase = PHASE_SYN };
	schedule(w, f, delay);
}

static uint32_t gap(struct world *w)
{
	double most = uniform(w) < 0.9 ? 0 : LONG_GAP_S - GAP_S;

	return ticks_of(GAP_S + most * uniform(w));
}

/* What became of a model's flow by a packet that goes to `to`. */
static void judge(struct world *w, struct flow *f, unsigned model, uint16_t to)
{
	struct result *r = &w->result[model];
	uint16_t b = f->backend[model];

	if (f->phase == PHASE_SYN) {
		f->backend[model] = to;
		if (to >= SIM_BACKENDS) {
			f->fate[model] = FATE_BROKEN;
			r->failed_new++;
			return;
		}
		f->since[model] = w->failures[to];
		return;
	}
	if (f->fate[model] != FATE_GOOD)
		return;
	if (w->failures[b] != f->since[model]) {
		f->fate[model] = FATE_LOST;
		r->lost++;
	} else if (to != b) {
		f->fate[model] = FATE_BROKEN;
		if (f->phase == PHASE_ACK)
			r->failed_new++;
		else
			r->broken++;
	}
}

/* A flow's packet has gone where it goes: its next one. */
static void flow_step(struct world *w, uint32_t n, bool last)
{
	struct flow *f = &w->flow[n];
	uint32_t next;

	if (f->phase == PHASE_SYN) {
		f->phase = PHASE_ACK;
		w->live[f->slot]++;
		w->known[f->slot]++;
		schedule(w, n, 1);
		return;
	}
	f->phase = PHASE_DATA;
	if (last) {
		f->phase = PHASE_LINGER;
		w->live[f->slot]--;
		schedule(w, n, (LINGER_S + 2) * TICKS_S); /* and the sweep's second */
		return;
	}
	next = gap(w);
	if (w->tick + next > f->end_tick)
		next = f->end_tick > w->tick ? f->end_tick - w->tick : 1;
	schedule(w, n, next);
}

static void burst_run(struct world *w, uint32_t at)
{
	struct burst *b = &w->burst[at];

	if (b->n == 0)
		return;
	select_burst(&w->weir[at].view, &w->weir[at].pins, b);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct pkt *p = &b->pkt[i];
		uint32_t n = w->of[at][i], slot = weir_slot_of(p->flow_hash, SIM_SLOTS);
		uint16_t owner = w->pool.owner[slot];
		uint16_t to = p->drop == WEIR_DROP_NONE ? p->backend : UINT16_MAX;
		uint16_t remembered = flow_table_select(&w->table[at], p->flow_hash, owner,
							w->pool.forwards, p->flags & PKT_CLOSING);

		if (n == UINT32_MAX)
			continue;
		w->flow[n].slot = slot;
		judge(w, &w->flow[n], MODEL_WEIR, to);
		judge(w, &w->flow[n], MODEL_MAGLEV, owner);
		judge(w, &w->flow[n], MODEL_TABLE, remembered);
		flow_step(w, n, p->flags & PKT_CLOSING);
	}
	b->n = 0;
}

static void packet(struct world *w, uint32_t at, uint32_t flow, uint32_t id, uint16_t dport,
		   uint8_t flags)
{
	struct burst *b = &w->burst[at];

	b->key[b->n] = (union flow_key){ .v4 = { .src_be = htonl(id),
						 .dst_be = htonl(0xcb00710a),
						 .sport_be = htons(40000),
						 .dport_be = htons(dport),
						 .protocol = IPPROTO_TCP } };
	b->pkt[b->n] = (struct pkt){ .flags = flags };
	w->of[at][b->n] = flow;
	if (++b->n == WEIR_BURST)
		burst_run(w, at);
}

static void flow_packet(struct world *w, uint32_t n)
{
	struct flow *f = &w->flow[n];
	uint64_t h = f->id * 0x9e3779b97f4a7c15ull;
	uint8_t flags = 0;

	if (f->phase == PHASE_LINGER) {
		w->known[f->slot]--;
		f->next = w->free_flow;
		w->free_flow = n;
		return;
	}
	if (f->phase == PHASE_SYN)
		flags = PKT_OPENER;
	else if (f->phase == PHASE_DATA && (w->stopping || w->tick >= f->end_tick))
		flags = PKT_CLOSING;
	/* The router spreads by another hash than ours. */
	packet(w, (uint32_t)((h ^ h >> 29) % w->alive), n, f->id, 80, flags);
}

static void flood(struct world *w)
{
	for (unsigned i = 0; i < FLOOD_A_TICK; i++) {
		packet(w, 0, UINT32_MAX, (uint32_t)random64(w), 443, PKT_OPENER);
		packet(w, 0, UINT32_MAX, (uint32_t)random64(w), 443, 0);
	}
}

/* -- the run ---------------------------------------------------------------- */

static void look(struct world *w)
{
	uint32_t live = 0, known = 0, pins = 0;

	for (uint32_t i = 0; i < w->weirs; i++)
		pins += w->weir[i].pins.used;
	for (uint32_t s = 0; s < SIM_SLOTS; s++) {
		if (weir_slot_state(w->weir[0].slot[s]) == WEIR_SLOT_SETTLED)
			continue;
		live += w->live[s];
		known += w->known[s];
	}
	w->pins_most = pins > w->pins_most ? pins : w->pins_most;
	w->live_most = live > w->live_most ? live : w->live_most;
	w->pins_over += pins > known;
}

static void second(struct world *w, uint32_t s)
{
	for (uint32_t i = 0; i < w->weirs; i++)
		sim_weir_control(&w->weir[i], &w->pool, now_ms(w));
	if (!w->stopping)
		w->scenario->event(w, s);
	look(w);
}

/* New flows at the rate that keeps as many alive as wanted. */
static void arrivals(struct world *w)
{
	double mean = w->rate_flows / LIFE_MEAN_S / TICKS_S;
	uint32_t n = (uint32_t)mean + (uniform(w) < mean - floor(mean));

	while (n-- > 0)
		flow_begin(w, 0, ticks_of(life_s(w)));
}

static void tick(struct world *w)
{
	uint32_t n, next;

	if (w->tick % 2 == 0)
		for (uint32_t i = 0; i < w->weirs; i++)
			sim_weir_tick(&w->weir[i], now_ms(w));
	if (w->tick % TICKS_S == 0)
		second(w, w->tick / TICKS_S);
	if (!w->stopping) {
		arrivals(w);
		if (w->scenario->flood)
			flood(w);
	}
	n = w->wheel[w->tick % WHEEL];
	w->wheel[w->tick % WHEEL] = UINT32_MAX;
	for (; n != UINT32_MAX; n = next) {
		next = w->flow[n].next;
		flow_packet(w, n);
	}
	for (uint32_t i = 0; i < w->weirs; i++)
		burst_run(w, i);
	w->tick++;
}

/* Flows that are alive at the start: what is left of lives drawn by their length
 * (for a log-normal, mu grows by sigma^2), spread over a time before the events. */
static void populate(struct world *w)
{
	double sigma = sqrt(2 * log(LIFE_MEAN_S / LIFE_MEDIAN_S));

	for (uint32_t i = 0; i < w->rate_flows; i++) {
		double whole = LIFE_MEDIAN_S * exp(sigma * sigma + sigma * normal(w));

		flow_begin(w, (uint32_t)(random64(w) % TICKS_S), ticks_of(whole * uniform(w)));
	}
}

static struct world *create(const struct scenario *s, uint32_t flows)
{
	struct world *w = aligned_alloc(WEIR_CACHE_LINE, (sizeof(*w) + 63) / 64 * 64);

	if (w == NULL)
		abort();
	memset(w, 0, sizeof(*w));
	w->scenario = s;
	w->rate_flows = flows;
	w->weirs = w->alive = s->weirs;
	w->random = 1;
	w->flow_room = flows * 3;
	w->flow = calloc(w->flow_room, sizeof(*w->flow));
	if (w->flow == NULL)
		abort();
	for (uint32_t i = 0; i < w->flow_room; i++)
		w->flow[i].next = i + 1 < w->flow_room ? i + 1 : UINT32_MAX;
	memset(w->wheel, 0xff, sizeof(w->wheel));
	for (uint32_t i = 0; i < s->weirs; i++) {
		uint32_t pins = (uint32_t)((uint64_t)s->pins * flows / 100000);

		pins = pins < WEIR_PINS_MIN ? WEIR_PINS_MIN : pins;
		sim_weir_create(&w->weir[i], pins, 0x57656972);
		flow_table_create(&w->table[i], pins);
	}
	w->pool.count = 100;
	for (uint32_t b = 0; b < 100; b++) {
		w->pool.weight[b] = 10;
		w->pool.serves[b] = w->pool.forwards[b] = true;
	}
	changed(w, true);
	w->pool.table_changes = 0;
	return w;
}

static void destroy(struct world *w)
{
	for (uint32_t i = 0; i < w->weirs; i++) {
		sim_weir_destroy(&w->weir[i]);
		flow_table_destroy(&w->table[i]);
	}
	free(w->flow);
	free(w);
}

static int verdict(const char *name, const char *why)
{
	if (why == NULL)
		printf("ok %s\n", name);
	else
		printf("FAIL %s: %s\n", name, why);
	return why != NULL;
}

static uint32_t unsettled(const struct world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->weirs; i++)
		n += sim_weir_unsettled(&w->weir[i]);
	return n;
}

static uint32_t broken(const struct world *w, unsigned model)
{
	return w->result[model].broken + w->result[model].failed_new;
}

static const char *judge_case(const struct world *w, uint32_t pins_left, uint32_t slots_left)
{
	const struct scenario *s = w->scenario;

	if (s->weirs == 1 && w->result[MODEL_WEIR].broken != 0)
		return "flows broke";
	if (s->weirs == 1 && w->result[MODEL_WEIR].failed_new != 0)
		return "new connections failed";
	if (s->weirs > 1 && broken(w, MODEL_WEIR) > broken(w, MODEL_TABLE))
		return "worse than a flow table";
	if (!s->failures && w->result[MODEL_WEIR].lost != 0)
		return "flows lost without a failure";
	if (s->ten_percent && w->pins_most > w->rate_flows / 10)
		return "pins above 10 % of the flows";
	if (!s->flood && s->weirs == 1 && w->pins_over != 0)
		return "more pins than connections in slots that are not settled";
	if (pins_left != 0 || slots_left != 0)
		return "pins or unsettled slots after the idle limit";
	return NULL;
}

static int run(const struct scenario *s, uint32_t flows)
{
	struct world *w = create(s, flows);
	uint32_t slots_600, pins_left = 0;
	const struct result *r = w->result;
	int err;

	populate(w);
	while (w->tick < SECONDS * TICKS_S)
		tick(w);
	slots_600 = unsettled(w);
	/* Everyone is back, and every flow ends with its next packet. */
	w->stopping = 1;
	for (uint32_t b = 0; b < w->pool.count; b++)
		w->pool.serves[b] = w->pool.forwards[b] = true;
	changed(w, false);
	while (w->tick < (SECONDS + LONG_GAP_S + IDLE_LIMIT_S + 2) * TICKS_S + 2)
		tick(w);
	for (uint32_t i = 0; i < w->weirs; i++)
		pins_left += w->weir[i].pins.used;

	printf("%-10s %8u %7u %6u %6u %7u %7u %6u %7u | %8u %7u | %8u %7u\n", s->name, w->total,
	       r[0].broken, r[0].failed_new, r[0].lost, w->pins_most, w->live_most,
	       w->pool.table_changes, slots_600, r[1].broken, r[1].failed_new, r[2].broken,
	       r[2].failed_new);
	err = verdict(s->name, judge_case(w, pins_left, unsettled(w)));
	if (err)
		fprintf(stderr, "pins left %u, slots left %u, seconds with too many pins %u\n",
			pins_left, unsettled(w), w->pins_over);
	destroy(w);
	return err;
}

int main(int argc, char **argv)
{
	uint32_t flows = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100000;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(scenarios[i].name, argv[1]) == 0)
			return run(&scenarios[i], flows);
	fprintf(stderr, "usage: sim CASE [FLOWS]\n");
	return 2;
}
