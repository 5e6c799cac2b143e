// SPDX-License-Identifier: Apache-2.0
/*
 * What the data plane does besides forwarding, on one thread that sleeps between:
 * sessions, steering, links, signals.
 */
#ifndef WEIR_HOUSEKEEPING_H
#define WEIR_HOUSEKEEPING_H

#include "capture_file.h"
#include "port.h"
#include "punt_thread.h"
#include "sessions.h"
#include "steer.h"
#include "workers.h"

struct housekeeping {
	int signals; /* signalfd */
	struct sessions *sessions;
	struct capture_file *capture;
	struct ports *ports;
	struct steer *steer;
	struct punt_thread *punt;
	struct workers *workers;
};

/* Runs until a signal says stop. Returns that signal. */
int housekeeping_run(const struct housekeeping *h);

#endif /* WEIR_HOUSEKEEPING_H */
