// SPDX-License-Identifier: Apache-2.0
#include "pin_notes.h"

/* A half begins, with nothing noted. Both are cleared after a long time without a call. */
static void begin_half(struct pin_notes *n, uint32_t now_ds)
{
	bool both = now_ds - n->half_ds >= 2 * PIN_NOTES_HALF_DS;

	n->half ^= 1;
	n->half_ds = now_ds;
	for (uint32_t i = 0; i < PIN_NOTES_BITS / 64; i++) {
		atomic_store_explicit(&n->word[n->half][i], 0, memory_order_relaxed);
		if (both)
			atomic_store_explicit(&n->word[n->half ^ 1][i], 0, memory_order_relaxed);
	}
}

void pin_notes_clock(struct pin_notes *n, uint32_t now_ds, uint32_t most)
{
	if (now_ds - n->half_ds >= PIN_NOTES_HALF_DS)
		begin_half(n, now_ds);
	if (pin_notes_are_short(n) && now_ds - n->short_ds > PIN_SHORT_DS)
		atomic_store_explicit(&n->is_short, false, memory_order_relaxed);
	n->left = most;
}

void pin_notes_run_short(struct pin_notes *n, uint32_t now_ds)
{
	n->short_ds = now_ds;
	atomic_store_explicit(&n->is_short, true, memory_order_relaxed);
}

void pin_notes_add(struct pin_notes *n, uint64_t flow_hash, uint32_t now_ds)
{
	uint32_t at = (uint32_t)(flow_hash >> 32) % PIN_NOTES_BITS;
	_Atomic uint64_t *word = &n->word[n->half][at / 64];
	uint64_t now = atomic_load_explicit(word, memory_order_relaxed);

	if (n->left == 0) {
		pin_notes_run_short(n, now_ds);
		return;
	}
	n->left--;
	atomic_store_explicit(word, now | (uint64_t)1 << at % 64, memory_order_relaxed);
}

void pin_notes_copy(struct pin_notes *to, const struct pin_notes *from)
{
	for (unsigned half = 0; half < 2; half++)
		for (uint32_t i = 0; i < PIN_NOTES_BITS / 64; i++)
			atomic_store_explicit(
				&to->word[half][i],
				atomic_load_explicit(&from->word[half][i], memory_order_relaxed),
				memory_order_relaxed);
	atomic_store_explicit(&to->is_short, pin_notes_are_short(from), memory_order_relaxed);
}
