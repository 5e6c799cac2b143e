// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_PROBE_EXEC_H
#define WEIR_PROBE_EXEC_H

#include <stddef.h>

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

#endif /* WEIR_PROBE_EXEC_H */
