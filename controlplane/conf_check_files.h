// SPDX-License-Identifier: Apache-2.0
/*
 * Files that a configuration names: looked at when the configuration is read from its own
 * file, and not when something is changed at run time: a CA file that has gone must not
 * keep anybody from draining a backend.
 */
#ifndef WEIR_CONF_CHECK_FILES_H
#define WEIR_CONF_CHECK_FILES_H

#include "conf_file.h"

/* The CA files and programs of the checks. 0; -EINVAL when *errors grew. */
int conf_check_files(const struct conf *c, const char *path, struct conf_errors *errors);

/* conf_load(), then conf_check_files(). */
int conf_load_whole(const char *path, struct conf **out, struct conf_errors *errors,
		    struct conf_errors *warnings);

#endif /* WEIR_CONF_CHECK_FILES_H */
