// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel says of a network interface. Needs no privilege; -ENODEV where
 * the interface does not exist (any more).
 */
#ifndef WEIR_IFACE_H
#define WEIR_IFACE_H

/* Receive queues: those that come with a transmit queue, and all of them. A
 * device that knows nothing of queues has 1. Returns 0 or a negative errno. */
int iface_queues(const char *iface, unsigned *combined, unsigned *rx);

/* Bytes of IP, or a negative errno. */
int iface_mtu(const char *iface);

/* 1 if it is up and has a carrier, 0 if not, or a negative errno. */
int iface_running(const char *iface);

#endif /* WEIR_IFACE_H */
