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

/* What is known of the packet's slot, with every field loaded once. */
struct slot_view {
	unsigned cur, base; /* cur: NOBODY if no backend takes new flows */
	bool moving;	    /* for this packet's protocol */
	bool grace;	    /* began less than MOVING_GRACE_MS ago */
};

static struct slot_view look(const struct pins *t, const struct view_pool *pool, uint32_t slot,
			     weir_slot s, bool tcp)
{
	unsigned protocol = tcp ? WEIR_MOVE_TCP : WEIR_MOVE_UDP;
	struct slot_view w = { .cur = weir_slot_backend(s), .base = weir_slot_backend(s) };
	const struct weir_move *record;
	struct weir_move m;
	uint32_t age_ms;

	if (weir_slot_state(s) != WEIR_SLOT_MOVING)
		return w;
	record = view_move(pool, slot);
	if (record == NULL)
		return w;
	m = *record;
	if (m.base[0] & WEIR_MOVE_NOBODY)
		w.cur = NOBODY;
	w.moving = m.base[protocol] & WEIR_MOVE_OPEN;
	if (!w.moving)
		return w;
	w.base = weir_move_base(m.base[protocol]);
	/* A worker's clock is some ms behind, so that the move may begin in its future: a
	 * grace of 3.0 to 3.1 s is kept. A drain may last longer than 2^31 ms. */
	age_ms = t->now_ds * 100u - m.since_ms[protocol];
	w.grace = age_ms < MOVING_GRACE_MS || age_ms > UINT32_MAX - MOVING_GRACE_MS;
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
	/* The same port used again: a new flow of which nothing is known yet. */
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

/* The pin to go by, our own or another worker's: its meta, refreshed; 0: none. */
static uint64_t pin_of(struct pins *t, const struct view *v, const struct pkt *p, weir_slot s)
{
	struct weir_pin *pin = pins_find(t, p->flow_hash);
	uint64_t meta;

	if (pin != NULL)
		meta = atomic_load_explicit(&pin->meta, memory_order_relaxed);
	else
		meta = t->other_count == 0 ? 0 : pins_find_elsewhere(t, p->flow_hash);
	if (meta == 0)
		return 0;
	if (!counts(v, meta, s)) {
		if (pin != NULL && !only_looks(t, p))
			pins_drop(t, pin);
		return 0;
	}
	if (only_looks(t, p))
		return meta;
	meta = refreshed(meta, t, &v->pool[p->pool], p);
	if (pin != NULL) {
		atomic_store_explicit(&pin->meta, meta, memory_order_relaxed);
	} else {
		count_add_u64(&t->area->pins.found_elsewhere, 1);
		(void)pins_put(t, v, p->flow_hash, meta); /* no room: found there again */
	}
	return meta;
}

/* By the rule in full; makes and drops pins. */
static unsigned backend_of(const struct view *v, struct pins *t, const struct pkt *p, weir_slot s)
{
	const struct view_pool *pool = &v->pool[p->pool];
	const bool tcp = p->flags & PKT_TCP, opener = is_opener(pool, p);
	uint64_t meta = pin_of(t, v, p, s);
	unsigned flags = tcp ? WEIR_PIN_TCP : 0;
	struct slot_view w;
	uint32_t ack;

	if (meta != 0)
		return weir_pin_backend(meta);
	w = look(t, pool, weir_slot_of(p->flow_hash, pool->table_len), s, tcp);
	if (!w.moving)
		return w.cur;
	if (only_looks(t, p))
		return opener && !w.grace ? w.cur : w.base;

	if (opener) {
		/* In the grace: base, and pinned there, for it may be sent again after the
		 * grace, and a QUIC client's second datagram is one too. */
		if (w.grace) {
			(void)pins_put_base(t, v, p->flow_hash,
					    weir_pin_meta(w.base, flags, p->pool, 0, t->now_ds));
			return w.base;
		}
		if (unlikely(w.cur == NOBODY))
			return w.cur;
		return pins_put(t, v, p->flow_hash,
				weir_pin_meta(w.cur, flags, p->pool, 0, t->now_ds))
			       ? w.cur
			       : w.base;
	}
	if (!may_ack(p) || !ack_of(p, &ack))
		ack = 0;
	(void)pins_put_base(t, v, p->flow_hash,
			    noted(weir_pin_meta(w.base, flags, p->pool, ack, t->now_ds), pool, p));
	return w.base;
}

static __rte_noinline void by_rule(const struct view *v, struct pins *t, struct burst *b,
				   struct pkt *p, weir_slot s)
{
	unsigned backend = backend_of(v, t, p, s);

	if (likely(backend < v->backend_count)) {
		p->backend = (uint16_t)backend;
		rte_prefetch0(&v->backend[backend]); /* for encap */
		return;
	}
	p->drop = backend == NOBODY ? WEIR_DROP_NO_BACKEND : WEIR_DROP_BACKEND_OFF;
	b->dropped = true;
}

void moving_burst(const struct view *v, struct pins *t, struct burst *b,
		  const struct unsettled *packet, uint32_t n)
{
	const uint64_t stamp = weir_pin_stamp(t->now_ds) | WEIR_PIN_CONFIRMED;
	struct unsettled other[WEIR_BURST];
	uint32_t others = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct pkt *p = packet[i].pkt;
		const struct view_pool *pool = &v->pool[p->pool];
		struct weir_pin *pin = pins_find_first(t, p->flow_hash);

		if (likely(pin != NULL)) {
			if (unlikely(!by_pin(v, t, p, packet[i].entry, pin, stamp)))
				by_rule(v, t, b, p, packet[i].entry);
			continue;
		}
		/* There are more lines to wait for. */
		other[others++] = packet[i];
		pins_prefetch_further(t, p->flow_hash);
		rte_prefetch0(view_move(pool, weir_slot_of(p->flow_hash, pool->table_len)));
	}

	for (uint32_t i = 0; i < others; i++)
		by_rule(v, t, b, other[i].pkt, other[i].entry);
}
