// SPDX-License-Identifier: Apache-2.0
#include "slow_start.h"

#include "owners.h"

unsigned slow_start_percent(unsigned missing)
{
	return (200 * (OWNERS_PARTS - missing) + OWNERS_PARTS) / (2 * OWNERS_PARTS);
}

/* The first part comes at once, the last when a whole slow start less a part is over. */
unsigned slow_start_missing(uint64_t elapsed_ms, uint32_t slow_start_s)
{
	uint64_t whole_ms = (uint64_t)slow_start_s * 1000;

	if (elapsed_ms >= whole_ms)
		return 0;
	return OWNERS_PARTS - 1 - (unsigned)(elapsed_ms * OWNERS_PARTS / whole_ms);
}

static unsigned missing_of(const struct backend *b, uint64_t now_ms)
{
	if (b->slow.since_ms == 0 || now_ms < b->slow.since_ms)
		return 0;
	return slow_start_missing(now_ms - b->slow.since_ms, b->pool->conf.slow_start_s);
}

/* Nothing speaks against it but that its first check has not ended, or that its next hop is
 * not known yet. */
static bool is_expected(const struct backend *b)
{
	return backend_admin(b) == ADMIN_ENABLED && backend_weight(b) > 0 &&
	       b->health != HEALTH_DOWN && !b->standby;
}

/* anybody: the pool had somebody who serves at the last publication. */
static void step(struct backend *b, bool anybody, uint64_t now_ms)
{
	bool serves = backend_serves(b);

	b->slow_before = b->slow;
	if (b->pool->table_off == 0)
		b->slow.first = true;
	if (!serves)
		b->slow.since_ms = 0;
	else if (!b->slow.served && anybody && !b->slow.first && b->pool->conf.slow_start_s > 0)
		b->slow.since_ms = now_ms;
	b->slow.first = b->slow.first && !serves && is_expected(b);
	b->slow.served = serves;
	b->slow.missing = (uint8_t)missing_of(b, now_ms);
	if (b->slow.missing == 0)
		b->slow.since_ms = 0;
}

static bool has_served(const struct pool *p)
{
	for (uint32_t i = 0; i < p->backend_count; i++)
		if (p->backend[i]->slow.served)
			return true;
	return false;
}

void slow_start_step(struct model *m, uint64_t now_ms)
{
	for (uint32_t i = 0; i < m->pool_count; i++) {
		bool anybody = has_served(m->pool[i]);

		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++)
			step(m->pool[i]->backend[j], anybody, now_ms);
	}
}

void slow_start_undo(struct model *m)
{
	for (uint32_t i = 0; i < m->pool_count; i++)
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++)
			m->pool[i]->backend[j]->slow = m->pool[i]->backend[j]->slow_before;
}

bool slow_start_due(const struct model *m, uint64_t now_ms)
{
	for (uint32_t i = 0; i < m->pool_count; i++)
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++) {
			const struct backend *b = m->pool[i]->backend[j];

			if (b->slow.missing != missing_of(b, now_ms))
				return true;
		}
	return false;
}

bool slow_start_is_on(const struct model *m)
{
	for (uint32_t i = 0; i < m->pool_count; i++)
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++)
			if (m->pool[i]->backend[j]->slow.since_ms != 0)
				return true;
	return false;
}
