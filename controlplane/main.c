// SPDX-License-Identifier: Apache-2.0
/*
 * weir-controlplane: everything that thinks. Reads the configuration, checks health,
 * finds next hops, builds tables, publishes them, and serves the control socket.
 *
 * In the order of the start: configuration and state file, control socket (which also
 * keeps a second instance out), privileges, the parts, the first filling of the model,
 * the session with the data plane. The first publish over what a data plane has in
 * force waits for the first health verdicts.
 */
#include "change.h"
#include "cmd.h"
#include "host_check.h"
#include "log.h"
#include "notify.h"
#include "privileges.h"
#include "reload.h"
#include "state_file.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#define DEFAULT_CONFIG "/etc/weir/weir.conf"

enum {
	FIRST_PROBES_SLACK_MS = 500, /* beyond the longest time-out of a first probe */
	DESCRIPTORS = 65536,
};

/* The daemon: the control plane and what only its life needs. */
struct daemon {
	struct controlplane cp;
	uv_signal_t hup, term, interrupt;
	uv_timer_t first_probes; /* ends the wait for first verdicts */
};

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

/* -- what happens ----------------------------------------------------------- */

static void backend_came(void *user, struct backend *b)
{
	neigh_watch(((struct controlplane *)user)->neigh, b);
}

static void backend_goes(void *user, struct backend *b)
{
	struct controlplane *cp = user;

	neigh_forget(cp->neigh, b);
	checks_forget(cp->checks, b);
}

static void service_came(void *user, struct service *s)
{
	struct controlplane *cp = user;
	struct weir_sum n;

	if (cp->dp == NULL) /* the first filling: indices are those of the state file */
		return;
	n = dp_service_count(cp->dp, s->index);
	s->packets_before = n.packets;
	s->bytes_before = n.bytes;
}

static void something_changed(void *user, struct backend *b)
{
	struct controlplane *cp = user;

	(void)b;
	publish_request(cp->publisher);
}

static void first_verdicts_in(void *user)
{
	publisher_release(((struct controlplane *)user)->publisher);
}

static void first_probes_took_too_long(uv_timer_t *t)
{
	publisher_release(((struct controlplane *)t->data)->publisher);
}

static void deadline_passed(void *user)
{
	change_expire(user);
}

/* A data plane that started since counts from 0 again. */
static void counters_begin(struct controlplane *cp, const struct dp_view *dp)
{
	if (cp->dp_start_ms != 0 && cp->dp_start_ms != dp->state->start_ms) {
		for (uint32_t i = 0; i < cp->model.service_count; i++) {
			cp->model.service[i]->packets_before = 0;
			cp->model.service[i]->bytes_before = 0;
		}
	}
	cp->dp_start_ms = dp->state->start_ms;
}

static void attached(void *user, const struct dp_view *dp)
{
	struct controlplane *cp = user;

	counters_begin(cp, dp);
	neigh_ports(cp->neigh, &dp->welcome.ports);
	publisher_attach(cp->publisher, dp);
}

static void lost(void *user, const char *why)
{
	struct controlplane *cp = user;

	(void)why; /* dp_session.c has logged it */
	publisher_detach(cp->publisher);
	neigh_ports(cp->neigh, NULL);
}

static void refused(void *user, const char *why)
{
	(void)user;
	(void)why;
}

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

		log_error("reload refused, nothing has changed:");
		for (size_t i = 0; i < json_array_size(errors); i++)
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

/* -- starting --------------------------------------------------------------- */

static void print_all(const struct conf_errors *e, enum log_level level)
{
	for (unsigned i = 0; i < e->count; i++)
		log_line(level, "%s", e->text[i]);
}

static int check_config(const char *path)
{
	struct conf_errors errors = { 0 }, warnings = { 0 };
	struct conf *c = NULL;
	int err = conf_load(path, &c, &errors, &warnings);

	if (err == 0)
		host_check(c, path, &warnings);
	for (unsigned i = 0; i < warnings.count; i++)
		printf("warning: %s\n", warnings.text[i]);
	for (unsigned i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.text[i]);
	if (err == 0)
		printf("%s: ok\n", path);
	conf_errors_free(&errors);
	conf_errors_free(&warnings);
	conf_free(c);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The seed of the flow hash: of the site (in the file), or this host's own, made once. */
static int choose_seed(struct controlplane *cp, const struct state *state)
{
	if (cp->file->control.has_seed) {
		cp->model.flow_seed = cp->file->control.flow_seed;
	} else if (state != NULL && state->has_seed) {
		cp->model.flow_seed = state->flow_seed;
	} else if (getrandom(&cp->model.flow_seed, sizeof(cp->model.flow_seed), 0) !=
		   sizeof(cp->model.flow_seed)) {
		log_error("no random bytes for the flow seed: %s", strerror(errno));
		return -EIO;
	}
	return 0;
}

/* The path of the state file is in the file that the state is merged with. */
static int state_path(const char *path, char *out, size_t len)
{
	struct conf_errors errors = { 0 };
	struct conf *c = NULL;
	int err = conf_load(path, &c, &errors, NULL);

	if (err == 0)
		snprintf(out, len, "%s", c->control.state_file);
	print_all(&errors, LOG_LVL_ERROR);
	conf_errors_free(&errors);
	conf_free(c);
	return err;
}

/* File and state into cp->file and cp->running, every error said. *state is the
 * caller's to free, also on error. */
static int load(struct controlplane *cp, struct state *state, bool *has_state)
{
	char path[DP_STRLEN], why[256];
	struct conf_errors unknown = { 0 };
	struct state_clock now;
	struct reload r = { 0 };
	int err;

	err = state_path(cp->path, path, sizeof(path));
	if (err < 0)
		return err;
	state_clock_now(&now);
	err = state_load(path, &now, state, why, sizeof(why), &unknown);
	print_all(&unknown, LOG_LVL_WARNING);
	conf_errors_free(&unknown);
	*has_state = err == 0;
	if (err < 0 && err != -ENOENT)
		log_error("starting without the changes made at run time: %s", why);

	err = reload_start(cp->path, *has_state ? state : NULL, &r);
	print_all(&r.errors, LOG_LVL_ERROR);
	if (err == 0) {
		host_check(r.file, cp->path, &r.warnings);
		print_all(&r.warnings, LOG_LVL_WARNING);
		cp->file = r.file;
		cp->running = r.running;
		r.file = r.running = NULL;
		err = choose_seed(cp, *has_state ? state : NULL);
	}
	reload_free(&r);
	return err;
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

static int create_parts(struct controlplane *cp)
{
	const struct checks_hooks checks = { cp, something_changed, first_verdicts_in };
	int err;

	err = neigh_create(&cp->loop, something_changed, cp, &cp->neigh);
	if (err == 0)
		err = checks_create(&cp->loop, &cp->model, &checks, &cp->checks);
	if (err == 0)
		err = drain_create(&cp->loop, deadline_passed, cp, &cp->drain);
	if (err == 0)
		err = publisher_create(&cp->loop, &cp->model, &cp->publisher);
	if (err < 0)
		log_error("cannot start: %s", strerror(-err));
	cp->follow = (struct model_hooks){ .user = cp,
					   .backend_added = backend_came,
					   .backend_changed = backend_came,
					   .backend_removed = backend_goes,
					   .service_added = service_came };
	return err;
}

/* The first filling of the model; indices of services as they were. */
static int fill_model(struct controlplane *cp, const struct state *state)
{
	char why[256];
	int ret;

	cp->model.place = state != NULL ? state->place : NULL;
	cp->model.place_count = state != NULL ? state->place_count : 0;
	ret = change_install(cp, cp->running);
	cp->model.place = NULL;
	cp->model.place_count = 0;
	if (ret < 0) {
		log_error("cannot start: no memory for the configuration");
		return ret;
	}
	(void)change_save(cp, why, sizeof(why));
	return 0;
}

static int listen_for_commands(struct controlplane *cp)
{
	const struct control_conf *c = &cp->file->control;
	char why[256];
	int err = rpc_create(&cp->loop, c->control_socket, c->group, cmd_dispatch, cp, &cp->rpc,
			     why, sizeof(why));

	if (err < 0) {
		log_error("cannot start: %s", why);
		return err;
	}
	err = privileges_drop(c->user, why, sizeof(why));
	if (err < 0)
		log_error("cannot start: %s", why);
	return err;
}

static int connect_dataplane(struct controlplane *cp)
{
	const struct dp_session_hooks hooks = { cp, attached, lost, refused };
	int err = dp_session_create(&cp->loop, cp->file->dp.session_socket, &hooks, &cp->dp);

	if (err < 0)
		log_error("cannot start: no session with the data plane: %s", strerror(-err));
	return err;
}

static void watch_signals(struct daemon *d)
{
	uv_signal_init(&d->cp.loop, &d->hup);
	uv_signal_init(&d->cp.loop, &d->term);
	uv_signal_init(&d->cp.loop, &d->interrupt);
	uv_timer_init(&d->cp.loop, &d->first_probes);
	d->hup.data = d->term.data = d->interrupt.data = d->first_probes.data = &d->cp;
	uv_signal_start(&d->hup, reload_signal, SIGHUP);
	uv_signal_start(&d->term, end_signal, SIGTERM);
	uv_signal_start(&d->interrupt, end_signal, SIGINT);
	signal(SIGPIPE, SIG_IGN); /* a client that is gone is an error of write() */
}

static int start(struct daemon *d)
{
	struct controlplane *cp = &d->cp;
	struct state state = { 0 };
	bool has_state = false;
	int err;

	err = load(cp, &state, &has_state);
	if (err == 0)
		err = listen_for_commands(cp);
	if (err == 0)
		err = create_parts(cp);
	if (err == 0)
		err = fill_model(cp, has_state ? &state : NULL);
	if (err == 0)
		err = connect_dataplane(cp);
	if (has_state)
		state_free(&state);
	if (err < 0)
		return err;
	uv_timer_start(&d->first_probes, first_probes_took_too_long,
		       checks_first_ms(cp->checks) + FIRST_PROBES_SLACK_MS, 0);
	log_info("%s: %u pools, %u services; control socket %s", cp->path, cp->model.pool_count,
		 cp->model.service_count, cp->file->control.control_socket);
	notify("READY=1");
	return 0;
}

/* In the reverse order; whatever start() came to. The data plane keeps its tables. */
static void end(struct daemon *d)
{
	struct controlplane *cp = &d->cp;
	char why[256];

	notify("STOPPING=1");
	if (cp->rpc != NULL)
		rpc_destroy(cp->rpc);
	if (cp->publisher != NULL && cp->running != NULL)
		(void)change_save(cp, why, sizeof(why));
	if (cp->dp != NULL)
		dp_session_destroy(cp->dp);
	cp->dp = NULL;
	if (cp->publisher != NULL)
		publisher_destroy(cp->publisher);
	if (cp->follow.user != NULL)
		model_free(&cp->model, &cp->follow);
	if (cp->drain != NULL)
		drain_destroy(cp->drain);
	if (cp->checks != NULL)
		checks_destroy(cp->checks);
	if (cp->neigh != NULL)
		neigh_destroy(cp->neigh);
	uv_close((uv_handle_t *)&d->hup, NULL);
	uv_close((uv_handle_t *)&d->term, NULL);
	uv_close((uv_handle_t *)&d->interrupt, NULL);
	uv_close((uv_handle_t *)&d->first_probes, NULL);
	uv_run(&cp->loop, UV_RUN_DEFAULT);
	uv_loop_close(&cp->loop);
	conf_free(cp->file);
	conf_free(cp->running);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "verbose", no_argument, NULL, 'v' },
		{ "check-config", no_argument, NULL, 'C' }, { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	static struct daemon d = { .cp.path = DEFAULT_CONFIG };
	enum log_level level = LOG_LVL_INFO;
	bool check = false;
	int o, err;

	while ((o = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			d.cp.path = optarg;
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
		return check_config(d.cp.path);

	raise_descriptor_limit();
	err = uv_loop_init(&d.cp.loop);
	if (err < 0) {
		log_error("cannot start: %s", uv_strerror(err));
		return EXIT_FAILURE;
	}
	watch_signals(&d);
	err = start(&d);
	if (err == 0)
		uv_run(&d.cp.loop, UV_RUN_DEFAULT);
	end(&d);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
