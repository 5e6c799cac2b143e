// SPDX-License-Identifier: Apache-2.0
#include "http_status.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_MIN = 100, STATUS_MAX = 599 };

/* Three digits at *at, which moves behind them; 0 if they are not there. */
static uint16_t status_at(const char **at)
{
	unsigned n = 0;

	for (int i = 0; i < 3; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return 0;
		n = n * 10 + (unsigned)(**at - '0');
	}
	return n >= STATUS_MIN && n <= STATUS_MAX ? (uint16_t)n : 0;
}

/* Can the last answer have one of these? One of 1xx never is: another follows, or the
 * connection goes on as something else (101). RFC 9110, section 15.2. */
static bool can_come(uint16_t from, uint16_t to)
{
	return to >= 200 || (from <= HTTP_SWITCHING && to >= HTTP_SWITCHING);
}

int http_status_parse(const char *text, struct probe_http_conf *c)
{
	struct probe_http_conf parsed = { 0 };
	unsigned n = 0;

	for (const char *at = text;; at++) {
		uint16_t from, to;

		at += strspn(at, " ");
		from = to = status_at(&at);
		if (*at == '-') {
			at++;
			to = status_at(&at);
		}
		at += strspn(at, " ");
		if (from == 0 || to < from || n == PROBE_RANGES_MAX || (*at && *at != ','))
			return -EINVAL;
		if (!can_come(from, to))
			return -ERANGE;
		parsed.status[n].from = from;
		parsed.status[n++].to = to;
		if (*at == '\0')
			break;
	}
	memcpy(c->status, parsed.status, sizeof(c->status));
	return 0;
}

bool http_status_wanted(const struct probe_http_conf *c, long status)
{
	if (c->status[0].from == 0)
		return status >= 200 && status <= 299;
	for (unsigned i = 0; i < PROBE_RANGES_MAX && c->status[i].from; i++)
		if (status >= c->status[i].from && status <= c->status[i].to)
			return true;
	return false;
}

const char *http_status_text(const struct probe_http_conf *c, char *buf, size_t len)
{
	size_t at = 0;

	snprintf(buf, len, "200-299");
	for (unsigned i = 0; i < PROBE_RANGES_MAX && c->status[i].from && at < len; i++) {
		at += (size_t)snprintf(buf + at, len - at, "%s%u", i ? "," : "", c->status[i].from);
		if (c->status[i].to > c->status[i].from && at < len)
			at += (size_t)snprintf(buf + at, len - at, "-%u", c->status[i].to);
	}
	return buf;
}
