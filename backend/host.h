// SPDX-License-Identifier: Apache-2.0
/*
 * What this host looks like now: everything that `up` may have to change and
 * `check` has to judge. Observed by look_host() in one go; plan.c and findings.c
 * compute from it and from nothing else, so their tests need no host.
 */
#ifndef WEIR_BACKEND_HOST_H
#define WEIR_BACKEND_HOST_H

#include "bpf/decap.h"
#include "prefix.h"

#include <net/if.h>

/* How what `up` made is known: IPv4 addresses by their label, IPv6 addresses and the
 * routes of VIP prefixes by their protocol, a number that nobody else uses. */
#define HOST_VIP_LABEL	  "lo:weir"
#define HOST_VIP_PROTOCOL 87

/* Settings of one interface, or of "all", under /proc/sys/net/ipv4/conf: the kernel
 * goes by the greater of the two for each of them. And one of ipv6/conf, where each
 * interface goes by its own. */
struct host_sysctls {
	int arp_ignore, arp_announce, rp_filter;
	bool ipv6_off; /* disable_ipv6, or a kernel without IPv6 */
};

struct host_link {
	int index;
	char name[IFNAMSIZ];
	char kind[16];	/* "veth", "dummy", "ipip", ...; "" for hardware and lo */
	unsigned type;	/* ARPHRD_* */
	unsigned flags; /* IFF_* */
	unsigned mtu;
	bool any_remote; /* a tunnel device that takes packets from every source */
	struct host_sysctls sysctls;
	uint32_t decap_id; /* program weir_decap at its tc ingress; 0: none */
};

struct host_addr {
	int ifindex;
	struct weir_addr addr;
	uint8_t len;	/* bits of the subnet */
	bool ours;	/* made by `up` */
	bool temporary; /* RFC 8981: changes every day, and nobody is told of it */
};

/* A prefix of which every address is this host's: a route of type "local". */
struct host_prefix {
	struct prefix prefix;
	int ifindex;
	bool ours;
};

/* An address that this host answers neighbour solicitations for, as a proxy. */
struct host_proxy {
	int ifindex;
	struct weir_addr addr;
};

/* A default route of the main table. */
struct host_route {
	uint8_t family;
	uint8_t protocol; /* RTPROT_*: who made it */
	uint32_t metric;
	int ifindex;		  /* 0: by several interfaces */
	struct weir_addr gateway; /* family 0: none, or several */
	unsigned mtu;		  /* its own; 0: the interface's */
	unsigned advmss;	  /* its own; 0: by MTU */
};

/* A filter at tc ingress of the configured interface that is not ours. */
struct host_filter {
	uint32_t priority;
	char name[64];
};

/* The program at tc ingress of the configured interface. */
struct host_decap {
	uint32_t id;	   /* 0: none */
	uint64_t loaded_s; /* seconds since boot */
	uint16_t gue_port; /* 0: no GUE */
	struct prefix_list vips, from, local;
	struct decap_count count[DECAP_FATE_COUNT];
};

/* Oldest kernel that has all we use; it is the oldest that is tested, too. */
#define HOST_KERNEL(major, minor) ((major) << 16 | (minor))
#define HOST_KERNEL_LEAST	  HOST_KERNEL(6, 1)

struct host {
	unsigned kernel; /* HOST_KERNEL() */
	struct host_link *link;
	unsigned link_count;
	struct host_addr *addr;
	unsigned addr_count;
	struct host_prefix *prefix;
	unsigned prefix_count;
	struct host_proxy *proxy;
	unsigned proxy_count;
	struct host_route *route;
	unsigned route_count;
	unsigned gateway_routes[2]; /* other routes by a gateway: of IPv4, of IPv6 */
	unsigned table_rules[2];    /* rules that lead to other tables: of IPv4, of IPv6 */
	struct host_filter *filter;
	unsigned filter_count;
	struct host_sysctls all;
	struct host_decap decap;
	bool ingress;		      /* the configured interface has a clsact or ingress qdisc */
	bool egress_used;	      /* there are filters at its tc egress */
	struct prefix_list listening; /* local addresses of sockets; 0.0.0.0, ::: all of them */
};

void host_free(struct host *h);

/* By name or index; NULL: there is none. */
const struct host_link *host_link_named(const struct host *h, const char *name);
const struct host_link *host_link_by(const struct host *h, int ifindex);

/* An interface that speaks neither ARP nor ND and so may hold a VIP: loopback or dummy. */
bool host_link_quiet(const struct host_link *l);

/* The first entry for an address on a quiet interface (or with `quiet` false: on
 * any other); NULL: there is none. */
const struct host_addr *host_addr_find(const struct host *h, const struct weir_addr *a, bool quiet);

/* The route that makes a prefix local, NULL: there is none. */
const struct host_prefix *host_prefix_find(const struct host *h, const struct prefix *p);

/* "default via 10.0.0.1 dev eth0 metric 100", as ip-route(8) has it. Returns buf. */
#define HOST_ROUTE_TEXT_LEN 128
const char *host_route_text(const struct host *h, const struct host_route *r, char *buf);

/* Addresses that Weir may send outer packets to: every address of this host but
 * loopback, link-local and temporary ones, those in `vips` and those that `up` made.
 * Returns 0 or -ENOMEM. */
int host_local(const struct host *h, const struct prefix_list *vips, struct prefix_list *out);

#endif /* WEIR_BACKEND_HOST_H */
