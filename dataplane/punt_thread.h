// SPDX-License-Identifier: Apache-2.0
/*
 * The thread between TAPs and workers. It alone makes system calls for packets, on the
 * CPUs that no worker has.
 */
#ifndef WEIR_PUNT_THREAD_H
#define WEIR_PUNT_THREAD_H

#include "buffers.h"
#include "punt.h"
#include "workers.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

struct punt_thread {
	const struct ports *ports;
	struct punt_port port[WEIR_MAX_PORTS]; /* those with a TAP, in the order of ports */
	unsigned port_count;
	const struct punt *lane[WEIR_MAX_WORKERS]; /* the workers' */
	unsigned lane_count;
	int tap[WEIR_MAX_PORTS]; /* by our port number, -1: none */
	struct pollfd poll[WEIR_MAX_PORTS];
	void (*before)(void);
	pthread_t thread;
	bool running;
	_Atomic bool stop;
};

/* Make the TAP of each started port with `punt = tap`. Needs CAP_NET_ADMIN. Returns 0,
 * or a negative errno with a sentence logged. */
int punt_open(struct punt_thread *t, struct ports *ports);

/* Make the rings, and give the workers their ends. Returns 0 or -ENOMEM, logged. */
int punt_connect(struct punt_thread *t, const struct buffers *b, const struct ports *ports,
		 struct workers *w);

/* Run it; `before` is what it does first. Nothing without TAPs. Returns 0 or a negative
 * errno, logged. */
int punt_start(struct punt_thread *t, void (*before)(void));

/* The workers may still run. */
void punt_stop(struct punt_thread *t);

/* After the workers have stopped. TAPs that were made go away. */
void punt_close(struct punt_thread *t);

/* The links of ports, to their TAPs. */
void punt_watch(const struct punt_thread *t, const struct ports *ports);

#endif /* WEIR_PUNT_THREAD_H */
