// SPDX-License-Identifier: Apache-2.0
#include "pins.h"

#include "count.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include <time.h>

/* Buckets of one step of the sweep. */
#define SWEEP_STEP 16
/* Openers that are noted in a decisecond: this part of the pins that there may be. */
#define NOTED_OF_CAPACITY 128

/* A pin's standing, in the order in which pins give way. */
enum standing { PIN_DEAD, PIN_TO_BASE, PIN_UNCONFIRMED, PIN_STAYS };

struct weir_pin *pins_find(const struct pins *t, uint64_t flow_hash)
{
	uint64_t key = weir_pin_key(flow_hash);
	struct weir_pin *p = NULL;

	if (!pin_filter_has(&t->filter, key))
		return NULL;
	for (unsigned place = 0; place < WEIR_PIN_PLACES && p == NULL; place++)
		p = pins_find_in(pins_place(t, key, place), key);
	return p;
}

static bool read_from(const struct weir_pin_bucket *b, uint64_t key, uint64_t *meta)
{
	uint64_t hash;

	for (unsigned i = 0; i < WEIR_PIN_WAYS; i++)
		if (weir_pin_read(&b->pin[i], &hash, meta) && hash == key)
			return true;
	return false;
}

const struct pins_other *pins_find_elsewhere(const struct pins *t, uint64_t flow_hash, bool here,
					     uint64_t *meta)
{
	uint64_t key = weir_pin_key(flow_hash);

	if (pin_filter_count(&t->filter, key) <= here)
		return NULL;
	for (uint32_t i = 0; i < t->other_count; i++)
		for (unsigned place = 0; place < WEIR_PIN_PLACES; place++) {
			uint32_t at = weir_pin_place(key, place, t->mask);

			if (read_from(&t->other[i].bucket[at], key, meta))
				return &t->other[i];
		}
	return NULL;
}

void pins_tell(const struct pins_other *other, uint64_t flow_hash, uint64_t meta)
{
	uint64_t key = weir_pin_key(flow_hash), low = key % PINS_TOLD;

	atomic_store_explicit(&other->told[low],
			      key - low + PIN_TOLD +
				      (meta & WEIR_PIN_CONFIRMED ? PIN_TOLD_CONFIRMED : 0) +
				      (meta & WEIR_PIN_CLOSING ? PIN_TOLD_CLOSING : 0),
			      memory_order_relaxed);
}

static void hear(struct pins *t, uint64_t low, uint64_t told)
{
	struct weir_pin *p = pins_find(t, told - told % PINS_TOLD + low);
	uint64_t meta;

	if (p == NULL)
		return;
	meta = weir_pin_refresh(atomic_load_explicit(&p->meta, memory_order_relaxed),
				weir_pin_stamp(t->now_ds));
	meta |= told & PIN_TOLD_CONFIRMED ? WEIR_PIN_CONFIRMED : 0;
	meta |= told & PIN_TOLD_CLOSING ? WEIR_PIN_CLOSING : 0;
	atomic_store_explicit(&p->meta, meta, memory_order_relaxed);
}

static void hear_all(struct pins *t)
{
	for (unsigned i = 0; i < PINS_TOLD; i++)
		if (atomic_load_explicit(&t->told[i], memory_order_relaxed) != 0)
			hear(t, i, atomic_exchange_explicit(&t->told[i], 0, memory_order_relaxed));
}

static uint32_t window_ms(const struct view_pool *pool, uint64_t meta)
{
	return meta & WEIR_PIN_TCP ? pool->tcp_window_ms : pool->udp_window_ms;
}

/* The slot of a pin, as its protocol sees it. */
struct pin_slot {
	unsigned state, cur, base; /* cur: UINT16_MAX for nobody */
	bool open;		   /* a window is, and base the answer without a pin */
	uint32_t age_ms;	   /* of the move, then */
};

static struct pin_slot slot_of(const struct pins *t, const struct view_pool *pool, uint64_t hash,
			       uint64_t meta)
{
	unsigned protocol = meta & WEIR_PIN_TCP ? WEIR_MOVE_TCP : WEIR_MOVE_UDP;
	uint32_t slot = weir_slot_of(hash, pool->table_len);
	weir_slot s = __atomic_load_n(&pool->slot[slot], __ATOMIC_RELAXED);
	struct pin_slot p = { .state = weir_slot_state(s), .cur = weir_slot_backend(s) };
	const struct weir_move *record = p.state == WEIR_SLOT_MOVING ? view_move(pool, slot) : NULL;

	if (record != NULL) {
		const struct weir_move m = *record;
		const struct weir_move_begin *begin = view_move_begin(pool, record);

		if (m.base[0] & WEIR_MOVE_NOBODY)
			p.cur = UINT16_MAX;
		p.open = m.base[protocol] & WEIR_MOVE_OPEN;
		p.base = weir_move_base(m.base[protocol]);
		p.age_ms = t->now_ds * 100u - begin->ms[protocol];
	}
	return p;
}

/* Would the pin's flow find the same backend without it, and for as long as a closing
 * flow's pin may live? */
static bool base_will_do(const struct view_pool *pool, const struct pin_slot *s, uint64_t meta)
{
	return s->open && weir_pin_backend(meta) == s->base &&
	       (uint64_t)s->age_ms + PIN_IDLE_CLOSING_DS * 100u < window_ms(pool, meta);
}

static uint32_t idle_limit_ds(const struct pins *t, const struct view_pool *pool,
			      const struct pin_slot *s, uint64_t meta)
{
	uint32_t pressure_ds =
		atomic_load_explicit(&t->area->pins.pressure_ds, memory_order_relaxed);
	uint32_t limit, window;

	if (weir_pin_closed(meta))
		return PIN_IDLE_CLOSED_DS;
	if (meta & WEIR_PIN_CLOSING)
		return base_will_do(pool, s, meta) ? PIN_IDLE_CLOSED_DS : PIN_IDLE_CLOSING_DS;
	if (!(meta & WEIR_PIN_CONFIRMED))
		return pin_notes_are_short(&t->notes) ? PIN_CONFIRM_DS : PIN_IDLE_OPENER_DS;
	limit = meta & WEIR_PIN_TCP ? PIN_IDLE_TCP_DS : PIN_IDLE_UDP_DS;
	window = window_ms(pool, meta) / 100;
	limit = limit > window ? limit : window;
	/* A drain's deadline may keep the window open for longer than that, and base would be
	 * the wrong answer all the while. Not where room is short: pins of clients that have
	 * gone would keep it so, and with it the window open. */
	if (s->open && weir_pin_backend(meta) != s->base && t->now_ds - pressure_ds > limit)
		return UINT32_MAX;
	return limit;
}

static enum standing standing(const struct pins *t, const struct view *v, uint64_t hash,
			      uint64_t meta)
{
	const struct view_pool *pool = &v->pool[weir_pin_pool(meta)];
	unsigned backend = weir_pin_backend(meta);
	uint32_t idle_ds = weir_pin_idle_ds(meta, t->now_ds);
	struct pin_slot s;

	if (backend >= v->backend_count || !(v->backend[backend].flags & WEIR_BACKEND_FORWARD))
		return PIN_DEAD;
	/* An opener has its 3 s, whatever its slot: what a flood leaves is seen at once. */
	if (!(meta & WEIR_PIN_CONFIRMED) && idle_ds <= PIN_CONFIRM_DS)
		return PIN_STAYS;
	s = slot_of(t, pool, hash, meta);
	if (idle_ds > idle_limit_ds(t, pool, &s, meta))
		return PIN_DEAD;
	if (s.state != WEIR_SLOT_MOVING && s.state != WEIR_SLOT_PINNED)
		return PIN_DEAD;
	if (s.open && backend == s.base)
		return PIN_TO_BASE;
	if (!s.open && backend == s.cur)
		return PIN_DEAD; /* it goes there without */
	return meta & WEIR_PIN_CONFIRMED ? PIN_STAYS : PIN_UNCONFIRMED;
}

static void store(struct weir_pin *p, uint64_t key, uint64_t meta)
{
	/* weir_pin_read() on another thread must not take the old hash for the new
	 * meta: see pin.h. */
	atomic_store_explicit(&p->hash, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&p->meta, meta, memory_order_relaxed);
	atomic_store_explicit(&p->hash, key, memory_order_release);
}

void pins_drop(struct pins *t, struct weir_pin *p)
{
	uint64_t key = atomic_load_explicit(&p->hash, memory_order_relaxed);

	atomic_store_explicit(&p->hash, 0, memory_order_release);
	pin_filter_remove(&t->filter, key);
	t->used--;
}

void pins_end(struct pins *t, struct weir_pin *p)
{
	pins_drop(t, p);
	count_add_u64(&t->area->pins.expired, 1);
}

/* A free place for a pin, the first there is; NULL: all are taken. */
static struct weir_pin *find_free(const struct pins *t, uint64_t key)
{
	struct weir_pin *p = NULL;

	for (unsigned place = 0; place < WEIR_PIN_PLACES && p == NULL; place++)
		p = pins_find_in(pins_place(t, key, place), 0);
	return p;
}

/* The pin that gives way first. */
struct weighed {
	struct weir_pin *pin;
	enum standing standing; /* PIN_STAYS: none does */
	uint32_t idle_ds;
};

static void weigh(const struct pins *t, const struct view *v, struct weir_pin_bucket *b,
		  struct weighed *first)
{
	for (uint32_t i = 0; i < WEIR_PIN_WAYS; i++) {
		uint64_t hash = atomic_load_explicit(&b->pin[i].hash, memory_order_relaxed);
		uint64_t meta = atomic_load_explicit(&b->pin[i].meta, memory_order_relaxed);
		uint32_t idle_ds = weir_pin_idle_ds(meta, t->now_ds);
		enum standing s;

		if (hash == 0)
			continue;
		s = standing(t, v, hash, meta);
		if (s < first->standing ||
		    (s == first->standing && s != PIN_STAYS && idle_ds > first->idle_ds))
			*first = (struct weighed){ &b->pin[i], s, idle_ds };
	}
}

static void pressure(struct pins *t)
{
	atomic_store_explicit(&t->area->pins.pressure_ds, t->now_ds, memory_order_relaxed);
}

void pins_refuse(struct pins *t, uint32_t packets)
{
	count_add_u64(&t->area->pins.refused, packets);
	pressure(t);
}

/* Of the pins where one with this key could stand, the one to give way does. False: none. */
static __rte_noinline bool make_room(struct pins *t, const struct view *v, uint64_t key)
{
	struct weighed first = { .standing = PIN_STAYS };

	for (unsigned place = 0; place < WEIR_PIN_PLACES; place++)
		rte_prefetch0(pins_place(t, key, place));
	for (unsigned place = 0; place < WEIR_PIN_PLACES; place++)
		weigh(t, v, pins_place(t, key, place), &first);
	if (first.standing == PIN_STAYS)
		return false;
	if (first.standing == PIN_TO_BASE) {
		count_add_u64(&t->area->pins.evicted_base, 1);
		pressure(t);
	} else if (first.standing == PIN_UNCONFIRMED) {
		count_add_u64(&t->area->pins.evicted_unconfirmed, 1);
	} else {
		count_add_u64(&t->area->pins.expired, 1);
	}
	pins_drop(t, first.pin);
	return true;
}

bool pins_put(struct pins *t, const struct view *v, uint64_t flow_hash, uint64_t meta)
{
	uint64_t key = weir_pin_key(flow_hash);
	const bool opener = !(meta & WEIR_PIN_CONFIRMED);
	struct weir_pin *p = likely(t->used < t->capacity) ? find_free(t, key) : NULL;

	if (unlikely(p == NULL)) {
		bool may_look = !opener || t->looks != 0;

		t->looks -= opener && may_look;
		if (!may_look || !make_room(t, v, key)) {
			pins_refuse(t, 1);
			return false;
		}
		p = find_free(t, key); /* maybe nearer than the one that gave way */
	}
	if (unlikely(!pin_filter_add(&t->filter, key))) {
		pins_refuse(t, 1);
		return false;
	}
	t->used++;
	store(p, key, meta);
	count_add_u64(&t->area->pins.made, 1);
	return true;
}

void pins_sweep(struct pins *t, const struct view *v, uint32_t buckets)
{
	while (buckets-- != 0) {
		struct weir_pin_bucket *b = &t->bucket[t->hand++ & t->mask];

		for (uint32_t i = 0; i < WEIR_PIN_WAYS; i++) {
			struct weir_pin *p = &b->pin[i];
			uint64_t hash = atomic_load_explicit(&p->hash, memory_order_relaxed);
			uint64_t meta = atomic_load_explicit(&p->meta, memory_order_relaxed);

			if (hash == 0 || standing(t, v, hash, meta) != PIN_DEAD)
				continue;
			pins_end(t, p);
		}
	}
}

static uint32_t boottime_ds(void)
{
	struct timespec now; /* no system call: the vDSO has this clock */

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)((uint64_t)now.tv_sec * 10 + (uint64_t)now.tv_nsec / 100000000);
}

void pins_clock(struct pins *t, uint32_t now_ds)
{
	t->now_ds = now_ds;
	if (t->other_count != 0)
		hear_all(t);
	t->due = (t->mask + 1) / 10 + 1;
	t->looks = t->capacity / PIN_CONFIRM_DS + 1;
	pin_notes_clock(&t->notes, now_ds, t->capacity / NOTED_OF_CAPACITY + 1);
}

void pins_tick(struct pins *t, const struct view *v)
{
	uint32_t now_ds = boottime_ds(), step;

	if (now_ds != t->now_ds) {
		pins_clock(t, now_ds);
		atomic_store_explicit(&t->area->pins.used, t->used, memory_order_relaxed);
	}
	if (t->used == 0)
		return;
	step = t->due < SWEEP_STEP ? t->due : SWEEP_STEP;
	t->due -= step;
	pins_sweep(t, v, step);
}

void pins_know(struct pins *t, struct pins *of)
{
	t->other[t->other_count++] = (struct pins_other){ of->bucket, of->told };
}

void pins_look(struct pins *t, const struct pins *of)
{
	*t = (struct pins){
		.bucket = of->bucket,
		.filter = of->filter,
		.mask = of->mask,
		.now_ds = boottime_ds(),
		.read_only = true,
		.other_count = of->other_count,
	};
	for (uint32_t i = 0; i < of->other_count; i++)
		t->other[i] = of->other[i];
	pin_notes_copy(&t->notes, &of->notes);
}
