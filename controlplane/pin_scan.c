// SPDX-License-Identifier: Apache-2.0
#include "pin_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pin_scan_create(struct pin_scan **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? -ENOMEM : 0;
}

static void forget(struct pin_scan *s)
{
	s->generation = 0;
	memset(s->pins, 0, sizeof(s->pins));
	for (uint32_t i = 0; i < WEIR_MAX_POOLS; i++) {
		free(s->pool[i].held);
		s->pool[i].held = NULL;
		s->pool[i].len = 0;
	}
}

void pin_scan_destroy(struct pin_scan *s)
{
	if (s == NULL)
		return;
	forget(s);
	free(s);
}

static int ask_for(struct pin_scan *s, const struct model *m)
{
	for (uint32_t i = 0; i < m->pool_count; i++) {
		const struct pool *p = m->pool[i];

		if (p->moves.moving + p->moves.pinned == 0 || p->index >= WEIR_MAX_POOLS)
			continue;
		s->pool[p->index].held = calloc(p->moves.len / 8 + 1, 1);
		if (s->pool[p->index].held == NULL)
			return -ENOMEM;
		s->pool[p->index].len = p->moves.len;
	}
	return 0;
}

static void note(struct pin_scan *s, uint64_t hash, uint64_t meta)
{
	unsigned pool = weir_pin_pool(meta);
	uint32_t slot;

	s->pins[weir_pin_backend(meta)]++;
	if (s->pool[pool].len == 0)
		return;
	slot = weir_slot_of(hash, s->pool[pool].len);
	s->pool[pool].held[slot / 8] |= (uint8_t)(1u << slot % 8);
}

int pin_scan_run(struct pin_scan *s, const struct dp_view *dp, const struct model *m,
		 uint64_t generation)
{
	uint32_t buckets = weir_pin_buckets(dp->pins);
	uint64_t hash, meta;

	forget(s);
	if (ask_for(s, m) < 0) {
		forget(s);
		return -ENOMEM;
	}
	for (uint32_t w = 0; w < dp->worker_count; w++) {
		const struct weir_pin_bucket *b =
			weir_state_pins(dp->state, w, dp->worker_count, dp->pins);

		for (uint32_t i = 0; i < buckets; i++)
			for (unsigned way = 0; way < WEIR_PIN_WAYS; way++)
				if (weir_pin_read(&b[i].pin[way], &hash, &meta))
					note(s, hash, meta);
	}
	s->generation = generation;
	return 0;
}
