// SPDX-License-Identifier: Apache-2.0
/* What prints results for people: members of JSON objects, and tables of cells. */
#ifndef WEIR_WEIRCTL_TABLE_H
#define WEIR_WEIRCTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* "999", "1.5 k", "12.3 M"; "999 B", "1.5 MiB": into buf[16]; returns buf. */
const char *weirctl_count_text(json_int_t n, char *buf);
const char *weirctl_bytes_text(json_int_t n, char *buf);

enum { COLUMNS_MAX = 12 };

struct table {
	const char *const *head; /* ">NAME" is aligned to the right; NULL ends */
	unsigned columns, cells, room;
	char **cell;
};

void table_begin(struct table *t, const char *const *head);
/* The next cell, row by row. */
void cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cell_count(struct table *t, json_int_t n);
void cell_bytes(struct table *t, json_int_t n);
/* By the first column, numbers in it by value. */
void table_sort(struct table *t);
/* Prints and frees it; `empty` when it has no rows. */
void table_end(struct table *t, FILE *out, const char *empty);

static inline const char *str(const json_t *o, const char *member)
{
	const char *s = json_string_value(json_object_get(o, member));

	return s != NULL && s[0] != '\0' ? s : "-";
}

static inline json_int_t num(const json_t *o, const char *member)
{
	return json_integer_value(json_object_get(o, member));
}

static inline bool yes(const json_t *o, const char *member)
{
	return json_is_true(json_object_get(o, member));
}

#endif /* WEIR_WEIRCTL_TABLE_H */
