// SPDX-License-Identifier: Apache-2.0
#include "publish_wait.h"

#include <errno.h>
#include <stdlib.h>

struct publish_waiter {
	struct publish_waiter *next;
	uint64_t generation; /* 0: not published yet */
	uint64_t deadline_ms;
	publish_done_fn *fn;
	void *user;
};

void publish_waits_init(struct publish_waits *w)
{
	w->first = NULL;
	w->last = &w->first;
}

int publish_waits_add(struct publish_waits *w, uint64_t deadline_ms, publish_done_fn *fn,
		      void *user)
{
	struct publish_waiter *n = malloc(sizeof(*n));

	if (n == NULL)
		return -ENOMEM;
	*n = (struct publish_waiter){ .deadline_ms = deadline_ms, .fn = fn, .user = user };
	*w->last = n;
	w->last = &n->next;
	return 0;
}

void publish_waits_published(struct publish_waits *w, uint64_t generation)
{
	for (struct publish_waiter *n = w->first; n != NULL; n = n->next)
		if (n->generation == 0)
			n->generation = generation;
}

/* Take everyone out: a callback may add a new one, which is not for this round. */
static struct publish_waiter *take_all(struct publish_waits *w)
{
	struct publish_waiter *all = w->first;

	publish_waits_init(w);
	return all;
}

static void put_back(struct publish_waits *w, struct publish_waiter *n)
{
	n->next = NULL;
	*w->last = n;
	w->last = &n->next;
}

void publish_waits_arrived(struct publish_waits *w, uint64_t seen, uint64_t now_ms, const char *why)
{
	struct publish_waiter *n, *next;

	for (n = take_all(w); n != NULL; n = next) {
		next = n->next;
		if (n->generation != 0 && seen >= n->generation) {
			n->fn(n->user, 0, NULL);
			free(n);
		} else if (now_ms >= n->deadline_ms) {
			n->fn(n->user, -ETIMEDOUT, why);
			free(n);
		} else {
			put_back(w, n);
		}
	}
}

void publish_waits_fail(struct publish_waits *w, int status, const char *why)
{
	struct publish_waiter *n, *next;

	for (n = take_all(w); n != NULL; n = next) {
		next = n->next;
		n->fn(n->user, status, why);
		free(n);
	}
}
