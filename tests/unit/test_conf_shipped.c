// SPDX-License-Identifier: Apache-2.0
/* What is shipped with the programs says what the option tables say. */
#include "conf_load.h"

#include <ctype.h>

struct seen {
	bool option[2 * CONF_SECTION_OPTS]; /* by row, dpconf_opts first */
};

static unsigned row_number(const struct conf_opt *o)
{
	if (o >= conf_opts && o < conf_opts + conf_opt_count)
		return dpconf_opt_count + (unsigned)(o - conf_opts);
	return (unsigned)(o - dpconf_opts);
}

static const struct conf_opt *row(const char *section, const char *key)
{
	const struct conf_opt *o = conf_find(conf_opts, conf_opt_count, section, key);

	return o ? o : conf_find(dpconf_opts, dpconf_opt_count, section, key);
}

/* conf_fn: each key of full.conf stands there with its default. */
static void full_key(void *user, const char *kind, const char *name, const char *key,
		     const char *value, int line)
{
	struct seen *seen = user;
	char copy[256], *word, *rest, *equals;

	(void)name;
	(void)line;
	if (key == NULL || strcmp(key, "backend b") == 0)
		return;
	if (strcmp(key, "backend a") != 0) {
		const struct conf_opt *o = row(kind, key);

		assert_non_null(o);
		/* The file has a [check], and nobody would name it. */
		if (o->def != NULL && strcmp(key, "checks") != 0)
			assert_string_equal(value, o->def);
		seen->option[row_number(o)] = true;
		return;
	}
	snprintf(copy, sizeof(copy), "%s", value);
	strtok_r(copy, " ", &rest);
	while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
		equals = strchr(word, '=');
		assert_non_null(equals);
		*equals = '\0';
		assert_non_null(row("backend", word));
		assert_string_equal(equals + 1, row("backend", word)->def);
		seen->option[row_number(row("backend", word))] = true;
	}
}

/* Without line breaks and comment signs: a sentence is one string. */
static void unwrap(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		char c = *from == '\n' || *from == '#' ? ' ' : *from;

		if (c != ' ' || to == text || to[-1] != ' ')
			*to++ = c;
	}
	*to = '\0';
}

static void for_each_option(void (*fn)(const struct conf_opt *o, void *user), void *user)
{
	for (unsigned i = 0; i < dpconf_opt_count; i++)
		fn(&dpconf_opts[i], user);
	for (unsigned i = 0; i < conf_opt_count; i++)
		fn(&conf_opts[i], user);
}

static void assert_seen(const struct conf_opt *o, void *user)
{
	const struct seen *seen = user;

	if (!seen->option[row_number(o)])
		fail_msg("configs/full.conf lacks %s of [%s]", o->key, o->section);
}

static void assert_explained(const struct conf_opt *o, void *user)
{
	if (strstr(user, o->help) == NULL)
		fail_msg("configs/full.conf does not explain %s of [%s]: %s", o->key, o->section,
			 o->help);
}

static void full_conf_has_every_option_with_its_default(void **state)
{
	static const char path[] = WEIR_SOURCE "/configs/full.conf";
	struct seen seen = { 0 };
	char *text = read_text(path);
	struct conf *c = NULL;

	(void)state;
	assert_int_equal(conf_load(path, &c, &errors, &warnings), 0);
	conf_free(c);
	assert_messages(&warnings, NO_MESSAGES);
	assert_int_equal(conf_read(path, full_key, &seen, &errors), 0);
	for_each_option(assert_seen, &seen);
	unwrap(text);
	for_each_option(assert_explained, text);
	free(text);
}

static void the_example_for_production_loads_without_a_warning(void **state)
{
	struct conf *c = NULL;

	(void)state;
	assert_int_equal(conf_load(WEIR_SOURCE "/configs/weir.conf", &c, &errors, &warnings), 0);
	conf_free(c);
	assert_messages(&warnings, NO_MESSAGES);
}

/* In the manual an option stands at the start of a line, as ".B key = default" (and
 * "key=default" on a backend's line), or as ".B key" when it is required. */
static void assert_in_manual(const struct conf_opt *o, void *user)
{
	bool backend = strcmp(o->section, "backend") == 0;
	char line[CONF_TEXT_LEN];

	if (o->def == NULL)
		snprintf(line, sizeof(line), "\n.B %s\n(required)", o->key);
	else if (backend && o->def[0] == '\0')
		snprintf(line, sizeof(line), "\n.BI %s= ", o->key);
	else if (backend)
		snprintf(line, sizeof(line), "\n.B %s=%s\n", o->key, o->def);
	else
		snprintf(line, sizeof(line), "\n.B %s =%s%s\n", o->key, o->def[0] ? " " : "",
			 o->def);
	if (strstr(user, line) == NULL)
		fail_msg("docs/man/weir.conf.5 lacks %s of [%s]: \"%s\"", o->key, o->section, line);
	if (o->type == CONF_U32 && o->most > 100) {
		snprintf(line, sizeof(line), "%ld", o->most);
		if (strstr(user, line) == NULL)
			fail_msg("docs/man/weir.conf.5 does not say the most of %s: %ld", o->key,
				 o->most);
	}
}

static void the_manual_page_has_every_option_with_its_default(void **state)
{
	char *text = read_text(WEIR_SOURCE "/docs/man/weir.conf.5");

	(void)state;
	for_each_option(assert_in_manual, text);
	free(text);
}

static void assert_row_is_sound(const struct conf_opt *o, void *user)
{
	(void)user;
	assert_non_null(o->help);
	assert_true(islower((unsigned char)o->help[0]) || isupper((unsigned char)o->help[0]));
	assert_ptr_equal(row(o->section, o->key), o); /* once */
	if (o->type == CONF_ENUM)
		assert_non_null(o->choices);
}

static void every_row_is_there_once_with_its_help(void **state)
{
	struct dpconf dp = { 0 };
	struct dp_port_conf port = { 0 };
	struct conf c = { 0 };
	struct pool_conf pool = { 0 };
	struct service_conf service = { 0 };
	struct backend_conf backend = { 0 };
	struct check_conf check = { 0 };

	(void)state;
	for_each_option(assert_row_is_sound, NULL);
	/* A default that its own row refuses would abort here. */
	conf_defaults(dpconf_opts, dpconf_opt_count, "dataplane", &dp);
	conf_defaults(dpconf_opts, dpconf_opt_count, "port", &port);
	conf_defaults(conf_opts, conf_opt_count, "controlplane", &c.control);
	conf_defaults(conf_opts, conf_opt_count, "pool", &pool);
	conf_defaults(conf_opts, conf_opt_count, "service", &service);
	conf_defaults(conf_opts, conf_opt_count, "backend", &backend);
	conf_defaults(conf_opts, conf_opt_count, "check", &check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(full_conf_has_every_option_with_its_default, no_messages),
		cmocka_unit_test_teardown(the_example_for_production_loads_without_a_warning,
					  no_messages),
		cmocka_unit_test_teardown(the_manual_page_has_every_option_with_its_default,
					  no_messages),
		cmocka_unit_test_teardown(every_row_is_there_once_with_its_help, no_messages),
	};

	return cmocka_run_group_tests_name("conf_shipped", tests, sandbox_setup, sandbox_teardown);
}
