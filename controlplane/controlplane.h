// SPDX-License-Identifier: Apache-2.0
/*
 * The control plane as a whole: what main.c puts together and the commands work on.
 * One thread, one event loop: nobody locks.
 */
#ifndef WEIR_CONTROLPLANE_H
#define WEIR_CONTROLPLANE_H

#include "checks.h"
#include "drain.h"
#include "dp_session.h"
#include "model.h"
#include "neigh.h"
#include "probe_ways.h"
#include "publish.h"
#include "rpc.h"

#include <uv.h>

struct controlplane {
	uv_loop_t loop;
	const char *path;     /* of the configuration file */
	struct conf *file;    /* what it said when it was last read */
	struct conf *running; /* with the changes made at run time: what the model says */
	bool unsaved;	      /* the state file does not have all of it yet */
	struct model model;
	struct model_hooks follow; /* keep neigh and checks in step with the model */
	struct publisher *publisher;
	struct dp_session *dp;
	struct neigh *neigh;
	struct probe_ways *ways; /* of DSR probes */
	struct checks *checks;
	struct drain *drain;
	struct rpc *rpc;
	uv_timer_t first_probes; /* ends the wait for the first verdicts */
	uv_timer_t first_adoption; /* and that for a data plane that may have some in force */
	uint64_t dp_start_ms; /* of the data plane attached last: a later one counts from 0 */
};

/*
 * Bring everything up, from `path` on; `loop` must be initialised, all else zero. In
 * this order: configuration and state file; control socket, which also keeps a second
 * instance out; privileges; the parts; the first filling of the model; the session with
 * the data plane. What a data plane has in force stays until the first health verdicts.
 *
 * Returns 0, or -errno with the reasons logged. controlplane_stop() undoes it, also
 * after an error; it runs the loop until everything is closed, and what the data plane
 * forwards by stays.
 */
int controlplane_start(struct controlplane *cp);
void controlplane_stop(struct controlplane *cp);

#endif /* WEIR_CONTROLPLANE_H */
