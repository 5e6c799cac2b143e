// SPDX-License-Identifier: Apache-2.0
/*
 * Health checks: when to probe, and what the results mean. The probes are in
 * tcp_probe.c; the judgement is health_step(), a pure function.
 *
 * A backend's first probe starts at once, the second half an interval to one and a
 * half intervals later (by the backend's identity, so that 10,000 backends do not
 * stay in step), then one an interval. Probes under way are bounded by the number of
 * descriptors; what does not fit waits its turn.
 */
#ifndef WEIR_CHECKS_H
#define WEIR_CHECKS_H

#include "model.h"

#include <uv.h>

struct checks;

struct checks_hooks {
	void *user;
	/* b->health changed; b->reason says why in words. */
	void (*verdict)(void *user, struct backend *b);
	/* checks_pending() has fallen to 0. */
	void (*settled)(void *user);
};

/* The hooks are never called from inside these functions. -ENOMEM. */
int checks_create(uv_loop_t *loop, struct model *m, const struct checks_hooks *hooks,
		  struct checks **out);
/* After the last backend was forgotten. */
void checks_destroy(struct checks *c);

/*
 * Make the checks what the model says: begin those of new backends, go on with
 * changed settings, begin anew where the address or port changed. Call after every
 * model_apply(). A backend of a pool with `check = none` is up on return.
 */
void checks_sync(struct checks *c);

/* The backend is about to go. */
void checks_forget(struct checks *c, struct backend *b);

/* Backends whose first probe has not ended yet. */
unsigned checks_pending(const struct checks *c);

/* Time in which every first probe that was begun now would have ended, ms. */
uint32_t checks_first_ms(const struct checks *c);

#endif /* WEIR_CHECKS_H */
