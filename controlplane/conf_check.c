// SPDX-License-Identifier: Apache-2.0
/*
 * What no single key can tell: references, duplicates, modes against addresses,
 * sizes against limits. Objects made at run time have line 0.
 */
#include "conf_check.h"

#include "lookup.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int conf_check_line(const struct key_lines *keys, const char *section, const char *key,
		    int section_line)
{
	const struct conf_opt *o = conf_find(conf_opts, conf_opt_count, section, key);
	int line = keys->line[o - conf_opts];

	return line > 0 ? line : section_line;
}

static int line_of(const struct service_conf *s, const char *key)
{
	return conf_check_line(&s->keys, "service", key, s->line);
}

static void pool_unknown(struct conf_check *r, const struct service_conf *s)
{
	const char *names[WEIR_MAX_POOLS], *near;
	uint32_t n;

	if (s->pool[0] == '\0')
		return; /* no pool given, or one that is no name: said already */
	for (n = 0; n < r->conf->pool_count && n < WEIR_MAX_POOLS; n++)
		names[n] = r->conf->pool[n].name;
	near = conf_nearest(s->pool, names, n);
	fault(r, line_of(s, "pool"), "[service %s] pool: there is no [pool %s]%s%s%s", s->name,
	      s->pool, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* What may exist once: 21 bytes, as they are compared. */
struct service_key {
	struct weir_addr vip;
	uint8_t vip_bits;
	uint8_t protocol;
	uint8_t port[2];
};

static int check_services(struct conf_check *r)
{
	const struct conf *c = r->conf;
	struct key_map names = { 0 }, tuples = { 0 };
	struct service_key *key = calloc(c->service_count + 1, sizeof(*key));
	bool *used = calloc(c->pool_count + 1, sizeof(*used));
	int err = -ENOMEM;

	if (key == NULL || used == NULL || key_map_init(&names, c->service_count) < 0 ||
	    key_map_init(&tuples, c->service_count) < 0)
		goto out;
	for (uint32_t i = 0; i < c->service_count; i++) {
		const struct service_conf *s = &c->service[i];
		uint32_t same = key_map_add(&names, s->name, strlen(s->name), i);
		uint32_t pool = key_map_find(&r->pools, s->pool, strlen(s->pool));

		if (same != KEY_MAP_NONE && s->name[0] != '\0') {
			fault(r, s->line, "[service %s]: begun already in line %d", s->name,
			      c->service[same].line);
			continue;
		}
		if (pool == KEY_MAP_NONE)
			pool_unknown(r, s);
		else
			used[pool] = true;
		if (s->quic && s->protocol != IPPROTO_UDP)
			fault(r, line_of(s, "quic"), "[service %s] quic: only with protocol = udp",
			      s->name);
		if (s->vip.family == 0)
			continue; /* said already */
		conf_check_vip(r, s);
		if (pool != KEY_MAP_NONE)
			conf_check_room(r, s, &c->pool[pool]);
		key[i] = (struct service_key){ s->vip,
					       s->vip_bits,
					       (uint8_t)s->protocol,
					       { (uint8_t)(s->port >> 8), (uint8_t)s->port } };
		same = key_map_add(&tuples, &key[i], sizeof(key[i]), i);
		if (same != KEY_MAP_NONE)
			fault(r, s->line,
			      "[service %s]: [service %s] in line %d has this VIP, protocol and "
			      "port already",
			      s->name, c->service[same].name, c->service[same].line);
	}
	for (uint32_t i = 0; i < c->pool_count; i++)
		if (!used[i] && c->pool[i].name[0] != '\0')
			unwise(r, c->pool[i].line, "[pool %s]: no service uses it",
			       c->pool[i].name);
	err = conf_check_vips_nested(r);
	if (err == 0)
		err = conf_check_vip_sections(r);
out:
	free(key);
	free(used);
	key_map_free(&names);
	key_map_free(&tuples);
	return err;
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* Bytes of a table and its moves, while `moving` of its slots have one. */
static uint64_t arena_table(uint32_t len, uint32_t moving)
{
	return round_up(len * sizeof(weir_slot), WEIR_BLOCK) +
	       round_up(weir_moves_size(len, moving), WEIR_BLOCK);
}

/*
 * Bytes of the arena for one generation: every table and a snapshot. Without room a failed
 * backend keeps its flows. So there is to be room for all slots of one pool to move, and an
 * eighth of those of the others.
 */
static uint64_t arena_generation(const struct conf *c)
{
	uint64_t tables = 0, backends = 0, lookups = 2 * (uint64_t)c->service_count, entries;
	uint32_t most = 0;

	for (uint32_t i = 0; i < c->pool_count; i++) {
		uint32_t len = c->pool[i].table_size;

		tables += arena_table(len, len / 8);
		most = len > most ? len : most;
		backends += c->pool[i].backend_count;
	}
	tables += arena_table(most, most) - arena_table(most, most / 8);
	/* A service and its VIP are two entries. */
	for (entries = 1u << WEIR_LOOKUP_MIN_BITS; entries < LOOKUP_ROOM * lookups; entries *= 2)
		;
	return tables +
	       round_up(sizeof(struct weir_snapshot) + entries * sizeof(struct weir_lookup) +
				c->pool_count * sizeof(struct weir_pool) +
				backends * (sizeof(struct weir_backend) +
					    sizeof(struct weir_backend_cold)) +
				c->service_count * sizeof(struct weir_vip) + 8 * WEIR_CACHE_LINE,
			WEIR_BLOCK);
}

static void check_limits(struct conf_check *r)
{
	const struct conf *c = r->conf;
	uint64_t backends = 0, need;

	for (uint32_t i = 0; i < c->pool_count; i++)
		backends += c->pool[i].backend_count;
	if (c->pool_count > WEIR_MAX_POOLS)
		fault(r, c->pool[WEIR_MAX_POOLS].line, "more than %d pools", WEIR_MAX_POOLS);
	if (c->service_count > WEIR_MAX_SERVICES)
		fault(r, c->service[WEIR_MAX_SERVICES].line, "more than %d services",
		      WEIR_MAX_SERVICES);
	if (backends > WEIR_MAX_BACKENDS)
		fault(r, 0, "more than %d backends in all", WEIR_MAX_BACKENDS);

	/* When every pool changes at once, the workers still have the old tables. */
	need = 2 * arena_generation(c);
	if (need > (uint64_t)c->dp.arena_mb << 20)
		fault(r, 0,
		      "[dataplane] arena_mb: %u MB are too few for two generations of these "
		      "tables: at least %llu MB",
		      c->dp.arena_mb, (unsigned long long)((need + (1 << 20) - 1) >> 20));
	if (strcmp(c->dp.session_socket, c->control.control_socket) == 0)
		fault(r, 0,
		      "[controlplane] socket: %s is the session_socket of [dataplane]: two "
		      "sockets, two names",
		      c->control.control_socket);
}

static int check_pools(struct conf_check *r)
{
	const struct conf *c = r->conf;

	for (uint32_t i = 0; i < c->pool_count; i++) {
		const struct pool_conf *p = &c->pool[i];
		uint32_t same = key_map_find(&r->pools, p->name, strlen(p->name));

		if (p->name[0] == '\0')
			continue; /* said already */
		if (same != i)
			fault(r, p->line, "[pool %s]: begun already in line %d", p->name,
			      c->pool[same].line);
		else if (conf_check_pool(r, p) < 0)
			return -ENOMEM;
	}
	return 0;
}

int conf_check(const struct conf *c, const char *path, struct conf_errors *errors,
	       struct conf_errors *warnings)
{
	struct conf_errors ignored = { 0 };
	struct conf_check r = { .conf = c,
				.file = path,
				.errors = errors,
				.warnings = warnings ? warnings : &ignored };
	unsigned before = errors->count;
	int err = -ENOMEM;

	if (key_map_init(&r.pools, c->pool_count) < 0 || conf_check_vips_init(&r) < 0)
		goto out;
	for (uint32_t i = 0; i < c->pool_count; i++)
		key_map_add(&r.pools, c->pool[i].name, strlen(c->pool[i].name), i);

	check_limits(&r);
	err = conf_check_checks(&r);
	if (err == 0)
		err = check_pools(&r);
	if (err == 0)
		err = check_services(&r);
out:
	if (err < 0)
		conf_error(errors, path, 0, "out of memory");
	key_map_free(&r.pools);
	key_map_free(&r.vips);
	conf_errors_free(&ignored);
	return errors->count > before ? -EINVAL : 0;
}
