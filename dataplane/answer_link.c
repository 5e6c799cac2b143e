// SPDX-License-Identifier: Apache-2.0
/*
 * ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861) for VIPs with
 * `arp = on`, as the only host of the link that has them would answer.
 */
#include "answer.h"

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#define ND_HOPS 255 /* not forwarded by anybody: RFC 4861, section 7.1.1 */

/* Target link-layer address, Ethernet. */
struct nd_mac {
	uint8_t type, len_8; /* length in units of 8 bytes */
	uint8_t mac[RTE_ETHER_ADDR_LEN];
};

struct nd_advert {
	struct nd_neighbor_advert head;
	struct nd_mac mac;
};
static_assert(sizeof(struct nd_advert) == 32, "as on the wire");

static const uint8_t unspecified[16];
static const uint8_t solicited_node[13] = { 0xff, 2, [11] = 1, 0xff };
static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };
static const uint8_t all_nodes_mac[RTE_ETHER_ADDR_LEN] = { 0x33, 0x33, 0, 0, 0, 1 };

static uint8_t *l3(const struct pkt *p)
{
	return rte_pktmbuf_mtod_offset(p->mbuf, uint8_t *, p->l3_off);
}

/* Bytes of the first segment from the network header on. */
static uint32_t held(const struct pkt *p)
{
	return p->mbuf->data_len > p->l3_off ? (uint32_t)(p->mbuf->data_len - p->l3_off) : 0;
}

/* A sender that is one machine. Frames may start at any address: bytes only. */
static bool from_one_host(const struct pkt *p)
{
	const uint8_t *frame = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);

	return !(frame[RTE_ETHER_ADDR_LEN] & RTE_ETHER_GROUP_ADDR);
}

/* Of one that has address and MAC; a probe (RFC 5227) has sender 0.0.0.0 and is
 * answered, an announcement (sender = target) tells and does not ask. */
bool answer_arp_asks(const struct pkt *p, union flow_key *k)
{
	struct rte_arp_hdr arp;
	uint16_t type;

	if (held(p) < sizeof(arp) || !from_one_host(p))
		return false;
	memcpy(&type, l3(p) - sizeof(type), sizeof(type));
	memcpy(&arp, l3(p), sizeof(arp));
	if (type != RTE_BE16(RTE_ETHER_TYPE_ARP) ||
	    arp.arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp.arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    arp.arp_hlen != RTE_ETHER_ADDR_LEN || arp.arp_plen != sizeof(uint32_t) ||
	    arp.arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) ||
	    rte_is_multicast_ether_addr(&arp.arp_data.arp_sha) ||
	    arp.arp_data.arp_sip == arp.arp_data.arp_tip)
		return false;
	memset(k, 0, sizeof(*k));
	k->v4.dst_be = arp.arp_data.arp_tip;
	return true;
}

bool answer_arp(struct pkt *p, const uint8_t mac[6])
{
	struct rte_arp_hdr asks, reply;
	uint8_t *at;

	memcpy(&asks, l3(p), sizeof(asks));
	reply = asks;
	reply.arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	memcpy(&reply.arp_data.arp_sha, mac, RTE_ETHER_ADDR_LEN);
	reply.arp_data.arp_sip = asks.arp_data.arp_tip;
	reply.arp_data.arp_tha = asks.arp_data.arp_sha;
	reply.arp_data.arp_tip = asks.arp_data.arp_sip;
	at = answer_reshape(p, mac, sizeof(asks), sizeof(reply), 0);
	if (at == NULL)
		return false;
	memcpy(at, &reply, sizeof(reply));
	return true;
}

/* Options, each with a length. `with_source`: one gives the sender's MAC. */
static bool options_are_right(const uint8_t *at, uint32_t len, bool *with_source)
{
	*with_source = false;
	while (len != 0) {
		uint32_t size;

		if (len < 2)
			return false;
		size = at[1] * 8u;
		if (size == 0 || size > len)
			return false;
		*with_source |= at[0] == ND_OPT_SOURCE_LINKADDR;
		at += size;
		len -= size;
	}
	return true;
}

/* RFC 4861, section 7.1.1, line by line. No extension headers (section 4.3 has none;
 * RFC 6980 forbids fragments). */
bool answer_nd_asks(const struct pkt *p, union flow_key *k)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3(p);
	const uint8_t *message = (const uint8_t *)(ip + 1);
	struct nd_neighbor_solicit ns;
	bool with_source;
	uint32_t len;

	if (held(p) < sizeof(*ip) + sizeof(ns) || ip->proto != IPPROTO_ICMPV6)
		return false;
	memcpy(&ns, message, sizeof(ns));
	len = ntohs(ip->payload_len);
	if (ns.nd_ns_type != ND_NEIGHBOR_SOLICIT || ns.nd_ns_code != 0 ||
	    ip->hop_limits != ND_HOPS || len < sizeof(ns) || len > held(p) - sizeof(*ip) ||
	    ns.nd_ns_target.s6_addr[0] == 0xff || ip->src_addr[0] == 0xff || !from_one_host(p))
		return false;
	/* Over all of it, the checksum too, the sum is 0xffff; this is its complement. */
	if (rte_ipv6_udptcp_cksum(ip, message) != 0)
		return false;
	if (!options_are_right(message + sizeof(ns), len - (uint32_t)sizeof(ns), &with_source))
		return false;
	if (memcmp(ip->src_addr, unspecified, 16) == 0 &&
	    (with_source || memcmp(ip->dst_addr, solicited_node, sizeof(solicited_node)) != 0))
		return false;
	memset(k, 0, sizeof(*k));
	memcpy(k->v6.dst, &ns.nd_ns_target, sizeof(k->v6.dst));
	return true;
}

/* RFC 4861, section 7.2.4. Who has no address yet is told by way of all nodes. */
bool answer_nd(struct pkt *p, const uint8_t mac[6])
{
	const struct rte_ipv6_hdr *asks = (const struct rte_ipv6_hdr *)l3(p);
	bool to_all = memcmp(asks->src_addr, unspecified, 16) == 0;
	struct nd_advert na = { .mac = { .type = ND_OPT_TARGET_LINKADDR, .len_8 = 1 } };
	struct rte_ipv6_hdr ip = { .vtc_flow = RTE_BE32(6u << 28),
				   .payload_len = RTE_BE16(sizeof(na)),
				   .proto = IPPROTO_ICMPV6,
				   .hop_limits = ND_HOPS };
	uint8_t *at;

	na.head.nd_na_type = ND_NEIGHBOR_ADVERT;
	na.head.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE | (to_all ? 0 : ND_NA_FLAG_SOLICITED);
	memcpy(&na.head.nd_na_target,
	       (const uint8_t *)(asks + 1) + offsetof(struct nd_neighbor_solicit, nd_ns_target),
	       16);
	memcpy(na.mac.mac, mac, sizeof(na.mac.mac));
	memcpy(ip.src_addr, &na.head.nd_na_target, 16);
	memcpy(ip.dst_addr, to_all ? all_nodes : asks->src_addr, 16);
	na.head.nd_na_cksum = rte_ipv6_udptcp_cksum(&ip, &na);

	at = answer_reshape(p, mac, sizeof(ip) + sizeof(struct nd_neighbor_solicit),
			    sizeof(ip) + sizeof(na), 0);
	if (at == NULL)
		return false;
	if (to_all)
		memcpy(at - p->l3_off, all_nodes_mac, sizeof(all_nodes_mac));
	memcpy(at, &ip, sizeof(ip));
	memcpy(at + sizeof(ip), &na, sizeof(na));
	return true;
}
