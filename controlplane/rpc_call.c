// SPDX-License-Identifier: Apache-2.0
#include "rpc_call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The answer to a line, growing as its calls are answered. Texts are kept, not JSON
 * trees: they are a tenth of the size, and a batch may ask for much. */
struct answer {
	char *text;
	size_t len, room;
	unsigned open;	    /* calls that are not answered yet, and 1 while the line is read */
	bool array, broken; /* broken: no memory */
	int fd;		    /* goes with the answer; -1: none */
	rpc_line_fn *done;
	void *user;
};

struct rpc_call {
	struct answer *answer;
	json_t *id; /* NULL: a notification */
};

void *rpc_fail(struct rpc_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return NULL;
}

static void append(struct answer *a, const char *text, size_t len)
{
	if (a->len + len > a->room) {
		size_t room = (a->len + len) * 2;
		char *more = a->broken ? NULL : realloc(a->text, room);

		if (more == NULL) {
			a->broken = true;
			return;
		}
		a->text = more;
		a->room = room;
	}
	memcpy(a->text + a->len, text, len);
	a->len += len;
}

/* The text of a JSON value, dropping the reference to it; NULL: no memory. */
static char *dump(json_t *v)
{
	char *text = v == NULL ? NULL : json_dumps(v, JSON_COMPACT);

	json_decref(v);
	return text;
}

static char *error_text(json_t *id, int code, const char *message, json_t *data)
{
	json_t *e = json_pack("{s:i, s:s}", "code", code, "message", message);

	if (e == NULL) { /* a name was cut in the middle of a UTF-8 character */
		char ascii[sizeof(((struct rpc_error *)NULL)->message)];

		snprintf(ascii, sizeof(ascii), "%s", message);
		for (char *c = ascii; *c != '\0'; c++)
			if ((unsigned char)*c >= 0x80)
				*c = '?';
		e = json_pack("{s:i, s:s}", "code", code, "message", ascii);
	}
	if (data != NULL)
		json_object_set_new(e, "data", data);
	return dump(json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "error", e, "id", id));
}

char *rpc_error_line(int code, const char *message, size_t *len)
{
	char *text = error_text(json_null(), code, message, NULL), *line;

	if (text == NULL)
		return NULL;
	*len = strlen(text) + 1;
	line = realloc(text, *len + 1);
	if (line == NULL) {
		free(text);
		return NULL;
	}
	line[*len - 1] = '\n';
	return line;
}

static void close_answer(struct answer *a)
{
	if (--a->open > 0)
		return;
	if (a->len > 0)
		append(a, a->array ? "]\n" : "\n", a->array ? 2 : 1);
	if (a->broken || a->len == 0) {
		free(a->text);
		a->text = NULL;
		a->len = 0;
	}
	if (a->text == NULL && a->fd >= 0) {
		close(a->fd);
		a->fd = -1;
	}
	a->done(a->user, a->text, a->len, a->fd);
	free(a);
}

static void add_text(struct answer *a, const char *text)
{
	if (text == NULL) {
		a->broken = true;
		return;
	}
	if (a->array)
		append(a, a->len == 0 ? "[" : ",", 1);
	append(a, text, strlen(text));
}

static void finish(struct rpc_call *call, char *text)
{
	struct answer *a = call->answer;

	if (call->id != NULL) {
		if (text != NULL && a->len + strlen(text) > RPC_ANSWER_MAX) {
			free(text);
			text = error_text(call->id, RPC_TOO_MUCH,
					  "the answer is longer than 32 MiB; ask for less", NULL);
		}
		add_text(a, text);
	}
	free(text);
	json_decref(call->id);
	free(call);
	close_answer(a);
}

void rpc_answer(struct rpc_call *call, json_t *result)
{
	char *text = NULL;

	if (call->id == NULL)
		json_decref(result);
	else
		text = dump(json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "result", result, "id",
				      call->id));
	finish(call, text);
}

void rpc_answer_fd(struct rpc_call *call, json_t *result, int fd)
{
	if (call->answer->array || call->id == NULL)
		close(fd);
	else
		call->answer->fd = fd;
	rpc_answer(call, result);
}

void rpc_answer_error(struct rpc_call *call, struct rpc_error *err)
{
	char *text = NULL;

	assert(err->code != 0);
	if (call->id == NULL)
		json_decref(err->data);
	else
		text = error_text(call->id, err->code, err->message, err->data);
	err->data = NULL;
	finish(call, text);
}

/* What is wrong with a request object, or NULL. *id is set when it has a usable one. */
static const char *shape(const json_t *req, json_t **id)
{
	const json_t *version = json_object_get(req, "jsonrpc");
	const json_t *params = json_object_get(req, "params");

	*id = NULL;
	if (!json_is_object(req))
		return "a request is an object";
	*id = json_object_get(req, "id");
	if (*id != NULL && !json_is_string(*id) && !json_is_number(*id) && !json_is_null(*id)) {
		*id = NULL;
		return "id: a string, a number or null";
	}
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return "jsonrpc: must be \"2.0\"";
	if (!json_is_string(json_object_get(req, "method")))
		return "method: a string is missing";
	if (params != NULL && !json_is_object(params) && !json_is_array(params))
		return "params: an object";
	return NULL;
}

static void one_request(struct answer *a, const json_t *req, rpc_dispatch_fn *dispatch, void *user)
{
	const json_t *params = json_object_get(req, "params");
	struct rpc_call *call = calloc(1, sizeof(*call));
	const char *wrong;
	json_t *id;

	if (call == NULL) {
		a->broken = true;
		return;
	}
	wrong = shape(req, &id);
	call->answer = a;
	/* An invalid request is answered even where it could not be told from a
	 * notification: with id null (section 5). */
	call->id = wrong != NULL && id == NULL ? json_null() : json_incref(id);
	a->open++;
	if (wrong != NULL) {
		struct rpc_error err = { 0 };

		rpc_fail(&err, RPC_BAD_REQUEST, "%s", wrong);
		rpc_answer_error(call, &err);
	} else if (json_is_array(params)) {
		struct rpc_error err = { 0 };

		rpc_fail(&err, RPC_BAD_PARAMS, "params: an object with named members");
		rpc_answer_error(call, &err);
	} else {
		dispatch(user, call, json_string_value(json_object_get(req, "method")), params);
	}
}

static void add_error(struct answer *a, int code, const char *message)
{
	char *text = error_text(json_null(), code, message, NULL);

	a->array = false;
	add_text(a, text);
	free(text);
}

static void handle(struct answer *a, const json_t *top, rpc_dispatch_fn *dispatch, void *user)
{
	a->array = json_is_array(top);
	if (!a->array) {
		one_request(a, top, dispatch, user);
	} else if (json_array_size(top) == 0) {
		add_error(a, RPC_BAD_REQUEST, "a batch holds at least one request");
	} else if (json_array_size(top) > RPC_BATCH_MAX) {
		add_error(a, RPC_TOO_MUCH, "a batch holds at most 64 requests");
	} else {
		for (size_t i = 0; i < json_array_size(top); i++)
			one_request(a, json_array_get(top, i), dispatch, user);
	}
}

void rpc_line(const char *line, size_t len, rpc_dispatch_fn *dispatch, void *dispatch_user,
	      rpc_line_fn *done, void *user)
{
	struct answer *a = calloc(1, sizeof(*a));
	json_error_t where;
	json_t *top;

	if (a == NULL) {
		done(user, NULL, 0, -1);
		return;
	}
	*a = (struct answer){ .open = 1, .done = done, .user = user, .fd = -1 };
	top = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
	if (top == NULL) {
		char message[256];

		snprintf(message, sizeof(message), "no JSON: %s, at byte %d", where.text,
			 where.position);
		add_error(a, RPC_PARSE_ERROR, message);
	} else {
		handle(a, top, dispatch, dispatch_user);
	}
	json_decref(top);
	close_answer(a);
}
