// SPDX-License-Identifier: Apache-2.0
/*
 * What would happen to a packet: the stages of the packet path themselves, on one
 * packet, made up or out of a capture, by the snapshot that a worker has in force.
 * Changes nothing and counts nothing. Housekeeping thread only.
 */
#ifndef WEIR_EXPLAIN_H
#define WEIR_EXPLAIN_H

#include "session.h"
#include "worker.h"

#include <rte_mempool.h>

struct explainer {
	struct rte_mempool *pool;
	struct view view;
};

/*
 * Returns 0 with everything but the head of *out filled, or -ENOMEM: no packet
 * buffer is free. Where a worker takes a new snapshot meanwhile it is asked again.
 */
int explain(struct explainer *e, const struct worker *w, const struct weir_explain *q,
	    struct weir_explained *out);

/* The same for a whole frame. q->held and q->frame_len are at most WEIR_FRAME_MAX,
 * q->port less than WEIR_MAX_PORTS. */
int explain_frame(struct explainer *e, const struct worker *w, const struct weir_explain_frame *q,
		  struct weir_explained *out);

#endif /* WEIR_EXPLAIN_H */
