// SPDX-License-Identifier: Apache-2.0
#include "pin_filter.h"

#define ONES	0x0001000100010001ull /* the lowest bit of each tag of a word */
#define HIGHEST (ONES << 15)

uint32_t pin_filter_cells(uint64_t pins)
{
	uint32_t cells = 1;

	while ((uint64_t)cells * PIN_FILTER_TAGS < 2 * pins)
		cells *= 2;
	return cells;
}

/* The places of a word that have this tag: the highest bit of each, and maybe that of others
 * above one that has. */
static uint64_t places_of(uint64_t word, uint16_t tag)
{
	uint64_t differ = word ^ tag * ONES;

	return (differ - ONES) & ~differ & HIGHEST;
}

/* Write `tag` into a place of the word that has `former`. False: none has. */
static bool change(_Atomic uint64_t *word, uint16_t former, uint16_t tag)
{
	uint64_t now = atomic_load_explicit(word, memory_order_relaxed), place;

	do {
		uint64_t places = places_of(now, former);

		if (places == 0)
			return false;
		place = (places & -places) / 0x8000 * 0xffff; /* the lowest */
	} while (!atomic_compare_exchange_weak_explicit(
		word, &now, (now & ~place) | (tag * ONES & place), memory_order_relaxed,
		memory_order_relaxed));
	return true;
}

static bool change_any(const struct pin_filter *f, uint64_t key, uint16_t former, uint16_t tag)
{
	struct pin_filter_cell *c = pin_filter_cell_of(f, key);

	for (unsigned i = 0; i < PIN_FILTER_WORDS; i++)
		if (change(&c->word[i], former, tag))
			return true;
	return false;
}

bool pin_filter_add(const struct pin_filter *f, uint64_t key)
{
	return change_any(f, key, 0, pin_filter_tag(key));
}

void pin_filter_remove(const struct pin_filter *f, uint64_t key)
{
	(void)change_any(f, key, pin_filter_tag(key), 0);
}

unsigned pin_filter_count(const struct pin_filter *f, uint64_t key)
{
	const struct pin_filter_cell *c = pin_filter_cell_of(f, key);
	unsigned n = 0;

	for (unsigned i = 0; i < PIN_FILTER_WORDS; i++) {
		uint64_t word = atomic_load_explicit(&c->word[i], memory_order_relaxed);

		n += (unsigned)__builtin_popcountll(places_of(word, pin_filter_tag(key)));
	}
	return n;
}
