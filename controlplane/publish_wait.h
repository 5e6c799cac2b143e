// SPDX-License-Identifier: Apache-2.0
/*
 * Who waits for a change to arrive: publish_request_wait().
 */
#ifndef WEIR_PUBLISH_WAIT_H
#define WEIR_PUBLISH_WAIT_H

#include "publish.h"

#include <stdint.h>

struct publish_waiter;

struct publish_waits {
	struct publish_waiter *first; /* in the order in which they came */
	struct publish_waiter **last;
};

void publish_waits_init(struct publish_waits *w);

/* Wait for a generation that is yet to be published. -ENOMEM. */
int publish_waits_add(struct publish_waits *w, uint64_t deadline_ms, publish_done_fn *fn,
		      void *user);

/* This generation holds all that those who wait so far have requested. */
void publish_waits_published(struct publish_waits *w, uint64_t generation);

/* Every worker has `seen`: call those back for whom that is enough, and those whose time
 * is over, with `why`. They may add new ones meanwhile. */
void publish_waits_arrived(struct publish_waits *w, uint64_t seen, uint64_t now_ms,
			   const char *why);

/* Nothing will arrive: call everyone back with `status`. */
void publish_waits_fail(struct publish_waits *w, int status, const char *why);

#endif /* WEIR_PUBLISH_WAIT_H */
