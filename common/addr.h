// SPDX-License-Identifier: Apache-2.0
/*
 * An IP address or prefix as configuration, messages and status show it.
 */
#ifndef WEIR_ADDR_H
#define WEIR_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_addr {
	uint8_t family;	   /* 4 or 6; 0: not set */
	uint8_t bytes[16]; /* network order; IPv4 in the first 4, the rest zero */
};

#define WEIR_ADDR_STRLEN   46 /* longest text with its NUL */
#define WEIR_PREFIX_STRLEN 50

/* Parse "192.0.2.1" or "2001:db8::1". Returns 0, or -EINVAL: nothing else is
 * accepted (no port, no zone, no leading zeros). *out is set only on success. */
int weir_addr_parse(const char *text, struct weir_addr *out);

/* Parse "192.0.2.0/24"; without "/", the length is 32 or 128. Returns 0, or
 * -EINVAL; -ERANGE when address bits behind the prefix are set. */
int weir_prefix_parse(const char *text, struct weir_addr *out, uint8_t *len);

/*
 * A prefix as configuration keeps it: an address and the bits behind the prefix, which
 * are 0 in it. host_bits 0: the address alone.
 */
static inline uint8_t weir_addr_bits(const struct weir_addr *a)
{
	return a->family == 4 ? 32 : 128;
}

/* Set the last host_bits bits to 0. */
void weir_addr_clear(struct weir_addr *a, uint8_t host_bits);

/* "192.0.2.0/24", "192.0.2.1" for host_bits 0, into buf[WEIR_PREFIX_STRLEN]; returns buf. */
const char *weir_prefix_text(const struct weir_addr *a, uint8_t host_bits, char *buf);

/* Text per RFC 5952 into buf[WEIR_ADDR_STRLEN]; returns buf. "-" if not set. */
const char *weir_addr_text(const struct weir_addr *a, char *buf);

/* True when the address lies within prefix/len (same family). */
bool weir_addr_in(const struct weir_addr *a, const struct weir_addr *prefix, uint8_t len);

bool weir_addr_equal(const struct weir_addr *a, const struct weir_addr *b);

/* Parse "02:00:5e:10:00:01". Returns 0 or -EINVAL (also for multicast and all-zero). */
int weir_mac_parse(const char *text, uint8_t mac[6]);

/* "02:00:5e:10:00:01" into buf[18]; returns buf. */
const char *weir_mac_text(const uint8_t mac[6], char *buf);

#endif /* WEIR_ADDR_H */
