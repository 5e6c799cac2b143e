// SPDX-License-Identifier: Apache-2.0
#include "forge.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define VIP "203.0.113.10"

/* Where the arrays stand, in bytes behind the head; 64-byte aligned. */
enum {
	AT_LOOKUP = 128,
	AT_POOL = AT_LOOKUP + 16 * sizeof(struct weir_lookup),
	AT_BACKEND = AT_POOL + sizeof(struct weir_pool),
	AT_COLD = AT_BACKEND + (FORGE_BACKEND + 1) * sizeof(struct weir_backend),
	AT_VIP = AT_COLD + (FORGE_BACKEND + 1) * sizeof(struct weir_backend_cold),
	SIZE = AT_VIP + 64,
	AT_TABLE = 3 * WEIR_BLOCK,
};

static void add_lookup(struct weir_lookup *table, uint8_t protocol, uint16_t port, uint32_t flags)
{
	uint64_t k0 = weir_lookup_k0(4, protocol, htons(port), inet_addr(VIP));
	uint32_t i = weir_lookup_home(k0, 0, 0, 4);

	while (table[i].k0 != 0)
		i = (i + 1) % 16;
	table[i] = (struct weir_lookup){ .k0 = k0, .flags = flags };
}

void forge_snapshot(uint8_t *arena, uint32_t offset, uint64_t generation)
{
	uint8_t *at = arena + offset;
	struct weir_snapshot *s = (struct weir_snapshot *)at;
	struct weir_pool *pool = (struct weir_pool *)(at + AT_POOL);
	struct weir_backend *b = (struct weir_backend *)(at + AT_BACKEND) + FORGE_BACKEND;
	struct weir_vip *vip = (struct weir_vip *)(at + AT_VIP);
	weir_slot *slot = (weir_slot *)(at + AT_TABLE);

	memset(at, 0, FORGE_SIZE);
	*s = (struct weir_snapshot){
		.magic = WEIR_SNAPSHOT_MAGIC,
		.generation = generation,
		.flow_seed = 0x5eed,
		.size = SIZE,
		.lookup_off = offset + AT_LOOKUP,
		.lookup_bits = 4,
		.pool_off = offset + AT_POOL,
		.pool_count = 1,
		.backend_off = offset + AT_BACKEND,
		.backend_count = FORGE_BACKEND + 1,
		.cold_off = offset + AT_COLD,
		.vip_off = offset + AT_VIP,
		.vip_count = 1,
		.service_count = 1,
	};
	add_lookup((struct weir_lookup *)(at + AT_LOOKUP), IPPROTO_TCP, 80, 0);
	add_lookup((struct weir_lookup *)(at + AT_LOOKUP), 0, 0, WEIR_SERVICE_VIP_ONLY);
	*pool = (struct weir_pool){
		.id = 1,
		.table_off = offset + AT_TABLE,
		.table_len = FORGE_TABLE_LEN,
		.mode = WEIR_MODE_L2,
		.mtu = 1500,
	};
	*b = (struct weir_backend){
		.dmac = { 2, 0, 0, 0, 0, 9 },
		.port = 1,
		.flags = WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED,
		.encap = WEIR_ENCAP_L2,
		.mtu = 1500,
	};
	*vip = (struct weir_vip){ .family = 4, .prefix_len = 32 };
	memcpy(vip->addr, &(in_addr_t){ inet_addr(VIP) }, 4);
	for (unsigned i = 0; i < FORGE_TABLE_LEN; i++)
		slot[i] = weir_slot_make(WEIR_SLOT_SETTLED, FORGE_BACKEND);
}
