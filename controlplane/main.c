// SPDX-License-Identifier: Apache-2.0
/*
 * weir-controlplane: everything that thinks. Reads the configuration, checks health,
 * finds next hops, builds tables, publishes them, and serves the control socket.
 */
#include "change.h"
#include "check_config.h"
#include "log.h"
#include "notify.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define DEFAULT_CONFIG "/etc/weir/weir.conf"

enum { DESCRIPTORS = 65536, HEAP_KEPT = 64 << 20 };

static const char usage[] =
	"weir-controlplane [-c FILE] [-v] [--check-config]\n"
	"\n"
	"  -c, --config FILE  configuration (default " DEFAULT_CONFIG ")\n"
	"  -v, --verbose      log more\n"
	"  --check-config     say what is wrong with the configuration and this host; exit\n"
	"  --version          print the version; exit\n"
	"  --help             print this; exit\n"
	"\n"
	"SIGHUP reads the configuration again; SIGTERM ends it. Forwarding goes on without it.\n"
	"More: weir-controlplane(8), weirctl(8), weir.conf(5).\n";

struct signals {
	uv_signal_t hup, term, interrupt;
};

static void reload_signal(uv_signal_t *h, int signum)
{
	struct controlplane *cp = h->data;
	struct conf_errors warnings = { 0 };
	struct rpc_error err = { 0 };
	char why[256];
	unsigned changed;

	(void)signum;
	if (!change_reload(cp, &changed, &warnings, &err)) {
		const json_t *errors = json_object_get(err.data, "errors");

		log_error("nothing has changed: %s",
			  json_array_size(errors) > 1 ? "the file has errors" : err.message);
		for (size_t i = 0; json_array_size(errors) > 1 && i < json_array_size(errors); i++)
			log_error("%s", json_string_value(json_array_get(errors, i)));
		json_decref(err.data);
		return;
	}
	for (unsigned i = 0; i < warnings.count; i++)
		log_warning("%s", warnings.text[i]);
	conf_errors_free(&warnings);
	(void)change_save(cp, why, sizeof(why));
}

static void end_signal(uv_signal_t *h, int signum)
{
	log_info("ending on signal %d; forwarding goes on", signum);
	uv_stop(h->loop);
}

/* Every probe under way is a descriptor. */
static void raise_descriptor_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max < DESCRIPTORS ? l.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static void signals_watch(struct signals *s, struct controlplane *cp)
{
	uv_signal_init(&cp->loop, &s->hup);
	uv_signal_init(&cp->loop, &s->term);
	uv_signal_init(&cp->loop, &s->interrupt);
	s->hup.data = s->term.data = s->interrupt.data = cp;
	uv_signal_start(&s->hup, reload_signal, SIGHUP);
	uv_signal_start(&s->term, end_signal, SIGTERM);
	uv_signal_start(&s->interrupt, end_signal, SIGINT);
	signal(SIGPIPE, SIG_IGN); /* a client that is gone is an error of write() */
}

static void signals_ignore(struct signals *s)
{
	uv_close((uv_handle_t *)&s->hup, NULL);
	uv_close((uv_handle_t *)&s->term, NULL);
	uv_close((uv_handle_t *)&s->interrupt, NULL);
}

/* A list of 10,000 backends is some 400,000 small objects, made and freed at once: with
 * fast bins two fifths of the time went into freeing, and the heap was given back each time. */
static void heap_settings(void)
{
	mallopt(M_MXFAST, 0);
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	mallopt(M_MMAP_THRESHOLD, HEAP_KEPT / 2);
}

static int serve(const char *path)
{
	static struct controlplane cp;
	struct signals signals;
	int err;

	heap_settings();
	raise_descriptor_limit();
	err = uv_loop_init(&cp.loop);
	if (err < 0) {
		log_error("cannot start: %s", uv_strerror(err));
		return EXIT_FAILURE;
	}
	cp.path = path;
	signals_watch(&signals, &cp);
	err = controlplane_start(&cp);
	if (err == 0) {
		notify("READY=1");
		uv_run(&cp.loop, UV_RUN_DEFAULT);
		notify("STOPPING=1");
	}
	signals_ignore(&signals);
	controlplane_stop(&cp);
	uv_loop_close(&cp.loop);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "verbose", no_argument, NULL, 'v' },
		{ "check-config", no_argument, NULL, 'C' }, { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	const char *path = DEFAULT_CONFIG;
	enum log_level level = LOG_LVL_INFO;
	bool check = false;
	int o;

	while ((o = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			path = optarg;
			break;
		case 'v':
			level = LOG_LVL_DEBUG;
			break;
		case 'C':
			check = true;
			break;
		case 'V':
			printf("weir-controlplane %s\n", WEIR_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "weir-controlplane: unexpected \"%s\"\n\n%s", argv[optind], usage);
		return 2;
	}
	log_init("weir-controlplane", level);
	if (check)
		return check_config_print(path) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	return serve(path);
}
