// SPDX-License-Identifier: Apache-2.0
#include "dp_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Less than this holds no table of the least size and its snapshots. */
enum { LEAST_ARENA = 64 * WEIR_BLOCK };

/* Map all of the memory behind fd; it must hold the bytes that the WELCOME promises. */
static int map(int fd, uint64_t promised, int prot, void **out, size_t *size)
{
	struct stat st;
	void *at;
	int seals;

	/* A memory that could shrink under us would kill us with SIGBUS. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size <= 0 || (uint64_t)st.st_size < promised)
		return -EINVAL;
	/* The whole file: the length of huge pages is a multiple of theirs. */
	at = mmap(NULL, (size_t)st.st_size, prot, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*out = at;
	*size = (size_t)st.st_size;
	return 0;
}

static const char *what_is_wrong(const struct weir_welcome *w, const struct weir_state *s)
{
	if (s->magic != WEIR_STATE_MAGIC)
		return "no state of a data plane stands in it";
	if (s->layout_version != WEIR_LAYOUT_VERSION)
		return "its layout is of another version";
	if (s->worker_count != w->worker_count)
		return "it is not for as many workers as announced";
	if (s->pins < WEIR_PINS_MIN || s->pins > WEIR_PINS_MAX ||
	    w->state_size < weir_state_size(w->worker_count, s->pins))
		return "its pin tables do not fit it";
	return NULL;
}

int dp_memory_map(const struct weir_welcome *w, int state_fd, int control_fd, struct dp_memory *out,
		  struct dp_view *view, char *why, size_t why_len)
{
	struct dp_memory m = { 0 };
	const char *wrong;
	int err;

	if (w->worker_count == 0 || w->worker_count > WEIR_MAX_WORKERS ||
	    w->state_size < weir_state_size(w->worker_count, WEIR_PINS_MIN) ||
	    w->control_size < sizeof(struct weir_control) + LEAST_ARENA) {
		snprintf(why, why_len, "its sizes are out of range");
		return -EINVAL;
	}
	err = map(state_fd, w->state_size, PROT_READ, &m.state, &m.state_size);
	if (err < 0) {
		snprintf(why, why_len, "cannot map its state: %s", strerror(-err));
		return err;
	}
	err = map(control_fd, w->control_size, PROT_READ | PROT_WRITE, &m.control, &m.control_size);
	if (err < 0) {
		snprintf(why, why_len, "cannot map its tables: %s", strerror(-err));
		goto err_state;
	}
	wrong = what_is_wrong(w, m.state);
	if (wrong != NULL) {
		snprintf(why, why_len, "%s", wrong);
		err = -EINVAL;
		goto err_control;
	}
	view->state = m.state;
	view->control = m.control;
	view->arena_size = weir_arena_size(w->control_size);
	view->session = w->session;
	view->worker_count = w->worker_count;
	view->pins = view->state->pins;
	view->welcome = *w;
	*out = m;
	return 0;

err_control:
	munmap(m.control, m.control_size);
err_state:
	munmap(m.state, m.state_size);
	return err;
}

void dp_memory_unmap(struct dp_memory *m)
{
	munmap(m->control, m->control_size);
	munmap(m->state, m->state_size);
	*m = (struct dp_memory){ 0 };
}
