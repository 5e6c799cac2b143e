// SPDX-License-Identifier: Apache-2.0
#include "bytes.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two digits at `at`; -1 if they are none. */
static int hex_pair(const char *at)
{
	int high = hex_digit(at[0]);

	if (high < 0 || hex_digit(at[1]) < 0)
		return -1;
	return high * 16 + hex_digit(at[1]);
}

static int too_long(size_t cap, char *why, size_t why_len)
{
	snprintf(why, why_len, "at most %zu bytes", cap);
	return -EINVAL;
}

static int parse_hex(const char *text, uint8_t *out, size_t cap, char *why, size_t why_len)
{
	size_t n = 0;

	for (const char *at = text; *at;) {
		int byte;

		if (*at == ' ') {
			at++;
			continue;
		}
		byte = hex_pair(at);
		if (byte < 0) {
			snprintf(why, why_len,
				 "hexadecimal digits come in pairs, as in \"hex:00ff\"");
			return -EINVAL;
		}
		if (n == cap)
			return too_long(cap, why, why_len);
		out[n++] = (uint8_t)byte;
		at += 2;
	}
	return (int)n;
}

/* The byte that the escape at `at` (behind the backslash) stands for, and how many
 * characters it takes; -1 if there is no such escape. */
static int escape(const char *at, size_t *taken)
{
	static const char letters[] = "rnt0\\", bytes[] = "\r\n\t\0\\";
	const char *found;

	*taken = 1;
	if (*at == 'x') {
		*taken = 3;
		return at[1] ? hex_pair(at + 1) : -1;
	}
	found = *at ? strchr(letters, *at) : NULL;
	return found ? (uint8_t)bytes[found - letters] : -1;
}

int bytes_parse(const char *text, uint8_t *out, size_t cap, char *why, size_t why_len)
{
	size_t n = 0, taken;

	if (strncmp(text, "hex:", 4) == 0)
		return parse_hex(text + 4, out, cap, why, why_len);
	for (const char *at = text; *at; n++) {
		int byte = (uint8_t)*at++;

		if (byte == '\\') {
			byte = escape(at, &taken);
			if (byte < 0) {
				snprintf(why, why_len,
					 "a backslash begins one of \\r \\n \\t \\0 \\\\ \\xNN");
				return -EINVAL;
			}
			at += taken;
		}
		if (n == cap)
			return too_long(cap, why, why_len);
		out[n] = (uint8_t)byte;
	}
	return (int)n;
}

static size_t quote_one(uint8_t byte, char *at)
{
	switch (byte) {
	case '\r':
		return (size_t)sprintf(at, "\\r");
	case '\n':
		return (size_t)sprintf(at, "\\n");
	case '\t':
		return (size_t)sprintf(at, "\\t");
	case '\\':
		return (size_t)sprintf(at, "\\\\");
	}
	if (byte >= 0x20 && byte < 0x7f)
		return (size_t)sprintf(at, "%c", byte);
	return (size_t)sprintf(at, "\\x%02x", byte);
}

const char *bytes_quote(const uint8_t *bytes, size_t n, char *buf, size_t len)
{
	size_t at = 1;

	buf[0] = '"';
	for (size_t i = 0; i < n; i++) {
		if (at + 4 + 5 > len) { /* the longest byte, then the longest end */
			memcpy(buf + at, "\"...", 5);
			return buf;
		}
		at += quote_one(bytes[i], buf + at);
	}
	memcpy(buf + at, "\"", 2);
	return buf;
}

size_t bytes_common(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
	size_t n = 0;

	while (n < an && n < bn && a[n] == b[n])
		n++;
	return n;
}
