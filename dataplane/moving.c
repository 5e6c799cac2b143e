// SPDX-License-Identifier: Apache-2.0
#include "moving.h"

#include "count.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>

#include <netinet/in.h>
#include <stdbool.h>

#define NOBODY UINT16_MAX /* no backend takes this packet */

/* More than a worker's clock is behind the control plane's. */
#define CLOCKS_APART_MS 3000

/* What is known of the packet's slot, with every field loaded once. */
struct slot_view {
	unsigned cur, base; /* cur: NOBODY if no backend takes new flows */
	bool moving;	    /* for this packet's protocol */
	bool grace;	    /* it began less than the pool's grace ago */
};

/* The record of a packet's slot; NULL: it has none. */
static inline const struct weir_move *move_of(const struct view *v, const struct pkt *p)
{
	const struct view_pool *pool = &v->pool[p->pool];

	return view_move(pool, weir_slot_of(p->flow_hash, pool->table_len));
}

/* Is what began at since_ms younger than the pool's grace? */
static inline bool is_young(const struct pins *t, const struct view_pool *pool, uint32_t since_ms)
{
	/* A worker's clock is up to a decisecond behind, so that the move may begin in its
	 * future: so much longer a grace lasts. A drain may last longer than 2^31 ms. */
	uint32_t age_ms = t->now_ds * 100u - since_ms;

	return age_ms < pool->grace_ms || age_ms > UINT32_MAX - CLOCKS_APART_MS;
}

/* A handshake under way when a slot begins to move finishes where it began. Nearly always
 * the pool knows: none of its moves is young. */
static inline bool in_grace(const struct pins *t, const struct view_pool *pool,
			    const struct weir_move *move, unsigned protocol)
{
	return is_young(t, pool, pool->newest_ms) &&
	       is_young(t, pool, view_move_begin(pool, move)->ms[protocol]);
}

/* `record`: move_of() */
static struct slot_view look(const struct pins *t, const struct view_pool *pool,
			     const struct weir_move *record, weir_slot s, bool tcp)
{
	unsigned protocol = tcp ? WEIR_MOVE_TCP : WEIR_MOVE_UDP;
	struct slot_view w = { .cur = weir_slot_backend(s), .base = weir_slot_backend(s) };
	struct weir_move m;

	if (weir_slot_state(s) != WEIR_SLOT_MOVING || record == NULL)
		return w;
	m = *record;
	if (m.base[0] & WEIR_MOVE_NOBODY)
		w.cur = NOBODY;
	w.moving = m.base[protocol] & WEIR_MOVE_OPEN;
	if (!w.moving)
		return w;
	w.base = weir_move_base(m.base[protocol]);
	w.grace = in_grace(t, pool, record, protocol);
	return w;
}

static inline bool forwards(const struct view *v, unsigned backend)
{
	return backend < v->backend_count && v->backend[backend].flags & WEIR_BACKEND_FORWARD;
}

/* Who starts a flow. With `hash = source` there is no telling: one client's flows go
 * together, and it may have had others before. */
static inline bool is_opener(const struct view_pool *pool, const struct pkt *p)
{
	if (likely(!(p->flags & (PKT_OPENER | PKT_QUIC_INITIAL))) || pool->hash == WEIR_HASH_SOURCE)
		return false;
	return p->flags & PKT_OPENER || p->service_flags & WEIR_SERVICE_QUIC;
}

/* Anyone can forge an ICMP error: it goes by the pins there are, and leaves them be. */
static inline bool only_looks(const struct pins *t, const struct pkt *p)
{
	return t->read_only || p->flags & PKT_ICMP_ERROR;
}

/* Has a TCP packet a header of its own that acknowledges? */
static inline bool may_ack(const struct pkt *p)
{
	return (p->flags & (PKT_TCP | PKT_OPENER | PKT_ICMP_ERROR | PKT_FRAGMENT)) == PKT_TCP;
}

/* What a packet that may_ack() acknowledges; parse has checked that its header is there. */
static inline bool ack_of(const struct pkt *p, uint32_t *ack)
{
	const struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_tcp_hdr *, pkt_l4_off(p));

	*ack = ntohl(tcp->recv_ack);
	return tcp->tcp_flags & RTE_TCP_ACK_FLAG;
}

/* A pin that packet `p`, no opener, uses. */
static inline uint64_t noted(uint64_t meta, const struct view_pool *pool, const struct pkt *p)
{
	uint32_t ack;

	meta |= WEIR_PIN_CONFIRMED;
	if (pool->hash != WEIR_HASH_5TUPLE) /* it is of all that a client has */
		return meta;
	if (p->flags & PKT_CLOSING)
		meta |= WEIR_PIN_CLOSING;
	return may_ack(p) && ack_of(p, &ack) ? weir_pin_acked(meta, ack) : meta;
}

/* A pin that packet `p` uses. */
static inline uint64_t refreshed(uint64_t meta, const struct pins *t, const struct view_pool *pool,
				 const struct pkt *p)
{
	meta = weir_pin_refresh(meta, weir_pin_stamp(t->now_ds));
	if (likely(!is_opener(pool, p)))
		return noted(meta, pool, p);
	/* The same port used again, but see is_over(): nothing is known of the new flow yet. */
	if (meta & WEIR_PIN_CLOSING)
		meta &= ~(uint64_t)(WEIR_PIN_CLOSING | WEIR_PIN_CONFIRMED);
	return meta;
}

/* Does a flow go by this pin? Nothing keeps it on a backend that is gone; and when its slot
 * moves no more, a pin to the owner says nothing. Where it moves for the other protocol
 * alone, such a pin is left to the sweep: no packet with a pin looks at the slot's record. */
static inline bool counts(const struct view *v, uint64_t meta, weir_slot s)
{
	unsigned backend = weir_pin_backend(meta);

	return forwards(v, backend) && s != weir_slot_make(WEIR_SLOT_PINNED, backend);
}

/* What may change more of a pin than its time, or leaves it as it is. */
#define UNUSUAL (PKT_OPENER | PKT_QUIC_INITIAL | PKT_CLOSING | PKT_ICMP_ERROR | PKT_FRAGMENT)

/*
 * The usual packet, one of a flow under way, by its pin. False: nothing was done. The pin
 * is written only when it changes. `stamp`: what it has after any such packet.
 */
static inline bool by_pin(const struct view *v, const struct pins *t, struct pkt *p, weir_slot s,
			  struct weir_pin *pin, uint64_t stamp)
{
	uint64_t meta, used;
	uint32_t ack;

	if (unlikely(p->flags & UNUSUAL))
		return false;
	meta = atomic_load_explicit(&pin->meta, memory_order_relaxed);
	if (unlikely(!counts(v, meta, s)))
		return false;
	p->backend = (uint16_t)weir_pin_backend(meta);
	used = weir_pin_refresh(meta, stamp);
	if (p->flags & PKT_TCP && ack_of(p, &ack)) {
		uint64_t acked = weir_pin_acked(used, ack);

		/* The pool comes last: a repeated acknowledgement needs no look at it. */
		if (acked != used && v->pool[p->pool].hash == WEIR_HASH_5TUPLE)
			used = acked;
	}
	if (used != meta && !t->read_only)
		atomic_store_explicit(&pin->meta, used, memory_order_relaxed);
	return true;
}

/* Is a pin that of a connection that is over, whose port is used again? The new one goes by
 * the rule, like any other. Not while another worker has a pin of it as well: nobody but
 * that worker can drop it, and the next packet would find it. */
static bool is_over(const struct view *v, const struct pins *t, const struct pkt *p, uint64_t meta)
{
	uint64_t other;

	return meta & WEIR_PIN_CLOSING && is_opener(&v->pool[p->pool], p) &&
	       pins_find_elsewhere(t, p->flow_hash, true, &other) == NULL;
}

/* The pin to go by, our own or another worker's: its meta, refreshed. False: none. */
static bool pin_of(struct pins *t, const struct view *v, const struct pkt *p, weir_slot s,
		   uint64_t *meta)
{
	struct weir_pin *pin = pins_find(t, p->flow_hash);
	const struct pins_other *other = NULL;

	if (pin != NULL)
		*meta = atomic_load_explicit(&pin->meta, memory_order_relaxed);
	else
		other = pins_find_elsewhere(t, p->flow_hash, false, meta);
	if (pin == NULL && other == NULL)
		return false;
	if (!counts(v, *meta, s)) {
		if (pin != NULL && !only_looks(t, p))
			pins_drop(t, pin);
		return false;
	}
	if (pin != NULL && is_over(v, t, p, *meta)) {
		if (!only_looks(t, p))
			pins_end(t, pin);
		return false;
	}
	if (only_looks(t, p))
		return true;
	*meta = refreshed(*meta, t, &v->pool[p->pool], p);
	if (pin != NULL) {
		atomic_store_explicit(&pin->meta, *meta, memory_order_relaxed);
	} else {
		count_add_u64(&t->area->pins.found_elsewhere, 1);
		if (!pins_put(t, v, p->flow_hash, *meta)) /* found there again */
			pins_tell(other, p->flow_hash, *meta);
	}
	return true;
}

static unsigned protocol_flag(const struct pkt *p)
{
	return p->flags & PKT_TCP ? WEIR_PIN_TCP : 0;
}

/* The owner for an opener without a pin in a moving slot. */
static unsigned opened(const struct view *v, struct pins *t, const struct pkt *p,
		       const struct slot_view *w)
{
	const bool stays = w->grace || (w->cur != NOBODY && pin_notes_has(&t->notes, p->flow_hash));
	unsigned to = stays ? w->base : w->cur;
	uint64_t meta;

	if (only_looks(t, p) || unlikely(to == NOBODY))
		return to;
	meta = weir_pin_meta(to, protocol_flag(p), p->pool, 0, t->now_ds);
	/* In the grace: base, and pinned there, for it may be sent again after the grace, and
	 * a QUIC client's second datagram is one too. */
	if ((!stays || pins_room_for_base(t)) && pins_put(t, v, p->flow_hash, meta))
		return to;
	pin_notes_add(&t->notes, p->flow_hash, t->now_ds);
	return w->base;
}

/* Likewise for a packet of a flow under way. */
static unsigned goes_on(const struct view *v, struct pins *t, const struct pkt *p,
			const struct slot_view *w)
{
	uint32_t ack;
	uint64_t meta;

	if (only_looks(t, p) || !pins_room_for_base(t))
		return w->base;
	if (!may_ack(p) || !ack_of(p, &ack))
		ack = 0;
	meta = weir_pin_meta(w->base, protocol_flag(p), p->pool, ack, t->now_ds);
	(void)pins_put(t, v, p->flow_hash, noted(meta, &v->pool[p->pool], p));
	return w->base;
}

/* By the rule in full; makes and drops pins. */
static unsigned backend_of(const struct view *v, struct pins *t, const struct pkt *p, weir_slot s,
			   const struct weir_move *move)
{
	struct slot_view w;
	uint64_t meta;

	if (pin_of(t, v, p, s, &meta))
		return weir_pin_backend(meta);
	w = look(t, &v->pool[p->pool], move, s, p->flags & PKT_TCP);
	if (!w.moving)
		return w.cur;
	return is_opener(&v->pool[p->pool], p) ? opened(v, t, p, &w) : goes_on(v, t, p, &w);
}

static __rte_noinline void by_rule(const struct view *v, struct pins *t, struct burst *b,
				   struct pkt *p, weir_slot s, const struct weir_move *move)
{
	unsigned backend = backend_of(v, t, p, s, move);

	if (likely(backend < v->backend_count)) {
		p->backend = (uint16_t)backend;
		rte_prefetch0(&v->backend[backend]); /* for encap */
		return;
	}
	p->drop = backend == NOBODY ? WEIR_DROP_NO_BACKEND : WEIR_DROP_BACKEND_OFF;
	b->dropped = true;
}

/* A packet whose pin is not where pins are looked for first, or is not usual. */
struct waiting {
	struct pkt *pkt;
	const struct weir_move *move; /* move_of() */
	weir_slot entry;
	bool plain; /* in a moving slot, usual or an opener; and no worker seems to have a pin */
};

/* Asks for what is looked at next; returns whether its flow seems to have a pin. */
static inline bool wait_for(const struct view *v, const struct pins *t, struct pkt *p, weir_slot s,
			    struct waiting *w)
{
	const bool pinned = pins_seem_to_have(t, p->flow_hash);

	w->pkt = p;
	w->entry = s;
	w->move = move_of(v, p);
	rte_prefetch0(w->move);
	w->plain = !pinned && !(p->flags & (UNUSUAL & ~PKT_OPENER)) && w->move != NULL &&
		   weir_slot_state(s) == WEIR_SLOT_MOVING;
	return pinned;
}

/*
 * The usual packet without a pin while the table is full, which is nearly every one of a
 * flood: to base, refused; an opener only while these are no more noted one by one. False:
 * nothing was done.
 */
static inline bool by_base(const struct view *v, struct pins *t, const struct waiting *w)
{
	struct pkt *p = w->pkt;
	const struct weir_move *m = w->move;
	unsigned protocol, base;
	bool opener, opens;

	if (unlikely(!w->plain))
		return false;
	protocol = p->flags & PKT_TCP ? WEIR_MOVE_TCP : WEIR_MOVE_UDP;
	base = (m->base[protocol] & ~WEIR_MOVE_NOBODY) ^ WEIR_MOVE_OPEN;
	if (unlikely(base >= v->backend_count)) /* or the window is not open */
		return false;
	/* No branch can foresee which packets of a mixed flood are openers. */
	opener = p->flags & PKT_OPENER;
	opens = opener & !in_grace(t, &v->pool[p->pool], m, protocol);
	if (unlikely((opener & !pin_notes_are_spent(&t->notes)) |
		     (opens & (m->base[0] >= WEIR_MOVE_NOBODY))))
		return false;
	p->backend = (uint16_t)base;
	rte_prefetch0(&v->backend[base]); /* for encap */
	return true;
}

static inline uint64_t pins_made(const struct pins *t)
{
	return t->read_only ? 0 : atomic_load_explicit(&t->area->pins.made, memory_order_relaxed);
}

/* Those that wait, in their order. */
static void go_on(const struct view *v, struct pins *t, struct burst *b, const struct waiting *w,
		  uint32_t n)
{
	const uint64_t made = pins_made(t);
	bool full = pins_are_full(t), stale = false;
	uint32_t refused = 0;
	uint16_t flags = 0;

	for (uint32_t i = 0; i < n; i++) {
		bool may_be = full && !(stale && pins_seem_to_have(t, w[i].pkt->flow_hash));

		if (likely(may_be && by_base(v, t, &w[i]))) {
			refused++;
			flags |= w[i].pkt->flags;
			continue;
		}
		by_rule(v, t, b, w[i].pkt, w[i].entry, w[i].move);
		full = pins_are_full(t);
		stale = pins_made(t) != made;
	}
	if (refused != 0)
		pins_refuse(t, refused);
	if (flags & PKT_OPENER)
		pin_notes_run_short(&t->notes, t->now_ds);
}

/* Not in the way of packets whose pin is found at once. */
static __rte_noinline bool wait_apart(const struct view *v, const struct pins *t, struct pkt *p,
				      weir_slot s, struct waiting *w)
{
	return wait_for(v, t, p, s, w);
}

/* Most flows of late have a pin. Returns how many packets wait; *unpinned: those of them whose
 * flow has none. */
static inline uint32_t by_pins(const struct view *v, struct pins *t, struct burst *b,
			       const struct unsettled *packet, uint32_t n, struct waiting *other,
			       uint32_t *unpinned)
{
	const uint64_t stamp = weir_pin_stamp(t->now_ds) | WEIR_PIN_CONFIRMED;
	uint32_t others = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct pkt *p = packet[i].pkt;
		weir_slot s = packet[i].entry;
		struct weir_pin *pin = pins_find_first(t, p->flow_hash);

		if (unlikely(pin == NULL)) { /* next door, as most that are not at home */
			uint64_t key = weir_pin_key(p->flow_hash);

			pin = pins_find_in(pins_place(t, key, 1), key);
		}
		if (unlikely(pin == NULL))
			*unpinned += !wait_apart(v, t, p, s, &other[others++]);
		else if (unlikely(!by_pin(v, t, p, s, pin, stamp)))
			by_rule(v, t, b, p, s, move_of(v, p));
	}
	return others;
}

void moving_burst(const struct view *v, struct pins *t, struct burst *b,
		  const struct unsettled *packet, uint32_t n)
{
	struct waiting other[WEIR_BURST];
	uint32_t others = n, unpinned = 0;

	if (likely(!t->filter_first))
		others = by_pins(v, t, b, packet, n, other, &unpinned);
	else
		for (uint32_t i = 0; i < n; i++)
			unpinned += !wait_for(v, t, packet[i].pkt, packet[i].entry, &other[i]);
	t->filter_first = unpinned > n / 2;
	if (others != 0)
		go_on(v, t, b, other, others);
}
