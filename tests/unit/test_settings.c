// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include "bpf/decap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char why[256];

static int set(struct settings *s, const char *key, const char *value)
{
	return settings_set(s, key, value, why, sizeof(why));
}

/* Read `text` as a file called PATH, and check it. */
#define PATH_TEMPLATE "/tmp/weir-test-settings-XXXXXX"
static char path[] = PATH_TEMPLATE;

static int read_text(const char *text, struct settings *s, struct conf_errors *errors)
{
	FILE *f;
	int fd, err;

	strcpy(path, PATH_TEMPLATE);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);

	settings_init(s);
	*errors = (struct conf_errors){ 0 };
	err = settings_read(s, path, errors);
	if (err == 0)
		err = settings_check(s, true, path, errors);
	unlink(path);
	return err;
}

static void assert_errors(const char *text, const char *const *wanted, unsigned count)
{
	struct conf_errors errors;
	struct settings s;

	assert_int_equal(read_text(text, &s, &errors), -EINVAL);
	for (unsigned i = 0; i < errors.count && i < count; i++) {
		assert_memory_equal(errors.text[i], path, strlen(path));
		assert_string_equal(errors.text[i] + strlen(path), wanted[i]);
	}
	assert_int_equal(errors.count, count);
	conf_errors_free(&errors);
	settings_free(&s);
}

static void a_whole_file_is_read(void **state)
{
	struct conf_errors errors;
	struct settings s;
	char buf[WEIR_PREFIX_STRLEN];

	(void)state;
	assert_int_equal(read_text("# a backend\n"
				   "[backend]\n"
				   "interface = eth0.100\n"
				   "mode = l2\n"
				   "vip = 203.0.113.10 ; web\n"
				   "vip = 203.0.113.11\n"
				   "vip = 203.0.113.128/28\n"
				   "vip = 2001:db8::10\n"
				   "vip = 2001:db8:f::/64\n"
				   "mtu = 1500\n"
				   "mss = leave\n"
				   "gue_port = 6081\n"
				   "from = 10.0.0.0/24\n"
				   "from = 2001:db8:1::/64\n"
				   "from = 192.0.2.1\n",
				   &s, &errors),
			 0);
	assert_int_equal(errors.count, 0);
	assert_string_equal(s.interface, "eth0.100");
	assert_int_equal(s.mode, SETTINGS_L2);
	assert_int_equal(s.vips.count, 5);
	assert_string_equal(prefix_text(&s.vips.item[1], buf), "203.0.113.11");
	assert_string_equal(prefix_text(&s.vips.item[2], buf), "203.0.113.128/28");
	assert_string_equal(prefix_text(&s.vips.item[3], buf), "2001:db8::10");
	assert_string_equal(prefix_text(&s.vips.item[4], buf), "2001:db8:f::/64");
	assert_int_equal(s.mtu, 1500);
	assert_int_equal(s.mss, SETTINGS_MSS_LEAVE);
	assert_int_equal(s.gue_port, 6081);
	assert_int_equal(s.from.count, 3);
	assert_string_equal(prefix_text(&s.from.item[0], buf), "10.0.0.0/24");
	assert_string_equal(prefix_text(&s.from.item[1], buf), "2001:db8:1::/64");
	assert_string_equal(prefix_text(&s.from.item[2], buf), "192.0.2.1");
	settings_free(&s);
}

static void every_error_of_a_file_is_told_at_once(void **state)
{
	static const char *const wanted[] = {
		":1: unknown section [backends]: only [backend] is right here",
		":4: [backend] unknown key \"intreface\" (did you mean \"interface\"?)",
		":5: [backend] mode: \"vxlan\" is not right: ipip, l2 or gue",
		":6: [backend] mode: given already in line 5",
		":7: [backend] vip: \"203.0.113.10/28\" has address bits behind its length: a "
		"unicast address such as 203.0.113.10 or 2001:db8::10, or a prefix such as "
		"203.0.113.0/28 is right",
		":9: [backend] vip: 203.0.113.10 is given twice",
		":10: [backend] from: \"10.0.0.1/24\" has address bits behind its length: a prefix "
		"such as 10.0.0.0/24 or 2001:db8:1::/64 is right",
		":11: [backend] from: \"2001:db8::/129\" is not right: a prefix such as "
		"10.0.0.0/24 or 2001:db8:1::/64",
		":12: [backend] interface: 16 bytes long: at most 15 fit",
		":13: [backend] mtu: \"68\" is not right: a whole number from 1280 to 65535 bytes",
		":14: [backend] mss: \"1440\" is not right: set or leave",
		":15: [backend] gue_port: \"0\" is not right: a whole number from 1 to 65535",
		":16: [backend] mtu: given already in line 13",
	};

	(void)state;
	assert_errors("[backends]\n"
		      "vip = 203.0.113.10\n"
		      "[backend]\n"
		      "intreface = eth0\n"
		      "mode = vxlan\n"
		      "mode = ipip\n"
		      "vip = 203.0.113.10/28\n"
		      "vip = 203.0.113.10\n"
		      "vip = 203.0.113.10\n"
		      "from = 10.0.0.1/24\n"
		      "from = 2001:db8::/129\n"
		      "interface = 0123456789abcdef\n"
		      "mtu = 68\n"
		      "mss = 1440\n"
		      "gue_port = 0\n"
		      "mtu = 1500\n",
		      wanted, sizeof(wanted) / sizeof(wanted[0]));
}

static void what_is_missing_is_told(void **state)
{
	static const char *const wanted[] = {
		": \"interface\" is missing: the interface where Weir's packets arrive",
		": \"vip\" is missing: an address that clients connect to, once per VIP",
		": \"from\" is missing: the prefix of Weir's outer source addresses, such as "
		"10.0.0.0/24",
	};

	(void)state;
	assert_errors("[backend]\n", wanted, 3);
	assert_errors("", wanted, 3);
}

static void l2_needs_no_prefix(void **state)
{
	struct settings s = { .interface = "eth0", .mode = SETTINGS_L2 };
	struct conf_errors errors = { 0 };

	(void)state;
	assert_int_equal(set(&s, "vip", "203.0.113.10"), 0);
	assert_int_equal(settings_check(&s, true, "options", &errors), 0);
	settings_free(&s);
}

static void down_needs_only_an_interface(void **state)
{
	struct settings s = { .interface = "eth0" };
	struct conf_errors errors = { 0 };

	(void)state;
	assert_int_equal(settings_check(&s, false, "options", &errors), 0);
	s.interface[0] = '\0';
	assert_int_equal(settings_check(&s, false, "options", &errors), -EINVAL);
	conf_errors_free(&errors);
}

/* The name goes into paths. */
static void an_interface_that_is_none_is_refused(void **state)
{
	static const char *const names[] = { "lo", "../x", "a/b" };
	struct conf_errors errors = { 0 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct settings s = { 0 };

		assert_int_equal(set(&s, "interface", names[i]), 0);
		assert_int_equal(settings_check(&s, false, "options", &errors), -EINVAL);
	}
	conf_errors_free(&errors);
}

static void an_address_that_no_client_can_use_is_no_vip(void **state)
{
	static const char *const bad[] = { "",
					   "203.0.113",
					   "203.0.113.010",
					   "::1",
					   "0.0.0.0",
					   "127.0.0.1",
					   "224.0.0.1",
					   "240.0.0.1",
					   "255.255.255.255",
					   "203.0.113.10:80",
					   "128.0.0.0/1",
					   "0.0.0.0/0",
					   "::",
					   "::2",
					   "::/0",
					   "::ffff:203.0.113.10",
					   "ff02::1",
					   "fe80::1",
					   "2000::/3",
					   "2001:db8::10%eth0" };
	struct settings s = { 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(set(&s, "vip", bad[i]), -EINVAL);
	assert_int_equal(s.vips.count, 0);
}

static void an_unknown_key_is_another_error(void **state)
{
	struct settings s = { 0 };

	(void)state;
	assert_int_equal(set(&s, "vips", "203.0.113.10"), -ENOENT);
}

static void more_vips_than_the_map_holds_are_refused(void **state)
{
	struct settings s = { 0 };
	char text[16];

	(void)state;
	for (unsigned i = 0; i < DECAP_MAX_VIPS; i++) {
		snprintf(text, sizeof(text), "10.1.%u.%u", i / 256, i % 256);
		assert_int_equal(set(&s, "vip", text), 0);
	}
	assert_int_equal(set(&s, "vip", "203.0.113.10"), -EINVAL);
	assert_string_equal(why, "203.0.113.10 is one too many: at most 4096 are right");
	settings_free(&s);
}

/* Whole text of a file of the source tree. */
static char *text_of(const char *name)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = fopen(name, "re");

	assert_non_null(f);
	assert_true(getdelim(&text, &len, '\0', f) > 0);
	fclose(f);
	return text;
}

static void example_and_manual_name_every_key(void **state)
{
	char *example = text_of(WEIR_SOURCE "/configs/backend.conf");
	char *manual = text_of(WEIR_SOURCE "/docs/man/weir-backend.8");
	char key[64];

	(void)state;
	for (unsigned i = 0; i < settings_opt_count; i++) {
		snprintf(key, sizeof(key), "\n%s = ", settings_opts[i].key);
		assert_non_null(strstr(example, key));
		assert_non_null(strstr(manual, key));
		snprintf(key, sizeof(key), "\\-\\-%s",
			 strcmp(settings_opts[i].key, "gue_port") == 0 ? "gue\\-port"
								       : settings_opts[i].key);
		assert_non_null(strstr(manual, key));
	}
	free(example);
	free(manual);
}

static void the_example_is_a_good_file(void **state)
{
	struct conf_errors errors = { 0 };
	struct settings s;

	(void)state;
	settings_init(&s);
	assert_int_equal(settings_read(&s, WEIR_SOURCE "/configs/backend.conf", &errors), 0);
	assert_int_equal(settings_check(&s, true, "example", &errors), 0);
	assert_int_equal(errors.count, 0);
	settings_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file_is_read),
		cmocka_unit_test(every_error_of_a_file_is_told_at_once),
		cmocka_unit_test(what_is_missing_is_told),
		cmocka_unit_test(l2_needs_no_prefix),
		cmocka_unit_test(down_needs_only_an_interface),
		cmocka_unit_test(an_interface_that_is_none_is_refused),
		cmocka_unit_test(an_address_that_no_client_can_use_is_no_vip),
		cmocka_unit_test(an_unknown_key_is_another_error),
		cmocka_unit_test(more_vips_than_the_map_holds_are_refused),
		cmocka_unit_test(example_and_manual_name_every_key),
		cmocka_unit_test(the_example_is_a_good_file),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
