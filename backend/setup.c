// SPDX-License-Identifier: Apache-2.0
#include "setup.h"

#include "decap.h"
#include "log.h"
#include "look.h"
#include "netlink.h"
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* All that one run of `up` or `down` works with. */
struct setup {
	const char *interface;
	char path[STATE_PATH_LEN]; /* of the state file */
	int lock;
	struct mnl_socket *nl;
	struct state noted, others;
	struct host host;
	const struct host_link *link, *lo; /* NULL: not there */
	struct plan plan;
};

static int failed(int err, const char *what, const char *of)
{
	log_error("%s %s: %s%s", what, of, strerror(-err),
		  err == -EPERM || err == -EACCES ? "; run me as root" : "");
	return err;
}

static int setup_begin(struct setup *u, const char *interface, const char *state_dir)
{
	char why[256];
	int err;

	*u = (struct setup){ .interface = interface, .lock = -1 };
	if ((err = state_path(state_dir, interface, u->path)) < 0)
		return failed(err, "cannot keep state in", state_dir);
	if ((u->lock = state_lock(state_dir)) < 0)
		return failed(u->lock, "cannot keep state in", state_dir);
	err = state_read(u->path, &u->noted, why, sizeof(why));
	if (err < 0 && err != -ENOENT) {
		log_error("%s: %s; it says what to undo, so mend it, or remove it and undo by hand",
			  u->path, err == -EINVAL ? why : strerror(-err));
		return err;
	}
	if ((err = state_others(state_dir, u->path, &u->others)) < 0 ||
	    (err = netlink_open(&u->nl)) < 0)
		return failed(err, "cannot set up", interface);
	if ((err = look_host(interface, &u->host, why, sizeof(why))) < 0) {
		log_error("%s", why);
		return err;
	}
	u->link = host_link_named(&u->host, interface);
	u->lo = host_link_named(&u->host, "lo");
	return 0;
}

static void setup_end(struct setup *u)
{
	plan_free(&u->plan);
	host_free(&u->host);
	state_free(&u->others);
	state_free(&u->noted);
	if (u->nl != NULL)
		netlink_close(u->nl);
	if (u->lock >= 0)
		close(u->lock);
}

/* -- steps ----------------------------------------------------------------------- */

static int step_sysctl(const struct plan_sysctl *s)
{
	int err = sysctl_set(s->name, s->to);

	if (err < 0)
		return failed(err, "cannot set /proc/sys/net/ipv4/conf", s->name);
	printf("net/ipv4/conf/%s = %d (was %d)\n", s->name, s->to, s->from);
	return 0;
}

static int step_route(const struct setup *u, const struct plan_route *r)
{
	char text[HOST_ROUTE_TEXT_LEN], to[16] = "none", from[16] = "none";
	int err = netlink_route_mss(u->nl, &r->route, r->to);

	host_route_text(&u->host, &r->route, text);
	if (err == -ESRCH) {
		log_warning(
			"%s is gone meanwhile, its MSS is not set; \"weir-backend check\" tells "
			"whether another needs it",
			text);
		return 0;
	}
	if (err < 0)
		return failed(err, "cannot set the MSS of", text);
	if (r->to != 0)
		snprintf(to, sizeof(to), "%u", r->to);
	if (r->from != 0)
		snprintf(from, sizeof(from), "%u", r->from);
	printf("%s advmss: %s (was %s)\n", text, to, from);
	return 0;
}

static int step_qdisc_add(const struct setup *u)
{
	int err = decap_qdisc_add(u->link->index);

	if (err < 0 && err != -EEXIST)
		return failed(err, "cannot make a clsact qdisc on", u->interface);
	return 0;
}

static int step_attach(const struct setup *u, const struct settings *s)
{
	struct prefix_list local = { 0 };
	struct decap_lists lists = {
		.vips = &s->vips,
		.from = &s->from,
		.local = &local,
		.gue_port = s->mode == SETTINGS_GUE ? s->gue_port : 0,
	};
	char why[256];
	uint32_t id;
	int err = host_local(&u->host, &s->vips, &local);

	if (err < 0)
		return failed(err, "cannot decapsulate on", u->interface);
	err = decap_attach(u->link, &lists, u->host.decap.id, &id, why, sizeof(why));
	if (err < 0)
		log_error("%s: %s%s%s", u->interface, why, err == -EPERM ? "; run me as root" : "",
			  u->host.kernel < HOST_KERNEL_LEAST
				  ? "; this kernel is older than 6.1, which is needed"
				  : "");
	else
		printf("%s: decapsulation program %u %s\n", u->interface, id,
		       u->host.decap.id != 0 ? "in place of the one before" : "attached");
	prefix_free(&local);
	return err;
}

static int step_detach(const struct setup *u)
{
	int err = decap_detach(u->link->index);

	if (err < 0)
		return failed(err, "cannot detach the decapsulation program from", u->interface);
	printf("%s: decapsulation program detached\n", u->interface);
	return 0;
}

static int step_qdisc_del(const struct setup *u)
{
	int err = decap_qdisc_del(u->link->index);

	return err < 0 && err != -ENOENT && err != -EINVAL
		       ? failed(err, "cannot remove the clsact qdisc of", u->interface)
		       : 0;
}

static int step_vip_add(const struct setup *u, const struct prefix *vip)
{
	char text[WEIR_PREFIX_STRLEN];
	int err = netlink_vip_add(u->nl, u->lo->index, vip);

	prefix_text(vip, text);
	if (err == -EACCES && vip->addr.family == 6) {
		log_error("cannot add to lo: %s: it takes no IPv6; run \"sysctl -w "
			  "net.ipv6.conf.lo.disable_ipv6=0\"",
			  text);
		return err;
	}
	if (err < 0 && err != -EEXIST)
		return failed(err, "cannot add to lo:", text);
	printf("lo: %s added\n", text);
	return 0;
}

static int step_vip_del(const struct setup *u, const struct prefix *vip)
{
	char text[WEIR_PREFIX_STRLEN];
	int err = netlink_vip_del(u->nl, u->lo->index, vip);

	prefix_text(vip, text);
	if (err < 0 && err != -EADDRNOTAVAIL && err != -ESRCH)
		return failed(err, "cannot remove from lo:", text);
	printf("lo: %s removed\n", text);
	return 0;
}

/* -- up -------------------------------------------------------------------------- */

static int up_steps(struct setup *u, const struct settings *s)
{
	const struct plan *p = &u->plan;
	int err;

	if ((err = state_write(u->path, &p->before)) < 0)
		return failed(err, "cannot write", u->path);
	for (unsigned i = 0; i < p->sysctl_count; i++)
		if ((err = step_sysctl(&p->sysctl[i])) < 0)
			return err;
	if (p->qdisc_add && (err = step_qdisc_add(u)) < 0)
		return err;
	if (p->attach && (err = step_attach(u, s)) < 0)
		return err;
	for (unsigned i = 0; i < p->route_count; i++)
		if ((err = step_route(u, &p->route[i])) < 0)
			return err;
	for (unsigned i = 0; i < p->vip_add.count; i++)
		if ((err = step_vip_add(u, &p->vip_add.item[i])) < 0)
			return err;
	for (unsigned i = 0; i < p->vip_del.count; i++)
		if ((err = step_vip_del(u, &p->vip_del.item[i])) < 0)
			return err;
	if (p->detach && (err = step_detach(u)) < 0)
		return err;
	if (p->qdisc_del && (err = step_qdisc_del(u)) < 0)
		return err;
	if ((err = state_write(u->path, &p->after)) < 0)
		return failed(err, "cannot write", u->path);
	return 0;
}

int setup_up(const struct settings *s, const char *state_dir)
{
	struct setup u;
	int err = setup_begin(&u, s->interface, state_dir);

	if (err == 0 && (u.link == NULL || u.lo == NULL)) {
		err = -ENODEV;
		log_error("there is no interface %s (\"ip link\" lists them)",
			  u.link == NULL ? s->interface : "lo");
	}
	if (err == 0 && (err = plan_up(s, &u.host, u.link, &u.noted, &u.others, &u.plan)) < 0)
		failed(err, "cannot set up", s->interface);
	if (err == 0)
		err = up_steps(&u, s);
	setup_end(&u);
	return err;
}

/* -- down ------------------------------------------------------------------------ */

/* Goes on after a failure: the more is undone the better. */
static int down_steps(struct setup *u)
{
	const struct plan *p = &u->plan;
	char text[HOST_ROUTE_TEXT_LEN];
	int first = 0, err;

	for (unsigned i = 0; i < p->vip_del.count; i++)
		if ((err = step_vip_del(u, &p->vip_del.item[i])) < 0 && first == 0)
			first = err;
	if (p->detach && (err = step_detach(u)) < 0 && first == 0)
		first = err;
	if (p->qdisc_del && first == 0)
		first = step_qdisc_del(u);
	for (unsigned i = 0; i < p->route_count; i++)
		if ((err = step_route(u, &p->route[i])) < 0 && first == 0)
			first = err;
	for (unsigned i = p->sysctl_count; i > 0; i--)
		if ((err = step_sysctl(&p->sysctl[i - 1])) < 0 && first == 0)
			first = err;
	for (unsigned i = 0; i < p->kept_count; i++)
		log_warning("net/ipv4/conf/%s stays %d: someone else has set it since \"up\", when "
			    "it was %d",
			    p->kept[i].name, p->kept[i].from, p->kept[i].to);
	for (unsigned i = 0; i < p->kept_route_count; i++)
		log_warning("%s keeps advmss %u: since \"up\" someone else has set it, or made "
			    "another default route of its metric",
			    host_route_text(&u->host, &p->kept_route[i].route, text),
			    p->kept_route[i].from);
	if (first == 0 && (err = state_remove(u->path)) < 0)
		first = failed(err, "cannot remove", u->path);
	return first;
}

int setup_down(const char *interface, const char *state_dir)
{
	struct setup u;
	int err = setup_begin(&u, interface, state_dir);

	if (err == 0 && (err = plan_down(&u.host, u.link, &u.noted, &u.others, &u.plan)) < 0)
		failed(err, "cannot undo the set-up of", interface);
	if (err == 0)
		err = down_steps(&u);
	setup_end(&u);
	return err;
}
