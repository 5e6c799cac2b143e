// SPDX-License-Identifier: Apache-2.0
/*
 * The path of DSR probes: a program at tc egress (bpf/probe.bpf.c) that takes packets
 * by the mark of their socket to one backend, in the forwarding mode of its pool.
 *
 *   socket (probe_target.mark) -> route to the VIP -> tc egress: entry of that mark
 *     -> encapsulated, next hop's MAC -> backend -> answer from the VIP, straight back
 *
 * A packet with a mark of ours and no entry is dropped. So the program must be on
 * every interface that such a packet may leave by: those of Weir's ports, and the one
 * of the route to the VIP.
 *
 * Nothing is pinned: the tc filter holds the program. What stands there when we start
 * is from a control plane that has gone; attaching puts ours in its place in one step.
 * The filter is ours by priority, handle and program name; no other is ever touched.
 */
#ifndef WEIR_PROBE_PATH_H
#define WEIR_PROBE_PATH_H

#include "addr.h"
#include "bpf/probe_map.h"
#include "probe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

struct probe_path;

/* The way to one backend for one VIP. */
struct probe_route {
	enum probe_mode mode;
	struct weir_addr vip;
	uint8_t dmac[6];  /* backend's, or that of the router towards it */
	uint8_t smac[6];  /* of the egress port; all zero: as the kernel sets it */
	uint32_t ifindex; /* egress; 0: where the route to the VIP leads */
	uint16_t vlan;	  /* 0: untagged */
	uint16_t mtu;	  /* bytes of outer IP that fit; 0: not checked */
	uint16_t gue_port;
	struct weir_addr outer_src, outer_dst; /* tunnels; of the mode's outer family */
};

struct probe_path_count {
	uint64_t carried, bytes, not_the_vip, too_big, failed;
};

/*
 * Load the program and open the sockets that hear ICMP errors about tunnelled probes.
 * Needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, so before privileges are dropped; what
 * follows needs CAP_NET_ADMIN at most. Returns 0; a negative errno and a sentence.
 */
int probe_path_create(uv_loop_t *loop, struct probe_path **out, char *why, size_t why_len);

/* The filters stay where they are and go on dropping marked packets, unless
 * probe_path_detach() was called first. */
void probe_path_destroy(struct probe_path *p);

/*
 * Put the program at tc egress of an interface, in place of one that an earlier
 * control plane left; makes the clsact qdisc if there is none. Calling it again does
 * no harm. Returns 0; a negative errno and a sentence, -EEXIST when another's filter
 * has our priority.
 */
int probe_path_attach(struct probe_path *p, uint32_t ifindex, char *why, size_t why_len);

/* Is it there still? Who deletes the clsact qdisc takes it off. */
bool probe_path_attached(uint32_t ifindex);

/* Take it off. The qdisc stays: other users may be about to use it, and an empty one
 * costs nothing. Returns 0, also when it was not there. */
int probe_path_detach(struct probe_path *p, uint32_t ifindex);

/*
 * Make an entry; its mark in *mark is for struct probe_target. A mark that was removed
 * is handed out again as late as possible: packets of its old sockets may be queued.
 * Returns 0; -EINVAL: the addresses are not of the families that the mode needs;
 * -ENOSPC: 65,535 are in use; or another negative errno.
 */
int probe_path_add(struct probe_path *p, const struct probe_route *r, uint32_t *mark);

/* Change it, between two packets. Counters go on. */
int probe_path_set(struct probe_path *p, uint32_t mark, const struct probe_route *r);

/* From now on packets with this mark are dropped. */
void probe_path_remove(struct probe_path *p, uint32_t mark);

int probe_path_count(const struct probe_path *p, uint32_t mark, struct probe_path_count *out);

/* Descriptor of the program: its test runs it on frames (BPF_PROG_TEST_RUN). */
int probe_path_program(const struct probe_path *p);

/* A probe_hint_fn (probe.h): why nothing came back, if this host knows. `user` is the
 * struct probe_path. The text holds until the next call. */
const char *probe_path_hint(void *user, uint32_t mark, uint64_t since_ns);

/* A probe_left_fn, for one whose program stays where it is. */
enum probe_left probe_path_left(void *user, uint32_t mark, uint64_t since_ns);

#endif /* WEIR_PROBE_PATH_H */
