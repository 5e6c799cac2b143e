// SPDX-License-Identifier: Apache-2.0
#include "parse.h"

#include <rte_byteorder.h>

#include <netinet/in.h>
#include <string.h>

/* What an ICMP error holds at least of the transport header (RFC 792). */
#define QUOTED_L4 8

#define NO_FLOW (PKT_ICMP_ERROR | PKT_OTHER_L4)

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static uint32_t found(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? PKT_ICMP_ERROR | PKT_TCP : PKT_ICMP_ERROR;
}

uint32_t quote_parse4(uint32_t to_be, const uint8_t *quote, uint32_t held, union flow_key *k)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)quote;
	uint32_t hdr_len;

	if (held < sizeof(*ip))
		return NO_FLOW;
	hdr_len = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
	if (ip->version_ihl >> 4 != IPVERSION || hdr_len < sizeof(*ip) ||
	    hdr_len + QUOTED_L4 > held || ip->src_addr != to_be ||
	    ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK) ||
	    !has_ports(ip->next_proto_id))
		return NO_FLOW;

	k->v4.src_be = ip->dst_addr;
	k->v4.dst_be = ip->src_addr;
	memcpy(&k->v4.dport_be, quote + hdr_len, sizeof(uint16_t));
	memcpy(&k->v4.sport_be, quote + hdr_len + sizeof(uint16_t), sizeof(uint16_t));
	k->v4.protocol = ip->next_proto_id;
	return found(ip->next_proto_id);
}

uint32_t quote_parse6(const uint8_t to[16], const uint8_t *quote, uint32_t held, union flow_key *k)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)quote;
	struct chain c;

	/* The quote may be cut: its own length says nothing about what is here. */
	if (held < sizeof(*ip) || quote[0] >> 4 != 6 ||
	    memcmp(ip->src_addr, to, sizeof(ip->src_addr)) != 0 ||
	    extensions_walk(ip, held, held, &c) != 0 || c.off + QUOTED_L4 > held ||
	    (c.fragmented && c.fragment.off != 0) || !has_ports(c.protocol))
		return NO_FLOW;

	memcpy(k->v6.src, ip->dst_addr, sizeof(k->v6.src));
	memcpy(k->v6.dst, ip->src_addr, sizeof(k->v6.dst));
	memcpy(&k->v6.dport_be, quote + c.off, sizeof(uint16_t));
	memcpy(&k->v6.sport_be, quote + c.off + sizeof(uint16_t), sizeof(uint16_t));
	k->v6.protocol = c.protocol;
	return found(c.protocol);
}
