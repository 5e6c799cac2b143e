// SPDX-License-Identifier: Apache-2.0
/*
 * Pools, backends, services, [vip] and [check] as JSON: the options of the table by their
 * names, as the text that the file would give; defaults are left out. Used by the state
 * file alone.
 *
 *   {"pools": [{"name": "web", "mode": "l2", ...,
 *               "backends": [{"name": "a", "address": "192.0.2.1", "weight": "0", ...,
 *                             "base_weight": 10, "drain_deadline_ms": 123456, "leaves": true}]}],
 *    "services": [{"name": "www", "vip": "198.51.100.1", ...}],
 *    "vips": [{"name": "198.51.100.1", ...}], "checks": [{"name": "page", ...}]}
 */
#ifndef WEIR_STATE_JSON_H
#define WEIR_STATE_JSON_H

#include "conf_file.h"

#include <jansson.h>

/* A new reference, or NULL: no memory. */
json_t *state_json_make(const struct conf *c);

struct state_json_ctx {
	const char *path; /* of the state file, for warnings */
	struct conf_errors *warnings;
	char *why; /* what is wrong, in words */
	size_t why_len;
};

/*
 * The configuration that `j` holds; its dp and control sections are empty. Returns
 * NULL with the reason in ctx->why: a value is missing, of the wrong type or
 * refused by its row, or a name stands twice. Options that no row knows are passed
 * over with a warning.
 */
struct conf *state_json_read(const json_t *j, const struct state_json_ctx *ctx);

#endif /* WEIR_STATE_JSON_H */
