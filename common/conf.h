// SPDX-License-Identifier: Apache-2.0
/*
 * Configuration files: INI read by inih, every option in a table, all errors
 * collected and each with file, line, key and what would be right.
 *
 * The programs share one reader because they share one file: what a key means
 * must not depend on which program reads it.
 */
#ifndef WEIR_CONF_H
#define WEIR_CONF_H

#include <stddef.h>
#include <stdint.h>

/* A growing list of messages, one sentence each. */
struct conf_errors {
	char **text;
	unsigned count;
};

/* Append "FILE:LINE: message" (line 0: "FILE: message"). */
void conf_error(struct conf_errors *e, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void conf_errors_free(struct conf_errors *e);

enum conf_type {
	CONF_U32,      /* uint32_t; least..most */
	CONF_BOOL,     /* bool; yes/no, on/off, true/false */
	CONF_ENUM,     /* uint32_t; `choices` */
	CONF_STRING,   /* char[most] with NUL; at least `least` bytes */
	CONF_ADDR,     /* struct weir_addr */
	CONF_MAC,      /* uint8_t[6] */
	CONF_CPUS,     /* "1-3,5": uint16_t[most], count in the uint32_t at offset2 */
};

/* Every option once: section kind, key, where it goes, default, bounds, help. */
struct conf_opt {
	const char *section; /* "dataplane", "port", "pool", ... */
	const char *key;
	enum conf_type type;
	size_t offset, offset2;
	const char *def;     /* default as text; NULL: required; "": not set */
	long least, most;
	const char *const *choices; /* CONF_ENUM: NULL-terminated; value = position */
	const char *unit;    /* "ms", "bytes", ... or NULL */
	const char *help;    /* one line for `--help-config` and the man page check */
};

/* Parse one value by its row into `base`. Returns 0, or -EINVAL with a sentence
 * that says what would be right in why[why_len]; *base is untouched on error. */
int conf_set(const struct conf_opt *o, void *base, const char *value, char *why, size_t why_len);

/* Set every option of `section` that has a default. */
void conf_defaults(const struct conf_opt *opts, unsigned count, const char *section, void *base);

/* Row for (section, key), or NULL. */
const struct conf_opt *conf_find(const struct conf_opt *opts, unsigned count, const char *section,
				 const char *key);

/* Value of an option as the file would give it, into buf. Returns buf. */
const char *conf_text(const struct conf_opt *o, const void *base, char *buf, size_t len);

/*
 * Read `path`, calling `fn` for each key in file order: section kind ("pool"),
 * section name ("web", "" if none), key, value, line. A section header alone is
 * also reported once, with key NULL. Lines too long for inih, bytes that are no
 * text and syntax errors become entries in *errors. Returns 0, -EINVAL when
 * *errors grew, or -errno when the file cannot be opened (said there too).
 */
typedef void conf_fn(void *user, const char *kind, const char *name, const char *key,
		     const char *value, int line);
int conf_read(const char *path, conf_fn *fn, void *user, struct conf_errors *errors);

#endif /* WEIR_CONF_H */
