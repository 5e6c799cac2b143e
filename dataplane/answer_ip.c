// SPDX-License-Identifier: Apache-2.0
/*
 * Answers that are IP packets, made in the buffer of the packet that is answered.
 * They go from the address that it was sent to, the VIP, to its source. Options and
 * extension headers are not sent back.
 */
#include "answer.h"

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

#define LINK_MAX (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

/* RFC 1812, section 4.3.2.3; RFC 4443, section 2.4 (c): the whole error. */
#define ERROR_MAX4 576
#define ERROR_MAX6 1280

#define HOPS	  64
#define TOS_ERROR 0xc0 /* internetwork control: RFC 1812, section 4.3.2.5 */

/* Frames may start at any address. */
struct message {
	uint8_t type, code;
	uint16_t sum;
	uint32_t rest_be;
} __rte_packed;

uint8_t *answer_reshape(struct pkt *p, const uint8_t mac[6], uint32_t old, uint32_t len,
			uint32_t keep)
{
	struct rte_mbuf *m = p->mbuf;
	const uint8_t *was = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t link[LINK_MAX], *now;
	uint32_t link_len = p->l3_off, start = m->data_off + old;

	if (link_len > LINK_MAX || start < len || link_len + old + keep > m->data_len ||
	    start - len + link_len + len + keep > m->buf_len)
		return NULL;
	memcpy(link, was + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
	memcpy(link + RTE_ETHER_ADDR_LEN, mac, RTE_ETHER_ADDR_LEN);
	memcpy(link + 2 * RTE_ETHER_ADDR_LEN, was + 2 * RTE_ETHER_ADDR_LEN,
	       link_len - 2 * RTE_ETHER_ADDR_LEN);

	if (m->next != NULL) {
		rte_pktmbuf_free(m->next);
		m->next = NULL;
		m->nb_segs = 1;
	}
	m->data_off = (uint16_t)(start - len);
	m->data_len = (uint16_t)(link_len + len + keep);
	m->pkt_len = m->data_len;
	now = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(now, link, link_len);
	return now + link_len;
}

/* What an answer takes from the IP header it is about. */
struct about {
	bool v6;
	uint8_t tos;
	uint16_t id_be;
	uint32_t label_be; /* IPv6: traffic class and flow label */
	uint8_t src[16], dst[16];
	uint32_t l4; /* bytes of IP header, options and extension headers */
};

static void look(const struct pkt *p, struct about *a)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(p->mbuf, const uint8_t *, p->l3_off);

	*a = (struct about){ .v6 = p->flags & PKT_IPV6, .l4 = p->l4_words * 4u };
	if (a->v6) {
		memcpy(&a->label_be, ip, sizeof(a->label_be));
		memcpy(a->src, ip + 8, 16);
		memcpy(a->dst, ip + 24, 16);
	} else {
		a->tos = ip[1];
		memcpy(&a->id_be, ip + 4, sizeof(a->id_be));
		memcpy(a->src, ip + 12, 4);
		memcpy(a->dst, ip + 16, 4);
	}
}

static uint32_t header_len(const struct about *a)
{
	return a->v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
}

/* From the VIP to the source. `frag_be`: flags of IPv4. Returns what is behind it. */
static uint8_t *write_ip(uint8_t *at, const struct about *a, uint8_t protocol, uint32_t payload,
			 uint16_t frag_be)
{
	if (a->v6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)at;

		*ip = (struct rte_ipv6_hdr){ .vtc_flow = a->label_be,
					     .payload_len = htons((uint16_t)payload),
					     .proto = protocol,
					     .hop_limits = HOPS };
		memcpy(ip->src_addr, a->dst, 16);
		memcpy(ip->dst_addr, a->src, 16);
		return (uint8_t *)(ip + 1);
	}
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;

	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
				     .type_of_service = a->tos,
				     .total_length = htons((uint16_t)(sizeof(*ip) + payload)),
				     .packet_id = a->id_be,
				     .fragment_offset = frag_be,
				     .time_to_live = HOPS,
				     .next_proto_id = protocol };
	memcpy(&ip->src_addr, a->dst, 4);
	memcpy(&ip->dst_addr, a->src, 4);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return (uint8_t *)(ip + 1);
}

/* A datagram that needs no identification: RFC 6864, section 4.1. */
static void make_atomic(struct about *a, uint8_t tos)
{
	a->tos = tos;
	a->id_be = 0;
	a->label_be = htonl(6u << 28 | (uint32_t)tos << 20);
}

static uint16_t checksum_behind(const uint8_t *ip, const uint8_t *l4, bool v6)
{
	return v6 ? rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)ip, l4)
		  : rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)ip, l4);
}

/* RFC 1624, equation 3: the first word of the message changes. */
static void turn_echo(struct message *m, uint8_t reply)
{
	const uint16_t from = htons((uint16_t)(m->type << 8)), to = htons((uint16_t)(reply << 8));
	uint32_t sum = (uint16_t)~m->sum + (uint32_t)(uint16_t)~from + to;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	m->sum = (uint16_t)~sum;
	m->type = reply;
}

bool answer_echo(struct pkt *p, const uint8_t mac[6])
{
	struct about a;
	uint32_t message;
	uint8_t *at;

	look(p, &a);
	message = p->ip_len - a.l4;
	at = answer_reshape(p, mac, a.l4, header_len(&a), message);
	if (at == NULL)
		return false;
	at = write_ip(at, &a, a.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, message, 0);
	/* Swapped addresses sum up to the same: ICMPv6's pseudo-header does not matter. */
	turn_echo((struct message *)at, a.v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
	return true;
}

bool answer_error(struct pkt *p, const uint8_t mac[6], uint8_t type, uint8_t code, uint32_t rest_be)
{
	const struct message error = { .type = type, .code = code, .rest_be = rest_be };
	uint32_t headers, room, quote = p->mbuf->data_len - p->l3_off; /* all of it */
	struct about a;
	uint8_t *ip, *at;

	look(p, &a);
	make_atomic(&a, TOS_ERROR);
	headers = header_len(&a) + (uint32_t)sizeof(error);
	room = (a.v6 ? ERROR_MAX6 : ERROR_MAX4) - headers;
	quote = RTE_MIN(quote, p->ip_len);
	quote = RTE_MIN(quote, room);
	ip = answer_reshape(p, mac, 0, headers, quote);
	if (ip == NULL)
		return false;
	at = write_ip(ip, &a, a.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, (uint32_t)sizeof(error) + quote,
		      RTE_BE16(RTE_IPV4_HDR_DF_FLAG));
	memcpy(at, &error, sizeof(error));
	((struct message *)at)->sum = a.v6 ? checksum_behind(ip, at, true)
					   : (uint16_t)~rte_raw_cksum(at, sizeof(error) + quote);
	return true;
}

/* RFC 9293, section 3.10.7.1: what a host without such a connection says. */
bool answer_reset(struct pkt *p, const uint8_t mac[6])
{
	const struct rte_tcp_hdr *asks =
		rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_tcp_hdr *, pkt_l4_off(p));
	struct rte_tcp_hdr rst = { .src_port = asks->dst_port,
				   .dst_port = asks->src_port,
				   .data_off = sizeof(rst) / 4 << 4,
				   .tcp_flags = RTE_TCP_RST_FLAG };
	uint32_t len;
	struct about a;
	uint8_t *ip, *at;

	look(p, &a);
	if (asks->tcp_flags & RTE_TCP_ACK_FLAG) {
		rst.sent_seq = asks->recv_ack;
	} else {
		len = p->ip_len - a.l4 - (asks->data_off >> 4) * 4u;
		len += (asks->tcp_flags & RTE_TCP_SYN_FLAG) != 0;
		len += (asks->tcp_flags & RTE_TCP_FIN_FLAG) != 0;
		rst.recv_ack = htonl(ntohl(asks->sent_seq) + len);
		rst.tcp_flags |= RTE_TCP_ACK_FLAG;
	}
	make_atomic(&a, 0);
	ip = answer_reshape(p, mac, a.l4 + (uint32_t)sizeof(rst),
			    header_len(&a) + (uint32_t)sizeof(rst), 0);
	if (ip == NULL)
		return false;
	at = write_ip(ip, &a, IPPROTO_TCP, sizeof(rst), RTE_BE16(RTE_IPV4_HDR_DF_FLAG));
	memcpy(at, &rst, sizeof(rst));
	((struct rte_tcp_hdr *)at)->cksum = checksum_behind(ip, at, a.v6);
	return true;
}
