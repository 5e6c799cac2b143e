// SPDX-License-Identifier: Apache-2.0
#include "conf_check_files.h"

#include "check_plan.h"
#include "conf_check.h"
#include "probe_settings.h"
#include "tls_store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_ca_file(const struct check_conf *k, const struct probe_tls_conf *t,
			  const char *path, struct conf_errors *errors)
{
	X509_STORE *store;
	char why[300];

	if (!t->verify)
		return;
	store = tls_store_read(t->ca_file, why, sizeof(why));
	if (store == NULL)
		conf_error(errors, path, conf_check_line(&k->keys, "check", "ca_file", k->line),
			   "[check %s] ca_file: %s", k->name, why);
	X509_STORE_free(store);
}

static void check_program(const struct check_conf *k, const struct probe_exec_conf *e,
			  const char *path, struct conf_errors *errors)
{
	char words[PROBE_PATH_MAX], *argv[EXEC_WORDS_MAX];
	struct stat st;
	const char *why = NULL;

	if (exec_split(e->command, words, sizeof(words), argv) < 0)
		return; /* said by conf_check() */
	if (stat(argv[0], &st) < 0 || access(argv[0], X_OK) < 0)
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = "it is no file";
	if (why != NULL)
		conf_error(errors, path, conf_check_line(&k->keys, "check", "command", k->line),
			   "[check %s] command: cannot run %s: %s", k->name, argv[0], why);
}

int conf_check_files(const struct conf *c, const char *path, struct conf_errors *errors)
{
	unsigned before = errors->count;

	for (uint32_t i = 0; i < c->check_count; i++) {
		const struct check_conf *k = &c->check[i];
		struct judge_conf judge;
		struct probe_conf probe;
		char why[200];

		if (check_build(k, &probe, &judge, why, sizeof(why)) < 0)
			continue; /* said by conf_check() */
		if (probe.kind == PROBE_TLS)
			check_ca_file(k, &probe.tls, path, errors);
		else if (probe.kind == PROBE_HTTP && probe.http.https)
			check_ca_file(k, &probe.http.tls, path, errors);
		else if (probe.kind == PROBE_EXEC)
			check_program(k, &probe.exec, path, errors);
	}
	return errors->count > before ? -EINVAL : 0;
}

int conf_load_whole(const char *path, struct conf **out, struct conf_errors *errors,
		    struct conf_errors *warnings)
{
	struct conf *c = NULL;
	int err = conf_load(path, &c, errors, warnings);

	if (err == 0)
		err = conf_check_files(c, path, errors);
	if (err < 0) {
		conf_free(c);
		return err;
	}
	*out = c;
	return 0;
}
