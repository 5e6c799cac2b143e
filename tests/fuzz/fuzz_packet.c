// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a frame, through parse, classify, select and encap. The first bytes of
 * the input choose how it is carried; the rest is the frame. What is not dropped must
 * leave with the client's packet as it came, behind the headers of its backend. An ICMP
 * error goes to the backend of the flow it quotes, and changes no pin. What is dropped
 * may be answered, to a single host, by a right packet from where it was sent to.
 *
 * Then the same bytes as two frames, in both orders, with the tables of fragments, and
 * cut up where they are too big: no buffer is lost, and what follows a first fragment
 * goes to its backend.
 *
 * links: dataplane/answer.c dataplane/answer_ip.c dataplane/answer_link.c
 * links: dataplane/capture.c dataplane/classify.c dataplane/encap.c dataplane/extensions.c
 * links: dataplane/frag_table.c dataplane/frags.c dataplane/moving.c dataplane/parse.c
 * links: dataplane/pin_filter.c dataplane/pin_notes.c dataplane/pins.c dataplane/punt.c dataplane/quote.c dataplane/select.c
 * links: dataplane/split.c dataplane/view.c
 * packages: libdpdk libxxhash
 */
#include "answer.h"
#include "frags.h"
#include "pins.h"
#include "pipeline.h"
#include "punt.h"
#include "shm.h"
#include "split.h"
#include "view.h"

#include "../tests/unit/eal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BITS = 5, LEN = 251, BACKENDS = 12, ETH = 14, BUFFERS = 255 };

static struct view view[2]; /* hash = 5-tuple, hash = source */
static struct weir_lookup lookup[1 << BITS];
static weir_slot slots[LEN];
static struct {
	struct weir_move_group group[(LEN + 63) / 64];
	struct weir_move record[LEN];
	struct weir_move_begin begin[LEN];
} moves;
static struct weir_worker_area area;
static struct weir_pin_bucket buckets[2 * WEIR_PINS_MIN / WEIR_PIN_WAYS];
static struct pin_filter_cell cells[2 * WEIR_PINS_MIN / PIN_FILTER_TAGS];
static struct pins pins;
static struct weir_backend backends[BACKENDS];
static struct egress ports[WEIR_MAX_PORTS];
static struct rte_mempool *buffers;
static struct frag_table table;
static struct frags frags;

static void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void enter(struct weir_lookup e)
{
	uint32_t i = weir_lookup_home(e.k0, e.k1, e.k2, BITS);

	while (lookup[i].k0 != 0)
		i = (i + 1) % (1u << BITS);
	lookup[i] = e;
}

static void enter4(uint32_t addr, unsigned len, uint8_t protocol, uint16_t port, uint32_t flags)
{
	enter((struct weir_lookup){
		.k0 = weir_lookup_k0(weir_lookup_kind(4, len), protocol, htons(port), htonl(addr)),
		.flags = flags });
}

static void enter6(const uint8_t addr[16], unsigned len, uint8_t protocol, uint16_t port,
		   uint32_t flags)
{
	struct weir_lookup e = { .k0 = weir_lookup_k0(weir_lookup_kind(6, len), protocol,
						      htons(port), 0),
				 .flags = flags };

	memcpy(&e.k1, addr, 8);
	memcpy(&e.k2, addr + 8, 8);
	enter(e);
}

#define ANSWER_ALL (WEIR_VIP_ECHO | WEIR_VIP_REJECT | WEIR_VIP_ARP)

/* TCP 80, UDP 53 on 203.0.113.10 and 2001:db8:5::a; every TCP port on prefixes. */
static void enter_services(void)
{
	static const uint8_t vip6[16] = { 0x20, 1, 0x0d, 0xb8, 0, 5, [15] = 10 };
	static const uint8_t prefix6[16] = { 0x20, 1, 0x0d, 0xb8, 0, 6 };

	enter4(0xcb00710a, 32, 0, 0, WEIR_SERVICE_VIP_ONLY | ANSWER_ALL);
	enter4(0xcb00710a, 32, IPPROTO_TCP, 80, 0);
	enter4(0xcb00710a, 32, IPPROTO_UDP, 53, WEIR_SERVICE_QUIC);
	enter4(0xcb007100, 28, 0, 0, WEIR_SERVICE_VIP_ONLY | WEIR_VIP_ECHO);
	enter4(0xcb007100, 28, IPPROTO_TCP, 0, 0);
	enter6(vip6, 128, 0, 0, WEIR_SERVICE_VIP_ONLY | ANSWER_ALL);
	enter6(vip6, 128, IPPROTO_TCP, 80, 0);
	enter6(vip6, 128, IPPROTO_UDP, 53, 0);
	enter6(prefix6, 48, 0, 0, WEIR_SERVICE_VIP_ONLY);
	enter6(prefix6, 48, IPPROTO_TCP, 0, 0);
}

static void make_backend(unsigned i)
{
	struct weir_backend *be = &backends[i];

	*be = (struct weir_backend){
		.port = i == 5 ? 7 : 0,
		.flags = i == 6 ? WEIR_BACKEND_FORWARD
				: WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED,
		.encap = (uint8_t)(i % (WEIR_ENCAPS + 1)), /* one is no encapsulation */
		.vlan_be = i % 4 == 3 ? htons(100) : 0,
		.source_bits = (const uint8_t[]){ 0, 16, 5, 32 }[i % 4],
		.mtu = 1500,
		.gue_port_be = htons(6080),
	};
	if (be->encap == WEIR_ENCAP_IPIP6 || be->encap == WEIR_ENCAP_GUE6) {
		memcpy(be->outer, (const uint8_t[8]){ 0x60, [6] = IPPROTO_UDP, 64 }, 8);
		if (be->encap == WEIR_ENCAP_IPIP6)
			be->outer[6] = 0;
	} else {
		memcpy(be->outer, (const uint8_t[10]){ 0x45, [6] = 0x40, [8] = 64, IPPROTO_IPIP },
		       10);
		if (be->encap == WEIR_ENCAP_GUE4)
			be->outer[9] = IPPROTO_UDP;
		memcpy(be->outer + 10, &(uint16_t){ (uint16_t)~rte_raw_cksum(be->outer, 20) }, 2);
	}
}

/* Slots of every state, backends of every kind, and two views of them. */
static void set_up(void)
{
	buffers = eal_buffers(BUFFERS);
	require(buffers != NULL, "DPDK does not start");
	enter_services();
	for (unsigned i = 0; i < LEN; i++) {
		slots[i] =
			weir_slot_make(i % 7 ? WEIR_SLOT_SETTLED : i / 7 % 4, i % (BACKENDS + 1));
		moves.group[i / 64].moving = UINT64_MAX;
		moves.group[i / 64].first = i / 64 * 64;
		moves.record[i].base[WEIR_MOVE_TCP] = (uint16_t)((i / 3 % (BACKENDS + 1)) | WEIR_MOVE_OPEN);
		moves.record[i].base[WEIR_MOVE_UDP] =
			(uint16_t)((i / 3 % (BACKENDS + 1)) | (i % 2 ? WEIR_MOVE_OPEN : 0));
	}
	for (unsigned i = 0; i < BACKENDS; i++)
		make_backend(i);
	ports[0].mtu = 1500;
	pins = (struct pins){ .bucket = buckets,
			      .filter = { cells, sizeof(cells) / sizeof(cells[0]) - 1 },
			      .mask = sizeof(buckets) / sizeof(buckets[0]) - 1,
			      .capacity = WEIR_PINS_MIN,
			      .now_ds = 100,
			      .area = &area };
	for (unsigned i = 0; i < 2; i++) {
		view_none(&view[i]);
		view[i].generation = 1;
		view[i].lookup = lookup;
		view[i].lookup_bits = BITS;
		view[i].prefixes4 = 1ull << 28;
		view[i].prefixes6[0] = 1ull << 48;
		view[i].backend = backends;
		view[i].backend_count = BACKENDS;
		view[i].pool[0] = (struct view_pool){
			.slot = slots, .moves = moves.group, .move_count = LEN,
			.table_len = LEN, .hash = (uint8_t)i, .flags = WEIR_POOL_FRAGMENT
		};
	}
}

/* The buffer ends with the last byte, so that a read beyond it is seen. */
static struct rte_mbuf segment(uint8_t **buf, const uint8_t *bytes, size_t len, uint16_t headroom)
{
	*buf = malloc(headroom + len + (headroom + len == 0));
	if (len > 0)
		memcpy(*buf + headroom, bytes, len);
	return (struct rte_mbuf){ .buf_addr = *buf,
				  .buf_len = (uint16_t)(headroom + len),
				  .data_off = headroom,
				  .data_len = (uint16_t)len,
				  .pkt_len = (uint32_t)len,
				  .nb_segs = 1 };
}

/* RFC 1071 over a header that has its checksum. */
static bool sums_up(const uint8_t *at, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static void check_outer(const uint8_t *at, const struct pkt *p, unsigned encap)
{
	bool gue = encap == WEIR_ENCAP_GUE4 || encap == WEIR_ENCAP_GUE6;
	uint8_t inner = p->flags & PKT_IPV6 ? 41 : 4;
	uint32_t len = p->ip_len + encap_overhead(encap);

	if (encap == WEIR_ENCAP_IPIP4 || encap == WEIR_ENCAP_GUE4) {
		require(at[0] == 0x45 && (at[2] << 8 | at[3]) == (int)len && sums_up(at, 20),
			"outer IPv4");
		require(at[9] == (gue ? IPPROTO_UDP : inner), "outer protocol");
		at += 20;
		len -= 20;
	} else {
		require(at[0] >> 4 == 6 && (at[4] << 8 | at[5]) == (int)len - 40, "outer IPv6");
		require(at[6] == (gue ? IPPROTO_UDP : inner), "next header");
		at += 40;
		len -= 40;
	}
	if (gue)
		require(at[0] >= 0xc0 && (at[4] << 8 | at[5]) == (int)len && at[9] == inner,
			"UDP and GUE");
}

static void check_frame(const struct pkt *p, const uint8_t *sent, size_t len)
{
	const struct weir_backend *be = &backends[p->backend];
	uint32_t link = ETH + (be->vlan_be ? 4 : 0), head = link + encap_overhead(be->encap);
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);

	require(p->l3_off == ETH || p->l3_off == ETH + 4 || p->l3_off == ETH + 8, "where IP is");
	require(p->ip_len <= len - p->l3_off, "more IP than frame");
	require(pkt_l4_off(p) > p->l3_off && pkt_l4_off(p) <= p->l3_off + p->ip_len, "where TCP or UDP is");
	require(p->port == 0, "a port that is not there");
	require(m->data_off + m->data_len <= m->buf_len, "the frame leaves its buffer");
	require(m->data_len ==
			(be->encap == WEIR_ENCAP_L2 ? link + len - p->l3_off : head + p->ip_len),
		"the length of what leaves");
	require(memcmp(at + head, sent + p->l3_off, p->ip_len) == 0, "the client's packet");
	if (be->encap != WEIR_ENCAP_L2)
		check_outer(at + link, p, be->encap);
}

/* A fragment says what its datagram can hold. */
static void check_fragment(const struct fragment *f)
{
	require(f->len != 0 && f->off + f->len <= UINT16_MAX, "a fragment's place");
	require(!f->more || f->len % 8 == 0, "a fragment's length");
	require(f->off != 0 || f->more, "a fragment that is the whole");
}

/* An answer to `frame`. */
static void check_answer(const struct pkt *p, const uint8_t *frame)
{
	static const uint8_t all_nodes[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *got = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *ip = got + p->l3_off, *asks = frame + p->l3_off;

	require(m->data_off + m->data_len <= m->buf_len && m->pkt_len == m->data_len,
		"an answer outside of its buffer");
	require(p->port == 1 && !(frame[6] & 1), "an answer to no single machine");
	require(memcmp(got, frame + 6, 6) == 0 || memcmp(got, all_nodes, 6) == 0,
		"an answer to somebody else");
	require(memcmp(got + 12, frame + 12, p->l3_off - 12u) == 0, "other tags");
	require(!(p->flags & (PKT_ICMP_ERROR | PKT_FRAG_LATER)), "an error about an error");
	if (ip[-2] == 0x86) {
		require(got + p->l3_off + 40 + (ip[4] << 8 | ip[5]) == got + m->data_len,
			"the length of an answer");
		require(ip[7] == 255 || memcmp(ip + 8, asks + 24, 16) == 0, "from another address");
	} else if (ip[-1] == 0) {
		require(ip[0] == 0x45 && sums_up(ip, 20), "the header of an answer");
		require(p->l3_off + (ip[2] << 8 | ip[3]) == m->data_len, "the length of an answer");
		require(memcmp(ip + 12, asks + 16, 4) == 0 && memcmp(ip + 16, asks + 12, 4) == 0,
			"from another address");
	}
}

/* A burst of one that was dropped. */
static void answered(const struct view *v, struct burst *b, const uint8_t *frame, size_t len)
{
	static struct answers answers;
	static uint64_t now;
	struct pkt *p = &b->pkt[0];

	if (now == 0)
		answers_init(&answers, &area, 1, 1);
	if (p->drop == WEIR_DROP_NOT_A_VIP || p->drop == WEIR_DROP_NOT_IP)
		require(punt_class(p) < PUNT_CLASSES, "no class");
	answer_burst(&answers, v, ports, b, ++now);
	if (p->drop == WEIR_DROP_NONE)
		check_answer(p, frame);
	else
		require(p->mbuf->data_len == len &&
				memcmp(rte_pktmbuf_mtod(p->mbuf, const uint8_t *), frame, len) == 0,
			"what gets no answer stays as it came");
}

static void through_all_stages(const struct view *v, const uint8_t *frame, size_t len,
			       uint16_t headroom)
{
	struct burst b = { .n = 1 };
	const struct pkt *p = &b.pkt[0];
	uint64_t made = atomic_load(&area.pins.made);
	struct rte_mbuf m;
	uint8_t *buf;

	m = segment(&buf, frame, len, headroom);
	b.pkt[0].mbuf = &m;
	b.pkt[0].port = 1;
	parse_burst(&b);
	require(b.seen == p->flags && b.dropped == (p->drop != WEIR_DROP_NONE),
		"what is known of a burst");
	if (p->drop == WEIR_DROP_NONE && p->flags & PKT_FRAGMENT)
		check_fragment(&b.fragment[0]);
	classify_burst(v, &b);
	select_burst(v, &pins, &b);
	encap_burst(v, ports, &b);
	require(p->drop < WEIR_DROP_REASONS, "a reason without a name");
	require(b.dropped == (p->drop != WEIR_DROP_NONE), "a drop that the burst does not know");
	if (p->flags & PKT_ICMP_ERROR)
		require(atomic_load(&area.pins.made) == made, "a pin by an ICMP error");
	if (p->drop == WEIR_DROP_NONE) {
		require(!(p->flags & (PKT_OTHER_L4 | PKT_FRAG_LATER)), "a packet without ports");
		check_frame(p, frame, len);
	} else {
		require(p->port == 1 && m.data_len == len &&
				memcmp(rte_pktmbuf_mtod(&m, const uint8_t *), frame, len) == 0,
			"what is dropped stays as it came");
		answered(v, &b, frame, len);
	}
	free(buf);
}

/* In two segments the result is the same, or the headers are not in the first. */
static void parsed_in_two(const uint8_t *frame, size_t len, size_t first)
{
	struct burst one = { .n = 1 }, two = { .n = 1 };
	struct rte_mbuf whole, head, tail;
	uint8_t *buf[3];

	whole = segment(&buf[0], frame, len, 0);
	head = segment(&buf[1], frame, first, 0);
	tail = segment(&buf[2], frame + first, len - first, 0);
	head.next = &tail;
	head.nb_segs = 2;
	head.pkt_len = (uint32_t)len;
	one.pkt[0].mbuf = &whole;
	two.pkt[0].mbuf = &head;
	parse_burst(&one);
	parse_burst(&two);
	require(two.pkt[0].drop == one.pkt[0].drop || two.pkt[0].drop == WEIR_DROP_TRUNCATED,
		"another verdict on the same frame");
	for (unsigned i = 0; i < 3; i++)
		free(buf[i]);
}

/* The pieces of what is too big: behind the headers of their backend, and all of it. */
static void cut_up(const struct view *v, struct pkt *p)
{
	static struct burst pieces;
	uint32_t len = 0, base = 0;

	if (!split_wanted(v, p) || split_packet(v, ports, p, &pieces) == 0)
		return;
	for (uint32_t i = 0; i < pieces.n; i++) {
		const struct pkt *piece = &pieces.pkt[i];
		const struct rte_mbuf *m = piece->mbuf;
		const uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, m->pkt_len - piece->ip_len);
		uint32_t own = (ip[0] & 15) * 4u, off = (uint32_t)(ip[6] << 8 | ip[7]) & 0x1fff;

		require(piece->ip_len <= encap_room(v, ports, p), "a piece that is too big");
		require(sums_up(ip, own) && (ip[2] << 8 | ip[3]) == piece->ip_len,
			"a piece's header");
		base = i == 0 ? off : base;
		require((off - base) * 8 == len, "a piece's place");
		len += piece->ip_len - own;
		rte_pktmbuf_free(pieces.pkt[i].mbuf);
	}
	require(len == p->ip_len - p->l4_words * 4u, "bytes of no piece");
}

/* As worker.c does it; all that is not held is freed. */
static struct pkt with_fragments(const struct view *v, struct burst *b)
{
	struct pkt *p = &b->pkt[0];

	parse_burst(b);
	classify_burst(v, b);
	if (b->seen & PKT_FRAGMENT)
		frags_find(&frags, v, b);
	select_burst(v, &pins, b);
	encap_burst(v, ports, b);
	if (b->seen & PKT_FRAGMENT)
		frags_note(&frags, v, b);
	require(p->drop < WEIR_DROP_REASONS || p->drop == PKT_TAKEN, "a reason without a name");
	if (p->drop != WEIR_DROP_NONE && p->drop != PKT_TAKEN)
		cut_up(v, p);
	if (p->drop != PKT_TAKEN)
		rte_pktmbuf_free(p->mbuf);
	return *p;
}

static struct pkt arrives(const struct view *v, const uint8_t *frame, size_t len)
{
	struct burst b = { .n = 1 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(buffers);

	require(m != NULL, "buffers are lost");
	if (len > rte_pktmbuf_tailroom(m))
		len = rte_pktmbuf_tailroom(m);
	if (len > 0) /* else nothing is read of it */
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	b.pkt[0].mbuf = m;
	b.pkt[0].port = 1;
	return with_fragments(v, &b);
}

static void check_followed(const struct pkt *first, const struct pkt *later)
{
	if (first->flags & PKT_FRAG_FIRST && first->drop == WEIR_DROP_NONE &&
	    later->flags & PKT_FRAG_LATER && later->drop == WEIR_DROP_NONE)
		require(later->backend == first->backend && later->flow_hash == first->flow_hash,
			"another way than that of the first one");
}

/* One frame and then another, at a worker that has seen nothing yet. */
static void one_and_another(const struct view *v, const uint8_t *frame[2], const size_t len[2])
{
	struct pkt came[2], again;
	struct burst b;

	for (unsigned j = 0; j < FRAG_BUCKETS; j++)
		memset(table.bucket[j].tag, 0, sizeof(table.bucket[j].tag));
	memset(&area.frags, 0, sizeof(area.frags));
	frags = (struct frags){ .table = &table, .area = &area, .now_ms = 1000 };

	for (unsigned i = 0; i < 2; i++)
		came[i] = arrives(v, frame[i], len[i]);
	check_followed(&came[0], &came[1]);
	while (frags_again(&frags, &b)) {
		require(b.n == 1, "more than was held");
		again = with_fragments(v, &b);
		check_followed(&came[1], &again);
	}
	require(rte_mempool_in_use_count(buffers) == area.frags.holding, "a buffer that nobody holds");
	frags_end(&frags);
	require(rte_mempool_in_use_count(buffers) == 0, "a buffer that is lost");
}

static void as_two_frames(const struct view *v, const uint8_t *data, size_t len, size_t first)
{
	one_and_another(v, (const uint8_t *[]){ data, data + first },
			(const size_t[]){ first, len - first });
	one_and_another(v, (const uint8_t *[]){ data + first, data },
			(const size_t[]){ len - first, first });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (view[0].generation == 0)
		set_up();
	if (size < 2)
		return 0;
	through_all_stages(&view[data[0] >> 7], data + 2, size - 2, data[0] % 128);
	parsed_in_two(data + 2, size - 2, data[1] % (size - 1));
	as_two_frames(&view[data[0] >> 7], data + 2, size - 2, data[1] % (size - 1));
	return 0;
}
