// SPDX-License-Identifier: Apache-2.0
/*
 * One of the two shared memories (common/shm.h): a memfd made and mapped here
 * and passed to the control plane. docs/shared-memory.md says what a hostile peer
 * can try with one, and why it does not matter.
 */
#ifndef WEIR_SEGMENT_H
#define WEIR_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum segment_writer {
	SEGMENT_OURS,  /* we write; a peer can map it, but only to read */
	SEGMENT_PEERS, /* a peer writes; our mapping is read-only */
};

struct segment {
	int fd;
	void *base;
	size_t size;	  /* bytes, whole pages */
	size_t page_size; /* bytes */
	bool huge;	  /* on huge pages */
	bool locked;	  /* cannot be paged out */
};

/*
 * Make a zeroed segment of at least `size` bytes: resident, sealed against
 * resizing and further seals, and mapped. With `try_huge` on 2 MB pages if enough
 * of them are free, else on ordinary ones. Returns 0 or a negative errno; on error
 * nothing is left behind and *out is untouched.
 */
int segment_create(const char *name, size_t size, enum segment_writer writer, bool try_huge,
		   struct segment *out);
void segment_destroy(struct segment *s);

/*
 * Seals do not keep a peer that may write from punching holes into a segment.
 * A hole on ordinary pages reads as zeros; one on huge pages raises SIGBUS if the
 * machine has none left. From this call on, a page of *s that cannot be had reads
 * as zeros instead: packets that needed what stood there are lost, the process is
 * not. One segment a process; *s must stay mapped. Returns 0 or a negative errno.
 */
int segment_guard(const struct segment *s);

/*
 * Put the peer's memory back where segment_guard() had to put zeros. Returns the
 * number of pages that were mended, or -ENOSPC: they cannot be had yet, the zeros
 * stay. Safe while workers read.
 */
int segment_mend(void);

#endif /* WEIR_SEGMENT_H */
