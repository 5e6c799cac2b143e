// SPDX-License-Identifier: Apache-2.0
/*
 * What the tables cost the control plane: build, failure update, publication. Prints
 * medians over ROUNDS, in CPU time, so that a busy machine shows the same figures.
 */
#include "attachment.h"
#include "fake_dp.h"
#include "maglev.h"
#include "owners.h"
#include "small_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 51, LEN = WEIR_TABLE_DEFAULT, MOST = WEIR_MAX_BACKENDS };

static char names[MOST][16];
static struct maglev_node nodes[MOST];
static struct owners_node serving[MOST];
static uint16_t full[LEN], owner[LEN];
static double took_ms[ROUNDS];

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void report(const char *what, uint32_t backends)
{
	qsort(took_ms, ROUNDS, sizeof(took_ms[0]), by_size);
	printf("%-36s %6u backends  median %7.3f ms  90%% %7.3f ms\n", what, backends,
	       took_ms[ROUNDS / 2], took_ms[ROUNDS * 9 / 10]);
}

static void configure(uint32_t count, bool equal)
{
	for (uint32_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "backend-%u", i);
		nodes[i] = (struct maglev_node){ .name = names[i],
						 .weight = equal ? 10 : 1 + i * 7919 % 1000 };
		serving[i] = (struct owners_node){ .id = i * 0x9e3779b97f4a7c15ull,
						   .weight = nodes[i].weight,
						   .serves = true };
	}
}

static void measure_build(uint32_t count, bool equal)
{
	configure(count, equal);
	for (unsigned r = 0; r < ROUNDS; r++) {
		double begin = cpu_ms();

		if (maglev_fill(full, LEN, nodes, count) < 0)
			abort();
		took_ms[r] = cpu_ms() - begin;
	}
	report(equal ? "build, equal weights" : "build, weights 1 to 1000", count);
}

/* starts: another one is in the middle of its slow start, and all that are away have gone in
 * this moment. */
static void measure_failure(uint32_t count, uint32_t away, bool starts)
{
	char what[40];

	configure(count, true);
	if (maglev_fill(full, LEN, nodes, count) < 0)
		abort();
	for (uint32_t i = 0; i < away; i++)
		serving[i].serves = false;
	serving[away].missing = starts ? OWNERS_PARTS / 2 : 0;
	for (unsigned r = 0; r < ROUNDS; r++) {
		double begin = cpu_ms();

		if (owners_fill(owner, full, full, LEN, serving, count) < 0)
			abort();
		took_ms[r] = cpu_ms() - begin;
	}
	snprintf(what, sizeof(what), "failure update, %u away%s", away, starts ? ", 1 starts" : "");
	report(what, count);
}

/* A snapshot and what changed of the tables, without the way to the workers. */
static void measure_publication(bool weight)
{
	struct attachment at;
	struct model model = { 0 };
	struct fake_dp dp;
	unsigned events[WEIR_MAX_WORKERS];
	const char *why;

	fake_dp_open(&dp, 1, 8192);
	small_configure(1, SMALL_BACKENDS);
	small_pool[0].table_size = LEN;
	if (small_apply(&model) < 0)
		abort();
	small_all_up(&model);
	fake_dp_session(&dp);
	if (attachment_open(&at, &dp.view, 0) < 0)
		abort();
	fake_dp_step(&dp);
	attachment_poll(&at, 0, events);
	if (attachment_adopt(&at, &model, 1000, &why) < 0)
		abort();
	for (unsigned r = 0; r < ROUNDS; r++) {
		struct backend *b = model.pool[0]->backend[r];
		double begin;

		if (weight) {
			small_backend[0][r].weight = small_backend[0][r].base_weight = 20;
			if (small_apply(&model) < 0)
				abort();
		} else {
			b->health = HEALTH_DOWN;
		}
		begin = cpu_ms();
		if (attachment_publish(&at, &model, 1000) < 0)
			abort();
		took_ms[r] = cpu_ms() - begin;
		attachment_send(&at, 0);
		fake_dp_step(&dp);
		attachment_poll(&at, 0, events);
		attachment_reclaim(&at, &model);
	}
	report(weight ? "publication, a weight changed" : "publication, a backend failed",
	       SMALL_BACKENDS);
	attachment_close(&at);
	small_free(&model);
	fake_dp_close(&dp);
}

int main(void)
{
	static const uint32_t counts[] = { 10, 100, 1000, 10000 };

	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		measure_build(counts[i], true);
		measure_build(counts[i], false);
	}
	measure_failure(1000, 1, false);
	measure_failure(1000, 10, false);
	measure_failure(1000, 10, true);
	measure_failure(1000, 500, false);
	measure_failure(1000, 500, true);
	measure_failure(1000, 990, false);
	measure_failure(10000, 10, false);
	measure_failure(10000, 5000, false);
	measure_publication(true);
	measure_publication(false);
	return 0;
}
