// SPDX-License-Identifier: Apache-2.0
/*
 * The worker's end of its session with the control plane: commands in, replies
 * out, and the snapshot in force. Runs on the worker's thread between two bursts
 * and does a bounded amount of work a call.
 *
 * Acknowledging is two stores in the worker's area, seen_offset and then
 * seen_generation (release): who reads seen_generation with acquire sees an
 * offset at least as new. From then on no load of this worker goes to an older
 * snapshot or to a table that only older ones name: the new view was put in
 * force before, and the burst that used the old one is over.
 */
#include "worker.h"

static void reply(struct worker *w, uint32_t type, uint32_t arg, uint64_t generation)
{
	const struct weir_msg m = { .type = type, .arg = arg, .generation = generation };

	/* Full: the reply is lost, as it may be; the area says what is in force. */
	(void)weir_ring_push(&w->area->reply, &w->control->reply_head, &m);
}

static void take(struct worker *w, const struct weir_msg *m)
{
	struct view *spare = w->view == &w->views[0] ? &w->views[1] : &w->views[0];
	enum weir_reject why = view_take(spare, w->arena, w->arena_size, m->arg, m->generation,
					 w->view->generation);

	if (why != WEIR_REJECT_NONE) {
		reply(w, WEIR_MSG_REJECTED, why, m->generation);
		return;
	}
	w->view = spare;
	atomic_store_explicit(&w->area->seen_offset, m->arg, memory_order_relaxed);
	atomic_store_explicit(&w->area->seen_generation, m->generation, memory_order_release);
	reply(w, WEIR_MSG_TAKEN, m->arg, m->generation);
}

/* Both of our positions start anew; the control plane's number says when its do. */
static void join(struct worker *w, uint32_t session)
{
	atomic_store_explicit(&w->area->cmd_head, 0, memory_order_relaxed);
	atomic_store_explicit(&w->area->reply.tail, 0, memory_order_relaxed);
	atomic_store_explicit(&w->area->session_seen, session, memory_order_release);
}

void table_view_poll(struct worker *w)
{
	uint32_t session = atomic_load_explicit(&w->session, memory_order_acquire);
	struct weir_msg m, newest = { 0 };

	if (session != atomic_load_explicit(&w->area->session_seen, memory_order_relaxed))
		join(w, session);
	/* Acquire pairs with the control plane's release: its zeroed positions are
	 * seen before its number. */
	if (session == 0 ||
	    atomic_load_explicit(&w->control->session, memory_order_acquire) != session)
		return;

	/* At most one ring full, whatever the peer does to its position. A snapshot
	 * that a newer one follows is not taken: to have seen the newer is enough. */
	for (unsigned i = 0; i < WEIR_RING_SLOTS; i++) {
		if (!weir_ring_pop(&w->control->cmd, &w->area->cmd_head, &m))
			break;
		if (m.type == WEIR_MSG_SNAPSHOT)
			newest = m;
	}
	if (newest.type != 0)
		take(w, &newest);
}

enum weir_reject table_view_copy(const struct worker *w, struct view *v)
{
	enum weir_reject why = WEIR_REJECT_STALE;

	/* Between the loads the worker may take a newer snapshot, or have stored only
	 * its offset: another generation stands there then, and we ask again. */
	for (unsigned tries = 0; tries < 8; tries++) {
		uint64_t generation =
			atomic_load_explicit(&w->area->seen_generation, memory_order_acquire);
		uint64_t offset = atomic_load_explicit(&w->area->seen_offset, memory_order_relaxed);

		if (generation == 0)
			return WEIR_REJECT_STALE;
		why = view_take(v, w->arena, w->arena_size, (uint32_t)offset, generation,
				generation - 1);
		if (why == WEIR_REJECT_NONE)
			break;
	}
	return why;
}
