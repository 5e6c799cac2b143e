// SPDX-License-Identifier: Apache-2.0
/*
 * JSON-RPC 2.0 (jsonrpc.org/specification) over a Unix socket: one request or batch
 * a line, one answer a line. docs/control-socket.md is the user's view.
 *
 *   rpc.c        the socket and its clients: lines in, lines out, bounds
 *   rpc_call.c   the protocol: a line to calls, answers to a line
 *   rpc_params.c a call's parameters by a table
 *   cmd.c        the methods
 *
 * A bad request is answered, not fatal: the connection stays open.
 */
#ifndef WEIR_RPC_H
#define WEIR_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum {
	RPC_LINE_MAX = 1 << 20,	   /* bytes of a request or batch */
	RPC_ANSWER_MAX = 32 << 20, /* bytes of an answer; what is longer becomes RPC_TOO_MUCH */
	RPC_BATCH_MAX = 64,	   /* calls of a batch */
	RPC_CLIENTS_MAX = 128,
};

/* The specification's codes, and ours in its range for servers. */
enum rpc_code {
	RPC_PARSE_ERROR = -32700,  /* no JSON, or a line over RPC_LINE_MAX */
	RPC_BAD_REQUEST = -32600,  /* JSON, but no JSON-RPC 2.0 request */
	RPC_NO_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,   /* missing, unknown, of the wrong type or out of range */
	RPC_INTERNAL = -32603,	   /* no memory */
	RPC_NOT_FOUND = -32001,	   /* no such pool, backend, service or port; the message names it */
	RPC_CONFLICT = -32002,	   /* the state forbids it; the message says what would be right */
	RPC_BAD_CONFIG = -32003,   /* data: {"errors": [one sentence each]} */
	RPC_NO_DATAPLANE = -32004, /* needs a data plane and none is attached, or it is silent */
	RPC_TOO_MUCH = -32005,	   /* a bound; ask for less, or again */
};

struct rpc_error {
	int code; /* enum rpc_code; 0: none */
	char message[512];
	json_t *data; /* or NULL; owned here until the call is answered */
};

/* Fill *err. Returns NULL, so that a handler can `return rpc_fail(...)`. */
void *rpc_fail(struct rpc_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* One request, to be answered exactly once, now or later; the client may be gone by
 * then, which needs no attention. A notification's answer is dropped. */
struct rpc_call;

/* The answer; both take the call, and the reference to `result` or err->data. */
void rpc_answer(struct rpc_call *call, json_t *result);
void rpc_answer_error(struct rpc_call *call, struct rpc_error *err);

/* The answer, and with its first byte a descriptor (SCM_RIGHTS), which is taken too. An
 * answer that is part of a batch, or waits behind one that the client has not read, goes
 * without, and the descriptor is closed. */
void rpc_answer_fd(struct rpc_call *call, json_t *result, int fd);

/* `params` is an object, or NULL when the request has none; valid during the call. */
typedef void rpc_dispatch_fn(void *user, struct rpc_call *call, const char *method,
			     const json_t *params);

struct rpc;

/*
 * Listen on `path` with mode 0660. A socket that a dead instance left is replaced; a
 * missing last directory is made. `group` (may be empty) becomes the socket's group.
 * `why` says what is wrong, as a sentence, when the return value is not 0:
 * -EADDRINUSE another instance runs; -ENOENT no such group; other -errno.
 */
int rpc_create(uv_loop_t *loop, const char *path, const char *group, rpc_dispatch_fn *dispatch,
	       void *user, struct rpc **out, char *why, size_t why_len);

/* Closes every client; calls that are still open may be answered afterwards. */
void rpc_destroy(struct rpc *r);

/* Serve a connected stream socket too; the descriptor is taken. 0 or -errno. */
int rpc_adopt(struct rpc *r, int fd);

/* -- parameters ------------------------------------------------------------- */

enum rpc_type { RPC_STRING, RPC_INTEGER, RPC_BOOL };

struct rpc_param {
	const char *name;
	enum rpc_type type;
	bool required;
	json_int_t least, most; /* integers: inclusive; strings: bytes */
	void *out; /* const char ** (lives as long as params), json_int_t *, bool *;
		    * untouched when the parameter is absent */
};

/* Take `params` apart. Unknown names are errors: a mistyped option must not be taken
 * for its absence. False with *err filled on the first that is wrong. */
bool rpc_params(const json_t *params, const struct rpc_param *want, unsigned count,
		struct rpc_error *err);

#endif /* WEIR_RPC_H */
