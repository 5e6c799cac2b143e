// SPDX-License-Identifier: Apache-2.0
/*
 * A token bucket in one word, without a division per packet: the generic cell rate
 * algorithm (ITU-T I.371, annex A; "virtual scheduling"). The word is the time at
 * which the bucket will be full again; taking a token puts it off by one gap. One
 * second's worth may be taken at once.
 *
 * One thread's own. Time: any count that rises steadily, such as the CPU's cycles.
 */
#ifndef WEIR_LIMIT_H
#define WEIR_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit_rate {
	uint64_t gap;	/* between two tokens; 0: there are none */
	uint64_t burst; /* how far ahead of time tokens may be taken */
};

struct limit {
	uint64_t full_at;
};

/* per_s: tokens a second, 0: none ever; hz: how far time goes in a second, >= per_s. */
static inline struct limit_rate limit_rate(uint32_t per_s, uint64_t hz)
{
	struct limit_rate r = { 0, 0 };

	if (per_s == 0)
		return r;
	r.gap = hz / per_s;
	r.burst = r.gap * (per_s - 1);
	return r;
}

/* Take a token if there is one. */
static inline bool limit_take(struct limit *l, const struct limit_rate *r, uint64_t now)
{
	uint64_t full_at = l->full_at > now ? l->full_at : now;

	if (r->gap == 0 || full_at - now > r->burst)
		return false;
	l->full_at = full_at + r->gap;
	return true;
}

#endif /* WEIR_LIMIT_H */
