// SPDX-License-Identifier: Apache-2.0
/*
 * Health checks: when to probe, and what the results mean. The probes are in
 * probe_*.c; the judgement is health_step(), a pure function.
 */
#ifndef WEIR_CHECKS_H
#define WEIR_CHECKS_H

#include "model.h"

#include <uv.h>

struct checks;

/* `verdict` is called when b->health changed; b->reason says why in words. */
int checks_create(uv_loop_t *loop, void (*verdict)(void *user, struct backend *b), void *user,
		  struct checks **out);
void checks_destroy(struct checks *c);

/* Begin (first probe at once), go on with changed settings, end. */
void checks_watch(struct checks *c, struct backend *b);
void checks_forget(struct checks *c, struct backend *b);

/* Backends whose first verdict is still out. */
unsigned checks_pending(const struct checks *c);

#endif /* WEIR_CHECKS_H */
