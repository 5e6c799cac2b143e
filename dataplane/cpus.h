// SPDX-License-Identifier: Apache-2.0
/*
 * Which CPUs there are, and which of them may be used.
 */
#ifndef WEIR_CPUS_H
#define WEIR_CPUS_H

#include "dpconf.h"

#include <sched.h>
#include <stddef.h>

/*
 * Check that the process may run on every CPU of the list, and set *rest to those
 * that are left for everything but workers: all it may use when there are none.
 * Returns 0, or -EINVAL with a sentence logged.
 */
int cpus_check(const struct dpconf *conf, cpu_set_t *rest);

/* "0,2-3" into buf; returns buf. */
const char *cpus_text(const cpu_set_t *set, char *buf, size_t len);

#endif /* WEIR_CPUS_H */
