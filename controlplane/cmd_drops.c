// SPDX-License-Identifier: Apache-2.0
/*
 * What reached no backend and what was answered: of all, of a service, of a VIP, of a
 * backend.
 */
#include "cmd.h"
#include "json_put.h"

#include <string.h>

/* Since the index's present holder has it: enum weir_column. */
static void service_columns(const struct controlplane *cp, const struct service *s,
			    uint64_t out[WEIR_COLUMNS])
{
	dp_service_columns(cp->dp, s->index, out);
	for (unsigned i = 0; i < WEIR_COLUMNS; i++)
		out[i] = out[i] > s->columns_before[i] ? out[i] - s->columns_before[i] : 0;
}

static void backend_columns(const struct controlplane *cp, const struct backend *b,
			    uint64_t out[WEIR_BACKEND_COLUMNS])
{
	memset(out, 0, WEIR_BACKEND_COLUMNS * sizeof(*out));
	if (b->index >= 0)
		dp_backend_columns(cp->dp, (unsigned)b->index, out);
	for (unsigned i = 0; i < WEIR_BACKEND_COLUMNS; i++)
		out[i] = out[i] > b->columns_before[i] ? out[i] - b->columns_before[i] : 0;
}

static const char *counted_name(struct weir_counted c)
{
	return c.is_answer ? weir_answer_name(c.what) : weir_drop_name(c.what);
}

/* Of the first columns, "drops" and "answers": {name: packets}, of those that occurred. */
static void put_columns(json_t *v, const uint64_t *column, unsigned columns)
{
	json_t *drops = json_object(), *answers = json_object();

	for (unsigned i = 0; i < columns; i++) {
		struct weir_counted c = weir_column_counts(i);

		if (column[i] != 0)
			json_put_number(c.is_answer ? answers : drops, counted_name(c), column[i]);
	}
	json_object_set_new(v, "drops", drops);
	json_object_set_new(v, "answers", answers);
}

void cmd_put_service_drops(const struct controlplane *cp, const struct service *s, json_t *v)
{
	uint64_t column[WEIR_COLUMNS];

	service_columns(cp, s, column);
	put_columns(v, column, WEIR_SERVICE_COLUMNS);
}

void cmd_put_backend_drops(const struct controlplane *cp, const struct backend *b, json_t *v)
{
	uint64_t column[WEIR_BACKEND_COLUMNS];

	backend_columns(cp, b, column);
	put_columns(v, column, WEIR_BACKEND_COLUMNS);
}

static void append(json_t *list, const char *name, struct weir_sum s, const char *text)
{
	json_t *v = json_object();

	json_put_text(v, "name", name);
	json_put_number(v, "packets", s.packets);
	json_put_number(v, "bytes", s.bytes);
	json_put_text(v, "text", text);
	json_array_append_new(list, v);
}

/* Of the whole data plane: every reason, answer and punt, in the order of their lists. */
static json_t *drops_of_all(const struct controlplane *cp)
{
	json_t *drops = json_array(), *answers = json_array(), *punts = json_array();

	for (unsigned i = WEIR_DROP_NONE + 1; i < WEIR_DROP_REASONS; i++)
		append(drops, weir_drop_name(i), dp_drop_count(cp->dp, i), weir_drop_text(i));
	for (unsigned i = 0; i < WEIR_ANSWERS; i++)
		append(answers, weir_answer_name(i), dp_answer_count(cp->dp, i),
		       weir_answer_text(i));
	for (unsigned i = 0; i < WEIR_PUNTS; i++)
		append(punts, weir_punt_name(i), dp_punt_count(cp->dp, i), weir_punt_text(i));
	return json_pack("{s:o, s:o, s:o}", "drops", drops, "answers", answers, "punts", punts);
}

/* Columns from..to - 1, with those that are 0. */
static json_t *drops_of_one(const uint64_t *column, unsigned from, unsigned to)
{
	json_t *drops = json_array(), *answers = json_array();

	for (unsigned i = from; i < to; i++) {
		struct weir_counted c = weir_column_counts(i);
		json_t *v = json_object();

		json_put_text(v, "name", counted_name(c));
		json_put_number(v, "packets", column[i]);
		json_put_text(v, "text",
			      c.is_answer ? weir_answer_text(c.what) : weir_drop_text(c.what));
		json_array_append_new(c.is_answer ? answers : drops, v);
	}
	return json_pack("{s:o, s:o}", "drops", drops, "answers", answers);
}

static json_t *drops_of_service(const struct controlplane *cp, const char *name,
				struct rpc_error *err)
{
	const struct service *s = model_service(&cp->model, name);
	uint64_t column[WEIR_COLUMNS];

	if (s == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no service %s", name);
	service_columns(cp, s, column);
	return drops_of_one(column, 0, WEIR_SERVICE_COLUMNS);
}

static json_t *drops_of_backend(const struct controlplane *cp, const char *pool, const char *name,
				struct rpc_error *err)
{
	const struct pool *p = model_pool(&cp->model, pool);
	const struct backend *b = p == NULL ? NULL : model_backend(p, name);
	uint64_t column[WEIR_BACKEND_COLUMNS];

	if (b == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no backend %s/%s", pool, name);
	backend_columns(cp, b, column);
	return drops_of_one(column, 0, WEIR_BACKEND_COLUMNS);
}

/* The workers count at one of its services: which one changes when that one goes. */
static json_t *drops_of_vip(const struct controlplane *cp, const char *text, struct rpc_error *err)
{
	uint64_t column[WEIR_COLUMNS], sum[WEIR_COLUMNS] = { 0 };
	uint8_t len, bits = 0;
	struct weir_addr vip;
	bool found = false;

	if (weir_prefix_parse(text, &vip, &len) == 0)
		bits = (uint8_t)((vip.family == 4 ? 32 : 128) - len);
	else if (weir_addr_parse(text, &vip) < 0)
		return rpc_fail(err, RPC_BAD_PARAMS, "vip: an address or a prefix, not %s", text);
	for (uint32_t i = 0; i < cp->model.service_count; i++) {
		const struct service *s = cp->model.service[i];

		if (!weir_addr_equal(&s->conf.vip, &vip) || s->conf.vip_bits != bits)
			continue;
		found = true;
		service_columns(cp, s, column);
		for (unsigned j = WEIR_SERVICE_COLUMNS; j < WEIR_COLUMNS; j++)
			sum[j] += column[j];
	}
	if (!found)
		return rpc_fail(err, RPC_NOT_FOUND, "no VIP %s", text);
	return drops_of_one(sum, WEIR_SERVICE_COLUMNS, WEIR_COLUMNS);
}

/*
 * drops {"service"?: string} or {"vip": string} or {"pool": string, "backend": string} or {}
 *
 * Every reason, also those that never occurred; without parameters those of the whole
 * data plane, and what Weir answered and handed to the kernel.
 *   RPC_BAD_PARAMS  more than one of these; no address and no prefix
 *   RPC_NOT_FOUND   no such service, VIP or backend
 */
json_t *cmd_drops(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	const char *service = NULL, *vip = NULL, *pool = NULL, *backend = NULL;
	const struct rpc_param want[] = {
		{ "service", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &service },
		{ "vip", RPC_STRING, false, 1, WEIR_PREFIX_STRLEN - 1, &vip },
		{ "pool", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &pool },
		{ "backend", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &backend },
	};

	if (!rpc_params(params, want, 4, err))
		return NULL;
	if ((pool == NULL) != (backend == NULL) ||
	    (service != NULL) + (vip != NULL) + (pool != NULL) > 1)
		return rpc_fail(err, RPC_BAD_PARAMS,
				"a service, a VIP, or a pool and its backend, or none of these");
	if (service != NULL)
		return drops_of_service(cp, service, err);
	if (vip != NULL)
		return drops_of_vip(cp, vip, err);
	if (pool != NULL)
		return drops_of_backend(cp, pool, backend, err);
	return drops_of_all(cp);
}
