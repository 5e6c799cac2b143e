// SPDX-License-Identifier: Apache-2.0
/*
 * Two workers' pin tables and a pool whose slots a test sets by hand.
 */
#ifndef WEIR_TEST_PINNED_H
#define WEIR_TEST_PINNED_H

#include "pins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	PIN_LEN = 251,
	PIN_BACKENDS = 5,
	PIN_WORKERS = 2,
	BUCKETS = 512,
	NOW_DS = 100000,
	CELLS = PIN_WORKERS * BUCKETS * WEIR_PIN_WAYS / PIN_FILTER_TAGS
};

static struct view view;
static weir_slot slots[PIN_LEN];
/* Every slot has a record. */
static struct {
	struct weir_move_group group[(PIN_LEN + 63) / 64];
	struct weir_move record[PIN_LEN];
	struct weir_move_begin begin[PIN_LEN];
} moves;
static struct weir_backend backends[PIN_BACKENDS];
static struct weir_worker_area *area[PIN_WORKERS];
static struct pin_filter_cell cells[CELLS];
static struct pins pins[PIN_WORKERS];

static inline void all_slots(unsigned state, unsigned cur, unsigned base, uint32_t since_ms)
{
	view.pool[0].newest_ms = since_ms;
	for (unsigned i = 0; i < PIN_LEN; i++) {
		slots[i] = weir_slot_make(state, cur);
		moves.group[i / 64].moving = UINT64_MAX;
		moves.group[i / 64].first = i / 64 * 64;
		moves.record[i] = (struct weir_move){
			.base = { (uint16_t)(base | WEIR_MOVE_OPEN),
				  (uint16_t)(base | WEIR_MOVE_OPEN) },
		};
		moves.begin[i] = (struct weir_move_begin){ { since_ms, since_ms } };
		if (cur == base) /* there is no new owner */
			moves.record[i].base[0] |= WEIR_MOVE_NOBODY;
	}
}

/* A protocol's window is over, of all slots. */
static inline void close_windows(unsigned protocol)
{
	for (unsigned i = 0; i < PIN_LEN; i++)
		moves.record[i].base[protocol] &= (uint16_t)~WEIR_MOVE_OPEN;
}

static inline int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PIN_BACKENDS; i++)
		backends[i] = (struct weir_backend){ .flags = WEIR_BACKEND_FORWARD };
	view = (struct view){
		.generation = 1,
		.backend = backends,
		.backend_count = PIN_BACKENDS,
		.pool_count = 1,
		.pool[0] = { .slot = slots,
			     .moves = moves.group,
			     .move_count = PIN_LEN,
			     .table_len = PIN_LEN,
			     .tcp_window_ms = 300000,
			     .udp_window_ms = 30000,
			     .grace_ms = 3000 },
	};
	memset(cells, 0, sizeof(cells));
	for (unsigned i = 0; i < PIN_WORKERS; i++) {
		struct weir_pin_bucket *b = aligned_alloc(64, BUCKETS * sizeof(*b));

		area[i] = aligned_alloc(64, sizeof(*area[i]));
		memset(area[i], 0, sizeof(*area[i]));
		memset(b, 0, BUCKETS * sizeof(*b));
		pins[i] = (struct pins){ .bucket = b,
					 .filter = { cells, CELLS - 1 },
					 .mask = BUCKETS - 1,
					 .capacity = BUCKETS * WEIR_PIN_WAYS / 2,
					 .now_ds = NOW_DS,
					 .looks = UINT32_MAX,
					 .area = area[i] };
	}
	for (unsigned i = 0; i < PIN_WORKERS; i++)
		pins_know(&pins[i], &pins[1 - i]);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PIN_WORKERS; i++) {
		free(pins[i].bucket);
		free(area[i]);
	}
	return 0;
}

/* The pin of a flow at a worker: its meta; 0: none. */
static inline uint64_t pin_at(unsigned worker, uint64_t hash)
{
	const struct weir_pin *p = pins_find(&pins[worker], hash);

	return p != NULL ? atomic_load(&p->meta) : 0;
}

static inline void put(unsigned worker, uint64_t hash, unsigned backend, unsigned flags,
		       uint32_t idle_ds)
{
	assert_true(pins_put(&pins[worker], &view, hash,
			     weir_pin_meta(backend, flags, 0, 0, NOW_DS - idle_ds)));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* WEIR_TEST_PINNED_H */
