// SPDX-License-Identifier: Apache-2.0
/* What checks*.c share. */
#ifndef WEIR_CHECKS_IMPL_H
#define WEIR_CHECKS_IMPL_H

#include "agent_words.h"
#include "check_plan.h"
#include "checks.h"
#include "flap.h"
#include "probe_ways.h"

enum {
	HISTORY_MAX = 16,
	CERT_WARN_DAYS = 30,
};

/* The checks of a pool. Outlives the pool until the next checks_sync(). */
struct pool_checks {
	struct pool_checks *next;
	uint64_t pool_id;
	bool seen; /* checks_sync()'s mark */
	unsigned count;
	struct check_plan plan[POOL_CHECKS_MAX];
	uint64_t asks[POOL_CHECKS_MAX]; /* digest of what a plan asks, and whom */
	uint64_t rest[POOL_CHECKS_MAX]; /* and of when and how patiently */
	struct check_plan agent;	/* port 0: there is none */
	enum judge_rule rule;
	struct flap_conf flap;
	struct guard_conf guard;
	struct guard_state state;
	struct guard_counts counts;
	uint32_t kept; /* in a panic: backends that keep the traffic */
};

/* One check of one backend. Freed by the close callback of its timer. */
struct check_run {
	struct backend_checks *of;
	const struct check_plan *plan;
	uv_timer_t timer;
	struct probe *probe; /* under way, or NULL */
	struct probe_way way;
	struct check_run *next; /* waits for its turn */
	bool waiting;
	bool first;   /* no probe has ended yet */
	bool blocked; /* no way to the backend: `last.reason` says why */
	bool agent;
	uint64_t due_ms; /* loop time at which the last probe was to begin */
	unsigned probes; /* begun so far; counts to 2 */
	struct judge_state judge;
	enum verdict before; /* what stood when it began: falls by the rule, not by one result */
	bool has_last;
	struct probe_result last;
	uint64_t last_ms; /* CLOCK_REALTIME */
	bool cert_warned;
	int32_t cert_warned_days;
};

struct change {
	uint64_t at_ms; /* CLOCK_REALTIME */
	enum health to;
	char *reason;
};

/* What checks.c has of a backend. */
struct backend_checks {
	struct checks *all;
	struct backend *b;
	struct weir_addr addr; /* that the checks are about */
	struct pool_checks *pool;
	unsigned count;
	struct check_run *run[POOL_CHECKS_MAX];
	struct check_run *agent; /* or NULL */
	struct agent_state said;
	struct flap_state flap;
	uv_timer_t again; /* ends a hold */
	struct guard_member member;
	struct change history[HISTORY_MAX]; /* the last one at [changes % 16 - 1] */
	unsigned changes;
	struct now_call *calls; /* checks_now() */
};

struct checks {
	uv_loop_t *loop;
	struct model *model;
	struct probe_ways *ways;
	struct checks_hooks hooks;
	struct probe_ctx *probes;
	struct pool_checks *pools;
	struct check_run *head, **tail; /* due */
	uv_idle_t kick; /* begins those: runs while there are some and fewer than `most` under way */
	unsigned handles; /* that libuv holds */
	unsigned under_way, most, pending;
	bool held; /* results are noted, not judged: until checks_release() */
	unsigned begun_at_once; /* by this checks_sync(): spreads first probes */
	struct checks_count count;
	uv_timer_t told; /* pools whose members changed are decided, and told of, next turn */
	struct pool *dirty[WEIR_MAX_POOLS];
	unsigned dirty_count;
};

/* Of one pool: what its backends' runs are to become. */
struct checks_revision {
	bool anew;	  /* other checks, or others to ask: from the start */
	bool rescheduled; /* other times: a probe under way has the old ones */
	bool agent;
};

/* -- checks_pool.c --------------------------------------------------------------------- */

/* Of the configuration in force; NULL: no memory, the first time. running NULL: they are
 * what they were. Where *rev says something, no probe of the pool is under way on return. */
struct pool_checks *checks_pool_sync(struct checks *c, struct pool *p, const struct conf *running,
				     struct checks_revision *rev);

/* -- checks.c --------------------------------------------------------------------- */

/* No probe of it goes on or begins by itself. */
void checks_run_stop(struct check_run *r);
/* Where a probe of this run goes; false: *why says why it cannot. */
bool checks_target(struct checks *c, const struct check_plan *plan, struct probe_way *way,
		   const struct backend *b, struct probe_target *out, const char **why);

/* -- checks_verdict.c ---------------------------------------------------------------- */

/* A run has a new result. */
void verdict_result(struct check_run *r);
/* What the agent said, r->last.text. */
void verdict_agent(struct check_run *r);
/* What its line in the status says while there is no result. */
void verdict_waits(struct backend_checks *bc);
/* Without any check: as its agent says. */
void verdict_unchecked(struct backend_checks *bc);
/* Its health by all that is known now. True if it changed. */
bool verdict_settle(struct backend_checks *bc);
/* What stands of its checks' verdict, whatever its agent says. */
enum verdict verdict_standing(const struct backend_checks *bc);
/* Decide who serves in the pool, and say what changed loudly; true if somebody's part in
 * it did. */
void verdict_pool(struct pool *p);
/* verdict_pool() and the hook, in the next turn of the loop. */
void verdict_pool_soon(struct checks *c, struct pool *p);
void verdict_tell(uv_timer_t *t);      /* of c->told */
void verdict_hold_over(uv_timer_t *t); /* of bc->again */
void verdict_free(struct backend_checks *bc);
json_t *checks_result_json(const struct probe_result *r);
json_t *checks_plan_json(const struct check_plan *p, const struct backend *b);

/* -- checks_now.c ------------------------------------------------------------------------ */

void checks_now_cancel(struct backend_checks *bc);

#endif /* WEIR_CHECKS_IMPL_H */
