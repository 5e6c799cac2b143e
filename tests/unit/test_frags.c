// SPDX-License-Identifier: Apache-2.0
/* Where the fragments of a datagram go, and which do not. */
#include "datagrams.h"

#include "count.h"

/* -- decisions ----------------------------------------------------------------- */

static void later_fragments_go_where_the_first_one_went(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	note_first(0, 2, 3);
	assert_int_equal(backend_of_later(0, 1), 2);
	assert_int_equal(backend_of_later(0, 2), 3);
	assert_int_equal(find_later(0, 3, LEN, LEN, true), PKT_TAKEN);
	assert_int_equal(area[0]->frags.noted, 2);
	assert_int_equal(area[0]->frags.held, 1);
	assert_int_equal(area[0]->frags.holding, 1);
}

static void of_ipv6_the_protocol_does_not_matter(void **state)
{
	struct pkt *p;

	(void)state;
	first(1, 2)->flags |= PKT_IPV6;
	memset(&b.key[0], 1, sizeof(b.key[0]));
	b.key[0].v6.protocol = IPPROTO_UDP;
	note(0);
	p = later(1, LEN, LEN, true);
	p->flags |= PKT_IPV6;
	memset(&b.key[0], 1, sizeof(b.key[0]));
	b.key[0].v6.sport_be = b.key[0].v6.dport_be = 0;
	b.key[0].v6.protocol = IPPROTO_DSTOPTS;
	find(0);
	assert_int_equal(p->drop, WEIR_DROP_NONE);
	burst_end();

	note_first(0, 2, 2);
	p = later(2, LEN, LEN, true);
	b.key[0].v4.protocol = IPPROTO_TCP;
	find(0);
	assert_int_equal(p->drop, PKT_TAKEN);
}

static void families_and_addresses_are_kept_apart(void **state)
{
	struct pkt *p;

	(void)state;
	note_first(0, 1, 2);
	p = later(1, LEN, LEN, true);
	p->flags |= PKT_IPV6;
	find(0);
	assert_int_equal(p->drop, PKT_TAKEN);
	burst_end();
	p = later(1, LEN, LEN, true);
	b.key[0].v4.src_be++;
	find(0);
	assert_int_equal(p->drop, PKT_TAKEN);
}

/* The first fragment of an ICMP error has the key of the flow that it quotes, with the
 * client's address; the others have that of the router which sent it. */
static void an_icmp_error_is_known_by_who_sent_it(void **state)
{
	static const uint32_t router = 0x010200c0; /* 192.0.2.1 */
	struct pkt *p = first(1, 2);

	(void)state;
	p->flags |= PKT_ICMP_ERROR;
	memcpy(b.fragment[0].sender, &router, sizeof(router));
	note(0);
	assert_int_equal(find_later(0, 1, LEN, LEN, true), PKT_TAKEN);
	p = later(1, LEN, LEN, true);
	b.key[0].v4.src_be = router;
	b.key[0].v4.protocol = IPPROTO_ICMP;
	find(0);
	assert_int_equal(p->drop, WEIR_DROP_NONE);
	assert_int_equal(p->backend, 2);
	burst_end();

	p = first(2, 3);
	p->flags |= PKT_ICMP_ERROR | PKT_IPV6;
	memset(b.fragment[0].sender, 0xfd, sizeof(b.fragment[0].sender));
	note(0);
	p = later(2, LEN, LEN, true);
	p->flags |= PKT_IPV6;
	memset(b.key[0].v6.src, 0xfd, sizeof(b.key[0].v6.src));
	find(0);
	assert_int_equal(p->drop, WEIR_DROP_NONE);
	assert_int_equal(p->backend, 3);
}

static void a_complete_datagram_is_forgotten(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_NONE);
	assert_int_equal(find_later(0, 1, 2 * LEN, 100, false), WEIR_DROP_NONE);
	assert_int_equal(area[0]->frags.complete, 1);
	assert_int_equal(find_later(0, 1, LEN, LEN, true), PKT_TAKEN);
}

static void what_befell_the_first_one_befalls_the_others(void **state)
{
	static const unsigned reasons[] = { WEIR_DROP_STRAY, WEIR_DROP_NO_BACKEND,
					    WEIR_DROP_BACKEND_OFF, WEIR_DROP_TOO_BIG };

	(void)state;
	for (uint16_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		first(i, 0)->drop = (uint8_t)reasons[i];
		note(0);
		assert_int_equal(find_later(0, i, LEN, LEN, true), reasons[i]);
		assert_int_equal(find_later(1, i, LEN, LEN, true), reasons[i]);
	}
	/* These are the kernel's. */
	first(100, 0)->drop = WEIR_DROP_NOT_A_VIP;
	note(0);
	assert_int_equal(area[0]->frags.noted, sizeof(reasons) / sizeof(reasons[0]));
}

/* Too big, with DF clear, in a pool that has such packets cut. */
static void to_be_cut(uint16_t id)
{
	struct pkt *p = first(id, 2);

	p->drop = WEIR_DROP_TOO_BIG;
	p->pool = 1;
	memset(rte_pktmbuf_mtod(p->mbuf, void *), 0, 64);
}

static void of_a_first_one_that_leaves_in_pieces_the_others_go_on(void **state)
{
	(void)state;
	to_be_cut(1);
	note(0);
	assert_int_equal(backend_of_later(0, 1), 2);
}

static void and_when_it_cannot_be_cut_they_do_not(void **state)
{
	(void)state;
	to_be_cut(1);
	frags_note(&frags[0], &view, &b);
	b.pkt[0].drop = WEIR_DROP_BAD_HEADER;
	frags_note_drop(&frags[0], &view, &b, 0);
	burst_end();
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_BAD_HEADER);
}

/* Before it is encapsulated or cut: neither has been noted yet. */
static void of_two_that_overlap_in_a_burst_the_second_is_found(void **state)
{
	(void)state;
	to_be_cut(1);
	first(1, 2);
	b.fragment[1].len = LEN - 8;
	first(2, 2); /* another datagram */
	find(0);
	assert_int_equal(b.pkt[1].drop, WEIR_DROP_FRAGMENT_OVERLAP);
	assert_int_equal(b.pkt[2].drop, WEIR_DROP_NONE);
	frags_note(&frags[0], &view, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_TOO_BIG);
	assert_int_equal(b.pkt[1].drop, WEIR_DROP_FRAGMENT_OVERLAP);
	frags_note_drop(&frags[0], &view, &b, 0); /* leaves the datagram a bad one */
	burst_end();
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
}

static void a_backend_that_takes_no_packets_gets_no_fragments(void **state)
{
	(void)state;
	for (uint16_t id = 1; id <= 3; id++)
		note_first(0, id, 2);
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_NONE);
	backends[2].flags = 0;
	assert_int_equal(find_later(0, 1, 2 * LEN, LEN, true), WEIR_DROP_BACKEND_OFF);
	backends[2].flags = WEIR_BACKEND_FORWARD;
	assert_int_equal(find_later(0, 1, 3 * LEN, LEN, true), WEIR_DROP_BACKEND_OFF);

	/* Another backend has the index. */
	backends[2].dmac[5] = 99;
	assert_int_equal(find_later(0, 2, LEN, LEN, true), WEIR_DROP_BACKEND_OFF);
	view.backend_count = 2;
	assert_int_equal(find_later(0, 3, LEN, LEN, true), WEIR_DROP_BACKEND_OFF);
}

static void after_the_limit_nothing_is_known(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	frags[0].now_ms += FRAG_LIMIT_MS;
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_NONE);
	frags[0].now_ms += FRAG_LIMIT_MS; /* the limit is since the last one */
	assert_int_equal(find_later(0, 1, 2 * LEN, LEN, true), WEIR_DROP_NONE);
	frags[0].now_ms += FRAG_LIMIT_MS + 1;
	assert_int_equal(find_later(0, 1, 3 * LEN, LEN, true), PKT_TAKEN);
}

/* -- overlaps ------------------------------------------------------------------ */

static void an_overlap_ends_the_whole_datagram(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_NONE);
	assert_int_equal(find_later(0, 1, LEN + 8, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
	assert_int_equal(find_later(0, 1, 3 * LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
	first(1, 2);
	find(0);
	frags_note(&frags[0], &view, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_FRAGMENT_OVERLAP);
	assert_true(b.dropped);
	burst_end();

	/* and no longer than the limit, however many come */
	frags[0].now_ms += FRAG_LIMIT_MS;
	assert_int_equal(find_later(0, 1, 3 * LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
	frags[0].now_ms++;
	assert_int_equal(find_later(0, 1, 3 * LEN, LEN, true), PKT_TAKEN);
}

static void a_first_fragment_of_another_length_overlaps(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	first(1, 2);
	b.fragment[0].len = LEN + 8;
	find(0);
	frags_note(&frags[0], &view, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_FRAGMENT_OVERLAP);
	burst_end();
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
}

static void it_is_found_before_it_is_encapsulated(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	first(1, 2);
	find(0);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_NONE); /* a duplicate */
	b.fragment[0].len = LEN + 8;
	find(0);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_FRAGMENT_OVERLAP);
	assert_true(b.dropped);
	note(0);
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
}

static void a_duplicate_goes_with_the_others(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_NONE);
	assert_int_equal(find_later(0, 1, LEN, LEN, true), WEIR_DROP_NONE);
	assert_int_equal(find_later(0, 1, 2 * LEN, 8, false), WEIR_DROP_NONE);
	assert_int_equal(area[0]->frags.complete, 1);
}

/* 65,536 datagrams later the number is used again, and a fragment had been lost. */
static void the_first_fragment_anew_is_another_datagram(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	assert_int_equal(backend_of_later(1, 1), 2); /* the other worker has a copy */
	assert_int_equal(find_later(0, 1, 2 * LEN, 500, false), WEIR_DROP_NONE);
	note_first(0, 1, 3);
	assert_int_equal(backend_of_later(1, 1), 3);
	assert_int_equal(find_later(0, 1, LEN, 700, false), WEIR_DROP_NONE); /* ends elsewhere */
	assert_int_equal(area[0]->frags.complete, 1);
}

static void another_workers_copy_learns_of_an_overlap(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	assert_int_equal(find_later(1, 1, LEN, LEN, true), WEIR_DROP_NONE);
	assert_int_equal(find_later(0, 1, 8, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
	assert_int_equal(find_later(1, 1, 2 * LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
}

static void a_copy_that_overlapped_stays_bad_when_the_first_one_comes_anew(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	assert_int_equal(find_later(1, 1, LEN, LEN, true), WEIR_DROP_NONE);
	assert_int_equal(find_later(1, 1, LEN + 8, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
	note_first(0, 1, 2);
	assert_int_equal(find_later(1, 1, 2 * LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);

	/* and when a first one that overlaps comes by the copy's own worker */
	note_first(0, 2, 2);
	assert_int_equal(find_later(1, 2, LEN, LEN, true), WEIR_DROP_NONE);
	first(2, 2);
	b.fragment[0].len = 8;
	find(1);
	frags_note(&frags[1], &view, &b);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_FRAGMENT_OVERLAP);
	burst_end();
	assert_int_equal(find_later(1, 2, 2 * LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
}

static void what_came_by_the_first_ones_worker_is_overlapped_by_another(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	assert_int_equal(find_later(1, 1, 8, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
	assert_int_equal(find_later(1, 1, LEN, LEN, true), WEIR_DROP_FRAGMENT_OVERLAP);
}

static void more_pieces_than_can_be_noted_are_refused(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	for (unsigned i = 1; i < FRAG_RANGES; i++)
		assert_int_equal(find_later(0, 1, 1480 + i * 16, 8, true), WEIR_DROP_NONE);
	assert_int_equal(find_later(0, 1, 8000, 8, true), WEIR_DROP_FRAGMENT_FULL);
	assert_int_equal(find_later(0, 1, 1480, 8, true), WEIR_DROP_FRAGMENT_FULL);
}

/* -- for whom a drop is counted ------------------------------------------------- */

static void assert_known(const struct pkt *p, unsigned reason, unsigned column)
{
	assert_int_equal(p->drop, reason);
	assert_int_equal(count_drop_column(p, p->drop), column);
	assert_int_equal(p->service, 7);
	assert_int_equal(p->backend, 2);
}

static void an_overlap_is_its_services_and_its_backends(void **state)
{
	struct pkt *p;

	(void)state;
	note_first(0, 1, 2);
	for (unsigned i = 0; i < 2; i++) { /* it, and one that comes behind it */
		p = later(1, 8, LEN, true);
		find(0);
		assert_known(p, WEIR_DROP_FRAGMENT_OVERLAP, WEIR_COLUMN_CHOSEN_FRAGMENT_OVERLAP);
		burst_end();
	}

	/* a first one, which had not come to a backend itself */
	note_first(0, 2, 2);
	p = first(2, 0);
	b.fragment[0].len = LEN + 8;
	find(0);
	assert_known(p, WEIR_DROP_FRAGMENT_OVERLAP, WEIR_COLUMN_CHOSEN_FRAGMENT_OVERLAP);
	assert_true(b.seen & PKT_CHOSEN);
	note(0);

	/* and one that had: both are in one burst */
	first(3, 2);
	p = first(3, 1);
	b.fragment[1].len = LEN + 8;
	find(0);
	frags_note(&frags[0], &view, &b);
	assert_known(p, WEIR_DROP_FRAGMENT_OVERLAP, WEIR_COLUMN_CHOSEN_FRAGMENT_OVERLAP);
}

static void so_are_more_pieces_than_can_be_noted(void **state)
{
	(void)state;
	note_first(0, 1, 2);
	for (unsigned i = 1; i < FRAG_RANGES; i++)
		assert_int_equal(find_later(0, 1, 1480 + i * 16, 8, true), WEIR_DROP_NONE);
	for (unsigned i = 0; i < 2; i++) {
		struct pkt *p = later(1, 8000, 8, true);

		find(0);
		assert_known(p, WEIR_DROP_FRAGMENT_FULL, WEIR_COLUMN_CHOSEN_FRAGMENT_FULL);
		burst_end();
	}
}

/* Of a stray, and of a service without a backend, there is no more to know. */
static void without_a_backend_they_are_the_vips(void **state)
{
	static const unsigned reasons[] = { WEIR_DROP_STRAY, WEIR_DROP_NO_BACKEND };

	(void)state;
	for (uint16_t i = 0; i < 2; i++) {
		struct pkt *p = first(i, 0);

		p->drop = (uint8_t)reasons[i];
		note(0);
		p = first(i, 2);
		b.fragment[0].len = LEN + 8;
		find(0);
		assert_int_equal(p->drop, WEIR_DROP_FRAGMENT_OVERLAP);
		assert_int_equal(count_drop_column(p, p->drop), WEIR_COLUMN_FRAGMENT_OVERLAP);
		assert_int_equal(p->service, 7);
		note(0);
	}
	for (unsigned i = 0; i < FRAGS_HELD_OF; i++)
		assert_int_equal(find_later(0, 9, LEN + i * 8, 8, true), PKT_TAKEN);
	later(9, 8000, 8, true);
	find(0);
	assert_int_equal(b.pkt[0].drop, WEIR_DROP_FRAGMENT_FULL);
	assert_int_equal(count_drop_column(&b.pkt[0], b.pkt[0].drop), WEIR_COLUMN_FRAGMENT_FULL);
	assert_int_equal(b.pkt[0].service, VIP_SERVICE);
}

/* -- explain --------------------------------------------------------------------- */

static void explain_looks_and_changes_nothing(void **state)
{
	struct frag_table *copy = zeroed(sizeof(*copy));
	struct frags look;
	struct pkt *p;

	(void)state;
	note_first(0, 1, 2);
	note_first(1, 2, 3);
	memcpy(copy, frags[0].table, sizeof(*copy));
	frags_look(&look, &frags[0]);
	look.now_ms = NOW;

	p = later(1, LEN, LEN, true);
	later(2, LEN, 8, false);
	later(3, LEN, LEN, true);
	first(4, 1);
	frags_find(&look, &view, &b);
	frags_note(&look, &view, &b);
	assert_int_equal(p[0].backend, 2);
	assert_int_equal(p[1].backend, 3);
	assert_int_equal(p[2].drop, WEIR_DROP_FRAGMENT);
	assert_memory_equal(copy, frags[0].table, sizeof(*copy));
	assert_int_equal(area[0]->frags.noted, 1);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(later_fragments_go_where_the_first_one_went),
		T(of_ipv6_the_protocol_does_not_matter),
		T(families_and_addresses_are_kept_apart),
		T(an_icmp_error_is_known_by_who_sent_it),
		T(a_complete_datagram_is_forgotten),
		T(what_befell_the_first_one_befalls_the_others),
		T(of_a_first_one_that_leaves_in_pieces_the_others_go_on),
		T(and_when_it_cannot_be_cut_they_do_not),
		T(of_two_that_overlap_in_a_burst_the_second_is_found),
		T(a_backend_that_takes_no_packets_gets_no_fragments),
		T(after_the_limit_nothing_is_known),
		T(an_overlap_ends_the_whole_datagram),
		T(a_first_fragment_of_another_length_overlaps),
		T(it_is_found_before_it_is_encapsulated),
		T(a_duplicate_goes_with_the_others),
		T(the_first_fragment_anew_is_another_datagram),
		T(another_workers_copy_learns_of_an_overlap),
		T(a_copy_that_overlapped_stays_bad_when_the_first_one_comes_anew),
		T(what_came_by_the_first_ones_worker_is_overlapped_by_another),
		T(more_pieces_than_can_be_noted_are_refused),
		T(an_overlap_is_its_services_and_its_backends),
		T(so_are_more_pieces_than_can_be_noted),
		T(without_a_backend_they_are_the_vips),
		T(explain_looks_and_changes_nothing),
	};

	return cmocka_run_group_tests_name("frags", tests, group_setup, NULL);
}
