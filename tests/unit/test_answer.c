// SPDX-License-Identifier: Apache-2.0
/*
 * Answers to packets that are dropped: echo replies by RFC 792, 1122 and 4443, who gets
 * no answer at all, and how many go in a second.
 */
#include "answered.h"

/* -- echo ------------------------------------------------------------------------- */

static void an_echo_request_is_answered_with_its_data(void **state)
{
	(void)state;
	for (size_t n = 0; n < 1400; n += 117) {
		const uint8_t *ip;

		now += HZ;
		ping4(0, n);
		ip = answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO | PKT_OTHER_L4, WEIR_VIP_ECHO));
		assert_non_null(ip);
		check_ip4(ip, 28 + n, 0x2c, 0x1234, 0, IPPROTO_ICMP);
		assert_int_equal(get16(ip + 20), 0); /* type, code */
		assert_int_equal(slow_checksum(ip + 20, (8 + n) / 2 * 2) -
					 (n % 2 ? ip[20 + 7 + n] << 8 : 0),
				 0);
		assert_memory_equal(ip + 24, bytes + AT_IP + 24, 4 + n); /* id, sequence, data */
	}
	assert_int_equal(counted(), WEIR_ANSWER_ECHO);
}

static void an_echo_request_with_options_loses_them(void **state)
{
	const uint8_t *ip;

	(void)state;
	ping4(12, 56);
	ip = answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO | PKT_OTHER_L4, WEIR_VIP_ECHO));
	assert_non_null(ip);
	check_ip4(ip, 28 + 56, 0x2c, 0x1234, 0, IPPROTO_ICMP);
	assert_int_equal(slow_checksum(ip + 20, 8 + 56), 0);
	assert_memory_equal(ip + 24, bytes + AT_IP + 32 + 4, 4 + 56);
}

static void an_icmpv6_echo_request_is_answered(void **state)
{
	(void)state;
	for (size_t n = 0; n < 1400; n += 117) {
		const uint8_t *ip;

		now += HZ;
		ping6(n);
		ip = answer(arrive(WEIR_DROP_ECHO_OFF, PKT_IPV6 | PKT_ECHO | PKT_OTHER_L4,
				   WEIR_VIP_ECHO));
		assert_non_null(ip);
		check_ip6(ip, 8 + n, 0x61234567, IPPROTO_ICMPV6, 64);
		check_to_client6(ip);
		assert_int_equal(get16(ip + IP6), 129 << 8);
		assert_memory_equal(ip + IP6 + 4, bytes + AT_IP + IP6 + 4, 4 + n);
	}
}

static void padding_and_tags_of_the_link(void **state)
{
	const uint8_t *ip;

	(void)state;
	ping4(0, 3);
	memset(bytes + len, 0x55, 15);
	len += 15;
	tag();
	ip = answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO | PKT_OTHER_L4, WEIR_VIP_ECHO));
	assert_non_null(ip);
	check_ip4(ip, 31, 0x2c, 0x1234, 0, IPPROTO_ICMP); /* and the frame ends with it */
}

static void echo_off_means_silence(void **state)
{
	(void)state;
	ping4(0, 56);
	assert_null(answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO | PKT_OTHER_L4,
				  WEIR_VIP_REJECT | WEIR_VIP_ARP)));
	assert_int_equal(counted(), WEIR_ANSWERS);
}

static void every_turned_checksum_is_right(void **state)
{
	(void)state;
	answers_init(&answers, &area, HZ, HZ);
	for (unsigned id = 0; id <= UINT16_MAX; id += 13) {
		const uint8_t *ip;

		ping4(0, 2);
		put16(bytes + AT_IP + 24, (uint16_t)id);
		put16(bytes + AT_IP + 22, 0);
		put16(bytes + AT_IP + 22, slow_checksum(bytes + AT_IP + 20, 10));
		ip = answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO, WEIR_VIP_ECHO));
		assert_non_null(ip);
		assert_int_equal(slow_checksum(ip + 20, 10), 0);
		assert_int_equal(get16(ip + 20), 0);
	}
}

/* -- who gets no answer --------------------------------------------------------------- */

static void a_source_that_is_no_host_is_not_answered(void **state)
{
	static const uint32_t odd4[] = { 0,	     0x00010203, 0x7f000001, 0xe0000001,
					 0xefffffff, 0xf0000001, 0xffffffff, VIP_IP };
	static const char *const odd6[] = { "::", "::1", "ff02::1", VIP6 };

	(void)state;
	for (unsigned i = 0; i < sizeof(odd4) / sizeof(odd4[0]); i++) {
		ping4(0, 0);
		put32(bytes + AT_SRC, odd4[i]);
		mend_header();
		assert_null(answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO, WEIR_VIP_ECHO)));
		assert_null(answer(arrive(WEIR_DROP_STRAY, 0, WEIR_VIP_REJECT)));
		assert_null(answer(arrive(WEIR_DROP_TOO_BIG, 0, 0)));
	}
	for (unsigned i = 0; i < sizeof(odd6) / sizeof(odd6[0]); i++) {
		ping6(0);
		inet_pton(AF_INET6, odd6[i], bytes + AT_IP + 8);
		assert_null(answer(arrive(WEIR_DROP_ECHO_OFF, PKT_IPV6 | PKT_ECHO, WEIR_VIP_ECHO)));
		assert_null(answer(arrive(WEIR_DROP_STRAY, PKT_IPV6, WEIR_VIP_REJECT)));
		assert_null(answer(arrive(WEIR_DROP_TOO_BIG, PKT_IPV6, 0)));
	}
	assert_int_equal(counted(), WEIR_ANSWERS);
}

/* The damage may be in the address that would get the answer. */
static void a_damaged_header_is_not_answered(void **state)
{
	(void)state;
	ping4(8, 0);
	bytes[AT_SRC] ^= 1;
	assert_null(answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO, WEIR_VIP_ECHO)));
	assert_null(answer(arrive(WEIR_DROP_STRAY, 0, WEIR_VIP_REJECT)));
	assert_null(answer(arrive(WEIR_DROP_TOO_BIG, 0, 0)));
	bytes[AT_SRC] ^= 1;
	assert_non_null(answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO, WEIR_VIP_ECHO)));
}

static void a_frame_for_all_or_from_all_is_not_answered(void **state)
{
	(void)state;
	for (unsigned at = 0; at <= 6; at += 6) {
		ping4(0, 0);
		memset(bytes + at, 255, 6);
		assert_null(answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO, WEIR_VIP_ECHO)));
		assert_null(answer(arrive(WEIR_DROP_STRAY, 0, WEIR_VIP_REJECT)));
		assert_null(answer(arrive(WEIR_DROP_TOO_BIG, 0, 0)));
	}
}

static void no_error_is_about_an_error_or_a_later_fragment(void **state)
{
	(void)state;
	len = build_ipv4(bytes, IPPROTO_UDP, 0, 1000);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		uint16_t family = v6 ? PKT_IPV6 : 0;

		assert_null(answer(arrive(WEIR_DROP_TOO_BIG, family | PKT_ICMP_ERROR, 0)));
		assert_null(answer(arrive(WEIR_DROP_TOO_BIG, family | PKT_FRAG_LATER, 0)));
		assert_null(
			answer(arrive(WEIR_DROP_STRAY, family | PKT_FRAG_LATER, WEIR_VIP_REJECT)));
		build6(IPPROTO_UDP, CLIENT6, VIP6, 1000);
	}
}

/* A router tells of every packet that it cannot send on, and an IPv6 fragment is one,
 * whatever is behind its fragment header. But none of an error, and one that fits is no
 * news: it takes nothing from what the rate allows. */
static void a_later_fragment_over_ipv6_that_is_too_big_is_told(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_DSTOPTS,
					     IPPROTO_ICMPV6 };
	const uint16_t flags = PKT_IPV6 | PKT_FRAG_LATER;

	(void)state;
	for (unsigned i = 0; i < sizeof(protocols); i++) {
		for (unsigned fits = 0; fits < 2; fits++) {
			struct pkt *p;

			build6(44, CLIENT6, VIP6, fits ? 1000 : 1480);
			bytes[AT_IP + IP6] = protocols[i];
			p = arrive(WEIR_DROP_TOO_BIG, flags, 0);
			p->l4_words = (IP6 + 8) / 4;
			assert_int_equal(answer(p) != NULL, !fits);
			p = arrive(WEIR_DROP_TOO_BIG, flags | PKT_ICMP_ERROR, 0);
			p->l4_words = (IP6 + 8) / 4;
			assert_null(answer(p));
		}
	}
	assert_int_equal(count[WEIR_ANSWER_TOO_BIG].packets, sizeof(protocols));
	assert_int_equal(count[WEIR_ANSWER_LIMITED].packets, 0);
}
static_assert(PER_S == 4, "as many as there are protocols in the test above");

static void other_drops_get_no_answer(void **state)
{
	(void)state;
	len = build_ipv4(bytes, IPPROTO_TCP, 0, 10);
	for (unsigned reason = WEIR_DROP_NONE + 1; reason < WEIR_DROP_REASONS; reason++) {
		if (reason == WEIR_DROP_ECHO_OFF || reason == WEIR_DROP_TOO_BIG ||
		    reason == WEIR_DROP_STRAY)
			continue;
		assert_null(answer(arrive(reason, PKT_TCP, 255)));
	}
	assert_int_equal(counted(), WEIR_ANSWERS);
}

/* -- how many --------------------------------------------------------------------------- */

static unsigned pings_answered(unsigned n)
{
	unsigned answered = 0;

	while (n-- > 0) {
		ping4(0, 0);
		answered += answer(arrive(WEIR_DROP_ECHO_OFF, PKT_ECHO, WEIR_VIP_ECHO)) != NULL;
	}
	return answered;
}

static void no_more_than_so_many_a_second(void **state)
{
	(void)state;
	assert_int_equal(pings_answered(100), PER_S);
	assert_int_equal(count[WEIR_ANSWER_ECHO].packets, PER_S);
	assert_int_equal(count[WEIR_ANSWER_ECHO].bytes, PER_S * 42);
	assert_int_equal(count[WEIR_ANSWER_LIMITED].packets, 100 - PER_S);
	now += HZ / PER_S;
	assert_int_equal(pings_answered(10), 1);
	now += HZ / 2;
	assert_int_equal(pings_answered(10), PER_S / 2);
	now += 3600 * (uint64_t)HZ; /* what was not used does not pile up */
	assert_int_equal(pings_answered(100), PER_S);
}

static void kinds_do_not_take_from_each_other(void **state)
{
	(void)state;
	assert_int_equal(pings_answered(100), PER_S);
	len = build_ipv4(bytes, IPPROTO_TCP, 0, 10);
	assert_non_null(answer(arrive(WEIR_DROP_STRAY, PKT_TCP, WEIR_VIP_REJECT)));
}

static void zero_a_second_is_none(void **state)
{
	(void)state;
	answers_init(&answers, &area, 0, HZ);
	assert_int_equal(pings_answered(3), 0);
	assert_int_equal(count[WEIR_ANSWER_LIMITED].packets, 3);
}

static void without_room_the_packet_stays_as_it_is(void **state)
{
	struct pkt *p;

	(void)state;
	len = build_ipv4(bytes, IPPROTO_TCP, 0, 100);
	p = arrive(WEIR_DROP_TOO_BIG, PKT_TCP, 0);
	memmove((uint8_t *)p->mbuf->buf_addr + 27, rte_pktmbuf_mtod(p->mbuf, uint8_t *), len);
	p->mbuf->data_off = 27; /* one less than is wanted */
	assert_null(answer(p));
	assert_int_equal(p->drop, WEIR_DROP_TOO_BIG);
	assert_int_equal(counted(), WEIR_ANSWERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_echo_request_is_answered_with_its_data),
		TEST(an_echo_request_with_options_loses_them),
		TEST(an_icmpv6_echo_request_is_answered),
		TEST(padding_and_tags_of_the_link),
		TEST(echo_off_means_silence),
		TEST(every_turned_checksum_is_right),
		TEST(a_source_that_is_no_host_is_not_answered),
		TEST(a_damaged_header_is_not_answered),
		TEST(a_frame_for_all_or_from_all_is_not_answered),
		TEST(no_error_is_about_an_error_or_a_later_fragment),
		TEST(a_later_fragment_over_ipv6_that_is_too_big_is_told),
		TEST(other_drops_get_no_answer),
		TEST(no_more_than_so_many_a_second),
		TEST(kinds_do_not_take_from_each_other),
		TEST(zero_a_second_is_none),
		TEST(without_room_the_packet_stays_as_it_is),
	};

	return cmocka_run_group_tests_name("answer", tests, group_setup, group_teardown);
}
