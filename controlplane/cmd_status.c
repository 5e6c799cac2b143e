// SPDX-License-Identifier: Apache-2.0
/* How the processes and the publishing do. Nothing here changes anything. */
#include "cmd.h"
#include "json_put.h"

#include <stdatomic.h>

static json_t *sum_json(struct weir_sum s)
{
	json_t *v = json_object();

	json_put_number(v, "packets", s.packets);
	json_put_number(v, "bytes", s.bytes);
	return v;
}

static void add(struct weir_sum *s, const struct weir_count *c)
{
	s->packets += atomic_load_explicit(&c->packets, memory_order_relaxed);
	s->bytes += atomic_load_explicit(&c->bytes, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* A worker's pin table, and what became of its pins. */
static json_t *pins_json(const struct dp_view *dp, uint32_t worker)
{
	const struct weir_pin_counts *c = &dp->state->worker[worker].pins;
	json_t *v = json_object();

	json_put_number(v, "used", load(&c->used));
	json_put_number(v, "capacity", dp->pins);
	json_put_number(v, "made", load(&c->made));
	json_put_number(v, "expired", load(&c->expired));
	json_put_number(v, "refused", load(&c->refused));
	json_put_number(v, "evicted_base", load(&c->evicted_base));
	json_put_number(v, "evicted_unconfirmed", load(&c->evicted_unconfirmed));
	json_put_number(v, "found_elsewhere", load(&c->found_elsewhere));
	return v;
}

/* Datagrams that come in fragments, and packets that were cut up. */
static json_t *fragments_json(const struct dp_view *dp, uint32_t worker)
{
	const struct weir_frag_counts *c = &dp->state->worker[worker].frags;
	json_t *v = json_object();

	json_put_number(v, "noted", load(&c->noted));
	json_put_number(v, "complete", load(&c->complete));
	json_put_number(v, "expired", load(&c->expired));
	json_put_number(v, "evicted", load(&c->evicted));
	json_put_number(v, "found_elsewhere", load(&c->found_elsewhere));
	json_put_number(v, "held", load(&c->held));
	json_put_number(v, "holding", load(&c->holding));
	json_put_number(v, "split", load(&c->split));
	json_put_number(v, "pieces", load(&c->pieces));
	return v;
}

static json_t *workers_json(const struct publish_status *st, const struct dp_view *dp)
{
	json_t *list = json_array();

	for (uint32_t i = 0; dp != NULL && i < st->worker_count && i < WEIR_MAX_WORKERS; i++) {
		json_t *w = json_object();

		json_object_set_new(w, "name", json_sprintf("worker-%u", i));
		json_put_number(w, "cpu", dp->welcome.worker_cpu[i]);
		json_put_number(w, "generation", st->worker[i].seen_generation);
		json_put_bool(w, "late", st->worker[i].late);
		json_object_set_new(w, "pins", pins_json(dp, i));
		json_object_set_new(w, "fragments", fragments_json(dp, i));
		if (st->worker[i].rejected[0] != '\0')
			json_put_text(w, "rejected", st->worker[i].rejected);
		json_array_append_new(list, w);
	}
	return list;
}

static json_t *port_json(const struct dp_view *dp, uint32_t i)
{
	const struct weir_port_info *p = &dp->welcome.ports.port[i];
	struct weir_sum rx = { 0 }, tx = { 0 };
	json_t *v = json_object();
	char mac[18];

	for (uint32_t w = 0; w < dp->worker_count && w < WEIR_MAX_WORKERS; w++) {
		add(&rx, &dp->state->worker[w].rx[i]);
		add(&tx, &dp->state->worker[w].tx[i]);
	}
	json_put_text(v, "name", p->name);
	json_put_text(v, "device", p->device);
	json_put_text(v, "driver", p->driver);
	json_put_text(v, "mac", weir_mac_text(p->mac, mac));
	json_put_number(v, "mtu", p->mtu);
	json_put_bool(v, "link", p->link_up != 0);
	json_put_number(v, "speed_mbps", p->speed_mbps);
	json_object_set_new(v, "rx", sum_json(rx));
	json_object_set_new(v, "tx", sum_json(tx));
	return v;
}

static json_t *ports_json(const struct dp_view *dp)
{
	json_t *list = json_array();

	for (uint32_t i = 0; dp != NULL && i < dp->welcome.ports.count && i < WEIR_MAX_PORTS; i++)
		json_array_append_new(list, port_json(dp, i));
	return list;
}

/* Packets and bytes by name, of what occurred among `from` to `end` - 1. */
static json_t *counts_json(const struct dp_session *s, unsigned from, unsigned end,
			   struct weir_sum (*count)(const struct dp_session *s, unsigned what),
			   const char *(*name)(unsigned what))
{
	json_t *v = json_object();

	for (unsigned i = from; i < end; i++) {
		struct weir_sum sum = count(s, i);

		if (sum.packets > 0)
			json_object_set_new(v, name(i), sum_json(sum));
	}
	return v;
}

static json_t *counters_json(const struct controlplane *cp, const struct dp_view *dp)
{
	struct weir_sum rx = { 0 }, tx = { 0 };
	json_t *v = json_object();

	for (uint32_t w = 0; dp != NULL && w < dp->worker_count && w < WEIR_MAX_WORKERS; w++)
		for (unsigned i = 0; i < WEIR_MAX_PORTS; i++) {
			add(&rx, &dp->state->worker[w].rx[i]);
			add(&tx, &dp->state->worker[w].tx[i]);
		}
	json_object_set_new(v, "rx", sum_json(rx));
	json_object_set_new(v, "tx", sum_json(tx));
	json_object_set_new(v, "drops",
			    counts_json(cp->dp, WEIR_DROP_NONE + 1, WEIR_DROP_REASONS,
					dp_drop_count, weir_drop_name));
	json_object_set_new(
		v, "answers",
		counts_json(cp->dp, 0, WEIR_ANSWERS, dp_answer_count, weir_answer_name));
	json_object_set_new(v, "punts",
			    counts_json(cp->dp, 0, WEIR_PUNTS, dp_punt_count, weir_punt_name));
	return v;
}

static json_t *arena_json(const struct publish_status *st)
{
	json_t *v = json_object();

	json_put_number(v, "blocks", st->arena_blocks);
	json_put_number(v, "used", st->arena_used);
	json_put_bool(v, "full", st->arena_full);
	return v;
}

static json_t *probes_json(const struct controlplane *cp)
{
	struct checks_count n;
	json_t *v = json_object();

	checks_count(cp->checks, &n);
	json_put_number(v, "begun", n.begun);
	json_put_number(v, "late", n.late);
	json_put_number(v, "worst_ms", n.worst_ms);
	return v;
}

/* Pools whose checks are not believed. */
static json_t *panic_json(const struct controlplane *cp)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < cp->model.pool_count; i++)
		if (cp->model.pool[i]->panic)
			json_array_append_new(list, json_string(cp->model.pool[i]->conf.name));
	return list;
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
	json_t *v;

	if (!rpc_params(params, NULL, 0, err))
		return NULL;
	publish_status(cp->publisher, &st);
	v = json_object();
	json_put_text(v, "version", WEIR_VERSION);
	json_put_text(v, "config", cp->path);
	json_put_bool(v, "attached", st.attached);
	json_put_bool(v, "held", st.held);
	json_put_number(v, "generation", st.generation);
	json_object_set_new(v, "published", json_time(st.published_ms));
	json_put_number(v, "publish_latency_us", st.last_latency_us);
	json_put_number(v, "checks_pending", checks_pending(cp->checks));
	json_object_set_new(v, "probes", probes_json(cp));
	json_object_set_new(v, "panic", panic_json(cp));
	json_object_set_new(v, "workers", workers_json(&st, dp));
	json_object_set_new(v, "arena", arena_json(&st));
	json_object_set_new(v, "counters", counters_json(cp, dp));
	json_object_set_new(v, "ports", ports_json(dp));
	return v;
}
