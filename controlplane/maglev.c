// SPDX-License-Identifier: Apache-2.0
/*
 * Nodes take turns in rounds; in its turn a node takes the first slot of its own
 * permutation that is still free. With weights, a node earns weight / largest
 * weight of a turn per round and takes a slot when a whole turn is together, until
 * it has its quota. (Giving a node `weight` turns in a row instead runs out of slots
 * in the middle of a round when the weights' sum is near the table's length, and
 * the last nodes get nothing.)
 *
 * Nodes of one weight earn alike, so they are kept together as a class and a round
 * looks at classes: otherwise one heavy node among a thousand light ones would mean
 * thirty thousand rounds over all of them.
 */
#include "maglev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { SEED_OFFSET = 1, SEED_SKIP = 2 }; /* two independent hashes of a name */

/* Nodes of one weight: turn[first..end). */
struct class
{
	uint32_t first, end;
	uint32_t weight;
	uint32_t quota;	    /* slots that each of them takes */
	uint32_t one_more;  /* the first so many take one more */
	uint64_t remainder; /* of the exact share, in units of 1 / sum of weights */
	uint32_t taken;	    /* turns so far */
	uint64_t earned;    /* towards the next turn, in units of 1 / largest weight */
};

static int by_claim(const void *a, const void *b)
{
	const struct class *x = *(const struct class *const *)a;
	const struct class *y = *(const struct class *const *)b;

	if ((x->quota == 0) != (y->quota == 0))
		return x->quota == 0 ? -1 : 1;
	if (x->remainder != y->remainder)
		return x->remainder > y->remainder ? -1 : 1;
	return x->weight > y->weight ? -1 : 1;
}

/* Largest remainder: exact shares rounded down, what is left goes one by one. */
static void share_out(struct class *class, uint32_t classes, struct class **order, uint32_t len)
{
	uint64_t sum = 0;
	uint32_t left = len;

	for (uint32_t i = 0; i < classes; i++)
		sum += (uint64_t) class[i].weight * (class[i].end - class[i].first);
	for (uint32_t i = 0; i < classes; i++) {
		class[i].quota = (uint32_t)((uint64_t)len * class[i].weight / sum);
		class[i].remainder = (uint64_t)len * class[i].weight % sum;
		left -= class[i].quota * (class[i].end - class[i].first);
		order[i] = &class[i];
	}
	qsort(order, classes, sizeof(*order), by_claim);
	for (uint32_t i = 0; i < classes && left > 0; i++) {
		uint32_t n = order[i]->end - order[i]->first;

		/* No node whose share is a whole number gets more than it. */
		if (order[i]->remainder == 0)
			continue;
		order[i]->one_more = n < left ? n : left;
		left -= order[i]->one_more;
	}
}

static uint32_t find_classes(struct class *class, const struct maglev_turn *turn, uint32_t count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (n == 0 || class[n - 1].weight != turn[i].weight)
			class[n++] = (struct class){ .first = i, .weight = turn[i].weight };
		class[n - 1].end = i + 1;
	}
	return n;
}

static inline bool test_and_set(uint64_t *bits, uint32_t i)
{
	uint64_t mask = 1ull << (i & 63);
	bool was = bits[i >> 6] & mask;

	bits[i >> 6] |= mask;
	return was;
}

static inline void take(uint16_t *table, uint64_t *used, uint32_t len, struct maglev_turn *t)
{
	uint32_t slot = t->offset;

	while (test_and_set(used, slot)) {
		slot += t->skip;
		if (slot >= len)
			slot -= len;
	}
	table[slot] = t->position;
	t->offset = slot + t->skip < len ? slot + t->skip : slot + t->skip - len;
}

int maglev_populate(uint16_t *table, uint32_t len, struct maglev_turn *turn, uint32_t count)
{
	/* A bit a slot stays in the first-level cache; the table itself would not. */
	uint64_t *used = calloc(len / 64 + 1, sizeof(*used));
	struct class *class = calloc(count, sizeof(*class));
	struct class **order = calloc(count, sizeof(*order));
	uint32_t classes, left = len;
	int err = -ENOMEM;

	if (used == NULL || class == NULL || order == NULL)
		goto out;
	classes = find_classes(class, turn, count);
	share_out(class, classes, order, len);

	while (left > 0) {
		for (struct class *c = class; c < class + classes; c++) {
			uint32_t end = c->taken < c->quota ? c->end : c->first + c->one_more;

			if (c->taken > c->quota)
				continue;
			c->earned += c->weight;
			if (c->earned < class[0].weight)
				continue;
			c->earned -= class[0].weight;
			c->taken++;
			for (uint32_t i = c->first; i < end; i++)
				take(table, used, len, &turn[i]);
			left -= end - c->first;
		}
	}
	err = 0;
out:
	free(order);
	free(class);
	free(used);
	return err;
}

/* A node on its way to its place among the turns. */
struct entry {
	uint64_t hash;
	const char *name;
	uint32_t weight;
	uint16_t position;
};

static int by_turn(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool is_prime(uint32_t n)
{
	if (n < 3 || n % 2 == 0)
		return false;
	for (uint32_t i = 3; i <= n / i; i += 2)
		if (n % i == 0)
			return false;
	return true;
}

/* Entries that take part, in the order of their turns; returns their number. */
static uint32_t line_up(struct entry *entry, const struct maglev_node *node, uint32_t count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		if (node[i].weight > 0)
			entry[n++] = (struct entry){
				.hash = XXH3_64bits_withSeed(node[i].name, strlen(node[i].name),
							     SEED_OFFSET),
				.name = node[i].name,
				.weight = node[i].weight,
				.position = (uint16_t)i,
			};
	qsort(entry, n, sizeof(*entry), by_turn);
	return n;
}

int maglev_fill(uint16_t *table, uint32_t len, const struct maglev_node *node, uint32_t count)
{
	struct entry *entry;
	struct maglev_turn *turn;
	uint32_t n;
	int err;

	if (!is_prime(len) || count >= MAGLEV_NONE)
		return -EINVAL;
	entry = calloc(count + 1, sizeof(*entry));
	turn = calloc(count + 1, sizeof(*turn));
	err = -ENOMEM;
	if (entry == NULL || turn == NULL)
		goto out;

	n = line_up(entry, node, count);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t skip =
			XXH3_64bits_withSeed(entry[i].name, strlen(entry[i].name), SEED_SKIP);

		turn[i] = (struct maglev_turn){
			.offset = (uint32_t)(entry[i].hash % len),
			.skip = (uint32_t)(skip % (len - 1)) + 1,
			.weight = entry[i].weight,
			.position = entry[i].position,
		};
	}
	if (n > 0) {
		err = maglev_populate(table, len, turn, n);
	} else {
		memset(table, 0xff, len * sizeof(*table));
		err = 0;
	}
out:
	free(turn);
	free(entry);
	return err;
}
