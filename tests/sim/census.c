// SPDX-License-Identifier: Apache-2.0
/* Whose the pins are. All flows that ever were are kept, by their pins' key. */
#include "world.h"

#include <stdlib.h>

struct known {
	uint64_t key;  /* 0: free */
	uint32_t lane; /* that had its last packet */
	bool ended;
};

void census_create(struct census *c, uint32_t flows)
{
	/* A run has 13 times as many as are alive at once. */
	*c = (struct census){ .mask = 1024 };
	while (c->mask < 30 * flows)
		c->mask *= 2;
	c->known = calloc(c->mask--, sizeof(*c->known));
	if (c->known == NULL)
		abort();
}

void census_destroy(struct census *c)
{
	free(c->known);
}

/* Where it stands, or would. */
static struct known *find(const struct census *c, uint64_t key)
{
	uint32_t at = (uint32_t)(key >> 8) & c->mask;

	while (c->known[at].key != 0 && c->known[at].key != key)
		at = (at + 1) & c->mask;
	return &c->known[at];
}

void census_note(struct census *c, uint64_t hash, uint32_t lane, bool ended)
{
	uint64_t key = weir_pin_key(hash);

	*find(c, key) = (struct known){ .key = key, .lane = lane, .ended = ended };
}

static void count_pin(const struct census *c, struct pin_count *n, uint64_t key, uint32_t lane)
{
	const struct known *k = find(c, key);

	if (k->key == 0)
		n->flood++;
	else if (k->lane != lane)
		n->behind++;
	else if (k->ended)
		n->ended++;
	else
		n->live++;
}

void census_take(const struct census *c, struct pin_count *n, const struct pins *pins,
		 uint32_t lane)
{
	uint64_t hash, meta;

	for (uint32_t b = 0; b <= pins->mask; b++)
		for (unsigned i = 0; i < WEIR_PIN_WAYS; i++)
			if (weir_pin_read(&pins->bucket[b].pin[i], &hash, &meta))
				count_pin(c, n, hash, lane);
}
