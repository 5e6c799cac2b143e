// SPDX-License-Identifier: Apache-2.0
/*
 * From results of probes to a verdict, and to when the next probe is due.
 *
 *   results of one check -> judge_step() -> its verdict
 *   verdicts of a backend's checks -> judge_combine() -> flap.h -> agent_words.h
 *   verdicts of a pool's backends -> guard.h -> who serves
 *
 * Pure functions, no clock and no socket: a test is a list of results. docs/probes.md.
 */
#ifndef WEIR_JUDGE_H
#define WEIR_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

enum verdict { VERDICT_PENDING, VERDICT_UP, VERDICT_DOWN };

enum judge_result {
	JUDGE_PASS,
	JUDGE_FAIL,
	JUDGE_NOTHING, /* the prober itself failed (PROBE_FAIL_LOCAL): no word on the backend */
};

/* One check, from the configuration. */
struct judge_conf {
	uint32_t rise, fall;	   /* results in a row; 0 counts as 1 */
	uint32_t interval_ms;	   /* from the start of a probe to the start of the next */
	uint32_t fast_interval_ms; /* while a change is under way; 0: interval_ms */
	uint32_t down_interval_ms; /* while down; 0: interval_ms */
	uint32_t jitter_percent;   /* of the interval, to either side */
};

/* What was seen. Zeroed, it is pending. */
struct judge_state {
	enum verdict verdict;
	uint32_t streak; /* results in a row that speak against the verdict */
};

/*
 * Feed one result. From pending the first result decides: nothing is known yet, and
 * waiting would only delay the first verdict. Then `fall` failures in a row take it
 * down, `rise` successes in a row bring it up; a result that agrees with the verdict
 * ends the run, and JUDGE_NOTHING neither lengthens nor ends it. Returns true if the
 * verdict changed.
 */
bool judge_step(const struct judge_conf *c, struct judge_state *s, enum judge_result r);

/*
 * Milliseconds from the start of the last probe to the start of the next. `random` is
 * any number: equal distribution of it spreads the checks equally over the jitter.
 * At least 1.
 */
uint32_t judge_delay_ms(const struct judge_conf *c, const struct judge_state *s, uint32_t random);

/* How a backend's checks make one verdict. */
enum judge_rule {
	JUDGE_ALL, /* up: every one is; down: one is */
	JUDGE_ANY, /* up: one is; down: every one is */
};

/*
 * One verdict from `n` (0: up, nothing is checked). Pending as long as the verdicts
 * that are still out could decide. *decisive (may be NULL) is the first check that the
 * verdict rests on: its reason is the backend's.
 */
enum verdict judge_combine(enum judge_rule rule, const enum verdict *v, unsigned n,
			   unsigned *decisive);

#endif /* WEIR_JUDGE_H */
