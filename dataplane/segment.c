// SPDX-License-Identifier: Apache-2.0
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Linux 5.1; missing in the headers of older C libraries. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static size_t round_up(size_t size, size_t page)
{
	return (size + page - 1) & ~(page - 1);
}

/* Bytes that can be had without pushing others out; all there could be if the
 * kernel does not tell. */
static uint64_t memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long kb = ULONG_MAX / 1024;
	char line[128];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemAvailable: %lu kB", &kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return (uint64_t)kb * 1024;
}

static int create(const char *name, size_t size, enum segment_writer writer, bool huge,
		  struct segment *out)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	struct segment s = { .huge = huge };
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int prot = PROT_READ;
	int err;

	s.page_size = huge ? HUGE_PAGE : (size_t)sysconf(_SC_PAGESIZE);
	s.size = round_up(size, s.page_size);
	if (huge)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	else if (s.size > memory_available()) /* asked for, it would end somebody's life */
		return -ENOMEM;
	if (writer == SEGMENT_OURS) {
		seals |= F_SEAL_FUTURE_WRITE;
		prot |= PROT_WRITE;
	}

	s.fd = memfd_create(name, flags);
	if (s.fd < 0)
		return -errno;
	if (ftruncate(s.fd, (off_t)s.size) < 0) {
		err = -errno;
		goto err_close;
	}
	s.base = mmap(NULL, s.size, prot, MAP_SHARED | MAP_POPULATE, s.fd, 0);
	if (s.base == MAP_FAILED) {
		err = -errno;
		goto err_close;
	}
	/* MAP_POPULATE does not tell when it failed, and a page that cannot be had later
	 * is a SIGBUS. */
	if (fallocate(s.fd, 0, 0, (off_t)s.size) < 0) {
		err = -errno;
		goto err_unmap;
	}
	/* F_SEAL_FUTURE_WRITE spares the mapping that we have. */
	if (fcntl(s.fd, F_ADD_SEALS, seals) < 0) {
		err = -errno;
		goto err_unmap;
	}
	/* Huge pages are never paged out. */
	s.locked = huge || mlock(s.base, s.size) == 0;
	*out = s;
	return 0;

err_unmap:
	munmap(s.base, s.size);
err_close:
	close(s.fd);
	return err;
}

int segment_create(const char *name, size_t size, enum segment_writer writer, bool try_huge,
		   struct segment *out)
{
	if (try_huge && create(name, size, writer, true, out) == 0)
		return 0;
	return create(name, size, writer, false, out);
}

void segment_destroy(struct segment *s)
{
	munmap(s->base, s->size);
	close(s->fd);
	*s = (struct segment){ .fd = -1 };
}

/* Constant while the handler is installed, but for `holes`. */
static struct {
	struct segment segment;
	_Atomic int holes; /* pages replaced since the last segment_mend() */
} guarded;

/* Only calls that are safe in a signal handler: mmap is a bare system call. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	const struct segment *s = &guarded.segment;
	uintptr_t at = (uintptr_t)info->si_addr;
	int saved = errno;

	(void)context;
	if (info->si_code == BUS_ADRERR && at - (uintptr_t)s->base < s->size &&
	    mmap((void *)(at & ~(s->page_size - 1)), s->page_size, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
		atomic_fetch_add_explicit(&guarded.holes, 1, memory_order_relaxed);
		errno = saved;
		return;
	}
	/* Not ours: the access is made again on return, and ends the process. */
	signal(sig, SIG_DFL);
}

int segment_guard(const struct segment *s)
{
	struct sigaction act = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	guarded.segment = *s;
	return sigaction(SIGBUS, &act, NULL) < 0 ? -errno : 0;
}

int segment_mend(void)
{
	const struct segment *s = &guarded.segment;
	int holes = atomic_load_explicit(&guarded.holes, memory_order_relaxed);

	if (holes == 0)
		return 0;
	if (fallocate(s->fd, 0, 0, (off_t)s->size) < 0)
		return -ENOSPC;
	/* One call replaces all: a worker sees the old mapping or the new one. */
	if (mmap(s->base, s->size, PROT_READ, MAP_SHARED | MAP_POPULATE | MAP_FIXED, s->fd, 0) ==
	    MAP_FAILED)
		return -ENOSPC;
	atomic_fetch_sub_explicit(&guarded.holes, holes, memory_order_relaxed);
	return holes;
}
