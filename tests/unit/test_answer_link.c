// SPDX-License-Identifier: Apache-2.0
/*
 * ARP (RFC 826, 5227) and neighbour discovery (RFC 4861) for VIPs: every field, and
 * each rule by which there is no answer.
 */
#include "answered.h"

/* -- ARP and neighbour discovery ---------------------------------------------------- */

static void arp(uint16_t op, uint32_t sender, uint32_t target)
{
	memset(bytes, 0, sizeof(bytes));
	memset(bytes, 255, 6);
	memcpy(bytes + 6, peer_mac, 6);
	memcpy(bytes + 12, "\x08\x06\x00\x01\x08\x00\x06\x04", 8);
	put16(bytes + 20, op);
	memcpy(bytes + 22, "\x02\x00\x00\x00\x00\x03", 6); /* not the frame's source */
	put32(bytes + 28, sender);
	put32(bytes + 38, target);
	len = 60; /* with padding */
}

static const uint8_t *answer_arp_for(uint16_t op, uint32_t sender, uint32_t target)
{
	arp(op, sender, target);
	return answer(arrive(WEIR_DROP_NOT_IP, 0, 0));
}

static void check_arp(const uint8_t *at, uint32_t asks)
{
	assert_memory_equal(at, "\x00\x01\x08\x00\x06\x04\x00\x02", 8);
	assert_memory_equal(at + 8, our_mac, 6);
	assert_int_equal(get32(at + 14), VIP_IP);
	assert_memory_equal(at + 18, "\x02\x00\x00\x00\x00\x03", 6);
	assert_int_equal(get32(at + 24), asks);
	assert_int_equal(b.pkt[0].mbuf->pkt_len, b.pkt[0].l3_off + 28);
}

static void an_arp_request_for_a_vip_is_answered(void **state)
{
	const uint8_t *at;

	(void)state;
	set_vip(WEIR_VIP_ARP);
	at = answer_arp_for(1, SRC_IP, VIP_IP);
	assert_non_null(at);
	check_arp(at, SRC_IP);
	at = answer_arp_for(1, 0, VIP_IP); /* a probe: is it taken? */
	assert_non_null(at);
	check_arp(at, 0);
	arp(1, SRC_IP, VIP_IP);
	tag();
	at = answer(arrive(WEIR_DROP_NOT_IP, 0, 0));
	assert_non_null(at);
	check_arp(at, SRC_IP);
	assert_int_equal(counted(), WEIR_ANSWER_ARP);
}

static void no_other_arp_is_answered(void **state)
{
	(void)state;
	set_vip(WEIR_VIP_ARP);
	assert_null(answer_arp_for(1, SRC_IP, VIP_IP + 1)); /* no VIP */
	assert_null(answer_arp_for(2, SRC_IP, VIP_IP));	    /* a reply */
	assert_null(answer_arp_for(1, VIP_IP, VIP_IP));	    /* an announcement */
	for (unsigned at = 14; at < 20; at++) { /* another link or protocol */
		arp(1, SRC_IP, VIP_IP);
		bytes[at] ^= 0x20;
		assert_null(answer(arrive(WEIR_DROP_NOT_IP, 0, 0)));
	}
	arp(1, SRC_IP, VIP_IP);
	bytes[6] |= 1; /* from all */
	assert_null(answer(arrive(WEIR_DROP_NOT_IP, 0, 0)));
	arp(1, SRC_IP, VIP_IP);
	bytes[22] |= 1;
	assert_null(answer(arrive(WEIR_DROP_NOT_IP, 0, 0)));
	for (size_t n = 14; n < 42; n++) { /* cut */
		arp(1, SRC_IP, VIP_IP);
		len = n;
		assert_null(answer(arrive(WEIR_DROP_NOT_IP, 0, 0)));
	}
	set_vip(WEIR_VIP_ECHO | WEIR_VIP_REJECT);
	assert_null(answer_arp_for(1, SRC_IP, VIP_IP));
	assert_int_equal(counted(), WEIR_ANSWERS);
}

/* A solicitation for VIP6; `option`: 0 or the type of one of 8 bytes. */
static void solicit(const char *src, const char *dst, uint8_t option)
{
	uint8_t *ns = bytes + AT_IP + IP6;
	size_t n = option != 0 ? 32 : 24;

	build6(IPPROTO_ICMPV6, src, dst, n);
	bytes[AT_IP + 7] = 255;
	memset(ns, 0, n);
	ns[0] = 135;
	inet_pton(AF_INET6, VIP6, ns + 8);
	if (option != 0) {
		ns[24] = option;
		ns[25] = 1;
		memcpy(ns + 26, peer_mac, 6);
	}
	put16(ns + 2, sum6(bytes + AT_IP, ns, n, IPPROTO_ICMPV6));
}

/* As it stands, with the checksum made right again. */
static const uint8_t *answer_solicit(enum weir_drop reason)
{
	uint8_t *ns = bytes + AT_IP + IP6;
	size_t n = get16(bytes + AT_IP + 4);

	put16(ns + 2, 0);
	put16(ns + 2, sum6(bytes + AT_IP, ns, n, IPPROTO_ICMPV6));
	return answer(arrive(reason, PKT_IPV6 | PKT_OTHER_L4, 0));
}

static void check_advert(const uint8_t *ip, const char *to, uint32_t flags)
{
	uint8_t want[16];

	check_ip6(ip, 32, 0x60000000, IPPROTO_ICMPV6, 255);
	inet_pton(AF_INET6, to, want);
	assert_memory_equal(ip + 24, want, 16);
	assert_int_equal(get16(ip + IP6), 136 << 8);
	assert_int_equal(get32(ip + IP6 + 4), flags);
	inet_pton(AF_INET6, VIP6, want);
	assert_memory_equal(ip + IP6 + 8, want, 16);
	assert_int_equal(get16(ip + IP6 + 24), 2 << 8 | 1); /* target's address, 8 bytes */
	assert_memory_equal(ip + IP6 + 26, our_mac, 6);
}

static void a_solicitation_for_a_vip_is_answered(void **state)
{
	const uint8_t *ip;

	(void)state;
	set_vip(WEIR_VIP_ARP);
	for (unsigned option = 0; option < 2; option++) {
		solicit(CLIENT6, NODE_OF6, option ? 1 : 0);
		ip = answer(arrive(WEIR_DROP_NOT_A_VIP, PKT_IPV6 | PKT_OTHER_L4, 0));
		assert_non_null(ip);
		check_advert(ip, CLIENT6, 0x60000000); /* solicited, override */
	}
	solicit(CLIENT6, VIP6, 1); /* is it still there? */
	ip = answer(arrive(WEIR_DROP_UNSUPPORTED_L4, PKT_IPV6 | PKT_OTHER_L4, WEIR_VIP_ARP));
	assert_non_null(ip);
	check_advert(ip, CLIENT6, 0x60000000);
	assert_int_equal(counted(), WEIR_ANSWER_ND);
}

static void who_has_no_address_yet_is_told_by_all_nodes(void **state)
{
	const uint8_t *f;
	struct pkt *p;

	(void)state;
	set_vip(WEIR_VIP_ARP);
	solicit("::", NODE_OF6, 0);
	p = arrive(WEIR_DROP_NOT_A_VIP, PKT_IPV6 | PKT_OTHER_L4, 0);
	answer_burst(&answers, &view, ports, &b, now);
	assert_int_equal(p->drop, WEIR_DROP_NONE);
	f = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);
	assert_memory_equal(f, "\x33\x33\x00\x00\x00\x01", 6);
	assert_memory_equal(f + 6, our_mac, 6);
	check_advert(f + AT_IP, "ff02::1", 0x20000000); /* override */
}

/* RFC 4861, section 7.1.1, each line. */
static void a_wrong_solicitation_is_not_answered(void **state)
{
	uint8_t *ns = bytes + AT_IP + IP6;

	(void)state;
	set_vip(WEIR_VIP_ARP);
	solicit(CLIENT6, NODE_OF6, 1);
	bytes[AT_IP + 7] = 254; /* came through a router */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	solicit(CLIENT6, NODE_OF6, 1);
	ns[2] ^= 1; /* checksum */
	assert_null(answer(arrive(WEIR_DROP_NOT_A_VIP, PKT_IPV6 | PKT_OTHER_L4, 0)));
	solicit(CLIENT6, NODE_OF6, 1);
	ns[1] = 1; /* code */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	solicit(CLIENT6, NODE_OF6, 0);
	put16(bytes + AT_IP + 4, 23); /* short */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	solicit(CLIENT6, NODE_OF6, 0);
	ns[8] = 0xff; /* target: multicast */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	solicit(CLIENT6, NODE_OF6, 1);
	ns[25] = 0; /* an option without length */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	ns[25] = 2; /* one that is longer than the packet */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	solicit("::", "ff02::1", 0); /* not to the solicited-node address */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	solicit("::", NODE_OF6, 1); /* and who has no address has no MAC option */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	solicit(CLIENT6, NODE_OF6, 0);
	ns[0] = 136; /* an advertisement */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	for (size_t n = 54; n < 78; n++) { /* cut */
		solicit(CLIENT6, NODE_OF6, 0);
		len = n;
		assert_null(answer(arrive(WEIR_DROP_NOT_A_VIP, PKT_IPV6 | PKT_OTHER_L4, 0)));
	}
	solicit(CLIENT6, NODE_OF6, 0);
	assert_non_null(answer_solicit(WEIR_DROP_NOT_A_VIP)); /* the frame itself was right */
}

static void solicitations_for_others_are_not_answered(void **state)
{
	(void)state;
	set_vip(WEIR_VIP_ARP);
	solicit(CLIENT6, NODE_OF6, 0);
	bytes[AT_IP + IP6 + 8 + 15] ^= 1; /* no VIP */
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	set_vip(WEIR_VIP_ECHO | WEIR_VIP_REJECT);
	solicit(CLIENT6, NODE_OF6, 0);
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	view.generation = 0;
	assert_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	assert_int_equal(counted(), WEIR_ANSWERS);
}

static void expect_limited(enum weir_drop was, uint16_t flags)
{
	struct pkt *p = arrive(was, flags, WEIR_VIP_ARP);

	assert_null(answer(p));
	assert_int_equal(p->drop, WEIR_DROP_ANSWER_LIMITED);
}

/* For a VIP: not what is for nobody here, nor for the kernel. */
static void over_the_limit_is_a_drop_of_its_own(void **state)
{
	(void)state;
	set_vip(WEIR_VIP_ARP);
	for (unsigned i = 0; i < PER_S; i++)
		assert_non_null(answer_arp_for(1, SRC_IP, VIP_IP));
	arp(1, SRC_IP, VIP_IP);
	expect_limited(WEIR_DROP_NOT_IP, 0);
	solicit(CLIENT6, NODE_OF6, 1);
	for (unsigned i = 0; i < PER_S; i++)
		assert_non_null(answer_solicit(WEIR_DROP_NOT_A_VIP));
	expect_limited(WEIR_DROP_NOT_A_VIP, PKT_IPV6 | PKT_OTHER_L4);
	expect_limited(WEIR_DROP_UNSUPPORTED_L4, PKT_IPV6 | PKT_OTHER_L4);
	assert_int_equal(count[WEIR_ANSWER_LIMITED].packets, 3);
	/* No VIP's: what it was. */
	assert_null(answer_arp_for(1, SRC_IP, VIP_IP + 1));
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NOT_IP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_arp_request_for_a_vip_is_answered),
		TEST(no_other_arp_is_answered),
		TEST(a_solicitation_for_a_vip_is_answered),
		TEST(who_has_no_address_yet_is_told_by_all_nodes),
		TEST(a_wrong_solicitation_is_not_answered),
		TEST(solicitations_for_others_are_not_answered),
		TEST(over_the_limit_is_a_drop_of_its_own),
	};

	return cmocka_run_group_tests_name("answer_link", tests, group_setup, group_teardown);
}
