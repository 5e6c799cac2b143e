// SPDX-License-Identifier: Apache-2.0
/*
 * A control plane that has gone mad, or has been taken over:
 *
 *   hostile SOCKET good               a valid snapshot; packets must reach its backend
 *   hostile SOCKET memory SEED MS     nonsense over everything that can be written
 *   hostile SOCKET snapshots SEED N   valid snapshots with one field that is wrong
 *   hostile SOCKET holes              pages taken out of the memory
 *   hostile SOCKET messages SEED N    nonsense on the session socket
 *   hostile SOCKET seals              every way to resize or write what is not ours
 *
 * Exit status 0 when the data plane stood it, else 1 with a sentence. What it did
 * depends on SEED alone.
 */
#include "attack.h"
#include "forge.h"
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 20000
#define PACKETS	    1000

static void good(const char *path)
{
	struct peer p;

	peer_attach(&p, path);
	peer_publish(&p, 0);
	for (uint32_t i = 0; i < p.welcome.worker_count; i++) {
		const struct weir_worker_area *area = &p.state->worker[i];
		const _Atomic uint64_t *sent = &area->backend[FORGE_BACKEND].packets;
		uint64_t from = atomic_load(sent);
		long until = now_ms() + PATIENCE_MS;

		while (atomic_load(sent) < from + PACKETS) {
			if (now_ms() > until)
				fail("worker %u forwards no packets by a good snapshot", i);
			sleep_us(200);
		}
	}
	peer_detach(&p);
}

int main(int argc, char **argv)
{
	const char *path = argc > 2 ? argv[1] : "", *what = argc > 2 ? argv[2] : "";
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	long amount = argc > 4 ? strtol(argv[4], NULL, 0) : 1000;

	if (strcmp(what, "good") == 0) {
		good(path);
	} else if (strcmp(what, "memory") == 0) {
		attack_memory(path, seed, amount);
	} else if (strcmp(what, "snapshots") == 0) {
		attack_snapshots(path, seed, amount);
	} else if (strcmp(what, "holes") == 0) {
		attack_holes(path);
	} else if (strcmp(what, "messages") == 0) {
		attack_messages(path, seed, amount);
	} else if (strcmp(what, "seals") == 0) {
		attack_seals(path);
	} else {
		fprintf(stderr, "usage: hostile SOCKET good|memory|snapshots|holes|messages|seals "
				"[SEED [AMOUNT]]\n");
		return 2;
	}
	return EXIT_SUCCESS;
}
