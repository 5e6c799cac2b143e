// SPDX-License-Identifier: Apache-2.0
/*
 * What flow_client and flow_server say to each other: messages of 16 bytes, each
 * way. The server's carry its name, by which a client knows its backend.
 */
#ifndef WEIR_FLOW_WIRE_H
#define WEIR_FLOW_WIRE_H

#include <stdint.h>
#include <time.h>

enum { FLOW_ECHO = 'e', FLOW_ONCE = 'o', FLOW_STREAM = 's' };

/* Request: name[0] is FLOW_*. ECHO: answer. ONCE: answer and close. STREAM: the client
 * closes its direction, and gets a message every FLOW_STREAM_MS. */
struct flow_message {
	char name[8];
	uint64_t number; /* answered as it came; of a stream: counted from there */
};
enum { FLOW_STREAM_MS = 500 };

static inline uint64_t flow_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

#endif /* WEIR_FLOW_WIRE_H */
