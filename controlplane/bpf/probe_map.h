// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What the program that carries DSR probes (probe.bpf.c) and probe_path.c must agree
 * on: marks, maps and their values.
 */
#ifndef WEIR_PROBE_MAP_H
#define WEIR_PROBE_MAP_H

#include <linux/types.h>

/* Marks that are ours: the upper half reads "WE", the lower one numbers the entry. */
#define PROBE_MARK	0x57450000u
#define PROBE_MARK_MASK 0xffff0000u
#define PROBE_MAP_MAX	65535 /* number 0 is not used */

/* How the tc filter is found again. The name is what `tc filter show` and
 * `bpftool prog` print; the handle reads "wepr". */
#define PROBE_PROGRAM  "weir_probe"
#define PROBE_HANDLE   0x77657072u
#define PROBE_PRIORITY 5 /* before filters that name none: they get 49152 */

enum probe_mode {
	PROBE_MODE_L2,
	PROBE_MODE_IPIP4, /* outer IPv4, whatever the inner family */
	PROBE_MODE_IPIP6,
	PROBE_MODE_GUE4,
	PROBE_MODE_GUE6,
};

/* Addresses are 16 bytes, IPv4 in the first four and the rest zero; in the order of
 * the packet, as is everything that ends in _be. */
struct probe_entry {
	__u32 mode;	     /* enum probe_mode */
	__u32 ifindex;	     /* leave by this interface; 0: by the one the route chose */
	__u8 dmac[6];	     /* of the backend, or of the router towards it */
	__u8 smac[6];	     /* all zero: as the kernel set it */
	__u16 vlan;	     /* 0: untagged */
	__u16 mtu;	     /* bytes of IP, outer header included; 0: not checked */
	__be16 gue_port_be;  /* destination port of GUE */
	__u8 vip_family;     /* 4 or 6: what else carries the mark is dropped */
	__u8 reserved;
	__be32 vip_be[4];
	__be32 outer_src_be[4], outer_dst_be[4];
};

/* What became of packets with one mark. */
struct probe_count {
	__u64 carried, bytes; /* bytes of the frames as they left, before segmentation */
	__u64 not_the_vip;    /* dropped: not for the entry's VIP */
	__u64 too_big;	      /* dropped: larger than the entry's mtu */
	__u64 failed;	      /* dropped: the kernel could not make room */
	__u64 last_ns;	      /* CLOCK_MONOTONIC of the last one carried */
};

#endif /* WEIR_PROBE_MAP_H */
