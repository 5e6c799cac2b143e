// SPDX-License-Identifier: Apache-2.0
/*
 * What promises "-ENOMEM with everything as it was" is made to fail at each of its
 * allocations in turn. Built with -Dmalloc=scarce_malloc and so on, so that all files
 * linked here allocate through the three functions below; AddressSanitizer counts what
 * is left behind.
 */
#include "conf_make.h"
#include "model.h"
#include "reload.h"

#include <errno.h>

#undef malloc
#undef calloc
#undef realloc
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *p, size_t size);

static unsigned long left = ~0ul; /* allocations until the one that fails */

static bool fails(void)
{
	return left-- == 0;
}

void *scarce_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

void *scarce_calloc(size_t count, size_t size)
{
	return fails() ? NULL : calloc(count, size);
}

void *scarce_realloc(void *p, size_t size)
{
	return fails() ? NULL : realloc(p, size);
}

/* Two files that differ in every way: pools, backends and services that stay, come
 * and go. */
static struct conf *before_file(void)
{
	return conf_make("[pool web]\nbackend a = 192.0.2.1\nbackend b = 192.0.2.2\n"
			 "[pool old]\nbackend x = 192.0.2.8\n"
			 "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
			 "[service old]\nvip = 203.0.113.1\nport = 81\npool = old\n");
}

static struct conf *after_file(void)
{
	return conf_make("[pool new]\nbackend y = 192.0.2.9\n"
			 "[pool web]\nmtu = 1400\nbackend c = 192.0.2.3\n"
			 "backend a = 192.0.2.1 weight=7\n"
			 "[service new]\nvip = 203.0.113.1\nport = 82\npool = new\n"
			 "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n");
}

static void a_merge_that_runs_out_of_memory_changes_nothing(void **state)
{
	struct conf *before = before_file(), *after = after_file(), *running = before_file();
	char *brief = conf_brief(running);
	unsigned changed, failures = 0;

	(void)state;
	for (;; failures++) {
		int err;

		left = failures;
		err = conf_merge(running, before, after, &changed);
		left = ~0ul;
		if (err == 0)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_brief(running, brief);
	}
	assert_true(failures > 10);
	assert_brief(running, "new(y:1) web(c:1,a:7) new>new@203.0.113.1:82 "
			      "www>web@203.0.113.1:80");
	free(brief);
	conf_free(before);
	conf_free(after);
	conf_free(running);
}

static void a_copy_that_runs_out_of_memory_is_none(void **state)
{
	struct conf *c = before_file(), *copy = NULL;
	unsigned failures = 0;

	(void)state;
	for (;; failures++) {
		left = failures;
		copy = conf_dup(c);
		left = ~0ul;
		if (copy != NULL)
			break;
	}
	assert_int_equal(failures, 5); /* itself, two arrays, two pools' backends */
	conf_free(copy);
	conf_free(c);
}

static void a_revert_that_runs_out_of_memory_leaves_nothing(void **state)
{
	struct conf *file = before_file(), *running = after_file();
	struct reload r;
	unsigned failures = 0;

	(void)state;
	for (;; failures++) {
		int err;

		left = failures;
		err = reload_revert(file, running, &r);
		left = ~0ul;
		if (err == 0)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_null(r.running);
		assert_null(r.file);
		reload_free(&r);
	}
	assert_true(failures > 20);
	reload_free(&r);
	conf_free(file);
	conf_free(running);
}

static unsigned told;

static void count(void *user, struct backend *b)
{
	(void)user;
	(void)b;
	told++;
}

static void a_model_that_runs_out_of_memory_stays_as_it_was(void **state)
{
	const struct model_hooks hooks = { .backend_added = count,
					   .backend_changed = count,
					   .backend_removed = count };
	struct conf *before = before_file(), *after = after_file();
	struct model m = { 0 };
	unsigned failures = 0;

	(void)state;
	assert_int_equal(model_apply(&m, before, &hooks), 0);
	assert_int_equal(told, 3);
	for (;; failures++) {
		struct pool **pools = m.pool;
		int err;

		left = failures;
		err = model_apply(&m, after, &hooks);
		left = ~0ul;
		if (err == 0)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_int_equal(told, 3); /* nobody was told */
		assert_ptr_equal(m.pool, pools);
		assert_int_equal(m.pool_count, 2);
		assert_int_equal(m.service_count, 2);
		assert_non_null(model_backend(model_pool(&m, "web"), "b"));
		assert_int_equal(model_pool(&m, "web")->conf.mtu, 1500);
	}
	assert_true(failures > 10);
	assert_int_equal(told, 3 + 5); /* b, x gone; a changed; c, y new */
	model_free(&m, &hooks);
	conf_free(before);
	conf_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_merge_that_runs_out_of_memory_changes_nothing),
		cmocka_unit_test(a_copy_that_runs_out_of_memory_is_none),
		cmocka_unit_test(a_revert_that_runs_out_of_memory_leaves_nothing),
		cmocka_unit_test(a_model_that_runs_out_of_memory_stays_as_it_was),
	};

	return cmocka_run_group_tests_name("no_memory", tests, sandbox_setup, sandbox_teardown);
}
