// SPDX-License-Identifier: Apache-2.0
/*
 * Frames for the decapsulation program, and the kernel to run it on them
 * (BPF_PROG_TEST_RUN, which needs root): what its tests share.
 */
#ifndef WEIR_TEST_DECAP_FRAME_H
#define WEIR_TEST_DECAP_FRAME_H

#include "bpf/decap.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define GUE_PORT    6080
#define NOT_COUNTED DECAP_FATE_COUNT
#define FRAME_MOST  2048
#define NOT_ECT	    0
#define ECT_1	    1
#define ECT_0	    2
#define CE	    3

/* By family: index 0 is IPv4, 1 is IPv6. `in_prefix` lies in VIPS_V4 or VIPS_V6. */
#define VIPS_V4	     "203.0.113.128"
#define VIPS_V4_BITS 28
#define VIPS_V6	     "2001:db8:e::"
#define VIPS_V6_BITS 64
#define FROM_V4	     "10.0.0.0"
#define FROM_V4_BITS 30
#define FROM_V6	     "2001:db8:1::"
#define FROM_V6_BITS 64
extern const char *const weir[2], *const backend[2], *const stranger[2], *const client[2];
extern const char *const vip[2], *const in_prefix[2], *const no_vip[2];

struct frame {
	uint8_t at[FRAME_MOST];
	uint32_t len;
};

/* What a tunnelled packet is made of. Families: 0 is IPv4, 1 is IPv6. */
struct packet {
	unsigned outer, inner;
	bool gue;
	const char *src, *dst, *inner_dst; /* NULL: Weir, this backend, the VIP */
	uint8_t outer_tos, inner_tos;
	uint16_t fragment;    /* field of the outer IPv4 header, or of a fragment header */
	unsigned options;     /* bytes of options in the outer header, a multiple of 8 */
	uint8_t gue_bytes[4]; /* xored onto the GUE header */
	uint16_t udp_port, udp_checksum;
	unsigned payload;
};

/* For each of the eight ways to pack a packet. */
#define for_each_packing(p)                                          \
	for (unsigned packing_ = 0; packing_ < 8; packing_++)        \
		for (struct packet p = { .outer = packing_ & 1,      \
					 .inner = packing_ >> 1 & 1, \
					 .gue = packing_ >> 2,       \
					 .payload = 40 },            \
				   *once_ = &p;                      \
		     once_ != NULL; once_ = NULL)

/* Group fixtures: the program loaded, with these addresses in its maps. */
int decap_load(void **state);
int decap_unload(void **state);

/* Append to a frame, in network order. */
void put(struct frame *f, const void *bytes, unsigned len);
void put16(struct frame *f, unsigned x);

/* Ones' complement sum of an even number of bytes. */
uint16_t sum(const uint8_t *p, unsigned len);

/* The packet as it arrives. */
void make(const struct packet *p, struct frame *f);

/* The client's packet, with its own link header if `framed`. */
void make_inner(const struct packet *p, struct frame *f, bool framed);

/* Run one frame. Returns what it was counted as, or NOT_COUNTED; *verdict is the
 * program's answer and *out the frame that it leaves. -1: the kernel does not run such a
 * frame. Skips the test without root. */
int run(const struct frame *in, struct frame *out, int *verdict);

void assert_frame(const struct frame *got, const struct frame *wanted);

#endif /* WEIR_TEST_DECAP_FRAME_H */
