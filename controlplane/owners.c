// SPDX-License-Identifier: Apache-2.0
/*
 * Every slot has an order of preference over the nodes, made from the full table
 * alone; its owner is the first in that order who serves. So a failure moves what
 * the failed node had and nothing else, and events leave no trace. The order is
 *
 *   1. its owner in the full table;
 *   2. its substitute: the owner of one of two other slots, whichever of the two has
 *      fewer slots of this owner to stand in for, so that the slots of one failed
 *      node go to as many others as there are;
 *   3. the owners of TRIES more slots, each by a permutation of its own;
 *   4. the order of weighted rendezvous.
 *
 * While a node starts slowly, a slot that it has yet to take stays where it is: there
 * alone the past counts, and not for longer than that.
 *
 * The full table holds every node as often as its weight says: picking slots of it
 * picks nodes by weight. Each pick is by a permutation, so that every slot is picked
 * once a round. With half of 1,000 nodes away, independent picks put the largest load
 * above 1.25 of the mean for one set of nodes in twenty, these for one in a thousand.
 */
#include "owners.h"

#include "snapshot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Misses after which a search is over: then so few nodes serve that comparing all
 * of them costs less. */
enum { TRIES = 64 };

/* Working memory of one call, and what it was called with. */
struct fill {
	uint16_t *owner;
	const uint16_t *full;
	uint32_t len;
	const struct owners_node *node;
	uint32_t count;
	const bool *asked; /* by node: are its slots in the full table asked for? NULL: all are */
	bool *gone;	   /* by node: asked for, and does not serve in all of its slots */
	uint8_t *missing; /* of node[], close together: OWNERS_PARTS where it does not serve */
	uint16_t *serving; /* positions of those that do */
	uint32_t serving_count;
	uint32_t *lost; /* slots whose owner does not serve */
	uint32_t lost_count;
	int away;
	bool has_starters; /* some serve in a part of their slots */
	uint32_t *quota;  /* slots of each node in the full table */
	uint32_t *stands; /* slots of the owner at hand that have it for a substitute */
};

/* The finalizer of SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom
 * Number Generators", OOPSLA 2014. */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Is the slot in a part that a node takes when so many are missing? */
static inline bool takes(const struct owners_node *node, unsigned missing, uint32_t slot)
{
	return missing == 0 || mix(node->id + slot) % OWNERS_PARTS >= missing;
}

/* Does a node serve in this slot? Without slow starters in all or in none, and then
 * this has no branch on a coin's toss. */
static inline bool serves(const struct fill *f, uint16_t node, uint32_t slot)
{
	unsigned missing = f->missing[node];

	if (!f->has_starters || missing == 0 || missing == OWNERS_PARTS)
		return missing == 0;
	return takes(&f->node[node], missing, slot);
}

/* One pseudo-random permutation of 0..len - 1, len a prime. */
struct permutation {
	uint64_t inverse; /* 2^64 / len: a remainder without a division */
	uint32_t len;
	uint32_t factor[2]; /* 1..len - 1 */
	uint32_t flip[2];   /* below the largest power of two in len */
};

static struct permutation permutation(unsigned number, uint32_t len)
{
	struct permutation p = { .inverse = UINT64_MAX / len, .len = len };
	uint32_t power = 1u << (31 - __builtin_clz(len));

	for (unsigned i = 0; i < 2; i++) {
		uint64_t h = mix(number * 2 + i);

		p.factor[i] = (uint32_t)(h % (len - 1)) + 1;
		p.flip[i] = (uint32_t)(h >> 32) & (power - 1);
	}
	return p;
}

/*
 * Multiplying modulo a prime permutes, but keeps arithmetic progressions, and those
 * are what a Maglev node's first slots are: two nodes' would meet again and again.
 * Flipping bits, where the result is still below len, permutes too (it swaps pairs)
 * and breaks progressions up.
 */
static inline uint32_t permute(const struct permutation *p, uint32_t x)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t product = (uint64_t)x * p->factor[i];
		uint64_t whole = (uint64_t)(((unsigned __int128)product * p->inverse) >> 64);
		uint32_t flipped;

		x = (uint32_t)(product - whole * p->len);
		x -= x >= p->len ? p->len : 0;
		flipped = x ^ p->flip[i];
		x = flipped < p->len ? flipped : x;
	}
	return x;
}

/* Slots whose owner in the full table does not serve in all of its own, grouped by it. */
static void find_lost(struct fill *f)
{
	uint32_t at = 0;

	for (uint32_t slot = 0; slot < f->len; slot++)
		if (f->full[slot] != MAGLEV_NONE)
			f->quota[f->full[slot]]++;
	for (uint32_t i = 0; i < f->count; i++) {
		f->gone[i] = f->missing[i] != 0 && (f->asked == NULL || f->asked[i]);
		/* Borrowed: where the next lost slot of i goes. The last entry is nobody's. */
		f->stands[i] = f->gone[i] ? at : f->len;
		at += f->gone[i] ? f->quota[i] : 0;
	}
	f->lost_count = at;
	for (uint32_t slot = 0; slot < f->len; slot++) {
		uint16_t o = f->full[slot];

		f->owner[slot] = o;
		if (o == MAGLEV_NONE)
			continue;
		/* No branch on a coin's toss: write each, advance or not. */
		f->lost[f->stands[o]] = slot;
		f->stands[o] += f->gone[o];
	}
	memset(f->stands, 0, f->count * sizeof(*f->stands));
}

/* Give the lost slots of one owner, lost[from..to), their substitutes. */
static void substitute(struct fill *f, const struct permutation p[2], uint32_t from, uint32_t to)
{
	uint16_t self = f->full[f->lost[from]];

	for (uint32_t i = from; i < to; i++) {
		uint16_t a = f->full[permute(&p[0], f->lost[i])];
		uint16_t b = f->full[permute(&p[1], f->lost[i])];
		uint64_t load_a = (uint64_t)f->stands[a] * f->quota[b];
		uint64_t load_b = (uint64_t)f->stands[b] * f->quota[a];

		if (a == self || (b != self && load_b < load_a))
			a = b;
		f->stands[a]++;
		f->owner[f->lost[i]] = a;
	}
	for (uint32_t i = from; i < to; i++)
		f->stands[f->owner[f->lost[i]]] = 0;
}

static void substitute_all(struct fill *f)
{
	const struct permutation p[2] = { permutation(1, f->len), permutation(2, f->len) };
	uint32_t kept = 0;

	for (uint32_t from = 0, to; from < f->lost_count; from = to) {
		to = from + f->quota[f->full[f->lost[from]]];
		substitute(f, p, from, to);
	}
	/* Those that a slow starter has already are its own; the others' substitutes do not
	 * depend on how many those are. */
	for (uint32_t i = 0; i < f->lost_count; i++) {
		uint32_t slot = f->lost[i];

		if (serves(f, f->full[slot], slot)) {
			f->owner[slot] = f->full[slot];
			continue;
		}
		f->away++;
		f->lost[kept] = slot;
		kept += !serves(f, f->owner[slot], slot);
	}
	f->lost_count = kept;
}

/* One look at one other slot for each that is still lost. */
static void search(struct fill *f, unsigned number)
{
	const struct permutation p = permutation(number, f->len);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < f->lost_count; i++) {
		uint32_t slot = f->lost[i];
		uint16_t o = f->full[permute(&p, slot)];

		/* No branch on a coin's toss: write both, advance or not. */
		f->owner[slot] = o;
		f->lost[kept] = slot;
		kept += !serves(f, o, slot);
	}
	f->lost_count = kept;
}

/*
 * The node with the smallest -ln(u) / weight, u uniform in (0, 1) by slot and
 * identity: Efraimidis and Spirakis, "Weighted random sampling with a reservoir",
 * 2006. Logarithms of two machines may differ in the last bit; that two scores are so
 * close is a matter of one slot in 10^12.
 */
static uint16_t rendezvous(const struct fill *f, uint32_t slot, bool all)
{
	uint64_t slot_hash = mix(slot);
	uint16_t best = MAGLEV_NONE;
	double least = INFINITY;

	for (uint32_t i = 0; i < f->serving_count; i++) {
		const struct owners_node *n = &f->node[f->serving[i]];
		double u = ((double)(mix(n->id ^ slot_hash) >> 12) + 0.5) * 0x1p-52;
		double score = -log(u) / n->weight;

		if (score < least && (all || serves(f, f->serving[i], slot))) {
			least = score;
			best = f->serving[i];
		}
	}
	return best;
}

/* Who takes a slot when few serve. Rather a slow starter too early than nobody. */
static uint16_t last_resort(const struct fill *f, uint32_t slot)
{
	uint16_t o = rendezvous(f, slot, false);

	if (o == MAGLEV_NONE && f->missing[f->full[slot]] < OWNERS_PARTS)
		o = f->full[slot];
	return o != MAGLEV_NONE ? o : rendezvous(f, slot, true);
}

static int allocate(struct fill *f)
{
	f->gone = calloc(f->count + 1, sizeof(*f->gone));
	f->missing = calloc(f->count + 1, sizeof(*f->missing));
	f->serving = calloc(f->count + 1, sizeof(*f->serving));
	f->quota = calloc(f->count + 1, sizeof(*f->quota));
	f->stands = calloc(f->count + 1, sizeof(*f->stands));
	f->lost = malloc((f->len + 1) * sizeof(*f->lost));
	return f->gone && f->missing && f->serving && f->quota && f->stands && f->lost ? 0 : -ENOMEM;
}

static void release(struct fill *f)
{
	free(f->lost);
	free(f->stands);
	free(f->quota);
	free(f->serving);
	free(f->missing);
	free(f->gone);
}

/* By the order alone. asked: NULL, and as if no node had parts missing; or by node, whose
 * slots in the full table are asked for: the others are not looked at, which changes
 * nothing for these. */
static int fill(uint16_t *owner, const uint16_t *full, uint32_t len, const struct owners_node *node,
		uint32_t count, const bool *asked)
{
	struct fill f = {
		.owner = owner,
		.full = full,
		.len = len,
		.node = node,
		.count = count,
		.asked = asked,
	};
	const bool whole = asked == NULL;
	int err = -ENOMEM;

	if (allocate(&f) < 0)
		goto out;
	for (uint32_t i = 0; i < count; i++) {
		f.missing[i] = !node[i].serves ? OWNERS_PARTS : whole ? 0 : node[i].missing;
		f.has_starters |= node[i].serves && f.missing[i] > 0;
		if (node[i].serves)
			f.serving[f.serving_count++] = (uint16_t)i;
	}
	find_lost(&f);
	f.away = f.serving_count > 0 ? 0 : (int)f.lost_count;
	if (f.serving_count > 0) {
		substitute_all(&f);
		for (unsigned k = 1; k <= TRIES && f.lost_count > 0; k++)
			search(&f, 2 + k);
	}
	for (uint32_t i = 0; i < f.lost_count; i++)
		owner[f.lost[i]] = last_resort(&f, f.lost[i]);
	err = f.away;
out:
	release(&f);
	return err;
}

bool owners_start_slowly(const struct owners_node *node, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (node[i].serves && node[i].missing > 0)
			return true;
	return false;
}

static bool has_owner(const uint16_t *table, uint32_t slot, const struct owners_node *node)
{
	return table[slot] != MAGLEV_NONE && node[table[slot]].serves;
}

/* Does a slot wait for an owner that starts slowly, by owner[] as if whole? */
static bool waits(const uint16_t *owner, uint32_t slot, const struct owners_node *node)
{
	return owner[slot] != MAGLEV_NONE &&
	       !takes(&node[owner[slot]], node[owner[slot]].missing, slot);
}

/* Gives slot[], which wait and have no present owner, the next ones in order. */
static int stand_in(uint16_t *owner, const uint16_t *full, uint32_t len,
		    const struct owners_node *node, uint32_t count, const uint32_t *slot,
		    uint32_t slots)
{
	uint16_t *by_order = malloc(len * sizeof(*by_order));
	bool *asked = calloc(count, sizeof(*asked));
	int err = -ENOMEM;

	if (by_order == NULL || asked == NULL)
		goto out;
	for (uint32_t i = 0; i < slots; i++)
		asked[full[slot[i]]] = true;
	err = fill(by_order, full, len, node, count, asked);
	for (uint32_t i = 0; i < slots && err >= 0; i++)
		owner[slot[i]] = by_order[slot[i]];
out:
	free(asked);
	free(by_order);
	return err;
}

/* owner[] is as if whole: slots that their owner does not take yet go to whoever keeps them
 * until then. Rarely somebody has to stand in, for few slots. */
static int hold_back(uint16_t *owner, const uint16_t *full, const uint16_t *present, uint32_t len,
		     const struct owners_node *node, uint32_t count)
{
	uint32_t *slot = malloc(len * sizeof(*slot)), slots = 0;
	int err = 0;

	if (slot == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < len; i++) {
		if (!waits(owner, i, node))
			continue;
		if (present != NULL && has_owner(present, i, node))
			owner[i] = present[i];
		else
			slot[slots++] = i;
	}
	if (slots > 0)
		err = stand_in(owner, full, len, node, count, slot, slots);
	free(slot);
	return err < 0 ? err : 0;
}

int owners_fill(uint16_t *owner, const uint16_t *full, const uint16_t *present, uint32_t len,
		const struct owners_node *node, uint32_t count)
{
	int away = fill(owner, full, len, node, count, NULL), err = 0;

	if (away >= 0 && owners_start_slowly(node, count))
		err = hold_back(owner, full, present, len, node, count);
	return err < 0 ? err : away;
}
