// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a frame, through parse, classify, select and encap. The first bytes of
 * the input choose how it is carried; the rest is the frame. What is not dropped must
 * leave with the client's packet as it came, behind headers of the right length.
 *
 * links: dataplane/classify.c dataplane/encap.c dataplane/extensions.c dataplane/moving.c
 * links: dataplane/parse.c dataplane/pins.c dataplane/quote.c dataplane/select.c dataplane/view.c
 * packages: libdpdk libxxhash
 */
#include "pins.h"
#include "pipeline.h"
#include "shm.h"
#include "view.h"

#include <rte_mbuf.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BITS = 4, LEN = 251, BACKENDS = 8, ETH = 14, OUTER = 20 };

static struct view view;
static struct pins pins; /* not looked at: no slot is moving or pinned */
static struct weir_lookup lookup[1 << BITS];
static weir_slot slots[LEN];
static struct weir_move moves[LEN];
static struct weir_worker_area area;
static struct weir_pin_bucket buckets[2 * WEIR_PINS_MIN / WEIR_PIN_WAYS];
static struct pins pins;
static struct weir_backend backends[BACKENDS];
static struct egress ports[WEIR_MAX_PORTS];

static void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void enter(uint8_t protocol, uint16_t port, uint32_t flags)
{
	uint64_t k0 = weir_lookup_k0(4, protocol, htons(port), htonl(0xcb00710a));
	uint32_t i = weir_lookup_home(k0, 0, 0, BITS);

	while (lookup[i].k0 != 0)
		i = (i + 1) % (1u << BITS);
	lookup[i] = (struct weir_lookup){ .k0 = k0, .flags = flags };
}

/* 203.0.113.10: TCP 80, UDP 53, and what is neither. Slots of every state, backends
 * of every kind. */
static void set_up(void)
{
	enter(0, 0, WEIR_SERVICE_VIP_ONLY);
	enter(IPPROTO_TCP, 80, 0);
	enter(IPPROTO_UDP, 53, 0);
	for (unsigned i = 0; i < LEN; i++) {
		slots[i] =
			weir_slot_make(i % 7 ? WEIR_SLOT_SETTLED : i / 7 % 4, i % (BACKENDS + 1));
		moves[i] = (struct weir_move){ .base = i / 3 % (BACKENDS + 1),
					       .tcp = 1,
					       .udp = i % 2 };
	}
	for (unsigned i = 0; i < BACKENDS; i++)
		backends[i] = (struct weir_backend){
			.port = i == 5 ? 7 : 0,
			.flags = i == 6 ? WEIR_BACKEND_FORWARD
					: WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED,
			.encap = i % 2 ? WEIR_ENCAP_IPIP4 : WEIR_ENCAP_L2,
			.vlan_be = i == 3 || i == 4 ? htons(100) : 0,
			.mtu = 1500,
			.outer = { 0x45, [6] = 0x40, [8] = 64, [9] = IPPROTO_IPIP },
		};
	ports[0].mtu = 1500;
	view_none(&view);
	view.generation = 1;
	view.lookup = lookup;
	view.lookup_bits = BITS;
	view.backend = backends;
	view.backend_count = BACKENDS;
	view.pool[0] = (struct view_pool){ .slot = slots, .move = moves, .table_len = LEN };
	pins = (struct pins){ .bucket = buckets,
			      .mask = sizeof(buckets) / sizeof(buckets[0]) - 1,
			      .capacity = WEIR_PINS_MIN,
			      .now_ds = 100,
			      .area = &area };
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

static void check_frame(const struct pkt *p, const uint8_t *sent, size_t len)
{
	const struct weir_backend *be = &backends[p->backend];
	uint32_t head = ETH + (be->vlan_be ? 4 : 0) + (be->encap == WEIR_ENCAP_IPIP4 ? OUTER : 0);
	const struct rte_mbuf *m = p->mbuf;

	require(p->ip_len <= len - ETH, "more IP than frame");
	require(p->port == 0, "a port that is not there");
	require(m->data_off + m->data_len <= m->buf_len, "the frame leaves its buffer");
	require(m->data_len ==
			(be->encap == WEIR_ENCAP_IPIP4 ? head + p->ip_len : head + len - ETH),
		"the length of what leaves");
	require(memcmp(rte_pktmbuf_mtod(m, const uint8_t *) + head, sent + ETH, p->ip_len) == 0,
		"the client's packet");
}

static void through_all_stages(const uint8_t *frame, size_t len, uint16_t headroom)
{
	struct burst b = { .n = 1 };
	struct rte_mbuf m;
	uint8_t *buf;

	m = segment(&buf, frame, len, headroom);
	b.pkt[0].mbuf = &m;
	parse_burst(&b);
	classify_burst(&view, &b);
	select_burst(&view, &pins, &b);
	encap_burst(&view, ports, &b);
	require(b.pkt[0].drop < WEIR_DROP_REASONS, "a reason without a name");
	if (b.pkt[0].drop == WEIR_DROP_NONE)
		check_frame(&b.pkt[0], frame, len);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (view.generation == 0)
		set_up();
	if (size < 2)
		return 0;
	through_all_stages(data + 2, size - 2, data[0] % 64);
	parsed_in_two(data + 2, size - 2, data[1] % (size - 1));
	return 0;
}
