// SPDX-License-Identifier: Apache-2.0
/*
 * The one way in which what runs is changed: by commands, by a reload, by a deadline.
 * A copy is edited and checked whole; then it is in force, or nothing has happened.
 */
#ifndef WEIR_CHANGE_H
#define WEIR_CHANGE_H

#include "controlplane.h"

/* A copy of what runs, to be edited. NULL with *err filled: no memory. */
struct conf *change_begin(struct controlplane *cp, struct rpc_error *err);

/*
 * Check the copy, of which backends were edited, and put it in force: model, neighbours, checks, deadlines; the
 * tables follow by the publisher. Takes `next`. False with *err filled (RPC_BAD_CONFIG
 * with every error in its data): nothing has changed.
 */
bool change_commit(struct controlplane *cp, struct conf *next, struct rpc_error *err);

/* As change_commit() for any configuration, which has been checked. 0 or -ENOMEM. */
int change_install(struct controlplane *cp, struct conf *next);

/*
 * Read the file again (SIGHUP, `reload`), or drop what was changed at run time
 * (`revert`). *changed: keys; *warnings: to be freed. False as change_commit().
 */
bool change_reload(struct controlplane *cp, unsigned *changed, struct conf_errors *warnings,
		   struct rpc_error *err);
bool change_revert(struct controlplane *cp, unsigned *changed, struct rpc_error *err);

/* A data plane has been asked what no state file told, and the model has it: keep it. */
void change_adopted(struct controlplane *cp);

/* Backends whose drain deadline has passed become disabled, or go. */
void change_expire(struct controlplane *cp);

/* Backends that leave go, if nothing holds them any more. */
void change_leave(struct controlplane *cp);

/* Is a draining backend's drain complete: no slot, no open window and no pin names it. */
bool change_is_drained(const struct controlplane *cp, const struct backend *b);

/*
 * Write the state file if something is unsaved: before a change is answered, so that an
 * answered change outlives us, and once for all changes that wait. 0, or -errno with a
 * sentence in why[why_len]; what runs goes on running. Before change_adopted() a state that
 * was lost is written as partial, so that the next start asks the data plane still.
 */
int change_save(struct controlplane *cp, char *why, size_t why_len);

#endif /* WEIR_CHANGE_H */
