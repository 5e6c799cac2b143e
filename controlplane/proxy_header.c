// SPDX-License-Identifier: Apache-2.0
#include "proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
	VERSION_2_PROXY = 0x21, /* version 2 in the high half, command PROXY */
	TCP_OVER_IPV4 = 0x11,
	TCP_OVER_IPV6 = 0x21,
};

static const uint8_t signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				       0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

static const void *address(const struct sockaddr *s)
{
	if (s->sa_family == AF_INET6)
		return &((const struct sockaddr_in6 *)s)->sin6_addr;
	return &((const struct sockaddr_in *)s)->sin_addr;
}

/* In network order. */
static uint16_t port(const struct sockaddr *s)
{
	if (s->sa_family == AF_INET6)
		return ((const struct sockaddr_in6 *)s)->sin6_port;
	return ((const struct sockaddr_in *)s)->sin_port;
}

static size_t build_v1(const struct sockaddr *from, const struct sockaddr *to, uint8_t *buf)
{
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN];

	inet_ntop(from->sa_family, address(from), a, sizeof(a));
	inet_ntop(to->sa_family, address(to), b, sizeof(b));
	return (size_t)snprintf((char *)buf, PROXY_HEADER_MAX, "PROXY %s %s %s %u %u\r\n",
				from->sa_family == AF_INET6 ? "TCP6" : "TCP4", a, b,
				ntohs(port(from)), ntohs(port(to)));
}

static size_t build_v2(const struct sockaddr *from, const struct sockaddr *to, uint8_t *buf)
{
	size_t alen = from->sa_family == AF_INET6 ? 16 : 4;
	uint16_t len = (uint16_t)(2 * alen + 4), ports[2] = { port(from), port(to) };
	uint8_t *at = buf;

	memcpy(at, signature, sizeof(signature));
	at += sizeof(signature);
	*at++ = VERSION_2_PROXY;
	*at++ = from->sa_family == AF_INET6 ? TCP_OVER_IPV6 : TCP_OVER_IPV4;
	*at++ = (uint8_t)(len >> 8);
	*at++ = (uint8_t)len;
	memcpy(at, address(from), alen);
	memcpy(at + alen, address(to), alen);
	memcpy(at + 2 * alen, ports, 4);
	return (size_t)(at - buf) + len;
}

size_t proxy_header_build(int version, const struct sockaddr *from, const struct sockaddr *to,
			  uint8_t *buf)
{
	if (from->sa_family != to->sa_family ||
	    (from->sa_family != AF_INET && from->sa_family != AF_INET6))
		return 0;
	switch (version) {
	case 1:
		return build_v1(from, to, buf);
	case 2:
		return build_v2(from, to, buf);
	}
	return 0;
}
