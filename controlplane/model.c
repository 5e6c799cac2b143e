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

bool backend_serves(const struct backend *b)
{
	return b->conf.admin == ADMIN_ENABLED && b->conf.weight > 0 && b->health == HEALTH_UP &&
	       b->hop.resolved;
}

bool backend_forwards(const struct backend *b)
{
	return b->conf.admin != ADMIN_DISABLED && b->health != HEALTH_DOWN;
}

uint32_t pool_tcp_window_ms(const struct pool *p)
{
	return p->conf.tcp_window_s * 1000;
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
