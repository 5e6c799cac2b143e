// SPDX-License-Identifier: Apache-2.0
#include "frags.h"

#include "capture.h"
#include "count.h"
#include "split.h"

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include <netinet/in.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static_assert((FRAGS_HELD & (FRAGS_HELD - 1)) == 0, "a mask bounds an index");
#define AT(position) ((position) & (FRAGS_HELD - 1))

void frags_clock(struct frags *f)
{
	struct timespec now; /* no system call: the vDSO has this clock */

	clock_gettime(CLOCK_MONOTONIC, &now);
	f->now_ms = (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

/*
 * What all fragments of a datagram have alike. IPv6: the fragment headers of a datagram
 * may name different protocols, and that of the first one counts (RFC 8200, section 4.5).
 * Keyed, so that nobody can fill the bucket where another's datagram stands.
 */
static uint64_t tag_of(const struct pkt *p, const union flow_key *k, const struct fragment *f,
		       uint64_t seed)
{
	bool error = p->flags & PKT_ICMP_ERROR; /* the key is that of what it quotes */
	union flow_key of = *k;
	uint64_t key[6] = { 0 }, tag;

	if (p->flags & PKT_IPV6) {
		if (error)
			memcpy(of.v6.src, f->sender, sizeof(of.v6.src));
		of.v6.sport_be = of.v6.dport_be = 0;
		of.v6.protocol = 0;
		memcpy(key, &of.v6, sizeof(of.v6));
	} else {
		if (error) {
			memcpy(&of.v4.src_be, f->sender, sizeof(of.v4.src_be));
			of.v4.protocol = IPPROTO_ICMP;
		}
		of.v4.sport_be = of.v4.dport_be = 0;
		memcpy(key, &of.v4, sizeof(of.v4));
	}
	key[5] = (uint64_t)f->id_be << 8 | (p->flags & PKT_IPV6 ? 6 : 4);
	tag = XXH3_64bits_withSeed(key, sizeof(key), ~seed);
	return tag + (tag == 0);
}

/* -- what is noted ----------------------------------------------------------- */

static bool forwards(const struct view *v, unsigned backend)
{
	return backend < v->backend_count &&
	       __atomic_load_n(&v->backend[backend].flags, __ATOMIC_RELAXED) & WEIR_BACKEND_FORWARD;
}

/* An index may have another backend by now, whose fragments these are not. */
static uint32_t stamp_of(const struct view *v, unsigned backend)
{
	const struct weir_backend *be = &v->backend[backend];

	if (be->encap == WEIR_ENCAP_L2)
		return (uint32_t)XXH3_64bits(be->dmac, sizeof(be->dmac));
	return (uint32_t)XXH3_64bits(be->outer, sizeof(be->outer));
}

static void store(struct frags *f, struct frag_record *r)
{
	enum frag_put gone;

	if (f->read_only)
		return;
	r->last_ms = f->now_ms;
	gone = frag_put(f->table, r, f->now_ms);
	if (gone == FRAG_PUT_OLD)
		count_add_u64(&f->area->frags.expired, 1);
	else if (gone == FRAG_PUT_LIVE)
		count_add_u64(&f->area->frags.evicted, 1);
}

static bool get_elsewhere(const struct frags *f, uint64_t tag, struct frag_record *r)
{
	for (uint32_t i = 0; i < f->other_count; i++)
		if (frag_get(f->other[i], tag, f->now_ms, r) && r->from == FRAG_FROM_NOBODY) {
			r->from = (uint8_t)i;
			return true;
		}
	return false;
}

/* What is known of a datagram here, or at the worker that its first fragment came to. */
static bool get(struct frags *f, uint64_t tag, struct frag_record *r)
{
	struct frag_record there;

	if (!frag_get(f->table, tag, f->now_ms, r)) {
		if (!get_elsewhere(f, tag, r))
			return false;
		if (!f->read_only)
			count_add_u64(&f->area->frags.found_elsewhere, 1);
		return true;
	}
	/* A copy: the first one may have come anew there, or have overlapped. */
	if (!(r->state & FRAG_BAD) && r->from < f->other_count &&
	    frag_get(f->other[r->from], tag, f->now_ms, &there) &&
	    (there.serial != r->serial || there.state & FRAG_BAD)) {
		there.from = r->from;
		*r = there;
	}
	return true;
}

/* -- what is held ------------------------------------------------------------ */

static void gone(struct frags *f, uint32_t position)
{
	struct frags_held *h = &f->held[AT(position)];

	if (h->ready)
		f->ready--;
	else
		f->waiting--;
	*h = (struct frags_held){ .mbuf = NULL };
	f->tag[AT(position)] = 0;
	while (f->head != f->tail && f->held[AT(f->head)].mbuf == NULL)
		f->head++;
	atomic_store_explicit(&f->area->frags.holding, f->waiting + f->ready, memory_order_relaxed);
}

static void give_up(struct frags *f, uint32_t position, enum weir_drop reason)
{
	const struct frags_held *h = &f->held[AT(position)];
	struct rte_mbuf *m = h->mbuf;

	count_add(&f->area->drop[reason], 1, m->pkt_len);
	count_column(f->area, h->service, 0, weir_drop_column(reason)); /* a VIP's */
	if (f->capturing != NULL)
		capture_unheld(f->capturing, m, h->port, (uint8_t)reason);
	rte_pktmbuf_free(m);
	gone(f, position);
}

static uint32_t held_of(const struct frags *f, uint64_t tag)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FRAGS_HELD; i++)
		n += f->tag[i] == tag;
	return n;
}

/* Close the gaps between those that are held. */
static void close_gaps(struct frags *f)
{
	uint32_t to = f->head;

	for (uint32_t at = f->head; at != f->tail; at++) {
		if (f->held[AT(at)].mbuf == NULL)
			continue;
		if (at != to) {
			f->held[AT(to)] = f->held[AT(at)];
			f->tag[AT(to)] = f->tag[AT(at)];
			f->held[AT(at)] = (struct frags_held){ .mbuf = NULL };
			f->tag[AT(at)] = 0;
		}
		to++;
	}
	f->tail = to;
	f->look = f->head;
}

/* When there is no room the oldest gives way: its first one is least likely to come. */
static void hold(struct frags *f, struct pkt *p, uint64_t tag)
{
	if (held_of(f, tag) >= FRAGS_HELD_OF) {
		p->drop = WEIR_DROP_FRAGMENT_FULL;
		return;
	}
	if (f->tail - f->head == FRAGS_HELD && f->waiting + f->ready < FRAGS_HELD)
		close_gaps(f);
	if (f->tail - f->head == FRAGS_HELD)
		give_up(f, f->head, WEIR_DROP_FRAGMENT_FULL);

	f->held[AT(f->tail)] = (struct frags_held){
		.mbuf = p->mbuf, .since_ms = f->now_ms, .service = p->service, .port = p->port
	};
	f->tag[AT(f->tail)] = tag;
	f->tail++;
	f->waiting++;
	p->drop = PKT_TAKEN;
	count_add_u64(&f->area->frags.held, 1);
	atomic_store_explicit(&f->area->frags.holding, f->waiting + f->ready, memory_order_relaxed);
}

static void mark_ready(struct frags *f, uint64_t tag)
{
	for (uint32_t i = 0; f->waiting != 0 && i < FRAGS_HELD; i++)
		if (f->tag[i] == tag && !f->held[i].ready) {
			f->held[i].ready = true;
			f->waiting--;
			f->ready++;
		}
}

bool frags_again(struct frags *f, struct burst *b)
{
	b->n = 0;
	b->as_taken = false;
	for (uint32_t at = f->head; f->ready != 0 && b->n < WEIR_BURST; at++) {
		const struct frags_held *h = &f->held[AT(at)];

		if (!h->ready)
			continue;
		b->pkt[b->n].mbuf = h->mbuf;
		b->pkt[b->n].state = (struct pkt){ .port = h->port, .drop = WEIR_DROP_NONE }.state;
		b->n++;
		gone(f, at);
	}
	f->again = b->n != 0;
	return f->again;
}

/* -- between the stages ------------------------------------------------------- */

/* What its datagram has, by the first one. */
static void take_choice(struct pkt *p, const struct frag_record *r)
{
	p->service = r->service;
	p->pool = r->pool;
	p->backend = r->backend;
	p->flow_hash = r->flow_hash;
	if (r->state & FRAG_ERROR)
		p->flags |= PKT_ICMP_ERROR;
}

/* Dropped for what is known of its datagram. What is too big as the first one was has no
 * PKT_CHOSEN: split_wanted() tells it by that. */
static void drop_known(struct pkt *p, const struct frag_record *r, enum weir_drop reason)
{
	take_choice(p, r);
	p->drop = (uint8_t)reason;
	if (r->state & FRAG_CHOSEN && weir_chosen_column(reason) != WEIR_COLUMNS)
		p->flags |= PKT_CHOSEN;
}

/* The first one is known: where does this one go? */
static void follow(struct frags *f, const struct view *v, struct pkt *p, struct frag_record *r,
		   const struct fragment *fragment)
{
	enum frag_fit fit;

	if (r->reason == WEIR_DROP_NONE &&
	    (!forwards(v, r->backend) || stamp_of(v, r->backend) != r->stamp))
		r->reason = WEIR_DROP_BACKEND_OFF;
	if (r->reason != WEIR_DROP_NONE) {
		drop_known(p, r, r->reason);
		store(f, r);
		return;
	}
	fit = frag_add(r, fragment);
	if (fit == FRAG_OVERLAP || fit == FRAG_NO_ROOM) {
		if (fit == FRAG_OVERLAP)
			r->state |= FRAG_BAD;
		r->reason =
			fit == FRAG_OVERLAP ? WEIR_DROP_FRAGMENT_OVERLAP : WEIR_DROP_FRAGMENT_FULL;
		drop_known(p, r, r->reason);
		store(f, r);
		return;
	}
	take_choice(p, r);
	p->flags |= PKT_CHOSEN;
	p->drop = WEIR_DROP_NONE;

	if (!frag_complete(r)) {
		store(f, r);
	} else if (!f->read_only) {
		frag_remove(f->table, r->tag);
		count_add_u64(&f->area->frags.complete, 1);
	}
}

/* The same once more is a duplicate, or another datagram with a number that is used again:
 * its other fragments are new in any case. */
static bool contradicts(const struct frag_record *before, const struct fragment *first)
{
	return before->state & FRAG_BAD || before->first_len != first->len;
}

/* The first fragments of a burst so far: none of them is noted before the burst's end. */
struct firsts {
	uint32_t n;
	uint64_t tag[WEIR_BURST];
	uint16_t len[WEIR_BURST];
};

/* Does one of its datagram stand before it in the burst, of another length? */
static bool contradicts_burst(struct firsts *before, uint64_t tag, uint16_t len)
{
	bool found = false;

	for (uint32_t i = 0; i < before->n; i++)
		found |= before->tag[i] == tag && before->len[i] != len;
	before->tag[before->n] = tag;
	before->len[before->n++] = len;
	return found;
}

/* A first fragment. Whose it is of those that stand before it in the burst is known when
 * they have been noted. */
static void find_first(const struct frags *f, struct pkt *p, const struct fragment *fragment,
		       uint64_t tag, struct firsts *before)
{
	bool overlaps = contradicts_burst(before, tag, fragment->len);
	struct frag_record r;

	if (p->drop != WEIR_DROP_NONE)
		return;
	if (frag_get(f->table, tag, f->now_ms, &r) && contradicts(&r, fragment))
		drop_known(p, &r, WEIR_DROP_FRAGMENT_OVERLAP);
	else if (overlaps)
		p->drop = WEIR_DROP_FRAGMENT_OVERLAP;
}

/* Is it a VIP's? What is not is the kernel's, with all its fragments. */
static bool is_noted(const struct pkt *p)
{
	return p->flags & PKT_FRAG_FIRST && p->drop != WEIR_DROP_NOT_A_VIP &&
	       p->drop != WEIR_DROP_NO_SNAPSHOT;
}

void frags_find(struct frags *f, const struct view *v, struct burst *b)
{
	struct firsts firsts = { .n = 0 };
	bool again = f->again;

	f->again = false;
	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];
		bool first = is_noted(p);
		bool later = p->flags & PKT_FRAG_LATER && p->drop == WEIR_DROP_FRAGMENT;
		struct frag_record r;
		uint64_t tag;

		if (!first && !later)
			continue;
		tag = tag_of(p, &b->key[i], &b->fragment[i], v->flow_seed);
		if (first) {
			find_first(f, p, &b->fragment[i], tag, &firsts);
			b->seen |= p->flags;
			b->dropped |= p->drop != WEIR_DROP_NONE;
			continue;
		}
		if (!get(f, tag, &r)) {
			if (!again && !f->read_only)
				hold(f, p, tag);
			continue;
		}
		/* Bad ones are not kept alive by more of the kind. */
		if (r.state & FRAG_BAD)
			drop_known(p, &r, WEIR_DROP_FRAGMENT_OVERLAP);
		else
			follow(f, v, p, &r, &b->fragment[i]);
		b->seen |= p->flags;
	}
}

/* What becomes of a first fragment, as a new record. */
static struct frag_record decided(const struct frags *f, const struct view *v, const struct pkt *p,
				  const struct fragment *fragment, uint64_t tag)
{
	struct frag_record r = { .tag = tag,
				 .from = FRAG_FROM_NOBODY,
				 .last_ms = f->now_ms,
				 .first_len = fragment->len };

	(void)frag_add(&r, fragment); /* the first of all: it fits */
	r.service = p->service;
	r.pool = p->pool;
	r.backend = p->backend;
	r.flow_hash = p->flow_hash;
	if (p->drop == WEIR_DROP_NONE || split_wanted(v, p))
		r.stamp = stamp_of(v, p->backend);
	else
		r.reason = p->drop;
	if (p->drop == WEIR_DROP_NONE || count_drop_column(p, p->drop) < WEIR_BACKEND_COLUMNS)
		r.state |= FRAG_CHOSEN;
	if (p->flags & PKT_ICMP_ERROR)
		r.state |= FRAG_ERROR;
	return r;
}

static void note(struct frags *f, const struct view *v, struct pkt *p,
		 const struct fragment *fragment, uint64_t tag)
{
	struct frag_record before, r = decided(f, v, p, fragment, tag);

	if (frag_get(f->table, tag, f->now_ms, &before)) {
		if (contradicts(&before, fragment)) {
			/* Both in one burst: now it is known where the other one went. */
			if (p->drop == WEIR_DROP_FRAGMENT_OVERLAP)
				drop_known(p, &before, WEIR_DROP_FRAGMENT_OVERLAP);
			if (before.state & FRAG_BAD)
				return;
			r = before;
			r.state |= FRAG_BAD;
			r.from = FRAG_FROM_NOBODY;
		}
		r.serial = (uint16_t)(before.serial + 1);
	}
	store(f, &r);
	atomic_store_explicit(&f->table->noted, f->table->noted + 1, memory_order_release);
	count_add_u64(&f->area->frags.noted, 1);
	mark_ready(f, tag);
}

void frags_note(struct frags *f, const struct view *v, struct burst *b)
{
	if (f->read_only)
		return;
	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];

		if (!is_noted(p))
			continue;
		note(f, v, p, &b->fragment[i],
		     tag_of(p, &b->key[i], &b->fragment[i], v->flow_seed));
		b->seen |= p->flags;
		b->dropped |= p->drop != WEIR_DROP_NONE;
	}
}

void frags_note_drop(struct frags *f, const struct view *v, const struct burst *b, uint32_t i)
{
	uint64_t tag = tag_of(&b->pkt[i], &b->key[i], &b->fragment[i], v->flow_seed);
	struct frag_record r;

	if (!frag_get(f->table, tag, f->now_ms, &r) || r.state & FRAG_BAD)
		return;
	r.reason = b->pkt[i].drop;
	store(f, &r);
}

/* -- between bursts ----------------------------------------------------------- */

/* In the order of the positions, and round. The others' counts say whether there can be
 * anything to find: they are taken before the first is looked for. */
static void look_elsewhere(struct frags *f)
{
	uint64_t noted = 0;
	struct frag_record r;

	if ((int32_t)(f->look - f->head) < 0)
		f->look = f->head;
	if (f->look == f->tail) {
		for (uint32_t i = 0; i < f->other_count; i++)
			noted += atomic_load_explicit(&f->other[i]->noted, memory_order_acquire);
		if (noted == f->noted)
			return;
		f->noted = noted;
		f->look = f->head;
	}
	for (uint32_t n = 0; n < FRAGS_LOOK && f->look != f->tail; n++, f->look++) {
		uint32_t i = AT(f->look);

		if (f->held[i].mbuf != NULL && !f->held[i].ready && get_elsewhere(f, f->tag[i], &r))
			mark_ready(f, f->tag[i]);
	}
}

void frags_tick_held(struct frags *f)
{
	while (f->head != f->tail && !f->held[AT(f->head)].ready &&
	       f->now_ms - f->held[AT(f->head)].since_ms > FRAGS_HELD_MS)
		give_up(f, f->head, WEIR_DROP_FRAGMENT);
	if (f->waiting != 0 && f->now_ms != f->look_ms) {
		f->look_ms = f->now_ms;
		look_elsewhere(f);
	}
}

void frags_end(struct frags *f)
{
	while (f->head != f->tail)
		give_up(f, f->head, WEIR_DROP_FRAGMENT);
}

void frags_look(struct frags *f, const struct frags *of)
{
	memset(f, 0, sizeof(*f));
	f->table = of->table;
	f->read_only = true;
	f->other_count = of->other_count;
	memcpy(f->other, of->other, sizeof(f->other));
	frags_clock(f);
}
