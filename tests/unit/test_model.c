// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include "conf_make.h"

static struct model model;

/* What the hooks said, "+web/a ~web/b -web/c *www": added, changed, removed, service. */
static char told[4096];
static char gone_pool[WEIR_NAME_LEN]; /* name of the pool that a removed backend pointed to */

static void say(char sign, const char *pool, const char *name)
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "%s%c%s%s%s", n ? " " : "", sign, pool,
		 pool[0] ? "/" : "", name);
}

/* Every object is in its place when a hook is called. */
static void assert_in_place(const struct backend *b)
{
	assert_ptr_equal(model_pool(&model, b->pool->conf.name), b->pool);
	assert_ptr_equal(model_backend(b->pool, b->conf.name), b);
}

static void added(void *user, struct backend *b)
{
	assert_ptr_equal(user, &model);
	assert_in_place(b);
	say('+', b->pool->conf.name, b->conf.name);
}

static void changed(void *user, struct backend *b)
{
	assert_ptr_equal(user, &model);
	assert_in_place(b);
	say('~', b->pool->conf.name, b->conf.name);
}

static void removed(void *user, struct backend *b)
{
	assert_ptr_equal(user, &model);
	strcpy(gone_pool, b->pool->conf.name);
	say('-', b->pool->conf.name, b->conf.name);
}

static void service_added(void *user, struct service *s)
{
	assert_ptr_equal(user, &model);
	assert_ptr_equal(model_service(&model, s->conf.name), s);
	say('*', "", s->conf.name);
}

static const struct model_hooks hooks = { &model, added, changed, removed, service_added };

static void apply(const char *text, const char *expected)
{
	struct conf *c = conf_make(text);

	told[0] = '\0';
	assert_int_equal(model_apply(&model, c, &hooks), 0);
	conf_free(c); /* the model keeps nothing of it */
	assert_string_equal(told, expected);
}

static int drop(void **state)
{
	static const struct model_hooks quiet;

	(void)state;
	model_free(&model, &quiet);
	return 0;
}

static struct backend *get(const char *pool, const char *name)
{
	struct pool *p = model_pool(&model, pool);

	assert_non_null(p);
	return model_backend(p, name);
}

/* As publish.c does after a build. */
static void settle(void)
{
	for (uint32_t i = 0; i < model.pool_count; i++)
		model.pool[i]->full_stale = model.pool[i]->table_stale = false;
}

#define SERVICE "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
#define AB	"[pool web]\nbackend a = 192.0.2.1\nbackend b = 192.0.2.2\n" SERVICE

static void the_first_fill_makes_everything(void **state)
{
	(void)state;
	apply(AB, "+web/a +web/b *www");
	assert_int_equal(model.pool_count, 1);
	assert_int_equal(model.service_count, 1);
	assert_true(model.pool[0]->full_stale);
	assert_true(model.pool[0]->table_stale);
	assert_null(model.pool[0]->conf.backend);
	assert_ptr_equal(model.service[0]->pool, model.pool[0]);
	assert_int_equal(get("web", "a")->index, -1);
	assert_int_equal(get("web", "a")->health, HEALTH_PENDING);
	assert_false(get("web", "a")->hop.resolved);
	assert_string_not_equal(get("web", "a")->hop.why, "");
}

static void ids_are_hashes_of_names_and_stay_what_they_are(void **state)
{
	(void)state;
	apply(AB, "+web/a +web/b *www");
	/* XXH3_64bits() of "web" and "web/a" by libxxhash 0.8.1. A snapshot that an older
	 * control plane left holds these numbers. */
	assert_true(model.pool[0]->id == 0x22fd8ad0bcfe2d1full);
	assert_true(get("web", "a")->id == 0x6bbb52e35bb67f16ull);
}

static void the_same_again_touches_nothing(void **state)
{
	struct backend *a;

	(void)state;
	apply(AB, "+web/a +web/b *www");
	settle();
	a = get("web", "a");
	a->index = 5;
	a->health = HEALTH_UP;
	a->hop.resolved = true;
	apply(AB, "");
	assert_ptr_equal(get("web", "a"), a);
	assert_int_equal(a->index, 5);
	assert_int_equal(a->health, HEALTH_UP);
	assert_true(a->hop.resolved);
	assert_false(model.pool[0]->full_stale);
	assert_false(model.pool[0]->table_stale);
}

static void backends_come_and_go_and_the_others_stay(void **state)
{
	struct backend *b;

	(void)state;
	apply(AB, "+web/a +web/b *www");
	settle();
	b = get("web", "b");
	apply("[pool web]\nbackend b = 192.0.2.2\nbackend c = 192.0.2.3\n" SERVICE,
	      "-web/a +web/c");
	assert_string_equal(gone_pool, "web");
	assert_ptr_equal(get("web", "b"), b);
	assert_null(get("web", "a"));
	assert_true(model.pool[0]->full_stale);
}

static void another_order_makes_the_full_table_stale(void **state)
{
	(void)state;
	apply(AB, "+web/a +web/b *www");
	settle();
	/* `full` names backends by their position in backend[]. */
	apply("[pool web]\nbackend b = 192.0.2.2\nbackend a = 192.0.2.1\n" SERVICE, "");
	assert_true(model.pool[0]->full_stale);
	assert_string_equal(model.pool[0]->backend[0]->conf.name, "b");
}

static void what_changes_decides_what_is_built_anew(void **state)
{
	static const struct {
		const char *text, *told;
		bool full, table;
	} rows[] = {
		{ "[pool web]\nbackend a = 192.0.2.1 weight=5\n" SERVICE, "~web/a", true, true },
		/* weight 0 keeps the table; only a's slots go to others */
		{ "[pool web]\nbackend a = 192.0.2.1 state=draining\n" SERVICE, "~web/a", false,
		  true },
		{ "[pool web]\nbackend a = 192.0.2.1 mac=02:00:00:00:00:01\n" SERVICE, "~web/a",
		  false, false },
		{ "[pool web]\nmtu = 1400\nbackend a = 192.0.2.1\n" SERVICE, "~web/a", false,
		  false },
		{ "[pool web]\ncheck = none\nbackend a = 192.0.2.1\n" SERVICE, "", false, false },
		{ "[pool web]\nmode = ipip\nbackend a = 192.0.2.1\n" SERVICE, "~web/a", false,
		  false },
		{ "[pool web]\nmode = ipip\nouter_source = 192.0.2.9\nbackend a = "
		  "192.0.2.1\n" SERVICE,
		  "~web/a", false, false },
		{ "[pool web]\ntable_size = 251\nbackend a = 192.0.2.1\n" SERVICE, "", true, true },
		{ "[pool web]\nhash = source\nbackend a = 192.0.2.1\n" SERVICE, "", false, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		drop(NULL);
		apply("[pool web]\nbackend a = 192.0.2.1\n" SERVICE, "+web/a *www");
		settle();
		apply(rows[i].text, rows[i].told);
		assert_int_equal(model.pool[0]->full_stale, rows[i].full);
		assert_int_equal(model.pool[0]->table_stale, rows[i].table);
	}
}

static void weight_zero_leaves_the_full_table_alone(void **state)
{
	struct conf *c = conf_make("[pool web]\nbackend a = 192.0.2.1 weight=4\n" SERVICE);

	(void)state;
	assert_int_equal(model_apply(&model, c, &hooks), 0);
	settle();
	told[0] = '\0';
	backend_set_weight(conf_backend(c, "web", "a"), 0);
	assert_int_equal(model_apply(&model, c, &hooks), 0);
	assert_string_equal(told, "~web/a");
	assert_false(model.pool[0]->full_stale);
	assert_true(model.pool[0]->table_stale);
	conf_free(c);
}

static void another_address_is_observed_anew_under_the_old_index(void **state)
{
	struct backend *a;

	(void)state;
	apply(AB, "+web/a +web/b *www");
	settle();
	a = get("web", "a");
	a->index = 5;
	a->health = HEALTH_UP;
	a->hop.resolved = true;
	apply("[pool web]\nbackend a = 192.0.2.9\nbackend b = 192.0.2.2\n" SERVICE, "~web/a");
	assert_ptr_equal(get("web", "a"), a);
	assert_int_equal(a->index, 5);
	assert_int_equal(a->health, HEALTH_PENDING);
	assert_false(a->hop.resolved);
	assert_true(model.pool[0]->table_stale);
	assert_false(model.pool[0]->full_stale); /* Maglev hashes names */
}

static void pools_go_with_their_backends_and_services_move(void **state)
{
	struct service *www;

	(void)state;
	apply(AB, "+web/a +web/b *www");
	www = model_service(&model, "www");
	apply("[pool new]\nbackend a = 192.0.2.1\n"
	      "[service www]\nvip = 203.0.113.1\nport = 80\npool = new\n",
	      "-web/a -web/b +new/a");
	assert_null(model_pool(&model, "web"));
	assert_ptr_equal(model_service(&model, "www"), www);
	assert_ptr_equal(www->pool, model_pool(&model, "new"));
	apply("", "-new/a");
	assert_int_equal(model.pool_count, 0);
	assert_int_equal(model.service_count, 0);
}

/* Services s0, s1, ... of ports 1, 2, ... in one pool. */
static void apply_services(const char *const *names)
{
	char text[4096] = "[pool p]\ncheck = none\nbackend a = 192.0.2.1\n";
	struct conf *c;

	for (unsigned i = 0; names[i] != NULL; i++)
		sprintf(text + strlen(text),
			"[service %s]\nvip = 203.0.113.1\nport = %u\npool = p\n", names[i], i + 1);
	c = conf_make(text);
	assert_int_equal(model_apply(&model, c, &hooks), 0);
	conf_free(c);
}
#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static unsigned index_of(const char *name)
{
	assert_non_null(model_service(&model, name));
	return model_service(&model, name)->index;
}

static void a_service_keeps_its_index_and_a_freed_one_rests(void **state)
{
	(void)state;
	apply_services(NAMES("a", "b", "c"));
	assert_int_equal(index_of("a"), 0);
	assert_int_equal(index_of("b"), 1);
	assert_int_equal(index_of("c"), 2);
	apply_services(NAMES("d", "c", "a"));
	assert_int_equal(index_of("a"), 0);
	assert_int_equal(index_of("c"), 2);
	assert_int_equal(index_of("d"), 3); /* not b's: its counters are still in mind */
	apply_services(NAMES("c", "a"));
	apply_services(NAMES("c", "a", "e"));
	assert_int_equal(index_of("e"), 4); /* nor that of the last one made */
	apply_services(NAMES("c"));
	model.service_next = WEIR_MAX_SERVICES - 1;
	apply_services(NAMES("x", "c", "y", "z"));
	assert_int_equal(index_of("x"), WEIR_MAX_SERVICES - 1);
	assert_int_equal(index_of("y"), 0); /* around, and past c's 2 */
	assert_int_equal(index_of("z"), 1);
	apply_services(NAMES("c", "n"));
	assert_int_equal(index_of("n"), 3);
}

static void indices_from_before_a_restart_are_honoured(void **state)
{
	static const struct service_place places[] = {
		{ "b", 7 },
		{ "gone", 8 },
		{ "c", 7 },
		{ "a", WEIR_MAX_SERVICES },
	};

	(void)state;
	model.place = places;
	model.place_count = 4;
	apply_services(NAMES("a", "b", "c"));
	assert_int_equal(index_of("b"), 7);
	/* taken already, and out of range: as if nothing had been known */
	assert_int_equal(index_of("a"), 8);
	assert_int_equal(index_of("c"), 9);
	assert_null(model.place);
	assert_int_equal(model.place_count, 0);
}

static void who_serves_and_who_forwards(void **state)
{
	static const struct {
		enum admin_state admin;
		unsigned weight;
		enum health health;
		bool resolved, serves, forwards;
	} rows[] = {
		{ ADMIN_ENABLED, 1, HEALTH_UP, true, true, true },
		{ ADMIN_ENABLED, 1, HEALTH_UP, false, false, true },
		{ ADMIN_ENABLED, 0, HEALTH_UP, true, false, true },
		{ ADMIN_ENABLED, 1, HEALTH_PENDING, true, false, true },
		{ ADMIN_ENABLED, 1, HEALTH_DOWN, true, false, false },
		{ ADMIN_DRAINING, 1, HEALTH_UP, true, false, true },
		{ ADMIN_DRAINING, 1, HEALTH_DOWN, true, false, false },
		{ ADMIN_DISABLED, 1, HEALTH_UP, true, false, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct backend b = { .conf = { .admin = rows[i].admin, .weight = rows[i].weight },
				     .health = rows[i].health,
				     .hop = { .resolved = rows[i].resolved } };

		assert_int_equal(backend_serves(&b), rows[i].serves);
		assert_int_equal(backend_forwards(&b), rows[i].forwards);
	}
	for (uint32_t percent = 0; percent <= 75; percent += 75) { /* its agent's */
		struct backend b = { .conf = { .weight = 10, .base_weight = 1 },
				     .agent_cut = 100 - percent };

		assert_int_equal(backend_weight(&b), percent == 75 ? 8 : 0);
		assert_int_equal(backend_table_weight(&b), 1);
	}
	assert_string_equal(admin_text(ADMIN_DRAINING), "draining");
	assert_string_equal(admin_text(3), "unknown");
	assert_string_equal(health_text(HEALTH_PENDING), "pending");
}

static void freeing_takes_leave_of_every_backend(void **state)
{
	(void)state;
	apply(AB, "+web/a +web/b *www");
	model.flow_seed = 42;
	told[0] = '\0';
	model_free(&model, &hooks);
	assert_string_equal(told, "-web/a -web/b");
	assert_int_equal(model.pool_count, 0);
	assert_true(model.flow_seed == 42);
	apply(AB, "+web/a +web/b *www");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_first_fill_makes_everything, drop),
		cmocka_unit_test_teardown(ids_are_hashes_of_names_and_stay_what_they_are, drop),
		cmocka_unit_test_teardown(the_same_again_touches_nothing, drop),
		cmocka_unit_test_teardown(backends_come_and_go_and_the_others_stay, drop),
		cmocka_unit_test_teardown(another_order_makes_the_full_table_stale, drop),
		cmocka_unit_test_teardown(what_changes_decides_what_is_built_anew, drop),
		cmocka_unit_test_teardown(weight_zero_leaves_the_full_table_alone, drop),
		cmocka_unit_test_teardown(another_address_is_observed_anew_under_the_old_index,
					  drop),
		cmocka_unit_test_teardown(pools_go_with_their_backends_and_services_move, drop),
		cmocka_unit_test_teardown(a_service_keeps_its_index_and_a_freed_one_rests, drop),
		cmocka_unit_test_teardown(indices_from_before_a_restart_are_honoured, drop),
		cmocka_unit_test_teardown(who_serves_and_who_forwards, drop),
		cmocka_unit_test_teardown(freeing_takes_leave_of_every_backend, drop),
	};

	return cmocka_run_group_tests_name("model", tests, sandbox_setup, sandbox_teardown);
}
