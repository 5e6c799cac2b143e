// SPDX-License-Identifier: Apache-2.0
/*
 * The arena and what lies in it: lookup tables and snapshots.
 *
 *   writer: the control plane (controlplane/publish.c), only while no worker
 *           can see the blocks it writes
 *   reader: workers (dataplane/view.c checks a snapshot once, on taking it),
 *           and a restarted control plane, which finds its state here
 *
 * The arena is WEIR_BLOCK-sized blocks. A table or a snapshot is a run of
 * adjacent blocks; everything is addressed by its byte offset from the start of
 * the arena, so nothing here is a pointer. Constant once published.
 *
 * What a reader may trust: nothing. A worker checks every offset, count and
 * length when it takes a snapshot and keeps private copies of them; the values
 * it loads per packet afterwards (slot entries, backend lines, look-up entries)
 * are in range by their width or by a mask.
 *
 * Multi-byte fields are in host order unless the name ends in _be.
 */
#ifndef WEIR_SNAPSHOT_H
#define WEIR_SNAPSHOT_H

#include "bounds.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_BLOCK	    4096
#define WEIR_SNAPSHOT_MAGIC 0x7061537269655721ull

/* -- lookup tables ---------------------------------------------------------- */

/*
 * A slot entry: bits 0-13 the index of `cur` in weir_snapshot.backend[], bits
 * 14-15 its state. A settled slot needs nothing but this entry.
 */
typedef uint16_t weir_slot;

enum weir_slot_state {
	WEIR_SLOT_SETTLED = 0,
	WEIR_SLOT_MOVING = 1, /* a base keeps its flows: see weir_move */
	WEIR_SLOT_PINNED = 2, /* base = cur again, pins remain */
	WEIR_SLOT_EMPTY = 3,  /* no backend of the pool serves */
};

#define WEIR_SLOT_BACKEND_MASK 0x3fffu
#define WEIR_SLOT_STATE_SHIFT  14
static_assert(WEIR_MAX_BACKENDS == WEIR_SLOT_BACKEND_MASK + 1, "an index fits its field");

static inline weir_slot weir_slot_make(unsigned state, unsigned backend)
{
	return (weir_slot)(state << WEIR_SLOT_STATE_SHIFT | (backend & WEIR_SLOT_BACKEND_MASK));
}

static inline unsigned weir_slot_state(weir_slot s)
{
	return s >> WEIR_SLOT_STATE_SHIFT;
}

static inline unsigned weir_slot_backend(weir_slot s)
{
	return s & WEIR_SLOT_BACKEND_MASK;
}

/* The slot of a flow: maps a 64-bit hash onto [0, len) without a division
 * (Lemire 2019, "Fast random integer generation in an interval"). */
static inline uint32_t weir_slot_of(uint64_t hash, uint32_t len)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint32_t)(((wide)hash * len) >> 64);
}

/*
 * The slots of a table that are moving: for each 64 slots a group, which says which of
 * them move and where their records begin; then the records, in the order of slots; then
 * when each began, in the same order. Few slots move at a time, so that this is small beside
 * the table. When all do, a packet without a pin reads one record of it.
 */
enum weir_move_protocol { WEIR_MOVE_TCP, WEIR_MOVE_UDP, WEIR_MOVE_PROTOCOLS };

struct weir_move_group {
	uint64_t moving; /* bit n: slot 64 * group + n has a record */
	uint32_t first;	 /* records of the groups before */
	uint32_t reserved;
};
static_assert(sizeof(struct weir_move_group) == 16, "layout 4");

/* Protocols move apart: one's window may be over, and a further change make it a move
 * of its own, while the other's is open. */
struct weir_move {
	uint16_t base[WEIR_MOVE_PROTOCOLS]; /* backend index and flags, below */
};
static_assert(sizeof(struct weir_move) == 4, "layout 8");

struct weir_move_begin {
	uint32_t ms[WEIR_MOVE_PROTOCOLS]; /* CLOCK_BOOTTIME, low 32 bits */
};
static_assert(sizeof(struct weir_move_begin) == 8, "layout 8");

#define WEIR_MOVE_OPEN	 (1u << 14) /* the window is open */
#define WEIR_MOVE_NOBODY (1u << 15) /* in base[0]: there is no new owner */

static inline unsigned weir_move_base(uint16_t base)
{
	return base & WEIR_SLOT_BACKEND_MASK;
}

static inline uint32_t weir_move_groups(uint32_t len)
{
	return (len + 63) / 64;
}

/* Bytes of the groups and records of a table with `len` slots, of which `count` move. */
static inline uint64_t weir_moves_size(uint32_t len, uint32_t count)
{
	return (uint64_t)weir_move_groups(len) * sizeof(struct weir_move_group) +
	       (uint64_t)count * (sizeof(struct weir_move) + sizeof(struct weir_move_begin));
}

/* The records of `groups`, which has weir_move_groups(len) of them. */
static inline const struct weir_move *weir_moves_records(const struct weir_move_group *groups,
							 uint32_t len)
{
	return (const struct weir_move *)(groups + weir_move_groups(len));
}

/* When the move of a record began: `count` records, of which `move` is one. */
static inline const struct weir_move_begin *weir_moves_begin(const struct weir_move_group *groups,
							     uint32_t len, uint32_t count,
							     const struct weir_move *move)
{
	const struct weir_move *first = weir_moves_records(groups, len);

	return (const struct weir_move_begin *)(first + count) + (move - first);
}

/* The record of a slot below len, of `count`; NULL: it has none, or what is written there
 * makes no sense. */
static inline const struct weir_move *weir_moves_find(const struct weir_move_group *groups,
						      uint32_t len, uint32_t count, uint32_t slot)
{
	const struct weir_move_group *g = &groups[slot / 64];
	uint64_t bit = (uint64_t)1 << slot % 64, moving;
	uint32_t at;

	if (count == len) /* all do */
		return &weir_moves_records(groups, len)[slot];
	moving = __atomic_load_n(&g->moving, __ATOMIC_RELAXED);
	at = __atomic_load_n(&g->first, __ATOMIC_RELAXED) +
	     (uint32_t)__builtin_popcountll(moving & (bit - 1));
	return moving & bit && at < count ? &weir_moves_records(groups, len)[at] : NULL;
}

/* -- snapshot --------------------------------------------------------------- */

enum weir_mode {
	WEIR_MODE_L2 = 0,
	WEIR_MODE_IPIP = 1,
	WEIR_MODE_GUE = 2,
};

enum weir_hash {
	WEIR_HASH_5TUPLE = 0,
	WEIR_HASH_SOURCE = 1,
};

/*
 * Which service a packet is for. Open addressing with linear probing: the home
 * of a key is weir_lookup_home(); a look-up ends at an entry with k0 = 0, at a
 * match, or after WEIR_LOOKUP_PROBES entries, which the writer guarantees to
 * suffice (it doubles the table or fails). Three kinds of key, by what is 0:
 * (VIP, protocol, port); (VIP, protocol, 0): every other port; (VIP, 0, 0):
 * "this is a VIP", present once per VIP: what matches only that is a stray.
 *
 * A VIP is an address or a prefix: `kind` in k0 is its family for an address, and
 * tells the length for a prefix (its host bits are 0). The longest VIP that holds an
 * address decides; within it the three kinds of key, in the order above. The head's
 * prefixes4 and prefixes6 say which lengths there are.
 */
#define WEIR_LOOKUP_PROBES   16
#define WEIR_LOOKUP_MAX_BITS 15
#define WEIR_LOOKUP_MIN_BITS 4

struct weir_lookup {
	uint64_t k0;	  /* weir_lookup_k0(); 0 = empty entry */
	uint64_t k1, k2;  /* IPv6 address as it lies in memory; 0 for IPv4 */
	uint16_t service; /* index, < WEIR_MAX_SERVICES; of (VIP, 0, 0) the one that counts for it */
	uint16_t pool;	  /* index, < WEIR_MAX_POOLS */
	uint32_t flags;	  /* WEIR_SERVICE_* */
};
static_assert(sizeof(struct weir_lookup) == 32, "two a cache line");

#define WEIR_SERVICE_VIP_ONLY (1u << 0) /* the (VIP, 0, 0) entry: no service */
#define WEIR_SERVICE_QUIC     (1u << 1) /* UDP: QUIC Initials are openers */
/* In the (VIP, 0, 0) entry: */
#define WEIR_VIP_ECHO	(1u << 2) /* answer echo requests */
#define WEIR_VIP_REJECT (1u << 3) /* reject strays: TCP RST, port unreachable */
#define WEIR_VIP_ARP	(1u << 4) /* answer ARP and neighbour solicitations */

/* The `kind` of a VIP: 4 or 6 for an address; a prefix of 0..31 or 0..127 bits. */
static inline uint8_t weir_lookup_kind(uint8_t family, unsigned prefix_len)
{
	if (family == 4)
		return prefix_len >= 32 ? 4 : (uint8_t)(32 + prefix_len);
	return prefix_len >= 128 ? 6 : (uint8_t)(128 + prefix_len);
}

/* kind: weir_lookup_kind(); port_be and v4_be as they lie in the packet; v4_be 0 for IPv6. */
static inline uint64_t weir_lookup_k0(uint8_t kind, uint8_t protocol, uint16_t port_be,
				      uint32_t v4_be)
{
	return (uint64_t)v4_be << 32 | (uint64_t)port_be << 16 | (uint64_t)protocol << 8 | kind;
}

/* Both halves of a product in one word. */
static inline uint64_t weir_fold(uint64_t a, uint64_t odd)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * odd;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * Multiplied by the golden ratio (Knuth, volume 3, section 6.4), with the bytes that
 * differ between neighbouring addresses and ports turned to the low end: these find
 * homes far from each other. IPv4, whose k1 and k2 are 0, takes one multiplication.
 */
static inline uint32_t weir_lookup_home(uint64_t k0, uint64_t k1, uint64_t k2, unsigned bits)
{
	uint64_t h = weir_fold(k1, 0x9e3779b97f4a7c15ull) ^ weir_fold(k2, 0xc2b2ae3d27d4eb4full);

	return (uint32_t)(__builtin_bswap64(k0 ^ h) * 0x9e3779b97f4a7c15ull >> (64 - bits));
}

struct weir_pool {
	uint64_t id;	    /* hash of the pool's name: how a restarted control plane knows it */
	uint32_t table_off; /* weir_slot[table_len], 64-byte aligned */
	uint32_t table_len; /* prime, WEIR_TABLE_MIN..WEIR_TABLE_MAX */
	uint32_t move_off;  /* groups and records of moves; 0: no slot is moving */
	uint8_t mode;	    /* enum weir_mode */
	uint8_t hash;	    /* enum weir_hash */
	uint16_t mtu;	    /* largest outer IP packet, bytes */
	uint32_t tcp_window_ms, udp_window_ms;
	uint32_t flags;	     /* WEIR_POOL_* */
	uint32_t move_count; /* records at move_off */
	uint32_t grace_ms;   /* so long after a move began, new flows still go to its base */
	uint32_t newest_ms;  /* CLOCK_BOOTTIME, low 32 bits: when the latest move began */
	uint8_t reserved[16];
};
static_assert(sizeof(struct weir_pool) == 64, "layout 8");

#define WEIR_POOL_FRAGMENT (1u << 0) /* IPv4 without DF that is too big: in pieces, not dropped */

/* How the worker builds the frame for a backend. */
enum weir_encap {
	WEIR_ENCAP_L2 = 0,
	WEIR_ENCAP_IPIP4 = 1, /* outer IPv4: 20 bytes */
	WEIR_ENCAP_IPIP6 = 2, /* outer IPv6: 40 bytes */
	WEIR_ENCAP_GUE4 = 3,  /* outer IPv4 + UDP + GUE: 32 bytes */
	WEIR_ENCAP_GUE6 = 4,  /* outer IPv6 + UDP + GUE: 52 bytes */
	WEIR_ENCAPS
};

/* Most of source_bits: the flow hash has 64, and a prefix is of one kind of address. */
#define WEIR_SOURCE_BITS4 24
#define WEIR_SOURCE_BITS6 64

#define WEIR_BACKEND_FORWARD  (1u << 0) /* enabled or draining, and not down */
#define WEIR_BACKEND_RESOLVED (1u << 1) /* the next hop has been known */

/*
 * All that a worker reads of a backend, in one cache line: the next hop and the
 * outer header made ready. Its ToS or traffic class and its length are 0, as is the
 * identification of IPv4, and the IPv4 checksum is that of this header: the worker
 * writes ToS and length from the packet and adds both to the checksum (RFC 1624).
 * The protocol: GUE: UDP. ipip over IPv4: 4, which the worker makes 41 for an IPv6
 * packet, in the checksum too; over IPv6: 0, and the worker writes 4 or 41. The low
 * source_bits of the source are 0: the worker writes bits of the flow hash there,
 * over IPv4 into the checksum too. docs/encap.md.
 */
struct weir_backend {
	uint8_t dmac[6];     /* next hop */
	uint16_t vlan_be;    /* 802.1Q TCI towards the next hop; 0 = untagged */
	uint8_t port;	     /* egress port, < WEIR_MAX_PORTS */
	uint8_t flags;	     /* WEIR_BACKEND_*; 0 in an index that is not in use */
	uint8_t encap;	     /* enum weir_encap */
	uint8_t source_bits; /* low bits of the outer source that the flow hash fills; 0: none */
	uint16_t mtu;	     /* largest outer IP packet towards the next hop, bytes */
	uint16_t gue_port_be;
	uint8_t outer[40]; /* IPv4 (20 bytes) or IPv6 (40 bytes) header; zero for l2 */
	uint8_t reserved1[8];
};
static_assert(sizeof(struct weir_backend) == WEIR_CACHE_LINE, "one line a backend");

/* What a restarted control plane needs and workers do not read. */
struct weir_backend_cold {
	uint64_t id;		    /* 64-bit identity; 0: the index is free */
	uint64_t drain_deadline_ms; /* CLOCK_BOOTTIME; 0: none */
	uint32_t pool;		    /* index into weir_pool */
	uint8_t admin;		    /* the operator's word: 0 enabled, 1 draining, 2 disabled */
	uint8_t health;		    /* 0 pending, 1 up, 2 down */
	uint8_t served;		    /* 1: took new flows */
	uint8_t agent_admin;	    /* its agent's word, likewise */
	uint32_t slow_since_ms;	    /* CLOCK_BOOTTIME, low 32 bits; 0: no slow start is on */
	uint8_t agent_cut;	    /* percent of its weight that its agent does not want */
	uint8_t reserved[3];
};
static_assert(sizeof(struct weir_backend_cold) == 32, "layout 1");

/* A VIP that the data plane must attract: the steering program's map. */
struct weir_vip {
	uint8_t addr[16];   /* IPv4 in the first 4 bytes */
	uint8_t family;	    /* 4 or 6 */
	uint8_t prefix_len; /* 32 or 128 for a single address */
	uint8_t flags;	    /* WEIR_VIP_* */
	uint8_t reserved[5];
};
static_assert(sizeof(struct weir_vip) == 24, "layout 1");

/*
 * The head of a snapshot, at a block boundary. Every *_off is an arena offset in
 * bytes, 64-byte aligned; all arrays but the pools' tables lie within the
 * snapshot's own `size` bytes.
 */
struct weir_snapshot {
	uint64_t magic;
	uint64_t generation;
	uint64_t flow_seed;		     /* secret, the same on all Weirs of a site */
	uint32_t size;			     /* bytes of the snapshot with its arrays */
	uint32_t flags;			     /* 0 */
	uint32_t lookup_off, lookup_bits;    /* weir_lookup[1 << lookup_bits] */
	uint32_t pool_off, pool_count;	     /* weir_pool[] */
	uint32_t backend_off, backend_count; /* weir_backend[]: highest index in use + 1 */
	uint32_t cold_off;		     /* weir_backend_cold[backend_count] */
	uint32_t vip_off, vip_count;	     /* weir_vip[] */
	uint32_t service_count;
	uint64_t prefixes4;    /* bit n: a VIP is an IPv4 prefix of n bits, n < 32 */
	uint64_t prefixes6[2]; /* bit n % 64 of word n / 64: likewise, n < 128 */
	uint8_t reserved[32];
};
static_assert(sizeof(struct weir_snapshot) == 128, "layout 1");

#endif /* WEIR_SNAPSHOT_H */
