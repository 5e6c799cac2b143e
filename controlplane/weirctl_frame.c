// SPDX-License-Identifier: Apache-2.0
#include "addr.h"
#include "weirctl.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

enum {
	ETHERNET_LEN = 14,
	VLAN_LEN = 4,
	UDP_LEN = 8,
	GUE_LEN = 4,
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_VLAN = 0x8100,
	TYPE_QINQ = 0x88a8,
	TYPE_IPV6 = 0x86dd,
};

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* What follows an IP header; -1 when nothing that is printed here. */
static int inner_type(unsigned protocol)
{
	return protocol == IPPROTO_IPIP ? TYPE_IPV4 : protocol == IPPROTO_IPV6 ? TYPE_IPV6 : -1;
}

static void print_l4(FILE *out, unsigned protocol, const uint8_t *p, size_t len, const char *indent)
{
	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || len < 4)
		return;
	fprintf(out, "%s%s %u > %u\n", indent, protocol == IPPROTO_TCP ? "TCP" : "UDP", be16(p),
		be16(p + 2));
}

static const char *protocol_text(unsigned protocol)
{
	switch (protocol) {
	case IPPROTO_IPIP:
		return "IPv4 inside (IP in IP)";
	case IPPROTO_IPV6:
		return "IPv6 inside (IP in IP)";
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	default:
		return "another protocol";
	}
}

static void addr_text(bool v6, const uint8_t *bytes, char *buf)
{
	struct weir_addr a = { .family = v6 ? 6 : 4 };

	memcpy(a.bytes, bytes, v6 ? 16 : 4);
	weir_addr_text(&a, buf);
}

/* One IP header; the next one's type in *type, or -1. Returns the bytes it took, 0 when
 * the frame ends in it. */
static size_t print_ip(FILE *out, int *type, unsigned *protocol, const uint8_t *p, size_t len,
		       const char *indent)
{
	char src[WEIR_ADDR_STRLEN], dst[WEIR_ADDR_STRLEN];
	bool v6 = *type == TYPE_IPV6;
	size_t header = v6 ? 40 : len > 0 ? (size_t)(p[0] & 15) * 4 : 0;

	if (len < (v6 ? 40 : 20) || header < 20)
		return 0;
	*protocol = v6 ? p[6] : p[9];
	addr_text(v6, p + (v6 ? 8 : 12), src);
	addr_text(v6, p + (v6 ? 24 : 16), dst);
	fprintf(out, "%s%s %s > %s, %u bytes, %s %u, %s\n", indent, v6 ? "IPv6" : "IPv4", src, dst,
		v6 ? be16(p + 4) + 40 : be16(p + 2), v6 ? "hop limit" : "TTL", v6 ? p[7] : p[8],
		protocol_text(*protocol));
	*type = inner_type(*protocol);
	return header;
}

/* UDP to the port that GUE has: what it carries in *type. Returns the bytes of both
 * headers; 0: it is none. Variant 0 without options: what Weir sends. */
static size_t print_gue(FILE *out, int *type, unsigned protocol, const uint8_t *p, size_t len,
			unsigned gue_port, const char *indent)
{
	if (gue_port == 0 || protocol != IPPROTO_UDP || len < UDP_LEN + GUE_LEN ||
	    be16(p + 2) != gue_port || p[UDP_LEN] != 0 || inner_type(p[UDP_LEN + 1]) < 0)
		return 0;
	*type = inner_type(p[UDP_LEN + 1]);
	print_l4(out, protocol, p, len, indent);
	fprintf(out, "%sGUE, %s inside\n", indent, *type == TYPE_IPV6 ? "IPv6" : "IPv4");
	return UDP_LEN + GUE_LEN;
}

void weirctl_print_frame(FILE *out, const uint8_t *frame, size_t len, unsigned gue_port,
			 const char *indent)
{
	const uint8_t *p = frame + ETHERNET_LEN;
	unsigned protocol = 0;
	size_t left;
	int type;

	if (len < ETHERNET_LEN)
		return;
	left = len - ETHERNET_LEN;
	type = (int)be16(frame + 12);
	fprintf(out, "%sEthernet %02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x",
		indent, frame[6], frame[7], frame[8], frame[9], frame[10], frame[11], frame[0],
		frame[1], frame[2], frame[3], frame[4], frame[5]);
	if (type == TYPE_VLAN && left >= VLAN_LEN) {
		fprintf(out, ", VLAN %u", be16(p) & 0xfff);
		type = (int)be16(p + 2);
		p += VLAN_LEN;
		left -= VLAN_LEN;
	}
	fprintf(out, "\n");
	while (type == TYPE_IPV4 || type == TYPE_IPV6) {
		size_t taken = print_ip(out, &type, &protocol, p, left, indent);

		if (taken == 0 || taken > left)
			return;
		p += taken;
		left -= taken;
		if (type == -1) {
			taken = print_gue(out, &type, protocol, p, left, gue_port, indent);
			p += taken;
			left -= taken;
			gue_port = 0;
		}
	}
	print_l4(out, protocol, p, left, indent);
}

/* Where the IP header is, and its type; 0: the frame ends before it or has none. */
static size_t find_ip(const uint8_t *frame, size_t len, unsigned *type)
{
	size_t at = ETHERNET_LEN;

	if (len < ETHERNET_LEN)
		return 0;
	*type = be16(frame + 12);
	while ((*type == TYPE_VLAN || *type == TYPE_QINQ) && len >= at + VLAN_LEN) {
		*type = be16(frame + at + 2);
		at += VLAN_LEN;
	}
	return at;
}

static const char *l4_name(unsigned protocol, char *buf, size_t len)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	case IPPROTO_FRAGMENT:
		return "fragment";
	default:
		snprintf(buf, len, "protocol %u", protocol);
		return buf;
	}
}

const char *weirctl_frame_words(const uint8_t *frame, size_t len, char *buf, size_t buf_len)
{
	char src[WEIR_ADDR_STRLEN], dst[WEIR_ADDR_STRLEN], name[24];
	unsigned type = 0, protocol;
	size_t at = find_ip(frame, len, &type), header;
	const uint8_t *p = frame + at;
	bool v6 = type == TYPE_IPV6, ports;

	if (at == 0 || (type != TYPE_IPV4 && !v6) || len < at + (v6 ? 40 : 20)) {
		snprintf(buf, buf_len, "%s", type == TYPE_ARP ? "ARP" : "no whole IP header");
		return buf;
	}
	protocol = v6 ? p[6] : p[9];
	header = v6 ? 40 : (size_t)(p[0] & 15) * 4;
	ports = (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && header >= 20 &&
		len >= at + header + 4 && (v6 || (be16(p + 6) & 0x1fff) == 0);
	addr_text(v6, p + (v6 ? 8 : 12), src);
	addr_text(v6, p + (v6 ? 24 : 16), dst);
	if (!ports)
		snprintf(buf, buf_len, "%s > %s %s", src, dst, l4_name(protocol, name, 24));
	else if (v6)
		snprintf(buf, buf_len, "[%s]:%u > [%s]:%u %s", src, be16(p + header), dst,
			 be16(p + header + 2), l4_name(protocol, name, 24));
	else
		snprintf(buf, buf_len, "%s:%u > %s:%u %s", src, be16(p + header), dst,
			 be16(p + header + 2), l4_name(protocol, name, 24));
	return buf;
}
