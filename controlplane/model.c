// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <string.h>

struct pool *model_pool(const struct model *m, const char *name)
{
	for (uint32_t i = 0; i < m->pool_count; i++)
		if (strcmp(m->pool[i]->conf.name, name) == 0)
			return m->pool[i];
	return NULL;
}

struct backend *model_backend(const struct pool *p, const char *name)
{
	for (uint32_t i = 0; i < p->backend_count; i++)
		if (strcmp(p->backend[i]->conf.name, name) == 0)
			return p->backend[i];
	return NULL;
}

struct service *model_service(const struct model *m, const char *name)
{
	for (uint32_t i = 0; i < m->service_count; i++)
		if (strcmp(m->service[i]->conf.name, name) == 0)
			return m->service[i];
	return NULL;
}

/* What its agent leaves of it, rounded up, so that only 0 % takes all of it. */
static uint32_t share(const struct backend *b, uint32_t weight)
{
	uint32_t percent = b->agent_cut < 100 ? 100 - b->agent_cut : 0;

	return (weight * percent + 99) / 100;
}

uint32_t backend_weight(const struct backend *b)
{
	return share(b, b->conf.weight);
}

uint32_t backend_table_weight(const struct backend *b)
{
	uint32_t weight = share(b, b->conf.base_weight);

	/* At 0 % the table stays as it is for the full weight, as with weight 0. */
	return weight > 0 ? weight : b->conf.base_weight;
}

uint32_t backend_admin(const struct backend *b)
{
	uint32_t agent = b->agent_admin <= ADMIN_DISABLED ? b->agent_admin : ADMIN_ENABLED;

	return agent > b->conf.admin ? agent : b->conf.admin;
}

bool backend_serves(const struct backend *b)
{
	bool wanted = (b->health == HEALTH_UP && !b->standby) || b->kept;

	return backend_admin(b) == ADMIN_ENABLED && backend_weight(b) > 0 && wanted &&
	       b->hop.resolved;
}

bool backend_forwards(const struct backend *b)
{
	return backend_admin(b) != ADMIN_DISABLED && (b->health != HEALTH_DOWN || b->kept);
}

enum weir_encap backend_encap(const struct backend *b)
{
	bool v4 = b->conf.addr.family == 4;

	switch (b->pool->conf.mode) {
	case WEIR_MODE_IPIP:
		return v4 ? WEIR_ENCAP_IPIP4 : WEIR_ENCAP_IPIP6;
	case WEIR_MODE_GUE:
		return v4 ? WEIR_ENCAP_GUE4 : WEIR_ENCAP_GUE6;
	default:
		return WEIR_ENCAP_L2;
	}
}

uint32_t pool_tcp_window_ms(const struct pool *p)
{
	return p->conf.tcp_window_s * 1000;
}

uint32_t pool_grace_ms(const struct pool *p)
{
	return p->conf.handshake_grace_s * 1000;
}

uint32_t pool_udp_window_ms(const struct model *m, const struct pool *p)
{
	if (p->conf.udp_window_s != 0)
		return p->conf.udp_window_s * 1000;
	for (uint32_t i = 0; i < m->service_count; i++)
		if (m->service[i]->pool == p && m->service[i]->conf.quic)
			return POOL_QUIC_WINDOW_S * 1000;
	return POOL_UDP_WINDOW_S * 1000;
}

const char *admin_text(unsigned admin)
{
	static const char *const text[] = { "enabled", "draining", "disabled" };

	return admin <= ADMIN_DISABLED ? text[admin] : "unknown";
}

const char *health_text(enum health h)
{
	static const char *const text[] = { "pending", "up", "down" };

	return (unsigned)h <= HEALTH_DOWN ? text[h] : "unknown";
}
