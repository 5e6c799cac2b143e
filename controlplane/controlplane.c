// SPDX-License-Identifier: Apache-2.0
#include "controlplane.h"

#include "change.h"
#include "cmd.h"
#include "config_start.h"
#include "log.h"
#include "privileges.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	FIRST_PROBES_SLACK_MS = 500, /* beyond the time-outs of the first probes */
	FIRST_ADOPTION_MS = 1500,    /* a data plane that is there has been taken over by then */
};

/* -- what happens ----------------------------------------------------------- */

static void backend_came(void *user, struct backend *b)
{
	neigh_watch(((struct controlplane *)user)->neigh, b);
}

static void backend_goes(void *user, struct backend *b)
{
	struct controlplane *cp = user;

	neigh_forget(cp->neigh, b);
	checks_forget(b);
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
	dp_service_columns(cp->dp, s->index, s->columns_before);
}

static void something_changed(void *user, struct backend *b)
{
	struct controlplane *cp = user;

	(void)b;
	publish_request(cp->publisher);
}

static void hop_changed(void *user, struct backend *b)
{
	struct controlplane *cp = user;

	checks_hop(cp->checks, b);
	publish_request(cp->publisher);
}

static void routes_changed(void *user)
{
	probe_ways_look(((struct controlplane *)user)->ways);
}

static void first_verdicts_in(void *user)
{
	publisher_release(((struct controlplane *)user)->publisher);
}

static void first_probes_took_too_long(uv_timer_t *t)
{
	publisher_release(((struct controlplane *)t->data)->publisher);
}

static void nothing_to_adopt(uv_timer_t *t)
{
	checks_release(((struct controlplane *)t->data)->checks);
}

static void turned(void *user)
{
	change_leave(user);
}

static void adopted(void *user)
{
	struct controlplane *cp = user;

	change_adopted(cp);
	checks_release(cp->checks);
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
			struct service *s = cp->model.service[i];

			s->packets_before = s->bytes_before = 0;
			memset(s->columns_before, 0, sizeof(s->columns_before));
		}
	}
	cp->dp_start_ms = dp->state->start_ms;
}

static void attached(void *user, const struct dp_view *dp)
{
	struct controlplane *cp = user;

	counters_begin(cp, dp);
	probe_ways_ports(cp->ways, &dp->welcome.ports);
	neigh_ports(cp->neigh, &dp->welcome.ports);
	publisher_attach(cp->publisher, dp);
}

static void lost(void *user, const char *why)
{
	struct controlplane *cp = user;

	(void)why;		   /* dp_session.c has logged it */
	if (cp->publisher != NULL) /* else we are ending */
		publisher_detach(cp->publisher);
	neigh_ports(cp->neigh, NULL);
}

/* -- starting --------------------------------------------------------------- */

static int create_parts(struct controlplane *cp)
{
	const struct checks_hooks checks = { cp, something_changed, first_verdicts_in };
	const struct neigh_hooks neigh = { cp, hop_changed, routes_changed };
	int err;

	err = neigh_create(&cp->loop, &neigh, &cp->neigh);
	if (err == 0)
		err = checks_create(&cp->loop, &cp->model, cp->ways, &checks, &cp->checks);
	if (err == 0)
		err = drain_create(&cp->loop, deadline_passed, cp, &cp->drain);
	if (err == 0)
		err = publisher_create(&cp->loop, &cp->model, &cp->publisher);
	if (err == 0) {
		publisher_on_turn(cp->publisher, turned, cp);
		publisher_on_adopt(cp->publisher, adopted, cp);
	}
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
	/* Without one before, not until a data plane has said what is in force. */
	if (state != NULL)
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
	err = probe_ways_create(&cp->loop, &cp->ways); /* with rights that go below */
	if (err < 0) {
		log_error("cannot start: %s", strerror(-err));
		return err;
	}
	err = privileges_drop(c->user, why, sizeof(why));
	if (err < 0)
		log_error("cannot start: %s", why);
	return err;
}

static int connect_dataplane(struct controlplane *cp)
{
	const struct dp_session_hooks hooks = { cp, attached, lost };
	int err = dp_session_create(&cp->loop, cp->file->dp.session_socket, &hooks, &cp->dp);

	if (err < 0)
		log_error("cannot start: no session with the data plane: %s", strerror(-err));
	return err;
}

int controlplane_start(struct controlplane *cp)
{
	struct state state = { 0 };
	bool has_state = false;
	int err;

	uv_timer_init(&cp->loop, &cp->first_probes);
	uv_timer_init(&cp->loop, &cp->first_adoption);
	cp->first_probes.data = cp->first_adoption.data = cp;
	err = config_start(cp, &state, &has_state);
	if (err == 0)
		err = listen_for_commands(cp);
	if (err == 0)
		err = create_parts(cp);
	if (err == 0) {
		checks_hold(cp->checks);
		err = fill_model(cp, has_state ? &state : NULL);
	}
	if (err == 0)
		err = connect_dataplane(cp);
	if (has_state)
		state_free(&state);
	if (err < 0)
		return err;
	uv_timer_start(&cp->first_probes, first_probes_took_too_long,
		       checks_first_ms(cp->checks) + FIRST_PROBES_SLACK_MS, 0);
	uv_timer_start(&cp->first_adoption, nothing_to_adopt, FIRST_ADOPTION_MS, 0);
	log_info("%s: %u pools, %u services; control socket %s", cp->path, cp->model.pool_count,
		 cp->model.service_count, cp->file->control.control_socket);
	return 0;
}

void controlplane_stop(struct controlplane *cp)
{
	char why[256];

	if (cp->rpc != NULL)
		rpc_destroy(cp->rpc);
	if (cp->publisher != NULL) {
		(void)change_save(cp, why, sizeof(why));
		publisher_destroy(cp->publisher); /* answers those who wait for it */
		cp->publisher = NULL;
	}
	if (cp->dp != NULL)
		dp_session_destroy(cp->dp);
	if (cp->follow.user != NULL)
		model_free(&cp->model, &cp->follow);
	if (cp->drain != NULL)
		drain_destroy(cp->drain);
	if (cp->checks != NULL)
		checks_destroy(cp->checks);
	if (cp->ways != NULL)
		probe_ways_destroy(cp->ways);
	if (cp->neigh != NULL)
		neigh_destroy(cp->neigh);
	uv_close((uv_handle_t *)&cp->first_probes, NULL);
	uv_close((uv_handle_t *)&cp->first_adoption, NULL);
	uv_run(&cp->loop, UV_RUN_DEFAULT); /* handles close in turns of the loop */
	conf_free(cp->file);
	conf_free(cp->running);
}
