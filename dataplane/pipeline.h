// SPDX-License-Identifier: Apache-2.0
/*
 * The packet path, in the order a packet takes it. Each stage is one file and
 * one function over a burst; worker.c calls them top to bottom, explain.c calls
 * parse to encap on one made-up packet and changes nothing by it.
 *
 *   R rx.c        a burst from one (port, queue)
 *   P parse.c     headers checked against the frame, flow key
 *   C classify.c  which service, which pool
 *   S select.c    which slot, which backend
 *   E encap.c     the frame that leaves
 *   T tx.c        sent, or freed; counted either way
 *
 * A stage sets `drop` and later stages pass that packet by; a stage neither
 * locks, calls the kernel, allocates nor logs.
 */
#ifndef WEIR_PIPELINE_H
#define WEIR_PIPELINE_H

#include "bounds.h"
#include "counters.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>

#define WEIR_BURST 32

struct pins;
struct rte_mbuf;
struct view;
struct worker;
struct worker_queue;

/* One packet on its way: a letter names the stage that writes a field. */
struct pkt {
	struct rte_mbuf *mbuf; /* R */
	uint64_t flow_hash;    /* S */
	uint16_t service;      /* C  index, < WEIR_MAX_SERVICES */
	uint16_t pool;	       /* C  index into view.pool[] */
	uint16_t backend;      /* S  index, < WEIR_MAX_BACKENDS */
	uint16_t l4_off;       /* P  bytes from the start of the frame */
	uint16_t ip_len;       /* P  bytes, as the IP header says and the frame holds */
	uint8_t l3_off;	       /* P  bytes: 14, more with VLAN tags */
	uint8_t drop;	       /* any: enum weir_drop, the first reason stands */
	uint8_t port;	       /* R  where it came in; E  where it goes out */
	uint8_t flags;	       /* P  PKT_* */
	uint16_t service_flags; /* C  WEIR_SERVICE_* */
};
static_assert(sizeof(struct pkt) == 32, "two packets a cache line");

#define PKT_IPV6     (1u << 0)
#define PKT_OPENER   (1u << 1) /* TCP SYN without ACK */
#define PKT_CLOSING  (1u << 2) /* TCP FIN or RST */
#define PKT_FRAGMENT (1u << 3) /* part of a datagram: ports are missing or will be in others */
#define PKT_OTHER_L4 (1u << 4) /* neither TCP nor UDP: no ports */
#define PKT_QUIC_INITIAL (1u << 5) /* UDP that would be one: an opener on `quic` services */

/*
 * What the flow hash covers, in canonical order. Filled by parse: for a plain
 * packet from its own headers, so that a packet that belongs to a flow without
 * carrying its tuple (ICMP error, later fragment) can be given that flow's key.
 * IPv4 uses v4 alone (16 bytes), IPv6 all of v6 (40 bytes).
 */
union flow_key {
	struct {
		uint32_t src_be, dst_be;
		uint16_t sport_be, dport_be;
		uint8_t protocol;
		uint8_t zero[3];
	} v4;
	struct {
		uint8_t src[16], dst[16];
		uint16_t sport_be, dport_be;
		uint8_t protocol;
		uint8_t zero[3];
	} v6;
	uint64_t word[5];
};
static_assert(sizeof(union flow_key) == 40, "v4: 2 words, v6: 5");

struct burst {
	uint32_t n;
	alignas(WEIR_CACHE_LINE) struct pkt pkt[WEIR_BURST];
	alignas(WEIR_CACHE_LINE) union flow_key key[WEIR_BURST]; /* P */
};

/* What encap knows of a port, by our port number: [WEIR_MAX_PORTS]. */
struct egress {
	uint8_t mac[6]; /* source of the frames that leave by it */
	uint16_t mtu;	/* bytes of IP; 0: no such port */
};
static_assert(sizeof(struct egress) == 8, "one load");

void rx_burst(struct worker *w, const struct worker_queue *q, struct burst *b); /* rx.c */
void parse_burst(struct burst *b);						/* parse.c */
void classify_burst(const struct view *v, struct burst *b);			/* classify.c */
void select_burst(const struct view *v, struct pins *t, struct burst *b);	/* select.c */
void encap_burst(const struct view *v, const struct egress *ports, struct burst *b); /* encap.c */
void tx_burst(struct worker *w, struct burst *b);				/* tx.c */

#endif /* WEIR_PIPELINE_H */
