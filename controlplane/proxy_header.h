// SPDX-License-Identifier: Apache-2.0
/*
 * PROXY protocol headers, as the sender writes them.
 *
 * Source: "The PROXY protocol", HAProxy Technologies, 2020/03/05, sections 2.1
 * (version 1, text) and 2.2 (version 2, binary).
 */
#ifndef WEIR_PROXY_HEADER_H
#define WEIR_PROXY_HEADER_H

#include <stddef.h>
#include <stdint.h>

struct sockaddr;

#define PROXY_HEADER_MAX 108 /* version 1 at its longest, with NUL; version 2: 52 */

/*
 * Write the header for a TCP connection from `from` to `to`, both AF_INET or both
 * AF_INET6, into buf[PROXY_HEADER_MAX]. Version 2 says PROXY, not LOCAL: a probe
 * shows what happens to a client that comes through a proxy.
 *
 * Returns its length; 0 when version or families are none of these.
 */
size_t proxy_header_build(int version, const struct sockaddr *from, const struct sockaddr *to,
			  uint8_t *buf);

#endif /* WEIR_PROXY_HEADER_H */
