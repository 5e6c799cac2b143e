// SPDX-License-Identifier: Apache-2.0
/*
 * Configurations for tests: from the text of a file behind one port, and as one
 * line of text, to compare with.
 */
#ifndef WEIR_TEST_CONF_MAKE_H
#define WEIR_TEST_CONF_MAKE_H

#include "conf_file.h"
#include "sandbox.h"

static inline struct conf *conf_make(const char *text)
{
	struct conf_errors errors = { 0 };
	struct conf *c = NULL;
	char *whole;

	assert_true(asprintf(&whole, "[port wan]\ndevice = net_null0\n%s", text) > 0);
	write_text("weir.conf", whole);
	free(whole);
	conf_load("weir.conf", &c, &errors, NULL);
	assert_messages(&errors, NO_MESSAGES);
	assert_non_null(c);
	return c;
}

/* "web(a:10,b:10!draining) www>web@203.0.113.1:80": pools with their backends and
 * weights, then services. The caller's to free. */
static inline char *conf_brief(const struct conf *c)
{
	static const char *const states[] = { "", "!draining", "!disabled" };
	char *text, addr[WEIR_ADDR_STRLEN];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (uint32_t i = 0; i < c->pool_count; i++) {
		const struct pool_conf *p = &c->pool[i];

		fprintf(f, "%s%s(", i ? " " : "", p->name);
		for (uint32_t j = 0; j < p->backend_count; j++)
			fprintf(f, "%s%s:%u%s", j ? "," : "", p->backend[j].name,
				p->backend[j].weight, states[p->backend[j].admin]);
		fprintf(f, ")");
	}
	for (uint32_t i = 0; i < c->service_count; i++)
		fprintf(f, " %s>%s@%s:%u", c->service[i].name, c->service[i].pool,
			weir_addr_text(&c->service[i].vip, addr), c->service[i].port);
	fclose(f);
	return text;
}

static inline void assert_brief(const struct conf *c, const char *expected)
{
	char *text = conf_brief(c);

	assert_string_equal(text, expected);
	free(text);
}

#endif /* WEIR_TEST_CONF_MAKE_H */
