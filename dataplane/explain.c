// SPDX-License-Identifier: Apache-2.0
#include "explain.h"

#include "answer.h"
#include "split.h"

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* A snapshot that is replaced in the middle, this often in a row, is a peer's doing. */
#define TRIES 4

static uint8_t *build_ip(struct rte_mbuf *m, const struct weir_explain *q, uint16_t len)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)frame;

	if (q->family == 6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(eth + 1);

		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
		ip->vtc_flow = RTE_BE32(6u << 28);
		ip->payload_len = rte_cpu_to_be_16(len);
		ip->proto = q->protocol;
		ip->hop_limits = 64;
		memcpy(ip->src_addr, q->src, sizeof(ip->src_addr));
		memcpy(ip->dst_addr, q->dst, sizeof(ip->dst_addr));
		return (uint8_t *)(ip + 1);
	}
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);

	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len));
	ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->time_to_live = 64;
	ip->next_proto_id = q->protocol;
	memcpy(&ip->src_addr, q->src, sizeof(ip->src_addr));
	memcpy(&ip->dst_addr, q->dst, sizeof(ip->dst_addr));
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return (uint8_t *)(ip + 1);
}

/* The frame that is asked about. A payload that no buffer holds is cut: buffers
 * hold more than any port sends, so it is too big either way. */
static int build(struct explainer *e, struct rte_mbuf *m, const void *question)
{
	const struct weir_explain *q = question;
	uint32_t ip = q->family == 6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	uint32_t l4 = q->protocol == IPPROTO_TCP ? sizeof(struct rte_tcp_hdr)
						 : sizeof(struct rte_udp_hdr);
	uint32_t len = RTE_MIN(sizeof(struct rte_ether_hdr) + ip + l4 + q->payload,
			       (uint32_t)rte_pktmbuf_tailroom(m));
	uint16_t behind_ip = (uint16_t)(len - sizeof(struct rte_ether_hdr) - ip);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len), *at;

	if (frame == NULL)
		return -ENOMEM;
	memset(frame, 0, len);
	at = build_ip(m, q, behind_ip);
	if (q->protocol == IPPROTO_TCP) {
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)at;

		tcp->src_port = rte_cpu_to_be_16(q->sport);
		tcp->dst_port = rte_cpu_to_be_16(q->dport);
		tcp->data_off = sizeof(*tcp) / 4 << 4;
		tcp->tcp_flags = q->tcp_flags;
	} else {
		struct rte_udp_hdr *udp = (struct rte_udp_hdr *)at;

		udp->src_port = rte_cpu_to_be_16(q->sport);
		udp->dst_port = rte_cpu_to_be_16(q->dport);
		udp->dgram_len = rte_cpu_to_be_16(behind_ip);
	}
	(void)e;
	return 0;
}

/* Append what a buffer holds of the frame from `at` on. Returns how far it goes. */
static uint32_t fill(struct rte_mbuf *m, const struct weir_explain_frame *q, uint32_t at)
{
	uint32_t n = RTE_MIN(q->frame_len - at, (uint32_t)rte_pktmbuf_tailroom(m));
	uint32_t held = at < q->held ? RTE_MIN(q->held - at, n) : 0;
	char *to = rte_pktmbuf_append(m, (uint16_t)n);

	memcpy(to, q->frame + at, held);
	memset(to + held, 0, n - held);
	return at + n;
}

/* The frame of a capture, in as many buffers as it takes: what the port's own buffers
 * hold lies in one. */
static int build_frame(struct explainer *e, struct rte_mbuf *m, const void *question)
{
	const struct weir_explain_frame *q = question;
	uint32_t at = fill(m, q, 0);

	while (at < q->frame_len) {
		struct rte_mbuf *more = rte_pktmbuf_alloc(e->pool);

		if (more == NULL)
			return -ENOMEM;
		at = fill(more, q, at);
		rte_pktmbuf_chain(m, more);
	}
	return 0;
}

/* Who kept the flows of the packet's protocol before; cur = base: nobody takes new ones. */
static void explain_move(struct weir_explained *out, const struct view_pool *pool, bool tcp)
{
	const struct weir_move *m = view_move(pool, out->slot);
	uint16_t base;

	if (m == NULL)
		return;
	base = m->base[tcp ? WEIR_MOVE_TCP : WEIR_MOVE_UDP];
	if (base & WEIR_MOVE_OPEN)
		out->base = weir_move_base(base);
	if (m->base[0] & WEIR_MOVE_NOBODY)
		out->cur = out->base;
}

static void run_stages(const struct view *v, struct pins *pins, struct frags *frags,
		       const struct egress *egress, struct burst *b, struct weir_explained *out)
{
	const struct pkt *p = &b->pkt[0];
	const struct view_pool *pool;

	parse_burst(b);
	out->reached = p->drop == WEIR_DROP_NONE;
	classify_burst(v, b);
	frags_find(frags, v, b);
	if (p->drop != WEIR_DROP_NONE)
		return;
	out->reached = 2;
	out->service = p->service;
	out->pool = p->pool;

	select_burst(v, pins, b);
	pool = &v->pool[p->pool];
	out->hash = p->flow_hash;
	out->slot = weir_slot_of(p->flow_hash, pool->table_len);
	out->slot_state = weir_slot_state(pool->slot[out->slot]);
	out->cur = out->base = weir_slot_backend(pool->slot[out->slot]);
	if (out->slot_state == WEIR_SLOT_MOVING)
		explain_move(out, pool, p->flags & PKT_TCP);
	if (p->drop != WEIR_DROP_NONE)
		return;
	out->reached = 3;
	out->backend = p->backend;

	encap_burst(v, egress, b);
	if (p->drop == WEIR_DROP_NONE)
		out->reached = 4;
}

/* What a worker would say to a packet that it drops, were its rate limit not reached. */
static void run_answers(const struct view *v, const struct worker *w, struct burst *b,
			struct weir_explained *out)
{
	struct answers answers = { .rate = w->answers.rate };
	enum weir_answer kind = answer_kind(v, &b->pkt[0]);

	answer_burst(&answers, v, w->egress, b, rte_rdtsc());
	if (b->pkt[0].flags & PKT_ANSWER)
		out->answer = kind;
}

static void describe(const struct pkt *p, struct weir_explained *out)
{
	out->drop = p->drop;
	if (p->drop != WEIR_DROP_NONE)
		return;
	out->port = p->port;
	out->frame_len = p->mbuf->pkt_len;
	out->header_len = RTE_MIN(p->mbuf->data_len, (uint32_t)sizeof(out->header));
	memcpy(out->header, rte_pktmbuf_mtod(p->mbuf, const void *), out->header_len);
}

/* Into how many pieces it would be cut, and the first of them. False: it would not. */
static bool run_split(const struct view *v, const struct worker *w, struct pkt *p,
		      struct weir_explained *out)
{
	struct burst pieces;

	out->pieces = split_wanted(v, p) ? split_packet(v, w->egress, p, &pieces) : 0;
	if (out->pieces == 0)
		return false;
	out->reached = 4;
	describe(&pieces.pkt[0], out);
	for (uint32_t i = 0; i < pieces.n; i++)
		rte_pktmbuf_free(pieces.pkt[i].mbuf);
	return true;
}

/* What is asked: a question, how its packet is made, the port that it comes in by. */
struct asked {
	const void *question;
	int (*build)(struct explainer *e, struct rte_mbuf *m, const void *question);
	uint8_t port;
};

/* Once, by the view that we have. */
static int explain_by_view(struct explainer *e, const struct worker *w, const struct asked *q,
			   struct weir_explained *out)
{
	struct burst b = { .n = 1 };
	struct frags frags;
	struct pins pins;
	int err;

	pins_look(&pins, &w->pins);
	frags_look(&frags, &w->frags);

	b.pkt[0].mbuf = rte_pktmbuf_alloc(e->pool);
	if (b.pkt[0].mbuf == NULL)
		return -ENOMEM;
	b.pkt[0].port = q->port;
	err = q->build(e, b.pkt[0].mbuf, q->question);
	if (err == 0) {
		run_stages(&e->view, &pins, &frags, w->egress, &b, out);
		if (b.pkt[0].drop == WEIR_DROP_NONE || !run_split(&e->view, w, &b.pkt[0], out)) {
			run_answers(&e->view, w, &b, out);
			describe(&b.pkt[0], out);
		}
		out->generation = e->view.generation;
	}
	rte_pktmbuf_free(b.pkt[0].mbuf);
	return err;
}

static int explain_asked(struct explainer *e, const struct worker *w, const struct asked *q,
			 struct weir_explained *out)
{
	int err = 0;

	for (unsigned tries = 0; tries < TRIES; tries++) {
		*out = (struct weir_explained){ .head = out->head, .answer = WEIR_ANSWERS };
		if (table_view_copy(w, &e->view) != WEIR_REJECT_NONE)
			view_none(&e->view);
		err = explain_by_view(e, w, q, out);
		if (err < 0 || e->view.generation == atomic_load_explicit(&w->area->seen_generation,
									  memory_order_acquire))
			break;
	}
	return err;
}

int explain(struct explainer *e, const struct worker *w, const struct weir_explain *q,
	    struct weir_explained *out)
{
	return explain_asked(e, w, &(struct asked){ .question = q, .build = build }, out);
}

int explain_frame(struct explainer *e, const struct worker *w, const struct weir_explain_frame *q,
		  struct weir_explained *out)
{
	const struct asked asked = { .question = q,
				     .build = build_frame,
				     .port = (uint8_t)q->port };

	return explain_asked(e, w, &asked, out);
}
