// SPDX-License-Identifier: Apache-2.0
/*
 * Reconciling what runs with what is to run: first everything that can fail (new
 * objects, new arrays), then the change, then the telling.
 */
#include "model.h"

#include "clock.h"
#include "key_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

/* What a pool is to hold; `pool` and the backends are old or made for this plan. */
struct pool_plan {
	struct pool *pool;
	struct backend **backend;
};

struct plan {
	const struct conf *conf;
	struct pool_plan *pool;
	struct pool **pools; /* the model's new arrays */
	struct service **services;
};

/* 0 means "free" in a snapshot: the one name in 2^64 that has it gets 1. */
static uint64_t id_of(const char *text)
{
	uint64_t id = XXH3_64bits(text, strlen(text));

	return id ? id : 1;
}

static uint64_t backend_id(const char *pool, const char *backend)
{
	char text[2 * WEIR_NAME_LEN];

	snprintf(text, sizeof(text), "%s/%s", pool, backend);
	return id_of(text);
}

/* -- the plan: nothing below is seen by anyone until it is carried out -------- */

/* Marks of what the plan made itself: an object of the model has a pool. */
static bool backend_is_new(const struct backend *b)
{
	return b->pool == NULL;
}

static bool service_is_new(const struct service *s)
{
	return s->pool == NULL;
}

static void plan_free_backends(struct pool_plan *pp, uint32_t count)
{
	for (uint32_t i = 0; pp->backend != NULL && i < count; i++)
		if (pp->backend[i] != NULL && backend_is_new(pp->backend[i]))
			free(pp->backend[i]);
	free(pp->backend);
}

/* A plan that is not carried out. A pool without an id was made for it. */
static void plan_free(struct plan *plan)
{
	for (uint32_t i = 0; plan->pool != NULL && i < plan->conf->pool_count; i++) {
		struct pool_plan *pp = &plan->pool[i];

		plan_free_backends(pp, plan->conf->pool[i].backend_count);
		if (pp->pool != NULL && pp->pool->id == 0)
			free(pp->pool);
	}
	for (uint32_t i = 0; plan->services != NULL && i < plan->conf->service_count; i++)
		if (plan->services[i] != NULL && service_is_new(plan->services[i]))
			free(plan->services[i]);
	free(plan->pool);
	free(plan->pools);
	free(plan->services);
}

static int plan_backends(struct pool_plan *pp, const struct pool_conf *conf)
{
	const struct pool *old = pp->pool;
	struct key_map names;
	int err = 0;

	pp->backend = calloc(conf->backend_count + 1, sizeof(*pp->backend));
	if (pp->backend == NULL || key_map_init(&names, old->backend_count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < old->backend_count; i++)
		key_map_add(&names, old->backend[i]->conf.name, strlen(old->backend[i]->conf.name),
			    i);
	for (uint32_t i = 0; i < conf->backend_count && err == 0; i++) {
		const char *name = conf->backend[i].name;
		uint32_t at = key_map_find(&names, name, strlen(name));

		if (at != KEY_MAP_NONE)
			pp->backend[i] = old->backend[at];
		else if ((pp->backend[i] = calloc(1, sizeof(struct backend))) == NULL)
			err = -ENOMEM;
	}
	key_map_free(&names);
	return err;
}

static int plan_pools(struct plan *plan, const struct model *m)
{
	struct key_map names;
	int err = 0;

	if (key_map_init(&names, m->pool_count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->pool_count; i++)
		key_map_add(&names, m->pool[i]->conf.name, strlen(m->pool[i]->conf.name), i);
	for (uint32_t i = 0; i < plan->conf->pool_count && err == 0; i++) {
		const struct pool_conf *conf = &plan->conf->pool[i];
		uint32_t at = key_map_find(&names, conf->name, strlen(conf->name));
		struct pool *p = at != KEY_MAP_NONE ? m->pool[at] : calloc(1, sizeof(*p));

		plan->pool[i].pool = p;
		plan->pools[i] = p;
		err = p != NULL ? plan_backends(&plan->pool[i], conf) : -ENOMEM;
	}
	key_map_free(&names);
	return err;
}

static int plan_services(struct plan *plan, const struct model *m)
{
	struct key_map names;
	int err = 0;

	if (key_map_init(&names, m->service_count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->service_count; i++)
		key_map_add(&names, m->service[i]->conf.name, strlen(m->service[i]->conf.name), i);
	for (uint32_t i = 0; i < plan->conf->service_count && err == 0; i++) {
		const char *name = plan->conf->service[i].name;
		uint32_t at = key_map_find(&names, name, strlen(name));

		plan->services[i] =
			at != KEY_MAP_NONE ? m->service[at] : calloc(1, sizeof(struct service));
		err = plan->services[i] != NULL ? 0 : -ENOMEM;
	}
	key_map_free(&names);
	return err;
}

static int plan_make(struct plan *plan, const struct model *m, const struct conf *conf)
{
	*plan = (struct plan){ .conf = conf };
	plan->pool = calloc(conf->pool_count + 1, sizeof(*plan->pool));
	plan->pools = calloc(conf->pool_count + 1, sizeof(*plan->pools));
	plan->services = calloc(conf->service_count + 1, sizeof(*plan->services));
	if (plan->pool == NULL || plan->pools == NULL || plan->services == NULL ||
	    plan_pools(plan, m) < 0 || plan_services(plan, m) < 0) {
		plan_free(plan);
		return -ENOMEM;
	}
	return 0;
}

/* -- carrying it out: nothing below can fail ---------------------------------- */

/* Whom to tell what, once everything is in its place. */
struct news {
	struct backend **changed;
	struct backend **added;
	struct backend **removed;
	struct service **new_service;
	struct service **old_service;
	uint32_t changed_count, added_count, removed_count, new_count, old_count;
};

static void news_free(struct news *n)
{
	free(n->changed);
	free(n->added);
	free(n->removed);
	free(n->new_service);
	free(n->old_service);
}

static int news_make(struct news *n, const struct model *m, const struct conf *conf)
{
	uint32_t before = 0, after = 0;

	for (uint32_t i = 0; i < m->pool_count; i++)
		before += m->pool[i]->backend_count;
	for (uint32_t i = 0; i < conf->pool_count; i++)
		after += conf->pool[i].backend_count;
	*n = (struct news){
		.changed = calloc(before + 1, sizeof(*n->changed)),
		.added = calloc(after + 1, sizeof(*n->added)),
		.removed = calloc(before + 1, sizeof(*n->removed)),
		.new_service = calloc(conf->service_count + 1, sizeof(*n->new_service)),
		.old_service = calloc(m->service_count + 1, sizeof(*n->old_service)),
	};
	if (n->changed == NULL || n->added == NULL || n->removed == NULL ||
	    n->new_service == NULL || n->old_service == NULL) {
		news_free(n);
		return -ENOMEM;
	}
	return 0;
}

static void backend_forget_observed(struct backend *b)
{
	b->health = HEALTH_PENDING;
	b->since_ms = clock_ms(CLOCK_REALTIME);
	snprintf(b->reason, sizeof(b->reason), "not checked yet");
	b->hop = (struct next_hop){ 0 };
	snprintf(b->hop.why, sizeof(b->hop.why), "not looked up yet");
}

static bool backend_conf_equal(const struct backend_conf *a, const struct backend_conf *b)
{
	return weir_addr_equal(&a->addr, &b->addr) && a->weight == b->weight &&
	       a->base_weight == b->base_weight && a->admin == b->admin &&
	       a->drain_deadline_ms == b->drain_deadline_ms && a->has_mac == b->has_mac &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 && a->vlan == b->vlan &&
	       a->backup == b->backup && strcmp(a->port, b->port) == 0;
}

/* What of a pool concerns the frames and next hops of its backends. */
static bool pool_settings_equal(const struct pool_conf *a, const struct pool_conf *b)
{
	return a->mode == b->mode && a->mtu == b->mtu &&
	       weir_addr_equal(&a->outer_source, &b->outer_source) &&
	       a->source_bits == b->source_bits && a->gue_port == b->gue_port;
}

static void backend_place(struct pool *p, struct backend *b, const struct backend_conf *conf,
			  bool pool_changed, struct news *news)
{
	const struct backend_conf old = b->conf;

	b->stays = true;
	b->conf = *conf;
	if (backend_is_new(b)) {
		b->pool = p;
		b->id = backend_id(p->conf.name, conf->name);
		b->index = -1;
		backend_forget_observed(b);
		news->added[news->added_count++] = b;
		return;
	}
	if (old.base_weight != conf->base_weight)
		p->full_stale = true;
	if (old.weight != conf->weight || old.admin != conf->admin)
		p->table_stale = true;
	if (!weir_addr_equal(&old.addr, &conf->addr)) {
		backend_forget_observed(b);
		p->table_stale = true;
	}
	if (pool_changed || !backend_conf_equal(&old, conf))
		news->changed[news->changed_count++] = b;
}

static void pool_place(struct pool_plan *pp, const struct pool_conf *conf, struct news *news)
{
	struct pool *p = pp->pool;
	bool changed = !pool_settings_equal(&p->conf, conf);

	/* `full` names backends by their position. */
	if (p->id == 0 || p->conf.table_size != conf->table_size ||
	    p->backend_count != conf->backend_count)
		p->full_stale = true;
	for (uint32_t i = 0; i < conf->backend_count && !p->full_stale; i++)
		p->full_stale = p->backend[i] != pp->backend[i];

	p->stays = true;
	p->id = id_of(conf->name);
	p->conf = *conf;
	p->conf.backend = NULL;
	p->conf.backend_count = 0;
	for (uint32_t i = 0; i < p->backend_count; i++)
		p->backend[i]->stays = false;
	for (uint32_t i = 0; i < conf->backend_count; i++)
		backend_place(p, pp->backend[i], &conf->backend[i], changed, news);
	for (uint32_t i = 0; i < p->backend_count; i++)
		if (!p->backend[i]->stays)
			news->removed[news->removed_count++] = p->backend[i];
	free(p->backend);
	p->backend = pp->backend;
	p->backend_count = conf->backend_count;
	if (p->full_stale)
		p->table_stale = true;
}

static void pool_free(struct pool *p)
{
	moves_free(&p->moves);
	free(p->backend);
	free(p->full);
	free(p);
}

static void services_index(struct model *m, struct news *news)
{
	bool used[WEIR_MAX_SERVICES] = { false };

	for (uint32_t i = 0; i < m->service_count; i++)
		if (m->service[i]->index != UINT32_MAX)
			used[m->service[i]->index] = true;
	for (uint32_t i = 0; i < m->place_count; i++) {
		struct service *s = model_service(m, m->place[i].name);
		uint32_t index = m->place[i].index;

		if (s != NULL && s->index == UINT32_MAX && index < WEIR_MAX_SERVICES &&
		    !used[index]) {
			used[index] = true;
			s->index = index;
			if (m->service_next <= index)
				m->service_next = (index + 1) % WEIR_MAX_SERVICES;
		}
	}
	m->place = NULL;
	m->place_count = 0;
	for (uint32_t i = 0; i < news->new_count; i++) {
		struct service *s = news->new_service[i];

		if (s->index != UINT32_MAX)
			continue;
		while (used[m->service_next])
			m->service_next = (m->service_next + 1) % WEIR_MAX_SERVICES;
		s->index = m->service_next;
		used[s->index] = true;
		m->service_next = (s->index + 1) % WEIR_MAX_SERVICES;
	}
}

/* WEIR_VIP_*: by the section of its VIP, or what stands for one that is not there. */
static uint32_t vip_flags(const struct conf *conf, const struct key_map *vips,
			  const struct service_conf *s)
{
	struct vip_conf none = { 0 };
	const struct vip_conf *v = &none;
	char name[WEIR_PREFIX_STRLEN];
	uint32_t at;

	weir_prefix_text(&s->vip, s->vip_bits, name);
	at = key_map_find(vips, name, strlen(name));
	if (at != KEY_MAP_NONE)
		v = &conf->vip[at];
	else
		conf_defaults(conf_opts, conf_opt_count, "vip", &none);
	return (v->echo ? WEIR_VIP_ECHO : 0) | (v->reject ? WEIR_VIP_REJECT : 0) |
	       (v->arp ? WEIR_VIP_ARP : 0);
}

static void services_place(struct model *m, const struct plan *plan, const struct key_map *pools,
			   const struct key_map *vips, struct news *news)
{
	const struct conf *conf = plan->conf;

	for (uint32_t i = 0; i < m->service_count; i++)
		m->service[i]->stays = false;
	for (uint32_t i = 0; i < conf->service_count; i++) {
		struct service *s = plan->services[i];
		const char *pool = conf->service[i].pool;

		if (service_is_new(s)) {
			s->index = UINT32_MAX;
			news->new_service[news->new_count++] = s;
		}
		s->stays = true;
		s->conf = conf->service[i];
		s->vip_flags = vip_flags(conf, vips, &s->conf);
		s->pool = plan->pools[key_map_find(pools, pool, strlen(pool))];
	}
	for (uint32_t i = 0; i < m->service_count; i++)
		if (!m->service[i]->stays)
			news->old_service[news->old_count++] = m->service[i];
	free(m->service);
	m->service = plan->services;
	m->service_count = conf->service_count;
	services_index(m, news);
}

static void tell(const struct news *n, const struct model_hooks *hooks)
{
	if (hooks->backend_removed != NULL)
		for (uint32_t i = 0; i < n->removed_count; i++)
			hooks->backend_removed(hooks->user, n->removed[i]);
	if (hooks->backend_changed != NULL)
		for (uint32_t i = 0; i < n->changed_count; i++)
			hooks->backend_changed(hooks->user, n->changed[i]);
	if (hooks->backend_added != NULL)
		for (uint32_t i = 0; i < n->added_count; i++)
			hooks->backend_added(hooks->user, n->added[i]);
	if (hooks->service_added != NULL)
		for (uint32_t i = 0; i < n->new_count; i++)
			hooks->service_added(hooks->user, n->new_service[i]);
}

int model_apply(struct model *m, const struct conf *running, const struct model_hooks *hooks)
{
	struct pool **old_pool = m->pool;
	uint32_t old_count = m->pool_count;
	struct key_map pools = { 0 }, vips = { 0 };
	struct news news;
	struct plan plan;

	if (key_map_init(&pools, running->pool_count) < 0 ||
	    key_map_init(&vips, running->vip_count) < 0)
		goto err_pools;
	if (news_make(&news, m, running) < 0)
		goto err_pools;
	if (plan_make(&plan, m, running) < 0)
		goto err_news;

	for (uint32_t i = 0; i < old_count; i++)
		old_pool[i]->stays = false;
	for (uint32_t i = 0; i < running->pool_count; i++) {
		key_map_add(&pools, running->pool[i].name, strlen(running->pool[i].name), i);
		pool_place(&plan.pool[i], &running->pool[i], &news);
	}
	for (uint32_t i = 0; i < old_count; i++)
		for (uint32_t j = 0; !old_pool[i]->stays && j < old_pool[i]->backend_count; j++)
			news.removed[news.removed_count++] = old_pool[i]->backend[j];
	m->pool = plan.pools;
	m->pool_count = running->pool_count;
	for (uint32_t i = 0; i < running->vip_count; i++)
		key_map_add(&vips, running->vip[i].name, strlen(running->vip[i].name), i);
	services_place(m, &plan, &pools, &vips, &news);

	tell(&news, hooks);
	for (uint32_t i = 0; i < news.removed_count; i++)
		free(news.removed[i]);
	for (uint32_t i = 0; i < news.old_count; i++)
		free(news.old_service[i]);
	for (uint32_t i = 0; i < old_count; i++)
		if (!old_pool[i]->stays)
			pool_free(old_pool[i]);
	free(old_pool);
	free(plan.pool);
	news_free(&news);
	key_map_free(&pools);
	key_map_free(&vips);
	return 0;

err_news:
	news_free(&news);
err_pools:
	key_map_free(&pools);
	key_map_free(&vips);
	return -ENOMEM;
}

void model_free(struct model *m, const struct model_hooks *hooks)
{
	for (uint32_t i = 0; i < m->service_count; i++)
		free(m->service[i]);
	free(m->service);
	for (uint32_t i = 0; i < m->pool_count; i++) {
		struct pool *p = m->pool[i];

		for (uint32_t j = 0; j < p->backend_count; j++) {
			if (hooks->backend_removed != NULL)
				hooks->backend_removed(hooks->user, p->backend[j]);
			free(p->backend[j]);
		}
		pool_free(p);
	}
	free(m->pool);
	*m = (struct model){ .flow_seed = m->flow_seed,
			    .seed_is_new = m->seed_is_new,
			    .admin_is_lost = m->admin_is_lost };
}
