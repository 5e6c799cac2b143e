// SPDX-License-Identifier: Apache-2.0
#include "listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The kernel prints an address as 32-bit words in host order. */
static void words_to_bytes(const uint32_t *word, unsigned words, uint8_t *out)
{
	memcpy(out, word, 4 * words);
}

bool listen_line(const char *line, struct weir_addr *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct weir_addr a = { 0 };
	unsigned port, state;
	uint8_t bytes[16];
	uint32_t w[4];

	/* "  0: 0100007F:0035 00000000:0000 0A ...": local, remote, state. 0A is
	 * TCP_LISTEN, 07 TCP_CLOSE: what a UDP socket without a peer is in. */
	if (sscanf(line, "%*u: %8x%8x%8x%8x:%4x %*[0-9A-F]:%*x %2x", &w[0], &w[1], &w[2], &w[3],
		   &port, &state) == 6) {
		words_to_bytes(w, 4, bytes);
		a.family = memcmp(bytes, mapped, sizeof(mapped)) == 0 ? 4 : 6;
		if (a.family == 4)
			memcpy(a.bytes, bytes + sizeof(mapped), 4);
		else
			memcpy(a.bytes, bytes, sizeof(bytes));
	} else if (sscanf(line, "%*u: %8x:%4x %*[0-9A-F]:%*x %2x", &w[0], &port, &state) == 3) {
		a.family = 4;
		words_to_bytes(w, 1, a.bytes);
	} else {
		return false;
	}
	if ((state != 0x0a && state != 0x07) || port == 0)
		return false;
	*out = a;
	return true;
}

static int file_look(const char *path, struct prefix_list *out)
{
	FILE *f = fopen(path, "re");
	struct weir_addr a;
	char line[512];
	int err = 0;

	if (f == NULL)
		return 0;
	while (err != -ENOMEM && fgets(line, sizeof(line), f) != NULL)
		if (listen_line(line, &a))
			err = prefix_add_addr(out, &a);
	fclose(f);
	return err == -ENOMEM ? err : 0;
}

int listen_look(struct prefix_list *out)
{
	static const char *const files[] = { "/proc/net/tcp", "/proc/net/udp", "/proc/net/tcp6",
					     "/proc/net/udp6" };
	int err = 0;

	for (unsigned i = 0; err == 0 && i < sizeof(files) / sizeof(files[0]); i++)
		err = file_look(files[i], out);
	return err;
}
