// SPDX-License-Identifier: Apache-2.0
/*
 * Linear probing, and an entry that is further from its home takes the place of one
 * that is nearer ("Robin Hood": Celis, Larson, Munro, FOCS 1985). The workers' search
 * does not notice, and the longest one is half as long.
 */
#include "lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct weir_lookup lookup_entry(const struct lookup_row *row)
{
	struct weir_lookup e = { .service = row->service, .pool = row->pool, .flags = row->flags };
	uint32_t v4_be = 0;
	uint8_t kind;

	if (row->vip->family == 4) {
		memcpy(&v4_be, row->vip->bytes, sizeof(v4_be));
	} else {
		memcpy(&e.k1, row->vip->bytes, sizeof(e.k1));
		memcpy(&e.k2, row->vip->bytes + 8, sizeof(e.k2));
	}
	kind = weir_lookup_kind(row->vip->family, weir_addr_bits(row->vip) - row->vip_bits);
	e.k0 = weir_lookup_k0(kind, row->protocol, htons(row->port), v4_be);
	return e;
}

struct weir_vip lookup_vip(const struct weir_lookup *e)
{
	uint8_t kind = (uint8_t)e->k0;
	uint32_t v4_be = (uint32_t)(e->k0 >> 32);
	struct weir_vip v = { .family = kind == 6 || kind >= 128 ? 6 : 4 };

	if (v.family == 4) {
		v.prefix_len = kind == 4 ? 32 : kind - 32;
		memcpy(v.addr, &v4_be, sizeof(v4_be));
	} else {
		v.prefix_len = kind == 6 ? 128 : kind - 128;
		memcpy(v.addr, &e->k1, sizeof(e->k1));
		memcpy(v.addr + 8, &e->k2, sizeof(e->k2));
	}
	return v;
}

static bool same_key(const struct weir_lookup *a, const struct weir_lookup *b)
{
	return a->k0 == b->k0 && a->k1 == b->k1 && a->k2 == b->k2;
}

/* The entry with this key, or NULL: what a worker would find. */
static const struct weir_lookup *find(const struct lookup *l, const struct weir_lookup *key)
{
	uint32_t at = weir_lookup_home(key->k0, key->k1, key->k2, l->bits);

	for (unsigned i = 0; i < WEIR_LOOKUP_PROBES; i++) {
		const struct weir_lookup *e = &l->entry[(at + i) & ((1u << l->bits) - 1)];

		if (e->k0 == 0)
			return NULL;
		if (same_key(e, key))
			return e;
	}
	return NULL;
}

/* False: too far from home. */
static bool put(struct lookup *l, struct weir_lookup e)
{
	uint32_t mask = (1u << l->bits) - 1;
	uint32_t at = weir_lookup_home(e.k0, e.k1, e.k2, l->bits);

	for (unsigned probes = 0; probes < WEIR_LOOKUP_PROBES; probes++, at++) {
		struct weir_lookup *there = &l->entry[at & mask];
		struct weir_lookup was = *there;
		uint32_t was_probes;

		if (was.k0 == 0) {
			*there = e;
			return true;
		}
		was_probes = (at - weir_lookup_home(was.k0, was.k1, was.k2, l->bits)) & mask;
		if (was_probes < probes) {
			*there = e;
			e = was;
			probes = was_probes;
		}
	}
	return false;
}

static bool put_all(struct lookup *l, const struct lookup_row *row, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct weir_lookup e = lookup_entry(&row[i]);

		if (find(l, &e) == NULL && !put(l, e))
			return false;
	}
	return true;
}

int lookup_build(const struct lookup_row *row, uint32_t count, struct lookup *out)
{
	struct lookup l = { .bits = WEIR_LOOKUP_MIN_BITS };

	/* A quarter full at most: nearly every key stands at its home, where the workers
	 * find it with one load. */
	while (l.bits < WEIR_LOOKUP_MAX_BITS && (1u << l.bits) < LOOKUP_ROOM * count)
		l.bits++;
	for (; l.bits <= WEIR_LOOKUP_MAX_BITS; l.bits++) {
		l.entry = calloc(1u << l.bits, sizeof(*l.entry));
		if (l.entry == NULL)
			return -ENOMEM;
		if (put_all(&l, row, count)) {
			*out = l;
			return 0;
		}
		free(l.entry);
	}
	return -E2BIG;
}

void lookup_free(struct lookup *l)
{
	free(l->entry);
	l->entry = NULL;
}
