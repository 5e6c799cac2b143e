// SPDX-License-Identifier: Apache-2.0
/*
 * What hostile.c can do to a data plane. Each returns when it is over and the data
 * plane stood it; otherwise fail().
 */
#ifndef WEIR_TEST_ATTACK_H
#define WEIR_TEST_ATTACK_H

#include <stdint.h>

void attack_memory(const char *path, uint64_t seed, long ms);
void attack_snapshots(const char *path, uint64_t seed, long count);
void attack_holes(const char *path);
void attack_seals(const char *path);
void attack_messages(const char *path, uint64_t seed, long count); /* attack_messages.c */

/* xorshift64*, Vigna 2016: quick, and the same numbers everywhere. */
static inline uint64_t attack_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

#endif /* WEIR_TEST_ATTACK_H */
