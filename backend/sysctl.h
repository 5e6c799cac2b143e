// SPDX-License-Identifier: Apache-2.0
/*
 * Settings under /proc/sys/net/ipv4/conf of this network namespace. `name` is
 * "INTERFACE/KEY" or "all/KEY".
 */
#ifndef WEIR_BACKEND_SYSCTL_H
#define WEIR_BACKEND_SYSCTL_H

#include <stdbool.h>

/* Long enough for every name: an interface and the longest key that we use. */
#define SYSCTL_NAME_LEN 48

/* "IFACE/KEY" into buf[SYSCTL_NAME_LEN]; returns buf. */
const char *sysctl_name(const char *interface, const char *key, char *buf);

/* True for the settings that weir-backend changes: those of this interface, and of
 * "all" the two for ARP. */
bool sysctl_known(const char *name, const char *interface);

/* Returns 0, or a negative errno (-ENOENT: no such interface) and *out untouched. */
int sysctl_get(const char *name, int *out);

/* True when the interface (or "all") takes no IPv6: disable_ipv6 of
 * /proc/sys/net/ipv6/conf is set, or the kernel has no such thing. */
bool sysctl_ipv6_off(const char *interface);

/* Returns 0 or a negative errno. */
int sysctl_set(const char *name, int value);

#endif /* WEIR_BACKEND_SYSCTL_H */
