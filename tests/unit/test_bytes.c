// SPDX-License-Identifier: Apache-2.0
#include "bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint8_t out[8];
static char why[80];

static int parse(const char *text)
{
	memset(out, 0xee, sizeof(out));
	why[0] = '\0';
	return bytes_parse(text, out, sizeof(out), why, sizeof(why));
}

static void text_stands_for_itself(void **state)
{
	(void)state;
	assert_int_equal(parse("PING"), 4);
	assert_memory_equal(out, "PING", 4);
}

static void each_escape_is_one_byte(void **state)
{
	(void)state;
	assert_int_equal(parse("\\r\\n\\t\\0\\\\\\xfFz"), 7);
	assert_memory_equal(out,
			    "\r\n\t\0\\\xff"
			    "z",
			    7);
}

static void unknown_escapes_are_refused(void **state)
{
	static const char *const wrong[] = { "\\", "a\\q", "\\x", "\\x1", "\\xg0" };

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse(wrong[i]), -EINVAL);
		assert_non_null(strstr(why, "backslash"));
	}
}

static void hex_takes_pairs_and_spaces(void **state)
{
	(void)state;
	assert_int_equal(parse("hex:00 ffA0 7"), -EINVAL);
	assert_int_equal(parse("hex:0g"), -EINVAL);
	assert_int_equal(parse("hex:00 ffA07f"), 4);
	assert_memory_equal(out, "\x00\xff\xa0\x7f", 4);
	assert_int_equal(parse("hex:"), 0);
}

static void too_long_is_refused_at_the_first_byte_too_many(void **state)
{
	(void)state;
	assert_int_equal(parse("12345678"), 8);
	assert_int_equal(parse("123456789"), -EINVAL);
	assert_string_equal(why, "at most 8 bytes");
	assert_int_equal(parse("hex:000102030405060708"), -EINVAL);
}

static void quotes_show_what_is_not_printable(void **state)
{
	char buf[32];

	(void)state;
	assert_string_equal(bytes_quote((const uint8_t *)"220 a\r\n\x01", 8, buf, sizeof(buf)),
			    "\"220 a\\r\\n\\x01\"");
	assert_string_equal(bytes_quote((const uint8_t *)"", 0, buf, sizeof(buf)), "\"\"");
}

static void quotes_of_any_length_fit_any_buffer(void **state)
{
	uint8_t long_one[64];
	char buf[65];

	(void)state;
	memset(long_one, 0x01, sizeof(long_one)); /* four characters each */
	for (size_t len = 16; len <= 64; len++)
		for (size_t n = 0; n <= sizeof(long_one); n++) {
			memset(buf, '#', sizeof(buf));
			bytes_quote(long_one, n, buf, len);
			assert_true(strlen(buf) < len);
			assert_int_equal(buf[len], '#');
		}
	assert_string_equal(bytes_quote(long_one, 64, buf, 16), "\"\\x01\\x01\"...");
}

static void common_start_is_counted(void **state)
{
	(void)state;
	assert_int_equal(bytes_common((const uint8_t *)"abcd", 4, (const uint8_t *)"abxd", 4), 2);
	assert_int_equal(bytes_common((const uint8_t *)"ab", 2, (const uint8_t *)"abxd", 4), 2);
	assert_int_equal(bytes_common((const uint8_t *)"", 0, (const uint8_t *)"a", 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stands_for_itself),
		cmocka_unit_test(each_escape_is_one_byte),
		cmocka_unit_test(unknown_escapes_are_refused),
		cmocka_unit_test(hex_takes_pairs_and_spaces),
		cmocka_unit_test(too_long_is_refused_at_the_first_byte_too_many),
		cmocka_unit_test(quotes_show_what_is_not_printable),
		cmocka_unit_test(quotes_of_any_length_fit_any_buffer),
		cmocka_unit_test(common_start_is_counted),
	};

	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
