// SPDX-License-Identifier: Apache-2.0
/*
 * What the control plane may do after its start: CAP_NET_ADMIN, to hold neighbour
 * entries, listen to every event of the kernel's networking, and mark and carry health
 * probes, and nothing else. CAP_BPF and CAP_NET_RAW have been used by then.
 */
#ifndef WEIR_CONTROL_PRIVILEGES_H
#define WEIR_CONTROL_PRIVILEGES_H

#include <stddef.h>

/*
 * Become `user` (empty: stay) and drop every other capability, for good: also what a
 * program that we start could gain. Without CAP_NET_ADMIN to begin with, there is
 * nothing to keep, and that is no error.
 *
 * Returns 0, or -errno with a sentence in why[why_len]; the process must end then, it
 * may have dropped half of it.
 */
int privileges_drop(const char *user, char *why, size_t why_len);

#endif /* WEIR_CONTROL_PRIVILEGES_H */
