// SPDX-License-Identifier: Apache-2.0
/*
 * Who could answer on a VIP: the local addresses of listening TCP and bound
 * UDP sockets, from /proc/net/{tcp,udp,tcp6,udp6}.
 */
#ifndef WEIR_BACKEND_LISTEN_H
#define WEIR_BACKEND_LISTEN_H

#include "prefix.h"

/*
 * One line of such a file. Returns true with *out set when the socket listens
 * (TCP) or is bound and not connected (UDP). 0.0.0.0 stands for every IPv4 address, ::
 * for every address (a socket that asked for IPv6 alone looks the same here). False
 * for all else, the heading included.
 */
bool listen_line(const char *line, struct weir_addr *out);

/* Add the addresses of all such sockets of this network namespace to *out. A
 * missing file (no IPv6) is no error. Returns 0 or -ENOMEM. */
int listen_look(struct prefix_list *out);

#endif /* WEIR_BACKEND_LISTEN_H */
