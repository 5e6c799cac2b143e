// SPDX-License-Identifier: Apache-2.0
/* Lists of HTTP status ranges, "200-299,301". */
#ifndef WEIR_HTTP_STATUS_H
#define WEIR_HTTP_STATUS_H

#include "probe.h"

/* The one status of 1xx that nothing follows: behind it comes another protocol. */
#define HTTP_SWITCHING 101

/* Fill c->status. Returns 0, or -EINVAL: not 100-599, a range that ends before it
 * begins, or more than PROBE_RANGES_MAX of them; -ERANGE: a range of 1xx without 101,
 * which no answer ends with. c->status is then unchanged. */
int http_status_parse(const char *text, struct probe_http_conf *c);

/* Is this status wanted? Without any range, 200-299 is. */
bool http_status_wanted(const struct probe_http_conf *c, long status);

/* The list as text; returns buf. */
const char *http_status_text(const struct probe_http_conf *c, char *buf, size_t len);

#endif /* WEIR_HTTP_STATUS_H */
