// SPDX-License-Identifier: Apache-2.0
#include "publish_adopt.h"

#include "key_map.h"
#include "publish_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <string.h>

/* -- checking --------------------------------------------------------------- */

/* An array of the snapshot: count * size bytes, aligned, behind the head. */
static bool is_inside(const struct weir_snapshot *h, uint32_t offset, uint32_t at, uint32_t count,
		      size_t size)
{
	uint64_t end = (uint64_t)offset + h->size;

	return at % WEIR_CACHE_LINE == 0 && at >= (uint64_t)offset + sizeof(*h) &&
	       at + (uint64_t)count * size <= end;
}

/* A table of its pool: in blocks of its own, not among those of the snapshot. */
static bool is_table(const struct adopt *s, uint32_t at, uint64_t bytes, uint64_t arena_size)
{
	uint64_t end = at + bytes;

	return at % WEIR_BLOCK == 0 && at != 0 && end <= arena_size &&
	       (end <= s->offset || at >= (uint64_t)s->offset + s->head.size);
}

static const struct weir_pool *pools(const struct adopt *s)
{
	return (const struct weir_pool *)(s->arena + s->head.pool_off);
}

static const struct weir_backend *lines(const struct adopt *s)
{
	return (const struct weir_backend *)(s->arena + s->head.backend_off);
}

static const struct weir_backend_cold *colds(const struct adopt *s)
{
	return (const struct weir_backend_cold *)(s->arena + s->head.cold_off);
}

const char *adopt_check(struct adopt *out, const uint8_t *arena, uint64_t arena_size,
			uint64_t offset, uint64_t generation)
{
	struct adopt s = { .arena = arena, .offset = (uint32_t)offset };
	struct weir_snapshot *h = &s.head;

	if (offset % WEIR_BLOCK != 0 || offset == 0 || arena_size < sizeof(*h) ||
	    offset > arena_size - sizeof(*h))
		return "it lies outside the arena";
	memcpy(h, arena + offset, sizeof(*h));
	if (h->magic != WEIR_SNAPSHOT_MAGIC || h->generation != generation)
		return "no snapshot of its generation stands there";
	if (h->size < sizeof(*h) || h->size > arena_size - offset ||
	    h->pool_count > WEIR_MAX_POOLS || h->backend_count > WEIR_MAX_BACKENDS)
		return "its sizes are out of range";
	if (!is_inside(h, s.offset, h->pool_off, h->pool_count, sizeof(struct weir_pool)) ||
	    !is_inside(h, s.offset, h->backend_off, h->backend_count,
		       sizeof(struct weir_backend)) ||
	    !is_inside(h, s.offset, h->cold_off, h->backend_count,
		       sizeof(struct weir_backend_cold)))
		return "an array lies outside of it";
	for (uint32_t i = 0; i < h->pool_count; i++) {
		const struct weir_pool *p = &pools(&s)[i];

		if (p->table_len < WEIR_TABLE_MIN || p->table_len > WEIR_TABLE_MAX ||
		    !is_table(&s, p->table_off, p->table_len * sizeof(weir_slot), arena_size))
			return "a table of it is not where tables are";
		if (p->move_off != 0 &&
		    (p->move_count > p->table_len ||
		     !is_table(&s, p->move_off, weir_moves_size(p->table_len, p->move_count),
			       arena_size)))
			return "a table of it is not where tables are";
	}
	*out = s;
	return NULL;
}

/* -- reserving -------------------------------------------------------------- */

static int reserve_run(struct arena *arena, uint32_t at, size_t bytes, uint64_t retired)
{
	uint32_t blocks = (uint32_t)((bytes + WEIR_BLOCK - 1) / WEIR_BLOCK);

	return arena_adopt(arena, at / WEIR_BLOCK, blocks, retired);
}

static int reserve_index(struct indices *x, uint32_t index, uint64_t id, uint64_t retired)
{
	int err;

	if (id == 0 || (retired != 0 && x->use[index].id == id))
		return 0;
	err = indices_adopt(x, index, id);
	if (err == 0 && retired != 0)
		indices_retire(x, index, retired);
	return err;
}

int adopt_reserve(const struct adopt *s, struct arena *arena, struct indices *indices,
		  uint64_t retired)
{
	int err = reserve_run(arena, s->offset, s->head.size, retired);

	for (uint32_t i = 0; i < s->head.pool_count && err == 0; i++) {
		const struct weir_pool *p = &pools(s)[i];

		if (p->id == 0)
			continue; /* an index of nobody: the table is another's */
		err = reserve_run(arena, p->table_off, p->table_len * sizeof(weir_slot), retired);
		if (err == 0 && p->move_off != 0)
			err = reserve_run(arena, p->move_off,
					  weir_moves_size(p->table_len, p->move_count), retired);
	}
	for (uint32_t i = 0; i < s->head.backend_count && err == 0; i++)
		err = reserve_index(indices, i, colds(s)[i].id, retired);
	return err;
}

int adopt_tables(const struct adopt *s, struct tables *tables)
{
	int err = 0;

	for (uint32_t i = 0; i < s->head.pool_count && err == 0; i++)
		err = tables_adopt(tables, &pools(s)[i]);
	return err;
}

/* -- the model -------------------------------------------------------------- */

/* Our address towards it, out of the outer header in force. */
static struct weir_addr source_of(const struct weir_backend *line)
{
	struct weir_addr a = { 0 };

	if (line->encap == WEIR_ENCAP_IPIP4 || line->encap == WEIR_ENCAP_GUE4) {
		a.family = 4;
		memcpy(a.bytes, line->outer + offsetof(struct iphdr, saddr), 4);
	} else if (line->encap == WEIR_ENCAP_IPIP6 || line->encap == WEIR_ENCAP_GUE6) {
		a.family = 6;
		memcpy(a.bytes, line->outer + offsetof(struct ip6_hdr, ip6_src), 16);
	}
	return a;
}

static void adopt_hop(struct backend *b, const struct weir_backend *line)
{
	if (b->hop.resolved || !(line->flags & WEIR_BACKEND_RESOLVED) ||
	    line->port >= WEIR_MAX_PORTS || line->encap != backend_encap(b))
		return;
	b->hop = (struct next_hop){
		.resolved = true,
		.port = line->port,
		.vlan = ntohs(line->vlan_be),
		.mtu = line->mtu,
		.source = source_of(line),
	};
	memcpy(b->hop.mac, line->dmac, sizeof(b->hop.mac));
}

static void adopt_health(struct backend *b, uint8_t health)
{
	if (b->health != HEALTH_PENDING || (health != HEALTH_UP && health != HEALTH_DOWN))
		return;
	b->health = health;
	snprintf(b->reason, sizeof(b->reason), "as before the control plane's restart");
}

/* Drained or disabled at run time, of which no state file tells us. */
static void adopt_admin(struct backend *b, const struct weir_backend_cold *cold)
{
	if (b->conf.admin != ADMIN_ENABLED ||
	    (cold->admin != ADMIN_DRAINING && cold->admin != ADMIN_DISABLED))
		return;
	b->conf.admin = cold->admin;
	b->conf.drain_deadline_ms = cold->admin == ADMIN_DRAINING ? cold->drain_deadline_ms : 0;
}

/* An agent that cannot be reached changes nothing, at a restart either. */
static void adopt_agent(struct backend *b, const struct weir_backend_cold *cold)
{
	if (b->agent_known || b->pool->conf.agent_port == 0 ||
	    cold->agent_admin > ADMIN_DISABLED || cold->agent_cut > 100)
		return;
	b->agent_known = true;
	b->agent_admin = cold->agent_admin;
	b->agent_cut = cold->agent_cut;
	if (b->agent_cut != 0)
		b->pool->full_stale = true;
}

static void adopt_slow_start(struct backend *b, uint32_t since_ms, uint64_t now_ms)
{
	b->slow.since_ms = since_ms == 0 ? 0 : now_ms - (uint32_t)((uint32_t)now_ms - since_ms);
}

int adopt_backends(const struct adopt *s, struct model *m, uint64_t now_ms)
{
	struct key_map ids;

	if (key_map_init(&ids, s->head.backend_count) < 0)
		return -ENOMEM;
	if (m->seed_is_new)
		m->flow_seed = s->head.flow_seed;
	for (uint32_t i = 0; i < s->head.backend_count; i++)
		if (colds(s)[i].id != 0)
			key_map_add(&ids, &colds(s)[i].id, sizeof(uint64_t), i);
	for (uint32_t i = 0; i < m->pool_count; i++) {
		const struct pool *p = m->pool[i];

		for (uint32_t j = 0; j < p->backend_count; j++) {
			struct backend *b = p->backend[j];
			uint32_t at = key_map_find(&ids, &b->id, sizeof(b->id));

			if (at == KEY_MAP_NONE)
				continue;
			b->index = (int32_t)at;
			if (m->admin_is_lost)
				adopt_admin(b, &colds(s)[at]);
			adopt_agent(b, &colds(s)[at]);
			adopt_health(b, colds(s)[at].health);
			adopt_hop(b, &lines(s)[at]);
			b->slow.served = colds(s)[at].served != 0;
			adopt_slow_start(b, colds(s)[at].slow_since_ms, now_ms);
		}
	}
	key_map_free(&ids);
	return 0;
}
