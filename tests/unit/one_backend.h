// SPDX-License-Identifier: Apache-2.0
/*
 * One backend that takes packets, by one port of MTU 1500, in a view of nothing else.
 */
#ifndef WEIR_TEST_ONE_BACKEND_H
#define WEIR_TEST_ONE_BACKEND_H

#include "frame.h"
#include "pipeline.h"
#include "view.h"

enum { PORT = 2 };

static const uint8_t dmac[6] = { 2, 0, 0, 0, 0, 0x0b };
static struct egress ports[WEIR_MAX_PORTS];
static struct weir_backend backend;
static struct view view;

/* By l2, without an outer header. */
static inline void one_backend(void)
{
	memset(ports, 0, sizeof(ports));
	ports[PORT] = (struct egress){ .mac = { 2, 0, 0, 0, 0, 0xaa }, .mtu = 1500 };
	backend = (struct weir_backend){
		.port = PORT,
		.flags = WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED,
		.encap = WEIR_ENCAP_L2,
		.mtu = 1500,
	};
	memcpy(backend.dmac, dmac, sizeof(dmac));
	view = (struct view){ .backend = &backend, .backend_count = 1 };
}

#endif /* WEIR_TEST_ONE_BACKEND_H */
