// SPDX-License-Identifier: Apache-2.0
#include "rpc.h"

#include "log.h"
#include "rpc_client.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 64 };

struct rpc {
	uv_pipe_t listener;
	int lock; /* held for our life: see lock_socket() */
	struct rpc_clients clients;
};

static void connection(uv_stream_t *listener, int status)
{
	struct rpc *r = listener->data;

	if (status == 0)
		status = rpc_client_create(&r->clients, listener, -1);
	if (status < 0)
		log_warning("control socket: cannot serve a client: %s", strerror(-status));
}

int rpc_adopt(struct rpc *r, int fd)
{
	return rpc_client_create(&r->clients, NULL, fd);
}

/* Make the last directory of `path` where it is missing. */
static int make_directory(const char *path, char *why, size_t why_len)
{
	const char *slash = strrchr(path, '/');
	char dir[128];
	int err;

	if (slash == NULL || slash == path)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (mkdir(dir, 0755) == 0 || errno == EEXIST)
		return 0;
	err = -errno;
	snprintf(why, why_len, "cannot create the directory %s: %s", dir, strerror(-err));
	return err;
}

/*
 * Whoever holds the lock on the file beside the socket owns the socket. The kernel lets
 * go of the lock when its holder dies, however it dies, so a socket whose lock can be
 * had is stale. Returns the descriptor that holds it.
 */
static int lock_socket(const char *path, char *why, size_t why_len)
{
	char lock[128];
	int fd, err;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = -errno;
		snprintf(why, why_len, "cannot open %s: %s", lock, strerror(-err));
		return err;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		err = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
		snprintf(why, why_len, "another weir-controlplane serves %s", path);
		close(fd);
		return err;
	}
	return fd;
}

static int remove_stale(const char *path, char *why, size_t why_len)
{
	struct stat st;
	int err;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, why_len, "%s exists and is no socket", path);
		return -EEXIST;
	}
	if (unlink(path) == 0)
		return 0;
	err = -errno;
	snprintf(why, why_len, "cannot remove the stale socket %s: %s", path, strerror(-err));
	return err;
}

static int find_group(const char *group, gid_t *gid, char *why, size_t why_len)
{
	const struct group *g;

	*gid = (gid_t)-1; /* chown(2): leave it */
	if (group[0] == '\0')
		return 0;
	g = getgrnam(group);
	if (g == NULL) {
		snprintf(why, why_len, "no group \"%s\" on this host", group);
		return -ENOENT;
	}
	*gid = g->gr_gid;
	return 0;
}

/* Bind and listen. The mode is right from the first moment: by umask, not by chmod. */
static int listen_at(struct rpc *r, const char *path, gid_t gid, char *why, size_t why_len)
{
	mode_t mask = umask(0117);
	int err = uv_pipe_bind(&r->listener, path);

	umask(mask);
	if (err < 0) {
		snprintf(why, why_len, "cannot bind %s: %s", path, uv_strerror(err));
		return err;
	}
	if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) {
		err = -errno;
		snprintf(why, why_len, "cannot give %s to its group: %s", path, strerror(-err));
		return err;
	}
	err = uv_listen((uv_stream_t *)&r->listener, BACKLOG, connection);
	if (err < 0)
		snprintf(why, why_len, "cannot listen on %s: %s", path, uv_strerror(err));
	return err;
}

static void listener_closed(uv_handle_t *h)
{
	struct rpc *r = h->data;

	close(r->lock);
	free(r);
}

int rpc_create(uv_loop_t *loop, const char *path, const char *group, rpc_dispatch_fn *dispatch,
	       void *user, struct rpc **out, char *why, size_t why_len)
{
	struct rpc *r;
	gid_t gid;
	int err;

	err = find_group(group, &gid, why, why_len);
	if (err < 0)
		return err;
	err = make_directory(path, why, why_len);
	if (err < 0)
		return err;
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		snprintf(why, why_len, "no memory");
		return -ENOMEM;
	}
	r->clients = (struct rpc_clients){ .loop = loop, .dispatch = dispatch, .user = user };
	r->lock = err = lock_socket(path, why, why_len);
	if (err < 0)
		goto err_free;
	err = remove_stale(path, why, why_len);
	if (err < 0)
		goto err_unlock;
	uv_pipe_init(loop, &r->listener, 0);
	r->listener.data = r;
	err = listen_at(r, path, gid, why, why_len);
	if (err < 0) {
		rpc_destroy(r);
		return err;
	}
	*out = r;
	return 0;

err_unlock:
	close(r->lock);
err_free:
	free(r);
	return err;
}

void rpc_destroy(struct rpc *r)
{
	rpc_clients_close(&r->clients);
	uv_close((uv_handle_t *)&r->listener, listener_closed); /* unlinks the socket */
}
