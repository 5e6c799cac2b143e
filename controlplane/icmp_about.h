// SPDX-License-Identifier: Apache-2.0
/*
 * ICMP errors about tunnelled packets: a host without decapsulation, or a router with
 * a small MTU, answers the outer header, so no socket of a probe hears of it.
 */
#ifndef WEIR_ICMP_ABOUT_H
#define WEIR_ICMP_ABOUT_H

#include "addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct icmp_about {
	struct weir_addr outer_dst; /* whom the quoted packet was for */
	uint8_t protocol;	    /* of the quoted packet: 4, 41 or 17 */
	uint16_t port;		    /* that a quoted UDP packet was for; 0: none is quoted */
	uint8_t type, code;	    /* of ICMP or ICMPv6, by outer_dst.family */
	uint16_t mtu;		    /* packet too big: what would fit; else 0 */
};

/*
 * Read an ICMP message about an IPv4 packet as a raw socket gives it (IP header
 * first), or an ICMPv6 message (ICMPv6 header first). Returns false for anything but
 * an error about IP-in-IP or UDP.
 *
 * Source: RFC 792; RFC 1191, section 4 (MTU); RFC 4443, section 3.
 */
bool icmp_about_read4(const uint8_t *packet, size_t len, struct icmp_about *out);
bool icmp_about_read6(const uint8_t *message, size_t len, struct icmp_about *out);

/* What it means for a probe, for a person: "10.0.0.2 says: protocol 4 unreachable,
 * nothing takes off the encapsulation there". Returns buf. */
const char *icmp_about_text(const struct icmp_about *m, const struct weir_addr *by, char *buf,
			    size_t len);

#endif /* WEIR_ICMP_ABOUT_H */
