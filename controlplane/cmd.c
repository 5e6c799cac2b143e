// SPDX-License-Identifier: Apache-2.0
#include "cmd.h"

#include "change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PUBLISH_WAIT_MS = 1000 };

static const struct cmd {
	const char *method;
	json_t *(*handler)(struct controlplane *cp, const json_t *params, struct rpc_error *err);
	bool changes;	    /* answered when every worker has the new table, or after 1 s */
	bool gives_backend; /* the result is a backend: as it is once that is so */
} cmds[] = {
	{ "status", cmd_status, false, false },
	{ "services", cmd_services, false, false },
	{ "pools", cmd_pools, false, false },
	{ "backends", cmd_backends, false, false },
	{ "drops", cmd_drops, false, false },
	{ "health", cmd_health, false, false },
	{ "backend.add", cmd_backend_add, true, true },
	{ "backend.remove", cmd_backend_remove, true, false },
	{ "backend.weight", cmd_backend_weight, true, true },
	{ "backend.drain", cmd_backend_drain, true, true },
	{ "backend.disable", cmd_backend_disable, true, true },
	{ "backend.enable", cmd_backend_enable, true, true },
	{ "diff", cmd_diff, false, false },
	{ "reload", cmd_reload, true, false },
	{ "revert", cmd_revert, true, false },
};

/* A change that is in force here and on its way to the workers. */
struct waiting {
	struct controlplane *cp;
	struct rpc_call *call;
	const struct cmd *cmd;
	json_t *result;
};

/* The backend that `result` shows, as it is now; it may have gone meanwhile. */
static void refresh_backend(struct waiting *w)
{
	const char *pool = json_string_value(json_object_get(w->result, "pool"));
	const char *name = json_string_value(json_object_get(w->result, "name"));
	const struct pool *p = model_pool(&w->cp->model, pool);
	const struct backend *b = p == NULL ? NULL : model_backend(p, name);
	json_t *now = b == NULL ? NULL : cmd_backend_json(w->cp, b);

	if (now == NULL)
		return;
	json_decref(w->result);
	w->result = now;
}

static void published(void *user, int status, const char *why)
{
	struct waiting *w = user;
	char unsaved[256];

	if (w->cmd->gives_backend)
		refresh_backend(w);
	json_object_set_new(w->result, "published", json_boolean(status == 0));
	if (status < 0)
		json_object_set_new(w->result, "waits_for",
				    json_string(why != NULL ? why : strerror(-status)));
	if (change_save(w->cp, unsaved, sizeof(unsaved)) < 0)
		json_object_set_new(w->result, "not_saved", json_string(unsaved));
	rpc_answer(w->call, w->result);
	free(w);
}

static void answer_when_published(struct controlplane *cp, struct rpc_call *call,
				  const struct cmd *cmd, json_t *result)
{
	struct waiting *w = malloc(sizeof(*w));

	if (w == NULL) {
		rpc_answer(call, result);
		return;
	}
	*w = (struct waiting){ .cp = cp, .call = call, .cmd = cmd, .result = result };
	publish_request_wait(cp->publisher, PUBLISH_WAIT_MS, published, w);
}

void cmd_not_asked(int status, struct rpc_error *err)
{
	if (status == -ENOTCONN)
		rpc_fail(err, RPC_NO_DATAPLANE,
			 "no data plane is attached: only weir-dataplane can do that");
	else if (status == -EAGAIN)
		rpc_fail(err, RPC_TOO_MUCH,
			 "too many questions wait for the data plane: ask again");
	else
		rpc_fail(err, RPC_INTERNAL, "%s", strerror(-status));
}

static void run(struct controlplane *cp, const struct cmd *cmd, struct rpc_call *call,
		const json_t *params)
{
	struct rpc_error err = { 0 };
	json_t *result = cmd->handler(cp, params, &err);

	if (result == NULL) {
		if (err.code == 0)
			rpc_fail(&err, RPC_INTERNAL, "no memory for the answer");
		rpc_answer_error(call, &err);
	} else if (cmd->changes) {
		answer_when_published(cp, call, cmd, result);
	} else {
		rpc_answer(call, result);
	}
}

void cmd_dispatch(void *user, struct rpc_call *call, const char *method, const json_t *params)
{
	struct controlplane *cp = user;
	struct rpc_error err = { 0 };

	if (strcmp(method, "explain") == 0) {
		cmd_explain(cp, params, call);
		return;
	}
	if (strcmp(method, "check") == 0) {
		cmd_check(cp, params, call);
		return;
	}
	if (strcmp(method, "capture") == 0) {
		cmd_capture(cp, params, call);
		return;
	}
	for (unsigned i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		if (strcmp(cmds[i].method, method) == 0) {
			run(cp, &cmds[i], call, params);
			return;
		}
	}
	rpc_fail(&err, RPC_NO_METHOD, "no method \"%.64s\"", method);
	rpc_answer_error(call, &err);
}
