// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration made by hand and the model of it: pools "p0", "p1", ... of backends
 * "b0", "b1", ... and a service for each pool. A test edits `small_conf` and applies it.
 */
#ifndef WEIR_TEST_SMALL_MODEL_H
#define WEIR_TEST_SMALL_MODEL_H

#include "model.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { SMALL_POOLS = 4, SMALL_BACKENDS = 1000, SMALL_TABLE = 251, SMALL_SEED = 0x5eed };

static struct backend_conf small_backend[SMALL_POOLS][SMALL_BACKENDS];
static struct pool_conf small_pool[SMALL_POOLS];
static struct service_conf small_service[SMALL_POOLS];
static struct conf small_conf;

/* Backend "bN" as number `at` of a pool: position and name are two things. */
static inline void small_name(unsigned pool, unsigned at, unsigned n)
{
	struct backend_conf *b = &small_backend[pool][at];

	*b = (struct backend_conf){ .weight = 10, .base_weight = 10 };
	snprintf(b->name, sizeof(b->name), "b%u", n);
	b->addr = (struct weir_addr){ 4, { 10, (uint8_t)pool, (uint8_t)(n >> 8), (uint8_t)n } };
}

static inline void small_configure(unsigned pools, unsigned backends)
{
	for (unsigned p = 0; p < pools; p++) {
		small_pool[p] = (struct pool_conf){ .table_size = SMALL_TABLE,
						    .mtu = 1500,
						    .handshake_grace_s = 3,
						    .tcp_window_s = 300,
						    .backend = small_backend[p],
						    .backend_count = backends };
		snprintf(small_pool[p].name, sizeof(small_pool[p].name), "p%u", p);
		for (unsigned i = 0; i < backends; i++)
			small_name(p, i, i);
		small_service[p] = (struct service_conf){ .vip = { 4, { 203, 0, 113, (uint8_t)p } },
							  .protocol = IPPROTO_TCP,
							  .port = 80 };
		snprintf(small_service[p].name, sizeof(small_service[p].name), "s%u", p);
		snprintf(small_service[p].pool, sizeof(small_service[p].pool), "p%u", p);
	}
	small_conf = (struct conf){ .pool = small_pool,
				    .pool_count = pools,
				    .service = small_service,
				    .service_count = pools };
}

/* Returns what model_apply() returns. */
static inline int small_apply(struct model *m)
{
	const struct model_hooks none = { 0 };

	m->flow_seed = SMALL_SEED;
	return model_apply(m, &small_conf, &none);
}

static inline void small_free(struct model *m)
{
	const struct model_hooks none = { 0 };

	model_free(m, &none);
}

/* Its check passed, its next hop is known: a MAC made of its address. */
static inline void small_up(struct backend *b)
{
	const uint8_t *a = b->conf.addr.bytes;

	b->health = HEALTH_UP;
	b->hop = (struct next_hop){ .resolved = true,
				    .port = 1,
				    .mac = { 2, 0, a[0], a[1], a[2], a[3] },
				    .mtu = 1500,
				    .source = { 4, { 10, 255, 0, 1 } } };
}

static inline void small_all_up(struct model *m)
{
	for (uint32_t i = 0; i < m->pool_count; i++)
		for (uint32_t j = 0; j < m->pool[i]->backend_count; j++)
			small_up(m->pool[i]->backend[j]);
}

#endif /* WEIR_TEST_SMALL_MODEL_H */
