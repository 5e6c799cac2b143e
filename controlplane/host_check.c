// SPDX-License-Identifier: Apache-2.0
#include "host_check.h"

#include "rtnl.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool seen_before(const struct conf *c, uint32_t i)
{
	for (uint32_t j = 0; j < i; j++)
		if (weir_addr_equal(&c->service[j].vip, &c->service[i].vip))
			return true;
	return false;
}

static void check_vip(struct rtnl *r, const struct service_conf *s, const char *path,
		      struct conf_errors *warnings)
{
	char vip[WEIR_ADDR_STRLEN];
	struct rtnl_route route;
	int err = rtnl_route_get(r, &s->vip, &route);

	weir_addr_text(&s->vip, vip);
	if (err == 0 && route.local)
		conf_error(warnings, path, s->line,
			   "VIP %s is an address of this host, which would answer for it and fail "
			   "every probe to it: remove it from the interface",
			   vip);
	else if (err == -EINVAL || err == -EHOSTUNREACH || err == -EACCES)
		conf_error(warnings, path, s->line,
			   "the route to VIP %s is %s, so probes to it cannot leave this host: "
			   "give it a unicast route, or none of its own",
			   vip,
			   err == -EINVAL   ? "a blackhole"
			   : err == -EACCES ? "prohibit"
					    : "unreachable");
}

/* The setting of one interface; "all" holds too, and the larger one counts
 * (Documentation/networking/ip-sysctl.rst). -1: there is no such interface. */
static int rp_filter_of(const char *interface)
{
	char path[128];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", interface);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

static void check_rp_filter(const struct dp_port_conf *p, const char *path,
			    struct conf_errors *warnings)
{
	static const char prefix[] = "af_xdp:";
	const char *interface = p->device + strlen(prefix);
	int own, all;

	if (strncmp(p->device, prefix, strlen(prefix)) != 0 || strchr(interface, '/') != NULL)
		return;
	own = rp_filter_of(interface);
	all = rp_filter_of("all");
	if (own < 0 || (all > own ? all : own) != 1)
		return;
	conf_error(warnings, path, p->line,
		   "%s has strict reverse path filtering, which drops what backends send to this "
		   "host from a VIP: sysctl net.ipv4.conf.%s.rp_filter=2",
		   interface, all > own ? "all" : interface);
}

/* Is `user` in the group whose number is `gid`, by its own group or another? */
static bool is_member(const char *user, gid_t own, gid_t gid)
{
	gid_t groups[64];
	int count = sizeof(groups) / sizeof(groups[0]);

	if (getgrouplist(user, own, groups, &count) < 0)
		return true; /* in so many groups that we cannot tell */
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* The session socket is the data plane's user's and its group's. Even root needs that, once
 * it has dropped its capabilities. */
static void check_users(const struct conf *c, const char *path, struct conf_errors *warnings)
{
	const char *dp = c->dp.user[0] != '\0' ? c->dp.user : "root";
	const char *own = c->control.user[0] != '\0' ? c->control.user : "root";
	const struct passwd *pw;
	gid_t gid;

	if (strcmp(dp, own) == 0)
		return;
	pw = getpwnam(dp);
	gid = pw != NULL ? pw->pw_gid : 0;
	if (pw == NULL || (pw = getpwnam(own)) == NULL)
		conf_error(warnings, path, 0, "user: no user \"%s\" on this host",
			   getpwnam(dp) == NULL ? dp : own);
	else if (!is_member(own, pw->pw_gid, gid))
		conf_error(warnings, path, 0,
			   "weir-controlplane as user %s may not open the session socket of "
			   "weir-dataplane as user %s: set the same user in [dataplane] and "
			   "[controlplane], or put %s into the group of %s",
			   own, dp, own, dp);
}

void host_check(const struct conf *c, const char *path, struct conf_errors *warnings)
{
	struct rtnl *r;
	int err = rtnl_open(&r);

	if (err < 0) {
		conf_error(warnings, path, 0, "cannot ask the kernel about the VIPs: %s",
			   strerror(-err));
		return;
	}
	for (uint32_t i = 0; i < c->service_count; i++)
		if (!seen_before(c, i))
			check_vip(r, &c->service[i], path, warnings);
	rtnl_close(r);
	for (uint32_t i = 0; i < c->dp.port_count; i++)
		check_rp_filter(&c->dp.port[i], path, warnings);
	check_users(c, path, warnings);
}
