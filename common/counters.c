// SPDX-License-Identifier: Apache-2.0
#include "counters.h"

#include "bounds.h"

#include <assert.h>
#include <stdint.h>

static_assert(WEIR_DROP_REASONS <= WEIR_DROP_ROOM, "the shared layout has room for these");

static_assert(WEIR_ANSWERS <= WEIR_ANSWER_ROOM && WEIR_PUNTS <= WEIR_PUNT_ROOM, "and these");

struct strings {
	const char *name, *text;
};

#define STRINGS(id, name, text) { name, text },
static const struct strings drops[] = { WEIR_DROP_LIST(STRINGS) };
static const struct strings answers[] = { WEIR_ANSWER_LIST(STRINGS) };
static const struct strings punts[] = { WEIR_PUNT_LIST(STRINGS) };
#undef STRINGS

static const struct weir_counted columns[] = {
#define DROP(id)	   { false, WEIR_DROP_##id },
#define ANSWER(id, answer) { true, WEIR_ANSWER_##answer },
	WEIR_BACKEND_COLUMN_LIST(DROP, DROP, ANSWER) WEIR_SERVICE_COLUMN_LIST(DROP, ANSWER)
		WEIR_VIP_COLUMN_LIST(DROP, ANSWER)
#undef DROP
#undef ANSWER
};
static_assert(sizeof(columns) / sizeof(columns[0]) == WEIR_COLUMNS, "one for each");

struct weir_counted weir_column_counts(unsigned column)
{
	return column < WEIR_COLUMNS ? columns[column] : (struct weir_counted){ false, 0 };
}

const char *weir_drop_name(unsigned reason)
{
	return reason < WEIR_DROP_REASONS ? drops[reason].name : "unknown";
}

const char *weir_drop_text(unsigned reason)
{
	return reason < WEIR_DROP_REASONS ? drops[reason].text : "unknown";
}

const char *weir_answer_name(unsigned answer)
{
	return answer < WEIR_ANSWERS ? answers[answer].name : "unknown";
}

const char *weir_answer_text(unsigned answer)
{
	return answer < WEIR_ANSWERS ? answers[answer].text : "unknown";
}

const char *weir_punt_name(unsigned punt)
{
	return punt < WEIR_PUNTS ? punts[punt].name : "unknown";
}

const char *weir_punt_text(unsigned punt)
{
	return punt < WEIR_PUNTS ? punts[punt].text : "unknown";
}
