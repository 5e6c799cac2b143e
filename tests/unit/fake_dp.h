// SPDX-License-Identifier: Apache-2.0
/*
 * A data plane without packets: the two memories in ordinary memory, and workers that
 * run the real table_view_poll() when the test says so.
 */
#ifndef WEIR_TEST_FAKE_DP_H
#define WEIR_TEST_FAKE_DP_H

#include "dp_session.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>

enum { FAKE_WORKERS = 4 };

struct fake_dp {
	struct weir_state *state;
	struct weir_control *control;
	struct worker *worker[FAKE_WORKERS];
	struct dp_view view; /* what a session would give */
};

static inline void *fake_memory(size_t size)
{
	size = (size + WEIR_BLOCK - 1) / WEIR_BLOCK * WEIR_BLOCK;
	return memset(aligned_alloc(WEIR_BLOCK, size), 0, size);
}

static inline void fake_dp_open(struct fake_dp *f, unsigned workers, uint32_t blocks)
{
	size_t control_size = sizeof(struct weir_control) + (size_t)blocks * WEIR_BLOCK;

	*f = (struct fake_dp){ .state = fake_memory(weir_state_size(workers, WEIR_PINS_MIN)),
			       .control = fake_memory(control_size) };
	f->view = (struct dp_view){ .state = f->state,
				    .control = f->control,
				    .arena_size = weir_arena_size(control_size),
				    .worker_count = workers,
				    .pins = WEIR_PINS_MIN };
	f->state->pins = WEIR_PINS_MIN;
	for (unsigned i = 0; i < workers; i++) {
		struct worker *w = fake_memory(sizeof(*w));

		w->area = &f->state->worker[i];
		w->control = &f->control->worker[i];
		w->arena = f->control->arena;
		w->arena_size = f->view.arena_size;
		view_none(&w->views[0]);
		w->view = &w->views[0];
		f->worker[i] = w;
		f->view.welcome.worker_cpu[i] = (uint16_t)(10 + i);
	}
}

static inline void fake_dp_close(struct fake_dp *f)
{
	for (unsigned i = 0; i < f->view.worker_count; i++)
		free(f->worker[i]);
	free(f->state);
	free(f->control);
}

/* A control plane has come: workers are told the new session's number. */
static inline void fake_dp_session(struct fake_dp *f)
{
	f->view.session++;
	for (unsigned i = 0; i < f->view.worker_count; i++)
		atomic_store_explicit(&f->worker[i]->session, f->view.session,
				      memory_order_release);
}

static inline void fake_dp_step(struct fake_dp *f)
{
	for (unsigned i = 0; i < f->view.worker_count; i++)
		table_view_poll(f->worker[i]);
}

/* The index of the backend that gets a slot's new flows; -1: nobody. */
static inline int fake_dp_owner(const struct worker *w, unsigned pool, uint32_t slot)
{
	const struct view_pool *p = &w->view->pool[pool];
	weir_slot s = p->slot[slot];
	bool is_left = weir_slot_state(s) == WEIR_SLOT_MOVING &&
		       view_move(p, slot)->base[0] & WEIR_MOVE_NOBODY;

	return weir_slot_state(s) == WEIR_SLOT_EMPTY || is_left ? -1 : (int)weir_slot_backend(s);
}

#endif /* WEIR_TEST_FAKE_DP_H */
