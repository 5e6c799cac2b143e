// SPDX-License-Identifier: Apache-2.0
/*
 * One Weir as the simulation runs it: the real select stage with real pins over a view
 * in plain memory, and the control plane's moves, which step once a second. Time is the
 * caller's.
 */
#ifndef WEIR_SIM_WEIR_H
#define WEIR_SIM_WEIR_H

#include "moves.h"
#include "pins.h"
#include "pipeline.h"
#include "shm.h"
#include "view.h"

enum { SIM_SLOTS = 65537, SIM_BACKENDS = 256, SIM_WORKERS = 4 };

/* What the control planes of all Weirs know alike. */
struct sim_pool {
	uint32_t count; /* backends configured; an index is a position */
	uint32_t weight[SIM_BACKENDS];
	bool serves[SIM_BACKENDS];   /* takes new flows */
	bool forwards[SIM_BACKENDS]; /* enabled or draining, and not down */
	uint8_t missing[SIM_BACKENDS]; /* parts that a slow starter has not been given yet */
	uint16_t full[SIM_SLOTS], owner[SIM_SLOTS];
	uint64_t deadline_ms[SIM_BACKENDS]; /* no drain has one */
	uint32_t table_changes;
};

struct sim_weir {
	struct view view;
	struct pins pins[SIM_WORKERS];
	uint32_t workers;
	struct moves moves;
	weir_slot *slot;
	struct weir_move_group *moved; /* as workers have it */
	struct weir_backend *backend;
	uint8_t held[SIM_SLOTS / 8 + 1];
};

/* Owners anew after a change of the pool; members or weights changed: the table too. */
void sim_pool_build(struct sim_pool *p, bool members);

/* `pins`: room for so many at each worker. */
void sim_weir_create(struct sim_weir *w, uint32_t workers, uint32_t pins, uint64_t seed);
void sim_weir_destroy(struct sim_weir *w);

/* Every tenth of a second: the workers' clock and their sweep. */
void sim_weir_tick(struct sim_weir *w, uint64_t now_ms);

/* The pool changed. */
void sim_weir_assign(struct sim_weir *w, const struct sim_pool *p, uint64_t now_ms);

/* Once a second: windows that end, slots without pins. */
void sim_weir_control(struct sim_weir *w, const struct sim_pool *p, uint64_t now_ms);

uint32_t sim_weir_unsettled(const struct sim_weir *w);

/* Pins at all workers; of a flow that changed its worker there are two. */
uint32_t sim_weir_pins(const struct sim_weir *w);

#endif /* WEIR_SIM_WEIR_H */
