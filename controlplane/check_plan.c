// SPDX-License-Identifier: Apache-2.0
#include "check_plan.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- lists and numbers --------------------------------------------------------------- */

bool check_name_next(const char **text, char *name)
{
	const char *at = *text + strspn(*text, ", \t");
	size_t len = strcspn(at, ", \t");

	if (len == 0)
		return false;
	*text = at + len;
	snprintf(name, WEIR_NAME_LEN, "%.*s", (int)len, at);
	return true;
}

int min_healthy_parse(const char *text, struct guard_conf *out, char *why, size_t why_len)
{
	char *end;
	unsigned long n = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : ULONG_MAX;

	out->min_count = out->min_percent = 0;
	if (n <= WEIR_MAX_BACKENDS && *end == '\0') {
		out->min_count = (uint32_t)n;
		return 0;
	}
	if (n <= 100 && strcmp(end, "%") == 0) {
		out->min_percent = (uint32_t)n;
		return 0;
	}
	snprintf(why, why_len,
		 "\"%s\" is not right: a number of backends, or a share of them such as 50%%",
		 text);
	return -EINVAL;
}

/* -- where a check goes --------------------------------------------------------------- */

/* The protocol of the services that the check speaks for; 0: any. */
static uint32_t protocol_of(uint32_t kind)
{
	switch (kind) {
	case CHECK_KIND_TCP:
	case CHECK_KIND_HTTP:
	case CHECK_KIND_HTTPS:
	case CHECK_KIND_TLS:
		return IPPROTO_TCP;
	case CHECK_KIND_UDP:
	case CHECK_KIND_DNS:
	case CHECK_KIND_STUN:
	case CHECK_KIND_QUIC:
		return IPPROTO_UDP;
	default:
		return 0;
	}
}

/* How well a service suits: 0 not at all. Protocol and port are what clients use. */
static unsigned suits(const struct service_conf *s, const struct check_conf *c, bool needs_port)
{
	uint32_t protocol = protocol_of(c->kind);
	bool same = protocol == 0 || protocol == s->protocol;

	if (c->vip.family != 0 && !conf_service_holds(s, &c->vip))
		return 0;
	if (!needs_port)
		return 3;
	if (c->port != 0)
		return same && s->port == c->port ? 3 : same && s->port == 0 ? 2 : 1;
	return same && s->port != 0 ? 3 : 0;
}

/* The first of the best; *any: some service of the pool, or NULL. */
static const struct service_conf *service_for(const struct conf *c, const struct pool_conf *p,
					      const struct check_conf *k, bool needs_port,
					      const struct service_conf **any)
{
	const struct service_conf *best = NULL;
	unsigned most = 0;

	*any = NULL;
	for (uint32_t i = 0; i < c->service_count; i++) {
		const struct service_conf *s = &c->service[i];
		unsigned n;

		if (strcmp(s->pool, p->name) != 0)
			continue;
		if (*any == NULL)
			*any = s;
		n = suits(s, k, needs_port);
		if (n > most) {
			most = n;
			best = s;
		}
	}
	return best;
}

/* Of a prefix the first host: the prefix's own address is no host's, but where it holds
 * two (RFC 3021, RFC 6164). */
static struct weir_addr address_of(const struct service_conf *s)
{
	struct weir_addr a = s->vip;

	if (s->vip_bits > 1)
		a.bytes[weir_addr_bits(&a) / 8 - 1] |= 1;
	return a;
}

static void aim(const struct conf *c, const struct pool_conf *p, const struct check_conf *k,
		struct check_plan *out)
{
	bool needs_port = k->kind != CHECK_KIND_ECHO && k->kind != CHECK_KIND_EXEC;
	const struct service_conf *any, *s = service_for(c, p, k, needs_port, &any);
	uint32_t protocol = protocol_of(k->kind);
	const char *key = p->checks[0] != '\0' ? "port" : "check_port";

	out->port = (uint16_t)(k->port != 0 ? k->port : s != NULL ? s->port : 0);
	if (out->dsr) {
		out->vip = k->vip.family != 0 ? k->vip
			   : s != NULL	      ? address_of(s)
					      : (struct weir_addr){ 0 };
		if (any == NULL && k->vip.family == 0)
			snprintf(out->why, sizeof(out->why),
				 "no service uses the pool, so there is no VIP to check");
	}
	if (out->why[0] != '\0' || !needs_port || out->port != 0)
		return;
	if (any == NULL)
		snprintf(out->why, sizeof(out->why),
			 "no service uses the pool, and %s is not set: no port to check", key);
	else
		snprintf(out->why, sizeof(out->why),
			 "no %s service of the pool has a port of its own, and %s is not set: no "
			 "port to check",
			 protocol == IPPROTO_UDP ? "udp" : "tcp", key);
}

static bool plan_one(const struct conf *c, const struct pool_conf *p, const struct check_conf *k,
		     struct check_plan *out)
{
	static const enum probe_proxy proxy[] = { PROBE_PROXY_NONE, PROBE_PROXY_V1,
						  PROBE_PROXY_V2 };
	char why[200];

	*out = (struct check_plan){ .dsr = k->via == CHECK_VIA_DSR,
				    .proxy = proxy[k->proxy % 3],
				    .ttl = (uint8_t)k->ttl };
	if (check_build(k, &out->probe, &out->judge, why, sizeof(why)) < 0)
		return false;
	snprintf(out->name, sizeof(out->name), "%s", k->name);
	snprintf(out->kind, sizeof(out->kind), "%s", check_kind_word(k->kind));
	aim(c, p, k, out);
	return true;
}

unsigned check_plans(const struct conf *c, const struct pool_conf *p, struct check_plan *out)
{
	const char *names = p->checks;
	struct check_conf own;
	char name[WEIR_NAME_LEN];
	unsigned n = 0;

	if (names[0] == '\0') {
		if (p->check.kind == CHECK_KIND_NONE)
			return 0;
		check_of_pool(p, &own);
		return plan_one(c, p, &own, &out[0]);
	}
	while (n < POOL_CHECKS_MAX && check_name_next(&names, name)) {
		const struct check_conf *k = conf_check_find(c, name);

		if (k != NULL && plan_one(c, p, k, &out[n]))
			n++;
	}
	return n;
}
