// SPDX-License-Identifier: Apache-2.0
/*
 * Giving up what only the start needs. Capabilities belong to threads: each thread
 * drops its own. What stays is in docs/shared-memory.md ("After the start").
 */
#ifndef WEIR_PRIVILEGES_H
#define WEIR_PRIVILEGES_H

#include "dpconf.h"

#include <stdbool.h>
#include <sys/types.h>

struct privileges {
	bool has_user;
	uid_t uid;
	gid_t gid;
	bool keep_net_admin; /* to detach XDP programs at the end */
};

/* What the configuration asks for. Returns 0, or -ENOENT with a sentence logged:
 * there is no such user. */
int privileges_plan(struct privileges *p, const struct dpconf *conf);

/*
 * On the main thread, when everything is open and no worker runs yet: become the
 * user, in all threads; give up all capabilities of this thread and of DPDK's
 * interrupt thread, but keep CAP_NET_ADMIN for privileges_raise() if planned; bar
 * the process from gaining any and from starting programs. Returns 0, or a
 * negative errno with a sentence logged.
 */
int privileges_drop(const struct privileges *p);

/* On each other thread: give up all capabilities. */
void privileges_drop_thread(void);

/* On the main thread, before ports are closed: what was kept takes effect. */
void privileges_raise(const struct privileges *p);

#endif /* WEIR_PRIVILEGES_H */
