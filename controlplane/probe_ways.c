// SPDX-License-Identifier: Apache-2.0
#include "probe_ways.h"

#include "log.h"
#include "rtnl.h"
#include "tc_watch.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INTERFACES_MAX = 64,
	LOOK_AGAIN_MS = 1000, /* at a route that was bad */
};

/* A VIP that is probed, and the interface that its route leaves by. */
struct vip_route {
	struct vip_route *next;
	unsigned ways; /* that go to it */
	struct weir_addr vip;
	uint64_t epoch; /* of the last look */
	uint64_t looked_ms;
	uint32_t ifindex; /* the last that it had; 0: none */
	bool stuck;	  /* the last probe did not get out of this host */
	char why[200];	  /* not usable: a sentence; empty: it is */
};

struct probe_ways {
	uv_loop_t *loop;
	struct probe_path *path; /* NULL: see why */
	struct rtnl *rtnl;
	struct tc_watch *tc;
	struct vip_route *vips;
	uint64_t epoch;
	bool has_ports;
	struct weir_ports_are ports;
	uint32_t attached[INTERFACES_MAX];
	unsigned attached_count;
	uint64_t off_ns; /* uv_hrtime(): so long the program was off an interface; 0: never */
	bool complained; /* that there is no program */
	char why[240];
};

/* -- the program on interfaces --------------------------------------------------------- */

static bool is_attached(const struct probe_ways *w, uint32_t ifindex)
{
	for (unsigned i = 0; i < w->attached_count; i++)
		if (w->attached[i] == ifindex)
			return true;
	return false;
}

/* True: it is there, by now. Else why. */
static bool attach(struct probe_ways *w, uint32_t ifindex, char *why, size_t why_len)
{
	if (is_attached(w, ifindex))
		return true;
	if (w->attached_count == INTERFACES_MAX) {
		snprintf(why, why_len, "probes leave by more than %d interfaces", INTERFACES_MAX);
		return false;
	}
	if (probe_path_attach(w->path, ifindex, why, why_len) < 0)
		return false;
	w->attached[w->attached_count++] = ifindex;
	return true;
}

/* Put the program back where somebody else has taken it off. */
static void put_back(struct probe_ways *w, uint32_t ifindex)
{
	char why[200], name[IF_NAMESIZE];

	if (if_indextoname(ifindex, name) == NULL)
		return; /* it went with its interface */
	if (attach(w, ifindex, why, sizeof(why)))
		log_warning("the program that carries probes was taken off %s by another user of "
			    "tc, and is put back",
			    name);
	else
		log_error("health checks through %s: %s", name, why);
	w->off_ns = uv_hrtime();
}

/* ... of this interface; 0: of all. */
static void restore(struct probe_ways *w, uint32_t only)
{
	for (unsigned i = 0; i < w->attached_count;) {
		uint32_t ifindex = w->attached[i];

		if ((only != 0 && ifindex != only) || probe_path_attached(ifindex)) {
			i++;
			continue;
		}
		w->attached[i] = w->attached[--w->attached_count];
		put_back(w, ifindex);
	}
}

static void tc_changed(void *user, uint32_t ifindex)
{
	restore(user, ifindex);
}

static bool is_wanted(const struct probe_ways *w, uint32_t ifindex)
{
	for (uint32_t i = 0; i < w->ports.count && i < WEIR_MAX_PORTS; i++)
		if (w->ports.port[i].ifindex == ifindex)
			return true;
	for (const struct vip_route *v = w->vips; v != NULL; v = v->next)
		if (v->ifindex == ifindex)
			return true;
	return false;
}

static void detach_unwanted(struct probe_ways *w)
{
	for (unsigned i = 0; i < w->attached_count;) {
		if (is_wanted(w, w->attached[i])) {
			i++;
			continue;
		}
		(void)probe_path_detach(w->path, w->attached[i]);
		w->attached[i] = w->attached[--w->attached_count];
	}
}

void probe_ways_ports(struct probe_ways *w, const struct weir_ports_are *ports)
{
	char why[200];

	if (ports == NULL)
		return; /* the next ones may be the same */
	w->ports = *ports;
	w->has_ports = true;
	w->epoch++;
	if (w->path == NULL)
		return;
	detach_unwanted(w);
	for (uint32_t i = 0; i < ports->count && i < WEIR_MAX_PORTS; i++)
		if (ports->port[i].ifindex != 0 &&
		    !attach(w, ports->port[i].ifindex, why, sizeof(why)))
			log_error("health checks through port %s: %s", ports->port[i].name, why);
}

/* -- routes to the VIPs ----------------------------------------------------------------- */

void probe_ways_look(struct probe_ways *w)
{
	w->epoch++;
}

static void route_words(int err, const char *vip, char *why, size_t len)
{
	const char *is = err == -EINVAL		? "is a blackhole"
			 : err == -EHOSTUNREACH ? "says unreachable"
			 : err == -EACCES	? "says prohibit"
						: NULL;

	if (is != NULL)
		snprintf(why, len, "this host's route to VIP %s %s: it needs a unicast route", vip,
			 is);
	else if (err == -ENETUNREACH)
		snprintf(why, len,
			 "this host has no route to VIP %s: it needs one, to any neighbour that "
			 "answers",
			 vip);
	else
		snprintf(why, len, "cannot ask for the route to VIP %s: %s", vip, strerror(-err));
}

static void look(struct probe_ways *w, struct vip_route *v)
{
	char before[sizeof(v->why)], vip[WEIR_ADDR_STRLEN];
	uint32_t left_by = v->ifindex;
	struct rtnl_route route;
	int err;

	memcpy(before, v->why, sizeof(before));
	weir_addr_text(&v->vip, vip);
	v->epoch = w->epoch;
	v->looked_ms = uv_now(w->loop);
	v->why[0] = '\0';
	if (v->stuck)
		restore(w, 0);
	err = rtnl_route_get(w->rtnl, &v->vip, &route);
	if (err != 0)
		route_words(err, vip, v->why, sizeof(v->why));
	else if (route.local)
		snprintf(v->why, sizeof(v->why),
			 "VIP %s is an address of this host, which would answer for every "
			 "backend: remove it from the interface",
			 vip);
	else
		v->ifindex = route.ifindex;
	if (v->ifindex != left_by)
		detach_unwanted(w);
	if (v->why[0] == '\0')
		(void)attach(w, v->ifindex, v->why, sizeof(v->why));
	if (v->why[0] != '\0' && strcmp(before, v->why) != 0)
		log_error("health checks to %s cannot be made: %s", vip, v->why);
	else if (v->why[0] == '\0' && before[0] != '\0')
		log_info("health checks to %s can be made again", vip);
}

static struct vip_route *vip_find(struct probe_ways *w, const struct weir_addr *vip)
{
	struct vip_route *v;

	for (v = w->vips; v != NULL; v = v->next)
		if (weir_addr_equal(&v->vip, vip))
			return v;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return NULL;
	v->vip = *vip;
	v->epoch = w->epoch - 1; /* never looked at */
	v->next = w->vips;
	w->vips = v;
	return v;
}

/* The way goes to no VIP any more; one to which none goes is forgotten. */
static void vip_leave(struct probe_ways *w, struct probe_way *way)
{
	struct vip_route **at, *v = way->vip;

	way->vip = NULL;
	if (v == NULL || --v->ways > 0)
		return;
	for (at = &w->vips; *at != v; at = &(*at)->next)
		;
	*at = v->next;
	free(v);
	detach_unwanted(w);
}

static void vip_enter(struct probe_ways *w, struct probe_way *way, const struct weir_addr *vip)
{
	vip_leave(w, way);
	way->vip = vip_find(w, vip);
	if (way->vip != NULL)
		way->vip->ways++;
}

static void refresh(struct probe_ways *w, struct vip_route *v)
{
	bool bad = v->why[0] != '\0' || v->stuck;
	bool again = bad && uv_now(w->loop) - v->looked_ms >= LOOK_AGAIN_MS;

	if (v->epoch != w->epoch || again)
		look(w, v);
}

/* -- entries ---------------------------------------------------------------------------- */

static_assert((int)PROBE_MODE_L2 == (int)WEIR_ENCAP_L2 &&
		      (int)PROBE_MODE_IPIP4 == (int)WEIR_ENCAP_IPIP4 &&
		      (int)PROBE_MODE_IPIP6 == (int)WEIR_ENCAP_IPIP6 &&
		      (int)PROBE_MODE_GUE4 == (int)WEIR_ENCAP_GUE4 &&
		      (int)PROBE_MODE_GUE6 == (int)WEIR_ENCAP_GUE6,
	      "the program's modes are the workers' in the same order");

void probe_ways_route(const struct backend *b, const struct weir_addr *vip,
		      const struct weir_port_info *port, struct probe_route *out)
{
	const struct pool_conf *p = &b->pool->conf;
	uint16_t mtu = (uint16_t)p->mtu;

	memset(out, 0, sizeof(*out)); /* it is compared whole */
	if (b->hop.mtu != 0 && b->hop.mtu < mtu)
		mtu = b->hop.mtu;
	out->mode = (enum probe_mode)backend_encap(b);
	out->vip = *vip;
	memcpy(out->dmac, b->hop.mac, sizeof(out->dmac));
	memcpy(out->smac, port->mac, sizeof(out->smac));
	out->ifindex = port->ifindex;
	out->vlan = b->hop.vlan;
	out->mtu = mtu;
	if (out->mode == PROBE_MODE_L2)
		return;
	out->outer_src = p->outer_source.family != 0 ? p->outer_source : b->hop.source;
	out->outer_dst = b->conf.addr;
	out->gue_port = p->gue_port;
}

static const char *no_way(struct probe_ways *w, const char *fmt, const char *word)
{
	snprintf(w->why, sizeof(w->why), fmt, word);
	return w->why;
}

static const char *write_entry(struct probe_ways *w, struct probe_way *way,
			       const struct probe_route *r)
{
	int err = way->mark == 0 ? probe_path_add(w->path, r, &way->mark)
				 : probe_path_set(w->path, way->mark, r);

	if (err == -EINVAL)
		return "the outer header needs source and destination of one family: set "
		       "outer_source";
	if (err == -ENOSPC)
		return "more backends are checked through VIPs than marks there are (65,535)";
	if (err < 0)
		return no_way(w, "the kernel takes no entry for it: %s", strerror(-err));
	memcpy(&way->route, r, sizeof(*r));
	return NULL;
}

const char *probe_ways_open(struct probe_ways *w, struct probe_way *way, const struct backend *b,
			    const struct weir_addr *vip)
{
	const struct weir_port_info *port;
	struct probe_route r;

	if (w == NULL)
		return "there is no program that carries probes";
	if (w->path == NULL) {
		if (!w->complained)
			log_error("no health check can go the clients' way: %s; check_via = direct "
				  "does without",
				  w->why);
		w->complained = true;
		return w->why;
	}
	if (!b->hop.resolved)
		return no_way(w, "no next hop: %s",
			      b->hop.why[0] != '\0' ? b->hop.why : "not known yet");
	if (!w->has_ports || b->hop.port >= w->ports.count)
		return "the data plane's ports are not known yet";
	port = &w->ports.port[b->hop.port];
	if (port->ifindex == 0)
		return no_way(w,
			      "port %s is no interface of the kernel, by which probes could leave: "
			      "give it a TAP, or check via = direct",
			      port->name);
	if (way->vip == NULL || !weir_addr_equal(&way->vip->vip, vip))
		vip_enter(w, way, vip);
	if (way->vip == NULL)
		return "no memory for the way to the VIP";
	refresh(w, way->vip);
	if (way->vip->why[0] != '\0')
		return way->vip->why;
	if (!is_attached(w, port->ifindex))
		return no_way(w, "port %s does not take the program that carries probes",
			      port->name);
	probe_ways_route(b, vip, port, &r);
	if (way->mark != 0 && memcmp(&r, &way->route, sizeof(r)) == 0)
		return NULL;
	return write_entry(w, way, &r);
}

void probe_ways_close(struct probe_ways *w, struct probe_way *way)
{
	if (w != NULL && w->path != NULL && way->mark != 0)
		probe_path_remove(w->path, way->mark);
	if (w != NULL)
		vip_leave(w, way);
	*way = (struct probe_way){ 0 };
}

void probe_ways_ended(struct probe_way *way, const struct probe_result *r)
{
	bool stuck = r->failure == PROBE_FAIL_LOCAL;
	char vip[WEIR_ADDR_STRLEN];

	if (way->vip == NULL || way->vip->stuck == stuck)
		return;
	way->vip->stuck = stuck;
	weir_addr_text(&way->vip->vip, vip);
	if (stuck)
		log_error("health checks to %s cannot be made: %s", vip, r->reason);
	else
		log_info("health checks to %s can be made again", vip);
}

const char *probe_ways_port(const struct probe_ways *w, unsigned port)
{
	return w != NULL && port < w->ports.count && port < WEIR_MAX_PORTS
		       ? w->ports.port[port].name
		       : NULL;
}

struct probe_path *probe_ways_path(const struct probe_ways *w)
{
	return w != NULL ? w->path : NULL;
}

const char *probe_ways_hint(void *user, uint32_t mark, uint64_t since_ns)
{
	return probe_path_hint(((struct probe_ways *)user)->path, mark, since_ns);
}

enum probe_left probe_ways_left(void *user, uint32_t mark, uint64_t since_ns)
{
	struct probe_ways *w = user;

	/* That a packet was carried says nothing of the others: an early one may have been
	 * before the program went, and a late one of the last probe's socket after it was put
	 * back. */
	tc_watch_read(w->tc);
	if (w->off_ns >= since_ns)
		return PROBE_LEFT_UNGUARDED;
	return probe_path_left(w->path, mark, since_ns);
}

/* -- life ---------------------------------------------------------------------------------- */

int probe_ways_create(uv_loop_t *loop, struct probe_ways **out)
{
	struct probe_ways *w = calloc(1, sizeof(*w));
	char why[200] = "no memory";
	int err;

	if (w == NULL)
		return -ENOMEM;
	w->loop = loop;
	w->epoch = 1;
	err = rtnl_open(&w->rtnl);
	if (err < 0)
		goto err_free;
	err = tc_watch_create(loop, tc_changed, w, &w->tc);
	if (err < 0)
		goto err_rtnl;
	if (probe_path_create(loop, &w->path, why, sizeof(why)) < 0) {
		w->path = NULL;
		snprintf(w->why, sizeof(w->why), "%s", why);
	}
	*out = w;
	return 0;

err_rtnl:
	rtnl_close(w->rtnl);
err_free:
	free(w);
	return err;
}

void probe_ways_destroy(struct probe_ways *w)
{
	struct vip_route *v;

	for (unsigned i = 0; i < w->attached_count; i++)
		(void)probe_path_detach(w->path, w->attached[i]);
	while ((v = w->vips) != NULL) {
		w->vips = v->next;
		free(v);
	}
	if (w->path != NULL)
		probe_path_destroy(w->path);
	tc_watch_destroy(w->tc);
	rtnl_close(w->rtnl);
	free(w);
}
