// SPDX-License-Identifier: Apache-2.0
/*
 * Observes this host: rtnetlink, tc, eBPF maps, /proc. Changes nothing.
 */
#ifndef WEIR_BACKEND_LOOK_H
#define WEIR_BACKEND_LOOK_H

#include "host.h"

/*
 * Look at the host of this network namespace; `interface` is the configured one
 * and need not exist. Returns 0, or a negative errno with a sentence in
 * why[why_len] and *out untouched. host_free() ends it.
 */
int look_host(const char *interface, struct host *out, char *why, size_t why_len);

#endif /* WEIR_BACKEND_LOOK_H */
