// SPDX-License-Identifier: Apache-2.0
/*
 * Health checks: when to probe, and what comes of it. The probes are in probe*.c, the
 * judgement is judge.h, flap.h, agent_words.h and guard.h: pure functions. What is left:
 *
 *   checks_pool.c     what a pool's checks are, and what a reload changed of them
 *   checks.c          the runs of each backend, and when each is due
 *   checks_verdict.c  from results to b->health, and from that to who serves
 *   checks_now.c      one probe of each, asked for by a person
 *
 * First probes begin at once (20,000 a second of them), the second of each half an
 * interval to one and a half intervals later, by the backend's identity, so that 10,000
 * backends do not stay in step; then one an interval, with jitter. Probes under way are
 * bounded by the number of descriptors; what does not fit waits its turn.
 *
 * Nothing is changed before a backend's first verdict: what a restarted control plane
 * found in force, and what another check said before a reload, stands until the new
 * checks contradict it by their rule.
 */
#ifndef WEIR_CHECKS_H
#define WEIR_CHECKS_H

#include "conf_file.h"
#include "model.h"
#include "probe.h"

#include <jansson.h>
#include <uv.h>

struct checks;
struct probe_ways;

struct checks_hooks {
	void *user;
	/* Who serves in b's pool, or with which weight, may have changed. */
	void (*verdict)(void *user, struct backend *b);
	/* checks_pending() has fallen to 0. */
	void (*settled)(void *user);
};

/* `ways` carries DSR probes; NULL: none can be made. The hooks are never called from
 * inside these functions. 0 or -errno. */
int checks_create(uv_loop_t *loop, struct model *m, struct probe_ways *ways,
		  const struct checks_hooks *hooks, struct checks **out);
/* After the last backend was forgotten, before the last uv_run(). */
void checks_destroy(struct checks *c);

/*
 * Make the checks what the configuration in force says: begin those of new backends, go
 * on with changed settings. Call after every model_apply(), with what it got. A backend
 * of a pool without checks is up on return, unless its agent says otherwise.
 */
void checks_sync(struct checks *c, const struct conf *running);
/* As checks_sync() where only backends came, went or changed: pools and checks are those of
 * before, and are not looked at. */
void checks_follow(struct checks *c);

/*
 * Note results without judging them, until checks_release(): a data plane may have in force
 * what another control plane found out, and that is to fall by the rule, not by one failure.
 * Call checks_release() when the model has taken that over, or there is none to ask; and
 * again whenever it has.
 */
void checks_hold(struct checks *c);
void checks_release(struct checks *c);

/* The configuration file is read again: the next checks_sync() does so with the files that
 * it names. */
void checks_reread(struct checks *c);

/* The backend's next hop changed: probes that waited for one begin. */
void checks_hop(struct checks *c, struct backend *b);

/* The backend is about to go. */
void checks_forget(struct backend *b);

/* First probes that have not ended yet. */
unsigned checks_pending(const struct checks *c);

/* Time in which every first probe that was begun now would have ended, ms. */
uint32_t checks_first_ms(const struct checks *c);

/* Probes begun so far, and how many of them more than 100 ms late. */
struct checks_count {
	uint64_t begun, late, worst_ms;
};
void checks_count(const struct checks *c, struct checks_count *out);

/* It may be up, but the check whose words are its reason does not pass now. */
bool checks_failing(const struct backend *b);

/* All that is known of a backend's health, for `weirctl health`; NULL: no memory. */
json_t *checks_json(const struct backend *b);
/* Of a pool's protection. */
json_t *checks_pool_json(const struct pool *p);

/*
 * One probe of each of the backend's checks, now and whatever is scheduled; results
 * change nothing. `done` gets an array, an object a check with each step (the caller's
 * reference), or NULL when the backend went meanwhile; never from inside this call.
 * Returns 0; -ENOENT: it has no checks; -ENOMEM.
 */
typedef void checks_now_fn(void *user, json_t *list);
int checks_now(struct checks *c, struct backend *b, checks_now_fn *done, void *user);

#endif /* WEIR_CHECKS_H */
