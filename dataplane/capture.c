// SPDX-License-Identifier: Apache-2.0
#include "capture.h"

#include "count.h"

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <netinet/in.h>
#include <string.h>

static_assert((CAPTURE_SLOTS & (CAPTURE_SLOTS - 1)) == 0, "a mask bounds a position");

/* The first `len` bits are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned len)
{
	unsigned whole = len / 8, rest = len % 8;

	return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* Did parse come as far as protocol and ports? To the addresses it has come without
 * PKT_NO_ADDRESS. */
static bool has_key(const struct pkt *p)
{
	if (p->flags & PKT_MALFORMED)
		return false;
	switch (p->drop) {
	case WEIR_DROP_TRUNCATED:
	case WEIR_DROP_BAD_HEADER:
	case WEIR_DROP_BAD_EXTENSION:
	case WEIR_DROP_FRAGMENT_TINY:
		return false;
	default:
		return true;
	}
}

static bool tuple_matches(const struct weir_capture *w, const struct pkt *p,
			  const union flow_key *k)
{
	bool v6 = p->flags & PKT_IPV6;
	const uint8_t *src = v6 ? k->v6.src : (const uint8_t *)&k->v4.src_be;
	const uint8_t *dst = v6 ? k->v6.dst : (const uint8_t *)&k->v4.dst_be;
	uint16_t sport = rte_be_to_cpu_16(v6 ? k->v6.sport_be : k->v4.sport_be);
	uint16_t dport = rte_be_to_cpu_16(v6 ? k->v6.dport_be : k->v4.dport_be);
	uint8_t protocol = v6 ? k->v6.protocol : k->v4.protocol;

	if (w->by & (WEIR_CAPTURE_BY_SOURCE | WEIR_CAPTURE_BY_DEST) && v6 != (w->family == 6))
		return false;
	if (w->by & WEIR_CAPTURE_BY_SOURCE && !same_bits(src, w->src, w->src_len))
		return false;
	if (w->by & WEIR_CAPTURE_BY_DEST && !same_bits(dst, w->dst, w->dst_len))
		return false;
	return !(w->by & WEIR_CAPTURE_BY_PROTOCOL && protocol != w->protocol) &&
	       !(w->by & WEIR_CAPTURE_BY_SPORT && sport != w->sport) &&
	       !(w->by & WEIR_CAPTURE_BY_DPORT && dport != w->dport);
}

/* All that is asked for but the reason of a drop. */
static bool matches(const struct weir_capture *w, const struct burst *b, uint32_t i)
{
	const uint32_t addresses = WEIR_CAPTURE_BY_SOURCE | WEIR_CAPTURE_BY_DEST;
	const uint32_t behind = WEIR_CAPTURE_BY_PROTOCOL | WEIR_CAPTURE_BY_SPORT |
				WEIR_CAPTURE_BY_DPORT;
	const struct pkt *p = &b->pkt[i];
	/* Which of them a packet that was dropped had come to. */
	bool answer = p->flags & PKT_ANSWER, going = p->drop == WEIR_DROP_NONE && !answer;
	unsigned column = count_drop_column(p, p->drop);

	if (w->by & WEIR_CAPTURE_BY_SERVICE &&
	    (p->service != w->service || !(going || column < WEIR_SERVICE_COLUMNS)))
		return false;
	if (w->by & WEIR_CAPTURE_BY_BACKEND &&
	    (p->backend != w->backend || !(going || column < WEIR_BACKEND_COLUMNS)))
		return false;
	if (!(w->by & (addresses | behind)))
		return true;
	return !(p->flags & PKT_NO_ADDRESS) && (!(w->by & behind) || has_key(p)) &&
	       tuple_matches(w, p, &b->key[i]);
}

static bool in_sample(struct capture_ring *r)
{
	if (++r->skipped < r->want->sample)
		return false;
	r->skipped = 0;
	return true;
}

/* A copy in the next slot, which is the reader's once `tail` has passed it. */
static struct capture_slot *copy(struct capture_ring *r, const struct rte_mbuf *m, uint8_t point,
				 uint8_t port, uint8_t drop)
{
	struct capture_slot *s;
	uint32_t held = RTE_MIN(m->pkt_len, r->want->snap);
	const void *bytes;

	/* Acquire pairs with the release of the reader: it has finished with the slot. */
	if (r->next - atomic_load_explicit(&r->head, memory_order_acquire) >= CAPTURE_SLOTS) {
		count_add_u64(&r->missed, 1);
		return NULL;
	}
	s = capture_slot(r, r->next);
	*s = (struct capture_slot){ .cycles = rte_rdtsc(),
				    .len = m->pkt_len,
				    .held = (uint16_t)held,
				    .point = point,
				    .port = port,
				    .drop = drop };
	bytes = rte_pktmbuf_read(m, 0, held, s->bytes);
	if (bytes != NULL && bytes != s->bytes)
		memcpy(s->bytes, bytes, held);
	r->next++;
	return s;
}

void capture_before(struct capture_ring *r, const struct burst *b)
{
	const struct weir_capture *w = r->want;

	r->copies = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		const struct pkt *p = &b->pkt[i];
		uint32_t at = r->next;

		r->came_by[i] = p->port;
		if (p->drop == PKT_TAKEN || !(w->points & WEIR_CAPTURE_BEFORE) ||
		    w->by & WEIR_CAPTURE_BY_DROP || !matches(w, b, i) || !in_sample(r))
			continue;
		if (copy(r, p->mbuf, WEIR_CAPTURE_BEFORE, p->port, p->drop) == NULL)
			continue;
		r->copy[r->copies].slot = at;
		r->copy[r->copies++].pkt = i;
	}
}

/* Where answers or punt decide what it is dropped for, if at all. */
static bool is_late(unsigned drop)
{
	return drop == WEIR_DROP_NOT_A_VIP || drop == WEIR_DROP_NOT_IP ||
	       drop == WEIR_DROP_NO_SNAPSHOT || drop == WEIR_DROP_PUNT_FULL ||
	       drop == WEIR_DROP_ANSWER_LIMITED;
}

/* What became of the copies of this burst, and copies of what was dropped as is asked for.
 * A frame that was given up is as it came. */
static void outcome(struct capture_ring *r, const struct burst *b, bool behind_punt)
{
	const struct weir_capture *w = r->want;

	for (uint32_t i = 0; i < r->copies; i++) {
		struct capture_slot *s = capture_slot(r, r->copy[i].slot);
		uint8_t drop = b->pkt[r->copy[i].pkt].drop;

		if (behind_punt && b->pkt[r->copy[i].pkt].flags & PKT_ANSWER)
			s->drop = WEIR_DROP_NONE; /* it was no drop in the end */
		else if (behind_punt && (is_late(s->drop) || is_late(drop)))
			s->drop = drop == PKT_TAKEN ? WEIR_DROP_NONE : drop;
		else if (!behind_punt && drop != PKT_TAKEN)
			s->drop = drop;
	}
	if (!(w->by & WEIR_CAPTURE_BY_DROP) || !(w->points & WEIR_CAPTURE_BEFORE) ||
	    is_late(w->drop) != behind_punt)
		return;
	for (uint32_t i = 0; i < b->n; i++)
		if (b->pkt[i].drop == w->drop && matches(w, b, i) && in_sample(r))
			copy(r, b->pkt[i].mbuf, WEIR_CAPTURE_BEFORE, r->came_by[i], w->drop);
}

void capture_outcome(struct capture_ring *r, const struct burst *b)
{
	outcome(r, b, false);
}

void capture_unpunted(struct capture_ring *r, const struct burst *b)
{
	outcome(r, b, true);
}

void capture_unheld(struct capture_ring *r, const struct rte_mbuf *m, uint8_t port, uint8_t drop)
{
	const struct weir_capture *w = r->want;

	if (w->by != WEIR_CAPTURE_BY_DROP || !(w->points & WEIR_CAPTURE_BEFORE) ||
	    w->drop != drop || !in_sample(r))
		return;
	copy(r, m, WEIR_CAPTURE_BEFORE, port, drop);
	capture_commit(r);
}

void capture_after(struct capture_ring *r, const struct burst *b)
{
	const struct weir_capture *w = r->want;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct pkt *p = &b->pkt[i];

		if (p->drop == WEIR_DROP_NONE && w->points & WEIR_CAPTURE_AFTER &&
		    !(w->by & WEIR_CAPTURE_BY_DROP) && matches(w, b, i) && in_sample(r))
			copy(r, p->mbuf, WEIR_CAPTURE_AFTER, b->one_port ? b->pkt[0].port : p->port,
			     WEIR_DROP_NONE);
	}
}

void capture_pieces(struct capture_ring *r, struct burst *pieces, const struct pkt *p,
		    const union flow_key *k)
{
	for (uint32_t i = 0; i < pieces->n; i++) {
		pieces->key[i] = *k;
		pieces->pkt[i].service = p->service;
		pieces->pkt[i].backend = p->backend;
	}
	capture_after(r, pieces);
}

void capture_commit(struct capture_ring *r)
{
	/* Release pairs with the acquire of the reader: the slots are filled. */
	atomic_store_explicit(&r->tail, r->next, memory_order_release);
}
