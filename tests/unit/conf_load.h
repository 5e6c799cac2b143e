// SPDX-License-Identifier: Apache-2.0
/*
 * Loading a text as a file, and what is said about it.
 */
#ifndef WEIR_TEST_CONF_LOAD_H
#define WEIR_TEST_CONF_LOAD_H

#include "conf_file.h"
#include "sandbox.h"

#include <errno.h>

static struct conf_errors errors, warnings;

static inline int no_messages(void **state)
{
	(void)state;
	conf_errors_free(&errors);
	conf_errors_free(&warnings);
	return 0;
}

/* The file's text behind a port, which takes lines 1 and 2. */
static inline int load(const char *text, struct conf **out)
{
	char *whole;
	int err;

	*out = NULL;
	assert_true(asprintf(&whole, "[port wan]\ndevice = net_null0\n%s", text) > 0);
	write_text("weir.conf", whole);
	free(whole);
	err = conf_load("weir.conf", out, &errors, &warnings);
	assert_int_equal(err == 0, *out != NULL);
	return err;
}

#define POOL	"[pool web]\nbackend a = 192.0.2.1\n"		/* lines 3, 4 */
#define SERVICE "[service www]\nvip = 203.0.113.1\nport = 80\n" /* then 3 more */

/* Loading fails, for exactly these reasons, whatever is unwise besides. */
static inline void assert_refused(const char *text, const char *const *reasons)
{
	struct conf *c;

	assert_int_equal(load(text, &c), -EINVAL);
	assert_messages(&errors, reasons);
	conf_errors_free(&warnings);
}

static inline void assert_unwise(const char *text, const char *const *reasons)
{
	struct conf *c;

	assert_int_equal(load(text, &c), 0);
	conf_free(c);
	assert_messages(&errors, NO_MESSAGES);
	assert_messages(&warnings, reasons);
}

#endif /* WEIR_TEST_CONF_LOAD_H */
