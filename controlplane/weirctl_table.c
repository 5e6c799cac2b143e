// SPDX-License-Identifier: Apache-2.0
#include "weirctl_table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *scaled(json_int_t n, unsigned step, const char *const *unit, char *buf)
{
	double v = (double)n;
	unsigned i = 0;

	/* 999.95 would print as 1000.0 */
	while (v >= step - 0.05 && unit[i + 1] != NULL) {
		v /= step;
		i++;
	}
	if (i == 0)
		snprintf(buf, 16, "%u%s%s", (unsigned)n, unit[0][0] != '\0' ? " " : "", unit[0]);
	else
		snprintf(buf, 16, "%.1f %s", v, unit[i]);
	return buf;
}

const char *weirctl_count_text(json_int_t n, char *buf)
{
	static const char *const unit[] = { "", "k", "M", "G", "T", "P", NULL };

	return scaled(n, 1000, unit, buf);
}

const char *weirctl_bytes_text(json_int_t n, char *buf)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL };

	return scaled(n, 1024, unit, buf);
}

void table_begin(struct table *t, const char *const *head)
{
	*t = (struct table){ .head = head };
	while (t->columns < COLUMNS_MAX && head[t->columns] != NULL)
		t->columns++;
}

void cell(struct table *t, const char *fmt, ...)
{
	va_list ap;

	if (t->cells == t->room) {
		unsigned room = t->room == 0 ? 256 : t->room * 2;
		char **more = realloc(t->cell, room * sizeof(*more));

		if (more == NULL)
			return;
		t->cell = more;
		t->room = room;
	}
	va_start(ap, fmt);
	if (vasprintf(&t->cell[t->cells], fmt, ap) >= 0)
		t->cells++;
	va_end(ap);
}

void cell_count(struct table *t, json_int_t n)
{
	char buf[16];

	cell(t, "%s", weirctl_count_text(n, buf));
}

void cell_bytes(struct table *t, json_int_t n)
{
	char buf[16];

	cell(t, "%s", weirctl_bytes_text(n, buf));
}

/* By the text of the first column, numbers in it by value: a2 before a10. */
static int by_first_column(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

void table_sort(struct table *t)
{
	if (t->cells > 0)
		qsort(t->cell, t->cells / t->columns, t->columns * sizeof(*t->cell),
		      by_first_column);
}

static void print_row(FILE *out, const struct table *t, const int *width, char *const *row)
{
	for (unsigned c = 0; c < t->columns; c++) {
		bool right = t->head[c][0] == '>', last = c + 1 == t->columns;
		const char *text = row != NULL ? row[c] : t->head[c] + right;

		if (last && !right)
			fprintf(out, "%s\n", text);
		else
			fprintf(out, "%*s%s", right ? width[c] : -width[c], text,
				last ? "\n" : "  ");
	}
}

void table_end(struct table *t, FILE *out, const char *empty)
{
	int width[COLUMNS_MAX];

	for (unsigned c = 0; c < t->columns; c++) {
		width[c] = (int)strlen(t->head[c]) - (t->head[c][0] == '>');
		for (unsigned i = c; i < t->cells; i += t->columns)
			if ((int)strlen(t->cell[i]) > width[c])
				width[c] = (int)strlen(t->cell[i]);
	}
	if (t->cells == 0)
		fprintf(out, "%s\n", empty);
	else
		print_row(out, t, width, NULL);
	for (unsigned i = 0; i + t->columns <= t->cells; i += t->columns)
		print_row(out, t, width, t->cell + i);
	for (unsigned i = 0; i < t->cells; i++)
		free(t->cell[i]);
	free(t->cell);
}
