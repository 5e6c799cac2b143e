// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel says of a network interface. Needs no privilege; -ENODEV where
 * the interface does not exist (any more).
 */
#ifndef WEIR_IFACE_H
#define WEIR_IFACE_H

#include <stdint.h>

struct iface_queues {
	unsigned rx;	 /* queues that it receives by now */
	unsigned paired; /* those with a transmit queue: the ones that AF_XDP can have */
	unsigned most;	 /* pairs that `ethtool -L IFACE combined` can give it */
};

/* A device that knows nothing of queues has one. Returns 0 or a negative errno. */
int iface_queues(const char *iface, struct iface_queues *out);

/* Bytes of IP, or a negative errno. */
int iface_mtu(const char *iface);

/* Its MAC address. Returns 0 or a negative errno. */
int iface_mac(const char *iface, uint8_t mac[6]);

/* 1 if it is up and has a carrier, 0 if not, or a negative errno. */
int iface_running(const char *iface);

#endif /* WEIR_IFACE_H */
