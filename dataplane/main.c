// SPDX-License-Identifier: Apache-2.0
/*
 * weir-dataplane: start-up in an order that can be undone, then housekeeping until
 * a signal, then everything backwards. What can be wrong with the configuration or
 * the machine is found before a port is touched, where that is possible.
 */
#include "buffers.h"
#include "cpu_check.h"
#include "eal.h"
#include "housekeeping.h"
#include "log.h"
#include "privileges.h"
#include "punt_thread.h"
#include "session_socket.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/weir/weir.conf"

enum { EXIT_USAGE = 2 };

static const char usage[] =
	"weir-dataplane [-c FILE] [-v] [--check-config]\n"
	"\n"
	"  -c, --config FILE  configuration (default " DEFAULT_CONFIG ")\n"
	"  -v, --verbose      log more, DPDK's own lines included\n"
	"  --check-config     say what is wrong with [dataplane] and [port] sections; exit\n"
	"  --version          print the version; exit\n"
	"  --help             print this; exit\n"
	"\n"
	"SIGTERM ends it; the ports are given back. More: weir-dataplane(8), weir.conf(5).\n";

/* Everything there is, in the order in which it is made. */
static struct {
	struct dpconf conf;
	struct privileges privileges;
	struct session_socket socket;
	struct ports ports;
	struct buffers buffers;
	struct steer steer;
	struct punt_thread punt;
	struct segment state, control;
	struct workers workers;
	struct explainer explainer;
	struct capture_file capture;
	struct sessions sessions;
} dp;

/* Blocked in every thread that starts from now on: housekeeping reads them. */
static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* the configuration of ports is read at the start alone */
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int make_shared(void)
{
	bool huge = dp.conf.huge_pages != DP_HUGE_NO;
	size_t control = sizeof(struct weir_control) + ((size_t)dp.conf.arena_mb << 20);
	int err;

	err = segment_create("weir-state", weir_state_size(dp.conf.cpu_count, dp.conf.pins),
			     SEGMENT_OURS, huge, &dp.state);
	if (err < 0) {
		log_error("no memory for counters: %s", strerror(-err));
		return err;
	}
	err = segment_create("weir-control", control, SEGMENT_PEERS, huge, &dp.control);
	if (err == 0)
		err = segment_guard(&dp.control);
	if (err < 0) {
		log_error("arena_mb = %u: no memory for tables: %s", dp.conf.arena_mb,
			  strerror(-err));
		return err;
	}
	if (!dp.state.locked || !dp.control.locked)
		log_warning("the shared memory is not locked (RLIMIT_MEMLOCK): it may be paged out "
			    "at times of need");
	if (huge && !dp.control.huge)
		log_info("arena_mb = %u: not enough huge pages are free, tables are on ordinary "
			 "pages",
			 dp.conf.arena_mb);
	return 0;
}

/* A page comes from the node of the CPU that asks for it: the first worker's, for workers
 * read tables, counters and pins at every packet. */
static int make_memories(void)
{
	cpu_set_t before, worker;
	int err;

	CPU_ZERO(&worker);
	CPU_SET(dp.conf.cpus[0], &worker);
	if (sched_getaffinity(0, sizeof(before), &before) < 0 ||
	    sched_setaffinity(0, sizeof(worker), &worker) < 0) {
		log_debug("CPU %u: cannot make the shared memory there: %s", dp.conf.cpus[0],
			  strerror(errno));
		return make_shared();
	}
	err = make_shared();
	if (sched_setaffinity(0, sizeof(before), &before) < 0) {
		log_error("cannot leave CPU %u, which is a worker's: %s", dp.conf.cpus[0],
			  strerror(errno));
		return -errno;
	}
	return err;
}

/* Takes the ports. On error the caller undoes it by close_ports(). */
static int open_ports(void)
{
	int err = ports_find(&dp.ports, &dp.conf);

	if (err == 0)
		err = buffers_create(&dp.buffers, &dp.conf, &dp.ports);
	if (err == 0)
		err = ports_start(&dp.ports, &dp.buffers);
	if (err == 0)
		err = steer_open(&dp.steer, &dp.conf);
	if (err == 0)
		err = punt_open(&dp.punt, &dp.ports);
	return err;
}

static void close_ports(void)
{
	punt_close(&dp.punt);
	steer_close(&dp.steer);
	ports_close(&dp.ports);
}

static int open_sessions(void)
{
	int err;

	dp.explainer.pool = buffers_any(&dp.buffers);
	dp.capture = (struct capture_file){ .workers = &dp.workers, .ports = &dp.ports };
	err = capture_file_create(&dp.capture);
	if (err < 0)
		return err;
	dp.sessions = (struct sessions){
		.listener = dp.socket.fd,
		.workers = &dp.workers,
		.ports = &dp.ports,
		.state = &dp.state,
		.control = &dp.control,
		.explainer = &dp.explainer,
		.capture = &dp.capture,
	};
	err = sessions_open(&dp.sessions);
	if (err < 0)
		log_error("session_socket = %s: %s", dp.conf.session_socket, strerror(-err));
	return err;
}

/* From running workers to stopped ones. */
static int forward(int signals)
{
	struct housekeeping h = {
		.signals = signals,
		.sessions = &dp.sessions,
		.capture = &dp.capture,
		.ports = &dp.ports,
		.steer = &dp.steer,
		.punt = &dp.punt,
		.workers = &dp.workers,
	};
	int err = punt_start(&dp.punt, privileges_drop_thread);

	if (err == 0)
		err = workers_start(&dp.workers, privileges_drop_thread);
	if (err == 0) {
		log_info("forwarding with %u workers, %u ports; waiting for the control plane at "
			 "%s",
			 dp.workers.count, dp.ports.count, dp.conf.session_socket);
		log_info("stopping: %s", strsignal(housekeeping_run(&h)));
	}
	workers_stop(&dp.workers);
	punt_stop(&dp.punt);
	return err;
}

/* With DPDK up: the rest of the start, the work, and all of it undone. */
static int run_ports(int signals)
{
	int err = open_ports();

	if (err == 0)
		err = make_memories();
	if (err == 0)
		err = workers_create(&dp.workers, &dp.conf, &dp.ports, &dp.state, &dp.control);
	if (err == 0)
		err = punt_connect(&dp.punt, &dp.buffers, &dp.ports, &dp.workers);
	if (err == 0)
		err = open_sessions();
	if (err == 0) {
		err = privileges_drop(&dp.privileges);
		if (err == 0)
			err = forward(signals);
		sessions_close(&dp.sessions);
		capture_file_destroy(&dp.capture);
		privileges_raise(&dp.privileges);
	}
	close_ports();
	workers_destroy(&dp.workers);
	return err;
}

static int run(bool verbose)
{
	int signals, err = privileges_plan(&dp.privileges, &dp.conf);

	if (err < 0)
		return err;
	signals = block_signals();
	if (signals < 0) {
		log_error("cannot wait for signals: %s", strerror(errno));
		return -errno;
	}
	err = session_socket_claim(&dp.socket, dp.conf.session_socket, &dp.privileges);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < dp.conf.port_count && err == 0; i++)
		err = steer_claim(&dp.conf.port[i]);
	if (err == 0)
		err = eal_start(&dp.conf, verbose);
	if (err == 0) {
		err = run_ports(signals);
		eal_stop();
	}
	session_socket_release(&dp.socket);
	return err;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "verbose", no_argument, NULL, 'v' },
		{ "check-config", no_argument, NULL, 'C' }, { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	const char *path = DEFAULT_CONFIG;
	struct conf_errors errors = { 0 };
	bool verbose = false, check = false;
	int opt;

	log_init("weir-dataplane", LOG_LVL_INFO);
	if (!cpu_check())
		return EXIT_FAILURE;
	while ((opt = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'v':
			verbose = true;
			break;
		case 'C':
			check = true;
			break;
		case 'V':
			printf("weir-dataplane %s\n", WEIR_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (verbose)
		log_init("weir-dataplane", LOG_LVL_DEBUG);

	if (dpconf_read(path, &dp.conf, &errors) < 0) {
		for (unsigned i = 0; i < errors.count; i++)
			log_error("%s", errors.text[i]);
		conf_errors_free(&errors);
		return EXIT_FAILURE;
	}
	if (check)
		return EXIT_SUCCESS;
	return run(verbose) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
