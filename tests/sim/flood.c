// SPDX-License-Identifier: Apache-2.0
/*
 * Floods at a worker's full speed into a pool with every slot moving: the real stages
 * from parse to encap, frames from random sources, and among them, one in 32, packets of
 * connections that must not break and of new ones that must succeed.
 *
 *   flood CASE [BURSTS [OTHERS [live]]]
 *
 *   CASE     none, syn, ack, both, settled; none and settled have no flood: all packets are
 *            of connections
 *   BURSTS   200,000 unless given
 *   OTHERS   so many other workers, whose pin tables are full; none unless given
 *   live     the first of them works meanwhile, on another CPU, at the same case
 *
 * Prints "CASE PACKETS_A_SECOND cycles CYCLES broken N failed N pins N of N": packets by CPU time,
 * the making of frames and the judging included; cycles of the TSC for a packet in the stages
 * alone. Exit status 1 if a flow broke, a new connection failed, or the pins are above their
 * bound.
 */
#include "pins.h"
#include "pipeline.h"
#include "view.h"

#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
	SLOTS = 65537,
	BACKENDS = 100,
	FLOWS = 8192,
	PINS = WEIR_PINS_DEFAULT,
	FRAME = 2048,
	HEADROOM = 128,
	LENGTH = 60,
	NEW_EVERY = 16, /* packets of flows, in a flood */
	UNKNOWN = UINT16_MAX,
	HUGE_PAGE = 1 << 21,
};
#define VIP 0xcb00710au

struct flow {
	uint32_t src;
	uint16_t sport, backend; /* UNKNOWN: no packet yet */
	bool is_new;		 /* its SYN is due; else it began before the move */
	uint8_t sent;
};

static struct worker_memory {
	weir_slot slot[SLOTS];
	struct weir_move_group group[(SLOTS + 63) / 64];
	struct weir_move record[SLOTS];
	struct weir_move_begin begin[SLOTS];
	alignas(WEIR_CACHE_LINE) struct weir_backend backend[BACKENDS];
	struct weir_lookup lookup[1 << WEIR_LOOKUP_MIN_BITS];
} * mem;
static struct view view;
static struct pins worker[WEIR_MAX_WORKERS];
static uint32_t moving_since; /* ms of CLOCK_BOOTTIME */
static struct egress ports[WEIR_MAX_PORTS];
static atomic_bool over;

/* Of each thread, which is one worker. */
static _Thread_local struct pins *pins;
static _Thread_local struct rte_mbuf mbuf[WEIR_BURST];
static _Thread_local struct burst b;
static _Thread_local struct flow flow[FLOWS];
static _Thread_local uint64_t random_state = 1;
static _Thread_local unsigned broken, failed;
static _Thread_local uint64_t cycles; /* of the stages */

static uint64_t random64(void)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 31;
}

static void *zeroed(size_t bytes)
{
	size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	void *p = aligned_alloc(HUGE_PAGE, whole);

	if (p == NULL)
		exit(2);
	(void)madvise(p, whole, MADV_HUGEPAGE); /* where there are any, as in the data plane */
	return memset(p, 0, whole);
}

static uint32_t boottime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint32_t)((uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
}

/* Every slot moves since ten seconds, from one backend to the next. */
static void make_slots(bool moving)
{
	const uint32_t since = moving_since;

	for (unsigned i = 0; i < SLOTS; i++) {
		uint16_t base = i * 7919u % BACKENDS, cur = (uint16_t)((base + 1) % BACKENDS);

		mem->slot[i] = weir_slot_make(moving ? WEIR_SLOT_MOVING : WEIR_SLOT_SETTLED, cur);
		mem->group[i / 64].moving |= (uint64_t)1 << i % 64;
		mem->group[i / 64].first = i / 64 * 64;
		mem->record[i] = (struct weir_move){
			.base = { base | WEIR_MOVE_OPEN, base | WEIR_MOVE_OPEN },
		};
		mem->begin[i] = (struct weir_move_begin){ { since, since } };
	}
}

static void make_view(bool moving)
{
	struct weir_lookup e = { .k0 = weir_lookup_k0(4, IPPROTO_TCP, htons(80), htonl(VIP)) };

	mem->lookup[weir_lookup_home(e.k0, 0, 0, WEIR_LOOKUP_MIN_BITS)] = e;
	moving_since = boottime_ms() - 10000;
	make_slots(moving);
	for (unsigned i = 0; i < BACKENDS; i++)
		mem->backend[i] = (struct weir_backend){
			.flags = WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED,
			.mtu = 1500,
		};
	view_none(&view);
	view.generation = 1;
	view.flow_seed = 42;
	view.lookup = mem->lookup;
	view.lookup_bits = WEIR_LOOKUP_MIN_BITS;
	view.backend = mem->backend;
	view.backend_count = BACKENDS;
	view.pool_count = 1;
	view.pool[0] = (struct view_pool){ .slot = mem->slot,
					   .moves = moving ? mem->group : NULL,
					   .move_count = SLOTS,
					   .table_len = SLOTS,
					   .tcp_window_ms = 3600000,
					   .udp_window_ms = 3600000,
					   .grace_ms = 3000,
					   .newest_ms = moving_since };
	ports[0].mtu = 1500;
}

static void make_pins(unsigned workers)
{
	uint32_t buckets = weir_pin_buckets(PINS),
		 cells = pin_filter_cells((uint64_t)workers * PINS);
	struct pin_filter filter = { .mask = cells - 1 };

	filter.cell = zeroed(cells * sizeof(*filter.cell));
	for (unsigned i = 0; i < workers; i++) {
		worker[i] = (struct pins){
			.bucket = zeroed(buckets * sizeof(struct weir_pin_bucket)),
			.filter = filter,
			.mask = buckets - 1,
			.capacity = PINS,
			.area = zeroed(sizeof(struct weir_worker_area)),
		};
		for (unsigned o = 0; o < i; o++) {
			pins_know(&worker[i], &worker[o]);
			pins_know(&worker[o], &worker[i]);
		}
	}
}

/* Pins of flows that are elsewhere fill a table, and have given way to each other for a while:
 * as many as do in time stand in other places than their first. */
static void fill(struct pins *t)
{
	pins_tick(t, &view); /* the time */
	for (unsigned i = 0; i < 8 * PINS; i++) {
		uint64_t hash = random64();
		unsigned owner = (unsigned)(hash >> 32) % BACKENDS;

		while (t->used == PINS) {
			struct weir_pin *p =
				&t->bucket[random64() & t->mask].pin[random64() % WEIR_PIN_WAYS];

			if (atomic_load_explicit(&p->hash, memory_order_relaxed) != 0)
				pins_drop(t, p);
		}
		(void)pins_put(
			t, &view, hash,
			weir_pin_meta(owner, WEIR_PIN_TCP | WEIR_PIN_CONFIRMED, 0, 0, t->now_ds));
	}
}

static void make_frames(void)
{
	static const uint8_t frame[54] = {
		2,  0, 0, 0,	0, 1,  2,	    0, 0, 0, 0, 2, 0x08, 0x00, 0x45, 0,	  0,
		40, 0, 0, 0x40, 0, 64, IPPROTO_TCP, 0, 0, 0, 0, 0, 0,	 203,  0,    113, 10,
		0,  0, 0, 80,	0, 0,  0,	    1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff
	};
	uint8_t *memory = zeroed((size_t)WEIR_BURST * FRAME);

	for (unsigned i = 0; i < WEIR_BURST; i++) {
		memcpy(memory + i * FRAME + HEADROOM, frame, sizeof(frame));
		mbuf[i] = (struct rte_mbuf){ .buf_addr = memory + i * FRAME,
					     .buf_len = FRAME,
					     .data_off = HEADROOM,
					     .data_len = LENGTH,
					     .pkt_len = LENGTH,
					     .nb_segs = 1,
					     .refcnt = 1 };
	}
	for (unsigned i = 0; i < FLOWS; i++)
		flow[i] = (struct flow){ .src = (uint32_t)random64(),
					 .sport = (uint16_t)random64(),
					 .backend = UNKNOWN };
}

static void put(unsigned i, uint32_t src, uint16_t sport, uint8_t tcp_flags)
{
	uint8_t *frame = rte_pktmbuf_mtod(&mbuf[i], uint8_t *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);

	ip->src_addr = src;
	tcp->src_port = sport;
	tcp->tcp_flags = tcp_flags;
}

/* The next packet of a flow, as packet `i`. */
static struct flow *put_flow(unsigned i, unsigned number, unsigned new_every)
{
	struct flow *f = &flow[number % FLOWS];

	/* One in new_every is a new connection, of a few packets. */
	if (number % new_every == 0 && (f->sent == 0 || f->sent == 8))
		*f = (struct flow){ .src = (uint32_t)random64(),
				    .sport = (uint16_t)random64(),
				    .backend = UNKNOWN,
				    .is_new = true };
	put(i, f->src, f->sport, f->is_new && f->sent == 0 ? RTE_TCP_SYN_FLAG : RTE_TCP_ACK_FLAG);
	return f;
}

static void judge(struct flow *f, const struct pkt *p)
{
	uint16_t to = p->drop == WEIR_DROP_NONE ? p->backend : UNKNOWN;

	if (to == UNKNOWN || (f->backend != UNKNOWN && f->backend != to)) {
		if (f->is_new)
			failed++;
		else
			broken++;
	}
	f->backend = to;
	if (f->sent < 8)
		f->sent++;
}

static void stages(void)
{
	uint64_t start = rte_rdtsc();

	b.n = WEIR_BURST;
	b.dropped = false;
	for (unsigned i = 0; i < WEIR_BURST; i++)
		b.pkt[i] = (struct pkt){ .mbuf = &mbuf[i] };
	parse_burst(&b);
	classify_burst(&view, &b);
	select_burst(&view, pins, &b);
	encap_burst(&view, ports, &b);
	pins_tick(pins, &view);
	cycles += rte_rdtsc() - start;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void run(const char *name, unsigned long bursts)
{
	bool flood = strcmp(name, "none") != 0 && strcmp(name, "settled") != 0;
	/* Of a flood that is both, half of the packets are one. */
	const uint8_t first = name[0] == 'a' ? RTE_TCP_ACK_FLAG : RTE_TCP_SYN_FLAG;
	const uint8_t second = name[0] == 's' ? RTE_TCP_SYN_FLAG : RTE_TCP_ACK_FLAG;
	/* With a flood or without, the same number of new ones a second. */
	const unsigned new_every = flood ? NEW_EVERY : NEW_EVERY * WEIR_BURST;
	unsigned number = 0;

	for (unsigned long n = 0; n < bursts; n++) {
		struct flow *of[WEIR_BURST] = { NULL };

		for (unsigned i = 0; i < WEIR_BURST; i++) {
			uint64_t r = random64();

			if (!flood || i == 0)
				of[i] = put_flow(i, number++, new_every);
			else
				put(i, (uint32_t)r, (uint16_t)(r >> 32), r >> 63 ? first : second);
		}
		stages();
		for (unsigned i = 0; i < WEIR_BURST; i++)
			if (of[i] != NULL)
				judge(of[i], &b.pkt[i]);
	}
}

/* This thread is worker `i`, and each of its flows has spoken before the flood begins. */
static void begin(unsigned i)
{
	pins = &worker[i];
	random_state = (uint64_t)(i + 1) << 32;
	make_frames();
	pins_tick(pins, &view); /* the time */
	run("none", FLOWS / WEIR_BURST * 4);
	cycles = 0;
}

static void *live(void *name)
{
	begin(1);
	while (!atomic_load_explicit(&over, memory_order_relaxed))
		run(name, 1000);
	return (void *)(uintptr_t)(broken + failed);
}

int main(int argc, char **argv)
{
	unsigned long bursts = argc > 2 ? strtoul(argv[2], NULL, 10) : 200000;
	unsigned workers = 1 + (argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0);
	bool settled = argc > 1 && strcmp(argv[1], "settled") == 0;
	bool two = argc > 4 && strcmp(argv[4], "live") == 0;
	pthread_t thread;
	void *wrong = NULL;
	uint64_t ns;

	if (argc < 2 || workers > WEIR_MAX_WORKERS || (two && workers == 1))
		return 2;
	mem = zeroed(sizeof(*mem));
	make_view(!settled);
	make_pins(workers);
	for (unsigned i = two ? 2 : 1; i < workers; i++)
		fill(&worker[i]);
	if (two && pthread_create(&thread, NULL, live, argv[1]) != 0)
		return 2;
	begin(0);
	ns = cpu_ns();
	run(argv[1], bursts);
	ns = cpu_ns() - ns;
	atomic_store_explicit(&over, true, memory_order_relaxed);
	if (two)
		pthread_join(thread, &wrong);
	printf("%s %.0f cycles %.1f broken %u failed %u pins %u of %u\n", argv[1],
	       (double)bursts * WEIR_BURST * 1e9 / (double)ns,
	       (double)cycles / ((double)bursts * WEIR_BURST), broken, failed, pins->used, PINS);
	return broken + failed > 0 || wrong != NULL || pins->used > PINS;
}
