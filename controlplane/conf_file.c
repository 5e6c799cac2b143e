// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a file into a configuration. Everything is read to the end whatever is
 * wrong with it, so that one run of `weirctl check-config` names every fault.
 */
#include "conf_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Objects beyond the limits are read into one spare place behind them, which
 * conf_check() counts and refuses: a huge file takes no more memory than this. */
#define POOLS_KEPT    (WEIR_MAX_POOLS + 1)
#define SERVICES_KEPT (WEIR_MAX_SERVICES + 1)
#define BACKENDS_KEPT (WEIR_MAX_BACKENDS + 1)
#define VIPS_KEPT     (WEIR_MAX_SERVICES + 1)

struct loader {
	const char *file;
	struct conf *conf;
	struct conf_errors *errors;
	struct dpconf_reader dp;
	struct conf_section section;
	struct key_lines *keys; /* of the object that `section` fills; NULL: keeps none */
	bool open;		/* `section` is being read */
	bool unknown;		/* below a header that nobody knows */
	int control_line;	/* of [controlplane]; 0: none */
	uint32_t backends;	/* of all pools */
};

/* Room for element number `count`; arrays grow by doubling. */
static void *array_grow(void *array, uint32_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return array;
	array = realloc(array, (count ? count * 2 : 1) * size);
	if (array == NULL)
		abort(); /* half a file must not pass for a whole one */
	return array;
}

static void section_close(struct loader *l)
{
	if (!l->open)
		return;
	l->open = false;
	conf_section_end(&l->section);
	if (l->keys != NULL)
		memcpy(l->keys->line, l->section.seen, sizeof(l->keys->line));
}

static struct pool_conf *pool_open(struct loader *l, const char *name)
{
	struct conf *c = l->conf;
	int line = l->section.line;
	struct pool_conf *p;

	if (c->pool_count < POOLS_KEPT) {
		c->pool = array_grow(c->pool, c->pool_count, sizeof(*p));
		p = &c->pool[c->pool_count++];
	} else {
		p = &c->pool[c->pool_count - 1];
		line = p->line; /* of the first that is too many */
		l->backends -= p->backend_count;
		free(p->backend);
	}
	*p = (struct pool_conf){ .line = line };
	strncpy(p->name, name, sizeof(p->name) - 1);
	l->section.name = p->name;
	l->keys = &p->keys;
	return p;
}

static struct service_conf *service_open(struct loader *l, const char *name)
{
	struct conf *c = l->conf;
	int line = l->section.line;
	struct service_conf *s;

	if (c->service_count < SERVICES_KEPT) {
		c->service = array_grow(c->service, c->service_count, sizeof(*s));
		s = &c->service[c->service_count++];
	} else {
		s = &c->service[c->service_count - 1];
		line = s->line;
	}
	*s = (struct service_conf){ .line = line };
	strncpy(s->name, name, sizeof(s->name) - 1);
	l->section.name = s->name;
	l->keys = &s->keys;
	return s;
}

static struct vip_conf *vip_open(struct loader *l, const char *name)
{
	struct conf *c = l->conf;
	struct vip_conf *v;
	uint8_t len = 0;

	if (c->vip_count < VIPS_KEPT) {
		c->vip = array_grow(c->vip, c->vip_count, sizeof(*v));
		v = &c->vip[c->vip_count++];
	} else {
		v = &c->vip[c->vip_count - 1];
	}
	*v = (struct vip_conf){ .line = l->section.line };
	strncpy(v->name, name, sizeof(v->name) - 1);
	if (weir_prefix_parse(name, &v->addr, &len) == 0) /* conf_read() has seen to it */
		v->bits = (uint8_t)(weir_addr_bits(&v->addr) - len);
	l->section.name = v->name;
	l->keys = &v->keys;
	return v;
}

/* No more checks than pools: each needs one that names it. */
static struct check_conf *check_open(struct loader *l, const char *name)
{
	struct conf *c = l->conf;
	int line = l->section.line;
	struct check_conf *k;

	if (c->check_count < POOLS_KEPT) {
		c->check = array_grow(c->check, c->check_count, sizeof(*k));
		k = &c->check[c->check_count++];
	} else {
		k = &c->check[c->check_count - 1];
		line = k->line;
	}
	*k = (struct check_conf){ .line = line };
	strncpy(k->name, name, sizeof(k->name) - 1);
	l->section.name = k->name;
	l->keys = &k->keys;
	return k;
}

static struct control_conf *control_open(struct loader *l, const char *name, int line)
{
	if (name[0] != '\0')
		conf_error(l->errors, l->file, line,
			   "[controlplane %s]: there is one [controlplane], without a name", name);
	if (l->control_line != 0)
		conf_error(l->errors, l->file, line, "[controlplane]: begun already in line %d",
			   l->control_line);
	else
		l->control_line = line;
	l->section.name = "";
	l->keys = NULL;
	return &l->conf->control;
}

static void header_unknown(struct loader *l, const char *kind, int line)
{
	static const char *const kinds[] = { "dataplane", "port",    "controlplane",
					     "pool",	  "service", "vip",  "check" };
	const char *near = conf_nearest(kind, kinds, 7);

	l->unknown = true;
	if (near != NULL)
		conf_error(l->errors, l->file, line, "unknown section [%s] (did you mean [%s]?)",
			   kind, near);
	else
		conf_error(l->errors, l->file, line,
			   "unknown section [%s]: dataplane, port NAME, controlplane, pool NAME, "
			   "service NAME, vip ADDRESS and check NAME are right",
			   kind);
}

static void header_read(struct loader *l, const char *kind, const char *name, int line)
{
	bool pool = strcmp(kind, "pool") == 0, service = strcmp(kind, "service") == 0;
	bool check = strcmp(kind, "check") == 0;
	bool vip = strcmp(kind, "vip") == 0;

	l->section.line = line;
	if (vip && name[0] == '\0')
		conf_error(l->errors, l->file, line,
			   "[vip]: of which VIP? [vip ADDRESS] or [vip PREFIX]");
	if ((pool || service || check) && name[0] == '\0')
		conf_error(l->errors, l->file, line, "[%s]: a %s needs a name: [%s NAME]", kind,
			   kind, kind);
	if (pool) {
		l->section.kind = "pool";
		l->section.base = pool_open(l, name);
	} else if (service) {
		l->section.kind = "service";
		l->section.base = service_open(l, name);
	} else if (vip) {
		l->section.kind = "vip";
		l->section.base = vip_open(l, name);
	} else if (check) {
		l->section.kind = "check";
		l->section.base = check_open(l, name);
	} else if (strcmp(kind, "controlplane") == 0) {
		l->section.kind = "controlplane";
		l->section.base = control_open(l, name, line);
	} else {
		header_unknown(l, kind, line);
		return;
	}
	conf_section_begin(&l->section, line);
	l->open = true;
}

/* "backend NAME = ADDRESS key=value ..." */
static void backend_read(struct loader *l, const char *name, const char *value, int line)
{
	struct pool_conf *p = l->section.base;
	struct backend_conf b;
	char why[512];

	if (name[0] == '\0') {
		conf_error(l->errors, l->file, line,
			   "[pool %s] a backend needs a name: backend NAME = ADDRESS", p->name);
		return;
	}
	if (backend_parse(name, value, &b, why, sizeof(why)) < 0) {
		conf_error(l->errors, l->file, line, "[pool %s] backend %s: %s", p->name, name,
			   why);
		return;
	}
	if (l->backends == BACKENDS_KEPT)
		return; /* one more than is possible: conf_check() refuses */
	b.line = line;
	p->backend = array_grow(p->backend, p->backend_count, sizeof(b));
	p->backend[p->backend_count++] = b;
	l->backends++;
}

static void pool_key(struct loader *l, const char *key, const char *value, int line)
{
	static const char *const words[] = { "backend" };
	size_t len = strcspn(key, " \t");
	char word[16];

	snprintf(word, sizeof(word), "%.*s", (int)len, key);
	if (strcmp(word, "backend") == 0)
		backend_read(l, key + len + strspn(key + len, " \t"), value, line);
	else if (key[len] != '\0' && conf_nearest(word, words, 1) != NULL)
		conf_error(l->errors, l->file, line,
			   "[pool %s] unknown key \"%s\" (did you mean \"backend%s\"?)",
			   l->section.name, key, key + len);
	else
		conf_section_key(&l->section, key, value, line);
}

static void read_key(void *user, const char *kind, const char *name, const char *key,
		     const char *value, int line)
{
	struct loader *l = user;

	if (key == NULL) {
		section_close(l);
		l->unknown = false;
	}
	if (dpconf_key(&l->dp, kind, name, key, value, line))
		return;
	if (key == NULL)
		header_read(l, kind, name, line);
	else if (l->unknown)
		return;
	else if (strcmp(kind, "pool") == 0)
		pool_key(l, key, value, line);
	else
		conf_section_key(&l->section, key, value, line);
}

int conf_load(const char *path, struct conf **out, struct conf_errors *errors,
	      struct conf_errors *warnings)
{
	struct loader l = { .file = path, .errors = errors };
	unsigned before = errors->count;
	int err;

	l.conf = calloc(1, sizeof(*l.conf));
	if (l.conf == NULL)
		return -ENOMEM;
	l.section = (struct conf_section){
		.opts = conf_opts, .count = conf_opt_count, .file = path, .errors = errors
	};
	conf_defaults(conf_opts, conf_opt_count, "controlplane", &l.conf->control);
	dpconf_begin(&l.dp, path, &l.conf->dp, errors);

	err = conf_read(path, read_key, &l, errors);
	if (err < 0 && err != -EINVAL)
		goto err_free;
	section_close(&l);
	dpconf_end(&l.dp);
	conf_check(l.conf, path, errors, warnings);
	if (errors->count > before) {
		err = -EINVAL;
		goto err_free;
	}
	*out = l.conf;
	return 0;

err_free:
	conf_free(l.conf);
	return err;
}
