// SPDX-License-Identifier: Apache-2.0
/*
 * The methods of the control socket. One handler a method, in cmd_*.c; the table in
 * cmd.c names them. docs/control-socket.md describes each for its users.
 *
 * A handler checks shape, then range, then existence, and then acts. It returns the
 * result, or NULL with *err filled; nothing has changed then.
 */
#ifndef WEIR_CMD_H
#define WEIR_CMD_H

#include "controlplane.h"
#include "rpc.h"

/* user of rpc_create(): struct controlplane *. */
void cmd_dispatch(void *user, struct rpc_call *call, const char *method, const json_t *params);

/* cmd_status.c */
json_t *cmd_status(struct controlplane *cp, const json_t *params, struct rpc_error *err);

/* cmd_show.c */
json_t *cmd_services(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_pools(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_backends(struct controlplane *cp, const json_t *params, struct rpc_error *err);

/* One backend as cmd_backends() lists it; NULL: no memory. */
json_t *cmd_backend_json(const struct controlplane *cp, const struct backend *b);

/* cmd_drops.c */
json_t *cmd_drops(struct controlplane *cp, const json_t *params, struct rpc_error *err);

/* "drops" and "answers" of one, {name: packets} of those that occurred, into *v. */
void cmd_put_service_drops(const struct controlplane *cp, const struct service *s, json_t *v);
void cmd_put_backend_drops(const struct controlplane *cp, const struct backend *b, json_t *v);

/* cmd_backend.c */
json_t *cmd_backend_add(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_backend_remove(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_backend_weight(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_backend_drain(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_backend_disable(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_backend_enable(struct controlplane *cp, const json_t *params, struct rpc_error *err);

/* cmd_config.c */
json_t *cmd_diff(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_reload(struct controlplane *cp, const json_t *params, struct rpc_error *err);
json_t *cmd_revert(struct controlplane *cp, const json_t *params, struct rpc_error *err);

/* cmd_health.c; `check` answers when its probes have ended. */
json_t *cmd_health(struct controlplane *cp, const json_t *params, struct rpc_error *err);
void cmd_check(struct controlplane *cp, const json_t *params, struct rpc_call *call);

/* The error of a question to the data plane that dp_session.h did not take. */
void cmd_not_asked(int status, struct rpc_error *err);

/* cmd_explain.c: the answer comes from the data plane, so it answers the call itself. */
void cmd_explain(struct controlplane *cp, const json_t *params, struct rpc_call *call);

/* cmd_capture.c: likewise. */
void cmd_capture(struct controlplane *cp, const json_t *params, struct rpc_call *call);

#endif /* WEIR_CMD_H */
