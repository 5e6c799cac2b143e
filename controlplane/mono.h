// SPDX-License-Identifier: Apache-2.0
/*
 * A point on a clock that only goes forward, microseconds. Passed in as `now` to what
 * is to be tested without a clock; a type of its own, so that no duration and no time
 * of day is taken for it.
 */
#ifndef WEIR_MONO_H
#define WEIR_MONO_H

#include <stdint.h>

struct mono {
	int64_t us;
};

static inline struct mono mono_add_ms(struct mono t, uint32_t ms)
{
	return (struct mono){ t.us + (int64_t)ms * 1000 };
}

static inline int64_t mono_since_ms(struct mono from, struct mono now)
{
	return (now.us - from.us) / 1000;
}

#endif /* WEIR_MONO_H */
