// SPDX-License-Identifier: Apache-2.0
#include "rpc_client.h"

#include "rpc_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	UNSENT_MAX = 1 << 20, /* bytes of answers that wait to be read */
	LINES_MAX = 32,	      /* being worked on */
};

struct rpc_client {
	uv_pipe_t pipe;
	struct rpc_clients *all;
	struct rpc_client *next, **at;
	char *in; /* read and not handled */
	size_t in_len, in_room;
	size_t unsent;
	unsigned open_lines; /* handled and not answered */
	unsigned refs;	     /* open lines, writes, callers in here, 1 for the handle */
	bool skipping;	     /* the rest of a line that was too long */
	bool eof, reading, working, closed;
};

struct sending {
	uv_write_t req;
	struct rpc_client *c;
	char *text;
	size_t len;
};

static void client_work(struct rpc_client *c);

static void unref(struct rpc_client *c)
{
	if (--c->refs > 0)
		return;
	free(c->in);
	free(c);
}

static void handle_closed(uv_handle_t *h)
{
	unref(h->data);
}

static void client_close(struct rpc_client *c)
{
	if (c->closed)
		return;
	c->closed = true;
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	c->all->count--;
	uv_close((uv_handle_t *)&c->pipe, handle_closed);
}

static void sent(uv_write_t *req, int status)
{
	struct sending *s = (struct sending *)req;
	struct rpc_client *c = s->c;

	c->unsent -= s->len;
	free(s->text);
	free(s);
	if (status < 0)
		client_close(c);
	client_work(c);
	unref(c);
}

/* Takes `text`; NULL is nothing to send. */
static void client_send(struct rpc_client *c, char *text, size_t len)
{
	struct sending *s;
	uv_buf_t buf;

	if (c->closed || text == NULL) {
		free(text);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		goto err;
	*s = (struct sending){ .c = c, .text = text, .len = len };
	buf = uv_buf_init(text, (unsigned)len);
	if (uv_write(&s->req, (uv_stream_t *)&c->pipe, &buf, 1, sent) < 0)
		goto err;
	c->unsent += len;
	c->refs++;
	return;

err: /* an answer would be missing: the client had better notice */
	free(text);
	free(s);
	client_close(c);
}

/* What there is to send with a descriptor, which travels with the first byte; libuv has
 * no way for those of others than its own. Returns the bytes that went, which may be none. */
static size_t send_with(struct rpc_client *c, char *text, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ancillary = { .buf = { 0 } };
	struct iovec iov = { .iov_base = text, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ancillary.buf,
			    .msg_controllen = sizeof(ancillary.buf) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
	uv_os_fd_t socket;
	ssize_t n;

	if (c->unsent > 0 || uv_fileno((uv_handle_t *)&c->pipe, &socket) < 0)
		return 0; /* would cut into an answer that is under way */
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	n = sendmsg(socket, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? 0 : (size_t)n;
}

/* To a client that does not read its answers the text goes without its descriptor. */
static void client_send_fd(struct rpc_client *c, char *text, size_t len, int fd)
{
	size_t n = c->closed ? 0 : send_with(c, text, len, fd);

	close(fd);
	if (n < len) {
		memmove(text, text + n, len - n);
		client_send(c, text, len - n);
	} else {
		free(text);
	}
}

static void answered(void *user, char *line, size_t len, int fd)
{
	struct rpc_client *c = user;

	c->open_lines--;
	if (fd >= 0)
		client_send_fd(c, line, len, fd);
	else
		client_send(c, line, len);
	client_work(c);
	unref(c);
}

static bool busy(const struct rpc_client *c)
{
	return c->unsent > UNSENT_MAX || c->open_lines >= LINES_MAX;
}

/* The next line in c->in from *at on, which moves behind it; at the end of the file a
 * rest without a newline is a line too. */
static bool next_line(struct rpc_client *c, size_t *at, const char **line, size_t *len)
{
	for (;;) {
		const char *start = c->in + *at;
		size_t left = c->in_len - *at;
		const char *end = left > 0 ? memchr(start, '\n', left) : NULL;

		if (end == NULL && (!c->eof || left == 0))
			return false;
		*line = start;
		*len = end == NULL ? left : (size_t)(end - start);
		*at += *len + (end != NULL);
		if (!c->skipping)
			return true;
		c->skipping = false;
	}
}

static void client_line(struct rpc_client *c, const char *line, size_t len)
{
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
		len--;
	if (len == 0)
		return;
	c->refs++;
	c->open_lines++;
	rpc_line(line, len, c->all->dispatch, c->all->user, answered, c);
}

static void read_more(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct rpc_client *c = h->data;

	(void)hint;
	if (c->in_len == c->in_room) {
		size_t room = c->in_room == 0 ? 4096 : c->in_room * 4;
		char *more;

		/* One byte more than a line may have, to tell which line is too long. */
		if (room > RPC_LINE_MAX + 1)
			room = RPC_LINE_MAX + 1;
		more = realloc(c->in, room);
		if (more != NULL) {
			c->in = more;
			c->in_room = room;
		}
	}
	/* Without memory the length is 0: libuv then reports UV_ENOBUFS to came(). */
	*buf = uv_buf_init(c->in + c->in_len, (unsigned)(c->in_room - c->in_len));
}

static void too_long(struct rpc_client *c)
{
	if (!c->skipping) {
		size_t len = 0;
		char *line = rpc_error_line(RPC_PARSE_ERROR, "a line is longer than 1 MiB", &len);

		client_send(c, line, len);
	}
	c->skipping = true;
	c->in_len = 0;
}

static void came(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct rpc_client *c = s->data;

	(void)buf;
	if (n == UV_EOF) {
		/* `echo ... | nc -U` ends its side first: what is open is answered still. */
		uv_read_stop(s);
		c->reading = false;
		c->eof = true;
	} else if (n < 0) {
		client_close(c);
		return;
	} else {
		c->in_len += (size_t)n;
		if (c->in_len > RPC_LINE_MAX && memchr(c->in, '\n', c->in_len) == NULL)
			too_long(c);
	}
	client_work(c);
}

/* Read on, pause, or part. */
static void client_flow(struct rpc_client *c)
{
	if (c->eof) {
		if (c->open_lines == 0 && c->unsent == 0)
			client_close(c);
	} else if (busy(c) == c->reading) {
		if (c->reading)
			uv_read_stop((uv_stream_t *)&c->pipe);
		else
			uv_read_start((uv_stream_t *)&c->pipe, read_more, came);
		c->reading = !c->reading;
	}
}

/* Handle the lines that are there, as far as the client may go on. */
static void client_work(struct rpc_client *c)
{
	const char *line;
	size_t at = 0, len;

	if (c->closed || c->working) /* an answer at once, from within client_line() */
		return;
	c->refs++;
	c->working = true;
	while (!c->closed && !busy(c) && next_line(c, &at, &line, &len))
		client_line(c, line, len);
	c->working = false;
	if (at > 0)
		memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	if (!c->closed)
		client_flow(c);
	unref(c);
}

int rpc_client_create(struct rpc_clients *all, uv_stream_t *listener, int fd)
{
	struct rpc_client *c = calloc(1, sizeof(*c));
	int err;

	if (c == NULL)
		return -ENOMEM;
	c->all = all;
	c->refs = 1;
	c->at = &all->first;
	c->next = all->first;
	if (c->next != NULL)
		c->next->at = &c->next;
	all->first = c;
	all->count++;
	uv_pipe_init(all->loop, &c->pipe, 0);
	c->pipe.data = c;
	err = listener != NULL ? uv_accept(listener, (uv_stream_t *)&c->pipe)
			       : uv_pipe_open(&c->pipe, fd);
	if (err < 0) {
		client_close(c);
		return err;
	}
	if (all->count > RPC_CLIENTS_MAX) {
		size_t len = 0;
		char *line =
			rpc_error_line(RPC_TOO_MUCH, "128 clients are connected already", &len);

		c->eof = true; /* gone when that is written */
		client_send(c, line, len);
	}
	client_work(c);
	return 0;
}

void rpc_clients_close(struct rpc_clients *all)
{
	while (all->first != NULL)
		client_close(all->first);
}
