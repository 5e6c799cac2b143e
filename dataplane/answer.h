// SPDX-License-Identifier: Apache-2.0
/*
 * What Weir says of its own: answers in place of packets that are dropped
 * (docs/answers.md). The worker calls answer_burst() behind encap for bursts that
 * have drops; nothing here runs for a packet that is forwarded.
 *
 *   answer.c       which drop gets which answer, who must not get one, rate limit
 *   answer_ip.c    echo replies, ICMP errors, TCP RST
 *   answer_link.c  ARP replies, neighbour advertisements
 */
#ifndef WEIR_ANSWER_H
#define WEIR_ANSWER_H

#include "limit.h"
#include "pipeline.h"
#include "shm.h"

/* Of one worker. */
struct answers {
	struct weir_worker_area *area; /* counters; NULL: nothing is counted */
	struct limit_rate rate;	       /* of each kind */
	struct limit limit[WEIR_ANSWERS];
};

/* per_s: answers of each kind a second, 0: none; hz: of `now` below. */
void answers_init(struct answers *a, struct weir_worker_area *area, uint32_t per_s, uint64_t hz);

/*
 * Turn packets of the burst that were dropped into the answers that they call for:
 * PKT_ANSWER, drop = NONE, `port` the one they came in by, which is where the answer
 * goes. A packet that gets none, by the rules or by the rate limit, stays as it is; but
 * one that asks for the MAC of a VIP and is over the limit has drop = ANSWER_LIMITED.
 */
void answer_burst(struct answers *a, const struct view *v, const struct egress *ports,
		  struct burst *b, uint64_t now);

/* What a packet that was dropped calls for, whatever the rate; WEIR_ANSWERS: nothing.
 * Changes nothing: for explain as well. */
enum weir_answer answer_kind(const struct view *v, const struct pkt *p);

/* -- the makers, for answer.c and tests ------------------------------------------- */

/*
 * Each turns the packet's frame into the answer and returns true; or returns false
 * with the frame as it was, when the buffer has no room for it. They believe `flags`,
 * `l3_off`, `l4_words` and `ip_len` of a packet that parse has passed. `mac`: ours.
 * Addresses and MACs are swapped, VLAN tags stay.
 */

/* The packet is an echo request, ICMP or ICMPv6. */
bool answer_echo(struct pkt *p, const uint8_t mac[6]);

/* An ICMP error about the packet, from the address it was sent to. rest_be: the four
 * bytes behind the checksum. */
bool answer_error(struct pkt *p, const uint8_t mac[6], uint8_t type, uint8_t code,
		  uint32_t rest_be);

/* The packet is TCP, not a RST: refuse it as a closed port does. */
bool answer_reset(struct pkt *p, const uint8_t mac[6]);

/* The address that an ARP request or a neighbour solicitation asks for, in k's
 * destination; false: the packet is neither, or wrong, or not to be answered. */
bool answer_arp_asks(const struct pkt *p, union flow_key *k);
bool answer_nd_asks(const struct pkt *p, union flow_key *k);

/* Answer what the above has accepted. */
bool answer_arp(struct pkt *p, const uint8_t mac[6]);
bool answer_nd(struct pkt *p, const uint8_t mac[6]);

/*
 * Replace the first `old` bytes behind the link header by `len` bytes, which the
 * caller fills in, and end the frame `keep` bytes behind those; MACs are turned
 * round. Only bytes of the first segment can be kept. Returns where the `len` bytes
 * begin; NULL, and nothing has changed: the buffer has no room.
 */
uint8_t *answer_reshape(struct pkt *p, const uint8_t mac[6], uint32_t old, uint32_t len,
			uint32_t keep);

#endif /* WEIR_ANSWER_H */
