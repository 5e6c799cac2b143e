// SPDX-License-Identifier: Apache-2.0
/*
 * The socket that control planes connect to, and the lock beside it that keeps a
 * second data plane from taking it.
 */
#ifndef WEIR_SESSION_SOCKET_H
#define WEIR_SESSION_SOCKET_H

#include "privileges.h"

struct session_socket {
	const char *path;
	int fd;	  /* listening, non-blocking */
	int lock; /* PATH.lock, locked while the process lives */
};

/*
 * Make the directory, lock, replace the socket that a dead data plane left, and
 * listen with mode 0660; the socket belongs to the user that the process becomes.
 * Returns 0, or a negative errno with a sentence logged that names the setting.
 * `path` must outlive *out.
 */
int session_socket_claim(struct session_socket *out, const char *path, const struct privileges *p);

/* The socket goes from the directory, where the process may do that still. */
void session_socket_release(struct session_socket *s);

#endif /* WEIR_SESSION_SOCKET_H */
