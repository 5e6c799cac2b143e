// SPDX-License-Identifier: Apache-2.0
/*
 * Synthetic flows through the real builder and the real select stage while the pool
 * changes: which flows break? docs/simulation.md.
 *
 *   sim CASE [FLOWS [GRACE_S [SEED]]]
 *                        FLOWS: concurrent ones, 100,000 unless given; GRACE_S: the pool's
 *                        handshake_grace_s; SEED: of all that is by chance
 *   sim --list           the cases
 *
 * Prints a line of figures, then "ok CASE" or "FAIL CASE: reason".
 */
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Flows of slots that are not settled, at whatever Weir. */
static uint32_t live_flows(const struct world *w)
{
	uint32_t live = 0;

	for (uint32_t s = 0; s < SIM_SLOTS; s++) {
		uint32_t i = 0;

		while (i < w->weirs && weir_slot_state(w->weir[i].slot[s]) == WEIR_SLOT_SETTLED)
			i++;
		live += i < w->weirs ? w->live[s] : 0;
	}
	return live;
}

static void look(struct world *w)
{
	struct pin_count n = { 0 };
	uint32_t live = live_flows(w), all;

	for (uint32_t i = 0; i < w->weirs * w->workers; i++)
		census_take(&w->census, &n, &w->weir[i / w->workers].pins[i % w->workers], i);
	all = n.live + n.ended + n.behind + n.flood;
	if (all > w->pins_most) {
		w->pins_most = all;
		w->at_most = n;
	}
	if (n.live + n.ended > w->own_most)
		w->own_most = n.live + n.ended;
	w->live_most = live > w->live_most ? live : w->live_most;
	w->own_over += n.live + n.ended > live && !w->stopping;
	w->live_over += n.live > live;
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
		if (w->scenario->flags & FLOOD)
			flood(w);
	}
	n = w->wheel[w->tick % WHEEL];
	w->wheel[w->tick % WHEEL] = UINT32_MAX;
	for (; n != UINT32_MAX; n = next) {
		next = w->flow[n].next;
		flow_packet(w, n);
	}
	for (uint32_t i = 0; i < w->weirs * w->workers; i++)
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

static struct world *create(const struct scenario *s, uint32_t flows, uint32_t grace_s,
			    uint64_t seed)
{
	struct world *w = aligned_alloc(WEIR_CACHE_LINE, (sizeof(*w) + 63) / 64 * 64);

	if (w == NULL)
		abort();
	memset(w, 0, sizeof(*w));
	w->scenario = s;
	w->rate_flows = flows;
	w->weirs = w->alive = s->weirs;
	w->workers = s->workers;
	w->random = seed;
	census_create(&w->census, flows);
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
		sim_weir_create(&w->weir[i], s->workers, pins, 0x57656972);
		flow_table_create(&w->table[i], pins);
		w->weir[i].view.pool[0].grace_ms = grace_s * 1000;
		if (s->flags & QUIC)
			w->weir[i].view.pool[0].udp_window_ms = 300000;
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
	census_destroy(&w->census);
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

static const char *judge_case(const struct world *w, uint32_t pins_left, uint32_t slots_left)
{
	const struct scenario *s = w->scenario;
	const struct result *weir = &w->result[MODEL_WEIR], *table = &w->result[MODEL_TABLE];

	if (s->weirs == 1 && weir->broken != 0)
		return "flows broke";
	if (s->weirs == 1 && weir->failed_new != 0)
		return "new connections failed";
	if (s->weirs > 1 && weir->broken > table->broken)
		return "more flows broke than with a flow table";
	if (s->weirs > 1 && weir->failed_new > table->failed_new)
		return "more new connections failed than with a flow table";
	if (!(s->flags & FAILURES) && weir->lost != 0)
		return "flows lost without a failure";
	if (s->flags & TEN_PERCENT && w->pins_most > w->rate_flows / 10)
		return "pins above 10 % of the flows";
	if (w->live_over > 0)
		return "more flows with pins than in slots that are not settled";
	/* QUIC flows end without a word, and their pins stay for long. */
	if (!(s->flags & QUIC) && w->own_most > w->live_most)
		return "more pins than flows in slots that are not settled";
	if (pins_left != 0 || slots_left != 0)
		return "pins or unsettled slots after the idle limit";
	return NULL;
}

static uint32_t all_pins(const struct world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->weirs; i++)
		n += sim_weir_pins(&w->weir[i]);
	return n;
}

/* Everyone is back, and every flow ends with its next packet; until all is settled, or the
 * idle limit of the last flow and 2 s are over. */
static void run_out(struct world *w)
{
	w->stopping = 1;
	for (uint32_t b = 0; b < w->pool.count; b++)
		w->pool.serves[b] = w->pool.forwards[b] = true;
	memset(w->pool.deadline_ms, 0, sizeof(w->pool.deadline_ms));
	memset(w->pool.missing, 0, sizeof(w->pool.missing));
	changed(w, false);
	while (w->open > 0)
		tick(w);
	while (all_pins(w) + unsettled(w) > 0 &&
	       w->tick < w->last_end + (IDLE_LIMIT_S + 2) * TICKS_S)
		tick(w);
}

static int run(const struct scenario *s, uint32_t flows, uint32_t grace_s, uint64_t seed)
{
	struct world *w = create(s, flows, grace_s, seed);
	const struct result *r = w->result;
	uint32_t slots_600;
	int err;

	populate(w);
	while (w->tick < SECONDS * TICKS_S)
		tick(w);
	slots_600 = unsettled(w);
	run_out(w);

	printf("%-10s %8u %7u %6u %6u %7u %7u %6u %7u %6u | %8u %7u | %8u %7u\n", s->name, w->total,
	       r[0].broken, r[0].failed_new, r[0].lost, w->pins_most, w->live_most,
	       w->pool.table_changes, slots_600, (w->tick - w->last_end) / TICKS_S, r[1].broken,
	       r[1].failed_new, r[2].broken, r[2].failed_new);
	printf("the most pins: of live flows %u, of ended ones %u, left behind %u, of a flood %u; "
	       "of live and ended ones at most %u, above the live flows in %u s of %u\n",
	       w->at_most.live, w->at_most.ended, w->at_most.behind, w->at_most.flood, w->own_most,
	       w->own_over, SECONDS);
	printf("new flows to backends that drain: %u, of all %u\n", w->late, w->total);
	printf("failed new connections whose SYN went to another Weir: %u\n", w->elsewhere);
	if (all_pins(w) + unsettled(w) > 0)
		printf("pins left %u, slots left %u\n", all_pins(w), unsettled(w));
	err = verdict(s->name, judge_case(w, all_pins(w), unsettled(w)));
	destroy(w);
	return err;
}

int main(int argc, char **argv)
{
	uint32_t flows = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100000;
	uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;

	for (unsigned i = 0; argc > 1 && i < scenario_count && strcmp(argv[1], "--list") == 0; i++)
		puts(scenarios[i].name);
	if (argc > 1 && strcmp(argv[1], "--list") == 0)
		return 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; argc > 1 && i < scenario_count; i++)
		if (strcmp(scenarios[i].name, argv[1]) == 0)
			return run(&scenarios[i], flows,
				   argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10)
					    : scenarios[i].grace_s,
				   seed);
	fprintf(stderr, "usage: sim CASE [FLOWS [GRACE_S [SEED]]] | --list\n");
	return 2;
}
