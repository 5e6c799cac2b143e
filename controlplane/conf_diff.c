// SPDX-License-Identifier: Apache-2.0
/*
 * Where two configurations differ, key by key, as the file would write it.
 */
#include "conf_file.h"

#include "key_map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct diff {
	conf_diff_fn *fn;
	void *user;
};

/* Every option of a section that differs between the objects a and b. */
static void diff_opts(const struct diff *d, const struct conf_opt *opts, unsigned count,
		      const char *section, const char *what, const void *a, const void *b)
{
	char from[CONF_TEXT_LEN], to[CONF_TEXT_LEN];

	for (unsigned i = 0; i < count; i++) {
		const struct conf_opt *o = &opts[i];

		if (strcmp(o->section, section) != 0)
			continue;
		conf_text(o, a, from, sizeof(from));
		conf_text(o, b, to, sizeof(to));
		if (strcmp(from, to) == 0)
			continue;
		if (o->type == CONF_HEX64) /* the flow seed: a secret */
			d->fn(d->user, what, o->key, from[0] ? "(secret)" : "",
			      to[0] ? "(another secret)" : "");
		else
			d->fn(d->user, what, o->key, from, to);
	}
}

static void diff_backend(const struct diff *d, const char *what, const struct backend_conf *a,
			 const struct backend_conf *b)
{
	char from[WEIR_ADDR_STRLEN], to[WEIR_ADDR_STRLEN];

	if (!weir_addr_equal(&a->addr, &b->addr))
		d->fn(d->user, what, "address", weir_addr_text(&a->addr, from),
		      weir_addr_text(&b->addr, to));
	diff_opts(d, conf_opts, conf_opt_count, "backend", what, a, b);
	if (a->drain_deadline_ms != b->drain_deadline_ms) {
		snprintf(from, sizeof(from), "%" PRIu64, a->drain_deadline_ms);
		snprintf(to, sizeof(to), "%" PRIu64, b->drain_deadline_ms);
		d->fn(d->user, what, "drain_deadline_ms", from, to);
	}
	if (a->leaves != b->leaves)
		d->fn(d->user, what, "leaves", a->leaves ? "yes" : "no", b->leaves ? "yes" : "no");
}

/* A backend that only one of the two has. */
static void diff_backend_whole(const struct diff *d, const char *pool, const struct backend_conf *b,
			       bool gone)
{
	char what[2 * WEIR_NAME_LEN + 16], text[CONF_TEXT_LEN];

	snprintf(what, sizeof(what), "backend %s/%s", pool, b->name);
	backend_text(b, text);
	d->fn(d->user, what, NULL, gone ? text : NULL, gone ? NULL : text);
}

static void diff_pool_whole(const struct diff *d, const struct pool_conf *p, bool gone)
{
	char what[WEIR_NAME_LEN + 16], text[32];

	snprintf(what, sizeof(what), "pool %s", p->name);
	snprintf(text, sizeof(text), "%u backend%s", p->backend_count,
		 p->backend_count == 1 ? "" : "s");
	d->fn(d->user, what, NULL, gone ? text : NULL, gone ? NULL : text);
	for (uint32_t i = 0; i < p->backend_count; i++)
		diff_backend_whole(d, p->name, &p->backend[i], gone);
}

static int diff_pool(const struct diff *d, const struct pool_conf *a, const struct pool_conf *b)
{
	char what[2 * WEIR_NAME_LEN + 16];
	struct name_pairs pair;

	if (name_pairs_make(&pair, a->backend, a->backend_count, b->backend, b->backend_count,
			    sizeof(*a->backend)) < 0)
		return -ENOMEM;
	snprintf(what, sizeof(what), "pool %s", a->name);
	diff_opts(d, conf_opts, conf_opt_count, "pool", what, a, b);
	for (uint32_t i = 0; i < a->backend_count; i++) {
		if (pair.to_b[i] == KEY_MAP_NONE) {
			diff_backend_whole(d, a->name, &a->backend[i], true);
			continue;
		}
		snprintf(what, sizeof(what), "backend %s/%s", a->name, a->backend[i].name);
		diff_backend(d, what, &a->backend[i], &b->backend[pair.to_b[i]]);
	}
	for (uint32_t i = 0; i < b->backend_count; i++)
		if (pair.to_a[i] == KEY_MAP_NONE)
			diff_backend_whole(d, b->name, &b->backend[i], false);
	name_pairs_free(&pair);
	return 0;
}

static int diff_pools(const struct diff *d, const struct conf *a, const struct conf *b)
{
	struct name_pairs pair;
	int err = name_pairs_make(&pair, a->pool, a->pool_count, b->pool, b->pool_count,
				  sizeof(*a->pool));

	if (err < 0)
		return err;
	for (uint32_t i = 0; i < a->pool_count && err == 0; i++) {
		if (pair.to_b[i] == KEY_MAP_NONE)
			diff_pool_whole(d, &a->pool[i], true);
		else
			err = diff_pool(d, &a->pool[i], &b->pool[pair.to_b[i]]);
	}
	for (uint32_t i = 0; i < b->pool_count && err == 0; i++)
		if (pair.to_a[i] == KEY_MAP_NONE)
			diff_pool_whole(d, &b->pool[i], false);
	name_pairs_free(&pair);
	return err;
}

/* A service, VIP or check that only one of the two has: its keys; of a check, which has
 * many, those that differ from their defaults. */
static void diff_whole(const struct diff *d, const char *section, const char *name,
		       const void *object, bool gone)
{
	char what[WEIR_NAME_LEN + 16], text[CONF_TEXT_LEN], value[CONF_TEXT_LEN];
	bool check = strcmp(section, "check") == 0;
	size_t n = 0;

	snprintf(what, sizeof(what), "%s %s", section, name);
	text[0] = '\0';
	for (unsigned i = 0; i < conf_opt_count && n < sizeof(text); i++) {
		const struct conf_opt *o = &conf_opts[i];

		if (strcmp(o->section, section) != 0)
			continue;
		conf_text(o, object, value, sizeof(value));
		if (check && o->def != NULL && strcmp(value, o->def) == 0)
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s=%s", n ? " " : "", o->key,
				      value);
	}
	d->fn(d->user, what, NULL, gone ? text : NULL, gone ? NULL : text);
}

/* Objects of one section that begin with their name and consist of options alone. */
static int diff_section(const struct diff *d, const char *section, const void *a, uint32_t a_count,
			const void *b, uint32_t b_count, size_t size)
{
	char what[WEIR_NAME_LEN + 16];
	struct name_pairs pair;

	if (name_pairs_make(&pair, a, a_count, b, b_count, size) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < a_count; i++) {
		const char *name = (const char *)a + i * size;

		if (pair.to_b[i] == KEY_MAP_NONE) {
			diff_whole(d, section, name, name, true);
			continue;
		}
		snprintf(what, sizeof(what), "%s %s", section, name);
		diff_opts(d, conf_opts, conf_opt_count, section, what, name,
			  (const char *)b + pair.to_b[i] * size);
	}
	for (uint32_t i = 0; i < b_count; i++)
		if (pair.to_a[i] == KEY_MAP_NONE)
			diff_whole(d, section, (const char *)b + i * size,
				   (const char *)b + i * size, false);
	name_pairs_free(&pair);
	return 0;
}

/* Ports are few, and their place is their number: the wrong place is a difference. */
static void diff_ports(const struct diff *d, const struct dpconf *a, const struct dpconf *b)
{
	char what[WEIR_NAME_LEN + 16], from[16], to[16];

	for (uint32_t i = 0; i < a->port_count; i++) {
		const struct dp_port_conf *p = &a->port[i], *q = dpconf_port(b, p->name);

		snprintf(what, sizeof(what), "port %s", p->name);
		if (q == NULL) {
			d->fn(d->user, what, NULL, p->device, NULL);
			continue;
		}
		diff_opts(d, dpconf_opts, dpconf_opt_count, "port", what, p, q);
		if (q - b->port != i) {
			snprintf(from, sizeof(from), "%u", i);
			snprintf(to, sizeof(to), "%u", (unsigned)(q - b->port));
			d->fn(d->user, what, "number", from, to);
		}
	}
	for (uint32_t i = 0; i < b->port_count; i++) {
		if (dpconf_port(a, b->port[i].name) != NULL)
			continue;
		snprintf(what, sizeof(what), "port %s", b->port[i].name);
		d->fn(d->user, what, NULL, NULL, b->port[i].device);
	}
}

int conf_diff(const struct conf *a, const struct conf *b, conf_diff_fn *fn, void *user)
{
	struct diff d = { fn, user };
	int err;

	diff_opts(&d, dpconf_opts, dpconf_opt_count, "dataplane", "dataplane", &a->dp, &b->dp);
	diff_ports(&d, &a->dp, &b->dp);
	diff_opts(&d, conf_opts, conf_opt_count, "controlplane", "controlplane", &a->control,
		  &b->control);
	err = diff_pools(&d, a, b);
	if (err == 0)
		err = diff_section(&d, "service", a->service, a->service_count, b->service,
				   b->service_count, sizeof(*a->service));
	if (err == 0)
		err = diff_section(&d, "vip", a->vip, a->vip_count, b->vip, b->vip_count,
				   sizeof(*a->vip));
	if (err == 0)
		err = diff_section(&d, "check", a->check, a->check_count, b->check, b->check_count,
				   sizeof(*a->check));
	return err;
}
