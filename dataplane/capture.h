// SPDX-License-Identifier: Apache-2.0
/*
 * Copying packets that match for `weirctl capture` (docs/capture.md).
 *
 *   capture.c       a worker's part: which packets, into its ring
 *   capture_file.c  the housekeeping thread's: from the rings into a pcapng stream
 *
 * While nothing is captured a worker's pointer to its ring is NULL, and that is all it
 * looks at: one branch a burst.
 */
#ifndef WEIR_CAPTURE_H
#define WEIR_CAPTURE_H

#include "pipeline.h"
#include "session.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#define CAPTURE_SLOTS 512 /* power of two, several bursts */

/* A packet on its way to the stream; `bytes` behind it. */
struct capture_slot {
	uint64_t cycles; /* rte_rdtsc() */
	uint32_t len;	 /* of the frame, bytes */
	uint16_t held;	 /* of these in `bytes` */
	uint8_t point;	 /* WEIR_CAPTURE_BEFORE or _AFTER */
	uint8_t port;	 /* our number */
	uint8_t drop;	 /* enum weir_drop; NONE: it went on */
	uint8_t reserved[7];
	uint8_t bytes[];
};

/*
 * One worker's ring. Single producer, single consumer; positions are free-running.
 * Neither waits: what finds the ring full is counted as missed.
 *
 *   tail, missed, and what follows them   the worker
 *   head                                  the housekeeping thread
 */
struct capture_ring {
	const struct weir_capture *want; /* constant while a worker has the ring */
	uint8_t *slot;			 /* CAPTURE_SLOTS times `stride` bytes */
	uint32_t stride;
	alignas(WEIR_CACHE_LINE) _Atomic uint32_t head;
	alignas(WEIR_CACHE_LINE) _Atomic uint32_t tail;
	_Atomic uint64_t missed;
	uint32_t next;	  /* slots filled, of the burst at hand too */
	uint32_t skipped; /* matches since the last one of the sample */
	uint16_t copies;  /* of the burst at hand: those of `before` */
	struct {
		uint32_t slot; /* position */
		uint32_t pkt;  /* index in the burst */
	} copy[WEIR_BURST];
	uint8_t came_by[WEIR_BURST]; /* ports: encap writes the egress over them */
};

static inline struct capture_slot *capture_slot(const struct capture_ring *r, uint32_t position)
{
	return (struct capture_slot *)(r->slot +
				       (position & (CAPTURE_SLOTS - 1)) * (size_t)r->stride);
}

/* Before encap, while every frame is as it came. */
void capture_before(struct capture_ring *r, const struct burst *b);

/* Behind encap where something was dropped, before it is answered: reasons stand now, but
 * for what may be the kernel's. */
void capture_outcome(struct capture_ring *r, const struct burst *b);

/* Behind punt: what the kernel did not take. */
void capture_unpunted(struct capture_ring *r, const struct burst *b);

/* A fragment that was held, and its first one never came: it has left its burst, so that
 * it matches by this reason alone. */
void capture_unheld(struct capture_ring *r, const struct rte_mbuf *m, uint8_t port, uint8_t drop);

/* Before tx: what leaves. */
void capture_after(struct capture_ring *r, const struct burst *b);

/* The same for the pieces of *p, whose flow is *k. */
void capture_pieces(struct capture_ring *r, struct burst *pieces, const struct pkt *p,
		    const union flow_key *k);

/* The burst's copies are the reader's from here on. */
void capture_commit(struct capture_ring *r);

#endif /* WEIR_CAPTURE_H */
