// SPDX-License-Identifier: Apache-2.0
/*
 * What a worker knows of the datagrams whose fragments it sees: who gets them, and
 * which bytes have come (docs/fragments.md).
 *
 *   writer: one worker, its own table (frags.c)
 *   reader: the other workers, where the first fragment came by another queue; explain
 *
 * The table is in this process's own memory, and bounded: a bucket has eight places,
 * and who needs one in a full bucket takes that of the datagram that has been quiet for
 * the longest. Readers see a record whole or not at all: each has a number that is odd
 * while it is written; who reads takes the record if the number is even and the same
 * before and after.
 */
#ifndef WEIR_FRAG_TABLE_H
#define WEIR_FRAG_TABLE_H

#include "bounds.h"
#include "pipeline.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FRAG_BUCKETS 512 /* power of two */
#define FRAG_WAYS    8

/* A datagram is forgotten when all of it has come, or none of it for so long. A receiver
 * keeps fragments for 60 s (RFC 8200, section 4.5) or 15 s (RFC 791, section 3.2); but
 * what is late by seconds meets no first fragment on the way, and an identification of
 * 16 bits comes round within seconds on a fast link (RFC 4963). */
#define FRAG_LIMIT_MS 2000

/* Pieces without neighbours: any order of 38 fragments, which is 56 kB by Ethernet. */
#define FRAG_RANGES 19

#define FRAG_BAD    (1u << 0) /* fragments of it overlapped */
#define FRAG_UNEVEN (1u << 1) /* not all but the last are `unit` bytes long and in line */
#define FRAG_CHOSEN (1u << 2) /* the first one came to a service and a backend */
#define FRAG_ERROR  (1u << 3) /* it is an ICMP error */

#define FRAG_FROM_NOBODY UINT8_MAX

/* One datagram. Which bytes have come is in `range`, in order, none touching another. */
struct frag_record {
	uint64_t tag;	    /* keyed hash of addresses, protocol, identification; 0: none */
	uint64_t flow_hash; /* the flow's, for all of its fragments */
	uint16_t service, pool, backend;
	uint8_t reason;	    /* why the first one was dropped, and all are; or WEIR_DROP_NONE */
	uint8_t state;	    /* FRAG_* */
	uint32_t last_ms;   /* when the last fragment came */
	uint32_t stamp;	    /* of what stood for the backend then: an index can get another */
	uint16_t total;	    /* bytes of the datagram; 0: the last fragment has not come */
	uint16_t last_from; /* where that begins */
	uint16_t unit;	    /* bytes of the first of the others that came */
	uint16_t first_len; /* bytes of the first one by offset */
	uint16_t serial;    /* differs when the first fragment came anew */
	uint8_t from;	    /* the other table that this was copied from, or FRAG_FROM_NOBODY */
	uint8_t ranges;
	struct {
		uint16_t from, to;
	} range[FRAG_RANGES];
};
#define FRAG_WORDS 15
static_assert(sizeof(struct frag_record) == FRAG_WORDS * sizeof(uint64_t), "copied by words");

struct frag_entry {
	alignas(WEIR_CACHE_LINE) _Atomic uint64_t seq;
	_Atomic uint64_t word[FRAG_WORDS]; /* struct frag_record */
};
static_assert(sizeof(struct frag_entry) == 2 * WEIR_CACHE_LINE, "two lines");

/* A look-up that finds nothing reads one line. */
struct frag_bucket {
	alignas(WEIR_CACHE_LINE) _Atomic uint64_t tag[FRAG_WAYS]; /* 0: free */
	struct frag_entry entry[FRAG_WAYS];
};

struct frag_table {
	/* First fragments ever noted: who waits for one looks again when it has grown. */
	alignas(WEIR_CACHE_LINE) _Atomic uint64_t noted;
	struct frag_bucket bucket[FRAG_BUCKETS];
};

/* How a fragment goes with those that came before it. */
enum frag_fit {
	FRAG_NEW,     /* its bytes are new */
	FRAG_AGAIN,   /* the same bytes came in a fragment of the same place and length */
	FRAG_OVERLAP, /* anything between, or at odds with where the datagram ends */
	FRAG_NO_ROOM, /* more pieces without neighbours than FRAG_RANGES */
};

/* Add a fragment to a record. On OVERLAP and NO_ROOM the record is as it was. */
enum frag_fit frag_add(struct frag_record *r, const struct fragment *f);

/* Has every byte come? */
static inline bool frag_complete(const struct frag_record *r)
{
	return r->ranges == 1 && r->range[0].from == 0 && r->total != 0 &&
	       r->range[0].to == r->total;
}

/*
 * Read the record of `tag`, from any thread, into *r. False when there is none, when it
 * is past the limit, or when its writer is at it: then there will be one in a moment,
 * and whoever waits looks again.
 */
bool frag_get(const struct frag_table *t, uint64_t tag, uint32_t now_ms, struct frag_record *r);

/* What had to go for a record. */
enum frag_put {
	FRAG_PUT_FREE, /* nothing: a free place, or its own */
	FRAG_PUT_OLD,  /* one past the limit */
	FRAG_PUT_LIVE, /* one within it */
};

/* Store a record in place of the one with its tag, or in its bucket. */
enum frag_put frag_put(struct frag_table *t, const struct frag_record *r, uint32_t now_ms);

void frag_remove(struct frag_table *t, uint64_t tag);

#endif /* WEIR_FRAG_TABLE_H */
