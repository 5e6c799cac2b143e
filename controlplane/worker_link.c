// SPDX-License-Identifier: Apache-2.0
/*
 * What counts as an answer is the worker's own area, which we cannot write:
 * seen_generation. Of the replies only refusals are needed, as nothing else tells of
 * them; a lost reply delays nothing.
 */
#include "worker_link.h"

void worker_link_open(struct worker_link *l, struct weir_control_worker *control,
		      const struct weir_worker_area *area, uint32_t session, uint64_t now_ms)
{
	*l = (struct worker_link){
		.control = control, .area = area, .session = session, .since_ms = now_ms
	};
	atomic_store_explicit(&control->cmd.tail, 0, memory_order_relaxed);
	atomic_store_explicit(&control->reply_head, 0, memory_order_relaxed);
	/* Release pairs with the acquire in table_view_poll(): the worker sees fresh
	 * positions once it sees the number. */
	atomic_store_explicit(&control->session, session, memory_order_release);
	l->seen = atomic_load_explicit(&area->seen_generation, memory_order_acquire);
}

static unsigned join(struct worker_link *l)
{
	uint32_t session;

	/* Before that its positions are those of an earlier session. */
	session = atomic_load_explicit(&l->area->session_seen, memory_order_acquire);
	if (session != l->session)
		return 0;
	l->joined = true;
	return LINK_JOINED;
}

static unsigned read_replies(struct worker_link *l)
{
	struct weir_msg m;
	unsigned events = 0;

	for (unsigned i = 0; i < WEIR_RING_SLOTS; i++) {
		if (!weir_ring_pop(&l->area->reply, &l->control->reply_head, &m))
			break;
		if (m.type != WEIR_MSG_REJECTED || l->sent == 0 || m.generation != l->sent)
			continue;
		l->refused = l->sent;
		l->why = m.arg;
		l->sent = 0;
		events |= LINK_REFUSED;
	}
	return events;
}

unsigned worker_link_poll(struct worker_link *l, uint64_t now_ms)
{
	unsigned events = l->joined ? 0 : join(l);
	uint64_t seen;

	if (l->joined)
		events |= read_replies(l);
	/* Acquire pairs with the release in table_view.c: the worker's last load of an
	 * older snapshot comes before our next store to its blocks. */
	seen = atomic_load_explicit(&l->area->seen_generation, memory_order_acquire);
	if (seen != l->seen) {
		l->seen = seen;
		events |= LINK_TAKEN;
	}
	if (l->sent != 0 && seen >= l->sent) {
		l->sent = 0;
		l->refused = 0;
	}
	if (l->joined && l->sent == 0) {
		if (l->late)
			events |= LINK_BACK;
		l->late = false;
	} else if (!l->late && now_ms - l->since_ms >= WORKER_LINK_LATE_MS) {
		l->late = true;
		events |= LINK_LATE;
	}
	return events;
}

bool worker_link_send(struct worker_link *l, uint64_t generation, uint32_t offset, uint64_t now_ms)
{
	const struct weir_msg m = { .type = WEIR_MSG_SNAPSHOT,
				    .arg = offset,
				    .generation = generation };

	if (!l->joined || l->sent != 0 ||
	    weir_ring_push(&l->control->cmd, &l->area->cmd_head, &m) < 0)
		return false;
	l->sent = generation;
	l->since_ms = now_ms;
	return true;
}
