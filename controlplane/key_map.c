// SPDX-License-Identifier: Apache-2.0
#include "key_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int key_map_init(struct key_map *m, uint32_t most)
{
	uint32_t slots = 4;

	while (slots < 2 * most) /* at most half full: short searches */
		slots *= 2;
	m->slot = calloc(slots, sizeof(*m->slot));
	m->mask = slots - 1;
	return m->slot ? 0 : -ENOMEM;
}

void key_map_free(struct key_map *m)
{
	free(m->slot);
	m->slot = NULL;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct key_map_slot *slot_of(const struct key_map *m, const void *key, size_t len)
{
	uint32_t i = (uint32_t)XXH3_64bits(key, len) & m->mask;

	while (m->slot[i].key != NULL &&
	       (m->slot[i].len != len || memcmp(m->slot[i].key, key, len) != 0))
		i = (i + 1) & m->mask;
	return &m->slot[i];
}

uint32_t key_map_add(struct key_map *m, const void *key, size_t len, uint32_t value)
{
	struct key_map_slot *s = slot_of(m, key, len);

	if (s->key != NULL)
		return s->value;
	*s = (struct key_map_slot){ .key = key, .len = (uint32_t)len, .value = value };
	return KEY_MAP_NONE;
}

uint32_t key_map_find(const struct key_map *m, const void *key, size_t len)
{
	const struct key_map_slot *s = slot_of(m, key, len);

	return s->key != NULL ? s->value : KEY_MAP_NONE;
}

static const char *name_at(const void *array, size_t size, uint32_t i)
{
	return (const char *)array + i * size;
}

int name_pairs_make(struct name_pairs *p, const void *a, uint32_t a_count, const void *b,
		    uint32_t b_count, size_t size)
{
	struct key_map names = { 0 };
	const char *name;

	p->to_b = malloc((a_count + 1) * sizeof(*p->to_b));
	p->to_a = malloc((b_count + 1) * sizeof(*p->to_a));
	if (p->to_b == NULL || p->to_a == NULL || key_map_init(&names, a_count) < 0) {
		name_pairs_free(p);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < a_count; i++) {
		name = name_at(a, size, i);
		key_map_add(&names, name, strlen(name), i);
		p->to_b[i] = KEY_MAP_NONE;
	}
	for (uint32_t i = 0; i < b_count; i++) {
		name = name_at(b, size, i);
		p->to_a[i] = key_map_find(&names, name, strlen(name));
		if (p->to_a[i] != KEY_MAP_NONE)
			p->to_b[p->to_a[i]] = i;
	}
	key_map_free(&names);
	return 0;
}

void name_pairs_free(struct name_pairs *p)
{
	free(p->to_a);
	free(p->to_b);
	*p = (struct name_pairs){ 0 };
}
