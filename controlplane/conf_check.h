// SPDX-License-Identifier: Apache-2.0
/*
 * One run of conf_check(), shared by its files: conf_check.c (services, limits),
 * conf_check_vip.c (VIPs), conf_check_pool.c (pools and backends), conf_check_check.c
 * (health checks), conf_check_addr.c (addresses).
 */
#ifndef WEIR_CONF_CHECK_H
#define WEIR_CONF_CHECK_H

#include "conf_file.h"
#include "key_map.h"

#include <assert.h>
#include <stddef.h>

struct conf_check {
	const struct conf *conf;
	const char *file;
	struct conf_errors *errors, *warnings;
	struct key_map pools; /* name > position */
	struct key_map vips;  /* struct vip_key > position of its first service */
	bool vip_bits[2][129]; /* IPv4, IPv6: some VIP has so many bits behind its prefix */
};

/* A VIP as it is compared: two members of struct service_conf. */
struct vip_key {
	struct weir_addr addr;
	uint8_t bits;
};
static_assert(offsetof(struct service_conf, vip_bits) ==
		      offsetof(struct service_conf, vip) + offsetof(struct vip_key, bits),
	      "a key lies in the service itself");

#define fault(r, line, ...)  conf_error((r)->errors, (r)->file, line, __VA_ARGS__)
#define unwise(r, line, ...) conf_error((r)->warnings, (r)->file, line, __VA_ARGS__)

/* The line of a key of [pool], [service] or [check]; of the section when it was not given. */
int conf_check_line(const struct key_lines *keys, const char *section, const char *key,
		    int section_line);

/* Fill `vips` and vip_bits. 0 or -ENOMEM. */
int conf_check_vips_init(struct conf_check *r);

/* The position of the first service of the longest VIP that holds the address, among
 * those with `bits` or more behind their prefix; KEY_MAP_NONE: no VIP does. */
uint32_t conf_check_vip_of(const struct conf_check *r, const struct weir_addr *a, unsigned bits);

/* The VIP of a service by itself. */
void conf_check_vip(struct conf_check *r, const struct service_conf *s);

/* Is the pool's MTU enough for clients of this service? */
void conf_check_room(struct conf_check *r, const struct service_conf *s, const struct pool_conf *p);

/* VIPs that lie in others: what becomes a stray by that. 0 or -ENOMEM. */
int conf_check_vips_nested(struct conf_check *r);

/* The [vip ...] sections. 0 or -ENOMEM. */
int conf_check_vip_sections(struct conf_check *r);

/* A pool and its backends. 0 whatever was found, or -ENOMEM. */
int conf_check_pool(struct conf_check *r, const struct pool_conf *p);

/* conf_check_check.c: every [check], 0 or -ENOMEM; and then those of a pool. */
int conf_check_checks(struct conf_check *r);
void conf_check_pool_checks(struct conf_check *r, const struct pool_conf *p);

/* Why no packet can be sent to the address; NULL: one can. */
const char *conf_check_unicast(const struct weir_addr *a);

bool conf_check_loopback(const struct weir_addr *a);

/* "IPv4", "IPv6" */
const char *conf_check_family_text(const struct weir_addr *a);

#endif /* WEIR_CONF_CHECK_H */
