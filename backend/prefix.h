// SPDX-License-Identifier: Apache-2.0
/*
 * Lists of addresses and prefixes without duplicates; an address is a prefix of
 * full length. VIPs, outer prefixes and the addresses of an interface are such
 * lists, so that comparing what is with what should be is one function.
 */
#ifndef WEIR_BACKEND_PREFIX_H
#define WEIR_BACKEND_PREFIX_H

#include "addr.h"

struct prefix {
	struct weir_addr addr;
	uint8_t len; /* bits */
};

/* Zero it to begin. Order: as added. */
struct prefix_list {
	struct prefix *item;
	unsigned count;
};

/* Full length of an address of this family: 32 or 128. */
uint8_t prefix_full(const struct weir_addr *a);

/* Returns 0; -EEXIST when it is in the list already; -ENOMEM. */
int prefix_add(struct prefix_list *l, const struct weir_addr *a, uint8_t len);

/* The same with len = prefix_full(). */
int prefix_add_addr(struct prefix_list *l, const struct weir_addr *a);

bool prefix_has(const struct prefix_list *l, const struct prefix *p);
bool prefix_has_addr(const struct prefix_list *l, const struct weir_addr *a);

/* True when the address lies within one of the prefixes. */
bool prefix_covers(const struct prefix_list *l, const struct weir_addr *a);

/* Take one out; nothing happens when it is not there. */
void prefix_remove(struct prefix_list *l, const struct prefix *p);

void prefix_free(struct prefix_list *l);

/* "192.0.2.0/24", or "192.0.2.1" at full length, into buf[WEIR_PREFIX_STRLEN]. */
const char *prefix_text(const struct prefix *p, char *buf);

#endif /* WEIR_BACKEND_PREFIX_H */
