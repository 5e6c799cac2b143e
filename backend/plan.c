// SPDX-License-Identifier: Apache-2.0
#include "plan.h"

#include "findings.h"
#include "mss.h"

#include <errno.h>
#include <string.h>

/* -- states ---------------------------------------------------------------------- */

static int list_copy(const struct prefix_list *from, struct prefix_list *to)
{
	for (unsigned i = 0; i < from->count; i++)
		if (prefix_add(to, &from->item[i].addr, from->item[i].len) == -ENOMEM)
			return -ENOMEM;
	return 0;
}

static int state_copy(const struct state *from, struct state *to)
{
	*to = *from;
	to->vips = (struct prefix_list){ 0 };
	return list_copy(&from->vips, &to->vips);
}

/* The interface was made anew since: its settings and qdisc went with the old one. */
static void state_forget_interface(struct state *s)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->sysctl_count; i++)
		if (strncmp(s->sysctl[i].name, "all/", 4) == 0)
			s->sysctl[kept++] = s->sysctl[i];
	s->sysctl_count = kept;
	s->qdisc = false;
}

/* -- sysctls --------------------------------------------------------------------- */

static int raised(int value, bool right, int to)
{
	return right ? value : to;
}

/* Bring one setting from `now` to `want`, and note what it was before the first of
 * us changed it. */
static void sysctl_plan(struct plan *p, const struct state *others, const char *interface,
			const char *key, int now, int want)
{
	char name[SYSCTL_NAME_LEN];
	int noted = state_sysctl_find(&p->before, sysctl_name(interface, key, name));
	int other = state_sysctl_find(others, name);
	struct state_sysctl *s;

	if (noted < 0 && now == want && other < 0)
		return; /* right without us */
	if (noted < 0) {
		noted = (int)p->before.sysctl_count++;
		s = &p->before.sysctl[noted];
		*s = (struct state_sysctl){ .was = now, .set = want };
		if (other >= 0)
			*s = others->sysctl[other];
		memcpy(s->name, name, sizeof(s->name));
	}
	if (now == want)
		return;
	p->before.sysctl[noted].set = want;
	p->sysctl[p->sysctl_count] = (struct plan_sysctl){ .from = now, .to = want };
	memcpy(p->sysctl[p->sysctl_count++].name, name, sizeof(name));
}

static void sysctls_up(struct plan *p, const struct host *h, const struct host_link *link,
		       const struct state *others)
{
	const struct host_sysctls *all = &h->all, *own = &link->sysctls;
	int ignore = raised(all->arp_ignore, finding_arp_ignore_right(all->arp_ignore), 1);
	int effective = finding_effective(ignore, own->arp_ignore);

	/* "all" silences every other interface too: a VIP on lo is an address of the
	 * whole host. The interface itself is silenced by its own value as well, so
	 * that resetting "all" does not expose the VIPs towards Weir's network. */
	sysctl_plan(p, others, "all", "arp_ignore", all->arp_ignore, ignore);
	sysctl_plan(p, others, link->name, "arp_ignore", own->arp_ignore,
		    raised(own->arp_ignore,
			   own->arp_ignore != 0 && finding_arp_ignore_right(effective), 1));
	sysctl_plan(p, others, "all", "arp_announce", all->arp_announce,
		    raised(all->arp_announce, finding_arp_announce_right(all->arp_announce), 2));
	sysctl_plan(p, others, link->name, "arp_announce", own->arp_announce,
		    raised(own->arp_announce, finding_arp_announce_right(own->arp_announce), 2));
	/* Strict becomes loose (2 wins over 1 in "all"); off stays off. */
	effective = finding_effective(all->rp_filter, own->rp_filter);
	sysctl_plan(p, others, link->name, "rp_filter", own->rp_filter,
		    raised(own->rp_filter, finding_rp_filter_right(effective), 2));
}

/* The value that a noted sysctl has now. Returns false when it has none. */
static bool sysctl_now(const struct host *h, const struct host_link *link, const char *name,
		       int *out)
{
	const struct host_sysctls *at = strncmp(name, "all/", 4) == 0 ? &h->all
					: link != NULL		      ? &link->sysctls
								      : NULL;
	const char *key = strchr(name, '/');

	if (at == NULL || key == NULL)
		return false;
	key++;
	if (strcmp(key, "arp_ignore") == 0)
		*out = at->arp_ignore;
	else if (strcmp(key, "arp_announce") == 0)
		*out = at->arp_announce;
	else if (strcmp(key, "rp_filter") == 0)
		*out = at->rp_filter;
	else
		return false;
	return true;
}

static void sysctls_down(struct plan *p, const struct host *h, const struct host_link *link,
			 const struct state *others)
{
	for (unsigned i = 0; i < p->before.sysctl_count; i++) {
		const struct state_sysctl *s = &p->before.sysctl[i];
		struct plan_sysctl change = { .to = s->was };

		if (!sysctl_now(h, link, s->name, &change.from) || change.from == change.to ||
		    state_sysctl_find(others, s->name) >= 0)
			continue;
		memcpy(change.name, s->name, sizeof(change.name));
		if (change.from == s->set)
			p->sysctl[p->sysctl_count++] = change;
		else
			p->kept[p->kept_count++] = change;
	}
}

/* -- routes ---------------------------------------------------------------------- */

static struct state_route route_key(const struct host_route *r)
{
	return (struct state_route){
		.family = r->family,
		.metric = r->metric,
		.ifindex = r->ifindex,
		.gateway = r->gateway,
	};
}

/* The MSS that a route shall announce: its own, unless that is more than fits. */
static uint32_t mss_wanted(const struct settings *s, const struct host *h,
			   const struct host_link *link, const struct host_route *r, uint32_t own)
{
	unsigned limit;

	if (!settings_unpack(s) || s->mss != SETTINGS_MSS_SET || !settings_family(s, r->family) ||
	    !mss_route_ours(h, r))
		return own;
	limit = mss_limit(s, link, r->family);
	return mss_announced(h, r, own) > limit ? limit : own;
}

/* Bring one route to what it shall announce, and note what that was before the first of
 * us changed it. A route that somebody has made anew since begins anew. */
static void route_plan(struct plan *p, const struct settings *s, const struct host *h,
		       const struct host_link *link, const struct host_route *r,
		       const struct state *others)
{
	struct state_route note = route_key(r);
	int noted = state_route_find(&p->before, &note), other = state_route_find(others, &note);
	uint32_t own = r->advmss, want;

	if (!mss_route_alone(h, r))
		return; /* `check` says so */
	if (other >= 0)
		note = others->route[other];
	else if (noted >= 0 && (p->before.route[noted].set == r->advmss ||
				p->before.route[noted].old == r->advmss))
		own = p->before.route[noted].was;
	want = mss_wanted(s, h, link, r, own);
	if (noted < 0 && want == r->advmss && other < 0)
		return; /* right without us */
	if (noted < 0 && p->before.route_count == STATE_ROUTES)
		return; /* `check` says that it is wrong */
	if (other < 0)
		note.was = own;
	note.set = want;
	note.old = r->advmss;
	if (noted < 0)
		noted = (int)p->before.route_count++;
	p->before.route[noted] = note;
	if (want != r->advmss)
		p->route[p->route_count++] =
			(struct plan_route){ .route = *r, .from = r->advmss, .to = want };
}

/* Forget the routes that are gone, and at the end those that are as they were. */
static void routes_forget(struct state *s, const struct host *h, bool restored)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->route_count; i++) {
		bool there = false;

		for (unsigned j = 0; !there && j < h->route_count; j++) {
			struct state_route key = route_key(&h->route[j]);

			there = state_route_same(&s->route[i], &key);
		}
		if (there && !(restored && s->route[i].set == s->route[i].was))
			s->route[kept++] = s->route[i];
	}
	s->route_count = kept;
}

static void routes_up(struct plan *p, const struct settings *s, const struct host *h,
		      const struct host_link *link, const struct state *others)
{
	routes_forget(&p->before, h, false);
	for (unsigned i = 0; i < h->route_count && p->route_count < STATE_ROUTES; i++)
		route_plan(p, s, h, link, &h->route[i], others);
}

static void routes_down(struct plan *p, const struct host *h, const struct state *others)
{
	for (unsigned i = 0; i < h->route_count; i++) {
		const struct host_route *r = &h->route[i];
		struct state_route key = route_key(r);
		int noted = state_route_find(&p->before, &key);
		struct plan_route change = { .route = *r, .from = r->advmss };

		if (noted < 0 || state_route_find(others, &key) >= 0 ||
		    p->before.route[noted].was == r->advmss)
			continue;
		change.to = p->before.route[noted].was;
		if ((p->before.route[noted].set == r->advmss ||
		     p->before.route[noted].old == r->advmss) &&
		    mss_route_alone(h, r) && p->route_count < STATE_ROUTES)
			p->route[p->route_count++] = change;
		else if (p->kept_route_count < STATE_ROUTES)
			p->kept_route[p->kept_route_count++] = change;
	}
}

/* -- VIPs ------------------------------------------------------------------------ */

enum owner { NOBODY, OURS, OPERATORS };

/* Whose doing it is that this VIP, an address or a prefix, is local. */
static enum owner vip_owner(const struct host *h, const struct prefix *vip)
{
	const struct host_prefix *p;
	const struct host_addr *a;

	if (vip->len == prefix_full(&vip->addr)) {
		a = host_addr_find(h, &vip->addr, true);
		return a == NULL ? NOBODY : a->ours ? OURS : OPERATORS;
	}
	p = host_prefix_find(h, vip);
	return p == NULL ? NOBODY : p->ours ? OURS : OPERATORS;
}

static int vips_up(struct plan *p, const struct settings *s, const struct host *h)
{
	for (unsigned i = 0; i < s->vips.count; i++) {
		const struct prefix *vip = &s->vips.item[i];
		enum owner owner = vip_owner(h, vip);

		/* What an operator put there stays theirs. */
		if (owner == OPERATORS) {
			prefix_remove(&p->before.vips, vip);
			continue;
		}
		if (prefix_add(&p->before.vips, &vip->addr, vip->len) == -ENOMEM)
			return -ENOMEM;
		if (owner == NOBODY && prefix_add(&p->vip_add, &vip->addr, vip->len) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* Those that are noted and not wanted anymore. */
static int vips_outdated(struct plan *p, const struct settings *s, const struct host *h,
			 const struct state *others)
{
	for (unsigned i = 0; i < p->before.vips.count; i++) {
		const struct prefix *vip = &p->before.vips.item[i];

		if (prefix_has(&s->vips, vip))
			continue;
		prefix_remove(&p->after.vips, vip);
		if (vip_owner(h, vip) == OURS && !prefix_has(&others->vips, vip) &&
		    prefix_add(&p->vip_del, &vip->addr, vip->len) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* All that bear our mark: also when the state file was lost. */
static int vips_down(struct plan *p, const struct host *h, const struct state *others)
{
	for (unsigned i = 0; i < h->addr_count; i++)
		if (h->addr[i].ours && !prefix_has_addr(&others->vips, &h->addr[i].addr) &&
		    prefix_add_addr(&p->vip_del, &h->addr[i].addr) == -ENOMEM)
			return -ENOMEM;
	for (unsigned i = 0; i < h->prefix_count; i++) {
		const struct prefix *vip = &h->prefix[i].prefix;

		if (h->prefix[i].ours && !prefix_has(&others->vips, vip) &&
		    prefix_add(&p->vip_del, &vip->addr, vip->len) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* -- plans ----------------------------------------------------------------------- */

static bool qdisc_free(const struct host *h, const struct state *noted)
{
	return noted->qdisc && h->ingress && h->filter_count == 0 && !h->egress_used;
}

int plan_up(const struct settings *s, const struct host *h, const struct host_link *link,
	    const struct state *noted, const struct state *others, struct plan *out)
{
	struct plan p = { 0 };

	if (state_copy(noted, &p.before) < 0)
		goto no_memory;
	if (p.before.ifindex != link->index)
		state_forget_interface(&p.before);
	memcpy(p.before.interface, link->name, sizeof(p.before.interface));
	p.before.ifindex = link->index;

	if (settings_family(s, 4)) /* IPv6 needs none of them */
		sysctls_up(&p, h, link, others);
	routes_up(&p, s, h, link, others);
	if (settings_unpack(s)) {
		p.attach = true;
		p.qdisc_add = !h->ingress;
		p.before.qdisc |= p.qdisc_add;
	} else {
		p.detach = h->decap.id != 0;
		p.qdisc_del = qdisc_free(h, &p.before);
	}
	if (vips_up(&p, s, h) < 0 || state_copy(&p.before, &p.after) < 0 ||
	    vips_outdated(&p, s, h, others) < 0)
		goto no_memory;
	routes_forget(&p.after, h, true);
	p.after.qdisc = p.before.qdisc && !p.qdisc_del;
	*out = p;
	return 0;

no_memory:
	plan_free(&p);
	return -ENOMEM;
}

int plan_down(const struct host *h, const struct host_link *link, const struct state *noted,
	      const struct state *others, struct plan *out)
{
	struct plan p = { 0 };

	if (state_copy(noted, &p.before) < 0 || vips_down(&p, h, others) < 0) {
		plan_free(&p);
		return -ENOMEM;
	}
	if (link == NULL || p.before.ifindex != link->index)
		state_forget_interface(&p.before);
	sysctls_down(&p, h, link, others);
	routes_down(&p, h, others);
	p.detach = h->decap.id != 0;
	p.qdisc_del = qdisc_free(h, &p.before);
	*out = p;
	return 0;
}

void plan_free(struct plan *p)
{
	state_free(&p->before);
	state_free(&p->after);
	prefix_free(&p->vip_add);
	prefix_free(&p->vip_del);
	*p = (struct plan){ 0 };
}
