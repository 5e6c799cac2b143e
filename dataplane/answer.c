// SPDX-License-Identifier: Apache-2.0
/*
 * Which drop gets which answer, and which gets none.
 *
 *   ECHO_OFF       of a VIP with WEIR_VIP_ECHO: echo reply
 *   TOO_BIG        IPv4 with DF, IPv6: fragmentation needed, packet too big
 *   STRAY          of a VIP with WEIR_VIP_REJECT: TCP RST, port unreachable
 *   NOT_IP         ARP request for a VIP with WEIR_VIP_ARP: reply
 *   NOT_A_VIP, UNSUPPORTED_L4
 *                  neighbour solicitation for such a VIP: advertisement
 *
 * Over the rate limit they stay the drops that they were. Only what asks for a VIP's MAC
 * becomes ANSWER_LIMITED: its reason would not tell it from what is for nobody here.
 */
#include "answer.h"

#include "count.h"
#include "view.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

/* RFC 791, section 3.2; RFC 8200, section 5: no link is narrower. */
#define LEAST_MTU4 68
#define LEAST_MTU6 1280

static const uint8_t *l3(const struct pkt *p)
{
	return rte_pktmbuf_mtod_offset(p->mbuf, const uint8_t *, p->l3_off);
}

/* RFC 1122, section 3.2.2: a source that is no single host is not spoken to. What is
 * from a VIP to itself would come back to us. */
static bool is_host4(const struct rte_ipv4_hdr *ip)
{
	uint32_t src = ntohl(ip->src_addr);

	return src >> 24 != 0 && src >> 24 != 127 && src < 0xe0000000 &&
	       ip->src_addr != ip->dst_addr;
}

/* RFC 4443, section 2.4 (e). */
static bool is_host6(const struct rte_ipv6_hdr *ip)
{
	static const uint8_t zero[15];

	if (ip->src_addr[0] == 0xff || memcmp(ip->src_addr, ip->dst_addr, 16) == 0)
		return false;
	return memcmp(ip->src_addr, zero, 15) != 0 || ip->src_addr[15] > 1; /* ::, ::1 */
}

/* RFC 1122, section 3.2.1.2: a header with a fault is nobody's. parse leaves the checksum
 * to the backend, but what we answer no backend sees. */
static bool is_sound4(const struct rte_ipv4_hdr *ip)
{
	return rte_raw_cksum(ip, rte_ipv4_hdr_len(ip)) == 0xffff;
}

/* Is there one host to answer, and was the packet meant for one? */
static bool may_answer(const struct pkt *p)
{
	const uint8_t *frame = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);

	/* Broadcast and multicast, as destination or source. */
	if ((frame[0] | frame[RTE_ETHER_ADDR_LEN]) & RTE_ETHER_GROUP_ADDR)
		return false;
	if (p->flags & PKT_IPV6)
		return is_host6((const struct rte_ipv6_hdr *)l3(p));
	return is_host4((const struct rte_ipv4_hdr *)l3(p)) &&
	       is_sound4((const struct rte_ipv4_hdr *)l3(p));
}

/* About a packet of TCP or UDP, whole or the first fragment. */
static bool may_complain(const struct pkt *p)
{
	return !(p->flags & (PKT_ICMP_ERROR | PKT_FRAG_LATER)) && may_answer(p);
}

/*
 * A fragment behind the first one over IPv6: a router tells of each that is too big
 * (RFC 4443, section 3.2). One that is has come to a backend by its first one, which is TCP
 * or UDP, or an error; whatever its own fragment header says (RFC 8200, section 4.5).
 */
static bool is_part_of_flow6(const struct pkt *p)
{
	const uint16_t both = PKT_IPV6 | PKT_FRAG_LATER;

	return (p->flags & (both | PKT_ICMP_ERROR)) == both && may_answer(p);
}

static bool forbids_fragments(const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3(p);

	return p->flags & PKT_IPV6 || ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
}

/* Does the VIP that holds the destination in *k have WEIR_VIP_ARP? classify knows
 * prefixes and all. */
static bool is_vip_with_arp(const struct view *v, uint16_t flags, const union flow_key *k)
{
	struct burst one;

	one.n = 1;
	one.seen = (uint16_t)(PKT_OTHER_L4 | (flags & PKT_IPV6));
	one.dropped = one.one_target = false;
	one.pkt[0] = (struct pkt){ .flags = one.seen };
	one.key[0] = *k;
	classify_burst(v, &one);
	return one.pkt[0].drop == WEIR_DROP_UNSUPPORTED_L4 &&
	       one.pkt[0].service_flags & WEIR_VIP_ARP;
}

enum weir_answer answer_kind(const struct view *v, const struct pkt *p)
{
	union flow_key k;

	switch (p->drop) {
	case WEIR_DROP_ECHO_OFF:
		if (p->service_flags & WEIR_VIP_ECHO && may_answer(p))
			return WEIR_ANSWER_ECHO;
		break;
	case WEIR_DROP_TOO_BIG:
		if (forbids_fragments(p) && (may_complain(p) || is_part_of_flow6(p)))
			return WEIR_ANSWER_TOO_BIG;
		break;
	case WEIR_DROP_STRAY:
		if (!(p->service_flags & WEIR_VIP_REJECT) || !may_complain(p))
			break;
		if (!(p->flags & PKT_TCP))
			return WEIR_ANSWER_UNREACHABLE;
		if (!(p->flags & PKT_FRAGMENT) &&
		    !(l3(p)[p->l4_words * 4u + 13] & RTE_TCP_RST_FLAG))
			return WEIR_ANSWER_RESET;
		break;
	case WEIR_DROP_NOT_IP:
		if (answer_arp_asks(p, &k) && is_vip_with_arp(v, 0, &k))
			return WEIR_ANSWER_ARP;
		break;
	case WEIR_DROP_NOT_A_VIP:
	case WEIR_DROP_UNSUPPORTED_L4:
		if ((p->flags & (PKT_IPV6 | PKT_MALFORMED)) == PKT_IPV6 && answer_nd_asks(p, &k) &&
		    is_vip_with_arp(v, PKT_IPV6, &k))
			return WEIR_ANSWER_ND;
		break;
	}
	return WEIR_ANSWERS;
}

/* What the way to the packet's backend leaves for the client. A line that a peer has
 * changed meanwhile gives another number, never one below the least. */
static uint32_t client_mtu(const struct view *v, const struct egress *ports, const struct pkt *p)
{
	return RTE_MAX(encap_room(v, ports, p),
		       p->flags & PKT_IPV6 ? (uint32_t)LEAST_MTU6 : (uint32_t)LEAST_MTU4);
}

/* A later fragment that fits was dropped with its first one, whose sender has been told. */
static bool is_no_news(const struct view *v, const struct egress *ports, const struct pkt *p,
		       enum weir_answer kind)
{
	return kind == WEIR_ANSWER_TOO_BIG && p->flags & PKT_FRAG_LATER &&
	       p->ip_len <= client_mtu(v, ports, p);
}

static bool tell_mtu(struct pkt *p, const uint8_t *mac, uint32_t mtu)
{
	/* RFC 1191, section 4: the low half of the word; RFC 4443: all of it. */
	return p->flags & PKT_IPV6
		       ? answer_error(p, mac, ICMP6_PACKET_TOO_BIG, 0, htonl(mtu))
		       : answer_error(p, mac, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
}

static bool make(enum weir_answer kind, const struct view *v, const struct egress *ports,
		 struct pkt *p)
{
	const uint8_t *mac = ports[p->port].mac;
	bool v6 = p->flags & PKT_IPV6;

	switch (kind) {
	case WEIR_ANSWER_ECHO:
		return answer_echo(p, mac);
	case WEIR_ANSWER_RESET:
		return answer_reset(p, mac);
	case WEIR_ANSWER_UNREACHABLE:
		return v6 ? answer_error(p, mac, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, 0)
			  : answer_error(p, mac, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	case WEIR_ANSWER_TOO_BIG:
		return tell_mtu(p, mac, client_mtu(v, ports, p));
	case WEIR_ANSWER_ARP:
		return answer_arp(p, mac);
	case WEIR_ANSWER_ND:
		return answer_nd(p, mac);
	default:
		return false;
	}
}

void answers_init(struct answers *a, struct weir_worker_area *area, uint32_t per_s, uint64_t hz)
{
	*a = (struct answers){ .area = area, .rate = limit_rate(per_s, hz) };
}

/* The column of an answer, and that of its being limited; WEIR_COLUMNS: it has none. */
static unsigned column_of(enum weir_answer kind, bool limited)
{
	switch (kind) {
	case WEIR_ANSWER_TOO_BIG:
		return limited ? WEIR_COLUMN_ANSWER_TOO_BIG_LIMITED : WEIR_COLUMN_ANSWER_TOO_BIG;
	case WEIR_ANSWER_ECHO:
		return limited ? WEIR_COLUMN_ANSWER_VIP_LIMITED : WEIR_COLUMN_ANSWER_ECHO;
	case WEIR_ANSWER_RESET:
		return limited ? WEIR_COLUMN_ANSWER_VIP_LIMITED : WEIR_COLUMN_ANSWER_RESET;
	case WEIR_ANSWER_UNREACHABLE:
		return limited ? WEIR_COLUMN_ANSWER_VIP_LIMITED : WEIR_COLUMN_ANSWER_UNREACHABLE;
	default:
		return WEIR_COLUMNS;
	}
}

static void count_answer(struct weir_worker_area *area, const struct pkt *p, enum weir_answer kind,
			 bool limited, uint32_t len)
{
	unsigned column = column_of(kind, limited);

	if (area == NULL)
		return;
	count_add(&area->answer[limited ? WEIR_ANSWER_LIMITED : kind], 1, len);
	if (column != WEIR_COLUMNS)
		count_column(area, p->service, p->backend, column);
}

static void answer_packet(struct answers *a, const struct view *v, const struct egress *ports,
			  struct pkt *p, uint64_t now)
{
	enum weir_answer kind = answer_kind(v, p);

	if (kind == WEIR_ANSWERS || is_no_news(v, ports, p, kind))
		return;
	if (!limit_take(&a->limit[kind], &a->rate, now)) {
		count_answer(a->area, p, kind, true, p->mbuf->pkt_len);
		if (kind == WEIR_ANSWER_ARP || kind == WEIR_ANSWER_ND)
			p->drop = WEIR_DROP_ANSWER_LIMITED;
		return;
	}
	if (!make(kind, v, ports, p))
		return;
	p->flags |= PKT_ANSWER;
	p->drop = WEIR_DROP_NONE;
	count_answer(a->area, p, kind, false, p->mbuf->pkt_len);
}

void answer_burst(struct answers *a, const struct view *v, const struct egress *ports,
		  struct burst *b, uint64_t now)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->pkt[i].drop != WEIR_DROP_NONE)
			answer_packet(a, v, ports, &b->pkt[i], now);
}
