// SPDX-License-Identifier: Apache-2.0
/*
 * Byte strings of checks: how a configuration writes them and how a reason shows
 * them.
 */
#ifndef WEIR_BYTES_H
#define WEIR_BYTES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Read "hex:00ff 1a" (digits in pairs, spaces between pairs) or text, in which
 * \r \n \t \0 \\ and \xNN stand for one byte each.
 *
 * Returns the number of bytes written to out[cap], or -EINVAL with a sentence in
 * why[why_len]; out may then have been overwritten.
 */
int bytes_parse(const char *text, uint8_t *out, size_t cap, char *why, size_t why_len);

/*
 * Show the start of some bytes in quotes, what is not printable in the notation
 * above, with "..." when they do not fit. Returns buf[len]; len at least 16.
 */
const char *bytes_quote(const uint8_t *bytes, size_t n, char *buf, size_t len);

/* How many bytes at the start of a[an] and b[bn] are the same. */
size_t bytes_common(const uint8_t *a, size_t an, const uint8_t *b, size_t bn);

#endif /* WEIR_BYTES_H */
