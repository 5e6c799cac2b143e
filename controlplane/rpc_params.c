// SPDX-License-Identifier: Apache-2.0
#include "rpc.h"

#include <stdio.h>
#include <string.h>

/* What a value is, for "not a string": short, never the whole value. */
static const char *kind(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	default:
		return "null";
	}
}

static bool take_string(const json_t *v, const struct rpc_param *p, struct rpc_error *err)
{
	size_t len;

	if (!json_is_string(v)) {
		rpc_fail(err, RPC_BAD_PARAMS, "%s: a string, not %s", p->name, kind(v));
		return false;
	}
	len = json_string_length(v);
	if (strlen(json_string_value(v)) != len) {
		rpc_fail(err, RPC_BAD_PARAMS, "%s: holds a zero byte", p->name);
		return false;
	}
	if ((json_int_t)len < p->least || (json_int_t)len > p->most) {
		rpc_fail(err, RPC_BAD_PARAMS, "%s: %lld to %lld bytes, not %zu", p->name,
			 (long long)p->least, (long long)p->most, len);
		return false;
	}
	*(const char **)p->out = json_string_value(v);
	return true;
}

static bool take_integer(const json_t *v, const struct rpc_param *p, struct rpc_error *err)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v)) {
		rpc_fail(err, RPC_BAD_PARAMS, "%s: an integer, not %s", p->name, kind(v));
		return false;
	}
	if (n < p->least || n > p->most) {
		rpc_fail(err, RPC_BAD_PARAMS, "%s: %lld to %lld, not %lld", p->name,
			 (long long)p->least, (long long)p->most, (long long)n);
		return false;
	}
	*(json_int_t *)p->out = n;
	return true;
}

static bool take_bool(const json_t *v, const struct rpc_param *p, struct rpc_error *err)
{
	if (!json_is_boolean(v)) {
		rpc_fail(err, RPC_BAD_PARAMS, "%s: true or false, not %s", p->name, kind(v));
		return false;
	}
	*(bool *)p->out = json_is_true(v);
	return true;
}

static bool take(const json_t *v, const struct rpc_param *p, struct rpc_error *err)
{
	switch (p->type) {
	case RPC_STRING:
		return take_string(v, p, err);
	case RPC_INTEGER:
		return take_integer(v, p, err);
	default:
		return take_bool(v, p, err);
	}
}

static void unknown(const char *name, const struct rpc_param *want, unsigned count,
		    struct rpc_error *err)
{
	char known[256];
	size_t len = 0;

	if (count == 0) {
		rpc_fail(err, RPC_BAD_PARAMS, "this method takes no parameters, not \"%.64s\"",
			 name);
		return;
	}
	known[0] = '\0';
	for (unsigned i = 0; i < count && len < sizeof(known); i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
					want[i].name);
	rpc_fail(err, RPC_BAD_PARAMS, "no parameter \"%.64s\" here; there are: %s", name, known);
}

bool rpc_params(const json_t *params, const struct rpc_param *want, unsigned count,
		struct rpc_error *err)
{
	const char *name;
	json_t *v;

	/* json_object_foreach() changes nothing, but jansson takes no const object. */
	json_object_foreach((json_t *)(uintptr_t)params, name, v)
	{
		unsigned i = 0;

		while (i < count && strcmp(want[i].name, name) != 0)
			i++;
		if (i == count) {
			unknown(name, want, count, err);
			return false;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		v = json_object_get(params, want[i].name);
		if (v == NULL) {
			if (!want[i].required)
				continue;
			rpc_fail(err, RPC_BAD_PARAMS, "%s: missing", want[i].name);
			return false;
		}
		if (!take(v, &want[i], err))
			return false;
	}
	return true;
}
