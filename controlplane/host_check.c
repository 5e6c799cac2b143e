// SPDX-License-Identifier: Apache-2.0
#include "host_check.h"

#include "check_plan.h"
#include "rtnl.h"

#include <errno.h>
#include <grp.h>
#include <ifaddrs.h>
#include <libgen.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool seen_before(const struct conf *c, uint32_t i)
{
	for (uint32_t j = 0; j < i; j++)
		if (c->service[j].vip_bits == c->service[i].vip_bits &&
		    weir_addr_equal(&c->service[j].vip, &c->service[i].vip))
			return true;
	return false;
}

/* The last address of a prefix: a route to part of it ends there or at the first. */
static struct weir_addr last_of(const struct service_conf *s)
{
	struct weir_addr a = s->vip;

	for (unsigned bit = weir_addr_bits(&a), i = 0; i < s->vip_bits; i++) {
		bit--;
		a.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	return a;
}

static void check_vip_route(const struct service_conf *s, int err, const char *path,
			    struct conf_errors *warnings)
{
	char vip[WEIR_PREFIX_STRLEN];

	weir_prefix_text(&s->vip, s->vip_bits, vip);
	conf_error(warnings, path, s->line,
		   "the route to VIP %s is %s, so probes to it cannot leave this host: give it a "
		   "unicast route, or none of its own",
		   vip,
		   err == -EINVAL   ? "a blackhole"
		   : err == -EACCES ? "prohibit"
				    : "unreachable");
}

static bool refuses(int err)
{
	return err == -EINVAL || err == -EHOSTUNREACH || err == -EACCES;
}

/* Returns whether it is local as a whole: one address, or a prefix by a local route. */
static bool check_vip(struct rtnl *r, const struct service_conf *s, const char *path,
		      struct conf_errors *warnings)
{
	struct rtnl_route route = { 0 }, end = { 0 };
	struct weir_addr last = last_of(s);
	char vip[WEIR_PREFIX_STRLEN];
	int err = rtnl_route_get(r, &s->vip, &route);
	int end_err = s->vip_bits > 0 ? rtnl_route_get(r, &last, &end) : 0;

	weir_prefix_text(&s->vip, s->vip_bits, vip);
	if (err == 0 && route.local && (s->vip_bits == 0 || end.local)) {
		conf_error(warnings, path, s->line,
			   "VIP %s is an address of this host, which would answer for it and fail "
			   "every probe to it: remove it from the interface",
			   vip);
		return true;
	}
	if (refuses(err) || refuses(end_err))
		check_vip_route(s, refuses(err) ? err : end_err, path, warnings);
	return false;
}

static bool addr_of(const struct sockaddr *sa, struct weir_addr *out)
{
	*out = (struct weir_addr){ 0 };
	if (sa != NULL && sa->sa_family == AF_INET) {
		out->family = 4;
		memcpy(out->bytes, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		out->family = 6;
		memcpy(out->bytes, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	}
	return out->family != 0;
}

/* A prefix may hold addresses of this host that no question about its ends finds. */
static void check_inside(const struct ifaddrs *all, const struct service_conf *s, const char *path,
			 struct conf_errors *warnings)
{
	char vip[WEIR_PREFIX_STRLEN], own[WEIR_ADDR_STRLEN];
	struct weir_addr a;

	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		if (!addr_of(i->ifa_addr, &a) ||
		    !weir_addr_in(&a, &s->vip, (uint8_t)(weir_addr_bits(&s->vip) - s->vip_bits)))
			continue;
		conf_error(warnings, path, s->line,
			   "VIP %s holds %s, an address of %s on this host, which would answer for "
			   "it and fail every probe to it: remove it from the interface",
			   weir_prefix_text(&s->vip, s->vip_bits, vip), weir_addr_text(&a, own),
			   i->ifa_name);
		return;
	}
}

static void check_vips(struct rtnl *r, const struct conf *c, const char *path,
		       struct conf_errors *warnings)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		all = NULL;
	for (uint32_t i = 0; i < c->service_count; i++) {
		const struct service_conf *s = &c->service[i];

		if (!seen_before(c, i) && !check_vip(r, s, path, warnings) && s->vip_bits > 0)
			check_inside(all, s, path, warnings);
	}
	if (all != NULL)
		freeifaddrs(all);
}

/* Tunnels from an address that the network does not route here have no way back: ICMP
 * about them is lost, and routers that filter by reverse path drop them. */
static void check_outer_source(struct rtnl *r, const struct pool_conf *p, const char *path,
			       struct conf_errors *warnings)
{
	char text[WEIR_PREFIX_STRLEN];
	struct rtnl_route route;

	if (p->outer_source.family == 0 || p->mode == WEIR_MODE_L2 ||
	    (rtnl_route_get(r, &p->outer_source, &route) == 0 && route.local))
		return;
	weir_prefix_text(&p->outer_source, p->source_bits, text);
	conf_error(warnings, path, p->line,
		   "[pool %s] outer_source: %s is not this host's: where the network does not "
		   "route it here, routers that filter by reverse path drop the tunnels; if it "
		   "does, say so by: ip route add local %s dev lo",
		   p->name, text, text);
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

/* -- where probes go ----------------------------------------------------------------- */

/* A VIP that DSR probes are addressed to. */
struct probed {
	struct weir_addr vip;
	const struct pool_conf *pool; /* the first of those that probe it */
	uint32_t ifindex;	      /* by which the route to it leaves; 0: it has none */
};

static bool has_vip(const struct probed *list, unsigned count, const struct weir_addr *vip)
{
	for (unsigned i = 0; i < count; i++)
		if (weir_addr_equal(&list[i].vip, vip))
			return true;
	return false;
}

/* Each once, the caller's to free; NULL: there are none, or no memory. */
static struct probed *probed_vips(const struct conf *c, unsigned *count)
{
	struct probed *list = calloc((size_t)c->pool_count * POOL_CHECKS_MAX + 1, sizeof(*list));
	struct check_plan *plan = calloc(POOL_CHECKS_MAX, sizeof(*plan));

	*count = 0;
	for (uint32_t i = 0; list != NULL && plan != NULL && i < c->pool_count; i++) {
		unsigned n = check_plans(c, &c->pool[i], plan);

		for (unsigned k = 0; k < n; k++)
			if (plan[k].dsr && plan[k].why[0] == '\0' &&
			    !has_vip(list, *count, &plan[k].vip))
				list[(*count)++] = (struct probed){ .vip = plan[k].vip,
								    .pool = &c->pool[i] };
	}
	free(plan);
	return list;
}

static void check_probed_route(struct rtnl *r, struct probed *p, const char *path,
			       struct conf_errors *warnings)
{
	char vip[WEIR_ADDR_STRLEN];
	struct rtnl_route route;
	int err = rtnl_route_get(r, &p->vip, &route);

	if (err == 0 && !route.local)
		p->ifindex = route.ifindex;
	else if (err == -ENETUNREACH)
		conf_error(warnings, path, p->pool->line,
			   "[pool %s] this host has no route to VIP %s: the checks need one, to "
			   "any neighbour that answers",
			   p->pool->name, weir_addr_text(&p->vip, vip));
}

/* The kernel's interface of a port, or NULL: it has none. */
static const char *interface_of(const struct dp_port_conf *p)
{
	static const char prefix[] = "af_xdp:";

	if (strncmp(p->device, prefix, strlen(prefix)) == 0)
		return p->device + strlen(prefix);
	return dpconf_tap(p);
}

/* Does traffic of the pool leave by the port, as far as the configuration tells? */
static bool leaves_by(const struct conf *c, const struct pool_conf *pool,
		      const struct dp_port_conf *port)
{
	if (c->dp.port_count == 1)
		return true;
	for (uint32_t i = 0; i < pool->backend_count; i++)
		if (pool->backend[i].has_mac && strcmp(pool->backend[i].port, port->name) == 0)
			return true;
	return false;
}

static void check_way_out(const struct conf *c, const struct dp_port_conf *port,
			  const struct probed *probed, unsigned count, const char *path,
			  struct conf_errors *warnings)
{
	for (unsigned i = 0; i < count; i++) {
		if (!leaves_by(c, probed[i].pool, port))
			continue;
		conf_error(warnings, path, port->line,
			   "[port %s] is no interface of the kernel, so the checks of [pool %s] "
			   "have no way out: punt = tap makes one, check_via = direct does "
			   "without",
			   port->name, probed[i].pool->name);
		return;
	}
}

/* Strict is right as long as packets to the VIP would leave where its answers come in. */
static void check_rp_filter(const struct dp_port_conf *p, const char *interface,
			    const struct probed *probed, unsigned count, const char *path,
			    struct conf_errors *warnings)
{
	int own = rp_filter_of(interface), all = rp_filter_of("all");
	uint32_t ifindex = if_nametoindex(interface);
	char vip[WEIR_ADDR_STRLEN], other[IF_NAMESIZE];

	if (own < 0 || (all > own ? all : own) != 1)
		return;
	for (unsigned i = 0; i < count; i++) {
		/* The kernel filters IPv4 alone by reverse path. */
		if (probed[i].vip.family != 4 || probed[i].ifindex == 0 ||
		    probed[i].ifindex == ifindex)
			continue;
		conf_error(warnings, path, p->line,
			   "%s has strict reverse path filtering, and the route to VIP %s leaves by "
			   "%s: answers of backends that come in by %s are dropped, and the checks "
			   "fail: sysctl net.ipv4.conf.%s.rp_filter=2",
			   interface, weir_addr_text(&probed[i].vip, vip),
			   if_indextoname(probed[i].ifindex, other) != NULL ? other : "another",
			   interface, all > own ? "all" : interface);
		return;
	}
}

static void check_probes(struct rtnl *r, const struct conf *c, const char *path,
			 struct conf_errors *warnings)
{
	unsigned count;
	struct probed *probed = probed_vips(c, &count);

	for (unsigned i = 0; i < count; i++)
		check_probed_route(r, &probed[i], path, warnings);
	for (uint32_t i = 0; i < c->dp.port_count; i++) {
		const struct dp_port_conf *port = &c->dp.port[i];
		const char *interface = interface_of(port);

		if (interface != NULL)
			check_rp_filter(port, interface, probed, count, path, warnings);
		else
			check_way_out(c, port, probed, count, path, warnings);
	}
	free(probed);
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

/* May `user` (NULL: whoever is in the group `gid`) get to a file beside `socket`? A directory
 * that is not there yet will be made so. */
static bool may_enter(const char *socket, const char *user, uid_t uid, gid_t gid)
{
	struct stat st;
	char dir[256];

	snprintf(dir, sizeof(dir), "%s", socket);
	if (stat(dirname(dir), &st) < 0 || (st.st_mode & S_IXOTH) ||
	    (user != NULL && st.st_uid == uid && (st.st_mode & S_IXUSR)))
		return true;
	return (st.st_mode & S_IXGRP) &&
	       (user != NULL ? is_member(user, gid, st.st_gid) : gid == st.st_gid);
}

static void check_directories(const struct conf *c, const char *path, struct conf_errors *warnings)
{
	const struct passwd *pw = c->control.user[0] != '\0' ? getpwnam(c->control.user) : NULL;
	const struct group *gr = c->control.group[0] != '\0' ? getgrnam(c->control.group) : NULL;

	if (pw != NULL &&
	    !may_enter(c->dp.session_socket, c->control.user, pw->pw_uid, pw->pw_gid))
		conf_error(warnings, path, 0,
			   "weir-controlplane as user %s may not enter the directory of the session "
			   "socket %s: mode 0755 is right, the socket has one of its own",
			   c->control.user, c->dp.session_socket);
	if (gr != NULL && !may_enter(c->control.control_socket, NULL, 0, gr->gr_gid))
		conf_error(warnings, path, 0,
			   "[controlplane] group: its members may not enter the directory of the "
			   "socket %s: mode 0755 is right, the socket has one of its own",
			   c->control.control_socket);
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
	check_vips(r, c, path, warnings);
	for (uint32_t i = 0; i < c->pool_count; i++)
		check_outer_source(r, &c->pool[i], path, warnings);
	check_probes(r, c, path, warnings);
	rtnl_close(r);
	check_users(c, path, warnings);
	check_directories(c, path, warnings);
}
