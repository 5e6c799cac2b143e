// SPDX-License-Identifier: Apache-2.0
/*
 * What we ask the kernel about networks (rtnetlink, by libmnl), one question a call.
 * The kernel answers while the question is sent, so a call takes microseconds; one
 * that finds no answer within a second gives up with -ETIMEDOUT.
 */
#ifndef WEIR_RTNL_H
#define WEIR_RTNL_H

#include "addr.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

struct rtnl;

/* 0 or -errno. */
int rtnl_open(struct rtnl **out);
void rtnl_close(struct rtnl *r);

struct rtnl_route {
	bool local;		 /* the destination is an address of this host */
	uint32_t ifindex;	 /* egress */
	struct weir_addr gateway; /* family 0: the destination is on that link */
	struct weir_addr source;  /* that the kernel would choose; family 0: none */
	uint32_t mtu;		 /* bytes of IP, where the route has its own; 0: the link's */
};

/*
 * The route that a packet to `to` would take now. -ENETUNREACH: none; -EINVAL: a
 * blackhole route; -EHOSTUNREACH: an unreachable route; -EACCES: a prohibit route.
 */
int rtnl_route_get(struct rtnl *r, const struct weir_addr *to, struct rtnl_route *out);

struct rtnl_neigh {
	uint32_t ifindex;
	struct weir_addr addr;
	uint16_t state; /* NUD_* */
	bool has_mac;	/* an Ethernet address is known, perhaps not checked lately */
	uint8_t mac[6];
	bool managed;	  /* NTF_EXT_MANAGED: the kernel keeps it resolved */
	uint8_t protocol; /* who made it; RTNL_PROTOCOL: we did */
};

/* In the protocol field of the neighbour entries we make ("proto 87" in `ip neigh`). */
#define RTNL_PROTOCOL 87

/* -ENOENT: the kernel has no such entry. */
int rtnl_neigh_get(struct rtnl *r, uint32_t ifindex, const struct weir_addr *addr,
		   struct rtnl_neigh *out);

/* Have the kernel resolve it and keep it resolved (Linux 5.16). A managed entry is
 * made, or an existing one becomes managed. -EPERM without CAP_NET_ADMIN. */
int rtnl_neigh_manage(struct rtnl *r, uint32_t ifindex, const struct weir_addr *addr);

/* Have the kernel resolve it now, as a packet to it would (NTF_USE). */
int rtnl_neigh_use(struct rtnl *r, uint32_t ifindex, const struct weir_addr *addr);

int rtnl_neigh_delete(struct rtnl *r, uint32_t ifindex, const struct weir_addr *addr);

/* Read an RTM_NEWROUTE, RTM_NEWNEIGH or RTM_DELNEIGH message, whole as it came. False
 * when it is of another kind or family, or cut short; *out is untouched then. */
bool rtnl_parse_route(const struct nlmsghdr *nlh, struct rtnl_route *out);
bool rtnl_parse_neigh(const struct nlmsghdr *nlh, struct rtnl_neigh *out);

#endif /* WEIR_RTNL_H */
