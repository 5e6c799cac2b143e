// SPDX-License-Identifier: Apache-2.0
#include "findings.h"

#include "mss.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IPV4_TCP_BYTES 40 /* IPv4 and TCP headers without options: MTU - MSS */
#define IPV6_TCP_BYTES 60
#define PATH_MTU       1500 /* what clients send at most, whatever we advertise */

/* What is compared, and where the results go. */
struct comparison {
	const struct settings *s;
	const struct host *h;
	const struct host_link *link; /* the configured interface */
	struct findings *out;
	int err;
};

static void add(struct comparison *c, enum finding_grade grade, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void add(struct comparison *c, enum finding_grade grade, const char *fmt, ...)
{
	struct findings *f = c->out;
	struct finding *bigger = realloc(f->item, (f->count + 1) * sizeof(*bigger));
	va_list ap;

	if (bigger == NULL) {
		c->err = -ENOMEM;
		return;
	}
	f->item = bigger;
	bigger += f->count++;
	bigger->grade = grade;
	f->wrong += grade == FINDING_WRONG;
	va_start(ap, fmt);
	vsnprintf(bigger->text, sizeof(bigger->text), fmt, ap);
	va_end(ap);
}
#define wrong(c, ...) add(c, FINDING_WRONG, __VA_ARGS__)
#define note(c, ...)  add(c, FINDING_NOTE, __VA_ARGS__)

int finding_effective(int all, int own)
{
	return all > own ? all : own;
}

bool finding_arp_ignore_right(int value)
{
	return (value >= 1 && value <= 3) || value == 8;
}

bool finding_arp_announce_right(int value)
{
	return value >= 2;
}

bool finding_rp_filter_right(int value)
{
	return value != 1;
}

/* -- interfaces ------------------------------------------------------------------ */

/* Older ones lack eBPF helpers, or the mark by which IPv6 VIPs are known again. */
static void kernel_compare(struct comparison *c)
{
	if (c->h->kernel < HOST_KERNEL_LEAST)
		wrong(c,
		      "this kernel is %u.%u, and weir-backend needs 6.1: it may not unpack what "
		      "Weir "
		      "sends, or not find again what \"up\" made; install a newer one",
		      c->h->kernel >> 16, c->h->kernel & 0xffff);
}

static void interface_compare(struct comparison *c)
{
	const struct host_link *lo = host_link_named(c->h, "lo");

	if ((c->link->flags & IFF_UP) == 0)
		wrong(c, "%s is down, so nothing arrives from Weir; run \"ip link set %s up\"",
		      c->link->name, c->link->name);
	if (lo == NULL || (lo->flags & IFF_UP) == 0)
		wrong(c, "lo is down, so no address on it can be reached, the VIPs included; run "
			 "\"ip link set lo up\"");
}

/* A prefix has no addresses that an interface could answer for. */
static void vip_prefix_compare(struct comparison *c, const struct prefix *vip)
{
	const struct host_prefix *p = host_prefix_find(c->h, vip);
	char text[WEIR_PREFIX_STRLEN];

	if (p == NULL)
		wrong(c,
		      "VIP prefix %s is not local to this host, so it drops the requests for it; "
		      "run \"%s\"",
		      prefix_text(vip, text), c->s->mend);
}

static void vip_compare(struct comparison *c, const struct weir_addr *vip)
{
	const struct host_addr *quiet = host_addr_find(c->h, vip, true);
	const struct host_addr *loud = host_addr_find(c->h, vip, false);
	const char *question = vip->family == 4 ? "ARP" : "neighbour discovery";
	const struct host_link *l;
	char text[WEIR_ADDR_STRLEN];

	weir_addr_text(vip, text);
	if (quiet == NULL && loud == NULL)
		wrong(c,
		      "VIP %s is no address of this host, so it drops the requests for it; run "
		      "\"%s\"",
		      text, c->s->mend);
	else if (quiet == NULL)
		wrong(c, "VIP %s is on no loopback, so %s silence does not cover it; run \"%s\"",
		      text, vip->family == 4 ? "ARP" : "the", c->s->mend);
	if (quiet != NULL && quiet->len < prefix_full(vip)) {
		l = host_link_by(c->h, quiet->ifindex);
		wrong(c,
		      "VIP %s is on %s as a /%u, so this host takes the whole subnet for itself "
		      "and answers none of its clients; run \"ip addr del %s/%u dev %s\", then "
		      "\"%s\"",
		      text, l->name, quiet->len, text, quiet->len, l->name, c->s->mend);
	}
	if (loud != NULL) {
		l = host_link_by(c->h, loud->ifindex);
		wrong(c,
		      "VIP %s is also on %s, so this host answers %s for it and takes the "
		      "clients away from Weir; run \"ip addr del %s/%u dev %s\"",
		      text, l->name, question, text, loud->len, l->name);
	}
}

/* What an interface answers neighbour solicitations for besides its own addresses. A
 * VIP on lo alone is never among them: IPv6 has no need of arp_ignore. */
static void proxy_compare(struct comparison *c)
{
	char text[WEIR_ADDR_STRLEN];

	for (unsigned i = 0; i < c->h->proxy_count; i++) {
		const struct host_proxy *p = &c->h->proxy[i];
		const struct host_link *l = host_link_by(c->h, p->ifindex);

		if (!prefix_covers(&c->s->vips, &p->addr) || l == NULL)
			continue;
		weir_addr_text(&p->addr, text);
		wrong(c,
		      "%s answers for VIP %s as a proxy, which takes the clients away from Weir; "
		      "run \"ip neigh del proxy %s dev %s\"",
		      l->name, text, text, l->name);
	}
}

/* An interface without IPv6 drops what is unpacked on it, and lo takes no VIP. */
static void ipv6_compare(struct comparison *c)
{
	const struct host_link *lo = host_link_named(c->h, "lo");
	bool outer = false;

	for (unsigned i = 0; settings_unpack(c->s) && i < c->s->from.count; i++)
		outer |= c->s->from.item[i].addr.family == 6;
	if (c->link->sysctls.ipv6_off && (outer || settings_family(c->s, 6)))
		wrong(c,
		      "IPv6 is disabled on %s, so it takes no IPv6 packets; run \"sysctl -w "
		      "net.ipv6.conf.%s.disable_ipv6=0\"",
		      c->link->name, c->link->name);
	if (lo != NULL && lo->sysctls.ipv6_off && settings_family(c->s, 6))
		wrong(c, "IPv6 is disabled on lo, which is to hold the VIPs; run \"sysctl -w "
			 "net.ipv6.conf.lo.disable_ipv6=0\"");
}

/* A VIP on lo is an address of every interface that answers ARP. Of the others only
 * the first is named: a host of containers has hundreds. */
static void arp_compare(struct comparison *c, bool other)
{
	const struct host_link *ignorant = NULL, *announcing = NULL;
	int ignore = 0, announce = 0;

	for (unsigned i = 0; i < c->h->link_count; i++) {
		const struct host_link *l = &c->h->link[i];
		int effective;

		if (other == (l == c->link) || (l->flags & IFF_UP) == 0 ||
		    (l->flags & (IFF_LOOPBACK | IFF_NOARP)) != 0)
			continue;
		effective = finding_effective(c->h->all.arp_ignore, l->sysctls.arp_ignore);
		if (ignorant == NULL && !finding_arp_ignore_right(effective)) {
			ignorant = l;
			ignore = effective;
		}
		effective = finding_effective(c->h->all.arp_announce, l->sysctls.arp_announce);
		if (announcing == NULL && !finding_arp_announce_right(effective)) {
			announcing = l;
			announce = effective;
		}
	}
	if (ignorant != NULL)
		wrong(c,
		      "arp_ignore is %d on %s%s, so this host answers ARP for the VIPs and takes "
		      "the clients away from Weir; run \"%s\"",
		      ignore, ignorant->name, other ? " and perhaps further interfaces" : "",
		      c->s->mend);
	if (announcing != NULL)
		wrong(c,
		      "arp_announce is %d on %s%s, so ARP requests of this host can name a VIP as "
		      "sender and neighbours learn it; run \"%s\"",
		      announce, announcing->name, other ? " and perhaps further interfaces" : "",
		      c->s->mend);
}

static void rp_filter_compare(struct comparison *c)
{
	int value = finding_effective(c->h->all.rp_filter, c->link->sysctls.rp_filter);

	if (!finding_rp_filter_right(value))
		wrong(c,
		      "rp_filter is %d (strict) on %s, so requests of clients whose way back is "
		      "another interface are dropped; run \"%s\"",
		      value, c->link->name, c->s->mend);
}

/* -- the way back ---------------------------------------------------------------- */

static void route_compare(struct comparison *c, uint8_t family)
{
	const char *name = family == 4 ? "" : "IPv6 ", *option = family == 4 ? "" : "-6 ";
	unsigned others = c->h->gateway_routes[family == 6];
	char mss[64] = "";

	for (unsigned i = 0; i < c->h->route_count; i++)
		if (c->h->route[i].family == family)
			return;
	if (others == 0) {
		wrong(c,
		      "there is no %sdefault route, so answers reach only connected networks; run "
		      "\"ip %sroute add default via ROUTER\"",
		      name, option);
		return;
	}
	if (settings_unpack(c->s))
		snprintf(mss, sizeof(mss), "; these routes need advmss %u",
			 mss_limit(c->s, c->link, family));
	note(c,
	     "there is no %sdefault route: only clients behind the %u other routes by a gateway "
	     "get answers%s",
	     name, others, mss);
}

/* How a route is brought to announce no more than `limit`. */
static const char *mss_remedy(struct comparison *c, const struct host_route *r, unsigned limit,
			      char *buf, size_t len)
{
	const struct host_link *l = host_link_by(c->h, r->ifindex);
	bool set = c->s->mss == SETTINGS_MSS_SET, ours = mss_route_ours(c->h, r);
	char text[HOST_ROUTE_TEXT_LEN];

	if (!mss_route_alone(c->h, r))
		snprintf(buf, len,
			 "give this route, where it is made, a metric that no other default route "
			 "has, or advmss %u",
			 limit);
	else if (set && ours)
		snprintf(buf, len, "run \"%s\"", c->s->mend);
	else if (ours)
		snprintf(buf, len, "run \"ip %sroute change %s advmss %u\"",
			 r->family == 6		  ? "-6 "
			 : r->gateway.family == 6 ? "-4 "
						  : "",
			 host_route_text(c->h, r, text), limit);
	else
		snprintf(buf, len, "run \"sysctl -w net.ipv6.conf.%s.mtu=%u\"",
			 l != NULL ? l->name : "...", limit + IPV6_TCP_BYTES);
	return buf;
}

/* Routes of other tables than main are for those who made the rules that lead there. */
static void rules_note(struct comparison *c, uint8_t family)
{
	unsigned rules = c->h->table_rules[family == 6];

	if (rules != 0)
		note(c,
		     "%u %srouting rules lead to other tables than main (\"ip %srule\"), whose "
		     "routes are not looked at: default routes there that answer clients need "
		     "advmss %u",
		     rules, family == 4 ? "" : "IPv6 ", family == 4 ? "" : "-6 ",
		     mss_limit(c->s, c->link, family));
}

/*
 * Clients are told more than fits behind the outer header. Where `up` leaves routes
 * alone, that matters only below what clients can send in any case.
 */
static void mss_compare(struct comparison *c)
{
	char text[HOST_ROUTE_TEXT_LEN], remedy[HOST_ROUTE_TEXT_LEN + 128];

	for (unsigned i = 0; i < c->h->route_count; i++) {
		const struct host_route *r = &c->h->route[i];
		unsigned mss = mss_announced(c->h, r, r->advmss);
		unsigned limit = mss_limit(c->s, c->link, r->family);
		unsigned most = PATH_MTU - (r->family == 4 ? IPV4_TCP_BYTES : IPV6_TCP_BYTES);
		bool mends = c->s->mss == SETTINGS_MSS_SET && mss_route_ours(c->h, r);

		if (!settings_family(c->s, r->family) || mss <= limit || (!mends && limit >= most))
			continue;
		wrong(c,
		      "clients are told MSS %u by \"%s\"; of the MTU %u of the way from Weir the "
		      "outer header leaves room for %u, so uploads stall; %s",
		      mss, host_route_text(c->h, r, text), mss_mtu(c->s, c->link), limit,
		      mss_remedy(c, r, limit, remedy, sizeof(remedy)));
	}
}

/* -- decapsulation --------------------------------------------------------------- */

/* How a list of the program differs from what it should be, in words. */
struct difference {
	const char *missing, *missing_then; /* "... knows no X", "so ..." */
	const char *extra, *extra_then;
};

static void list_compare(struct comparison *c, const struct difference *d,
			 const struct prefix_list *have, const struct prefix_list *want)
{
	char text[WEIR_PREFIX_STRLEN];

	for (unsigned i = 0; i < want->count; i++)
		if (!prefix_has(have, &want->item[i]))
			wrong(c, "the decapsulation program %s %s, %s; run \"%s\"", d->missing,
			      prefix_text(&want->item[i], text), d->missing_then, c->s->mend);
	for (unsigned i = 0; i < have->count; i++)
		if (!prefix_has(want, &have->item[i]))
			wrong(c, "the decapsulation program %s %s, %s; run \"%s\"", d->extra,
			      prefix_text(&have->item[i], text), d->extra_then, c->s->mend);
}

static void lists_compare(struct comparison *c)
{
	static const struct difference vips = {
		"does not know VIP",
		"so requests for it stay packed",
		"still unpacks for",
		"which is no configured VIP",
	};
	static const struct difference from = {
		"does not know prefix",
		"so it drops what Weir sends from there",
		"still believes packets from",
		"which is no configured prefix",
	};
	static const struct difference locals = {
		"does not know this host's address",
		"so what Weir sends to it stays packed",
		"still unpacks what is sent to",
		"which is no address of this host anymore",
	};
	struct prefix_list local = { 0 };

	list_compare(c, &vips, &c->h->decap.vips, &c->s->vips);
	list_compare(c, &from, &c->h->decap.from, &c->s->from);
	if (host_local(c->h, &c->s->vips, &local) == 0)
		list_compare(c, &locals, &c->h->decap.local, &local);
	else
		c->err = -ENOMEM;
	prefix_free(&local);
}

static void gue_compare(struct comparison *c)
{
	unsigned wanted = c->s->mode == SETTINGS_GUE ? c->s->gue_port : 0;

	if (c->h->decap.gue_port == wanted)
		return;
	if (wanted == 0)
		wrong(c,
		      "the decapsulation program still unpacks GUE on UDP port %u although the "
		      "mode "
		      "is %s; run \"%s\"",
		      c->h->decap.gue_port, settings_modes[c->s->mode], c->s->mend);
	else
		wrong(c,
		      "the decapsulation program does not unpack GUE on UDP port %u, so what Weir "
		      "sends there stays packed; run \"%s\"",
		      wanted, c->s->mend);
}

static void counts_note(struct comparison *c)
{
	static const char *const what[DECAP_FATE_COUNT] = {
		[DECAP_REFUSED_SOURCE] =
			"packed packets for a VIP came from outside the configured "
			"prefixes and were dropped",
		[DECAP_NOT_A_VIP] =
			"packed packets from Weir's prefixes were for no configured VIP "
			"and stayed packed",
		[DECAP_NOT_THIS_HOST] = "packed packets from Weir's prefixes were addressed to "
					"another host and stayed packed",
		[DECAP_MALFORMED] = "packed packets had a broken header and were dropped",
		[DECAP_FRAGMENT] = "packed packets came as fragments and were dropped: raise the "
				   "MTU of the way from Weir",
		[DECAP_CONGESTED] = "packed packets were dropped for a congestion mark that the "
				    "client's packet cannot carry",
		[DECAP_FAILED] =
			"packed packets were dropped because the kernel could not take the "
			"outer header off",
		[DECAP_GUE_VERSION] = "packed packets were GUE of another version and were dropped",
		[DECAP_GUE_OPTIONS] = "packed packets had GUE flags, extension fields or control "
				      "messages and were dropped",
		[DECAP_GUE_PROTOCOL] =
			"packed packets had neither IPv4 nor IPv6 behind GUE and were dropped",
	};

	for (unsigned i = 0; i < DECAP_FATE_COUNT; i++)
		if (what[i] != NULL && c->h->decap.count[i].packets != 0)
			note(c, "%llu %s", (unsigned long long)c->h->decap.count[i].packets,
			     what[i]);
}

static void tunnel_compare(struct comparison *c)
{
	for (unsigned i = 0; i < c->h->link_count; i++) {
		const struct host_link *l = &c->h->link[i];

		if (l->any_remote && (l->flags & IFF_UP) != 0)
			wrong(c,
			      "the kernel tunnel %s is up and unpacks from every source, "
			      "whatever \"from\" says; run \"ip link set %s down\"",
			      l->name, l->name);
	}
}

static void decap_compare(struct comparison *c)
{
	for (unsigned i = 0; i < c->h->link_count; i++)
		if (c->h->link[i].decap_id != 0 && &c->h->link[i] != c->link && c->h->decap.id == 0)
			note(c, "the decapsulation program is attached to %s", c->h->link[i].name);
	if (!settings_unpack(c->s)) {
		if (c->h->decap.id != 0)
			wrong(c,
			      "the decapsulation program is attached to %s although the mode is "
			      "%s; run \"%s\"",
			      c->link->name, settings_modes[c->s->mode], c->s->mend);
		return;
	}
	tunnel_compare(c);
	mss_compare(c);
	for (uint8_t family = 4; family <= 6; family += 2)
		if (settings_family(c->s, family))
			rules_note(c, family);
	if (c->h->decap.id == 0) {
		wrong(c,
		      "the decapsulation program is not attached to %s, so what Weir sends stays "
		      "packed; run \"%s\"",
		      c->link->name, c->s->mend);
		return;
	}
	lists_compare(c);
	gue_compare(c);
	for (unsigned i = 0; i < c->h->filter_count; i++)
		if (c->h->filter[i].priority < DECAP_PRIORITY)
			note(c,
			     "tc filter %s (priority %u) runs before the decapsulation program: "
			     "packets on which it decides do not get there",
			     c->h->filter[i].name, c->h->filter[i].priority);
	counts_note(c);
}

/* -- notes ----------------------------------------------------------------------- */

static void from_note(struct comparison *c)
{
	char text[WEIR_PREFIX_STRLEN];

	for (unsigned i = 0; i < c->s->from.count; i++) {
		if (c->s->mode == SETTINGS_L2)
			note(c, "\"from\" %s has no meaning in mode l2: nothing is unpacked",
			     prefix_text(&c->s->from.item[i], text));
		else if (c->s->from.item[i].len == 0)
			note(c, "\"from\" %s believes every host that can send to %s",
			     prefix_text(&c->s->from.item[i], text), c->s->interface);
	}
}

static bool listens(const struct prefix_list *l, const struct prefix *vip)
{
	static const struct weir_addr any4 = { .family = 4 }, any6 = { .family = 6 };

	if (prefix_has_addr(l, &any6) || (vip->addr.family == 4 && prefix_has_addr(l, &any4)))
		return true;
	for (unsigned i = 0; i < l->count; i++)
		if (weir_addr_in(&l->item[i].addr, &vip->addr, vip->len))
			return true;
	return false;
}

static void listening_note(struct comparison *c, const struct prefix *vip)
{
	char text[WEIR_PREFIX_STRLEN];

	if (!listens(&c->h->listening, vip))
		note(c, "no TCP or UDP socket listens on VIP %s", prefix_text(vip, text));
}

int findings_make(const struct settings *s, const struct host *h, struct findings *out)
{
	struct comparison c = { .s = s, .h = h, .out = out };

	c.link = host_link_named(h, s->interface);
	if (c.link == NULL) {
		wrong(&c,
		      "there is no interface %s, so nothing arrives from Weir; name the right "
		      "one in \"interface\" (\"ip link\" lists them), then run \"%s\"",
		      s->interface, s->mend);
		return c.err;
	}
	kernel_compare(&c);
	interface_compare(&c);
	ipv6_compare(&c);
	for (unsigned i = 0; i < s->vips.count; i++)
		if (s->vips.item[i].len == prefix_full(&s->vips.item[i].addr))
			vip_compare(&c, &s->vips.item[i].addr);
		else
			vip_prefix_compare(&c, &s->vips.item[i]);
	if (settings_family(s, 4)) {
		arp_compare(&c, false);
		arp_compare(&c, true);
		rp_filter_compare(&c);
	}
	proxy_compare(&c);
	decap_compare(&c);
	for (uint8_t family = 4; family <= 6; family += 2)
		if (settings_family(s, family))
			route_compare(&c, family);
	from_note(&c);
	for (unsigned i = 0; i < s->vips.count; i++)
		listening_note(&c, &s->vips.item[i]);
	return c.err;
}

void findings_free(struct findings *f)
{
	free(f->item);
	*f = (struct findings){ 0 };
}
