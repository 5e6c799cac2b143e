// SPDX-License-Identifier: Apache-2.0
/*
 * One client of the control socket. What keeps it from hurting the rest: a line has a
 * greatest length; a client that does not read its answers, or has many lines being
 * worked on, is not read from until that is over; and clients are counted.
 */
#ifndef WEIR_RPC_CLIENT_H
#define WEIR_RPC_CLIENT_H

#include "rpc.h"

struct rpc_client;

/* The connected clients of one control socket. */
struct rpc_clients {
	uv_loop_t *loop;
	rpc_dispatch_fn *dispatch;
	void *user;
	struct rpc_client *first;
	unsigned count;
};

/* Accept from `listener`, or serve `fd` when listener is NULL. 0 or -errno. */
int rpc_client_create(struct rpc_clients *all, uv_stream_t *listener, int fd);

/* Every client; their open calls may still be answered, into nothing. */
void rpc_clients_close(struct rpc_clients *all);

#endif /* WEIR_RPC_CLIENT_H */
