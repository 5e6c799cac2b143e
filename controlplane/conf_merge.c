// SPDX-License-Identifier: Apache-2.0
/*
 * The three-way merge behind reload, start and revert.
 *
 * For each object, by name:
 *
 *   before  after  running    then running
 *     -      yes     -        gets it                        (new in the file)
 *     -      yes    yes       takes the file's keys          (the file wins)
 *    yes     yes    yes       takes the keys that changed in the file
 *    yes     yes     -        stays without it               (removed at run time)
 *    yes      -     yes       loses it                       (gone from the file)
 *     -       -     yes       keeps it                       (made at run time)
 */
#include "conf_file.h"

#include "key_map.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What is merged: pools, backends, services, VIPs or checks. All begin with their name. */
struct kind {
	const char *section;
	size_t size, line, keys; /* the last two: where those members are */
	/* NULL `before`: whatever differs from `after` is changed. 0 or -ENOMEM. */
	int (*merge)(const struct kind *k, void *running, const void *before, const void *after,
		     unsigned *changed);
	/* What it points to, to memory of its own, 0 or -ENOMEM; and back. NULL: nothing. */
	int (*copy)(void *to, const void *from);
	void (*release)(void *object);
};

#define KIND(section, type, merge, copy, release)                                               \
	{                                                                                       \
		section, sizeof(type), offsetof(type, line), offsetof(type, keys), merge, copy, \
			release                                                                 \
	}

struct list {
	void *at;
	uint32_t count;
};

static void *element(const struct kind *k, struct list l, uint32_t i)
{
	return (char *)l.at + i * k->size;
}

/* Where element i of `after` is in another list; NULL: nowhere. */
static void *partner(const struct kind *k, const struct name_pairs *pair, struct list other,
		     uint32_t i)
{
	return pair->to_b[i] == KEY_MAP_NONE ? NULL : element(k, other, pair->to_b[i]);
}

/*
 * Fill `out` in the order of `after`. Elements of *running are changed in place and
 * then moved bit by bit: they stay theirs until the caller drops that array.
 * `made` gets a 1 for each element of `out` that is a copy.
 */
static int merge_present(const struct kind *k, struct list running, struct list before,
			 struct list after, struct list *out, char *made, unsigned *changed)
{
	struct name_pairs in_running, in_before;
	int err = -ENOMEM;

	if (name_pairs_make(&in_running, after.at, after.count, running.at, running.count,
			    k->size) < 0)
		return err;
	if (name_pairs_make(&in_before, after.at, after.count, before.at, before.count, k->size) <
	    0)
		goto out_running;
	for (uint32_t i = 0; i < after.count; i++) {
		const void *a = element(k, after, i), *b = partner(k, &in_before, before, i);
		void *r = partner(k, &in_running, running, i),
		     *place = element(k, *out, out->count);

		if (r != NULL) {
			if (k->merge(k, r, b, a, changed) < 0)
				goto out_both;
			memcpy(place, r, k->size);
		} else if (b == NULL) {
			memcpy(place, a, k->size);
			if (k->copy != NULL && k->copy(place, a) < 0)
				goto out_both;
			made[out->count] = 1;
			++*changed;
		} else {
			continue; /* removed at run time */
		}
		out->count++;
	}
	err = 0;
out_both:
	name_pairs_free(&in_before);
out_running:
	name_pairs_free(&in_running);
	return err;
}

/* Behind them what was made at run time; release what the file has lost. */
static int merge_absent(const struct kind *k, struct list running, struct list before,
			struct list after, struct list *out, unsigned *changed)
{
	struct name_pairs in_after, in_before;

	if (name_pairs_make(&in_after, running.at, running.count, after.at, after.count, k->size) <
	    0)
		return -ENOMEM;
	if (name_pairs_make(&in_before, running.at, running.count, before.at, before.count,
			    k->size) < 0) {
		name_pairs_free(&in_after);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < running.count; i++) {
		void *r = element(k, running, i);

		if (in_after.to_b[i] != KEY_MAP_NONE)
			continue;
		if (in_before.to_b[i] == KEY_MAP_NONE) {
			memcpy(element(k, *out, out->count++), r, k->size);
		} else {
			if (k->release != NULL)
				k->release(r);
			++*changed;
		}
	}
	name_pairs_free(&in_after);
	name_pairs_free(&in_before);
	return 0;
}

/* On -ENOMEM *running still owns all that it had, part of it changed. */
static int merge_list(const struct kind *k, struct list *running, struct list before,
		      struct list after, unsigned *changed)
{
	uint32_t most = running->count + after.count;
	struct list out = { .at = malloc((most + 1) * k->size) };
	char *made = calloc(most + 1, 1);
	int err = -ENOMEM;

	if (out.at == NULL || made == NULL)
		goto err_free;
	err = merge_present(k, *running, before, after, &out, made, changed);
	if (err == 0)
		err = merge_absent(k, *running, before, after, &out, changed);
	if (err < 0)
		goto err_free;
	free(made);
	free(running->at);
	*running = out;
	return 0;

err_free:
	for (uint32_t i = 0; made != NULL && i < out.count; i++)
		if (made[i] && k->release != NULL)
			k->release(element(k, out, i));
	free(made);
	free(out.at);
	return err;
}

/* The keys of a section that differ between before and after. */
static void merge_opts(const char *section, void *running, const void *before, const void *after,
		       unsigned *changed)
{
	char old[CONF_TEXT_LEN], new[CONF_TEXT_LEN], why[256];

	for (unsigned i = 0; i < conf_opt_count; i++) {
		const struct conf_opt *o = &conf_opts[i];

		if (strcmp(o->section, section) != 0)
			continue;
		conf_text(o, before, old, sizeof(old));
		conf_text(o, after, new, sizeof(new));
		if (strcmp(old, new) == 0)
			continue;
		if (conf_set(o, running, new, why, sizeof(why)) < 0)
			abort(); /* `after` holds what its own row refuses */
		++*changed;
	}
}

static int backend_merge(const struct kind *k, void *running, const void *before, const void *after,
			 unsigned *changed)
{
	struct backend_conf *r = running, old = *r;
	const struct backend_conf *a = after, *b = before ? before : &old;

	if (!weir_addr_equal(&a->addr, &b->addr)) {
		r->addr = a->addr;
		++*changed;
	}
	merge_opts(k->section, r, b, a, changed);
	backend_set_weight(r, r->weight);
	if (a->admin != b->admin || a->drain_deadline_ms != b->drain_deadline_ms ||
	    a->leaves != b->leaves) {
		*changed += a->admin == b->admin;
		r->drain_deadline_ms = a->drain_deadline_ms;
		r->leaves = a->leaves;
	}
	r->line = a->line;
	return 0;
}

static const struct kind backend_kind = { .section = "backend",
					  .size = sizeof(struct backend_conf),
					  .merge = backend_merge };

static int pool_merge(const struct kind *k, void *running, const void *before, const void *after,
		      unsigned *changed)
{
	struct pool_conf *r = running, old = *r;
	const struct pool_conf *a = after, *b = before ? before : &old;
	struct list backends = { r->backend, r->backend_count };
	struct list was = { b->backend, b->backend_count };

	if (before == NULL)
		was.count = 0;
	if (merge_list(&backend_kind, &backends, was, (struct list){ a->backend, a->backend_count },
		       changed) < 0)
		return -ENOMEM;
	r->backend = backends.at;
	r->backend_count = backends.count;
	merge_opts(k->section, r, b, a, changed);
	r->line = a->line;
	r->keys = a->keys;
	return 0;
}

static int pool_copy(void *to, const void *from)
{
	const struct pool_conf *f = from;
	struct pool_conf *t = to;
	struct backend_conf *backend = malloc((f->backend_count + 1) * sizeof(*backend));

	if (backend == NULL)
		return -ENOMEM;
	t->backend = backend;
	if (f->backend_count > 0)
		memcpy(backend, f->backend, f->backend_count * sizeof(*backend));
	return 0;
}

static void pool_release(void *object)
{
	free(((struct pool_conf *)object)->backend);
}

/* A section that is its keys and nothing else. */
static int keys_merge(const struct kind *k, void *running, const void *before, const void *after,
		      unsigned *changed)
{
	union {
		struct service_conf service;
		struct vip_conf vip;
		struct check_conf check;
	} old;

	memcpy(&old, running, k->size);
	merge_opts(k->section, running, before != NULL ? before : &old, after, changed);
	memcpy((char *)running + k->line, (const char *)after + k->line, sizeof(int));
	memcpy((char *)running + k->keys, (const char *)after + k->keys, sizeof(struct key_lines));
	return 0;
}

/* The lists of a configuration: their kinds, and where they stand in it. */
static const struct {
	struct kind kind;
	size_t at, count;
} lists[] = {
	{ KIND("pool", struct pool_conf, pool_merge, pool_copy, pool_release),
	  offsetof(struct conf, pool), offsetof(struct conf, pool_count) },
	{ KIND("service", struct service_conf, keys_merge, NULL, NULL),
	  offsetof(struct conf, service), offsetof(struct conf, service_count) },
	{ KIND("vip", struct vip_conf, keys_merge, NULL, NULL), offsetof(struct conf, vip),
	  offsetof(struct conf, vip_count) },
	{ KIND("check", struct check_conf, keys_merge, NULL, NULL), offsetof(struct conf, check),
	  offsetof(struct conf, check_count) },
};

static struct list list_of(const struct conf *c, size_t at, size_t count)
{
	struct list l;

	memcpy(&l.at, (const char *)c + at, sizeof(l.at));
	memcpy(&l.count, (const char *)c + count, sizeof(l.count));
	return l;
}

int conf_merge(struct conf *running, const struct conf *before, const struct conf *after,
	       unsigned *changed)
{
	struct conf *c = conf_dup(running), old;
	unsigned n = 0;

	if (c == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		size_t at = lists[i].at, count = lists[i].count;
		struct list merged = list_of(c, at, count);

		if (merge_list(&lists[i].kind, &merged, list_of(before, at, count),
			       list_of(after, at, count), &n) < 0) {
			conf_free(c);
			return -ENOMEM;
		}
		memcpy((char *)c + at, &merged.at, sizeof(merged.at));
		memcpy((char *)c + count, &merged.count, sizeof(merged.count));
	}
	old = *running;
	*running = *c;
	*c = old;
	conf_free(c);
	*changed = n;
	return 0;
}
