// SPDX-License-Identifier: Apache-2.0
/*
 * What the parts of the simulator share: the world that runs (sim.c), its flows
 * (flows.c) and what happens to the pool (cases.c).
 */
#ifndef WEIR_SIM_WORLD_H
#define WEIR_SIM_WORLD_H

#include "flow_table.h"
#include "weir.h"

#include <rte_mbuf.h>
#include <rte_tcp.h>

enum {
	TICK_MS = 50, /* SYN to ACK */
	TICKS_S = 1000 / TICK_MS,
	SECONDS = 600,
	WHEEL = 4096, /* ticks; more than the longest gap */
	GAP_S = 2,
	LONG_GAP_S = 200,
	HALF_GAP_S = 55, /* longest silence of a half-closed connection: the limit is 60 */
	UDP_GAP_S = 25,	 /* likewise of a UDP flow: the window is 30 */
	IDLE_LIMIT_S = 900,
	GRACE_S = 3, /* handshake_grace_s unless set */
	REQUEUE_S = 40, /* between two changes of what worker gets which flow */
	START_MS = 1000000,
	MAX_WEIRS = 8,
	MAX_LANES = 8,
	FLOOD_A_TICK = 20000 / TICKS_S, /* SYNs, and as many ACKs */
};
/* Log-normal: the median is exp(mu), the mean exp(mu + sigma^2 / 2). */
#define LIFE_MEDIAN_S 10.0
#define LIFE_MEAN_S   60.0

/* The packet that is due. HALF: the client has sent its FIN and receives. LAST: the ACK
 * of the server's FIN. */
enum phase { PHASE_SYN, PHASE_ACK, PHASE_DATA, PHASE_HALF, PHASE_FIN, PHASE_LAST, PHASE_END };
/* How a connection ends. TOGETHER: the server's FIN comes with data. */
enum ending { CLIENT_FIRST, SERVER_FIRST, SERVER_TOGETHER, HALF_CLOSE, SILENTLY /* UDP */ };
enum { MODEL_WEIR, MODEL_MAGLEV, MODEL_TABLE, MODELS };
enum fate { FATE_GOOD, FATE_LOST /* its backend failed */, FATE_BROKEN };

struct flow {
	uint32_t id, next, end_tick, slot;
	uint16_t backend[MODELS];
	uint8_t fate[MODELS];
	uint8_t phase, then, ending; /* then: the phase after this packet */
	uint8_t repeats;	     /* of the opener, so far */
	uint8_t began_at;	     /* the Weir that had its first packet */
	uint32_t ack;		     /* of what it received */
	uint32_t since[MODELS];	     /* failures of the backend when the flow began */
};

/* Of a packet, what select reads. */
struct frame {
	struct rte_mbuf mbuf;
	struct rte_tcp_hdr tcp;
};

struct result {
	uint32_t broken, lost, failed_new;
};

/* Pins by whose they are. ended: of flows that are over; behind: at another worker or Weir
 * than the one that had its flow's last packet. */
struct pin_count {
	uint32_t live, ended, behind, flood;
};

struct census {
	struct known *known;
	uint32_t mask;
};

struct scenario;

struct world {
	const struct scenario *scenario;
	struct sim_pool pool;
	uint32_t failures[SIM_BACKENDS];
	struct sim_weir weir[MAX_WEIRS];
	struct flow_table table[MAX_WEIRS];
	uint32_t weirs, alive;	  /* alive: those that the router knows */
	uint32_t workers, queues; /* of each; queues: how flows are spread over them */
	struct flow *flow;
	uint32_t flow_room, free_flow;
	uint32_t wheel[WHEEL];
	uint32_t tick, rate_flows;
	uint32_t live[SIM_SLOTS], open; /* flows by slot, and all */
	uint32_t last_end;		/* tick of the last flow's end */
	uint32_t total, stopping;
	struct census census;
	/* The most pins, and whose they were then; the most of live and ended flows alone; the
	 * most live flows in slots that are not settled. */
	uint32_t pins_most, own_most, live_most;
	struct pin_count at_most;
	/* Seconds with more pins than such flows: of live and ended flows, of live ones alone. */
	uint32_t own_over, live_over;
	struct result result[MODELS];
	uint32_t late;	    /* new ones that went to a backend that takes no more */
	uint32_t elsewhere; /* failed new ones whose SYN went to another Weir than their ACK */
	/* By weir * workers + worker. */
	struct burst burst[MAX_LANES];
	struct frame frame[MAX_LANES][WEIR_BURST];
	uint32_t of[MAX_LANES][WEIR_BURST]; /* the flow of a packet, UINT32_MAX: flood */
	uint64_t random;
};

struct scenario {
	const char *name;
	void (*event)(struct world *w, uint32_t second);
	uint32_t weirs, workers, pins;
	unsigned flags;
	unsigned half, udp; /* percent of the flows that are half-closed for a while; UDP */
	unsigned repeats;   /* percent of the openers that get no answer in time */
	unsigned grace_s;   /* handshake_grace_s */
};

enum {
	FLOOD = 1 << 0,
	FAILURES = 1 << 1,    /* flows are lost with their backend */
	TEN_PERCENT = 1 << 2, /* bound of the pins */
	QUIC = 1 << 3,	      /* what UDP there is */
	RESILIENT = 1 << 4,   /* the router moves the flows of the Weir that left, no others */
};

/* -- cases.c -- */

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

/* The pool changed: every Weir goes by it. */
void changed(struct world *w, bool members);

/* -- census.c -- */

void census_create(struct census *c, uint32_t flows);
void census_destroy(struct census *c);
/* A packet of a flow went by a lane; it was its last. */
void census_note(struct census *c, uint64_t hash, uint32_t lane, bool ended);
/* Adds a lane's pins. */
void census_take(const struct census *c, struct pin_count *n, const struct pins *pins,
		 uint32_t lane);

/* -- flows.c -- */

uint64_t random64(struct world *w);
double uniform(struct world *w);
double normal(struct world *w);

/* Length of a flow that begins, and of any time, in ticks. */
double life_s(struct world *w);
uint32_t ticks_of(double seconds);

void flow_begin(struct world *w, uint32_t delay, uint32_t life);
void flow_packet(struct world *w, uint32_t n); /* the one that is due */
void flood(struct world *w);

/* Send what has gathered for a worker. */
void burst_run(struct world *w, uint32_t lane);

static inline uint64_t now_ms(const struct world *w)
{
	return START_MS + (uint64_t)w->tick * TICK_MS;
}

#endif /* WEIR_SIM_WORLD_H */
