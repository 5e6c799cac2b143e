// SPDX-License-Identifier: Apache-2.0
#include "moving.h"

#include "count.h"

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <netinet/in.h>

/* What is known of the packet's slot, with every field loaded once. */
struct slot_view {
	unsigned cur, base; /* cur: MOVING_NOBODY if no backend takes new flows */
	bool moving;	    /* for this packet's protocol */
	bool one_flow;	    /* a pin is of one flow, not of all that a client has */
	bool grace;	    /* began less than MOVING_GRACE_MS ago */
};

static struct slot_view look(const struct pins *t, const struct view_pool *pool, uint32_t slot,
			     weir_slot s, bool tcp)
{
	unsigned protocol = tcp ? WEIR_MOVE_TCP : WEIR_MOVE_UDP;
	struct slot_view w = { .cur = weir_slot_backend(s),
			       .base = weir_slot_backend(s),
			       .one_flow = pool->hash == WEIR_HASH_5TUPLE };
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
		w.cur = MOVING_NOBODY;
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

static bool forwards(const struct view *v, unsigned backend)
{
	return backend < v->backend_count && v->backend[backend].flags & WEIR_BACKEND_FORWARD;
}

/* What a TCP packet acknowledges; parse has checked that its header is there. */
static bool ack_of(const struct pkt *p, uint32_t *ack)
{
	const struct rte_tcp_hdr *tcp;

	if (p->flags & (PKT_OPENER | PKT_ICMP_ERROR | PKT_FRAGMENT))
		return false;
	tcp = rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_tcp_hdr *, pkt_l4_off(p));
	*ack = ntohl(tcp->recv_ack);
	return tcp->tcp_flags & RTE_TCP_ACK_FLAG;
}

/* A pin that packet `p`, no opener, uses. */
static uint64_t noted(uint64_t meta, const struct pkt *p, const struct slot_view *w, bool tcp)
{
	uint32_t ack;

	meta |= WEIR_PIN_CONFIRMED;
	if (!w->one_flow)
		return meta;
	if (p->flags & PKT_CLOSING)
		meta |= WEIR_PIN_CLOSING;
	return tcp && ack_of(p, &ack) ? weir_pin_acked(meta, ack) : meta;
}

/* The pin to go by, our own or another worker's: its meta, refreshed; 0: none. */
static uint64_t pin_of(struct pins *t, const struct view *v, const struct pkt *p,
		       const struct slot_view *w, bool tcp, bool opener)
{
	struct pin_ref r = pins_find(t, p->flow_hash);
	uint64_t meta;

	if (r.bucket != NULL)
		meta = atomic_load_explicit(&r.bucket->meta[r.way], memory_order_relaxed);
	else
		meta = pins_find_elsewhere(t, p->flow_hash);
	if (meta == 0)
		return 0;

	/* Nothing keeps a flow on a backend that is gone; and with nobody to go
	 * back to, a pin to the owner says nothing. */
	if (!forwards(v, weir_pin_backend(meta)) ||
	    (!w->moving && weir_pin_backend(meta) == w->cur)) {
		if (r.bucket != NULL && !t->read_only)
			pins_drop(t, r);
		return 0;
	}
	if (t->read_only)
		return meta;

	/* The same port used again: a new flow of which nothing is known yet. */
	if (opener && meta & WEIR_PIN_CLOSING)
		meta &= ~(uint64_t)(WEIR_PIN_CLOSING | WEIR_PIN_CONFIRMED);
	meta = weir_pin_refresh(meta, t->now_ds);
	if (!opener)
		meta = noted(meta, p, w, tcp);
	if (r.bucket != NULL) {
		atomic_store_explicit(&r.bucket->meta[r.way], meta, memory_order_relaxed);
	} else {
		count_add_u64(&t->area->pins.found_elsewhere, 1);
		(void)pins_put(t, v, p->flow_hash, meta); /* no room: found there again */
	}
	return meta;
}

unsigned moving_select(struct pins *t, const struct view *v, const struct pkt *p, uint32_t slot,
		       weir_slot s, bool tcp, bool opener)
{
	const struct slot_view w = look(t, &v->pool[p->pool], slot, s, tcp);
	uint64_t meta = pin_of(t, v, p, &w, tcp, opener);
	unsigned flags = tcp ? WEIR_PIN_TCP : 0;
	uint32_t ack;

	if (meta != 0)
		return weir_pin_backend(meta);
	if (!w.moving)
		return w.cur;
	if (t->read_only)
		return opener && !w.grace ? w.cur : w.base;

	if (opener) {
		/* In the grace: base, and pinned there, for it may be sent again after the
		 * grace, and a QUIC client's second datagram is one too. */
		if (w.grace) {
			(void)pins_put_base(t, v, p->flow_hash,
					    weir_pin_meta(w.base, flags, p->pool, 0, t->now_ds));
			return w.base;
		}
		if (unlikely(w.cur == MOVING_NOBODY))
			return w.cur;
		return pins_put(t, v, p->flow_hash,
				weir_pin_meta(w.cur, flags, p->pool, 0, t->now_ds))
			       ? w.cur
			       : w.base;
	}
	if (!tcp || !ack_of(p, &ack))
		ack = 0;
	(void)pins_put_base(
		t, v, p->flow_hash,
		noted(weir_pin_meta(w.base, flags, p->pool, ack, t->now_ds), p, &w, tcp));
	return w.base;
}
