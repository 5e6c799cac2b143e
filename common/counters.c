// SPDX-License-Identifier: Apache-2.0
#include "counters.h"

#include "bounds.h"

#include <assert.h>

static_assert(WEIR_DROP_REASONS <= WEIR_DROP_ROOM, "the shared layout has room for these");

static const struct {
	const char *name, *text;
} drops[] = {
#define WEIR_DROP_STRINGS(id, name, text) { name, text },
	WEIR_DROP_LIST(WEIR_DROP_STRINGS)
#undef WEIR_DROP_STRINGS
};

const char *weir_drop_name(unsigned reason)
{
	return reason < WEIR_DROP_REASONS ? drops[reason].name : "unknown";
}

const char *weir_drop_text(unsigned reason)
{
	return reason < WEIR_DROP_REASONS ? drops[reason].text : "unknown";
}
