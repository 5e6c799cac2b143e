// SPDX-License-Identifier: Apache-2.0
/*
 * One run of conf_check(), shared by its files: conf_check.c (services, limits),
 * conf_check_pool.c (pools and backends), conf_check_addr.c (addresses).
 */
#ifndef WEIR_CONF_CHECK_H
#define WEIR_CONF_CHECK_H

#include "conf_file.h"
#include "key_map.h"

struct conf_check {
	const struct conf *conf;
	const char *file;
	struct conf_errors *errors, *warnings;
	struct key_map pools; /* name > position */
	struct key_map vips;  /* address > position of its first service */
};

#define fault(r, line, ...)  conf_error((r)->errors, (r)->file, line, __VA_ARGS__)
#define unwise(r, line, ...) conf_error((r)->warnings, (r)->file, line, __VA_ARGS__)

/* The line of a key of [pool] or [service]; of the section when it was not given. */
int conf_check_line(const struct key_lines *keys, const char *section, const char *key,
		    int section_line);

/* A pool and its backends. 0 whatever was found, or -ENOMEM. */
int conf_check_pool(struct conf_check *r, const struct pool_conf *p);

/* Why no packet can be sent to the address; NULL: one can. */
const char *conf_check_unicast(const struct weir_addr *a);

bool conf_check_loopback(const struct weir_addr *a);

/* "IPv4", "IPv6" */
const char *conf_check_family_text(const struct weir_addr *a);

#endif /* WEIR_CONF_CHECK_H */
