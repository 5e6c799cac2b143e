// SPDX-License-Identifier: Apache-2.0
/*
 * An IPv4 packet that is too big for the way to its backend, and whose sender allows
 * it, leaves in pieces: cut as RFC 791, section 3.2 says, and each piece encapsulated
 * as a packet of its own (docs/fragments.md). For pools with `fragment`.
 */
#ifndef WEIR_SPLIT_H
#define WEIR_SPLIT_H

#include "pipeline.h"
#include "view.h"

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <stdbool.h>

/* Dropped by encap as too big, and to be cut up? Not a later fragment that is dropped
 * because its first one was: it has no PKT_CHOSEN. */
static inline bool split_wanted(const struct view *v, const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip;

	if (p->drop != WEIR_DROP_TOO_BIG || p->flags & PKT_IPV6 ||
	    (p->flags & (PKT_FRAG_LATER | PKT_CHOSEN)) == PKT_FRAG_LATER ||
	    !(v->pool[p->pool % WEIR_MAX_POOLS].flags & WEIR_POOL_FRAGMENT))
		return false;
	ip = rte_pktmbuf_mtod_offset(p->mbuf, const struct rte_ipv4_hdr *, p->l3_off);
	return !(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG));
}

/*
 * Make the pieces of *p, as frames that are ready to leave, in *pieces; *p and its frame
 * stay the caller's. Returns how many, at least 2; or 0, with nothing made and the reason
 * in p->drop: too big even so (more than a burst of pieces, or an MTU of nearly nothing),
 * options that contradict themselves or a wrong checksum, which pieces would make right,
 * no buffer, or what encap finds.
 */
uint32_t split_packet(const struct view *v, const struct egress *ports, struct pkt *p,
		      struct burst *pieces);

#endif /* WEIR_SPLIT_H */
