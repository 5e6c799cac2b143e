// SPDX-License-Identifier: Apache-2.0
/*
 * What the netlink_*.c share: requests, and reading what comes back.
 */
#ifndef WEIR_BACKEND_NETLINK_ATTR_H
#define WEIR_BACKEND_NETLINK_ATTR_H

#include "addr.h"

#include <libmnl/libmnl.h>

/* A request in `buf`, and sending it: `cb` is run over the replies. Returns 0 or a
 * negative errno. */
struct nlmsghdr *netlink_begin(char *buf, uint16_t type, uint16_t flags);
int netlink_request(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *user);

/* For callbacks: they report an error by errno. */
int netlink_fail(int err);

/* The attributes of a message or a nest by type, of the types 0..most: user data of
 * netlink_attr_keep(), for mnl_attr_parse(). */
struct netlink_attrs {
	const struct nlattr **by_type;
	uint16_t most;
};
int netlink_attr_keep(const struct nlattr *attr, void *user);

/* 0: there is none. */
uint32_t netlink_u32(const struct nlattr *attr);

/* Address of 4 or 16 bytes; family 0: there is none. */
struct weir_addr netlink_addr(const struct nlattr *attr);

/* Room for one more in an array of `*count`, zeroed; NULL: no memory. `array` points to
 * the pointer to it. */
void *netlink_append(void *array, unsigned *count, size_t size);

#endif /* WEIR_BACKEND_NETLINK_ATTR_H */
