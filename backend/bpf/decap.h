// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What the decapsulation program and weir-backend must agree on: the keys and
 * values of its maps, and what a packet can be counted as.
 *
 * One map of each kind serves both families: a key begins with the family, so that
 * no prefix of one holds an address of the other (not even ::/0).
 */
#ifndef WEIR_DECAP_ABI_H
#define WEIR_DECAP_ABI_H

#include <linux/types.h>

/* How the tc filter is found again. The name is what `tc filter show` and
 * `bpftool prog` print; the handle reads "weir". */
#define DECAP_PROGRAM  "weir_decap"
#define DECAP_HANDLE   0x77656972u
#define DECAP_PRIORITY 10 /* before filters that name none: they get 49152 */

#define DECAP_MAX_VIPS	 4096
#define DECAP_MAX_FROM	 1024
#define DECAP_MAX_LOCAL	 4096
#define DECAP_FAMILY_BITS 32 /* what the family adds to the length of a prefix */

struct decap_addr {
	__u32 family;	  /* 4 or 6 */
	__u32 word_be[4]; /* IPv4 in the first, the others 0 */
};

/* Key of a prefix map; the layout is the kernel's (struct bpf_lpm_trie_key). */
struct decap_prefix {
	__u32 len; /* bits of addr that count, DECAP_FAMILY_BITS included */
	struct decap_addr addr;
};

/*
 * X(enum suffix, name, sentence). The order is the index into the counter map,
 * which outlives an update of the program: add at the end only.
 */
#define DECAP_FATES(X)                                                                          \
	X(DECAPSULATED, "decapsulated", "for a VIP, from a configured prefix: handed on without " \
					"its outer header")                                     \
	X(REFUSED_SOURCE, "refused-source", "dropped: for a VIP, but the outer source is in no "  \
					    "configured prefix")                                \
	X(NOT_A_VIP, "not-a-vip", "passed: from a configured prefix, but the inner destination "  \
				  "is no configured VIP")                                       \
	X(NOT_THIS_HOST, "not-this-host", "passed: from a configured prefix, but the outer "      \
					  "destination was no address of this host at \"up\"")  \
	X(MALFORMED, "malformed", "dropped: a header behind the outer one is cut short or "        \
				  "contradicts the others")                                       \
	X(FRAGMENT, "fragment", "dropped: a fragment of an outer packet, which Weir never sends") \
	X(CONGESTED, "congested", "dropped: marked by a congested router, and the inner packet "  \
				  "cannot carry the mark (RFC 6040)")                           \
	X(FAILED, "failed", "dropped: the kernel could not take the outer header off")            \
	X(GUE_VERSION, "gue-version", "dropped: GUE of another version than 0")                   \
	X(GUE_OPTIONS, "gue-options", "dropped: a GUE control message, or GUE with flags or "      \
				      "extension fields, which Weir never sends")                  \
	X(GUE_PROTOCOL, "gue-protocol", "dropped: GUE around something that is neither IPv4 nor "  \
					"IPv6")

enum decap_fate {
#define DECAP_FATE_ENUM(id, name, text) DECAP_##id,
	DECAP_FATES(DECAP_FATE_ENUM)
#undef DECAP_FATE_ENUM
		DECAP_FATE_COUNT
};
#define DECAP_FATE_ROOM 16 /* entries of the counter map */

struct decap_count {
	__u64 packets; /* as the wire had them, before receive offload merged them */
	__u64 bytes;   /* of the frames; decapsulated ones without the outer header */
};

#endif /* WEIR_DECAP_ABI_H */
