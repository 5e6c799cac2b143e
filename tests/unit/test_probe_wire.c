// SPDX-License-Identifier: Apache-2.0
/*
 * The requests and judgements of the datagram kinds, byte by byte: RFC 5769 (STUN
 * test vectors), RFC 1035 section 4, RFC 9000 section 17.2.1, RFC 792.
 */
#include "http_status.h"
#include "probe_datagram.h"
#include "probe_settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buf[PROBE_DATAGRAM_MAX];
static struct probe_conf conf;
static struct datagram_request q;
static struct probe_result r;

static int setup(void **state)
{
	(void)state;
	memset(&conf, 0, sizeof(conf));
	memset(&r, 0, sizeof(r));
	q = (struct datagram_request){ .conf = &conf, .family = 4 };
	for (unsigned i = 0; i < sizeof(q.nonce); i++)
		q.nonce[i] = (uint8_t)(0xa0 + i);
	return 0;
}

/* -- STUN ---------------------------------------------------------------------- */

/* RFC 5769, section 2.2 */
static const uint8_t rfc5769_v4[] = {
	0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
	0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74,
	0x20, 0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01,
	0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43, 0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99,
	0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9, 0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b,
	0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
};
/* RFC 5769, section 2.3 */
static const uint8_t rfc5769_v6[] = {
	0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
	0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74,
	0x20, 0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02,
	0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
	0xbe, 0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14, 0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6,
	0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75, 0xbf, 0xe3, 0xed, 0x41,
	0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
};

/* We are who the vectors say was seen: 192.0.2.1 port 32853. */
static void stun_as_rfc5769(void)
{
	memcpy(q.nonce, rfc5769_v4 + 8, 12);
	q.local.v4.sin_family = AF_INET;
	q.local.v4.sin_port = htons(32853);
	inet_pton(AF_INET, "192.0.2.1", &q.local.v4.sin_addr);
}

static void stun_request_is_header_cookie_and_id(void **state)
{
	static const uint8_t want[20] = { 0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4,
					  0x42, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5,
					  0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab };

	(void)state;
	assert_int_equal(stun_build(&q, buf, sizeof(buf)), 20);
	assert_memory_equal(buf, want, 20);
}

static void stun_padded_request_is_one_ignorable_attribute(void **state)
{
	(void)state;
	q.size = 1472;
	assert_int_equal(stun_build(&q, buf, sizeof(buf)), 1472);
	assert_int_equal(buf[2] << 8 | buf[3], 1452);
	assert_true(buf[20] & 0x80); /* comprehension-optional */
	assert_int_equal(buf[22] << 8 | buf[23], 1448);
}

static void stun_accepts_the_ipv4_vector(void **state)
{
	(void)state;
	stun_as_rfc5769();
	assert_int_equal(stun_judge(&q, rfc5769_v4, sizeof(rfc5769_v4), &r), DATAGRAM_GOOD);
}

static void stun_accepts_the_ipv6_vector(void **state)
{
	(void)state;
	memcpy(q.nonce, rfc5769_v6 + 8, 12);
	q.family = 6;
	q.local.v6.sin6_port = htons(32853);
	inet_pton(AF_INET6, "2001:db8:1234:5678:11:2233:4455:6677", &q.local.v6.sin6_addr);
	assert_int_equal(stun_judge(&q, rfc5769_v6, sizeof(rfc5769_v6), &r), DATAGRAM_GOOD);
}

static void stun_names_an_address_that_is_not_ours(void **state)
{
	(void)state;
	stun_as_rfc5769();
	q.local.v4.sin_port = htons(32854);
	assert_int_equal(stun_judge(&q, rfc5769_v4, sizeof(rfc5769_v4), &r), DATAGRAM_BAD);
	assert_int_equal(r.failure, PROBE_FAIL_WRONG_ANSWER);
	assert_non_null(strstr(r.reason, "192.0.2.1 port 32853"));
}

static void stun_ignores_another_transaction(void **state)
{
	(void)state;
	stun_as_rfc5769();
	q.nonce[11] ^= 1;
	assert_int_equal(stun_judge(&q, rfc5769_v4, sizeof(rfc5769_v4), &r), DATAGRAM_IGNORE);
}

static void stun_reads_an_error_response(void **state)
{
	/* RFC 8489, section 14.8: class 4, number 20. */
	uint8_t m[20 + 4 + 4 + 8] = { 0x01, 0x11, 0x00, 0x10, 0x21, 0x12, 0xa4, 0x42 };

	(void)state;
	memcpy(m + 8, q.nonce, 12);
	memcpy(m + 20, "\x00\x09\x00\x0b\x00\x00\x04\x14Unknown", 15);
	assert_int_equal(stun_judge(&q, m, sizeof(m), &r), DATAGRAM_BAD);
	assert_int_equal(r.failure, PROBE_FAIL_WRONG_STATUS);
	assert_string_equal(r.reason, "STUN error 420 Unknown");
}

static void stun_survives_every_truncation_and_every_flipped_byte(void **state)
{
	uint8_t m[sizeof(rfc5769_v4)];

	(void)state;
	stun_as_rfc5769();
	for (size_t n = 0; n < sizeof(rfc5769_v4); n++)
		assert_int_not_equal(stun_judge(&q, rfc5769_v4, n, &r), DATAGRAM_GOOD);
	for (size_t i = 0; i < sizeof(m); i++)
		for (unsigned v = 0; v < 256; v++) {
			memcpy(m, rfc5769_v4, sizeof(m));
			m[i] = (uint8_t)v;
			stun_judge(&q, m, sizeof(m), &r);
		}
}

/* -- DNS ------------------------------------------------------------------------ */

static const uint8_t dns_question[] = {
	0xa0, 0xa1, 0x01, 0x00, 0, 1,	0,   0,	  0,   0,   0,	 0, /* id, RD, one question */
	3,    'w',  'w',  'w',	7, 'e', 'x', 'a', 'm', 'p', 'l', 'e',
	3,    'o',  'r',  'g',	0, 0,	1,   0,	  1, /* A, IN */
};
/* Answers compressed to the question's name (RFC 1035, section 4.1.4): a CNAME to
 * itself-like name, then 192.0.2.80. */
static const uint8_t dns_reply[] = {
	0xa0, 0xa1, 0x81, 0x80, 0,   1,	  0,   2, 0,   0,   0,	 0, 3,	 'W',  'w', 'W', 7,
	'e',  'x',  'a',  'm',	'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0,	 1,    0,   1,	 0xc0,
	12,   0,    5,	  0,	1,   0,	  0,   0, 60,  0,   4,	 1, 'a', 0xc0, 16,  1,	 'a',
	0xc0, 16,   0,	  1,	0,   1,	  0,   0, 0,   60,  0,	 4, 192, 0,    2,   80,
};

static void dns_conf(void)
{
	snprintf(conf.dns.name, sizeof(conf.dns.name), "www.example.org");
	conf.dns.type = 1;
}

static void dns_question_is_rfc1035(void **state)
{
	(void)state;
	dns_conf();
	assert_int_equal(dns_build(&q, buf, sizeof(buf)), sizeof(dns_question));
	assert_memory_equal(buf, dns_question, sizeof(dns_question));
}

static void dns_root_and_trailing_dot(void **state)
{
	(void)state;
	snprintf(conf.dns.name, sizeof(conf.dns.name), ".");
	conf.dns.type = 2;
	assert_int_equal(dns_build(&q, buf, sizeof(buf)), 12 + 1 + 4);
	snprintf(conf.dns.name, sizeof(conf.dns.name), "a.");
	assert_int_equal(dns_build(&q, buf, sizeof(buf)), 12 + 3 + 4);
}

static void dns_padded_question_has_the_size_asked_for(void **state)
{
	/* OPT (RFC 6891, section 6.1.2) with option 12 (RFC 7830). */
	static const uint8_t opt[] = { 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0 };

	(void)state;
	dns_conf();
	q.size = 1472;
	assert_int_equal(dns_build(&q, buf, sizeof(buf)), 1472);
	assert_int_equal(buf[11], 1);
	assert_memory_equal(buf + sizeof(dns_question), opt, sizeof(opt));
	assert_int_equal(buf[sizeof(dns_question) + 9] << 8 | buf[sizeof(dns_question) + 10],
			 1472 - sizeof(dns_question) - 11);
	assert_int_equal(buf[sizeof(dns_question) + 12], 12);
}

static void dns_accepts_an_answer_in_any_case(void **state)
{
	(void)state;
	dns_conf();
	assert_int_equal(dns_judge(&q, dns_reply, sizeof(dns_reply), &r), DATAGRAM_GOOD);
	assert_string_equal(r.reason, "NOERROR, 1 answers");
	assert_int_equal(weir_addr_parse("192.0.2.80", &conf.dns.expect), 0);
	assert_int_equal(dns_judge(&q, dns_reply, sizeof(dns_reply), &r), DATAGRAM_GOOD);
}

static void dns_names_a_missing_address(void **state)
{
	(void)state;
	dns_conf();
	assert_int_equal(weir_addr_parse("192.0.2.81", &conf.dns.expect), 0);
	assert_int_equal(dns_judge(&q, dns_reply, sizeof(dns_reply), &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, "192.0.2.81 is not among the 1 answers for www.example.org");
}

static void dns_says_when_the_answer_was_too_long(void **state)
{
	static const char words[] =
		"the answer for www.example.org is truncated: it is too long for UDP";
	uint8_t m[sizeof(dns_question)];

	(void)state;
	dns_conf();
	memcpy(m, dns_question, sizeof(m));
	m[2] = 0x83; /* an answer, TC */
	m[3] = 0x80;
	assert_int_equal(dns_judge(&q, m, sizeof(m), &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, words);
	assert_int_equal(weir_addr_parse("192.0.2.81", &conf.dns.expect), 0);
	assert_int_equal(dns_judge(&q, m, sizeof(m), &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, words);
}

static void dns_tells_codes_apart(void **state)
{
	uint8_t m[sizeof(dns_question)];

	(void)state;
	dns_conf();
	memcpy(m, dns_question, sizeof(m));
	m[2] = 0x81;
	m[3] = 0x83; /* NXDOMAIN */
	assert_int_equal(dns_judge(&q, m, sizeof(m), &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, "answered NXDOMAIN, wanted NOERROR");
	conf.dns.rcode = 3;
	assert_int_equal(dns_judge(&q, m, sizeof(m), &r), DATAGRAM_GOOD);
	m[3] = 0x80;
	assert_int_equal(dns_judge(&q, m, sizeof(m), &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, "answered NOERROR, wanted NXDOMAIN");
	conf.dns.rcode = 0;
	assert_int_equal(dns_judge(&q, m, sizeof(m), &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, "no record of the type asked for at www.example.org");
	conf.dns.any_answer = true;
	assert_int_equal(dns_judge(&q, m, sizeof(m), &r), DATAGRAM_GOOD);
}

static void dns_ignores_queries_and_other_ids(void **state)
{
	(void)state;
	dns_conf();
	assert_int_equal(dns_judge(&q, dns_question, sizeof(dns_question), &r), DATAGRAM_IGNORE);
	q.nonce[1] ^= 1;
	assert_int_equal(dns_judge(&q, dns_reply, sizeof(dns_reply), &r), DATAGRAM_IGNORE);
}

static void dns_survives_every_truncation_and_every_flipped_byte(void **state)
{
	uint8_t m[sizeof(dns_reply)];

	(void)state;
	dns_conf();
	for (size_t n = 0; n < sizeof(dns_reply); n++)
		assert_int_not_equal(dns_judge(&q, dns_reply, n, &r), DATAGRAM_GOOD);
	for (size_t i = 0; i < sizeof(m); i++)
		for (unsigned v = 0; v < 256; v++) {
			memcpy(m, dns_reply, sizeof(m));
			m[i] = (uint8_t)v;
			dns_judge(&q, m, sizeof(m), &r);
		}
}

static void dns_types_have_names_and_numbers(void **state)
{
	(void)state;
	assert_int_equal(dns_type_parse("aaaa"), 28);
	assert_int_equal(dns_type_parse("SOA"), 6);
	assert_int_equal(dns_type_parse("65535"), 65535);
	assert_int_equal(dns_type_parse("65536"), 0);
	assert_int_equal(dns_type_parse("A1"), 0);
	assert_int_equal(dns_type_parse(""), 0);
}

/* -- QUIC ----------------------------------------------------------------------- */

static size_t quic_vn(uint8_t *m, const uint8_t *versions, size_t len)
{
	/* RFC 9000, section 17.2.1: ids come back exchanged. */
	m[0] = 0x80 | 0x2a; /* the other bits are arbitrary */
	memset(m + 1, 0, 4);
	m[5] = 8;
	memcpy(m + 6, q.nonce + 8, 8);
	m[14] = 8;
	memcpy(m + 15, q.nonce, 8);
	memcpy(m + 23, versions, len);
	return 23 + len;
}

static void quic_asks_in_a_reserved_version_with_1200_bytes(void **state)
{
	(void)state;
	assert_int_equal(quic_build(&q, buf, sizeof(buf)), 1200);
	assert_int_equal(buf[0] & 0xc0, 0xc0); /* long header, fixed bit */
	for (int i = 1; i < 5; i++)	       /* RFC 9000, section 15 */
		assert_int_equal(buf[i] & 0x0f, 0x0a);
	assert_int_equal(buf[5], 8); /* RFC 9000, section 7.2: at least 8 */
	assert_memory_equal(buf + 6, q.nonce, 8);
	assert_int_equal(buf[14], 8);
	assert_memory_equal(buf + 15, q.nonce + 8, 8);
	q.size = 1472;
	assert_int_equal(quic_build(&q, buf, sizeof(buf)), 1472);
}

static void quic_accepts_a_list_that_has_the_version(void **state)
{
	static const uint8_t versions[] = { 0x6b, 0x33, 0x43, 0xcf, 0,	  0,
					    0,	  1,	0xfa, 0xfa, 0xfa, 0xfa };
	size_t n = quic_vn(buf, versions, sizeof(versions));

	(void)state;
	assert_int_equal(quic_judge(&q, buf, n, &r), DATAGRAM_GOOD);
	assert_string_equal(r.reason, "3 versions offered");
	conf.quic.version = 1;
	assert_int_equal(quic_judge(&q, buf, n, &r), DATAGRAM_GOOD);
	conf.quic.version = 2;
	assert_int_equal(quic_judge(&q, buf, n, &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, "QUIC version 0x00000002 is not among the 3 offered");
}

static void quic_wants_its_own_ids_back_exchanged(void **state)
{
	static const uint8_t versions[] = { 0, 0, 0, 1 };
	size_t n = quic_vn(buf, versions, sizeof(versions));

	(void)state;
	memcpy(buf + 6, q.nonce, 8); /* not exchanged: a mirror, not a server */
	memcpy(buf + 15, q.nonce + 8, 8);
	assert_int_equal(quic_judge(&q, buf, n, &r), DATAGRAM_IGNORE);
	n = quic_vn(buf, versions, sizeof(versions));
	buf[5] = 7;
	assert_int_equal(quic_judge(&q, buf, n, &r), DATAGRAM_BAD);
}

static void quic_refuses_what_is_no_version_negotiation(void **state)
{
	static const uint8_t versions[] = { 0, 0, 0, 1 };
	size_t n = quic_vn(buf, versions, sizeof(versions));

	(void)state;
	for (size_t len = 0; len < n; len++)
		assert_int_equal(quic_judge(&q, buf, len, &r), DATAGRAM_BAD);
	buf[4] = 1; /* a version: any other long header */
	assert_int_equal(quic_judge(&q, buf, n, &r), DATAGRAM_BAD);
	assert_int_equal(r.failure, PROBE_FAIL_WRONG_PROTOCOL);
}

/* -- echo and udp ---------------------------------------------------------------- */

static void echo_is_answered_by_the_same_bytes(void **state)
{
	size_t n;

	(void)state;
	q.size = 1480; /* 1500 bytes of IPv4 */
	n = echo_build(&q, buf, sizeof(buf));
	assert_int_equal(n, 1480);
	assert_int_equal(buf[0], 8);
	assert_int_equal(echo_judge(&q, buf, n, &r), DATAGRAM_IGNORE); /* a request */
	buf[0] = 0;
	assert_int_equal(echo_judge(&q, buf, n, &r), DATAGRAM_GOOD);
	assert_int_equal(echo_judge(&q, buf, n - 1, &r), DATAGRAM_BAD);
	q.family = 6;
	q.size = 0;
	echo_build(&q, buf, sizeof(buf));
	assert_int_equal(buf[0], 128);
	buf[0] = 129;
	assert_int_equal(echo_judge(&q, buf, 24, &r), DATAGRAM_GOOD);
	q.nonce[15] ^= 1;
	assert_int_equal(echo_judge(&q, buf, 24, &r), DATAGRAM_IGNORE);
}

static void udp_compares_the_start_of_the_reply(void **state)
{
	(void)state;
	memcpy(conf.udp.expect.data, "PONG", 4);
	conf.udp.expect.len = 4;
	assert_int_equal(udp_judge(&q, (const uint8_t *)"PONG 7", 6, &r), DATAGRAM_GOOD);
	assert_int_equal(udp_judge(&q, (const uint8_t *)"PO", 2, &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, "half an answer: 2 of 4 bytes");
	assert_int_equal(udp_judge(&q, (const uint8_t *)"PANG", 4, &r), DATAGRAM_BAD);
	assert_string_equal(r.reason, "wrong answer: \"PANG\", wanted \"PONG\"");
	conf.udp.expect.len = 0;
	assert_int_equal(udp_judge(&q, (const uint8_t *)"", 0, &r), DATAGRAM_GOOD);
}

/* -- small parsers ---------------------------------------------------------------- */

static void status_lists_are_read_and_written(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(http_status_parse("200-299, 301,404", &conf.http), 0);
	assert_string_equal(http_status_text(&conf.http, text, sizeof(text)), "200-299,301,404");
	assert_true(http_status_wanted(&conf.http, 204));
	assert_true(http_status_wanted(&conf.http, 301));
	assert_false(http_status_wanted(&conf.http, 302));
	memset(&conf, 0, sizeof(conf));
	assert_true(http_status_wanted(&conf.http, 299));
	assert_false(http_status_wanted(&conf.http, 300));
}

static void wrong_status_lists_change_nothing(void **state)
{
	static const char *const wrong[] = {
		"",	"20",	"99",	"600",	   "2xx",     "299-200",
		"200-", "200,", "-200", "200 300", "200;300", "200,201,202,203,204,205,206,207,208"
	};

	(void)state;
	assert_int_equal(http_status_parse("204", &conf.http), 0);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(http_status_parse(wrong[i], &conf.http), -EINVAL);
	assert_true(http_status_wanted(&conf.http, 204));
	assert_false(http_status_wanted(&conf.http, 200));
}

static void a_status_that_never_comes_is_refused(void **state)
{
	static const char *const never[] = { "100", "102", "103-199", "200,100", "100-100" };

	(void)state;
	assert_int_equal(http_status_parse("204", &conf.http), 0);
	for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_int_equal(http_status_parse(never[i], &conf.http), -ERANGE);
	assert_true(http_status_wanted(&conf.http, 204));
	assert_int_equal(http_status_parse("100-101,102-200", &conf.http), 0);
}

static void commands_are_split_without_a_shell(void **state)
{
	char words[64], *argv[EXEC_WORDS_MAX];

	(void)state;
	assert_int_equal(exec_split("/bin/a  \"two words\" $HOME;\t\"\" x\"y z\"", words,
				    sizeof(words), argv),
			 5);
	assert_string_equal(argv[0], "/bin/a");
	assert_string_equal(argv[1], "two words");
	assert_string_equal(argv[2], "$HOME;");
	assert_string_equal(argv[3], "");
	assert_string_equal(argv[4], "xy z");
	assert_null(argv[5]);
	assert_int_equal(exec_split("", words, sizeof(words), argv), -EINVAL);
	assert_int_equal(exec_split("  ", words, sizeof(words), argv), -EINVAL);
	assert_int_equal(exec_split("a \"b", words, sizeof(words), argv), -EINVAL);
	assert_int_equal(exec_split("abc", words, 3, argv), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(stun_request_is_header_cookie_and_id, setup),
		cmocka_unit_test_setup(stun_padded_request_is_one_ignorable_attribute, setup),
		cmocka_unit_test_setup(stun_accepts_the_ipv4_vector, setup),
		cmocka_unit_test_setup(stun_accepts_the_ipv6_vector, setup),
		cmocka_unit_test_setup(stun_names_an_address_that_is_not_ours, setup),
		cmocka_unit_test_setup(stun_ignores_another_transaction, setup),
		cmocka_unit_test_setup(stun_reads_an_error_response, setup),
		cmocka_unit_test_setup(stun_survives_every_truncation_and_every_flipped_byte,
				       setup),
		cmocka_unit_test_setup(dns_question_is_rfc1035, setup),
		cmocka_unit_test_setup(dns_root_and_trailing_dot, setup),
		cmocka_unit_test_setup(dns_padded_question_has_the_size_asked_for, setup),
		cmocka_unit_test_setup(dns_accepts_an_answer_in_any_case, setup),
		cmocka_unit_test_setup(dns_names_a_missing_address, setup),
		cmocka_unit_test_setup(dns_says_when_the_answer_was_too_long, setup),
		cmocka_unit_test_setup(dns_tells_codes_apart, setup),
		cmocka_unit_test_setup(dns_ignores_queries_and_other_ids, setup),
		cmocka_unit_test_setup(dns_survives_every_truncation_and_every_flipped_byte, setup),
		cmocka_unit_test_setup(dns_types_have_names_and_numbers, setup),
		cmocka_unit_test_setup(quic_asks_in_a_reserved_version_with_1200_bytes, setup),
		cmocka_unit_test_setup(quic_accepts_a_list_that_has_the_version, setup),
		cmocka_unit_test_setup(quic_wants_its_own_ids_back_exchanged, setup),
		cmocka_unit_test_setup(quic_refuses_what_is_no_version_negotiation, setup),
		cmocka_unit_test_setup(echo_is_answered_by_the_same_bytes, setup),
		cmocka_unit_test_setup(udp_compares_the_start_of_the_reply, setup),
		cmocka_unit_test_setup(status_lists_are_read_and_written, setup),
		cmocka_unit_test_setup(wrong_status_lists_change_nothing, setup),
		cmocka_unit_test_setup(a_status_that_never_comes_is_refused, setup),
		cmocka_unit_test_setup(commands_are_split_without_a_shell, setup),
	};

	return cmocka_run_group_tests_name("probe_wire", tests, NULL, NULL);
}
