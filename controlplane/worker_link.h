// SPDX-License-Identifier: Apache-2.0
/*
 * One worker as the control plane sees it: the two rings and what became of the last
 * command. Time is passed in; no event loop.
 *
 * At most one snapshot is on its way to a worker. So the generations that it may read
 * are two, `seen` and `sent`, however long it does not answer, and what was published
 * meanwhile is free for use by the others.
 */
#ifndef WEIR_WORKER_LINK_H
#define WEIR_WORKER_LINK_H

#include "shm.h"

#include <stdbool.h>

enum { WORKER_LINK_LATE_MS = 1000 };

struct worker_link {
	struct weir_control_worker *control;
	const struct weir_worker_area *area; /* read-only */
	uint32_t session;
	bool joined;	   /* it has taken up this session's rings */
	uint64_t seen;	   /* generation in force there; 0: none */
	uint64_t sent;	   /* on its way; 0: nothing */
	uint64_t since_ms; /* when that, or the session, began */
	bool late;
	uint64_t refused; /* the generation that it refused last; 0: none since it took one */
	uint32_t why;	  /* enum weir_reject */
};

/* What worker_link_poll() found; several may be set. */
enum {
	LINK_JOINED = 1,  /* commands can be sent from now on */
	LINK_TAKEN = 2,	  /* `seen` has risen */
	LINK_REFUSED = 4, /* `refused` and `why` are new */
	LINK_LATE = 8,	  /* does not answer since WORKER_LINK_LATE_MS */
	LINK_BACK = 16,	  /* has answered after being late */
};

/* Begin a session: fresh rings. */
void worker_link_open(struct worker_link *l, struct weir_control_worker *control,
		      const struct weir_worker_area *area, uint32_t session, uint64_t now_ms);

/* Read what the worker says; at most one ring full. Returns LINK_* together. */
unsigned worker_link_poll(struct worker_link *l, uint64_t now_ms);

/* Tell it to take a snapshot. False: not now, something is on its way already. */
bool worker_link_send(struct worker_link *l, uint64_t generation, uint32_t offset, uint64_t now_ms);

#endif /* WEIR_WORKER_LINK_H */
