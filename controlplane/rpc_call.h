// SPDX-License-Identifier: Apache-2.0
/*
 * Between rpc.c and rpc_call.c: what a line means.
 */
#ifndef WEIR_RPC_CALL_H
#define WEIR_RPC_CALL_H

#include "rpc.h"

/* Called once per line that is owed an answer: `line` ends in a newline and is the
 * callee's to free(). NULL: the line needs no answer, or memory ran out. `fd`: goes with
 * it, the callee's to close; -1: none does. */
typedef void rpc_line_fn(void *user, char *line, size_t len, int fd);

/*
 * Handle a line (without its newline): dispatch its calls, and call `done` when all of
 * them are answered, possibly before this returns.
 */
void rpc_line(const char *line, size_t len, rpc_dispatch_fn *dispatch, void *dispatch_user,
	      rpc_line_fn *done, void *user);

/* A line that consists of an error, with id null. The caller frees it; NULL: no memory. */
char *rpc_error_line(int code, const char *message, size_t *len);

#endif /* WEIR_RPC_CALL_H */
