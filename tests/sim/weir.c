// SPDX-License-Identifier: Apache-2.0
#include "weir.h"

#include "maglev.h"
#include "owners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t bytes)
{
	size_t whole = (bytes + WEIR_CACHE_LINE - 1) / WEIR_CACHE_LINE * WEIR_CACHE_LINE;
	void *p = aligned_alloc(WEIR_CACHE_LINE, whole);

	if (p == NULL)
		abort();
	return memset(p, 0, whole);
}

void sim_pool_build(struct sim_pool *p, bool members)
{
	struct maglev_node node[SIM_BACKENDS];
	struct owners_node who[SIM_BACKENDS];
	char name[SIM_BACKENDS][16];
	uint16_t present[SIM_SLOTS];

	memcpy(present, p->owner, sizeof(present));
	for (uint32_t i = 0; i < p->count; i++) {
		snprintf(name[i], sizeof(name[i]), "backend-%u", i);
		node[i] = (struct maglev_node){ name[i], p->weight[i] };
		who[i] = (struct owners_node){ .id = i + 1,
					       .weight = p->weight[i],
					       .serves = p->serves[i],
					       .missing = p->missing[i] };
	}
	if (members && maglev_fill(p->full, SIM_SLOTS, node, p->count) < 0)
		abort();
	if (owners_fill(p->owner, p->full, present, SIM_SLOTS, who, p->count) < 0)
		abort();
	p->table_changes++;
}

static void create_pins(struct sim_weir *w, uint32_t pins)
{
	uint32_t buckets = weir_pin_buckets(pins);
	uint32_t cells = pin_filter_cells((uint64_t)w->workers * pins);
	const struct pin_filter filter = { .cell = zeroed(cells * sizeof(*filter.cell)),
					   .mask = cells - 1 };

	for (uint32_t i = 0; i < w->workers; i++)
		w->pins[i] = (struct pins){
			.bucket = zeroed(buckets * sizeof(struct weir_pin_bucket)),
			.filter = filter,
			.mask = buckets - 1,
			.capacity = pins,
			.area = zeroed(sizeof(struct weir_worker_area)),
		};
	for (uint32_t i = 0; i < w->workers; i++)
		for (uint32_t j = 0; j < w->workers; j++)
			if (i != j)
				pins_know(&w->pins[i], &w->pins[j]);
}

void sim_weir_create(struct sim_weir *w, uint32_t workers, uint32_t pins, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->workers = workers;
	create_pins(w, pins);
	if (moves_create(&w->moves, SIM_SLOTS) < 0)
		abort();
	w->slot = zeroed(SIM_SLOTS * sizeof(*w->slot));
	w->moved = zeroed(weir_moves_size(SIM_SLOTS, SIM_SLOTS));
	w->backend = zeroed(SIM_BACKENDS * sizeof(*w->backend));
	w->view.generation = 1;
	w->view.flow_seed = seed;
	w->view.backend = w->backend;
	w->view.backend_count = SIM_BACKENDS;
	w->view.pool_count = 1;
	w->view.pool[0] = (struct view_pool){ .slot = w->slot,
					      .table_len = SIM_SLOTS,
					      .hash = WEIR_HASH_5TUPLE,
					      .tcp_window_ms = 300000,
					      .udp_window_ms = 30000,
					      .grace_ms = 3000 };
}

void sim_weir_destroy(struct sim_weir *w)
{
	moves_free(&w->moves);
	free(w->slot);
	free(w->moved);
	free(w->backend);
	free(w->pins[0].filter.cell);
	for (uint32_t i = 0; i < w->workers; i++) {
		free(w->pins[i].bucket);
		free(w->pins[i].area);
	}
}

void sim_weir_tick(struct sim_weir *w, uint64_t now_ms)
{
	for (uint32_t i = 0; i < w->workers; i++) {
		pins_clock(&w->pins[i], (uint32_t)(now_ms / 100));
		pins_sweep(&w->pins[i], &w->view, (w->pins[i].mask + 1) / 10 + 1);
	}
}

static struct moves_env env_of(const struct sim_weir *w, const struct sim_pool *p, uint64_t now_ms)
{
	uint64_t pressure_ds = 0;

	for (uint32_t i = 0; i < w->workers; i++)
		if (w->pins[i].area->pins.pressure_ds > pressure_ds)
			pressure_ds = w->pins[i].area->pins.pressure_ds;
	return (struct moves_env){
		.now_ms = now_ms,
		.forwards = p->forwards,
		.deadline_ms = p->deadline_ms,
		.tcp_window_ms = w->view.pool[0].tcp_window_ms,
		.udp_window_ms = w->view.pool[0].udp_window_ms,
		.grace_ms = w->view.pool[0].grace_ms,
		.pressure_ms = pressure_ds * 100,
	};
}

static void publish(struct sim_weir *w, uint64_t now_ms)
{
	moves_write(&w->moves, w->slot, w->moved);
	w->view.pool[0].moves = w->moves.moving != 0 ? w->moved : NULL;
	w->view.pool[0].move_count = w->moves.moving;
	w->view.pool[0].newest_ms = moves_newest_ms(&w->moves, now_ms);
}

void sim_weir_assign(struct sim_weir *w, const struct sim_pool *p, uint64_t now_ms)
{
	struct moves_env env = env_of(w, p, now_ms);

	for (uint32_t i = 0; i < SIM_BACKENDS; i++)
		w->backend[i].flags = p->forwards[i] ? WEIR_BACKEND_FORWARD : 0;
	moves_assign(&w->moves, &env, p->owner);
	moves_expire(&w->moves, &env); /* bases that went down */
	publish(w, now_ms);
}

static void scan(struct sim_weir *w, const struct pins *pins)
{
	uint64_t hash, meta;

	for (uint32_t b = 0; b <= pins->mask; b++)
		for (unsigned i = 0; i < WEIR_PIN_WAYS; i++)
			if (weir_pin_read(&pins->bucket[b].pin[i], &hash, &meta)) {
				uint32_t s = weir_slot_of(hash, SIM_SLOTS);

				w->held[s / 8] |= (uint8_t)(1u << s % 8);
			}
}

void sim_weir_control(struct sim_weir *w, const struct sim_pool *p, uint64_t now_ms)
{
	struct moves_env env = env_of(w, p, now_ms);
	bool changed;

	if (w->moves.moving + w->moves.pinned == 0)
		return;
	memset(w->held, 0, sizeof(w->held));
	for (uint32_t i = 0; i < w->workers; i++)
		scan(w, &w->pins[i]);
	/* Settle first: what expire() makes pinned was not when the pins were read. */
	changed = moves_settle(&w->moves, w->held);
	changed |= moves_expire(&w->moves, &env);
	if (changed)
		publish(w, now_ms);
}

uint32_t sim_weir_unsettled(const struct sim_weir *w)
{
	return w->moves.moving + w->moves.pinned;
}

uint32_t sim_weir_pins(const struct sim_weir *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->workers; i++)
		n += w->pins[i].used;
	return n;
}
