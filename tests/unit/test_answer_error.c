// SPDX-License-Identifier: Apache-2.0
/*
 * What is said of a packet that is too big (RFC 1191, 4443) and of a stray (RFC 1122,
 * 9293): every field.
 */
#include "answered.h"

/* -- too big ------------------------------------------------------------------------- */

static void check_error(const uint8_t *ip, bool v6, uint16_t type_code, uint32_t rest,
			size_t quoted)
{
	const uint8_t *icmp = ip + (v6 ? IP6 : 20);

	if (v6) {
		check_ip6(ip, 8 + quoted, 0x6c000000, IPPROTO_ICMPV6, 64);
		check_to_client6(ip);
	} else {
		check_ip4(ip, 28 + quoted, 0xc0, 0, 0x4000, IPPROTO_ICMP);
		assert_int_equal(slow_checksum(icmp, 8 + quoted), 0);
	}
	assert_int_equal(get16(icmp), type_code);
	assert_int_equal(get32(icmp + 4), rest);
	assert_memory_equal(icmp + 8, bytes + b.pkt[0].l3_off, quoted);
}

static void the_mtu_told_is_what_the_encapsulation_leaves(void **state)
{
	static const struct {
		uint8_t encap;
		uint16_t line, port, mtu;
	} row[] = {
		{ WEIR_ENCAP_L2, 1500, 1400, 1400 },	{ WEIR_ENCAP_L2, 1300, 1500, 1300 },
		{ WEIR_ENCAP_IPIP4, 1500, 1500, 1480 }, { WEIR_ENCAP_IPIP6, 1500, 1500, 1460 },
		{ WEIR_ENCAP_GUE4, 1500, 1500, 1468 },	{ WEIR_ENCAP_GUE6, 1500, 1500, 1448 },
		{ WEIR_ENCAP_IPIP4, 1400, 9000, 1380 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const uint8_t *ip;

		now += HZ;
		backend.encap = row[i].encap;
		backend.mtu = row[i].line;
		ports[OUT].mtu = row[i].port;
		len = build_ipv4(bytes, IPPROTO_TCP, 0, 1460);
		ip = answer(arrive(WEIR_DROP_TOO_BIG, PKT_TCP, 0));
		assert_non_null(ip);
		check_error(ip, false, 0x0304, row[i].mtu, 576 - 28);

		build6(IPPROTO_UDP, CLIENT6, VIP6, 1460);
		ip = answer(arrive(WEIR_DROP_TOO_BIG, PKT_IPV6, 0));
		assert_non_null(ip);
		check_error(ip, true, 0x0200, row[i].mtu, 1280 - 48);
	}
	assert_int_equal(counted(), WEIR_ANSWER_TOO_BIG);
}

static void the_mtu_told_is_never_below_the_least(void **state)
{
	const uint8_t *ip;

	(void)state;
	backend.encap = WEIR_ENCAP_GUE6;
	backend.mtu = 100;
	len = build_ipv4(bytes, IPPROTO_TCP, 0, 100);
	ip = answer(arrive(WEIR_DROP_TOO_BIG, PKT_TCP, 0));
	assert_non_null(ip);
	check_error(ip, false, 0x0304, 68, 140);

	backend.mtu = 1300;
	build6(IPPROTO_UDP, CLIENT6, VIP6, 1260);
	ip = answer(arrive(WEIR_DROP_TOO_BIG, PKT_IPV6, 0));
	assert_non_null(ip);
	check_error(ip, true, 0x0200, 1280, 1280 - 48);
}

static void without_df_nothing_is_said(void **state)
{
	(void)state;
	len = build_ipv4(bytes, IPPROTO_UDP, 0, 1472);
	put16(bytes + AT_FRAG, 0);
	assert_null(answer(arrive(WEIR_DROP_TOO_BIG, 0, 0)));
	put16(bytes + AT_FRAG, 0x2000);
	assert_null(answer(arrive(WEIR_DROP_TOO_BIG, PKT_FRAG_FIRST, 0)));
	assert_int_equal(counted(), WEIR_ANSWERS);
}

static void options_and_tags_come_along_in_the_quote(void **state)
{
	const uint8_t *ip;

	(void)state;
	len = build_ipv4(bytes, IPPROTO_TCP, 40, 400);
	tag();
	ip = answer(arrive(WEIR_DROP_TOO_BIG, PKT_TCP, 0));
	assert_non_null(ip);
	check_error(ip, false, 0x0304, 1500, 480);
}

/* What lies in further segments is given back, and is not quoted. */
static void only_the_first_segment_is_quoted(void **state)
{
	struct rte_mbuf *tail;
	const uint8_t *ip;
	struct pkt *p;

	(void)state;
	len = build_ipv4(bytes, IPPROTO_TCP, 0, 260);
	p = arrive(WEIR_DROP_TOO_BIG, PKT_TCP, 0);
	tail = rte_pktmbuf_alloc(buffers);
	assert_non_null(tail);
	memcpy(rte_pktmbuf_append(tail, 200), bytes + len - 200, 200);
	assert_int_equal(rte_pktmbuf_trim(p->mbuf, 200), 0);
	assert_int_equal(rte_pktmbuf_chain(p->mbuf, tail), 0);
	ip = answer(p);
	assert_non_null(ip);
	check_error(ip, false, 0x0304, 1500, 100);
}

/* -- strays ---------------------------------------------------------------------------- */

/* A TCP segment of 10 bytes from SPORT to DPORT. */
static void segment(bool v6, uint8_t tcp_flags)
{
	uint8_t *tcp;

	if (v6)
		build6(IPPROTO_TCP, CLIENT6, VIP6, 30);
	else
		len = build_ipv4(bytes, IPPROTO_TCP, 0, 10);
	tcp = bytes + AT_IP + (v6 ? IP6 : 20);
	put16(tcp, SPORT);
	put16(tcp + 2, DPORT);
	put32(tcp + 4, 0xfffffff8); /* sequence numbers wrap */
	put32(tcp + 8, 0x11223344);
	tcp[12] = 5 << 4;
	tcp[13] = tcp_flags;
}

static void check_reset(const uint8_t *ip, bool v6, uint32_t seq, uint32_t ack, uint8_t flags)
{
	const uint8_t *tcp = ip + (v6 ? IP6 : 20);

	if (v6) {
		check_ip6(ip, 20, 0x60000000, IPPROTO_TCP, 64);
		check_to_client6(ip);
	} else {
		check_ip4(ip, 40, 0, 0, 0x4000, IPPROTO_TCP);
		assert_int_equal(sum4(ip, tcp, 20, IPPROTO_TCP), 0);
	}
	assert_int_equal(get16(tcp), DPORT);
	assert_int_equal(get16(tcp + 2), SPORT);
	assert_int_equal(get32(tcp + 4), seq);
	assert_int_equal(get32(tcp + 8), ack);
	assert_int_equal(tcp[12], 5 << 4);
	assert_int_equal(tcp[13], flags);
	assert_int_equal(get16(tcp + 14), 0); /* window */
	assert_int_equal(get16(tcp + 18), 0); /* urgent */
}

static void a_stray_segment_is_reset_as_by_a_closed_port(void **state)
{
	enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
	static const struct {
		uint8_t flags;
		uint32_t seq, ack;
		uint8_t answer; /* 0: none */
	} row[] = {
		{ SYN, 0, 0xfffffff8 + 11, RST | ACK }, { 0, 0, 0xfffffff8 + 10, RST | ACK },
		{ FIN, 0, 0xfffffff8 + 11, RST | ACK }, { SYN | FIN, 0, 0xfffffff8 + 12, RST | ACK },
		{ ACK, 0x11223344, 0, RST },		{ SYN | ACK, 0x11223344, 0, RST },
		{ FIN | ACK, 0x11223344, 0, RST },	{ RST, 0, 0, 0 },
		{ RST | ACK, 0, 0, 0 },			{ RST | SYN, 0, 0, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		for (unsigned v6 = 0; v6 < 2; v6++) {
			const uint8_t *ip;

			now += HZ;
			segment(v6, row[i].flags);
			ip = answer(arrive(WEIR_DROP_STRAY, (v6 ? PKT_IPV6 : 0) | PKT_TCP,
					   WEIR_VIP_REJECT));
			if (row[i].answer == 0)
				assert_null(ip);
			else
				check_reset(ip, v6, row[i].seq, row[i].ack, row[i].answer);
		}
	assert_int_equal(counted(), WEIR_ANSWER_RESET);
}

static void a_stray_datagram_meets_an_unreachable_port(void **state)
{
	const uint8_t *ip;

	(void)state;
	len = build_ipv4(bytes, IPPROTO_UDP, 0, 1400);
	ip = answer(arrive(WEIR_DROP_STRAY, 0, WEIR_VIP_REJECT));
	assert_non_null(ip);
	check_error(ip, false, 0x0303, 0, 576 - 28);
	len = build_ipv4(bytes, IPPROTO_UDP, 0, 4);
	ip = answer(arrive(WEIR_DROP_STRAY, 0, WEIR_VIP_REJECT));
	assert_non_null(ip);
	check_error(ip, false, 0x0303, 0, 32);
	build6(IPPROTO_UDP, CLIENT6, VIP6, 12);
	ip = answer(arrive(WEIR_DROP_STRAY, PKT_IPV6, WEIR_VIP_REJECT));
	assert_non_null(ip);
	check_error(ip, true, 0x0104, 0, 52);
	assert_int_equal(counted(), WEIR_ANSWER_UNREACHABLE);
}

static void strays_are_dropped_unless_the_vip_rejects_them(void **state)
{
	(void)state;
	segment(false, 2);
	assert_null(answer(arrive(WEIR_DROP_STRAY, PKT_TCP, WEIR_VIP_ECHO | WEIR_VIP_ARP)));
	assert_int_equal(counted(), WEIR_ANSWERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_mtu_told_is_what_the_encapsulation_leaves),
		TEST(the_mtu_told_is_never_below_the_least),
		TEST(without_df_nothing_is_said),
		TEST(options_and_tags_come_along_in_the_quote),
		TEST(only_the_first_segment_is_quoted),
		TEST(a_stray_segment_is_reset_as_by_a_closed_port),
		TEST(a_stray_datagram_meets_an_unreachable_port),
		TEST(strays_are_dropped_unless_the_vip_rejects_them),
	};

	return cmocka_run_group_tests_name("answer_error", tests, group_setup, group_teardown);
}
