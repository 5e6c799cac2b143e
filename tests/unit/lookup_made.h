// SPDX-License-Identifier: Apache-2.0
/*
 * A lookup table of services in a view, of its exact size for the sanitizers. Who
 * includes this defines BITS.
 */
#ifndef WEIR_TEST_LOOKUP_MADE_H
#define WEIR_TEST_LOOKUP_MADE_H

#include "view.h"

#include <stdlib.h>

static struct view view;

/* Nothing but an empty table of 2^BITS entries. */
static inline int lookup_setup(void **state)
{
	(void)state;
	view = (struct view){ .generation = 1, .lookup_bits = BITS };
	view.lookup = calloc(1u << BITS, sizeof(struct weir_lookup));
	return 0;
}

static inline int lookup_teardown(void **state)
{
	(void)state;
	free((void *)view.lookup);
	return 0;
}

/* Enter a key as the control plane would: the first free entry from its home on. */
static inline struct weir_lookup *lookup_enter(const struct weir_lookup *e)
{
	struct weir_lookup *table = (struct weir_lookup *)view.lookup;
	uint32_t i = weir_lookup_home(e->k0, e->k1, e->k2, BITS);

	while (table[i].k0 != 0)
		i = (i + 1) % (1u << BITS);
	table[i] = *e;
	return &table[i];
}

#endif /* WEIR_TEST_LOOKUP_MADE_H */
