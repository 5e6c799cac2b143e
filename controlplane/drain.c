// SPDX-License-Identifier: Apache-2.0
#include "drain.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { AGAIN_S = 1 };

struct drain {
	uv_poll_t poll;
	int fd;
	bool failed; /* since the last drain_arm() */
	void (*due)(void *user);
	void *user;
};

static void fired(uv_poll_t *p, int status, int events)
{
	struct drain *d = p->data;
	uint64_t times;

	(void)events;
	if (status == 0 && read(d->fd, &times, sizeof(times)) == sizeof(times))
		d->due(d->user);
}

int drain_create(uv_loop_t *loop, void (*due)(void *user), void *user, struct drain **out)
{
	struct drain *d = calloc(1, sizeof(*d));
	int err;

	if (d == NULL)
		return -ENOMEM;
	d->due = due;
	d->user = user;
	d->fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (d->fd < 0) {
		err = -errno;
		goto err_free;
	}
	err = uv_poll_init(loop, &d->poll, d->fd);
	if (err < 0)
		goto err_close;
	d->poll.data = d;
	uv_poll_start(&d->poll, UV_READABLE, fired);
	*out = d;
	return 0;

err_close:
	close(d->fd);
err_free:
	free(d);
	return err;
}

static void closed(uv_handle_t *h)
{
	free(h->data);
}

void drain_destroy(struct drain *d)
{
	uv_close((uv_handle_t *)&d->poll, closed);
	close(d->fd);
}

static bool has_deadline(const struct backend_conf *b)
{
	return b->admin == ADMIN_DRAINING && b->drain_deadline_ms != 0;
}

void drain_arm(struct drain *d, const struct conf *c)
{
	struct itimerspec when = { 0 }; /* zero: disarmed */
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < c->pool_count; i++)
		for (uint32_t j = 0; j < c->pool[i].backend_count; j++) {
			const struct backend_conf *b = &c->pool[i].backend[j];

			if (has_deadline(b) && b->drain_deadline_ms < first)
				first = b->drain_deadline_ms;
		}
	if (first != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(first / 1000);
		when.it_value.tv_nsec = (long)(first % 1000) * 1000000;
	}
	d->failed = false;
	(void)timerfd_settime(d->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

bool drain_again(struct drain *d)
{
	const struct itimerspec when = { .it_value.tv_sec = AGAIN_S };
	bool first = !d->failed;

	d->failed = true;
	(void)timerfd_settime(d->fd, 0, &when, NULL);
	return first;
}

unsigned drain_expire(struct conf *c, uint64_t boottime_ms)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < c->pool_count; i++) {
		struct pool_conf *p = &c->pool[i];

		/* From behind: one that is removed moves up those behind it. */
		for (uint32_t j = p->backend_count; j-- > 0;) {
			struct backend_conf *b = &p->backend[j];

			if (!has_deadline(b) || b->drain_deadline_ms > boottime_ms)
				continue;
			count++;
			if (b->leaves) {
				(void)conf_backend_remove(c, p->name, b->name);
				continue;
			}
			b->admin = ADMIN_DISABLED;
			b->drain_deadline_ms = 0;
		}
	}
	return count;
}
