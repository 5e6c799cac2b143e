// SPDX-License-Identifier: Apache-2.0
/*
 * What a run of probe results means: a pure function, no clock and no socket, so
 * that its test is a list of results. docs/health.md draws it.
 */
#ifndef WEIR_HEALTH_H
#define WEIR_HEALTH_H

#include "model.h"

#include <stdbool.h>
#include <stdint.h>

struct health_state {
	enum health health;
	uint32_t streak; /* results in a row that speak against `health` */
};

/*
 * Feed one result. From pending, the first result decides: nothing is known yet,
 * and waiting for `rise` or `fall` would only delay the first verdict. After that
 * `fall` failures in a row take it down and `rise` successes in a row bring it up;
 * a result that agrees with the state ends the run.
 *
 * c->rise and c->fall of 0 count as 1. Returns true if s->health changed.
 */
bool health_step(const struct check_conf *c, struct health_state *s, bool ok);

#endif /* WEIR_HEALTH_H */
