// SPDX-License-Identifier: Apache-2.0
/*
 * The largest TCP segment that fits behind Weir's outer header, and what the routes of
 * this host announce to clients instead. Pure.
 */
#ifndef WEIR_BACKEND_MSS_H
#define WEIR_BACKEND_MSS_H

#include "host.h"
#include "settings.h"

/* Bytes that Weir puts in front of a client's packet: the most that the mode and the
 * families in "from" allow. 0: nothing is unpacked. */
unsigned mss_outer(const struct settings *s);

/* MTU of the way from Weir: as configured, else the interface's. */
unsigned mss_mtu(const struct settings *s, const struct host_link *link);

/* The most that clients of this family (4 or 6) may be told: MTU less outer header less
 * IP and TCP headers. What is subtracted for the last two is what a sender subtracts
 * from the MTU to come to the MSS (RFC 6691). */
unsigned mss_limit(const struct settings *s, const struct host_link *link, uint8_t family);

/* What SYN-ACKs by this route announce, if its metric "advmss" is `advmss` (0: none):
 * ipv4_default_advmss() and ip6_default_advmss() of the kernel. For a route by several
 * interfaces, the most that it can be. */
unsigned mss_announced(const struct host *h, const struct host_route *r, unsigned advmss);

/* No other default route of its family has its metric. Of several the kernel replaces the
 * first, whichever is meant, and that one would be lost. */
bool mss_route_alone(const struct host *h, const struct host_route *r);

/* `up` may change the route: it stands alone, and is not of a router advertisement, with
 * each of which the kernel makes it anew. */
bool mss_route_ours(const struct host *h, const struct host_route *r);

#endif /* WEIR_BACKEND_MSS_H */
