// SPDX-License-Identifier: Apache-2.0
#include "state_json.h"

#include "key_map.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Members that are no rows of the option table. */
static const char *const plain[] = { "name", "backends", "address", "base_weight",
				     "drain_deadline_ms", "leaves" };

/* -- writing ------------------------------------------------------------------ */

/* The first option of a section: its others follow. */
static const struct conf_opt *opts_of(const char *section)
{
	const struct conf_opt *o = conf_opts;

	while (strcmp(o->section, section) != 0)
		o++;
	return o;
}

static bool opts_write(json_t *object, const struct conf_opt *first, const void *base)
{
	const struct conf_opt *end = conf_opts + conf_opt_count;
	char text[CONF_TEXT_LEN];

	for (const struct conf_opt *o = first; o < end && strcmp(o->section, first->section) == 0;
	     o++) {
		conf_text(o, base, text, sizeof(text));
		if (o->def != NULL && strcmp(text, o->def) == 0)
			continue;
		if (json_object_set_new(object, o->key, json_string(text)) < 0)
			return false;
	}
	return true;
}

/* An object with the options of its section, appended to the array. NULL: no memory. */
static json_t *object_write(json_t *array, const struct conf_opt *first, const char *name,
			    const void *base)
{
	json_t *object = json_object();

	if (json_array_append_new(array, object) < 0 ||
	    json_object_set_new(object, "name", json_string(name)) < 0 ||
	    !opts_write(object, first, base))
		return NULL;
	return object;
}

static bool backend_write(json_t *array, const struct conf_opt *first, const struct backend_conf *b)
{
	json_t *object = object_write(array, first, b->name, b);
	char text[WEIR_ADDR_STRLEN];

	if (object == NULL ||
	    json_object_set_new(object, "address", json_string(weir_addr_text(&b->addr, text))) < 0)
		return false;
	if (b->base_weight != b->weight &&
	    json_object_set_new(object, "base_weight", json_integer(b->base_weight)) < 0)
		return false;
	if (b->leaves && json_object_set_new(object, "leaves", json_true()) < 0)
		return false;
	return b->drain_deadline_ms == 0 ||
	       json_object_set_new(object, "drain_deadline_ms",
				   json_integer((json_int_t)b->drain_deadline_ms)) == 0;
}

static bool pool_write(json_t *array, const struct pool_conf *p)
{
	json_t *object = object_write(array, opts_of("pool"), p->name, p);
	json_t *backends = json_array();
	const struct conf_opt *first = opts_of("backend");

	if (object == NULL || json_object_set_new(object, "backends", backends) < 0)
		return false;
	for (uint32_t i = 0; i < p->backend_count; i++)
		if (!backend_write(backends, first, &p->backend[i]))
			return false;
	return true;
}

json_t *state_json_make(const struct conf *c)
{
	json_t *pools = json_array(), *services = json_array(), *vips = json_array();
	json_t *checks = json_array();
	json_t *j = json_pack("{s:o, s:o, s:o, s:o}", "pools", pools, "services", services, "vips",
			      vips, "checks", checks);
	bool good = j != NULL;

	for (uint32_t i = 0; good && i < c->pool_count; i++)
		good = pool_write(pools, &c->pool[i]);
	for (uint32_t i = 0; good && i < c->service_count; i++)
		good = object_write(services, opts_of("service"), c->service[i].name,
				    &c->service[i]) != NULL;
	for (uint32_t i = 0; good && i < c->vip_count; i++)
		good = object_write(vips, opts_of("vip"), c->vip[i].name, &c->vip[i]) != NULL;
	for (uint32_t i = 0; good && i < c->check_count; i++)
		good = object_write(checks, opts_of("check"), c->check[i].name, &c->check[i]) !=
		       NULL;
	if (good)
		return j;
	json_decref(j);
	return NULL;
}

/* -- reading ------------------------------------------------------------------ */

static bool damaged(const struct state_json_ctx *ctx, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static bool damaged(const struct state_json_ctx *ctx, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ctx->why, ctx->why_len, fmt, ap);
	va_end(ap);
	return false;
}

static bool is_plain(const char *key)
{
	for (unsigned i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(key, plain[i]) == 0)
			return true;
	return false;
}

/* The name of an object into name[WEIR_NAME_LEN]. */
static bool name_read(const json_t *object, const char *section, char *name,
		      const struct state_json_ctx *ctx)
{
	const char *text = json_string_value(json_object_get(object, "name"));
	char why[160];

	if (text == NULL)
		return damaged(ctx, "a %s has no name", section);
	if (conf_name_check(text, why, sizeof(why)) < 0)
		return damaged(ctx, "a %s's name: %s", section, why);
	snprintf(name, WEIR_NAME_LEN, "%s", text);
	return true;
}

static bool opts_read(const json_t *object, const char *section, const char *name, void *base,
		      const struct state_json_ctx *ctx)
{
	const char *key;
	json_t *value;
	char why[256];

	conf_defaults(conf_opts, conf_opt_count, section, base);
	json_object_foreach((json_t *)object, key, value)
	{
		const struct conf_opt *o = conf_find(conf_opts, conf_opt_count, section, key);

		if (o == NULL) {
			if (!is_plain(key))
				conf_error(ctx->warnings, ctx->path, 0,
					   "option \"%s\" of %s %s is unknown to this version", key,
					   section, name);
			continue;
		}
		if (!json_is_string(value))
			return damaged(ctx, "%s of %s %s is no string", key, section, name);
		if (conf_set(o, base, json_string_value(value), why, sizeof(why)) < 0)
			return damaged(ctx, "%s of %s %s: %s", key, section, name, why);
	}
	for (unsigned i = 0; i < conf_opt_count; i++)
		if (strcmp(conf_opts[i].section, section) == 0 && conf_opts[i].def == NULL &&
		    json_object_get(object, conf_opts[i].key) == NULL)
			return damaged(ctx, "%s %s has no %s", section, name, conf_opts[i].key);
	return true;
}

static bool backend_read(const json_t *object, struct backend_conf *b,
			 const struct state_json_ctx *ctx)
{
	const json_t *weight = json_object_get(object, "base_weight");
	const json_t *deadline = json_object_get(object, "drain_deadline_ms");
	const char *address = json_string_value(json_object_get(object, "address"));

	if (!name_read(object, "backend", b->name, ctx) ||
	    !opts_read(object, "backend", b->name, b, ctx))
		return false;
	if (address == NULL || weir_addr_parse(address, &b->addr) < 0)
		return damaged(ctx, "backend %s has no address", b->name);
	b->base_weight = 1;
	if (weight != NULL) {
		if (!json_is_integer(weight) || json_integer_value(weight) < 1 ||
		    json_integer_value(weight) > WEIGHT_MAX)
			return damaged(ctx, "base_weight of backend %s is not 1 to %d", b->name,
				       WEIGHT_MAX);
		b->base_weight = (uint32_t)json_integer_value(weight);
	}
	backend_set_weight(b, b->weight);
	if (deadline != NULL) {
		if (!json_is_integer(deadline) || json_integer_value(deadline) < 0)
			return damaged(ctx, "drain_deadline_ms of backend %s is no time", b->name);
		b->drain_deadline_ms = (uint64_t)json_integer_value(deadline);
	}
	b->leaves = json_is_true(json_object_get(object, "leaves"));
	return true;
}

/* Array `key` of the object, with at most `most` elements; NULL: it is none. */
static const json_t *array_of(const json_t *object, const char *key, size_t most,
			      const struct state_json_ctx *ctx)
{
	const json_t *array = json_object_get(object, key);

	if (!json_is_array(array)) {
		damaged(ctx, "\"%s\" is missing or no array", key);
		return NULL;
	}
	if (json_array_size(array) > most) {
		damaged(ctx, "\"%s\" has %zu elements, at most %zu are possible", key,
			json_array_size(array), most);
		return NULL;
	}
	return array;
}

/* That no name stands twice in an array of objects that begin with it. */
static bool names_once(const void *array, uint32_t count, size_t size, const char *section,
		       const struct state_json_ctx *ctx)
{
	const char *name = array, *twice = NULL;
	struct key_map names;

	if (key_map_init(&names, count) < 0)
		return damaged(ctx, "out of memory");
	for (uint32_t i = 0; i < count && twice == NULL; i++, name += size)
		if (key_map_add(&names, name, strlen(name), i) != KEY_MAP_NONE)
			twice = name;
	key_map_free(&names);
	return twice == NULL || damaged(ctx, "%s %s stands twice", section, twice);
}

static bool pool_read(const json_t *object, struct pool_conf *p, const struct state_json_ctx *ctx)
{
	const json_t *backends = array_of(object, "backends", WEIR_MAX_BACKENDS, ctx);

	if (backends == NULL || !name_read(object, "pool", p->name, ctx) ||
	    !opts_read(object, "pool", p->name, p, ctx))
		return false;
	p->backend = calloc(json_array_size(backends) + 1, sizeof(*p->backend));
	if (p->backend == NULL)
		return damaged(ctx, "out of memory");
	for (size_t i = 0; i < json_array_size(backends); i++, p->backend_count++)
		if (!backend_read(json_array_get(backends, i), &p->backend[i], ctx))
			return false;
	return names_once(p->backend, p->backend_count, sizeof(*p->backend), "backend", ctx);
}

static bool service_read(const json_t *object, struct service_conf *s,
			 const struct state_json_ctx *ctx)
{
	return name_read(object, "service", s->name, ctx) &&
	       opts_read(object, "service", s->name, s, ctx);
}

static bool vip_read(const json_t *object, struct vip_conf *v, const struct state_json_ctx *ctx)
{
	const char *text = json_string_value(json_object_get(object, "name"));
	uint8_t len;

	if (text == NULL || weir_prefix_parse(text, &v->addr, &len) < 0)
		return damaged(ctx, "a vip's name is no address or prefix");
	v->bits = (uint8_t)(weir_addr_bits(&v->addr) - len);
	weir_prefix_text(&v->addr, v->bits, v->name);
	return opts_read(object, "vip", v->name, v, ctx);
}

/* Versions before [vip] have written no such member. */
static bool vips_fill(struct conf *c, const json_t *j, const struct state_json_ctx *ctx)
{
	const json_t *vips;

	if (json_object_get(j, "vips") == NULL)
		return true;
	vips = array_of(j, "vips", WEIR_MAX_SERVICES, ctx);
	if (vips == NULL)
		return false;
	c->vip = calloc(json_array_size(vips) + 1, sizeof(*c->vip));
	if (c->vip == NULL)
		return damaged(ctx, "out of memory");
	for (size_t i = 0; i < json_array_size(vips); i++, c->vip_count++)
		if (!vip_read(json_array_get(vips, i), &c->vip[i], ctx))
			return false;
	return names_once(c->vip, c->vip_count, sizeof(*c->vip), "vip", ctx);
}

static bool check_read(const json_t *object, struct check_conf *c,
		       const struct state_json_ctx *ctx)
{
	return name_read(object, "check", c->name, ctx) &&
	       opts_read(object, "check", c->name, c, ctx);
}

/* Before there were checks of their own, state files had none. */
static bool checks_fill(struct conf *c, const json_t *j, const struct state_json_ctx *ctx)
{
	const json_t *checks;

	if (json_object_get(j, "checks") == NULL)
		return true;
	checks = array_of(j, "checks", WEIR_MAX_POOLS, ctx);
	if (checks == NULL)
		return false;
	c->check = calloc(json_array_size(checks) + 1, sizeof(*c->check));
	if (c->check == NULL)
		return damaged(ctx, "out of memory");
	for (size_t i = 0; i < json_array_size(checks); i++, c->check_count++)
		if (!check_read(json_array_get(checks, i), &c->check[i], ctx))
			return false;
	return names_once(c->check, c->check_count, sizeof(*c->check), "check", ctx);
}

static bool conf_fill(struct conf *c, const json_t *j, const struct state_json_ctx *ctx)
{
	const json_t *pools = array_of(j, "pools", WEIR_MAX_POOLS, ctx);
	const json_t *services;

	if (pools == NULL)
		return false;
	services = array_of(j, "services", WEIR_MAX_SERVICES, ctx);
	if (services == NULL)
		return false;
	c->pool = calloc(json_array_size(pools) + 1, sizeof(*c->pool));
	c->service = calloc(json_array_size(services) + 1, sizeof(*c->service));
	if (c->pool == NULL || c->service == NULL)
		return damaged(ctx, "out of memory");
	for (size_t i = 0; i < json_array_size(pools); i++) {
		c->pool_count++; /* before: conf_free() shall find its backends */
		if (!pool_read(json_array_get(pools, i), &c->pool[i], ctx))
			return false;
	}
	for (size_t i = 0; i < json_array_size(services); i++, c->service_count++)
		if (!service_read(json_array_get(services, i), &c->service[i], ctx))
			return false;
	return names_once(c->pool, c->pool_count, sizeof(*c->pool), "pool", ctx) &&
	       names_once(c->service, c->service_count, sizeof(*c->service), "service", ctx) &&
	       vips_fill(c, j, ctx) && checks_fill(c, j, ctx);
}

struct conf *state_json_read(const json_t *j, const struct state_json_ctx *ctx)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		damaged(ctx, "out of memory");
		return NULL;
	}
	if (!conf_fill(c, j, ctx)) {
		conf_free(c);
		return NULL;
	}
	return c;
}
