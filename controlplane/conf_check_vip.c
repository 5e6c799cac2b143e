// SPDX-License-Identifier: Apache-2.0
/*
 * VIPs: addresses and prefixes, and which of them lies in which.
 */
#include "conf_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Wider ones would hold addresses of every kind, multicast and loopback too. */
enum { WIDEST_IPV4 = 8, WIDEST_IPV6 = 16 };

#define IPV6_MIN_MTU 1280u

static int line_of(const struct service_conf *s, const char *key)
{
	return conf_check_line(&s->keys, "service", key, s->line);
}

static const struct vip_key *key_of(const struct service_conf *s)
{
	return (const struct vip_key *)&s->vip;
}

int conf_check_vips_init(struct conf_check *r)
{
	const struct conf *c = r->conf;

	if (key_map_init(&r->vips, c->service_count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->service_count; i++) {
		const struct service_conf *s = &c->service[i];

		if (s->vip.family == 0)
			continue;
		key_map_add(&r->vips, key_of(s), sizeof(struct vip_key), i);
		r->vip_bits[s->vip.family == 6][s->vip_bits] = true;
	}
	return 0;
}

uint32_t conf_check_vip_of(const struct conf_check *r, const struct weir_addr *a, unsigned bits)
{
	uint32_t at = KEY_MAP_NONE;

	for (; bits <= weir_addr_bits(a) && at == KEY_MAP_NONE; bits++) {
		struct vip_key key = { *a, (uint8_t)bits };

		if (!r->vip_bits[a->family == 6][bits])
			continue;
		weir_addr_clear(&key.addr, key.bits);
		at = key_map_find(&r->vips, &key, sizeof(key));
	}
	return at;
}

void conf_check_vip(struct conf_check *r, const struct service_conf *s)
{
	int widest = s->vip.family == 4 ? WIDEST_IPV4 : WIDEST_IPV6;
	const char *why = conf_check_unicast(&s->vip);
	char text[WEIR_PREFIX_STRLEN];

	weir_prefix_text(&s->vip, s->vip_bits, text);
	if (why == NULL && conf_check_loopback(&s->vip))
		why = "a loopback address";
	if (why != NULL)
		fault(r, line_of(s, "vip"), "[service %s] vip: %s is %s", s->name, text, why);
	else if (weir_addr_bits(&s->vip) - s->vip_bits < widest)
		fault(r, line_of(s, "vip"), "[service %s] vip: %s is too wide: /%d is the widest",
		      s->name, text, widest);
}

void conf_check_room(struct conf_check *r, const struct service_conf *s, const struct pool_conf *p)
{
	static const uint32_t outer[] = { 0, 40, 52 }; /* by enum weir_mode, over IPv6 */

	/* RFC 8200, section 5: every IPv6 link carries as much; clients rely on it. */
	if (s->vip.family == 6 && p->mtu < IPV6_MIN_MTU + outer[p->mode])
		unwise(r, conf_check_line(&p->keys, "pool", "mtu", p->line),
		       "[pool %s] mtu: %u bytes leave less than the %u that IPv6 clients of "
		       "[service %s] may always send: %u or more are right",
		       p->name, p->mtu, IPV6_MIN_MTU, s->name, IPV6_MIN_MTU + outer[p->mode]);
}

/* -- one VIP inside another ------------------------------------------------- */

/* Services by VIP: the first of each VIP leads to the next, and so on. */
static uint32_t *next_of_same_vip(const struct conf_check *r)
{
	uint32_t *next = malloc((r->conf->service_count + 1) * sizeof(*next));

	for (uint32_t i = 0; next != NULL && i < r->conf->service_count; i++)
		next[i] = KEY_MAP_NONE;
	for (uint32_t i = r->conf->service_count; next != NULL && i-- > 0;) {
		const struct service_conf *s = &r->conf->service[i];
		uint32_t first = key_map_find(&r->vips, key_of(s), sizeof(struct vip_key));

		if (first == KEY_MAP_NONE || first == i)
			continue;
		next[i] = next[first];
		next[first] = i;
	}
	return next;
}

static bool has_service(const uint32_t *next, const struct conf *c, uint32_t first,
			const struct service_conf *like)
{
	for (; first != KEY_MAP_NONE; first = next[first])
		if (c->service[first].protocol == like->protocol &&
		    (c->service[first].port == 0 || c->service[first].port == like->port))
			return true;
	return false;
}

static void check_inside(struct conf_check *r, const uint32_t *next, uint32_t inner, uint32_t outer)
{
	const struct conf *c = r->conf;
	const struct service_conf *s = &c->service[inner];
	char narrow[WEIR_PREFIX_STRLEN], wide[WEIR_PREFIX_STRLEN];

	weir_prefix_text(&s->vip, s->vip_bits, narrow);
	for (uint32_t i = outer; i != KEY_MAP_NONE; i = next[i]) {
		const struct service_conf *o = &c->service[i];

		if (has_service(next, c, inner, o))
			continue;
		weir_prefix_text(&o->vip, o->vip_bits, wide);
		unwise(r, line_of(s, "vip"),
		       "[service %s] vip: %s lies in %s of [service %s], and the longer one alone "
		       "decides: packets to its %s port %u are strays",
		       s->name, narrow, wide, o->name, o->protocol == IPPROTO_TCP ? "tcp" : "udp",
		       o->port);
		return;
	}
}

int conf_check_vips_nested(struct conf_check *r)
{
	const struct conf *c = r->conf;
	uint32_t *next = next_of_same_vip(r);

	if (next == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->service_count; i++) {
		const struct service_conf *s = &c->service[i];
		uint32_t outer;

		if (s->vip.family == 0 ||
		    key_map_find(&r->vips, key_of(s), sizeof(struct vip_key)) != i)
			continue;
		outer = conf_check_vip_of(r, &s->vip, s->vip_bits + 1u);
		if (outer != KEY_MAP_NONE)
			check_inside(r, next, i, outer);
	}
	free(next);
	return 0;
}

/* -- [vip ...] -------------------------------------------------------------- */

static void vip_unknown(struct conf_check *r, const struct vip_conf *v)
{
	uint32_t around = conf_check_vip_of(r, &v->addr, v->bits);
	const struct service_conf *s;
	char text[WEIR_PREFIX_STRLEN];

	if (around == KEY_MAP_NONE) {
		fault(r, v->line, "[vip %s]: no service has this VIP", v->name);
		return;
	}
	s = &r->conf->service[around];
	fault(r, v->line, "[vip %s]: no service has this VIP; [service %s] has %s", v->name,
	      s->name, weir_prefix_text(&s->vip, s->vip_bits, text));
}

int conf_check_vip_sections(struct conf_check *r)
{
	const struct conf *c = r->conf;
	struct key_map seen;

	if (key_map_init(&seen, c->vip_count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->vip_count; i++) {
		const struct vip_conf *v = &c->vip[i];
		struct vip_key key = { v->addr, v->bits };
		uint32_t same = key_map_add(&seen, v->name, strlen(v->name), i);

		if (v->addr.family == 0)
			continue; /* said already */
		if (same != KEY_MAP_NONE)
			fault(r, v->line, "[vip %s]: begun already in line %d", v->name,
			      c->vip[same].line);
		else if (key_map_find(&r->vips, &key, sizeof(key)) == KEY_MAP_NONE)
			vip_unknown(r, v);
	}
	key_map_free(&seen);
	return 0;
}
