// SPDX-License-Identifier: Apache-2.0
#include "flow_table.h"

#include <stdlib.h>

enum { WAYS = 8 };

void flow_table_create(struct flow_table *t, uint32_t flows)
{
	*t = (struct flow_table){ .sets = (flows + WAYS - 1) / WAYS };
	t->entry = calloc((size_t)t->sets * WAYS, sizeof(*t->entry));
	if (t->entry == NULL)
		abort();
}

void flow_table_destroy(struct flow_table *t)
{
	free(t->entry);
}

uint16_t flow_table_select(struct flow_table *t, uint64_t hash, uint16_t owner,
			   const bool *forwards, bool closing)
{
	struct flow_table_entry *set = &t->entry[(size_t)((uint32_t)hash % t->sets) * WAYS];
	struct flow_table_entry *e = set;

	t->clock++;
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].hash == hash) {
			e = &set[i];
			if (!forwards[e->backend])
				e->backend = owner;
			goto found;
		}
		if (set[i].last < e->last)
			e = &set[i];
	}
	*e = (struct flow_table_entry){ .hash = hash, .backend = owner };
found:
	e->closing |= closing;
	e->last = e->closing ? 0 : t->clock;
	return e->backend;
}
