// SPDX-License-Identifier: Apache-2.0
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct host_link *host_link_named(const struct host *h, const char *name)
{
	for (unsigned i = 0; i < h->link_count; i++)
		if (strcmp(h->link[i].name, name) == 0)
			return &h->link[i];
	return NULL;
}

const struct host_link *host_link_by(const struct host *h, int ifindex)
{
	for (unsigned i = 0; i < h->link_count; i++)
		if (h->link[i].index == ifindex)
			return &h->link[i];
	return NULL;
}

bool host_link_quiet(const struct host_link *l)
{
	return (l->flags & IFF_LOOPBACK) != 0 || strcmp(l->kind, "dummy") == 0;
}

const struct host_addr *host_addr_find(const struct host *h, const struct weir_addr *a, bool quiet)
{
	for (unsigned i = 0; i < h->addr_count; i++) {
		const struct host_link *l = host_link_by(h, h->addr[i].ifindex);

		if (l != NULL && host_link_quiet(l) == quiet &&
		    weir_addr_equal(&h->addr[i].addr, a))
			return &h->addr[i];
	}
	return NULL;
}

int host_local(const struct host *h, const struct prefix_list *vips, struct prefix_list *out)
{
	for (unsigned i = 0; i < h->addr_count; i++) {
		const struct host_addr *a = &h->addr[i];

		if (a->addr.bytes[0] == 127 || strcmp(a->label, HOST_VIP_LABEL) == 0 ||
		    prefix_has_addr(vips, &a->addr))
			continue;
		if (prefix_add_addr(out, &a->addr) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

void host_free(struct host *h)
{
	free(h->link);
	free(h->addr);
	free(h->route);
	free(h->filter);
	prefix_free(&h->decap.vips);
	prefix_free(&h->decap.from);
	prefix_free(&h->decap.local);
	prefix_free(&h->listening);
	*h = (struct host){ 0 };
}
