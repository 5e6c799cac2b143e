// SPDX-License-Identifier: Apache-2.0
/*
 * From the model to the workers: tables, snapshots, generations.
 *
 * The first change after a quiet 20 ms is published at once; those that follow
 * within 20 ms go together. A worker that does not acknowledge keeps its blocks
 * reserved and is named in the status; changes meanwhile coalesce.
 */
#ifndef WEIR_PUBLISH_H
#define WEIR_PUBLISH_H

#include "dp_session.h"
#include "model.h"

#include <uv.h>

struct publisher;

/* Settled: every worker has acknowledged a generation that holds all that was
 * requested before the call (0), or the deadline passed (-ETIMEDOUT, `why` names
 * the workers), or no data plane is attached (-ENOTCONN). Called once. */
typedef void publish_done_fn(void *user, int status, const char *why);

/* `turned`: about once a second while a slot is not settled or a backend drains, after a
 * look at the pins. */
int publisher_create(uv_loop_t *loop, struct model *m, struct publisher **out);
void publisher_on_turn(struct publisher *p, void (*turned)(void *user), void *user);

/* `adopted`: a data plane's workers have been looked at, and the model has what it took over
 * from them, if that could be read; nothing has been published yet. */
void publisher_on_adopt(struct publisher *p, void (*adopted)(void *user), void *user);
void publisher_destroy(struct publisher *p);

/* The model changed; cheap, call as often as you like in one loop turn. */
void publish_request(struct publisher *p);

/* As publish_request(), and tell when it has arrived. Calls back from inside only to say
 * -ENOMEM. */
void publish_request_wait(struct publisher *p, unsigned timeout_ms, publish_done_fn *fn,
			  void *user);

/*
 * A data plane attached: once its workers have taken up the session (some ms), read what
 * is in force (identities, indices, health, next hops), adopt it into the model, then
 * hold back until publisher_release(). Or, when it has nothing in force, or what cannot
 * be read: fill it at once with what the model has. *dp stays until publisher_detach().
 */
void publisher_attach(struct publisher *p, const struct dp_view *dp);
void publisher_detach(struct publisher *p);

/* The first verdict of every check is in (or its time is over): publish from now on, also
 * to data planes that attach later. */
void publisher_release(struct publisher *p);

/* Pins that name a backend's index, at all workers, about a second ago. False: not counted
 * since the newest generation arrived. */
bool publisher_pins(const struct publisher *p, int32_t index, uint32_t *count);

/* Milliseconds until a window of a slot of `pool` ends; 0: it is not open, or there is no
 * data plane. protocol: WEIR_MOVE_TCP, WEIR_MOVE_UDP. */
uint64_t publisher_window_ms(const struct publisher *p, const struct pool *pool, uint32_t slot,
			     unsigned protocol);

struct publish_status {
	uint64_t generation;	  /* last one sent */
	uint64_t published_ms;	  /* CLOCK_REALTIME of it; 0: never */
	uint32_t last_latency_us; /* from the request to the last acknowledgement */
	uint32_t arena_blocks, arena_used;
	bool attached, held, arena_full;
	struct {
		uint64_t seen_generation;
		bool late;	   /* does not answer; its generation stands above */
		char rejected[96]; /* why it refused the last one; empty: it did not */
	} worker[WEIR_MAX_WORKERS];
	uint32_t worker_count;
};
void publish_status(const struct publisher *p, struct publish_status *out);

#endif /* WEIR_PUBLISH_H */
