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
#include <stdio.h>
#include <time.h>

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

/* RFC 3339 in UTC with milliseconds; null for 0, which is "never". */
static inline json_t *json_time(uint64_t realtime_ms)
{
	time_t s = (time_t)(realtime_ms / 1000);
	char text[40], day[24];
	struct tm tm;

	if (realtime_ms == 0 || gmtime_r(&s, &tm) == NULL)
		return json_null();
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned)(realtime_ms % 1000));
	return json_string(text);
}

#endif /* WEIR_JSON_PUT_H */
