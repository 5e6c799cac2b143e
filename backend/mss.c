// SPDX-License-Identifier: Apache-2.0
#include "mss.h"

#include <linux/rtnetlink.h>

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES  20
#define GUE_BYTES  12 /* UDP and GUE without extension fields */

static unsigned tcp_ip_bytes(uint8_t family)
{
	return TCP_BYTES + (family == 4 ? IPV4_BYTES : IPV6_BYTES);
}

unsigned mss_outer(const struct settings *s)
{
	unsigned bytes = IPV4_BYTES;

	if (!settings_unpack(s))
		return 0;
	for (unsigned i = 0; i < s->from.count; i++)
		if (s->from.item[i].addr.family == 6)
			bytes = IPV6_BYTES;
	return bytes + (s->mode == SETTINGS_GUE ? GUE_BYTES : 0);
}

unsigned mss_mtu(const struct settings *s, const struct host_link *link)
{
	return s->mtu != 0 ? s->mtu : link->mtu;
}

unsigned mss_limit(const struct settings *s, const struct host_link *link, uint8_t family)
{
	unsigned mtu = mss_mtu(s, link), headers = mss_outer(s) + tcp_ip_bytes(family);

	return mtu > headers ? mtu - headers : 1;
}

/* Of a route by several interfaces, one of them has this at most. */
static unsigned largest_mtu(const struct host *h)
{
	unsigned mtu = IPV6_BYTES + TCP_BYTES;

	for (unsigned i = 0; i < h->link_count; i++)
		if ((h->link[i].flags & (IFF_UP | IFF_LOOPBACK)) == IFF_UP && h->link[i].mtu > mtu)
			mtu = h->link[i].mtu;
	return mtu;
}

unsigned mss_announced(const struct host *h, const struct host_route *r, unsigned advmss)
{
	const struct host_link *l = host_link_by(h, r->ifindex);
	unsigned mtu = r->mtu != 0 ? r->mtu : l != NULL ? l->mtu : largest_mtu(h);

	return advmss != 0 ? advmss : mtu - tcp_ip_bytes(r->family);
}

bool mss_route_alone(const struct host *h, const struct host_route *r)
{
	unsigned same = 0;

	for (unsigned i = 0; i < h->route_count; i++)
		same += h->route[i].family == r->family && h->route[i].metric == r->metric;
	return same <= 1;
}

bool mss_route_ours(const struct host *h, const struct host_route *r)
{
	bool advertised =
		r->family == 6 && (r->protocol == RTPROT_RA || r->protocol == RTPROT_KERNEL);

	return !advertised && mss_route_alone(h, r);
}
