// SPDX-License-Identifier: Apache-2.0
#include "guard.h"

#include <stddef.h>

static void remember(struct guard_member *m, struct mono now)
{
	bool up = m->verdict == VERDICT_UP;

	/* The step that sees it down is the last moment at which it was taken to be up. */
	if (up || m->was_up) {
		m->seen_up = true;
		m->up_at = now;
	}
	m->was_up = up;
}

static uint32_t needed(const struct guard_conf *c, uint32_t primaries)
{
	uint32_t share = (uint32_t)(((uint64_t)primaries * c->min_percent + 99) / 100);
	uint32_t n = share > c->min_count ? share : c->min_count;

	return n < primaries ? n : primaries;
}

static struct guard_counts count(const struct guard_conf *c, const struct guard_member *m,
				 unsigned n)
{
	struct guard_counts k = { 0 };

	for (unsigned i = 0; i < n; i++) {
		if (!m[i].eligible)
			continue;
		k.primaries += !m[i].backup;
		k.primaries_up += !m[i].backup && m[i].verdict == VERDICT_UP;
		k.backups_up += m[i].backup && m[i].verdict == VERDICT_UP;
		k.open += m[i].verdict == VERDICT_PENDING; /* may turn out to be up */
	}
	k.needed = needed(c, k.primaries);
	return k;
}

/* Who is to keep the traffic: up now, or until a moment ago. */
static void keep(const struct guard_conf *c, struct guard_member *m, unsigned n, bool backups,
		 struct mono now)
{
	for (unsigned i = 0; i < n; i++)
		m[i].kept = (!m[i].backup || backups) && m[i].seen_up &&
			    mono_since_ms(m[i].up_at, now) <= c->memory_ms;
}

static unsigned turn(bool *state, bool to, unsigned began, unsigned ended)
{
	if (*state == to)
		return 0;
	*state = to;
	return to ? began : ended;
}

unsigned guard_step(const struct guard_conf *c, struct guard_state *s, struct guard_member *m,
		    unsigned n, struct mono now, struct guard_counts *counts)
{
	struct guard_counts k;
	uint32_t healthy;
	unsigned events;
	bool backups_before = s->backups;

	for (unsigned i = 0; i < n; i++)
		remember(&m[i], now);
	k = count(c, m, n);
	events = turn(&s->backups,
		      k.backups_up > 0 && k.primaries_up + k.open < (k.needed > 0 ? k.needed : 1),
		      GUARD_BACKUPS_JOINED, GUARD_BACKUPS_LEFT);
	healthy = k.primaries_up + k.open + (s->backups ? k.backups_up : 0);
	events |= turn(&s->panic, healthy < k.needed, GUARD_PANIC_BEGAN, GUARD_PANIC_ENDED);
	if (events & GUARD_PANIC_BEGAN)
		keep(c, m, n, backups_before, now);

	for (unsigned i = 0; i < n && !s->panic; i++)
		m[i].kept = false;
	if (counts != NULL)
		*counts = k;
	return events;
}
