// SPDX-License-Identifier: Apache-2.0
/*
 * Fragments in any order, at two workers, and packets cut into pieces.
 *
 * The first byte of the input chooses. Even: the rest are steps of eight bytes, each a
 * fragment of one of a few datagrams that comes by one of the workers, or time, or a
 * backend that goes off. What must hold: no buffer is lost; what is forwarded goes to a
 * backend that a first fragment of its datagram was sent to and that takes packets; and
 * what one worker forwards of a datagram never overlaps. Odd: the rest is an IPv4 header
 * with options, an MTU, and how much there is behind it: the pieces fit, and make up the
 * packet.
 *
 * links: dataplane/capture.c dataplane/encap.c dataplane/frag_table.c dataplane/frags.c
 * links: dataplane/split.c dataplane/view.c
 * packages: libdpdk libxxhash
 */
#include "frags.h"
#include "shm.h"
#include "split.h"

#include "../tests/unit/eal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORKERS = 2, DATAGRAMS = 8, BACKENDS = 4, ETH = 14, BUFFERS = 1023, UNIT = 64 };

static struct rte_mempool *buffers;
static struct view view;
static struct weir_backend backends[BACKENDS];
static struct egress ports[WEIR_MAX_PORTS];
static struct weir_worker_area area[WORKERS];
static struct frag_table table[WORKERS];
static struct frags frags[WORKERS];

/* What the fragments of a datagram may do, as the test knows it. */
static struct {
	bool sent_to[BACKENDS];
	uint64_t passed[WORKERS]; /* bit: UNIT bytes, since the first one at that worker */
} known[DATAGRAMS];

static void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void set_up(void)
{
	buffers = eal_buffers(BUFFERS);
	require(buffers != NULL, "DPDK does not start");
	view_none(&view);
	view.generation = 1;
	view.backend = backends;
	view.backend_count = BACKENDS;
	view.pool[0].flags = WEIR_POOL_FRAGMENT;
	ports[0].mtu = UINT16_MAX;
}

static void start_anew(void)
{
	memset(known, 0, sizeof(known));
	for (unsigned i = 0; i < WORKERS; i++) {
		memset(&area[i].frags, 0, sizeof(area[i].frags));
		for (unsigned j = 0; j < FRAG_BUCKETS; j++)
			memset(table[i].bucket[j].tag, 0, sizeof(table[i].bucket[j].tag));
	}
	for (unsigned i = 0; i < BACKENDS; i++)
		backends[i] = (struct weir_backend){
			.flags = WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED,
			.dmac = { 2, 0, 0, 0, 0, (uint8_t)i }, .mtu = 1500
		};
	for (unsigned i = 0; i < WORKERS; i++)
		frags[i] = (struct frags){ .table = &table[i], .area = &area[i], .now_ms = 1000,
					   .other = { &table[1 - i] }, .other_count = 1 };
}

/* -- fragments ----------------------------------------------------------------- */

/* A fragment is found again by what its buffer says. */
struct written {
	uint8_t datagram;
	struct fragment fragment;
};

static void describe(struct burst *b, const struct written *w)
{
	memset(&b->key[0], 0, sizeof(b->key[0]));
	b->key[0].v4.src_be = w->datagram;
	b->key[0].v4.protocol = IPPROTO_UDP;
	b->fragment[0] = w->fragment;
	b->pkt[0].flags = w->fragment.off == 0 ? PKT_FRAG_FIRST : PKT_FRAG_LATER;
	b->pkt[0].drop = w->fragment.off == 0 ? WEIR_DROP_NONE : WEIR_DROP_FRAGMENT;
	b->seen = PKT_FRAGMENT;
	b->dropped = true;
}

static uint64_t bits_of(const struct fragment *f)
{
	uint32_t from = f->off / UNIT, n = (f->len + UNIT - 1u) / UNIT;

	return (n >= 64 ? UINT64_MAX : (1ull << n) - 1) << from;
}

/* The datagram begins, or another with its number. */
static void check_first(unsigned worker, const struct pkt *p, const struct written *w)
{
	if (p->drop != WEIR_DROP_NONE)
		return;
	known[w->datagram].sent_to[p->backend] = true;
	memset(known[w->datagram].passed, 0, sizeof(known[w->datagram].passed));
	known[w->datagram].passed[worker] = bits_of(&w->fragment);
}

/* complete: it was the last one that its datagram needed; what comes is another's. */
static void check_later(unsigned worker, const struct pkt *p, const struct written *w,
			bool complete)
{
	uint64_t bits = bits_of(&w->fragment), *passed = &known[w->datagram].passed[worker];

	if (p->drop != WEIR_DROP_NONE) {
		require(p->drop < WEIR_DROP_REASONS || p->drop == PKT_TAKEN, "no reason");
		return;
	}
	require(p->flags & PKT_CHOSEN, "forwarded, and not chosen");
	require(known[w->datagram].sent_to[p->backend], "to a backend without a first one");
	require(backends[p->backend].flags & WEIR_BACKEND_FORWARD, "to one that is off");
	require((*passed & bits) == 0 || (*passed & bits) == bits, "in part over another one");
	*passed = complete ? 0 : *passed | bits;
}

/* A burst of one packet goes through what frags.c does. */
static void run(unsigned worker, struct burst *b, uint8_t reason)
{
	struct frags *f = &frags[worker];
	struct pkt *p = &b->pkt[0];
	const struct written *w = rte_pktmbuf_mtod(p->mbuf, const struct written *);
	uint64_t complete = area[worker].frags.complete;

	describe(b, w);
	frags_find(f, &view, b);
	if (p->flags & PKT_FRAG_FIRST) {
		p->backend = reason % BACKENDS;
		p->drop = reason & 0x80 ? WEIR_DROP_STRAY : WEIR_DROP_NONE;
	}
	frags_note(f, &view, b);
	if (p->flags & PKT_FRAG_FIRST)
		check_first(worker, p, w);
	else
		check_later(worker, p, w, complete != area[worker].frags.complete);
	if (p->drop != PKT_TAKEN)
		rte_pktmbuf_free(p->mbuf);
}

static void take_again(unsigned worker)
{
	struct burst all;

	while (frags_again(&frags[worker], &all))
		for (uint32_t i = 0; i < all.n; i++) {
			struct burst one = { .n = 1, .pkt[0] = all.pkt[i] };

			frags[worker].again = true;
			run(worker, &one, 0);
		}
}

static void arrive(unsigned worker, const struct written *w, uint8_t reason)
{
	struct burst b = { .n = 1 };
	uint8_t *at;

	b.pkt[0].mbuf = rte_pktmbuf_alloc(buffers);
	require(b.pkt[0].mbuf != NULL, "buffers are lost");
	at = (uint8_t *)rte_pktmbuf_append(b.pkt[0].mbuf, sizeof(*w));
	memcpy(at, w, sizeof(*w));
	run(worker, &b, reason);
	take_again(worker);
}

/* One step: what, which datagram, offset, length, and what becomes of a first one. */
static void step(const uint8_t s[8])
{
	unsigned worker = s[0] & 1;
	struct written w = { .datagram = s[1] % DATAGRAMS };

	if ((s[0] & 0xf0) == 0xf0) {
		frags[0].now_ms += s[2];
		frags[1].now_ms += s[2];
		frags_tick_held(&frags[worker]);
		take_again(worker);
		return;
	}
	if ((s[0] & 0xf0) == 0xe0) {
		backends[s[2] % BACKENDS].flags ^= WEIR_BACKEND_FORWARD;
		return;
	}
	w.fragment.off = (uint16_t)(s[2] % 64 * UNIT);
	w.fragment.len = (uint16_t)((1 + s[3] % 32) * UNIT);
	w.fragment.more = s[4] & 7 || w.fragment.off == 0;
	arrive(worker, &w, s[5]);
}

static void fragments(const uint8_t *data, size_t size)
{
	start_anew();
	for (; size >= 8; data += 8, size -= 8) {
		step(data);
		require(rte_mempool_in_use_count(buffers) ==
				area[0].frags.holding + area[1].frags.holding,
			"a buffer that nobody holds");
	}
	for (unsigned i = 0; i < WORKERS; i++)
		frags_end(&frags[i]);
	require(rte_mempool_in_use_count(buffers) == 0, "a buffer that is lost");
}

/* -- pieces -------------------------------------------------------------------- */

static uint32_t be16(const uint8_t *at)
{
	return (uint32_t)(at[0] << 8 | at[1]);
}

/* Every piece in its place, and together the packet. */
static void check_pieces(const struct burst *b, const uint8_t *ip, uint32_t hdr, uint32_t len,
			 uint32_t mtu)
{
	uint32_t base = (be16(ip + 6) & 0x1fff) * 8, next = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct rte_mbuf *m = b->pkt[i].mbuf;
		const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, ETH);
		uint32_t own = (p[0] & 15) * 4u, part = be16(p + 2) - own;

		require(be16(p + 2) <= mtu && m->pkt_len == ETH + be16(p + 2), "a piece's length");
		require(own >= 20 && rte_raw_cksum(p, own) == 0xffff, "a piece's header");
		require((be16(p + 6) & 0x1fff) * 8 - base == next, "a piece's place");
		require(next + part <= len && memcmp(p + own, ip + hdr + next, part) == 0,
			"a piece's bytes");
		require(((be16(p + 6) ^ be16(ip + 6)) & 0x2000) == 0 || i + 1 < b->n,
			"whether more follow");
		next += part;
	}
	require(next == len, "bytes that no piece has");
}

static void pieces(const uint8_t *data, size_t size)
{
	static struct burst b;
	uint8_t packet[ETH + 60 + 1400];
	uint32_t hdr, len, mtu;
	struct rte_mbuf *m;
	struct pkt p;

	if (size < 26)
		return;
	start_anew();
	hdr = 20 + data[0] % 11 * 4u;
	len = 8 + (uint32_t)(data[1] << 3 | data[2]) % 1390;
	mtu = be16(data + 3) % 1500;
	data += 6;
	size -= 6;
	memset(packet, 0, sizeof(packet));
	memcpy(packet + ETH, data, size < hdr ? size : hdr);
	for (uint32_t i = 0; i < len; i++)
		packet[ETH + hdr + i] = (uint8_t)(i * 7);
	packet[ETH] = (uint8_t)(0x40 | hdr / 4);
	packet[ETH + 2] = (uint8_t)((hdr + len) >> 8);
	packet[ETH + 3] = (uint8_t)(hdr + len);
	packet[ETH + 6] &= 0x2f; /* no DF; the largest offsets would end beyond 65,535 */
	memset(packet + ETH + 10, 0, 2);
	memcpy(packet + ETH + 10, &(uint16_t){ (uint16_t)~rte_raw_cksum(packet + ETH, hdr) }, 2);

	backends[0].mtu = (uint16_t)mtu;
	m = rte_pktmbuf_alloc(buffers);
	memcpy(rte_pktmbuf_append(m, (uint16_t)(ETH + hdr + len)), packet, ETH + hdr + len);
	p = (struct pkt){ .mbuf = m, .l3_off = ETH, .l4_words = (uint8_t)(hdr / 4),
			  .ip_len = (uint16_t)(hdr + len), .drop = WEIR_DROP_TOO_BIG };
	if (split_wanted(&view, &p) && split_packet(&view, ports, &p, &b) != 0) {
		check_pieces(&b, packet + ETH, hdr, len, mtu);
		for (uint32_t i = 0; i < b.n; i++)
			rte_pktmbuf_free(b.pkt[i].mbuf);
	} else {
		require(p.drop == WEIR_DROP_TOO_BIG || p.drop == WEIR_DROP_BAD_HEADER, "no reason");
	}
	rte_pktmbuf_free(m);
	require(rte_mempool_in_use_count(buffers) == 0, "a buffer that is lost");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (buffers == NULL)
		set_up();
	if (size < 1)
		return 0;
	if (data[0] & 1)
		pieces(data + 1, size - 1);
	else
		fragments(data + 1, size - 1);
	return 0;
}
