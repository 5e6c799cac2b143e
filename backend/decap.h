// SPDX-License-Identifier: Apache-2.0
/*
 * The decapsulation program (bpf/decap.bpf.c) at tc ingress of an interface: put
 * it there, find it again, read its maps, take it off.
 *
 * Nothing is pinned: the tc filter holds the program and the program its maps, so
 * both live as long as the filter and are found through it. The filter is ours by
 * priority, handle and program name together; no other is ever touched.
 */
#ifndef WEIR_BACKEND_DECAP_H
#define WEIR_BACKEND_DECAP_H

#include "host.h"

struct mnl_socket;

/* Once, first thing: lets libbpf's own messages through only with `verbose`. */
void decap_init(bool verbose);

/*
 * Find the program at tc ingress of an interface. Returns its id in *id, 0 when
 * it is not there. With `others` set, every other filter there is appended to its
 * `filter` array. Returns 0 or a negative errno.
 */
int decap_find(struct mnl_socket *nl, int ifindex, uint32_t *id, struct host *others);

/* Read the maps and counters of program `id` into *out. Maps that look different, of
 * another version, count as empty. Returns 0, -EPERM without CAP_SYS_ADMIN, or another
 * negative errno; on error *out holds nothing. */
int decap_read(uint32_t id, struct host_decap *out);

/* What the program shall know. */
struct decap_lists {
	const struct prefix_list *vips, *from, *local;
	uint16_t gue_port; /* 0: no GUE */
};

/*
 * Load a program with these lists and put it in place of the one that is there
 * (`old_id`, 0: none) in one step, so that no packet meets half a configuration or
 * none; the counters go on. The interface must have a clsact or ingress qdisc.
 * Returns 0 with the new id in *id; a negative errno with a sentence in
 * why[why_len] and everything as it was.
 */
int decap_attach(const struct host_link *link, const struct decap_lists *lists, uint32_t old_id,
		 uint32_t *id, char *why, size_t why_len);

/* Take the filter off. Returns 0, also when it was not there, or a negative errno. */
int decap_detach(int ifindex);

/* Make the clsact qdisc (-EEXIST: there is one, or an ingress qdisc), or remove it
 * with every filter that is still in it. Return 0 or a negative errno. */
int decap_qdisc_add(int ifindex);
int decap_qdisc_del(int ifindex);

/* Name and sentence of an enum decap_fate. */
const char *decap_fate_name(unsigned fate);
const char *decap_fate_text(unsigned fate);

#endif /* WEIR_BACKEND_DECAP_H */
