// SPDX-License-Identifier: Apache-2.0
/*
 * hash_wide.h for CPUs with AVX2 alone: the hashes and slots of four IPv4 flows side by side.
 * It has no product of 64 bits, so all are put together from products of 32.
 */
#ifndef WEIR_HASH_FOUR_H
#define WEIR_HASH_FOUR_H

#ifdef __x86_64__

#include "pipeline.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define HASH_FOUR_LANES	 4
#define HASH_FOUR_TARGET __attribute__((target("avx2")))

static inline bool hash_four_here(void)
{
	return __builtin_cpu_supports("avx2");
}

/* The keys k[0] and k[2], 16 bytes each. */
HASH_FOUR_TARGET static inline __m256i hash_four_load(const union flow_key *k)
{
	return _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)&k[0])),
		_mm_loadu_si128((const __m128i *)&k[2]), 1);
}

/* weir_fold() */
HASH_FOUR_TARGET static inline __m256i hash_four_fold(__m256i a, __m256i b)
{
	const __m256i low32 = _mm256_set1_epi64x(UINT32_MAX);
	const __m256i a_up = _mm256_srli_epi64(a, 32), b_up = _mm256_srli_epi64(b, 32);
	const __m256i low = _mm256_mul_epu32(a, b);
	const __m256i mid = _mm256_add_epi64(_mm256_mul_epu32(a_up, b), _mm256_srli_epi64(low, 32));
	const __m256i mid2 =
		_mm256_add_epi64(_mm256_mul_epu32(a, b_up), _mm256_and_si256(mid, low32));
	__m256i up = _mm256_mul_epu32(a_up, b_up);

	up = _mm256_add_epi64(up, _mm256_srli_epi64(mid, 32));
	up = _mm256_add_epi64(up, _mm256_srli_epi64(mid2, 32));
	/* The odd halves are the upper ones. */
	return _mm256_xor_si256(up, _mm256_blend_epi32(low, _mm256_slli_epi64(mid2, 32), 0xaa));
}

/* The lower 64 bits of a product. */
HASH_FOUR_TARGET static inline __m256i hash_four_mul(__m256i a, uint64_t b)
{
	const __m256i b_low = _mm256_set1_epi64x((long long)b);
	const __m256i b_up = _mm256_set1_epi64x((long long)(b >> 32));
	const __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(a, 32), b_low),
					       _mm256_mul_epu32(a, b_up));

	return _mm256_add_epi64(_mm256_mul_epu32(a, b_low), _mm256_slli_epi64(cross, 32));
}

/* Of the four keys from `k` on; `low` and `high` are what hash4() takes of the secret. */
HASH_FOUR_TARGET static inline __m256i hash_four4(const union flow_key *k, uint64_t low,
						  uint64_t high)
{
	const __m256i swap =
		_mm256_broadcastsi128_si256(_mm_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607));
	const __m256i even = hash_four_load(k), odd = hash_four_load(k + 1);
	const __m256i a = _mm256_xor_si256(_mm256_unpacklo_epi64(even, odd),
					   _mm256_set1_epi64x((long long)low));
	const __m256i b = _mm256_xor_si256(_mm256_unpackhi_epi64(even, odd),
					   _mm256_set1_epi64x((long long)high));
	__m256i h = _mm256_add_epi64(_mm256_shuffle_epi8(a, swap), b);

	h = _mm256_add_epi64(h, hash_four_fold(a, b));
	h = _mm256_add_epi64(h, _mm256_set1_epi64x(sizeof(k->v4)));
	/* XXH3_avalanche() */
	h = _mm256_xor_si256(h, _mm256_srli_epi64(h, 37));
	h = hash_four_mul(h, 0x165667919e3779f9);
	return _mm256_xor_si256(h, _mm256_srli_epi64(h, 32));
}

/* weir_slot_of() */
HASH_FOUR_TARGET static inline __m256i hash_four_slot(__m256i hash, uint32_t table_len)
{
	const __m256i len = _mm256_set1_epi64x(table_len);
	const __m256i low = _mm256_srli_epi64(_mm256_mul_epu32(hash, len), 32);
	const __m256i up = _mm256_mul_epu32(_mm256_srli_epi64(hash, 32), len);

	return _mm256_srli_epi64(_mm256_add_epi64(up, low), 32);
}

#endif /* __x86_64__ */

#endif /* WEIR_HASH_FOUR_H */
