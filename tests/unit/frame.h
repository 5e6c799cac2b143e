// SPDX-License-Identifier: Apache-2.0
/*
 * Frames for the tests of single stages: an mbuf made by hand whose buffer ends
 * with the frame's last byte, so that a sanitizer sees a read beyond it.
 */
#ifndef WEIR_TEST_FRAME_H
#define WEIR_TEST_FRAME_H

#include <rte_mbuf.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HEADROOM 128

struct frame {
	struct rte_mbuf mbuf;
	uint8_t *buf;
};

/* The first `len` bytes of `bytes` as the only segment, after `headroom` bytes. */
static inline void frame_make(struct frame *f, const uint8_t *bytes, size_t len, uint16_t headroom)
{
	f->buf = malloc(headroom + len);
	memset(f->buf, 0xaa, headroom);
	memcpy(f->buf + headroom, bytes, len);
	f->mbuf = (struct rte_mbuf){
		.buf_addr = f->buf,
		.buf_len = (uint16_t)(headroom + len),
		.data_off = headroom,
		.data_len = (uint16_t)len,
		.pkt_len = (uint32_t)len,
		.nb_segs = 1,
		.refcnt = 1,
	};
}

static inline void frame_free(struct frame *f)
{
	free(f->buf);
}

static inline void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void put32(uint8_t *at, uint32_t v)
{
	put16(at, (uint16_t)(v >> 16));
	put16(at + 2, (uint16_t)v);
}

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* RFC 1071 over `len` bytes, an even number, the slow way. */
static inline uint16_t slow_checksum(const uint8_t *at, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += get16(at + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Where things are in the frames below. */
enum {
	ETH_LEN = 14,
	AT_IP = ETH_LEN,
	AT_TOS = AT_IP + 1,
	AT_IP_LEN = AT_IP + 2,
	AT_FRAG = AT_IP + 6,
	AT_TTL = AT_IP + 8,
	AT_PROTO = AT_IP + 9,
	AT_SUM = AT_IP + 10,
	AT_SRC = AT_IP + 12,
	AT_DST = AT_IP + 16,
	IP4_HDR = 20,
	IP6_HDR = 40,
	FRAME_MAX = 2048,
};

#define SRC_IP 0xc6336407u /* 198.51.100.7 */
#define VIP_IP 0xcb00710au /* 203.0.113.10 */
#define SPORT  40000
#define DPORT  443

/* 2001:db8:1::7 and 2001:db8:2::a */
static const uint8_t src_ip6[16] __attribute__((unused)) = { 0x20, 1, 0x0d, 0xb8, 0, 1, [15] = 7 };
static const uint8_t vip_ip6[16] __attribute__((unused)) = { 0x20, 1, 0x0d, 0xb8, 0, 2, [15] = 10 };

/* Ports and what else a transport header must have; `len` bytes of it and the payload. */
static inline void build_l4(uint8_t *l4, uint8_t protocol, size_t len)
{
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return;
	put16(l4, SPORT);
	put16(l4 + 2, DPORT);
	if (protocol == IPPROTO_TCP) {
		l4[12] = 5 << 4;
		l4[13] = 0x10;
	} else {
		put16(l4 + 4, (uint16_t)len);
	}
}

/*
 * An Ethernet frame with IPv4: `options` bytes of IP options (a multiple of 4),
 * then TCP (20 bytes, ACK) or UDP (8 bytes) or nothing for any other protocol,
 * then `payload` bytes. Returns its length.
 */
static inline size_t build_ipv4(uint8_t *out, uint8_t protocol, size_t options, size_t payload)
{
	size_t l4 = AT_IP + IP4_HDR + options;
	size_t l4_len = protocol == IPPROTO_TCP ? 20 : protocol == IPPROTO_UDP ? 8 : 0;
	size_t len = l4 + l4_len + payload;

	memset(out, 0, len);
	memcpy(out, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00", ETH_LEN);
	out[AT_IP] = (uint8_t)(0x40 | (5 + options / 4));
	put16(out + AT_IP_LEN, (uint16_t)(len - AT_IP));
	put16(out + AT_FRAG, 0x4000);
	out[AT_TTL] = 57;
	out[AT_PROTO] = protocol;
	put32(out + AT_SRC, SRC_IP);
	put32(out + AT_DST, VIP_IP);
	memset(out + AT_IP + IP4_HDR, 1, options); /* no-operation */
	put16(out + AT_SUM, slow_checksum(out + AT_IP, IP4_HDR + options));
	build_l4(out + l4, protocol, l4_len + payload);
	for (size_t i = 0; i < payload; i++)
		out[l4 + l4_len + i] = (uint8_t)(i * 7 + 1);
	return len;
}

/* The same with IPv6, without extension headers. */
static inline size_t build_ipv6(uint8_t *out, uint8_t protocol, size_t payload)
{
	size_t l4_len = protocol == IPPROTO_TCP ? 20 : protocol == IPPROTO_UDP ? 8 : 0;
	size_t l4 = AT_IP + IP6_HDR, len = l4 + l4_len + payload;

	memset(out, 0, len);
	memcpy(out, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x86\xdd", ETH_LEN);
	out[AT_IP] = 0x60;
	put16(out + AT_IP + 4, (uint16_t)(len - l4));
	out[AT_IP + 6] = protocol;
	out[AT_IP + 7] = 57;
	memcpy(out + AT_IP + 8, src_ip6, sizeof(src_ip6));
	memcpy(out + AT_IP + 24, vip_ip6, sizeof(vip_ip6));
	build_l4(out + l4, protocol, l4_len + payload);
	for (size_t i = 0; i < payload; i++)
		out[l4 + l4_len + i] = (uint8_t)(i * 7 + 1);
	return len;
}

#endif /* WEIR_TEST_FRAME_H */
