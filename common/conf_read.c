// SPDX-License-Identifier: Apache-2.0
/*
 * The reader of configuration files. inih splits "KEY = VALUE ; comment"; the
 * rest is done here, because inih reports only the first bad line, cuts lines at
 * its buffer and section names at 49 bytes, takes an indented line for the
 * continuation of the one above, and does not tell of a section without keys.
 */
#include "conf.h"

#include "addr.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES 199	       /* inih's buffer (INI_MAX_LINE) without the NUL */
#define FILE_BYTES (16u << 20) /* beyond every configuration: 16,384 backends are 3 MB */

struct reader {
	FILE *file;
	const char *path;
	conf_fn *fn;
	void *user;
	struct conf_errors *errors;
	size_t bytes;
	int line;
	int err;	/* of a read that failed, negative */
	bool unclaimed; /* inih has a line and has not come back with a key */
	bool skip;	/* below a broken section header */
	char text[LINE_BYTES + 1];
	char kind[LINE_BYTES + 1], name[LINE_BYTES + 1];
};

enum line_end { LINE_EOF, LINE_OK, LINE_TOO_LONG };

/* The next line without its end into r->text; `*len` counts all of it. */
static enum line_end line_get(struct reader *r, size_t *len)
{
	size_t n = 0;
	int c;

	while ((c = getc(r->file)) != EOF && c != '\n') {
		if (n < LINE_BYTES)
			r->text[n] = (char)c;
		n++;
		if (++r->bytes > FILE_BYTES)
			break;
	}
	if (c == EOF && ferror(r->file))
		r->err = errno ? -errno : -EIO;
	if (c == EOF && n == 0)
		return LINE_EOF;
	r->line++;
	*len = n;
	if (n > LINE_BYTES) {
		r->text[LINE_BYTES] = '\0';
		return LINE_TOO_LONG;
	}
	if (n > 0 && r->text[n - 1] == '\r')
		*len = --n;
	r->text[n] = '\0';
	return LINE_OK;
}

/* Bytes of the UTF-8 character at s (RFC 3629); 0: it is none. */
static unsigned utf8_len(const unsigned char *s, size_t left)
{
	unsigned n = s[0] < 0x80   ? 1
		     : s[0] < 0xc2 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
		     : s[0] < 0xf5 ? 4
				   : 0;

	if (n == 0 || n > left)
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Say so and return false when the line holds a byte that is no text. */
static bool line_is_text(struct reader *r, size_t len)
{
	const unsigned char *s = (const unsigned char *)r->text;
	unsigned n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_len(s + i, len - i);
		if (n == 0) {
			conf_error(r->errors, r->path, r->line,
				   "byte 0x%02x in column %zu is not UTF-8; save the file as UTF-8",
				   s[i], i + 1);
			return false;
		}
		if ((s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f) {
			conf_error(
				r->errors, r->path, r->line,
				"control byte 0x%02x in column %zu: only printable text is right "
				"here",
				s[i], i + 1);
			return false;
		}
	}
	return true;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* What stands behind the kind: a name, or in [vip ...] the VIP, which takes the form in
 * which it is compared. */
static int name_check(struct reader *r, char *why, size_t why_len)
{
	struct weir_addr a;
	uint8_t len;

	if (strcmp(r->kind, "vip") != 0)
		return conf_name_check(r->name, why, why_len);
	if (weir_prefix_parse(r->name, &a, &len) < 0) {
		snprintf(why, why_len,
			 "\"%.64s\" is no address or prefix such as 192.0.2.1 or "
			 "192.0.2.0/24",
			 r->name);
		return -EINVAL;
	}
	weir_prefix_text(&a, (uint8_t)(weir_addr_bits(&a) - len), r->name);
	return 0;
}

/* "[kind]" or "[kind name]" at `s`; a comment may follow. */
static void header_read(struct reader *r, const char *s)
{
	const char *end = strchr(s, ']'), *p = s + 1, *kind, *name, *rest;
	char why[160];

	r->skip = true;
	if (end == NULL) {
		conf_error(r->errors, r->path, r->line, "section header without \"]\": \"%s\"", s);
		return;
	}
	for (rest = end + 1; blank(*rest); rest++)
		;
	if (*rest != '\0' && *rest != ';' && *rest != '#') {
		conf_error(r->errors, r->path, r->line,
			   "\"%s\" behind the section header: write it on a line of its own", rest);
		return;
	}

	while (p < end && blank(*p))
		p++;
	for (kind = p; p < end && !blank(*p); p++)
		;
	snprintf(r->kind, sizeof(r->kind), "%.*s", (int)(p - kind), kind);
	while (p < end && blank(*p))
		p++;
	for (name = p, p = end; p > name && blank(p[-1]); p--)
		;
	snprintf(r->name, sizeof(r->name), "%.*s", (int)(p - name), name);

	if (r->kind[0] == '\0') {
		conf_error(r->errors, r->path, r->line, "section header without a name: \"%s\"", s);
		return;
	}
	if (r->name[0] != '\0' && name_check(r, why, sizeof(why)) < 0) {
		conf_error(r->errors, r->path, r->line, "[%s %s]: %s", r->kind, r->name, why);
		return;
	}
	r->skip = false;
	r->fn(r->user, r->kind, r->name, NULL, NULL, r->line);
}

/* True when the line is for inih; all other kinds of line are dealt with. */
static bool line_take(struct reader *r, enum line_end end, size_t len)
{
	const char *s = r->text;

	if (end == LINE_TOO_LONG) {
		conf_error(r->errors, r->path, r->line,
			   "line of %zu bytes: at most %d are read (it begins \"%.40s\")", len,
			   LINE_BYTES, r->text);
		return false;
	}
	if (r->line == 1 && strncmp(s, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
		memmove(r->text, r->text + 3, len - 2);
		len -= 3;
	}
	if (!line_is_text(r, len))
		return false;
	while (blank(*s))
		s++;
	if (*s == '\0' || *s == ';' || *s == '#')
		return false;
	if (*s == '[') {
		header_read(r, s);
		return false;
	}
	if (r->skip)
		return false;
	if (r->kind[0] == '\0') {
		conf_error(r->errors, r->path, r->line, "\"%s\" stands before the first [section]",
			   s);
		return false;
	}
	/* Without its indentation, or inih takes it for a continuation. */
	memmove(r->text, s, strlen(s) + 1);
	return true;
}

static void unclaimed_report(struct reader *r)
{
	if (!r->unclaimed)
		return;
	r->unclaimed = false;
	conf_error(r->errors, r->path, r->line, "\"%s\" is neither KEY = VALUE nor a [section]",
		   r->text);
}

/* ini_reader: inih's fgets(). */
static char *reader_next(char *str, int num, void *stream)
{
	struct reader *r = stream;
	enum line_end end;
	size_t len;

	unclaimed_report(r);
	while ((end = line_get(r, &len)) != LINE_EOF) {
		if (r->bytes > FILE_BYTES) {
			conf_error(r->errors, r->path, 0, "larger than %u MB: not a configuration",
				   FILE_BYTES >> 20);
			return NULL;
		}
		if (!line_take(r, end, len))
			continue;
		snprintf(str, (size_t)num, "%s", r->text);
		r->unclaimed = true;
		return str;
	}
	return NULL;
}

/* ini_handler. The section is the reader's: inih cuts long ones. */
static int reader_key(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;

	(void)section;
	if (key[0] == '\0')
		return 1; /* " = value": reported as no key */
	r->unclaimed = false;
	r->fn(r->user, r->kind, r->name, key, value, r->line);
	return 1;
}

int conf_read(const char *path, conf_fn *fn, void *user, struct conf_errors *errors)
{
	struct reader r = { .path = path, .fn = fn, .user = user, .errors = errors };
	unsigned before = errors->count;
	int err;

	r.file = fopen(path, "re");
	if (r.file == NULL) {
		err = -errno;
		conf_error(errors, path, 0, "cannot be opened: %s", strerror(-err));
		return err;
	}
	ini_parse_stream(reader_next, &r, reader_key, &r);
	unclaimed_report(&r);
	fclose(r.file);
	if (r.err < 0)
		conf_error(errors, path, 0, "cannot be read: %s", strerror(-r.err));
	if (r.err == 0 && errors->count > before)
		return -EINVAL;
	return r.err;
}
