// SPDX-License-Identifier: Apache-2.0
/*
 * A lookup table of services in a view, of its exact size for the sanitizers.
 */
#ifndef WEIR_TEST_LOOKUP_MADE_H
#define WEIR_TEST_LOOKUP_MADE_H

#include "view.h"

#include <stdlib.h>

/* An empty view with an empty table of 2^bits entries; lookup_free() ends it. */
static inline void lookup_make(struct view *v, unsigned bits)
{
	*v = (struct view){ .generation = 1, .lookup_bits = (uint8_t)bits };
	v->lookup = calloc((size_t)1 << bits, sizeof(struct weir_lookup));
}

static inline void lookup_free(struct view *v)
{
	free((void *)v->lookup);
}

/* Enter a key as the control plane would: the first free entry from its home on. */
static inline struct weir_lookup *lookup_enter(struct view *v, const struct weir_lookup *e)
{
	struct weir_lookup *table = (struct weir_lookup *)v->lookup;
	uint32_t i = weir_lookup_home(e->k0, e->k1, e->k2, v->lookup_bits);

	while (table[i].k0 != 0)
		i = (i + 1) % (1u << v->lookup_bits);
	table[i] = *e;
	return &table[i];
}

#endif /* WEIR_TEST_LOOKUP_MADE_H */
