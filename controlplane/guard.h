// SPDX-License-Identifier: Apache-2.0
/*
 * Pool protection: who of a pool's backends serves, given their verdicts.
 *
 * When fewer than `min` primaries are up, backup backends join. When with them it are
 * still too few, the checker is not believed ("panic"): those who were up a moment ago
 * keep the traffic. So a checker that sees nothing, its own link being down, empties
 * no pool, and a fault that spreads does not leave the whole load on the last one up.
 *
 * Pure: the caller has the clock, and says loudly what guard_step() returns.
 */
#ifndef WEIR_GUARD_H
#define WEIR_GUARD_H

#include "judge.h"
#include "mono.h"

struct guard_conf {
	uint32_t min_count;   /* of backends; what is more than there are counts as all */
	uint32_t min_percent; /* of eligible primaries, rounded up; the larger one counts */
	/* How long before panic a backend may have gone down and still be taken to be
	 * up: longer than one fault takes to be seen in all of them (fall x interval). */
	uint32_t memory_ms;
};

/* One backend. The caller sets the first group before each step. */
struct guard_member {
	bool eligible; /* enabled, weight above 0, next hop known */
	bool backup;
	enum verdict verdict;

	/* state; zeroed at first */
	bool was_up, seen_up;
	struct mono up_at; /* last seen up, with seen_up */

	bool kept; /* the answer: is to serve whatever the verdict */
};

struct guard_state {
	bool panic, backups;
};

enum guard_event {
	GUARD_PANIC_BEGAN = 1 << 0,
	GUARD_PANIC_ENDED = 1 << 1,
	GUARD_BACKUPS_JOINED = 1 << 2,
	GUARD_BACKUPS_LEFT = 1 << 3,
};

/* What was counted, for the message. */
struct guard_counts {
	uint32_t primaries, primaries_up; /* eligible ones */
	uint32_t backups_up;
	uint32_t open; /* eligible, without a first verdict: no reason for alarm */
	uint32_t needed;
};

/*
 * Decide anew, after any change of a member. A pending member counts as what it was; one
 * of which nothing is known yet serves nobody, and is no reason to panic either.
 * Returns enum guard_event bits; *counts may be NULL.
 */
unsigned guard_step(const struct guard_conf *c, struct guard_state *s, struct guard_member *m,
		    unsigned n, struct mono now, struct guard_counts *counts);

#endif /* WEIR_GUARD_H */
