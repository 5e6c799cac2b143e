// SPDX-License-Identifier: Apache-2.0
#include "agent_words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BETWEEN " ,\t\r\n"

/* "75%", and nothing else; more than 100 % would raise the backend. */
static bool percent_read(const char *word, uint32_t *out)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)word[0]))
		return false;
	n = strtoul(word, &end, 10);
	if (strcmp(end, "%") != 0)
		return false;
	*out = n < 100 ? (uint32_t)n : 100;
	return true;
}

static bool admin_read(const char *word, enum agent_admin *out)
{
	static const char *const names[] = { "ready", "drain", "maint" };

	for (unsigned i = 0; i < 3; i++)
		if (strcasecmp(word, names[i]) == 0) {
			*out = i;
			return true;
		}
	return false;
}

static bool down_read(const char *word)
{
	return strcasecmp(word, "down") == 0 || strcasecmp(word, "stopped") == 0 ||
	       strcasecmp(word, "fail") == 0 || strcasecmp(word, "failed") == 0;
}

static bool word_read(struct agent_state *s, const char *word)
{
	if (percent_read(word, &s->percent) || admin_read(word, &s->admin))
		return true;
	if (strcasecmp(word, "up") == 0) {
		s->down = false;
		s->reason[0] = '\0';
		return true;
	}
	if (down_read(word)) {
		s->down = true;
		s->reason[0] = '\0';
		snprintf(s->word, sizeof(s->word), "%s", word);
		return true;
	}
	return strncasecmp(word, "maxconn:", 8) == 0;
}

unsigned agent_read(struct agent_state *s, const char *line)
{
	struct agent_state now = *s;
	const char *reason = strchr(line, '#');
	size_t len = reason ? (size_t)(reason - line) : strlen(line);
	unsigned understood = 0;
	char words[256], *at = words, *word;

	if (len >= sizeof(words))
		len = sizeof(words) - 1;
	memcpy(words, line, len);
	words[len] = '\0';
	while ((word = strsep(&at, BETWEEN)))
		understood += word[0] && word_read(&now, word);
	if (understood == 0)
		return 0;
	if (reason && now.down) {
		reason += 1 + strspn(reason + 1, " \t");
		snprintf(now.reason, sizeof(now.reason), "%.*s", (int)strcspn(reason, "\r\n"),
			 reason);
	}
	*s = now;
	return understood;
}

enum verdict agent_verdict(enum verdict checks, const struct agent_state *s)
{
	return s->down && checks == VERDICT_UP ? VERDICT_DOWN : checks;
}
