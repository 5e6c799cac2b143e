// SPDX-License-Identifier: Apache-2.0
/*
 * The file against what runs.
 */
#include "change.h"
#include "cmd.h"

static void add_difference(void *user, const char *what, const char *key, const char *from,
			   const char *to)
{
	json_array_append_new(user, json_pack("{s:s, s:s?, s:s?, s:s?}", "what", what, "key", key,
					      "file", from, "running", to));
}

/*
 * diff {}
 *
 * {"differences": [{"what", "key", "file", "running"}]}: what the file said when it was
 * last read against what runs. key null: the whole object; file null: only running has
 * it; running null: only the file has it.
 */
json_t *cmd_diff(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	json_t *list;

	if (!rpc_params(params, NULL, 0, err))
		return NULL;
	list = json_array();
	if (conf_diff(cp->file, cp->running, add_difference, list) < 0) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:o}", "differences", list);
}

static json_t *sentences(const struct conf_errors *e)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < e->count; i++)
		json_array_append_new(list, json_string(e->text[i]));
	return list;
}

/*
 * reload {}
 *
 * {"changed": keys, "warnings": [sentences]}
 *   RPC_BAD_CONFIG  every error of the file is in the data; nothing has changed
 */
json_t *cmd_reload(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	struct conf_errors warnings = { 0 };
	unsigned changed;
	json_t *result;

	if (!rpc_params(params, NULL, 0, err) || !change_reload(cp, &changed, &warnings, err))
		return NULL;
	result = json_pack("{s:i, s:o}", "changed", (int)changed, "warnings", sentences(&warnings));
	conf_errors_free(&warnings);
	return result;
}

/* revert {}: {"changed": keys} */
json_t *cmd_revert(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	unsigned changed;

	if (!rpc_params(params, NULL, 0, err) || !change_revert(cp, &changed, err))
		return NULL;
	return json_pack("{s:i}", "changed", (int)changed);
}
