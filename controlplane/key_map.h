// SPDX-License-Identifier: Apache-2.0
/*
 * From a key (a name, an address) to a position in an array, so that what walks
 * over 16,384 backends stays linear. Filled once, never shrunk.
 */
#ifndef WEIR_KEY_MAP_H
#define WEIR_KEY_MAP_H

#include <stddef.h>
#include <stdint.h>

#define KEY_MAP_NONE UINT32_MAX

struct key_map {
	struct key_map_slot {
		const void *key; /* the caller's, must outlive the map; NULL: free */
		uint32_t len;
		uint32_t value;
	} * slot;
	uint32_t mask;
};

/* Room for `most` keys. 0 or -ENOMEM; key_map_free() in either case is fine. */
int key_map_init(struct key_map *m, uint32_t most);
void key_map_free(struct key_map *m);

/* Add the key unless it is there: returns the value that it had, KEY_MAP_NONE when
 * it is new. */
uint32_t key_map_add(struct key_map *m, const void *key, size_t len, uint32_t value);

/* Its value, or KEY_MAP_NONE. */
uint32_t key_map_find(const struct key_map *m, const void *key, size_t len);

/*
 * Two arrays of objects that begin with their name (char[]), matched by it: where
 * in b each element of a is, and where in a each element of b; KEY_MAP_NONE:
 * nowhere. `size` is that of an element.
 */
struct name_pairs {
	uint32_t *to_b, *to_a;
};

/* 0, or -ENOMEM with nothing to be freed. */
int name_pairs_make(struct name_pairs *p, const void *a, uint32_t a_count, const void *b,
		    uint32_t b_count, size_t size);
void name_pairs_free(struct name_pairs *p);

#endif /* WEIR_KEY_MAP_H */
