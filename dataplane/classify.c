// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 3: which service a packet is for. The exact (VIP, protocol, port) wins,
 * then (VIP, protocol, 0); what is left is a stray if its address is a VIP.
 *
 * Reads:  the flow key, flags.  Writes: service, pool, service_flags; or drop.
 *
 * The table's entries are in memory that the control plane can write: what is
 * taken from one is masked to its range, and a run of probes is bounded.
 */
#include "pipeline.h"
#include "view.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

static_assert((WEIR_MAX_SERVICES & (WEIR_MAX_SERVICES - 1)) == 0, "a mask bounds an index");
static_assert((WEIR_MAX_POOLS & (WEIR_MAX_POOLS - 1)) == 0, "a mask bounds an index");

/* The entry of an IPv4 key whose home is `home`, or NULL. */
static inline const struct weir_lookup *lookup_from(const struct view *v, uint32_t home,
						    uint64_t k0)
{
	uint32_t mask = (1u << v->lookup_bits) - 1;

	for (uint32_t i = 0; i < WEIR_LOOKUP_PROBES; i++) {
		const struct weir_lookup *e = &v->lookup[(home + i) & mask];

		if (likely(e->k0 == k0))
			return e;
		if (e->k0 == 0)
			return NULL;
	}
	return NULL;
}

static const struct weir_lookup *lookup(const struct view *v, uint64_t k0)
{
	return lookup_from(v, weir_lookup_home(k0, 0, 0, v->lookup_bits), k0);
}

static inline void classify_as(struct pkt *p, const struct weir_lookup *e)
{
	p->service = e->service & (WEIR_MAX_SERVICES - 1);
	p->pool = e->pool & (WEIR_MAX_POOLS - 1);
	p->service_flags = (uint8_t)e->flags;
}

/* No service has exactly this address, protocol and port. */
static void classify_rest(const struct view *v, struct pkt *p, const union flow_key *k)
{
	const struct weir_lookup *e;

	if (!(p->flags & (PKT_FRAGMENT | PKT_OTHER_L4))) {
		e = lookup(v, weir_lookup_k0(4, k->v4.protocol, 0, k->v4.dst_be));
		if (e != NULL) {
			classify_as(p, e);
			return;
		}
	}
	if (lookup(v, weir_lookup_k0(4, 0, 0, k->v4.dst_be)) == NULL)
		p->drop = WEIR_DROP_NOT_A_VIP;
	else if (p->flags & PKT_OTHER_L4)
		p->drop = WEIR_DROP_UNSUPPORTED_L4;
	else if (p->flags & PKT_FRAGMENT)
		p->drop = WEIR_DROP_FRAGMENT;
	else
		p->drop = WEIR_DROP_STRAY;
}

static void no_snapshot(struct burst *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->pkt[i].drop == WEIR_DROP_NONE)
			b->pkt[i].drop = WEIR_DROP_NO_SNAPSHOT;
}

void classify_burst(const struct view *v, struct burst *b)
{
	uint32_t home[WEIR_BURST];
	uint64_t k0[WEIR_BURST];
	const uint32_t n = b->n;

	if (unlikely(v->generation == 0)) {
		no_snapshot(b);
		return;
	}

	for (uint32_t i = 0; i < n; i++) {
		const union flow_key *k = &b->key[i];

		if (unlikely(b->pkt[i].drop != WEIR_DROP_NONE))
			continue;
		k0[i] = weir_lookup_k0(4, k->v4.protocol, k->v4.dport_be, k->v4.dst_be);
		home[i] = weir_lookup_home(k0[i], 0, 0, v->lookup_bits);
		rte_prefetch0(&v->lookup[home[i]]);
	}

	for (uint32_t i = 0; i < n; i++) {
		struct pkt *p = &b->pkt[i];
		const struct weir_lookup *e = NULL;

		if (unlikely(p->drop != WEIR_DROP_NONE))
			continue;
		if (likely(!(p->flags & (PKT_FRAGMENT | PKT_OTHER_L4))))
			e = lookup_from(v, home[i], k0[i]);
		if (likely(e != NULL))
			classify_as(p, e);
		else
			classify_rest(v, p, &b->key[i]);
	}
}
