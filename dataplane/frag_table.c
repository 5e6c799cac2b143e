// SPDX-License-Identifier: Apache-2.0
#include "frag_table.h"

#include <string.h>

static_assert((FRAG_BUCKETS & (FRAG_BUCKETS - 1)) == 0, "a mask bounds an index");

/* -- the bytes of one datagram ---------------------------------------------- */

/* Do the bytes begin and end where those of all others would? A division, but for
 * fragments alone. */
static bool in_line(const struct frag_record *r, uint32_t from, uint32_t len)
{
	return len == r->unit && from % r->unit == 0;
}

/* All of its bytes have come. In one fragment of the same place and length? */
static bool is_again(const struct frag_record *r, const struct fragment *f)
{
	uint32_t to = (uint32_t)f->off + f->len;

	if (!f->more)
		return r->total == to && r->last_from == f->off;
	return r->unit != 0 && !(r->state & FRAG_UNEVEN) && in_line(r, f->off, f->len) &&
	       (r->total == 0 || to <= r->last_from);
}

/* The first range that ends behind `at`; r->ranges: none does. */
static uint32_t range_behind(const struct frag_record *r, uint32_t at)
{
	uint32_t i = 0;

	while (i < r->ranges && r->range[i].to <= at)
		i++;
	return i;
}

/* Put from..to, which touch no byte of a range, in front of range i. */
static bool range_put(struct frag_record *r, uint32_t i, uint32_t from, uint32_t to)
{
	bool left = i > 0 && r->range[i - 1].to == from;
	bool right = i < r->ranges && r->range[i].from == to;

	if (!left && !right && r->ranges == FRAG_RANGES)
		return false;
	if (left && right) {
		r->range[i - 1].to = r->range[i].to;
		r->ranges--;
		memmove(&r->range[i], &r->range[i + 1], (r->ranges - i) * sizeof(r->range[0]));
	} else if (left) {
		r->range[i - 1].to = (uint16_t)to;
	} else if (right) {
		r->range[i].from = (uint16_t)from;
	} else {
		memmove(&r->range[i + 1], &r->range[i], (r->ranges - i) * sizeof(r->range[0]));
		r->range[i].from = (uint16_t)from;
		r->range[i].to = (uint16_t)to;
		r->ranges++;
	}
	return true;
}

enum frag_fit frag_add(struct frag_record *r, const struct fragment *f)
{
	uint32_t from = f->off, to = from + f->len, i;

	if (to > UINT16_MAX || f->len == 0)
		return FRAG_OVERLAP;
	if (r->total != 0 && (to > r->total || (!f->more && to != r->total)))
		return FRAG_OVERLAP;
	if (!f->more && r->ranges != 0 && r->range[r->ranges - 1].to > to)
		return FRAG_OVERLAP;

	i = range_behind(r, from);
	if (i < r->ranges && r->range[i].from < to) {
		bool whole = r->range[i].from <= from && to <= r->range[i].to;

		return whole && is_again(r, f) ? FRAG_AGAIN : FRAG_OVERLAP;
	}
	if (!range_put(r, i, from, to))
		return FRAG_NO_ROOM;

	if (!f->more) {
		r->total = (uint16_t)to;
		r->last_from = f->off;
		return FRAG_NEW;
	}
	if (r->unit == 0)
		r->unit = f->len;
	if (!in_line(r, from, f->len))
		r->state |= FRAG_UNEVEN;
	return FRAG_NEW;
}

/* -- the table -------------------------------------------------------------- */

static struct frag_bucket *bucket_of(struct frag_table *t, uint64_t tag)
{
	return &t->bucket[tag & (FRAG_BUCKETS - 1)];
}

/*
 * Each word is stored with release and loaded with acquire: a reader that met a word of
 * a later writing meets that writing's odd number, or a later one, as well.
 */
static bool entry_load(const struct frag_entry *e, struct frag_record *r)
{
	uint64_t seq = atomic_load_explicit(&e->seq, memory_order_acquire), word[FRAG_WORDS];

	if (seq & 1)
		return false;
	for (unsigned i = 0; i < FRAG_WORDS; i++)
		word[i] = atomic_load_explicit(&e->word[i], memory_order_acquire);
	if (atomic_load_explicit(&e->seq, memory_order_relaxed) != seq)
		return false;
	memcpy(r, word, sizeof(*r));
	return true;
}

static void entry_store(struct frag_entry *e, const struct frag_record *r)
{
	uint64_t seq = atomic_load_explicit(&e->seq, memory_order_relaxed), word[FRAG_WORDS];

	memcpy(word, r, sizeof(word));
	atomic_store_explicit(&e->seq, seq + 1, memory_order_relaxed);
	for (unsigned i = 0; i < FRAG_WORDS; i++)
		atomic_store_explicit(&e->word[i], word[i], memory_order_release);
	atomic_store_explicit(&e->seq, seq + 2, memory_order_release);
}

/* The place of a tag; FRAG_WAYS: it has none. */
static unsigned way_of(const struct frag_bucket *b, uint64_t tag)
{
	unsigned i = 0;

	while (i < FRAG_WAYS && atomic_load_explicit(&b->tag[i], memory_order_acquire) != tag)
		i++;
	return i;
}

static uint32_t age_ms(const struct frag_record *r, uint32_t now_ms)
{
	int32_t age = (int32_t)(now_ms - r->last_ms);

	return age < 0 ? 0 : (uint32_t)age; /* another worker's clock is ahead of ours */
}

bool frag_get(const struct frag_table *t, uint64_t tag, uint32_t now_ms, struct frag_record *r)
{
	const struct frag_bucket *b = &t->bucket[tag & (FRAG_BUCKETS - 1)];
	unsigned i = way_of(b, tag);

	return i < FRAG_WAYS && entry_load(&b->entry[i], r) && r->tag == tag &&
	       age_ms(r, now_ms) <= FRAG_LIMIT_MS;
}

/* Where a newcomer goes in a bucket, and what goes for it. */
static unsigned way_for(const struct frag_bucket *b, uint32_t now_ms, enum frag_put *gone)
{
	unsigned best = way_of(b, 0);
	uint32_t oldest = 0;
	struct frag_record r = { 0 };

	*gone = FRAG_PUT_FREE;
	if (best < FRAG_WAYS)
		return best;
	best = 0;
	for (unsigned i = 0; i < FRAG_WAYS; i++) {
		(void)entry_load(&b->entry[i], &r); /* we alone write: it never fails */
		if (age_ms(&r, now_ms) > oldest) {
			oldest = age_ms(&r, now_ms);
			best = i;
		}
	}
	*gone = oldest > FRAG_LIMIT_MS ? FRAG_PUT_OLD : FRAG_PUT_LIVE;
	return best;
}

enum frag_put frag_put(struct frag_table *t, const struct frag_record *r, uint32_t now_ms)
{
	struct frag_bucket *b = bucket_of(t, r->tag);
	enum frag_put gone = FRAG_PUT_FREE;
	unsigned i = way_of(b, r->tag);

	if (i == FRAG_WAYS)
		i = way_for(b, now_ms, &gone);
	entry_store(&b->entry[i], r);
	atomic_store_explicit(&b->tag[i], r->tag, memory_order_release);
	return gone;
}

void frag_remove(struct frag_table *t, uint64_t tag)
{
	struct frag_bucket *b = bucket_of(t, tag);
	unsigned i = way_of(b, tag);

	if (i < FRAG_WAYS)
		atomic_store_explicit(&b->tag[i], 0, memory_order_release);
}
