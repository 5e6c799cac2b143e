// SPDX-License-Identifier: Apache-2.0
#include "flap.h"

#include <stdio.h>

/* Of the remembered changes, those within the window. */
static uint32_t recent(const struct flap_conf *c, const struct flap_state *s, struct mono now)
{
	uint32_t known = s->count < FLAP_CHANGES_MAX ? s->count : FLAP_CHANGES_MAX, n = 0;

	for (uint32_t back = 0; back < known; back++) {
		struct mono at = s->at[(s->count - 1 - back) % FLAP_CHANGES_MAX];

		if (mono_since_ms(at, now) >= c->window_ms)
			break;
		n++;
	}
	return n;
}

static void level_fall(const struct flap_conf *c, struct flap_state *s, struct mono now)
{
	while (s->level > 0 && c->window_ms > 0 &&
	       mono_since_ms(s->quiet_since, now) >= c->window_ms) {
		s->level--;
		s->quiet_since = mono_add_ms(s->quiet_since, c->window_ms);
	}
}

static uint32_t hold_ms(const struct flap_conf *c, uint32_t level)
{
	uint64_t ms = c->hold_ms;

	for (uint32_t i = 1; i < level && ms < c->hold_max_ms; i++)
		ms *= 2;
	return ms < c->hold_max_ms ? (uint32_t)ms : c->hold_max_ms;
}

static void change(struct flap_state *s, enum verdict to, struct mono now)
{
	/* The first verdict is news, not a change. */
	if (s->verdict != VERDICT_PENDING)
		s->at[s->count++ % FLAP_CHANGES_MAX] = now;
	s->verdict = to;
	s->quiet_since = now;
}

bool flap_held(const struct flap_state *s, struct mono now)
{
	return s->verdict == VERDICT_DOWN && s->held_until.us > now.us;
}

bool flap_step(const struct flap_conf *c, struct flap_state *s, enum verdict says, struct mono now)
{
	if (says == VERDICT_PENDING)
		return false;
	if (!flap_held(s, now))
		level_fall(c, s, now);
	s->wanted_up = says == VERDICT_UP;
	if (says == s->verdict || (says == VERDICT_UP && flap_held(s, now)))
		return false;
	change(s, says, now);
	if (says == VERDICT_DOWN && c->changes > 0 &&
	    (s->level > 0 || recent(c, s, now) >= c->changes)) {
		s->level++;
		s->held_until = mono_add_ms(now, hold_ms(c, s->level));
		s->quiet_since = s->held_until; /* being held is no merit */
	}
	return true;
}

const char *flap_text(const struct flap_conf *c, const struct flap_state *s, struct mono now,
		      char *buf, size_t len)
{
	int64_t left_s = (mono_since_ms(now, s->held_until) + 999) / 1000;
	uint32_t n = recent(c, s, now);

	if (n >= c->changes)
		snprintf(buf, len, "held down for %lld s more: it changed state %u times in %u s",
			 (long long)left_s, n, c->window_ms / 1000);
	else
		snprintf(buf, len,
			 "held down for %lld s more: it went down again soon after it was "
			 "held",
			 (long long)left_s);
	return buf;
}
