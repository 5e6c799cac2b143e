// SPDX-License-Identifier: Apache-2.0
/*
 * The control socket's framing and protocol, through one end of a socket pair. Expected
 * answers follow the JSON-RPC 2.0 specification, sections 4 to 7.
 */
#include "rpc.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static uv_loop_t loop;
static struct rpc *rpc;
static int fd; /* the client's end */
static char path[64];
static struct rpc_call *held[64]; /* calls of "later", for the test to answer */
static unsigned held_count;
static unsigned dispatched;

/* echo: its params; fail: an error; later: nothing yet; big: 2 MiB. */
static void dispatch(void *user, struct rpc_call *call, const char *method, const json_t *params)
{
	struct rpc_error err = { 0 };

	(void)user;
	dispatched++;
	if (strcmp(method, "echo") == 0) {
		rpc_answer(call,
			   params != NULL ? json_incref((json_t *)(uintptr_t)params) : json_null());
	} else if (strcmp(method, "later") == 0) {
		assert_true(held_count < 64);
		held[held_count++] = call;
	} else if (strcmp(method, "big") == 0) {
		char *text = malloc(2 << 20);

		assert_non_null(text);
		memset(text, 'x', 2 << 20);
		rpc_answer(call, json_stringn(text, 2 << 20));
		free(text);
	} else if (strcmp(method, "fail") == 0) {
		rpc_fail(&err, RPC_CONFLICT, "no: %d", 7);
		err.data = json_pack("{s:i}", "n", 7);
		rpc_answer_error(call, &err);
	} else {
		rpc_fail(&err, RPC_NO_METHOD, "no method \"%s\"", method);
		rpc_answer_error(call, &err);
	}
}

static int setup(void **state)
{
	char why[256] = "";
	int pair[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	held_count = 0;
	dispatched = 0;
	snprintf(path, sizeof(path), "/tmp/weir-test-rpc.%d/s", (int)getpid());
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(rpc_create(&loop, path, "", dispatch, NULL, &rpc, why, sizeof(why)), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(rpc_adopt(rpc, pair[0]), 0);
	fd = pair[1];
	return 0;
}

static int teardown(void **state)
{
	char lock[80];

	(void)state;
	if (fd >= 0)
		close(fd);
	if (rpc != NULL)
		rpc_destroy(rpc);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	return 0;
}

/* Run the loop until there is nothing to do at once. */
static void turn(void)
{
	for (unsigned i = 0; i < 8; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void say(const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT);

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else {
			assert_int_equal(errno, EAGAIN);
			turn();
		}
	}
	turn();
}

/* What has come, up to the first newline; "" when nothing has. */
static const char *hear(void)
{
	static char text[1 << 16];
	size_t len = 0;

	turn();
	while (len < sizeof(text) - 1 && recv(fd, text + len, 1, MSG_DONTWAIT) == 1)
		if (text[len++] == '\n')
			break;
	text[len] = '\0';
	return text;
}

static void assert_error(const char *line, int code)
{
	json_t *a = json_loads(line, 0, NULL);
	const json_t *e = json_object_get(a, "error");

	if (!json_is_object(e))
		fail_msg("no error: %s", line);
	assert_int_equal(json_integer_value(json_object_get(e, "code")), code);
	assert_true(strlen(json_string_value(json_object_get(e, "message"))) > 5);
	assert_non_null(json_object_get(a, "id"));
	json_decref(a);
}

#define REQ(rest) "{\"jsonrpc\": \"2.0\", " rest "}\n"

static void request_is_answered_with_its_id(void **state)
{
	(void)state;
	say(REQ("\"id\": 1, \"method\": \"echo\", \"params\": {\"a\": [2]}"));
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":{\"a\":[2]},\"id\":1}\n");
	say(REQ("\"id\": \"x\", \"method\": \"echo\""));
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":\"x\"}\n");
}

static void requests_in_pieces_and_in_one_piece(void **state)
{
	const char *two =
		REQ("\"id\": 1, \"method\": \"echo\"") REQ("\"id\": 2, \"method\": \"echo\"");

	(void)state;
	for (const char *c = two; *c != '\0'; c++)
		say((char[]){ *c, '\0' });
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":1}\n");
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":2}\n");
	say(two);
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":1}\n");
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":2}\n");
}

static void carriage_returns_and_empty_lines_do_no_harm(void **state)
{
	(void)state;
	say("\n\r\n{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"echo\"}\r\n");
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":1}\n");
}

static void handler_errors_keep_code_message_and_data(void **state)
{
	(void)state;
	say(REQ("\"id\": 1, \"method\": \"fail\""));
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32002,\"message\":"
				    "\"no: 7\",\"data\":{\"n\":7}},\"id\":1}\n");
}

/* Every line that is no request, its code, and whether the connection goes on. */
static void bad_lines_are_answered_and_the_connection_stays(void **state)
{
	static const struct {
		const char *line;
		int code;
	} bad[] = {
		{ "{\"jsonrpc\": \"2.0\", \"method\n", RPC_PARSE_ERROR },
		{ "hello\n", RPC_PARSE_ERROR },
		{ "{\"jsonrpc\": \"2.0\", \"id\": 1, \"id\": 2, \"method\": \"echo\"}\n",
		  RPC_PARSE_ERROR },
		{ "{\"jsonrpc\": \"2.0\"} {}\n", RPC_PARSE_ERROR },
		{ "\"\xff\"\n", RPC_PARSE_ERROR },
		{ "1\n", RPC_BAD_REQUEST },
		{ "{}\n", RPC_BAD_REQUEST },
		{ "[]\n", RPC_BAD_REQUEST },
		{ "{\"id\": 1, \"method\": \"echo\"}\n", RPC_BAD_REQUEST },
		{ "{\"jsonrpc\": \"1.0\", \"id\": 1, \"method\": \"echo\"}\n", RPC_BAD_REQUEST },
		{ "{\"jsonrpc\": 2.0, \"id\": 1, \"method\": \"echo\"}\n", RPC_BAD_REQUEST },
		{ REQ("\"id\": 1"), RPC_BAD_REQUEST },
		{ REQ("\"id\": 1, \"method\": 1"), RPC_BAD_REQUEST },
		{ REQ("\"id\": {}, \"method\": \"echo\""), RPC_BAD_REQUEST },
		{ REQ("\"id\": true, \"method\": \"echo\""), RPC_BAD_REQUEST },
		{ REQ("\"id\": 1, \"method\": \"echo\", \"params\": 7"), RPC_BAD_REQUEST },
		{ REQ("\"id\": 1, \"method\": \"echo\", \"params\": [7]"), RPC_BAD_PARAMS },
		{ REQ("\"id\": 1, \"method\": \"no.such\""), RPC_NO_METHOD },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(bad[i].line);
		assert_error(hear(), bad[i].code);
		assert_string_equal(hear(), "");
	}
	say(REQ("\"id\": 1, \"method\": \"echo\""));
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":1}\n");
}

static void id_of_a_request_that_is_not_valid_comes_back_if_it_has_one(void **state)
{
	(void)state;
	say("{\"id\": 9, \"method\": \"echo\"}\n");
	assert_non_null(strstr(hear(), "\"id\":9}"));
	say("{\"method\": \"echo\"}\n");
	assert_non_null(strstr(hear(), "\"id\":null}"));
}

static void notifications_are_obeyed_and_not_answered(void **state)
{
	(void)state;
	say(REQ("\"method\": \"echo\"") REQ("\"method\": \"fail\"") REQ("\"method\": \"no.such\""));
	assert_string_equal(hear(), "");
	assert_int_equal(dispatched, 3);
}

static void batch_is_answered_as_one_array(void **state)
{
	(void)state;
	say("[{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"echo\"}, 1, "
	    "{\"jsonrpc\": \"2.0\", \"method\": \"echo\"}]\n");
	assert_string_equal(hear(), "[{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":1},"
				    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
				    "\"a request is an object\"},\"id\":null}]\n");
	assert_string_equal(hear(), "");
}

static void batch_of_notifications_is_not_answered(void **state)
{
	(void)state;
	say("[{\"jsonrpc\": \"2.0\", \"method\": \"echo\"}]\n");
	assert_string_equal(hear(), "");
	assert_int_equal(dispatched, 1);
}

static void batch_waits_for_its_last_answer(void **state)
{
	(void)state;
	say("[{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"later\"}, "
	    "{\"jsonrpc\": \"2.0\", \"id\": 2, \"method\": \"echo\"}]\n");
	assert_string_equal(hear(), "");
	rpc_answer(held[0], json_true());
	assert_string_equal(hear(), "[{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":2},"
				    "{\"jsonrpc\":\"2.0\",\"result\":true,\"id\":1}]\n");
}

static void batch_has_a_greatest_length(void **state)
{
	char line[65 * 64] = "[";

	(void)state;
	for (unsigned i = 0; i < RPC_BATCH_MAX + 1; i++)
		sprintf(line + strlen(line), "%s{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}",
			i > 0 ? "," : "");
	strcat(line, "]\n");
	say(line);
	assert_error(hear(), RPC_TOO_MUCH);
	assert_int_equal(dispatched, 0);
}

static void answer_may_come_later_and_out_of_order(void **state)
{
	(void)state;
	say(REQ("\"id\": 1, \"method\": \"later\"") REQ("\"id\": 2, \"method\": \"echo\""));
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":2}\n");
	rpc_answer(held[0], json_true());
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":true,\"id\":1}\n");
}

static void client_may_be_gone_when_the_answer_comes(void **state)
{
	(void)state;
	say(REQ("\"id\": 1, \"method\": \"later\""));
	close(fd);
	fd = -1;
	turn();
	assert_int_equal(held_count, 1);
	rpc_answer(held[0], json_true());
	turn();
}

static void socket_may_be_gone_when_the_answer_comes(void **state)
{
	(void)state;
	say(REQ("\"id\": 1, \"method\": \"later\""));
	assert_int_equal(held_count, 1);
	rpc_destroy(rpc);
	rpc = NULL;
	turn();
	rpc_answer(held[0], json_true());
}

/* `echo ... | nc -U` closes its side first; also: the last line has no newline. */
static void client_that_ends_its_side_is_answered_first(void **state)
{
	char c;

	(void)state;
	say("{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"later\"}");
	shutdown(fd, SHUT_WR);
	turn();
	assert_int_equal(held_count, 1);
	rpc_answer(held[0], json_true());
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":true,\"id\":1}\n");
	turn();
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
}

static void line_of_the_greatest_length_is_read(void **state)
{
	const char *start = "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"echo\"}";
	char *line = malloc(RPC_LINE_MAX + 2);

	(void)state;
	assert_non_null(line);
	memset(line, ' ', RPC_LINE_MAX);
	memcpy(line + RPC_LINE_MAX - strlen(start), start, strlen(start));
	strcpy(line + RPC_LINE_MAX, "\n");
	say(line);
	free(line);
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":1}\n");
}

static void longer_line_is_passed_over(void **state)
{
	char *line = malloc(3 * RPC_LINE_MAX + 2);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', 3 * RPC_LINE_MAX);
	strcpy(line + 3 * RPC_LINE_MAX, "\n");
	say(line);
	free(line);
	assert_error(hear(), RPC_PARSE_ERROR);
	assert_string_equal(hear(), "");
	say(REQ("\"id\": 1, \"method\": \"echo\""));
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":1}\n");
}

/* Its answers wait in our memory: then it must not cause more of them. */
static void client_that_does_not_read_is_not_served(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		const char *line = REQ("\"id\": 1, \"method\": \"big\"");

		(void)!send(fd, line, strlen(line), MSG_DONTWAIT);
	}
	turn();
	assert_in_range(dispatched, 1, 2);
}

/* The next byte, waiting for it, with the descriptor that comes along or -1. */
static char hear_with(int *passed)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ancillary;
	char c;
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ancillary.buf,
			    .msg_controllen = sizeof(ancillary.buf) };
	struct cmsghdr *cm;

	turn();
	assert_int_equal(recvmsg(fd, &h, MSG_DONTWAIT), 1);
	cm = CMSG_FIRSTHDR(&h);
	*passed = -1;
	if (cm != NULL)
		memcpy(passed, CMSG_DATA(cm), sizeof(int));
	return c;
}

static void answer_brings_its_descriptor(void **state)
{
	int passed;

	(void)state;
	say(REQ("\"id\": 1, \"method\": \"later\""));
	rpc_answer_fd(held[0], json_true(), dup(STDERR_FILENO));
	assert_int_equal(hear_with(&passed), '{');
	assert_true(passed >= 0);
	close(passed);
	assert_string_equal(hear(), "\"jsonrpc\":\"2.0\",\"result\":true,\"id\":1}\n");
}

static void without_its_descriptor_behind_an_answer_that_is_not_read(void **state)
{
	int passed;

	(void)state;
	say(REQ("\"id\": 1, \"method\": \"later\""));
	say(REQ("\"id\": 2, \"method\": \"big\""));
	assert_int_equal(held_count, 1);
	rpc_answer_fd(held[0], json_true(), dup(STDERR_FILENO));
	while (strchr(hear(), '\n') == NULL) /* the big one, a piece at a time */
		;
	assert_int_equal(hear_with(&passed), '{');
	assert_int_equal(passed, -1);
	assert_string_equal(hear(), "\"jsonrpc\":\"2.0\",\"result\":true,\"id\":1}\n");
	say(REQ("\"id\": 3, \"method\": \"echo\""));
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":3}\n");
}

static void client_with_many_open_calls_waits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		say(REQ("\"id\": 1, \"method\": \"later\""));
	assert_int_equal(held_count, 32);
	for (unsigned i = 0; i < 8; i++)
		rpc_answer(held[i], json_null());
	turn();
	assert_int_equal(held_count, 40);
	for (unsigned i = 8; i < 40; i++)
		rpc_answer(held[i], json_null());
}

static void answer_over_the_bound_becomes_an_error(void **state)
{
	char *text = malloc(RPC_ANSWER_MAX);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', RPC_ANSWER_MAX);
	say(REQ("\"id\": 1, \"method\": \"later\""));
	rpc_answer(held[0], json_stringn(text, RPC_ANSWER_MAX));
	free(text);
	assert_error(hear(), RPC_TOO_MUCH);
}

static void socket_is_for_owner_and_group(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void second_instance_is_refused(void **state)
{
	char why[256] = "";
	struct rpc *second;

	(void)state;
	assert_int_equal(rpc_create(&loop, path, "", dispatch, NULL, &second, why, sizeof(why)),
			 -EADDRINUSE);
	assert_non_null(strstr(why, "another weir-controlplane"));
	say(REQ("\"id\": 1, \"method\": \"echo\"")); /* and the first one lives */
	assert_string_equal(hear(), "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":1}\n");
}

static void unknown_group_is_said(void **state)
{
	char why[256] = "";
	struct rpc *other;

	(void)state;
	assert_int_equal(rpc_create(&loop, "/nowhere/s", "no-such-group", dispatch, NULL, &other,
				    why, sizeof(why)),
			 -ENOENT);
	assert_string_equal(why, "no group \"no-such-group\" on this host");
}

static void stale_socket_is_replaced_and_files_are_not(void **state)
{
	char why[256] = "", other[80];
	struct rpc *r;
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)state;
	snprintf(other, sizeof(other), "%s2", path);
	strcpy(addr.sun_path, other);
	assert_int_equal(bind(dead, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(dead);
	assert_int_equal(rpc_create(&loop, other, "", dispatch, NULL, &r, why, sizeof(why)), 0);
	rpc_destroy(r);
	turn();
	assert_int_equal(access(other, F_OK), -1);

	close(creat(other, 0600));
	assert_int_equal(rpc_create(&loop, other, "", dispatch, NULL, &r, why, sizeof(why)),
			 -EEXIST);
	assert_int_equal(access(other, F_OK), 0);
	unlink(other);
	strcat(other, ".lock");
	unlink(other);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(request_is_answered_with_its_id),
		T(requests_in_pieces_and_in_one_piece),
		T(carriage_returns_and_empty_lines_do_no_harm),
		T(handler_errors_keep_code_message_and_data),
		T(bad_lines_are_answered_and_the_connection_stays),
		T(id_of_a_request_that_is_not_valid_comes_back_if_it_has_one),
		T(notifications_are_obeyed_and_not_answered),
		T(batch_is_answered_as_one_array),
		T(batch_of_notifications_is_not_answered),
		T(batch_waits_for_its_last_answer),
		T(batch_has_a_greatest_length),
		T(answer_may_come_later_and_out_of_order),
		T(client_may_be_gone_when_the_answer_comes),
		T(socket_may_be_gone_when_the_answer_comes),
		T(client_that_ends_its_side_is_answered_first),
		T(line_of_the_greatest_length_is_read),
		T(longer_line_is_passed_over),
		T(client_that_does_not_read_is_not_served),
		T(answer_brings_its_descriptor),
		T(without_its_descriptor_behind_an_answer_that_is_not_read),
		T(client_with_many_open_calls_waits),
		T(answer_over_the_bound_becomes_an_error),
		T(socket_is_for_owner_and_group),
		T(second_instance_is_refused),
		T(unknown_group_is_said),
		T(stale_socket_is_replaced_and_files_are_not),
	};

	return cmocka_run_group_tests_name("rpc", tests, NULL, NULL);
}
