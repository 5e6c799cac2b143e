// SPDX-License-Identifier: Apache-2.0
/*
 * The poll loop. Between two bursts it looks for commands every COMMANDS_EVERY
 * rounds, and in every round that brought nothing.
 */
#include "worker.h"

#include "count.h"
#include "split.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include <sys/prctl.h>
#include <time.h>

/* 32 rounds of full bursts are 1,024 packets: some 50 us at 20 Mpps. */
#define COMMANDS_EVERY 32

/*
 * idle = adaptive. SPIN_POLLS empty rounds, some 20 us, are waited out awake: gaps
 * of that length are part of a busy link. Then each sleep is twice the one before,
 * so that none is much longer than the link has been quiet already.
 */
#define SPIN_POLLS   256
#define SLEEP_MIN_NS 16000u
#define SLEEP_MAX_NS 1000000u

void worker_init(struct worker *w)
{
	view_none(&w->views[0]);
	w->view = &w->views[0];
}

static void idle(struct worker *w)
{
	if (++w->idle_run < SPIN_POLLS) {
		w->sleep_ns = SLEEP_MIN_NS;
		rte_pause();
		return;
	}
	nanosleep(&(struct timespec){ .tv_nsec = w->sleep_ns }, NULL);
	w->sleep_ns = RTE_MIN(w->sleep_ns * 2, SLEEP_MAX_NS);
	count_add_u64(&w->area->sleeps, 1);
}

/* What is forwarded of b's packets from..to - 1 leaves now: the pieces of the next one are
 * not to overtake a packet of their flow. */
static void send_ahead(struct worker *w, struct burst *b, uint32_t from, uint32_t to)
{
	struct burst ahead;

	ahead.n = 0;
	ahead.dropped = ahead.one_port = false;
	for (uint32_t i = from; i < to; i++)
		if (b->pkt[i].drop == WEIR_DROP_NONE) {
			ahead.key[ahead.n] = b->key[i];
			ahead.pkt[ahead.n++] = b->pkt[i];
			b->pkt[i].drop = PKT_TAKEN;
		}
	if (w->capturing != NULL)
		capture_after(w->capturing, &ahead);
	tx_burst(w, &ahead);
}

/* What encap found too big and may be cut up leaves in pieces, in its place between the
 * others; the packets themselves go. */
static void send_in_pieces(struct worker *w, const struct view *v, struct burst *b)
{
	struct burst pieces;
	uint32_t sent = 0; /* of b: what is before it has left, or does not leave */

	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];

		if (!split_wanted(v, p))
			continue;
		if (split_packet(v, w->egress, p, &pieces) == 0) {
			if (p->flags & PKT_FRAG_FIRST)
				frags_note_drop(&w->frags, v, b, i);
			continue;
		}
		send_ahead(w, b, sent, i);
		sent = i;
		rte_pktmbuf_free(p->mbuf);
		p->drop = PKT_TAKEN;
		count_add_u64(&w->area->frags.split, 1);
		count_add_u64(&w->area->frags.pieces, pieces.n);
		if (w->capturing != NULL)
			capture_pieces(w->capturing, &pieces, p, &b->key[i]);
		tx_burst(w, &pieces);
	}
}

/* Some of what was dropped is to leave in pieces or to be answered, some is the kernel's. */
static __rte_noinline void after_drops(struct worker *w, const struct view *v, struct burst *b)
{
	uint64_t now = rte_rdtsc();

	send_in_pieces(w, v, b);
	if (w->capturing != NULL)
		capture_outcome(w->capturing, b);
	answer_burst(&w->answers, v, w->egress, b, now);
	count_lost(w, b);
	if (w->punt.ports != 0)
		punt_burst(&w->punt, b, now);
	if (w->capturing != NULL)
		capture_unpunted(w->capturing, b);
}

/* From parse to tx; `capture` is a constant where this is expanded. */
static __rte_always_inline void run_stages(struct worker *w, const struct view *v, struct burst *b,
					   bool capture)
{
	parse_burst(b);
	classify_burst(v, b);
	if (unlikely(b->seen & PKT_FRAGMENT)) {
		frags_clock(&w->frags);
		frags_find(&w->frags, v, b);
	}
	select_burst(v, &w->pins, b);
	if (capture)
		capture_before(w->capturing, b);
	encap_burst(v, w->egress, b);
	if (unlikely(b->seen & PKT_FRAGMENT))
		frags_note(&w->frags, v, b);
	if (unlikely(b->dropped))
		after_drops(w, v, b);
	if (capture) {
		capture_after(w->capturing, b);
		capture_commit(w->capturing);
	}
	tx_burst(w, b);
}

static __rte_noinline void run_stages_captured(struct worker *w, const struct view *v,
					       struct burst *b)
{
	run_stages(w, v, b, true);
}

static inline void all_stages(struct worker *w, const struct view *v, struct burst *b)
{
	if (unlikely(w->capturing != NULL))
		run_stages_captured(w, v, b);
	else
		run_stages(w, v, b, false);
}

/* Fragments that waited, and whose first one has come. */
static __rte_noinline void take_again(struct worker *w, const struct view *v, struct burst *b)
{
	while (frags_again(&w->frags, b))
		all_stages(w, v, b);
}

/* One burst from each queue. Returns the packets taken. */
static inline uint32_t poll_queues(struct worker *w, struct burst *b)
{
	const struct view *v = w->view;
	uint32_t taken = 0;

	for (uint32_t i = 0; i < w->queue_count; i++) {
		rx_burst(w, &w->queue[i], b);
		if (b->n == 0)
			continue;
		taken += b->n;
		all_stages(w, v, b);
		if (unlikely(w->frags.ready != 0))
			take_again(w, v, b);
	}
	return taken;
}

/*
 * Between bursts: take up a capture, or let go of one. The housekeeping thread takes a ring
 * away from `capture`, then frees it once nobody says in `capture_seen` that he has it. So we
 * say it first and then look whether it is still there: of two stores, each followed by a
 * load of the other's, all sequentially consistent, one load sees the other's store.
 */
static void take_capture(struct worker *w)
{
	struct capture_ring *r = atomic_load_explicit(&w->capture, memory_order_acquire), *said;

	if (likely(r == w->capturing))
		return;
	do {
		said = r;
		atomic_store(&w->capture_seen, said);
		r = atomic_load(&w->capture);
	} while (r != said);
	w->capturing = w->frags.capturing = r;
}

void worker_run(struct worker *w)
{
	struct burst b;

	/* A thread's timers are late by 50 us unless it says otherwise. */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);

	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		bool waiting = w->start_filled && w->view->generation == 0;
		uint32_t taken = waiting ? 0 : poll_queues(w, &b);

		w->loops++;
		if (taken != 0) {
			w->idle_run = 0;
			if (likely(w->loops < COMMANDS_EVERY))
				continue;
		} else {
			count_add_u64(&w->area->idle_loops, 1);
		}

		count_add_u64(&w->area->loops, w->loops);
		w->loops = 0;
		table_view_poll(w);
		take_capture(w);
		pins_tick(&w->pins, w->view);
		frags_tick(&w->frags);
		if (unlikely(w->frags.ready != 0))
			take_again(w, w->view, &b);
		if (w->punt.ports != 0)
			punt_poll(w);
		if (taken == 0 && w->adaptive)
			idle(w);
	}
	frags_end(&w->frags);
}
