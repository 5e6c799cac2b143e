// SPDX-License-Identifier: Apache-2.0
/*
 * What on this host would keep Weir, its probes above all, from working with a
 * configuration: a VIP that is or holds an address of the host, a blackhole route or
 * none to a VIP, a port that probes cannot leave by, an outer source that is not the host's,
 * strict reverse path filtering where answers come in, users that cannot meet at the
 * session socket, or get to the sockets.
 */
#ifndef WEIR_HOST_CHECK_H
#define WEIR_HOST_CHECK_H

#include "conf_file.h"

/* Append a sentence per finding to *warnings; a host that cannot be asked gives one. */
void host_check(const struct conf *c, const char *path, struct conf_errors *warnings);

#endif /* WEIR_HOST_CHECK_H */
