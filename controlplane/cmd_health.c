// SPDX-License-Identifier: Apache-2.0
/*
 * How the backends are, and why: `health` shows what the checks know, `check` asks anew.
 */
#include "cmd.h"
#include "json_put.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * health {"pool"?: string, "backend"?: string}
 *
 * {"pools": [protection of each], "backends": [state, checks, history of each]}: of all,
 * of one pool, or of one backend of it.
 *   RPC_BAD_PARAMS  a backend without its pool
 *   RPC_NOT_FOUND   no such pool or backend
 */
json_t *cmd_health(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	const char *pool = NULL, *name = NULL;
	const struct rpc_param want[] = {
		{ "pool", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &pool },
		{ "backend", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &name },
	};
	json_t *pools, *backends;

	if (!rpc_params(params, want, 2, err))
		return NULL;
	if (name != NULL && pool == NULL)
		return rpc_fail(err, RPC_BAD_PARAMS, "backend: needs its pool as well");
	if (pool != NULL && model_pool(&cp->model, pool) == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no pool %s", pool);
	if (name != NULL && model_backend(model_pool(&cp->model, pool), name) == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no backend %s in pool %s", name, pool);
	pools = json_array();
	backends = json_array();
	for (uint32_t i = 0; i < cp->model.pool_count; i++) {
		const struct pool *p = cp->model.pool[i];

		if (pool != NULL && strcmp(pool, p->conf.name) != 0)
			continue;
		json_array_append_new(pools, checks_pool_json(p));
		for (uint32_t j = 0; j < p->backend_count; j++)
			if (name == NULL || strcmp(name, p->backend[j]->conf.name) == 0)
				json_array_append_new(backends, checks_json(p->backend[j]));
	}
	return json_pack("{s:o, s:o}", "pools", pools, "backends", backends);
}

struct asked {
	struct rpc_call *call;
	char pool[WEIR_NAME_LEN], name[WEIR_NAME_LEN];
};

static void answered(void *user, json_t *list)
{
	struct asked *a = user;
	struct rpc_error err = { 0 };

	if (list != NULL) {
		rpc_answer(a->call, json_pack("{s:s, s:s, s:o}", "pool", a->pool, "name", a->name,
					      "checks", list));
	} else {
		rpc_fail(&err, RPC_NOT_FOUND, "backend %s of pool %s has gone meanwhile", a->name,
			 a->pool);
		rpc_answer_error(a->call, &err);
	}
	free(a);
}

/*
 * check {"pool": string, "backend": string}
 *
 * Each of its checks once, now; changes nothing. Answered when the last one has ended.
 *   RPC_NOT_FOUND   no such pool or backend, or one that goes meanwhile
 *   RPC_CONFLICT    its pool has no checks
 */
void cmd_check(struct controlplane *cp, const json_t *params, struct rpc_call *call)
{
	const char *pool, *name;
	const struct rpc_param want[] = {
		{ "pool", RPC_STRING, true, 1, WEIR_NAME_LEN - 1, &pool },
		{ "backend", RPC_STRING, true, 1, WEIR_NAME_LEN - 1, &name },
	};
	struct rpc_error err = { 0 };
	struct backend *b = NULL;
	struct asked *a = NULL;
	int ret;

	if (!rpc_params(params, want, 2, &err))
		goto err;
	if (model_pool(&cp->model, pool) != NULL)
		b = model_backend(model_pool(&cp->model, pool), name);
	if (b == NULL) {
		rpc_fail(&err, RPC_NOT_FOUND, "no backend %s/%s", pool, name);
		goto err;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		rpc_fail(&err, RPC_INTERNAL, "no memory for the question");
		goto err;
	}
	a->call = call;
	memcpy(a->pool, b->pool->conf.name, sizeof(a->pool));
	memcpy(a->name, b->conf.name, sizeof(a->name));
	ret = checks_now(cp->checks, b, answered, a);
	if (ret == 0)
		return;
	if (ret == -ENOENT)
		rpc_fail(&err, RPC_CONFLICT, "pool %s has check = none: there is nothing to ask",
			 pool);
	else
		rpc_fail(&err, RPC_INTERNAL, "no memory for the probes");
err:
	free(a);
	rpc_answer_error(call, &err);
}
