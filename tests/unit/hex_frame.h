// SPDX-License-Identifier: Apache-2.0
/* Frames and addresses of tests, written out. */
#ifndef WEIR_TEST_HEX_FRAME_H
#define WEIR_TEST_HEX_FRAME_H

#include "addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct frame {
	uint8_t byte[2048];
	unsigned len;
};

/* "45 00 00 1c ...": two digits a byte. */
static inline void add_hex(struct frame *f, const char *text)
{
	unsigned byte;
	int n;

	for (; sscanf(text, " %2x%n", &byte, &n) == 1; text += n)
		f->byte[f->len++] = (uint8_t)byte;
}

static inline struct weir_addr addr(const char *text)
{
	struct weir_addr a;

	assert_int_equal(weir_addr_parse(text, &a), 0);
	return a;
}

#endif /* WEIR_TEST_HEX_FRAME_H */
