// SPDX-License-Identifier: Apache-2.0
#include "change.h"

#include "clock.h"
#include "log.h"
#include "reload.h"
#include "state_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct conf *change_begin(struct controlplane *cp, struct rpc_error *err)
{
	struct conf *next = conf_dup(cp->running);

	if (next == NULL)
		rpc_fail(err, RPC_INTERNAL, "no memory for a copy of the configuration");
	return next;
}

/* The first error is the message, all of them are the data. */
static void bad_config(const struct conf_errors *errors, struct rpc_error *err)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < errors->count; i++)
		json_array_append_new(list, json_string(errors->text[i]));
	rpc_fail(err, RPC_BAD_CONFIG, "%s",
		 errors->count > 0 ? errors->text[0] : "the configuration is not usable");
	err->data = json_pack("{s:o}", "errors", list);
}

/* Takes `next`; *before is what ran, to be freed. `read`: pools, services or checks may be
 * others, not only backends. */
static int install(struct controlplane *cp, struct conf *next, bool read, struct conf **before)
{
	int err = model_apply(&cp->model, next, &cp->follow);

	if (err < 0)
		return err;
	*before = cp->running == next ? NULL : cp->running;
	cp->running = next;
	cp->unsaved = true;
	if (read)
		checks_sync(cp->checks, cp->running);
	else
		checks_follow(cp->checks);
	drain_arm(cp->drain, next);
	if (checks_pending(cp->checks) == 0)
		publisher_release(cp->publisher);
	publish_request(cp->publisher);
	return 0;
}

int change_install(struct controlplane *cp, struct conf *next)
{
	struct conf *before = NULL;
	int err = install(cp, next, true, &before);

	conf_free(before);
	return err;
}

/* As change_commit(), with what ran before, to be freed. */
static bool commit(struct controlplane *cp, struct conf *next, struct conf **before,
		   struct rpc_error *err)
{
	struct conf_errors errors = { 0 };

	if (conf_check(next, cp->path, &errors, NULL) < 0)
		bad_config(&errors, err);
	else if (install(cp, next, false, before) < 0)
		rpc_fail(err, RPC_INTERNAL, "no memory for the changed configuration");
	else
		next = NULL;
	conf_errors_free(&errors);
	conf_free(next);
	return next == NULL;
}

bool change_commit(struct controlplane *cp, struct conf *next, struct rpc_error *err)
{
	struct conf *before = NULL;
	bool ok = commit(cp, next, &before, err);

	conf_free(before);
	return ok;
}

/* Put in force what reload.h made of it. The warnings stay in `r`. */
static bool install_reload(struct controlplane *cp, struct reload *r, struct rpc_error *err)
{
	if (change_install(cp, r->running) < 0) {
		rpc_fail(err, RPC_INTERNAL, "no memory for the changed configuration");
		return false;
	}
	r->running = NULL;
	conf_free(cp->file);
	cp->file = r->file;
	r->file = NULL;
	return true;
}

bool change_reload(struct controlplane *cp, unsigned *changed, struct conf_errors *warnings,
		   struct rpc_error *err)
{
	struct reload r = { 0 };
	bool ok;

	if (reload_file(cp->path, cp->file, cp->running, &r) < 0) {
		bad_config(&r.errors, err);
		ok = false;
	} else {
		checks_reread(cp->checks);
		ok = install_reload(cp, &r, err);
	}
	if (ok) {
		*changed = r.changed;
		*warnings = r.warnings;
		r.warnings = (struct conf_errors){ 0 };
		log_info("%s read again: %u keys changed", cp->path, *changed);
	}
	reload_free(&r);
	return ok;
}

bool change_revert(struct controlplane *cp, unsigned *changed, struct rpc_error *err)
{
	struct reload r = { 0 };
	bool ok;

	if (reload_revert(cp->file, cp->running, &r) < 0) {
		rpc_fail(err, RPC_INTERNAL, "no memory for a copy of the configuration");
		ok = false;
	} else {
		ok = install_reload(cp, &r, err);
	}
	if (ok) {
		*changed = r.changed;
		log_info("changes made at run time dropped: %u keys changed", *changed);
	}
	reload_free(&r);
	return ok;
}

bool change_is_drained(const struct controlplane *cp, const struct backend *b)
{
	const struct pool *p = b->pool;
	uint32_t pins;

	if (b->conf.admin != ADMIN_DRAINING || b->index < 0 || p->table_off == 0 ||
	    !publisher_pins(cp->publisher, b->index, &pins) || pins > 0 ||
	    moves_held_by(&p->moves, (uint16_t)b->index) > 0)
		return false;
	for (uint32_t i = 0; i < p->moves.len; i++)
		if (p->moves.cur[i] == b->index)
			return false;
	return true;
}

/* -- changes that nobody asks for ----------------------------------------------- */

/* Backends that are gone since `before`, or in another state. */
static void tell(const struct conf *before, const struct conf *now, const char *why)
{
	for (uint32_t i = 0; i < before->pool_count; i++) {
		const struct pool_conf *p = &before->pool[i], *q = &now->pool[i];

		for (uint32_t j = 0, k = 0; j < p->backend_count; j++) {
			const struct backend_conf *b = &p->backend[j];
			bool stays = k < q->backend_count &&
				     strcmp(q->backend[k].name, b->name) == 0;

			if (!stays)
				log_info("backend %s/%s is removed: %s", p->name, b->name, why);
			else if (q->backend[k].admin != b->admin)
				log_info("backend %s/%s is %s: %s", p->name, b->name,
					 admin_text(q->backend[k].admin), why);
			k += stays;
		}
	}
}

/* Put in force that backends of `next` have gone or changed their state; takes it. */
static bool commit_and_tell(struct controlplane *cp, struct conf *next, const char *why,
			    struct rpc_error *err)
{
	struct conf *before = NULL;
	char unsaved[256];

	if (!commit(cp, next, &before, err)) {
		json_decref(err->data);
		return false;
	}
	tell(before, cp->running, why);
	conf_free(before);
	(void)change_save(cp, unsaved, sizeof(unsaved));
	return true;
}

/* Take those that may go out of `next`; how many. */
static unsigned leave(const struct controlplane *cp, struct conf *next)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < cp->model.pool_count; i++) {
		const struct pool *p = cp->model.pool[i];

		for (uint32_t j = 0; j < p->backend_count; j++) {
			const struct backend *b = p->backend[j];

			if (!b->conf.leaves || !change_is_drained(cp, b))
				continue;
			(void)conf_backend_remove(next, p->conf.name, b->conf.name);
			count++;
		}
	}
	return count;
}

static bool has_leaving(const struct conf *c)
{
	for (uint32_t i = 0; i < c->pool_count; i++)
		for (uint32_t j = 0; j < c->pool[i].backend_count; j++)
			if (c->pool[i].backend[j].leaves)
				return true;
	return false;
}

void change_leave(struct controlplane *cp)
{
	struct rpc_error err = { 0 };
	struct conf *next;

	if (!has_leaving(cp->running))
		return;
	next = change_begin(cp, &err);
	if (next == NULL)
		return; /* in a second again */
	if (leave(cp, next) == 0)
		conf_free(next);
	else if (!commit_and_tell(cp, next, "nothing holds it any more", &err))
		log_error("removal after a drain: %s", err.message);
}

void change_expire(struct controlplane *cp)
{
	struct rpc_error err = { 0 };
	struct conf *next = change_begin(cp, &err);
	bool done = false;

	if (next != NULL && drain_expire(next, clock_ms(CLOCK_BOOTTIME)) == 0) {
		conf_free(next);
		drain_arm(cp->drain, cp->running);
		return;
	}
	if (next != NULL)
		done = commit_and_tell(cp, next, "its drain deadline has passed", &err);
	if (!done && drain_again(cp->drain))
		log_error("a drain deadline has passed, and nothing comes of it: %s; trying again "
			  "every second",
			  err.message);
}

static void keep_admin(struct backend_conf *c, const struct backend *b)
{
	if (c->admin == b->conf.admin)
		return;
	c->admin = b->conf.admin;
	c->drain_deadline_ms = b->conf.drain_deadline_ms;
	log_warning("backend %s/%s stays %s, as it is in force: there was no state file to say so",
		    b->pool->conf.name, c->name, admin_text(c->admin));
}

void change_adopted(struct controlplane *cp)
{
	char why[256];

	cp->unsaved |= cp->model.admin_is_lost || cp->model.seed_is_new;
	if (cp->model.admin_is_lost) {
		/* The model has the order of what runs. */
		for (uint32_t i = 0; i < cp->model.pool_count; i++)
			for (uint32_t j = 0; j < cp->model.pool[i]->backend_count; j++)
				keep_admin(&cp->running->pool[i].backend[j],
					   cp->model.pool[i]->backend[j]);
		drain_arm(cp->drain, cp->running);
	}
	cp->model.admin_is_lost = cp->model.seed_is_new = false;
	(void)change_save(cp, why, sizeof(why));
}

int change_save(struct controlplane *cp, char *why, size_t why_len)
{
	struct state s = { .file = cp->file,
			   .running = cp->running,
			   .has_seed = !cp->model.seed_is_new,
			   .flow_seed = cp->model.flow_seed,
			   .partial = cp->model.admin_is_lost };
	struct state_clock now;
	int err;

	if (!cp->unsaved)
		return 0;
	s.place = calloc(cp->model.service_count + 1, sizeof(*s.place));
	if (s.place == NULL) {
		snprintf(why, why_len, "no memory to write the state file");
		return -ENOMEM;
	}
	s.place_count = cp->model.service_count;
	for (uint32_t i = 0; i < s.place_count; i++) {
		memcpy(s.place[i].name, cp->model.service[i]->conf.name, sizeof(s.place[i].name));
		s.place[i].index = cp->model.service[i]->index;
	}
	state_clock_now(&now);
	err = state_save(cp->running->control.state_file, &now, &s, why, why_len);
	free(s.place);
	if (err < 0)
		log_error("changes are in force but not saved: %s", why);
	cp->unsaved = err < 0;
	return err;
}
