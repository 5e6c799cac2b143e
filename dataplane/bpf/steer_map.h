// SPDX-License-Identifier: Apache-2.0
/*
 * What lies in the steering program's maps: steer.c writes it, the program reads it.
 */
#ifndef WEIR_STEER_MAP_H
#define WEIR_STEER_MAP_H

#include "bounds.h"

#include <linux/types.h>

/* A VIP, an address or a prefix, as BPF_MAP_TYPE_LPM_TRIE wants it. */
struct steer_key4 {
	__u32 prefix_len; /* bits, 32 for an address */
	__u8 addr[4];
};

struct steer_key6 {
	__u32 prefix_len; /* bits, 128 for an address */
	__u8 addr[16];
};

struct steer_value {
	__u8 flags; /* STEER_* */
};

#define STEER_ARP (1u << 0) /* ARP requests and neighbour solicitations for it as well */

/* The interface. */
struct steer_link {
	__u8 mac[6];
	__u8 check_mac; /* whether only frames for `mac` are ours; 0: all are */
	__u8 reserved;
};

#endif /* WEIR_STEER_MAP_H */
