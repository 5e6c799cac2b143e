// SPDX-License-Identifier: Apache-2.0
/*
 * What Weir is compared with: a table that remembers every flow, as other balancers
 * have it. Sets of eight, the longest unused of a full set gives way.
 */
#ifndef WEIR_SIM_FLOW_TABLE_H
#define WEIR_SIM_FLOW_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct flow_table_entry {
	uint64_t hash;
	uint32_t last;
	uint16_t backend;
	bool closing;
};

struct flow_table {
	struct flow_table_entry *entry;
	uint32_t sets; /* of eight */
	uint32_t clock;
};

void flow_table_create(struct flow_table *t, uint32_t flows);
void flow_table_destroy(struct flow_table *t);

/* The backend of a packet: the remembered one if it forwards, else `owner`. The entry
 * of a flow that closes is the first to give way. */
uint16_t flow_table_select(struct flow_table *t, uint64_t hash, uint16_t owner,
			   const bool *forwards, bool closing);

#endif /* WEIR_SIM_FLOW_TABLE_H */
