// SPDX-License-Identifier: Apache-2.0
/*
 *   waiting   no socket; the timer runs out when the next attempt is due
 *   greeting  connected, HELLO sent; the timer bounds the wait for WELCOME
 *   attached  mapped; the timer asks for the state of the ports
 *
 * A question waits its turn and then for its answer, ANSWER_MS in all. IN_FLIGHT at a
 * time are with the data plane: either side's buffer has room for so many, and a data
 * plane ends the session of who does not take its answers.
 *
 * Whatever goes wrong leads back to waiting.
 */
#include "dp_session.h"

#include "dp_memory.h"
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	RETRY_MS = 100,
	GREETING_MS = 5000, /* the data plane's workers take up to 1 s */
	PORTS_MS = 1000,
	ANSWER_MS = 5000,
	IN_FLIGHT = 8,
	QUESTIONS_MAX = 1024, /* with their messages 10 MB at most */
	MESSAGES_TURN = 16,   /* of the socket, before others have their turn */
};

/* A connection; libuv wants its handle until the next turn of the loop. */
struct connection {
	uv_poll_t poll;
	struct dp_session *session;
	int fd;
};

struct question {
	TAILQ_ENTRY(question) link;
	uint64_t asked_ms; /* uv_now() */
	uint32_t seq;
	dp_explained_fn *explained; /* one of the two is NULL */
	dp_capturing_fn *capturing;
	void *user;
	size_t len;
	unsigned char message[];
};

TAILQ_HEAD(questions, question);

struct dp_session {
	uv_loop_t *loop;
	uv_timer_t timer;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct dp_session_hooks hooks;
	struct connection *connection; /* NULL: waiting */
	bool attached;
	struct dp_view view;
	struct dp_memory memory;
	struct questions waiting, sent; /* in the order in which they were asked */
	unsigned waiting_count, sent_count;
	uint32_t seq;	/* of the last message made */
	char said[300]; /* why there is no session: logged once */
};

static void connect_now(uv_timer_t *t);

/* -- leaving ---------------------------------------------------------------- */

static void poll_closed(uv_handle_t *h)
{
	free(h->data);
}

static void close_connection(struct dp_session *s)
{
	struct connection *c = s->connection;

	s->connection = NULL;
	if (c == NULL)
		return;
	uv_close((uv_handle_t *)&c->poll, poll_closed);
	close(c->fd);
}

static void not_answered(struct question *q, const char *why)
{
	if (q->explained != NULL)
		q->explained(q->user, NULL, why);
	else
		q->capturing(q->user, NULL, -1, why);
	free(q);
}

/* Those asked before `before_ms` are not answered any more. Who hears it may ask again
 * at once. */
static void end_questions(struct dp_session *s, uint64_t before_ms, const char *why)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&s->sent)) != NULL && q->asked_ms < before_ms) {
		TAILQ_REMOVE(&s->sent, q, link);
		s->sent_count--;
		not_answered(q, why);
	}
	while ((q = TAILQ_FIRST(&s->waiting)) != NULL && q->asked_ms < before_ms) {
		TAILQ_REMOVE(&s->waiting, q, link);
		s->waiting_count--;
		not_answered(q, why);
	}
}

static void detach(struct dp_session *s, const char *why)
{
	if (!s->attached)
		return;
	s->attached = false;
	end_questions(s, UINT64_MAX, "the data plane went away before it answered");
	s->hooks.lost(s->hooks.user, why);
	dp_memory_unmap(&s->memory);
}

/* Back to waiting. */
static void leave(struct dp_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void leave(struct dp_session *s, const char *fmt, ...)
{
	char why[sizeof(s->said)];
	bool was_attached = s->attached;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	close_connection(s);
	detach(s, why);
	if (was_attached || strcmp(why, s->said) != 0)
		log_warning("data plane at %s: %s", s->path, why);
	memcpy(s->said, why, sizeof(why));
	uv_timer_start(&s->timer, connect_now, RETRY_MS, 0);
}

/* -- messages out ----------------------------------------------------------- */

static struct weir_head head(struct dp_session *s, uint16_t type)
{
	return (struct weir_head){ .magic = WEIR_SESSION_MAGIC,
				   .layout_version = WEIR_LAYOUT_VERSION,
				   .type = type,
				   .seq = ++s->seq };
}

static int send_message(struct dp_session *s, const void *m, size_t len)
{
	if (send(s->connection->fd, m, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		return -errno;
	return 0;
}

static void send_questions(struct dp_session *s)
{
	struct question *q;

	while (s->sent_count < IN_FLIGHT && (q = TAILQ_FIRST(&s->waiting)) != NULL) {
		/* One that does not go now is tried again with the next answer or second. */
		if (send_message(s, q->message, q->len) < 0)
			return;
		TAILQ_REMOVE(&s->waiting, q, link);
		s->waiting_count--;
		TAILQ_INSERT_TAIL(&s->sent, q, link);
		s->sent_count++;
	}
}

/* The link of a port comes and goes, unannounced; questions are not answered for ever. */
static void each_second(uv_timer_t *t)
{
	struct dp_session *s = t->data;
	struct weir_head m = head(s, WEIR_PORTS);
	uint64_t now = uv_now(s->loop);

	uv_timer_start(t, each_second, PORTS_MS, 0);
	/* A data plane that does not read shows by its workers, not here. */
	(void)send_message(s, &m, sizeof(m));
	end_questions(s, now > ANSWER_MS ? now - ANSWER_MS : 0,
		      "the data plane has not answered in 5 s");
	send_questions(s);
}

/* -- messages in ------------------------------------------------------------ */

/* A message with up to two descriptors, -1 where there is none. */
struct arrival {
	union weir_session_msg msg;
	size_t len;
	int fd[2];
};

static void close_descriptors(struct arrival *a)
{
	for (unsigned i = 0; i < 2; i++)
		if (a->fd[i] >= 0)
			close(a->fd[i]);
}

/* Bytes, 0 at the end of file, or -errno. */
static ssize_t receive(int fd, struct arrival *a)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(a->fd))];
	} ancillary;
	struct iovec iov = { .iov_base = &a->msg, .iov_len = sizeof(a->msg) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ancillary.buf,
			    .msg_controllen = sizeof(ancillary.buf) };
	ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	a->fd[0] = a->fd[1] = -1;
	if (n < 0)
		return -errno;
	a->len = (size_t)n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c != NULL; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* What does not fit the buffer the kernel has not given us. */
		memcpy(a->fd, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	}
	return n;
}

static void on_welcome(struct dp_session *s, const struct arrival *a)
{
	const struct weir_welcome *w = &a->msg.welcome;
	char why[200];

	if (dp_memory_map(w, a->fd[0], a->fd[1], &s->memory, &s->view, why, sizeof(why)) < 0) {
		leave(s, "cannot use its memory: %s", why);
		return;
	}
	s->attached = true;
	s->said[0] = '\0';
	log_info("attached to the data plane (version %.31s, pid %u): %u workers, %llu MB for "
		 "tables",
		 w->version, w->pid, w->worker_count, (unsigned long long)s->view.arena_size >> 20);
	uv_timer_start(&s->timer, each_second, PORTS_MS, 0);
	s->hooks.attached(s->hooks.user, &s->view);
}

static void on_refused(struct dp_session *s, const struct weir_refused *m)
{
	char text[sizeof(m->text) + 1];

	snprintf(text, sizeof(text), "%.*s", (int)sizeof(m->text), m->text);
	leave(s, "it refuses: %s", text);
}

/* The question of an answer, which is the caller's then; NULL: nobody asked that. */
static struct question *take_question(struct dp_session *s, uint32_t seq, bool capture)
{
	struct question *q;

	TAILQ_FOREACH(q, &s->sent, link)
		if (q->seq == seq && (q->capturing != NULL) == capture)
			break;
	if (q == NULL)
		return NULL;
	TAILQ_REMOVE(&s->sent, q, link);
	s->sent_count--;
	send_questions(s);
	return q;
}

static void on_explained(struct dp_session *s, const struct weir_explained *m)
{
	struct question *q = take_question(s, m->head.seq, false);

	if (q != NULL)
		q->explained(q->user, m, NULL);
	free(q);
}

static void on_capturing(struct dp_session *s, struct arrival *a)
{
	struct weir_capturing *m = &a->msg.capturing;
	struct question *q = take_question(s, m->head.seq, true);

	m->text[sizeof(m->text) - 1] = '\0';
	if (q != NULL) {
		q->capturing(q->user, m, a->fd[0], NULL);
		a->fd[0] = -1;
	}
	free(q);
}

static void on_message(struct dp_session *s, struct arrival *a)
{
	const union weir_session_msg *m = &a->msg;

	if (a->len < sizeof(m->head) || m->head.magic != WEIR_SESSION_MAGIC)
		leave(s, "what answers there is no data plane of Weir's");
	else if (m->head.type == WEIR_REFUSED && a->len == sizeof(m->refused))
		on_refused(s, &m->refused);
	else if (m->head.layout_version != WEIR_LAYOUT_VERSION)
		leave(s, "it has shared-memory layout %u, and this control plane (%s) has %u",
		      m->head.layout_version, WEIR_VERSION, WEIR_LAYOUT_VERSION);
	else if (!s->attached && m->head.type == WEIR_WELCOME && a->len == sizeof(m->welcome))
		on_welcome(s, a);
	else if (s->attached && m->head.type == WEIR_EXPLAINED && a->len == sizeof(m->explained))
		on_explained(s, &m->explained);
	else if (s->attached && m->head.type == WEIR_CAPTURING && a->len == sizeof(m->capturing))
		on_capturing(s, a);
	else if (s->attached && m->head.type == WEIR_PORTS_ARE && a->len == sizeof(m->ports))
		s->view.welcome.ports = m->ports;
	else
		leave(s, "unexpected message: type %u, %zu bytes", m->head.type, a->len);
}

static void readable(uv_poll_t *handle, int status, int events)
{
	struct connection *c = handle->data;
	struct dp_session *s = c->session;

	(void)status; /* recvmsg() says it better */
	(void)events;
	for (unsigned i = 0; i < MESSAGES_TURN && s->connection == c; i++) {
		struct arrival a;
		ssize_t n = receive(c->fd, &a);

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n == 0)
			leave(s, "it has gone; waiting for it");
		else if (n < 0)
			leave(s, "%s", strerror((int)-n));
		else
			on_message(s, &a);
		close_descriptors(&a);
	}
}

/* -- joining ---------------------------------------------------------------- */

static void no_welcome(uv_timer_t *t)
{
	leave(t->data, "it does not answer");
}

static int say_hello(struct dp_session *s)
{
	struct weir_hello m = { .pid = (uint32_t)getpid(), .name = "weir-controlplane" };

	m.head = head(s, WEIR_HELLO);
	return send_message(s, &m, sizeof(m));
}

static int open_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	memcpy(a.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void connect_now(uv_timer_t *t)
{
	struct dp_session *s = t->data;
	int fd = open_socket(s->path), err;
	struct connection *c;

	if (fd < 0) {
		leave(s, "%s; waiting for it", strerror(-fd));
		return;
	}
	c = calloc(1, sizeof(*c));
	err = c == NULL ? -ENOMEM : uv_poll_init(s->loop, &c->poll, fd);
	if (err < 0) {
		close(fd);
		free(c);
		leave(s, "%s", strerror(-err));
		return;
	}
	c->fd = fd;
	c->session = s;
	c->poll.data = c;
	s->connection = c;
	uv_poll_start(&c->poll, UV_READABLE, readable);
	err = say_hello(s);
	if (err < 0)
		leave(s, "%s", strerror(-err));
	else
		uv_timer_start(&s->timer, no_welcome, GREETING_MS, 0);
}

/* -- what dp_session.h offers ----------------------------------------------- */

int dp_session_create(uv_loop_t *loop, const char *path, const struct dp_session_hooks *hooks,
		      struct dp_session **out)
{
	struct dp_session *s;

	if (strlen(path) >= sizeof(s->path))
		return -ENAMETOOLONG;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->loop = loop;
	TAILQ_INIT(&s->waiting);
	TAILQ_INIT(&s->sent);
	s->hooks = *hooks;
	memcpy(s->path, path, strlen(path) + 1);
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	uv_timer_start(&s->timer, connect_now, 0, 0);
	*out = s;
	return 0;
}

static void timer_closed(uv_handle_t *h)
{
	free(h->data);
}

void dp_session_destroy(struct dp_session *s)
{
	close_connection(s);
	detach(s, "the control plane is ending");
	uv_close((uv_handle_t *)&s->timer, timer_closed);
}

const struct dp_view *dp_session_view(const struct dp_session *s)
{
	return s->attached ? &s->view : NULL;
}

/* `m` is a whole message, which begins with its head. */
static int ask(struct dp_session *s, struct weir_head *m, uint16_t type, size_t len,
	       const struct question *to)
{
	struct question *q;

	if (!s->attached)
		return -ENOTCONN;
	if (s->waiting_count == QUESTIONS_MAX)
		return -EAGAIN;
	q = malloc(sizeof(*q) + len);
	if (q == NULL)
		return -ENOMEM;
	*m = head(s, type);
	*q = *to;
	q->asked_ms = uv_now(s->loop);
	q->seq = m->seq;
	q->len = len;
	memcpy(q->message, m, len);
	TAILQ_INSERT_TAIL(&s->waiting, q, link);
	s->waiting_count++;
	send_questions(s);
	return 0;
}

int dp_session_explain(struct dp_session *s, const struct weir_explain *request,
		       dp_explained_fn *fn, void *user)
{
	const struct question q = { .explained = fn, .user = user };
	struct weir_explain m = *request;

	return ask(s, &m.head, WEIR_EXPLAIN, sizeof(m), &q);
}

int dp_session_explain_frame(struct dp_session *s, struct weir_explain_frame *request,
			     dp_explained_fn *fn, void *user)
{
	const struct question q = { .explained = fn, .user = user };

	return ask(s, &request->head, WEIR_EXPLAIN_FRAME, sizeof(*request), &q);
}

int dp_session_capture(struct dp_session *s, const struct weir_capture *request,
		       dp_capturing_fn *fn, void *user)
{
	const struct question q = { .capturing = fn, .user = user };
	struct weir_capture m = *request;

	return ask(s, &m.head, WEIR_CAPTURE, sizeof(m), &q);
}

static void add(struct weir_sum *sum, const struct weir_count *c)
{
	sum->packets += atomic_load_explicit(&c->packets, memory_order_relaxed);
	sum->bytes += atomic_load_explicit(&c->bytes, memory_order_relaxed);
}

struct weir_sum dp_service_count(const struct dp_session *s, unsigned service)
{
	struct weir_sum sum = { 0 };

	for (uint32_t i = 0; s->attached && service < WEIR_MAX_SERVICES && i < s->view.worker_count;
	     i++)
		add(&sum, &s->view.state->worker[i].service[service]);
	return sum;
}

struct weir_sum dp_backend_count(const struct dp_session *s, unsigned backend)
{
	struct weir_sum sum = { 0 };

	for (uint32_t i = 0; s->attached && backend < WEIR_MAX_BACKENDS && i < s->view.worker_count;
	     i++)
		add(&sum, &s->view.state->worker[i].backend[backend]);
	return sum;
}

struct weir_sum dp_drop_count(const struct dp_session *s, unsigned reason)
{
	struct weir_sum sum = { 0 };

	for (uint32_t i = 0; s->attached && reason < WEIR_DROP_ROOM && i < s->view.worker_count;
	     i++)
		add(&sum, &s->view.state->worker[i].drop[reason]);
	return sum;
}

struct weir_sum dp_answer_count(const struct dp_session *s, unsigned answer)
{
	struct weir_sum sum = { 0 };

	for (uint32_t i = 0; s->attached && answer < WEIR_ANSWER_ROOM && i < s->view.worker_count;
	     i++)
		add(&sum, &s->view.state->worker[i].answer[answer]);
	return sum;
}

struct weir_sum dp_punt_count(const struct dp_session *s, unsigned punt)
{
	struct weir_sum sum = { 0 };

	for (uint32_t i = 0; s->attached && punt < WEIR_PUNT_ROOM && i < s->view.worker_count; i++)
		add(&sum, &s->view.state->worker[i].punt[punt]);
	return sum;
}

static void add_columns(uint64_t *out, const _Atomic uint64_t *column, unsigned columns)
{
	for (unsigned i = 0; i < columns; i++)
		out[i] += atomic_load_explicit(&column[i], memory_order_relaxed);
}

void dp_service_columns(const struct dp_session *s, unsigned service, uint64_t out[WEIR_COLUMNS])
{
	memset(out, 0, WEIR_COLUMNS * sizeof(*out));
	for (uint32_t i = 0; s->attached && service < WEIR_MAX_SERVICES && i < s->view.worker_count;
	     i++)
		add_columns(out, s->view.state->worker[i].service_column[service], WEIR_COLUMNS);
}

void dp_backend_columns(const struct dp_session *s, unsigned backend,
			uint64_t out[WEIR_BACKEND_COLUMNS])
{
	memset(out, 0, WEIR_BACKEND_COLUMNS * sizeof(*out));
	for (uint32_t i = 0; s->attached && backend < WEIR_MAX_BACKENDS && i < s->view.worker_count;
	     i++)
		add_columns(out, s->view.state->worker[i].backend_column[backend],
			    WEIR_BACKEND_COLUMNS);
}
