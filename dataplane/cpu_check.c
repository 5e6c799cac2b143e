// SPDX-License-Identifier: Apache-2.0
/*
 * Built without `march`, so that it runs anywhere. WEIR_CPU_NEEDS comes from
 * meson.build: NEEDS("sse4.2") NEEDS("popcnt") and so on, as the compiler expands
 * `march` into features.
 */
#include "cpu_check.h"

#include "log.h"

#include <stddef.h>

bool cpu_check(void)
{
	const char *missing = NULL;

#define NEEDS(feature)                        \
	if (!__builtin_cpu_supports(feature)) \
		missing = feature;
	WEIR_CPU_NEEDS
#undef NEEDS
	if (missing == NULL)
		return true;
	log_error("this CPU has no %s instructions, and the program is built with march = %s: "
		  "build it with `meson setup -Dmarch=...` for this CPU",
		  missing, WEIR_MARCH);
	return false;
}
