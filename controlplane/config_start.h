// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration at the start: the file, and the changes made at run time that the
 * state file kept.
 */
#ifndef WEIR_CONFIG_START_H
#define WEIR_CONFIG_START_H

#include "controlplane.h"
#include "state_file.h"

/*
 * Fill cp->file, cp->running and the flow seed from cp->path. Everything that is wrong
 * is logged. *has_state: *state was loaded and is the caller's to free, also on error.
 * Returns 0 or -errno. A state file that cannot be used is an error in the log, no more:
 * the file alone counts then.
 */
int config_start(struct controlplane *cp, struct state *state, bool *has_state);

#endif /* WEIR_CONFIG_START_H */
