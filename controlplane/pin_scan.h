// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the workers' pins: which slots and which backends they still hold. The tables
 * are read in place, while the workers write them (common/pin.h).
 */
#ifndef WEIR_PIN_SCAN_H
#define WEIR_PIN_SCAN_H

#include "dp_session.h"
#include "model.h"

#include <stdint.h>

struct pin_scan {
	/* Every worker had this generation, the newest, when the scan began: then `held` may
	 * settle its slots. 0: some were behind; only the counts are of use. */
	uint64_t generation;
	uint32_t pins[WEIR_MAX_BACKENDS]; /* how many name this index */
	/* By the pool's index: bit per slot, for pools that have slots to settle. */
	struct {
		uint8_t *held;
		uint32_t len; /* slots; 0: the pool has none to settle */
	} pool[WEIR_MAX_POOLS];
};

/* 0 or -ENOMEM. */
int pin_scan_create(struct pin_scan **out);
void pin_scan_destroy(struct pin_scan *s);

/*
 * Read all tables of a data plane. `generation` as above. The pools' indices are those
 * of the generation in force. Returns 0; -ENOMEM: what was found last is void.
 * Cost: a pass over all tables, 2 MB a worker unless configured otherwise.
 */
int pin_scan_run(struct pin_scan *s, const struct dp_view *dp, const struct model *m,
		 uint64_t generation);

#endif /* WEIR_PIN_SCAN_H */
