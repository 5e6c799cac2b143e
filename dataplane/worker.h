// SPDX-License-Identifier: Apache-2.0
/*
 * One worker: a thread on a CPU of its own that polls its queues and runs the
 * packet path (pipeline.h) to completion.
 *
 * Who starts it (workers.c) allocates a zeroed, cache-aligned struct worker on the
 * worker's own NUMA node, fills in the first group of fields, calls
 * worker_init() and then runs worker_run() on the CPU. From then on the worker
 * shares with the housekeeping thread only the second group, which that thread
 * stores, and its area, which it reads.
 */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "answer.h"
#include "capture.h"
#include "frags.h"
#include "pins.h"
#include "pipeline.h"
#include "punt.h"
#include "shm.h"
#include "view.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Queues that one worker polls, over all ports: a device may have more queues
 * than there are workers, and none may be left alone. */
#define WORKER_MAX_QUEUES 128

/* One (port, queue) to receive from. */
struct worker_queue {
	uint16_t ethdev; /* DPDK's number of the device */
	uint16_t queue;	 /* receive queue of it */
	uint8_t port;	 /* our number: position among the [port NAME] sections */
};

/* One port to send by. */
struct worker_tx {
	uint16_t ethdev; /* DPDK's number of the device */
	uint16_t queue;	 /* this worker's transmit queue: no other worker sends by it */
};

struct worker {
	/* Set before worker_init(), constant while the worker runs. */
	struct weir_worker_area *area;		   /* ours alone to write */
	const struct weir_control_worker *control; /* read-only mapping */
	const uint8_t *arena;			   /* read-only mapping */
	uint64_t arena_size;			   /* bytes: weir_arena_size() */
	struct worker_queue queue[WORKER_MAX_QUEUES];
	uint32_t queue_count;
	bool adaptive;			      /* idle = adaptive: sleep when nothing arrives */
	bool start_filled;		      /* receive nothing before the first snapshot */
	struct egress egress[WEIR_MAX_PORTS]; /* by our port number; mtu 0: no such port */
	struct worker_tx tx[WEIR_MAX_PORTS];  /* by our port number */
	struct answers answers;		      /* answers_init() */
	struct punt punt;		      /* punt_connect(); ports = 0: nobody punts */
	struct pins pins;   /* tables, mask, capacity and area set before; the rest its own */
	struct frags frags; /* tables and area set before; the rest its own */

	/* Stored by the housekeeping thread while the worker runs. A session's
	 * number (0: none) makes the worker take up that session's fresh rings. */
	alignas(WEIR_CACHE_LINE) _Atomic uint32_t session;
	_Atomic bool stop;
	_Atomic(struct capture_ring *) capture; /* NULL: nothing is captured */

	/* Stored by the worker: the ring that it copies into, read by who gave it. */
	alignas(WEIR_CACHE_LINE) _Atomic(struct capture_ring *) capture_seen;

	/* The worker's own. `view` is in force and points to one of `views`; the
	 * other is where the next snapshot is checked and filled in. */
	alignas(WEIR_CACHE_LINE) const struct view *view;
	struct capture_ring *capturing; /* as capture_seen */
	uint32_t loops;			/* rounds that are not yet in the area */
	uint32_t idle_run;		/* rounds in a row that brought nothing */
	uint32_t sleep_ns;		/* the next one */
	struct view views[2];
};

/* Once, before worker_run(): no snapshot yet, every packet a counted drop. */
void worker_init(struct worker *w);

/*
 * Poll until w->stop; returns at the end of the burst at hand, with every packet
 * it took sent or freed. Runs on its own thread; sleeps only with `adaptive`, for
 * 1 ms at most. Commands are answered within 5 ms in any case.
 */
void worker_run(struct worker *w);

/*
 * Take up a new session if there is one, answer the commands that wait and put
 * the newest snapshot among them in force (w->view). Called by worker_run()
 * between two bursts; apart for the tests. table_view.c.
 */
void table_view_poll(struct worker *w);

/*
 * For another thread (explain, steering): fill *v with the snapshot that this
 * worker has in force. Returns enum weir_reject; STALE: none is in force yet.
 *
 * The worker and the control plane go on meanwhile. *v is safe to use whatever
 * they do, but when the worker has moved on its arrays may be written anew under
 * the reader: compare w->area->seen_generation with v->generation after use, and
 * take and use it again if it has changed. table_view.c.
 */
enum weir_reject table_view_copy(const struct worker *w, struct view *v);

#endif /* WEIR_WORKER_H */
