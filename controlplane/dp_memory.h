// SPDX-License-Identifier: Apache-2.0
/*
 * Mapping the two memories of a session, and whether they are what they should be.
 */
#ifndef WEIR_DP_MEMORY_H
#define WEIR_DP_MEMORY_H

#include "dp_session.h"

#include <stddef.h>

struct dp_memory {
	void *state, *control;
	size_t state_size, control_size; /* bytes mapped */
};

/*
 * Map what came with a WELCOME: `state` read-only, `control` for writing. Returns 0 with
 * the mappings in *out and pointers and sizes in *view; -EINVAL or another -errno with a
 * sentence in why[why_len], and nothing mapped. The descriptors stay the caller's, who may
 * close them afterwards.
 */
int dp_memory_map(const struct weir_welcome *w, int state_fd, int control_fd, struct dp_memory *out,
		  struct dp_view *view, char *why, size_t why_len);
void dp_memory_unmap(struct dp_memory *m);

#endif /* WEIR_DP_MEMORY_H */
