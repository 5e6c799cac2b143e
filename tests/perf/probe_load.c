// SPDX-License-Identifier: Apache-2.0
/*
 * How many probes one core starts on time: TARGETS addresses of 127/8 probed every
 * INTERVAL_MS for SECONDS, against a server of ours in a process of its own.
 *
 *   probe_load tcp|http TARGETS INTERVAL_MS SECONDS
 *
 * Prints probes, failures, the share that started more than 100 ms late, latencies, and
 * the CPU time of the prober and of what answers it: both share this machine.
 */
#include "probe.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LATE_MS = 100, LATENCIES_MAX = 1 << 20 };

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

struct target {
	uv_timer_t timer;
	struct probe_target at;
	uint64_t due_ns;
	bool busy;
};

static uv_loop_t loop;
static struct probe_ctx *ctx;
static struct probe_conf conf = { .connect_timeout_ms = 1000, .answer_timeout_ms = 1000 };
static struct target *targets;
static unsigned target_count, interval_ms;
static uint64_t end_ns;
static unsigned long started, failed, late, skipped, most_in_flight;
static uint32_t *latency;
static unsigned long latency_count;
static char first_failure[PROBE_REASON_LEN];

/* -- the server: accepts, answers what looks like a request, until it is killed -------- */

static void serve_one(int ep, int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	if (n > 0) {
		send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
		return;
	}
	epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
	close(fd);
}

__attribute__((noreturn)) static void serve(int listener)
{
	struct epoll_event events[256], on = { .events = EPOLLIN, .data.fd = listener };
	int ep = epoll_create1(0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &on);
	for (;;) {
		int n = epoll_wait(ep, events, 256, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd != listener) {
				serve_one(ep, fd);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
				struct epoll_event in = { .events = EPOLLIN | EPOLLRDHUP,
							  .data.fd = fd };

				epoll_ctl(ep, EPOLL_CTL_ADD, fd, &in);
			}
		}
	}
}

static pid_t server_fork(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	pid_t pid;

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
		perror("server");
		exit(1);
	}
	*port = ntohs(at.sin_port);
	pid = fork();
	if (pid == 0)
		serve(fd);
	close(fd);
	return pid;
}

/* -- the prober --------------------------------------------------------------------------- */

static void on_done(void *user, const struct probe_result *r)
{
	struct target *t = user;

	t->busy = false;
	if (!r->ok) {
		if (failed++ == 0)
			snprintf(first_failure, sizeof(first_failure), "%s", r->reason);
		return;
	}
	if (latency_count < LATENCIES_MAX)
		latency[latency_count++] = r->latency_us;
}

static void on_due(uv_timer_t *timer)
{
	struct target *t = timer->data;
	uint64_t now = uv_hrtime(), next;
	struct probe *p;

	late += now > t->due_ns + LATE_MS * 1000000ull;
	t->due_ns += interval_ms * 1000000ull;
	if (t->due_ns < end_ns) {
		uv_update_time(&loop);
		next = t->due_ns > now ? (t->due_ns - now + 999999) / 1000000 : 0;
		uv_timer_start(timer, on_due, next, 0);
	}
	if (t->busy) { /* the last one is still under way */
		skipped++;
		return;
	}
	started++;
	t->busy = true;
	if (probe_start(ctx, &conf, &t->at, on_done, t, &p) < 0)
		abort();
	if (probe_count(ctx) > most_in_flight)
		most_in_flight = probe_count(ctx);
}

static void targets_make(uint16_t port, uint64_t begin_ns)
{
	targets = calloc(target_count, sizeof(*targets));
	for (unsigned i = 0; i < target_count; i++) {
		struct target *t = &targets[i];
		uint64_t phase_ns = (uint64_t)interval_ms * 1000000 * i / target_count;

		t->at.addr =
			(struct weir_addr){ 4, { 127, 1 + (i >> 16 & 63), i >> 8 & 255, i & 255 } };
		t->at.port = port;
		t->due_ns = begin_ns + phase_ns;
		uv_timer_init(&loop, &t->timer);
		t->timer.data = t;
		uv_timer_start(&t->timer, on_due, phase_ns / 1000000, 0);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double seconds_of(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static void report(double took_s, pid_t server)
{
	struct rusage own, theirs;

	getrusage(RUSAGE_SELF, &own);
	kill(server, SIGKILL);
	wait4(server, NULL, 0, &theirs);
	qsort(latency, latency_count, sizeof(*latency), by_value);
	printf("probes %lu, failed %lu, skipped %lu, in flight at most %lu\n", started, failed,
	       skipped, most_in_flight);
	printf("started over %d ms late: %lu (%.2f %%)\n", LATE_MS, late,
	       started ? 100.0 * (double)late / (double)started : 0);
	if (latency_count)
		printf("latency us: median %u, 99 %% %u, most %u\n", latency[latency_count / 2],
		       latency[latency_count * 99 / 100], latency[latency_count - 1]);
	printf("of one CPU: prober %.0f %%, server %.0f %% (%.1f us of the prober's a probe)\n",
	       100 * seconds_of(&own) / took_s, 100 * seconds_of(&theirs) / took_s,
	       1e6 * seconds_of(&own) / (double)(started ? started : 1));
	if (failed)
		printf("first failure: %s\n", first_failure);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	uint64_t begin;
	uint16_t port;
	pid_t server;

	if (argc != 5) {
		fprintf(stderr, "usage: probe_load tcp|http TARGETS INTERVAL_MS SECONDS\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	conf.kind = strcmp(argv[1], "http") == 0 ? PROBE_HTTP : PROBE_TCP;
	target_count = (unsigned)atoi(argv[2]);
	interval_ms = (unsigned)atoi(argv[3]);
	latency = malloc(LATENCIES_MAX * sizeof(*latency));
	server = server_fork(&port);
	uv_loop_init(&loop);
	if (probe_ctx_create(&loop, &ctx) < 0)
		return 1;
	begin = uv_hrtime();
	end_ns = begin + (uint64_t)atoi(argv[4]) * 1000000000ull;
	targets_make(port, begin);
	uv_run(&loop, UV_RUN_DEFAULT);
	report((double)(uv_hrtime() - begin) / 1e9, server);
	return failed != 0;
}
