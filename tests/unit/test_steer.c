// SPDX-License-Identifier: Apache-2.0
/*
 * The maps of a steering program follow the snapshot, also when one has no room for a
 * while. Needs root; the maps belong to no program.
 */
#include "steer.h"

#include "bpf/steer_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

enum { ROOM = 2 }; /* VIPs of the smaller map */

static struct steer s;
static struct worker w;
static struct weir_worker_area area;
static struct weir_vip vips[ROOM + 1];
static struct view in_force;
static struct steer_key4 key[ROOM + 1];

enum weir_reject table_view_copy(const struct worker *from, struct view *v)
{
	(void)from;
	*v = in_force;
	return WEIR_REJECT_NONE;
}

static int map_make(uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	return bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "vips4", sizeof(struct steer_key4),
			      sizeof(struct steer_value), entries, &opts);
}

static int setup(void **state)
{
	(void)state;
	s = (struct steer){ .port = { { .vips4 = map_make(16) }, { .vips4 = map_make(ROOM) } },
			    .port_count = 2 };
	w.area = &area;
	for (unsigned i = 0; i <= ROOM; i++) {
		vips[i] = (struct weir_vip){ .family = 4,
					     .prefix_len = 32,
					     .addr = { 203, 0, 113, (uint8_t)(10 + i) } };
		key[i] = (struct steer_key4){ .prefix_len = 32 };
		memcpy(key[i].addr, vips[i].addr, sizeof(key[i].addr));
	}
	in_force = (struct view){ .vip = vips, .generation = 0 };
	return s.port[0].vips4 < 0 || s.port[1].vips4 < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(s.port[0].vips4);
	close(s.port[1].vips4);
	return 0;
}

static void take(uint32_t count)
{
	in_force.vip_count = count;
	in_force.generation++;
	atomic_store(&area.seen_generation, in_force.generation);
	steer_follow(&s, &w);
}

static void assert_steered(unsigned i, bool steered)
{
	struct steer_value value;

	for (unsigned port = 0; port < s.port_count; port++)
		assert_int_equal(bpf_map_lookup_elem(s.port[port].vips4, &key[i], &value) == 0,
				 steered);
}

static void maps_follow_what_is_in_force(void **state)
{
	(void)state;
	take(2);
	assert_steered(0, true);
	assert_steered(1, true);
	take(1);
	assert_steered(0, true);
	assert_steered(1, false);
}

static void what_one_map_does_not_take_is_steered_by_none(void **state)
{
	(void)state;
	take(ROOM + 1);
	assert_steered(0, true);
	assert_steered(ROOM, false);
}

static void what_was_not_taken_is_tried_again(void **state)
{
	struct steer_value value = { 0 };

	(void)state;
	assert_int_equal(bpf_map_update_elem(s.port[1].vips4,
					     &(struct steer_key4){ .prefix_len = 8 }, &value,
					     BPF_ANY),
			 0);
	take(ROOM);
	assert_steered(ROOM - 1, false);
	bpf_map_delete_elem(s.port[1].vips4, &(struct steer_key4){ .prefix_len = 8 });
	steer_follow(&s, &w);
	assert_steered(ROOM - 1, true);
	assert_false(s.failing);
}

static void what_was_not_taken_and_went_leaves_nothing(void **state)
{
	(void)state;
	take(ROOM + 1);
	take(ROOM);
	assert_steered(0, true);
	assert_steered(ROOM, false);
	assert_false(s.failing);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(maps_follow_what_is_in_force),
		TEST(what_one_map_does_not_take_is_steered_by_none),
		TEST(what_was_not_taken_is_tried_again),
		TEST(what_was_not_taken_and_went_leaves_nothing),
	};

	return cmocka_run_group_tests_name("steer", tests, NULL, NULL);
}
