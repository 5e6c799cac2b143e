// SPDX-License-Identifier: Apache-2.0
/*
 * The hashes and slots of eight IPv4 flows side by side, for CPUs with AVX-512. They are those
 * of hash4() (select.c) and weir_slot_of(), with less than half of their instructions.
 *
 * Compiled whatever CPU the build is for: the functions that use these have HASH_WIDE_TARGET,
 * and are called only where hash_wide_here() says so.
 */
#ifndef WEIR_HASH_WIDE_H
#define WEIR_HASH_WIDE_H

#ifdef __x86_64__

#include "pipeline.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define HASH_WIDE_LANES	 8
#define HASH_WIDE_TARGET __attribute__((target("avx512f,avx512bw,avx512dq")))

/* The first CPUs with AVX-512 lower their clock when they use it; those with VBMI2 (Ice Lake,
 * Zen 4) hardly do. */
static inline bool hash_wide_here(void)
{
	return __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512bw");
}

/* The keys k[0], k[2], k[4] and k[6], 16 bytes each. */
HASH_WIDE_TARGET static inline __m512i hash_wide_load(const union flow_key *k)
{
	__m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)&k[0]));

	v = _mm512_inserti64x2(v, _mm_loadu_si128((const __m128i *)&k[2]), 1);
	v = _mm512_inserti64x2(v, _mm_loadu_si128((const __m128i *)&k[4]), 2);
	return _mm512_inserti64x2(v, _mm_loadu_si128((const __m128i *)&k[6]), 3);
}

/* weir_fold(): the upper half of the product is put together from its four parts. */
HASH_WIDE_TARGET static inline __m512i hash_wide_fold(__m512i a, __m512i b)
{
	const __m512i low32 = _mm512_set1_epi64(UINT32_MAX);
	const __m512i a_up = _mm512_srli_epi64(a, 32), b_up = _mm512_srli_epi64(b, 32);
	const __m512i low = _mm512_srli_epi64(_mm512_mul_epu32(a, b), 32);
	const __m512i mid = _mm512_add_epi64(_mm512_mul_epu32(a_up, b), low);
	const __m512i mid2 =
		_mm512_add_epi64(_mm512_mul_epu32(a, b_up), _mm512_and_si512(mid, low32));
	__m512i up = _mm512_mul_epu32(a_up, b_up);

	up = _mm512_add_epi64(up, _mm512_srli_epi64(mid, 32));
	up = _mm512_add_epi64(up, _mm512_srli_epi64(mid2, 32));
	return _mm512_xor_si512(up, _mm512_mullo_epi64(a, b));
}

/* Of the eight keys from `k` on; `low` and `high` are what hash4() takes of the secret. */
HASH_WIDE_TARGET static inline __m512i hash_wide4(const union flow_key *k, uint64_t low,
						  uint64_t high)
{
	const __m512i swap =
		_mm512_broadcast_i32x4(_mm_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607));
	const __m512i even = hash_wide_load(k), odd = hash_wide_load(k + 1);
	const __m512i a = _mm512_xor_si512(_mm512_unpacklo_epi64(even, odd),
					   _mm512_set1_epi64((long long)low));
	const __m512i b = _mm512_xor_si512(_mm512_unpackhi_epi64(even, odd),
					   _mm512_set1_epi64((long long)high));
	__m512i h = _mm512_add_epi64(_mm512_shuffle_epi8(a, swap), b);

	h = _mm512_add_epi64(h, hash_wide_fold(a, b));
	h = _mm512_add_epi64(h, _mm512_set1_epi64(sizeof(k->v4)));
	/* XXH3_avalanche() */
	h = _mm512_xor_si512(h, _mm512_srli_epi64(h, 37));
	h = _mm512_mullo_epi64(h, _mm512_set1_epi64(0x165667919e3779f9));
	return _mm512_xor_si512(h, _mm512_srli_epi64(h, 32));
}

/* weir_slot_of() */
HASH_WIDE_TARGET static inline __m512i hash_wide_slot(__m512i hash, uint32_t table_len)
{
	const __m512i len = _mm512_set1_epi64(table_len);
	const __m512i low = _mm512_srli_epi64(_mm512_mul_epu32(hash, len), 32);
	const __m512i up = _mm512_mul_epu32(_mm512_srli_epi64(hash, 32), len);

	return _mm512_srli_epi64(_mm512_add_epi64(up, low), 32);
}

#endif /* __x86_64__ */

#endif /* WEIR_HASH_WIDE_H */
