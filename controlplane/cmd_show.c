// SPDX-License-Identifier: Apache-2.0
/*
 * What runs and what was counted. Nothing here changes anything.
 */
#include "cmd.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* RFC 3339 in UTC with milliseconds; null for 0, which is "never". */
static json_t *time_json(uint64_t realtime_ms)
{
	time_t s = (time_t)(realtime_ms / 1000);
	char text[40], day[24];
	struct tm tm;

	if (realtime_ms == 0 || gmtime_r(&s, &tm) == NULL)
		return json_null();
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned)(realtime_ms % 1000));
	return json_string(text);
}

static json_t *sum_json(struct weir_sum s)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)s.packets, "bytes",
			 (json_int_t)s.bytes);
}

/* A counter of the index since its present holder has it. */
static struct weir_sum since(struct weir_sum s, uint64_t packets_before, uint64_t bytes_before)
{
	return (struct weir_sum){
		.packets = s.packets > packets_before ? s.packets - packets_before : 0,
		.bytes = s.bytes > bytes_before ? s.bytes - bytes_before : 0,
	};
}

static void add(struct weir_sum *s, const struct weir_count *c)
{
	s->packets += atomic_load_explicit(&c->packets, memory_order_relaxed);
	s->bytes += atomic_load_explicit(&c->bytes, memory_order_relaxed);
}

/* -- status ----------------------------------------------------------------- */

static json_t *workers_json(const struct publish_status *st, const struct dp_view *dp)
{
	json_t *list = json_array();

	for (uint32_t i = 0; dp != NULL && i < st->worker_count && i < WEIR_MAX_WORKERS; i++) {
		char name[16];
		json_t *w;

		snprintf(name, sizeof(name), "worker-%u", i);
		w = json_pack("{s:s, s:i, s:I, s:b}", "name", name, "cpu",
			      dp->welcome.worker_cpu[i], "generation",
			      (json_int_t)st->worker[i].seen_generation, "late", st->worker[i].late);
		if (st->worker[i].rejected[0] != '\0')
			json_object_set_new(w, "rejected", json_string(st->worker[i].rejected));
		json_array_append_new(list, w);
	}
	return list;
}

static json_t *ports_json(const struct dp_view *dp)
{
	const struct weir_ports_are *ports = dp != NULL ? &dp->welcome.ports : NULL;
	json_t *list = json_array();

	for (uint32_t i = 0; ports != NULL && i < ports->count && i < WEIR_MAX_PORTS; i++) {
		const struct weir_port_info *p = &ports->port[i];
		struct weir_sum rx = { 0 }, tx = { 0 };
		char mac[18];

		for (uint32_t w = 0; w < dp->worker_count && w < WEIR_MAX_WORKERS; w++) {
			add(&rx, &dp->state->worker[w].rx[i]);
			add(&tx, &dp->state->worker[w].tx[i]);
		}
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:i, s:o, s:o}", "name",
					p->name, "device", p->device, "driver", p->driver, "mac",
					weir_mac_text(p->mac, mac), "mtu", p->mtu, "link",
					p->link_up != 0, "speed_mbps", (int)p->speed_mbps, "rx",
					sum_json(rx), "tx", sum_json(tx)));
	}
	return list;
}

static json_t *drops_json(const struct controlplane *cp)
{
	json_t *drops = json_object();

	for (unsigned r = WEIR_DROP_NONE + 1; r < WEIR_DROP_REASONS; r++) {
		struct weir_sum s = dp_drop_count(cp->dp, r);

		if (s.packets > 0)
			json_object_set_new(drops, weir_drop_name(r), sum_json(s));
	}
	return drops;
}

static json_t *counters_json(const struct controlplane *cp, const struct dp_view *dp)
{
	struct weir_sum rx = { 0 }, tx = { 0 };

	for (uint32_t w = 0; dp != NULL && w < dp->worker_count && w < WEIR_MAX_WORKERS; w++)
		for (unsigned i = 0; i < WEIR_MAX_PORTS; i++) {
			add(&rx, &dp->state->worker[w].rx[i]);
			add(&tx, &dp->state->worker[w].tx[i]);
		}
	return json_pack("{s:o, s:o, s:o}", "rx", sum_json(rx), "tx", sum_json(tx), "drops",
			 drops_json(cp));
}

/*
 * status {}
 *
 * How the processes and the publishing do.
 */
json_t *cmd_status(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	const struct dp_view *dp = dp_session_view(cp->dp);
	struct publish_status st;

	if (!rpc_params(params, NULL, 0, err))
		return NULL;
	publish_status(cp->publisher, &st);
	return json_pack("{s:s, s:s, s:b, s:b, s:I, s:o, s:i, s:i, s:o, s:{s:i, s:i, s:b}, s:o, s:o}",
			 "version", WEIR_VERSION, "config", cp->path, "attached", st.attached,
			 "held", st.held, "generation", (json_int_t)st.generation, "published",
			 time_json(st.published_ms), "publish_latency_us", (int)st.last_latency_us,
			 "checks_pending", (int)checks_pending(cp->checks), "workers",
			 workers_json(&st, dp), "arena", "blocks", (int)st.arena_blocks, "used",
			 (int)st.arena_used, "full", st.arena_full, "counters",
			 counters_json(cp, dp), "ports", ports_json(dp));
}

/* -- services, pools -------------------------------------------------------- */

/* services {} */
json_t *cmd_services(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	json_t *list;

	if (!rpc_params(params, NULL, 0, err))
		return NULL;
	list = json_array();
	for (uint32_t i = 0; i < cp->model.service_count; i++) {
		const struct service *s = cp->model.service[i];
		struct weir_sum n = since(dp_service_count(cp->dp, s->index), s->packets_before,
					  s->bytes_before);
		char vip[WEIR_ADDR_STRLEN];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:I}", "name", s->conf.name,
					"vip", weir_addr_text(&s->conf.vip, vip), "protocol",
					s->conf.protocol == IPPROTO_TCP ? "tcp" : "udp", "port",
					(int)s->conf.port, "pool", s->conf.pool, "packets",
					(json_int_t)n.packets, "bytes", (json_int_t)n.bytes));
	}
	return json_pack("{s:o}", "services", list);
}

static unsigned serving(const struct pool *p)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < p->backend_count; i++)
		count += backend_serves(p->backend[i]);
	return count;
}

/* pools {} */
json_t *cmd_pools(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	static const char *const mode[] = { "l2", "ipip", "gue" };
	static const char *const hash[] = { "5-tuple", "source" };
	json_t *list;

	if (!rpc_params(params, NULL, 0, err))
		return NULL;
	list = json_array();
	for (uint32_t i = 0; i < cp->model.pool_count; i++) {
		const struct pool *p = cp->model.pool[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "name", p->conf.name,
					"mode", mode[p->conf.mode % 3], "hash",
					hash[p->conf.hash % 2], "table_size",
					(int)p->conf.table_size, "backends", (int)p->backend_count,
					"serving", (int)serving(p)));
	}
	return json_pack("{s:o}", "pools", list);
}

/* -- backends --------------------------------------------------------------- */

/* Slots of `p` in its published table, by backend index; nothing without one. */
static void count_slots(const struct controlplane *cp, const struct pool *p, uint32_t *slots)
{
	const struct dp_view *dp = dp_session_view(cp->dp);
	uint32_t len = p->conf.table_size;
	const weir_slot *table;

	if (dp == NULL || p->table_off == 0 ||
	    p->table_off + (uint64_t)len * sizeof(*table) > dp->arena_size)
		return;
	table = (const weir_slot *)(dp->control->arena + p->table_off);
	for (uint32_t i = 0; i < len; i++)
		if (weir_slot_state(table[i]) != WEIR_SLOT_EMPTY)
			slots[weir_slot_backend(table[i])]++;
}

static json_t *hop_json(const struct controlplane *cp, const struct next_hop *hop)
{
	const struct dp_view *dp = dp_session_view(cp->dp);
	char mac[18];

	if (!hop->resolved)
		return json_pack("{s:b, s:n, s:n, s:s}", "resolved", false, "port", "mac", "why",
				 hop->why);
	return json_pack("{s:b, s:s?, s:s, s:i, s:i, s:s}", "resolved", true, "port",
			 dp != NULL && hop->port < WEIR_MAX_PORTS ?
				 dp->welcome.ports.port[hop->port].name :
				 NULL,
			 "mac", weir_mac_text(hop->mac, mac), "vlan", hop->vlan, "mtu", hop->mtu,
			 "why", hop->why);
}

static json_t *deadline_json(const struct backend *b)
{
	uint64_t now = drain_clock_ms();

	if (b->conf.admin != ADMIN_DRAINING || b->conf.drain_deadline_ms == 0)
		return json_null();
	return json_integer(b->conf.drain_deadline_ms > now ?
				    (json_int_t)((b->conf.drain_deadline_ms - now + 999) / 1000) :
				    0);
}

static json_t *backend_json(const struct controlplane *cp, const struct backend *b,
			    const uint32_t *slots)
{
	struct weir_sum n = { 0 };
	char addr[WEIR_ADDR_STRLEN];

	if (b->index >= 0)
		n = since(dp_backend_count(cp->dp, (unsigned)b->index), b->packets_before,
			  b->bytes_before);
	return json_pack(
		"{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:o, s:b, s:i, s:I, s:I, s:o, s:o}", "pool",
		b->pool->conf.name, "name", b->conf.name, "address",
		weir_addr_text(&b->conf.addr, addr), "weight", (int)b->conf.weight, "state",
		admin_text(b->conf.admin), "health", health_text(b->health), "reason", b->reason,
		"since", time_json(b->since_ms), "serving", backend_serves(b), "slots",
		b->index >= 0 ? (int)slots[b->index] : 0, "packets", (json_int_t)n.packets, "bytes",
		(json_int_t)n.bytes, "drain_left_s", deadline_json(b), "next_hop",
		hop_json(cp, &b->hop));
}

json_t *cmd_backend_json(const struct controlplane *cp, const struct backend *b)
{
	uint32_t *slots = calloc(WEIR_MAX_BACKENDS, sizeof(*slots));
	json_t *v;

	if (slots == NULL)
		return NULL;
	count_slots(cp, b->pool, slots);
	v = backend_json(cp, b, slots);
	free(slots);
	return v;
}

/*
 * backends {"pool"?: string}
 *
 * Of one pool, or of all, in order of configuration.
 *   RPC_NOT_FOUND   no such pool
 */
json_t *cmd_backends(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	const char *pool = NULL;
	const struct rpc_param want[] = {
		{ "pool", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &pool },
	};
	uint32_t *slots;
	json_t *list;

	if (!rpc_params(params, want, 1, err))
		return NULL;
	if (pool != NULL && model_pool(&cp->model, pool) == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no pool %s", pool);
	slots = calloc(WEIR_MAX_BACKENDS, sizeof(*slots));
	if (slots == NULL)
		return NULL;
	list = json_array();
	for (uint32_t i = 0; i < cp->model.pool_count; i++) {
		const struct pool *p = cp->model.pool[i];

		if (pool != NULL && strcmp(pool, p->conf.name) != 0)
			continue;
		count_slots(cp, p, slots);
		for (uint32_t j = 0; j < p->backend_count; j++)
			json_array_append_new(list, backend_json(cp, p->backend[j], slots));
	}
	free(slots);
	return json_pack("{s:o}", "backends", list);
}

/*
 * drops {}
 *
 * Every reason, also those that never occurred, in the order of the packet path.
 */
json_t *cmd_drops(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	json_t *list;

	if (!rpc_params(params, NULL, 0, err))
		return NULL;
	list = json_array();
	for (unsigned r = WEIR_DROP_NONE + 1; r < WEIR_DROP_REASONS; r++) {
		struct weir_sum s = dp_drop_count(cp->dp, r);

		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:s}", "name",
						      weir_drop_name(r), "packets",
						      (json_int_t)s.packets, "bytes",
						      (json_int_t)s.bytes, "text",
						      weir_drop_text(r)));
	}
	return json_pack("{s:o}", "drops", list);
}
