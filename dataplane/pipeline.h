// SPDX-License-Identifier: Apache-2.0
/*
 * The packet path, in the order a packet takes it. Each stage is one file and
 * one function over a burst; worker.c calls them top to bottom, explain.c calls
 * parse to encap on one made-up packet and changes nothing by it.
 *
 *   R rx.c        a burst from one (port, queue)
 *   P parse.c     headers checked against the frame, flow key (extensions.c, quote.c)
 *   C classify.c  which service, which pool
 *   S select.c    which slot, which backend
 *   E encap.c     the frame that leaves
 *   T tx.c        sent, or freed; counted either way
 *
 * A stage sets `drop` and later stages pass that packet by; a stage neither
 * locks, calls the kernel, allocates nor logs.
 *
 * A burst's `seen` holds all flags of its packets, and `dropped` is set with the first
 * `drop`: most bursts have neither what is rare nor what is passed by, and a stage that
 * knows it from these two looks at no packet's flags. Who adds a packet or sets a drop
 * keeps them true.
 *
 * What few packets need is done by files that the worker calls only when a burst
 * has such packets (`seen`, `dropped`), so that the others do not pay for it.
 */
#ifndef WEIR_PIPELINE_H
#define WEIR_PIPELINE_H

#include "bounds.h"
#include "counters.h"
#include "snapshot.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
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
	union {
		struct {
			uint16_t service;	/* C  index, < WEIR_MAX_SERVICES */
			uint16_t pool;		/* C  index into view.pool[] */
			uint16_t service_flags; /* C  WEIR_SERVICE_* */
			uint16_t backend;	/* S  index, < WEIR_MAX_BACKENDS */
		};
		uint64_t choice; /* these four at once */
	};
	union {
		struct {
			uint16_t ip_len; /* P  bytes, as the IP header says and the frame holds */
			uint8_t l3_off;	 /* P  bytes: 14, more with VLAN tags */
			uint8_t drop; /* any: enum weir_drop, the first reason stands; or PKT_TAKEN
				       */
			uint8_t port; /* R  where it came in; E  where it goes out (see one_port) */
			uint8_t l4_words; /* P  4 bytes each, from the IP header: pkt_l4_off() */
			uint16_t flags;	  /* P  PKT_* */
		};
		uint64_t state; /* R  these six at once: all but port are 0 then */
	};
};
static_assert(sizeof(struct pkt) == 32, "two packets a cache line");

/* Where TCP, UDP or ICMP begins: bytes from the start of the frame. */
static inline uint32_t pkt_l4_off(const struct pkt *p)
{
	return p->l3_off + p->l4_words * 4u;
}

/* `state` with these fields, the others 0. A struct literal would be made in memory, byte
 * by byte, and loaded from there. */
#define PKT_STATE(ip_len, l3_off, l4_words, flags)                                    \
	((uint64_t)(ip_len) | (uint64_t)(l3_off) << 16 | (uint64_t)(l4_words) << 40 | \
	 (uint64_t)(flags) << 48)
static_assert(offsetof(struct pkt, l3_off) == offsetof(struct pkt, state) + 2 &&
		      offsetof(struct pkt, drop) == offsetof(struct pkt, state) + 3 &&
		      offsetof(struct pkt, l4_words) == offsetof(struct pkt, state) + 5 &&
		      offsetof(struct pkt, flags) == offsetof(struct pkt, state) + 6 &&
		      __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "where PKT_STATE() puts them");

/* In `drop`: the mbuf is somebody else's now (held, handed to the kernel); tx passes it by. */
#define PKT_TAKEN UINT8_MAX

#define PKT_IPV6	 (1u << 0)
#define PKT_OPENER	 (1u << 1)  /* TCP SYN without ACK */
#define PKT_CLOSING	 (1u << 2)  /* TCP FIN or RST */
#define PKT_FRAG_FIRST	 (1u << 3)  /* of a datagram: has the ports, more follow */
#define PKT_FRAG_LATER	 (1u << 4)  /* has no ports: the key's ports are 0 */
#define PKT_OTHER_L4	 (1u << 5)  /* neither TCP nor UDP: no ports */
#define PKT_QUIC_INITIAL (1u << 6)  /* UDP that would be one: an opener on `quic` services */
#define PKT_TCP		 (1u << 7)  /* the flow's protocol, of an ICMP error that of the quote */
#define PKT_ICMP_ERROR	 (1u << 8)  /* the key is that of the flow it tells about; a later
				     * fragment of one: by frags.c, and the key is its own */
#define PKT_ECHO	 (1u << 9)  /* ICMP or ICMPv6 echo request */
#define PKT_CHOSEN	 (1u << 10) /* service, pool and backend are known: select passes it by, and
				     * a drop is counted for them */
#define PKT_ANSWER	 (1u << 11) /* A  made by us, goes back by `port`: no service, no backend */
#define PKT_NO_ADDRESS	 (1u << 12) /* dropped before there was an address to read */
#define PKT_MALFORMED	 (1u << 13) /* C  for no VIP: only the addresses of the key are known */
#define PKT_TAGGED	 (1u << 14) /* came with VLAN tags */
#define PKT_FRAGMENT	 (PKT_FRAG_FIRST | PKT_FRAG_LATER)

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

/*
 * Of a packet with PKT_FRAGMENT. Offset and length count the datagram's payload: behind
 * the IPv4 header, or behind the IPv6 fragment header. A later fragment's protocol, in
 * its key, is what that header says: in IPv6 maybe an extension header's number.
 */
struct fragment {
	uint32_t id_be;	    /* IPv4: 16 bits, in the low half as loaded */
	uint16_t off;	    /* bytes */
	uint16_t len;	    /* bytes */
	bool more;	    /* not the last */
	uint8_t sender[16]; /* of an ICMP error, whose key is another's: who sent it */
};

struct burst {
	uint32_t n;
	uint16_t seen;	  /* P  PKT_* of all packets together */
	uint16_t lens;	  /* P  bits of all their ip_len together: none is greater */
	bool dropped;	  /* any: a packet's `drop` was set */
	bool one_target;  /* P  all are whole, of one family, and for the address, protocol and
			   * port of the first */
	bool one_pool;	  /* C  all packets have the pool of the first, and its family */
	bool one_service; /* C  and its service */
	bool as_taken;	  /* R  leaving and bytes are as below from the start, not only from E on */
	bool one_port;	  /* E  all leave by the port of the first, which alone need say it */
	uint64_t bytes;	  /* R  of the frames; E  with one_port: as they leave */
	struct rte_mbuf *leaving[WEIR_BURST]; /* R, E  as pkt has them, likewise */
	alignas(WEIR_CACHE_LINE) struct pkt pkt[WEIR_BURST];
	alignas(WEIR_CACHE_LINE) union flow_key key[WEIR_BURST]; /* P */
	struct fragment fragment[WEIR_BURST]; /* P  only where PKT_FRAGMENT is set */
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
void count_lost(struct worker *w, const struct burst *b); /* tx.c  what was dropped and is not
							   * answered, for its VIP, service and
							   * backend */
void tx_burst(struct worker *w, struct burst *b);	  /* tx.c */

/* Bytes that an encapsulation puts in front of the client's packet; 0 if it is unknown. */
static inline uint32_t encap_overhead(unsigned encap)
{
	static const uint8_t overhead[WEIR_ENCAPS] = { [WEIR_ENCAP_IPIP4] = 20,
						       [WEIR_ENCAP_IPIP6] = 40,
						       [WEIR_ENCAP_GUE4] = 32,
						       [WEIR_ENCAP_GUE6] = 52 };

	return encap < WEIR_ENCAPS ? overhead[encap] : 0;
}

/* The largest packet of a client that fits towards p->backend, bytes: of a packet that is
 * TOO_BIG. A peer may change it between two calls. encap.c */
uint32_t encap_room(const struct view *v, const struct egress *ports, const struct pkt *p);

#endif /* WEIR_PIPELINE_H */
