// SPDX-License-Identifier: Apache-2.0
/*
 * What runs and what was counted. Nothing here changes anything.
 */
#include "clock.h"
#include "cmd.h"
#include "json_put.h"
#include "slow_start.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void put_sum(json_t *o, struct weir_sum s)
{
	json_put_number(o, "packets", s.packets);
	json_put_number(o, "bytes", s.bytes);
}

/* A counter of the index since its present holder has it. */
static struct weir_sum since(struct weir_sum s, uint64_t packets_before, uint64_t bytes_before)
{
	return (struct weir_sum){
		.packets = s.packets > packets_before ? s.packets - packets_before : 0,
		.bytes = s.bytes > bytes_before ? s.bytes - bytes_before : 0,
	};
}

/* -- services, pools -------------------------------------------------------- */

static json_t *service_json(const struct controlplane *cp, const struct service *s)
{
	json_t *v = json_object();
	char vip[WEIR_PREFIX_STRLEN];

	json_put_text(v, "name", s->conf.name);
	json_put_text(v, "vip", weir_prefix_text(&s->conf.vip, s->conf.vip_bits, vip));
	json_put_text(v, "protocol", s->conf.protocol == IPPROTO_TCP ? "tcp" : "udp");
	json_put_number(v, "port", s->conf.port);
	json_put_text(v, "pool", s->conf.pool);
	put_sum(v, since(dp_service_count(cp->dp, s->index), s->packets_before, s->bytes_before));
	cmd_put_service_drops(cp, s, v);
	return v;
}

/* services {} */
json_t *cmd_services(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	json_t *list;

	if (!rpc_params(params, NULL, 0, err))
		return NULL;
	list = json_array();
	for (uint32_t i = 0; i < cp->model.service_count; i++)
		json_array_append_new(list, service_json(cp, cp->model.service[i]));
	return json_pack("{s:o}", "services", list);
}

static unsigned serving(const struct pool *p)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < p->backend_count; i++)
		count += backend_serves(p->backend[i]);
	return count;
}

static json_t *pool_json(const struct model *m, const struct pool *p)
{
	static const char *const mode[] = { "l2", "ipip", "gue" };
	static const char *const hash[] = { "5-tuple", "source" };
	json_t *v = json_object();

	json_put_text(v, "name", p->conf.name);
	json_put_text(v, "mode", mode[p->conf.mode % 3]);
	json_put_text(v, "hash", hash[p->conf.hash % 2]);
	json_put_number(v, "table_size", p->conf.table_size);
	json_put_number(v, "backends", p->backend_count);
	json_put_number(v, "serving", serving(p));
	json_put_number(v, "moving", p->moves.moving);
	json_put_number(v, "pinned", p->moves.pinned);
	json_put_number(v, "handshake_grace_s", pool_grace_ms(p) / 1000);
	json_put_number(v, "tcp_window_s", pool_tcp_window_ms(p) / 1000);
	json_put_number(v, "udp_window_s", pool_udp_window_ms(m, p) / 1000);
	json_put_bool(v, "panic", p->panic);
	json_put_bool(v, "backups", p->backups);
	return v;
}

/* pools {} */
json_t *cmd_pools(struct controlplane *cp, const json_t *params, struct rpc_error *err)
{
	json_t *list;

	if (!rpc_params(params, NULL, 0, err))
		return NULL;
	list = json_array();
	for (uint32_t i = 0; i < cp->model.pool_count; i++)
		json_array_append_new(list, pool_json(&cp->model, cp->model.pool[i]));
	return json_pack("{s:o}", "pools", list);
}

/* -- backends --------------------------------------------------------------- */

/* By backend index: slots that it owns, and those that are open to its earlier flows. */
struct shares {
	uint32_t slots[WEIR_MAX_BACKENDS], windows[WEIR_MAX_BACKENDS];
};

/* Of one pool as it is published; nothing without a data plane. */
static void count_shares(const struct pool *p, struct shares *s)
{
	if (p->table_off == 0)
		return;
	for (uint32_t i = 0; i < p->moves.len; i++)
		if (p->moves.cur[i] != MOVES_NOBODY)
			s->slots[p->moves.cur[i]]++;
	moves_count_held(&p->moves, s->windows);
}

static json_t *hop_json(const struct controlplane *cp, const struct next_hop *hop)
{
	const struct dp_view *dp = dp_session_view(cp->dp);
	bool has_name = hop->resolved && dp != NULL && hop->port < WEIR_MAX_PORTS;
	json_t *v = json_object();
	char mac[18];

	json_put_bool(v, "resolved", hop->resolved);
	json_put_text(v, "port", has_name ? dp->welcome.ports.port[hop->port].name : NULL);
	json_put_text(v, "mac", hop->resolved ? weir_mac_text(hop->mac, mac) : NULL);
	json_put_number(v, "vlan", hop->vlan);
	json_put_number(v, "mtu", hop->mtu);
	json_put_text(v, "why", hop->why);
	return v;
}

/* Seconds until a drain ends, rounded up; null: no drain, or one without a deadline. */
static json_t *deadline_json(const struct backend *b)
{
	uint64_t now = clock_ms(CLOCK_BOOTTIME), at = b->conf.drain_deadline_ms;

	if (b->conf.admin != ADMIN_DRAINING || at == 0)
		return json_null();
	return json_integer(at > now ? (json_int_t)((at - now + 999) / 1000) : 0);
}

/* Pins that name it; null: not counted since the last change. */
static json_t *pins_of(const struct controlplane *cp, const struct backend *b, bool *none)
{
	uint32_t count;
	bool known = publisher_pins(cp->publisher, b->index, &count);

	*none = known && count == 0;
	return known ? json_integer(count) : json_null();
}

static json_t *backend_json(const struct controlplane *cp, const struct backend *b,
			    const struct shares *shares)
{
	bool has_index = b->index >= 0, no_pins;
	uint32_t slots = has_index ? shares->slots[b->index] : 0;
	uint32_t windows = has_index ? shares->windows[b->index] : 0;
	struct weir_sum n = { 0 };
	json_t *v = json_object();
	char addr[WEIR_ADDR_STRLEN];

	if (has_index)
		n = since(dp_backend_count(cp->dp, (unsigned)b->index), b->packets_before,
			  b->bytes_before);
	json_put_text(v, "pool", b->pool->conf.name);
	json_put_text(v, "name", b->conf.name);
	json_put_text(v, "address", weir_addr_text(&b->conf.addr, addr));
	json_put_number(v, "weight", b->conf.weight);
	json_put_text(v, "state", admin_text(b->conf.admin));
	json_put_text(v, "health", health_text(b->health));
	json_put_text(v, "reason", b->reason);
	json_object_set_new(v, "since", json_time(b->since_ms));
	json_put_bool(v, "serving", backend_serves(b));
	json_put_bool(v, "failing", checks_failing(b));
	json_put_bool(v, "kept", b->kept);
	json_put_bool(v, "backup", b->conf.backup);
	json_put_bool(v, "standby", b->standby);
	json_put_text(v, "agent_state", admin_text(b->agent_admin));
	json_put_number(v, "agent_percent", 100 - b->agent_cut);
	json_put_number(v, "slots", slots);
	put_sum(v, n);
	cmd_put_backend_drops(cp, b, v);
	json_object_set_new(v, "drain_left_s", deadline_json(b));
	json_put_number(v, "share_percent", slow_start_percent(b->slow.missing));
	json_put_number(v, "windows", windows);
	json_object_set_new(v, "pins", pins_of(cp, b, &no_pins));
	json_put_bool(v, "drained",
		      b->conf.admin == ADMIN_DRAINING && slots + windows == 0 && no_pins);
	json_put_bool(v, "leaves", b->conf.leaves);
	json_object_set_new(v, "next_hop", hop_json(cp, &b->hop));
	return v;
}

json_t *cmd_backend_json(const struct controlplane *cp, const struct backend *b)
{
	struct shares *shares = calloc(1, sizeof(*shares));
	json_t *v;

	if (shares == NULL)
		return NULL;
	count_shares(b->pool, shares);
	v = backend_json(cp, b, shares);
	free(shares);
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
	struct shares *shares;
	json_t *list;

	if (!rpc_params(params, want, 1, err))
		return NULL;
	if (pool != NULL && model_pool(&cp->model, pool) == NULL)
		return rpc_fail(err, RPC_NOT_FOUND, "no pool %s", pool);
	shares = calloc(1, sizeof(*shares));
	if (shares == NULL)
		return NULL;
	list = json_array();
	for (uint32_t i = 0; i < cp->model.pool_count; i++) {
		const struct pool *p = cp->model.pool[i];

		if (pool != NULL && strcmp(pool, p->conf.name) != 0)
			continue;
		count_shares(p, shares);
		for (uint32_t j = 0; j < p->backend_count; j++)
			json_array_append_new(list, backend_json(cp, p->backend[j], shares));
	}
	free(shares);
	return json_pack("{s:o}", "backends", list);
}
