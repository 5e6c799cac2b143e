// SPDX-License-Identifier: Apache-2.0
/*
 * From the file (and what was before) to the configuration that runs: at the
 * start, on SIGHUP and `weirctl reload`, and on `weirctl revert`. No sockets, no
 * clock, nothing in force is touched: the caller puts the result in force, or
 * prints the errors and goes on with what it has.
 */
#ifndef WEIR_RELOAD_H
#define WEIR_RELOAD_H

#include "conf_file.h"

struct state;

struct reload {
	struct conf *file;    /* what the file says now */
	struct conf *running; /* what is to run */
	unsigned changed;     /* keys of `running` that changed */
	struct conf_errors errors;
	struct conf_errors warnings; /* unwise, or "needs a restart of weir-dataplane" */
};

/*
 * The start. `state`: what state_load() gave, or NULL. What changed in the file
 * while nobody read it is applied, runtime changes stay. When they do not fit the
 * file any more (an address that the file now gives to another backend), the file
 * alone counts and a warning says so. A CA file or program that a check names and that
 * is not there is a warning too. Returns 0, or a negative errno with the reasons in
 * out->errors; file and running are NULL then.
 */
int reload_start(const char *path, const struct state *state, struct reload *out);

/*
 * SIGHUP, `weirctl reload`: `file` as last read, `running` as in force. Only keys
 * that changed in the file since are applied. On any error (also when the result
 * would not pass conf_check()) nothing is applied; returns as reload_start().
 */
int reload_file(const char *path, const struct conf *file, const struct conf *running,
		struct reload *out);

/* `weirctl revert`: what the file said when it was last read, runtime changes gone.
 * 0 or -ENOMEM. out->file is a copy of `file`. */
int reload_revert(const struct conf *file, const struct conf *running, struct reload *out);

/* Frees all that is left in it: set file and running to NULL to keep them. */
void reload_free(struct reload *r);

#endif /* WEIR_RELOAD_H */
