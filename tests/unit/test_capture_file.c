// SPDX-License-Identifier: Apache-2.0
/*
 * The housekeeping thread's part of a capture, with the test as the worker and as the
 * reader: what is refused, and how it ends with one that is slow or has gone.
 */
#include "capture_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eth_ring.h>
#include <rte_ring.h>

#include "eal.h"

enum { SECONDS = 1, END_MS = SECONDS * 1000, FOREVER_MS = 60000, BLOCK_STATISTICS = 5 };

static const struct dp_port_conf port_conf = { .name = "wan" };
static struct ports ports = { .port = { { .conf = &port_conf } }, .count = 1 };
static struct worker *worker;
static struct workers workers = { .count = 1 };
static struct capture_file file;
static int reader;

static struct weir_capture anything(void)
{
	return (struct weir_capture){ .count = 1000,
				      .seconds = SECONDS,
				      .snap = 64,
				      .sample = 1,
				      .points = WEIR_CAPTURE_BEFORE };
}

static int begin(const struct weir_capture *want)
{
	char why[128];

	reader = capture_file_begin(&file, want, 0, why, sizeof(why));
	return reader;
}

static int setup(void **state)
{
	(void)state;
	reader = -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	atomic_store(&worker->capture_seen, NULL);
	if (reader >= 0)
		close(reader);
	return capture_file_serve(&file, FOREVER_MS);
}

static void assert_refused(const struct weir_capture *want)
{
	assert_int_equal(begin(want), -EINVAL);
	assert_null(atomic_load(&worker->capture));
}

static void what_no_packet_can_be_is_refused(void **state)
{
	const uint8_t none[] = { WEIR_DROP_NONE, WEIR_DROP_REASONS, PKT_TAKEN };
	struct weir_capture want;

	(void)state;
	for (unsigned i = 0; i < sizeof(none); i++) {
		want = anything();
		want.by = WEIR_CAPTURE_BY_DROP;
		want.drop = none[i];
		assert_refused(&want);
	}
	want = anything();
	want.by = WEIR_CAPTURE_BY_DEST;
	assert_refused(&want);
	want.family = 4;
	want.dst_len = 33;
	assert_refused(&want);
	want.dst_len = 32;
	assert_true(begin(&want) >= 0);
}

static void a_ring_stays_while_a_worker_has_it(void **state)
{
	const struct weir_capture want = anything();

	(void)state;
	assert_true(begin(&want) >= 0);
	atomic_store(&worker->capture_seen, atomic_load(&worker->capture));
	assert_true(capture_file_serve(&file, END_MS));
	assert_null(atomic_load(&worker->capture));
	assert_true(capture_file_serve(&file, FOREVER_MS));
	atomic_store(&worker->capture_seen, NULL);
	assert_false(capture_file_serve(&file, FOREVER_MS));
}

/* Until the reader has been told the end. Returns the type of the last block. */
static uint32_t read_all(void)
{
	uint32_t block[1024] = { 0 }, last = 0;

	while (recv(reader, block, sizeof(block), MSG_DONTWAIT) > 0)
		last = block[0];
	return last;
}

static void fill_the_socket(void)
{
	uint32_t packet[16] = { 6 };

	while (send(file.fd, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		;
	assert_true(errno == EAGAIN || errno == ENOBUFS);
}

static void a_slow_reader_is_told_what_was_missed(void **state)
{
	const struct weir_capture want = anything();

	(void)state;
	assert_true(begin(&want) >= 0);
	fill_the_socket();
	assert_true(capture_file_serve(&file, END_MS));
	assert_int_not_equal(read_all(), BLOCK_STATISTICS);
	assert_false(capture_file_serve(&file, END_MS + 1));
	assert_int_equal(read_all(), BLOCK_STATISTICS);
}

static void one_that_never_reads_ends_it_all_the_same(void **state)
{
	const struct weir_capture want = anything();

	(void)state;
	assert_true(begin(&want) >= 0);
	fill_the_socket();
	assert_true(capture_file_serve(&file, END_MS));
	assert_false(capture_file_serve(&file, FOREVER_MS));
}

static void one_that_has_gone_ends_it_at_once(void **state)
{
	const struct weir_capture want = anything();

	(void)state;
	assert_true(begin(&want) >= 0);
	close(reader);
	reader = -1;
	assert_false(capture_file_serve(&file, 1));
}

static int make(void **state)
{
	struct rte_ring *wire;
	int ethdev;

	(void)state;
	if (eal_buffers(31) == NULL)
		return -1;
	wire = rte_ring_create("wire", 32, SOCKET_ID_ANY, 0);
	ethdev = rte_eth_from_ring(wire);
	worker = aligned_alloc(WEIR_CACHE_LINE, sizeof(*worker));
	if (ethdev < 0 || worker == NULL)
		return -1;
	memset(worker, 0, sizeof(*worker));
	ports.port[0].ethdev = (uint16_t)ethdev;
	workers.worker[0] = worker;
	file = (struct capture_file){ .workers = &workers, .ports = &ports };
	return capture_file_create(&file);
}

static int unmake(void **state)
{
	(void)state;
	capture_file_destroy(&file);
	free(worker);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_no_packet_can_be_is_refused),
		TEST(a_ring_stays_while_a_worker_has_it),
		TEST(a_slow_reader_is_told_what_was_missed),
		TEST(one_that_never_reads_ends_it_all_the_same),
		TEST(one_that_has_gone_ends_it_at_once),
	};

	return cmocka_run_group_tests_name("capture_file", tests, make, unmake);
}
