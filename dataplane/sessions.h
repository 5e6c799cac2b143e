// SPDX-License-Identifier: Apache-2.0
/*
 * The data plane's end of the session socket (common/session.h): one control plane
 * at a time, served between other work by the housekeeping thread. Nothing that a
 * client sends, or does not send, holds that thread up.
 */
#ifndef WEIR_SESSIONS_H
#define WEIR_SESSIONS_H

#include "capture_file.h"
#include "explain.h"
#include "port.h"
#include "segment.h"
#include "session.h"
#include "workers.h"

#include <stdint.h>

/* Connections at once, the one that holds the session included. */
#define SESSIONS_CLIENTS 8

enum client_state {
	CLIENT_FREE,
	CLIENT_SILENT,	/* connected; its HELLO is due by `deadline_ms` */
	CLIENT_JOINING, /* has the session; workers take up the new rings */
	CLIENT_HOLDER,	/* has been welcomed */
};

struct client {
	enum client_state state;
	int fd;
	uint32_t seq;		       /* of its HELLO */
	uint64_t deadline_ms;	       /* CLOCK_MONOTONIC */
	char name[WEIR_NAME_LEN + 24]; /* "weir-controlplane (pid 12)" */
};

/* Set up by the caller, then sessions_open(). */
struct sessions {
	int listener; /* listening, non-blocking; the caller's */
	struct workers *workers;
	const struct ports *ports;
	const struct segment *state, *control;
	struct explainer *explainer;
	struct capture_file *capture;

	int epoll;
	uint32_t number; /* of the last session */
	bool deaf;	 /* does not watch the listener, at least until `listen_ms` */
	uint64_t listen_ms;
	struct client client[SESSIONS_CLIENTS];
};

/* Returns 0 or a negative errno. */
int sessions_open(struct sessions *s);

/* Readable when sessions_serve() has something to do. */
int sessions_fd(const struct sessions *s);

/* Do what there is to do, and what is due at `now_ms` (CLOCK_MONOTONIC). Returns
 * true if it wants to be called again within a millisecond. */
bool sessions_serve(struct sessions *s, uint64_t now_ms);

void sessions_close(struct sessions *s);

#endif /* WEIR_SESSIONS_H */
