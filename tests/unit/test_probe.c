// SPDX-License-Identifier: Apache-2.0
/*
 * Probes over TCP, agents and programs, against servers on 127.0.0.1 that answer or
 * fail in one of the ways servers fail: for each the reason must be the true one. And
 * what is common to all kinds: many at once, cancelling, a late loop.
 */
#include "probe_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* -- tcp ---------------------------------------------------------------------------- */

static void tcp_connects(void **state)
{
	(void)state;
	run_against(&(struct server_script){ .end = SERVER_HANG });
	expect_ok("connected");
	assert_true(result.step_us[PROBE_STEP_CONNECTED] > 0);
	assert_true(result.step_us[PROBE_STEP_CONNECTED] <= result.latency_us);
	assert_int_equal(result.step_us[PROBE_STEP_FIRST], 0);
	assert_int_equal(result.cert_days, PROBE_NO_CERT);
}

static void tcp_is_refused(void **state)
{
	int fd = closed_port(&target.port);

	(void)state;
	run();
	expect_fail(PROBE_FAIL_REFUSED, "connection refused");
	close(fd);
}

static void tcp_gets_no_connection(void **state)
{
	/* A full accept queue: Linux drops further SYNs, tcp(7). */
	int fd = closed_port(&target.port), full[8];
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(target.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)state;
	assert_int_equal(listen(fd, 0), 0);
	for (unsigned i = 0; i < 8; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(full[i], (struct sockaddr *)&at, sizeof(at));
	}
	conf.connect_timeout_ms = HANG_MS;
	run();
	expect_fail(PROBE_FAIL_NO_CONNECTION, "no answer to the connection attempt in 150 ms");
	assert_true(result.latency_us >= HANG_MS * 1000);
	for (unsigned i = 0; i < 8; i++)
		close(full[i]);
	close(fd);
}

static void tcp_sends_and_gets_what_it_expects(void **state)
{
	(void)state;
	set(&conf.tcp.send, "PING\r\n");
	set(&conf.tcp.expect, "+PONG");
	run_against(&(struct server_script){ .until = "PING\r\n", .answer = "+PONG\r\n" });
	expect_ok("connected, answered as expected");
	assert_true(result.step_us[PROBE_STEP_FIRST] > 0);
}

static void tcp_finds_a_text_anywhere(void **state)
{
	(void)state;
	set(&conf.tcp.expect, "ready");
	conf.tcp.anywhere = true;
	run_against(&(struct server_script){ .answer = "220 mx ready\r\n" });
	expect_ok("connected, answered as expected");
}

static void tcp_shows_a_wrong_answer(void **state)
{
	(void)state;
	set(&conf.tcp.expect, "220 ");
	run_against(&(struct server_script){ .answer = "554 go away\r\n", .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_WRONG_ANSWER,
		    "wrong answer: \"554 go away\\r\\n\", wanted \"220 \"");
}

static void tcp_hears_nothing(void **state)
{
	(void)state;
	set(&conf.tcp.expect, "220 ");
	conf.answer_timeout_ms = HANG_MS;
	run_against(&(struct server_script){ .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_NO_ANSWER, "connected, but no answer in 150 ms");
}

static void tcp_gets_half_an_answer_and_silence(void **state)
{
	(void)state;
	set(&conf.tcp.expect, "0123456789012345678901234567890123456789");
	conf.answer_timeout_ms = HANG_MS;
	run_against(&(struct server_script){ .answer = "012345678901", .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_HALF_ANSWER, "half an answer: 12 of 40 bytes in 150 ms");
}

static void tcp_gets_half_an_answer_and_the_end(void **state)
{
	(void)state;
	set(&conf.tcp.expect, "0123456789012345678901234567890123456789");
	run_against(&(struct server_script){ .answer = "012345678901" });
	expect_fail(PROBE_FAIL_HALF_ANSWER, "half an answer: 12 of 40 bytes, then closed");
}

static void tcp_is_closed_without_an_answer(void **state)
{
	(void)state;
	set(&conf.tcp.expect, "220 ");
	run_against(&(struct server_script){ .end = SERVER_CLOSE });
	expect_fail(PROBE_FAIL_CLOSED, "connected, but closed without an answer");
}

static void tcp_is_reset(void **state)
{
	(void)state;
	set(&conf.tcp.send, "HELLO");
	set(&conf.tcp.expect, "220 ");
	run_against(&(struct server_script){ .until = "HELLO", .end = SERVER_RESET });
	expect_fail(PROBE_FAIL_RESET, "reset while reading");
}

static void tcp_sends_a_proxy_header_first(void **state)
{
	static const struct {
		enum probe_proxy proxy;
		const char *start;
		size_t start_len, len;
	} cases[] = {
		{ PROBE_PROXY_V1, "PROXY TCP4 127.0.0.1 127.0.0.1 ", 31, 0 },
		{ PROBE_PROXY_V2, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01", 24,
		  32 },
	};

	(void)state;
	set(&conf.tcp.send, "HI!\n");
	set(&conf.tcp.expect, "ok");
	for (unsigned i = 0; i < 2; i++) {
		struct server *s = server_start(
			&(struct server_script){ .until = "HI!\n", .answer = "ok" }, &target.port);
		const uint8_t *got;
		size_t len;

		target.proxy = cases[i].proxy;
		run();
		expect_ok("connected, answered as expected");
		got = server_got(s, &len);
		assert_memory_equal(got, cases[i].start, cases[i].start_len);
		if (cases[i].len)
			assert_int_equal(len, cases[i].len);
		server_stop(s);
	}
}

/* Sockets of this host, in any state, that are connected to 127.0.0.1 and this port. */
static unsigned sockets_to(uint16_t port)
{
	char line[256];
	unsigned remote, n = 0;
	FILE *f = fopen("/proc/net/tcp", "r");

	while (fgets(line, sizeof(line), f))
		n += sscanf(line, " %*d: %*x:%*x 0100007F:%x", &remote) == 1 && remote == port;
	fclose(f);
	return n;
}

static void tcp_leaves_no_socket_behind(void **state)
{
	struct server *s =
		server_start(&(struct server_script){ .end = SERVER_HANG }, &target.port);
	struct probe *p;

	(void)state;
	set(&conf.tcp.expect, "x");
	assert_int_equal(probe_start(ctx, &conf, &target, on_done, NULL, &p), 0);
	assert_int_equal(sockets_to(target.port), 1);
	probe_cancel(p);
	assert_int_equal(sockets_to(target.port), 0); /* neither FIN-WAIT nor TIME-WAIT */
	server_stop(s);
}

static void a_host_without_a_route_blames_itself(void **state)
{
	(void)state;
	weir_addr_parse("255.255.255.255", &target.addr); /* connect(2): ENETUNREACH or EACCES */
	target.port = 80;
	run();
	assert_int_equal(result.failure, PROBE_FAIL_LOCAL);
}

static void a_source_that_is_not_ours_blames_the_host(void **state)
{
	(void)state;
	weir_addr_parse("192.0.2.1", &target.source);
	target.port = 80;
	run();
	expect_fail(PROBE_FAIL_LOCAL,
		    "this host cannot use the source address: Cannot assign requested address");
}

static void a_source_that_is_ours_is_used(void **state)
{
	struct server *s = server_start(&(struct server_script){ .until = "HI!\n", .answer = "ok" },
					&target.port);
	size_t len;

	(void)state;
	weir_addr_parse("127.0.0.77", &target.source);
	target.proxy = PROBE_PROXY_V1; /* tells the address */
	set(&conf.tcp.send, "HI!\n");
	set(&conf.tcp.expect, "ok");
	run();
	assert_memory_equal(server_got(s, &len), "PROXY TCP4 127.0.0.77 ", 22);
	server_stop(s);
}

/* -- datagrams, agent, exec ----------------------------------------------------------------- */

static void run_udp(const struct server_script *script)
{
	struct server *s = server_start_udp(script, &target.port);

	run();
	server_stop(s);
}

/* -- probes with a mark: what the program that carries them says --------------------------- */

static enum probe_left said;

static enum probe_left left(void *user, uint32_t mark, uint64_t since_ns)
{
	(void)user;
	assert_int_equal(mark, target.mark);
	assert_true(since_ns > 0 && since_ns <= uv_hrtime());
	return said;
}

static void what_was_not_carried_whole_is_no_word_on_the_server(void **state)
{
	const char *off = "the program that carries probes was off its interface meanwhile: "
			  "another user of tc took it off";
	int fd = closed_port(&target.port);

	(void)state;
	if (geteuid() != 0) {
		close(fd);
		skip(); /* SO_MARK */
	}
	target.mark = 0x57450001;
	probe_ctx_hint(ctx, NULL, left, NULL);
	said = PROBE_LEFT_CARRIED;
	run();
	expect_fail(PROBE_FAIL_REFUSED, "connection refused");
	said = PROBE_LEFT_NOTHING;
	run();
	expect_fail(PROBE_FAIL_LOCAL, "it left this host past the program that carries probes: "
				      "its tc filter is gone, or another's in front of it let the "
				      "packet go");
	said = PROBE_LEFT_UNGUARDED;
	run();
	expect_fail(PROBE_FAIL_LOCAL, off);
	close(fd);
	run_against(&(struct server_script){ .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_LOCAL, off); /* connected, perhaps to another one */
	set(&conf.tcp.expect, "x");
	conf.answer_timeout_ms = HANG_MS;
	run_against(&(struct server_script){ .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_LOCAL, off);
	said = PROBE_LEFT_NOTHING;
	conf.kind = PROBE_UDP;
	set(&conf.udp.send, "PING");
	run_udp(&(struct server_script){ .until = "never", .answer = "PONG" });
	expect_fail(PROBE_FAIL_LOCAL,
		    "nothing left this host: nobody answers for the next hop of its route to "
		    "127.0.0.1, a filter here drops it, or another's tc filter in front of ours "
		    "takes it");
}

static void udp_gets_its_answer_or_not(void **state)
{
	int fd;

	(void)state;
	conf.kind = PROBE_UDP;
	set(&conf.udp.send, "PING");
	set(&conf.udp.expect, "PONG");
	run_udp(&(struct server_script){ .until = "PING", .answer = "PONG" });
	expect_ok("4 bytes of reply");
	conf.answer_timeout_ms = HANG_MS;
	run_udp(&(struct server_script){ .until = "never", .answer = "PONG" });
	expect_fail(PROBE_FAIL_NO_ANSWER, "no answer in 150 ms");
	fd = closed_port(&target.port); /* of TCP; for UDP nobody has it */
	run();
	expect_fail(PROBE_FAIL_REFUSED, "port unreachable, says 127.0.0.1");
	close(fd);
}

static void quic_is_no_mirror(void **state)
{
	(void)state;
	conf.kind = PROBE_QUIC;
	run_udp(&(struct server_script){ .answer = "$MIRROR" });
	expect_fail(PROBE_FAIL_WRONG_PROTOCOL, "the answer is no QUIC version negotiation");
}

static void agent_reads_one_line(void **state)
{
	(void)state;
	conf.kind = PROBE_AGENT;
	set(&conf.agent.send, "who\n");
	run_against(&(struct server_script){
		.until = "who\n", .answer = "75% ready\nmore\n", .end = SERVER_HANG });
	expect_ok("the agent says: 75% ready");
	assert_string_equal(result.text, "75% ready");
	run_against(&(struct server_script){ .until = "who\n", .answer = "down # fire" });
	assert_string_equal(result.text, "down # fire");
	run_against(&(struct server_script){ .until = "who\n" });
	expect_fail(PROBE_FAIL_CLOSED, "connected, but the agent said nothing");
	conf.answer_timeout_ms = HANG_MS;
	run_against(
		&(struct server_script){ .until = "who\n", .answer = "dow", .end = SERVER_HANG });
	expect_fail(PROBE_FAIL_HALF_ANSWER,
		    "half an answer: 3 bytes without an end of line in 150 ms");
}

static void agent_text_is_made_printable(void **state)
{
	(void)state;
	conf.kind = PROBE_AGENT;
	run_against(&(struct server_script){ .answer = "up\x1b[31m\xff\n" });
	assert_string_equal(result.text, "up?[31m?");
}

static void exec_conf(const char *command)
{
	conf.kind = PROBE_EXEC;
	target.port = 8080;
	snprintf(conf.exec.command, sizeof(conf.exec.command), "%s", command);
}

static void exec_tells_code_and_first_line(void **state)
{
	(void)state;
	exec_conf("/bin/sh -c \"echo on $WEIR_ADDRESS:$WEIR_PORT $COLOR; echo more\"");
	snprintf(conf.exec.env[2], sizeof(conf.exec.env[2]), "COLOR=blue");
	run();
	expect_ok("exit code 0: on 127.0.0.1:8080 blue");
	assert_string_equal(result.text, "on 127.0.0.1:8080 blue");
	exec_conf("/bin/sh -c \"echo broken disk >&2; exit 3\"");
	run();
	expect_fail(PROBE_FAIL_EXIT_CODE, "exit code 3: broken disk");
	exec_conf("/bin/sh -c \"kill -SEGV $$\"");
	run();
	expect_fail(PROBE_FAIL_EXIT_CODE, "ended by signal 11 (Segmentation fault)");
	exec_conf("/bin/true");
	run();
	expect_ok("exit code 0");
}

static void exec_kills_the_whole_group_in_time(void **state)
{
	char killed[64];
	pid_t child;

	(void)state;
	/* The child that it leaves behind holds its output open and would live long. */
	exec_conf("/bin/sh -c \"tail -f /dev/null & echo $!; wait\"");
	conf.answer_timeout_ms = HANG_MS;
	run();
	child = atoi(result.text);
	assert_true(child > 1);
	snprintf(killed, sizeof(killed), "still running after 150 ms, killed: %d", child);
	expect_fail(PROBE_FAIL_NO_ANSWER, killed);
	/* Killed, and reaped by init, whom we cannot wait for: it is a zombie at most. */
	for (;;) {
		char path[32], stat[256];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", child);
		f = fopen(path, "r");
		if (f == NULL)
			break;
		if (fgets(stat, sizeof(stat), f) == NULL || strstr(stat, ") Z ")) {
			fclose(f);
			break;
		}
		fclose(f);
		sched_yield();
	}
}

static void exec_output_without_end_does_not_stop_the_loop(void **state)
{
	(void)state;
	exec_conf("/usr/bin/yes");
	conf.answer_timeout_ms = HANG_MS;
	run();
	expect_fail(PROBE_FAIL_NO_ANSWER, "still running after 150 ms, killed: y");
}

/* -- many, and ends ------------------------------------------------------------------------- */

static const struct server_script plain_http = {
	.until = "\r\n\r\n", .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
};

static unsigned passed;

static void count_done(void *user, const struct probe_result *r)
{
	(void)user;
	done_count++;
	passed += r->ok;
	if (!r->ok)
		print_message("%s\n", r->reason);
}

static unsigned thread_count(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void thousand_http_probes_share_one_thread(void **state)
{
	struct server *s = server_start(&plain_http, &target.port);
	unsigned threads = thread_count();
	struct probe *p;

	(void)state;
	conf.kind = PROBE_HTTP;
	passed = 0;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(probe_start(ctx, &conf, &target, count_done, NULL, &p), 0);
	assert_int_equal(probe_count(ctx), 1000);
	while (done_count < 1000) {
		uv_run(&loop, UV_RUN_ONCE);
		assert_int_equal(thread_count(), threads);
	}
	assert_int_equal(passed, 1000);
	server_stop(s);
}

static void cancelled_probes_are_never_heard_of(void **state)
{
	struct server *s =
		server_start(&(struct server_script){ .end = SERVER_HANG }, &target.port);
	static const enum probe_kind kinds[] = { PROBE_TCP,  PROBE_HTTP, PROBE_TLS,
						 PROBE_STUN, PROBE_EXEC, PROBE_AGENT };
	struct probe *p;

	(void)state;
	for (unsigned turns = 0; turns < 4; turns++)
		for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			memset(&conf.tcp, 0, sizeof(conf) - offsetof(struct probe_conf, tcp));
			conf.kind = kinds[i];
			if (conf.kind == PROBE_TCP)
				set(&conf.tcp.expect, "x");
			if (conf.kind == PROBE_EXEC)
				exec_conf("/usr/bin/tail -f /dev/null");
			assert_int_equal(probe_start(ctx, &conf, &target, on_done, NULL, &p), 0);
			for (unsigned t = 0; t < turns; t++)
				uv_run(&loop, UV_RUN_NOWAIT);
			if (done_count == 0) /* stun may have been refused already */
				probe_cancel(p);
			done_count = 0;
		}
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(probe_count(ctx), 0);
	assert_int_equal(done_count, 0);
	server_stop(s);
}

static void destroying_the_context_ends_what_is_in_flight(void **state)
{
	struct server *s =
		server_start(&(struct server_script){ .end = SERVER_HANG }, &target.port);
	struct probe *p;

	(void)state;
	conf.kind = PROBE_HTTP;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(probe_start(ctx, &conf, &target, on_done, NULL, &p), 0);
	uv_run(&loop, UV_RUN_NOWAIT);
	server_stop(s);
	/* teardown() destroys; on_done must not be called from it */
}

static void a_late_loop_does_not_blame_the_server(void **state)
{
	struct server *s = server_start(
		&(struct server_script){ .answer = "220 hi", .end = SERVER_HANG }, &target.port);
	struct probe *p;

	(void)state;
	set(&conf.tcp.expect, "220");
	conf.connect_timeout_ms = 20;
	conf.answer_timeout_ms = 20;
	assert_int_equal(probe_start(ctx, &conf, &target, on_done, NULL, &p), 0);
	usleep(60000); /* what the loop is late by is the very thing under test */
	uv_run(&loop, UV_RUN_ONCE);
	usleep(60000);
	while (done_count == 0)
		uv_run(&loop, UV_RUN_ONCE);
	expect_ok("connected, answered as expected");
	server_stop(s);
}

static void wrong_settings_are_said(void **state)
{
	char why[200];

	(void)state;
	conf.kind = PROBE_HTTP;
	snprintf(conf.http.path, sizeof(conf.http.path), "health");
	assert_int_equal(probe_prepare(ctx, &conf, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "a path begins with \"/\"");
	memset(&conf.http, 0, sizeof(conf.http));
	conf.http.https = conf.http.tls.verify = true;
	snprintf(conf.http.tls.ca_file, sizeof(conf.http.tls.ca_file), "/nonexistent/ca.pem");
	assert_int_equal(probe_prepare(ctx, &conf, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "/nonexistent/ca.pem cannot be read: No such file or directory");
	memset(&conf.tcp, 0, sizeof(conf.tcp));
	conf.kind = PROBE_TCP;
	conf.padded_mtu = 1500;
	assert_int_equal(probe_prepare(ctx, &conf, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "a tcp check cannot be padded: add a check of kind echo");
	conf.padded_mtu = 0;
	conf.connect_timeout_ms = 0;
	assert_int_equal(probe_prepare(ctx, &conf, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "the time limit must be at least 1 ms");
	exec_conf("relative/path");
	assert_int_equal(probe_prepare(ctx, &conf, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "the command begins with an absolute path, not \"relative/path\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROBE_TEST(tcp_connects),
		PROBE_TEST(tcp_is_refused),
		PROBE_TEST(tcp_gets_no_connection),
		PROBE_TEST(tcp_sends_and_gets_what_it_expects),
		PROBE_TEST(tcp_finds_a_text_anywhere),
		PROBE_TEST(tcp_shows_a_wrong_answer),
		PROBE_TEST(tcp_hears_nothing),
		PROBE_TEST(tcp_gets_half_an_answer_and_silence),
		PROBE_TEST(tcp_gets_half_an_answer_and_the_end),
		PROBE_TEST(tcp_is_closed_without_an_answer),
		PROBE_TEST(tcp_is_reset),
		PROBE_TEST(tcp_sends_a_proxy_header_first),
		PROBE_TEST(tcp_leaves_no_socket_behind),
		PROBE_TEST(a_host_without_a_route_blames_itself),
		PROBE_TEST(a_source_that_is_not_ours_blames_the_host),
		PROBE_TEST(a_source_that_is_ours_is_used),
		PROBE_TEST(what_was_not_carried_whole_is_no_word_on_the_server),
		PROBE_TEST(udp_gets_its_answer_or_not),
		PROBE_TEST(quic_is_no_mirror),
		PROBE_TEST(agent_reads_one_line),
		PROBE_TEST(agent_text_is_made_printable),
		PROBE_TEST(exec_tells_code_and_first_line),
		PROBE_TEST(exec_kills_the_whole_group_in_time),
		PROBE_TEST(exec_output_without_end_does_not_stop_the_loop),
		PROBE_TEST(thousand_http_probes_share_one_thread),
		PROBE_TEST(cancelled_probes_are_never_heard_of),
		PROBE_TEST(destroying_the_context_ends_what_is_in_flight),
		PROBE_TEST(a_late_loop_does_not_blame_the_server),
		PROBE_TEST(wrong_settings_are_said),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
