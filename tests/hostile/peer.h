// SPDX-License-Identifier: Apache-2.0
/*
 * A client of the session socket for tests: what a control plane has in hand,
 * without its manners.
 */
#ifndef WEIR_TEST_PEER_H
#define WEIR_TEST_PEER_H

#include "session.h"
#include "shm.h"

#include <stdbool.h>
#include <stddef.h>

struct peer {
	int fd;
	int state_fd, control_fd;
	struct weir_welcome welcome;
	const struct weir_state *state;
	struct weir_control *control;
};

/* Print a sentence and exit with status 1. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

long now_ms(void);
void sleep_us(long us);

/* A connected socket, or -errno. */
int peer_connect(const char *path);

struct weir_hello peer_hello(void);

/* Connect, say hello, map both memories, take up fresh rings; fails by fail(). */
void peer_attach(struct peer *p, const char *path);
void peer_detach(struct peer *p);

/* Workers loop and the session stands, or fail(). */
void peer_expect_alive(const struct peer *p, const char *after);

/* Send a command to every worker; false if a ring stays full. */
bool peer_command(struct peer *p, uint32_t type, uint32_t arg, uint64_t generation);

/* The newest generation that a worker has in force. */
uint64_t peer_generation(const struct peer *p);

/* Put in force a valid snapshot of one TCP service (203.0.113.10:80) with one
 * backend in mode l2 behind port 1; fails by fail(). Returns its arena offset. */
uint32_t peer_publish(struct peer *p, uint32_t offset);

#endif /* WEIR_TEST_PEER_H */
