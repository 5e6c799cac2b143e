// SPDX-License-Identifier: Apache-2.0
/* ICMP errors about tunnels: whom they are about, and what they say. */
#include "icmp_about.h"

#include "hex_frame.h"

#include <string.h>

static void expect_said(const struct frame *f, bool v6, const char *dst, const char *words)
{
	struct weir_addr by = v6 ? addr("2001:db8::9") : addr("10.0.9.9"), to = addr(dst);
	struct icmp_about m;
	char text[160];

	assert_true(v6 ? icmp_about_read6(f->byte, f->len, &m)
		       : icmp_about_read4(f->byte, f->len, &m));
	assert_true(weir_addr_equal(&m.outer_dst, &to));
	assert_string_equal(icmp_about_text(&m, &by, text, sizeof(text)), words);
	for (unsigned len = 0; len < f->len; len++) /* cut short: never read beyond */
		(void)(v6 ? icmp_about_read6(f->byte, len, &m)
			  : icmp_about_read4(f->byte, len, &m));
}

static void icmp_about_a_tunnel_is_understood(void **state)
{
	struct frame f = { .len = 0 };

	(void)state;
	/* RFC 792: protocol unreachable, quoting IP-in-IP to 10.0.1.11. */
	add_hex(&f, "45 00 00 00 00 00 00 00 40 01 00 00 0a 00 09 09 0a 00 00 01"
		    "03 02 00 00 00 00 00 00"
		    "45 00 00 50 00 00 40 00 40 04 00 00 0a 00 00 01 0a 00 01 0b");
	expect_said(&f, false, "10.0.1.11",
		    "10.0.9.9 says that nothing takes off the encapsulation there");
	f.byte[21] = 4; /* fragmentation needed, RFC 1191: next-hop MTU in the last 16 bits */
	f.byte[26] = 0x05;
	f.byte[27] = 0xdc;
	expect_said(&f, false, "10.0.1.11", "10.0.9.9 says that at most 1500 bytes fit");
	f.byte[21] = 13;
	f.byte[26] = f.byte[27] = 0;
	expect_said(&f, false, "10.0.1.11",
		    "10.0.9.9 says about the tunnel: administratively prohibited");
}

static void icmp6_about_a_tunnel_is_understood(void **state)
{
	struct frame f = { .len = 0 };

	(void)state;
	/* RFC 4443, section 3.4: unrecognized next header. */
	add_hex(&f, "04 01 00 00 00 00 00 06"
		    "60 00 00 00 00 08 29 40"
		    "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01"
		    "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 0b");
	expect_said(&f, true, "2001:db8::b",
		    "2001:db8::9 says that nothing takes off the encapsulation there");
	memcpy(f.byte, "\x02\x00\x00\x00\x00\x00\x05\x00", 8); /* packet too big, 1280 */
	expect_said(&f, true, "2001:db8::b", "2001:db8::9 says that at most 1280 bytes fit");
}

/* By it a backend's other UDP is told from GUE. */
static void the_port_of_a_quoted_datagram_is_known(void **state)
{
	struct frame f = { .len = 0 };
	struct icmp_about m;

	(void)state;
	add_hex(&f, "45 00 00 00 00 00 00 00 40 01 00 00 0a 00 09 09 0a 00 00 01"
		    "03 03 00 00 00 00 00 00"
		    "46 00 00 50 00 00 40 00 40 11 00 00 0a 00 00 01 0a 00 01 0b 01 01 01 01"
		    "c0 01 17 c0 00 20 00 00");
	assert_true(icmp_about_read4(f.byte, f.len, &m));
	assert_int_equal(m.port, 6080);
	assert_true(icmp_about_read4(f.byte, f.len - 5, &m));
	assert_int_equal(m.port, 0);
	f.byte[37] = 4;
	assert_true(icmp_about_read4(f.byte, f.len, &m));
	assert_int_equal(m.port, 0);
	f.len = 0;
	add_hex(&f, "01 04 00 00 00 00 00 00"
		    "60 00 00 00 00 08 11 40"
		    "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01"
		    "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 0b"
		    "c0 01 17 c0 00 20 00 00");
	assert_true(icmp_about_read6(f.byte, f.len, &m));
	assert_int_equal(m.port, 6080);
	assert_true(icmp_about_read6(f.byte, f.len - 5, &m));
	assert_int_equal(m.port, 0);
}

static void icmp_about_something_else_is_not_for_us(void **state)
{
	struct frame f = { .len = 0 };
	struct icmp_about m;

	(void)state;
	add_hex(&f, "45 00 00 00 00 00 00 00 40 01 00 00 0a 00 09 09 0a 00 00 01"
		    "03 01 00 00 00 00 00 00"
		    "45 00 00 50 00 00 40 00 40 06 00 00 0a 00 00 01 0a 00 01 0b");
	assert_false(icmp_about_read4(f.byte, f.len, &m)); /* about TCP: its socket hears */
	f.byte[37] = 4;
	assert_true(icmp_about_read4(f.byte, f.len, &m));
	f.byte[20] = 8; /* echo request */
	assert_false(icmp_about_read4(f.byte, f.len, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(icmp_about_a_tunnel_is_understood),
		cmocka_unit_test(icmp6_about_a_tunnel_is_understood),
		cmocka_unit_test(the_port_of_a_quoted_datagram_is_known),
		cmocka_unit_test(icmp_about_something_else_is_not_for_us),
	};

	return cmocka_run_group_tests_name("icmp_about", tests, NULL, NULL);
}
