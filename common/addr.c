// SPDX-License-Identifier: Apache-2.0
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int weir_addr_parse(const char *text, struct weir_addr *out)
{
	struct weir_addr a = { 0 };

	/* inet_pton(3) takes neither a port nor a zone nor leading zeros in IPv4. */
	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = 6;
	else
		return -EINVAL;
	*out = a;
	return 0;
}

/* "0".."128" without sign, blanks or leading zeros; -1: anything else. */
static int prefix_len_parse(const char *text, int most)
{
	int len = 0;

	if (*text == '\0' || (*text == '0' && text[1] != '\0'))
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		len = len * 10 + (*text - '0');
		if (len > most)
			return -1;
	}
	return len;
}

/* True when every bit of `a` behind the first `len` is 0. */
static bool host_bits_clear(const struct weir_addr *a, unsigned len)
{
	unsigned bytes = a->family == 4 ? 4 : 16;

	for (unsigned bit = len; bit < bytes * 8; bit++)
		if (a->bytes[bit / 8] & 0x80 >> bit % 8)
			return false;
	return true;
}

int weir_prefix_parse(const char *text, struct weir_addr *out, uint8_t *len)
{
	const char *slash = strchr(text, '/');
	size_t addr_len = slash ? (size_t)(slash - text) : strlen(text);
	char addr_text[WEIR_ADDR_STRLEN];
	struct weir_addr a;
	int bits;

	if (addr_len >= sizeof(addr_text))
		return -EINVAL;
	memcpy(addr_text, text, addr_len);
	addr_text[addr_len] = '\0';
	if (weir_addr_parse(addr_text, &a) < 0)
		return -EINVAL;

	bits = a.family == 4 ? 32 : 128;
	if (slash)
		bits = prefix_len_parse(slash + 1, bits);
	if (bits < 0)
		return -EINVAL;
	if (!host_bits_clear(&a, (unsigned)bits))
		return -ERANGE;
	*out = a;
	*len = (uint8_t)bits;
	return 0;
}

/*
 * RFC 5952 section 4: no leading zeros, "::" for the longest run of at least two
 * zero groups (the first of equals), lower case; section 5: ::ffff:0:0/96 ends in
 * dotted decimal. Not inet_ntop(3): it writes ::1:2 as ::0.1.0.2.
 */
static void ipv6_text(const uint8_t *b, char *buf)
{
	bool mapped = memcmp(b, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
	int groups = mapped ? 6 : 8, best = -1, best_len = 1, n = 0;

	for (int i = 0; i < groups; i++) {
		int run = 0;

		while (i + run < groups && b[2 * (i + run)] == 0 && b[2 * (i + run) + 1] == 0)
			run++;
		if (run > best_len) {
			best = i;
			best_len = run;
		}
		if (run > 0)
			i += run - 1;
	}
	for (int i = 0; i < groups; i++) {
		if (i == best) {
			n += sprintf(buf + n, "::");
			i += best_len - 1;
			continue;
		}
		if (i > 0 && buf[n - 1] != ':')
			buf[n++] = ':';
		n += sprintf(buf + n, "%x", b[2 * i] << 8 | b[2 * i + 1]);
	}
	if (mapped)
		sprintf(buf + n, ":%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
}

const char *weir_addr_text(const struct weir_addr *a, char *buf)
{
	const uint8_t *b = a->bytes;

	if (a->family == 4)
		snprintf(buf, WEIR_ADDR_STRLEN, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	else if (a->family == 6)
		ipv6_text(b, buf);
	else
		strcpy(buf, "-");
	return buf;
}

void weir_addr_clear(struct weir_addr *a, uint8_t host_bits)
{
	for (unsigned bit = weir_addr_bits(a), i = 0; i < host_bits && bit > 0; i++) {
		bit--;
		a->bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	}
}

const char *weir_prefix_text(const struct weir_addr *a, uint8_t host_bits, char *buf)
{
	size_t n = strlen(weir_addr_text(a, buf));

	if (a->family != 0 && host_bits != 0)
		snprintf(buf + n, WEIR_PREFIX_STRLEN - n, "/%u", weir_addr_bits(a) - host_bits);
	return buf;
}

bool weir_addr_in(const struct weir_addr *a, const struct weir_addr *prefix, uint8_t len)
{
	unsigned most = a->family == 4 ? 32 : 128, whole = len / 8, rest = len % 8;

	if (a->family == 0 || a->family != prefix->family || len > most)
		return false;
	if (memcmp(a->bytes, prefix->bytes, whole) != 0)
		return false;
	return rest == 0 || (a->bytes[whole] ^ prefix->bytes[whole]) >> (8 - rest) == 0;
}

bool weir_addr_equal(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int weir_mac_parse(const char *text, uint8_t mac[6])
{
	static const uint8_t zero[6];
	uint8_t m[6];

	if (strlen(text) != 17)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		m[i] = (uint8_t)(high << 4 | low);
	}
	if (m[0] & 1 || memcmp(m, zero, 6) == 0)
		return -EINVAL;
	memcpy(mac, m, 6);
	return 0;
}

const char *weir_mac_text(const uint8_t mac[6], char *buf)
{
	sprintf(buf, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
	return buf;
}
