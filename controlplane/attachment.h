// SPDX-License-Identifier: Apache-2.0
/*
 * What the publisher keeps for one session with a data plane: blocks, indices and
 * tables of the shared arena, and the link to each worker. No clock and no event loop:
 * publish.c decides when, this does it.
 *
 * The order of a life: attachment_open(); attachment_poll() until it has joined;
 * attachment_adopt(); then attachment_publish(), attachment_send() and
 * attachment_poll() as often as needed; attachment_close().
 */
#ifndef WEIR_ATTACHMENT_H
#define WEIR_ATTACHMENT_H

#include "arena.h"
#include "dp_session.h"
#include "indices.h"
#include "model.h"
#include "pin_scan.h"
#include "tables.h"
#include "worker_link.h"

#include <stdbool.h>

struct attachment {
	const struct dp_view *dp;		   /* the caller's; NULL: not open */
	struct worker_link link[WEIR_MAX_WORKERS]; /* dp->worker_count */
	struct arena *arena;
	struct indices *indices;
	struct tables *tables;
	struct pin_scan *scan;
	uint64_t generation;   /* published last, by us or before us; 0: none */
	uint32_t block;	       /* where its snapshot begins; 0: none */
	bool short_of_indices; /* backends are left out until old indices have rested */
};

/* Fresh rings to every worker. 0 or -ENOMEM. *dp must stay until attachment_close(). */
int attachment_open(struct attachment *a, const struct dp_view *dp, uint64_t now_ms);
void attachment_close(struct attachment *a);

/* Read what the workers say: events[i] is LINK_* of worker i. Returns all of them. */
unsigned attachment_poll(struct attachment *a, uint64_t now_ms, unsigned *events);

/* Has every worker taken up the session: only then does what is in force stand still. */
bool attachment_has_joined(const struct attachment *a);

/*
 * Take over what is in force. Every backend of the model gets the index that it has
 * there, or none, and the pools' moves go on as they are there. Returns 1; 0 when no
 * worker has anything in force: then the moves go on as the model has them; -EINVAL when
 * it cannot be used, *why says for what reason: then the arena counts as empty, as after
 * 0, and every slot as settled; -ENOMEM. boot_ms: CLOCK_BOOTTIME, as below.
 */
int attachment_adopt(struct attachment *a, struct model *m, uint64_t boot_ms, const char **why);

/*
 * Write the next generation from the model; attachment_send() then tells the workers.
 * Returns 0; -ENOSPC: no room in the arena; -E2BIG: too many services; -EINVAL or
 * -ENOMEM. After an error the generation in force is as before.
 */
int attachment_publish(struct attachment *a, struct model *m, uint64_t boot_ms);

/*
 * About once a second while attachment_is_unsettled(): reads the workers' pins. Returns
 * true when publishing now would end windows or settle slots.
 */
bool attachment_turn(struct attachment *a, const struct model *m, uint64_t boot_ms);

/* Milliseconds until a window of a slot of `pool` ends; 0: it is not open. */
uint64_t attachment_window_ms(const struct attachment *a, const struct model *m, uint64_t boot_ms,
			      const struct pool *pool, uint32_t slot, unsigned protocol);

/* Is there a slot that is not settled, a drain under way, or an index at rest? */
bool attachment_is_unsettled(const struct attachment *a, const struct model *m);

/* Pins that name a backend's index, as of the last turn. False: not known since the
 * newest generation. */
bool attachment_pins_of(const struct attachment *a, int32_t index, uint32_t *count);

/* Tell every worker that can be told of the newest generation. */
void attachment_send(struct attachment *a, uint64_t now_ms);

/* Free blocks that no worker needs any more, and indices that no pin names either.
 * Returns FREED_*. */
enum { FREED_BLOCKS = 1, FREED_INDICES = 2 };
unsigned attachment_reclaim(struct attachment *a, const struct model *m);

/* Every worker has this generation or a later one. */
uint64_t attachment_seen(const struct attachment *a);

#endif /* WEIR_ATTACHMENT_H */
