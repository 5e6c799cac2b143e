// SPDX-License-Identifier: Apache-2.0
/*
 * Sixteen bytes of a header in one register: loaded, compared and put together at once.
 * The compiler's own vectors, so that any CPU will do.
 */
#ifndef WEIR_BYTES16_H
#define WEIR_BYTES16_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE4_1__
#include <smmintrin.h>
#endif

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* From any address. */
static inline bytes16 bytes16_load(const void *at)
{
	bytes16 v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline void bytes16_store(void *at, bytes16 v)
{
	memcpy(at, &v, sizeof(v));
}

/* Do `a` and `b` differ in one of `bits`? */
static inline bool bytes16_differ(bytes16 a, bytes16 b, bytes16 bits)
{
#ifdef __SSE4_1__
	return !_mm_testz_si128((__m128i)(a ^ b), (__m128i)bits);
#else
	typedef uint64_t words __attribute__((vector_size(16)));
	words w = (words)((a ^ b) & bits);

	return (w[0] | w[1]) != 0;
#endif
}

#endif /* WEIR_BYTES16_H */
