// SPDX-License-Identifier: Apache-2.0
/*
 * A backend that changes state too often is held down, each time for longer: its
 * clients' connections break at every change, so a stable absence serves them better.
 *
 * Its `level` grows by one with each hold and falls by one with each quiet `window`;
 * the hold is hold_ms doubled for each level above the first, at most hold_max_ms.
 * Pure: the caller has the clock.
 */
#ifndef WEIR_FLAP_H
#define WEIR_FLAP_H

#include "judge.h"
#include "mono.h"

#include <stddef.h>

#define FLAP_CHANGES_MAX 16

struct flap_conf {
	uint32_t changes; /* so many within window_ms are too often, 2..16; 0: never hold */
	uint32_t window_ms;
	uint32_t hold_ms, hold_max_ms;
};

/* Zeroed at first. */
struct flap_state {
	enum verdict verdict; /* what counts */
	uint32_t level;
	uint32_t count;			      /* changes so far, all of them */
	struct mono at[FLAP_CHANGES_MAX];     /* of the last ones, at [count % 16] and back */
	struct mono quiet_since;	      /* for the level to fall */
	struct mono held_until;		      /* in the future: held down */
	bool wanted_up;			      /* held: it would be up */
};

/*
 * What the checks say (`says`), now; call it for every new verdict, and again when
 * held_until has come. A backend goes down at once, and up unless it is held. Going
 * down holds it when it has changed too often, and again as long as its level is not
 * back at 0. The first verdict is no change. Returns true if s->verdict changed.
 */
bool flap_step(const struct flap_conf *c, struct flap_state *s, enum verdict says,
	       struct mono now);

bool flap_held(const struct flap_state *s, struct mono now);

/* "held down for 54 s more: it changed state 6 times in 60 s"; returns buf. Only while
 * it is held. */
const char *flap_text(const struct flap_conf *c, const struct flap_state *s, struct mono now,
		      char *buf, size_t len);

#endif /* WEIR_FLAP_H */
