// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP requests at a rate, a connection each, whatever becomes of the earlier ones:
 *
 *   request_load ADDRESS PORT RATE SECONDS FROM...
 *
 * Clients' addresses FROM are used in turn. A request that has not been answered with
 * 200 within a second of its start has failed. A line a failure goes to standard output,
 * "MS WHY" with the time of its start since the first request (MS), and last "end SENT
 * FAILED". "go EPOCH_MS" comes first: when the first request began.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000, MOST = 65536 };

struct request {
	int64_t start_us;
	bool open, sent;
};

static struct request request[MOST]; /* by descriptor */
static struct {
	unsigned fd;
	int64_t start_us; /* tells a later request that got the number */
} queue[MOST]; /* in order of their start: a ring */
static unsigned head, tail;
static int64_t zero_us;
static unsigned long sent, failed;
static int poller;

static int64_t now_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void finish(unsigned fd, const char *why)
{
	struct linger now = { .l_onoff = 1 };

	if (why != NULL) {
		failed++;
		printf("%lld %s\n", (long long)(request[fd].start_us - zero_us) / 1000, why);
	}
	request[fd].open = false;
	/* By reset: no TIME-WAIT uses up the ports. */
	setsockopt((int)fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close((int)fd);
}

static void begin(const struct sockaddr_in *to, const char *from)
{
	struct sockaddr_in own = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event ev = { .events = EPOLLOUT, .data.fd = fd };

	if (fd < 0 || fd >= MOST || inet_pton(AF_INET, from, &own.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0) {
		perror("request_load");
		exit(2);
	}
	sent++;
	request[fd] = (struct request){ now_us(CLOCK_MONOTONIC), true, false };
	queue[tail % MOST].fd = (unsigned)fd;
	queue[tail++ % MOST].start_us = request[fd].start_us;
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS) {
		finish((unsigned)fd, strerror(errno));
		return;
	}
	epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev);
}

static void go_on(unsigned fd)
{
	static const char get[] = "GET /1k HTTP/1.0\r\n\r\n";
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = (int)fd };
	char buf[4096];
	ssize_t n;

	if (!request[fd].open)
		return;
	if (!request[fd].sent) {
		if (send((int)fd, get, sizeof(get) - 1, MSG_NOSIGNAL) < 0) {
			finish(fd, strerror(errno));
			return;
		}
		request[fd].sent = true;
		epoll_ctl(poller, EPOLL_CTL_MOD, (int)fd, &ev);
		return;
	}
	n = recv((int)fd, buf, sizeof(buf), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		finish(fd, strerror(errno));
	else
		finish(fd, n > 12 && memcmp(buf + 8, " 200", 4) == 0 ? NULL : "closed early");
}

static void give_up(int64_t now)
{
	for (; head != tail; head++) {
		unsigned fd = queue[head % MOST].fd;

		if (!request[fd].open || request[fd].start_us != queue[head % MOST].start_us)
			continue;
		if (now - request[fd].start_us < PATIENCE_MS * 1000)
			return;
		finish(fd, "no answer");
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct rlimit files = { MOST, MOST };
	int64_t gap_us, end_us, next_us, now;

	if (argc < 6 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "request_load ADDRESS PORT RATE SECONDS FROM...\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	gap_us = 1000000 / atoi(argv[3]);
	setrlimit(RLIMIT_NOFILE, &files);
	setvbuf(stdout, NULL, _IOLBF, 0);
	poller = epoll_create1(EPOLL_CLOEXEC);
	zero_us = next_us = now = now_us(CLOCK_MONOTONIC);
	end_us = zero_us + (int64_t)atoi(argv[4]) * 1000000;
	printf("go %lld\n", (long long)now_us(CLOCK_REALTIME) / 1000);
	while (now < end_us || head != tail) {
		struct epoll_event ev[256];
		int n;

		for (; next_us <= now && next_us < end_us; next_us += gap_us)
			begin(&to, argv[5 + sent % (unsigned long)(argc - 5)]);
		n = epoll_wait(poller, ev, 256, 1);
		for (int i = 0; i < n; i++)
			go_on((unsigned)ev[i].data.fd);
		now = now_us(CLOCK_MONOTONIC);
		give_up(now);
	}
	printf("end %lu %lu\n", sent, failed);
	return 0;
}
