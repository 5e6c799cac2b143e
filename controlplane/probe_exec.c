// SPDX-License-Identifier: Apache-2.0
/*
 * exec: a program of the operator's. Exit code 0 passes; the first line that it
 * prints (on either output) stands in the reason. It runs in a session and process
 * group of its own, and the whole group is killed when its time is over, so that
 * what it started does not stay behind.
 */
#include "probe_impl.h"
#include "probe_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct exec_probe {
	struct probe p; /* p.fd: read end of its output */
	uv_process_t process;
	bool running;
	size_t got;
	char line[PROBE_TEXT_LEN];
};

/* Take what it has printed so far: the first line is kept, the rest thrown away so
 * that the program never waits for us. Returns false when it closed its output. */
static bool exec_read(struct exec_probe *e)
{
	char rest[4096];

	for (unsigned turn = 0; turn < 16; turn++) { /* others wait for this loop too */
		size_t room = sizeof(e->line) - 1 - e->got;
		ssize_t n = room ? read(e->p.fd, e->line + e->got, room)
				 : read(e->p.fd, rest, sizeof(rest));

		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		probe_step_reached(&e->p, PROBE_STEP_FIRST);
		if (room)
			e->got += (size_t)n;
	}
	return true;
}

/* ": first line", or nothing. */
static const char *exec_said(struct exec_probe *e, char *buf, size_t len)
{
	e->line[strcspn(e->line, "\r\n")] = '\0';
	memcpy(e->p.result.text, e->line, sizeof(e->line));
	snprintf(buf, len, e->line[0] ? ": %s" : "", e->line);
	return buf;
}

static void on_exit_status(uv_process_t *process, int64_t status, int signo)
{
	struct exec_probe *e = process->data;
	char said[PROBE_TEXT_LEN + 4];

	e->running = false;
	uv_close((uv_handle_t *)process, probe_handle_closed);
	if (e->p.finished) /* killed by exec_stop() */
		return;
	exec_read(e);
	exec_said(e, said, sizeof(said));
	if (signo)
		probe_fail(&e->p, PROBE_FAIL_EXIT_CODE, "ended by signal %d (%s)%s", signo,
			   strsignal(signo), said);
	else if (status)
		probe_fail(&e->p, PROBE_FAIL_EXIT_CODE, "exit code %lld%s", (long long)status,
			   said);
	else
		probe_pass(&e->p, "exit code 0%s", said);
}

static int exec_spawn(struct exec_probe *e, int output)
{
	const struct probe_exec_conf *c = &e->p.conf->exec;
	char words[PROBE_PATH_MAX], *argv[EXEC_WORDS_MAX], *env[PROBE_HEADERS_MAX + 4];
	char address[sizeof("WEIR_ADDRESS=") + WEIR_ADDR_STRLEN] = "WEIR_ADDRESS=";
	char port[sizeof("WEIR_PORT=65535")], path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = output },
		{ .flags = UV_INHERIT_FD, .data.fd = output },
	};
	uv_process_options_t o = { .exit_cb = on_exit_status,
				   .args = argv,
				   .env = env,
				   .flags = UV_PROCESS_DETACHED, /* setsid(2) */
				   .stdio = stdio,
				   .stdio_count = 3 };
	unsigned n = 0;

	if (exec_split(c->command, words, sizeof(words), argv) < 0)
		return UV_EINVAL;
	o.file = argv[0];
	weir_addr_text(&e->p.target.addr, address + strlen(address));
	snprintf(port, sizeof(port), "WEIR_PORT=%u", e->p.target.port);
	env[n++] = path;
	env[n++] = address;
	env[n++] = port;
	for (unsigned i = 0; i < PROBE_HEADERS_MAX; i++)
		if (c->env[i][0])
			env[n++] = (char *)(uintptr_t)c->env[i]; /* libuv only reads it */
	env[n] = NULL;
	return uv_spawn(e->p.ctx->loop, &e->process, &o);
}

static void exec_start(struct probe *p)
{
	struct exec_probe *e = (struct exec_probe *)p;
	int output[2], err;

	/* Only our end must not block. */
	if (pipe2(output, O_CLOEXEC) < 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) < 0) {
		probe_fail(p, PROBE_FAIL_LOCAL, "this host cannot make a pipe: %s",
			   strerror(errno));
		return;
	}
	p->fd = output[0];
	err = exec_spawn(e, output[1]);
	close(output[1]);
	e->process.data = p;
	probe_handle_opened(p); /* needs its uv_close() also when the start failed */
	if (err) {
		uv_close((uv_handle_t *)&e->process, probe_handle_closed);
		probe_fail(p, PROBE_FAIL_LOCAL, "cannot run the program: %s", uv_strerror(err));
		return;
	}
	e->running = true;
	probe_step_reached(p, PROBE_STEP_SENT);
	probe_timer_set(p, p->conf->answer_timeout_ms);
	probe_watch(p, UV_READABLE);
}

static void exec_ready(struct probe *p, int events)
{
	(void)events;
	if (!exec_read((struct exec_probe *)p))
		probe_watch(p, 0); /* the exit code is still to come */
}

static void exec_timeout(struct probe *p)
{
	char said[PROBE_TEXT_LEN + 4];

	exec_said((struct exec_probe *)p, said, sizeof(said));
	probe_fail(p, PROBE_FAIL_NO_ANSWER, "still running after %u ms, killed%s",
		   p->conf->answer_timeout_ms, said);
}

static void exec_stop(struct probe *p)
{
	struct exec_probe *e = (struct exec_probe *)p;

	/* Not yet reaped, so the number is still its own; on_exit_status() reaps it. */
	if (e->running)
		kill(-e->process.pid, SIGKILL);
}

const struct probe_ops probe_exec_ops = {
	.size = sizeof(struct exec_probe),
	.start = exec_start,
	.ready = exec_ready,
	.timeout = exec_timeout,
	.stop = exec_stop,
};
