// SPDX-License-Identifier: Apache-2.0
/*
 * A member a line: for objects too long to read as one json_pack() format. Failure is
 * for lack of memory only and leaves the member out.
 */
#ifndef WEIR_JSON_PUT_H
#define WEIR_JSON_PUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* NULL becomes null; so does what is no UTF-8, which our own names never are. */
static inline void json_put_text(json_t *o, const char *member, const char *v)
{
	json_t *text = v != NULL ? json_string(v) : NULL;

	json_object_set_new(o, member, text != NULL ? text : json_null());
}

static inline void json_put_number(json_t *o, const char *member, uint64_t v)
{
	json_object_set_new(o, member, json_integer((json_int_t)v));
}

static inline void json_put_bool(json_t *o, const char *member, bool v)
{
	json_object_set_new(o, member, json_boolean(v));
}

#endif /* WEIR_JSON_PUT_H */
