// SPDX-License-Identifier: Apache-2.0
#include "health.h"

bool health_step(const struct check_conf *c, struct health_state *s, bool ok)
{
	enum health now = ok ? HEALTH_UP : HEALTH_DOWN;

	if (s->health == now) {
		s->streak = 0;
		return false;
	}
	if (s->health != HEALTH_PENDING && ++s->streak < (ok ? c->rise : c->fall))
		return false;
	s->health = now;
	s->streak = 0;
	return true;
}
