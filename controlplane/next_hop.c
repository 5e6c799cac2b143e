// SPDX-License-Identifier: Apache-2.0
#include "next_hop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char no_dataplane[] = "no data plane is attached, so its ports are not known";

__attribute__((format(printf, 2, 3))) static void because(struct next_hop *hop, const char *fmt,
							  ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(hop->why, sizeof(hop->why), fmt, ap);
	va_end(ap);
}

bool next_hop_equal(const struct next_hop *a, const struct next_hop *b)
{
	return a->resolved == b->resolved && a->port == b->port && a->vlan == b->vlan &&
	       a->mtu == b->mtu && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       weir_addr_equal(&a->source, &b->source);
}

static bool needs_source(const struct backend *b)
{
	return b->pool->conf.mode != WEIR_MODE_L2 && b->pool->conf.outer_source.family == 0;
}

/* Bytes of IP: what the port carries, or less where the route says so. */
static uint16_t mtu_of(const struct weir_port_info *port, const struct rtnl_route *route)
{
	if (route->mtu != 0 && (port->mtu == 0 || route->mtu < port->mtu))
		return (uint16_t)(route->mtu > UINT16_MAX ? UINT16_MAX : route->mtu);
	return port->mtu;
}

/* `port=` names it; without, there is only one. */
static int port_by_name(const struct weir_ports_are *ports, const char *name)
{
	if (name[0] == '\0')
		return ports->count == 1 ? 0 : -1;
	for (uint32_t i = 0; i < ports->count && i < WEIR_MAX_PORTS; i++)
		if (strncmp(ports->port[i].name, name, WEIR_NAME_LEN) == 0)
			return (int)i;
	return -1;
}

int next_hop_port(const struct weir_ports_are *ports, uint32_t ifindex)
{
	for (uint32_t i = 0; i < ports->count && i < WEIR_MAX_PORTS; i++)
		if (ports->port[i].ifindex == ifindex)
			return (int)i;
	return -1;
}

static void by_hand(const struct backend *b, const struct next_hop_facts *f, struct next_hop *out)
{
	int port;

	if (f->ports == NULL) {
		because(out, no_dataplane);
		return;
	}
	out->resolved = false;
	port = port_by_name(f->ports, b->conf.port);
	if (port < 0 && b->conf.port[0] == '\0') {
		because(out, "mac is set, port is not, and the data plane has several ports");
		return;
	}
	if (port < 0) {
		because(out, "the data plane has no port named %.40s", b->conf.port);
		return;
	}
	*out = (struct next_hop){ .port = (uint8_t)port, .vlan = b->conf.vlan };
	memcpy(out->mac, b->conf.mac, sizeof(out->mac));
	out->mtu = f->ports->port[port].mtu;
	if (f->route_err == 0)
		out->source = f->route.source;
	if (needs_source(b) && out->source.family != b->conf.addr.family) {
		because(out, "this host has no source address towards it: set outer_source");
		return;
	}
	out->resolved = true;
}

static void no_route(int err, struct next_hop *out)
{
	switch (err) {
	case -EINVAL:
		because(out, "its route is a blackhole");
		break;
	case -EHOSTUNREACH:
		because(out, "its route says unreachable");
		break;
	case -EACCES:
		because(out, "its route says prohibit");
		break;
	case -ENETUNREACH:
		because(out, "this host has no route to it");
		break;
	default:
		because(out, "cannot ask for its route: %s", strerror(-err));
	}
}

static void by_kernel(const struct backend *b, const struct next_hop_facts *f, struct next_hop *out)
{
	char text[WEIR_ADDR_STRLEN];
	int port;

	if (f->route_err != 0) {
		no_route(f->route_err, out);
		return;
	}
	if (f->route.local) {
		out->resolved = false;
		because(out, "its address is one of this host");
		return;
	}
	if (b->pool->conf.mode == WEIR_MODE_L2 && f->route.gateway.family != 0) {
		/* A router would send the frame, which is still for the VIP, back to us. */
		out->resolved = false;
		because(out, "mode l2 needs it on a network of this host, not behind %s",
			weir_addr_text(&f->route.gateway, text));
		return;
	}
	if (f->ports == NULL) {
		because(out, no_dataplane);
		return;
	}
	port = next_hop_port(f->ports, f->route.ifindex);
	if (port < 0) {
		because(out, "its route leaves by %.20s, which is no port of the data plane",
			f->ifname);
		return;
	}
	if (needs_source(b) && f->route.source.family != b->conf.addr.family) {
		because(out, "this host has no source address towards it: set outer_source");
		return;
	}
	if (!f->has_mac) {
		const struct weir_addr *asked =
			f->route.gateway.family != 0 ? &f->route.gateway : &b->conf.addr;

		because(out, "%s does not answer %s on %.20s", weir_addr_text(asked, text),
			asked->family == 6 ? "ND" : "ARP", f->ifname);
		return;
	}
	*out = (struct next_hop){ .resolved = true,
				  .port = (uint8_t)port,
				  .mtu = mtu_of(&f->ports->port[port], &f->route),
				  .source = f->route.source };
	memcpy(out->mac, f->mac, sizeof(out->mac));
}

void next_hop_derive(const struct backend *b, const struct next_hop_facts *f, struct next_hop *out)
{
	*out = b->hop;
	out->why[0] = '\0';
	if (b->conf.has_mac)
		by_hand(b, f, out);
	else
		by_kernel(b, f, out);
}
