// SPDX-License-Identifier: Apache-2.0
#include "icmp_about.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>

enum { ICMP_HEADER = 8 };

static bool of_a_tunnel(uint8_t protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_UDP;
}

/* The port that a UDP header of which `len` bytes are quoted was for. */
static uint16_t port_of(uint8_t protocol, const uint8_t *udp, size_t len)
{
	return protocol == IPPROTO_UDP && len >= 4 ? (uint16_t)(udp[2] << 8 | udp[3]) : 0;
}

static size_t ip_header_len(const uint8_t *packet, size_t len)
{
	size_t n;

	if (len < sizeof(struct iphdr) || packet[0] >> 4 != 4)
		return 0;
	n = (packet[0] & 0x0fu) * 4;
	return n >= sizeof(struct iphdr) && n <= len ? n : 0;
}

bool icmp_about_read4(const uint8_t *packet, size_t len, struct icmp_about *out)
{
	size_t header = ip_header_len(packet, len);
	const uint8_t *icmp = packet + header, *quoted = icmp + ICMP_HEADER;
	size_t quote = len - header - ICMP_HEADER, options;

	if (header == 0 || len - header < ICMP_HEADER + sizeof(struct iphdr) ||
	    (icmp[0] != ICMP_DEST_UNREACH && icmp[0] != ICMP_TIME_EXCEEDED) ||
	    quoted[0] >> 4 != 4 || !of_a_tunnel(quoted[9]))
		return false;
	memset(out, 0, sizeof(*out));
	out->type = icmp[0];
	out->code = icmp[1];
	if (icmp[0] == ICMP_DEST_UNREACH && icmp[1] == ICMP_FRAG_NEEDED)
		out->mtu = (uint16_t)(icmp[6] << 8 | icmp[7]);
	out->protocol = quoted[9];
	options = ip_header_len(quoted, quote);
	if (options != 0)
		out->port = port_of(quoted[9], quoted + options, quote - options);
	out->outer_dst.family = 4;
	memcpy(out->outer_dst.bytes, quoted + 16, 4);
	return true;
}

bool icmp_about_read6(const uint8_t *message, size_t len, struct icmp_about *out)
{
	const uint8_t *quoted = message + ICMP_HEADER;
	uint32_t mtu;

	if (len < ICMP_HEADER + sizeof(struct ip6_hdr) || message[0] < ICMP6_DST_UNREACH ||
	    message[0] > ICMP6_PARAM_PROB || quoted[0] >> 4 != 6 || !of_a_tunnel(quoted[6]))
		return false;
	memset(out, 0, sizeof(*out));
	out->type = message[0];
	out->code = message[1];
	if (message[0] == ICMP6_PACKET_TOO_BIG) {
		mtu = (uint32_t)message[4] << 24 | (uint32_t)message[5] << 16 |
		      (uint32_t)message[6] << 8 | message[7];
		out->mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
	}
	out->protocol = quoted[6];
	out->port = port_of(quoted[6], quoted + sizeof(struct ip6_hdr),
			    len - ICMP_HEADER - sizeof(struct ip6_hdr));
	out->outer_dst.family = 6;
	memcpy(out->outer_dst.bytes, quoted + 24, 16);
	return true;
}

/* Nothing at the destination takes this protocol, or listens on this port. */
static bool no_decapsulation(const struct icmp_about *m)
{
	if (m->outer_dst.family == 4)
		return m->type == ICMP_DEST_UNREACH &&
		       (m->code == ICMP_PROT_UNREACH || m->code == ICMP_PORT_UNREACH);
	return (m->type == ICMP6_DST_UNREACH && m->code == ICMP6_DST_UNREACH_NOPORT) ||
	       (m->type == ICMP6_PARAM_PROB && m->code == ICMP6_PARAMPROB_NEXTHEADER);
}

static const char *words(const struct icmp_about *m)
{
	if (m->outer_dst.family == 4) {
		if (m->type == ICMP_TIME_EXCEEDED)
			return "time to live exceeded";
		switch (m->code) {
		case ICMP_NET_UNREACH:
			return "network unreachable";
		case ICMP_HOST_UNREACH:
			return "host unreachable";
		case ICMP_NET_ANO:
		case ICMP_HOST_ANO:
		case ICMP_PKT_FILTERED:
			return "administratively prohibited";
		}
		return "unreachable";
	}
	if (m->type == ICMP6_TIME_EXCEEDED)
		return "hop limit exceeded";
	return m->code == ICMP6_DST_UNREACH_ADMIN ? "administratively prohibited" : "unreachable";
}

const char *icmp_about_text(const struct icmp_about *m, const struct weir_addr *by, char *buf,
			    size_t len)
{
	char from[WEIR_ADDR_STRLEN];

	weir_addr_text(by, from);
	if (no_decapsulation(m))
		snprintf(buf, len, "%s says that nothing takes off the encapsulation there", from);
	else if (m->mtu)
		snprintf(buf, len, "%s says that at most %u bytes fit", from, m->mtu);
	else
		snprintf(buf, len, "%s says about the tunnel: %s", from, words(m));
	return buf;
}
