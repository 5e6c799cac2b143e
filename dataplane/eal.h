// SPDX-License-Identifier: Apache-2.0
/*
 * DPDK's environment: memory, CPUs, devices. The thread that calls eal_start()
 * becomes the housekeeping thread (EAL's main lcore, number 0), floating on the
 * CPUs that no worker has; worker i is lcore i + 1, bound to cpus[i].
 */
#ifndef WEIR_EAL_H
#define WEIR_EAL_H

#include "dpconf.h"

#include <stdbool.h>

#define EAL_WORKER_LCORE(i) ((i) + 1)

/*
 * Once a process, from the main thread. Leaves no file behind, however the process
 * ends. Returns 0, or a negative errno with a sentence logged.
 */
int eal_start(const struct dpconf *conf, bool verbose);

/* Whether DPDK has PCI devices, which read packet buffers by themselves. */
bool eal_has_pci(void);

/* After every device is closed. */
void eal_stop(void);

#endif /* WEIR_EAL_H */
