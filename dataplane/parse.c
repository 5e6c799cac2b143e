// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 2: check the headers against the frame and each other, and note where
 * they are and which flow they name.
 *
 * Reads:  mbuf.  Writes: l3_off, l4_off, ip_len, flags, the flow key; or drop.
 *
 * A packet that passes has its IPv4 header, and the TCP or UDP header of one
 * that is no fragment, in the mbuf's first segment. Checksums are left to the
 * backend: nothing they cover is changed on the way. So is the TTL: Weir stands
 * for the host that the packet is addressed to, and a host does not discard for
 * a TTL below 2 (RFC 1122, section 3.2.1.7).
 */
#include "pipeline.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

/* First byte, version, and the length of a connection ID. */
#define QUIC_LONG_MIN 6

#define FRAG_BITS RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)

/*
 * The transport header. `len`: bytes behind the IP header, as that says; `room`:
 * how many of them the first segment holds.
 */
static inline enum weir_drop parse_tcp(struct pkt *p, const struct rte_tcp_hdr *tcp, uint32_t len,
				       uint32_t room)
{
	uint32_t hdr_len;
	uint8_t flags;

	if (unlikely(room < sizeof(*tcp)))
		return WEIR_DROP_TRUNCATED;
	hdr_len = (tcp->data_off >> 4) * 4u;
	if (unlikely(hdr_len < sizeof(*tcp) || hdr_len > len))
		return WEIR_DROP_BAD_HEADER;

	flags = tcp->tcp_flags;
	if ((flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) == RTE_TCP_SYN_FLAG)
		p->flags |= PKT_OPENER;
	if (flags & (RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG))
		p->flags |= PKT_CLOSING;
	return WEIR_DROP_NONE;
}

/*
 * A client's first QUIC packet: long header, and the type bits that mean Initial in
 * its version (RFC 9000, section 17.2.2; RFC 9369, section 3.2). `data`: UDP payload.
 */
static inline bool is_quic_initial(const uint8_t *data, uint32_t len)
{
	uint32_t version;

	if (likely(len < QUIC_LONG_MIN || (data[0] & 0xc0) != 0xc0))
		return false;
	memcpy(&version, data + 1, sizeof(version));
	if (version == RTE_BE32(0x00000001))
		return (data[0] & 0x30) == 0x00;
	if (version == RTE_BE32(0x6b3343cf))
		return (data[0] & 0x30) == 0x10;
	return false;
}

static inline enum weir_drop parse_udp(struct pkt *p, const struct rte_udp_hdr *udp, uint32_t len,
				       uint32_t room)
{
	uint32_t dgram_len;

	if (unlikely(room < sizeof(*udp)))
		return WEIR_DROP_TRUNCATED;
	/* Shorter than the IP packet is right: RFC 768 leaves the rest open. */
	dgram_len = ntohs(udp->dgram_len);
	if (unlikely(dgram_len < sizeof(*udp) || dgram_len > len))
		return WEIR_DROP_BAD_HEADER;
	if (is_quic_initial((const uint8_t *)(udp + 1), room - (uint32_t)sizeof(*udp)))
		p->flags |= PKT_QUIC_INITIAL;
	return WEIR_DROP_NONE;
}

/* `held`: bytes of the first segment from the IP header on; `frame`: of all. */
static inline enum weir_drop parse_ipv4(struct pkt *p, union flow_key *k,
					const struct rte_ipv4_hdr *ip, uint32_t held,
					uint32_t frame)
{
	uint32_t hdr_len = sizeof(*ip), ip_len, len;
	const uint8_t *l4;
	enum weir_drop drop;

	if (unlikely(held < sizeof(*ip)))
		return WEIR_DROP_TRUNCATED;
	if (unlikely(ip->version_ihl != RTE_IPV4_VHL_DEF)) {
		hdr_len = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
		if (ip->version_ihl >> 4 != IPVERSION || hdr_len < sizeof(*ip))
			return WEIR_DROP_BAD_HEADER;
	}
	ip_len = ntohs(ip->total_length);
	if (unlikely(ip_len < hdr_len))
		return WEIR_DROP_BAD_HEADER;
	if (unlikely(ip_len > frame || hdr_len > held))
		return WEIR_DROP_TRUNCATED;

	p->l4_off = (uint16_t)(p->l3_off + hdr_len);
	p->ip_len = (uint16_t)ip_len;
	l4 = (const uint8_t *)ip + hdr_len;
	len = ip_len - hdr_len;
	held = RTE_MIN(held - hdr_len, len);

	memcpy(&k->v4.src_be, &ip->src_addr, 2 * sizeof(uint32_t)); /* and destination */
	k->v4.protocol = ip->next_proto_id;
	memset(k->v4.zero, 0, sizeof(k->v4.zero));

	/* The first fragment too, though it has ports: the rest could not follow. */
	if (unlikely(ip->fragment_offset & FRAG_BITS)) {
		p->flags |= ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)
				    ? PKT_FRAG_LATER
				    : PKT_FRAG_FIRST;
		k->v4.sport_be = k->v4.dport_be = 0;
		return WEIR_DROP_NONE;
	}
	if (likely(ip->next_proto_id == IPPROTO_TCP)) {
		drop = parse_tcp(p, (const struct rte_tcp_hdr *)l4, len, held);
	} else if (ip->next_proto_id == IPPROTO_UDP) {
		drop = parse_udp(p, (const struct rte_udp_hdr *)l4, len, held);
	} else {
		p->flags |= PKT_OTHER_L4;
		k->v4.sport_be = k->v4.dport_be = 0;
		return WEIR_DROP_NONE;
	}
	if (likely(drop == WEIR_DROP_NONE))
		memcpy(&k->v4.sport_be, l4, 2 * sizeof(uint16_t)); /* both, in TCP and UDP */
	return drop;
}

static inline enum weir_drop parse_frame(struct pkt *p, union flow_key *k)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t type;

	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return WEIR_DROP_TRUNCATED;
	memcpy(&type, frame + offsetof(struct rte_ether_hdr, ether_type), sizeof(type));
	p->l3_off = RTE_ETHER_HDR_LEN;

	if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		return parse_ipv4(p, k, (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN),
				  m->data_len - RTE_ETHER_HDR_LEN, m->pkt_len - RTE_ETHER_HDR_LEN);
	/* No VIP is an IPv6 address yet, so none of these is for one. */
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return WEIR_DROP_NOT_A_VIP;
	return WEIR_DROP_NOT_IP;
}

void parse_burst(struct burst *b)
{
	const uint32_t n = b->n;

	for (uint32_t i = 0; i < n; i++)
		b->pkt[i].drop = parse_frame(&b->pkt[i], &b->key[i]);
}
