// SPDX-License-Identifier: Apache-2.0
#include "sessions.h"

#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HELLO_MS = 2000,    /* for a client to say it */
	JOIN_MS = 1000,	    /* for the workers to take up a session; 5 ms will do */
	DEAF_MS = 1000,	    /* when no descriptor is left for a connection */
	MESSAGES_TURN = 16, /* from one client, before others have their turn */
};

/* epoll's data: the client's index, or this. */
#define LISTENER UINT32_MAX

static struct client *session_holder(struct sessions *s)
{
	for (unsigned i = 0; i < SESSIONS_CLIENTS; i++)
		if (s->client[i].state >= CLIENT_JOINING)
			return &s->client[i];
	return NULL;
}

static void end(struct sessions *s, struct client *c, const char *why)
{
	if (c->state >= CLIENT_JOINING) {
		workers_join(s->workers, 0);
		log_info("session %u with %s ended: %s; forwarding goes on", s->number, c->name,
			 why);
	}
	close(c->fd);
	*c = (struct client){ .state = CLIENT_FREE };
}

/* -- messages out ----------------------------------------------------------- */

static struct weir_head head(uint16_t type, uint32_t seq)
{
	return (struct weir_head){ .magic = WEIR_SESSION_MAGIC,
				   .layout_version = WEIR_LAYOUT_VERSION,
				   .type = type,
				   .seq = seq };
}

/* A client that does not read its answers has no session. */
static bool send_message(struct client *c, const void *msg, size_t len)
{
	return send(c->fd, msg, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void refuse(struct sessions *s, struct client *c, uint32_t seq, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void refuse(struct sessions *s, struct client *c, uint32_t seq, const char *fmt, ...)
{
	struct weir_refused m = { .head = head(WEIR_REFUSED, seq) };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	(void)send_message(c, &m, sizeof(m));
	end(s, c, m.text);
}

static void welcome(struct sessions *s, struct client *c)
{
	struct weir_welcome m = {
		.head = head(WEIR_WELCOME, c->seq),
		.session = s->number,
		.pid = (uint32_t)getpid(),
		.state_size = s->state->size,
		.control_size = s->control->size,
		.worker_count = s->workers->count,
		.huge = (uint32_t)s->state->huge | (uint32_t)s->control->huge << 1,
		.version = WEIR_VERSION,
		.ports.head = head(WEIR_PORTS_ARE, c->seq),
	};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} ancillary = { .buf = { 0 } };
	struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ancillary.buf,
			    .msg_controllen = sizeof(ancillary.buf) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
	const int fds[2] = { s->state->fd, s->control->fd };

	memcpy(m.worker_cpu, s->workers->cpu, sizeof(m.worker_cpu));
	ports_describe(s->ports, &m.ports);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cm), fds, sizeof(fds));
	if (sendmsg(c->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(m)) {
		end(s, c, "it did not take the welcome");
		return;
	}
	c->state = CLIENT_HOLDER;
	log_info("session %u: %s is attached", s->number, c->name);
}

/* -- messages in ------------------------------------------------------------ */

static void name_client(struct client *c, const struct weir_hello *hello)
{
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);
	char name[WEIR_NAME_LEN];

	memcpy(name, hello->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	for (char *p = name; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p))
			*p = '?';
	getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	snprintf(c->name, sizeof(c->name), "%s (pid %d)", name, (int)peer.pid);
}

/* Its end of file may wait behind the message that we are at. */
static bool has_gone(const struct client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void on_hello(struct sessions *s, struct client *c, const struct weir_hello *hello,
		     uint64_t now_ms)
{
	struct client *holder = session_holder(s);

	name_client(c, hello);
	if (holder != NULL && has_gone(holder)) {
		end(s, holder, "it has gone");
		holder = NULL;
	}
	if (holder != NULL) {
		log_warning("%s wants a session, but %s has it", c->name, holder->name);
		refuse(s, c, hello->head.seq, "the session is held by %s", holder->name);
		return;
	}
	if (++s->number == 0) /* 0 means none */
		s->number = 1;
	c->seq = hello->head.seq;
	c->state = CLIENT_JOINING;
	c->deadline_ms = now_ms + JOIN_MS;
	workers_join(s->workers, s->number);
}

static void on_explain(struct sessions *s, struct client *c, const struct weir_explain *q)
{
	struct weir_explained a = { .head = head(WEIR_EXPLAINED, q->head.seq) };

	if (q->family != 4 && q->family != 6)
		refuse(s, c, q->head.seq, "explain: address family %u is neither 4 nor 6",
		       q->family);
	else if (explain(s->explainer, workers_newest(s->workers), q, &a) < 0)
		refuse(s, c, q->head.seq, "explain: no packet buffer is free");
	else if (!send_message(c, &a, sizeof(a)))
		end(s, c, "it does not read its answers");
}

static void on_explain_frame(struct sessions *s, struct client *c,
			     const struct weir_explain_frame *q)
{
	struct weir_explained a = { .head = head(WEIR_EXPLAINED, q->head.seq) };

	if (q->port >= s->ports->count || q->frame_len > WEIR_FRAME_MAX || q->held > q->frame_len)
		refuse(s, c, q->head.seq, "explain: no such port, or a length out of range");
	else if (explain_frame(s->explainer, workers_newest(s->workers), q, &a) < 0)
		refuse(s, c, q->head.seq, "explain: no packet buffer is free");
	else if (!send_message(c, &a, sizeof(a)))
		end(s, c, "it does not read its answers");
}

/* A message with a descriptor, or without when it is negative. */
static bool send_with(struct client *c, void *msg, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ancillary = { .buf = { 0 } };
	struct iovec iov = { .iov_base = msg, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (fd >= 0) {
		h.msg_control = ancillary.buf;
		h.msg_controllen = sizeof(ancillary.buf);
		cm = CMSG_FIRSTHDR(&h);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	}
	return sendmsg(c->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void on_capture(struct sessions *s, struct client *c, const struct weir_capture *q,
		       uint64_t now_ms)
{
	struct weir_capturing a = { .head = head(WEIR_CAPTURING, q->head.seq) };
	int fd = capture_file_begin(s->capture, q, now_ms, a.text, sizeof(a.text));

	a.error = fd < 0 ? (uint32_t)-fd : 0;
	if (!send_with(c, &a, sizeof(a), fd))
		end(s, c, "it does not read its answers");
	if (fd >= 0)
		close(fd); /* without a reader the capture ends by itself */
}

static void on_ports(struct sessions *s, struct client *c, const struct weir_head *q)
{
	struct weir_ports_are a = { .head = head(WEIR_PORTS_ARE, q->seq) };

	ports_describe(s->ports, &a);
	if (!send_message(c, &a, sizeof(a)))
		end(s, c, "it does not read its answers");
}

static void on_message(struct sessions *s, struct client *c, const union weir_session_msg *m,
		       size_t len, uint64_t now_ms)
{
	if (len < sizeof(m->head) || m->head.magic != WEIR_SESSION_MAGIC) {
		refuse(s, c, 0, "not a message of Weir's session socket");
	} else if (m->head.layout_version != WEIR_LAYOUT_VERSION) {
		refuse(s, c, m->head.seq,
		       "this data plane (%s) has shared-memory layout %u, and you have %u",
		       WEIR_VERSION, WEIR_LAYOUT_VERSION, m->head.layout_version);
	} else if (c->state == CLIENT_SILENT) {
		if (m->head.type == WEIR_HELLO && len == sizeof(m->hello))
			on_hello(s, c, &m->hello, now_ms);
		else
			refuse(s, c, m->head.seq, "a HELLO of %zu bytes comes first",
			       sizeof(m->hello));
	} else if (c->state == CLIENT_HOLDER && m->head.type == WEIR_EXPLAIN &&
		   len == sizeof(m->explain)) {
		on_explain(s, c, &m->explain);
	} else if (c->state == CLIENT_HOLDER && m->head.type == WEIR_EXPLAIN_FRAME &&
		   len == sizeof(m->explain_frame)) {
		on_explain_frame(s, c, &m->explain_frame);
	} else if (c->state == CLIENT_HOLDER && m->head.type == WEIR_CAPTURE &&
		   len == sizeof(m->capture)) {
		on_capture(s, c, &m->capture, now_ms);
	} else if (c->state == CLIENT_HOLDER && m->head.type == WEIR_PORTS &&
		   len == sizeof(m->head)) {
		on_ports(s, c, &m->head);
	} else {
		refuse(s, c, m->head.seq, "unexpected message: type %u, %zu bytes", m->head.type,
		       len);
	}
}

static void receive(struct sessions *s, struct client *c, uint64_t now_ms)
{
	for (unsigned i = 0; i < MESSAGES_TURN && c->state != CLIENT_FREE; i++) {
		union weir_session_msg m;
		/* One byte more than the longest message: what is longer shows. No room for
		 * descriptors: the kernel closes those that a client sends. */
		struct iovec iov[2] = { { &m, sizeof(m) }, { &(char){ 0 }, 1 } };
		struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
		ssize_t n = recvmsg(c->fd, &h, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			end(s, c, n == 0 ? "end of file" : strerror(errno));
		else
			on_message(s, c, &m, (size_t)n, now_ms);
	}
}

/* -- connections ------------------------------------------------------------ */

static int watch(const struct sessions *s, int fd, uint32_t data)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP, .data.u32 = data };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

/* Connections wait in the listener's queue until `ms` from now, and until there is
 * a place for one. */
static void stop_accepting(struct sessions *s, uint64_t now_ms, unsigned ms)
{
	epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->listener, NULL);
	s->deaf = true;
	s->listen_ms = now_ms + ms;
}

static struct client *free_place(struct sessions *s)
{
	for (unsigned i = 0; i < SESSIONS_CLIENTS; i++)
		if (s->client[i].state == CLIENT_FREE)
			return &s->client[i];
	return NULL;
}

static void accept_clients(struct sessions *s, uint64_t now_ms)
{
	for (;;) {
		struct client *c = free_place(s);
		int fd;

		if (c == NULL) {
			stop_accepting(s, now_ms, 0);
			return;
		}
		fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			/* No descriptor, no memory: do not spin on a connection that stays. */
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				stop_accepting(s, now_ms, DEAF_MS);
			return;
		}
		if (watch(s, fd, (uint32_t)(c - s->client)) < 0) {
			close(fd);
			continue;
		}
		*c = (struct client){ .state = CLIENT_SILENT,
				      .fd = fd,
				      .deadline_ms = now_ms + HELLO_MS };
	}
}

/* What is due, whether or not a client says something. */
static bool check_times(struct sessions *s, uint64_t now_ms)
{
	bool soon = false;
	unsigned late;

	if (s->deaf && now_ms >= s->listen_ms && free_place(s) != NULL)
		s->deaf = watch(s, s->listener, LISTENER) < 0;

	for (unsigned i = 0; i < SESSIONS_CLIENTS; i++) {
		struct client *c = &s->client[i];

		if (c->state == CLIENT_SILENT && now_ms >= c->deadline_ms) {
			refuse(s, c, 0, "no HELLO within %d ms", HELLO_MS);
		} else if (c->state == CLIENT_JOINING) {
			bool joined = workers_joined(s->workers, s->number, &late);

			if (!joined && now_ms >= c->deadline_ms)
				log_warning("worker %u (CPU %u) does not answer; session %u begins "
					    "without it",
					    late, s->workers->cpu[late], s->number);
			if (joined || now_ms >= c->deadline_ms)
				welcome(s, c);
			else
				soon = true;
		}
	}
	return soon;
}

int sessions_open(struct sessions *s)
{
	int err;

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return -errno;
	err = watch(s, s->listener, LISTENER);
	if (err < 0)
		close(s->epoll);
	return err;
}

int sessions_fd(const struct sessions *s)
{
	return s->epoll;
}

bool sessions_serve(struct sessions *s, uint64_t now_ms)
{
	struct epoll_event e[SESSIONS_CLIENTS + 1];
	int n = epoll_wait(s->epoll, e, SESSIONS_CLIENTS + 1, 0);
	bool knock = false;

	/* Those that go make place for those that come. */
	for (int i = 0; i < n; i++) {
		if (e[i].data.u32 == LISTENER)
			knock = true;
		else if (s->client[e[i].data.u32].state != CLIENT_FREE)
			receive(s, &s->client[e[i].data.u32], now_ms);
	}
	if (knock)
		accept_clients(s, now_ms);
	return check_times(s, now_ms);
}

void sessions_close(struct sessions *s)
{
	for (unsigned i = 0; i < SESSIONS_CLIENTS; i++)
		if (s->client[i].state != CLIENT_FREE)
			end(s, &s->client[i], "the data plane stops");
	close(s->epoll);
}
