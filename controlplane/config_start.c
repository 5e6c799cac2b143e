// SPDX-License-Identifier: Apache-2.0
#include "config_start.h"

#include "host_check.h"
#include "log.h"
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static void print_all(const struct conf_errors *e, enum log_level level)
{
	for (unsigned i = 0; i < e->count; i++)
		log_line(level, "%s", e->text[i]);
}

/* The seed of the flow hash: of the site (in the file), or this host's own, made once. */
static int choose_seed(struct controlplane *cp, const struct state *state)
{
	if (cp->file->control.has_seed) {
		cp->model.flow_seed = cp->file->control.flow_seed;
	} else if (state != NULL && state->has_seed) {
		cp->model.flow_seed = state->flow_seed;
	} else {
		cp->model.seed_is_new = true;
		if (getrandom(&cp->model.flow_seed, sizeof(cp->model.flow_seed), 0) !=
		    sizeof(cp->model.flow_seed)) {
			log_error("no random bytes for the flow seed: %s", strerror(errno));
			return -EIO;
		}
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

int config_start(struct controlplane *cp, struct state *state, bool *has_state)
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
	cp->model.admin_is_lost = err < 0 || state->partial;
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
