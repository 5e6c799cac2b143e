// SPDX-License-Identifier: Apache-2.0
/*
 * rx, tx and the loop around the stages, on two devices made of rings:
 *
 *   test --> in[0] --> worker --> out[0] or out[1] --> test
 */
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <rte_ring.h>

#include "arena.h"
#include "eal.h"
#include "frame.h"
#include "ring_port.h"

#define BUFFERS	    511
#define OUT_ENTRIES 64 /* of which a ring holds one less */

enum { SERVICE_TCP = 3, SERVICE_UDP = 4 };

static struct rte_mempool *buffers;
static struct rte_ring *in[2], *out[2];
static uint16_t ethdev[2];

static struct weir_worker_area *area;
static struct weir_control_worker *control;
static uint8_t *arena;
static struct weir_pin_bucket *pins;
static struct worker *w;
static pthread_t thread;

static void *zeroed(size_t size)
{
	return memset(aligned_alloc(WEIR_BLOCK, (size + WEIR_BLOCK - 1) / WEIR_BLOCK * WEIR_BLOCK),
		      0, size);
}

static void enter(uint8_t protocol, uint16_t service, uint16_t pool)
{
	const struct weir_snapshot *s = arena_snapshot(arena, ARENA_FIRST);
	struct weir_lookup *t = (struct weir_lookup *)(arena + s->lookup_off);
	uint64_t k0 = weir_lookup_k0(4, protocol, htons(DPORT), htonl(VIP_IP));
	uint32_t i = weir_lookup_home(k0, 0, 0, ARENA_BITS);

	while (t[i].k0 != 0)
		i = (i + 1) % (1u << ARENA_BITS);
	t[i] = (struct weir_lookup){ .k0 = k0, .service = service, .pool = pool };
}

/* TCP and UDP services on one pool; backend i leaves by port i % 2. */
static int setup(void **state)
{
	const uint32_t cells = pin_filter_cells(WEIR_PINS_MIN);
	struct weir_backend *backend;

	(void)state;
	area = zeroed(sizeof(*area));
	control = zeroed(sizeof(*control));
	arena = zeroed(ARENA_SIZE);
	pins = zeroed(weir_pin_buckets(WEIR_PINS_MIN) * sizeof(*pins));
	w = zeroed(sizeof(*w));
	*w = (struct worker){
		.area = area,
		.control = control,
		.arena = arena,
		.arena_size = ARENA_SIZE,
		.queue = { { .ethdev = ethdev[0], .queue = 0, .port = 0 } },
		.queue_count = 1,
		.egress = { { .mac = { 2, 0, 0, 0, 1, 0 }, .mtu = 1500 },
			    { .mac = { 2, 0, 0, 0, 1, 1 }, .mtu = 1500 } },
		.tx = { { .ethdev = ethdev[0] }, { .ethdev = ethdev[1] } },
		.pins = { .bucket = pins,
			  .filter = { zeroed(cells * sizeof(struct pin_filter_cell)), cells - 1 },
			  .mask = weir_pin_buckets(WEIR_PINS_MIN) - 1,
			  .capacity = WEIR_PINS_MIN,
			  .area = area },
		.frags = { .table = zeroed(sizeof(struct frag_table)), .area = area },
	};
	worker_init(w);

	arena_fill(arena, ARENA_FIRST, 1);
	enter(IPPROTO_TCP, SERVICE_TCP, 0);
	enter(IPPROTO_UDP, SERVICE_UDP, 0);
	backend = (struct weir_backend *)(arena + arena_snapshot(arena, ARENA_FIRST)->backend_off);
	for (unsigned i = 0; i < ARENA_BACKENDS; i++)
		backend[i] = (struct weir_backend){
			.dmac = { 2, 0, 0, 0, 2, (uint8_t)i },
			.port = i % 2,
			.flags = WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED,
			.mtu = 1500,
		};
	atomic_store(&w->session, 1);
	atomic_store(&control->session, 1);
	return 0;
}

static void drain(struct rte_ring *r)
{
	void *m;

	while (rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		drain(in[i]);
		drain(out[i]);
	}
	assert_int_equal(rte_mempool_in_use_count(buffers), 0); /* none was lost */
	free(area);
	free(control);
	free(arena);
	free(pins);
	free(w->pins.filter.cell);
	free(w->frags.table);
	free(w);
	return 0;
}

static void *run(void *arg)
{
	worker_run(arg);
	return NULL;
}

static void start(void)
{
	assert_int_equal(pthread_create(&thread, NULL, run, w), 0);
}

static void stop(void)
{
	atomic_store(&w->stop, true);
	pthread_join(thread, NULL);
}

/* Wait for what another thread counts; a test that hangs here has failed. */
static void wait_for(const _Atomic uint64_t *count, uint64_t least)
{
	while (atomic_load_explicit(count, memory_order_acquire) < least)
		sched_yield();
}

static void publish(uint64_t generation)
{
	const struct weir_msg m = { WEIR_MSG_SNAPSHOT, ARENA_FIRST, generation };

	arena_snapshot(arena, ARENA_FIRST)->generation = generation;
	while (atomic_load(&area->session_seen) != 1)
		sched_yield();
	assert_int_equal(weir_ring_push(&control->cmd, &area->cmd_head, &m), 0);
}

/* One packet of flow `sport` to the worker. Returns the bytes of its frame. */
static size_t arrive(uint8_t protocol, uint16_t sport, size_t payload, uint32_t dst)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = build_ipv4(bytes, protocol, 0, payload);
	struct rte_mbuf *m = rte_pktmbuf_alloc(buffers);

	assert_non_null(m);
	put16(bytes + AT_IP + IP4_HDR, sport);
	put32(bytes + AT_DST, dst);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	assert_int_equal(rte_ring_enqueue(in[0], m), 0);
	return len;
}

static uint64_t lost_by_services(unsigned column)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WEIR_MAX_SERVICES; i++)
		sum += atomic_load(&area->service_column[i][column]);
	return sum;
}

static uint64_t lost_by_backends(unsigned column)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WEIR_MAX_BACKENDS; i++)
		sum += atomic_load(&area->backend_column[i][column]);
	return sum;
}

static uint64_t dropped(enum weir_drop reason)
{
	return atomic_load(&area->drop[reason].packets);
}

static void every_packet_is_counted_once_everywhere(void **state)
{
	uint64_t frames = 0, ip[2] = { 0 }, backends = 0, backend_bytes = 0;

	(void)state;
	start();
	publish(1);
	wait_for(&area->seen_generation, 1);
	for (uint16_t i = 0; i < 40; i++) {
		size_t len = arrive(i % 4 ? IPPROTO_TCP : IPPROTO_UDP, i, i, VIP_IP);

		frames += len;
		ip[i % 4 == 0] += len - AT_IP;
	}
	for (uint16_t i = 0; i < 5; i++)
		frames += arrive(IPPROTO_TCP, i, 0, VIP_IP + 1);
	wait_for(&area->rx[0].packets, 45);
	stop();

	assert_int_equal(area->rx[0].packets, 45);
	assert_int_equal(area->rx[0].bytes, frames);
	assert_int_equal(dropped(WEIR_DROP_NOT_A_VIP), 5);
	assert_int_equal(area->drop[WEIR_DROP_NOT_A_VIP].bytes, 5 * 54);
	for (unsigned i = 0; i < WEIR_COLUMNS; i++) /* it has neither */
		assert_int_equal(lost_by_services(i), 0);
	assert_int_equal(area->tx[0].packets + area->tx[1].packets, 40);
	assert_int_equal(area->tx[0].bytes + area->tx[1].bytes, frames - 5 * 54);
	assert_int_equal(area->tx[0].packets, rte_ring_count(out[0]));
	assert_int_equal(area->tx[1].packets, rte_ring_count(out[1]));
	assert_int_equal(area->service[SERVICE_TCP].packets, 30);
	assert_int_equal(area->service[SERVICE_UDP].packets, 10);
	assert_int_equal(area->service[SERVICE_TCP].bytes, ip[0]);
	assert_int_equal(area->service[SERVICE_UDP].bytes, ip[1]);
	for (unsigned i = 0; i < ARENA_BACKENDS; i++) {
		backends += area->backend[i].packets;
		backend_bytes += area->backend[i].bytes;
	}
	assert_int_equal(backends, 40);
	assert_int_equal(backend_bytes, ip[0] + ip[1]);
}

static void each_packet_leaves_by_the_port_of_its_backend(void **state)
{
	unsigned seen[2] = { 0 };

	(void)state;
	start();
	publish(1);
	wait_for(&area->seen_generation, 1);
	for (uint16_t i = 0; i < 60; i++)
		arrive(IPPROTO_TCP, i, 0, VIP_IP);
	wait_for(&area->rx[0].packets, 60);
	stop();
	for (unsigned port = 0; port < 2; port++) {
		struct rte_mbuf *m;

		while (rte_ring_dequeue(out[port], (void **)&m) == 0) {
			const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

			assert_int_equal(frame[5] % 2, port); /* dst: backend's number */
			assert_int_equal(frame[11], port);    /* src: ours */
			seen[port]++;
			rte_pktmbuf_free(m);
		}
	}
	assert_true(seen[0] > 0 && seen[1] > 0);
	assert_int_equal(seen[0] + seen[1], 60);
}

static void what_a_full_queue_does_not_take_is_a_counted_drop(void **state)
{
	uint64_t sent, full, frame;

	(void)state;
	start();
	publish(1);
	wait_for(&area->seen_generation, 1);
	for (unsigned round = 0; round < 4; round++) {
		for (uint16_t i = 0; i < 100; i++)
			frame = arrive(IPPROTO_TCP, i, 10, VIP_IP);
		wait_for(&area->rx[0].packets, 100 * (round + 1));
	}
	stop();
	sent = area->tx[0].packets + area->tx[1].packets;
	full = dropped(WEIR_DROP_TX_FULL);
	assert_int_equal(sent, 2 * (OUT_ENTRIES - 1)); /* nobody took anything out */
	assert_int_equal(sent + full, 400);
	assert_int_equal(area->drop[WEIR_DROP_TX_FULL].bytes, full * frame);
	assert_int_equal(lost_by_services(WEIR_COLUMN_TX_FULL), full);
	assert_int_equal(lost_by_backends(WEIR_COLUMN_TX_FULL), full);
	assert_int_equal(area->tx[0].bytes + area->tx[1].bytes, sent * frame);
	assert_int_equal(area->service[SERVICE_TCP].packets, sent);
	assert_int_equal(area->service[SERVICE_TCP].bytes, sent * (frame - AT_IP));
}

static void before_the_first_snapshot_packets_are_counted_drops(void **state)
{
	(void)state;
	start();
	for (uint16_t i = 0; i < 50; i++)
		arrive(IPPROTO_TCP, i, 0, VIP_IP);
	wait_for(&area->rx[0].packets, 50);
	stop();
	assert_int_equal(dropped(WEIR_DROP_NO_SNAPSHOT), 50);
}

static void start_filled_waits_for_the_first_snapshot(void **state)
{
	(void)state;
	w->start_filled = true;
	for (uint16_t i = 0; i < 50; i++)
		arrive(IPPROTO_TCP, i, 0, VIP_IP);
	start();
	wait_for(&area->loops, 10000);
	assert_int_equal(area->rx[0].packets, 0);
	publish(1);
	wait_for(&area->rx[0].packets, 50);
	stop();
	assert_int_equal(area->tx[0].packets + area->tx[1].packets, 50);
}

static void a_busy_worker_never_sleeps(void **state)
{
	(void)state;
	start();
	wait_for(&area->idle_loops, 100000);
	stop();
	assert_int_equal(area->sleeps, 0);
	assert_int_equal(area->loops, area->idle_loops);
}

/* In nanosleep()'s place, for the test below: each sleep of the worker brings a command,
 * which must have been answered before the next. On the worker's thread. */
static struct {
	_Atomic bool on;
	_Atomic uint64_t asked; /* commands; the last one's generation */
	uint64_t missed;
	long longest_ns;
} asleep;

static void ask_while_it_sleeps(const struct timespec *t)
{
	struct weir_msg m = { WEIR_MSG_SNAPSHOT, ARENA_FIRST, asleep.asked + 1 };

	if (atomic_load(&area->session_seen) != 1)
		return;
	asleep.missed += area->seen_generation != asleep.asked;
	asleep.longest_ns = t->tv_nsec > asleep.longest_ns ? t->tv_nsec : asleep.longest_ns;
	arena_snapshot(arena, ARENA_FIRST)->generation = m.generation;
	if (weir_ring_push(&control->cmd, &area->cmd_head, &m) == 0)
		asleep.asked = m.generation;
}

int nanosleep(const struct timespec *t, struct timespec *rest)
{
	if (asleep.on)
		ask_while_it_sleeps(t);
	return clock_nanosleep(CLOCK_MONOTONIC, 0, t, rest);
}

/* So within 5 ms, of which 1 ms is the sleep and the rest the scheduler's. */
static void a_sleeping_worker_answers_before_its_next_sleep(void **state)
{
	(void)state;
	w->adaptive = true;
	asleep.on = true;
	start();
	wait_for(&asleep.asked, 50);
	stop();
	asleep.on = false;
	assert_int_equal(asleep.missed, 0);
	assert_int_equal(asleep.longest_ns, 1000000); /* as deep as it gets, no deeper */
}

static void a_packet_wakes_a_sleeping_worker(void **state)
{
	uint64_t sleeps;

	(void)state;
	w->adaptive = true;
	start();
	publish(1);
	wait_for(&area->sleeps, 20);
	for (uint16_t i = 0; i < 50; i++)
		arrive(IPPROTO_TCP, i, 0, VIP_IP);
	wait_for(&area->rx[0].packets, 50);
	sleeps = area->sleeps;
	wait_for(&area->sleeps, sleeps + 20); /* and it sleeps again */
	stop();
	assert_int_equal(area->tx[0].packets + area->tx[1].packets, 50);
}

static int make_device(unsigned i)
{
	int port;

	in[i] = rte_ring_create(i ? "in1" : "in0", 1024, SOCKET_ID_ANY, 0);
	out[i] = rte_ring_create(i ? "out1" : "out0", OUT_ENTRIES, SOCKET_ID_ANY, 0);
	port = ring_port(i ? "ring1" : "ring0", in[i], out[i], buffers);
	ethdev[i] = (uint16_t)port;
	return port < 0 ? -1 : 0;
}

static int group_setup(void **state)
{
	(void)state;
	buffers = eal_buffers(BUFFERS);
	return buffers == NULL || make_device(0) != 0 || make_device(1) != 0 ? -1 : 0;
}

static int group_teardown(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_packet_is_counted_once_everywhere),
		TEST(each_packet_leaves_by_the_port_of_its_backend),
		TEST(what_a_full_queue_does_not_take_is_a_counted_drop),
		TEST(before_the_first_snapshot_packets_are_counted_drops),
		TEST(start_filled_waits_for_the_first_snapshot),
		TEST(a_busy_worker_never_sleeps),
		TEST(a_sleeping_worker_answers_before_its_next_sleep),
		TEST(a_packet_wakes_a_sleeping_worker),
	};

	return cmocka_run_group_tests_name("worker", tests, group_setup, group_teardown);
}
