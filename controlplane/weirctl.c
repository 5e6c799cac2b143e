// SPDX-License-Identifier: Apache-2.0
/*
 * weirctl: the person's way to the control socket. A table says what each command's
 * words become; all else is the daemon's.
 */
#include "weirctl.h"

#include "addr.h"
#include "check_config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/weir/control.sock"
#define DEFAULT_CONFIG "/etc/weir/weir.conf"

/* What `capture` can be told, by its option and the parameter that it becomes. */
static const struct match {
	const char *option, *param;
	bool number;
} matches[] = {
	{ "service", "service", false },  { "backend", NULL, false },
	{ "drop", "drop", false },	  { "protocol", "protocol", false },
	{ "source", "source", false },	  { "destination", "destination", false },
	{ "sport", "source_port", true }, { "dport", "destination_port", true },
	{ "points", "points", false },	  { "seconds", "seconds", true },
	{ "snap", "snap", true },	  { "sample", "sample", true },
};

enum { MATCHES = sizeof(matches) / sizeof(matches[0]), FIRST_MATCH = 1000 };

struct options {
	const char *socket;
	const char *deadline, *payload, *pcap, *port, *count; /* as given; NULL: not */
	bool json, force, drain;
	const char *match[MATCHES]; /* by row of matches[]; NULL: not given */
};

static void complain(const char *what, const char *word)
{
	fprintf(stderr, "weirctl: %s, not \"%s\"\n", what, word);
}

/* -- from words to parameters ----------------------------------------------- */

/* A whole decimal number; the daemon knows the bounds. */
static json_t *number(const char *what, const char *text)
{
	char *end, sentence[80];
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (text[0] == '\0' || *end != '\0' || errno != 0) {
		snprintf(sentence, sizeof(sentence), "%s: a number", what);
		complain(sentence, text);
		return NULL;
	}
	return json_integer(n);
}

/* `what` is its name on the command line. */
static bool set_number(json_t *params, const char *member, const char *what, const char *text)
{
	json_t *n = number(what, text);

	if (n == NULL)
		return false;
	json_object_set_new(params, member, n);
	return true;
}

/* The words behind a command's name as parameters; false: said on stderr. */
typedef bool build_fn(json_t *params, char **word, unsigned count, const struct options *o);

static bool build_pool(json_t *params, char **word, unsigned count, const struct options *o)
{
	(void)o;
	if (count > 0)
		json_object_set_new(params, "pool", json_string(word[0]));
	return true;
}

static bool split_name(json_t *params, const char *word, const char *member)
{
	const char *slash = strchr(word, '/');

	if (slash == NULL || slash == word || slash[1] == '\0') {
		complain("a backend is POOL/NAME", word);
		return false;
	}
	json_object_set_new(params, "pool", json_stringn(word, (size_t)(slash - word)));
	json_object_set_new(params, member, json_string(slash + 1));
	return true;
}

static bool build_backend(json_t *params, char **word, unsigned count, const struct options *o)
{
	(void)count;
	(void)o;
	return split_name(params, word[0], "backend");
}

/* SERVICE, VIP or POOL/BACKEND. An address or a prefix is a VIP. */
static bool build_drops(json_t *params, char **word, unsigned count, const struct options *o)
{
	struct weir_addr vip;
	uint8_t len;

	(void)o;
	if (count == 0)
		return true;
	if (weir_addr_parse(word[0], &vip) == 0 || weir_prefix_parse(word[0], &vip, &len) == 0) {
		json_object_set_new(params, "vip", json_string(word[0]));
		return true;
	}
	if (strchr(word[0], '/') != NULL)
		return split_name(params, word[0], "backend");
	json_object_set_new(params, "service", json_string(word[0]));
	return true;
}

static bool build_health(json_t *params, char **word, unsigned count, const struct options *o)
{
	if (count > 0 && strchr(word[0], '/') != NULL)
		return split_name(params, word[0], "backend");
	return build_pool(params, word, count, o);
}

static bool build_remove(json_t *params, char **word, unsigned count, const struct options *o)
{
	(void)count;
	if (o->deadline != NULL && !o->drain) {
		fprintf(stderr, "weirctl: --deadline goes with --drain\n");
		return false;
	}
	if (o->force)
		json_object_set_new(params, "force", json_true());
	if (o->drain)
		json_object_set_new(params, "drain", json_true());
	if (o->deadline != NULL && !set_number(params, "deadline_s", "--deadline", o->deadline))
		return false;
	return split_name(params, word[0], "backend");
}

static bool build_drain(json_t *params, char **word, unsigned count, const struct options *o)
{
	(void)count;
	if (o->deadline != NULL && !set_number(params, "deadline_s", "--deadline", o->deadline))
		return false;
	return split_name(params, word[0], "backend");
}

static bool build_weight(json_t *params, char **word, unsigned count, const struct options *o)
{
	(void)count;
	(void)o;
	return split_name(params, word[0], "backend") &&
	       set_number(params, "weight", "weight", word[1]);
}

/* POOL/NAME ADDRESS key=value ..., as the line of the file has it. */
static bool build_add(json_t *params, char **word, unsigned count, const struct options *o)
{
	(void)o;
	if (!split_name(params, word[0], "name"))
		return false;
	json_object_set_new(params, "address", json_string(word[1]));
	for (unsigned i = 2; i < count; i++) {
		char *value = strchr(word[i], '=');

		if (value == NULL || value == word[i]) {
			complain("an option is KEY=VALUE", word[i]);
			return false;
		}
		*value++ = '\0';
		if (strcmp(word[i], "weight") != 0 && strcmp(word[i], "vlan") != 0)
			json_object_set_new(params, word[i], json_string(value));
		else if (!set_number(params, word[i], word[i], value))
			return false;
	}
	return true;
}

static bool build_explain(json_t *params, char **word, unsigned count, const struct options *o)
{
	(void)count;
	json_object_set_new(params, "protocol", json_string(word[0]));
	json_object_set_new(params, "source", json_string(word[1]));
	json_object_set_new(params, "destination", json_string(word[2]));
	return o->payload == NULL || set_number(params, "payload", "--payload", o->payload);
}

static bool build_capture(json_t *params, const struct options *o)
{
	for (unsigned i = 0; i < MATCHES; i++) {
		const char *value = o->match[i];

		if (value == NULL)
			continue;
		if (matches[i].param == NULL) {
			if (!split_name(params, value, "backend"))
				return false;
		} else if (matches[i].number) {
			char what[32];

			snprintf(what, sizeof(what), "--%s", matches[i].option);
			if (!set_number(params, matches[i].param, what, value))
				return false;
		} else {
			json_object_set_new(params, matches[i].param, json_string(value));
		}
	}
	return o->count == NULL || set_number(params, "count", "--count", o->count);
}

/* -- commands --------------------------------------------------------------- */

enum { WORDS_MAX = 16 };

static const struct command {
	const char *name, *words, *help;
	unsigned least, most; /* words behind the name */
	const char *method;
	build_fn *build; /* NULL: no parameters */
	weirctl_print_fn *print;
	int (*code)(const json_t *result); /* exit code of an answer; NULL: WEIRCTL_OK */
} commands[] = {
	{ "status", "", "the data plane, its workers and ports, and what was dropped", 0, 0,
	  "status", NULL, weirctl_print_status, NULL },
	{ "services", "", "VIPs, their pools and counters", 0, 0, "services", NULL,
	  weirctl_print_services, NULL },
	{ "pools", "", "pools, and how many of their backends serve", 0, 0, "pools", NULL,
	  weirctl_print_pools, NULL },
	{ "backends", "[POOL]", "backends: weight, state, health, share, counters, next hop", 0, 1,
	  "backends", build_pool, weirctl_print_backends, NULL },
	{ "drops", "[SERVICE | VIP | POOL/BACKEND]",
	  "packets that reached no backend, by reason; what Weir answered itself", 0, 1, "drops",
	  build_drops, weirctl_print_drops, NULL },
	{ "explain", "tcp|udp SOURCE:PORT VIP:PORT [--payload BYTES]",
	  "what would happen to such a packet now, and why", 3, 3, "explain", build_explain,
	  weirctl_print_explain, NULL },
	{ "explain", "--pcap FILE [--port PORT] [--count N]",
	  "the same for each packet of a capture, as if it came in now", 0, 0, NULL, NULL, NULL,
	  NULL },
	{ "capture",
	  "FILE [--service S] [--backend POOL/NAME] [--drop REASON]\n"
	  "          [--protocol tcp|udp|icmp|icmp6] [--source ADDRESS[/LEN]] [--sport PORT]\n"
	  "          [--destination ADDRESS[/LEN]] [--dport PORT] [--points before|after|both]\n"
	  "          [--count N] [--seconds N] [--snap BYTES] [--sample N]",
	  "packets that match all of it into a pcapng file; \"-\": standard output", 1, 1, NULL,
	  NULL, NULL, NULL },
	{ "health", "[POOL | POOL/NAME]",
	  "what the health checks know: state, since when, last result, latency, certificate", 0, 1,
	  "health", build_health, weirctl_print_health, NULL },
	{ "check", "POOL/NAME", "its checks once, now, and each step shown; changes nothing", 1, 1,
	  "check", build_backend, weirctl_print_check, weirctl_check_code },
	{ "backend add",
	  "POOL/NAME ADDRESS [weight=N] [state=S] [backup=yes] [mac=MAC] [port=PORT] [vlan=N]",
	  "a new backend", 2, WORDS_MAX, "backend.add", build_add, weirctl_print_backend, NULL },
	{ "backend remove", "POOL/NAME [--force | --drain [--deadline S]]",
	  "a disabled one; one in use: at once, or drain it first", 1, 1, "backend.remove",
	  build_remove, weirctl_print_removed, NULL },
	{ "backend weight", "POOL/NAME N", "its share; 0: no packets, but it keeps its place", 2, 2,
	  "backend.weight", build_weight, weirctl_print_backend, NULL },
	{ "backend drain", "POOL/NAME [--deadline SECONDS]",
	  "no new flows; disabled at the deadline", 1, 1, "backend.drain", build_drain,
	  weirctl_print_backend, NULL },
	{ "backend disable", "POOL/NAME", "no packets at all", 1, 1, "backend.disable",
	  build_backend, weirctl_print_backend, NULL },
	{ "backend enable", "POOL/NAME", "back to service", 1, 1, "backend.enable", build_backend,
	  weirctl_print_backend, NULL },
	{ "diff", "", "where what runs differs from the file", 0, 0, "diff", NULL,
	  weirctl_print_diff, NULL },
	{ "reload", "", "read the file again and apply what changed in it", 0, 0, "reload", NULL,
	  weirctl_print_changed, NULL },
	{ "revert", "", "drop what was changed at run time", 0, 0, "revert", NULL,
	  weirctl_print_changed, NULL },
	{ "check-config", "[FILE]", "say what is wrong with a file, without a daemon", 0, 1, NULL,
	  NULL, NULL, NULL },
	{ "help", "", "print this", 0, 0, NULL, NULL, NULL, NULL },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void help(FILE *out)
{
	fprintf(out, "weirctl [-s SOCKET] [--json] COMMAND\n\n");
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(out, "  %s%s%s\n      %s\n", commands[i].name,
			commands[i].words[0] != '\0' ? " " : "", commands[i].words,
			commands[i].help);
	fprintf(out, "\n"
		     "  -s, --socket SOCKET  of the control plane (default " DEFAULT_SOCKET ")\n"
		     "  --json               print the result as JSON\n"
		     "  --version            print the version\n"
		     "\n"
		     "Exit codes: 0 done, 1 refused, 2 not understood, 3 no control plane, "
		     "4 a check failed.\n"
		     "More: weirctl(8).\n");
}

/* The command whose name the first words are; *used: how many those are. */
static const struct command *find(char **word, unsigned count, const struct options *o,
				  unsigned *used)
{
	for (unsigned i = 0; i < COMMANDS; i++) {
		const char *name = commands[i].name, *space = strchr(name, ' ');
		size_t first = space != NULL ? (size_t)(space - name) : strlen(name);

		if (strlen(word[0]) != first || strncmp(word[0], name, first) != 0)
			continue;
		/* Of the two forms of `explain`, the one that --pcap asks for. */
		if (strcmp(name, "explain") == 0 &&
		    (o->pcap != NULL) != (commands[i].method == NULL))
			continue;
		*used = space != NULL ? 2 : 1;
		if (space == NULL || (count > 1 && strcmp(word[1], space + 1) == 0))
			return &commands[i];
	}
	return NULL;
}

static json_t *sentences(const struct conf_errors *e)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < e->count; i++)
		json_array_append_new(list, json_string(e->text[i]));
	return list;
}

static void print_json(json_t *result)
{
	json_dumpf(result, stdout, JSON_INDENT(2));
	printf("\n");
}

static int run_check_config(const char *path, const struct options *o)
{
	struct conf_errors errors = { 0 }, warnings = { 0 };
	json_t *result;
	int err;

	if (!o->json)
		return check_config_print(path) == 0 ? WEIRCTL_OK : WEIRCTL_FAILED;
	err = check_config(path, &errors, &warnings);
	result = json_pack("{s:b, s:o, s:o}", "ok", err == 0, "errors", sentences(&errors),
			   "warnings", sentences(&warnings));
	print_json(result);
	json_decref(result);
	conf_errors_free(&errors);
	conf_errors_free(&warnings);
	return err == 0 ? WEIRCTL_OK : WEIRCTL_FAILED;
}

static int run_capture(const char *file, const struct options *o)
{
	json_t *params = json_object();

	if (!build_capture(params, o)) {
		json_decref(params);
		return WEIRCTL_USAGE;
	}
	return weirctl_capture(o->socket, file, params);
}

/* Is an option of `capture` given to a command that is another? */
static bool has_match(const struct options *o)
{
	for (unsigned i = 0; i < MATCHES; i++)
		if (o->match[i] != NULL)
			return true;
	return false;
}

static int run_explain_pcap(const struct options *o)
{
	unsigned long most = ULONG_MAX;
	char *end;

	if (o->count != NULL) {
		most = strtoul(o->count, &end, 10);
		if (o->count[0] < '1' || o->count[0] > '9' || *end != '\0') {
			complain("--count: a number of packets", o->count);
			return WEIRCTL_USAGE;
		}
	}
	return weirctl_explain_pcap(o->socket, o->pcap, o->port, most, o->json);
}

/* A change is in force in the control plane; is it everywhere? */
static void warn(const json_t *result)
{
	const char *waits = json_string_value(json_object_get(result, "waits_for"));
	const char *unsaved = json_string_value(json_object_get(result, "not_saved"));

	if (waits != NULL)
		fprintf(stderr, "weirctl: accepted, but not in force everywhere yet: %s\n", waits);
	if (unsaved != NULL)
		fprintf(stderr, "weirctl: in force, but a restart would lose it: %s\n", unsaved);
}

static int run(const struct command *c, char **word, unsigned count, const struct options *o)
{
	json_t *params = c->build != NULL ? json_object() : NULL, *result;
	int ret;

	if (c->build != NULL && !c->build(params, word, count, o)) {
		json_decref(params);
		return WEIRCTL_USAGE;
	}
	ret = weirctl_call(o->socket, c->method, params,
			   c->code != NULL ? WEIRCTL_PROBE_WAIT_S : WEIRCTL_WAIT_S, &result);
	if (ret != WEIRCTL_OK)
		return ret;
	if (o->json)
		print_json(result);
	else
		c->print(stdout, result);
	warn(result);
	ret = c->code != NULL ? c->code(result) : WEIRCTL_OK;
	json_decref(result);
	return ret;
}

/* Of a group of commands ("backend"), what there is in it. */
static int no_command(char **word, unsigned count)
{
	size_t len = strlen(word[0]);

	fprintf(stderr, "weirctl: no command \"%s%s%s\"; `weirctl help` lists them\n", word[0],
		count > 1 ? " " : "", count > 1 ? word[1] : "");
	for (unsigned i = 0; i < COMMANDS; i++)
		if (strncmp(commands[i].name, word[0], len) == 0 && commands[i].name[len] == ' ')
			fprintf(stderr, "  weirctl %s %s\n", commands[i].name, commands[i].words);
	return WEIRCTL_USAGE;
}

static int dispatch(char **word, unsigned count, const struct options *o)
{
	const struct command *c;
	unsigned used = 0;

	if (count == 0) {
		help(stderr);
		return WEIRCTL_USAGE;
	}
	c = find(word, count, o, &used);
	if (c == NULL)
		return no_command(word, used == 2 ? count : 1);
	word += used;
	count -= used;
	if (count < c->least || count > c->most) {
		fprintf(stderr, "usage: weirctl %s %s\n", c->name, c->words);
		return WEIRCTL_USAGE;
	}
	if ((o->deadline != NULL && strstr(c->words, "--deadline") == NULL) ||
	    (o->payload != NULL && strstr(c->words, "--payload") == NULL) ||
	    (o->pcap != NULL && strstr(c->words, "--pcap") == NULL) ||
	    (o->port != NULL && strstr(c->words, "--port") == NULL) ||
	    (o->count != NULL && strstr(c->words, "--count") == NULL) ||
	    (has_match(o) && strcmp(c->name, "capture") != 0) ||
	    (o->json && strcmp(c->name, "capture") == 0) ||
	    (o->force && strstr(c->words, "--force") == NULL) ||
	    (o->drain && strstr(c->words, "--drain") == NULL)) {
		fprintf(stderr, "weirctl: \"%s\" has no such option\nusage: weirctl %s %s\n",
			c->name, c->name, c->words);
		return WEIRCTL_USAGE;
	}
	if (c->method != NULL)
		return run(c, word, count, o);
	if (o->pcap != NULL)
		return run_explain_pcap(o);
	if (strcmp(c->name, "capture") == 0)
		return run_capture(word[0], o);
	if (strcmp(c->name, "check-config") == 0)
		return run_check_config(count > 0 ? word[0] : DEFAULT_CONFIG, o);
	help(stdout);
	return WEIRCTL_OK;
}

/* What nobody could read has not been said. */
static int end_output(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "weirctl: standard output: %s\n", strerror(errno));
	return code == WEIRCTL_OK ? WEIRCTL_FAILED : code;
}

int main(int argc, char **argv)
{
	static const struct option others[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "deadline", required_argument, NULL, 'd' },
		{ "payload", required_argument, NULL, 'p' },
		{ "force", no_argument, NULL, 'f' },
		{ "drain", no_argument, NULL, 'D' },
		{ "pcap", required_argument, NULL, 'c' },
		{ "port", required_argument, NULL, 'P' },
		{ "count", required_argument, NULL, 'n' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
	};
	enum { OTHERS = sizeof(others) / sizeof(others[0]) };
	struct option long_options[OTHERS + MATCHES + 1] = { 0 };
	struct options o = { .socket = DEFAULT_SOCKET };
	int c;

	memcpy(long_options, others, sizeof(others));
	for (int i = 0; i < MATCHES; i++)
		long_options[OTHERS + i] = (struct option){ matches[i].option, required_argument,
							    NULL, FIRST_MATCH + i };

	while ((c = getopt_long(argc, argv, "s:jh", long_options, NULL)) != -1) {
		switch (c) {
		case 's':
			o.socket = optarg;
			break;
		case 'j':
			o.json = true;
			break;
		case 'd':
			o.deadline = optarg;
			break;
		case 'p':
			o.payload = optarg;
			break;
		case 'f':
			o.force = true;
			break;
		case 'D':
			o.drain = true;
			break;
		case 'c':
			o.pcap = optarg;
			break;
		case 'P':
			o.port = optarg;
			break;
		case 'n':
			o.count = optarg;
			break;
		case 'V':
			printf("weirctl %s\n", WEIR_VERSION);
			return WEIRCTL_OK;
		case 'h':
			help(stdout);
			return WEIRCTL_OK;
		default:
			if (c >= FIRST_MATCH) {
				o.match[c - FIRST_MATCH] = optarg;
				break;
			}
			fprintf(stderr, "`weirctl help` lists commands and options\n");
			return WEIRCTL_USAGE;
		}
	}
	return end_output(dispatch(argv + optind, (unsigned)(argc - optind), &o));
}
