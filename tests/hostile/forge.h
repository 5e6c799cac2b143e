// SPDX-License-Identifier: Apache-2.0
/*
 * A snapshot by hand: as small as one can be that forwards.
 */
#ifndef WEIR_TEST_FORGE_H
#define WEIR_TEST_FORGE_H

#include "snapshot.h"

#include <stddef.h>
#include <stdint.h>

#define FORGE_TABLE_LEN 251
#define FORGE_BACKEND	3 /* the index that all slots name */
#define FORGE_SIZE	((size_t)4 * WEIR_BLOCK) /* bytes that it takes, table included */

/* At arena[offset], a block boundary. VIP 203.0.113.10, tcp/80, mode l2, port 1. */
void forge_snapshot(uint8_t *arena, uint32_t offset, uint64_t generation);

#endif /* WEIR_TEST_FORGE_H */
