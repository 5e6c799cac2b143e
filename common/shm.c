// SPDX-License-Identifier: Apache-2.0
#include "shm.h"

static const char *const reject_text[] = {
#define WEIR_REJECT_STRING(id, text) text,
	WEIR_REJECT_LIST(WEIR_REJECT_STRING)
#undef WEIR_REJECT_STRING
};

const char *weir_reject_text(unsigned reason)
{
	return reason < WEIR_REJECTS ? reject_text[reason] : "unknown";
}
