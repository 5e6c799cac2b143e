// SPDX-License-Identifier: Apache-2.0
/* Fragments that come before the first one: who waits, for how long, and who gives way. */
#include "datagrams.h"

/* The held ones that are ready come as a burst; parse and classify see to them. */
static unsigned again(unsigned worker, const struct fragment *of)
{
	if (!frags_again(&frags[worker], &b))
		return 0;
	for (unsigned i = 0; i < b.n; i++) {
		assert_int_equal(b.pkt[i].port, PORT);
		assert_int_equal(b.pkt[i].drop, WEIR_DROP_NONE);
		b.pkt[i].flags = PKT_FRAG_LATER;
		b.pkt[i].drop = WEIR_DROP_FRAGMENT;
		memset(&b.key[i], 0, sizeof(b.key[i]));
		b.key[i].v4.src_be = htonl(0xc6336407);
		b.key[i].v4.dst_be = htonl(0xcb00710a);
		b.key[i].v4.protocol = IPPROTO_UDP;
		b.fragment[i] = of[i];
	}
	find(worker);
	return b.n;
}

static const struct fragment three[] = { { .id_be = 1, .off = 3 * LEN, .len = 10 },
					 { .id_be = 1, .off = 2 * LEN, .len = LEN, .more = true },
					 { .id_be = 1, .off = LEN, .len = LEN, .more = true } };

static void hold_three(unsigned worker)
{
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(find_later(worker, 1, three[i].off, three[i].len, three[i].more),
				 PKT_TAKEN);
}

static void those_before_the_first_wait_for_it_and_keep_their_order(void **state)
{
	(void)state;
	hold_three(0);
	assert_int_equal(find_later(0, 2, LEN, LEN, true), PKT_TAKEN); /* of another one */
	assert_int_equal(again(0, three), 0);
	note_first(0, 1, 2);
	assert_int_equal(again(0, three), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(b.pkt[i].drop, WEIR_DROP_NONE);
		assert_int_equal(b.pkt[i].backend, 2);
	}
	burst_end();
	assert_int_equal(area[0]->frags.complete, 1);
	assert_int_equal(area[0]->frags.holding, 1);
	assert_int_equal(again(0, three), 0);
}

static void those_of_a_first_that_is_dropped_wait_no_longer(void **state)
{
	(void)state;
	hold_three(0);
	first(1, 0)->drop = WEIR_DROP_STRAY;
	note(0);
	assert_int_equal(again(0, three), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(b.pkt[i].drop, WEIR_DROP_STRAY);
}

static void tick(unsigned worker, uint32_t ms)
{
	frags[worker].now_ms += ms;
	frags_tick_held(&frags[worker]);
}

static void what_another_worker_notes_is_found(void **state)
{
	(void)state;
	hold_three(1);
	tick(1, 1);
	assert_int_equal(again(1, three), 0);
	note_first(0, 1, 2);
	tick(1, 1);
	assert_int_equal(again(1, three), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(b.pkt[i].drop, WEIR_DROP_NONE);
	burst_end();
	assert_int_equal(area[1]->frags.found_elsewhere, 1); /* then it has a copy */
	assert_int_equal(area[1]->frags.complete, 1);
}

/* A few are looked for in each ms, in turn; none is passed over. */
static void all_that_wait_have_their_turn(void **state)
{
	enum { MANY = 200 };
	unsigned found = 0;

	(void)state;
	for (uint16_t id = 0; id < MANY; id++)
		assert_int_equal(find_later(1, id, LEN, LEN, true), PKT_TAKEN);
	tick(1, 1);
	for (uint16_t id = 0; id < MANY; id++)
		note_first(0, id, 1);
	for (unsigned i = 0; i < (MANY + FRAGS_LOOK - 1) / FRAGS_LOOK + 1; i++) {
		tick(1, 1);
		while (frags_again(&frags[1], &b)) {
			found += b.n;
			burst_end();
		}
	}
	assert_int_equal(found, MANY);
}

/* Counted for the VIP of what is given up; nothing else is. */
static uint64_t of_vip(unsigned column)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WEIR_MAX_SERVICES; i++)
		sum += area[0]->service_column[i][column];
	assert_int_equal(sum, area[0]->service_column[VIP_SERVICE][column]);
	return sum;
}

static void who_waits_too_long_is_dropped(void **state)
{
	(void)state;
	hold_three(0);
	tick(0, 1);
	assert_int_equal(find_later(0, 2, LEN, LEN, true), PKT_TAKEN);
	tick(0, FRAGS_HELD_MS - 1);
	assert_int_equal(area[0]->frags.holding, 4);
	tick(0, 1);
	assert_int_equal(area[0]->frags.holding, 1);
	assert_int_equal(area[0]->drop[WEIR_DROP_FRAGMENT].packets, 3);
	assert_int_equal(area[0]->drop[WEIR_DROP_FRAGMENT].bytes, 3 * 64);
	assert_int_equal(of_vip(WEIR_COLUMN_FRAGMENT), 3);
	tick(0, 1);
	assert_int_equal(area[0]->frags.holding, 0);
	note_first(0, 1, 2);
	assert_int_equal(again(0, three), 0);
}

static void who_waits_is_not_dropped_in_a_line_behind_one_who_is_gone(void **state)
{
	(void)state;
	assert_int_equal(find_later(0, 5, LEN, LEN, true), PKT_TAKEN);
	hold_three(0);
	note_first(0, 5, 2);
	assert_true(frags_again(&frags[0], &b));
	burst_end();
	tick(0, FRAGS_HELD_MS);
	assert_int_equal(area[0]->frags.holding, 3);
	tick(0, 1);
	assert_int_equal(area[0]->frags.holding, 0);
}

static void one_datagram_may_not_fill_the_queue(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FRAGS_HELD_OF; i++)
		assert_int_equal(find_later(0, 1, LEN + i * 8, 8, true), PKT_TAKEN);
	assert_int_equal(find_later(0, 1, 8000, 8, true), WEIR_DROP_FRAGMENT_FULL);
	assert_int_equal(find_later(0, 2, LEN, 8, true), PKT_TAKEN);
}

static void in_a_full_queue_the_oldest_gives_way(void **state)
{
	(void)state;
	for (uint16_t id = 0; id < FRAGS_HELD + 10; id++)
		assert_int_equal(find_later(0, id, LEN, LEN, true), PKT_TAKEN);
	assert_int_equal(area[0]->frags.holding, FRAGS_HELD);
	assert_int_equal(area[0]->drop[WEIR_DROP_FRAGMENT_FULL].packets, 10);
	assert_int_equal(of_vip(WEIR_COLUMN_FRAGMENT_FULL), 10);
	note_first(0, 9, 2);
	assert_false(frags_again(&frags[0], &b));
	note_first(0, 10, 2);
	assert_true(frags_again(&frags[0], &b));
	assert_int_equal(b.n, 1);
}

/* Places between those that wait are places. */
static void who_waits_long_gives_way_to_nobody_while_there_is_room(void **state)
{
	(void)state;
	assert_int_equal(find_later(0, 5, LEN, LEN, true), PKT_TAKEN);
	for (uint16_t id = 10; id < 10 + 2 * FRAGS_HELD; id++) {
		const struct fragment of = { .id_be = id, .off = LEN, .len = LEN, .more = true };

		assert_int_equal(find_later(0, id, LEN, LEN, true), PKT_TAKEN);
		note_first(0, id, 2);
		assert_int_equal(again(0, &of), 1);
		burst_end();
	}
	assert_int_equal(area[0]->drop[WEIR_DROP_FRAGMENT_FULL].packets, 0);
	assert_int_equal(area[0]->frags.holding, 1);
	note_first(0, 5, 2);
	assert_true(frags_again(&frags[0], &b));
	assert_int_equal(b.n, 1);
}

/* What came again and is not known any more is not held a second time. */
static void held_once_and_not_twice(void **state)
{
	(void)state;
	hold_three(0);
	note_first(0, 1, 2);
	memset(frags[0].table->bucket, 0, sizeof(frags[0].table->bucket)); /* all evicted */
	assert_int_equal(again(0, three), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(b.pkt[i].drop, WEIR_DROP_FRAGMENT);
	burst_end();
	assert_int_equal(find_later(0, 9, LEN, LEN, true), PKT_TAKEN); /* but others are */
}

static void a_flood_of_first_fragments_takes_places_of_the_oldest(void **state)
{
	enum { FLOOD = 3 * FRAG_BUCKETS * FRAG_WAYS };
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < FLOOD; i++) {
		frags[0].now_ms += i % 64 == 0;
		first((uint16_t)i, 1);
		b.key[0].v4.src_be = i >> 16;
		note(0);
	}
	assert_true(area[0]->frags.evicted >= FLOOD - FRAG_BUCKETS * FRAG_WAYS);
	assert_int_equal(area[0]->frags.expired, 0);
	for (unsigned i = FLOOD - 1000; i < FLOOD; i++) {
		struct pkt *p = later((uint16_t)i, LEN, LEN, true);

		b.key[0].v4.src_be = i >> 16;
		find(0);
		known += p->drop == WEIR_DROP_NONE;
		burst_end();
	}
	/* Eight newer ones in one of 512 buckets, of the last thousand, are seldom. */
	assert_true(known > 980);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(those_before_the_first_wait_for_it_and_keep_their_order),
		T(those_of_a_first_that_is_dropped_wait_no_longer),
		T(what_another_worker_notes_is_found),
		T(all_that_wait_have_their_turn),
		T(who_waits_too_long_is_dropped),
		T(who_waits_is_not_dropped_in_a_line_behind_one_who_is_gone),
		T(one_datagram_may_not_fill_the_queue),
		T(in_a_full_queue_the_oldest_gives_way),
		T(who_waits_long_gives_way_to_nobody_while_there_is_room),
		T(held_once_and_not_twice),
		T(a_flood_of_first_fragments_takes_places_of_the_oldest),
	};

	return cmocka_run_group_tests_name("frags_held", tests, group_setup, NULL);
}
