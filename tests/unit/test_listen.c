// SPDX-License-Identifier: Apache-2.0
#include "listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The lines are those of a little-endian machine: the kernel prints words. */
static const char *listens(const char *line)
{
	static char buf[WEIR_ADDR_STRLEN];
	struct weir_addr a;

	return listen_line(line, &a) ? weir_addr_text(&a, buf) : NULL;
}

static void a_listening_tcp_socket_counts(void **state)
{
	(void)state;
	assert_string_equal(listens("   0: 0A7100CB:0050 00000000:0000 0A 00000000:00000000 "
				    "00:00000000 00000000     0        0 23441 1 0 100 0 0 10 0\n"),
			    "203.0.113.10");
	assert_string_equal(listens("  12: 00000000:1F90 00000000:0000 0A 00000000:00000000\n"),
			    "0.0.0.0");
}

static void a_connection_does_not_count(void **state)
{
	(void)state;
	assert_null(listens("   1: 0A7100CB:0050 0A6433C6:A838 01 00000000:00000000\n"));
	assert_null(listens("   2: 0A7100CB:0050 0A6433C6:A838 06 00000000:00000000\n"));
}

static void a_bound_udp_socket_counts(void **state)
{
	(void)state;
	assert_string_equal(listens("  340: 0A7100CB:01BB 00000000:0000 07 00000000:00000000\n"),
			    "203.0.113.10");
	assert_null(listens("  341: 0A7100CB:01BB 0A6433C6:A838 01 00000000:00000000\n"));
}

static void a_dual_stack_socket_counts_as_every_address(void **state)
{
	(void)state;
	assert_string_equal(listens("   0: 00000000000000000000000000000000:0050 "
				    "00000000000000000000000000000000:0000 0A 00000000:00000000\n"),
			    "::");
}

static void a_mapped_address_counts_as_the_ipv4_one(void **state)
{
	(void)state;
	assert_string_equal(listens("   0: 0000000000000000FFFF00000A7100CB:0050 "
				    "00000000000000000000000000000000:0000 0A 00000000:00000000\n"),
			    "203.0.113.10");
}

static void an_ipv6_address_counts(void **state)
{
	(void)state;
	assert_string_equal(listens("   0: B80D0120000000000000000001000000:0050 "
				    "00000000000000000000000000000000:0000 0A 00000000:00000000\n"),
			    "2001:db8::1");
}

static void anything_else_does_not_count(void **state)
{
	(void)state;
	assert_null(listens("  sl  local_address rem_address   st tx_queue rx_queue tr\n"));
	assert_null(listens(""));
	assert_null(listens("   0: 0A7100CB:0050"));
	assert_null(listens("   0: 0A7100CB:0050 00000000:0000"));
	assert_null(listens("   0: zzzzzzzz:0050 00000000:0000 0A"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listening_tcp_socket_counts),
		cmocka_unit_test(a_connection_does_not_count),
		cmocka_unit_test(a_bound_udp_socket_counts),
		cmocka_unit_test(a_dual_stack_socket_counts_as_every_address),
		cmocka_unit_test(a_mapped_address_counts_as_the_ipv4_one),
		cmocka_unit_test(an_ipv6_address_counts),
		cmocka_unit_test(anything_else_does_not_count),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
