// SPDX-License-Identifier: Apache-2.0
/*
 * Answers flow_client on every address of its namespace.
 *
 *   flow_server PORT NAME     prints "ready"; ends by a signal
 */
#include "flow_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 16384, EVENTS = 256 };

static struct {
	bool streams;
	uint64_t number, next_ms;
	struct flow_message in;
	size_t in_len;
} conn[MAX_FD];
static int top; /* highest descriptor that was ever a connection */
static const char *name;

static void end(int fd)
{
	conn[fd].streams = false;
	close(fd);
}

static bool say(int fd, uint64_t number)
{
	struct flow_message m = { .number = number };

	strncpy(m.name, name, sizeof(m.name) - 1);
	return send(fd, &m, sizeof(m), MSG_NOSIGNAL) == sizeof(m);
}

/* One whole message. False: the connection is over. */
static bool answer(int fd)
{
	const struct flow_message *m = &conn[fd].in;

	if (m->name[0] == FLOW_STREAM) {
		conn[fd].streams = true;
		conn[fd].number = m->number;
		conn[fd].next_ms = flow_now_ms() + FLOW_STREAM_MS;
		return true;
	}
	return say(fd, m->number) && m->name[0] == FLOW_ECHO;
}

static void readable(int fd)
{
	for (;;) {
		ssize_t n = recv(fd, (char *)&conn[fd].in + conn[fd].in_len,
				 sizeof(conn[fd].in) - conn[fd].in_len, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n == 0 && conn[fd].streams)
			return; /* half-closed; edge-triggered, so that we hear it once */
		if (n <= 0)
			break;
		conn[fd].in_len += (size_t)n;
		if (conn[fd].in_len < sizeof(conn[fd].in))
			continue;
		conn[fd].in_len = 0;
		if (!answer(fd))
			break;
	}
	end(fd);
}

static void accept_all(int listener, int epoll)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

		if (fd >= MAX_FD) {
			close(fd);
			continue;
		}
		conn[fd].streams = false;
		conn[fd].in_len = 0;
		top = fd > top ? fd : top;
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
	}
}

static void stream_all(void)
{
	uint64_t now = flow_now_ms();

	for (int fd = 0; fd <= top; fd++) {
		if (!conn[fd].streams || conn[fd].next_ms > now)
			continue;
		conn[fd].next_ms += FLOW_STREAM_MS;
		if (!say(fd, conn[fd].number++))
			end(fd);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct epoll_event e = { .events = EPOLLIN }, got[EVENTS];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);

	if (argc != 3) {
		fprintf(stderr, "usage: flow_server PORT NAME\n");
		return 2;
	}
	name = argv[2];
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ MAX_FD, MAX_FD });
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 4096) < 0) {
		perror("flow_server");
		return 1;
	}
	e.data.fd = listener;
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, got, EVENTS, 50);

		for (int i = 0; i < n; i++) {
			if (got[i].data.fd == listener)
				accept_all(listener, epoll);
			else
				readable(got[i].data.fd);
		}
		stream_all();
	}
}
