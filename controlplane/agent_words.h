// SPDX-License-Identifier: Apache-2.0
/*
 * What a server says of itself by an agent: HAProxy's protocol, one line of words
 * separated by blanks, commas or tabs.
 *
 *   75%                      take this share of the configured weight
 *   ready | drain | maint    its administrative state; stays until another is said
 *   up                       it has no objection
 *   down | stopped | fail | failed    take it out; a description may follow "#"
 *   maxconn:N                understood and not used: Weir counts no connections
 *
 * An agent can lower a backend and never raise it: see agent_verdict() and
 * backend_weight() of model.h. An agent that cannot be reached changes nothing; the checks decide.
 *
 * Source: HAProxy 2.6 configuration manual, section 5.2, "agent-check".
 */
#ifndef WEIR_AGENT_WORDS_H
#define WEIR_AGENT_WORDS_H

#include "judge.h"

enum agent_admin { AGENT_READY, AGENT_DRAIN, AGENT_MAINT };

struct agent_state {
	uint32_t percent; /* 0..100; start with 100 */
	enum agent_admin admin;
	bool down;
	char word[10];	 /* with which it went down: "stopped" */
	char reason[96]; /* behind "#", or empty */
};

/*
 * Apply a line. Words that are not known are skipped; of words that contradict each
 * other the last one counts. Returns how many were understood; 0 leaves *s as it was.
 */
unsigned agent_read(struct agent_state *s, const char *line);

/* The backend's verdict with the agent's word: down if either says so. */
enum verdict agent_verdict(enum verdict checks, const struct agent_state *s);

#endif /* WEIR_AGENT_WORDS_H */
