// SPDX-License-Identifier: Apache-2.0
#include "judge.h"

#include <stddef.h>

bool judge_step(const struct judge_conf *c, struct judge_state *s, enum judge_result r)
{
	enum verdict says = r == JUDGE_PASS ? VERDICT_UP : VERDICT_DOWN;

	if (r == JUDGE_NOTHING)
		return false;
	if (s->verdict == says) {
		s->streak = 0;
		return false;
	}
	if (s->verdict != VERDICT_PENDING && ++s->streak < (r == JUDGE_PASS ? c->rise : c->fall))
		return false;
	s->verdict = says;
	s->streak = 0;
	return true;
}

static uint32_t base_delay(const struct judge_conf *c, const struct judge_state *s)
{
	if ((s->streak > 0 || s->verdict == VERDICT_PENDING) && c->fast_interval_ms)
		return c->fast_interval_ms;
	if (s->verdict == VERDICT_DOWN && c->down_interval_ms)
		return c->down_interval_ms;
	return c->interval_ms;
}

uint32_t judge_delay_ms(const struct judge_conf *c, const struct judge_state *s, uint32_t random)
{
	uint32_t delay = base_delay(c, s);
	uint32_t jitter = (uint32_t)((uint64_t)delay * c->jitter_percent / 100);

	if (jitter > 0)
		delay = delay - jitter + random % (2 * jitter + 1);
	return delay > 0 ? delay : 1;
}

enum verdict judge_combine(enum judge_rule rule, const enum verdict *v, unsigned n,
			   unsigned *decisive)
{
	/* What one check alone can bring about, and what takes all of them. */
	enum verdict one = rule == JUDGE_ALL ? VERDICT_DOWN : VERDICT_UP;
	enum verdict every = rule == JUDGE_ALL ? VERDICT_UP : VERDICT_DOWN;
	enum verdict result = n ? every : VERDICT_UP;
	unsigned first = 0;

	for (unsigned i = 0; i < n && result != one; i++) {
		if (v[i] == one || (v[i] == VERDICT_PENDING && result != VERDICT_PENDING)) {
			result = v[i];
			first = i;
		}
	}
	if (decisive != NULL)
		*decisive = first;
	return result;
}
