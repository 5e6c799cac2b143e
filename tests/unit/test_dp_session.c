// SPDX-License-Identifier: Apache-2.0
/*
 * The control plane's end of the session socket, against a data plane that this test
 * plays: one loop, no threads.
 */
#include "dp_session.h"

#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WORKERS = 2, BLOCKS = 100, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static uv_loop_t loop;
static uv_timer_t watchdog;
static char directory[] = "/tmp/weir-test-XXXXXX", path[64];
static int listener, client = -1;
static int state_fd, control_fd;
static struct weir_state *shared_state; /* the data plane's mapping */
static struct weir_welcome welcome;
static struct dp_session *s;

/* What the hooks were told. */
static unsigned attached, lost;

static void on_attached(void *user, const struct dp_view *dp)
{
	assert_ptr_equal(user, &loop);
	assert_ptr_equal(dp, dp_session_view(s));
	attached++;
}

static void on_lost(void *user, const char *why)
{
	(void)user;
	assert_non_null(why);
	lost++;
}

static void too_long(uv_timer_t *t)
{
	(void)t;
	fail_msg("waited for 20 s");
}

/* -- the data plane --------------------------------------------------------- */

static int memory(size_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void listen_now(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 8), 0);
}

/* Turn the loop until `fd`, which it does not know, has something to read. */
static void run_until_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, 1) == 0)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void accept_client(void)
{
	run_until_readable(listener);
	client = accept(listener, NULL, NULL);
	assert_true(client >= 0);
}

/* The next message of the client, which must be of this type. */
static union weir_session_msg expect(uint16_t type, size_t len)
{
	union weir_session_msg m;

	run_until_readable(client);
	assert_int_equal(recv(client, &m, sizeof(m), 0), len);
	assert_int_equal(m.head.magic, WEIR_SESSION_MAGIC);
	assert_int_equal(m.head.layout_version, WEIR_LAYOUT_VERSION);
	assert_int_equal(m.head.type, type);
	return m;
}

static struct weir_head head(uint16_t type, uint32_t seq)
{
	return (struct weir_head){ .magic = WEIR_SESSION_MAGIC,
				   .layout_version = WEIR_LAYOUT_VERSION,
				   .type = type,
				   .seq = seq };
}

static void send_with(const void *m, size_t len, const int *fd, unsigned count)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} ancillary = { .buf = { 0 } };
	struct iovec iov = { .iov_base = (void *)m, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count > 0) {
		struct cmsghdr *c;

		h.msg_control = ancillary.buf;
		h.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fd, count * sizeof(int));
	}
	assert_int_equal(sendmsg(client, &h, 0), len);
}

static void send_welcome(unsigned descriptors)
{
	const int fd[2] = { state_fd, control_fd };

	send_with(&welcome, sizeof(welcome), fd, descriptors);
}

static void greet(void)
{
	union weir_session_msg m;

	accept_client();
	m = expect(WEIR_HELLO, sizeof(m.hello));
	assert_string_equal(m.hello.name, "weir-controlplane");
	assert_int_equal(m.hello.pid, getpid());
	welcome.head.seq = m.head.seq;
}

static void attach(void)
{
	unsigned before = attached;

	greet();
	send_welcome(2);
	while (attached == before)
		uv_run(&loop, UV_RUN_ONCE);
}

static void run_until_closed(void)
{
	char byte;

	run_until_readable(client);
	while (recv(client, &byte, 1, MSG_DONTWAIT) != 0)
		uv_run(&loop, UV_RUN_NOWAIT);
	close(client);
	client = -1;
}

static int setup(void **state)
{
	const struct dp_session_hooks hooks = { &loop, on_attached, on_lost };

	(void)state;
	log_init("test", LOG_LVL_ERROR);
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	uv_loop_init(&loop);
	uv_timer_init(&loop, &watchdog);
	uv_timer_start(&watchdog, too_long, 20000, 0);
	attached = lost = 0;

	state_fd = memory(weir_state_size(WORKERS, WEIR_PINS_MIN), SEALS);
	control_fd = memory(sizeof(struct weir_control) + BLOCKS * WEIR_BLOCK, SEALS);
	shared_state = mmap(NULL, weir_state_size(WORKERS, WEIR_PINS_MIN), PROT_READ | PROT_WRITE,
			    MAP_SHARED, state_fd, 0);
	assert_ptr_not_equal(shared_state, MAP_FAILED);
	shared_state->magic = WEIR_STATE_MAGIC;
	shared_state->layout_version = WEIR_LAYOUT_VERSION;
	shared_state->worker_count = WORKERS;
	shared_state->pins = WEIR_PINS_MIN;
	welcome = (struct weir_welcome){
		.head = head(WEIR_WELCOME, 0),
		.session = 42,
		.state_size = weir_state_size(WORKERS, WEIR_PINS_MIN),
		.control_size = sizeof(struct weir_control) + BLOCKS * WEIR_BLOCK,
		.worker_count = WORKERS,
		.version = "test",
		.ports = { .count = 1, .port = { { .name = "wan", .link_up = 1 } } },
	};
	listen_now();
	return dp_session_create(&loop, path, &hooks, &s);
}

static int teardown(void **state)
{
	(void)state;
	if (s != NULL)
		dp_session_destroy(s);
	uv_close((uv_handle_t *)&watchdog, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	if (client >= 0)
		close(client);
	client = -1;
	munmap(shared_state, weir_state_size(WORKERS, WEIR_PINS_MIN));
	close(listener);
	close(state_fd);
	close(control_fd);
	unlink(path);
	rmdir(directory);
	return 0;
}

/* -- tests ------------------------------------------------------------------ */

static void a_welcome_maps_both_memories(void **state)
{
	const struct dp_view *v;
	uint32_t session = 0;

	(void)state;
	assert_null(dp_session_view(s));
	attach();
	v = dp_session_view(s);
	assert_non_null(v);
	assert_int_equal(v->session, 42);
	assert_int_equal(v->worker_count, WORKERS);
	assert_int_equal(v->arena_size, BLOCKS * WEIR_BLOCK);
	assert_string_equal(v->welcome.ports.port[0].name, "wan");
	assert_int_equal(v->state->magic, WEIR_STATE_MAGIC);

	/* What it writes, the data plane's descriptor reads. */
	v->control->worker[1].session = 42;
	assert_int_equal(
		pread(control_fd, &session, 4,
		      (off_t)((uint8_t *)&v->control->worker[1].session - (uint8_t *)v->control)),
		4);
	assert_int_equal(session, 42);
}

static void it_goes_on_trying_until_there_is_a_data_plane(void **state)
{
	(void)state;
	close(listener);
	unlink(path);
	for (unsigned i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_ONCE);
	listen_now();
	attach();
	assert_int_equal(lost, 0);
}

static void end_of_file_is_the_end_and_a_new_beginning(void **state)
{
	(void)state;
	attach();
	close(client);
	while (lost == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_null(dp_session_view(s));
	assert_true(dp_service_count(s, 0).packets == 0);
	attach();
	assert_int_equal(attached, 2);
}

static void after_a_refusal_it_tries_again(void **state)
{
	struct weir_refused m = { .head = head(WEIR_REFUSED, 1) };

	(void)state;
	greet();
	snprintf(m.text, sizeof(m.text), "the session is held by other (pid 7)");
	send_with(&m, sizeof(m), NULL, 0);
	run_until_closed();
	attach();
	assert_int_equal(lost, 0);
}

/* Each of them ends the connection; the next data plane is as welcome as any. */
static void bad_welcomes_are_not_mapped(void **state)
{
	const struct weir_welcome good = welcome;

	(void)state;
	for (unsigned i = 0; i < 11; i++) {
		int unsealed = -1, fd[2] = { state_fd, control_fd };
		size_t len = sizeof(welcome);
		unsigned descriptors = 2;

		greet();
		welcome = good;
		welcome.head.seq = 1;
		switch (i) {
		case 0:
			welcome.head.magic ^= 1;
			break;
		case 1:
			welcome.head.layout_version++;
			break;
		case 2:
			len -= 4;
			break;
		case 3:
			descriptors = 0;
			break;
		case 4:
			descriptors = 1;
			break;
		case 5:
			welcome.worker_count = WEIR_MAX_WORKERS + 1;
			break;
		case 6:
			welcome.worker_count = 0;
			break;
		case 7:
			welcome.state_size *= 2; /* more than the file has */
			break;
		case 8:
			welcome.control_size = sizeof(struct weir_control);
			break;
		case 9:
			unsealed = memory(welcome.state_size, 0);
			fd[0] = unsealed;
			break;
		case 10:
			shared_state->magic++;
			break;
		}
		send_with(&welcome, len, fd, descriptors);
		run_until_closed();
		assert_int_equal(attached, 0);
		if (unsealed >= 0)
			close(unsealed);
	}
	shared_state->magic = WEIR_STATE_MAGIC;
	welcome = good;
	attach();
}

static void unexpected_messages_end_the_session(void **state)
{
	struct weir_head m = head(99, 1);

	(void)state;
	attach();
	send_with(&m, sizeof(m), NULL, 0);
	run_until_closed();
	assert_int_equal(lost, 1);
	attach();
	send_with("nonsense", 8, NULL, 0);
	run_until_closed();
	assert_int_equal(lost, 2);
}

/* -- explain ---------------------------------------------------------------- */

static unsigned answers, unanswered;
static uint64_t last_generation;

static char last_why[100];

static void on_answer(void *user, const struct weir_explained *a, const char *why)
{
	assert_ptr_equal(user, &answers);
	if (a == NULL) {
		unanswered++;
		snprintf(last_why, sizeof(last_why), "%s", why);
		return;
	}
	answers++;
	last_generation = a->generation;
}

static void answer(uint32_t seq, uint64_t generation)
{
	struct weir_explained a = { .head = head(WEIR_EXPLAINED, seq), .generation = generation };

	send_with(&a, sizeof(a), NULL, 0);
}

static void answers_find_their_questions(void **state)
{
	const struct weir_explain q = { .family = 4, .protocol = 6, .sport = 1000, .dport = 80 };
	union weir_session_msg first, second;

	(void)state;
	answers = unanswered = 0;
	assert_int_equal(dp_session_explain(s, &q, on_answer, &answers), -ENOTCONN);
	attach();
	assert_int_equal(dp_session_explain(s, &q, on_answer, &answers), 0);
	assert_int_equal(dp_session_explain(s, &q, on_answer, &answers), 0);
	first = expect(WEIR_EXPLAIN, sizeof(struct weir_explain));
	second = expect(WEIR_EXPLAIN, sizeof(struct weir_explain));
	assert_int_not_equal(first.head.seq, second.head.seq);
	assert_int_equal(second.explain.sport, 1000);

	answer(second.head.seq, 22); /* in the other order, and one that nobody asked for */
	answer(12345, 99);
	while (answers < 1)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(last_generation, 22);
	answer(first.head.seq, 11);
	while (answers < 2)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(last_generation, 11);

	/* Who still waits when the session ends is told. */
	assert_int_equal(dp_session_explain(s, &q, on_answer, &answers), 0);
	close(client);
	while (unanswered == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(answers, 2);
	assert_non_null(strstr(last_why, "went away"));
	client = -1;
}

/* More than the socket has room for: none is refused, and the data plane gets few at a time. */
static void a_flood_of_questions_waits_its_turn(void **state)
{
	enum { FLOOD = 100 };
	struct weir_explain_frame q = { .frame_len = 1500, .held = 1500 };
	uint32_t seq[FLOOD];
	unsigned got = 0, most = 0;

	(void)state;
	answers = unanswered = 0;
	attach();
	for (unsigned i = 0; i < FLOOD; i++)
		assert_int_equal(dp_session_explain_frame(s, &q, on_answer, &answers), 0);
	while (answers < FLOOD) {
		union weir_session_msg m;
		unsigned before = got;

		while (recv(client, &m, sizeof(m), MSG_DONTWAIT) > 0)
			if (m.head.type == WEIR_EXPLAIN_FRAME)
				seq[got++] = m.head.seq;
		most = got - before > most ? got - before : most;
		for (unsigned i = before; i < got; i++)
			answer(seq[i], i);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_in_range(most, 1, 16);
	assert_int_equal(unanswered, 0);
}

static void no_more_questions_wait_than_there_is_room_for(void **state)
{
	const struct weir_explain q = { .family = 4, .protocol = 6 };
	unsigned asked = 0;
	int ret;

	(void)state;
	answers = unanswered = 0;
	attach();
	while ((ret = dp_session_explain(s, &q, on_answer, &answers)) == 0)
		asked++;
	assert_true(ret == -EAGAIN && asked >= 1024);
	dp_session_destroy(s);
	s = NULL;
	assert_int_equal(unanswered, asked);
}

/* The loop's clock alone says how long a data plane has been silent. */
static void a_silent_data_plane_does_not_keep_a_question(void **state)
{
	const struct weir_explain q = { .family = 4, .protocol = 6 };
	union weir_session_msg m;

	(void)state;
	answers = unanswered = 0;
	attach();
	for (unsigned i = 0; i < 20; i++) /* some are sent, some wait */
		assert_int_equal(dp_session_explain(s, &q, on_answer, &answers), 0);
	m = expect(WEIR_EXPLAIN, sizeof(struct weir_explain));
	while (unanswered < 20)
		uv_run(&loop, UV_RUN_ONCE);
	assert_non_null(strstr(last_why, "has not answered"));
	assert_int_equal(answers, 0);

	answer(m.head.seq, 1); /* too late: nobody waits for it, and the session goes on */
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(answers + lost, 0);
}

static void a_frame_is_a_question_too(void **state)
{
	struct weir_explain_frame q = {
		.port = 1, .frame_len = 1500, .held = 2, .frame = { 7, 8 }
	};
	union weir_session_msg m;

	(void)state;
	answers = unanswered = 0;
	assert_int_equal(dp_session_explain_frame(s, &q, on_answer, &answers), -ENOTCONN);
	attach();
	assert_int_equal(dp_session_explain_frame(s, &q, on_answer, &answers), 0);
	m = expect(WEIR_EXPLAIN_FRAME, sizeof(struct weir_explain_frame));
	assert_int_equal(m.explain_frame.frame_len, 1500);
	assert_int_equal(m.explain_frame.frame[1], 8);
	answer(m.head.seq, 5);
	while (answers < 1)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(last_generation, 5);
}

static void ports_are_asked_for_and_kept_fresh(void **state)
{
	struct weir_ports_are now = welcome.ports;
	union weir_session_msg m;

	(void)state;
	attach();
	m = expect(WEIR_PORTS, sizeof(struct weir_head));
	now.head = head(WEIR_PORTS_ARE, m.head.seq);
	now.port[0].link_up = 0;
	now.port[0].speed_mbps = 100000;
	send_with(&now, sizeof(now), NULL, 0);
	while (dp_session_view(s)->welcome.ports.port[0].link_up)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(dp_session_view(s)->welcome.ports.port[0].speed_mbps, 100000);
}

static void counters_are_summed_over_the_workers(void **state)
{
	(void)state;
	assert_true(dp_service_count(s, 3).packets == 0);
	attach();
	for (unsigned i = 0; i < WORKERS; i++) {
		shared_state->worker[i].service[3].packets = 10 + i;
		shared_state->worker[i].service[3].bytes = 1000;
		shared_state->worker[i].backend[WEIR_MAX_BACKENDS - 1].packets = 5;
		shared_state->worker[i].drop[WEIR_DROP_STRAY].bytes = 7;
	}
	assert_true(dp_service_count(s, 3).packets == 21);
	assert_true(dp_service_count(s, 3).bytes == 2000);
	assert_true(dp_backend_count(s, WEIR_MAX_BACKENDS - 1).packets == 10);
	assert_true(dp_drop_count(s, WEIR_DROP_STRAY).bytes == 14);
	assert_true(dp_service_count(s, WEIR_MAX_SERVICES).packets == 0);
	assert_true(dp_backend_count(s, UINT32_MAX).packets == 0);
	assert_true(dp_drop_count(s, WEIR_DROP_ROOM).packets == 0);
}

static void ending_tells_the_hook(void **state)
{
	(void)state;
	attach();
	dp_session_destroy(s);
	s = NULL;
	assert_int_equal(lost, 1);
	run_until_closed();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_welcome_maps_both_memories),
		TEST(it_goes_on_trying_until_there_is_a_data_plane),
		TEST(end_of_file_is_the_end_and_a_new_beginning),
		TEST(after_a_refusal_it_tries_again),
		TEST(bad_welcomes_are_not_mapped),
		TEST(unexpected_messages_end_the_session),
		TEST(answers_find_their_questions),
		TEST(a_frame_is_a_question_too),
		TEST(a_flood_of_questions_waits_its_turn),
		TEST(no_more_questions_wait_than_there_is_room_for),
		TEST(a_silent_data_plane_does_not_keep_a_question),
		TEST(ports_are_asked_for_and_kept_fresh),
		TEST(counters_are_summed_over_the_workers),
		TEST(ending_tells_the_hook),
	};

	return cmocka_run_group_tests_name("dp_session", tests, NULL, NULL);
}
