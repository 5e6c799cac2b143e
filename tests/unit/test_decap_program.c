// SPDX-License-Identifier: Apache-2.0
/*
 * The decapsulation program as it is built, run by the kernel on single frames: what
 * comes out, byte by byte, and what it counts. Needs root.
 */
#include "decap_frame.h"

#include <string.h>

/* The packet is unpacked, and what is left is the client's packet as it was. */
static void assert_unpacked(const struct packet *p)
{
	struct frame in, out, wanted;
	int verdict;

	make(p, &in);
	make_inner(p, &wanted, true);
	assert_int_equal(run(&in, &out, &verdict), DECAP_DECAPSULATED);
	assert_int_equal(verdict, TC_ACT_UNSPEC);
	assert_frame(&out, &wanted);
}

static void assert_fate(const struct frame *in, int fate, int verdict)
{
	struct frame out;
	int got;

	assert_int_equal(run(in, &out, &got), fate);
	assert_int_equal(got, verdict);
	if (verdict == TC_ACT_UNSPEC)
		assert_frame(&out, in);
}

static void assert_dropped(const struct packet *p, int fate)
{
	struct frame in;

	make(p, &in);
	assert_fate(&in, fate, TC_ACT_SHOT);
}

static void assert_passed(const struct packet *p, int fate)
{
	struct frame in;

	make(p, &in);
	assert_fate(&in, fate, TC_ACT_UNSPEC);
}

static void every_packing_is_taken_off(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		assert_unpacked(&p);
		p.payload = 0;
		assert_unpacked(&p);
		p.payload = 1400;
		assert_unpacked(&p);
	}
}

static void every_address_of_a_vip_prefix_counts(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		p.inner_dst = in_prefix[p.inner];
		assert_unpacked(&p);
	}
}

static void outer_options_go_with_the_header(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		for (p.options = 8; p.options <= 40; p.options += 8)
			assert_unpacked(&p);
	}
}

static void a_udp_checksum_is_not_looked_at(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		p.udp_checksum = 0x1234;
		assert_unpacked(&p);
	}
}

static void a_stranger_is_refused(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		p.src = stranger[p.outer];
		assert_dropped(&p, DECAP_REFUSED_SOURCE);
		p.inner_dst = no_vip[p.inner];
		assert_passed(&p, NOT_COUNTED);
	}
}

static void what_is_for_no_vip_stays_packed(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		p.inner_dst = no_vip[p.inner];
		assert_passed(&p, DECAP_NOT_A_VIP);
	}
}

static void what_is_for_another_host_stays_packed(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		p.dst = no_vip[p.outer];
		assert_passed(&p, DECAP_NOT_THIS_HOST);
		p.src = stranger[p.outer];
		assert_passed(&p, NOT_COUNTED);
	}
}

static void other_udp_is_no_tunnel(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		p.udp_port = GUE_PORT + 1;
		if (p.gue)
			assert_passed(&p, NOT_COUNTED);
	}
}

static void another_protocol_is_no_tunnel(void **state)
{
	struct frame f;

	(void)state;
	for_each_packing(p)
	{
		make(&p, &f);
		f.at[p.outer == 0 ? 14 + 9 : 14 + 6] = 47;
		assert_fate(&f, NOT_COUNTED, TC_ACT_UNSPEC);
	}
}

static void outer_fragments_are_refused(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		p.fragment = p.outer == 0 ? 0x2000 : 0x0001; /* the first: more follow */
		assert_dropped(&p, DECAP_FRAGMENT);
		p.options = 8;
		assert_dropped(&p, DECAP_FRAGMENT);
		p.fragment = p.outer == 0 ? 0x0001 : 0x0008; /* a later one */
		if (p.gue)
			assert_passed(&p, NOT_COUNTED); /* no port shows that it is GUE */
		else
			assert_dropped(&p, DECAP_FRAGMENT);
	}
}

/* What a fragment does not show the next one may, and a tunnel device would deliver it. */
static void a_stranger_s_fragment_hides_no_vip(void **state)
{
	(void)state;
	for_each_packing(p)
	{
		unsigned outer_len = p.outer == 0 ? 14 + 2 : 14 + 4;
		unsigned seen = (p.outer == 0 ? 20 : 8) + 8; /* of the inner packet 8 bytes */
		struct frame f;

		p.src = stranger[p.outer];
		p.fragment = p.outer == 0 ? 0x2000 : 0x0001;
		assert_dropped(&p, DECAP_REFUSED_SOURCE);
		p.inner_dst = no_vip[p.inner];
		assert_passed(&p, NOT_COUNTED);
		make(&p, &f); /* the rest is padding of the frame */
		f.at[outer_len] = 0;
		f.at[outer_len + 1] = (uint8_t)seen;
		assert_fate(&f, DECAP_FRAGMENT, TC_ACT_SHOT);
		p.fragment = p.outer == 0 ? 0x0001 : 0x0008; /* a later one: useless without */
		assert_passed(&p, NOT_COUNTED);
	}
}

static void gue_that_weir_does_not_send_is_refused(void **state)
{
	static const struct {
		uint8_t bytes[4];
		int fate;
	} row[] = {
		{ { 0x40 }, DECAP_GUE_VERSION },
		{ { 0x80 }, DECAP_GUE_VERSION },
		{ { 0xc0 }, DECAP_GUE_VERSION },
		{ { 0x20 }, DECAP_GUE_OPTIONS }, /* control message */
		{ { 0x01 }, DECAP_GUE_OPTIONS }, /* 4 bytes of extension fields */
		{ { 0x1f }, DECAP_GUE_OPTIONS },
		{ { 0, 0, 0x80 }, DECAP_GUE_OPTIONS },
		{ { 0, 0, 0, 0x01 }, DECAP_GUE_OPTIONS },
		{ { 0, 0x10 }, DECAP_GUE_PROTOCOL },
		{ { 0, 0x80 }, DECAP_GUE_PROTOCOL },
	};

	(void)state;
	for_each_packing(p)
	{
		for (unsigned i = 0; p.gue && i < sizeof(row) / sizeof(row[0]); i++) {
			memcpy(p.gue_bytes, row[i].bytes, 4);
			assert_dropped(&p, row[i].fate);
		}
		p.src = stranger[p.outer];
		if (p.gue)
			assert_passed(&p, NOT_COUNTED); /* whose matter it may be */
	}
}

/* The version field says otherwise than the protocol number. */
static void an_inner_packet_of_the_other_family_is_malformed(void **state)
{
	struct frame f;

	(void)state;
	for_each_packing(p)
	{
		make(&p, &f);
		f.at[f.len - p.payload - 8 - (p.inner == 0 ? 20 : 40)] ^= 0x20;
		assert_fate(&f, DECAP_MALFORMED, TC_ACT_SHOT);
	}
}

static void a_packet_cut_short_is_malformed(void **state)
{
	struct frame f;

	(void)state;
	for_each_packing(p)
	{
		unsigned outer = 14 + (p.outer == 0 ? 20 : 40) + (p.gue ? 8 : 0), whole;

		make(&p, &f);
		whole = f.len;
		for (f.len = outer; f.len < whole; f.len++)
			assert_fate(&f, DECAP_MALFORMED, TC_ACT_SHOT);
	}
}

static void a_udp_length_that_contradicts_is_malformed(void **state)
{
	struct frame f;

	(void)state;
	for_each_packing(p)
	{
		unsigned at = 14 + (p.outer == 0 ? 20 : 40) + 4;
		unsigned right = 12 + (p.inner == 0 ? 20 : 40) + 8 + p.payload;

		if (!p.gue)
			continue;
		make(&p, &f);
		for (unsigned len = 0; len <= right + 1; len++) {
			f.at[at] = (uint8_t)(len >> 8);
			f.at[at + 1] = (uint8_t)len;
			if (len != right)
				assert_fate(&f, DECAP_MALFORMED, TC_ACT_SHOT);
		}
	}
}

/* RFC 6040, figure 4, without the column for ECT(1), which Weir copies. */
static void congestion_marks_are_handed_on(void **state)
{
	static const uint8_t inner[] = { NOT_ECT, ECT_1, ECT_0, CE };

	(void)state;
	for_each_packing(p)
	{
		for (unsigned i = 0; i < 4; i++) {
			struct frame in, out, wanted;
			int verdict;

			p.inner_tos = 0xb8 | inner[i]; /* EF */
			for (p.outer_tos = 0; p.outer_tos < CE; p.outer_tos++)
				assert_unpacked(&p);
			p.outer_tos = 0x28 | CE;
			if (inner[i] == NOT_ECT) {
				assert_dropped(&p, DECAP_CONGESTED);
				continue;
			}
			make(&p, &in);
			p.inner_tos = 0xb8 | CE;
			make_inner(&p, &wanted, true);
			assert_int_equal(run(&in, &out, &verdict), DECAP_DECAPSULATED);
			assert_frame(&out, &wanted);
		}
	}
}

static void plain_packets_are_left_alone(void **state)
{
	struct packet p = { 0 };
	struct frame f;

	(void)state;
	for (p.inner = 0; p.inner < 2; p.inner++) {
		make_inner(&p, &f, true);
		assert_fate(&f, NOT_COUNTED, TC_ACT_UNSPEC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packing_is_taken_off),
		cmocka_unit_test(every_address_of_a_vip_prefix_counts),
		cmocka_unit_test(outer_options_go_with_the_header),
		cmocka_unit_test(a_udp_checksum_is_not_looked_at),
		cmocka_unit_test(a_stranger_is_refused),
		cmocka_unit_test(what_is_for_no_vip_stays_packed),
		cmocka_unit_test(what_is_for_another_host_stays_packed),
		cmocka_unit_test(other_udp_is_no_tunnel),
		cmocka_unit_test(another_protocol_is_no_tunnel),
		cmocka_unit_test(outer_fragments_are_refused),
		cmocka_unit_test(a_stranger_s_fragment_hides_no_vip),
		cmocka_unit_test(gue_that_weir_does_not_send_is_refused),
		cmocka_unit_test(an_inner_packet_of_the_other_family_is_malformed),
		cmocka_unit_test(a_packet_cut_short_is_malformed),
		cmocka_unit_test(a_udp_length_that_contradicts_is_malformed),
		cmocka_unit_test(congestion_marks_are_handed_on),
		cmocka_unit_test(plain_packets_are_left_alone),
	};

	return cmocka_run_group_tests_name("decap_program", tests, decap_load, decap_unload);
}
