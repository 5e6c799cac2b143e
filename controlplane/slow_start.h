// SPDX-License-Identifier: Apache-2.0
/*
 * `slow_start_s`: a backend that comes up takes its share in OWNERS_PARTS steps over that
 * time. Which slots come with which step depends on the slot and the backend alone
 * (owners.h), so every slot goes to it once, and stays.
 */
#ifndef WEIR_SLOW_START_H
#define WEIR_SLOW_START_H

#include "model.h"

/* What it has of its share, in percent, rounded: 0 and 100 are none and all of it. */
unsigned slow_start_percent(unsigned missing);

/* Parts of the share that are still missing `elapsed_ms` after the beginning. */
unsigned slow_start_missing(uint64_t elapsed_ms, uint32_t slow_start_s);

/*
 * A publication is being made at now_ms (CLOCK_BOOTTIME): notes who has begun to serve
 * since the last one, and sets slow.missing of all. Those that served before us take their
 * share at once; so do those that a pool begins with, each when it is found to be up, unless
 * it was down first; and those that come when nobody of the pool served: there is
 * no load that others could bear for them.
 */
void slow_start_step(struct model *m, uint64_t now_ms);

/* It came to nothing: the notes of the one before count. */
void slow_start_undo(struct model *m);

/* Would a publication now give a backend more than the last one did? */
bool slow_start_due(const struct model *m, uint64_t now_ms);

/* Is one on its way? */
bool slow_start_is_on(const struct model *m);

#endif /* WEIR_SLOW_START_H */
