// SPDX-License-Identifier: Apache-2.0
/*
 * Stage 3: which service a packet is for. A VIP is an address or a prefix; the
 * longest that holds the address decides. Within it the exact (VIP, protocol, port)
 * wins, then (VIP, protocol, 0); what is left is a stray.
 *
 * Reads:  the flow key, flags.  Writes: service, pool, service_flags; or drop. What
 * is dropped for a VIP has the flags of the VIP in service_flags: answer.c goes by
 * them; and as its service one of the VIP's, which counts for it. Passes by what has PKT_CHOSEN.
 * What parse has dropped stays so if it is for a VIP; otherwise it is none of ours, whatever is
 * wrong with it, and PKT_MALFORMED.
 *
 * The table's entries are in memory that the control plane can write: what is
 * taken from one is masked to its range, and a run of probes is bounded.
 */
#include "bytes16.h"
#include "pipeline.h"
#include "view.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>

#include <arpa/inet.h>
#include <string.h>

static_assert((WEIR_MAX_SERVICES & (WEIR_MAX_SERVICES - 1)) == 0, "a mask bounds an index");
static_assert((WEIR_MAX_POOLS & (WEIR_MAX_POOLS - 1)) == 0, "a mask bounds an index");

/* Packets that have no ports, or not yet. */
#define NO_PORTS (PKT_FRAG_LATER | PKT_OTHER_L4)

struct lookup_key {
	uint64_t k0, k1, k2;
};

/* The entry of a key whose home is `home`, or NULL. `ipv4`: its k0 is all of the key. */
static inline const struct weir_lookup *lookup_from(const struct view *v, uint32_t home,
						    const struct lookup_key *k, bool ipv4)
{
	uint32_t mask = (1u << v->lookup_bits) - 1;

	for (uint32_t i = 0; i < WEIR_LOOKUP_PROBES; i++) {
		const struct weir_lookup *e = &v->lookup[(home + i) & mask];

		if (likely(e->k0 == k->k0) && (ipv4 || (e->k1 == k->k1 && e->k2 == k->k2)))
			return e;
		if (e->k0 == 0)
			return NULL;
	}
	return NULL;
}

static __rte_noinline const struct weir_lookup *find4_from(const struct view *v, uint32_t home,
							   uint64_t k0)
{
	return lookup_from(v, home, &(struct lookup_key){ .k0 = k0 }, true);
}

static inline uint32_t home_of(const struct view *v, const struct lookup_key *k)
{
	return weir_lookup_home(k->k0, k->k1, k->k2, v->lookup_bits);
}

/* What an entry says, in range whatever it holds: pkt.choice without a backend. */
#define CHOICE_SERVICE ((uint64_t)WEIR_MAX_SERVICES - 1)
#define CHOICE_POOL    ((uint64_t)(WEIR_MAX_POOLS - 1) << 16)
#define CHOICE_FLAGS   ((uint64_t)UINT8_MAX << 32)
static_assert(offsetof(struct weir_lookup, pool) == offsetof(struct weir_lookup, service) + 2 &&
		      offsetof(struct weir_lookup, flags) ==
			      offsetof(struct weir_lookup, service) + 4 &&
		      offsetof(struct pkt, pool) == offsetof(struct pkt, choice) + 2 &&
		      offsetof(struct pkt, service_flags) == offsetof(struct pkt, choice) + 4,
	      "all in one load and one store");

static inline uint64_t choice_of(const struct weir_lookup *e)
{
	uint64_t choice;

	memcpy(&choice, &e->service, sizeof(choice));
	return choice & (CHOICE_SERVICE | CHOICE_POOL | CHOICE_FLAGS);
}

static inline struct lookup_key exact4(const union flow_key *k)
{
	return (struct lookup_key){ .k0 = weir_lookup_k0(4, k->v4.protocol, k->v4.dport_be,
							 k->v4.dst_be) };
}

static inline struct lookup_key exact6(const union flow_key *k)
{
	struct lookup_key l = { .k0 = weir_lookup_k0(6, k->v6.protocol, k->v6.dport_be, 0) };

	memcpy(&l.k1, k->v6.dst, sizeof(l.k1));
	memcpy(&l.k2, k->v6.dst + sizeof(l.k1), sizeof(l.k2));
	return l;
}

/* A destination, as far as the VIPs of one length see it. */
struct candidate {
	uint8_t kind; /* weir_lookup_kind() */
	uint8_t protocol;
	uint16_t port_be;
	uint32_t v4_be;	 /* the host's bits are 0 */
	uint64_t k1, k2; /* likewise */
};

static const struct weir_lookup *entry(const struct view *v, const struct candidate *c,
				       uint8_t protocol, uint16_t port_be)
{
	const struct lookup_key k = { weir_lookup_k0(c->kind, protocol, port_be, c->v4_be), c->k1,
				      c->k2 };

	return lookup_from(v, home_of(v, &k), &k, false);
}

/* Why a packet for a VIP goes to no service. */
static enum weir_drop no_service(const struct pkt *p)
{
	if (p->flags & PKT_ICMP_ERROR)
		return WEIR_DROP_BAD_QUOTE;
	if (p->flags & PKT_ECHO && p->flags & PKT_FRAG_FIRST)
		return WEIR_DROP_ECHO_FRAGMENT;
	if (p->flags & PKT_ECHO)
		return WEIR_DROP_ECHO_OFF; /* or answered: WEIR_VIP_ECHO says it */
	if (p->flags & PKT_OTHER_L4)
		return WEIR_DROP_UNSUPPORTED_L4;
	if (p->flags & PKT_FRAG_LATER)
		return WEIR_DROP_FRAGMENT; /* frags.c knows more */
	return WEIR_DROP_STRAY;
}

/* Is there such a VIP? Then it decides. */
static bool by_vip(const struct view *v, struct pkt *p, const struct candidate *c)
{
	const struct weir_lookup *vip = entry(v, c, 0, 0), *e = NULL;

	if (vip == NULL)
		return false;
	if (!(p->flags & NO_PORTS)) {
		e = entry(v, c, c->protocol, c->port_be);
		if (e == NULL)
			e = entry(v, c, c->protocol, 0);
	}
	if (e != NULL) {
		p->choice = choice_of(e);
	} else {
		p->choice = choice_of(vip);
		p->drop = no_service(p);
	}
	return true;
}

static void mask_be64(uint64_t *word, unsigned bits)
{
	*word &= bits == 0 ? 0 : rte_cpu_to_be_64(UINT64_MAX << (64 - bits));
}

static bool by_prefix4(const struct view *v, struct pkt *p, struct candidate *c)
{
	for (uint64_t rest = v->prefixes4; rest != 0;) {
		unsigned len = 63 - (unsigned)__builtin_clzll(rest);

		rest ^= 1ull << len;
		c->kind = weir_lookup_kind(4, len);
		c->v4_be &= len == 0 ? 0 : htonl(UINT32_MAX << (32 - len));
		if (by_vip(v, p, c))
			return true;
	}
	return false;
}

static bool by_prefix6(const struct view *v, struct pkt *p, struct candidate *c)
{
	for (unsigned word = 2; word-- > 0;)
		for (uint64_t rest = v->prefixes6[word]; rest != 0;) {
			unsigned len = 63 - (unsigned)__builtin_clzll(rest);

			rest ^= 1ull << len;
			c->kind = weir_lookup_kind(6, word * 64 + len);
			mask_be64(word == 1 ? &c->k2 : &c->k1, len);
			if (word == 0)
				c->k2 = 0;
			if (by_vip(v, p, c))
				return true;
		}
	return false;
}

/* Is the address a VIP's? Then that has decided. */
static bool is_decided(const struct view *v, struct pkt *p, const union flow_key *k)
{
	const struct weir_lookup *e;
	struct candidate c;

	if (p->flags & PKT_IPV6) {
		const struct lookup_key l = exact6(k);

		c = (struct candidate){ .kind = 6,
					.protocol = k->v6.protocol,
					.port_be = k->v6.dport_be,
					.k1 = l.k1,
					.k2 = l.k2 };
	} else {
		c = (struct candidate){ .kind = 4,
					.protocol = k->v4.protocol,
					.port_be = k->v4.dport_be,
					.v4_be = k->v4.dst_be };
	}
	/* The most usual of what is rare: a service on every port of one address. */
	e = p->flags & NO_PORTS ? NULL : entry(v, &c, c.protocol, 0);
	if (e != NULL) {
		p->choice = choice_of(e);
		return true;
	}
	return by_vip(v, p, &c) ||
	       (p->flags & PKT_IPV6 ? by_prefix6(v, p, &c) : by_prefix4(v, p, &c));
}

/* No service has exactly this address, protocol and port. */
static __rte_noinline void classify_rest(const struct view *v, struct burst *b, struct pkt *p,
					 const union flow_key *k)
{
	if (!is_decided(v, p, k))
		p->drop = WEIR_DROP_NOT_A_VIP;
	b->dropped |= p->drop != WEIR_DROP_NONE;
}

static void not_ours(struct pkt *p, enum weir_drop reason)
{
	if (p->drop != WEIR_DROP_NONE)
		p->flags |= PKT_MALFORMED;
	p->drop = (uint8_t)reason;
}

static __rte_noinline void no_snapshot(struct burst *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (!(b->pkt[i].flags & PKT_NO_ADDRESS))
			not_ours(&b->pkt[i], WEIR_DROP_NO_SNAPSHOT);
	b->dropped = true;
}

/* Parse has dropped it. All that counts is whether the address is a VIP's. */
static __rte_noinline void classify_malformed(const struct view *v, struct pkt *p,
					      const union flow_key *k)
{
	struct pkt asks = { .flags = (p->flags & PKT_IPV6) | PKT_OTHER_L4 };

	if (p->flags & PKT_NO_ADDRESS)
		return;
	if (is_decided(v, &asks, k))
		p->service = asks.service;
	else
		not_ours(p, WEIR_DROP_NOT_A_VIP);
}

/* k0 of an IPv4 packet, without the kind: protocol, port, destination. */
static inline uint64_t k0_of(const union flow_key *k)
{
	typedef uint64_t __attribute__((vector_size(16))) words;
	const bytes16 key = bytes16_load(k);

	return ((words)__builtin_shufflevector(key, key, 13, 12, 10, 11, 4, 5, 6, 7, 13, 13, 13, 13,
					       13, 13, 13, 13))[0];
}
static_assert(offsetof(union flow_key, v4.dst_be) == 4 &&
		      offsetof(union flow_key, v4.dport_be) == 10 &&
		      offsetof(union flow_key, v4.protocol) == 12 &&
		      offsetof(union flow_key, v4.zero) == 13,
	      "where k0_of() finds them");

/* A burst for one address, protocol and port: one look-up. */
static void classify_alike(const struct view *v, struct burst *b)
{
	const struct pkt *const end = b->pkt + b->n;
	const struct lookup_key k = b->seen & PKT_IPV6 ? exact6(b->key) : exact4(b->key);
	const struct weir_lookup *e = lookup_from(v, home_of(v, &k), &k, false);
	uint64_t choice;

	if (unlikely(e == NULL)) {
		for (uint32_t i = 0; i < b->n; i++)
			classify_rest(v, b, &b->pkt[i], &b->key[i]);
		return;
	}
	choice = choice_of(e);
#pragma GCC unroll 4
	for (struct pkt *p = b->pkt; p != end; p++)
		p->choice = choice;
	b->one_service = b->one_pool = true;
}

/*
 * A burst of nothing but TCP and UDP over IPv4, whole and so far without a drop, for several
 * targets. One pass: an entry is near enough for the CPU to go on with the next packets
 * meanwhile. Nothing foretells whether the next packet is for the service of the last, so that
 * is not asked.
 */
static void classify_plain(const struct view *v, struct burst *b)
{
	const struct weir_lookup *const lookup = v->lookup;
	const unsigned bits = v->lookup_bits;
	const uint32_t n = b->n;
	uint64_t differ = 0;

#pragma GCC unroll 4
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t k0 = k0_of(&b->key[i]) | 4;
		const struct weir_lookup *e = &lookup[weir_lookup_home(k0, 0, 0, bits)];
		struct pkt *p = &b->pkt[i];

		if (unlikely(e->k0 != k0)) {
			e = find4_from(v, (uint32_t)(e - lookup), k0);
			if (e == NULL) {
				classify_rest(v, b, p, &b->key[i]);
				differ = UINT64_MAX;
				continue;
			}
		}
		p->choice = choice_of(e);
		differ |= p->choice ^ b->pkt[0].choice;
	}
	b->one_service = (differ & CHOICE_SERVICE) == 0;
	b->one_pool = (differ & CHOICE_POOL) == 0;
}

/* Anything else. What a packet is stands in its flags. */
static __rte_noinline void classify_mixed(const struct view *v, struct burst *b)
{
	struct lookup_key last = { 0 };
	uint64_t choice = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];
		struct lookup_key k;

		if (p->drop != WEIR_DROP_NONE) {
			classify_malformed(v, p, &b->key[i]);
			continue;
		}
		if (p->flags & PKT_CHOSEN)
			continue;
		k = p->flags & PKT_IPV6 ? exact6(&b->key[i]) : exact4(&b->key[i]);
		if (k.k0 != last.k0 || k.k1 != last.k1 || k.k2 != last.k2 || p->flags & NO_PORTS) {
			const struct weir_lookup *e = NULL;

			if (likely(!(p->flags & NO_PORTS)))
				e = lookup_from(v, home_of(v, &k), &k, false);
			if (e == NULL) {
				classify_rest(v, b, p, &b->key[i]);
				continue;
			}
			choice = choice_of(e);
			last = k;
		}
		p->choice = choice;
	}
}

void classify_burst(const struct view *v, struct burst *b)
{
	b->one_pool = b->one_service = false;
	if (unlikely(v->generation == 0))
		no_snapshot(b);
	else if (likely(b->one_target))
		classify_alike(v, b);
	else if (likely(!b->dropped && !(b->seen & (NO_PORTS | PKT_IPV6 | PKT_CHOSEN))))
		classify_plain(v, b);
	else
		classify_mixed(v, b);
}
