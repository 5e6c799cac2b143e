// SPDX-License-Identifier: Apache-2.0
#include "prefix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t prefix_full(const struct weir_addr *a)
{
	return a->family == 6 ? 128 : 32;
}

static bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && weir_addr_equal(&a->addr, &b->addr);
}

bool prefix_has(const struct prefix_list *l, const struct prefix *p)
{
	for (unsigned i = 0; i < l->count; i++)
		if (prefix_equal(&l->item[i], p))
			return true;
	return false;
}

bool prefix_has_addr(const struct prefix_list *l, const struct weir_addr *a)
{
	return prefix_has(l, &(struct prefix){ .addr = *a, .len = prefix_full(a) });
}

bool prefix_covers(const struct prefix_list *l, const struct weir_addr *a)
{
	for (unsigned i = 0; i < l->count; i++)
		if (weir_addr_in(a, &l->item[i].addr, l->item[i].len))
			return true;
	return false;
}

int prefix_add(struct prefix_list *l, const struct weir_addr *a, uint8_t len)
{
	struct prefix p = { .addr = *a, .len = len };
	struct prefix *bigger;

	if (prefix_has(l, &p))
		return -EEXIST;
	if ((l->count & (l->count - 1)) == 0) { /* full at every power of two */
		bigger = realloc(l->item, sizeof(*bigger) * (l->count == 0 ? 1 : 2 * l->count));
		if (bigger == NULL)
			return -ENOMEM;
		l->item = bigger;
	}
	l->item[l->count++] = p;
	return 0;
}

int prefix_add_addr(struct prefix_list *l, const struct weir_addr *a)
{
	return prefix_add(l, a, prefix_full(a));
}

void prefix_remove(struct prefix_list *l, const struct prefix *p)
{
	/* The allocation keeps its size, which a later prefix_add() may only
	 * overestimate: it grows again at the same counts. */
	for (unsigned i = 0; i < l->count; i++) {
		if (!prefix_equal(&l->item[i], p))
			continue;
		memmove(&l->item[i], &l->item[i + 1], sizeof(*p) * (l->count - i - 1));
		l->count--;
		return;
	}
}

void prefix_free(struct prefix_list *l)
{
	free(l->item);
	*l = (struct prefix_list){ 0 };
}

const char *prefix_text(const struct prefix *p, char *buf)
{
	char addr[WEIR_ADDR_STRLEN];

	weir_addr_text(&p->addr, addr);
	if (p->len == prefix_full(&p->addr))
		snprintf(buf, WEIR_PREFIX_STRLEN, "%s", addr);
	else
		snprintf(buf, WEIR_PREFIX_STRLEN, "%s/%u", addr, p->len);
	return buf;
}
