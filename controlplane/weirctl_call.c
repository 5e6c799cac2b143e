// SPDX-License-Identifier: Apache-2.0
#include "weirctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path, unsigned wait_s)
{
	const struct timeval patience = { .tv_sec = wait_s };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static int no_daemon(const char *path, int err)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		fprintf(stderr,
			"weirctl: no weir-controlplane serves %s: is it running? "
			"(systemctl status weir-controlplane; another socket: -s)\n",
			path);
		break;
	case -EACCES:
	case -EPERM:
		fprintf(stderr, "weirctl: you may not use %s: be root or in the socket's group\n",
			path);
		break;
	default:
		fprintf(stderr, "weirctl: cannot connect to %s: %s\n", path, strerror(-err));
	}
	return WEIRCTL_NO_DAEMON;
}

static int send_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

struct reader {
	int fd, err;
	int passed; /* a descriptor that came along; -1: none */
};

static void take_descriptor(struct msghdr *h, int *passed)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && *passed < 0)
			memcpy(passed, CMSG_DATA(c), sizeof(*passed));
}

/* json_load_callback() reads what there is; the end of the answer is the JSON's own. */
static size_t read_some(void *buf, size_t len, void *data)
{
	struct reader *r = data;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ancillary;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do {
		h.msg_control = ancillary.buf;
		h.msg_controllen = sizeof(ancillary.buf);
		n = recvmsg(r->fd, &h, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		r->err = -errno;
	else
		take_descriptor(&h, &r->passed);
	return n < 0 ? (size_t)-1 : (size_t)n;
}

/* "deadline_s: ...", as the daemon says it, with the name of the option. */
static void print_message(const char *message)
{
	static const char *const option[][2] = { { "deadline_s", "--deadline" },
						 { "source_port", "--sport" },
						 { "destination_port", "--dport" } };
	size_t len = strcspn(message, ":");

	for (unsigned i = 0; i < sizeof(option) / sizeof(option[0]); i++)
		if (len == strlen(option[i][0]) && strncmp(message, option[i][0], len) == 0) {
			fprintf(stderr, "weirctl: %s%s\n", option[i][1], message + len);
			return;
		}
	fprintf(stderr, "weirctl: %s\n", message);
}

/* The sentence, and further ones where a configuration has several errors. */
static int failed(const json_t *error)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	const json_t *more = json_object_get(json_object_get(error, "data"), "errors");
	size_t i;
	json_t *e;

	if (json_array_size(more) > 0)
		json_array_foreach(more, i, e)
			fprintf(stderr, "weirctl: %s\n", json_string_value(e));
	else
		print_message(message != NULL ? message : "refused");
	return WEIRCTL_FAILED;
}

static int take_answer(const json_t *answer, json_t **result)
{
	const json_t *error = json_object_get(answer, "error");
	json_t *r = json_object_get(answer, "result");

	if (error != NULL)
		return failed(error);
	if (r == NULL) {
		fprintf(stderr, "weirctl: the answer has neither result nor error\n");
		return WEIRCTL_FAILED;
	}
	*result = json_incref(r);
	return WEIRCTL_OK;
}

int weirctl_open(const char *socket_path, unsigned wait_s, struct weirctl *out)
{
	int fd = connect_to(socket_path, wait_s);

	if (fd < 0)
		return no_daemon(socket_path, fd);
	*out = (struct weirctl){ .fd = fd, .wait_s = wait_s, .passed = -1 };
	return WEIRCTL_OK;
}

void weirctl_close(struct weirctl *c)
{
	if (c->passed >= 0)
		close(c->passed);
	close(c->fd);
}

int weirctl_ask(struct weirctl *c, const char *method, json_t *params, json_t **result)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", 1, "method",
				    method, "params", params);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	struct reader r = { .fd = c->fd, .passed = c->passed };
	json_error_t where;
	json_t *answer;
	int ret;

	json_decref(request);
	if (text == NULL || send_all(r.fd, text) < 0 || send_all(r.fd, "\n") < 0) {
		fprintf(stderr, "weirctl: weir-controlplane hung up\n");
		ret = WEIRCTL_NO_DAEMON;
		goto out;
	}
	answer = json_load_callback(read_some, &r, JSON_DISABLE_EOF_CHECK, &where);
	c->passed = r.passed;
	if (answer == NULL) {
		if (r.err == -EAGAIN)
			fprintf(stderr, "weirctl: weir-controlplane did not answer in %u s\n",
				c->wait_s);
		else
			fprintf(stderr, "weirctl: weir-controlplane hung up: %s\n", where.text);
		ret = WEIRCTL_NO_DAEMON;
		goto out;
	}
	ret = take_answer(answer, result);
	json_decref(answer);
out:
	free(text);
	return ret;
}

int weirctl_call(const char *socket_path, const char *method, json_t *params, unsigned wait_s,
		 json_t **result)
{
	struct weirctl c;
	int ret = weirctl_open(socket_path, wait_s, &c);

	if (ret != WEIRCTL_OK) {
		json_decref(params);
		return ret;
	}
	ret = weirctl_ask(&c, method, params, result);
	weirctl_close(&c);
	return ret;
}
