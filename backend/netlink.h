// SPDX-License-Identifier: Apache-2.0
/*
 * The rtnetlink requests that weir-backend makes, over libmnl: what the host has
 * is appended to a struct host; what changes it is one address or one route.
 * Every function returns 0 or a negative errno.
 */
#ifndef WEIR_BACKEND_NETLINK_H
#define WEIR_BACKEND_NETLINK_H

#include "host.h"

struct mnl_socket;

int netlink_open(struct mnl_socket **out);

int netlink_links(struct mnl_socket *nl, struct host *h);
int netlink_addrs(struct mnl_socket *nl, struct host *h);

/* Default routes, how many others go by a gateway, and local prefixes. */
int netlink_routes(struct mnl_socket *nl, struct host *h);

/* Rules by which packets of this host may go by other tables than the usual three. */
int netlink_rules(struct mnl_socket *nl, struct host *h);

int netlink_proxies(struct mnl_socket *nl, struct host *h);

/* Whether the interface has a qdisc at TC_H_CLSACT ("clsact" or "ingress"). */
int netlink_ingress(struct mnl_socket *nl, int ifindex, bool *out);

/* A bpf filter as a dump shows it. Other kinds have id 0 and their kind as name. */
struct netlink_filter {
	uint32_t priority, handle;
	uint32_t program_id;
	char name[64];
};
typedef int netlink_filter_fn(void *user, const struct netlink_filter *f);

/* Calls `fn` for each filter at tc ingress or egress; what it returns below 0 ends
 * the dump and is returned. An interface without the qdisc has none. */
int netlink_filters(struct mnl_socket *nl, int ifindex, bool ingress, netlink_filter_fn *fn,
		    void *user);

/*
 * Make a VIP local, marked as ours (HOST_VIP_*). An address goes on the interface, full
 * length, so that the kernel never chooses it as a source by itself: of scope host
 * (IPv4), deprecated from the start (IPv6), without duplicate address detection. A
 * prefix becomes a route of type "local". -EEXIST: it is there.
 */
int netlink_vip_add(struct mnl_socket *nl, int ifindex, const struct prefix *vip);

/* -EADDRNOTAVAIL, -ESRCH: it is not there. */
int netlink_vip_del(struct mnl_socket *nl, int ifindex, const struct prefix *vip);

/* Let a default route announce this MSS; 0: what follows from its MTU. All else of the
 * route stays. -ESRCH: it is not there (anymore). */
int netlink_route_mss(struct mnl_socket *nl, const struct host_route *r, unsigned advmss);

void netlink_close(struct mnl_socket *nl);

#endif /* WEIR_BACKEND_NETLINK_H */
