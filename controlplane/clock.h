// SPDX-License-Identifier: Apache-2.0
/*
 * Clocks whose values leave the process; for intervals within it there is mono.h.
 * Windows and deadlines are CLOCK_BOOTTIME, which counts on while the host is suspended.
 */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

#endif /* WEIR_CLOCK_H */
