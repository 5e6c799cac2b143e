// SPDX-License-Identifier: Apache-2.0
#include "conf_check.h"

#include <string.h>

/*
 * The one place that says which families are forwarded. What else depends on the
 * family (an l2 pool and its services) is checked whatever stands here.
 */
const char *conf_check_family(const struct weir_addr *a)
{
	return a->family == 6 ? "IPv6 is not forwarded by this version: an IPv4 address is right"
			      : NULL;
}

const char *conf_check_family_text(const struct weir_addr *a)
{
	return a->family == 4 ? "IPv4" : "IPv6";
}

const char *conf_check_unicast(const struct weir_addr *a)
{
	static const uint8_t zero[16];
	unsigned len = a->family == 4 ? 4 : 16;

	if (memcmp(a->bytes, zero, len) == 0)
		return "the unspecified address";
	if (a->family == 4 && a->bytes[0] >= 240)
		return "a reserved or broadcast address";
	if (a->family == 4 ? a->bytes[0] >= 224 : a->bytes[0] == 0xff)
		return "a multicast address";
	return NULL;
}

bool conf_check_loopback(const struct weir_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, one, 16) == 0;
}
