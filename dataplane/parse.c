// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 2: check the headers against the frame and each other, and note where
 * they are and which flow they name.
 *
 * Reads:  mbuf.  Writes: l3_off, l4_words, ip_len, flags, the flow key, fragment; or
 * drop; seen and dropped of the burst.
 *
 * A packet that passes has its headers up to that of TCP or UDP, or of ICMP with
 * what it quotes, in the mbuf's first segment. Checksums are left to the backend:
 * nothing they cover is changed on the way. So is the TTL: Weir stands for the host
 * that the packet is addressed to, and a host does not discard for a TTL below 2
 * (RFC 1122, section 3.2.1.7).
 */
#include "parse.h"

#include "bytes16.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <string.h>

/* First byte, version, and the length of a connection ID. */
#define QUIC_LONG_MIN 6

#define FRAG_BITS RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)

/* ICMP and ICMPv6: type, code, checksum and four bytes more; then what is quoted. */
#define ICMP_HDR_LEN 8

/* 802.1Q in 802.1ad. */
#define VLAN_TAGS_MAX 2

/* A verdict on a frame that gives no address, or not all of one. */
#define UNADDRESSED(reason) (PARSE_DROP(reason) | PKT_NO_ADDRESS)

/* The state of a plain packet (below), by the low bits of its TCP flags: FIN 1, SYN 2,
 * RST 4, ACK 16. Length and port come to it. */
#define TCP_KIND(f)                                                    \
	(PKT_TCP | (((f)&0x12) == RTE_TCP_SYN_FLAG ? PKT_OPENER : 0) | \
	 ((f) & (RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG) ? PKT_CLOSING : 0))
#define PLAIN_STATE(f) PKT_STATE(0, RTE_ETHER_HDR_LEN, sizeof(struct rte_ipv4_hdr) / 4, TCP_KIND(f))
#define PLAIN_STATES(f) \
	PLAIN_STATE(f), PLAIN_STATE((f) + 1), PLAIN_STATE((f) + 2), PLAIN_STATE((f) + 3)
static const uint64_t plain_state[32] = { PLAIN_STATES(0),  PLAIN_STATES(4),  PLAIN_STATES(8),
					  PLAIN_STATES(12), PLAIN_STATES(16), PLAIN_STATES(20),
					  PLAIN_STATES(24), PLAIN_STATES(28) };
#define FLAGS_SHIFT 48
/* What that is more over IPv6. */
#define PLAIN6_STATE \
	PKT_STATE(0, 0, (sizeof(struct rte_ipv6_hdr) - sizeof(struct rte_ipv4_hdr)) / 4, PKT_IPV6)

/*
 * The transport header. `len`: bytes behind the IP header, as that says; `room`:
 * how many of them the first segment holds.
 */
static inline uint32_t parse_tcp(const struct rte_tcp_hdr *tcp, uint32_t len, uint32_t room)
{
	uint32_t hdr_len;

	if (unlikely(room < sizeof(*tcp)))
		return PARSE_DROP(TRUNCATED);
	hdr_len = (tcp->data_off >> 4) * 4u;
	if (unlikely(hdr_len < sizeof(*tcp) || hdr_len > len))
		return PARSE_DROP(BAD_HEADER);
	return (uint32_t)(plain_state[tcp->tcp_flags & 31] >> FLAGS_SHIFT);
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

static inline uint32_t parse_udp(const struct rte_udp_hdr *udp, uint32_t len, uint32_t room)
{
	uint32_t dgram_len;

	if (unlikely(room < sizeof(*udp)))
		return PARSE_DROP(TRUNCATED);
	/* Shorter than the IP packet is right: RFC 768 leaves the rest open. */
	dgram_len = ntohs(udp->dgram_len);
	if (unlikely(dgram_len < sizeof(*udp) || dgram_len > len))
		return PARSE_DROP(BAD_HEADER);
	return is_quic_initial((const uint8_t *)(udp + 1), room - (uint32_t)sizeof(*udp))
		       ? PKT_QUIC_INITIAL
		       : 0;
}

/* What is known of a packet once its IP header has been read. */
struct at_l4 {
	const uint8_t *l4;
	uint32_t len, held; /* bytes from l4 on: of the packet; of them in the first segment */
	uint8_t protocol;
	uint16_t *ports; /* of the key: source and destination */
};

/* A packet in one piece; PKT_OTHER_L4 alone: it has no ports. */
static inline uint32_t parse_ports(const struct at_l4 *a)
{
	uint32_t verdict;

	if (likely(a->protocol == IPPROTO_TCP))
		verdict = parse_tcp((const struct rte_tcp_hdr *)a->l4, a->len, a->held);
	else if (likely(a->protocol == IPPROTO_UDP))
		verdict = parse_udp((const struct rte_udp_hdr *)a->l4, a->len, a->held);
	else
		return PKT_OTHER_L4;
	if (likely(verdict >> PARSE_DROP_SHIFT == WEIR_DROP_NONE))
		memcpy(a->ports, a->l4, 2 * sizeof(uint16_t)); /* both, in TCP and UDP */
	return verdict;
}

/*
 * The transport header of a first fragment, which must be there as a whole: else the
 * ports or flags that decide about the datagram could come later, or twice (RFC 1858,
 * RFC 7112). The datagram's own length is that of all fragments together.
 */
static uint32_t parse_first(const struct at_l4 *a)
{
	uint32_t verdict;

	if (a->protocol == IPPROTO_TCP) {
		verdict = parse_tcp((const struct rte_tcp_hdr *)a->l4, a->len, a->held);
		if (a->len < sizeof(struct rte_tcp_hdr) ||
		    (a->held >= sizeof(struct rte_tcp_hdr) && (a->l4[12] >> 4) * 4u > a->len))
			return PARSE_DROP(FRAGMENT_TINY);
	} else if (a->protocol == IPPROTO_UDP) {
		verdict = parse_udp((const struct rte_udp_hdr *)a->l4, UINT16_MAX, a->held);
		if (a->len < sizeof(struct rte_udp_hdr))
			return PARSE_DROP(FRAGMENT_TINY);
	} else {
		return PKT_FRAG_FIRST | PKT_OTHER_L4;
	}
	if (verdict >> PARSE_DROP_SHIFT == WEIR_DROP_NONE) {
		memcpy(a->ports, a->l4, 2 * sizeof(uint16_t));
		verdict |= PKT_FRAG_FIRST;
	}
	return verdict;
}

/*
 * Any fragment. `before`: bytes that stand in front of the datagram's payload and
 * count as part of its length; `wrong`: how to call one that no host can put together.
 */
static uint32_t parse_fragment(const struct at_l4 *a, const struct fragment *f, uint32_t before,
			       uint32_t wrong)
{
	if (f->len == 0 || (f->more && f->len % 8 != 0) || before + f->off + f->len > UINT16_MAX)
		return wrong;
	if (f->off == 0)
		return parse_first(a);
	if (a->protocol != IPPROTO_TCP)
		return PKT_FRAG_LATER;
	return f->off < sizeof(struct rte_tcp_hdr) ? PARSE_DROP(FRAGMENT_TINY)
						   : PKT_FRAG_LATER | PKT_TCP;
}

static uint32_t parse_fragment4(const struct rte_ipv4_hdr *ip, const struct at_l4 *a,
				uint32_t hdr_len, struct fragment *f)
{
	uint16_t bits = ntohs(ip->fragment_offset);

	*f = (struct fragment){ .id_be = ip->packet_id,
				.off = (uint16_t)((bits & RTE_IPV4_HDR_OFFSET_MASK) *
						  RTE_IPV4_HDR_OFFSET_UNITS),
				.len = (uint16_t)a->len,
				.more = bits & RTE_IPV4_HDR_MF_FLAG };
	return parse_fragment(a, f, hdr_len, PARSE_DROP(BAD_HEADER));
}

/* Neither TCP nor UDP, and no later fragment: ICMP tells about flows of a VIP, or asks
 * whether it is there. */
static uint32_t parse_other4(const struct at_l4 *a, union flow_key *k)
{
	if (a->protocol != IPPROTO_ICMP || a->held < ICMP_HDR_LEN)
		return PKT_OTHER_L4;
	switch (a->l4[0]) {
	case ICMP_ECHO:
		return PKT_OTHER_L4 | PKT_ECHO;
	case ICMP_DEST_UNREACH:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return quote_parse4(k->v4.dst_be, a->l4 + ICMP_HDR_LEN, a->held - ICMP_HDR_LEN, k);
	default:
		return PKT_OTHER_L4;
	}
}

/* A fragment, or neither TCP nor UDP. `held`: bytes of the first segment from the IP
 * header on. */
static __rte_noinline uint32_t parse_rare4(const struct pkt *p, union flow_key *k,
					   struct fragment *f, const struct rte_ipv4_hdr *ip,
					   uint32_t held)
{
	const uint32_t hdr_len = p->l4_words * 4u;
	const struct at_l4 a = { .l4 = (const uint8_t *)ip + hdr_len,
				 .len = p->ip_len - hdr_len,
				 .held = RTE_MIN(held, p->ip_len) - hdr_len,
				 .protocol = ip->next_proto_id,
				 .ports = &k->v4.sport_be };
	uint32_t verdict = PKT_OTHER_L4;

	k->v4.sport_be = k->v4.dport_be = 0;
	if (ip->fragment_offset & FRAG_BITS)
		verdict = parse_fragment4(ip, &a, hdr_len, f);
	if (!(verdict & PKT_OTHER_L4))
		return verdict;
	memcpy(f->sender, &ip->src_addr, sizeof(ip->src_addr));
	return (verdict & PKT_FRAG_FIRST) | parse_other4(&a, k);
}

static uint32_t parse_other6(const struct at_l4 *a, union flow_key *k)
{
	if (a->protocol != IPPROTO_ICMPV6 || a->held < ICMP_HDR_LEN)
		return PKT_OTHER_L4;
	switch (a->l4[0]) {
	case ICMP6_ECHO_REQUEST:
		return PKT_OTHER_L4 | PKT_ECHO;
	case ICMP6_DST_UNREACH:
	case ICMP6_PACKET_TOO_BIG:
	case ICMP6_TIME_EXCEEDED:
	case ICMP6_PARAM_PROB:
		return quote_parse6(k->v6.dst, a->l4 + ICMP_HDR_LEN, a->held - ICMP_HDR_LEN, k);
	default:
		return PKT_OTHER_L4;
	}
}

/* `held`: bytes of the first segment from the IP header on; `frame`: of all. */
static inline uint32_t parse_ipv4(struct pkt *p, union flow_key *k, struct fragment *f,
				  const struct rte_ipv4_hdr *ip, uint32_t held, uint32_t frame)
{
	uint32_t hdr_len = sizeof(*ip), ip_len, verdict;

	if (unlikely(held < sizeof(*ip)))
		return UNADDRESSED(TRUNCATED);
	memcpy(&k->v4.src_be, &ip->src_addr, 2 * sizeof(uint32_t)); /* and destination */
	if (unlikely(ip->version_ihl != RTE_IPV4_VHL_DEF)) {
		hdr_len = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
		if (ip->version_ihl >> 4 != IPVERSION || hdr_len < sizeof(*ip))
			return PARSE_DROP(BAD_HEADER);
	}
	ip_len = ntohs(ip->total_length);
	if (unlikely(ip_len < hdr_len))
		return PARSE_DROP(BAD_HEADER);
	if (unlikely(ip_len > frame || hdr_len > held))
		return PARSE_DROP(TRUNCATED);

	p->l4_words = (uint8_t)(hdr_len / 4);
	p->ip_len = (uint16_t)ip_len;
	k->v4.protocol = ip->next_proto_id;
	memset(k->v4.zero, 0, sizeof(k->v4.zero));

	if (unlikely(ip->fragment_offset & FRAG_BITS))
		return parse_rare4(p, k, f, ip, held);
	verdict = parse_ports(&(struct at_l4){ .l4 = (const uint8_t *)ip + hdr_len,
					       .len = ip_len - hdr_len,
					       .held = RTE_MIN(held, ip_len) - hdr_len,
					       .protocol = ip->next_proto_id,
					       .ports = &k->v4.sport_be });
	return likely(verdict != PKT_OTHER_L4) ? verdict : parse_rare4(p, k, f, ip, held);
}

/* Extension headers, or neither TCP nor UDP. `held`: bytes from the IPv6 header on. */
static __rte_noinline uint32_t parse_rare6(struct pkt *p, union flow_key *k, struct fragment *f,
					   const struct rte_ipv6_hdr *ip, uint32_t held)
{
	struct at_l4 a = { .ports = &k->v6.sport_be };
	struct chain c;
	uint32_t verdict = extensions_walk(ip, held, p->ip_len, &c);

	if (verdict != 0)
		return verdict;
	p->l4_words = (uint8_t)(c.off / 4);
	k->v6.protocol = a.protocol = c.protocol;
	a.l4 = (const uint8_t *)ip + c.off;
	a.len = p->ip_len - c.off;
	a.held = held - c.off;
	k->v6.sport_be = k->v6.dport_be = 0;
	if (c.fragmented) {
		*f = c.fragment;
		verdict = parse_fragment(&a, f, c.before, PARSE_DROP(BAD_EXTENSION));
	} else {
		verdict = parse_ports(&a);
	}
	if (!(verdict & PKT_OTHER_L4))
		return verdict;
	memcpy(f->sender, ip->src_addr, sizeof(f->sender));
	return (verdict & PKT_FRAG_FIRST) | parse_other6(&a, k);
}

static __rte_noinline uint32_t parse_ipv6(struct pkt *p, union flow_key *k, struct fragment *f,
					  const struct rte_ipv6_hdr *ip, uint32_t held,
					  uint32_t frame)
{
	uint32_t ip_len, verdict;

	if (unlikely(held < sizeof(*ip)))
		return UNADDRESSED(TRUNCATED);
	memcpy(k->v6.src, ip->src_addr, sizeof(k->v6.src) + sizeof(k->v6.dst));
	if (unlikely(*(const uint8_t *)ip >> 4 != 6))
		return PARSE_DROP(BAD_HEADER) | PKT_IPV6;
	ip_len = (uint32_t)sizeof(*ip) + ntohs(ip->payload_len);
	if (unlikely(ip_len > RTE_MIN(frame, (uint32_t)UINT16_MAX)))
		return PARSE_DROP(TRUNCATED) | PKT_IPV6;
	held = RTE_MIN(held, ip_len);

	p->l4_words = sizeof(*ip) / 4;
	p->ip_len = (uint16_t)ip_len;
	k->v6.protocol = ip->proto;
	memset(k->v6.zero, 0, sizeof(k->v6.zero));

	verdict = parse_ports(&(struct at_l4){ .l4 = (const uint8_t *)(ip + 1),
					       .len = ip_len - (uint32_t)sizeof(*ip),
					       .held = held - (uint32_t)sizeof(*ip),
					       .protocol = ip->proto,
					       .ports = &k->v6.sport_be });
	if (unlikely(verdict == PKT_OTHER_L4))
		verdict = parse_rare6(p, k, f, ip, held);
	return verdict | PKT_IPV6;
}

static __rte_noinline uint32_t parse_tagged4(struct pkt *p, union flow_key *k, struct fragment *f,
					     const struct rte_ipv4_hdr *ip, uint32_t held,
					     uint32_t frame)
{
	return parse_ipv4(p, k, f, ip, held, frame);
}

static inline bool is_vlan(uint16_t type_be)
{
	return type_be == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type_be == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

/* What is neither IPv4 nor IPv6 at once. `type_be`: the Ethernet type. */
static __rte_noinline uint32_t parse_typed(struct pkt *p, union flow_key *k, struct fragment *f,
					   uint16_t type_be)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t off = RTE_ETHER_HDR_LEN;

	for (unsigned tags = 0; is_vlan(type_be); tags++) {
		if (tags == VLAN_TAGS_MAX)
			return UNADDRESSED(NOT_IP);
		off += RTE_VLAN_HLEN;
		if (m->data_len < off)
			return UNADDRESSED(TRUNCATED);
		memcpy(&type_be, frame + off - sizeof(type_be), sizeof(type_be));
	}
	p->l3_off = (uint8_t)off;
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return PKT_TAGGED |
		       parse_tagged4(p, k, f, (const struct rte_ipv4_hdr *)(frame + off),
				     m->data_len - off, m->pkt_len - off);
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return PKT_TAGGED | parse_ipv6(p, k, f, (const struct rte_ipv6_hdr *)(frame + off),
					       m->data_len - off, m->pkt_len - off);
	return UNADDRESSED(NOT_IP);
}

static inline uint32_t parse_frame(struct pkt *p, union flow_key *k, struct fragment *f)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t type_be;

	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return UNADDRESSED(TRUNCATED);
	memcpy(&type_be, frame + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	p->l3_off = RTE_ETHER_HDR_LEN;
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return parse_ipv6(p, k, f, (const struct rte_ipv6_hdr *)(frame + RTE_ETHER_HDR_LEN),
				  m->data_len - RTE_ETHER_HDR_LEN, m->pkt_len - RTE_ETHER_HDR_LEN);
	if (unlikely(type_be != RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		return parse_typed(p, k, f, type_be);
	return parse_ipv4(p, k, f, (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN),
			  m->data_len - RTE_ETHER_HDR_LEN, m->pkt_len - RTE_ETHER_HDR_LEN);
}

/*
 * TCP over IPv4 without options, or over IPv6 without extension headers; untagged, whole and
 * in one segment: what nearly every packet is. PLAIN_LEN bytes hold all of its headers; of
 * the 16 from PLAIN_FROM on those in `bits` are as `is` has them: the Ethernet type, version
 * and header length, no fragment, the protocol.
 */
#define PLAIN4_LEN (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_tcp_hdr))
#define PLAIN6_LEN (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_tcp_hdr))
#define PLAIN_FROM offsetof(struct rte_ether_hdr, ether_type)
static const uint8_t plain4_is[16] = { 0x08, 0x00, 0x45, [11] = IPPROTO_TCP };
static const uint8_t plain4_bits[16] = { 0xff, 0xff, 0xff, [8] = 0x3f, 0xff, [11] = 0xff };
static const uint8_t plain6_is[16] = { 0x86, 0xdd, 0x60, [8] = IPPROTO_TCP };
static const uint8_t plain6_bits[16] = { 0xff, 0xff, 0xf0, [8] = 0xff };

/* What follows the IP header has `len` bytes by its word, of which `held` are there: are they
 * all there, and room for TCP's header? What is below its least value wraps around and is too
 * much. */
static inline bool plain_fits(const struct rte_tcp_hdr *tcp, uint32_t len, uint32_t held)
{
	const uint32_t data = len - (uint32_t)sizeof(*tcp);

	return data <= held - (uint32_t)sizeof(*tcp) &&
	       (tcp->data_off & 0xf0) / 4u - (uint32_t)sizeof(*tcp) <= data;
}

/* Addresses and ports lie in the frame as in the key; behind them, in place of TCP's
 * sequence number, the key has the protocol and zeros. */
static inline bytes16 plain4_key(const struct rte_ipv4_hdr *ip)
{
	typedef uint32_t __attribute__((vector_size(16))) words;
	words key = (words)bytes16_load(&ip->src_addr);

	key[3] = IPPROTO_TCP;
	return (bytes16)key;
}
static_assert(offsetof(union flow_key, v4.protocol) == 12 && sizeof(union flow_key) >= 16,
	      "addresses, ports, protocol, zeros");

/* True: all is noted. False, with nothing noted: parse_frame() knows what it is, or what is
 * wrong with it. */
static __rte_always_inline bool parse_plain4(struct pkt *p, union flow_key *k)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + 1);
	uint32_t len;

	if (unlikely(m->data_len < PLAIN4_LEN ||
		     bytes16_differ(bytes16_load(frame + PLAIN_FROM), bytes16_load(plain4_is),
				    bytes16_load(plain4_bits))))
		return false;
	len = ntohs(ip->total_length);
	if (unlikely(!plain_fits(tcp, len - (uint32_t)sizeof(*ip),
				 m->data_len - (uint32_t)(RTE_ETHER_HDR_LEN + sizeof(*ip)))))
		return false;

	bytes16_store(k, plain4_key(ip));
	/* Of rx's state only the port is not 0. */
	p->state |= plain_state[tcp->tcp_flags & 31] | len;
	return true;
}

/* The same for IPv6. */
static __rte_always_inline bool parse_plain6(struct pkt *p, union flow_key *k)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(frame + RTE_ETHER_HDR_LEN);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + 1);
	uint32_t len, ports;

	if (unlikely(m->data_len < PLAIN6_LEN ||
		     bytes16_differ(bytes16_load(frame + PLAIN_FROM), bytes16_load(plain6_is),
				    bytes16_load(plain6_bits))))
		return false;
	len = ntohs(ip->payload_len);
	if (unlikely(!plain_fits(tcp, len,
				 m->data_len - (uint32_t)(RTE_ETHER_HDR_LEN + sizeof(*ip)))))
		return false;

	bytes16_store(k->v6.src, bytes16_load(ip->src_addr));
	bytes16_store(k->v6.dst, bytes16_load(ip->dst_addr));
	memcpy(&ports, tcp, sizeof(ports));
	k->word[4] = ports | (uint64_t)IPPROTO_TCP << 32;
	p->state |= (plain_state[tcp->tcp_flags & 31] + PLAIN6_STATE) | (len + sizeof(*ip));
	return true;
}
static_assert(offsetof(union flow_key, v6.sport_be) == 32 &&
		      offsetof(union flow_key, v6.protocol) == 36,
	      "ports, protocol, zeros: the last word");

/*
 * The first packets of the burst, as far as they are plain and of one family. Returns how
 * many; if it is all, one_target is known. `ipv6` is a constant where this is expanded.
 */
static __rte_always_inline uint32_t parse_alike(struct burst *b, uint64_t *states, bool ipv6)
{
	static const union flow_key target4 = {
		.v4 = { .dst_be = UINT32_MAX, .dport_be = UINT16_MAX, .protocol = UINT8_MAX }
	};
	static const union flow_key ports6 = { .v6 = { .dport_be = UINT16_MAX,
						       .protocol = UINT8_MAX } };
	const bytes16 target = ipv6 ? ~(bytes16){ 0 } : bytes16_load(&target4);
	const union flow_key *const first = b->key;
	const uint32_t n = b->n;
	bytes16 differ = { 0 }; /* bits, from the first packet's */
	uint64_t all = 0, differ_ports = 0;
	uint32_t i;

#pragma GCC unroll 4
	for (i = 0; i < n; i++) {
		struct pkt *p = &b->pkt[i];
		union flow_key *k = &b->key[i];

		if (unlikely(!(ipv6 ? parse_plain6(p, k) : parse_plain4(p, k))))
			break;
		all |= p->state;
		if (ipv6) {
			differ |= bytes16_load(k->v6.dst) ^ bytes16_load(first->v6.dst);
			differ_ports |= k->word[4] ^ first->word[4];
		} else {
			differ |= bytes16_load(k) ^ bytes16_load(first);
		}
	}
	*states = all;
	b->one_target = i == n && !bytes16_differ(differ, (bytes16){ 0 }, target) &&
			(differ_ports & ports6.word[4]) == 0;
	return i;
}

static __rte_noinline uint32_t parse_alike6(struct burst *b, uint64_t *states)
{
	return parse_alike(b, states, true);
}

/* The packets from `from` on, whatever they are. */
static __rte_noinline void parse_mixed(struct burst *b, uint32_t from, uint64_t states)
{
	uint32_t verdicts = 0;

	for (uint32_t i = from; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];
		union flow_key *k = &b->key[i];

		if (!parse_plain4(p, k) && !parse_plain6(p, k)) {
			uint32_t verdict = parse_frame(p, k, &b->fragment[i]);

			p->flags = (uint16_t)verdict;
			p->drop = (uint8_t)(verdict >> PARSE_DROP_SHIFT);
			verdicts |= verdict;
			states |= p->ip_len;
		} else {
			states |= p->state;
		}
	}
	b->seen = (uint16_t)(states >> FLAGS_SHIFT | verdicts);
	b->lens = (uint16_t)states;
	b->dropped = verdicts >> PARSE_DROP_SHIFT != 0;
}

void parse_burst(struct burst *b)
{
	uint64_t states;
	uint32_t done = parse_alike(b, &states, false);

	if (unlikely(done == 0))
		done = parse_alike6(b, &states);
	if (unlikely(done < b->n)) {
		parse_mixed(b, done, states);
		return;
	}
	b->seen = (uint16_t)(states >> FLAGS_SHIFT);
	b->lens = (uint16_t)states;
	b->dropped = false;
}
