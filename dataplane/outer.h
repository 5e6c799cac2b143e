// SPDX-License-Identifier: Apache-2.0
/*
 * The headers that encap puts between the link's and the client's packet, written
 * from what stands ready in a backend's line (common/snapshot.h says which fields are
 * 0 there). docs/encap.md has each field and where it is from.
 */
#ifndef WEIR_OUTER_H
#define WEIR_OUTER_H

#include "snapshot.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <assert.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#define OUTER_GUE_LEN 4u
#define OUTER_UDP_LEN 8u
#define OUTER_CHECK   offsetof(struct rte_ipv4_hdr, hdr_checksum)

/* What of an outer header differs from packet to packet. */
struct outer {
	uint64_t hash;	  /* of the flow */
	uint32_t len;	  /* bytes behind the outer IP header */
	uint8_t tos;	  /* ToS or traffic class of the client's packet */
	uint8_t protocol; /* 4 or 41: what the client's packet is */
	uint8_t source_bits;
	bool gue;
};

/* The ToS of an IPv4 packet, the traffic class of an IPv6 packet. */
static inline uint8_t outer_tos_of(const uint8_t *ip, bool ipv6)
{
	return ipv6 ? (uint8_t)(ip[0] << 4 | ip[1] >> 4) : ip[1];
}

/* The low `bits` of a hash, 64 at most. */
static inline uint64_t outer_source_bits(uint64_t hash, unsigned bits)
{
	return bits < 64 ? hash & ((1ull << bits) - 1) : hash;
}

/*
 * The fields that the worker writes are 0 in the ready header, so that adding them
 * to its sum is all that RFC 1624 leaves to do; the protocol is 4 there.
 */
static inline uint8_t *outer_write4(uint8_t *at, const uint8_t *ready, const struct outer *o)
{
	const uint16_t len_be = rte_cpu_to_be_16((uint16_t)(sizeof(struct rte_ipv4_hdr) + o->len));
	uint32_t sum;
	uint16_t check;

	/* Words as they lie in memory: ToS and protocol are the second byte of theirs. */
	memcpy(&check, ready + OUTER_CHECK, sizeof(check));
	sum = (uint16_t)~check + ((uint32_t)o->tos << 8) + len_be;
	memcpy(at, ready, sizeof(struct rte_ipv4_hdr));
	at[1] = o->tos;
	memcpy(at + 2, &len_be, sizeof(len_be));
	if (!o->gue && o->protocol != IPPROTO_IPIP) {
		at[9] = o->protocol;
		sum += (uint32_t)(o->protocol - IPPROTO_IPIP) << 8;
	}
	if (unlikely(o->source_bits != 0)) {
		uint32_t more =
			rte_cpu_to_be_32((uint32_t)outer_source_bits(o->hash, o->source_bits));
		uint32_t source;

		memcpy(&source, ready + 12, sizeof(source));
		source |= more;
		memcpy(at + 12, &source, sizeof(source));
		sum += (more & 0xffff) + (more >> 16);
	}
	/* Both halves, with the carry between them, in the upper one. */
	sum += sum << 16 | sum >> 16;
	check = (uint16_t) ~(sum >> 16);
	memcpy(at + OUTER_CHECK, &check, sizeof(check));
	return at + sizeof(struct rte_ipv4_hdr);
}

/* The flow label is the flow's, so that routers spread tunnels too (RFC 6438). */
static inline uint8_t *outer_write6(uint8_t *at, const uint8_t *ready, const struct outer *o)
{
	uint64_t first; /* up to the hop limit */

	memcpy(&first, ready, sizeof(first));
	first |= rte_cpu_to_be_32((uint32_t)o->tos << 20 |
				  ((uint32_t)o->hash & RTE_IPV6_HDR_FL_MASK));
	first |= (uint64_t)rte_cpu_to_be_16((uint16_t)o->len) << 32;
	if (!o->gue)
		first |= (uint64_t)o->protocol << 48;
	memcpy(at, &first, sizeof(first));
	memcpy(at + sizeof(first), ready + sizeof(first),
	       sizeof(struct rte_ipv6_hdr) - sizeof(first));
	if (unlikely(o->source_bits != 0)) {
		uint64_t low;

		memcpy(&low, ready + 16, sizeof(low));
		low |= rte_cpu_to_be_64(outer_source_bits(o->hash, o->source_bits));
		memcpy(at + 16, &low, sizeof(low));
	}
	return at + sizeof(struct rte_ipv6_hdr);
}
static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "where the fields stand in the words");

/*
 * UDP and GUE, variant 0 (draft-ietf-intarea-gue-09, section 3): version 0, a data
 * message, no flags, no extension fields. The source port tells flows apart
 * (section 5.11 of it; RFC 7605 has the range). Without a UDP checksum: RFC 6935 and 6936 allow it
 * to tunnels over IPv6, and the client's packet brings its own.
 */
static inline uint8_t *outer_write_gue(uint8_t *at, uint16_t port_be, const struct outer *o)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)at;
	uint16_t entropy = (uint16_t)(o->hash >> 16) & 0x3fff;

	udp->src_port = rte_cpu_to_be_16(0xc000 | entropy);
	udp->dst_port = port_be;
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)o->len);
	udp->dgram_cksum = 0;
	at += OUTER_UDP_LEN;
	memcpy(at, (const uint8_t[OUTER_GUE_LEN]){ 0, o->protocol, 0, 0 }, OUTER_GUE_LEN);
	return at + OUTER_GUE_LEN;
}

#endif /* WEIR_OUTER_H */
