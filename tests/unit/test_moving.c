// SPDX-License-Identifier: Apache-2.0
/* Who gets a packet whose slot is not settled: the rule, row by row. */
#include "one_packet.h"

static unsigned tcp(bool opener)
{
	return by_worker(0, FLOW, true, opener, 0);
}

/* A datagram for a service of the pool. */
static unsigned udp(uint64_t hash, bool quic_service, uint8_t flags)
{
	struct burst b = { .n = 1,
			   .pkt[0] = { .mbuf = &frame,
				       .flow_hash = hash,
				       .flags = flags,
				       .service_flags = quic_service ? WEIR_SERVICE_QUIC : 0 } };
	const struct unsettled packet = { &b.pkt[0], slots[weir_slot_of(hash, PIN_LEN)] };

	moving_burst(&view, &pins[0], &b, &packet, 1);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NONE);
	return b.pkt[0].backend;
}

static void data_stays_with_the_base_and_is_pinned(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_int_equal(tcp(DATA), BASE);
	assert_int_equal(weir_pin_backend(pin_at(0, FLOW)), BASE);
	assert_true(pin_at(0, FLOW) & WEIR_PIN_CONFIRMED);
	assert_true(pin_at(0, FLOW) & WEIR_PIN_TCP);
	all_slots(WEIR_SLOT_PINNED, CUR, 0, 0);
	assert_int_equal(tcp(DATA), BASE); /* by its pin */
}

static void an_opener_goes_to_the_owner_and_is_confirmed_by_data(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_int_equal(tcp(OPENER), CUR);
	assert_false(pin_at(0, FLOW) & WEIR_PIN_CONFIRMED);
	pins[0].now_ds += 5;
	assert_int_equal(tcp(OPENER), CUR); /* a SYN sent again confirms nothing */
	assert_false(pin_at(0, FLOW) & WEIR_PIN_CONFIRMED);
	assert_int_equal(weir_pin_idle_ds(pin_at(0, FLOW), NOW_DS + 6), 1);
	assert_int_equal(tcp(DATA), CUR);
	assert_true(pin_at(0, FLOW) & WEIR_PIN_CONFIRMED);
	assert_int_equal(pins[0].used, 1);
}

static void handshakes_under_way_end_where_they_began(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 - 2999);
	assert_int_equal(tcp(OPENER), BASE);
	assert_int_equal(tcp(DATA), BASE);
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 - 3000);
	assert_int_equal(by_worker(0, 7, true, OPENER, 0), CUR);
	/* The control plane's clock was some ms ahead. */
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 + 99);
	assert_int_equal(by_worker(0, 8, true, OPENER, 0), BASE);
}

/* A SYN whose answer is late, and the second Initial of a QUIC client. */
static void an_opener_of_the_grace_is_known_when_it_comes_again(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 - 2999);
	assert_int_equal(tcp(OPENER), BASE);
	assert_int_equal(by_worker(0, 7, false, OPENER, 0), BASE);
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 - 3999);
	assert_int_equal(tcp(OPENER), BASE);
	assert_int_equal(by_worker(0, 7, false, OPENER, 0), BASE);
	assert_int_equal(tcp(DATA), BASE);
}

static void the_grace_is_the_pools(void **state)
{
	static const uint32_t grace_ms[] = { 1000, 40000, 3600000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(grace_ms) / sizeof(grace_ms[0]); i++) {
		view.pool[0].grace_ms = grace_ms[i];
		all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 - grace_ms[i] + 1);
		assert_int_equal(by_worker(0, 10 * i + 1, true, OPENER, 0), BASE);
		assert_int_equal(udp(10 * i + 2, true, PKT_QUIC_INITIAL), BASE);
		all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 - grace_ms[i]);
		assert_int_equal(by_worker(0, 10 * i + 1, true, OPENER, 0), BASE); /* its pin */
		assert_int_equal(by_worker(0, 10 * i + 3, true, OPENER, 0), CUR);
		assert_int_equal(udp(10 * i + 4, true, PKT_QUIC_INITIAL), CUR);
		assert_int_equal(udp(10 * i + 5, false, 0), BASE); /* nobody opens */
		all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100 + 99);
		assert_int_equal(by_worker(0, 10 * i + 6, true, OPENER, 0), BASE);
	}
}

/* A drain may last 30 days; 2^31 ms are 24.8. */
static void the_grace_does_not_come_back(void **state)
{
	(void)state;
	for (unsigned days = 1; days <= 30; days++) {
		all_slots(WEIR_SLOT_MOVING, CUR, BASE, NOW_DS * 100u - days * 86400000u);
		assert_int_equal(by_worker(0, days, true, OPENER, 0), CUR);
	}
}

static void without_room_an_opener_goes_to_the_base(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	pins[0].capacity = 0;
	assert_int_equal(tcp(OPENER), BASE);
	assert_int_equal(tcp(DATA), BASE);
	assert_int_equal(area[0]->pins.refused, 2);
	assert_int_equal(area[0]->pins.pressure_ds, NOW_DS);
}

static void protocols_have_windows_of_their_own(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_int_equal(by_worker(0, 1, false, DATA, 0), BASE);
	close_windows(WEIR_MOVE_UDP);
	assert_int_equal(by_worker(0, 1, false, DATA, 0), BASE); /* pinned in time */
	assert_int_equal(by_worker(0, 2, false, DATA, 0), CUR);
	assert_int_equal(pin_at(0, 2), 0);
	assert_int_equal(by_worker(0, 3, true, DATA, 0), BASE);
}

/* While the slot moves for the other protocol, which only its record tells, the sweep does
 * what a packet does in a pinned slot. */
static void a_pin_to_the_owner_of_a_slot_that_moves_for_the_other_protocol_stays(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(0, FLOW, CUR, WEIR_PIN_CONFIRMED, 0);
	close_windows(WEIR_MOVE_UDP);
	assert_int_equal(by_worker(0, FLOW, false, DATA, 0), CUR);
	assert_int_equal(pins[0].used, 1);
	pins_sweep(&pins[0], &view, BUCKETS);
	assert_int_equal(pins[0].used, 0);
}

static void a_pin_is_found_and_refreshed_wherever_it_stands(void **state)
{
	enum { PLACES = 2 * WEIR_PIN_WAYS };

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	/* These have two buckets for all of them. */
	for (uint64_t i = 0; i < PLACES; i++)
		put(0, i << 56 | 7 << 24 | 7, THIRD, WEIR_PIN_TCP, 5);
	for (uint64_t i = 0; i < PLACES; i++) {
		uint64_t hash = i << 56 | 7 << 24 | 7;

		assert_int_equal(by_worker(0, hash, true, DATA, 0), THIRD);
		assert_int_equal(weir_pin_idle_ds(pin_at(0, hash), NOW_DS), 0);
		assert_true(pin_at(0, hash) & WEIR_PIN_CONFIRMED);
	}
	assert_int_equal(pins[0].used, PLACES);
}

static void protocols_have_bases_of_their_own(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	view.pool[0].newest_ms = NOW_DS * 100;
	for (unsigned i = 0; i < PIN_LEN; i++) {
		moves.record[i].base[WEIR_MOVE_UDP] = THIRD | WEIR_MOVE_OPEN;
		moves.begin[i].ms[WEIR_MOVE_UDP] = NOW_DS * 100; /* its grace begins */
	}
	assert_int_equal(by_worker(0, 1, true, DATA, 0), BASE);
	assert_int_equal(by_worker(0, 2, false, DATA, 0), THIRD);
	assert_int_equal(by_worker(0, 3, true, OPENER, 0), CUR);
	assert_int_equal(by_worker(0, 4, false, OPENER, 0), THIRD);
}

/* The pool is that of a TCP service, of a plain UDP service and of one that is `quic`. What
 * looks like an Initial on the plain one, such as a datagram of another protocol, is none. */
static void an_initial_opens_a_flow_on_a_quic_service_alone(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_int_equal(udp(1, true, PKT_QUIC_INITIAL), CUR);
	assert_false(pin_at(0, 1) & (WEIR_PIN_CONFIRMED | WEIR_PIN_TCP));
	assert_int_equal(udp(1, true, 0), CUR);
	assert_true(pin_at(0, 1) & WEIR_PIN_CONFIRMED);
	assert_int_equal(udp(2, true, 0), BASE);
	assert_int_equal(udp(2, true, PKT_QUIC_INITIAL), BASE); /* a pin is a pin */
	assert_int_equal(udp(3, false, PKT_QUIC_INITIAL), BASE);
	assert_true(pin_at(0, 3) & WEIR_PIN_CONFIRMED);
	assert_int_equal(udp(4, false, 0), BASE);
	assert_int_equal(by_worker(0, 5, true, OPENER, 0), CUR);
	assert_int_equal(by_worker(0, 6, true, DATA, 0), BASE);
	close_windows(WEIR_MOVE_TCP); /* the UDP services' is longer, one being quic */
	assert_int_equal(udp(7, true, 0), BASE);
	assert_int_equal(udp(8, false, 0), BASE);
	assert_int_equal(by_worker(0, 9, true, DATA, 0), CUR);
	view.pool[0].hash = WEIR_HASH_SOURCE;
	assert_int_equal(udp(10, true, PKT_QUIC_INITIAL), BASE);
}

static void a_pinned_slot_makes_no_pins_and_drops_those_to_its_owner(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_int_equal(tcp(OPENER), CUR);
	all_slots(WEIR_SLOT_PINNED, CUR, 0, 0);
	assert_int_equal(tcp(DATA), CUR);
	assert_int_equal(pin_at(0, FLOW), 0);
	assert_int_equal(by_worker(0, 7, true, OPENER, 0), CUR);
	assert_int_equal(by_worker(0, 8, true, DATA, 0), CUR);
	assert_int_equal(pins[0].used, 0);
}

static void a_pin_goes_with_its_backend(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(0, FLOW, THIRD, WEIR_PIN_TCP | WEIR_PIN_CONFIRMED, 0);
	assert_int_equal(tcp(DATA), THIRD);
	backends[THIRD].flags = 0;
	assert_int_equal(tcp(DATA), BASE);
	assert_int_equal(weir_pin_backend(pin_at(0, FLOW)), BASE);
	view.backend_count = BASE; /* and when the index is out of use */
	all_slots(WEIR_SLOT_PINNED, 0, 0, 0);
	assert_int_equal(tcp(DATA), 0);
}

static void closing_is_remembered_until_the_port_is_used_again(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_int_equal(tcp(OPENER), CUR);
	assert_int_equal(by_worker(0, FLOW, true, DATA, PKT_CLOSING), CUR);
	assert_true(pin_at(0, FLOW) & WEIR_PIN_CLOSING);
	assert_int_equal(tcp(DATA), CUR);
	assert_true(pin_at(0, FLOW) & WEIR_PIN_CLOSING);
	assert_int_equal(tcp(OPENER), CUR);
	assert_false(pin_at(0, FLOW) & (WEIR_PIN_CLOSING | WEIR_PIN_CONFIRMED));
}

/* The server closed first, so that the client has the port again at once. */
static void a_port_that_is_used_again_goes_by_the_rule(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_int_equal(tcp(DATA), BASE);
	assert_int_equal(tcp(OPENER), BASE); /* it has not ended: the server will say so */
	assert_int_equal(by_worker(0, FLOW, true, DATA, PKT_CLOSING), BASE);
	pins[0].capacity = pins[0].used; /* a full table has the place of the old one */
	assert_int_equal(tcp(OPENER), CUR);
	assert_int_equal(area[0]->pins.expired, 1);
	assert_int_equal(tcp(OPENER), CUR); /* sent again */
	assert_int_equal(tcp(DATA), CUR);
	assert_int_equal(area[0]->pins.made, 2);
	/* In the grace of a further move, and when the slot moves no more. */
	assert_int_equal(by_worker(0, FLOW, true, DATA, PKT_CLOSING), CUR);
	all_slots(WEIR_SLOT_MOVING, THIRD, BASE, NOW_DS * 100 - 2000);
	assert_int_equal(tcp(OPENER), BASE);
	assert_int_equal(by_worker(0, FLOW, true, DATA, PKT_CLOSING), BASE);
	all_slots(WEIR_SLOT_PINNED, CUR, 0, 0);
	assert_int_equal(tcp(DATA), BASE);
	assert_int_equal(tcp(OPENER), CUR);
	assert_int_equal(tcp(DATA), CUR);
	assert_int_equal(pins[0].used, 0);
	assert_int_equal(area[0]->pins.expired, 3);
}

/* What another worker's pin says of the port, the next packet would hear again. */
static void a_port_that_is_used_again_keeps_another_workers_pin(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(1, FLOW, THIRD, WEIR_PIN_TCP | WEIR_PIN_CONFIRMED | WEIR_PIN_CLOSING, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(tcp(OPENER), THIRD);
		assert_int_equal(by_worker(0, FLOW, true, DATA, PKT_CLOSING), THIRD);
	}
	pins_drop(&pins[1], pins_find(&pins[1], FLOW));
	assert_int_equal(tcp(OPENER), CUR);
}

/* Acknowledgements of a client, and whether its FIN came with the last but one; is the
 * flow over, as far as can be told? */
static bool over(const uint32_t *ack, unsigned count, unsigned fin)
{
	(void)by_worker(0, FLOW, true, OPENER, 0);
	for (unsigned i = 0; i < count; i++) {
		acked = ack[i];
		(void)by_worker(0, FLOW, true, DATA, i == fin ? PKT_CLOSING : 0);
	}
	return weir_pin_closed(pin_at(0, FLOW));
}

static void a_flow_is_over_once_both_fins_are_acknowledged(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_true(over((uint32_t[]){ 1000, 5000, 5001 }, 3, 1));	 /* the client's first */
	assert_true(over((uint32_t[]){ 1000, 5000, 5001, 5001 }, 4, 3)); /* the server's first */
	assert_true(over((uint32_t[]){ 1000, UINT32_MAX, 0 }, 3, 1));
	assert_false(over((uint32_t[]){ 1000, 5000, 5000 }, 3, 1));	  /* half-closed */
	assert_false(over((uint32_t[]){ 1000, 5000, 5001, 6449 }, 4, 1)); /* it was a byte */
	assert_false(over((uint32_t[]){ 1000, 5000, 9097 }, 3, 1));	  /* 4,097 bytes */
	assert_false(over((uint32_t[]){ 1000, 5000, 5001 }, 3, 9));	  /* no FIN of the client */
	acked = 0;
}

/* With `hash = source` a pin is of all that a client has. */
static void one_connection_does_not_close_its_clients_pin(void **state)
{
	(void)state;
	view.pool[0].hash = WEIR_HASH_SOURCE;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	for (acked = 7; acked < 9; acked++)
		assert_int_equal(by_worker(0, FLOW, true, DATA, PKT_CLOSING), BASE);
	assert_false(pin_at(0, FLOW) & (WEIR_PIN_CLOSING | WEIR_PIN_STEP));
	acked = 0;
}

static void a_flow_that_changes_its_queue_is_found(void **state)
{
	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	assert_int_equal(by_worker(1, FLOW, true, OPENER, 0), CUR);
	assert_int_equal(tcp(DATA), CUR); /* alone it would say: base */
	assert_int_equal(weir_pin_backend(pin_at(0, FLOW)), CUR);
	assert_int_equal(area[0]->pins.found_elsewhere, 1);
	assert_int_equal(tcp(DATA), CUR);
	assert_int_equal(area[0]->pins.found_elsewhere, 1);
	/* Without room for a copy it is found again each time. */
	pins_drop(&pins[0], pins_find(&pins[0], FLOW));
	pins[0].capacity = 0;
	assert_int_equal(tcp(DATA), CUR);
	assert_int_equal(tcp(DATA), CUR);
	assert_int_equal(area[0]->pins.found_elsewhere, 3);
}

static void nobody_takes_over(void **state)
{
	(void)state;
	/* cur = base in the entry: there is no new owner */
	all_slots(WEIR_SLOT_MOVING, BASE, BASE, SINCE_MS);
	assert_int_equal(tcp(OPENER), NOBODY);
	assert_int_equal(tcp(DATA), BASE);
	put(0, 7, THIRD, WEIR_PIN_TCP | WEIR_PIN_CONFIRMED, 0);
	close_windows(WEIR_MOVE_TCP);
	close_windows(WEIR_MOVE_UDP);
	assert_int_equal(tcp(DATA), BASE); /* by its pin */
	assert_int_equal(by_worker(0, 8, true, DATA, 0), NOBODY);
	/* The base has failed: a third backend keeps what it has. */
	backends[BASE].flags = 0;
	assert_int_equal(by_worker(0, 7, true, DATA, 0), THIRD);
	pins_sweep(&pins[0], &view, BUCKETS);
	assert_int_equal(by_worker(0, 7, true, DATA, 0), THIRD);
	assert_int_equal(tcp(DATA), NOBODY);
}

/* explain asks every question and leaves no trace. */
static void looking_changes_nothing(void **state)
{
	struct weir_pin_bucket *copy = malloc(BUCKETS * sizeof(*copy));
	struct pins before, look;

	(void)state;
	all_slots(WEIR_SLOT_MOVING, CUR, BASE, SINCE_MS);
	put(0, FLOW, THIRD, WEIR_PIN_TCP, 5);
	put(0, 9, 4, WEIR_PIN_TCP, 5);
	put(1, 7, THIRD, WEIR_PIN_TCP, 5);
	backends[4].flags = 0;
	memcpy(copy, pins[0].bucket, BUCKETS * sizeof(*copy));
	before = pins[0];
	pins_look(&look, &pins[0]);
	look.now_ds = NOW_DS;
	pins[0] = look;
	assert_int_equal(tcp(DATA), THIRD);
	assert_int_equal(by_worker(0, 7, true, DATA, 0), THIRD); /* in the other's table */
	assert_int_equal(by_worker(0, 8, true, OPENER, 0), CUR);
	assert_int_equal(by_worker(0, 8, true, DATA, 0), BASE);
	assert_int_equal(by_worker(0, 9, true, DATA, 0), BASE);
	pins[0] = before;
	assert_memory_equal(copy, pins[0].bucket, BUCKETS * sizeof(*copy));
	free(copy);
}

#define FLOOD_HASH 0x9e3779b97f4a7c15u
enum { FLOOD_BURST = 8, FLOOD_FLOWS = 2000, FLOOD_ROUNDS = 20000 };

/* A burst of flows and openers as `random` has them; writes each one's backend, or NOBODY. */
static void flood(struct pins *t, uint64_t random, uint16_t flags, unsigned backend[FLOOD_BURST])
{
	struct rte_tcp_hdr header = { .tcp_flags = RTE_TCP_ACK_FLAG };
	struct unsettled packet[FLOOD_BURST];
	struct burst b = { .n = FLOOD_BURST };

	frame.buf_addr = &header;
	for (unsigned i = 0; i < FLOOD_BURST; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		b.pkt[i] = (struct pkt){
			.mbuf = &frame,
			.flow_hash = ((random >> 33) % FLOOD_FLOWS + 1) * FLOOD_HASH,
			.flags = PKT_TCP | flags | (random >> 32 & 1 ? PKT_OPENER : 0),
		};
		packet[i].pkt = &b.pkt[i];
		packet[i].entry = slots[weir_slot_of(b.pkt[i].flow_hash, PIN_LEN)];
	}
	moving_burst(&view, t, &b, packet, FLOOD_BURST);
	for (unsigned i = 0; i < FLOOD_BURST; i++)
		backend[i] = b.pkt[i].drop == WEIR_DROP_NONE ? b.pkt[i].backend : NOBODY;
}

/* What is done in short for the packets of a flood, with a full table, is what is done for
 * each by the rule: pins[1] sees first fragments, which have no short way. Each has another
 * worker with a few pins of these flows. */
static void a_flood_goes_by_the_rule(void **state)
{
	struct weir_pin_counts *in_short = &area[0]->pins, *in_full = &area[1]->pins;
	static struct weir_pin_bucket bucket[BUCKETS];
	static struct pin_filter_cell filter[2][CELLS];
	struct pins third = { .bucket = bucket, .mask = BUCKETS - 1, .capacity = 64 };
	unsigned by_filter = 0, was_short = 0;

	(void)state;
	for (unsigned i = 0; i < PIN_WORKERS; i++) {
		pins[i].capacity = 64;
		pins[i].other[0] = (struct pins_other){ third.bucket, third.told };
		pins[i].filter.cell = filter[i];
	}
	third.filter = pins[0].filter;
	third.area = area[1];
	for (unsigned i = 1; i <= FLOOD_FLOWS; i += 50) {
		assert_true(pins_put(
			&third, &view, i * FLOOD_HASH,
			weir_pin_meta(THIRD, WEIR_PIN_TCP | WEIR_PIN_CONFIRMED, 0, 0, NOW_DS)));
		assert_true(pin_filter_add(&pins[1].filter, i * FLOOD_HASH));
	}
	in_full->made = 0;
	for (unsigned i = 0; i < FLOOD_ROUNDS; i++) {
		unsigned here[FLOOD_BURST], there[FLOOD_BURST];

		if (i % 1000 == 0)
			all_slots(WEIR_SLOT_MOVING, i % 3000 == 0 ? BASE : CUR, BASE,
				  (NOW_DS + i / 10) * 100 - 1000);
		if (i % 10 == 0)
			for (unsigned w = 0; w < PIN_WORKERS; w++)
				pins_clock(&pins[w], NOW_DS + i / 10);
		/* Else nobody would look for room. */
		for (unsigned w = 0; w < PIN_WORKERS && i % 2000 < 1000; w++)
			pins[w].notes.left = UINT32_MAX;
		was_short += pin_notes_are_short(&pins[0].notes);
		by_filter += pins[0].filter_first;
		pins[1].filter_first = pins[0].filter_first;
		flood(&pins[0], i, 0, here);
		flood(&pins[1], i, PKT_FRAG_FIRST, there);
		assert_memory_equal(here, there, sizeof(here));
		assert_int_equal(pins[0].used, pins[1].used);
	}
	assert_in_range(by_filter, FLOOD_ROUNDS / 10, FLOOD_ROUNDS);
	assert_in_range(was_short, FLOOD_ROUNDS / 10, FLOOD_ROUNDS * 9 / 10);
	assert_int_not_equal(in_short->evicted_unconfirmed, 0);
	assert_int_not_equal(in_short->refused, 0);
	assert_int_equal(in_short->refused, in_full->refused);
	assert_int_equal(in_short->made, in_full->made);
	assert_int_not_equal(in_short->found_elsewhere, 0);
	assert_int_equal(in_short->found_elsewhere, in_full->found_elsewhere);
	assert_int_equal(in_short->evicted_unconfirmed, in_full->evicted_unconfirmed);
	assert_int_equal(in_short->evicted_base, in_full->evicted_base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(data_stays_with_the_base_and_is_pinned),
		T(an_opener_goes_to_the_owner_and_is_confirmed_by_data),
		T(handshakes_under_way_end_where_they_began),
		T(an_opener_of_the_grace_is_known_when_it_comes_again),
		T(the_grace_is_the_pools),
		T(the_grace_does_not_come_back),
		T(without_room_an_opener_goes_to_the_base),
		T(protocols_have_windows_of_their_own),
		T(a_pin_to_the_owner_of_a_slot_that_moves_for_the_other_protocol_stays),
		T(a_pin_is_found_and_refreshed_wherever_it_stands),
		T(protocols_have_bases_of_their_own),
		T(an_initial_opens_a_flow_on_a_quic_service_alone),
		T(a_pinned_slot_makes_no_pins_and_drops_those_to_its_owner),
		T(a_pin_goes_with_its_backend),
		T(closing_is_remembered_until_the_port_is_used_again),
		T(a_port_that_is_used_again_goes_by_the_rule),
		T(a_port_that_is_used_again_keeps_another_workers_pin),
		T(a_flow_is_over_once_both_fins_are_acknowledged),
		T(one_connection_does_not_close_its_clients_pin),
		T(a_flow_that_changes_its_queue_is_found),
		T(nobody_takes_over),
		T(looking_changes_nothing),
		T(a_flood_goes_by_the_rule),
	};

	return cmocka_run_group_tests_name("moving", tests, NULL, NULL);
}
