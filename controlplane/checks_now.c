// SPDX-License-Identifier: Apache-2.0
/*
 * `weirctl check`: each check of a backend once, at once, with all that can be seen of it
 * on this host. A DSR probe gets an entry of its own, so that its packets alone are
 * counted.
 */
#include "checks_impl.h"

#include "json_put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct now_probe {
	struct now_call *of;
	struct check_plan plan; /* as it was: the pool's may change meanwhile */
	struct probe_way way;
	struct probe *probe;
	json_t *object;
};

struct now_call {
	struct now_call *next;
	struct backend_checks *bc;
	checks_now_fn *done;
	void *user;
	unsigned count, open;
	uv_timer_t end; /* answers, never from inside checks_now() */
	json_t *list;
	struct now_probe probe[];
};

static void call_closed(uv_handle_t *h)
{
	free(h->data);
}

static void call_free(struct now_call *n)
{
	struct now_call **at;

	for (at = &n->bc->calls; *at != n; at = &(*at)->next)
		;
	*at = n->next;
	for (unsigned i = 0; i < n->count; i++)
		probe_ways_close(n->bc->all->ways, &n->probe[i].way);
	uv_close((uv_handle_t *)&n->end, call_closed);
}

static void answer(uv_timer_t *t)
{
	struct now_call *n = t->data;
	json_t *list = n->list;
	checks_now_fn *done = n->done;
	void *user = n->user;

	call_free(n);
	done(user, list);
}

static void one_less(struct now_call *n)
{
	if (--n->open == 0)
		uv_timer_start(&n->end, answer, 0, 0);
}

/* -- what is shown --------------------------------------------------------------------- */

static json_t *hop_json(const struct checks *c, const struct backend *b)
{
	char mac[18];

	if (!b->hop.resolved)
		return json_pack("{s:b, s:s}", "resolved", false, "why", b->hop.why);
	return json_pack("{s:b, s:s, s:s?, s:i, s:i}", "resolved", true, "mac",
			 weir_mac_text(b->hop.mac, mac), "port",
			 probe_ways_port(c->ways, b->hop.port), "vlan", b->hop.vlan, "mtu",
			 b->hop.mtu);
}

static json_t *encap_json(const struct probe_route *r)
{
	static const char *const mode[] = { "l2", "ipip", "ipip", "gue", "gue" };
	char from[WEIR_ADDR_STRLEN], to[WEIR_ADDR_STRLEN];
	json_t *v = json_object();

	json_put_text(v, "mode", mode[r->mode % 5]);
	json_put_number(v, "mtu", r->mtu);
	if (r->mode != PROBE_MODE_L2) {
		json_put_text(v, "outer_source", weir_addr_text(&r->outer_src, from));
		json_put_text(v, "outer_destination", weir_addr_text(&r->outer_dst, to));
	}
	return v;
}

static void put_counts(json_t *v, const struct now_probe *p)
{
	struct probe_path *path = probe_ways_path(p->of->bc->all->ways);
	struct probe_path_count n;

	if (path == NULL || p->way.mark == 0 || probe_path_count(path, p->way.mark, &n) < 0)
		return;
	json_object_set_new(v, "sent",
			    json_pack("{s:I, s:I, s:I, s:I, s:I}", "packets", (json_int_t)n.carried,
				      "bytes", (json_int_t)n.bytes, "not_the_vip",
				      (json_int_t)n.not_the_vip, "too_big", (json_int_t)n.too_big,
				      "failed", (json_int_t)n.failed));
}

static void ended(void *user, const struct probe_result *r)
{
	struct now_probe *p = user;

	p->probe = NULL;
	json_object_set_new(p->object, "result", checks_result_json(r));
	put_counts(p->object, p);
	one_less(p->of);
}

/* -- doing it ------------------------------------------------------------------------------ */

static void start(struct now_probe *p)
{
	struct checks *c = p->of->bc->all;
	const struct backend *b = p->of->bc->b;
	struct probe_target target;
	const char *why;

	p->object = checks_plan_json(&p->plan, b);
	json_array_append_new(p->of->list, p->object);
	if (p->plan.dsr)
		json_object_set_new(p->object, "next_hop", hop_json(c, b));
	if (!checks_target(c, &p->plan, &p->way, b, &target, &why)) {
		json_put_text(p->object, "why", why);
		one_less(p->of);
		return;
	}
	if (p->plan.dsr)
		json_object_set_new(p->object, "encapsulation", encap_json(&p->way.route));
	if (probe_start(c->probes, &p->plan.probe, &target, ended, p, &p->probe) < 0) {
		json_put_text(p->object, "why", "no memory for a probe");
		one_less(p->of);
	}
}

int checks_now(struct checks *c, struct backend *b, checks_now_fn *done, void *user)
{
	struct backend_checks *bc = b->check;
	struct now_call *n;

	if (bc == NULL || bc->count == 0)
		return -ENOENT;
	n = calloc(1, sizeof(*n) + bc->count * sizeof(n->probe[0]));
	if (n == NULL)
		return -ENOMEM;
	n->bc = bc;
	n->done = done;
	n->user = user;
	n->count = bc->count;
	n->open = bc->count + 1;
	n->list = json_array();
	uv_timer_init(c->loop, &n->end);
	n->end.data = n;
	n->next = bc->calls;
	bc->calls = n;
	for (unsigned i = 0; i < n->count; i++) {
		n->probe[i].of = n;
		n->probe[i].plan = *bc->run[i]->plan;
		start(&n->probe[i]);
	}
	one_less(n);
	return 0;
}

void checks_now_cancel(struct backend_checks *bc)
{
	struct now_call *n;

	while ((n = bc->calls) != NULL) {
		checks_now_fn *done = n->done;
		void *user = n->user;

		for (unsigned i = 0; i < n->count; i++)
			if (n->probe[i].probe != NULL)
				probe_cancel(n->probe[i].probe);
		json_decref(n->list);
		call_free(n);
		done(user, NULL);
	}
}
