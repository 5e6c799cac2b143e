// SPDX-License-Identifier: Apache-2.0
#include "session_socket.h"

#include "log.h"
#include "successor.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8

static int fail(const char *path, const char *what)
{
	int err = -errno;

	log_error("session_socket = %s: %s: %s", path, what, strerror(-err));
	return err;
}

static int make_directory(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	if (mkdir(dirname(copy), 0755) < 0 && errno != EEXIST)
		return fail(path, "cannot make its directory");
	return 0;
}

static int flock_soon(int fd)
{
	unsigned tries = 0;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int err = -errno;

		if (err != -EWOULDBLOCK || !successor_waits(&tries))
			return err;
	}
	return 0;
}

/* Returns the descriptor of the lock, which holds our pid, or a negative errno. */
static int lock(const char *path)
{
	char name[PATH_MAX], text[16] = "";
	int fd, err;

	snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fail(path, "cannot open the lock file beside it");
	err = flock_soon(fd);
	if (err < 0 && err != -EWOULDBLOCK) {
		errno = -err;
		err = fail(path, "cannot lock the file beside it");
		close(fd);
		return err;
	}
	if (err < 0) {
		if (pread(fd, text, sizeof(text) - 1, 0) < 0)
			text[0] = '\0';
		log_error("session_socket = %s: another weir-dataplane has it (pid %d)", path,
			  atoi(text));
		close(fd);
		return -EBUSY;
	}
	/* Only for the sentence above: no matter if it fails. */
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%d\n", getpid());
	return fd;
}

/* We have the lock: a socket that is there belongs to nobody. */
static int remove_stale(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail(path, "cannot look at it");
	if (!S_ISSOCK(st.st_mode)) {
		log_error("session_socket = %s: something else stands there, not a socket", path);
		return -EEXIST;
	}
	return unlink(path) < 0 ? fail(path, "cannot replace the old one") : 0;
}

static int listen_at(const char *path, const struct privileges *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, bound, err;
	mode_t old;

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(path, "cannot make it");
	old = umask(0117);
	bound = bind(fd, (struct sockaddr *)&a, sizeof(a));
	umask(old);
	if (bound < 0)
		err = fail(path, "cannot make it");
	else if (p->has_user && chown(path, p->uid, p->gid) < 0)
		err = fail(path, "cannot give it to the user");
	else if (listen(fd, BACKLOG) < 0)
		err = fail(path, "cannot listen");
	else
		return fd;
	close(fd);
	return err;
}

int session_socket_claim(struct session_socket *out, const char *path, const struct privileges *p)
{
	struct session_socket s = { .path = path };
	int err = make_directory(path);

	if (err < 0)
		return err;
	s.lock = lock(path);
	if (s.lock < 0)
		return s.lock;
	err = remove_stale(path);
	if (err == 0) {
		s.fd = listen_at(path, p);
		err = s.fd < 0 ? s.fd : 0;
	}
	if (err < 0) {
		close(s.lock);
		return err;
	}
	*out = s;
	return 0;
}

void session_socket_release(struct session_socket *s)
{
	/* A user that may not write the directory leaves it: the next start replaces it. */
	(void)unlink(s->path);
	close(s->fd);
	close(s->lock);
}
