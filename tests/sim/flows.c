// SPDX-License-Identifier: Apache-2.0
/* Flows, their packets, and what becomes of them. */
#include "world.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t random64(struct world *w)
{
	uint64_t x = w->random += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

double uniform(struct world *w)
{
	return ((double)(random64(w) >> 11) + 0.5) / 9007199254740992.0;
}

double normal(struct world *w)
{
	return sqrt(-2 * log(uniform(w))) * cos(2 * 3.14159265358979323846 * uniform(w));
}

static void schedule(struct world *w, uint32_t f, uint32_t ticks)
{
	uint32_t *head = &w->wheel[(w->tick + ticks) % WHEEL];

	w->flow[f].next = *head;
	*head = f;
}

double life_s(struct world *w)
{
	double sigma = sqrt(2 * log(LIFE_MEAN_S / LIFE_MEDIAN_S));

	return LIFE_MEDIAN_S * exp(sigma * normal(w));
}

uint32_t ticks_of(double seconds)
{
	return seconds > 1e6 ? 20000000 : (uint32_t)(seconds * TICKS_S) + 1;
}

/* Mostly the client is first; where the server is, its FIN comes with data for one in
 * three. */
static enum ending ending_of(const struct world *w, uint32_t id)
{
	uint32_t percent = (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 32) % 100;

	if (percent < w->scenario->udp)
		return SILENTLY;
	if (percent >= 100 - w->scenario->half)
		return HALF_CLOSE;
	return id % 10 < 7 ? CLIENT_FIRST : id % 10 < 9 ? SERVER_FIRST : SERVER_TOGETHER;
}

void flow_begin(struct world *w, uint32_t delay, uint32_t life)
{
	uint32_t f = w->free_flow;

	if (f == UINT32_MAX) {
		fprintf(stderr, "sim: more flows than room\n");
		exit(2);
	}
	w->free_flow = w->flow[f].next;
	w->flow[f] = (struct flow){ .id = ++w->total,
				    .end_tick = w->tick + delay + life,
				    .phase = PHASE_SYN };
	w->flow[f].ending = (uint8_t)ending_of(w, w->flow[f].id);
	w->open++;
	schedule(w, f, delay);
}

static uint32_t gap(struct world *w, const struct flow *f)
{
	double most = LONG_GAP_S;

	if (f->phase == PHASE_HALF)
		most = HALF_GAP_S;
	if (f->ending == SILENTLY && !(w->scenario->flags & QUIC))
		most = UDP_GAP_S;
	return ticks_of(GAP_S + (uniform(w) < 0.9 ? 0 : (most - GAP_S) * uniform(w)));
}

/* What became of a model's flow by a packet that goes to `to`. */
static void judge(struct world *w, struct flow *f, unsigned model, uint16_t to, uint32_t at)
{
	struct result *r = &w->result[model];
	uint16_t b = f->backend[model];

	if (f->phase == PHASE_SYN) {
		bool elsewhere = f->repeats > 0 && to != b;

		if (f->repeats > 0 && f->fate[model] != FATE_GOOD)
			return;
		f->began_at = (uint8_t)at;
		f->backend[model] = to;
		if (to >= SIM_BACKENDS || elsewhere) {
			f->fate[model] = FATE_BROKEN;
			r->failed_new++;
			return;
		}
		f->since[model] = w->failures[to];
		w->late += model == MODEL_WEIR && !w->pool.serves[to];
		return;
	}
	if (f->fate[model] != FATE_GOOD)
		return;
	if (w->failures[b] != f->since[model]) {
		f->fate[model] = FATE_LOST;
		r->lost++;
	} else if (to != b) {
		f->fate[model] = FATE_BROKEN;
		if (f->phase == PHASE_ACK) {
			r->failed_new++;
			w->elsewhere += model == MODEL_WEIR && f->began_at != at;
		} else {
			r->broken++;
		}
	}
}

static void flow_end(struct world *w, uint32_t n)
{
	struct flow *f = &w->flow[n];

	w->live[f->slot]--;
	w->open--;
	w->last_end = w->tick;
	f->next = w->free_flow;
	w->free_flow = n;
}

/* A flow's packet has gone where it goes: its next one. */
static void flow_step(struct world *w, uint32_t n)
{
	struct flow *f = &w->flow[n];
	uint32_t next = 1;
	bool acks_handshake = f->ending == SILENTLY && f->phase == PHASE_ACK;

	if (f->phase == PHASE_SYN && f->repeats == 0)
		w->live[f->slot]++;
	/* Its answer is late: it is sent again after 1 s, then 2 s. */
	if (f->phase == PHASE_SYN && f->repeats < 2 && w->scenario->repeats > 0 &&
	    random64(w) % 100 < w->scenario->repeats) {
		schedule(w, n, TICKS_S << f->repeats++);
		return;
	}
	f->phase = f->then;
	if (f->phase == PHASE_END) {
		flow_end(w, n);
		return;
	}
	if ((f->phase == PHASE_DATA && !(w->scenario->flags & QUIC && acks_handshake)) ||
	    f->phase == PHASE_HALF) {
		next = gap(w, f);
		if (w->tick + next > f->end_tick)
			next = f->end_tick > w->tick ? f->end_tick - w->tick : 1;
	}
	schedule(w, n, next);
}

void burst_run(struct world *w, uint32_t lane)
{
	struct burst *b = &w->burst[lane];
	uint32_t at = lane / w->workers;

	if (b->n == 0)
		return;
	select_burst(&w->weir[at].view, &w->weir[at].pins[lane % w->workers], b);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct pkt *p = &b->pkt[i];
		uint32_t n = w->of[lane][i], slot = weir_slot_of(p->flow_hash, SIM_SLOTS);
		uint16_t owner = w->pool.owner[slot];
		uint16_t to = p->drop == WEIR_DROP_NONE ? p->backend : UINT16_MAX;
		uint16_t remembered = flow_table_select(&w->table[at], p->flow_hash, owner,
							w->pool.forwards, p->flags & PKT_CLOSING);

		if (n == UINT32_MAX)
			continue;
		w->flow[n].slot = slot;
		judge(w, &w->flow[n], MODEL_WEIR, to, at);
		judge(w, &w->flow[n], MODEL_MAGLEV, owner, at);
		judge(w, &w->flow[n], MODEL_TABLE, remembered, at);
		census_note(&w->census, p->flow_hash, lane, w->flow[n].then == PHASE_END);
		flow_step(w, n);
	}
	b->n = 0;
	b->dropped = false;
}

struct sent {
	uint32_t flow, id, ack;
	uint16_t dport, flags;
	uint8_t protocol;
};

static void packet(struct world *w, uint32_t lane, struct sent s)
{
	struct burst *b = &w->burst[lane];
	struct frame *frame = &w->frame[lane][b->n];

	frame->tcp = (struct rte_tcp_hdr){
		.recv_ack = htonl(s.ack),
		.tcp_flags = s.flags & PKT_OPENER ? RTE_TCP_SYN_FLAG : RTE_TCP_ACK_FLAG,
	};
	frame->mbuf.buf_addr = &frame->tcp;
	b->key[b->n] = (union flow_key){ .v4 = { .src_be = htonl(s.id),
						 .dst_be = htonl(0xcb00710a),
						 .sport_be = htons(40000),
						 .dport_be = htons(s.dport),
						 .protocol = s.protocol } };
	b->pkt[b->n] = (struct pkt){ .mbuf = &frame->mbuf, .flags = s.flags | (s.protocol == IPPROTO_TCP ? PKT_TCP : 0),
				     .service_flags = WEIR_SERVICE_QUIC };
	w->of[lane][b->n] = s.flow;
	if (++b->n == WEIR_BURST)
		burst_run(w, lane);
}

/* What the server has said since the last packet: 1 to 65,536 bytes, by chance, but not by
 * that of the world, for the flows are to be the same ones. */
static uint32_t said(const struct flow *f)
{
	uint64_t x = ((uint64_t)f->ack << 32 | f->id) * 0x9e3779b97f4a7c15ull;

	return 1 + (uint32_t)((x ^ x >> 29) * 0xbf58476d1ce4e5b9ull >> 48);
}

/* What the due packet is, and what comes after it. */
static uint16_t flow_due(struct flow *f, bool is_over)
{
	const uint32_t before = f->ack;

	f->ack += said(f);
	switch (f->phase) {
	case PHASE_SYN:
		f->then = PHASE_ACK;
		return f->ending == SILENTLY ? 0 : PKT_OPENER;
	case PHASE_ACK:
		f->then = PHASE_DATA;
		return 0;
	case PHASE_DATA:
		f->then = f->phase;
		if (f->ending == HALF_CLOSE) {
			f->then = PHASE_HALF;
			return PKT_CLOSING;
		}
		if (!is_over)
			return 0;
		f->then = f->ending == CLIENT_FIRST   ? PHASE_LAST
			  : f->ending == SERVER_FIRST ? PHASE_FIN
						      : PHASE_END;
		f->ack = f->ending == SERVER_FIRST ? before + 1 : f->ack;
		return f->ending == CLIENT_FIRST || f->ending == SERVER_TOGETHER ? PKT_CLOSING : 0;
	case PHASE_HALF:
		f->then = is_over ? PHASE_LAST : PHASE_HALF;
		return 0;
	case PHASE_LAST:
		f->then = PHASE_END;
		f->ack = before + 1;
		return 0;
	default: /* the client's FIN, after the server's */
		f->then = PHASE_END;
		f->ack = before;
		return PKT_CLOSING;
	}
}

/* The Weir that the router hands a flow to. */
static uint32_t routed(const struct world *w, uint64_t h)
{
	uint32_t at = (uint32_t)((h ^ h >> 29) % w->weirs);

	if (!(w->scenario->flags & RESILIENT))
		return (uint32_t)((h ^ h >> 29) % w->alive);
	return at < w->alive ? at : (uint32_t)((h >> 17) % w->alive);
}

void flow_packet(struct world *w, uint32_t n)
{
	struct flow *f = &w->flow[n];
	uint64_t h = f->id * 0x9e3779b97f4a7c15ull;
	struct sent s = { .flow = n, .id = f->id, .dport = 80 };
	bool is_initial;

	/* A QUIC client's second datagram still has an Initial, which acknowledges. */
	is_initial = w->scenario->flags & QUIC && f->ending == SILENTLY && f->phase <= PHASE_ACK;
	s.flags = flow_due(f, w->stopping || w->tick >= f->end_tick);
	s.flags |= is_initial ? PKT_QUIC_INITIAL : 0;
	s.ack = f->ack;
	s.protocol = f->ending == SILENTLY ? IPPROTO_UDP : IPPROTO_TCP;
	/* The router and the NIC spread by other hashes than ours. */
	packet(w, routed(w, h) * w->workers + (uint32_t)((h >> 33 ^ w->queues) % w->workers), s);
}

void flood(struct world *w)
{
	for (unsigned i = 0; i < FLOOD_A_TICK; i++) {
		struct sent s = { .flow = UINT32_MAX,
				  .id = (uint32_t)random64(w),
				  .dport = 443,
				  .flags = PKT_OPENER,
				  .protocol = IPPROTO_TCP };

		packet(w, 0, s);
		s.id = (uint32_t)random64(w);
		s.flags = 0;
		packet(w, 0, s);
	}
}
