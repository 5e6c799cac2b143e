// SPDX-License-Identifier: Apache-2.0
/*
 * Between parse.c and the files that it goes to for packets that are not plain TCP
 * or UDP: extensions.c (IPv6 extension headers) and quote.c (ICMP errors).
 */
#ifndef WEIR_PARSE_H
#define WEIR_PARSE_H

#include "pipeline.h"

#include <rte_ip.h>

/* A verdict on a packet: PKT_* in the low half, enum weir_drop in the high one. */
#define PARSE_DROP(reason) ((uint32_t)WEIR_DROP_##reason << PARSE_DROP_SHIFT)
#define PARSE_DROP_SHIFT   16

/* Bounds on what is walked of one packet: RFC 8504, section 5.3 lets a host set some. */
#define EXTENSIONS_MAX	     8	 /* headers */
#define EXTENSIONS_MAX_BYTES 512 /* of all of them */

/* What follows an IPv6 header and its extension headers. */
struct chain {
	uint32_t off;	  /* bytes from the IPv6 header: where `protocol` begins */
	uint8_t protocol; /* of a later fragment: as its fragment header says, unwalked */
	bool fragmented;  /* the rest is filled; not for an atomic one (RFC 6946) */
	uint32_t before;  /* bytes of extension headers in front of the fragment header */
	struct fragment fragment;
};

/*
 * Walk the extension headers of an IPv6 packet (RFC 8200, section 4). `held`: bytes
 * from the IPv6 header on that are in memory; `len`: bytes of the packet, which may
 * be more. Returns 0 with *c filled, or a verdict that drops:
 *
 *   TRUNCATED      the packet, or what is held of it, ends within a header
 *   BAD_EXTENSION  too many or too long; hop-by-hop options that do not come first;
 *                  two fragment headers; a routing header with segments left: the
 *                  packet is on its way to somewhere else
 *   FRAGMENT_TINY  a first fragment ends before the chain does (RFC 7112)
 */
uint32_t extensions_walk(const struct rte_ipv6_hdr *ip, uint32_t held, uint32_t len,
			 struct chain *c);

/*
 * The flow that an ICMP error is about, by the start of the packet that it quotes:
 * that packet went from the VIP to the client, the flow goes the other way. `quote`
 * has `held` bytes. Returns PKT_ICMP_ERROR, with PKT_TCP, and the flow in *k; where
 * the quote does not name a flow of `to`, the address the error was sent to (later
 * fragment, no ports, too short), PKT_ICMP_ERROR with PKT_OTHER_L4, and *k as it was.
 */
uint32_t quote_parse4(uint32_t to_be, const uint8_t *quote, uint32_t held, union flow_key *k);
uint32_t quote_parse6(const uint8_t to[16], const uint8_t *quote, uint32_t held, union flow_key *k);

#endif /* WEIR_PARSE_H */
