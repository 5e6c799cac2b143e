// SPDX-License-Identifier: Apache-2.0
#include "split.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ether.h>

#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>

#define HDR_MAX 60 /* bytes of an IPv4 header with all the options it can have */

/* Those of `len` bytes of options that go into every piece (RFC 791, section 3.1), with
 * zeros up to a multiple of four: their length; -1: they contradict themselves. */
static int copied_options(const uint8_t *option, uint32_t len, uint8_t *out)
{
	uint32_t n = 0, of;

	for (uint32_t i = 0; i < len && option[i] != IPOPT_EOL; i += of) {
		of = 1;
		if (option[i] == IPOPT_NOP)
			continue;
		if (i + 1 >= len)
			return -1;
		of = option[i + 1];
		if (of < 2 || of > len - i)
			return -1;
		if (!IPOPT_COPIED(option[i]))
			continue;
		memcpy(out + n, option + i, of);
		n += of;
	}
	while (n % 4 != 0)
		out[n++] = IPOPT_EOL;
	return (int)n;
}

/* A header of the client's packet, for pieces of it. */
struct header {
	uint32_t len;
	uint8_t bytes[HDR_MAX];
};

/* That of the first piece, and that of the others. */
static enum weir_drop headers_from(const struct pkt *p, struct header h[2])
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(p->mbuf, const uint8_t *, p->l3_off);
	uint32_t len = p->l4_words * 4u;
	int options;

	/* Pieces have sums of their own: a wrong one would come out right. */
	if (len < sizeof(struct rte_ipv4_hdr) || len > HDR_MAX || rte_raw_cksum(ip, len) != 0xffff)
		return WEIR_DROP_BAD_HEADER;
	memcpy(h[0].bytes, ip, len);
	h[0].len = len;

	h[1] = h[0];
	options = copied_options(ip + sizeof(struct rte_ipv4_hdr),
				 len - (uint32_t)sizeof(struct rte_ipv4_hdr),
				 h[1].bytes + sizeof(struct rte_ipv4_hdr));
	if (options < 0)
		return WEIR_DROP_BAD_HEADER;
	h[1].len = (uint32_t)sizeof(struct rte_ipv4_hdr) + (uint32_t)options;
	h[1].bytes[0] = (uint8_t)(IPVERSION << 4 | h[1].len / RTE_IPV4_IHL_MULTIPLIER);
	return WEIR_DROP_NONE;
}

/* Bytes from..from + len - 1 behind the client's IP header as a frame of its own, in *m. */
static bool fill_piece(struct rte_mbuf *m, const struct pkt *p, const struct header *h,
		       uint32_t from, uint32_t len, bool last)
{
	struct rte_ether_hdr *frame = (struct rte_ether_hdr *)rte_pktmbuf_append(
		m, (uint16_t)(sizeof(*frame) + h->len + len));
	struct rte_ipv4_hdr *ip;
	const uint8_t *data;
	uint16_t bits;

	if (frame == NULL)
		return false;
	ip = (struct rte_ipv4_hdr *)(frame + 1);
	/* Encap writes the addresses, and with `l2` leaves the type as it came. */
	*frame = (struct rte_ether_hdr){ .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4) };
	memcpy(ip, h->bytes, h->len);
	data = rte_pktmbuf_read(p->mbuf, pkt_l4_off(p) + from, len, (uint8_t *)ip + h->len);
	if (data == NULL)
		return false;
	if (data != (uint8_t *)ip + h->len)
		memcpy((uint8_t *)ip + h->len, data, len);

	/* A piece of a piece: the offset goes on from there, and more may follow it. */
	bits = (uint16_t)(rte_be_to_cpu_16(ip->fragment_offset) + from / 8);
	if (!last)
		bits |= RTE_IPV4_HDR_MF_FLAG;
	ip->fragment_offset = rte_cpu_to_be_16(bits);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(h->len + len));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, h->len);
	return true;
}

static void fill_pkt(struct pkt *to, const struct pkt *p, struct rte_mbuf *m, uint32_t hdr_len)
{
	*to = *p;
	to->mbuf = m;
	to->l3_off = RTE_ETHER_HDR_LEN;
	to->l4_words = (uint8_t)(hdr_len / 4);
	to->ip_len = (uint16_t)(m->pkt_len - RTE_ETHER_HDR_LEN);
	to->drop = WEIR_DROP_NONE;
}

/* Bytes behind the header of the next piece, of the `rest` that no piece has yet (RFC 791,
 * section 3.2); 0: not even eight fit. */
static uint32_t piece_len(uint32_t room, const struct header *h, uint32_t rest)
{
	uint32_t fits = room > h->len ? room - h->len : 0;

	return rest <= fits ? rest : fits & ~7u;
}

/* How many pieces it takes, up to one more than a burst holds; 0: there is no way. */
static uint32_t count_pieces(uint32_t room, const struct header h[2], uint32_t len)
{
	uint32_t n = 0;

	for (uint32_t from = 0, size; from < len && n <= WEIR_BURST; from += size, n++) {
		size = piece_len(room, &h[n != 0], len - from);
		if (size == 0)
			return 0;
	}
	return n;
}

static enum weir_drop cut(const struct pkt *p, const struct header h[2], uint32_t room,
			  struct burst *pieces)
{
	uint32_t len = p->ip_len - h[0].len, from = 0;
	struct rte_mbuf *m[WEIR_BURST];

	if (rte_pktmbuf_alloc_bulk(p->mbuf->pool, m, pieces->n) != 0)
		return WEIR_DROP_NO_BUFFER;
	for (uint32_t i = 0; i < pieces->n; i++)
		pieces->pkt[i].mbuf = m[i];
	for (uint32_t i = 0; i < pieces->n; i++) {
		const struct header *hdr = &h[i != 0];
		uint32_t size = piece_len(room, hdr, len - from);

		if (!fill_piece(m[i], p, hdr, from, size, i + 1 == pieces->n))
			return WEIR_DROP_NO_BUFFER;
		from += size;
		fill_pkt(&pieces->pkt[i], p, m[i], hdr->len);
		pieces->lens |= pieces->pkt[i].ip_len;
	}
	return WEIR_DROP_NONE;
}

/* All or none. */
static enum weir_drop encap_pieces(const struct view *v, const struct egress *ports,
				   struct burst *pieces)
{
	encap_burst(v, ports, pieces);
	for (uint32_t i = 0; i < pieces->n; i++)
		if (pieces->pkt[i].drop != WEIR_DROP_NONE)
			return pieces->pkt[i].drop;
	return WEIR_DROP_NONE;
}

uint32_t split_packet(const struct view *v, const struct egress *ports, struct pkt *p,
		      struct burst *pieces)
{
	uint32_t room = encap_room(v, ports, p), n;
	struct header h[2];
	enum weir_drop why = headers_from(p, h);

	pieces->n = 0;
	pieces->seen = 0;
	pieces->lens = 0;
	pieces->dropped = pieces->as_taken = false;
	pieces->one_service = true;
	if (why != WEIR_DROP_NONE) {
		p->drop = (uint8_t)why;
		return 0;
	}
	n = count_pieces(room, h, p->ip_len - h[0].len);
	if (n < 2 || n > WEIR_BURST)
		return 0;
	while (pieces->n < n)
		pieces->pkt[pieces->n++].mbuf = NULL;

	why = cut(p, h, room, pieces);
	if (why == WEIR_DROP_NONE)
		why = encap_pieces(v, ports, pieces);
	if (why == WEIR_DROP_NONE)
		return pieces->n;
	for (uint32_t i = 0; i < pieces->n; i++)
		rte_pktmbuf_free(pieces->pkt[i].mbuf); /* NULL: it does nothing */
	p->drop = (uint8_t)why;
	return 0;
}
