// SPDX-License-Identifier: Apache-2.0
/*
 * How evenly stand-ins are spread: of random sets, each 1,000 equal backends by new names of
 * which some are away, how many have a max/mean load above the design's bound, and the
 * largest. The same in every run with the same arguments: [SETS [SEED]].
 */
#include "maglev.h"
#include "owners.h"
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum { LEN = WEIR_TABLE_DEFAULT, BACKENDS = 1000 };

static char names[BACKENDS][64];
static struct maglev_node nodes[BACKENDS];
static struct owners_node serving[BACKENDS];
static uint16_t full[LEN], owner[LEN];
static uint64_t seed = 1, state;

static uint32_t random_below(uint32_t n)
{
	state++;
	return (uint32_t)((XXH3_64bits(&state, sizeof(state)) >> 32) * n >> 32);
}

static void configure(unsigned long set)
{
	for (uint32_t i = 0; i < BACKENDS; i++) {
		int len = snprintf(names[i], sizeof(names[i]), "%lu-%lu-%u", (unsigned long)seed,
				   set, i);

		nodes[i] = (struct maglev_node){ .name = names[i], .weight = 1 };
		serving[i] = (struct owners_node){ .id = XXH3_64bits(names[i], (size_t)len),
						   .weight = 1,
						   .serves = true };
	}
	if (maglev_fill(full, LEN, nodes, BACKENDS) < 0)
		abort();
}

static void take_away(uint32_t away)
{
	while (away > 0) {
		uint32_t i = random_below(BACKENDS);

		away -= serving[i].serves;
		serving[i].serves = false;
	}
}

static double most_over_mean(uint32_t away)
{
	uint32_t slots[BACKENDS] = { 0 }, most = 0;

	if (owners_fill(owner, full, NULL, LEN, serving, BACKENDS) < 0)
		abort();
	for (uint32_t i = 0; i < LEN; i++)
		if (++slots[owner[i]] > most)
			most = slots[owner[i]];
	return most / ((double)LEN / (BACKENDS - away));
}

static void measure(uint32_t away, double bound, unsigned long sets)
{
	unsigned long above = 0;
	double worst = 0;

	for (unsigned long set = 0; set < sets; set++) {
		double most;

		configure(set);
		take_away(away);
		most = most_over_mean(away);
		above += most > bound;
		worst = most > worst ? most : worst;
	}
	printf("%3u away: %4lu of %lu sets above %.2f, worst %.4f\n", away, above, sets, bound,
	       worst);
}

int main(int argc, char **argv)
{
	unsigned long sets = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;

	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : seed;
	state = seed << 40;
	measure(0, 1.01, sets);
	measure(10, 1.10, sets);
	measure(BACKENDS / 2, 1.25, sets);
	return 0;
}
