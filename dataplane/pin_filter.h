// SPDX-License-Identifier: Apache-2.0
/*
 * Which flows have a pin at some worker, all workers' tables together. One look, at one cache
 * line, says of nearly every flow without a pin that nobody has one, however many workers there
 * are: a flood's packets look neither into their own worker's table, of which no cache near a
 * CPU holds much, nor into the others'.
 *
 *   writers: all workers, a pin that goes in or leaves (pins.c)
 *   readers: all workers, and explain
 *
 * A key has one cell, of 32 tags, and its tag stands in any place of that. A tag is taken
 * out again when its pin goes: whose it is of two alike makes no difference (as in a cuckoo
 * filter: Fan et al., CoNEXT '14). So it tells all the pins there are and, but for one flow in
 * some thousand, no others.
 */
#ifndef WEIR_PIN_FILTER_H
#define WEIR_PIN_FILTER_H

#include "bytes16.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PIN_FILTER_WORDS                                                 \
	8 /* of a cell: a cache line, of which one in 10,000 has too few \
	   * places when all tables are full */
#define PIN_FILTER_TAGS (4 * PIN_FILTER_WORDS)

struct pin_filter_cell {
	alignas(64) _Atomic uint64_t word[PIN_FILTER_WORDS]; /* four tags each; 0: a free place */
};
static_assert(sizeof(struct pin_filter_cell) == 64, "a cache line");

struct pin_filter {
	struct pin_filter_cell *cell; /* mask + 1 of them, zeroed before use */
	uint32_t mask;		      /* cells - 1 */
};

/* Cells of a filter for `pins` pins of all workers together: twice as many places or more,
 * and a power of two. */
uint32_t pin_filter_cells(uint64_t pins);

/* A pin with this key goes in. False: its cell is full, and nothing was done. */
bool pin_filter_add(const struct pin_filter *f, uint64_t key);

/* One that was added leaves. */
void pin_filter_remove(const struct pin_filter *f, uint64_t key);

/* How many pins seem to have this key: all that do, and maybe others. */
unsigned pin_filter_count(const struct pin_filter *f, uint64_t key);

static inline struct pin_filter_cell *pin_filter_cell_of(const struct pin_filter *f, uint64_t key)
{
	return &f->cell[(uint32_t)key & f->mask];
}

/* The tag of a key: never 0. Of bits that choose no slot, and of 2^24 cells none. */
static inline uint16_t pin_filter_tag(uint64_t key)
{
	uint16_t tag = (uint16_t)(key >> 24);

	return (uint16_t)(tag + (tag == 0));
}

/* Eight tags. Each word is read whole, whichever way. */
static inline bytes16 pin_filter_load(const _Atomic uint64_t *word)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	return bytes16_load(word);
#else
	typedef uint64_t words __attribute__((vector_size(16)));

	return (bytes16)(words){ atomic_load_explicit(&word[0], memory_order_relaxed),
				 atomic_load_explicit(&word[1], memory_order_relaxed) };
#endif
}

/* May some worker have a pin with this key? False: none has. */
static inline bool pin_filter_has(const struct pin_filter *f, uint64_t key)
{
	typedef uint16_t tags __attribute__((vector_size(16)));
	const _Atomic uint64_t *word = pin_filter_cell_of(f, key)->word;
	const tags wanted = (tags){ 0 } + pin_filter_tag(key);
	const bytes16 same = (bytes16)((tags)pin_filter_load(&word[0]) == wanted) |
			     (bytes16)((tags)pin_filter_load(&word[2]) == wanted) |
			     (bytes16)((tags)pin_filter_load(&word[4]) == wanted) |
			     (bytes16)((tags)pin_filter_load(&word[6]) == wanted);

	return bytes16_differ(same, (bytes16){ 0 }, same);
}

#endif /* WEIR_PIN_FILTER_H */
