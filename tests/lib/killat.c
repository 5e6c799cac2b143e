// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded (LD_PRELOAD) into a program: kills it with SIGKILL just before its Nth
 * call that changes something outside of it, N from the environment (KILL_AT). So a
 * test can stop a program at every step there is, without racing it.
 */
#include <dlfcn.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void step(void)
{
	static long left;
	const char *at = getenv("KILL_AT");

	if (at == NULL)
		return;
	if (left == 0)
		left = atol(at);
	if (--left == 0)
		kill(getpid(), SIGKILL);
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *buf, size_t n)
{
	if (fd != STDOUT_FILENO && fd != STDERR_FILENO)
		step();
	return REAL(ssize_t(*)(int, const void *, size_t), "write")(fd, buf, n);
}

ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
	       socklen_t len)
{
	step();
	return REAL(ssize_t(*)(int, const void *, size_t, int, const struct sockaddr *, socklen_t),
		    "sendto")(fd, buf, n, flags, to, len);
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	step();
	return REAL(ssize_t(*)(int, const void *, size_t, int), "send")(fd, buf, n, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	step();
	return REAL(ssize_t(*)(int, const struct msghdr *, int), "sendmsg")(fd, msg, flags);
}

int rename(const char *from, const char *to)
{
	step();
	return REAL(int (*)(const char *, const char *), "rename")(from, to);
}

int unlink(const char *path)
{
	step();
	return REAL(int (*)(const char *), "unlink")(path);
}

/* bpf(2) has no wrapper. Reading programs and maps changes nothing. */
long syscall(long number, ...)
{
	long arg[6];
	va_list ap;

	va_start(ap, number);
	for (unsigned i = 0; i < 6; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_bpf &&
	    (arg[0] == BPF_PROG_LOAD || arg[0] == BPF_MAP_UPDATE_ELEM || arg[0] == BPF_MAP_CREATE))
		step();
	return REAL(long (*)(long, ...), "syscall")(number, arg[0], arg[1], arg[2], arg[3], arg[4],
						    arg[5]);
}
