// SPDX-License-Identifier: Apache-2.0
/*
 * Attacks through the session socket. After each kind a client with manners must
 * be served.
 */
#include "attack.h"
#include "peer.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect_served(const char *path)
{
	struct peer p;

	peer_attach(&p, path);
	peer_expect_alive(&p, "nonsense on the session socket");
	peer_detach(&p);
}

static int connect_or_fail(const char *path)
{
	int fd = peer_connect(path);

	if (fd < 0)
		fail("cannot connect to %s: %s", path, strerror(-fd));
	return fd;
}

/* A HELLO, with a field of its head or its length wrong, or with random bytes. */
static void bad_hello(const char *path, uint64_t *rng)
{
	uint8_t buf[8192];
	struct weir_hello hello = peer_hello();
	uint64_t r = attack_random(rng);
	size_t len = sizeof(hello);
	int fd = connect_or_fail(path);

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)attack_random(rng);
	switch (r % 5) {
	case 0:
		hello.head.magic = (uint32_t)(r >> 32);
		break;
	case 1:
		hello.head.layout_version = (uint16_t)(r >> 32);
		break;
	case 2:
		hello.head.type = (uint16_t)(r >> 32);
		break;
	case 3:
		len = (r >> 32) % sizeof(buf);
		break;
	case 4:
		memset(hello.name, '%', sizeof(hello.name)); /* no NUL */
		hello.head.magic = 0;
		break;
	}
	if (r % 16 != 0)
		memcpy(buf, &hello, sizeof(hello));
	(void)send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	/* A HELLO that happens to be right makes a session: end it here, not later. */
	shutdown(fd, SHUT_RDWR);
	close(fd);
}

/* In a session: messages of all types and lengths, and descriptors nobody asked for. */
static void bad_messages(const char *path, uint64_t *rng)
{
	union weir_session_msg m;
	struct peer p;

	peer_attach(&p, path);
	for (unsigned n = 0; n < 50; n++) {
		uint64_t r = attack_random(rng);
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int))];
		} ancillary = { .buf = { 0 } };
		struct iovec iov = { .iov_base = &m, .iov_len = sizeof(struct weir_explain) };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
		struct cmsghdr *c;

		for (size_t i = 0; i < sizeof(m); i++)
			((uint8_t *)&m)[i] = (uint8_t)attack_random(rng);
		m.head = peer_hello().head;
		m.head.type = n < 20   ? (uint16_t)WEIR_EXPLAIN
			      : n < 40 ? (uint16_t)WEIR_EXPLAIN_FRAME
				       : (uint16_t)(r % 16);
		if (n < 20)
			m.explain.family = r & 1 ? 4 : 6;
		if (n >= 20 && n < 40) {
			iov.iov_len = sizeof(m.explain_frame);
			m.explain_frame.port = 0;
			m.explain_frame.frame_len = (uint32_t)(r >> 8) % (WEIR_FRAME_MAX + 1);
			m.explain_frame.held = m.explain_frame.frame_len -
					       (r & 4 ? 0 : m.explain_frame.frame_len / 2);
			memset(m.explain_frame.frame + 12, r & 8 ? 0x08 : 0x86, 1);
			memset(m.explain_frame.frame + 13, r & 8 ? 0x00 : 0xdd, 1);
			m.explain_frame.frame[14] = r & 8 ? 0x45 : 0x60;
		}
		if (n >= 20 && n < 40 && r & 16) {
			m.head.type = WEIR_CAPTURE;
			iov.iov_len = sizeof(m.capture);
			m.capture.seconds = 1;
			m.capture.count = 1;
			m.capture.sample = 1;
			m.capture.snap = r & 32 ? 100 : UINT32_MAX;
		}
		if (n >= 40)
			iov.iov_len = (r >> 16) % sizeof(m);
		if (r & 2) {
			h.msg_control = ancillary.buf;
			h.msg_controllen = sizeof(ancillary.buf);
			c = CMSG_FIRSTHDR(&h);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(c), &p.fd, sizeof(int));
		}
		if (sendmsg(p.fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break; /* refused: the session is over */
	}
	peer_detach(&p);
}

/* Asks and asks and never reads an answer. */
static void deaf_client(const char *path)
{
	struct weir_head ports = peer_hello().head;
	struct pollfd gone;
	struct peer p;

	ports.type = WEIR_PORTS;
	peer_attach(&p, path);
	gone = (struct pollfd){ .fd = p.fd, .events = POLLRDHUP };
	for (unsigned n = 0; n < 100000 && poll(&gone, 1, 0) == 0; n++)
		(void)send(p.fd, &ports, sizeof(ports), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (poll(&gone, 1, 20000) != 1)
		fail("a client that reads no answers keeps the session");
	peer_detach(&p);
}

/* More silent connections than there are places; all must be sent away in time. */
static void silent_clients(const char *path)
{
	int fd[12];

	for (unsigned i = 0; i < 12; i++)
		fd[i] = connect_or_fail(path);
	for (unsigned i = 0; i < 12; i++) {
		struct pollfd gone = { .fd = fd[i], .events = POLLRDHUP };

		if (poll(&gone, 1, 20000) != 1)
			fail("a silent client keeps its place");
		close(fd[i]);
	}
}

void attack_messages(const char *path, uint64_t seed, long count)
{
	uint64_t rng = seed;

	for (long n = 0; n < count; n++)
		bad_hello(path, &rng);
	expect_served(path);
	for (long n = 0; n < count / 20; n++)
		bad_messages(path, &rng);
	expect_served(path);
	deaf_client(path);
	expect_served(path);
	silent_clients(path);
	expect_served(path);
}
