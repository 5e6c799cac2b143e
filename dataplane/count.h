// SPDX-License-Identifier: Apache-2.0
/*
 * Adding to a counter in a worker's area. One thread writes it and anyone reads
 * it, so a plain load, add and store will do: no locked instruction.
 */
#ifndef WEIR_COUNT_H
#define WEIR_COUNT_H

#include "pipeline.h"
#include "shm.h"

static inline void count_add_u64(_Atomic uint64_t *c, uint64_t n)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	/* What the lines below mean, for which gcc takes three instructions. */
	__asm__("addq %1, %0" : "+m"(*(uint64_t *)c) : "er"(n) : "cc");
#else
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
#endif
}

/* The column of a packet that is dropped for `reason`; WEIR_COLUMNS: it has none. */
static inline unsigned count_drop_column(const struct pkt *p, unsigned reason)
{
	unsigned chosen = p->flags & PKT_CHOSEN ? weir_chosen_column(reason) : WEIR_COLUMNS;

	return chosen != WEIR_COLUMNS ? chosen : weir_drop_column(reason);
}

/* For a service and its backend, or for the VIP that has the service. */
static inline void count_column(struct weir_worker_area *a, unsigned service, unsigned backend,
				unsigned column)
{
	count_add_u64(&a->service_column[service % WEIR_MAX_SERVICES][column], 1);
	if (column < WEIR_BACKEND_COLUMNS)
		count_add_u64(&a->backend_column[backend % WEIR_MAX_BACKENDS][column], 1);
}

static inline void count_add(struct weir_count *c, uint64_t packets, uint64_t bytes)
{
	count_add_u64(&c->packets, packets);
	count_add_u64(&c->bytes, bytes);
}

/* Both words of a counter as one: packets, bytes. */
typedef uint64_t __attribute__((vector_size(16), may_alias)) count_both;

/* count_add() of both at once. A reader may see one of the words before the other, as there. */
static inline void count_add_both(struct weir_count *c, count_both both)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	*(volatile count_both *)c += both;
#else
	count_add(c, both[0], both[1]);
#endif
}

#endif /* WEIR_COUNT_H */
