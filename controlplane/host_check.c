// SPDX-License-Identifier: Apache-2.0
#include "host_check.h"

#include "rtnl.h"

#include <errno.h>
#include <grp.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool has_ipv4_vip(const struct conf *c)
{
	for (uint32_t i = 0; i < c->service_count; i++)
		if (c->service[i].vip.family == 4)
			return true;
	return false;
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
	check_vips(r, c, path, warnings);
	for (uint32_t i = 0; i < c->pool_count; i++)
		check_outer_source(r, &c->pool[i], path, warnings);
	rtnl_close(r);
	/* The kernel filters IPv4 alone by reverse path. */
	for (uint32_t i = 0; has_ipv4_vip(c) && i < c->dp.port_count; i++)
		check_rp_filter(&c->dp.port[i], path, warnings);
	check_users(c, path, warnings);
}
