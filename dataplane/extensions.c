// SPDX-License-Identifier: Apache-2.0
#include "parse.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* The least that any extension header has, and what a fragment header has. */
#define EXTENSION_MIN 8

#define FRAGMENT_MORE	  0x0001
#define FRAGMENT_OFF_MASK 0xfff8

/* Does an IPv6 header of this number stand in front of the transport header? */
static bool is_extension(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
		return true;
	default:
		return false;
	}
}

/* The fragment header at `h`, with `behind` bytes of the packet behind it. */
static void take_fragment(const uint8_t *h, uint32_t behind, struct chain *c)
{
	uint16_t bits;

	memcpy(&bits, h + 2, sizeof(bits));
	bits = ntohs(bits);
	if (!(bits & (FRAGMENT_MORE | FRAGMENT_OFF_MASK)))
		return; /* atomic */
	c->fragmented = true;
	c->before = c->off - (uint32_t)sizeof(struct rte_ipv6_hdr);
	c->fragment = (struct fragment){ .off = bits & FRAGMENT_OFF_MASK,
					 .len = (uint16_t)behind,
					 .more = bits & FRAGMENT_MORE };
	memcpy(&c->fragment.id_be, h + 4, sizeof(c->fragment.id_be));
}

uint32_t extensions_walk(const struct rte_ipv6_hdr *ip, uint32_t held, uint32_t len,
			 struct chain *c)
{
	bool had_fragment = false;

	*c = (struct chain){ .off = sizeof(*ip), .protocol = ip->proto };
	for (unsigned n = 0; is_extension(c->protocol); n++) {
		/* The packet's end within the chain, as a drop. */
		const uint32_t ends =
			c->fragmented ? PARSE_DROP(FRAGMENT_TINY) : PARSE_DROP(TRUNCATED);
		const uint8_t *h = (const uint8_t *)ip + c->off;
		uint32_t size;

		if (n == EXTENSIONS_MAX || (c->protocol == IPPROTO_HOPOPTS && n != 0))
			return PARSE_DROP(BAD_EXTENSION);
		if (c->off + EXTENSION_MIN > len)
			return ends;
		if (c->off + EXTENSION_MIN > held)
			return PARSE_DROP(TRUNCATED);

		switch (c->protocol) {
		case IPPROTO_FRAGMENT:
			size = EXTENSION_MIN;
			if (had_fragment)
				return PARSE_DROP(BAD_EXTENSION);
			had_fragment = true;
			take_fragment(h, len - c->off - size, c);
			break;
		case IPPROTO_AH:
			size = (h[1] + 2u) * 4;
			break;
		case IPPROTO_ROUTING:
			if (h[3] != 0)
				return PARSE_DROP(BAD_EXTENSION);
			/* fallthrough */
		default:
			size = (h[1] + 1u) * 8;
		}
		c->protocol = h[0];
		c->off += size;
		if (c->off > sizeof(*ip) + EXTENSIONS_MAX_BYTES)
			return PARSE_DROP(BAD_EXTENSION);
		if (c->off > len)
			return ends;
		if (c->off > held)
			return PARSE_DROP(TRUNCATED);
		if (c->fragmented && c->fragment.off != 0)
			break; /* what follows is the middle of something */
	}
	return 0;
}
