// SPDX-License-Identifier: Apache-2.0
#include "neigh_hold.h"

#include "log.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096 }; /* power of two; 16,384 backends on one network: 4 each */

struct neigh_holds {
	struct rtnl *rtnl;
	struct neigh_hold *bucket[BUCKETS];
	bool forbidden; /* said once */
};

int neigh_holds_create(struct rtnl *r, struct neigh_holds **out)
{
	struct neigh_holds *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	all->rtnl = r;
	*out = all;
	return 0;
}

void neigh_holds_destroy(struct neigh_holds *all)
{
	free(all);
}

/* Where the pointer to it is, or would be. */
static struct neigh_hold **place(struct neigh_holds *all, uint32_t ifindex,
				 const struct weir_addr *addr)
{
	uint32_t h = ifindex * 0x9e3779b1u;
	struct neigh_hold **at;

	for (unsigned i = 0; i < sizeof(addr->bytes); i++)
		h = (h ^ addr->bytes[i]) * 0x01000193u; /* FNV-1a */
	at = &all->bucket[(h >> 16 ^ h) & (BUCKETS - 1)];
	while (*at != NULL && ((*at)->ifindex != ifindex || !weir_addr_equal(&(*at)->addr, addr)))
		at = &(*at)->next;
	return at;
}

struct neigh_hold *neigh_hold_find(struct neigh_holds *all, uint32_t ifindex,
				   const struct weir_addr *addr)
{
	return *place(all, ifindex, addr);
}

void neigh_hold_learn(struct neigh_hold *h, const struct rtnl_neigh *entry)
{
	if (!entry->has_mac)
		return;
	h->has_mac = true;
	memcpy(h->mac, entry->mac, sizeof(h->mac));
}

static void manage(struct neigh_holds *all, struct neigh_hold *h)
{
	int err = rtnl_neigh_manage(all->rtnl, h->ifindex, &h->addr);
	char text[WEIR_ADDR_STRLEN];

	switch (err) {
	case 0:
		h->made = true;
		break;
	case -EINVAL:
	case -EOPNOTSUPP:
		h->plain = true;
		break;
	case -EPERM:
		if (!all->forbidden)
			log_warning("cannot keep neighbours resolved without CAP_NET_ADMIN: next "
				    "hops are what the kernel happens to know");
		all->forbidden = true;
		break;
	default: /* the link is down, or going: its events bring us back */
		log_debug("neighbour %s: %s", weir_addr_text(&h->addr, text), strerror(-err));
	}
}

void neigh_hold_refresh(struct neigh_holds *all, struct neigh_hold *h)
{
	struct rtnl_neigh entry = { 0 };
	int err = rtnl_neigh_get(all->rtnl, h->ifindex, &h->addr, &entry);
	bool permanent = (entry.state & (NUD_PERMANENT | NUD_NOARP)) != 0;

	if (entry.managed && entry.protocol == RTNL_PROTOCOL)
		h->made = true; /* perhaps by a control plane before us */
	if (!entry.managed && !permanent && !h->plain) {
		manage(all, h);
		err = rtnl_neigh_get(all->rtnl, h->ifindex, &h->addr, &entry);
		/* Before Linux 5.16 the attribute is not refused but passed over. */
		h->plain = h->plain || (err == 0 && h->made && !entry.managed);
	}
	if (h->plain && !permanent)
		(void)rtnl_neigh_use(all->rtnl, h->ifindex, &h->addr);
	if (err == 0)
		neigh_hold_learn(h, &entry);
}

struct neigh_hold *neigh_hold_take(struct neigh_holds *all, uint32_t ifindex,
				   const struct weir_addr *addr)
{
	struct neigh_hold **at = place(all, ifindex, addr);

	if (*at != NULL)
		return *at;
	*at = calloc(1, sizeof(**at));
	if (*at == NULL)
		return NULL;
	(*at)->ifindex = ifindex;
	(*at)->addr = *addr;
	neigh_hold_refresh(all, *at);
	return *at;
}

void neigh_hold_drop(struct neigh_holds *all, struct neigh_hold *h)
{
	struct neigh_hold **at = place(all, h->ifindex, &h->addr);

	if (h->made)
		(void)rtnl_neigh_delete(all->rtnl, h->ifindex, &h->addr);
	*at = h->next;
	free(h);
}

void neigh_holds_use(struct neigh_holds *all)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct neigh_hold *h = all->bucket[i]; h != NULL; h = h->next)
			if (h->plain)
				(void)rtnl_neigh_use(all->rtnl, h->ifindex, &h->addr);
}
