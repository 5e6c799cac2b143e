// SPDX-License-Identifier: Apache-2.0
/*
 * Carries out what plan.c computes: `up` and `down`. Each step taken is a line on
 * standard output, each failure one on standard error.
 */
#ifndef WEIR_BACKEND_SETUP_H
#define WEIR_BACKEND_SETUP_H

#include "settings.h"

/*
 * Make this host a backend as the settings say; again to apply changed settings, or
 * to mend what an interrupted run left. Nothing that stays wanted is taken away in
 * between. Returns 0; a negative errno when a step failed: what was done stays and
 * is noted in the state file.
 */
int setup_up(const struct settings *s, const char *state_dir);

/* Undo what `up` did on this interface, and nothing else. Returns 0, also when there
 * is nothing to undo; a negative errno when a step failed: the rest is done all the
 * same, and the state file stays for another try. */
int setup_down(const char *interface, const char *state_dir);

#endif /* WEIR_BACKEND_SETUP_H */
