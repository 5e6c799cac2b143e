// SPDX-License-Identifier: Apache-2.0
#include "look.h"

#include "decap.h"
#include "listen.h"
#include "netlink.h"
#include "sysctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define LOOKS 5 /* a dump during which something changed is taken again */

static int sysctls_look(const char *interface, struct host_sysctls *out)
{
	char name[SYSCTL_NAME_LEN];
	int err;

	err = sysctl_get(sysctl_name(interface, "arp_ignore", name), &out->arp_ignore);
	if (err == 0)
		err = sysctl_get(sysctl_name(interface, "arp_announce", name), &out->arp_announce);
	if (err == 0)
		err = sysctl_get(sysctl_name(interface, "rp_filter", name), &out->rp_filter);
	out->ipv6_off = sysctl_ipv6_off(interface);
	return err;
}

static int egress_seen(void *user, const struct netlink_filter *f)
{
	(void)f;
	*(bool *)user = true;
	return 0;
}

/* tc of all interfaces: our program may be left on one that is no longer ours. */
static int filters_look(struct mnl_socket *nl, const char *interface, struct host *h)
{
	int err = 0;

	for (unsigned i = 0; err == 0 && i < h->link_count; i++) {
		struct host_link *l = &h->link[i];
		bool ours = strcmp(l->name, interface) == 0;

		err = decap_find(nl, l->index, &l->decap_id, ours ? h : NULL);
		if (err == 0 && ours)
			err = netlink_filters(nl, l->index, false, egress_seen, &h->egress_used);
		if (err == 0 && ours)
			err = netlink_ingress(nl, l->index, &h->ingress);
		if (err == 0 && ours && l->decap_id != 0)
			err = decap_read(l->decap_id, &h->decap);
	}
	return err;
}

/* Interfaces come and go: one without settings (anymore) keeps zeros. */
static int links_look(struct mnl_socket *nl, struct host *h)
{
	int err = netlink_links(nl, h);

	for (unsigned i = 0; err == 0 && i < h->link_count; i++) {
		err = sysctls_look(h->link[i].name, &h->link[i].sysctls);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

/* What is no version counts as new: the kernel will say what it lacks. */
static unsigned kernel_look(void)
{
	unsigned major, minor;
	struct utsname u;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return HOST_KERNEL_LEAST;
	return HOST_KERNEL(major, minor);
}

/* *what is the step that the result is of. */
static int look_once(const char *interface, struct host *h, const char **what)
{
	struct mnl_socket *nl;
	int err;

	h->kernel = kernel_look();
	*what = "rtnetlink socket";
	if ((err = netlink_open(&nl)) < 0)
		return err;
	*what = "interfaces";
	if ((err = links_look(nl, h)) < 0)
		goto out;
	*what = "sysctls";
	if ((err = sysctls_look("all", &h->all)) < 0)
		goto out;
	*what = "addresses";
	if ((err = netlink_addrs(nl, h)) < 0)
		goto out;
	*what = "routes";
	if ((err = netlink_routes(nl, h)) < 0)
		goto out;
	*what = "routing rules";
	if ((err = netlink_rules(nl, h)) < 0)
		goto out;
	*what = "proxied neighbours";
	if ((err = netlink_proxies(nl, h)) < 0)
		goto out;
	*what = "tc filters and the decapsulation program";
	if ((err = filters_look(nl, interface, h)) < 0)
		goto out;
	*what = "sockets";
	err = listen_look(&h->listening);
out:
	netlink_close(nl);
	return err;
}

int look_host(const char *interface, struct host *out, char *why, size_t why_len)
{
	struct host h = { 0 };
	const char *what;
	int err;

	/* Each look has a socket of its own: the rest of a broken dump stays behind. */
	for (unsigned look = 0; look < LOOKS; look++) {
		err = look_once(interface, &h, &what);
		if (err == 0) {
			*out = h;
			return 0;
		}
		host_free(&h);
		if (err != -EINTR)
			break;
	}
	snprintf(why, why_len, "cannot look at this host's %s: %s%s", what, strerror(-err),
		 err == -EPERM || err == -EACCES ? "; run me as root" : "");
	return err;
}
