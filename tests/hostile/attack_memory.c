// SPDX-License-Identifier: Apache-2.0
/*
 * Attacks through the shared memory, while packets flow.
 */
#include "attack.h"
#include "forge.h"
#include "peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t *arena_of(const struct peer *p, uint64_t *size)
{
	*size = weir_arena_size(p->welcome.control_size);
	return p->control->arena;
}

static void fill(void *at, size_t size, uint64_t *rng)
{
	uint64_t *w = at;

	for (size_t i = 0; i < size / sizeof(*w); i++)
		w[i] = attack_random(rng);
}

/* Workers read the rings only while this stands: let what follows be read. */
static void stay_in_session(const struct peer *p)
{
	for (uint32_t i = 0; i < p->welcome.worker_count; i++)
		atomic_store_explicit(&p->control->worker[i].session, p->welcome.session,
				      memory_order_release);
}

/* Every byte that can be written. */
static void scribble_all(struct peer *p, uint64_t *rng)
{
	fill(p->control, p->welcome.control_size, rng);
	stay_in_session(p);
}

/* Rings and positions alone, often. */
static void scribble_rings(struct peer *p, uint64_t *rng)
{
	for (unsigned n = 0; n < 200; n++) {
		for (uint32_t i = 0; i < p->welcome.worker_count; i++)
			fill(&p->control->worker[i], sizeof(p->control->worker[i]), rng);
		stay_in_session(p);
		sleep_us(50);
	}
}

/* Commands that look like some, with arguments that are nearly right. */
static void send_nonsense(struct peer *p, uint64_t *rng)
{
	uint64_t arena_size, in_force = peer_generation(p);

	arena_of(p, &arena_size);
	for (unsigned n = 0; n < WEIR_RING_SLOTS; n++) {
		uint64_t r = attack_random(rng);
		const uint32_t args[] = { (uint32_t)r, (uint32_t)r & ~(WEIR_BLOCK - 1u),
					  (uint32_t)(r % arena_size) & ~(WEIR_BLOCK - 1u),
					  (uint32_t)arena_size, (uint32_t)arena_size - WEIR_BLOCK,
					  UINT32_MAX, 0 };
		const uint64_t generations[] = { in_force + 1, in_force + (r >> 40), in_force,
						 r, 0, UINT64_MAX, in_force + (1ull << 32) };

		peer_command(p, (uint32_t)(r >> 60), args[(r >> 8) % 7],
			     generations[(r >> 16) % 7]);
	}
}

/* What is in force changes under the workers' hands. */
static void scribble_in_force(struct peer *p, uint64_t *rng)
{
	uint32_t offset = peer_publish(p, (uint32_t)(attack_random(rng) % 64) * FORGE_SIZE);
	uint8_t *at = p->control->arena + offset;

	for (unsigned n = 0; n < 20000; n++) {
		uint64_t r = attack_random(rng);

		memcpy(at + (r >> 32) % (FORGE_SIZE - 8), &r, 1 + r % 8);
	}
	fill(at, FORGE_SIZE, rng);
}

void attack_memory(const char *path, uint64_t seed, long ms)
{
	static void (*const ways[])(struct peer *, uint64_t *) = { scribble_all, scribble_rings,
								   send_nonsense,
								   scribble_in_force };
	static const char *const names[] = { "nonsense over all of weir-control",
					     "nonsense over the rings", "nonsense commands",
					     "nonsense over the snapshot in force" };
	uint64_t rng = seed;
	long until = now_ms() + ms;

	/* A session for each round: scribbled positions would hold up a ring for good. */
	while (now_ms() < until) {
		struct peer p;
		unsigned way = attack_random(&rng) % 4;

		peer_attach(&p, path);
		ways[way](&p, &rng);
		peer_expect_alive(&p, names[way]);
		peer_detach(&p);
	}
}

/* One 32-bit word of the snapshot's head or of its pool is not what it should be. */
static void corrupt(uint8_t *snapshot, uint64_t arena_size, uint64_t *rng)
{
	uint64_t r = attack_random(rng);
	uint32_t *word = (uint32_t *)snapshot;
	const uint32_t values[] = { 0, 1, 15, 16, 63, 64, 4095, 4096, 16383, 16384, 16385,
				    0x7fffffff, 0x80000000, UINT32_MAX, (uint32_t)arena_size,
				    (uint32_t)arena_size - 64, (uint32_t)arena_size + 64,
				    (uint32_t)(r >> 32) };

	/* Head, look-up table, pool: the first kilobyte. */
	word[(r >> 8) % 256] = values[(r >> 20) % (sizeof(values) / sizeof(values[0]))];
}

void attack_snapshots(const char *path, uint64_t seed, long count)
{
	uint64_t arena_size, rng = seed;
	uint8_t *arena;
	struct peer p;

	peer_attach(&p, path);
	arena = arena_of(&p, &arena_size);
	for (long n = 0; n < count; n++) {
		uint32_t offset = (uint32_t)(attack_random(&rng) % 64) * FORGE_SIZE;
		uint64_t generation = peer_generation(&p) + 1;

		forge_snapshot(arena, offset, generation);
		for (unsigned i = 0; i < 1 + n % 3; i++)
			corrupt(arena + offset, arena_size, &rng);
		if (!peer_command(&p, WEIR_MSG_SNAPSHOT, offset, generation))
			fail("a worker takes no more commands");
	}
	peer_expect_alive(&p, "snapshots with a wrong field");
	peer_publish(&p, 0);
	peer_detach(&p);
}

void attack_holes(const char *path)
{
	struct peer p;

	peer_attach(&p, path);
	peer_publish(&p, 0);
	if (fallocate(p.control_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      (off_t)p.welcome.control_size) < 0)
		fail("cannot punch a hole: %s", strerror(errno));
	peer_expect_alive(&p, "holes in weir-control");
	peer_detach(&p);
}

static void expect_refused(const char *what, bool refused)
{
	if (!refused)
		fail("the kernel allowed to %s", what);
}

void attack_seals(const char *path)
{
	struct peer p;
	char byte = 1;
	void *state;

	peer_attach(&p, path);
	state = (void *)p.state;
	expect_refused("shrink weir-state", ftruncate(p.state_fd, 0) < 0);
	expect_refused("grow weir-state", ftruncate(p.state_fd, 1 << 30) < 0);
	expect_refused("shrink weir-control", ftruncate(p.control_fd, 4096) < 0);
	expect_refused("grow weir-control", ftruncate(p.control_fd, 1 << 30) < 0);
	expect_refused("seal weir-control against writing",
		       fcntl(p.control_fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	expect_refused("seal weir-state further",
		       fcntl(p.state_fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	expect_refused("map weir-state to write",
		       mmap(NULL, p.welcome.state_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    p.state_fd, 0) == MAP_FAILED);
	expect_refused("make the mapping of weir-state writable",
		       mprotect(state, p.welcome.state_size, PROT_READ | PROT_WRITE) < 0);
	expect_refused("write into weir-state", pwrite(p.state_fd, &byte, 1, 0) < 0);
	expect_refused("punch a hole into weir-state",
		       fallocate(p.state_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				 (off_t)p.welcome.state_size) < 0);
	expect_refused("remove pages of weir-state",
		       madvise(state, p.welcome.state_size, MADV_REMOVE) < 0);
	/* Opened anew by its name in /proc it is the same inode, with the same seals. */
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p.state_fd);
	int fd = open(name, O_RDWR);
	expect_refused("map weir-state, opened anew, to write",
		       fd < 0 || mmap(NULL, p.welcome.state_size, PROT_READ | PROT_WRITE,
				      MAP_SHARED, fd, 0) == MAP_FAILED);
	peer_expect_alive(&p, "attempts to resize and to write");
	peer_detach(&p);
}
