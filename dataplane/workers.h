// SPDX-License-Identifier: Apache-2.0
/*
 * All workers: made, given their queues, started, told of sessions, stopped.
 * Called by the housekeeping thread.
 */
#ifndef WEIR_WORKERS_H
#define WEIR_WORKERS_H

#include "port.h"
#include "segment.h"
#include "worker.h"

#include <stdbool.h>

struct workers {
	unsigned count;
	uint16_t cpu[WEIR_MAX_WORKERS];
	struct worker *worker[WEIR_MAX_WORKERS];
	struct weir_state *state;
	struct pin_filter filter; /* of the pins of all of them */
};

/*
 * Lay out the two memories and make a worker for each CPU of the configuration.
 * Every receive queue goes to the worker that has the fewest, if possible on the
 * queue's NUMA node. Returns 0, or a negative errno with a sentence logged;
 * workers_destroy() undoes it.
 */
int workers_create(struct workers *w, const struct dpconf *conf, const struct ports *ports,
		   const struct segment *state, const struct segment *control);
void workers_destroy(struct workers *w);

/* Start them, each on its CPU. `before` runs first on each worker's thread. */
int workers_start(struct workers *w, void (*before)(void));

/* Returns when each has sent or freed what it had taken. */
void workers_stop(struct workers *w);

/* Tell them of a session (0: none). */
void workers_join(struct workers *w, uint32_t session);

/* True if all have taken it up; else *late, if not NULL, is one that has not. */
bool workers_joined(const struct workers *w, uint32_t session, unsigned *late);

/* The one with the newest generation in force. */
const struct worker *workers_newest(const struct workers *w);

#endif /* WEIR_WORKERS_H */
