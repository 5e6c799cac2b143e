// SPDX-License-Identifier: Apache-2.0
/*
 * From what the configuration says of a pool's checks to what is to be done: the
 * probe's settings, its judgement, and where it goes. Pure functions, used by
 * check-config for their sentences and by checks.c for the doing.
 *
 *   [pool] check, check_*          one check without further settings
 *   [pool] checks = a, b           [check a], [check b]
 */
#ifndef WEIR_CHECK_PLAN_H
#define WEIR_CHECK_PLAN_H

#include "conf_file.h"
#include "guard.h"
#include "judge.h"
#include "probe.h"

#include <stddef.h>

/* One check of a pool, the same for each of its backends. */
struct check_plan {
	char name[WEIR_NAME_LEN]; /* of the [check]; of the kind when [pool] says it all */
	char kind[8];		  /* "https" */
	struct probe_conf probe;
	struct judge_conf judge;
	bool dsr;
	struct weir_addr vip; /* dsr: whom it is addressed to */
	uint16_t port;
	enum probe_proxy proxy;
	uint8_t ttl;
	char why[160]; /* not empty: it has nowhere to go, and this is why */
};

/* The check that [pool] itself describes, as a [check] would. */
void check_of_pool(const struct pool_conf *p, struct check_conf *out);

/*
 * The settings of a check by themselves. Returns 0, or -EINVAL with a sentence that
 * begins with the key in question where there is one.
 */
int check_build(const struct check_conf *c, struct probe_conf *probe, struct judge_conf *judge,
		char *why, size_t why_len);

/* Text of bytes.h's notation. 0 or -EINVAL. */
int check_bytes(const char *text, struct probe_bytes *out);

/* The longest that such a probe may take, ms. */
uint32_t check_longest_ms(const struct probe_conf *c);

/* Does a check of this kind look at this key of [check]? */
bool check_uses(uint32_t kind, const char *key);
const char *check_kind_word(uint32_t kind);

/* The name at *text of a list between commas, into name[WEIR_NAME_LEN], and *text behind
 * it; false: there is none any more. A name that is too long is cut. */
bool check_name_next(const char **text, char *name);

/*
 * The checks of a pool, at most POOL_CHECKS_MAX; none: `check = none`. `p` need not be
 * of `c`. Names without a [check] and settings that check_build() refuses are passed
 * over: conf_check() has said it. Returns their number.
 */
unsigned check_plans(const struct conf *c, const struct pool_conf *p, struct check_plan *out);

/* "2" or "50%". Returns 0, or -EINVAL with a sentence. */
int min_healthy_parse(const char *text, struct guard_conf *out, char *why, size_t why_len);

#endif /* WEIR_CHECK_PLAN_H */
