// SPDX-License-Identifier: Apache-2.0
/*
 * Keeps connections through Weir and says what becomes of them.
 *
 *   flow_client VIP,VIP,... SOURCE,SOURCE,... PORT CHATS HALVES IDLES IDLE_S SHORTS
 *
 *   CHATS   connections that send a message every second or so and want it back
 *   HALVES  half-closed ones: the client has sent its FIN, and gets a stream
 *   IDLES   as CHATS, but silent for IDLE_S between two messages
 *   SHORTS  connections a second for one message
 *
 * One that ends before its time is opened anew. On standard input, a line each:
 *
 *   failing NAME VIP   from now on backend NAME may break its flows to VIP, and
 *                      connections there may fail before their backend is known
 *   failed NAME VIP    no more: those that NAME has by now still may
 *   echoes N           answered when N more messages have come back
 *   report             prints the counts, and begins new ones
 *   end                prints the counts; exits
 *
 * Each is answered on standard output, "done LINE" or
 *
 *   opened N echoes N broken N refused N stalled N excused N longest_ms N lag_ms N
 *
 * broken: reset, closed, silent for GONE_MS, or a wrong answer, once a backend was
 * known. refused: never got that far. stalled: an answer took over STALL_MS. What may
 * fail is excused. lag_ms is how long this process did not run: no stall is counted
 * for such time. The first failures are told on standard error.
 */
#include "flow_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	STALL_MS = 1000,
	GONE_MS = 10000,
	STEP_MS = 10, /* between two looks at all flows */
	LATE_MS = 50, /* a step that takes longer is lag */
	EVENTS = 512,
	MAX_LIST = 16,
	RAMP = 1000, /* flows opened a second at the start */
	TOLD = 40,   /* failures that are described */
};

enum kind { CHAT, HALF, IDLE, SHORT };
enum state { CLOSED, CONNECTING, WAITING /* for a message */, RESTING };

struct flow {
	int fd;
	uint8_t kind, state;
	uint8_t vip; /* index */
	bool excused, stalled;
	char backend[8]; /* "": not known yet */
	uint64_t number;
	uint64_t since_ms, since_lag; /* waiting, or resting */
	uint64_t next_ms;
	uint64_t opened_ms;
	struct flow_message in;
	size_t in_len;
};

static struct counts {
	uint64_t opened, echoes, broken, refused, stalled, excused, longest_ms, lag_ms;
} counts;
static uint64_t echoed, echoes_asked; /* in all; at how many somebody wants to be told */

static struct flow *flows;
static uint32_t long_count, flow_count;
static struct in_addr vip[MAX_LIST], source[MAX_LIST];
static unsigned vips, sources, told;
static uint16_t port;
static uint64_t now, start, lag, idle_ms, next_id;
static struct failing {
	char backend[8];
	uint8_t vip;
} failing[MAX_LIST];
static unsigned failing_count;
static int epoll_fd;

static bool is_of(const struct flow *f, const struct failing *b)
{
	return f->vip == b->vip && (f->backend[0] == '\0' || strcmp(b->backend, f->backend) == 0);
}

static bool may_fail(const struct flow *f)
{
	for (unsigned i = 0; i < failing_count; i++)
		if (is_of(f, &failing[i]))
			return true;
	return f->excused;
}

static void flow_close(struct flow *f)
{
	close(f->fd);
	f->fd = -1;
	f->state = CLOSED;
}

/* It ended before its time. */
static void fail(struct flow *f, const char *what)
{
	static const char *const kinds[] = { "chat", "half-closed", "idle", "short" };

	if (may_fail(f)) {
		counts.excused++;
	} else {
		uint64_t *n = f->backend[0] != '\0' ? &counts.broken : &counts.refused;

		++*n;
		if (told++ < TOLD)
			fprintf(stderr, "%.1f s: %s flow on %s, %.1f s old: %s\n",
				(double)(now - start) / 1000, kinds[f->kind],
				f->backend[0] != '\0' ? f->backend : "nobody",
				(double)(now - f->opened_ms) / 1000, what);
	}
	flow_close(f);
	f->next_ms = now + 100;
}

static void flow_open(struct flow *f)
{
	uint32_t i = (uint32_t)(next_id++);
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr = source[i % sources] };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr = vip[i / sources % vips] };
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
				 .data.u32 = (uint32_t)(f - flows) };

	*f = (struct flow){ .kind = f->kind, .vip = i / sources % vips, .state = CONNECTING };
	f->since_ms = f->opened_ms = now;
	f->since_lag = lag;
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	/* The port is chosen by connect(), for the pair: more connections than ports. */
	setsockopt(f->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int));
	counts.opened++;
	if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    (connect(f->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, f->fd, &e) < 0)
		fail(f, strerror(errno));
}

static void ask(struct flow *f)
{
	static const char verb[] = { FLOW_ECHO, FLOW_STREAM, FLOW_ECHO, FLOW_ONCE };
	struct flow_message m = { .name = { verb[f->kind] }, .number = ++f->number };

	if (send(f->fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m)) {
		fail(f, strerror(errno));
		return;
	}
	if (f->kind == HALF)
		shutdown(f->fd, SHUT_WR);
	f->state = WAITING;
	f->stalled = false;
	f->since_ms = now;
	f->since_lag = lag;
}

static uint64_t waited(const struct flow *f)
{
	uint64_t wall = now - f->since_ms, not_run = lag - f->since_lag;
	uint64_t due = f->kind == HALF && f->state == WAITING ? FLOW_STREAM_MS : 0;

	return wall > not_run + due ? wall - not_run - due : 0;
}

/* A whole message came. */
static void answered(struct flow *f)
{
	uint64_t ms = waited(f);

	if (f->in.number != f->number ||
	    (f->backend[0] != '\0' && strncmp(f->backend, f->in.name, sizeof(f->backend)) != 0)) {
		fail(f, "a wrong answer");
		return;
	}
	counts.echoes++;
	echoed++;
	if (echoed == echoes_asked)
		printf("done echoes\n");
	if (ms > counts.longest_ms && !may_fail(f))
		counts.longest_ms = ms;
	memcpy(f->backend, f->in.name, sizeof(f->backend));
	f->since_ms = now;
	f->since_lag = lag;
	f->stalled = false;
	if (f->kind == SHORT) {
		flow_close(f);
	} else if (f->kind == HALF) {
		f->number++;
	} else {
		f->state = RESTING;
		f->next_ms = now + (f->kind == IDLE ? idle_ms : 500 + (uint64_t)random() % 1000);
	}
}

static void readable(struct flow *f)
{
	while (f->state != CLOSED) {
		ssize_t n = recv(f->fd, (char *)&f->in + f->in_len, sizeof(f->in) - f->in_len, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			fail(f, n == 0 ? "closed by the server" : strerror(errno));
			return;
		}
		f->in_len += (size_t)n;
		if (f->in_len == sizeof(f->in)) {
			f->in_len = 0;
			answered(f);
		}
	}
}

static void event(struct flow *f, uint32_t events)
{
	if (f->state == CONNECTING && events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP)))
		ask(f);
	if (f->state != CLOSED && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		readable(f);
}

/* Time passes for a flow. */
static void step(struct flow *f)
{
	if (f->state == CLOSED) {
		if (f->kind != SHORT && now >= f->next_ms)
			flow_open(f);
	} else if (f->state == RESTING) {
		if (now >= f->next_ms)
			ask(f);
	} else if (waited(f) > GONE_MS) {
		fail(f, "no answer");
	} else if (waited(f) > STALL_MS && !f->stalled) {
		f->stalled = true;
		if (may_fail(f)) {
			counts.excused++;
			return;
		}
		counts.stalled++;
		if (told++ < TOLD)
			fprintf(stderr, "%.1f s: a stall in %s of kind %d on %s\n",
				(double)(now - start) / 1000,
				f->state == CONNECTING ? "a handshake" : "a flow", f->kind,
				f->backend[0] != '\0' ? f->backend : "nobody");
	}
}

static void open_shorts(uint32_t count)
{
	for (uint32_t i = long_count; i < flow_count && count > 0; i++)
		if (flows[i].state == CLOSED) {
			flow_open(&flows[i]);
			count--;
		}
}

static void report(void)
{
	printf("opened %" PRIu64 " echoes %" PRIu64 " broken %" PRIu64 " refused %" PRIu64
	       " stalled %" PRIu64 " excused %" PRIu64 " longest_ms %" PRIu64 " lag_ms %" PRIu64
	       "\n",
	       counts.opened, counts.echoes, counts.broken, counts.refused, counts.stalled,
	       counts.excused, counts.longest_ms, counts.lag_ms);
	counts = (struct counts){ 0 };
}

static bool parse_failing(const char *line, const char *verb, struct failing *b)
{
	char text[INET_ADDRSTRLEN], said[16];
	struct in_addr to;

	if (sscanf(line, "%15s %7s %15s", said, b->backend, text) != 3 || strcmp(said, verb) != 0 ||
	    inet_pton(AF_INET, text, &to) != 1)
		return false;
	for (b->vip = 0; b->vip < vips; b->vip++)
		if (vip[b->vip].s_addr == to.s_addr)
			return true;
	return false;
}

static void excuse(const struct failing *b)
{
	for (uint32_t i = 0; i < flow_count; i++)
		if (flows[i].state != CLOSED && is_of(&flows[i], b))
			flows[i].excused = true;
	for (unsigned i = failing_count; i-- > 0;)
		if (failing[i].vip == b->vip && strcmp(failing[i].backend, b->backend) == 0)
			failing[i] = failing[--failing_count];
}

/* False: the end. */
static bool command(char *line)
{
	struct failing b;
	uint64_t more;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "echoes %" SCNu64, &more) == 1 && more > 0) {
		echoes_asked = echoed + more;
		return true;
	}
	if (parse_failing(line, "failing", &b) && failing_count < MAX_LIST) {
		failing[failing_count++] = b;
	} else if (parse_failing(line, "failed", &b)) {
		excuse(&b);
	} else if (strcmp(line, "report") == 0 || strcmp(line, "end") == 0) {
		report();
		return line[0] == 'r';
	}
	printf("done %s\n", line);
	return true;
}

static unsigned addresses(struct in_addr *to, char *list)
{
	unsigned n = 0;

	for (char *a = strtok(list, ","); a != NULL && n < MAX_LIST; a = strtok(NULL, ","))
		n += inet_pton(AF_INET, a, &to[n]) == 1;
	return n;
}

static void make_flows(uint32_t chats, uint32_t halves, uint32_t idles, uint32_t shorts)
{
	long_count = chats + halves + idles;
	flow_count = long_count + 4 * shorts + 64;
	flows = calloc(flow_count, sizeof(*flows));
	if (flows == NULL)
		exit(1);
	for (uint32_t i = 0; i < flow_count; i++) {
		flows[i].fd = -1;
		flows[i].kind = i < chats	     ? CHAT
				: i < chats + halves ? HALF
				: i < long_count     ? IDLE
						     : SHORT;
		flows[i].next_ms = now + (uint64_t)i * 1000 / RAMP;
	}
}

/* One look at all flows; how many short ones are due is kept in `owed`, thousandths. */
static void tick(uint32_t shorts, uint64_t since_ms)
{
	static uint64_t owed;

	for (uint32_t i = 0; i < flow_count; i++)
		step(&flows[i]);
	owed += shorts * since_ms;
	open_shorts((uint32_t)(owed / 1000));
	owed %= 1000;
}

int main(int argc, char **argv)
{
	struct epoll_event got[EVENTS], in = { .events = EPOLLIN, .data.u32 = UINT32_MAX };
	struct rlimit files = { 65536, 65536 };
	char line[64];
	uint32_t shorts;
	uint64_t before, last_tick;

	if (argc != 9) {
		fprintf(stderr, "usage: flow_client VIPS SOURCES PORT CHATS HALVES IDLES IDLE_S "
				"SHORTS\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	setvbuf(stdout, NULL, _IOLBF, 0);
	vips = addresses(vip, argv[1]);
	sources = addresses(source, argv[2]);
	port = (uint16_t)atoi(argv[3]);
	idle_ms = (uint64_t)atoi(argv[7]) * 1000;
	shorts = (uint32_t)atoi(argv[8]);
	epoll_fd = epoll_create1(0);
	if (vips == 0 || sources == 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &in) < 0) {
		fprintf(stderr, "flow_client: addresses, or standard input\n");
		return 1;
	}
	start = before = last_tick = now = flow_now_ms();
	make_flows((uint32_t)atoi(argv[4]), (uint32_t)atoi(argv[5]), (uint32_t)atoi(argv[6]),
		   shorts);
	for (;;) {
		int n = epoll_wait(epoll_fd, got, EVENTS, STEP_MS);

		now = flow_now_ms();
		if (now - before > LATE_MS) {
			lag += now - before - STEP_MS;
			counts.lag_ms += now - before - STEP_MS;
		}
		before = now;
		for (int i = 0; i < n; i++) {
			if (got[i].data.u32 != UINT32_MAX)
				event(&flows[got[i].data.u32], got[i].events);
			else if (fgets(line, sizeof(line), stdin) == NULL || !command(line))
				return 0;
		}
		if (now - last_tick >= STEP_MS) {
			tick(shorts, now - last_tick);
			last_tick = now;
		}
	}
}
