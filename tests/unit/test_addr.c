// SPDX-License-Identifier: Apache-2.0
#include "addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_prints(const char *text, const char *expected)
{
	char buf[WEIR_ADDR_STRLEN];
	struct weir_addr a;

	assert_int_equal(weir_addr_parse(text, &a), 0);
	assert_string_equal(weir_addr_text(&a, buf), expected);
}

static void ipv6_text_follows_the_examples_of_rfc5952(void **state)
{
	(void)state;
	/* section 1, all forms of one address */
	assert_prints("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	assert_prints("2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	assert_prints("2001:db8::1:0:0:1", "2001:db8::1:0:0:1");
	assert_prints("2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1");
	assert_prints("2001:0db8::1:0:0:1", "2001:db8::1:0:0:1");
	assert_prints("2001:db8:0:0:1::1", "2001:db8::1:0:0:1");
	assert_prints("2001:DB8:0:0:1::1", "2001:db8::1:0:0:1");
	/* 4.1: leading zeros of a group go */
	assert_prints("2001:0db8::0001", "2001:db8::1");
	/* 4.2.1: "::" to its full */
	assert_prints("2001:db8:0:0:0:0:2:1", "2001:db8::2:1");
	/* 4.2.2: not for one group */
	assert_prints("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
	/* 4.2.3: the longest run, the first of equals */
	assert_prints("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
	assert_prints("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	/* 4.3: lower case */
	assert_prints("2001:DB8::AAAA", "2001:db8::aaaa");
	/* 5: a known prefix that embeds IPv4 */
	assert_prints("::ffff:c000:201", "::ffff:192.0.2.1");
}

static void ipv6_text_at_the_ends(void **state)
{
	(void)state;
	assert_prints("::", "::");
	assert_prints("::1", "::1");
	assert_prints("1::", "1::");
	assert_prints("::1:2", "::1:2"); /* inet_ntop(3): ::0.1.0.2 */
	assert_prints("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7");
	assert_prints("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0");
	assert_prints("0:0:3:4:5:6:0:0", "::3:4:5:6:0:0");
	assert_prints("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void text_and_parse_agree_for_every_place_of_zeros(void **state)
{
	char buf[WEIR_ADDR_STRLEN];

	(void)state;
	for (unsigned zeros = 0; zeros < 256; zeros++) {
		struct weir_addr a = { .family = 6 }, b;

		for (unsigned g = 0; g < 8; g++)
			a.bytes[2 * g] = zeros >> g & 1 ? 0 : 0x10;
		assert_int_equal(weir_addr_parse(weir_addr_text(&a, buf), &b), 0);
		assert_true(weir_addr_equal(&a, &b));
	}
}

static void ipv4_is_printed_and_parsed(void **state)
{
	struct weir_addr a;

	(void)state;
	assert_prints("192.0.2.1", "192.0.2.1");
	assert_prints("255.255.255.255", "255.255.255.255");
	assert_int_equal(weir_addr_parse("192.0.2.1", &a), 0);
	assert_int_equal(a.family, 4);
	assert_memory_equal(a.bytes, "\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void what_is_no_address_is_refused_and_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"192.0.2",
		"192.0.2.1.5",
		"192.0.2.256",
		"192.0.02.1",
		"192.0.2.1 ",
		" 192.0.2.1",
		"192.0.2.1:80",
		"0x7f.0.0.1",
		"2130706433",
		"192.0.2.1/32",
		"2001:db8::1::2",
		"2001:db8:::1",
		"2001:db8",
		"fe80::1%eth0",
		"[2001:db8::1]",
		"2001:db8::12345",
		"2001:db8::g",
		"1:2:3:4:5:6:7:8:9",
		"localhost",
		"-",
	};
	struct weir_addr a = { .family = 99 };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(weir_addr_parse(bad[i], &a), -EINVAL);
		assert_int_equal(a.family, 99);
	}
}

static void an_address_that_is_not_set_prints_as_a_dash(void **state)
{
	struct weir_addr a = { 0 };
	char buf[WEIR_ADDR_STRLEN];

	(void)state;
	assert_string_equal(weir_addr_text(&a, buf), "-");
}

static void prefixes(void **state)
{
	struct weir_addr a;
	uint8_t len = 99;

	(void)state;
	assert_int_equal(weir_prefix_parse("192.0.2.0/24", &a, &len), 0);
	assert_int_equal(len, 24);
	assert_int_equal(weir_prefix_parse("0.0.0.0/0", &a, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(weir_prefix_parse("192.0.2.1", &a, &len), 0);
	assert_int_equal(len, 32);
	assert_int_equal(weir_prefix_parse("2001:db8::", &a, &len), 0);
	assert_int_equal(len, 128);
	assert_int_equal(weir_prefix_parse("2001:db8::/33", &a, &len), 0);
	assert_int_equal(len, 33);
}

static void prefixes_that_are_refused(void **state)
{
	static const char *const bad[] = {
		"192.0.2.0/",	"192.0.2.0/33", "192.0.2.0/-1",	   "192.0.2.0/+8",
		"192.0.2.0/08", "192.0.2.0/ 8", "192.0.2.0/8x",	   "2001:db8::/129",
		"/24",		"192.0.2/24",	"192.0.2.0/24/24", "192.0.2.0/4294967320"
	};
	struct weir_addr a = { .family = 99 };
	uint8_t len = 99;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(weir_prefix_parse(bad[i], &a, &len), -EINVAL);
	assert_int_equal(weir_prefix_parse("192.0.2.1/31", &a, &len), -ERANGE);
	assert_int_equal(weir_prefix_parse("2001:db8::1/64", &a, &len), -ERANGE);
	assert_int_equal(a.family, 99);
	assert_int_equal(len, 99);
}

/* The slow, obvious way, to compare with. */
static bool in_bit_by_bit(const struct weir_addr *a, const struct weir_addr *p, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		if ((a->bytes[i / 8] >> (7 - i % 8) & 1) != (p->bytes[i / 8] >> (7 - i % 8) & 1))
			return false;
	return true;
}

static void containment_matches_bit_by_bit_for_every_length(void **state)
{
	struct weir_addr a, p;

	(void)state;
	assert_int_equal(weir_addr_parse("2001:db8:5555:aaaa:ffff::1", &p), 0);
	for (uint8_t len = 0; len <= 128; len++) {
		for (unsigned flip = 0; flip < 128; flip++) {
			a = p;
			a.bytes[flip / 8] ^= 0x80 >> flip % 8;
			assert_int_equal(weir_addr_in(&a, &p, len), in_bit_by_bit(&a, &p, len));
		}
	}
	assert_int_equal(weir_addr_parse("192.0.2.77", &p), 0);
	for (uint8_t len = 0; len <= 32; len++) {
		for (unsigned flip = 0; flip < 32; flip++) {
			a = p;
			a.bytes[flip / 8] ^= 0x80 >> flip % 8;
			assert_int_equal(weir_addr_in(&a, &p, len), in_bit_by_bit(&a, &p, len));
		}
	}
}

static void containment_needs_one_family_and_a_length_within_it(void **state)
{
	struct weir_addr four, six, none = { 0 };

	(void)state;
	assert_int_equal(weir_addr_parse("0.0.0.0", &four), 0);
	assert_int_equal(weir_addr_parse("::", &six), 0);
	assert_false(weir_addr_in(&four, &six, 0));
	assert_false(weir_addr_in(&six, &four, 0));
	assert_false(weir_addr_in(&none, &none, 0));
	assert_false(weir_addr_in(&four, &four, 33));
	assert_false(weir_addr_equal(&four, &six));
}

static void macs(void **state)
{
	static const char *const bad[] = {
		"",
		"02:00:5e:10:00",
		"02:00:5e:10:00:01:",
		"02-00-5e-10-00-01",
		"2:0:5e:10:0:1",
		"02:00:5e:10:00:0g",
		"00:00:00:00:00:00",
		"ff:ff:ff:ff:ff:ff",
		"01:00:5e:10:00:01",
		"02:00:5e:10:00:011",
	};
	uint8_t mac[6] = { 9, 9, 9, 9, 9, 9 };
	char buf[18];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(weir_mac_parse(bad[i], mac), -EINVAL);
	assert_memory_equal(mac, "\x09\x09\x09\x09\x09\x09", 6);
	assert_int_equal(weir_mac_parse("02:00:5E:aF:00:01", mac), 0);
	assert_memory_equal(mac, "\x02\x00\x5e\xaf\x00\x01", 6);
	assert_string_equal(weir_mac_text(mac, buf), "02:00:5e:af:00:01");
}

/* Parsed, its host bits cleared one more and printed: the length falls one by one. */
static void a_prefix_is_printed_with_its_length(void **state)
{
	char buf[WEIR_PREFIX_STRLEN], want[WEIR_PREFIX_STRLEN];
	struct weir_addr a = { 6, { 0x20, 0x01, 0x0d, 0xb8 } };

	(void)state;
	memset(a.bytes + 4, 0xff, 12);
	for (unsigned bits = 1; bits <= 96; bits++) {
		struct weir_addr parsed;
		uint8_t len;

		weir_addr_clear(&a, (uint8_t)bits);
		assert_int_equal(
			weir_prefix_parse(weir_prefix_text(&a, (uint8_t)bits, buf), &parsed, &len),
			0);
		assert_int_equal(len, 128 - bits);
		assert_true(weir_addr_equal(&a, &parsed));
	}
	assert_string_equal(buf, "2001:db8::/32");
	a = (struct weir_addr){ 4, { 255, 255, 255, 255 } };
	assert_string_equal(weir_prefix_text(&a, 0, buf), "255.255.255.255");
	for (unsigned bits = 1; bits <= 32; bits++) {
		uint32_t host = bits == 32 ? 0 : 0xffffffffu << bits;

		weir_addr_clear(&a, (uint8_t)bits);
		snprintf(want, sizeof(want), "%u.%u.%u.%u/%u", host >> 24, host >> 16 & 255,
			 host >> 8 & 255, host & 255, 32 - bits);
		assert_string_equal(weir_prefix_text(&a, (uint8_t)bits, buf), want);
	}
	weir_addr_clear(&a, 200); /* more than there are */
	assert_string_equal(weir_prefix_text(&(struct weir_addr){ 0 }, 4, buf), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv6_text_follows_the_examples_of_rfc5952),
		cmocka_unit_test(ipv6_text_at_the_ends),
		cmocka_unit_test(text_and_parse_agree_for_every_place_of_zeros),
		cmocka_unit_test(ipv4_is_printed_and_parsed),
		cmocka_unit_test(what_is_no_address_is_refused_and_changes_nothing),
		cmocka_unit_test(an_address_that_is_not_set_prints_as_a_dash),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(prefixes_that_are_refused),
		cmocka_unit_test(a_prefix_is_printed_with_its_length),
		cmocka_unit_test(containment_matches_bit_by_bit_for_every_length),
		cmocka_unit_test(containment_needs_one_family_and_a_length_within_it),
		cmocka_unit_test(macs),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
