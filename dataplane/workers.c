// SPDX-License-Identifier: Apache-2.0
#include "workers.h"

#include "eal.h"
#include "log.h"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include <errno.h>
#include <string.h>
#include <time.h>

static uint64_t boottime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The magic comes last: who finds it finds the rest too. */
static void lay_out(struct workers *w, const struct dpconf *conf, const struct segment *state,
		    const struct segment *control)
{
	w->state = state->base;
	w->state->layout_version = WEIR_LAYOUT_VERSION;
	w->state->worker_count = w->count;
	w->state->control_size = control->size;
	w->state->start_ms = boottime_ms();
	w->state->pins = conf->pins;
	atomic_thread_fence(memory_order_release);
	w->state->magic = WEIR_STATE_MAGIC;
}

/* Our memory, our mapping: the writable way to a worker's pins. */
static struct weir_pin_bucket *pins_of(struct weir_state *state, unsigned worker)
{
	return (struct weir_pin_bucket *)weir_state_pins(state, worker, state->worker_count,
							 state->pins);
}

/* Each its own, and all that there are so far each other's. */
static void give_pins(struct workers *all, unsigned i)
{
	struct worker *w = all->worker[i];
	uint32_t buckets = weir_pin_buckets(all->state->pins);

	w->pins = (struct pins){
		.bucket = pins_of(all->state, i),
		.filter = all->filter,
		.mask = buckets - 1,
		.capacity = all->state->pins,
		.area = w->area,
	};
	for (unsigned o = 0; o < i; o++) {
		pins_know(&w->pins, &all->worker[o]->pins);
		pins_know(&all->worker[o]->pins, &w->pins);
	}
}

/* One for all of them. */
static bool make_filter(struct workers *w)
{
	uint32_t cells = pin_filter_cells((uint64_t)w->count * w->state->pins);

	w->filter = (struct pin_filter){
		.cell = rte_zmalloc_socket("pin filter", cells * sizeof(*w->filter.cell),
					   WEIR_CACHE_LINE,
					   (int)rte_lcore_to_socket_id(EAL_WORKER_LCORE(0))),
		.mask = cells - 1,
	};
	return w->filter.cell != NULL;
}

/* Each its own table, and all that there are so far each other's. */
static bool give_frags(struct workers *all, unsigned i)
{
	struct worker *w = all->worker[i];

	w->frags.area = w->area;
	w->frags.table = rte_zmalloc_socket("frags", sizeof(*w->frags.table), WEIR_CACHE_LINE,
					    (int)rte_lcore_to_socket_id(EAL_WORKER_LCORE(i)));
	if (w->frags.table == NULL)
		return false;
	for (unsigned o = 0; o < i; o++) {
		struct frags *other = &all->worker[o]->frags;

		other->other[other->other_count++] = w->frags.table;
		w->frags.other[w->frags.other_count++] = other->table;
	}
	return true;
}

static struct worker *create(unsigned i, struct weir_state *state, const struct segment *control,
			     const struct dpconf *conf, const struct ports *ports)
{
	const struct weir_control *shared = control->base;
	struct worker *w = rte_zmalloc_socket("worker", sizeof(*w), WEIR_CACHE_LINE,
					      (int)rte_lcore_to_socket_id(EAL_WORKER_LCORE(i)));

	if (w == NULL)
		return NULL;
	w->area = &state->worker[i];
	w->control = &shared->worker[i];
	w->arena = shared->arena;
	w->arena_size = weir_arena_size(control->size);
	w->adaptive = conf->idle == DP_IDLE_ADAPTIVE;
	w->start_filled = conf->start == DP_START_FILLED;
	for (unsigned p = 0; p < ports->count; p++) {
		const struct port *port = &ports->port[p];

		memcpy(w->egress[p].mac, port->mac, sizeof(w->egress[p].mac));
		w->egress[p].mtu = port->mtu;
		w->tx[p] = (struct worker_tx){ .ethdev = port->ethdev, .queue = (uint16_t)i };
	}
	answers_init(&w->answers, w->area, conf->answers_per_s, rte_get_tsc_hz());
	worker_init(w);
	return w;
}

/* Fewest queues first, then the right NUMA node, then the lowest number. */
static struct worker *choose(struct workers *w, int socket)
{
	unsigned best = 0, best_cost = UINT32_MAX;

	for (unsigned i = 0; i < w->count; i++) {
		bool far = (int)rte_lcore_to_socket_id(EAL_WORKER_LCORE(i)) != socket;
		unsigned cost = w->worker[i]->queue_count * 2 + far;

		if (cost < best_cost) {
			best_cost = cost;
			best = i;
		}
	}
	return w->worker[best];
}

static int share_out(struct workers *w, const struct ports *ports)
{
	for (unsigned p = 0; p < ports->count; p++) {
		const struct port *port = &ports->port[p];

		for (uint16_t q = 0; q < port->rx_queues; q++) {
			struct worker *to = choose(w, port->socket);

			if (to->queue_count == WORKER_MAX_QUEUES) {
				log_error("cpus: %u workers cannot poll all receive queues: more "
					  "CPUs, or smaller rx_queues",
					  w->count);
				return -E2BIG;
			}
			to->queue[to->queue_count++] = (struct worker_queue){
				.ethdev = port->ethdev,
				.queue = q,
				.port = (uint8_t)p,
			};
		}
	}
	return 0;
}

int workers_create(struct workers *w, const struct dpconf *conf, const struct ports *ports,
		   const struct segment *state, const struct segment *control)
{
	*w = (struct workers){ .count = conf->cpu_count };
	memcpy(w->cpu, conf->cpus, sizeof(w->cpu));
	lay_out(w, conf, state, control);
	if (!make_filter(w)) {
		log_error("memory_mb = %u: no room for the filter of pins", conf->memory_mb);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < w->count; i++) {
		w->worker[i] = create(i, w->state, control, conf, ports);
		if (w->worker[i] == NULL || !give_frags(w, i)) {
			log_error("memory_mb = %u: no room for worker %u", conf->memory_mb, i);
			return -ENOMEM;
		}
		give_pins(w, i);
	}
	return share_out(w, ports);
}

void workers_destroy(struct workers *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		if (w->worker[i] != NULL)
			rte_free(w->worker[i]->frags.table);
		rte_free(w->worker[i]);
	}
	rte_free(w->filter.cell);
	w->count = 0;
}

/* What all threads do first; set once, before any of them starts. */
static void (*run_before)(void);

static int run(void *arg)
{
	run_before();
	worker_run(arg);
	return 0;
}

int workers_start(struct workers *w, void (*before)(void))
{
	run_before = before;
	for (unsigned i = 0; i < w->count; i++) {
		int err = rte_eal_remote_launch(run, w->worker[i], EAL_WORKER_LCORE(i));

		if (err < 0) {
			log_error("cpus: cannot start the worker on CPU %u: %s", w->cpu[i],
				  strerror(-err));
			return err;
		}
	}
	return 0;
}

void workers_stop(struct workers *w)
{
	for (unsigned i = 0; i < w->count; i++)
		atomic_store_explicit(&w->worker[i]->stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < w->count; i++)
		rte_eal_wait_lcore(EAL_WORKER_LCORE(i));
}

void workers_join(struct workers *w, uint32_t session)
{
	for (unsigned i = 0; i < w->count; i++)
		atomic_store_explicit(&w->worker[i]->session, session, memory_order_release);
}

bool workers_joined(const struct workers *w, uint32_t session, unsigned *late)
{
	for (unsigned i = 0; i < w->count; i++) {
		if (atomic_load_explicit(&w->worker[i]->area->session_seen, memory_order_acquire) ==
		    session)
			continue;
		if (late != NULL)
			*late = i;
		return false;
	}
	return true;
}

const struct worker *workers_newest(const struct workers *w)
{
	const struct worker *newest = w->worker[0];

	for (unsigned i = 1; i < w->count; i++)
		if (atomic_load_explicit(&w->worker[i]->area->seen_generation,
					 memory_order_relaxed) >
		    atomic_load_explicit(&newest->area->seen_generation, memory_order_relaxed))
			newest = w->worker[i];
	return newest;
}
