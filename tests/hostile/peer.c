// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include "forge.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Machines under a sanitizer, and with fewer CPUs than programs, are slow. */
#define PATIENCE_MS 20000

void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void sleep_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

int peer_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

struct weir_hello peer_hello(void)
{
	return (struct weir_hello){
		.head = { .magic = WEIR_SESSION_MAGIC,
			  .layout_version = WEIR_LAYOUT_VERSION,
			  .type = WEIR_HELLO,
			  .seq = 1 },
		.pid = (uint32_t)getpid(),
		.name = "hostile",
	};
}

/* The answer to a HELLO, with two descriptors. False: refused, as a client is whose
 * predecessor the data plane has not seen go yet. */
static bool receive_welcome(struct peer *p)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} ancillary;
	union weir_session_msg m;
	struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ancillary.buf,
			    .msg_controllen = sizeof(ancillary.buf) };
	struct pollfd ready = { .fd = p->fd, .events = POLLIN };
	struct cmsghdr *c;
	int fds[2];

	if (poll(&ready, 1, PATIENCE_MS) != 1)
		fail("no answer to HELLO within %d ms", PATIENCE_MS);
	if (recvmsg(p->fd, &h, MSG_CMSG_CLOEXEC) < (ssize_t)sizeof(m.head))
		fail("no answer to HELLO: %s", strerror(errno));
	if (m.head.type == WEIR_REFUSED)
		return false;
	c = CMSG_FIRSTHDR(&h);
	if (m.head.type != WEIR_WELCOME || c == NULL || c->cmsg_len != CMSG_LEN(sizeof(fds)))
		fail("the answer to HELLO is no WELCOME with two descriptors");
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	p->state_fd = fds[0];
	p->control_fd = fds[1];
	p->welcome = m.welcome;
	return true;
}

static void greet(struct peer *p, const char *path)
{
	const struct weir_hello hello = peer_hello();
	long until = now_ms() + PATIENCE_MS;

	for (;;) {
		p->fd = peer_connect(path);
		if (p->fd < 0)
			fail("cannot connect to %s: %s", path, strerror(-p->fd));
		if (send(p->fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
			fail("cannot send HELLO: %s", strerror(errno));
		if (receive_welcome(p))
			return;
		close(p->fd);
		if (now_ms() > until)
			fail("no session for %d ms", PATIENCE_MS);
		sleep_us(1000);
	}
}

void peer_attach(struct peer *p, const char *path)
{
	void *map;

	greet(p, path);
	map = mmap(NULL, p->welcome.state_size, PROT_READ, MAP_SHARED, p->state_fd, 0);
	if (map == MAP_FAILED)
		fail("cannot map weir-state: %s", strerror(errno));
	p->state = map;
	map = mmap(NULL, p->welcome.control_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->control_fd,
		   0);
	if (map == MAP_FAILED)
		fail("cannot map weir-control: %s", strerror(errno));
	p->control = map;

	for (uint32_t i = 0; i < p->welcome.worker_count; i++) {
		struct weir_control_worker *w = &p->control->worker[i];

		long until = now_ms() + PATIENCE_MS;

		while (atomic_load(&p->state->worker[i].session_seen) != p->welcome.session) {
			if (now_ms() > until)
				fail("worker %u does not take up session %u", i,
				     p->welcome.session);
			sleep_us(200);
		}
		atomic_store(&w->reply_head, 0);
		atomic_store(&w->cmd.tail, 0);
		atomic_store_explicit(&w->session, p->welcome.session, memory_order_release);
	}
}

void peer_detach(struct peer *p)
{
	munmap((void *)p->state, p->welcome.state_size);
	munmap(p->control, p->welcome.control_size);
	close(p->state_fd);
	close(p->control_fd);
	close(p->fd);
}

void peer_expect_alive(const struct peer *p, const char *after)
{
	struct pollfd gone = { .fd = p->fd, .events = POLLRDHUP };

	for (uint32_t i = 0; i < p->welcome.worker_count; i++) {
		uint64_t before = atomic_load(&p->state->worker[i].loops);
		long until = now_ms() + PATIENCE_MS;

		while (atomic_load(&p->state->worker[i].loops) == before) {
			if (now_ms() > until)
				fail("worker %u stands still after %s", i, after);
			sleep_us(200);
		}
	}
	if (poll(&gone, 1, 0) != 0)
		fail("the session was ended after %s", after);
}

bool peer_command(struct peer *p, uint32_t type, uint32_t arg, uint64_t generation)
{
	const struct weir_msg m = { .type = type, .arg = arg, .generation = generation };

	for (uint32_t i = 0; i < p->welcome.worker_count; i++) {
		long until = now_ms() + PATIENCE_MS;

		while (weir_ring_push(&p->control->worker[i].cmd, &p->state->worker[i].cmd_head,
				      &m) != 0) {
			if (now_ms() > until)
				return false;
			sleep_us(200);
		}
	}
	return true;
}

uint64_t peer_generation(const struct peer *p)
{
	uint64_t newest = 0;

	for (uint32_t i = 0; i < p->welcome.worker_count; i++) {
		uint64_t seen = atomic_load(&p->state->worker[i].seen_generation);

		if (seen > newest)
			newest = seen;
	}
	return newest;
}

uint32_t peer_publish(struct peer *p, uint32_t offset)
{
	uint64_t generation = peer_generation(p) + 1;
	long until = now_ms() + PATIENCE_MS;

	forge_snapshot(p->control->arena, offset, generation);
	if (!peer_command(p, WEIR_MSG_SNAPSHOT, offset, generation))
		fail("the command rings stay full");
	for (uint32_t i = 0; i < p->welcome.worker_count; i++) {
		while (atomic_load(&p->state->worker[i].seen_generation) != generation) {
			if (now_ms() > until)
				fail("worker %u does not take generation %lu", i,
				     (unsigned long)generation);
			sleep_us(200);
		}
	}
	return offset;
}
