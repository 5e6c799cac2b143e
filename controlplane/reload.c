// SPDX-License-Identifier: Apache-2.0
#include "reload.h"

#include "conf_check_files.h"
#include "state_file.h"

#include <errno.h>
#include <string.h>

struct warn {
	const char *path;
	struct conf_errors *warnings;
};

/* conf_diff_fn: what only a start of a process can change. */
static void restart_warn(void *user, const char *what, const char *key, const char *from,
			 const char *to)
{
	const struct warn *r = user;
	const char *who = "weir-dataplane";

	if (strcmp(what, "controlplane") == 0)
		who = "weir-controlplane";
	else if (strcmp(what, "dataplane") != 0 && strncmp(what, "port ", 5) != 0)
		return;
	else if (key != NULL && strcmp(key, "session_socket") == 0)
		who = "weir-dataplane and weir-controlplane";

	if (key != NULL)
		conf_error(r->warnings, r->path, 0,
			   "[%s] %s: \"%s\" is in force; \"%s\" needs a restart of %s", what, key,
			   from, to, who);
	else
		conf_error(r->warnings, r->path, 0, "[%s]: %s needs a restart of %s", what,
			   from == NULL ? "new, which" : "gone, which", who);
}

/* conf_diff_fn: backends that go, of which a disabled one has no connections. */
static void cut_warn(void *user, const char *what, const char *key, const char *from,
		     const char *to)
{
	const struct warn *r = user;

	if (strncmp(what, "backend ", 8) == 0 && key == NULL && to == NULL &&
	    strstr(from, "state=disabled") == NULL)
		conf_error(r->warnings, r->path, 0,
			   "%s is gone from the file: it goes at once, and its connections with "
			   "it (weirctl backend remove --drain, before, lets them end)",
			   what);
}

/* conf_check() of a merge, with the ports that the new file names: those are what
 * the data plane has when it is restarted. */
static int merged_check(struct conf *merged, const struct conf *file, const char *path,
			struct conf_errors *errors)
{
	struct dpconf dp = merged->dp;
	struct control_conf control = merged->control;
	int err;

	merged->dp = file->dp;
	merged->control = file->control;
	err = conf_check(merged, path, errors, NULL);
	merged->dp = dp;
	merged->control = control;
	return err;
}

void reload_free(struct reload *r)
{
	conf_free(r->file);
	conf_free(r->running);
	conf_errors_free(&r->errors);
	conf_errors_free(&r->warnings);
	*r = (struct reload){ 0 };
}

/* The result is void, the reasons stay. */
static int fail(struct reload *r, const char *path, int err)
{
	conf_free(r->file);
	conf_free(r->running);
	r->file = NULL;
	r->running = NULL;
	r->changed = 0;
	if (err == -ENOMEM)
		conf_error(&r->errors, path, 0, "out of memory");
	return err;
}

int reload_start(const char *path, const struct state *state, struct reload *out)
{
	struct conf_errors misfits = { 0 };
	int err;

	*out = (struct reload){ 0 };
	err = conf_load(path, &out->file, &out->errors, &out->warnings);
	if (err < 0)
		return fail(out, path, err);
	/* A check that cannot be made keeps nobody from the others. */
	(void)conf_check_files(out->file, path, &out->warnings);
	out->running = conf_dup(state ? state->running : out->file);
	if (out->running == NULL)
		return fail(out, path, -ENOMEM);
	if (state == NULL)
		return 0;

	out->running->dp = out->file->dp;
	out->running->control = out->file->control;
	if (conf_merge(out->running, state->file, out->file, &out->changed) < 0)
		return fail(out, path, -ENOMEM);
	if (conf_check(out->running, path, &misfits, NULL) == 0)
		return 0;

	for (unsigned i = 0; i < misfits.count; i++)
		conf_error(&out->warnings, path, 0, "with the changes made at run time: %s",
			   misfits.text[i]);
	conf_error(&out->warnings, path, 0,
		   "the changes made at run time do not fit this file: they are dropped, the "
		   "file alone counts");
	conf_errors_free(&misfits);
	conf_free(out->running);
	out->running = conf_dup(out->file);
	return out->running != NULL ? 0 : fail(out, path, -ENOMEM);
}

int reload_file(const char *path, const struct conf *file, const struct conf *running,
		struct reload *out)
{
	struct warn warn = { path, &out->warnings };
	int err;

	*out = (struct reload){ 0 };
	err = conf_load_whole(path, &out->file, &out->errors, &out->warnings);
	if (err < 0)
		return fail(out, path, err);
	out->running = conf_dup(running);
	if (out->running == NULL || conf_merge(out->running, file, out->file, &out->changed) < 0)
		return fail(out, path, -ENOMEM);
	err = merged_check(out->running, out->file, path, &out->errors);
	if (err < 0) {
		conf_error(&out->errors, path, 0,
			   "the file is right by itself, but not with the changes made at run "
			   "time (weirctl diff shows them, weirctl revert drops them)");
		return fail(out, path, err);
	}
	if (conf_diff(running, out->file, restart_warn, &warn) < 0 ||
	    conf_diff(running, out->running, cut_warn, &warn) < 0)
		return fail(out, path, -ENOMEM);
	return 0;
}

int reload_revert(const struct conf *file, const struct conf *running, struct reload *out)
{
	*out = (struct reload){ .file = conf_dup(file), .running = conf_dup(running) };

	/* All that differs from the file counts as changed by it: weights of 0 keep
	 * what the table was built with, as in every other merge. */
	if (out->file == NULL || out->running == NULL ||
	    conf_merge(out->running, running, file, &out->changed) < 0)
		return fail(out, "revert", -ENOMEM);
	return 0;
}
