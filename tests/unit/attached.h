// SPDX-License-Identifier: Apache-2.0
/*
 * An attachment to a data plane whose workers run their own code, and a model to publish.
 */
#ifndef WEIR_TEST_ATTACHED_H
#define WEIR_TEST_ATTACHED_H

#include "attachment.h"

#include "fake_dp.h"
#include "small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { WORKERS = 2, BLOCKS = 64, NOW = 1000 };

static struct fake_dp dp;
static struct attachment at;
static struct model model;
static uint64_t boot_ms = 1000000; /* CLOCK_BOOTTIME as the control plane sees it */

static inline int setup(void **state)
{
	(void)state;
	model = (struct model){ 0 };
	fake_dp_open(&dp, WORKERS, BLOCKS);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	attachment_close(&at);
	small_free(&model);
	fake_dp_close(&dp);
	return 0;
}

static inline unsigned poll_workers(void)
{
	unsigned events[WEIR_MAX_WORKERS];

	return attachment_poll(&at, NOW, events);
}

/* A control plane comes, with a model of its own; what attachment_adopt() says. */
static inline int attach(const char **why)
{
	fake_dp_session(&dp);
	assert_int_equal(attachment_open(&at, &dp.view, NOW), 0);
	assert_false(attachment_has_joined(&at));
	fake_dp_step(&dp);
	poll_workers();
	assert_true(attachment_has_joined(&at));
	return attachment_adopt(&at, &model, boot_ms, why);
}

/* The first control plane of this data plane, all backends up. */
static inline void begin(unsigned pools, unsigned backends)
{
	const char *why;

	small_configure(pools, backends);
	assert_int_equal(small_apply(&model), 0);
	small_all_up(&model);
	assert_int_equal(attach(&why), 0);
}

/* It is killed, and the next one knows only the configuration. */
static inline int restart(const char **why)
{
	attachment_close(&at);
	small_free(&model);
	assert_int_equal(small_apply(&model), 0);
	return attach(why);
}

/* Publish; worker 0 takes it, worker 1 too unless it hangs. */
static inline void publish(bool worker1_hangs)
{
	assert_int_equal(attachment_publish(&at, &model, boot_ms), 0);
	attachment_send(&at, NOW);
	table_view_poll(dp.worker[0]);
	if (!worker1_hangs)
		table_view_poll(dp.worker[1]);
	poll_workers();
	attachment_reclaim(&at, &model);
	assert_int_equal(dp.worker[0]->view->generation, at.generation);
}

static inline struct backend *backend(unsigned pool, unsigned i)
{
	return model.pool[pool]->backend[i];
}

/* What a worker has is what the model says: owners by name, lines by address. */
static inline void assert_in_force(const struct worker *w)
{
	for (uint32_t p = 0; p < model.pool_count; p++) {
		for (uint32_t slot = 0; slot < SMALL_TABLE; slot++) {
			int owner = fake_dp_owner(w, model.pool[p]->index, slot);
			uint32_t i = 0;

			if (owner < 0)
				continue;
			while (i < model.pool[p]->backend_count && backend(p, i)->index != owner)
				i++;
			assert_in_range(i, 0, model.pool[p]->backend_count - 1);
			assert_true(backend_serves(backend(p, i)));
			assert_memory_equal(w->view->backend[owner].dmac, backend(p, i)->hop.mac,
					    6);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* WEIR_TEST_ATTACHED_H */
