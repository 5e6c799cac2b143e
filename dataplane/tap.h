// SPDX-License-Identifier: Apache-2.0
/*
 * TAP interfaces: the kernel's end of a port with `punt = tap`.
 */
#ifndef WEIR_TAP_H
#define WEIR_TAP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The interface `name` with this MAC address and MTU, up. One that exists already and
 * is a TAP that nobody holds (`ip tuntap add ... mode tap`) is taken as it is, with its
 * addresses, and stays when we go; one that we made goes with the descriptor. Needs
 * CAP_NET_ADMIN. Returns a descriptor that does not block, with *ifindex set; or a
 * negative errno: -EBUSY: the name belongs to an interface that is not to be had.
 */
int tap_open(const char *name, const uint8_t mac[6], uint16_t mtu, unsigned *ifindex);

/* Let it have a carrier or not, as the port has. Needs no privilege. */
void tap_carrier(int fd, bool up);

#endif /* WEIR_TAP_H */
