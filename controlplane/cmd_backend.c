// SPDX-License-Identifier: Apache-2.0
/*
 * Changing backends at run time. Each handler edits a copy of what runs; change.c puts
 * it in force. Results are the backend as `backends` lists it, unless it says otherwise.
 */
#include "change.h"
#include "clock.h"
#include "cmd.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { DRAIN_MAX_S = 30 * 24 * 3600 };

/* The name of a pool or backend, as a row of a parameter table. */
#define NAME_PARAM(member, into)                                                  \
	{                                                                         \
		.name = member, .type = RPC_STRING, .required = true, .least = 1, \
		.most = WEIR_NAME_LEN - 1, .out = into                            \
	}

/* The backend that runs now, or NULL with *err filled. */
static struct backend *find(const struct controlplane *cp, const char *pool, const char *name,
			    struct rpc_error *err)
{
	const struct pool *p = model_pool(&cp->model, pool);
	struct backend *b;

	if (p == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no pool %s", pool);
	b = model_backend(p, name);
	if (b == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no backend %s in pool %s", name, pool);
	return b;
}

/* Commit `next` and show the backend. */
static json_t *commit(struct controlplane *cp, struct conf *next, const char *pool,
		      const char *name, struct rpc_error *err)
{
	struct backend *b;

	if (!change_commit(cp, next, err))
		return NULL;
	b = find(cp, pool, name, err);
	return b == NULL ? NULL : cmd_backend_json(cp, b);
}

/* " key=value" of a parameter that was given. Values hold no spaces, so that the line
 * means here what it means in the file. */
static bool append(char *line, size_t size, const char *key, const char *value,
		   struct rpc_error *err)
{
	size_t len = strlen(line);

	for (const char *c = value; *c != '\0'; c++)
		if (!isgraph((unsigned char)*c)) {
			rpc_fail(err, RPC_BAD_PARAMS, "%s: no spaces or control characters", key);
			return false;
		}
	snprintf(line + len, size - len, "%s%s%s%s", len > 0 ? " " : "", len > 0 ? key : "",
		 len > 0 ? "=" : "", value);
	return true;
}

/*
 * backend.add {"pool": string, "name": string, "address": string, "weight"?: integer,
 *              "state"?: string, "backup"?: "yes"|"no", "mac"?: string, "port"?: string,
 *              "vlan"?: integer}
 *
 * As a line `backend NAME = ADDRESS weight=... ...` in the pool's section would.
 *   RPC_NOT_FOUND   no such pool
 *   RPC_CONFLICT    the pool has a backend of that name
 *   RPC_BAD_PARAMS  the sentence is the one that the file would get
 *   RPC_BAD_CONFIG  does not fit the rest, such as an address that another one has
 */
json_t *cmd_backend_add(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	const char *pool, *name, *address, *state = NULL, *mac = NULL, *port = NULL;
	const char *backup = NULL;
	json_int_t weight = -1, vlan = -1;
	const struct rpc_param want[] = {
		NAME_PARAM("pool", &pool),
		NAME_PARAM("name", &name),
		{ "address", RPC_STRING, true, 1, WEIR_ADDR_STRLEN - 1, &address },
		{ "weight", RPC_INTEGER, false, 0, WEIGHT_MAX, &weight },
		{ "state", RPC_STRING, false, 1, 16, &state },
		{ "backup", RPC_STRING, false, 1, 8, &backup },
		{ "mac", RPC_STRING, false, 1, 17, &mac },
		{ "port", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &port },
		{ "vlan", RPC_INTEGER, false, 0, 4094, &vlan },
	};
	char line[512] = "", number[24], why[256];
	struct backend_conf b;
	struct conf *next;

	if (!rpc_params(params, want, sizeof(want) / sizeof(want[0]), err) ||
	    !append(line, sizeof(line), "address", address, err) ||
	    (state != NULL && !append(line, sizeof(line), "state", state, err)) ||
	    (backup != NULL && !append(line, sizeof(line), "backup", backup, err)) ||
	    (mac != NULL && !append(line, sizeof(line), "mac", mac, err)) ||
	    (port != NULL && !append(line, sizeof(line), "port", port, err)))
		return NULL;
	snprintf(number, sizeof(number), "%lld", (long long)weight);
	if (weight >= 0 && !append(line, sizeof(line), "weight", number, err))
		return NULL;
	snprintf(number, sizeof(number), "%lld", (long long)vlan);
	if (vlan >= 0 && !append(line, sizeof(line), "vlan", number, err))
		return NULL;
	if (backend_parse(name, line, &b, why, sizeof(why)) < 0)
		return rpc_fail(err, RPC_BAD_PARAMS, "%s", why);

	if (model_pool(&cp->model, pool) == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no pool %s", pool);
	if (model_backend(model_pool(&cp->model, pool), name) != NULL)
		return rpc_fail(err, RPC_CONFLICT, "pool %s has a backend %s already", pool, name);

	next = change_begin(cp, err);
	if (next == NULL)
		return NULL;
	if (conf_backend_add(next, pool, &b) < 0) {
		conf_free(next);
		return rpc_fail(err, RPC_INTERNAL, "no memory for another backend");
	}
	return commit(cp, next, pool, name, err);
}

/* Begin a removal that waits for the flows there are. */
static json_t *leave(struct controlplane *cp, const struct backend *b, json_int_t deadline_s,
		     struct rpc_error *err)
{
	struct conf *next = change_begin(cp, err);
	struct backend_conf *edit;

	if (next == NULL)
		return NULL;
	edit = conf_backend(next, b->pool->conf.name, b->conf.name);
	edit->admin = ADMIN_DRAINING;
	edit->leaves = true;
	if (deadline_s > 0)
		edit->drain_deadline_ms = clock_ms(CLOCK_BOOTTIME) + (uint64_t)deadline_s * 1000;
	return change_commit(cp, next, err)
		       ? json_pack("{s:o}", "leaves",
				   json_sprintf("%s/%s", b->pool->conf.name, b->conf.name))
		       : NULL;
}

/*
 * backend.remove {"pool": string, "backend": string, "force"?: boolean, "drain"?: boolean,
 *                 "deadline_s"?: integer}
 *
 * The result is {"removed": "POOL/NAME"}; with `drain`, {"leaves": "POOL/NAME"}: it drains,
 * and is removed when no slot, window and pin holds it, or at the deadline. Until then
 * enable or disable it and it stays.
 *   RPC_CONFLICT    enabled or draining, and neither forced nor to be drained
 *   RPC_BAD_PARAMS  force and drain; a deadline without drain
 */
json_t *cmd_backend_remove(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	const char *pool, *name;
	bool force = false, drain = false;
	json_int_t deadline_s = 0;
	const struct rpc_param want[] = {
		NAME_PARAM("pool", &pool),
		NAME_PARAM("backend", &name),
		{ "force", RPC_BOOL, false, 0, 0, &force },
		{ "drain", RPC_BOOL, false, 0, 0, &drain },
		{ "deadline_s", RPC_INTEGER, false, 1, DRAIN_MAX_S, &deadline_s },
	};
	const struct backend *b;
	struct conf *next;

	if (!rpc_params(params, want, 5, err))
		return NULL;
	if (force && drain)
		return rpc_fail(err, RPC_BAD_PARAMS, "force: at once, drain: not: one of them");
	if (deadline_s > 0 && !drain)
		return rpc_fail(err, RPC_BAD_PARAMS, "deadline_s: only with drain");
	b = find(cp, pool, name, err);
	if (b == NULL)
		return NULL;
	if (drain && b->conf.admin != ADMIN_DISABLED)
		return leave(cp, b, deadline_s, err);
	if (b->conf.admin != ADMIN_DISABLED && !force)
		return rpc_fail(err, RPC_CONFLICT,
				"%s/%s is %s: use drain, to remove it when its connections have "
				"ended, or force",
				pool, name, admin_text(b->conf.admin));
	next = change_begin(cp, err);
	if (next == NULL)
		return NULL;
	(void)conf_backend_remove(next, pool, name);
	if (!change_commit(cp, next, err))
		return NULL;
	return json_pack("{s:o}", "removed", json_sprintf("%s/%s", pool, name));
}

/*
 * backend.weight {"pool": string, "backend": string, "weight": integer}
 *
 * 0: no packets, but it keeps its place in the table.
 */
json_t *cmd_backend_weight(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	const char *pool, *name;
	json_int_t weight;
	const struct rpc_param want[] = {
		NAME_PARAM("pool", &pool),
		NAME_PARAM("backend", &name),
		{ "weight", RPC_INTEGER, true, 0, WEIGHT_MAX, &weight },
	};
	struct conf *next;

	if (!rpc_params(params, want, 3, err) || find(cp, pool, name, err) == NULL)
		return NULL;
	next = change_begin(cp, err);
	if (next == NULL)
		return NULL;
	backend_set_weight(conf_backend(next, pool, name), (uint32_t)weight);
	return commit(cp, next, pool, name, err);
}

/* {"pool": string, "backend": string}: set its state. */
static json_t *set_state(struct controlplane *cp, const json_t *params, struct rpc_error *err,
			 enum admin_state admin)
{
	const char *pool, *name;
	const struct rpc_param want[] = {
		NAME_PARAM("pool", &pool),
		NAME_PARAM("backend", &name),
	};
	struct backend_conf *b;
	struct conf *next;

	if (!rpc_params(params, want, 2, err) || find(cp, pool, name, err) == NULL)
		return NULL;
	next = change_begin(cp, err);
	if (next == NULL)
		return NULL;
	b = conf_backend(next, pool, name);
	b->admin = admin;
	b->drain_deadline_ms = 0;
	b->leaves = false;
	return commit(cp, next, pool, name, err);
}

/* backend.enable: also ends a drain, and its deadline. */
json_t *cmd_backend_enable(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	return set_state(cp, params, err, ADMIN_ENABLED);
}

/* backend.disable: no packets at all, of whatever flow. */
json_t *cmd_backend_disable(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	return set_state(cp, params, err, ADMIN_DISABLED);
}

/*
 * backend.drain {"pool": string, "backend": string, "deadline_s"?: integer}
 *
 * Its slots go to others at once. At the deadline it becomes disabled.
 *   RPC_CONFLICT    draining already: the first deadline stands; or disabled
 */
json_t *cmd_backend_drain(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	const char *pool, *name;
	json_int_t deadline_s = 0;
	const struct rpc_param want[] = {
		NAME_PARAM("pool", &pool),
		NAME_PARAM("backend", &name),
		{ "deadline_s", RPC_INTEGER, false, 1, DRAIN_MAX_S, &deadline_s },
	};
	const struct backend *b;
	struct backend_conf *edit;
	struct conf *next;

	if (!rpc_params(params, want, 3, err))
		return NULL;
	b = find(cp, pool, name, err);
	if (b == NULL)
		return NULL;
	if (b->conf.admin == ADMIN_DRAINING)
		return rpc_fail(err, RPC_CONFLICT, "%s/%s is draining already%s", pool, name,
				b->conf.drain_deadline_ms != 0 ? "; the first deadline stands"
							       : "");
	if (b->conf.admin == ADMIN_DISABLED)
		return rpc_fail(err, RPC_CONFLICT,
				"%s/%s is disabled: it takes no packets and has nothing to drain",
				pool, name);
	next = change_begin(cp, err);
	if (next == NULL)
		return NULL;
	edit = conf_backend(next, pool, name);
	edit->admin = ADMIN_DRAINING;
	edit->drain_deadline_ms =
		deadline_s > 0 ? clock_ms(CLOCK_BOOTTIME) + (uint64_t)deadline_s * 1000 : 0;
	return commit(cp, next, pool, name, err);
}
