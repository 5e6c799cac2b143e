// SPDX-License-Identifier: Apache-2.0
/*
 * `weirctl capture`: the data plane writes blocks of pcapng to a socket whose other end
 * comes with the answer; they go into the file as they are.
 */
#include "weirctl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK_MAX = 1 << 16, PACKET_BLOCK = 6, STATISTICS_BLOCK = 5, OPTION_MISSED = 5 };

static volatile sig_atomic_t stream;

/* The data plane sees that, and sends what it has and the statistics before it ends. */
static void stop(int signal)
{
	(void)signal;
	(void)shutdown(stream, SHUT_WR);
}

/* The second signal does what it always does: whoever is stuck can be ended. */
static void stop_on_signals(int fd)
{
	const struct sigaction sa = { .sa_handler = stop, .sa_flags = SA_RESTART | SA_RESETHAND };

	stream = fd;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static uint32_t word(const uint8_t *at)
{
	uint32_t w;

	memcpy(&w, at, sizeof(w));
	return w;
}

/* The packets that were missed, out of a statistics block; 0: it does not say. */
static unsigned long long missed_of(const uint8_t *block, size_t len)
{
	size_t at = 20; /* behind type, length, interface and time */
	unsigned long long missed = 0;

	while (at + 4 <= len) {
		uint16_t code, size;

		memcpy(&code, block + at, 2);
		memcpy(&size, block + at + 2, 2);
		if (code == 0)
			break;
		if (code == OPTION_MISSED && size == 8 && at + 12 <= len)
			memcpy(&missed, block + at + 4, 8);
		at += 4 + (size + 3u) / 4 * 4;
	}
	return missed;
}

/* Until the data plane ends it. 0 or -errno of the file. */
static int copy_blocks(int from, int to, unsigned long *packets, unsigned long long *missed)
{
	static uint8_t block[BLOCK_MAX];
	ssize_t n;

	while ((n = recv(from, block, sizeof(block), 0)) > 0) {
		int err = write_all(to, block, (size_t)n);

		if (err < 0)
			return err;
		if (n >= 8 && word(block) == PACKET_BLOCK)
			++*packets;
		if (n >= 8 && word(block) == STATISTICS_BLOCK)
			*missed = missed_of(block, (size_t)n);
	}
	return 0;
}

static int take_blocks(struct weirctl *c, const char *file, int to)
{
	unsigned long packets = 0;
	unsigned long long missed = 0;
	int err = copy_blocks(c->passed, to, &packets, &missed);

	if (err < 0) {
		fprintf(stderr, "weirctl: %s: %s\n", file, strerror(-err));
		return WEIRCTL_FAILED;
	}
	fprintf(stderr, "%lu packet%s captured", packets, packets == 1 ? "" : "s");
	fprintf(stderr, missed > 0 ? ", %llu missed: more came than could be written\n" : "\n",
		missed);
	return WEIRCTL_OK;
}

/* Only now that packets come: what was in the file is lost. */
static int write_file(struct weirctl *c, const char *file)
{
	bool standard = strcmp(file, "-") == 0;
	int to = standard ? STDOUT_FILENO
			  : open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret;

	if (to < 0) {
		fprintf(stderr, "weirctl: %s: %s\n", file, strerror(errno));
		return WEIRCTL_FAILED;
	}
	stop_on_signals(c->passed);
	ret = take_blocks(c, file, to);
	if (!standard && close(to) < 0 && ret == WEIRCTL_OK) {
		fprintf(stderr, "weirctl: %s: %s\n", file, strerror(errno));
		ret = WEIRCTL_FAILED;
	}
	return ret;
}

int weirctl_capture(const char *socket_path, const char *file, json_t *params)
{
	struct weirctl c;
	json_t *result;
	int ret = weirctl_open(socket_path, WEIRCTL_WAIT_S, &c);

	if (ret != WEIRCTL_OK) {
		json_decref(params);
		return ret;
	}
	ret = weirctl_ask(&c, "capture", params, &result);
	if (ret == WEIRCTL_OK) {
		json_decref(result);
		if (c.passed < 0) {
			fprintf(stderr, "weirctl: no stream of packets came with the answer\n");
			ret = WEIRCTL_FAILED;
		} else {
			ret = write_file(&c, file);
		}
	}
	weirctl_close(&c);
	return ret;
}
