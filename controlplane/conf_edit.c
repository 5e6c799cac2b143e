// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration as objects: finding, adding, removing, copying.
 */
#include "conf_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pool_conf *conf_pool(struct conf *c, const char *name)
{
	for (uint32_t i = 0; i < c->pool_count; i++)
		if (strcmp(c->pool[i].name, name) == 0)
			return &c->pool[i];
	return NULL;
}

const struct check_conf *conf_check_find(const struct conf *c, const char *name)
{
	for (uint32_t i = 0; i < c->check_count; i++)
		if (strcmp(c->check[i].name, name) == 0)
			return &c->check[i];
	return NULL;
}

bool conf_service_holds(const struct service_conf *s, const struct weir_addr *a)
{
	return weir_addr_in(a, &s->vip, (uint8_t)(weir_addr_bits(&s->vip) - s->vip_bits));
}

struct backend_conf *conf_backend(struct conf *c, const char *pool, const char *backend)
{
	struct pool_conf *p = conf_pool(c, pool);

	for (uint32_t i = 0; p != NULL && i < p->backend_count; i++)
		if (strcmp(p->backend[i].name, backend) == 0)
			return &p->backend[i];
	return NULL;
}

void backend_set_weight(struct backend_conf *b, uint32_t weight)
{
	b->weight = weight;
	if (weight > 0)
		b->base_weight = weight;
}

/* One "key=value" of a backend's line; complains at the end of why. */
static bool attribute_set(struct backend_conf *b, char *word, bool *seen, char *why, size_t why_len)
{
	char *value = strchr(word, '=');
	const struct conf_opt *o;
	char reason[256];
	size_t n = strlen(why);
	const char *sep = n > 0 ? "; " : "";

	if (value == NULL) {
		snprintf(why + n, why_len - n, "%s\"%s\" is not key=value", sep, word);
		return false;
	}
	*value++ = '\0';
	o = conf_find(conf_opts, conf_opt_count, "backend", word);
	if (o == NULL) {
		conf_unknown_key(conf_opts, conf_opt_count, "backend", word, reason,
				 sizeof(reason));
		snprintf(why + n, why_len - n, "%s%s", sep, reason);
		return false;
	}
	if (seen[o - conf_opts]) {
		snprintf(why + n, why_len - n, "%s%s is given twice", sep, word);
		return false;
	}
	seen[o - conf_opts] = true;
	if (conf_set(o, b, value, reason, sizeof(reason)) < 0) {
		snprintf(why + n, why_len - n, "%s%s: %s", sep, word, reason);
		return false;
	}
	return true;
}

int backend_parse(const char *name, const char *text, struct backend_conf *out, char *why,
		  size_t why_len)
{
	bool seen[CONF_SECTION_OPTS] = { false }, good = true;
	struct backend_conf b = { 0 };
	char *copy, *word, *rest;

	if (why_len == 0)
		return -EINVAL;
	why[0] = '\0';
	if (conf_name_check(name, why, why_len) < 0)
		return -EINVAL;
	copy = strdup(text);
	if (copy == NULL) {
		snprintf(why, why_len, "no memory");
		return -EINVAL;
	}
	snprintf(b.name, sizeof(b.name), "%s", name);
	conf_defaults(conf_opts, conf_opt_count, "backend", &b);

	word = strtok_r(copy, " \t", &rest);
	if (word == NULL || weir_addr_parse(word, &b.addr) < 0) {
		snprintf(why, why_len,
			 "\"%s\" is not right: ADDRESS key=value ..., such as 192.0.2.1 weight=10",
			 word ? word : "");
		good = false;
	}
	while (word != NULL && (word = strtok_r(NULL, " \t", &rest)) != NULL)
		good &= attribute_set(&b, word, seen, why, why_len);
	free(copy);
	if (!good)
		return -EINVAL;
	/* At weight 0 from the first moment: the table is built as if with 1. */
	b.base_weight = b.weight > 0 ? b.weight : 1;
	*out = b;
	return 0;
}

const char *backend_text(const struct backend_conf *b, char *buf)
{
	char value[CONF_TEXT_LEN];
	size_t n;

	n = strlen(weir_addr_text(&b->addr, buf));
	for (unsigned i = 0; i < conf_opt_count; i++) {
		const struct conf_opt *o = &conf_opts[i];

		if (strcmp(o->section, "backend") != 0 ||
		    strcmp(conf_text(o, b, value, sizeof(value)), o->def) == 0)
			continue;
		n += (size_t)snprintf(buf + n, CONF_TEXT_LEN - n, " %s=%s", o->key, value);
		if (n >= CONF_TEXT_LEN)
			break;
	}
	return buf;
}

int conf_backend_add(struct conf *c, const char *pool, const struct backend_conf *b)
{
	struct pool_conf *p = conf_pool(c, pool);
	struct backend_conf *array;

	if (p == NULL)
		return -ENOENT;
	if (conf_backend(c, pool, b->name) != NULL)
		return -EEXIST;
	array = realloc(p->backend, (p->backend_count + 1) * sizeof(*array));
	if (array == NULL)
		return -ENOMEM;
	p->backend = array;
	p->backend[p->backend_count++] = *b;
	return 0;
}

int conf_backend_remove(struct conf *c, const char *pool, const char *backend)
{
	struct backend_conf *b = conf_backend(c, pool, backend);
	struct pool_conf *p = conf_pool(c, pool);

	if (b == NULL)
		return -ENOENT;
	p->backend_count--;
	memmove(b, b + 1, (size_t)(p->backend + p->backend_count - b) * sizeof(*b));
	return 0;
}

/* A copy of an array, NULL and 0 for an empty one; false: no memory. */
static bool array_dup(void **out, const void *array, uint32_t count, size_t size)
{
	*out = NULL;
	if (count == 0)
		return true;
	*out = malloc(count * size);
	if (*out == NULL)
		return false;
	memcpy(*out, array, count * size);
	return true;
}

struct conf *conf_dup(const struct conf *c)
{
	struct conf *d = malloc(sizeof(*d));
	void *array;

	if (d == NULL)
		return NULL;
	*d = *c;
	d->pool = NULL;
	d->pool_count = 0;
	d->service = NULL;
	d->service_count = 0;
	d->vip = NULL;
	d->vip_count = 0;
	d->check = NULL;
	d->check_count = 0;

	if (!array_dup(&array, c->service, c->service_count, sizeof(*c->service)))
		goto err;
	d->service = array;
	d->service_count = c->service_count;
	if (!array_dup(&array, c->vip, c->vip_count, sizeof(*c->vip)))
		goto err;
	d->vip = array;
	d->vip_count = c->vip_count;
	if (!array_dup(&array, c->check, c->check_count, sizeof(*c->check)))
		goto err;
	d->check = array;
	d->check_count = c->check_count;
	if (!array_dup(&array, c->pool, c->pool_count, sizeof(*c->pool)))
		goto err;
	d->pool = array;
	/* One by one, so that conf_free() meets only pools that are its own. */
	for (uint32_t i = 0; i < c->pool_count; i++) {
		const struct pool_conf *p = &c->pool[i];

		if (!array_dup(&array, p->backend, p->backend_count, sizeof(*p->backend)))
			goto err;
		d->pool[i].backend = array;
		d->pool_count = i + 1;
	}
	return d;

err:
	conf_free(d);
	return NULL;
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->pool_count; i++)
		free(c->pool[i].backend);
	free(c->pool);
	free(c->service);
	free(c->vip);
	free(c->check);
	free(c);
}
