// SPDX-License-Identifier: Apache-2.0
/* What hashes flows side by side, each by itself: a CPU uses but one of them. */
#include "hash_four.h"
#include "hash_wide.h"
#include "snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL /* for the secret */
#include <xxhash.h>

#define FLOWS 8

#ifdef HASH_FOUR_LANES
static const uint32_t lens[] = { WEIR_TABLE_MIN, WEIR_TABLE_DEFAULT, WEIR_TABLE_MAX };

/* Of eight keys: what one of the two made of each. */
struct made {
	uint64_t hash[FLOWS], slot[FLOWS];
};
HASH_FOUR_TARGET static void by_four(const union flow_key *k, uint64_t low, uint64_t high,
				     uint32_t len, struct made *m)
{
	for (unsigned i = 0; i < FLOWS; i += HASH_FOUR_LANES) {
		const __m256i hash = hash_four4(&k[i], low, high);
		const __m256i slot = hash_four_slot(hash, len);

		memcpy(&m->hash[i], &hash, sizeof(hash));
		memcpy(&m->slot[i], &slot, sizeof(slot));
	}
}

HASH_WIDE_TARGET static void by_eight(const union flow_key *k, uint64_t low, uint64_t high,
				      uint32_t len, struct made *m)
{
	const __m512i hash = hash_wide4(k, low, high);
	const __m512i slot = hash_wide_slot(hash, len);

	memcpy(m->hash, &hash, sizeof(hash));
	memcpy(m->slot, &slot, sizeof(slot));
}

static uint64_t random64(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

static void assert_hashes_as_xxh3(void (*hash)(const union flow_key *k, uint64_t low, uint64_t high,
					       uint32_t len, struct made *m))
{
	union flow_key k[FLOWS];
	struct made m;

	srandom(9000);
	for (unsigned round = 0; round < 10000; round++) {
		const uint64_t seed = random64();
		const uint32_t len = lens[round % 3];

		for (unsigned i = 0; i < FLOWS; i++) {
			/* at times all bits of a word, for the carries */
			k[i].word[0] = round % 5 ? random64() : UINT64_MAX;
			k[i].word[1] = round % 7 ? random64() : UINT64_MAX;
		}
		hash(k, (XXH_readLE64(XXH3_kSecret + 24) ^ XXH_readLE64(XXH3_kSecret + 32)) + seed,
		     (XXH_readLE64(XXH3_kSecret + 40) ^ XXH_readLE64(XXH3_kSecret + 48)) - seed,
		     len, &m);
		for (unsigned i = 0; i < FLOWS; i++) {
			uint64_t want = XXH3_64bits_withSeed(&k[i], sizeof(k[i].v4), seed);

			assert_true(m.hash[i] == want);
			assert_int_equal(m.slot[i], weir_slot_of(want, len));
		}
	}
}
#endif

static void by_four_the_hashes_are_xxh3(void **state)
{
	(void)state;
#ifdef HASH_FOUR_LANES
	if (hash_four_here()) {
		assert_hashes_as_xxh3(by_four);
		return;
	}
#endif
	print_message("no AVX2 here\n");
	skip();
}

static void by_eight_the_hashes_are_xxh3(void **state)
{
	(void)state;
#ifdef HASH_WIDE_LANES
	if (hash_wide_here()) {
		assert_hashes_as_xxh3(by_eight);
		return;
	}
#endif
	print_message("no AVX-512 here\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_four_the_hashes_are_xxh3),
		cmocka_unit_test(by_eight_the_hashes_are_xxh3),
	};

	return cmocka_run_group_tests_name("hash_wide", tests, NULL, NULL);
}
