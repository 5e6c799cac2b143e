// SPDX-License-Identifier: Apache-2.0
#include "conf_check.h"

#include <string.h>

const char *conf_check_family_text(const struct weir_addr *a)
{
	return a->family == 4 ? "IPv4" : "IPv6";
}

const char *conf_check_unicast(const struct weir_addr *a)
{
	static const uint8_t zero[16], mapped[12] = { [10] = 0xff, 0xff };
	unsigned len = a->family == 4 ? 4 : 16;

	if (memcmp(a->bytes, zero, len) == 0)
		return "the unspecified address";
	if (a->family == 4 && a->bytes[0] >= 240)
		return "a reserved or broadcast address";
	if (a->family == 4 ? a->bytes[0] >= 224 : a->bytes[0] == 0xff)
		return "a multicast address";
	if (a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80)
		return "a link-local address, which is another host's on each link";
	if (a->family == 6 && memcmp(a->bytes, mapped, sizeof(mapped)) == 0)
		return "an IPv4-mapped address, which never stands in a packet: write it as IPv4";
	return NULL;
}

bool conf_check_loopback(const struct weir_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, one, 16) == 0;
}
