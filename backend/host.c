// SPDX-License-Identifier: Apache-2.0
#include "host.h"

#include <errno.h>
#include <stdio.h>
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

const struct host_prefix *host_prefix_find(const struct host *h, const struct prefix *p)
{
	for (unsigned i = 0; i < h->prefix_count; i++)
		if (h->prefix[i].prefix.len == p->len &&
		    weir_addr_equal(&h->prefix[i].prefix.addr, &p->addr))
			return &h->prefix[i];
	return NULL;
}

const char *host_route_text(const struct host *h, const struct host_route *r, char *buf)
{
	const struct host_link *l = host_link_by(h, r->ifindex);
	char gateway[WEIR_ADDR_STRLEN], metric[24] = "";
	bool via = r->gateway.family != 0, other = via && r->gateway.family != r->family;

	/* The metric that IPv6 routes have when none is given. */
	if (r->metric != 0 && !(r->family == 6 && r->metric == 1024))
		snprintf(metric, sizeof(metric), " metric %u", r->metric);
	snprintf(buf, HOST_ROUTE_TEXT_LEN, "default%s%s%s%s%s%s", via ? " via " : "",
		 other ? "inet6 " : "", via ? weir_addr_text(&r->gateway, gateway) : "",
		 l != NULL ? " dev " : "", l != NULL ? l->name : " ...", metric);
	return buf;
}

/* Nobody else can send there. */
static bool own_business(const struct weir_addr *a)
{
	static const struct weir_addr loopback = { .family = 6, .bytes = { [15] = 1 } };

	if (a->family == 4)
		return a->bytes[0] == 127;
	return weir_addr_equal(a, &loopback) ||
	       (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80);
}

int host_local(const struct host *h, const struct prefix_list *vips, struct prefix_list *out)
{
	for (unsigned i = 0; i < h->addr_count; i++) {
		const struct host_addr *a = &h->addr[i];

		if (a->ours || a->temporary || own_business(&a->addr) ||
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
	free(h->prefix);
	free(h->proxy);
	free(h->route);
	free(h->filter);
	prefix_free(&h->decap.vips);
	prefix_free(&h->decap.from);
	prefix_free(&h->decap.local);
	prefix_free(&h->listening);
	*h = (struct host){ 0 };
}
