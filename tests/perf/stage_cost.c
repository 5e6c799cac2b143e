// SPDX-License-Identifier: Apache-2.0
/*
 * The packet path over a fixed burst, again and again, for a tool that counts
 * instructions (tests/perf/stages.sh): the real stages by the real worker's view,
 * input from a ring device, output to a device that forgets.
 *
 *   stage_cost CASE ROUNDS     cases[] has the names
 *
 * Every stage sees 32 packets a round, all of them of different flows of one
 * service, forwarded; prints the number of packets that were sent in measured(), which
 * is what is to be counted: where slots move, every flow has its pin by then.
 */
#include "worker.h"

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS	 65537
#define BACKENDS 1000
#define VIP	 0xcb00710au

static struct weir_worker_area area;
static struct weir_control_worker control;
static weir_slot slot[SLOTS];
static struct weir_backend backend[BACKENDS];
static struct weir_lookup lookup[1 << WEIR_LOOKUP_MIN_BITS];
static struct {
	struct weir_move_group group[(SLOTS + 63) / 64];
	struct weir_move record[SLOTS];
	struct weir_move_begin begin[SLOTS];
} moves;
static struct weir_pin_bucket pins[2 * WEIR_PINS_DEFAULT / WEIR_PIN_WAYS];
static struct pin_filter_cell cells[2 * WEIR_PINS_DEFAULT / PIN_FILTER_TAGS];
static struct worker w;
static struct worker_queue queue;
static struct rte_mempool *pool;
static struct rte_ring *in;
static struct view view;

static void die(const char *what)
{
	fprintf(stderr, "stage_cost: %s\n", what);
	exit(1);
}

/* Client's packets and how they are carried. */
static const struct perf_case {
	const char *name;
	bool ipv6;
	uint8_t encap;
	bool moving; /* all slots, from one half of the backends to the other */
} cases[] = {
	{ "l2", false, WEIR_ENCAP_L2, false },		{ "ipip", false, WEIR_ENCAP_IPIP4, false },
	{ "gue", false, WEIR_ENCAP_GUE4, false },	{ "l2-v6", true, WEIR_ENCAP_L2, false },
	{ "ipip-6in6", true, WEIR_ENCAP_IPIP6, false }, { "moving", false, WEIR_ENCAP_L2, true },
};

/* An ACK of flow number `flow`, 60 bytes with IPv4 and 74 with IPv6. Returns its length. */
static uint16_t fill(uint8_t *f, uint32_t flow, bool ipv6)
{
	static const uint8_t ether[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	static const uint8_t ip4[20] = { 0x45, 0, 0,   40, 0,	0, 0x40, 0, 64,	 IPPROTO_TCP,
					 0,    0, 198, 51, 100, 0, 203,	 0, 113, 10 };
	static const uint8_t ip6[40] = {
		0x60, 0,    0,	  0,	    0,	  20, IPPROTO_TCP, 64,	 0x20,
		1,    0x0d, 0xb8, [23] = 0, 0x20, 1,  0x0d,	   0xb8, [39] = 10
	};
	static const uint8_t tcp[20] = { 0x9c, 0x40, 0, 80, 0,	  0,	0,    1,
					 0,    0,    0, 1,  0x50, 0x10, 0xff, 0xff };
	uint16_t at = sizeof(ether), client;

	memcpy(f, ether, sizeof(ether));
	f[12] = ipv6 ? 0x86 : 0x08;
	f[13] = ipv6 ? 0xdd : 0x00;
	client = (uint16_t)(at + (ipv6 ? 23 : 15));
	memcpy(f + at, ipv6 ? ip6 : ip4, ipv6 ? sizeof(ip6) : sizeof(ip4));
	at = (uint16_t)(at + (ipv6 ? sizeof(ip6) : sizeof(ip4)));
	memcpy(f + at, tcp, sizeof(tcp));
	f[client] = (uint8_t)flow;
	f[at + 1] = (uint8_t)(flow >> 8);
	return ipv6 ? 74 : 60;
}

static void enter_service(bool ipv6)
{
	struct weir_lookup e = { .k0 = weir_lookup_k0(4, IPPROTO_TCP, htons(80), htonl(VIP)) };

	if (ipv6) {
		e.k0 = weir_lookup_k0(6, IPPROTO_TCP, htons(80), 0);
		memcpy(&e.k1, "\x20\x01\x0d\xb8\0\0\0\0", sizeof(e.k1));
		memcpy(&e.k2, "\0\0\0\0\0\0\0\x0a", sizeof(e.k2));
	}
	lookup[weir_lookup_home(e.k0, e.k1, e.k2, WEIR_LOOKUP_MIN_BITS)] = e;
}

/* Their windows are open, and the first 3 s over. */
static void move_all(void)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		unsigned base = weir_slot_backend(slot[i]);

		slot[i] = weir_slot_make(WEIR_SLOT_MOVING, base ^ 1);
		moves.group[i / 64].moving = UINT64_MAX;
		moves.group[i / 64].first = i / 64 * 64;
		for (unsigned p = 0; p < WEIR_MOVE_PROTOCOLS; p++)
			moves.record[i].base[p] = (uint16_t)(base | WEIR_MOVE_OPEN);
	}
	view.pool[0].moves = moves.group;
	view.pool[0].move_count = SLOTS;
}

static void make_view(const struct perf_case *c)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		slot[i] = weir_slot_make(WEIR_SLOT_SETTLED, i * 7919u % BACKENDS);
	for (unsigned i = 0; i < BACKENDS; i++) {
		backend[i] = (struct weir_backend){
			.dmac = { 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i },
			.port = 1,
			.flags = WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED,
			.encap = c->encap,
			.gue_port_be = htons(6080),
			.mtu = 1500,
		};
		memcpy(backend[i].outer, "\x45\0\0\0\0\0\x40\0\x40\x04\0\0\x0a\0\0\x01\x0a\0\0\x02",
		       20);
	}
	enter_service(c->ipv6);
	view_none(&view);
	view.generation = 1;
	view.flow_seed = 42;
	view.lookup = lookup;
	view.lookup_bits = WEIR_LOOKUP_MIN_BITS;
	view.backend = backend;
	view.backend_count = BACKENDS;
	view.pool_count = 1;
	view.pool[0].slot = slot;
	view.pool[0].table_len = SLOTS;
	if (c->moving)
		move_all();
}

static void make_ports(uint16_t ethdev[2])
{
	int out;

	in = rte_ring_create("in", 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (in == NULL || (out = rte_eth_from_rings("in", &in, 1, &in, 1, 0)) < 0)
		die("no ring device");
	ethdev[0] = (uint16_t)out;
	if (rte_eth_dev_get_port_by_name("net_null0", &ethdev[1]) < 0)
		die("no null device");
}

static void run(const struct perf_case *c, long rounds)
{
	struct burst b;

	for (long round = 0; round < rounds; round++) {
		struct rte_mbuf *m[WEIR_BURST];

		if (rte_pktmbuf_alloc_bulk(pool, m, WEIR_BURST) != 0)
			die("no packet buffers");
		for (uint32_t i = 0; i < WEIR_BURST; i++)
			rte_pktmbuf_append(m[i], fill(rte_pktmbuf_mtod(m[i], uint8_t *),
						      (uint32_t)round * WEIR_BURST + i, c->ipv6));
		rte_ring_enqueue_bulk(in, (void **)m, WEIR_BURST, NULL);

		rx_burst(&w, &queue, &b);
		parse_burst(&b);
		classify_burst(&view, &b);
		select_burst(&view, &w.pins, &b);
		encap_burst(&view, w.egress, &b);
		tx_burst(&w, &b);
	}
}

/* False: not every packet was sent. */
static __rte_noinline bool measured(const struct perf_case *c, long rounds)
{
	uint64_t before = atomic_load(&area.tx[1].packets), sent;

	run(c, rounds);
	sent = atomic_load(&area.tx[1].packets) - before;
	printf("%lu\n", (unsigned long)sent);
	return sent == (uint64_t)rounds * WEIR_BURST;
}

int main(int argc, char **argv)
{
	const char *eal[] = {
		"stage_cost",  "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m",	       "64",	    "-l",	   "0",	       "--vdev=net_null0",
		"--log-level", "error"
	};
	struct rte_eth_conf conf = { 0 };
	const struct perf_case *c = NULL;
	uint16_t ethdev[2];

	for (unsigned i = 0; argc == 3 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(argv[1], cases[i].name) == 0)
			c = &cases[i];
	if (c == NULL)
		die("usage: stage_cost CASE ROUNDS");
	if (rte_eal_init(sizeof(eal) / sizeof(eal[0]), (char **)eal) < 0)
		die("DPDK does not start");
	pool = rte_pktmbuf_pool_create("buffers", 1023, 250, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	make_ports(ethdev);
	for (unsigned i = 0; i < 2; i++)
		if (rte_eth_dev_configure(ethdev[i], 1, 1, &conf) < 0 ||
		    rte_eth_rx_queue_setup(ethdev[i], 0, 64, SOCKET_ID_ANY, NULL, pool) < 0 ||
		    rte_eth_tx_queue_setup(ethdev[i], 0, 64, SOCKET_ID_ANY, NULL) < 0 ||
		    rte_eth_dev_start(ethdev[i]) < 0)
			die("a device does not start");

	make_view(c);
	w = (struct worker){ .area = &area, .control = &control };
	worker_init(&w);
	w.pins = (struct pins){ .bucket = pins,
				.filter = { cells, sizeof(cells) / sizeof(cells[0]) - 1 },
				.mask = sizeof(pins) / sizeof(pins[0]) - 1,
				.capacity = WEIR_PINS_DEFAULT,
				.now_ds = 1000,
				.area = &area };
	w.egress[1].mtu = 1500;
	w.tx[1].ethdev = ethdev[1];
	queue.ethdev = ethdev[0];

	if (c->moving)
		run(c, atol(argv[2]));
	return measured(c, atol(argv[2])) ? 0 : 1;
}
