// SPDX-License-Identifier: Apache-2.0
/*
 * The housekeeping thread's part of a capture: it gives each worker a ring, and writes
 * what comes out of the rings as pcapng blocks to a socket whose other end somebody
 * reads. One capture at a time. Writing never waits: what the reader has no room for is
 * missed, and counted.
 */
#ifndef WEIR_CAPTURE_FILE_H
#define WEIR_CAPTURE_FILE_H

#include "capture.h"
#include "port.h"
#include "workers.h"

#include <rte_mempool.h>

#include <stdbool.h>
#include <stddef.h>

struct capture_file {
	/* Set by the caller, constant. */
	struct workers *workers;
	const struct ports *ports;

	struct rte_mempool *pool; /* a few buffers for the largest frame */
	struct weir_capture want;
	struct capture_ring *ring; /* one a worker; NULL: there is no capture */
	uint8_t *slots;
	struct rte_pcapng *out;
	int fd; /* behind `out` */
	bool ending;
	uint64_t end_ms; /* CLOCK_MONOTONIC */
	uint64_t written, missed;
};

/* At the start: the buffers. 0 or -errno with a sentence logged. */
int capture_file_create(struct capture_file *f);

/* Begin. Returns the descriptor for the reader, which is the caller's, or -errno with a
 * sentence in why[why_len]: -EBUSY: one runs already; -EINVAL; -ENOMEM. */
int capture_file_begin(struct capture_file *f, const struct weir_capture *want, uint64_t now_ms,
		       char *why, size_t why_len);

/* Write what the workers have copied; end when it is time. True: call again within a
 * millisecond. */
bool capture_file_serve(struct capture_file *f, uint64_t now_ms);

/* Workers have stopped: close what is open. */
void capture_file_destroy(struct capture_file *f);

#endif /* WEIR_CAPTURE_FILE_H */
