// SPDX-License-Identifier: Apache-2.0
/*
 * http, https and tls against servers on 127.0.0.1: certificates, statuses, bodies, and
 * each way in which an answer can stay out or break off.
 */
#include "http_status.h"
#include "probe_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* -- http ----------------------------------------------------------------------------- */

#define HEAD "HTTP/1.1 200 OK\r\n"

static void http_conf(void)
{
	conf.kind = PROBE_HTTP;
	snprintf(conf.http.path, sizeof(conf.http.path), "/health?x=1");
}

static void http_asks_as_configured(void **state)
{
	static const char want[] = "GET /health?x=1 HTTP/1.1\r\n"
				   "Host: www.test\r\n"
				   "User-Agent: weir/" WEIR_VERSION "\r\n"
				   "Accept: */*\r\n"
				   "X-One: 1\r\n"
				   "X-Two: 2\r\n\r\n";
	struct server *s = server_start(
		&(struct server_script){ .until = "\r\n\r\n",
					 .answer = HEAD "Content-Length: 2\r\n\r\nok" },
		&target.port);
	const uint8_t *got;
	size_t len;

	(void)state;
	http_conf();
	snprintf(conf.http.host, sizeof(conf.http.host), "www.test");
	snprintf(conf.http.header[0], sizeof(conf.http.header[0]), "X-One: 1");
	snprintf(conf.http.header[3], sizeof(conf.http.header[3]), "X-Two: 2");
	set(&conf.http.body, "ok");
	run();
	expect_ok("status 200");
	got = server_got(s, &len);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(got, want, len);
	server_stop(s);
}

static void http_reads_a_body_without_length(void **state)
{
	(void)state;
	http_conf();
	set(&conf.http.body, "alive");
	run_against(&(struct server_script){
		.until = "\r\n\r\n", .answer = HEAD "Connection: close\r\n\r\nI am alive" });
	expect_ok("status 200");
}

static void http_does_not_read_an_endless_body(void **state)
{
	size_t len = 200000;
	char *answer = malloc(len);
	int n = sprintf(answer, HEAD "Content-Length: 99999999\r\n\r\nalive");

	(void)state;
	memset(answer + n, 'x', len - (size_t)n);
	http_conf();
	set(&conf.http.body, "alive");
	run_against(&(struct server_script){
		.until = "\r\n\r\n", .answer = answer, .answer_len = len, .end = SERVER_HANG });
	expect_ok("status 200");
	free(answer);
}

static void http_wants_another_status(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){
		.until = "\r\n\r\n",
		.answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n" });
	expect_fail(PROBE_FAIL_WRONG_STATUS, "status 503, wanted 200-299");
}

static void http_does_not_follow_a_redirect(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){
		.until = "\r\n\r\n",
		.answer = "HTTP/1.1 301 Moved\r\nLocation: http://192.0.2.1/\r\n"
			  "Content-Length: 0\r\n\r\n" });
	expect_fail(PROBE_FAIL_WRONG_STATUS, "status 301, wanted 200-299");
}

static void http_can_want_another_protocol(void **state)
{
	const struct server_script websocket = { .until = "\r\n\r\n",
						 .answer = "HTTP/1.1 101 Switching Protocols\r\n"
							   "Upgrade: websocket\r\n\r\n",
						 .end = SERVER_HANG };

	(void)state;
	http_conf();
	run_against(&websocket);
	expect_fail(PROBE_FAIL_WRONG_STATUS, "status 101, wanted 200-299");
	assert_int_equal(http_status_parse("101", &conf.http), 0);
	run_against(&websocket);
	expect_ok("status 101");
}

static void http_misses_its_text(void **state)
{
	(void)state;
	http_conf();
	set(&conf.http.body, "alive");
	run_against(&(struct server_script){ .until = "\r\n\r\n",
					     .answer = HEAD "Content-Length: 4\r\n\r\ndead" });
	expect_fail(PROBE_FAIL_WRONG_ANSWER, "status 200, but the body does not contain \"alive\"");
}

static void http_hears_nothing(void **state)
{
	(void)state;
	http_conf();
	conf.answer_timeout_ms = HANG_MS;
	run_against(&(struct server_script){ .until = "\r\n\r\n", .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_NO_ANSWER, "connected, but no answer in 150 ms");
}

static void http_gets_half_a_body_and_the_end(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){
		.until = "\r\n\r\n", .answer = HEAD "Content-Length: 40\r\n\r\n012345678901" });
	expect_fail(PROBE_FAIL_HALF_ANSWER, "half an answer: 12 of 40 bytes, then closed");
}

static void http_gets_half_a_body_and_silence(void **state)
{
	(void)state;
	http_conf();
	conf.answer_timeout_ms = HANG_MS;
	run_against(
		&(struct server_script){ .until = "\r\n\r\n",
					 .answer = HEAD "Content-Length: 40\r\n\r\n012345678901",
					 .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_HALF_ANSWER, "half an answer: 12 of 40 bytes in 150 ms");
}

static void http_gets_half_a_chunked_body(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){ .until = "\r\n\r\n",
					     .answer = HEAD
					     "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n" });
	expect_fail(PROBE_FAIL_HALF_ANSWER,
		    "half an answer: 4 bytes, and the end is missing, then closed");
}

static void http_gets_a_chunk_that_is_none(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){
		.until = "\r\n\r\n",
		.answer = HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n",
		.end = SERVER_HANG });
	expect_fail(PROBE_FAIL_WRONG_PROTOCOL,
		    "the server's answer is not HTTP: Illegal or missing hexadecimal sequence in "
		    "chunked-encoding");
}

static void http_gets_a_header_that_is_too_long(void **state)
{
	static char answer[130000] = HEAD "X: ";

	(void)state;
	http_conf();
	memset(answer + strlen(answer), 'x', sizeof(answer) - strlen(answer) - 1);
	run_against(&(struct server_script){ .until = "\r\n\r\n", .answer = answer });
	expect_fail(PROBE_FAIL_WRONG_PROTOCOL,
		    "a header of the answer is longer than 102400 bytes");
}

static void http_gets_half_a_head(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){ .until = "\r\n\r\n", .answer = HEAD "Content-Le" });
	assert_int_equal(result.failure, PROBE_FAIL_HALF_ANSWER);
	assert_memory_equal(result.reason, "half an answer: ", 16);
}

static void http_is_closed_without_an_answer(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){ .until = "\r\n\r\n" });
	expect_fail(PROBE_FAIL_CLOSED, "connected, but closed without an answer");
}

static void http_is_reset(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){ .until = "\r\n\r\n", .end = SERVER_RESET });
	expect_fail(PROBE_FAIL_RESET, "reset while reading");
}

static void http_meets_something_else(void **state)
{
	(void)state;
	http_conf();
	run_against(&(struct server_script){ .answer = "SSH-2.0-OpenSSH_9.2\r\n" });
	expect_fail(PROBE_FAIL_WRONG_PROTOCOL, "the server's answer is not HTTP");
}

static void http_2_is_not_http_1(void **state)
{
	(void)state;
	http_conf();
	conf.http.version = PROBE_HTTP_2;
	run_against(&(struct server_script){ .until = "PRI * HTTP/2.0",
					     .answer = "HTTP/1.1 400 Bad Request\r\n\r\n",
					     .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_WRONG_PROTOCOL, "the server's answer is not HTTP/2");
}

static void http_is_refused(void **state)
{
	int fd = closed_port(&target.port);

	(void)state;
	http_conf();
	run();
	expect_fail(PROBE_FAIL_REFUSED, "connection refused");
	close(fd);
}

static void http_sends_a_proxy_header_first(void **state)
{
	(void)state;
	http_conf();
	for (target.proxy = PROBE_PROXY_V1; target.proxy <= PROBE_PROXY_V2; target.proxy++) {
		struct server *s =
			server_start(&(struct server_script){ .until = "\r\n\r\nX", .answer = "" },
				     &target.port);
		size_t len;

		server_stop(s);
		s = server_start(
			&(struct server_script){ .until = "User-Agent",
						 .answer = HEAD "Content-Length: 0\r\n\r\n" },
			&target.port);
		run();
		expect_ok("status 200");
		if (target.proxy == PROBE_PROXY_V1)
			assert_memory_equal(server_got(s, &len), "PROXY TCP4 ", 11);
		else
			assert_memory_equal(server_got(s, &len) + 28, "GET /", 5);
		server_stop(s);
	}
}

static void http_padded_request_fills_a_packet(void **state)
{
	struct server *s =
		server_start(&(struct server_script){ .until = "\r\n\r\n",
						      .answer = HEAD "Content-Length: 0\r\n\r\n" },
			     &target.port);
	size_t len;

	(void)state;
	http_conf();
	conf.padded_mtu = 1500;
	run();
	expect_ok("status 200");
	assert_int_equal(result.packet_bytes, 1500);
	server_got(s, &len);
	assert_true(len > 1500);
	server_stop(s);
}

/* -- https ----------------------------------------------------------------------------- */

static void https_conf(const char *name)
{
	http_conf();
	conf.http.https = true;
	conf.http.tls.verify = true;
	snprintf(conf.http.tls.ca_file, sizeof(conf.http.tls.ca_file), "%s", ca.file);
	snprintf(conf.http.host, sizeof(conf.http.host), "%s", name);
}

static const struct server_script ok_https = { .until = "\r\n\r\n",
					       .answer = HEAD "Content-Length: 0\r\n\r\n" };

static void run_https(int from, int to)
{
	struct server_script script = ok_https;

	script.tls = authority_server(&ca, "good.test", from, to, NULL);
	run_against(&script);
}

static void https_verifies_and_counts_days(void **state)
{
	(void)state;
	https_conf("good.test");
	run_https(-1, 57);
	expect_ok("status 200");
	assert_int_equal(result.cert_days, 57);
	assert_true(result.step_us[PROBE_STEP_TLS] > result.step_us[PROBE_STEP_CONNECTED]);
}

static void https_finds_a_wrong_name(void **state)
{
	(void)state;
	https_conf("other.test");
	run_https(-1, 57);
	expect_fail(PROBE_FAIL_CERTIFICATE, "certificate is for good.test, not for other.test");
	assert_int_equal(result.cert_days, 57);
}

static void https_finds_an_expired_certificate(void **state)
{
	(void)state;
	https_conf("good.test");
	run_https(-10, -3);
	expect_fail(PROBE_FAIL_CERTIFICATE, "certificate expired 3 days ago");
}

static void https_without_verification_still_counts_days(void **state)
{
	(void)state;
	https_conf("other.test");
	conf.http.tls.verify = false;
	run_https(-10, -3);
	expect_ok("status 200");
	assert_int_equal(result.cert_days, -4); /* 3 days and an hour: rounded down */
}

static void https_meets_plain_http(void **state)
{
	(void)state;
	https_conf("good.test");
	run_against(&(struct server_script){ .answer = "HTTP/1.1 400 Bad Request\r\n\r\n" });
	expect_fail(PROBE_FAIL_WRONG_PROTOCOL, "the server's answer is not TLS");
}

static void https_handshake_hangs(void **state)
{
	(void)state;
	https_conf("good.test");
	conf.answer_timeout_ms = HANG_MS;
	run_against(&(struct server_script){ .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_NO_ANSWER, "connected, but no TLS handshake in 150 ms");
}

static void https_handshake_is_reset_or_closed(void **state)
{
	(void)state;
	https_conf("good.test");
	run_against(&(struct server_script){ .until = "good.test", .end = SERVER_RESET });
	expect_fail(PROBE_FAIL_RESET, "reset while doing the TLS handshake");
	run_against(&(struct server_script){ .until = "good.test", .end = SERVER_CLOSE });
	expect_fail(PROBE_FAIL_CLOSED, "connected, but closed during the TLS handshake");
}

static void https_is_cut_off(void **state)
{
	static const char *const answers[] = { NULL,
					       HEAD "Content-Length: 40\r\n\r\n012345678901" };
	static const char *const reasons[] = { "connected, but closed without an answer",
					       "half an answer: 12 of 40 bytes, then closed" };

	(void)state;
	https_conf("good.test");
	for (unsigned i = 0; i < 2; i++) {
		run_against(&(struct server_script){
			.tls = authority_server(&ca, "good.test", -1, 57, NULL),
			.until = "\r\n\r\n",
			.answer = answers[i],
			.end = SERVER_CUT });
		assert_string_equal(result.reason, reasons[i]);
	}
}

static void https_server_wants_a_certificate_of_ours(void **state)
{
	SSL_CTX *tls = authority_server(&ca, "good.test", -1, 57, NULL);

	(void)state;
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	https_conf("good.test");
	run_against(&(struct server_script){ .tls = tls });
	expect_fail(PROBE_FAIL_TLS_FAILED,
		    "the server refused the TLS handshake: certificate required");
}

/* -- tls -------------------------------------------------------------------------------- */

static void tls_conf(const char *name)
{
	conf.kind = PROBE_TLS;
	conf.tls.verify = true;
	snprintf(conf.tls.ca_file, sizeof(conf.tls.ca_file), "%s", ca.file);
	snprintf(conf.tls.server_name, sizeof(conf.tls.server_name), "%s", name);
}

static void run_tls(const char *name, int from, int to, const char *alpn)
{
	run_against(&(struct server_script){ .tls = authority_server(&ca, name, from, to, alpn),
					     .end = SERVER_HANG });
}

static void tls_verifies_and_counts_days(void **state)
{
	(void)state;
	tls_conf("good.test");
	run_tls("good.test", -1, 57, NULL);
	expect_ok("TLSv1.3, certificate good for 57 days");
	assert_int_equal(result.cert_days, 57);
}

static void tls_padded_hello_fills_a_packet(void **state)
{
	(void)state;
	tls_conf("good.test");
	conf.padded_mtu = 1500;
	run_tls("good.test", -1, 57, NULL);
	expect_ok("TLSv1.3, certificate good for 57 days");
	assert_int_equal(result.packet_bytes, 1500);
}

static void tls_finds_a_wrong_name(void **state)
{
	(void)state;
	tls_conf("other.test");
	run_tls("good.test", -1, 57, NULL);
	expect_fail(PROBE_FAIL_CERTIFICATE, "certificate is for good.test, not for other.test");
}

static void tls_accepts_a_wildcard(void **state)
{
	(void)state;
	tls_conf("a.test");
	run_tls("*.test", -1, 57, NULL);
	assert_int_equal(result.failure, PROBE_FAIL_CERTIFICATE); /* of a whole domain: not */
	tls_conf("a.good.test");
	run_tls("*.good.test", -1, 57, NULL);
	assert_true(result.ok);
}

static void tls_finds_dates_that_are_over_or_not_yet(void **state)
{
	(void)state;
	tls_conf("good.test");
	run_tls("good.test", -10, -1, NULL);
	expect_fail(PROBE_FAIL_CERTIFICATE, "certificate expired 1 day ago");
	run_tls("good.test", 3, 10, NULL);
	expect_fail(PROBE_FAIL_CERTIFICATE, "certificate is not valid yet: it will be in 2 days");
}

static void tls_finds_an_authority_it_does_not_trust(void **state)
{
	struct authority other;

	(void)state;
	authority_make(&other);
	tls_conf("good.test");
	run_against(&(struct server_script){
		.tls = authority_server(&other, "good.test", -1, 57, NULL), .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_CERTIFICATE, "certificate is from an authority that is not trusted");
	conf.tls.verify = false;
	run_against(&(struct server_script){
		.tls = authority_server(&other, "good.test", -1, 57, NULL), .end = SERVER_HANG });
	expect_ok("TLSv1.3 handshake");
	authority_free(&other);
}

static void tls_negotiates_alpn(void **state)
{
	(void)state;
	tls_conf("good.test");
	snprintf(conf.tls.alpn, sizeof(conf.tls.alpn), "h2,http/1.1");
	run_tls("good.test", -1, 57, "http/1.1");
	assert_true(result.ok);
	run_tls("good.test", -1, 57, "imap");
	expect_fail(PROBE_FAIL_WRONG_PROTOCOL,
		    "the server chose no ALPN protocol, offered was h2,http/1.1");
}

static void tls_reads_the_server_s_alert(void **state)
{
	SSL_CTX *old = authority_server(&ca, "good.test", -1, 57, NULL);

	(void)state;
	/* A server that wants a certificate from us says so by an alert in TLS 1.2. */
	SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION);
	SSL_CTX_set_verify(old, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	tls_conf("good.test");
	run_against(&(struct server_script){ .tls = old });
	expect_fail(PROBE_FAIL_TLS_FAILED,
		    "the server refused the TLS handshake: handshake failure");
}

static void tls_meets_something_else(void **state)
{
	(void)state;
	tls_conf("good.test");
	run_against(&(struct server_script){ .answer = "220 mail.test ESMTP\r\n" });
	expect_fail(PROBE_FAIL_WRONG_PROTOCOL, "the server's answer is not TLS");
}

static void tls_hangs_is_reset_or_closed(void **state)
{
	(void)state;
	tls_conf("good.test");
	run_against(&(struct server_script){ .until = "good.test", .end = SERVER_RESET });
	expect_fail(PROBE_FAIL_RESET, "reset while doing the TLS handshake");
	run_against(&(struct server_script){ .until = "good.test" });
	expect_fail(PROBE_FAIL_CLOSED, "connected, but closed during the TLS handshake");
	conf.answer_timeout_ms = HANG_MS;
	run_against(&(struct server_script){ .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_NO_ANSWER, "connected, but no TLS handshake in 150 ms");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROBE_TEST(http_asks_as_configured),
		PROBE_TEST(http_reads_a_body_without_length),
		PROBE_TEST(http_does_not_read_an_endless_body),
		PROBE_TEST(http_wants_another_status),
		PROBE_TEST(http_does_not_follow_a_redirect),
		PROBE_TEST(http_can_want_another_protocol),
		PROBE_TEST(http_misses_its_text),
		PROBE_TEST(http_hears_nothing),
		PROBE_TEST(http_gets_half_a_body_and_the_end),
		PROBE_TEST(http_gets_half_a_body_and_silence),
		PROBE_TEST(http_gets_half_a_chunked_body),
		PROBE_TEST(http_gets_a_chunk_that_is_none),
		PROBE_TEST(http_gets_a_header_that_is_too_long),
		PROBE_TEST(http_gets_half_a_head),
		PROBE_TEST(http_is_closed_without_an_answer),
		PROBE_TEST(http_is_reset),
		PROBE_TEST(http_meets_something_else),
		PROBE_TEST(http_2_is_not_http_1),
		PROBE_TEST(http_is_refused),
		PROBE_TEST(http_sends_a_proxy_header_first),
		PROBE_TEST(http_padded_request_fills_a_packet),
		PROBE_TEST(https_verifies_and_counts_days),
		PROBE_TEST(https_finds_a_wrong_name),
		PROBE_TEST(https_finds_an_expired_certificate),
		PROBE_TEST(https_without_verification_still_counts_days),
		PROBE_TEST(https_meets_plain_http),
		PROBE_TEST(https_handshake_hangs),
		PROBE_TEST(https_handshake_is_reset_or_closed),
		PROBE_TEST(https_is_cut_off),
		PROBE_TEST(https_server_wants_a_certificate_of_ours),
		PROBE_TEST(tls_verifies_and_counts_days),
		PROBE_TEST(tls_padded_hello_fills_a_packet),
		PROBE_TEST(tls_finds_a_wrong_name),
		PROBE_TEST(tls_accepts_a_wildcard),
		PROBE_TEST(tls_finds_dates_that_are_over_or_not_yet),
		PROBE_TEST(tls_finds_an_authority_it_does_not_trust),
		PROBE_TEST(tls_negotiates_alpn),
		PROBE_TEST(tls_reads_the_server_s_alert),
		PROBE_TEST(tls_meets_something_else),
		PROBE_TEST(tls_hangs_is_reset_or_closed),
	};

	return cmocka_run_group_tests_name("probe_http", tests, fixture_group_setup,
					   fixture_group_teardown);
}
