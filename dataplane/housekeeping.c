// SPDX-License-Identifier: Apache-2.0
#include "housekeeping.h"

#include "log.h"
#include "segment.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK_MS = 20,  /* steering follows the workers at least this often */
	SLOW_MS = 500, /* links, and the state of the shared memory */
};

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void mend_segment(void)
{
	static bool told; /* that it cannot be mended */
	int n = segment_mend();

	if (n > 0)
		log_error("the control plane had taken %d pages out of the shared memory; they "
			  "are back, empty: it should publish again",
			  n);
	else if (n < 0 && !told)
		log_error("the control plane has taken pages out of the shared memory, and no "
			  "huge pages are free to replace them");
	told = n < 0;
}

int housekeeping_run(const struct housekeeping *h)
{
	struct pollfd p[] = {
		{ .fd = h->signals, .events = POLLIN },
		{ .fd = sessions_fd(h->sessions), .events = POLLIN },
	};
	uint64_t slow_ms = 0;
	bool soon = false;

	for (;;) {
		struct signalfd_siginfo signal;
		uint64_t now_ms;

		if (poll(p, 2, soon ? 1 : TICK_MS) < 0 && errno != EINTR) {
			log_error("housekeeping cannot wait for events: %s", strerror(errno));
			return SIGTERM;
		}
		if (read(h->signals, &signal, sizeof(signal)) == (ssize_t)sizeof(signal))
			return (int)signal.ssi_signo;

		now_ms = monotonic_ms();
		soon = sessions_serve(h->sessions, now_ms);
		soon |= capture_file_serve(h->capture, now_ms);
		steer_follow(h->steer, workers_newest(h->workers));
		if (now_ms >= slow_ms) {
			ports_watch(h->ports);
			steer_watch(h->steer);
			punt_watch(h->punt, h->ports);
			mend_segment();
			slow_ms = now_ms + SLOW_MS;
		}
	}
}
