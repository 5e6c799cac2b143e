// SPDX-License-Identifier: Apache-2.0
#include "prefix.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct weir_addr addr(const char *text)
{
	struct weir_addr a;

	assert_int_equal(weir_addr_parse(text, &a), 0);
	return a;
}

static void same_address_with_another_length_is_another_prefix(void **state)
{
	struct weir_addr a = addr("10.0.0.0");
	struct prefix_list l = { 0 };

	(void)state;
	assert_int_equal(prefix_add(&l, &a, 8), 0);
	assert_int_equal(prefix_add(&l, &a, 24), 0);
	assert_int_equal(prefix_add(&l, &a, 8), -EEXIST);
	assert_int_equal(l.count, 2);
	assert_true(prefix_has(&l, &(struct prefix){ .addr = a, .len = 24 }));
	assert_false(prefix_has_addr(&l, &a));
	prefix_free(&l);
	assert_int_equal(l.count, 0);
}

/* Adding and taking out in every phase of the array's growth. */
static void list_agrees_with_a_table_of_flags(void **state)
{
	struct prefix_list l = { 0 };
	bool in[256] = { false };
	uint32_t random = 1;
	unsigned count = 0;

	(void)state;
	for (unsigned step = 0; step < 20000; step++) {
		struct weir_addr a = { .family = 4, .bytes = { 10, 0, 0, 0 } };
		struct prefix p;

		random = random * 1664525 + 1013904223; /* Knuth, Numerical Recipes */
		a.bytes[3] = (uint8_t)(random >> 24);
		p = (struct prefix){ .addr = a, .len = 32 };
		if (random >> 23 & 1) {
			assert_int_equal(prefix_add_addr(&l, &a), in[a.bytes[3]] ? -EEXIST : 0);
			count += !in[a.bytes[3]];
			in[a.bytes[3]] = true;
		} else {
			prefix_remove(&l, &p);
			count -= in[a.bytes[3]];
			in[a.bytes[3]] = false;
		}
		assert_int_equal(l.count, count);
		assert_int_equal(prefix_has(&l, &p), in[a.bytes[3]]);
	}
	prefix_free(&l);
}

static void order_is_that_of_adding(void **state)
{
	static const char *const text[] = { "10.0.0.3", "10.0.0.1", "10.0.0.2" };
	struct prefix_list l = { 0 };
	char buf[WEIR_PREFIX_STRLEN];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct weir_addr a = addr(text[i]);

		assert_int_equal(prefix_add_addr(&l, &a), 0);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(prefix_text(&l.item[i], buf), text[i]);
	prefix_free(&l);
}

static void text_leaves_a_full_length_out(void **state)
{
	char buf[WEIR_PREFIX_STRLEN];
	struct prefix p = { .addr = addr("192.0.2.0"), .len = 24 };

	(void)state;
	assert_string_equal(prefix_text(&p, buf), "192.0.2.0/24");
	p.len = 32;
	assert_string_equal(prefix_text(&p, buf), "192.0.2.0");
	p = (struct prefix){ .addr = addr("2001:db8::"), .len = 32 };
	assert_string_equal(prefix_text(&p, buf), "2001:db8::/32");
	p.len = 128;
	assert_string_equal(prefix_text(&p, buf), "2001:db8::");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_address_with_another_length_is_another_prefix),
		cmocka_unit_test(list_agrees_with_a_table_of_flags),
		cmocka_unit_test(order_is_that_of_adding),
		cmocka_unit_test(text_leaves_a_full_length_out),
	};

	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
