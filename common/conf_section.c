// SPDX-License-Identifier: Apache-2.0
/*
 * One section of a configuration file while it is read: which keys were given,
 * and what a key that is none may have been meant to be.
 */
#include "conf.h"

#include <stdio.h>
#include <string.h>

#define WORD_MOST 48 /* longer words are compared by their start */

/*
 * Slips between two words: characters to insert, drop, replace or swap with
 * their neighbour (optimal string alignment, the everyday subset of
 * Damerau 1964).
 */
static unsigned slips(const char *a, const char *b)
{
	unsigned row[3][WORD_MOST + 1];
	unsigned la = (unsigned)strnlen(a, WORD_MOST), lb = (unsigned)strnlen(b, WORD_MOST);
	unsigned *before = row[0], *above = row[1], *cur = row[2];

	for (unsigned j = 0; j <= lb; j++)
		above[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned *next;

		cur[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (cur[j - 1] + 1 < best)
				best = cur[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			cur[j] = best;
		}
		next = before;
		before = above;
		above = cur;
		cur = next;
	}
	return above[lb];
}

const char *conf_nearest(const char *word, const char *const *words, unsigned n)
{
	unsigned limit = (unsigned)strlen(word) / 3 + 1; /* a third of it wrong is a slip still */
	const char *best = NULL;

	for (unsigned i = 0; i < n; i++) {
		unsigned d = slips(word, words[i]);

		if (d <= limit) {
			best = words[i];
			limit = d - (d > 0);
			if (d == 0)
				break;
		}
	}
	return best;
}

const char *conf_unknown_key(const struct conf_opt *opts, unsigned count, const char *section,
			     const char *key, char *buf, size_t len)
{
	const char *words[CONF_SECTION_OPTS] = { NULL }, *near, *home = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		if (strcmp(opts[i].section, section) == 0 && n < CONF_SECTION_OPTS)
			words[n++] = opts[i].key;
		else if (home == NULL && strcmp(opts[i].key, key) == 0)
			home = opts[i].section;
	}
	near = conf_nearest(key, words, n);
	if (home != NULL)
		snprintf(buf, len, "unknown key \"%s\" (it belongs to [%s])", key, home);
	else if (near != NULL)
		snprintf(buf, len, "unknown key \"%s\" (did you mean \"%s\"?)", key, near);
	else
		snprintf(buf, len, "unknown key \"%s\"", key);
	return buf;
}

/* "[pool web]" or "[dataplane]". */
static const char *label(const struct conf_section *s, char *buf, size_t len)
{
	snprintf(buf, len, "[%s%s%s]", s->kind, s->name[0] ? " " : "", s->name);
	return buf;
}

void conf_section_begin(struct conf_section *s, int line)
{
	memset(s->seen, 0, sizeof(s->seen));
	s->line = line;
	conf_defaults(s->opts, s->count, s->kind, s->base);
}

void conf_section_key(struct conf_section *s, const char *key, const char *value, int line)
{
	const struct conf_opt *o = conf_find(s->opts, s->count, s->kind, key);
	char why[320], where[128];
	int *seen;

	label(s, where, sizeof(where));
	if (o == NULL) {
		conf_error(s->errors, s->file, line, "%s %s", where,
			   conf_unknown_key(s->opts, s->count, s->kind, key, why, sizeof(why)));
		return;
	}
	seen = &s->seen[o - s->opts];
	if (*seen != 0) {
		conf_error(s->errors, s->file, line, "%s %s: given already in line %d", where, key,
			   *seen);
		return;
	}
	*seen = line;
	if (conf_set(o, s->base, value, why, sizeof(why)) < 0)
		conf_error(s->errors, s->file, line, "%s %s: %s", where, key, why);
}

void conf_section_end(const struct conf_section *s)
{
	char where[128];

	for (unsigned i = 0; i < s->count; i++)
		if (strcmp(s->opts[i].section, s->kind) == 0 && s->opts[i].def == NULL &&
		    s->seen[i] == 0)
			conf_error(s->errors, s->file, s->line, "%s needs a key \"%s\": %s",
				   label(s, where, sizeof(where)), s->opts[i].key, s->opts[i].help);
}
