// SPDX-License-Identifier: Apache-2.0
/*
 * The look-up table of services, as common/snapshot.h describes it to the workers.
 */
#ifndef WEIR_LOOKUP_H
#define WEIR_LOOKUP_H

#include "addr.h"
#include "snapshot.h"

#define LOOKUP_ROOM 4 /* entries of a table for each that is used, up to the largest table */

struct lookup {
	uint32_t bits;
	struct weir_lookup *entry; /* 1 << bits */
};

/* One row: a service, or with protocol 0 "this is a VIP". */
struct lookup_row {
	const struct weir_addr *vip;
	uint8_t vip_bits; /* behind its prefix; 0: one address */
	uint8_t protocol;
	uint16_t port; /* 0: every port */
	uint16_t service, pool;
	uint32_t flags; /* WEIR_SERVICE_* */
};

/* The entry for a row. */
struct weir_lookup lookup_entry(const struct lookup_row *row);

/* The VIP of an entry, without flags. */
struct weir_vip lookup_vip(const struct weir_lookup *e);

/*
 * Build a table in which every row is found within WEIR_LOOKUP_PROBES entries; of
 * rows with the same key the first counts. LOOKUP_ROOM times its size, doubled as needed.
 * Returns 0 with *out to be given to lookup_free(); -E2BIG: not even the largest
 * table will do; -ENOMEM.
 */
int lookup_build(const struct lookup_row *row, uint32_t count, struct lookup *out);
void lookup_free(struct lookup *l);

#endif /* WEIR_LOOKUP_H */
