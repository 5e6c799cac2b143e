// SPDX-License-Identifier: Apache-2.0
/*
 * Between ports with `punt = tap` and the kernel (docs/punt.md).
 *
 *     worker (punt.c)                          punt thread (punt_thread.c)
 *     what is for no VIP --- first, rest --->  writes it to the port's TAP
 *     frees the buffer   <----- done --------
 *     gives buffers      ------ blank ------>  reads from the TAP into them
 *     sends by the port  <----- filled ------
 *
 * Every arrow is a ring with one producer and one consumer, and neither ever waits for
 * the other. The punt thread takes no buffer from a pool and gives none back: a thread
 * that is put to sleep within a pool's ring would hold up every worker.
 */
#ifndef WEIR_PUNT_H
#define WEIR_PUNT_H

#include "limit.h"
#include "pipeline.h"
#include "shm.h"

struct rte_mempool;
struct rte_ring;

/* Buffers. */
#define PUNT_FIRST 256 /* slots of `first`: one is never used */
#define PUNT_REST  512 /* of `rest` */
/* Of a worker, until they come back: at most as many of a ring as it has slots, so that a
 * flood of the one leaves the other its own. */
#define PUNT_AWAY (PUNT_FIRST + PUNT_REST)
#define PUNT_DONE 1024 /* of `done`: so it is never full */
#define PUNT_LENT 256  /* of a port, blank and filled together, at most */
static_assert(PUNT_AWAY < PUNT_DONE, "a buffer can always come back");

/* What must get through a flood of the rest, each by a rate of its own. */
enum punt_class {
	PUNT_NEIGHBOURS, /* ARP, neighbour discovery. By `first` */
	PUNT_ROUTING,	 /* BGP, BFD, OSPF, VRRP. By `first` */
	PUNT_OTHER,	 /* By `rest` */
	PUNT_CLASSES
};

/* A port with a TAP. `blank` and `filled` are between the punt thread and one worker,
 * its home. */
struct punt_port {
	struct rte_ring *blank, *filled;
	struct rte_mempool *pool; /* the port's */
	uint32_t lent;		  /* the worker's own */
	uint8_t port;		  /* our number */

	/* The punt thread's own. */
	int tap;
	struct rte_mbuf *spare; /* the next to be filled */
	bool starved;		/* the worker has not given more of them */
	bool gone;		/* the interface: nobody can read it any more */
};

/* Of one worker. */
struct punt {
	struct rte_ring *first, *rest, *done;
	struct weir_count *count;	/* [WEIR_PUNT_ROOM], in the worker's area */
	uint32_t ports;			/* bit: the port has a TAP; 0: nothing of this is used */
	uint32_t first_away, rest_away; /* buffers that have not come back */
	struct limit_rate rate[WEIR_MAX_PORTS];
	struct limit limit[WEIR_MAX_PORTS][PUNT_CLASSES];
	struct punt_port *home[WEIR_MAX_PORTS];
	uint32_t home_count;
};

/* How a frame that is for no VIP goes to the kernel. Reads the first segment alone. */
enum punt_class punt_class(const struct pkt *p);

/*
 * Hand packets of the burst that are for no VIP to the punt thread: drop = PKT_TAKEN,
 * counted; or PUNT_FULL, when the ring or the rate of their class is. `now` counts as
 * `hz` of limit_rate().
 */
void punt_burst(struct punt *u, struct burst *b, uint64_t now);

/* Between two bursts: take back what has been written, send what the kernel sends, a
 * bounded number of each. */
struct worker;
void punt_poll(struct worker *w);

#endif /* WEIR_PUNT_H */
