// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a configuration file. What loads must hold together: its checks pass
 * again, a copy is equal, merged with itself nothing changes, every option reads back
 * what it writes, and the JSON of the state file gives the same configuration.
 *
 * links: common/addr.c common/conf.c common/conf_read.c common/conf_section.c
 * links: common/dpconf.c controlplane/conf_check.c controlplane/conf_check_addr.c
 * links: controlplane/conf_check_pool.c controlplane/conf_diff.c controlplane/conf_edit.c
 * links: controlplane/conf_file.c controlplane/conf_merge.c controlplane/conf_opts.c
 * links: controlplane/bytes.c controlplane/check_build.c controlplane/check_plan.c
 * links: controlplane/conf_check_check.c controlplane/conf_check_vip.c
 * links: controlplane/http_status.c controlplane/key_map.c
 * links: controlplane/probe_settings.c controlplane/state_json.c
 * packages: inih jansson libxxhash
 */
#include "conf_file.h"
#include "state_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void no_difference(void *user, const char *what, const char *key, const char *from,
			  const char *to)
{
	(void)user;
	fprintf(stderr, "%s %s: %s > %s\n", what, key ? key : "", from ? from : "", to ? to : "");
	require(false, "two configurations that should be equal");
}

static void backend_reads_back(const struct backend_conf *b)
{
	char text[CONF_TEXT_LEN], again[CONF_TEXT_LEN], why[512];
	struct backend_conf c;

	require(backend_parse(b->name, backend_text(b, text), &c, why, sizeof(why)) == 0,
		"a backend's line that it wrote itself");
	require(strcmp(text, backend_text(&c, again)) == 0, "a backend's line, read and written");
}

static void json_reads_back(struct conf *c)
{
	struct conf_errors warnings = { 0 };
	char why[512] = "";
	struct state_json_ctx ctx = { "state.json", &warnings, why, sizeof(why) };
	json_t *j = state_json_make(c);
	struct conf *again;

	require(j != NULL, "a configuration that JSON cannot hold");
	again = state_json_read(j, &ctx);
	require(again != NULL && warnings.count == 0, why);
	again->dp = c->dp;
	again->control = c->control;
	conf_diff(c, again, no_difference, NULL);
	conf_free(again);
	json_decref(j);
}

static void holds_together(struct conf *c, const char *path)
{
	struct conf_errors errors = { 0 };
	struct conf *copy = conf_dup(c);
	unsigned changed = 1;

	require(conf_check(c, path, &errors, NULL) == 0 && errors.count == 0, "a second check");
	require(copy != NULL, "conf_dup()");
	require(conf_merge(copy, c, c, &changed) == 0 && changed == 0, "a merge with itself");
	conf_diff(c, copy, no_difference, NULL);
	for (uint32_t i = 0; i < c->pool_count; i++)
		for (uint32_t j = 0; j < c->pool[i].backend_count; j++)
			backend_reads_back(&c->pool[i].backend[j]);
	json_reads_back(c);
	conf_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errors = { 0 }, warnings = { 0 };
	struct conf *c = NULL;
	struct dpconf dp;
	char path[64];
	int fd, err;

	fd = memfd_create("weir.conf", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	err = conf_load(path, &c, &errors, &warnings);
	require((err == 0) == (c != NULL) && (err == 0) == (errors.count == 0),
		"an error without a message, or a message without an error");
	if (c != NULL)
		holds_together(c, path);
	conf_free(c);
	conf_errors_free(&errors);
	conf_errors_free(&warnings);

	/* What the control plane takes, the data plane takes as well. */
	require(dpconf_read(path, &dp, &errors) == 0 || err != 0, "dpconf_read() of a good file");
	conf_errors_free(&errors);
	close(fd);
	return 0;
}
