// SPDX-License-Identifier: Apache-2.0
/*
 * Is a configuration file good, and does this host suit it? Needs no daemon: behind
 * `weir-controlplane --check-config` and `weirctl check-config`.
 */
#ifndef WEIR_CHECK_CONFIG_H
#define WEIR_CHECK_CONFIG_H

#include "conf.h"

/* 0: good, perhaps with warnings; -EINVAL or -errno: every error is in *errors. */
int check_config(const char *path, struct conf_errors *errors, struct conf_errors *warnings);

/* The same for a terminal: errors on stderr, warnings and the verdict on stdout. */
int check_config_print(const char *path);

#endif /* WEIR_CHECK_CONFIG_H */
