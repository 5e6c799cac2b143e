// SPDX-License-Identifier: Apache-2.0
/*
 * A directory of its own for tests that read and write files: the test runs in it,
 * so that messages begin with a plain "weir.conf:7: ".
 */
#ifndef WEIR_TEST_SANDBOX_H
#define WEIR_TEST_SANDBOX_H

#include "conf.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char sandbox_dir[] = "/tmp/weir-unit-XXXXXX";

static inline int sandbox_setup(void **state)
{
	(void)state;
	return mkdtemp(sandbox_dir) != NULL && chdir(sandbox_dir) == 0 ? 0 : -1;
}

static inline int sandbox_teardown(void **state)
{
	DIR *d = opendir(".");
	struct dirent *e;

	(void)state;
	while (d != NULL && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove(e->d_name);
	closedir(d);
	return chdir("/") == 0 && rmdir(sandbox_dir) == 0 ? 0 : -1;
}

static inline void write_bytes(const char *name, const void *bytes, size_t len)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void write_text(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

/* The whole of a file as a string of the caller's. */
static inline char *read_text(const char *name)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = fopen(name, "r"), *m = open_memstream(&text, &len);
	int c;

	assert_non_null(f);
	assert_non_null(m);
	while ((c = getc(f)) != EOF)
		putc(c, m);
	fclose(f);
	fclose(m);
	return text;
}

/* The messages are exactly these, in this order; then they are gone. */
static inline void assert_messages(struct conf_errors *e, const char *const *expected)
{
	unsigned n = 0;

	while (expected[n] != NULL)
		n++;
	for (unsigned i = 0; i < e->count && i < n; i++)
		assert_string_equal(e->text[i], expected[i]);
	for (unsigned i = n; i < e->count && i < n + 5; i++)
		print_error("beyond what is expected: %s\n", e->text[i]);
	assert_int_equal(e->count, n);
	conf_errors_free(e);
}

#define MESSAGES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_MESSAGES   ((const char *const[]){ NULL })

#endif /* WEIR_TEST_SANDBOX_H */
