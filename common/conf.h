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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing list of messages, one sentence each. Zero it to begin. */
struct conf_errors {
	char **text;
	unsigned count;
};

/* More than this many are not kept: the file is not a configuration then. */
#define CONF_ERRORS_MAX 200

/* Append "FILE:LINE: message" (line 0: "FILE: message"). */
void conf_error(struct conf_errors *e, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void conf_errors_free(struct conf_errors *e);

enum conf_type {
	CONF_U32,    /* uint32_t; least..most */
	CONF_U16,    /* uint16_t; least..most */
	CONF_BOOL,   /* bool; yes/no, on/off, true/false */
	CONF_ENUM,   /* uint32_t; `choices` */
	CONF_PROTO,  /* uint32_t, IPPROTO_TCP or IPPROTO_UDP; "tcp", "udp" */
	CONF_STRING, /* char[most] with NUL; at least `least` bytes */
	CONF_NAME,   /* as CONF_STRING, and conf_name_check() */
	CONF_ADDR,   /* struct weir_addr */
	CONF_PREFIX, /* struct weir_addr; its host bits in the uint8_t at offset2 */
	CONF_MAC,    /* uint8_t[6]; bool at offset2: given */
	CONF_HEX64,  /* uint64_t, 16 hex digits; bool at offset2: given */
	CONF_CPUS,   /* "1-3,5": uint16_t[most], count in the uint32_t at offset2 */
};

/* Every option once: section kind, key, where it goes, default, bounds, help. */
struct conf_opt {
	const char *section; /* "dataplane", "port", "pool", ... */
	const char *key;
	enum conf_type type;
	size_t offset, offset2;
	const char *def; /* default as text; NULL: required; "": not set */
	long least, most;
	const char *const *choices; /* CONF_ENUM: NULL-terminated; value = position */
	const char *unit;	    /* "ms", "bytes", ... or NULL */
	const char *help;	    /* one line for configs/full.conf and the manual page */
};

/* Longest value as text, with its NUL: more than a line of the file holds. */
#define CONF_TEXT_LEN 512

/* Parse one value by its row into `base`. Returns 0, or -EINVAL with a sentence
 * that says what would be right in why[why_len]; *base is untouched on error.
 * "" unsets an option whose default is "". */
int conf_set(const struct conf_opt *o, void *base, const char *value, char *why, size_t why_len);

/* Set every option of `section` that has a default. */
void conf_defaults(const struct conf_opt *opts, unsigned count, const char *section, void *base);

/* Row for (section, key), or NULL. */
const struct conf_opt *conf_find(const struct conf_opt *opts, unsigned count, const char *section,
				 const char *key);

/* Value of an option as the file would give it, into buf. Returns buf. */
const char *conf_text(const struct conf_opt *o, const void *base, char *buf, size_t len);

/* Names of pools, services, backends, ports: 1 to 63 letters, digits, "-", "_",
 * ".", beginning with a letter or digit: they go into "POOL/NAME", JSON and
 * shells unquoted. Returns 0, or -EINVAL with a sentence in why[why_len]. */
int conf_name_check(const char *name, char *why, size_t why_len);

/* Of words[n], the one that `word` is most likely a slip of; NULL: none is near. */
const char *conf_nearest(const char *word, const char *const *words, unsigned n);

/*
 * One section while it is read: conf_section_begin() sets the defaults, then each
 * key goes to conf_section_key(), which finds unknown keys, duplicates and bad
 * values; conf_section_end() finds required keys that were not given. All of it
 * goes into *errors. The strings must outlive the section.
 */
#define CONF_SECTION_OPTS 128 /* rows a table may have */
struct conf_section {
	const struct conf_opt *opts;
	unsigned count;
	const char *file;
	struct conf_errors *errors;
	const char *kind, *name; /* "pool", "web" */
	void *base;
	int line;		     /* of the header */
	int seen[CONF_SECTION_OPTS]; /* by row: line, 0: not given */
};
void conf_section_begin(struct conf_section *s, int line);
void conf_section_key(struct conf_section *s, const char *key, const char *value, int line);
void conf_section_end(const struct conf_section *s);

/* "unknown key "tabel_size" (did you mean "table_size"?)" for key `key` of the
 * section kind: the sentence alone, into buf. Returns buf. */
const char *conf_unknown_key(const struct conf_opt *opts, unsigned count, const char *section,
			     const char *key, char *buf, size_t len);

/*
 * Read `path`, calling `fn` for each key in file order: section kind ("pool"),
 * section name ("web", "" if none), key, value, line. A section header alone is
 * also reported once, with key and value NULL. Names have passed conf_name_check(); that
 * of a [vip ...] is an address or a prefix, as weir_prefix_text() writes it.
 * Lines too long for inih, bytes that are no text and syntax errors become
 * entries in *errors; keys below a broken header are passed over. Returns 0,
 * -EINVAL when *errors grew (by `fn` too), or -errno when the file cannot be read
 * (said there as well).
 */
typedef void conf_fn(void *user, const char *kind, const char *name, const char *key,
		     const char *value, int line);
int conf_read(const char *path, conf_fn *fn, void *user, struct conf_errors *errors);

#endif /* WEIR_CONF_H */
