// SPDX-License-Identifier: Apache-2.0
/*
 * Settings of probes by themselves, without a loop, a socket or a library: what
 * check-config looks at, and the small notations that they are written in.
 */
#ifndef WEIR_PROBE_SETTINGS_H
#define WEIR_PROBE_SETTINGS_H

#include "probe.h"

/* 0; or -EINVAL with a sentence that says what would be right. Files that they name are
 * conf_check_files.h's and probe_prepare()'s business. */
int probe_settings_check(const struct probe_conf *c, char *why, size_t why_len);

/* "h2,http/1.1" as RFC 7301 has it on the wire: each name behind its length. Returns
 * the number of bytes, 0 if a name is empty or there is no room. */
unsigned alpn_wire(const char *list, uint8_t *out, size_t cap);

#define DNS_NAME_WIRE_MAX 255

/* The name as labels with the root's empty one (RFC 1035, section 3.1). Returns bytes,
 * or 0: a label is empty or too long, or all are. out has DNS_NAME_WIRE_MAX bytes. */
size_t dns_name_wire(const char *name, uint8_t *out);

enum { DNS_TYPE_A = 1, DNS_TYPE_AAAA = 28, DNS_RCODES = 6 };

/* By their code; those above it have no name here. */
extern const char *const dns_rcodes[DNS_RCODES];

/* "AAAA" or a number; 0 if it is neither. */
uint16_t dns_type_parse(const char *text);

/* "NXDOMAIN" or a number up to 15; -1 if it is neither. */
int dns_rcode_parse(const char *text);

#define EXEC_WORDS_MAX 32

/*
 * Split a command into words at blanks; "double quotes" keep blanks in a word, and
 * nothing else has a meaning: no shell, no variables, no escapes.
 *
 * The words and their NUL go to buf[len] (len: more than strlen(command) is always
 * enough), argv gets EXEC_WORDS_MAX pointers, the last used one is NULL. Returns the
 * number of words; -EINVAL: none, too many, or a quote without its partner.
 */
int exec_split(const char *command, char *buf, size_t len, char **argv);

#endif /* WEIR_PROBE_SETTINGS_H */
