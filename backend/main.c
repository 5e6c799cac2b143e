// SPDX-License-Identifier: Apache-2.0
/*
 * weir-backend: makes a server a backend of Weir (Direct Server Return), says what
 * is wrong with one, and takes everything off again. Runs and ends; what it set up
 * stays in the kernel.
 */
#include "decap.h"
#include "log.h"
#include "look.h"
#include "report.h"
#include "settings.h"
#include "setup.h"
#include "state.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum verb { VERB_UP, VERB_DOWN, VERB_CHECK, VERB_STATUS, VERBS };
static const char *const verb_names[VERBS] = { "up", "down", "check", "status" };

struct arguments {
	enum verb verb;
	const char *file; /* NULL: by options */
	const char *state_dir;
	struct settings settings;
	bool verbose;
};

static void usage(FILE *to)
{
	fprintf(to,
		"usage: weir-backend [-c FILE] up|down|check|status\n"
		"       weir-backend --interface IFACE --vip ADDRESS... [--from PREFIX...]\n"
		"                    [--mode ipip|gue|l2] [--gue-port PORT] [--mtu BYTES]\n"
		"                    [--mss set|leave] up|down|check|status\n"
		"\n"
		"  up       make this host a backend; again to apply changes or to mend\n"
		"  down     undo exactly what \"up\" did\n"
		"  check    say what is wrong with this host; changes nothing\n"
		"  status   show what is set up and what was counted\n"
		"\n"
		"  -c, --config FILE       configuration (default " SETTINGS_FILE ")\n"
		"  -i, --interface IFACE   where Weir's packets arrive\n"
		"      --vip ADDRESS       address that clients connect to, or a prefix of such;\n"
		"                          once per VIP\n"
		"      --from PREFIX       outer source addresses of Weir; once per prefix\n"
		"      --mode MODE         ipip (the default; plain packets work too), gue (ipip\n"
		"                          works too) or l2\n"
		"      --gue-port PORT     UDP port of GUE (default 6080)\n"
		"      --mtu BYTES         least MTU from Weir to here (default: the interface's)\n"
		"      --mss WORD          set (the default): default routes announce an MSS that\n"
		"                          fits behind the outer header; or leave\n"
		"      --state-dir DIR     where \"up\" notes what it changed (default " STATE_DIR
		")\n"
		"  -v, --verbose           also what libbpf and the kernel say\n"
		"  -h, --help              this text\n"
		"  -V, --version           the version\n"
		"\n"
		"Exit status: 0 done (check: nothing is wrong), 1 failed (check: something is\n"
		"wrong), 2 not understood. See weir-backend(8).\n");
}

/* Says why and that --help helps; for `return`. */
static int misused(const char *what, const char *which)
{
	log_error("%s%s; \"weir-backend --help\" says what is right", what, which);
	return EXIT_USAGE;
}

static int verb_parse(int argc, char **argv, enum verb *out)
{
	if (optind >= argc)
		return misused("up, down, check or status?", "");
	if (optind + 1 < argc)
		return misused("one word too many: ", argv[optind + 1]);
	for (unsigned i = 0; i < VERBS; i++) {
		if (strcmp(argv[optind], verb_names[i]) == 0) {
			*out = i;
			return EXIT_OK;
		}
	}
	return misused("neither up, down, check nor status: ", argv[optind]);
}

/* Returns EXIT_OK to go on, -1 when all is said (help, version), or EXIT_USAGE. */
static int arguments_parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "interface", required_argument, NULL, 'i' },
		{ "vip", required_argument, NULL, 'p' },
		{ "from", required_argument, NULL, 'f' },
		{ "mode", required_argument, NULL, 'm' },
		{ "gue-port", required_argument, NULL, 'g' },
		{ "mtu", required_argument, NULL, 'u' },
		{ "mss", required_argument, NULL, 't' },
		{ "state-dir", required_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	bool by_options = false;
	char why[256];
	int c, index;

	*a = (struct arguments){ .state_dir = STATE_DIR };
	settings_init(&a->settings);
	while (index = -1, (c = getopt_long(argc, argv, "c:i:vhV", options, &index)) != -1) {
		const char *key = index >= 0 ? options[index].name : "interface";

		switch (c) {
		case 'c':
			a->file = optarg;
			break;
		case 's':
			a->state_dir = optarg;
			break;
		case 'v':
			a->verbose = true;
			break;
		case 'h':
			usage(stdout);
			return -1;
		case 'V':
			puts("weir-backend " WEIR_VERSION);
			return -1;
		case 'i':
		case 'p':
		case 'f':
		case 'm':
		case 'g':
		case 'u':
		case 't':
			by_options = true;
			if (settings_set(&a->settings, c == 'g' ? "gue_port" : key, optarg, why,
					 sizeof(why)) < 0) {
				log_error("--%s: %s", key, why);
				return EXIT_USAGE;
			}
			break;
		default: /* getopt has said what is wrong */
			return EXIT_USAGE;
		}
	}
	if (by_options && a->file != NULL)
		return misused("either a file or options, not both: -c ", a->file);
	if (!by_options && a->file == NULL)
		a->file = SETTINGS_FILE;
	return verb_parse(argc, argv, &a->verb);
}

/* Options that do not make sense are a wrong call, a file that does not is a failure. */
static int settings_load(struct arguments *a, char *mend, size_t mend_len)
{
	struct conf_errors errors = { 0 };
	struct settings *s = &a->settings;
	bool whole = a->verb == VERB_UP || a->verb == VERB_CHECK;
	int err = 0;

	if (a->file != NULL)
		err = settings_read(s, a->file, &errors);
	if (err == 0)
		err = settings_check(s, whole, a->file != NULL ? a->file : "options", &errors);
	for (unsigned i = 0; i < errors.count; i++)
		log_error("%s", errors.text[i]);
	conf_errors_free(&errors);
	if (err < 0)
		return a->file != NULL ? EXIT_FAILED : EXIT_USAGE;

	if (a->file != NULL && strcmp(a->file, SETTINGS_FILE) != 0)
		snprintf(mend, mend_len, "weir-backend -c %s up", a->file);
	else if (a->file != NULL)
		snprintf(mend, mend_len, "weir-backend up");
	else
		snprintf(mend, mend_len, "weir-backend up --interface %s ...", s->interface);
	s->mend = mend;
	return EXIT_OK;
}

/* -- verbs ----------------------------------------------------------------------- */

static int look(const struct settings *s, struct host *h)
{
	char why[256];
	int err = look_host(s->interface, h, why, sizeof(why));

	if (err < 0)
		log_error("%s", why);
	return err;
}

static int check(const struct settings *s)
{
	struct findings f = { 0 };
	struct host h;
	int err = look(s, &h);

	if (err < 0)
		return EXIT_FAILED;
	err = findings_make(s, &h, &f);
	if (err < 0)
		log_error("cannot check %s: %s", s->interface, strerror(-err));
	else
		report_findings(s->interface, &f);
	err = err < 0 || f.wrong != 0 ? EXIT_FAILED : EXIT_OK;
	findings_free(&f);
	host_free(&h);
	return err;
}

/* What `up` cannot mend is said at once, and is no failure of `up`. */
static int up(const struct settings *s, const char *state_dir)
{
	struct findings f = { 0 };
	struct host h;

	if (setup_up(s, state_dir) < 0)
		return EXIT_FAILED;
	if (look(s, &h) < 0)
		return EXIT_OK;
	if (findings_make(s, &h, &f) == 0)
		for (unsigned i = 0; i < f.count; i++)
			if (f.item[i].grade == FINDING_WRONG)
				log_warning("%s", f.item[i].text);
	findings_free(&f);
	host_free(&h);
	return EXIT_OK;
}

static int status(const struct settings *s, const char *state_dir)
{
	char path[STATE_PATH_LEN];
	struct host h;

	if (state_path(state_dir, s->interface, path) < 0) {
		log_error("--state-dir: %s: too long", state_dir);
		return EXIT_FAILED;
	}
	if (look(s, &h) < 0)
		return EXIT_FAILED;
	report_status(s->interface, &h, path);
	host_free(&h);
	return EXIT_OK;
}

static int run(struct arguments *a)
{
	char mend[512];
	int err = settings_load(a, mend, sizeof(mend));

	if (err != EXIT_OK)
		return err;
	switch (a->verb) {
	case VERB_UP:
		return up(&a->settings, a->state_dir);
	case VERB_DOWN:
		return setup_down(a->settings.interface, a->state_dir) < 0 ? EXIT_FAILED : EXIT_OK;
	case VERB_CHECK:
		return check(&a->settings);
	default:
		return status(&a->settings, a->state_dir);
	}
}

int main(int argc, char **argv)
{
	struct arguments a;
	int result;

	log_init("weir-backend", LOG_LVL_INFO);
	setvbuf(stdout, NULL, _IOLBF, 0); /* steps and errors in the order they happen */
	result = arguments_parse(argc, argv, &a);
	decap_init(a.verbose);
	if (result == EXIT_OK)
		result = run(&a);
	settings_free(&a.settings);
	return result < 0 ? EXIT_OK : result;
}
