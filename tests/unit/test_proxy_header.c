// SPDX-License-Identifier: Apache-2.0
/* Expected bytes: "The PROXY protocol", sections 2.1 and 2.2. */
#include "proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_in v4(const char *address, uint16_t port)
{
	struct sockaddr_in s = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, address, &s.sin_addr), 1);
	return s;
}

static struct sockaddr_in6 v6(const char *address, uint16_t port)
{
	struct sockaddr_in6 s = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET6, address, &s.sin6_addr), 1);
	return s;
}

static uint8_t buf[PROXY_HEADER_MAX];

static void version_1_is_the_specification_s_example(void **state)
{
	/* Section 2.1: "An example of such a line before an HTTP request". */
	static const char want[] = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
	struct sockaddr_in from = v4("192.168.0.1", 56324), to = v4("192.168.0.11", 443);
	size_t n = proxy_header_build(1, (struct sockaddr *)&from, (struct sockaddr *)&to, buf);

	(void)state;
	assert_int_equal(n, sizeof(want) - 1);
	assert_memory_equal(buf, want, n);
}

static void version_1_longest_line_fits(void **state)
{
	/* Section 2.1 lists it: 104 characters with TCP6 and full addresses. */
	struct sockaddr_in6 all = v6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
	size_t n = proxy_header_build(1, (struct sockaddr *)&all, (struct sockaddr *)&all, buf);

	(void)state;
	assert_int_equal(n, 104);
	assert_memory_equal(buf + n - 2, "\r\n", 2);
}

static void version_2_over_ipv4(void **state)
{
	static const uint8_t want[] = {
		0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
		0x55, 0x49, 0x54, 0x0a, 0x21,		     /* version 2, PROXY */
		0x11,					     /* AF_INET, STREAM */
		0x00, 0x0c,				     /* 12 bytes follow */
		192,  0,    2,	  1,	198,  51,   100,  2, /* source, destination */
		0xdc, 0x04, 0x01, 0xbb,
	};
	struct sockaddr_in from = v4("192.0.2.1", 56324), to = v4("198.51.100.2", 443);
	size_t n = proxy_header_build(2, (struct sockaddr *)&from, (struct sockaddr *)&to, buf);

	(void)state;
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(buf, want, n);
}

static void version_2_over_ipv6(void **state)
{
	static const uint8_t
		want[] = {
			0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
			0x21,	    /* version 2, PROXY */
			0x21,	    /* AF_INET6, STREAM */
			0x00, 0x24, /* 36 bytes follow */
			0x20, 0x01, 0x0d, 0xb8, 0,    0,    0,	  0,	0,    0,    0,	  0,
			0,    0,    0,	  1,	0x20, 0x01, 0x0d, 0xb8, 0,    0,    0,	  0,
			0,    0,    0,	  0,	0,    0,    0,	  2,	0xdc, 0x04, 0x01, 0xbb,
		};
	struct sockaddr_in6 from = v6("2001:db8::1", 56324), to = v6("2001:db8::2", 443);
	size_t n = proxy_header_build(2, (struct sockaddr *)&from, (struct sockaddr *)&to, buf);

	(void)state;
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(buf, want, n);
}

static void mixed_families_and_other_versions_are_refused(void **state)
{
	struct sockaddr_in a = v4("192.0.2.1", 1);
	struct sockaddr_in6 b = v6("2001:db8::2", 2);

	(void)state;
	assert_int_equal(proxy_header_build(1, (struct sockaddr *)&a, (struct sockaddr *)&b, buf),
			 0);
	assert_int_equal(proxy_header_build(3, (struct sockaddr *)&a, (struct sockaddr *)&a, buf),
			 0);
	assert_int_equal(proxy_header_build(0, (struct sockaddr *)&b, (struct sockaddr *)&b, buf),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_is_the_specification_s_example),
		cmocka_unit_test(version_1_longest_line_fits),
		cmocka_unit_test(version_2_over_ipv4),
		cmocka_unit_test(version_2_over_ipv6),
		cmocka_unit_test(mixed_families_and_other_versions_are_refused),
	};

	return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
