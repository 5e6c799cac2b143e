// SPDX-License-Identifier: Apache-2.0
#include "publish_build.h"

#include "small_model.h"
#include "view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>

enum { GENERATION = 7, OFFSET = 16 * WEIR_BLOCK, ARENA = 1024 * WEIR_BLOCK };

static struct model model;
static uint8_t *arena;
static struct view view;

static int setup(void **state)
{
	(void)state;
	model = (struct model){ 0 };
	arena = aligned_alloc(WEIR_BLOCK, ARENA);
	memset(arena, 0xee, ARENA); /* what a block was used for before */
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	small_free(&model);
	free(arena);
	return 0;
}

static struct backend *backend(unsigned pool, unsigned at)
{
	return model.pool[pool]->backend[at];
}

/* Everyone up, indices in order of configuration, tables that nobody reads. */
static void prepare(unsigned pools, unsigned backends)
{
	int32_t index = 0;

	small_configure(pools, backends);
	assert_int_equal(small_apply(&model), 0);
	small_all_up(&model);
	for (uint32_t i = 0; i < pools; i++) {
		model.pool[i]->index = i;
		model.pool[i]->table_off = (i + 1) * WEIR_BLOCK;
		for (uint32_t j = 0; j < backends; j++)
			backend(i, j)->index = index++;
	}
}

/* Write the snapshot and take it as a worker does. Its size, bytes. */
static uint32_t build(uint32_t backend_count)
{
	struct build b;
	uint32_t size;

	assert_int_equal(build_plan(&b, &model, backend_count), 0);
	size = b.head.size;
	assert_in_range(size, sizeof(struct weir_snapshot), ARENA - OFFSET);
	build_write(&b, arena + OFFSET, OFFSET, GENERATION);
	build_free(&b);
	assert_int_equal(view_take(&view, arena, ARENA, OFFSET, GENERATION, GENERATION - 1),
			 WEIR_REJECT_NONE);
	return size;
}

static const struct weir_backend_cold *cold(unsigned index)
{
	const struct weir_snapshot *s = (const struct weir_snapshot *)(arena + OFFSET);

	return (const struct weir_backend_cold *)(arena + s->cold_off) + index;
}

/* As classify.c looks. */
static const struct weir_lookup *find(uint8_t kind, uint8_t protocol, uint16_t port,
				      const uint8_t *addr)
{
	uint64_t k0, k1 = 0, k2 = 0;
	uint32_t v4_be = 0, home;

	if (kind == 4 || (kind >= 32 && kind < 64)) {
		memcpy(&v4_be, addr, 4);
	} else {
		memcpy(&k1, addr, 8);
		memcpy(&k2, addr + 8, 8);
	}
	k0 = weir_lookup_k0(kind, protocol, htons(port), v4_be);
	home = weir_lookup_home(k0, k1, k2, view.lookup_bits);
	for (unsigned i = 0; i < WEIR_LOOKUP_PROBES; i++) {
		const struct weir_lookup *e =
			&view.lookup[(home + i) & ((1u << view.lookup_bits) - 1)];

		if (e->k0 == k0 && e->k1 == k1 && e->k2 == k2)
			return e;
		if (e->k0 == 0)
			break;
	}
	return NULL;
}

/* -- tests ------------------------------------------------------------------ */

static void a_worker_takes_what_is_built(void **state)
{
	(void)state;
	prepare(3, 10);
	small_pool[1].hash = WEIR_HASH_SOURCE;
	small_pool[1].mode = WEIR_MODE_IPIP;
	small_pool[2].tcp_window_s = 77;
	small_pool[1].udp_window_s = 5;
	small_pool[1].handshake_grace_s = 40;
	small_service[2].quic = 1;
	small_apply(&model);
	build(30);
	assert_true(view.flow_seed == SMALL_SEED);
	assert_int_equal(view.backend_count, 30);
	assert_int_equal(view.pool_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct weir_snapshot *s = (const struct weir_snapshot *)(arena + OFFSET);
		const struct weir_pool *p = (const struct weir_pool *)(arena + s->pool_off) + i;

		assert_ptr_equal(view.pool[i].slot, arena + (i + 1) * WEIR_BLOCK);
		assert_int_equal(view.pool[i].table_len, SMALL_TABLE);
		assert_null(view.pool[i].moves);
		assert_int_equal(view.pool[i].mode, i == 1 ? WEIR_MODE_IPIP : WEIR_MODE_L2);
		assert_int_equal(view.pool[i].hash, i == 1 ? WEIR_HASH_SOURCE : WEIR_HASH_5TUPLE);
		assert_true(p->id == model.pool[i]->id);
		assert_true(view.pool[i].id == p->id);
		assert_int_equal(view.pool[i].grace_ms, i == 1 ? 40000 : 3000);
		assert_int_equal(p->tcp_window_ms, i == 2 ? 77000 : 300000);
		assert_int_equal(p->udp_window_ms, i == 0 ? 30000 : i == 1 ? 5000 : 300000);
	}
}

/* Of a TCP, a plain UDP and a QUIC service: both UDP services have the longer window. */
static void a_pool_of_several_services_has_a_window_a_protocol(void **state)
{
	const struct weir_snapshot *s = (const struct weir_snapshot *)(arena + OFFSET);

	(void)state;
	prepare(4, 2);
	for (unsigned i = 1; i < 4; i++)
		small_service[i].protocol = IPPROTO_UDP;
	small_service[2].quic = 1;
	for (unsigned i = 1; i < 3; i++)
		snprintf(small_service[i].pool, sizeof(small_service[i].pool), "p0");
	snprintf(small_service[3].pool, sizeof(small_service[3].pool), "p1");
	small_pool[0].tcp_window_s = 77;
	small_apply(&model);
	build(8);
	for (unsigned i = 0; i < 3; i++) {
		const struct weir_pool *p = (const struct weir_pool *)(arena + s->pool_off) + i;

		assert_int_equal(p->tcp_window_ms, i == 0 ? 77000 : 300000);
		assert_int_equal(p->udp_window_ms, i == 0 ? 300000 : 30000);
	}
}

static void an_empty_model_is_a_snapshot_too(void **state)
{
	(void)state;
	prepare(0, 0);
	build(0);
	assert_int_equal(view.pool_count, 0);
	assert_int_equal(view.vip_count, 0);
	assert_int_equal(view.backend_count, 0);
}

/* As many as there can be, on 100 addresses of each family. */
static void every_service_is_found(void **state)
{
	enum { MANY = WEIR_MAX_SERVICES };
	static struct service_conf many[MANY];

	(void)state;
	prepare(2, 1);
	for (unsigned i = 0; i < MANY; i++) {
		many[i] = (struct service_conf){
			.vip = { 4, { 198, 51, 100, (uint8_t)(i % 200) } },
			.protocol = i % 3 ? IPPROTO_TCP : IPPROTO_UDP,
			.port = i / 200,
			.quic = i % 3 == 0,
		};
		if (i % 2)
			many[i].vip = (struct weir_addr){
				6, { 0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(i % 200) }
			};
		snprintf(many[i].name, sizeof(many[i].name), "many%u", i);
		snprintf(many[i].pool, sizeof(many[i].pool), "p%u", i % 2);
	}
	small_conf.service = many;
	small_conf.service_count = MANY;
	assert_int_equal(small_apply(&model), 0);
	build(2);
	assert_int_equal(view.vip_count, 200);
	for (unsigned i = 0; i < MANY; i++) {
		const struct weir_lookup *e = find(many[i].vip.family, (uint8_t)many[i].protocol,
						   (uint16_t)many[i].port, many[i].vip.bytes);
		const struct weir_lookup *vip = find(many[i].vip.family, 0, 0, many[i].vip.bytes);

		assert_non_null(e);
		assert_int_equal(e->service, model.service[i]->index);
		assert_int_equal(e->pool, i % 2);
		assert_int_equal(e->flags, many[i].quic ? WEIR_SERVICE_QUIC : 0);
		assert_non_null(vip);
		assert_int_equal(vip->flags, WEIR_SERVICE_VIP_ONLY | WEIR_VIP_ECHO);
	}
	assert_null(find(4, IPPROTO_TCP, 9999, many[0].vip.bytes));
}

static void the_vips_are_listed_once_each(void **state)
{
	(void)state;
	prepare(3, 1);
	small_service[1].vip = (struct weir_addr){ 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 } };
	small_service[2].vip = small_service[0].vip;
	small_service[2].port = 443;
	small_apply(&model);
	build(3);
	assert_int_equal(view.vip_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct weir_vip *v = &view.vip[i];
		const struct weir_addr *want = &small_service[v->family == 4 ? 0 : 1].vip;

		assert_memory_equal(v->addr, want->bytes, sizeof(v->addr));
		assert_int_equal(v->prefix_len, v->family == 4 ? 32 : 128);
	}
	assert_int_not_equal(view.vip[0].family, view.vip[1].family);
}

static void prefixes_are_vips_and_their_lengths_stand_in_the_head(void **state)
{
	static const uint8_t net6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0xf };

	(void)state;
	prepare(3, 1);
	small_service[0].vip_bits = 4; /* 203.0.113.0/28 */
	small_service[1].vip.family = 6;
	memcpy(small_service[1].vip.bytes, net6, 16);
	small_service[1].vip_bits = 64;
	small_service[1].port = 0;
	small_apply(&model);
	build(3);
	assert_int_equal(view.vip_count, 3);
	assert_true(view.prefixes4 == 1ull << 28);
	assert_true(view.prefixes6[0] == 0 && view.prefixes6[1] == 1);
	assert_non_null(find(weir_lookup_kind(4, 28), IPPROTO_TCP, 80, small_service[0].vip.bytes));
	assert_null(find(4, IPPROTO_TCP, 80, small_service[0].vip.bytes));
	assert_non_null(find(weir_lookup_kind(6, 64), IPPROTO_TCP, 0, net6));
	assert_int_equal(find(weir_lookup_kind(6, 64), 0, 0, net6)->flags & WEIR_SERVICE_VIP_ONLY,
			 WEIR_SERVICE_VIP_ONLY);
	for (unsigned i = 0; i < 3; i++) {
		const struct weir_vip *v = &view.vip[i];

		assert_int_equal(v->prefix_len, v->family == 6 ? 64 : v->addr[3] == 0 ? 28 : 32);
	}
}

static void a_vips_section_is_in_its_row_and_in_the_list(void **state)
{
	struct vip_conf sections[2] = {
		{ .name = "203.0.113.0", .addr = { 4, { 203, 0, 113, 0 } }, .reject = 1 },
		{ .name = "203.0.113.0/28",
		  .addr = { 4, { 203, 0, 113, 0 } },
		  .bits = 4,
		  .echo = 1,
		  .arp = 1 },
	};
	static const uint8_t addr[4] = { 203, 0, 113, 0 }, other[4] = { 203, 0, 113, 2 };

	(void)state;
	prepare(3, 1);
	small_service[1].vip = small_service[0].vip;
	small_service[1].vip_bits = 4;
	small_conf.vip = sections;
	small_conf.vip_count = 2;
	assert_int_equal(small_apply(&model), 0);
	build(3);
	assert_int_equal(find(4, 0, 0, addr)->flags, WEIR_SERVICE_VIP_ONLY | WEIR_VIP_REJECT);
	assert_int_equal(find(weir_lookup_kind(4, 28), 0, 0, addr)->flags,
			 WEIR_SERVICE_VIP_ONLY | WEIR_VIP_ECHO | WEIR_VIP_ARP);
	assert_int_equal(find(4, 0, 0, other)->flags, WEIR_SERVICE_VIP_ONLY | WEIR_VIP_ECHO);
	assert_int_equal(find(4, IPPROTO_TCP, 80, addr)->flags, 0);
	for (unsigned i = 0; i < view.vip_count; i++) {
		const struct weir_vip *v = &view.vip[i];

		assert_int_equal(v->flags, v->prefix_len == 28 ? WEIR_VIP_ECHO | WEIR_VIP_ARP
					   : v->addr[3] == 0   ? WEIR_VIP_REJECT
							       : WEIR_VIP_ECHO);
	}
	small_conf.vip_count = 0; /* without its section it is as all others */
	assert_int_equal(small_apply(&model), 0);
	build(3);
	assert_int_equal(find(4, 0, 0, addr)->flags, WEIR_SERVICE_VIP_ONLY | WEIR_VIP_ECHO);
}

static void a_backend_line_is_the_next_hop(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 10, 0, 0, 3 };

	(void)state;
	prepare(1, 5);
	backend(0, 3)->hop.vlan = 0x123;
	build(5);
	assert_memory_equal(view.backend[3].dmac, mac, 6);
	assert_int_equal(ntohs(view.backend[3].vlan_be), 0x123);
	assert_int_equal(view.backend[3].port, 1);
	assert_int_equal(view.backend[3].encap, WEIR_ENCAP_L2);
	assert_int_equal(view.backend[3].mtu, 1500);
	assert_int_equal(view.backend[3].flags, WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED);
}

static void flags_follow_state_health_and_next_hop(void **state)
{
	(void)state;
	prepare(1, 1);
	for (unsigned i = 0; i < 3 * 3 * 2; i++) {
		unsigned admin = i % 3, health = i / 3 % 3, resolved = i / 9;
		bool forward = admin != ADMIN_DISABLED && health != HEALTH_DOWN;

		backend(0, 0)->conf.admin = admin;
		backend(0, 0)->conf.drain_deadline_ms = 1234;
		backend(0, 0)->health = health;
		backend(0, 0)->hop.resolved = resolved;
		build(1);
		assert_int_equal(view.backend[0].flags,
				 (forward ? WEIR_BACKEND_FORWARD : 0) |
					 (resolved ? WEIR_BACKEND_RESOLVED : 0));
		assert_int_equal(cold(0)->admin, admin);
		assert_int_equal(cold(0)->health, health);
		assert_int_equal(cold(0)->drain_deadline_ms, 1234);
	}
}

/* RFC 1071: the sum over a header that holds its own checksum is all ones. */
static uint16_t sum_of(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void an_ipip_header_is_ready_but_for_the_packet(void **state)
{
	/* Version 4, IHL 5; ToS, length and identification 0; DF; TTL 64; protocol 4. */
	static const uint8_t want[20] = { 0x45, 0, 0,  0,   0, 0, 0x40, 0, 64, 4,
					  0,	0, 10, 255, 0, 1, 10,	0, 0,  2 };
	uint8_t got[20];

	(void)state;
	prepare(1, 3);
	small_pool[0].mode = WEIR_MODE_IPIP;
	small_apply(&model);
	build(3);
	assert_int_equal(view.backend[2].encap, WEIR_ENCAP_IPIP4);
	assert_int_equal(sum_of(view.backend[2].outer), 0xffff);
	memcpy(got, view.backend[2].outer, sizeof(got));
	got[10] = got[11] = 0;
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(view.backend[2].flags, WEIR_BACKEND_FORWARD | WEIR_BACKEND_RESOLVED);
}

static void the_pools_outer_source_comes_first(void **state)
{
	static const uint8_t want[4] = { 192, 0, 2, 1 };

	(void)state;
	prepare(1, 1);
	small_pool[0].mode = WEIR_MODE_IPIP;
	small_pool[0].outer_source = (struct weir_addr){ 4, { 192, 0, 2, 1 } };
	small_apply(&model);
	build(1);
	assert_memory_equal(&view.backend[0].outer[12], want, 4);
	assert_int_equal(sum_of(view.backend[0].outer), 0xffff);
}

static void an_outer_source_may_be_a_prefix(void **state)
{
	static const uint8_t want[4] = { 192, 0, 2, 0 };

	(void)state;
	prepare(2, 1);
	for (unsigned i = 0; i < 2; i++) {
		small_pool[i].mode = i == 0 ? WEIR_MODE_IPIP : WEIR_MODE_L2;
		small_pool[i].outer_source = (struct weir_addr){ 4, { 192, 0, 2, 0 } };
		small_pool[i].source_bits = 8;
	}
	small_apply(&model);
	build(2);
	assert_memory_equal(&view.backend[0].outer[12], want, 4);
	assert_int_equal(sum_of(view.backend[0].outer), 0xffff);
	assert_int_equal(view.backend[0].source_bits, 8);
	assert_int_equal(view.backend[1].source_bits, 0); /* l2 has no outer header */
}

static void what_is_too_big_is_the_pools_to_decide(void **state)
{
	(void)state;
	prepare(2, 1);
	small_pool[1].fragment = 1;
	small_apply(&model);
	build(2);
	assert_int_equal(view.pool[0].flags, 0);
	assert_int_equal(view.pool[1].flags, WEIR_POOL_FRAGMENT);
}

static void without_an_outer_source_there_is_no_next_hop(void **state)
{
	(void)state;
	prepare(1, 1);
	small_pool[0].mode = WEIR_MODE_IPIP;
	small_apply(&model);
	backend(0, 0)->hop.source = (struct weir_addr){ 0 };
	build(1);
	assert_int_equal(view.backend[0].flags, WEIR_BACKEND_FORWARD);
}

static void an_ipv6_outer_header_is_ready_but_for_the_packet(void **state)
{
	static const struct weir_addr source = { 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
	static const struct weir_addr target = { 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 } };
	static const uint8_t start[8] = { 0x60, 0, 0, 0, 0, 0, 0, 64 };

	(void)state;
	prepare(1, 1);
	small_pool[0].mode = WEIR_MODE_IPIP;
	small_backend[0][0].addr = target;
	small_apply(&model);
	small_up(backend(0, 0));
	backend(0, 0)->hop.source = source;
	build(1);
	assert_int_equal(view.backend[0].encap, WEIR_ENCAP_IPIP6);
	assert_memory_equal(view.backend[0].outer, start, 8);
	assert_memory_equal(view.backend[0].outer + 8, source.bytes, 16);
	assert_memory_equal(view.backend[0].outer + 24, target.bytes, 16);
}

static void a_gue_header_is_udp_to_the_pools_port(void **state)
{
	static const struct weir_addr target = { 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 } };

	(void)state;
	prepare(1, 2);
	small_pool[0].mode = WEIR_MODE_GUE;
	small_pool[0].gue_port = 6081;
	small_backend[0][1].addr = target;
	small_apply(&model);
	small_up(backend(0, 1));
	backend(0, 1)->hop.source = target;
	build(2);
	assert_int_equal(view.backend[0].encap, WEIR_ENCAP_GUE4);
	assert_int_equal(view.backend[0].outer[9], IPPROTO_UDP);
	assert_int_equal(sum_of(view.backend[0].outer), 0xffff);
	assert_int_equal(ntohs(view.backend[0].gue_port_be), 6081);
	assert_int_equal(view.backend[1].encap, WEIR_ENCAP_GUE6);
	assert_int_equal(view.backend[1].outer[6], IPPROTO_UDP);
	assert_memory_equal(view.backend[1].outer + 24, target.bytes, 16);
	assert_int_equal(ntohs(view.backend[1].gue_port_be), 6081);
}

static void the_smaller_mtu_counts(void **state)
{
	(void)state;
	prepare(1, 2);
	backend(0, 0)->hop.mtu = 1400;
	backend(0, 1)->hop.mtu = 9000;
	build(2);
	assert_int_equal(view.backend[0].mtu, 1400);
	assert_int_equal(view.backend[1].mtu, 1500);
}

static void an_index_without_backend_is_all_zero(void **state)
{
	static const struct weir_backend none;

	(void)state;
	prepare(1, 3);
	backend(0, 0)->index = 5;
	backend(0, 1)->index = -1; /* all numbers rest: it is left out */
	build(6);
	for (unsigned i = 0; i < 6; i++) {
		bool used = i == 5 || i == 2;

		assert_int_equal(cold(i)->id != 0, used);
		assert_int_equal(memcmp(&view.backend[i], &none, sizeof(none)) == 0, !used);
	}
	assert_true(cold(5)->id == backend(0, 0)->id);
	assert_int_equal(cold(5)->pool, 0);
}

static void nothing_depends_on_what_the_blocks_held(void **state)
{
	uint32_t size;
	uint8_t *first;

	(void)state;
	prepare(4, 50);
	size = build(200);
	first = malloc(size);
	memcpy(first, arena + OFFSET, size);
	memset(arena + OFFSET, 0x11, size);
	assert_int_equal(build(200), size);
	assert_memory_equal(first, arena + OFFSET, size);
	assert_int_equal(arena[OFFSET + size], 0xee); /* not a byte behind it */
	free(first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_worker_takes_what_is_built),
		TEST(a_pool_of_several_services_has_a_window_a_protocol),
		TEST(an_empty_model_is_a_snapshot_too),
		TEST(every_service_is_found),
		TEST(the_vips_are_listed_once_each),
		TEST(prefixes_are_vips_and_their_lengths_stand_in_the_head),
		TEST(an_outer_source_may_be_a_prefix),
		TEST(what_is_too_big_is_the_pools_to_decide),
		TEST(a_vips_section_is_in_its_row_and_in_the_list),
		TEST(a_backend_line_is_the_next_hop),
		TEST(flags_follow_state_health_and_next_hop),
		TEST(an_ipip_header_is_ready_but_for_the_packet),
		TEST(the_pools_outer_source_comes_first),
		TEST(without_an_outer_source_there_is_no_next_hop),
		TEST(an_ipv6_outer_header_is_ready_but_for_the_packet),
		TEST(a_gue_header_is_udp_to_the_pools_port),
		TEST(the_smaller_mtu_counts),
		TEST(an_index_without_backend_is_all_zero),
		TEST(nothing_depends_on_what_the_blocks_held),
	};

	return cmocka_run_group_tests_name("publish_build", tests, NULL, NULL);
}
