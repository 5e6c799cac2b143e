// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of answers: a VIP of both families, a packet that the stages before
 * have dropped, and what is alike in all answers to it.
 */
#ifndef WEIR_TEST_ANSWERED_H
#define WEIR_TEST_ANSWERED_H

#include "answer.h"
#include "view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "eal.h"
#include "frame.h"

enum {
	BITS = 6,
	PORT = 3, /* where packets come in */
	OUT = 1,  /* where the backends are */
	HZ = 1000000,
	PER_S = 4,
	IP6 = 40,
};

#define VIP6	 "2001:db8:10::10"
#define CLIENT6	 "2001:db8:7::7"
#define NODE_OF6 "ff02::1:ff00:10" /* solicited-node address of VIP6 */

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 0xaa };
static const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 2 }; /* build_ipv4()'s source */

static struct rte_mempool *buffers;
static struct weir_lookup lookup[1 << BITS];
static struct weir_backend backend;
static struct egress ports[WEIR_MAX_PORTS];
static struct weir_worker_area area;
static struct weir_count *const count = area.answer;
static struct answers answers;
static struct view view;
static struct burst b;

static uint8_t bytes[FRAME_MAX]; /* as it came */
static size_t len;
static uint64_t now;

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* A VIP of both families with these flags. */
static inline void set_vip(uint32_t flags)
{
	uint64_t k[2];
	struct weir_lookup e = { .flags = WEIR_SERVICE_VIP_ONLY | flags };
	uint32_t i;

	memset(lookup, 0, sizeof(lookup));
	e.k0 = weir_lookup_k0(4, 0, 0, htonl(VIP_IP));
	lookup[weir_lookup_home(e.k0, 0, 0, BITS)] = e;

	inet_pton(AF_INET6, VIP6, k);
	e.k0 = weir_lookup_k0(6, 0, 0, 0);
	e.k1 = k[0];
	e.k2 = k[1];
	i = weir_lookup_home(e.k0, e.k1, e.k2, BITS);
	while (lookup[i].k0 != 0)
		i = (i + 1) % (1u << BITS);
	lookup[i] = e;
}

static inline int setup(void **state)
{
	(void)state;
	memset(ports, 0, sizeof(ports));
	memset(&area, 0, sizeof(area));
	memcpy(ports[PORT].mac, our_mac, sizeof(our_mac));
	ports[PORT].mtu = 1500;
	ports[OUT] = (struct egress){ .mac = { 2, 0, 0, 0, 0, 0xbb }, .mtu = 1500 };
	backend = (struct weir_backend){ .port = OUT, .mtu = 1500 };
	view_none(&view);
	view.generation = 1;
	view.lookup = lookup;
	view.lookup_bits = BITS;
	view.backend = &backend;
	view.backend_count = 1;
	set_vip(0);
	answers_init(&answers, &area, PER_S, HZ);
	now = 1000 * (uint64_t)HZ;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	if (b.pkt[0].mbuf != NULL)
		rte_pktmbuf_free(b.pkt[0].mbuf);
	b.pkt[0].mbuf = NULL;
	assert_int_equal(rte_mempool_in_use_count(buffers), 0); /* none was lost */
	return 0;
}

/* `bytes` with two tags behind the MACs. */
static inline void tag(void)
{
	memmove(bytes + 20, bytes + 12, len - 12);
	memcpy(bytes + 12, "\x88\xa8\x00\x0a\x81\x00\x60\x64", 8);
	len += 8;
}

/* IPv6 with `payload` bytes behind it. */
static inline void build6(uint8_t next, const char *src, const char *dst, size_t payload)
{
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x86\xdd", ETH_LEN);
	put32(bytes + AT_IP, 0x61234567); /* class 0x12, label 0x34567 */
	put16(bytes + AT_IP + 4, (uint16_t)payload);
	bytes[AT_IP + 6] = next;
	bytes[AT_IP + 7] = 57;
	assert_int_equal(inet_pton(AF_INET6, src, bytes + AT_IP + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, dst, bytes + AT_IP + 24), 1);
	for (size_t i = 0; i < payload; i++)
		bytes[AT_IP + IP6 + i] = (uint8_t)(i * 7 + 1);
	len = AT_IP + IP6 + payload;
}

/* Sum over pseudo-header and `n` bytes of payload at `l4`; 0 where it is right. */
static inline uint16_t sum6(const uint8_t *ip, const uint8_t *l4, size_t n, uint8_t protocol)
{
	uint8_t pseudo[FRAME_MAX + 40] = { 0 };

	memcpy(pseudo, ip + 8, 32);
	put32(pseudo + 32, (uint32_t)n);
	pseudo[39] = protocol;
	memcpy(pseudo + 40, l4, n);
	return slow_checksum(pseudo, 40 + (n + 1) / 2 * 2);
}

static inline uint16_t sum4(const uint8_t *ip, const uint8_t *l4, size_t n, uint8_t protocol)
{
	uint8_t pseudo[FRAME_MAX + 12] = { 0 };

	memcpy(pseudo, ip + 12, 8);
	pseudo[9] = protocol;
	put16(pseudo + 10, (uint16_t)n);
	memcpy(pseudo + 12, l4, n);
	return slow_checksum(pseudo, 12 + (n + 1) / 2 * 2);
}

/* `bytes` arrives by PORT and has been dropped by the stages before. */
static inline struct pkt *arrive(enum weir_drop reason, uint16_t flags, uint8_t vip_flags)
{
	struct rte_mbuf *m = b.pkt[0].mbuf;
	uint8_t l3 = ETH_LEN;

	if (m != NULL)
		rte_pktmbuf_free(m);
	m = rte_pktmbuf_alloc(buffers);
	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	while (l3 < len && (get16(bytes + l3 - 2) == 0x8100 || get16(bytes + l3 - 2) == 0x88a8))
		l3 = (uint8_t)(l3 + 4);
	b.n = 1;
	b.dropped = true;
	b.pkt[0] = (struct pkt){
		.mbuf = m,
		.port = PORT,
		.l3_off = l3,
		.drop = (uint8_t)reason,
		.flags = flags,
		.service_flags = vip_flags,
	};
	if (flags & PKT_IPV6) {
		b.pkt[0].l4_words = IP6 / 4;
		b.pkt[0].ip_len = (uint16_t)(IP6 + get16(bytes + l3 + 4));
	} else {
		b.pkt[0].l4_words = bytes[l3] & 15;
		b.pkt[0].ip_len = get16(bytes + l3 + 2);
	}
	return &b.pkt[0];
}

/* The answer's frame, which goes back where the packet came from; NULL: none. */
static inline const uint8_t *answer(const struct pkt *p)
{
	const uint8_t *f;

	answer_burst(&answers, &view, ports, &b, now);
	if (p->drop != WEIR_DROP_NONE) {
		assert_int_equal(p->flags & PKT_ANSWER, 0);
		assert_int_equal(p->mbuf->pkt_len, len);
		assert_memory_equal(rte_pktmbuf_mtod(p->mbuf, const uint8_t *), bytes, len);
		return NULL;
	}
	assert_int_equal(p->flags & PKT_ANSWER, PKT_ANSWER);
	assert_int_equal(p->port, PORT);
	assert_int_equal(p->mbuf->nb_segs, 1);
	assert_int_equal(p->mbuf->pkt_len, p->mbuf->data_len);
	f = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);
	assert_memory_equal(f, peer_mac, 6);
	assert_memory_equal(f + 6, our_mac, 6);
	assert_memory_equal(f + 12, bytes + 12, p->l3_off - 12u); /* tags and type */
	return f + p->l3_off;
}

/* The first kind that was counted, WEIR_ANSWERS: none. */
static inline unsigned counted(void)
{
	for (unsigned i = 0; i < WEIR_ANSWERS; i++)
		if (atomic_load(&count[i].packets) != 0)
			return i;
	return WEIR_ANSWERS;
}

static inline void check_ip4(const uint8_t *ip, size_t total, uint8_t tos, uint16_t id,
			     uint16_t frag, uint8_t protocol)
{
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[1], tos);
	assert_int_equal(get16(ip + 2), total);
	assert_int_equal(get16(ip + 4), id);
	assert_int_equal(get16(ip + 6), frag);
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], protocol);
	assert_int_equal(slow_checksum(ip, 20), 0);
	assert_int_equal(get32(ip + 12), VIP_IP);
	assert_int_equal(get32(ip + 16), SRC_IP);
	assert_int_equal(b.pkt[0].mbuf->pkt_len, b.pkt[0].l3_off + total);
}

static inline void check_ip6(const uint8_t *ip, size_t payload, uint32_t first, uint8_t next,
			     uint8_t hops)
{
	uint8_t want[16];

	assert_int_equal(get32(ip), first);
	assert_int_equal(get16(ip + 4), payload);
	assert_int_equal(ip[6], next);
	assert_int_equal(ip[7], hops);
	inet_pton(AF_INET6, VIP6, want);
	assert_memory_equal(ip + 8, want, 16);
	assert_int_equal(b.pkt[0].mbuf->pkt_len, b.pkt[0].l3_off + IP6 + payload);
	assert_int_equal(sum6(ip, ip + IP6, payload, next), 0);
}

static inline void check_to_client6(const uint8_t *ip)
{
	uint8_t want[16];

	inet_pton(AF_INET6, CLIENT6, want);
	assert_memory_equal(ip + 24, want, 16);
}

/* ICMP echo request with n bytes of data. */
/* The checksum of the IPv4 header as it has become. */
static inline void mend_header(void)
{
	put16(bytes + AT_SUM, 0);
	put16(bytes + AT_SUM, slow_checksum(bytes + AT_IP, (bytes[AT_IP] & 15) * 4u));
}

static inline void ping4(size_t options, size_t n)
{
	uint8_t *icmp;

	len = build_ipv4(bytes, IPPROTO_ICMP, options, 8 + n);
	bytes[AT_TOS] = 0x2c;
	put16(bytes + AT_IP + 4, 0x1234);
	mend_header();
	icmp = bytes + AT_IP + 20 + options;
	memset(icmp, 0, 4);
	icmp[0] = 8;
	icmp[8 + n] = 0; /* for the sum of an odd length */
	put16(icmp + 2, slow_checksum(icmp, (8 + n + 1) / 2 * 2));
}

static inline void ping6(size_t n)
{
	build6(IPPROTO_ICMPV6, CLIENT6, VIP6, 8 + n);
	memset(bytes + AT_IP + IP6, 0, 4);
	bytes[AT_IP + IP6] = 128;
	put16(bytes + AT_IP + IP6 + 2,
	      sum6(bytes + AT_IP, bytes + AT_IP + IP6, 8 + n, IPPROTO_ICMPV6));
}

static inline int group_setup(void **state)
{
	(void)state;
	buffers = eal_buffers(15);
	return buffers == NULL ? -1 : 0;
}

static inline int group_teardown(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif /* WEIR_TEST_ANSWERED_H */
